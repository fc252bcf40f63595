"""Metrics: name, instrument, unit, and the attributes that may be dimensions.

Generated from the registry by semconv/generate.py: edit the model, not this file.
"""

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Metric:
    """What an instrument is made from. `buckets` are advice for histograms."""

    name: str
    instrument: str
    unit: str
    brief: str
    attributes: tuple[str, ...] = ()
    buckets: tuple[float, ...] = ()


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
)
"""The number of executions, failed ones included."""

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
)
"""How long jobs waited in the provider's queue."""

METRICS: Final[dict[str, Metric]] = {
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
    "quantum.circuit.executions": QUANTUM_CIRCUIT_EXECUTIONS,
    "quantum.circuit.shots": QUANTUM_CIRCUIT_SHOTS,
    "quantum.client.operation.duration": QUANTUM_CLIENT_OPERATION_DURATION,
    "quantum.job.queue.wait": QUANTUM_JOB_QUEUE_WAIT,
}
"""Every metric by its name."""
