"""What spans and events made by hand take as keywords: names of attributes with `_` for dots, without `quantum`.

Generated from the registry by semconv/generate.py: edit the model, not this file.
"""

from collections.abc import Sequence
from typing import Final, TypedDict


class SpanBackend(TypedDict, total=False):
    """The attributes of `quantum.span.backend`."""

    provider_name: str
    backend_name: str
    backend_simulator: bool
    backend_version: str
    backend_qubit_count: int


class SpanCalibration(TypedDict, total=False):
    """The attributes of `quantum.span.calibration`."""

    backend_calibration_version: str
    backend_calibration_id: str
    backend_calibration_time: str
    backend_calibration_age: float
    backend_calibration_match: str
    backend_calibration_t1_median: float
    backend_calibration_t2_median: float
    backend_calibration_t2_method: str
    backend_calibration_readout_error_median: float
    backend_calibration_single_qubit_error_median: float
    backend_calibration_two_qubit_error_median: float
    backend_calibration_two_qubit_error_max: float
    backend_calibration_operational_qubits: int
    backend_calibration_operational_pairs: int
    backend_calibration_oldest_value_age: float
    backend_calibration_statistic: str
    backend_calibration_changed: bool
    backend_status: str
    backend_queue_length: int
    backend_rate_limit_remaining: int
    backend_window_start_time: str
    backend_window_end_time: str
    backend_benchmark_eplg: float
    backend_benchmark_clops: int
    backend_benchmark_quantum_volume: int
    backend_noise_level: float
    circuit_calibration_success_probability: float
    circuit_calibration_two_qubit_error_max: float
    circuit_calibration_readout_error_max: float
    circuit_calibration_t2_min: float
    circuit_calibration_coherence_ratio: float
    circuit_calibration_coherence_margin: float
    circuit_calibration_coherence_basis: str
    circuit_calibration_worst_pair: str
    circuit_calibration_unusable_sites: int
    circuit_calibration_missing_terms: int
    circuit_calibration_basis: str


class SpanCircuit(TypedDict, total=False):
    """The attributes of `quantum.span.circuit`."""

    circuit_name: str
    circuit_count: int
    circuit_qubit_count: int
    circuit_depth: int
    circuit_gate_count: int
    circuit_duration: float
    circuit_two_qubit_gate_count: int
    circuit_measurement_count: int
    circuit_parameter_count: int
    circuit_hash: str
    circuit_physical_qubits: Sequence[str]
    circuit_operations: Sequence[str]


class SpanCost(TypedDict, total=False):
    """The attributes of `quantum.span.cost`."""

    cost_amount: float
    cost_currency: str
    cost_source: str
    cost_type: str
    cost_per_success: float


class SpanLogical(TypedDict, total=False):
    """The attributes of `quantum.span.logical`."""

    circuit_logical_hash: str
    circuit_logical_qubit_count: int
    circuit_logical_depth: int
    circuit_logical_gate_count: int
    circuit_logical_two_qubit_gate_count: int


class SpanMitigation(TypedDict, total=False):
    """The attributes of `quantum.span.mitigation`."""

    mitigation_technique: str
    mitigation_parameters: str
    mitigation_overhead: float
    mitigation_effect: float
    mitigation_helped: bool


class SpanRequest(TypedDict, total=False):
    """The attributes of `quantum.span.request`."""

    request_correlation_id: str
    request_id: str
    request_tenant: str
    workflow_version: str
    workload_class: str
    circuit_family: str


class SpanUsage(TypedDict, total=False):
    """The attributes of `quantum.span.usage`."""

    usage_qpu_duration: float
    usage_billed_duration: float
    usage_reserved_duration: float


class SpanWorkload(TypedDict, total=False):
    """The attributes of `quantum.span.workload`."""

    workload_urgency: str
    workload_value: str
    workload_backend_sensitivity: str
    workload_retry_tolerance: str


class Llm(SpanRequest, total=False):
    """A language model is asked on behalf of a hybrid request."""

    llm_model_version: str
    llm_prompt_hash: str
    llm_prompt_template_name: str
    llm_prompt_template_version: str
    llm_validator_name: str
    llm_validator_passed: bool
    llm_content_id: str
    workflow_name: str


class Poll(SpanRequest, SpanBackend, total=False):
    """The client asks the provider for the state of a job."""

    job_id: str
    job_status: str
    job_queue_position: int
    workflow_name: str


class Result(SpanRequest, SpanBackend, total=False):
    """Results of a job are waited for, fetched and parsed."""

    job_id: str
    job_status: str
    result_size: int
    result_hash: str
    result_summary: str
    job_successful_shots: int
    workflow_name: str


class Job(SpanRequest, SpanBackend, SpanCircuit, SpanCalibration, SpanCost, SpanLogical, SpanUsage, total=False):
    """A job from its submission to its final state, with its queue and its execution as children."""

    job_id: str
    job_status: str
    job_shots: int
    job_duration: float
    job_queue_duration: float
    job_execution_duration: float
    job_retry_count: int
    job_successful_shots: int
    job_queue_enter_time: str
    job_queue_leave_time: str
    job_execution_start_time: str
    job_execution_end_time: str
    cloud_region: str
    workflow_name: str


class Algorithm(SpanRequest, total=False):
    """One run of a quantum or hybrid algorithm."""

    algorithm_name: str
    algorithm_type: str
    problem_type: str
    problem_size: int
    algorithm_value: float
    algorithm_approximation_ratio: float
    algorithm_advantage: float
    algorithm_classical_method: str
    algorithm_classical_value: float
    workflow_name: str


class AnswerCheck(SpanRequest, total=False):
    """The answer of a language model goes through deterministic checks."""

    llm_validator_name: str
    llm_validator_passed: bool
    workflow_name: str


class BackendSelection(SpanRequest, total=False):
    """A backend is chosen."""

    provider_name: str
    backend_name: str
    route_reason: str
    route_objective: str
    cloud_region: str
    backend_status: str
    backend_queue_length: int
    backend_uptime_ratio: float
    backend_window_start_time: str
    backend_window_end_time: str
    backend_rate_limit_remaining: int
    workflow_name: str


class Batch(SpanRequest, SpanBackend, total=False):
    """Several circuits or jobs are run as one batch."""

    circuit_count: int
    workflow_name: str


class BusinessRule(SpanRequest, total=False):
    """The answer is checked against business rules."""

    rule_name: str
    rule_passed: bool
    workflow_name: str


class CircuitAssembly(SpanRequest, SpanCircuit, total=False):
    """Circuits are built from a problem."""

    circuit_estimated_error: float
    circuit_approximation: str
    circuit_approximation_degree: float
    circuit_qasm: str
    workflow_name: str


class Epoch(SpanRequest, total=False):
    """One pass over the training data."""

    training_epoch_index: int
    training_epoch_loss: float
    training_epoch_accuracy: float
    workflow_name: str


class Execute(SpanRequest, SpanBackend, SpanCircuit, SpanCalibration, SpanLogical, SpanUsage, SpanCost, SpanMitigation, total=False):
    """Circuits run on a backend. Every execution has exactly one such span."""

    execution_success: bool
    job_id: str
    job_shots: int
    job_status: str
    job_queue_duration: float
    job_duration: float
    job_execution_duration: float
    job_execution_start_time: str
    job_execution_end_time: str
    primitive_name: str
    job_successful_shots: int
    circuit_qasm: str
    cloud_region: str
    result_divergence: float
    result_fidelity: float
    workflow_name: str


class Fallback(SpanRequest, total=False):
    """Another way is taken after a failure."""

    backend_name: str
    fallback_used: bool
    route_reason: str
    fallback_kind: str
    outcome_degraded: bool
    workflow_name: str


class FeaturePreparation(SpanRequest, total=False):
    """Input data becomes features or parameters."""

    workflow_name: str


class Layer(SpanRequest, total=False):
    """One layer of a variational or hybrid model."""

    layer_type: str
    layer_index: int
    workflow_name: str


class Mitigation(SpanRequest, total=False):
    """Results are corrected for errors of the backend."""

    mitigation_technique: str
    mitigation_parameters: str
    mitigation_overhead: float
    mitigation_effect: float
    mitigation_helped: bool
    workflow_name: str


class OrchestratorDecision(SpanRequest, total=False):
    """A route is chosen among backends, simulators and classical answers."""

    backend_name: str
    route_reason: str
    route_taken: str
    route_alternatives: Sequence[str]
    route_objective: str
    provider_name: str
    cloud_region: str
    workflow_name: str


class ParameterBinding(SpanRequest, SpanCircuit, total=False):
    """Values are bound to the free parameters of circuits."""

    workflow_name: str


class PostProcess(SpanRequest, total=False):
    """Results are aggregated or turned into an answer."""

    result_size: int
    result_fidelity: float
    result_confidence: float
    result_divergence: float
    result_hash: str
    result_summary: str
    result_post_process_duration: float
    workflow_name: str


class PromptConstruction(SpanRequest, total=False):
    """Context is retrieved and the prompt of a language model is made from its template."""

    llm_prompt_hash: str
    llm_prompt_template_name: str
    llm_prompt_template_version: str
    workflow_name: str


class Queue(SpanRequest, SpanBackend, total=False):
    """The job waits for the backend."""

    job_id: str
    job_queue_position: int
    job_queue_duration: float
    job_queue_enter_time: str
    job_queue_leave_time: str
    backend_queue_length: int
    workflow_name: str


class Scoring(SpanRequest, total=False):
    """A downstream model scores the answer."""

    training_model_name: str
    result_confidence: float
    workflow_name: str


class Training(SpanRequest, total=False):
    """A quantum or hybrid model is trained."""

    training_type: str
    training_model_name: str
    training_epoch_count: int
    training_batch_size: int
    training_final_loss: float
    training_accuracy: float
    workflow_name: str


class Transpile(SpanRequest, SpanCircuit, SpanLogical, total=False):
    """Circuits are rewritten for a backend."""

    transpiler_optimization_level: int
    transpiler_options: str
    backend_name: str
    circuit_estimated_error: float
    circuit_approximation: str
    circuit_approximation_degree: float
    circuit_qasm: str
    workflow_name: str


class Workflow(SpanRequest, SpanWorkload, total=False):
    """One run of a workflow, from its input to its answer."""

    workflow_name: str
    fallback_used: bool
    outcome_degraded: bool
    result_confidence: float


class Submit(SpanRequest, SpanBackend, SpanCircuit, total=False):
    """A job is handed to a provider."""

    job_id: str
    job_shots: int
    job_status: str
    primitive_name: str
    job_retry_count: int
    backend_rate_limit_remaining: int
    backend_window_end_time: str
    cloud_region: str
    mitigation_technique: str
    workflow_name: str


class Ingress(SpanRequest, SpanWorkload, total=False):
    """A request for a quantum or hybrid answer arrives at the service."""

    outcome_degraded: bool
    workflow_name: str


class AlgorithmPerformance(TypedDict, total=False):
    """How well an algorithm did."""

    algorithm_name: str
    algorithm_type: str
    problem_type: str
    problem_size: int
    algorithm_value: float
    algorithm_approximation_ratio: float
    algorithm_advantage: float
    algorithm_classical_method: str
    algorithm_classical_value: float


class BackendCalibrationChange(TypedDict, total=False):
    """A new calibration of a backend came into force."""

    provider_name: str
    backend_name: str
    backend_calibration_version: str
    backend_calibration_id: str
    backend_calibration_time: str
    backend_calibration_readout_error_median: float
    backend_calibration_two_qubit_error_median: float


class CircuitExecution(TypedDict, total=False):
    """Circuits were executed."""

    provider_name: str
    backend_name: str
    execution_success: bool
    job_id: str
    job_shots: int
    job_execution_duration: float
    job_queue_duration: float
    circuit_depth: int
    circuit_gate_count: int
    circuit_qubit_count: int
    result_fidelity: float


class CostEvent(TypedDict, total=False):
    """Money was spent."""

    provider_name: str
    backend_name: str
    cost_amount: float
    cost_currency: str
    cost_source: str
    cost_type: str
    job_id: str
    workflow_name: str
    request_tenant: str


class ErrorEvent(TypedDict, total=False):
    """The quantum part of a request went wrong."""

    error_message: str
    provider_name: str
    backend_name: str
    job_id: str
    stage_name: str


class EvaluationResult(TypedDict, total=False):
    """An answer or a result was evaluated."""

    evaluation_name: str
    evaluation_score: float
    evaluation_label: str
    evaluation_explanation: str
    workflow_name: str
    workflow_version: str


class HardwareEvent(TypedDict, total=False):
    """Something happened to the hardware of a backend."""

    provider_name: str
    backend_name: str
    hardware_change: str
    backend_status: str
    circuit_physical_qubits: Sequence[str]


class JobStatusChange(TypedDict, total=False):
    """A job went from one state to another."""

    job_id: str
    job_status: str
    job_previous_status: str
    job_queue_position: int
    provider_name: str
    backend_name: str


class SecurityEvent(TypedDict, total=False):
    """Something that touches security happened."""

    security_category: str
    security_action: str
    provider_name: str
    request_tenant: str


ARGUMENTS: Final[dict[str, str]] = {
    "algorithm_advantage": "quantum.algorithm.advantage",
    "algorithm_approximation_ratio": "quantum.algorithm.approximation_ratio",
    "algorithm_classical_method": "quantum.algorithm.classical_method",
    "algorithm_classical_value": "quantum.algorithm.classical_value",
    "algorithm_name": "quantum.algorithm.name",
    "algorithm_type": "quantum.algorithm.type",
    "algorithm_value": "quantum.algorithm.value",
    "backend_benchmark_clops": "quantum.backend.benchmark.clops",
    "backend_benchmark_eplg": "quantum.backend.benchmark.eplg",
    "backend_benchmark_quantum_volume": "quantum.backend.benchmark.quantum_volume",
    "backend_calibration_age": "quantum.backend.calibration.age",
    "backend_calibration_changed": "quantum.backend.calibration.changed",
    "backend_calibration_id": "quantum.backend.calibration.id",
    "backend_calibration_match": "quantum.backend.calibration.match",
    "backend_calibration_oldest_value_age": "quantum.backend.calibration.oldest_value_age",
    "backend_calibration_operational_pairs": "quantum.backend.calibration.operational_pairs",
    "backend_calibration_operational_qubits": "quantum.backend.calibration.operational_qubits",
    "backend_calibration_readout_error_median": "quantum.backend.calibration.readout_error.median",
    "backend_calibration_single_qubit_error_median": "quantum.backend.calibration.single_qubit_error.median",
    "backend_calibration_statistic": "quantum.backend.calibration.statistic",
    "backend_calibration_t1_median": "quantum.backend.calibration.t1.median",
    "backend_calibration_t2_median": "quantum.backend.calibration.t2.median",
    "backend_calibration_t2_method": "quantum.backend.calibration.t2.method",
    "backend_calibration_time": "quantum.backend.calibration.time",
    "backend_calibration_two_qubit_error_max": "quantum.backend.calibration.two_qubit_error.max",
    "backend_calibration_two_qubit_error_median": "quantum.backend.calibration.two_qubit_error.median",
    "backend_calibration_version": "quantum.backend.calibration.version",
    "backend_name": "quantum.backend.name",
    "backend_noise_level": "quantum.backend.noise_level",
    "backend_qubit_count": "quantum.backend.qubit_count",
    "backend_queue_length": "quantum.backend.queue.length",
    "backend_rate_limit_remaining": "quantum.backend.rate_limit.remaining",
    "backend_simulator": "quantum.backend.simulator",
    "backend_status": "quantum.backend.status",
    "backend_uptime_ratio": "quantum.backend.uptime_ratio",
    "backend_version": "quantum.backend.version",
    "backend_window_end_time": "quantum.backend.window.end_time",
    "backend_window_start_time": "quantum.backend.window.start_time",
    "circuit_approximation": "quantum.circuit.approximation",
    "circuit_approximation_degree": "quantum.circuit.approximation_degree",
    "circuit_calibration_basis": "quantum.circuit.calibration.basis",
    "circuit_calibration_coherence_basis": "quantum.circuit.calibration.coherence_basis",
    "circuit_calibration_coherence_margin": "quantum.circuit.calibration.coherence_margin",
    "circuit_calibration_coherence_ratio": "quantum.circuit.calibration.coherence_ratio",
    "circuit_calibration_missing_terms": "quantum.circuit.calibration.missing_terms",
    "circuit_calibration_readout_error_max": "quantum.circuit.calibration.readout_error.max",
    "circuit_calibration_success_probability": "quantum.circuit.calibration.success_probability",
    "circuit_calibration_t2_min": "quantum.circuit.calibration.t2.min",
    "circuit_calibration_two_qubit_error_max": "quantum.circuit.calibration.two_qubit_error.max",
    "circuit_calibration_unusable_sites": "quantum.circuit.calibration.unusable_sites",
    "circuit_calibration_worst_pair": "quantum.circuit.calibration.worst_pair",
    "circuit_count": "quantum.circuit.count",
    "circuit_depth": "quantum.circuit.depth",
    "circuit_duration": "quantum.circuit.duration",
    "circuit_estimated_error": "quantum.circuit.estimated_error",
    "circuit_family": "quantum.circuit.family",
    "circuit_gate_count": "quantum.circuit.gate_count",
    "circuit_hash": "quantum.circuit.hash",
    "circuit_logical_depth": "quantum.circuit.logical.depth",
    "circuit_logical_gate_count": "quantum.circuit.logical.gate_count",
    "circuit_logical_hash": "quantum.circuit.logical.hash",
    "circuit_logical_qubit_count": "quantum.circuit.logical.qubit_count",
    "circuit_logical_two_qubit_gate_count": "quantum.circuit.logical.two_qubit_gate_count",
    "circuit_measurement_count": "quantum.circuit.measurement_count",
    "circuit_name": "quantum.circuit.name",
    "circuit_operations": "quantum.circuit.operations",
    "circuit_parameter_count": "quantum.circuit.parameter_count",
    "circuit_physical_qubits": "quantum.circuit.physical_qubits",
    "circuit_qasm": "quantum.circuit.qasm",
    "circuit_qubit_count": "quantum.circuit.qubit_count",
    "circuit_two_qubit_gate_count": "quantum.circuit.two_qubit_gate_count",
    "cloud_region": "cloud.region",
    "cost_amount": "quantum.cost.amount",
    "cost_currency": "quantum.cost.currency",
    "cost_per_success": "quantum.cost.per_success",
    "cost_source": "quantum.cost.source",
    "cost_type": "quantum.cost.type",
    "error_message": "quantum.error.message",
    "evaluation_explanation": "quantum.evaluation.explanation",
    "evaluation_label": "quantum.evaluation.label",
    "evaluation_name": "quantum.evaluation.name",
    "evaluation_score": "quantum.evaluation.score",
    "execution_success": "quantum.execution.success",
    "fallback_kind": "quantum.fallback.kind",
    "fallback_used": "quantum.fallback.used",
    "hardware_change": "quantum.hardware.change",
    "job_duration": "quantum.job.duration",
    "job_execution_duration": "quantum.job.execution.duration",
    "job_execution_end_time": "quantum.job.execution.end_time",
    "job_execution_start_time": "quantum.job.execution.start_time",
    "job_id": "quantum.job.id",
    "job_previous_status": "quantum.job.previous_status",
    "job_queue_duration": "quantum.job.queue.duration",
    "job_queue_enter_time": "quantum.job.queue.enter_time",
    "job_queue_leave_time": "quantum.job.queue.leave_time",
    "job_queue_position": "quantum.job.queue.position",
    "job_retry_count": "quantum.job.retry_count",
    "job_shots": "quantum.job.shots",
    "job_status": "quantum.job.status",
    "job_successful_shots": "quantum.job.successful_shots",
    "layer_index": "quantum.layer.index",
    "layer_type": "quantum.layer.type",
    "llm_content_id": "quantum.llm.content.id",
    "llm_model_version": "quantum.llm.model.version",
    "llm_prompt_hash": "quantum.llm.prompt_hash",
    "llm_prompt_template_name": "quantum.llm.prompt_template.name",
    "llm_prompt_template_version": "quantum.llm.prompt_template.version",
    "llm_validator_name": "quantum.llm.validator.name",
    "llm_validator_passed": "quantum.llm.validator.passed",
    "mitigation_effect": "quantum.mitigation.effect",
    "mitigation_helped": "quantum.mitigation.helped",
    "mitigation_overhead": "quantum.mitigation.overhead",
    "mitigation_parameters": "quantum.mitigation.parameters",
    "mitigation_technique": "quantum.mitigation.technique",
    "outcome_degraded": "quantum.outcome.degraded",
    "primitive_name": "quantum.primitive.name",
    "problem_size": "quantum.problem.size",
    "problem_type": "quantum.problem.type",
    "provider_name": "quantum.provider.name",
    "request_correlation_id": "quantum.request.correlation_id",
    "request_id": "quantum.request.id",
    "request_tenant": "quantum.request.tenant",
    "result_confidence": "quantum.result.confidence",
    "result_divergence": "quantum.result.divergence",
    "result_fidelity": "quantum.result.fidelity",
    "result_hash": "quantum.result.hash",
    "result_post_process_duration": "quantum.result.post_process.duration",
    "result_size": "quantum.result.size",
    "result_summary": "quantum.result.summary",
    "route_alternatives": "quantum.route.alternatives",
    "route_objective": "quantum.route.objective",
    "route_reason": "quantum.route.reason",
    "route_taken": "quantum.route.taken",
    "rule_name": "quantum.rule.name",
    "rule_passed": "quantum.rule.passed",
    "security_action": "quantum.security.action",
    "security_category": "quantum.security.category",
    "stage_name": "quantum.stage.name",
    "training_accuracy": "quantum.training.accuracy",
    "training_batch_size": "quantum.training.batch_size",
    "training_epoch_accuracy": "quantum.training.epoch.accuracy",
    "training_epoch_count": "quantum.training.epoch_count",
    "training_epoch_index": "quantum.training.epoch.index",
    "training_epoch_loss": "quantum.training.epoch.loss",
    "training_final_loss": "quantum.training.final_loss",
    "training_model_name": "quantum.training.model.name",
    "training_type": "quantum.training.type",
    "transpiler_optimization_level": "quantum.transpiler.optimization_level",
    "transpiler_options": "quantum.transpiler.options",
    "usage_billed_duration": "quantum.usage.billed.duration",
    "usage_qpu_duration": "quantum.usage.qpu.duration",
    "usage_reserved_duration": "quantum.usage.reserved.duration",
    "workflow_name": "quantum.workflow.name",
    "workflow_version": "quantum.workflow.version",
    "workload_backend_sensitivity": "quantum.workload.backend_sensitivity",
    "workload_class": "quantum.workload.class",
    "workload_retry_tolerance": "quantum.workload.retry_tolerance",
    "workload_urgency": "quantum.workload.urgency",
    "workload_value": "quantum.workload.value",
}
"""Keyword → attribute."""
