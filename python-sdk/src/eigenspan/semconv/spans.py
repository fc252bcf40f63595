"""Span types: kind, how the name is made, and what a span of the type carries.

Generated from the registry by semconv/generate.py: edit the model, not this file.
"""

from dataclasses import dataclass
from typing import Final

SPAN_TYPE: Final = "otel.span.type"
"""Carries the type of a span where the protocol in use has no field for it."""


@dataclass(frozen=True, slots=True)
class SpanType:
    """One definition. `required` and `conditional` are attribute keys; conditions are in the documentation."""

    type: str
    kind: str
    name: str
    brief: str
    required: tuple[str, ...] = ()
    conditional: tuple[str, ...] = ()
    recommended: tuple[str, ...] = ()
    opt_in: tuple[str, ...] = ()


LLM: Final = SpanType(
    type="quantum.client.llm",
    kind="client",
    name="`{gen_ai.operation.name} {gen_ai.request.model}`",
    brief="A language model is asked on behalf of a hybrid request.",
    conditional=("error.type",),
    recommended=(
        "quantum.request.correlation_id",
        "quantum.workflow.version",
        "quantum.workload.class",
        "quantum.circuit.family",
        "quantum.llm.model.version",
        "quantum.llm.prompt_hash",
        "quantum.llm.prompt_template.name",
        "quantum.llm.prompt_template.version",
        "quantum.llm.validator.name",
        "quantum.llm.validator.passed",
        "quantum.workflow.name",
    ),
    opt_in=(
        "quantum.request.id",
        "quantum.request.tenant",
        "quantum.llm.content.id",
    ),
)
"""A language model is asked on behalf of a hybrid request."""

POLL: Final = SpanType(
    type="quantum.client.poll",
    kind="client",
    name="`poll {quantum.backend.name}`",
    brief="The client asks the provider for the state of a job.",
    required=(
        "quantum.provider.name",
        "quantum.backend.name",
        "quantum.job.id",
    ),
    conditional=("error.type",),
    recommended=(
        "quantum.request.correlation_id",
        "quantum.workflow.version",
        "quantum.workload.class",
        "quantum.circuit.family",
        "quantum.backend.simulator",
        "quantum.backend.version",
        "quantum.backend.qubit_count",
        "quantum.job.status",
        "quantum.job.queue.position",
        "quantum.workflow.name",
    ),
    opt_in=("quantum.request.id", "quantum.request.tenant"),
)
"""The client asks the provider for the state of a job."""

RESULT: Final = SpanType(
    type="quantum.client.result",
    kind="client",
    name="`result {quantum.backend.name}`",
    brief="Results of a job are waited for, fetched and parsed.",
    required=(
        "quantum.provider.name",
        "quantum.backend.name",
        "quantum.operation.name",
    ),
    conditional=("quantum.job.id", "error.type"),
    recommended=(
        "quantum.request.correlation_id",
        "quantum.workflow.version",
        "quantum.workload.class",
        "quantum.circuit.family",
        "quantum.backend.simulator",
        "quantum.backend.version",
        "quantum.backend.qubit_count",
        "quantum.job.status",
        "quantum.job.successful_shots",
        "quantum.workflow.name",
    ),
    opt_in=(
        "quantum.request.id",
        "quantum.request.tenant",
        "quantum.result.size",
        "quantum.result.hash",
        "quantum.result.summary",
    ),
)
"""Results of a job are waited for, fetched and parsed."""

JOB: Final = SpanType(
    type="quantum.consumer.job",
    kind="consumer",
    name="`job {quantum.backend.name}`",
    brief="A job from its submission to its final state, with its queue and its execution as children.",
    required=(
        "quantum.provider.name",
        "quantum.backend.name",
        "quantum.job.id",
        "quantum.job.status",
    ),
    conditional=(
        "quantum.circuit.count",
        "quantum.cost.currency",
        "error.type",
    ),
    recommended=(
        "quantum.request.correlation_id",
        "quantum.workflow.version",
        "quantum.workload.class",
        "quantum.circuit.family",
        "quantum.backend.simulator",
        "quantum.backend.version",
        "quantum.backend.qubit_count",
        "quantum.circuit.name",
        "quantum.circuit.qubit_count",
        "quantum.circuit.depth",
        "quantum.circuit.gate_count",
        "quantum.circuit.two_qubit_gate_count",
        "quantum.circuit.measurement_count",
        "quantum.circuit.parameter_count",
        "quantum.circuit.physical_qubits",
        "quantum.circuit.operations",
        "quantum.backend.calibration.version",
        "quantum.backend.calibration.id",
        "quantum.backend.calibration.time",
        "quantum.backend.calibration.age",
        "quantum.backend.calibration.match",
        "quantum.backend.calibration.t1.median",
        "quantum.backend.calibration.t2.median",
        "quantum.backend.calibration.t2.method",
        "quantum.backend.calibration.readout_error.median",
        "quantum.backend.calibration.single_qubit_error.median",
        "quantum.backend.calibration.two_qubit_error.median",
        "quantum.backend.calibration.two_qubit_error.max",
        "quantum.backend.calibration.operational_qubits",
        "quantum.backend.calibration.operational_pairs",
        "quantum.backend.calibration.oldest_value_age",
        "quantum.backend.status",
        "quantum.backend.queue.length",
        "quantum.backend.benchmark.eplg",
        "quantum.backend.benchmark.clops",
        "quantum.backend.benchmark.quantum_volume",
        "quantum.backend.noise_level",
        "quantum.circuit.calibration.success_probability",
        "quantum.circuit.calibration.two_qubit_error.max",
        "quantum.circuit.calibration.readout_error.max",
        "quantum.circuit.calibration.t2.min",
        "quantum.circuit.calibration.coherence_ratio",
        "quantum.circuit.calibration.coherence_margin",
        "quantum.circuit.calibration.unusable_sites",
        "quantum.circuit.calibration.missing_terms",
        "quantum.circuit.calibration.basis",
        "quantum.job.shots",
        "quantum.job.duration",
        "quantum.job.queue.duration",
        "quantum.job.execution.duration",
        "quantum.job.retry_count",
        "quantum.cost.amount",
        "quantum.cost.source",
        "quantum.cost.type",
        "quantum.cost.per_success",
        "quantum.circuit.logical.qubit_count",
        "quantum.circuit.logical.depth",
        "quantum.circuit.logical.gate_count",
        "quantum.circuit.logical.two_qubit_gate_count",
        "quantum.usage.qpu.duration",
        "quantum.usage.billed.duration",
        "quantum.usage.reserved.duration",
        "quantum.job.successful_shots",
        "quantum.job.queue.enter_time",
        "quantum.job.queue.leave_time",
        "quantum.job.execution.start_time",
        "quantum.job.execution.end_time",
        "cloud.region",
        "quantum.workflow.name",
    ),
    opt_in=(
        "quantum.request.id",
        "quantum.request.tenant",
        "quantum.circuit.hash",
        "quantum.circuit.logical.hash",
    ),
)
"""A job from its submission to its final state, with its queue and its execution as children."""

ALGORITHM: Final = SpanType(
    type="quantum.internal.algorithm",
    kind="internal",
    name="`algorithm {quantum.algorithm.name}`",
    brief="One run of a quantum or hybrid algorithm.",
    required=("quantum.algorithm.name",),
    conditional=("error.type",),
    recommended=(
        "quantum.request.correlation_id",
        "quantum.workflow.version",
        "quantum.workload.class",
        "quantum.circuit.family",
        "quantum.algorithm.type",
        "quantum.problem.type",
        "quantum.problem.size",
        "quantum.algorithm.value",
        "quantum.algorithm.approximation_ratio",
        "quantum.algorithm.advantage",
        "quantum.algorithm.classical_method",
        "quantum.algorithm.classical_value",
        "quantum.workflow.name",
    ),
    opt_in=("quantum.request.id", "quantum.request.tenant"),
)
"""One run of a quantum or hybrid algorithm."""

ANSWER_CHECK: Final = SpanType(
    type="quantum.internal.answer_check",
    kind="internal",
    name="`answer check`",
    brief="The answer of a language model goes through deterministic checks.",
    required=("quantum.llm.validator.name",),
    conditional=("quantum.llm.validator.passed", "error.type"),
    recommended=(
        "quantum.request.correlation_id",
        "quantum.workflow.version",
        "quantum.workload.class",
        "quantum.circuit.family",
        "quantum.workflow.name",
    ),
    opt_in=("quantum.request.id", "quantum.request.tenant"),
)
"""The answer of a language model goes through deterministic checks."""

BACKEND_SELECTION: Final = SpanType(
    type="quantum.internal.backend_selection",
    kind="internal",
    name="`backend selection`",
    brief="A backend is chosen.",
    conditional=("error.type",),
    recommended=(
        "quantum.request.correlation_id",
        "quantum.workflow.version",
        "quantum.workload.class",
        "quantum.circuit.family",
        "quantum.provider.name",
        "quantum.backend.name",
        "quantum.route.reason",
        "quantum.route.objective",
        "cloud.region",
        "quantum.backend.status",
        "quantum.backend.queue.length",
        "quantum.backend.uptime_ratio",
        "quantum.backend.window.start_time",
        "quantum.backend.window.end_time",
        "quantum.backend.rate_limit.remaining",
        "quantum.workflow.name",
    ),
    opt_in=("quantum.request.id", "quantum.request.tenant"),
)
"""A backend is chosen."""

BATCH: Final = SpanType(
    type="quantum.internal.batch",
    kind="internal",
    name="`batch {quantum.backend.name}`",
    brief="Several circuits or jobs are run as one batch.",
    required=(
        "quantum.provider.name",
        "quantum.backend.name",
        "quantum.circuit.count",
    ),
    conditional=("error.type",),
    recommended=(
        "quantum.request.correlation_id",
        "quantum.workflow.version",
        "quantum.workload.class",
        "quantum.circuit.family",
        "quantum.backend.simulator",
        "quantum.backend.version",
        "quantum.backend.qubit_count",
        "quantum.workflow.name",
    ),
    opt_in=("quantum.request.id", "quantum.request.tenant"),
)
"""Several circuits or jobs are run as one batch."""

BUSINESS_RULE: Final = SpanType(
    type="quantum.internal.business_rule",
    kind="internal",
    name="`business rule`",
    brief="The answer is checked against business rules.",
    required=("quantum.rule.name",),
    conditional=("quantum.rule.passed", "error.type"),
    recommended=(
        "quantum.request.correlation_id",
        "quantum.workflow.version",
        "quantum.workload.class",
        "quantum.circuit.family",
        "quantum.workflow.name",
    ),
    opt_in=("quantum.request.id", "quantum.request.tenant"),
)
"""The answer is checked against business rules."""

CIRCUIT_ASSEMBLY: Final = SpanType(
    type="quantum.internal.circuit_assembly",
    kind="internal",
    name="`circuit assembly {quantum.circuit.name}`, or `circuit assembly`",
    brief="Circuits are built from a problem.",
    conditional=("quantum.circuit.count", "error.type"),
    recommended=(
        "quantum.request.correlation_id",
        "quantum.workflow.version",
        "quantum.workload.class",
        "quantum.circuit.family",
        "quantum.circuit.name",
        "quantum.circuit.qubit_count",
        "quantum.circuit.depth",
        "quantum.circuit.gate_count",
        "quantum.circuit.two_qubit_gate_count",
        "quantum.circuit.measurement_count",
        "quantum.circuit.parameter_count",
        "quantum.circuit.physical_qubits",
        "quantum.circuit.operations",
        "quantum.circuit.estimated_error",
        "quantum.circuit.approximation",
        "quantum.circuit.approximation_degree",
        "quantum.workflow.name",
    ),
    opt_in=(
        "quantum.request.id",
        "quantum.request.tenant",
        "quantum.circuit.hash",
        "quantum.circuit.qasm",
    ),
)
"""Circuits are built from a problem."""

EPOCH: Final = SpanType(
    type="quantum.internal.epoch",
    kind="internal",
    name="`epoch`",
    brief="One pass over the training data.",
    required=("quantum.training.epoch.index",),
    conditional=("error.type",),
    recommended=(
        "quantum.request.correlation_id",
        "quantum.workflow.version",
        "quantum.workload.class",
        "quantum.circuit.family",
        "quantum.training.epoch.loss",
        "quantum.training.epoch.accuracy",
        "quantum.workflow.name",
    ),
    opt_in=("quantum.request.id", "quantum.request.tenant"),
)
"""One pass over the training data."""

EXECUTE: Final = SpanType(
    type="quantum.internal.execute",
    kind="internal",
    name="`execute {quantum.backend.name}`",
    brief="Circuits run on a backend. Every execution has exactly one such span.",
    required=(
        "quantum.provider.name",
        "quantum.backend.name",
        "quantum.operation.name",
        "quantum.execution.success",
    ),
    conditional=(
        "quantum.circuit.count",
        "quantum.job.id",
        "quantum.job.shots",
        "quantum.cost.currency",
        "error.type",
    ),
    recommended=(
        "quantum.request.correlation_id",
        "quantum.workflow.version",
        "quantum.workload.class",
        "quantum.circuit.family",
        "quantum.backend.simulator",
        "quantum.backend.version",
        "quantum.backend.qubit_count",
        "quantum.circuit.name",
        "quantum.circuit.qubit_count",
        "quantum.circuit.depth",
        "quantum.circuit.gate_count",
        "quantum.circuit.two_qubit_gate_count",
        "quantum.circuit.measurement_count",
        "quantum.circuit.parameter_count",
        "quantum.circuit.physical_qubits",
        "quantum.circuit.operations",
        "quantum.backend.calibration.version",
        "quantum.backend.calibration.id",
        "quantum.backend.calibration.time",
        "quantum.backend.calibration.age",
        "quantum.backend.calibration.match",
        "quantum.backend.calibration.t1.median",
        "quantum.backend.calibration.t2.median",
        "quantum.backend.calibration.t2.method",
        "quantum.backend.calibration.readout_error.median",
        "quantum.backend.calibration.single_qubit_error.median",
        "quantum.backend.calibration.two_qubit_error.median",
        "quantum.backend.calibration.two_qubit_error.max",
        "quantum.backend.calibration.operational_qubits",
        "quantum.backend.calibration.operational_pairs",
        "quantum.backend.calibration.oldest_value_age",
        "quantum.backend.status",
        "quantum.backend.queue.length",
        "quantum.backend.benchmark.eplg",
        "quantum.backend.benchmark.clops",
        "quantum.backend.benchmark.quantum_volume",
        "quantum.backend.noise_level",
        "quantum.circuit.calibration.success_probability",
        "quantum.circuit.calibration.two_qubit_error.max",
        "quantum.circuit.calibration.readout_error.max",
        "quantum.circuit.calibration.t2.min",
        "quantum.circuit.calibration.coherence_ratio",
        "quantum.circuit.calibration.coherence_margin",
        "quantum.circuit.calibration.unusable_sites",
        "quantum.circuit.calibration.missing_terms",
        "quantum.circuit.calibration.basis",
        "quantum.job.status",
        "quantum.job.queue.duration",
        "quantum.job.duration",
        "quantum.job.execution.duration",
        "quantum.job.execution.start_time",
        "quantum.job.execution.end_time",
        "quantum.primitive.name",
        "quantum.circuit.logical.qubit_count",
        "quantum.circuit.logical.depth",
        "quantum.circuit.logical.gate_count",
        "quantum.circuit.logical.two_qubit_gate_count",
        "quantum.usage.qpu.duration",
        "quantum.usage.billed.duration",
        "quantum.usage.reserved.duration",
        "quantum.cost.amount",
        "quantum.cost.source",
        "quantum.cost.type",
        "quantum.cost.per_success",
        "quantum.mitigation.technique",
        "quantum.mitigation.parameters",
        "quantum.mitigation.overhead",
        "quantum.mitigation.effect",
        "quantum.mitigation.helped",
        "quantum.job.successful_shots",
        "cloud.region",
        "quantum.result.divergence",
        "quantum.result.fidelity",
        "quantum.workflow.name",
    ),
    opt_in=(
        "quantum.request.id",
        "quantum.request.tenant",
        "quantum.circuit.hash",
        "quantum.circuit.logical.hash",
        "quantum.circuit.qasm",
    ),
)
"""Circuits run on a backend. Every execution has exactly one such span."""

FALLBACK: Final = SpanType(
    type="quantum.internal.fallback",
    kind="internal",
    name="`fallback {quantum.backend.name}`, or `fallback`",
    brief="Another way is taken after a failure.",
    required=("quantum.fallback.used",),
    conditional=("error.type",),
    recommended=(
        "quantum.request.correlation_id",
        "quantum.workflow.version",
        "quantum.workload.class",
        "quantum.circuit.family",
        "quantum.backend.name",
        "quantum.route.reason",
        "quantum.fallback.kind",
        "quantum.outcome.degraded",
        "quantum.workflow.name",
    ),
    opt_in=("quantum.request.id", "quantum.request.tenant"),
)
"""Another way is taken after a failure."""

FEATURE_PREPARATION: Final = SpanType(
    type="quantum.internal.feature_preparation",
    kind="internal",
    name="`feature preparation`",
    brief="Input data becomes features or parameters.",
    conditional=("error.type",),
    recommended=(
        "quantum.request.correlation_id",
        "quantum.workflow.version",
        "quantum.workload.class",
        "quantum.circuit.family",
        "quantum.workflow.name",
    ),
    opt_in=("quantum.request.id", "quantum.request.tenant"),
)
"""Input data becomes features or parameters."""

LAYER: Final = SpanType(
    type="quantum.internal.layer",
    kind="internal",
    name="`layer {quantum.layer.index}`",
    brief="One layer of a variational or hybrid model.",
    required=("quantum.layer.index",),
    conditional=("error.type",),
    recommended=(
        "quantum.request.correlation_id",
        "quantum.workflow.version",
        "quantum.workload.class",
        "quantum.circuit.family",
        "quantum.layer.type",
        "quantum.workflow.name",
    ),
    opt_in=("quantum.request.id", "quantum.request.tenant"),
)
"""One layer of a variational or hybrid model."""

MITIGATION: Final = SpanType(
    type="quantum.internal.mitigation",
    kind="internal",
    name="`mitigation`",
    brief="Results are corrected for errors of the backend.",
    required=("quantum.mitigation.technique",),
    conditional=("error.type",),
    recommended=(
        "quantum.request.correlation_id",
        "quantum.workflow.version",
        "quantum.workload.class",
        "quantum.circuit.family",
        "quantum.mitigation.parameters",
        "quantum.mitigation.overhead",
        "quantum.mitigation.effect",
        "quantum.mitigation.helped",
        "quantum.workflow.name",
    ),
    opt_in=("quantum.request.id", "quantum.request.tenant"),
)
"""Results are corrected for errors of the backend."""

ORCHESTRATOR_DECISION: Final = SpanType(
    type="quantum.internal.orchestrator_decision",
    kind="internal",
    name="`orchestrator decision`",
    brief="A route is chosen among backends, simulators and classical answers.",
    required=("quantum.route.taken",),
    conditional=("error.type",),
    recommended=(
        "quantum.request.correlation_id",
        "quantum.workflow.version",
        "quantum.workload.class",
        "quantum.circuit.family",
        "quantum.backend.name",
        "quantum.route.reason",
        "quantum.route.alternatives",
        "quantum.route.objective",
        "quantum.provider.name",
        "cloud.region",
        "quantum.workflow.name",
    ),
    opt_in=("quantum.request.id", "quantum.request.tenant"),
)
"""A route is chosen among backends, simulators and classical answers."""

PARAMETER_BINDING: Final = SpanType(
    type="quantum.internal.parameter_binding",
    kind="internal",
    name="`parameter binding`",
    brief="Values are bound to the free parameters of circuits.",
    conditional=("quantum.circuit.count", "error.type"),
    recommended=(
        "quantum.request.correlation_id",
        "quantum.workflow.version",
        "quantum.workload.class",
        "quantum.circuit.family",
        "quantum.circuit.name",
        "quantum.circuit.qubit_count",
        "quantum.circuit.depth",
        "quantum.circuit.gate_count",
        "quantum.circuit.two_qubit_gate_count",
        "quantum.circuit.measurement_count",
        "quantum.circuit.parameter_count",
        "quantum.circuit.physical_qubits",
        "quantum.circuit.operations",
        "quantum.workflow.name",
    ),
    opt_in=(
        "quantum.request.id",
        "quantum.request.tenant",
        "quantum.circuit.hash",
    ),
)
"""Values are bound to the free parameters of circuits."""

POST_PROCESS: Final = SpanType(
    type="quantum.internal.post_process",
    kind="internal",
    name="`post process`",
    brief="Results are aggregated or turned into an answer.",
    conditional=("error.type",),
    recommended=(
        "quantum.request.correlation_id",
        "quantum.workflow.version",
        "quantum.workload.class",
        "quantum.circuit.family",
        "quantum.result.size",
        "quantum.result.fidelity",
        "quantum.result.confidence",
        "quantum.result.divergence",
        "quantum.result.post_process.duration",
        "quantum.workflow.name",
    ),
    opt_in=(
        "quantum.request.id",
        "quantum.request.tenant",
        "quantum.result.hash",
        "quantum.result.summary",
    ),
)
"""Results are aggregated or turned into an answer."""

PROMPT_CONSTRUCTION: Final = SpanType(
    type="quantum.internal.prompt_construction",
    kind="internal",
    name="`prompt construction`",
    brief="Context is retrieved and the prompt of a language model is made from its template.",
    conditional=("error.type",),
    recommended=(
        "quantum.request.correlation_id",
        "quantum.workflow.version",
        "quantum.workload.class",
        "quantum.circuit.family",
        "quantum.llm.prompt_hash",
        "quantum.llm.prompt_template.name",
        "quantum.llm.prompt_template.version",
        "quantum.workflow.name",
    ),
    opt_in=("quantum.request.id", "quantum.request.tenant"),
)
"""Context is retrieved and the prompt of a language model is made from its template."""

QUEUE: Final = SpanType(
    type="quantum.internal.queue",
    kind="internal",
    name="`queue {quantum.backend.name}`",
    brief="The job waits for the backend.",
    required=(
        "quantum.provider.name",
        "quantum.backend.name",
        "quantum.job.id",
    ),
    conditional=("error.type",),
    recommended=(
        "quantum.request.correlation_id",
        "quantum.workflow.version",
        "quantum.workload.class",
        "quantum.circuit.family",
        "quantum.backend.simulator",
        "quantum.backend.version",
        "quantum.backend.qubit_count",
        "quantum.job.queue.position",
        "quantum.job.queue.duration",
        "quantum.job.queue.enter_time",
        "quantum.job.queue.leave_time",
        "quantum.backend.queue.length",
        "quantum.workflow.name",
    ),
    opt_in=("quantum.request.id", "quantum.request.tenant"),
)
"""The job waits for the backend."""

SCORING: Final = SpanType(
    type="quantum.internal.scoring",
    kind="internal",
    name="`scoring`",
    brief="A downstream model scores the answer.",
    conditional=("error.type",),
    recommended=(
        "quantum.request.correlation_id",
        "quantum.workflow.version",
        "quantum.workload.class",
        "quantum.circuit.family",
        "quantum.training.model.name",
        "quantum.result.confidence",
        "quantum.workflow.name",
    ),
    opt_in=("quantum.request.id", "quantum.request.tenant"),
)
"""A downstream model scores the answer."""

TRAINING: Final = SpanType(
    type="quantum.internal.training",
    kind="internal",
    name="`training {quantum.training.model.name}`, or `training`",
    brief="A quantum or hybrid model is trained.",
    conditional=("error.type",),
    recommended=(
        "quantum.request.correlation_id",
        "quantum.workflow.version",
        "quantum.workload.class",
        "quantum.circuit.family",
        "quantum.training.type",
        "quantum.training.model.name",
        "quantum.training.epoch_count",
        "quantum.training.batch_size",
        "quantum.training.final_loss",
        "quantum.training.accuracy",
        "quantum.workflow.name",
    ),
    opt_in=("quantum.request.id", "quantum.request.tenant"),
)
"""A quantum or hybrid model is trained."""

TRANSPILE: Final = SpanType(
    type="quantum.internal.transpile",
    kind="internal",
    name="`transpile`",
    brief="Circuits are rewritten for a backend.",
    required=("quantum.operation.name",),
    conditional=("quantum.circuit.count", "error.type"),
    recommended=(
        "quantum.request.correlation_id",
        "quantum.workflow.version",
        "quantum.workload.class",
        "quantum.circuit.family",
        "quantum.circuit.name",
        "quantum.circuit.qubit_count",
        "quantum.circuit.depth",
        "quantum.circuit.gate_count",
        "quantum.circuit.two_qubit_gate_count",
        "quantum.circuit.measurement_count",
        "quantum.circuit.parameter_count",
        "quantum.circuit.physical_qubits",
        "quantum.circuit.operations",
        "quantum.transpiler.optimization_level",
        "quantum.backend.name",
        "quantum.circuit.logical.qubit_count",
        "quantum.circuit.logical.depth",
        "quantum.circuit.logical.gate_count",
        "quantum.circuit.logical.two_qubit_gate_count",
        "quantum.circuit.estimated_error",
        "quantum.circuit.approximation",
        "quantum.circuit.approximation_degree",
        "quantum.workflow.name",
    ),
    opt_in=(
        "quantum.request.id",
        "quantum.request.tenant",
        "quantum.circuit.hash",
        "quantum.transpiler.options",
        "quantum.circuit.logical.hash",
        "quantum.circuit.qasm",
    ),
)
"""Circuits are rewritten for a backend."""

WORKFLOW: Final = SpanType(
    type="quantum.internal.workflow",
    kind="internal",
    name="`workflow {quantum.workflow.name}`",
    brief="One run of a workflow, from its input to its answer.",
    required=("quantum.workflow.name",),
    conditional=("error.type",),
    recommended=(
        "quantum.request.correlation_id",
        "quantum.workflow.version",
        "quantum.workload.class",
        "quantum.circuit.family",
        "quantum.workload.urgency",
        "quantum.workload.value",
        "quantum.workload.backend_sensitivity",
        "quantum.workload.retry_tolerance",
        "quantum.fallback.used",
        "quantum.outcome.degraded",
        "quantum.result.confidence",
    ),
    opt_in=("quantum.request.id", "quantum.request.tenant"),
)
"""One run of a workflow, from its input to its answer."""

SUBMIT: Final = SpanType(
    type="quantum.producer.submit",
    kind="producer",
    name="`submit {quantum.backend.name}`",
    brief="A job is handed to a provider.",
    required=(
        "quantum.provider.name",
        "quantum.backend.name",
        "quantum.operation.name",
    ),
    conditional=(
        "quantum.circuit.count",
        "quantum.job.id",
        "error.type",
    ),
    recommended=(
        "quantum.request.correlation_id",
        "quantum.workflow.version",
        "quantum.workload.class",
        "quantum.circuit.family",
        "quantum.backend.simulator",
        "quantum.backend.version",
        "quantum.backend.qubit_count",
        "quantum.circuit.name",
        "quantum.circuit.qubit_count",
        "quantum.circuit.depth",
        "quantum.circuit.gate_count",
        "quantum.circuit.two_qubit_gate_count",
        "quantum.circuit.measurement_count",
        "quantum.circuit.parameter_count",
        "quantum.circuit.physical_qubits",
        "quantum.circuit.operations",
        "quantum.job.shots",
        "quantum.job.status",
        "quantum.primitive.name",
        "quantum.job.retry_count",
        "quantum.backend.rate_limit.remaining",
        "quantum.backend.window.end_time",
        "cloud.region",
        "quantum.mitigation.technique",
        "quantum.workflow.name",
    ),
    opt_in=(
        "quantum.request.id",
        "quantum.request.tenant",
        "quantum.circuit.hash",
    ),
)
"""A job is handed to a provider."""

INGRESS: Final = SpanType(
    type="quantum.server.ingress",
    kind="server",
    name="`ingress {quantum.workflow.name}`, or `ingress`",
    brief="A request for a quantum or hybrid answer arrives at the service.",
    conditional=("error.type",),
    recommended=(
        "quantum.request.correlation_id",
        "quantum.workflow.version",
        "quantum.workload.class",
        "quantum.circuit.family",
        "quantum.workload.urgency",
        "quantum.workload.value",
        "quantum.workload.backend_sensitivity",
        "quantum.workload.retry_tolerance",
        "quantum.outcome.degraded",
        "quantum.workflow.name",
    ),
    opt_in=("quantum.request.id", "quantum.request.tenant"),
)
"""A request for a quantum or hybrid answer arrives at the service."""

SPANS: Final[dict[str, SpanType]] = {
    "quantum.client.llm": LLM,
    "quantum.client.poll": POLL,
    "quantum.client.result": RESULT,
    "quantum.consumer.job": JOB,
    "quantum.internal.algorithm": ALGORITHM,
    "quantum.internal.answer_check": ANSWER_CHECK,
    "quantum.internal.backend_selection": BACKEND_SELECTION,
    "quantum.internal.batch": BATCH,
    "quantum.internal.business_rule": BUSINESS_RULE,
    "quantum.internal.circuit_assembly": CIRCUIT_ASSEMBLY,
    "quantum.internal.epoch": EPOCH,
    "quantum.internal.execute": EXECUTE,
    "quantum.internal.fallback": FALLBACK,
    "quantum.internal.feature_preparation": FEATURE_PREPARATION,
    "quantum.internal.layer": LAYER,
    "quantum.internal.mitigation": MITIGATION,
    "quantum.internal.orchestrator_decision": ORCHESTRATOR_DECISION,
    "quantum.internal.parameter_binding": PARAMETER_BINDING,
    "quantum.internal.post_process": POST_PROCESS,
    "quantum.internal.prompt_construction": PROMPT_CONSTRUCTION,
    "quantum.internal.queue": QUEUE,
    "quantum.internal.scoring": SCORING,
    "quantum.internal.training": TRAINING,
    "quantum.internal.transpile": TRANSPILE,
    "quantum.internal.workflow": WORKFLOW,
    "quantum.producer.submit": SUBMIT,
    "quantum.server.ingress": INGRESS,
}
"""Every span type by its type."""
