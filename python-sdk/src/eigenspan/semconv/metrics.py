"""Metrics: name, instrument, unit, and the attributes that may be dimensions.

Generated from the registry by semconv/generate.py: edit the model, not this file.
"""

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Metric:
    """What an instrument is made from. `buckets` are advice for histograms, `prometheus` the name in the field."""

    name: str
    instrument: str
    unit: str
    brief: str
    attributes: tuple[str, ...] = ()
    buckets: tuple[float, ...] = ()
    prometheus: str = ""


EIGENSPAN_CALIBRATION_POLLS: Final = Metric(
    name="eigenspan.calibration.polls",
    instrument="counter",
    unit="{poll}",
    brief="The number of questions to live calibration services, by what became of them.",
    attributes=(
        "quantum.provider.name",
        "eigenspan.calibration.outcome",
    ),
)
"""The number of questions to live calibration services, by what became of them."""

EIGENSPAN_CALIBRATION_QUARANTINED: Final = Metric(
    name="eigenspan.calibration.quarantined",
    instrument="gauge",
    unit="{document}",
    brief="The number of calibration documents that are set aside because they cannot be believed.",
)
"""The number of calibration documents that are set aside because they cannot be believed."""

EIGENSPAN_ENRICH_SPANS: Final = Metric(
    name="eigenspan.enrich.spans",
    instrument="counter",
    unit="{span}",
    brief="The number of kept spans that were given a calibration.",
    attributes=(
        "quantum.provider.name",
        "quantum.backend.name",
        "quantum.backend.calibration.match",
    ),
)
"""The number of kept spans that were given a calibration."""

EIGENSPAN_EXPORTER_FAILURES: Final = Metric(
    name="eigenspan.exporter.failures",
    instrument="counter",
    unit="{request}",
    brief="The number of export requests that failed.",
    attributes=("eigenspan.exporter.name", "error.type"),
)
"""The number of export requests that failed."""

EIGENSPAN_EXPORTER_SPANS: Final = Metric(
    name="eigenspan.exporter.spans",
    instrument="counter",
    unit="{span}",
    brief="The number of spans that an exporter's peer accepted.",
    attributes=("eigenspan.exporter.name",),
)
"""The number of spans that an exporter's peer accepted."""

EIGENSPAN_LOG_SIZE: Final = Metric(
    name="eigenspan.log.size",
    instrument="updowncounter",
    unit="By",
    brief="The size of the log on disk.",
)
"""The size of the log on disk."""

EIGENSPAN_OUTBOX_ROWS: Final = Metric(
    name="eigenspan.outbox.rows",
    instrument="updowncounter",
    unit="{row}",
    brief="The number of traces that wait for an exporter.",
    attributes=("eigenspan.exporter.name",),
)
"""The number of traces that wait for an exporter."""

EIGENSPAN_RECEIVER_PAYLOADS: Final = Metric(
    name="eigenspan.receiver.payloads",
    instrument="counter",
    unit="{payload}",
    brief="The number of payloads acknowledged.",
    attributes=("eigenspan.signal", "eigenspan.transport"),
)
"""The number of payloads acknowledged."""

EIGENSPAN_RECEIVER_REFUSALS: Final = Metric(
    name="eigenspan.receiver.refusals",
    instrument="counter",
    unit="{payload}",
    brief="The number of payloads answered with an error.",
    attributes=(
        "eigenspan.signal",
        "eigenspan.transport",
        "error.type",
    ),
)
"""The number of payloads answered with an error."""

EIGENSPAN_RECEIVER_SPANS: Final = Metric(
    name="eigenspan.receiver.spans",
    instrument="counter",
    unit="{span}",
    brief="The number of spans acknowledged.",
    attributes=("service.name",),
)
"""The number of spans acknowledged."""

EIGENSPAN_REDACT_VALUES: Final = Metric(
    name="eigenspan.redact.values",
    instrument="counter",
    unit="{value}",
    brief="The number of attribute values cut before they reached a disk.",
)
"""The number of attribute values cut before they reached a disk."""

EIGENSPAN_SPAN_DURATION: Final = Metric(
    name="eigenspan.span.duration",
    instrument="histogram",
    unit="s",
    brief="How long spans lasted, over all traffic and before any sampling.",
    attributes=(
        "service.name",
        "quantum.operation.name",
        "quantum.provider.name",
        "quantum.backend.name",
    ),
)
"""How long spans lasted, over all traffic and before any sampling."""

EIGENSPAN_SPAN_ERRORS: Final = Metric(
    name="eigenspan.span.errors",
    instrument="counter",
    unit="{span}",
    brief="The number of spans that are errors, over all traffic and before any sampling.",
    attributes=(
        "service.name",
        "quantum.provider.name",
        "quantum.backend.name",
        "error.type",
    ),
)
"""The number of spans that are errors, over all traffic and before any sampling."""

EIGENSPAN_TRACE_DECISIONS: Final = Metric(
    name="eigenspan.trace.decisions",
    instrument="counter",
    unit="{trace}",
    brief="The number of traces decided.",
    attributes=("eigenspan.sampling.rule", "eigenspan.decision"),
)
"""The number of traces decided."""

EIGENSPAN_TRACE_DURATION: Final = Metric(
    name="eigenspan.trace.duration",
    instrument="histogram",
    unit="s",
    brief="How long decided traces lasted.",
    attributes=("eigenspan.sampling.rule", "service.name"),
)
"""How long decided traces lasted."""

EIGENSPAN_TRACE_ERRORS: Final = Metric(
    name="eigenspan.trace.errors",
    instrument="counter",
    unit="{trace}",
    brief="The number of decided traces that hold an error.",
    attributes=("quantum.backend.name",),
)
"""The number of decided traces that hold an error."""

EIGENSPAN_TRACE_OPEN: Final = Metric(
    name="eigenspan.trace.open",
    instrument="updowncounter",
    unit="{trace}",
    brief="The number of traces not yet decided.",
)
"""The number of traces not yet decided."""

QUANTUM_BACKEND_AVAILABILITY: Final = Metric(
    name="quantum.backend.availability",
    instrument="gauge",
    unit="1",
    brief="1 while the backend takes jobs, 0 while it does not.",
    attributes=("quantum.provider.name", "quantum.backend.name"),
    prometheus="quantum_device_status",
)
"""1 while the backend takes jobs, 0 while it does not."""

QUANTUM_BACKEND_BACKLOG: Final = Metric(
    name="quantum.backend.backlog",
    instrument="gauge",
    unit="s",
    brief="The estimated time until a job submitted now would run.",
    attributes=("quantum.provider.name", "quantum.backend.name"),
    prometheus="job_backlog_seconds",
)
"""The estimated time until a job submitted now would run."""

QUANTUM_BACKEND_CALIBRATION_CURRENT_AGE: Final = Metric(
    name="quantum.backend.calibration.current_age",
    instrument="gauge",
    unit="s",
    brief="The time since the calibration in force was made.",
    attributes=("quantum.provider.name", "quantum.backend.name"),
    prometheus="quantum_device_calibration_age_hours",
)
"""The time since the calibration in force was made."""

QUANTUM_BACKEND_CALIBRATION_DRIFT: Final = Metric(
    name="quantum.backend.calibration.drift",
    instrument="gauge",
    unit="1",
    brief="The relative change of a calibration's figure from the snapshot before to the one in force.",
    attributes=(
        "quantum.provider.name",
        "quantum.backend.name",
        "quantum.backend.calibration.quantity",
    ),
)
"""The relative change of a calibration's figure from the snapshot before to the one in force."""

QUANTUM_BACKEND_ERROR_RATE: Final = Metric(
    name="quantum.backend.error_rate",
    instrument="gauge",
    unit="1",
    brief="An error rate of the backend, by the calibration in force.",
    attributes=(
        "quantum.provider.name",
        "quantum.backend.name",
        "quantum.backend.error_kind",
    ),
    prometheus="quantum_device_error_rate",
)
"""An error rate of the backend, by the calibration in force."""

QUANTUM_BACKEND_NOISE: Final = Metric(
    name="quantum.backend.noise",
    instrument="gauge",
    unit="1",
    brief="The noise level of a backend.",
    attributes=("quantum.provider.name", "quantum.backend.name"),
    prometheus="quantum_hardware_noise_level",
)
"""The noise level of a backend."""

QUANTUM_BACKEND_QUEUE_JOBS: Final = Metric(
    name="quantum.backend.queue.jobs",
    instrument="gauge",
    unit="{job}",
    brief="The number of jobs that wait for the backend.",
    attributes=("quantum.provider.name", "quantum.backend.name"),
    prometheus="quantum_device_queue_length",
)
"""The number of jobs that wait for the backend."""

QUANTUM_CIRCUIT_COHERENCE_MARGIN: Final = Metric(
    name="quantum.circuit.coherence_margin",
    instrument="histogram",
    unit="s",
    brief="The smallest T2 of the used qubits minus the duration of the circuit.",
    attributes=("quantum.provider.name", "quantum.backend.name"),
    buckets=(-0.001, -0.0001, -1e-05, 0.0, 1e-05, 0.0001, 0.001),
    prometheus="coherence_margin_seconds",
)
"""The smallest T2 of the used qubits minus the duration of the circuit."""

QUANTUM_CIRCUIT_DIVERGENCE: Final = Metric(
    name="quantum.circuit.divergence",
    instrument="gauge",
    unit="1",
    brief="The total variation distance between simulator and backend for the same circuit.",
    attributes=(
        "quantum.provider.name",
        "quantum.backend.name",
        "quantum.circuit.family",
    ),
)
"""The total variation distance between simulator and backend for the same circuit."""

QUANTUM_CIRCUIT_EXECUTED_DEPTH: Final = Metric(
    name="quantum.circuit.executed.depth",
    instrument="histogram",
    unit="{layer}",
    brief="The depth of the circuits that were executed.",
    attributes=("quantum.provider.name",),
    buckets=(1.0, 5.0, 10.0, 20.0, 50.0, 100.0, 200.0, 500.0),
    prometheus="quantum_circuit_depth",
)
"""The depth of the circuits that were executed."""

QUANTUM_CIRCUIT_EXECUTED_GATES: Final = Metric(
    name="quantum.circuit.executed.gates",
    instrument="histogram",
    unit="{gate}",
    brief="The number of gates of the circuits that were executed.",
    attributes=("quantum.provider.name",),
    buckets=(1.0, 10.0, 50.0, 100.0, 500.0, 1000.0, 5000.0),
    prometheus="quantum_circuit_gates",
)
"""The number of gates of the circuits that were executed."""

QUANTUM_CIRCUIT_EXECUTION_DURATION: Final = Metric(
    name="quantum.circuit.execution.duration",
    instrument="histogram",
    unit="s",
    brief="How long circuits ran on the backend.",
    attributes=(
        "quantum.provider.name",
        "quantum.backend.name",
        "error.type",
    ),
    buckets=(0.1, 0.5, 1.0, 5.0, 10.0, 30.0, 60.0, 300.0),
    prometheus="quantum_circuit_execution_seconds",
)
"""How long circuits ran on the backend."""

QUANTUM_CIRCUIT_EXECUTIONS: Final = Metric(
    name="quantum.circuit.executions",
    instrument="counter",
    unit="{execution}",
    brief="The number of executions, failed ones included.",
    attributes=(
        "quantum.provider.name",
        "quantum.backend.name",
        "error.type",
        "quantum.execution.success",
    ),
    prometheus="quantum_circuit_executions_total",
)
"""The number of executions, failed ones included."""

QUANTUM_CIRCUIT_FIDELITY: Final = Metric(
    name="quantum.circuit.fidelity",
    instrument="gauge",
    unit="1",
    brief="How close the latest results came to the ideal ones.",
    attributes=(
        "quantum.provider.name",
        "quantum.backend.name",
        "quantum.circuit.family",
    ),
    prometheus="quantum_circuit_fidelity",
)
"""How close the latest results came to the ideal ones."""

QUANTUM_CIRCUIT_SHOTS: Final = Metric(
    name="quantum.circuit.shots",
    instrument="counter",
    unit="{shot}",
    brief="The number of shots asked for.",
    attributes=(
        "quantum.provider.name",
        "quantum.backend.name",
        "error.type",
    ),
)
"""The number of shots asked for."""

QUANTUM_CLIENT_ERRORS: Final = Metric(
    name="quantum.client.errors",
    instrument="counter",
    unit="{error}",
    brief="The number of operations that failed.",
    attributes=(
        "quantum.provider.name",
        "quantum.backend.name",
        "error.type",
    ),
    prometheus="quantum_errors_total",
)
"""The number of operations that failed."""

QUANTUM_CLIENT_OPERATION_DURATION: Final = Metric(
    name="quantum.client.operation.duration",
    instrument="histogram",
    unit="s",
    brief="How long an operation of a quantum client took (transpile, submit, execute, result).",
    attributes=(
        "quantum.provider.name",
        "quantum.backend.name",
        "error.type",
        "quantum.operation.name",
    ),
    buckets=(
        0.001,
        0.005,
        0.01,
        0.05,
        0.1,
        0.5,
        1.0,
        5.0,
        10.0,
        30.0,
        60.0,
        300.0,
    ),
)
"""How long an operation of a quantum client took (transpile, submit, execute, result)."""

QUANTUM_COST_SPEND: Final = Metric(
    name="quantum.cost.spend",
    instrument="counter",
    unit="{currency}",
    brief="What was spent.",
    attributes=(
        "quantum.provider.name",
        "quantum.backend.name",
        "quantum.cost.currency",
        "quantum.cost.source",
        "quantum.cost.type",
    ),
    prometheus="quantum_cost_total",
)
"""What was spent."""

QUANTUM_FALLBACK_ANSWERS: Final = Metric(
    name="quantum.fallback.answers",
    instrument="counter",
    unit="{answer}",
    brief="The number of answers that came from a fallback.",
    attributes=("quantum.fallback.kind", "quantum.workflow.name"),
)
"""The number of answers that came from a fallback."""

QUANTUM_JOB_QUEUE_WAIT: Final = Metric(
    name="quantum.job.queue.wait",
    instrument="histogram",
    unit="s",
    brief="How long jobs waited in the provider's queue.",
    attributes=(
        "quantum.provider.name",
        "quantum.backend.name",
        "error.type",
    ),
    buckets=(1.0, 5.0, 30.0, 60.0, 300.0, 900.0, 1800.0),
    prometheus="quantum_circuit_queue_seconds",
)
"""How long jobs waited in the provider's queue."""

QUANTUM_JOB_RETRIES: Final = Metric(
    name="quantum.job.retries",
    instrument="counter",
    unit="{job}",
    brief="The number of jobs submitted again after a failure.",
    attributes=(
        "quantum.provider.name",
        "quantum.backend.name",
        "error.type",
    ),
)
"""The number of jobs submitted again after a failure."""

QUANTUM_JOB_SUBMISSIONS: Final = Metric(
    name="quantum.job.submissions",
    instrument="counter",
    unit="{job}",
    brief="The number of jobs handed to a provider, refused ones included.",
    attributes=(
        "quantum.provider.name",
        "quantum.backend.name",
        "error.type",
        "quantum.workload.class",
    ),
)
"""The number of jobs handed to a provider, refused ones included."""

QUANTUM_JOB_TIME_TO_RESULT: Final = Metric(
    name="quantum.job.time_to_result",
    instrument="histogram",
    unit="s",
    brief="How long it took from the submission of a job to its result.",
    attributes=(
        "quantum.provider.name",
        "quantum.backend.name",
        "error.type",
        "quantum.workload.class",
    ),
    buckets=(
        0.1,
        0.5,
        1.0,
        2.0,
        5.0,
        10.0,
        30.0,
        60.0,
        300.0,
        900.0,
        1800.0,
        3600.0,
    ),
    prometheus="quantum_job_latency_seconds",
)
"""How long it took from the submission of a job to its result."""

QUANTUM_LLM_CONSISTENCY: Final = Metric(
    name="quantum.llm.consistency",
    instrument="gauge",
    unit="1",
    brief="How far answers to the same request agree, from 0 to 1.",
    attributes=("quantum.workflow.name",),
    prometheus="response_consistency_score",
)
"""How far answers to the same request agree, from 0 to 1."""

QUANTUM_LLM_HALLUCINATION_RATE: Final = Metric(
    name="quantum.llm.hallucination_rate",
    instrument="gauge",
    unit="1",
    brief="The share of evaluated answers that state what is not so.",
    attributes=("quantum.workflow.name",),
    prometheus="hallucination_rate",
)
"""The share of evaluated answers that state what is not so."""

QUANTUM_LLM_VALIDATIONS: Final = Metric(
    name="quantum.llm.validations",
    instrument="counter",
    unit="{answer}",
    brief="The number of answers of language models that were checked.",
    attributes=(
        "quantum.llm.validator.name",
        "quantum.llm.validator.passed",
    ),
)
"""The number of answers of language models that were checked."""

QUANTUM_OUTCOME_ANSWERS: Final = Metric(
    name="quantum.outcome.answers",
    instrument="counter",
    unit="{answer}",
    brief="The number of answers given, by whether they were degraded.",
    attributes=(
        "quantum.outcome.degraded",
        "quantum.workflow.name",
        "quantum.workload.class",
    ),
)
"""The number of answers given, by whether they were degraded."""

QUANTUM_PROVIDER_RATE_LIMIT_REMAINING: Final = Metric(
    name="quantum.provider.rate_limit.remaining",
    instrument="gauge",
    unit="{request}",
    brief="How many more requests the provider takes in the current period.",
    attributes=("quantum.provider.name",),
    prometheus="provider_rate_limit_remaining",
)
"""How many more requests the provider takes in the current period."""

QUANTUM_STAGE_DURATION: Final = Metric(
    name="quantum.stage.duration",
    instrument="histogram",
    unit="s",
    brief="How long requests spent in a stage.",
    attributes=(
        "quantum.stage.name",
        "quantum.workload.class",
        "error.type",
    ),
    buckets=(
        0.01,
        0.05,
        0.1,
        0.5,
        1.0,
        2.0,
        5.0,
        10.0,
        30.0,
        60.0,
        300.0,
    ),
    prometheus="hybrid_request_latency_seconds",
)
"""How long requests spent in a stage."""

QUANTUM_STAGE_REQUESTS: Final = Metric(
    name="quantum.stage.requests",
    instrument="counter",
    unit="{request}",
    brief="The number of requests that passed a stage.",
    attributes=(
        "quantum.stage.name",
        "quantum.provider.name",
        "quantum.workload.class",
        "error.type",
    ),
    prometheus="hybrid_requests_total",
)
"""The number of requests that passed a stage."""

QUANTUM_USAGE_QPU_TIME: Final = Metric(
    name="quantum.usage.qpu.time",
    instrument="counter",
    unit="s",
    brief="The time for which jobs held quantum processors.",
    attributes=("quantum.provider.name", "quantum.backend.name"),
)
"""The time for which jobs held quantum processors."""

METRICS: Final[dict[str, Metric]] = {
    "eigenspan.calibration.polls": EIGENSPAN_CALIBRATION_POLLS,
    "eigenspan.calibration.quarantined": EIGENSPAN_CALIBRATION_QUARANTINED,
    "eigenspan.enrich.spans": EIGENSPAN_ENRICH_SPANS,
    "eigenspan.exporter.failures": EIGENSPAN_EXPORTER_FAILURES,
    "eigenspan.exporter.spans": EIGENSPAN_EXPORTER_SPANS,
    "eigenspan.log.size": EIGENSPAN_LOG_SIZE,
    "eigenspan.outbox.rows": EIGENSPAN_OUTBOX_ROWS,
    "eigenspan.receiver.payloads": EIGENSPAN_RECEIVER_PAYLOADS,
    "eigenspan.receiver.refusals": EIGENSPAN_RECEIVER_REFUSALS,
    "eigenspan.receiver.spans": EIGENSPAN_RECEIVER_SPANS,
    "eigenspan.redact.values": EIGENSPAN_REDACT_VALUES,
    "eigenspan.span.duration": EIGENSPAN_SPAN_DURATION,
    "eigenspan.span.errors": EIGENSPAN_SPAN_ERRORS,
    "eigenspan.trace.decisions": EIGENSPAN_TRACE_DECISIONS,
    "eigenspan.trace.duration": EIGENSPAN_TRACE_DURATION,
    "eigenspan.trace.errors": EIGENSPAN_TRACE_ERRORS,
    "eigenspan.trace.open": EIGENSPAN_TRACE_OPEN,
    "quantum.backend.availability": QUANTUM_BACKEND_AVAILABILITY,
    "quantum.backend.backlog": QUANTUM_BACKEND_BACKLOG,
    "quantum.backend.calibration.current_age": QUANTUM_BACKEND_CALIBRATION_CURRENT_AGE,
    "quantum.backend.calibration.drift": QUANTUM_BACKEND_CALIBRATION_DRIFT,
    "quantum.backend.error_rate": QUANTUM_BACKEND_ERROR_RATE,
    "quantum.backend.noise": QUANTUM_BACKEND_NOISE,
    "quantum.backend.queue.jobs": QUANTUM_BACKEND_QUEUE_JOBS,
    "quantum.circuit.coherence_margin": QUANTUM_CIRCUIT_COHERENCE_MARGIN,
    "quantum.circuit.divergence": QUANTUM_CIRCUIT_DIVERGENCE,
    "quantum.circuit.executed.depth": QUANTUM_CIRCUIT_EXECUTED_DEPTH,
    "quantum.circuit.executed.gates": QUANTUM_CIRCUIT_EXECUTED_GATES,
    "quantum.circuit.execution.duration": QUANTUM_CIRCUIT_EXECUTION_DURATION,
    "quantum.circuit.executions": QUANTUM_CIRCUIT_EXECUTIONS,
    "quantum.circuit.fidelity": QUANTUM_CIRCUIT_FIDELITY,
    "quantum.circuit.shots": QUANTUM_CIRCUIT_SHOTS,
    "quantum.client.errors": QUANTUM_CLIENT_ERRORS,
    "quantum.client.operation.duration": QUANTUM_CLIENT_OPERATION_DURATION,
    "quantum.cost.spend": QUANTUM_COST_SPEND,
    "quantum.fallback.answers": QUANTUM_FALLBACK_ANSWERS,
    "quantum.job.queue.wait": QUANTUM_JOB_QUEUE_WAIT,
    "quantum.job.retries": QUANTUM_JOB_RETRIES,
    "quantum.job.submissions": QUANTUM_JOB_SUBMISSIONS,
    "quantum.job.time_to_result": QUANTUM_JOB_TIME_TO_RESULT,
    "quantum.llm.consistency": QUANTUM_LLM_CONSISTENCY,
    "quantum.llm.hallucination_rate": QUANTUM_LLM_HALLUCINATION_RATE,
    "quantum.llm.validations": QUANTUM_LLM_VALIDATIONS,
    "quantum.outcome.answers": QUANTUM_OUTCOME_ANSWERS,
    "quantum.provider.rate_limit.remaining": QUANTUM_PROVIDER_RATE_LIMIT_REMAINING,
    "quantum.stage.duration": QUANTUM_STAGE_DURATION,
    "quantum.stage.requests": QUANTUM_STAGE_REQUESTS,
    "quantum.usage.qpu.time": QUANTUM_USAGE_QPU_TIME,
}
"""Every metric by its name."""
