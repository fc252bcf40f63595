"""Attribute keys, and the known values of those that are enums.

Generated from the registry by semconv/generate.py: edit the model, not this file.
"""

from enum import StrEnum
from typing import Final

EIGENSPAN_CALIBRATION_OUTCOME: Final = "eigenspan.calibration.outcome"
"""What became of a question to a live calibration service."""

EIGENSPAN_DECISION: Final = "eigenspan.decision"
"""What became of a trace."""

EIGENSPAN_EXPORTER_NAME: Final = "eigenspan.exporter.name"
"""The name of an exporter in the configuration."""

EIGENSPAN_SAMPLING_COMPLETE: Final = "eigenspan.sampling.complete"
"""Whether the trace had ended when it was decided."""

EIGENSPAN_SAMPLING_LATE: Final = "eigenspan.sampling.late"
"""Whether the span came after its trace had been decided."""

EIGENSPAN_SAMPLING_REASON: Final = "eigenspan.sampling.reason"
"""Why the rule kept the trace, in a few words."""

EIGENSPAN_SAMPLING_RECALLED: Final = "eigenspan.sampling.recalled"
"""Whether the trace had been dropped and was brought back by a late error."""

EIGENSPAN_SAMPLING_RULE: Final = "eigenspan.sampling.rule"
"""The rule that decided the trace."""

EIGENSPAN_SIGNAL: Final = "eigenspan.signal"
"""The signal that a payload holds."""

EIGENSPAN_STAGE_BYTES: Final = "eigenspan.stage.bytes"
"""The number of bytes that a stage of the collector sent."""

EIGENSPAN_STAGE_KEPT_TRACES: Final = "eigenspan.stage.kept_traces"
"""The number of those traces that are kept."""

EIGENSPAN_STAGE_PAYLOADS: Final = "eigenspan.stage.payloads"
"""The number of payloads that a stage of the collector took in."""

EIGENSPAN_STAGE_ROWS: Final = "eigenspan.stage.rows"
"""The number of outbox rows that a stage of the collector wrote or sent."""

EIGENSPAN_STAGE_SPANS: Final = "eigenspan.stage.spans"
"""The number of spans that a stage of the collector worked on."""

EIGENSPAN_STAGE_TRACES: Final = "eigenspan.stage.traces"
"""The number of traces that a stage of the collector decided."""

EIGENSPAN_TRANSPORT: Final = "eigenspan.transport"
"""How a payload came."""

ML_MODEL_NAME: Final = "ml.model.name"
"""Deprecated: Replaced by `quantum.training.model.name`."""

ML_TRAINING_ACCURACY: Final = "ml.training.accuracy"
"""Deprecated: Replaced by `quantum.training.accuracy`."""

ML_TRAINING_BATCH_SIZE: Final = "ml.training.batch_size"
"""Deprecated: Replaced by `quantum.training.batch_size`."""

ML_TRAINING_EPOCH_ACCURACY: Final = "ml.training.epoch.accuracy"
"""Deprecated: Replaced by `quantum.training.epoch.accuracy`."""

ML_TRAINING_EPOCH_LOSS: Final = "ml.training.epoch.loss"
"""Deprecated: Replaced by `quantum.training.epoch.loss`."""

ML_TRAINING_EPOCHS: Final = "ml.training.epochs"
"""Deprecated: Replaced by `quantum.training.epoch_count`."""

ML_TRAINING_FINAL_LOSS: Final = "ml.training.final_loss"
"""Deprecated: Replaced by `quantum.training.final_loss`."""

QUANTUM_ALGORITHM_ADVANTAGE: Final = "quantum.algorithm.advantage"
"""The time of the classical comparison over the time of the quantum solution, for an answer of equal quality."""

QUANTUM_ALGORITHM_APPROXIMATION_RATIO: Final = "quantum.algorithm.approximation_ratio"
"""The value reached over the optimal value, from 0 to 1."""

QUANTUM_ALGORITHM_CLASSICAL_METHOD: Final = "quantum.algorithm.classical_method"
"""The classical method that the algorithm is compared with."""

QUANTUM_ALGORITHM_CLASSICAL_VALUE: Final = "quantum.algorithm.classical_value"
"""The value of the objective that the classical method reached."""

QUANTUM_ALGORITHM_NAME: Final = "quantum.algorithm.name"
"""The name of the algorithm."""

QUANTUM_ALGORITHM_TYPE: Final = "quantum.algorithm.type"
"""The kind of algorithm."""

QUANTUM_ALGORITHM_VALUE: Final = "quantum.algorithm.value"
"""The value of the objective that the algorithm reached."""

QUANTUM_BACKEND_BENCHMARK_CLOPS: Final = "quantum.backend.benchmark.clops"
"""Circuit layer operations per second, as reported."""

QUANTUM_BACKEND_BENCHMARK_EPLG: Final = "quantum.backend.benchmark.eplg"
"""The error per layered gate, 1 − LF^(1/(N−1)), at the largest N reported."""

QUANTUM_BACKEND_BENCHMARK_QUANTUM_VOLUME: Final = "quantum.backend.benchmark.quantum_volume"
"""The quantum volume, as reported."""

QUANTUM_BACKEND_CALIBRATION_AGE: Final = "quantum.backend.calibration.age"
"""Seconds from the calibration to the execution."""

QUANTUM_BACKEND_CALIBRATION_CHANGED: Final = "quantum.backend.calibration.changed"
"""Whether another calibration came into force while the job ran."""

QUANTUM_BACKEND_CALIBRATION_ID: Final = "quantum.backend.calibration.id"
"""The provider's own id of the calibration, where it gives one."""

QUANTUM_BACKEND_CALIBRATION_MATCH: Final = "quantum.backend.calibration.match"
"""How the snapshot was found. It is never the newest or the nearest."""

QUANTUM_BACKEND_CALIBRATION_OLDEST_VALUE_AGE: Final = "quantum.backend.calibration.oldest_value_age"
"""Seconds from the oldest measurement among the values used in this namespace to the execution."""

QUANTUM_BACKEND_CALIBRATION_OPERATIONAL_PAIRS: Final = "quantum.backend.calibration.operational_pairs"
"""The number of operational undirected native pairs."""

QUANTUM_BACKEND_CALIBRATION_OPERATIONAL_QUBITS: Final = "quantum.backend.calibration.operational_qubits"
"""The number of operational qubits."""

QUANTUM_BACKEND_CALIBRATION_QUANTITY: Final = "quantum.backend.calibration.quantity"
"""Which of the calibration's figures a number is about."""

QUANTUM_BACKEND_CALIBRATION_READOUT_ERROR_MEDIAN: Final = "quantum.backend.calibration.readout_error.median"
"""The median readout error over the operational qubits."""

QUANTUM_BACKEND_CALIBRATION_SINGLE_QUBIT_ERROR_MEDIAN: Final = "quantum.backend.calibration.single_qubit_error.median"
"""The median error of the backend's one native single-qubit gate over the operational qubits."""

QUANTUM_BACKEND_CALIBRATION_STATISTIC: Final = "quantum.backend.calibration.statistic"
"""What the provider's own numbers for the device are, where it publishes none for its qubits and the medians here are
those.
"""

QUANTUM_BACKEND_CALIBRATION_T1_MEDIAN: Final = "quantum.backend.calibration.t1.median"
"""The median T1 over the operational qubits, in seconds."""

QUANTUM_BACKEND_CALIBRATION_T2_MEDIAN: Final = "quantum.backend.calibration.t2.median"
"""The median T2 over the operational qubits, in seconds."""

QUANTUM_BACKEND_CALIBRATION_T2_METHOD: Final = "quantum.backend.calibration.t2.method"
"""How T2 was measured."""

QUANTUM_BACKEND_CALIBRATION_TIME: Final = "quantum.backend.calibration.time"
"""When the calibration came into force (ISO 8601, UTC)."""

QUANTUM_BACKEND_CALIBRATION_TWO_QUBIT_ERROR_MAX: Final = "quantum.backend.calibration.two_qubit_error.max"
"""The largest error of the native two-qubit gate over the operational pairs."""

QUANTUM_BACKEND_CALIBRATION_TWO_QUBIT_ERROR_MEDIAN: Final = "quantum.backend.calibration.two_qubit_error.median"
"""The median error of the native two-qubit gate over the operational pairs."""

QUANTUM_BACKEND_CALIBRATION_VERSION: Final = "quantum.backend.calibration.version"
"""The content version of the calibration snapshot that was in force when the job ran."""

QUANTUM_BACKEND_ERROR_KIND: Final = "quantum.backend.error_kind"
"""The kind of error that a rate is about."""

QUANTUM_BACKEND_GATE_ERROR: Final = "quantum.backend.gate_error"
"""A typical gate error of the backend, as the program itself knows it."""

QUANTUM_BACKEND_NAME: Final = "quantum.backend.name"
"""The name of the device or simulator, as its provider writes it."""

QUANTUM_BACKEND_NOISE_LEVEL: Final = "quantum.backend.noise_level"
"""One minus the estimated success probability of a reference circuit on the backend."""

QUANTUM_BACKEND_QUBIT_COUNT: Final = "quantum.backend.qubit_count"
"""The number of qubits of the backend."""

QUANTUM_BACKEND_QUEUE_LENGTH: Final = "quantum.backend.queue.length"
"""The number of jobs that waited for the backend, at the last sample before the job ran."""

QUANTUM_BACKEND_RATE_LIMIT_REMAINING: Final = "quantum.backend.rate_limit.remaining"
"""How many more requests the provider takes in the current period."""

QUANTUM_BACKEND_READOUT_ERROR: Final = "quantum.backend.readout_error"
"""A typical readout error of the backend, as the program itself knows it."""

QUANTUM_BACKEND_SIMULATOR: Final = "quantum.backend.simulator"
"""Whether the backend is a simulator, also when it imitates a device."""

QUANTUM_BACKEND_STATUS: Final = "quantum.backend.status"
"""The state of the backend when the job ran."""

QUANTUM_BACKEND_UPTIME_RATIO: Final = "quantum.backend.uptime_ratio"
"""The share of the last 30 days in which the backend took jobs, from 0 to 1."""

QUANTUM_BACKEND_VERSION: Final = "quantum.backend.version"
"""The version of the backend as its provider counts it."""

QUANTUM_BACKEND_WINDOW_END_TIME: Final = "quantum.backend.window.end_time"
"""When the current or the next availability window of the backend ends (ISO 8601, UTC)."""

QUANTUM_BACKEND_WINDOW_START_TIME: Final = "quantum.backend.window.start_time"
"""When the current or the next availability window of the backend begins (ISO 8601, UTC)."""

QUANTUM_CIRCUIT_APPROXIMATION: Final = "quantum.circuit.approximation"
"""How the circuit was approximated or compressed."""

QUANTUM_CIRCUIT_APPROXIMATION_DEGREE: Final = "quantum.circuit.approximation_degree"
"""How exact the approximation is, from 0 to 1, where 1 is exact."""

QUANTUM_CIRCUIT_CALIBRATION_BASIS: Final = "quantum.circuit.calibration.basis"
"""What the estimate was computed from."""

QUANTUM_CIRCUIT_CALIBRATION_COHERENCE_BASIS: Final = "quantum.circuit.calibration.coherence_basis"
"""Which duration the coherence ratio and margin are about."""

QUANTUM_CIRCUIT_CALIBRATION_COHERENCE_MARGIN: Final = "quantum.circuit.calibration.coherence_margin"
"""The smallest T2 of the qubits that the circuit uses, minus the duration of the circuit, in seconds."""

QUANTUM_CIRCUIT_CALIBRATION_COHERENCE_RATIO: Final = "quantum.circuit.calibration.coherence_ratio"
"""The duration of the circuit over the smallest T2 of the qubits that it uses."""

QUANTUM_CIRCUIT_CALIBRATION_MISSING_TERMS: Final = "quantum.circuit.calibration.missing_terms"
"""The number of operations for which the snapshot has no error, left out of the product."""

QUANTUM_CIRCUIT_CALIBRATION_READOUT_ERROR_MAX: Final = "quantum.circuit.calibration.readout_error.max"
"""The readout error of the worst qubit that the circuit measures."""

QUANTUM_CIRCUIT_CALIBRATION_SUCCESS_PROBABILITY: Final = "quantum.circuit.calibration.success_probability"
"""The product of one minus error over the executed operations and the measured qubits (ESP)."""

QUANTUM_CIRCUIT_CALIBRATION_T2_MIN: Final = "quantum.circuit.calibration.t2.min"
"""The smallest T2 of the qubits that the circuit uses, in seconds."""

QUANTUM_CIRCUIT_CALIBRATION_TWO_QUBIT_ERROR_MAX: Final = "quantum.circuit.calibration.two_qubit_error.max"
"""The error of the worst pair that the circuit uses."""

QUANTUM_CIRCUIT_CALIBRATION_UNUSABLE_SITES: Final = "quantum.circuit.calibration.unusable_sites"
"""The number of qubits and pairs that the circuit uses and that are not operational."""

QUANTUM_CIRCUIT_CALIBRATION_WORST_PAIR: Final = "quantum.circuit.calibration.worst_pair"
"""The pair with the largest error among those that the circuit uses."""

QUANTUM_CIRCUIT_COUNT: Final = "quantum.circuit.count"
"""The number of circuits in the operation, when it is not one."""

QUANTUM_CIRCUIT_DEPTH: Final = "quantum.circuit.depth"
"""The number of layers of operations that the circuit takes when independent operations run together."""

QUANTUM_CIRCUIT_DURATION: Final = "quantum.circuit.duration"
"""Seconds that one execution of the circuit takes on its backend, by its schedule."""

QUANTUM_CIRCUIT_ESTIMATED_ERROR: Final = "quantum.circuit.estimated_error"
"""One minus the success probability that the program estimated for the circuit before it ran."""

QUANTUM_CIRCUIT_FAMILY: Final = "quantum.circuit.family"
"""The kind of circuit, by which like is compared with like."""

QUANTUM_CIRCUIT_GATE_COUNT: Final = "quantum.circuit.gate_count"
"""The number of operations in the circuit, measurements and barriers excluded."""

QUANTUM_CIRCUIT_HASH: Final = "quantum.circuit.hash"
"""A digest of the circuit's structure, equal for equal circuits within one library version."""

QUANTUM_CIRCUIT_LOGICAL_DEPTH: Final = "quantum.circuit.logical.depth"
"""The depth of the circuit as it was written."""

QUANTUM_CIRCUIT_LOGICAL_GATE_COUNT: Final = "quantum.circuit.logical.gate_count"
"""The number of operations of the circuit as it was written, measurements and barriers excluded."""

QUANTUM_CIRCUIT_LOGICAL_HASH: Final = "quantum.circuit.logical.hash"
"""A digest of the structure of the circuit as it was written, before it was transpiled."""

QUANTUM_CIRCUIT_LOGICAL_QUBIT_COUNT: Final = "quantum.circuit.logical.qubit_count"
"""The number of qubits of the circuit as it was written."""

QUANTUM_CIRCUIT_LOGICAL_TWO_QUBIT_GATE_COUNT: Final = "quantum.circuit.logical.two_qubit_gate_count"
"""The number of operations on two qubits or more of the circuit as it was written."""

QUANTUM_CIRCUIT_MEASUREMENT_COUNT: Final = "quantum.circuit.measurement_count"
"""The number of qubit measurements in the circuit."""

QUANTUM_CIRCUIT_NAME: Final = "quantum.circuit.name"
"""The name that the program gives the circuit."""

QUANTUM_CIRCUIT_OPERATIONS: Final = "quantum.circuit.operations"
"""How often each gate runs on each site of the backend, as `gate:site,site:count`."""

QUANTUM_CIRCUIT_PARAMETER_COUNT: Final = "quantum.circuit.parameter_count"
"""The number of free parameters in the circuit."""

QUANTUM_CIRCUIT_PHYSICAL_QUBITS: Final = "quantum.circuit.physical_qubits"
"""The backend's qubits on which the circuit runs, named as the backend's calibration names them."""

QUANTUM_CIRCUIT_QASM: Final = "quantum.circuit.qasm"
"""The circuit as OpenQASM text."""

QUANTUM_CIRCUIT_QUBIT_COUNT: Final = "quantum.circuit.qubit_count"
"""The number of qubits on which the circuit acts."""

QUANTUM_CIRCUIT_TWO_QUBIT_GATE_COUNT: Final = "quantum.circuit.two_qubit_gate_count"
"""The number of operations that act on two qubits or more."""

QUANTUM_COST_AMOUNT: Final = "quantum.cost.amount"
"""What the operation costs, in `quantum.cost.currency`."""

QUANTUM_COST_CURRENCY: Final = "quantum.cost.currency"
"""The currency of `quantum.cost.amount` as ISO 4217 writes it."""

QUANTUM_COST_PER_SUCCESS: Final = "quantum.cost.per_success"
"""The estimated spend for one successful outcome, in `quantum.cost.currency`."""

QUANTUM_COST_SOURCE: Final = "quantum.cost.source"
"""Where the amount comes from."""

QUANTUM_COST_TYPE: Final = "quantum.cost.type"
"""What is paid for."""

QUANTUM_DEVICE: Final = "quantum.device"
"""Deprecated: Replaced by `quantum.backend.name`."""

QUANTUM_ERROR_MESSAGE: Final = "quantum.error.message"
"""A message that says what went wrong in the quantum part of the request."""

QUANTUM_ERROR_TYPE: Final = "quantum.error.type"
"""Deprecated: Replaced by `error.type`."""

QUANTUM_EVALUATION_EXPLANATION: Final = "quantum.evaluation.explanation"
"""Why the score is what it is."""

QUANTUM_EVALUATION_LABEL: Final = "quantum.evaluation.label"
"""The score in a word."""

QUANTUM_EVALUATION_NAME: Final = "quantum.evaluation.name"
"""What was evaluated."""

QUANTUM_EVALUATION_SCORE: Final = "quantum.evaluation.score"
"""The score."""

QUANTUM_EXECUTION_COST: Final = "quantum.execution.cost"
"""Deprecated: Replaced by `quantum.cost.amount`."""

QUANTUM_EXECUTION_QUEUE_TIME: Final = "quantum.execution.queue_time"
"""Deprecated: Replaced by `quantum.job.queue.duration`."""

QUANTUM_EXECUTION_SUCCESS: Final = "quantum.execution.success"
"""Whether the execution gave a result."""

QUANTUM_EXECUTION_TIME: Final = "quantum.execution.time"
"""Deprecated: Replaced by `quantum.job.execution.duration`."""

QUANTUM_FALLBACK_KIND: Final = "quantum.fallback.kind"
"""What the fallback was."""

QUANTUM_FALLBACK_USED: Final = "quantum.fallback.used"
"""Whether the answer comes from a fallback instead of the backend first chosen."""

QUANTUM_FIDELITY: Final = "quantum.fidelity"
"""Deprecated: Replaced by `quantum.result.fidelity`."""

QUANTUM_GATE_ERROR: Final = "quantum.gate_error"
"""Deprecated: Replaced by `quantum.backend.gate_error`."""

QUANTUM_HARDWARE_CHANGE: Final = "quantum.hardware.change"
"""What happened to the hardware."""

QUANTUM_JOB_DURATION: Final = "quantum.job.duration"
"""Seconds from the submission of the job to its final state, as its client saw them."""

QUANTUM_JOB_EXECUTION_DURATION: Final = "quantum.job.execution.duration"
"""Seconds during which the job ran on the backend, without its queue."""

QUANTUM_JOB_EXECUTION_END_TIME: Final = "quantum.job.execution.end_time"
"""When the backend had run the job, by the provider's clock (ISO 8601, UTC)."""

QUANTUM_JOB_EXECUTION_START_TIME: Final = "quantum.job.execution.start_time"
"""When the backend began to run the job, by the provider's clock (ISO 8601, UTC)."""

QUANTUM_JOB_ID: Final = "quantum.job.id"
"""The id that the provider gave the job."""

QUANTUM_JOB_PREVIOUS_STATUS: Final = "quantum.job.previous_status"
"""The state that the job was in before, as a value of `quantum.job.status`."""

QUANTUM_JOB_QUEUE_DURATION: Final = "quantum.job.queue.duration"
"""Seconds that the job waited in the provider's queue before it ran."""

QUANTUM_JOB_QUEUE_ENTER_TIME: Final = "quantum.job.queue.enter_time"
"""When the job entered the provider's queue, by the provider's clock (ISO 8601, UTC)."""

QUANTUM_JOB_QUEUE_LEAVE_TIME: Final = "quantum.job.queue.leave_time"
"""When the job left the provider's queue, by the provider's clock (ISO 8601, UTC)."""

QUANTUM_JOB_QUEUE_POSITION: Final = "quantum.job.queue.position"
"""How many jobs are ahead in the queue."""

QUANTUM_JOB_RETRY_COUNT: Final = "quantum.job.retry_count"
"""How often the job was submitted again after a failure."""

QUANTUM_JOB_SHOTS: Final = "quantum.job.shots"
"""The number of times that each circuit is asked to be run."""

QUANTUM_JOB_STATUS: Final = "quantum.job.status"
"""Where the job is on its way."""

QUANTUM_JOB_SUCCESSFUL_SHOTS: Final = "quantum.job.successful_shots"
"""The number of shots that gave a result."""

QUANTUM_LAYER_INDEX: Final = "quantum.layer.index"
"""The position of the layer, from 0."""

QUANTUM_LAYER_TYPE: Final = "quantum.layer.type"
"""The kind of layer of a variational or hybrid model."""

QUANTUM_LLM_CONTENT_ID: Final = "quantum.llm.content.id"
"""Where the raw prompt and answer are stored, encrypted and redacted."""

QUANTUM_LLM_MODEL_VERSION: Final = "quantum.llm.model.version"
"""The exact version of the model, where the name of the model does not say it."""

QUANTUM_LLM_PROMPT_HASH: Final = "quantum.llm.prompt_hash"
"""A digest of the prompt that a language model was given; never the prompt itself."""

QUANTUM_LLM_PROMPT_TEMPLATE_NAME: Final = "quantum.llm.prompt_template.name"
"""The name of the template that the prompt was made from."""

QUANTUM_LLM_PROMPT_TEMPLATE_VERSION: Final = "quantum.llm.prompt_template.version"
"""The version of that template."""

QUANTUM_LLM_VALIDATOR_NAME: Final = "quantum.llm.validator.name"
"""The check that the answer of the model went through."""

QUANTUM_LLM_VALIDATOR_PASSED: Final = "quantum.llm.validator.passed"
"""Whether the answer of the model passed every check."""

QUANTUM_MITIGATION_EFFECT: Final = "quantum.mitigation.effect"
"""The distance to the reference before mitigation minus the distance after it."""

QUANTUM_MITIGATION_HELPED: Final = "quantum.mitigation.helped"
"""Whether the mitigated result was closer to the reference than the plain one."""

QUANTUM_MITIGATION_OVERHEAD: Final = "quantum.mitigation.overhead"
"""How many times more shots the mitigation takes than the plain execution."""

QUANTUM_MITIGATION_PARAMETERS: Final = "quantum.mitigation.parameters"
"""The parameters of the technique, as a short text."""

QUANTUM_MITIGATION_TECHNIQUE: Final = "quantum.mitigation.technique"
"""How errors are mitigated."""

QUANTUM_NOISE_LEVEL: Final = "quantum.noise_level"
"""Deprecated: Replaced by `quantum.backend.noise_level`."""

QUANTUM_OPERATION_NAME: Final = "quantum.operation.name"
"""The operation that a client performs."""

QUANTUM_OUTCOME_DEGRADED: Final = "quantum.outcome.degraded"
"""Whether the answer is worse than was asked for and marked so for the caller."""

QUANTUM_PARAMETER_COUNT: Final = "quantum.parameter.count"
"""Deprecated: Replaced by `quantum.circuit.parameter_count`."""

QUANTUM_PRIMITIVE_NAME: Final = "quantum.primitive.name"
"""The interface through which the circuits run, where there are several."""

QUANTUM_PROBLEM_SIZE: Final = "quantum.problem.size"
"""The size of the problem in its own terms."""

QUANTUM_PROBLEM_TYPE: Final = "quantum.problem.type"
"""The kind of problem that is solved."""

QUANTUM_PROVIDER: Final = "quantum.provider"
"""Deprecated: Replaced by `quantum.provider.name`."""

QUANTUM_PROVIDER_NAME: Final = "quantum.provider.name"
"""Who operates the backend, or who wrote the simulator."""

QUANTUM_QUBITS: Final = "quantum.qubits"
"""Deprecated: Replaced by `quantum.circuit.qubit_count`."""

QUANTUM_READOUT_ERROR: Final = "quantum.readout_error"
"""Deprecated: Replaced by `quantum.backend.readout_error`."""

QUANTUM_REQUEST_CORRELATION_ID: Final = "quantum.request.correlation_id"
"""The one id that follows a request from the API to the answer, over every process and provider."""

QUANTUM_REQUEST_ID: Final = "quantum.request.id"
"""The id of one attempt at the request, as `X-Request-ID` carries it."""

QUANTUM_REQUEST_TENANT: Final = "quantum.request.tenant"
"""The tenant on whose behalf the request runs."""

QUANTUM_RESULT_CONFIDENCE: Final = "quantum.result.confidence"
"""How sure the answer is, from 0 to 1."""

QUANTUM_RESULT_DIVERGENCE: Final = "quantum.result.divergence"
"""The total variation distance between the results of a simulator and of the backend for the same circuit, from 0 to
1.
"""

QUANTUM_RESULT_FIDELITY: Final = "quantum.result.fidelity"
"""How close the result came to the ideal one, from 0 to 1."""

QUANTUM_RESULT_HASH: Final = "quantum.result.hash"
"""A digest of the normalised result."""

QUANTUM_RESULT_POST_PROCESS_DURATION: Final = "quantum.result.post_process.duration"
"""Seconds from the raw result to the answer."""

QUANTUM_RESULT_SIZE: Final = "quantum.result.size"
"""The number of distinct outcomes in the result."""

QUANTUM_RESULT_SUMMARY: Final = "quantum.result.summary"
"""The most frequent outcomes, as a short text."""

QUANTUM_ROUTE_ALTERNATIVES: Final = "quantum.route.alternatives"
"""The routes that could have been taken, the best first."""

QUANTUM_ROUTE_OBJECTIVE: Final = "quantum.route.objective"
"""What the choice of the route was to make best."""

QUANTUM_ROUTE_REASON: Final = "quantum.route.reason"
"""Why the route or the backend was chosen, in a few words."""

QUANTUM_ROUTE_TAKEN: Final = "quantum.route.taken"
"""The route that was taken."""

QUANTUM_RULE_NAME: Final = "quantum.rule.name"
"""The name of the business rule."""

QUANTUM_RULE_PASSED: Final = "quantum.rule.passed"
"""Whether the answer satisfies the rule."""

QUANTUM_SECURITY_ACTION: Final = "quantum.security.action"
"""What was done about it."""

QUANTUM_SECURITY_CATEGORY: Final = "quantum.security.category"
"""What the security event is about."""

QUANTUM_SHOTS: Final = "quantum.shots"
"""Deprecated: Replaced by `quantum.job.shots`."""

QUANTUM_STAGE_NAME: Final = "quantum.stage.name"
"""The stage of a hybrid request."""

QUANTUM_TRAINING_ACCURACY: Final = "quantum.training.accuracy"
"""The accuracy at the end of the training, from 0 to 1."""

QUANTUM_TRAINING_BATCH_SIZE: Final = "quantum.training.batch_size"
"""The number of samples in a batch."""

QUANTUM_TRAINING_EPOCH_ACCURACY: Final = "quantum.training.epoch.accuracy"
"""The accuracy of the epoch, from 0 to 1."""

QUANTUM_TRAINING_EPOCH_INDEX: Final = "quantum.training.epoch.index"
"""The position of the epoch, from 0."""

QUANTUM_TRAINING_EPOCH_LOSS: Final = "quantum.training.epoch.loss"
"""The loss of the epoch."""

QUANTUM_TRAINING_EPOCH_COUNT: Final = "quantum.training.epoch_count"
"""The number of epochs that the training takes."""

QUANTUM_TRAINING_FINAL_LOSS: Final = "quantum.training.final_loss"
"""The loss at the end of the training."""

QUANTUM_TRAINING_MODEL_NAME: Final = "quantum.training.model.name"
"""The name of the model that is trained."""

QUANTUM_TRAINING_TYPE: Final = "quantum.training.type"
"""How a model is trained."""

QUANTUM_TRANSPILER_OPTIMIZATION_LEVEL: Final = "quantum.transpiler.optimization_level"
"""The optimisation level that was asked of the transpiler."""

QUANTUM_TRANSPILER_OPTIONS: Final = "quantum.transpiler.options"
"""Further options of the transpiler, as a short text."""

QUANTUM_USAGE_BILLED_DURATION: Final = "quantum.usage.billed.duration"
"""Seconds that the provider bills for the job."""

QUANTUM_USAGE_QPU_DURATION: Final = "quantum.usage.qpu.duration"
"""Seconds for which the job held the quantum processor."""

QUANTUM_USAGE_RESERVED_DURATION: Final = "quantum.usage.reserved.duration"
"""Seconds of a reservation that the job used up."""

QUANTUM_WORKFLOW_NAME: Final = "quantum.workflow.name"
"""The name of the workflow that the request runs."""

QUANTUM_WORKFLOW_VERSION: Final = "quantum.workflow.version"
"""The version of the workflow, as its releases name it."""

QUANTUM_WORKLOAD_BACKEND_SENSITIVITY: Final = "quantum.workload.backend_sensitivity"
"""How much the answer depends on which backend runs it."""

QUANTUM_WORKLOAD_CLASS: Final = "quantum.workload.class"
"""The class of service objectives that the request falls under."""

QUANTUM_WORKLOAD_RETRY_TOLERANCE: Final = "quantum.workload.retry_tolerance"
"""Whether the work may be run again."""

QUANTUM_WORKLOAD_URGENCY: Final = "quantum.workload.urgency"
"""How soon the answer is needed."""

QUANTUM_WORKLOAD_VALUE: Final = "quantum.workload.value"
"""What the answer is worth to whoever asked."""


class EigenspanCalibrationOutcome(StrEnum):
    """Known values of `eigenspan.calibration.outcome`. The list is open."""

    POLLED = "polled"
    """A calibration came and could be read."""

    NEW = "new"
    """Its content was new."""

    RESTAMPED = "restamped"
    """Known content was published for another instant."""

    KNOWN = "known"
    """Nothing had changed."""

    STATUS = "status"
    """A status came."""

    REFUSED = "refused"
    """The document went to quarantine."""

    BUSY = "busy"
    """The service asked to come back later."""

    FAILED = "failed"
    """The service could not be asked."""


class EigenspanDecision(StrEnum):
    """Known values of `eigenspan.decision`. The list is open."""

    KEPT = "kept"
    """The trace is exported."""

    DROPPED = "dropped"
    """The trace is not exported."""


class EigenspanSignal(StrEnum):
    """Known values of `eigenspan.signal`. The list is open."""

    TRACES = "traces"
    """Spans."""

    METRICS = "metrics"
    """Metric points."""

    LOGS = "logs"
    """Log records."""


class QuantumBackendCalibrationMatch(StrEnum):
    """Known values of `quantum.backend.calibration.match`. The list is open."""

    ID = "id"
    """The span named the calibration."""

    AS_OF = "as_of"
    """The latest that came into force at or before the execution."""

    AS_OF_UNCONFIRMED = "as_of_unconfirmed"
    """The latest known at or before the execution, but the provider was not asked since: a newer one may have applied."""

    NONE = "none"
    """No snapshot was in force."""


class QuantumBackendCalibrationQuantity(StrEnum):
    """Known values of `quantum.backend.calibration.quantity`. The list is open."""

    T1 = "t1"
    """The median T1."""

    T2 = "t2"
    """The median T2."""

    READOUT_ERROR = "readout_error"
    """The median readout error."""

    SINGLE_QUBIT_ERROR = "single_qubit_error"
    """The median error of the single-qubit gate."""

    TWO_QUBIT_ERROR = "two_qubit_error"
    """The median error of the two-qubit gate."""


class QuantumBackendCalibrationStatistic(StrEnum):
    """Known values of `quantum.backend.calibration.statistic`. The list is open."""

    MEAN = "mean"
    """A mean over the device."""

    MEDIAN = "median"
    """A median over the device."""

    UNSPECIFIED = "unspecified"
    """The provider does not say."""


class QuantumBackendCalibrationT2Method(StrEnum):
    """Known values of `quantum.backend.calibration.t2.method`. The list is open."""

    RAMSEY = "ramsey"
    """A Ramsey experiment."""

    HAHN_ECHO = "hahn_echo"
    """A Hahn echo."""

    UNSPECIFIED = "unspecified"
    """The provider does not say."""


class QuantumBackendErrorKind(StrEnum):
    """Known values of `quantum.backend.error_kind`. The list is open."""

    READOUT_ERROR = "readout_error"
    """Reading out a qubit."""

    GATE_ERROR = "gate_error"
    """A native two-qubit gate."""

    COHERENCE_ERROR = "coherence_error"
    """Decay while the circuit runs."""


class QuantumBackendStatus(StrEnum):
    """Known values of `quantum.backend.status`. The list is open."""

    IDLE = "idle"
    """It takes jobs and has none."""

    BUSY = "busy"
    """It takes jobs and has some."""

    ONLINE = "online"
    """It takes jobs; how many it has, nobody says."""

    CALIBRATION = "calibration"
    """It is being calibrated."""

    MAINTENANCE = "maintenance"
    """It is being maintained."""

    OFFLINE = "offline"
    """It takes no jobs."""

    ERROR = "error"
    """It is out of order."""


class QuantumCircuitCalibrationBasis(StrEnum):
    """Known values of `quantum.circuit.calibration.basis`. The list is open."""

    OPERATIONS = "operations"
    """From the counts of each gate on each site."""

    QUBITS = "qubits"
    """From the qubits alone."""

    COUNTS = "counts"
    """From counts of gates and the backend's medians."""


class QuantumCircuitCalibrationCoherenceBasis(StrEnum):
    """Known values of `quantum.circuit.calibration.coherence_basis`. The list is open."""

    SCHEDULE = "schedule"
    """The duration of the schedule, `quantum.circuit.duration`."""

    BUSIEST_QUBIT = "busiest_qubit"
    """The time that gates and readout take on the busiest qubit, which no schedule can undercut."""


class QuantumCostSource(StrEnum):
    """Known values of `quantum.cost.source`. The list is open."""

    PROVIDER = "provider"
    """The provider billed or reported it."""

    ESTIMATE = "estimate"
    """It was computed from a price list."""


class QuantumCostType(StrEnum):
    """Known values of `quantum.cost.type`. The list is open."""

    SHOT = "shot"
    """Shots."""

    TASK = "task"
    """A job or task as such."""

    TIME = "time"
    """Time on the processor."""

    RESERVATION = "reservation"
    """Reserved time."""

    OTHER = "other"
    """Anything else."""


class QuantumFallbackKind(StrEnum):
    """Known values of `quantum.fallback.kind`. The list is open."""

    BACKEND = "backend"
    """Another backend."""

    SIMULATOR = "simulator"
    """A certified simulator."""

    CLASSICAL = "classical"
    """A classical method."""

    CACHED = "cached"
    """An earlier answer."""

    PARTIAL = "partial"
    """A part of the answer."""


class QuantumHardwareChange(StrEnum):
    """Known values of `quantum.hardware.change`. The list is open."""

    OUTAGE = "outage"
    """The backend stopped taking jobs."""

    RECOVERY = "recovery"
    """The backend takes jobs again."""

    MAINTENANCE = "maintenance"
    """Maintenance began."""

    QUBIT_DISABLED = "qubit_disabled"
    """A qubit or a pair went out of service."""

    DRIFT = "drift"
    """An error rate left its usual range."""


class QuantumJobStatus(StrEnum):
    """Known values of `quantum.job.status`. The list is open."""

    CREATED = "created"
    """The provider knows the job and has not queued it.."""

    QUEUED = "queued"
    """The job waits for the backend.."""

    RUNNING = "running"
    """The job runs, or its results are being prepared.."""

    COMPLETED = "completed"
    """The job ended and has results.."""

    FAILED = "failed"
    """The job ended without results because of an error.."""

    TIMED_OUT = "timed_out"
    """The job ended because it, or its wait, took too long.."""

    CANCELLED = "cancelled"
    """Somebody ended the job.."""


class QuantumMitigationTechnique(StrEnum):
    """Known values of `quantum.mitigation.technique`. The list is open."""

    ZNE = "zne"
    """Zero-noise extrapolation."""

    PEC = "pec"
    """Probabilistic error cancellation."""

    READOUT = "readout"
    """Measurement errors are inverted."""

    TWIRLING = "twirling"
    """Noise is made stochastic by random gates."""

    DYNAMICAL_DECOUPLING = "dynamical_decoupling"
    """Idle qubits are refocused."""

    CDR = "cdr"
    """Clifford data regression."""

    POST_SELECTION = "post_selection"
    """Shots that break a symmetry are left out."""


class QuantumOperationName(StrEnum):
    """Known values of `quantum.operation.name`. The list is open."""

    TRANSPILE = "transpile"
    """Circuits are rewritten for a backend."""

    SUBMIT = "submit"
    """A job is handed to a provider."""

    EXECUTE = "execute"
    """Circuits run."""

    RESULT = "result"
    """Results are fetched and parsed."""


class QuantumPrimitiveName(StrEnum):
    """Known values of `quantum.primitive.name`. The list is open."""

    SAMPLER = "sampler"
    """Shots are returned."""

    ESTIMATOR = "estimator"
    """Expectation values are returned."""


class QuantumRouteObjective(StrEnum):
    """Known values of `quantum.route.objective`. The list is open."""

    LATENCY = "latency"
    """The time to the answer."""

    COST = "cost"
    """The spend."""

    FIDELITY = "fidelity"
    """The quality of the result."""

    AVAILABILITY = "availability"
    """That there is an answer."""


class QuantumSecurityCategory(StrEnum):
    """Known values of `quantum.security.category`. The list is open."""

    AUTHENTICATION = "authentication"
    """A credential was refused."""

    AUTHORIZATION = "authorization"
    """An action was refused."""

    REDACTION = "redaction"
    """Sensitive data was cut from telemetry."""

    CREDENTIAL_EXPOSURE = "credential_exposure"
    """A credential was found where it must not be."""

    RATE_ABUSE = "rate_abuse"
    """Far more requests than usual."""


class QuantumStageName(StrEnum):
    """Known values of `quantum.stage.name`. The list is open."""

    INGRESS = "ingress"
    """The request arrives."""

    FEATURE_PREPARATION = "feature_preparation"
    """Input becomes features."""

    LLM = "llm"
    """A language model is asked."""

    DECISION = "decision"
    """A route is chosen."""

    TRANSPILE = "transpile"
    """Circuits are rewritten."""

    SUBMIT = "submit"
    """A job is handed over."""

    QUEUE = "queue"
    """A job waits."""

    EXECUTE = "execute"
    """Circuits run."""

    RESULT = "result"
    """Results are fetched."""

    POST_PROCESS = "post_process"
    """Results become an answer."""

    BUSINESS_RULE = "business_rule"
    """The answer is checked."""

    FALLBACK = "fallback"
    """Another way is taken."""


class QuantumWorkloadBackendSensitivity(StrEnum):
    """Known values of `quantum.workload.backend_sensitivity`. The list is open."""

    LOW = "low"
    """Any backend will do."""

    MEDIUM = "medium"
    """A class of backends."""

    HIGH = "high"
    """One backend or one calibration."""


class QuantumWorkloadClass(StrEnum):
    """Known values of `quantum.workload.class`. The list is open."""

    INTERACTIVE = "interactive"
    """Somebody waits for the answer."""

    STANDARD = "standard"
    """The answer is wanted within minutes."""

    BATCH = "batch"
    """The answer may come hours later."""

    RESEARCH = "research"
    """Exploratory work without a target."""


class QuantumWorkloadRetryTolerance(StrEnum):
    """Known values of `quantum.workload.retry_tolerance`. The list is open."""

    LOW = "low"
    """It must not."""

    MEDIUM = "medium"
    """A few times."""

    HIGH = "high"
    """As often as needed."""


class QuantumWorkloadUrgency(StrEnum):
    """Known values of `quantum.workload.urgency`. The list is open."""

    LOW = "low"
    """Whenever."""

    MEDIUM = "medium"
    """Within minutes."""

    HIGH = "high"
    """At once."""


class QuantumWorkloadValue(StrEnum):
    """Known values of `quantum.workload.value`. The list is open."""

    LOW = "low"
    """It can be lost."""

    MEDIUM = "medium"
    """It is wanted."""

    HIGH = "high"
    """A decision hangs on it."""
