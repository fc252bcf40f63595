"""A job at a provider, as spans: the job, its queue and its execution, from the provider's own times.

What is described here is recorded by the process that fetched the job's result (`emit`) and by a watcher that follows jobs of
processes that are gone (`eigenspan.sdk.watch`). Both give a job's spans the same ids, so that they are counted and kept once.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from opentelemetry import baggage, trace
from opentelemetry.trace import NonRecordingSpan, SpanContext, SpanKind

from eigenspan.instrument._ids import next_span, span_id
from eigenspan.instrument._metrics import Metrics
from eigenspan.instrument._prices import Cost, ledger, prices
from eigenspan.instrument._telemetry import ERROR_TYPE, Telemetry, fail, instant, silent, under
from eigenspan.semconv import attributes as q
from eigenspan.semconv import metrics as m
from eigenspan.semconv import spans as s
from eigenspan.semconv.tables import JOB_STATUS, JOB_STATUS_BY_PROVIDER

if TYPE_CHECKING:
    from opentelemetry.context import Context

_LOG = logging.getLogger(__name__)
Status = q.QuantumJobStatus
FAILED = {Status.FAILED: "failed", Status.TIMED_OUT: "timeout", Status.CANCELLED: "cancelled"}
ENDED = frozenset({Status.COMPLETED, *FAILED})
ABOVE = (
    q.QUANTUM_REQUEST_CORRELATION_ID,
    q.QUANTUM_WORKFLOW_NAME,
    q.QUANTUM_WORKFLOW_VERSION,
    q.QUANTUM_WORKLOAD_CLASS,
    q.QUANTUM_CIRCUIT_FAMILY,
)


@dataclass(frozen=True, slots=True)
class Job:
    """What a provider says of a job. Times are Unix nanoseconds by its clock, None where it does not say.

    `attributes` are further facts for the spans: shots, region, counts over the circuits. `tags` are as the provider keeps them.
    """

    provider: str
    backend: str
    id: str
    status: Status
    created_ns: int
    started_ns: int | None = None
    ended_ns: int | None = None
    error: str = ""
    tags: Mapping[str, str] | tuple[str, ...] = ()
    attributes: Mapping[str, Any] = field(default_factory=dict)
    cost: Cost | None = None

    @property
    def ended(self) -> bool:
        """Whether nothing more will happen to it and its times are known."""
        return self.status in ENDED and self.ended_ns is not None

    @property
    def labels(self) -> dict[str, Any]:
        """Whose job it is."""
        return {q.QUANTUM_PROVIDER_NAME: self.provider, q.QUANTUM_BACKEND_NAME: self.backend}


@dataclass(frozen=True, slots=True)
class Described:
    """A span to be: `phase` is job, queue or execute."""

    phase: str
    kind: s.SpanType
    start_ns: int
    end_ns: int
    attributes: dict[str, Any]
    error_type: str = ""
    message: str = ""


def describe(job: Job, above: Mapping[str, Any] | None = None) -> list[Described]:
    """The spans of a job that has ended: the job first, then what lies within it.

    Providers' clocks are read as they stand, but a start before the creation, or after the end, is moved to it. A job that never
    started has a queue and no execution.
    """
    assert job.ended_ns is not None
    end = max(job.ended_ns, job.created_ns)
    start = None if job.started_ns is None else min(max(job.started_ns, job.created_ns), end)
    error = FAILED.get(job.status, "")
    common = {**job.labels, q.QUANTUM_JOB_ID: job.id, **(above or {})}
    queued = {q.QUANTUM_JOB_QUEUE_DURATION: _seconds(job.created_ns, end if start is None else start)}
    times: dict[str, Any] = {
        q.QUANTUM_JOB_STATUS: job.status.value,
        q.QUANTUM_JOB_DURATION: _seconds(job.created_ns, end),
    }
    if start is not None:
        times[q.QUANTUM_JOB_EXECUTION_DURATION] = _seconds(start, end)
        times[q.QUANTUM_JOB_EXECUTION_START_TIME] = instant(start)
        times[q.QUANTUM_JOB_EXECUTION_END_TIME] = instant(end)
    facts = {**job.attributes, **_cost_facts(job, str(common.get(q.QUANTUM_WORKFLOW_NAME, "")))}
    moments = {q.QUANTUM_JOB_QUEUE_ENTER_TIME: instant(job.created_ns)}
    if start is not None:
        moments[q.QUANTUM_JOB_QUEUE_LEAVE_TIME] = instant(start)

    def span(phase: str, kind: s.SpanType, begin: int, until: int, *more: Mapping[str, Any]) -> Described:
        allowed = {*kind.required, *kind.conditional, *kind.recommended, *kind.opt_in}
        merged = {key: value for part in (common, *more) for key, value in part.items() if key in allowed}
        return Described(phase, kind, begin, until, {s.SPAN_TYPE: kind.type, **merged}, error, job.error)

    made = [span("job", s.JOB, job.created_ns, end, facts, queued, times, moments)]
    waited = span("queue", s.QUEUE, job.created_ns, end if start is None else start, queued, moments, job.attributes)
    made.append(waited if start is None else _well(waited))
    if start is not None:
        ran = {q.QUANTUM_OPERATION_NAME: "execute", q.QUANTUM_EXECUTION_SUCCESS: not error}
        made.append(span("execute", s.EXECUTE, start, end, job.attributes, queued, times, ran))
    return made


def emit(telemetry: Telemetry, job: Job, submit: SpanContext | None) -> None:
    """Record a job's spans and metrics in the process that submitted it, below its submission."""
    carried = baggage.get_all()
    above = {key: str(carried[key]) for key in ABOVE if key in carried}
    context: Context | None = (
        trace.set_span_in_context(NonRecordingSpan(submit)) if submit and submit.is_valid else None
    )
    for described in describe(job, above):
        with next_span(span_id(job.provider, job.id, described.phase)):
            span = telemetry.tracer.start_span(
                f"{described.phase} {job.backend}",
                context=context,
                kind=SpanKind[described.kind.kind.upper()],
                attributes=described.attributes,
                start_time=described.start_ns,
            )
        if described.error_type:
            fail(span, described.error_type, described.message)
        span.end(described.end_ns)
        if described.phase == "job":
            context = trace.set_span_in_context(span)
    measure(telemetry.metrics, job, above)


def finish(telemetry: Telemetry, described: Callable[[], Job], submit: SpanContext | None) -> bool:
    """Record a job that was submitted here, if it has ended. What its provider's client raises goes no further than the log."""
    try:
        with under(silent()):
            job = described()
    except Exception as error:  # noqa: BLE001 - whatever a provider's client raises, a trace is not worth a program
        _LOG.warning("the times of a job are not known: %s", type(error).__name__)
        return False
    if job.ended:
        emit(telemetry, job, submit)
    return job.ended


def measure(metrics: Metrics, job: Job, above: Mapping[str, Any]) -> None:
    """Count a job that has ended: its execution, its wait, its time to result, what it cost."""
    labels: dict[str, Any] = {**job.labels, **above, **job.attributes}
    if error := FAILED.get(job.status):
        labels[ERROR_TYPE] = error
    for described in describe(job):
        seconds = (described.end_ns - described.start_ns) / 1e9
        if described.phase == "job":
            metrics.derive(m.QUANTUM_JOB_TIME_TO_RESULT, seconds, labels)
        elif described.phase == "queue":
            metrics.derive(m.QUANTUM_JOB_QUEUE_WAIT, seconds, labels)
        else:
            ran = labels | {q.QUANTUM_EXECUTION_SUCCESS: not error}
            metrics.derive(m.QUANTUM_CIRCUIT_EXECUTIONS, 1, ran)
            metrics.derive(m.QUANTUM_CIRCUIT_EXECUTION_DURATION, seconds, ran)
            shots = labels.get(q.QUANTUM_JOB_SHOTS, 0) * labels.get(q.QUANTUM_CIRCUIT_COUNT, 1)
            metrics.derive(m.QUANTUM_CIRCUIT_SHOTS, shots, ran)
    if used := job.attributes.get(q.QUANTUM_USAGE_QPU_DURATION):
        metrics.derive(m.QUANTUM_USAGE_QPU_TIME, used, labels)
    if (cost := cost_of(job)) is not None:
        spend(metrics, cost, labels)


def spend(metrics: Metrics, cost: Cost, labels: Mapping[str, Any]) -> None:
    """Count a cost in the metric and for its workflow."""
    ledger.spend(str(labels.get(q.QUANTUM_WORKFLOW_NAME, "")), cost)
    paid = {**labels, q.QUANTUM_COST_CURRENCY: cost.currency, q.QUANTUM_COST_SOURCE: cost.source}
    for part, amount in cost.parts.items():
        metrics.derive(m.QUANTUM_COST_SPEND, amount, {**paid, q.QUANTUM_COST_TYPE: part})


def cost_of(job: Job) -> Cost | None:
    """What a job cost: as its provider says, else by the price table, else not known."""
    price = prices().find(job.provider, job.backend)
    if job.cost is not None or price is None:
        return job.cost
    shots = job.attributes.get(q.QUANTUM_JOB_SHOTS, 0) * job.attributes.get(q.QUANTUM_CIRCUIT_COUNT, 1)
    used = job.attributes.get(q.QUANTUM_USAGE_QPU_DURATION)
    ran = 0.0 if job.started_ns is None or job.ended_ns is None else _seconds(job.started_ns, job.ended_ns)
    return price.cost(shots=shots, execution_s=ran if used is None else used, failed=job.status in FAILED)


def _cost_facts(job: Job, workflow: str) -> dict[str, Any]:
    cost = cost_of(job)
    if cost is None:
        return {}
    facts = {
        q.QUANTUM_COST_AMOUNT: cost.amount,
        q.QUANTUM_COST_CURRENCY: cost.currency,
        q.QUANTUM_COST_SOURCE: cost.source,
        q.QUANTUM_COST_TYPE: cost.type,
    }
    if workflow and (each := ledger.per_success(workflow, cost.currency)) is not None:
        facts[q.QUANTUM_COST_PER_SUCCESS] = each
    return facts


def counted(attributes: Mapping[str, Any]) -> dict[str, Any]:
    """What a submission says of its circuits and shots, for the spans of its job."""
    return {
        key: value
        for key, value in attributes.items()
        if key.startswith("quantum.circuit.") or key == q.QUANTUM_JOB_SHOTS
    }


def status_of(provider: str, word: str) -> Status:
    """The status that a provider's word for it means; CREATED for a word that is not known."""
    spelled = word.lower()
    return Status(JOB_STATUS_BY_PROVIDER.get((provider, spelled)) or JOB_STATUS.get(spelled, Status.CREATED.value))


def nanoseconds(text: Any) -> int | None:
    """Unix nanoseconds of an ISO 8601 instant, to the microsecond; UTC where it names no zone; None for what is no text."""
    if not isinstance(text, str):
        return None
    moment = datetime.fromisoformat(text)
    moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return (moment - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1) * 1000


def _seconds(start_ns: int, end_ns: int) -> float:
    return max(0, end_ns - start_ns) / 1e9


def _well(described: Described) -> Described:
    """The queue of a job that started did its part, whatever came of the job."""
    return replace(described, error_type="", message="")
