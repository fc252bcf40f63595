"""Spans of executions and of what surrounds them, each exactly once.

Libraries nest: a primitive runs a backend, a fake backend runs Aer. The outermost one makes the span and marks the context;
whatever runs under the mark makes none. A failed operation has status ERROR and `error.type`, with the exception
recorded; a good one leaves the status unset.
"""

from __future__ import annotations

import functools
import logging
import threading
import time
import traceback
from collections.abc import Callable, Iterable, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import lru_cache
from typing import TYPE_CHECKING, Any, TypeVar, cast

from opentelemetry import baggage, trace
from opentelemetry import context as otel
from opentelemetry.instrumentation.utils import is_instrumentation_enabled
from opentelemetry.trace import Link, SpanContext, SpanKind, Status, StatusCode

from eigenspan.instrument._metrics import measuring_spans, metrics_of
from eigenspan.instrument._privacy import legible, mask, scrub
from eigenspan.semconv import SCHEMA_URL
from eigenspan.semconv import attributes as q
from eigenspan.semconv import metrics as m
from eigenspan.semconv import spans as s

if TYPE_CHECKING:
    from collections.abc import Iterator

    from opentelemetry.context import Context

_LOG = logging.getLogger(__name__)
_EXECUTING = otel.create_key("eigenspan-executing")
_CLAIM = otel.create_key("eigenspan-claim")
_KINDS = {kind.name.lower(): kind for kind in SpanKind}
MESSAGE_LIMIT = 512
STACK_LIMIT = 1000
ERROR_TYPE = "error.type"
RUNNING = frozenset({"submit", "execute"})
MEASURED = frozenset(q.QuantumOperationName)
STAGES = {stage.value: stage.value for stage in q.QuantumStageName} | {
    "orchestrator_decision": q.QuantumStageName.DECISION.value
}
"""The last word of a span's type → the stage of a hybrid request that it is."""
CARRIED = (
    q.QUANTUM_REQUEST_CORRELATION_ID,
    q.QUANTUM_REQUEST_ID,
    q.QUANTUM_REQUEST_TENANT,
    q.QUANTUM_WORKFLOW_NAME,
    q.QUANTUM_WORKFLOW_VERSION,
    q.QUANTUM_WORKLOAD_CLASS,
    q.QUANTUM_CIRCUIT_FAMILY,
)
"""The baggage keys that become attributes of every span below."""
Value = str | bool | int | float | list[str]
Attributes = Mapping[str, Value]
F = TypeVar("F", bound=Callable[..., Any])
RequestHook = Callable[[trace.Span, Mapping[str, Any]], None]
ResponseHook = Callable[[trace.Span, BaseException | None], None]


class Telemetry:
    """The tracer and the metrics of one instrumentor, and the user's hooks.

    `request_hook(span, attributes)` is called when a recorded span has started, `response_hook(span, error)` before it ends. What a
    hook raises is logged and goes no further.
    """

    def __init__(
        self,
        scope: str,
        tracer_provider: Any = None,
        meter_provider: Any = None,
        request_hook: RequestHook | None = None,
        response_hook: ResponseHook | None = None,
    ) -> None:
        self.tracer = trace.get_tracer(scope, tracer_provider=tracer_provider, schema_url=SCHEMA_URL)
        self.metrics = metrics_of(scope, meter_provider)
        self.request_hook = request_hook
        self.response_hook = response_hook

    def start(
        self,
        kind: s.SpanType,
        target: str,
        attributes: Attributes,
        link: SpanContext | None = None,
        start_ns: int | None = None,
        name: str | None = None,
    ) -> Operation:
        """A span of the type, named `operation target` unless given, not yet current. What the request's baggage says is on it."""
        word = kind.type.rsplit(".", 1)[1]
        if word in RUNNING and isinstance(claim := otel.get_value(_CLAIM), Claim):
            claim.taken = True
        named = {q.QUANTUM_OPERATION_NAME: word} if q.QUANTUM_OPERATION_NAME in kind.required else {}
        span = self.tracer.start_span(
            legible(name or f"{word.replace('_', ' ')} {target}".rstrip()),
            kind=_KINDS[kind.kind],
            attributes={s.SPAN_TYPE: kind.type, **named, **scrub({**requested(), **attributes})},
            links=[Link(link)] if link and link.is_valid else None,
            start_time=start_ns,
            record_exception=False,
            set_status_on_exception=False,
        )
        if self.request_hook is not None and span.is_recording():
            call_hook(self.request_hook, span, attributes)
        return Operation(self, span, word, attributes)

    @contextmanager
    def span(
        self,
        kind: s.SpanType,
        target: str,
        attributes: Attributes,
        link: SpanContext | None = None,
        *,
        mark: bool = False,
        claim: Claim | None = None,
    ) -> Iterator[Operation]:
        """A current span around a block, ended with the block and failed by its exception."""
        operation = self.start(kind, target, attributes, link)
        context = operation.context(mark=mark)
        token = otel.attach(context if claim is None else otel.set_value(_CLAIM, claim, context))
        try:
            yield operation
        except BaseException as error:
            operation.end(error)
            raise
        else:
            operation.end()
        finally:
            otel.detach(token)

    def count(self, word: str, seconds: float, attributes: Mapping[str, Any], error: str | None) -> None:
        """One measurement of an operation, by the attributes that it began or ended with, where spans are measured here."""
        if not measuring_spans():
            return
        labels = attributes if isinstance(attributes, dict) else dict(attributes)
        if error:
            labels[ERROR_TYPE] = error
            if word in MEASURED and q.QUANTUM_PROVIDER_NAME in labels:
                self.metrics.record(m.QUANTUM_CLIENT_ERRORS, 1, labels)
        if word == "execute":
            labels[q.QUANTUM_EXECUTION_SUCCESS] = error is None
            self._executed(seconds, labels)
        elif word == "submit":
            self.metrics.record(m.QUANTUM_JOB_SUBMISSIONS, 1, labels)
            if attributes.get(q.QUANTUM_JOB_RETRY_COUNT):
                self.metrics.record(m.QUANTUM_JOB_RETRIES, 1, labels)
        if word in MEASURED:
            labels[q.QUANTUM_OPERATION_NAME] = word
            self.metrics.record(m.QUANTUM_CLIENT_OPERATION_DURATION, seconds, labels)
        if (carried := baggage.get_all()) and q.QUANTUM_WORKFLOW_NAME in carried and word in STAGES:
            labels[q.QUANTUM_STAGE_NAME] = STAGES[word]
            if q.QUANTUM_WORKLOAD_CLASS in carried:
                labels[q.QUANTUM_WORKLOAD_CLASS] = str(carried[q.QUANTUM_WORKLOAD_CLASS])
            self.metrics.record(m.QUANTUM_STAGE_REQUESTS, 1, labels)
            self.metrics.record(m.QUANTUM_STAGE_DURATION, seconds, labels)

    def _executed(self, seconds: float, labels: Mapping[str, Any]) -> None:
        self.metrics.record(m.QUANTUM_CIRCUIT_EXECUTIONS, 1, labels)
        self.metrics.record(m.QUANTUM_CIRCUIT_EXECUTION_DURATION, seconds, labels)
        if shots := labels.get(q.QUANTUM_JOB_SHOTS):
            self.metrics.record(m.QUANTUM_CIRCUIT_SHOTS, shots * labels.get(q.QUANTUM_CIRCUIT_COUNT, 1), labels)
        for metric, key in _SIZES:
            if key in labels:
                self.metrics.record(metric, labels[key], labels)


_SIZES = (
    (m.QUANTUM_CIRCUIT_EXECUTED_DEPTH, q.QUANTUM_CIRCUIT_DEPTH),
    (m.QUANTUM_CIRCUIT_EXECUTED_GATES, q.QUANTUM_CIRCUIT_GATE_COUNT),
)


class Claim:
    """Whether something below a span is the execution that the span would otherwise be itself."""

    taken = False


class Operation:
    """One span under way. Ending it twice does nothing, from whichever thread."""

    __slots__ = ("__weakref__", "_attributes", "_begun", "_begun_ns", "_open", "_telemetry", "_word", "span")

    def __init__(self, telemetry: Telemetry, span: trace.Span, word: str, attributes: Attributes) -> None:
        self._telemetry = telemetry
        self.span = span
        self._word = word
        self._attributes = dict(attributes)
        self._begun_ns = time.time_ns()
        self._begun = time.perf_counter()
        self._open = threading.Lock()

    @property
    def attributes(self) -> Mapping[str, Any]:
        """What it began with and was given since."""
        return self._attributes

    @property
    def recording(self) -> bool:
        """Whether attributes that cost something are worth computing."""
        return self.span.is_recording()

    def context(self, *, mark: bool = False) -> Context:
        """The context in which the span is current and, if marked, nothing below makes a span of its own."""
        context = trace.set_span_in_context(self.span)
        return silent(context) if mark else context

    def set(self, attributes: Attributes) -> None:
        """Add attributes."""
        self._attributes.update(attributes)
        if self.span.is_recording():
            self.span.set_attributes(scrub(attributes))

    def become(self, kind: s.SpanType, target: str, attributes: Attributes) -> None:
        """Turn the span into one of another type, of the same kind, before it ends."""
        self._word = kind.type.rsplit(".", 1)[1]
        self.span.update_name(f"{self._word} {target}")
        self.set({s.SPAN_TYPE: kind.type, q.QUANTUM_OPERATION_NAME: self._word, **attributes})

    def end(self, error: BaseException | None = None, kind: str | None = None, message: str = "") -> None:
        """End the span: failed if there is an exception or an error type, else well."""
        if not self._open.acquire(blocking=False):
            return
        seconds = time.perf_counter() - self._begun
        kind = kind or (error_type(error) if error is not None else None)
        try:
            if self.span.is_recording():
                self._conclude(seconds, error, kind, message)
                if self._telemetry.response_hook is not None:
                    call_hook(self._telemetry.response_hook, self.span, error)
        finally:
            self.span.end()
        self._telemetry.count(self._word, seconds, self._attributes, kind)

    def _conclude(self, seconds: float, error: BaseException | None, kind: str | None, message: str) -> None:
        span = self.span
        if kind:
            fail(span, kind, message or said(error), error)
        if self._word == "execute":
            status = q.QuantumJobStatus.FAILED if kind else q.QuantumJobStatus.COMPLETED
            span.set_attributes(
                {
                    q.QUANTUM_EXECUTION_SUCCESS: kind is None,
                    q.QUANTUM_JOB_STATUS: status.value,
                    q.QUANTUM_JOB_QUEUE_DURATION: 0.0,
                    q.QUANTUM_JOB_EXECUTION_DURATION: seconds,
                    q.QUANTUM_JOB_DURATION: seconds,
                    q.QUANTUM_JOB_EXECUTION_START_TIME: instant(self._begun_ns),
                    q.QUANTUM_JOB_EXECUTION_END_TIME: instant(),
                }
            )


def fail(span: trace.Span, kind: str, message: str, error: BaseException | None = None) -> None:
    """Make a span an error of a type, with the exception and the end of its stack; what looks like a credential is masked."""
    text = legible(mask(message[: 8 * MESSAGE_LIMIT])[:MESSAGE_LIMIT])
    span.set_attribute(ERROR_TYPE, kind)
    if error is not None:
        stack = mask("".join(traceback.format_exception(error, limit=-8, chain=False)))
        span.add_event(
            "exception",
            {
                "exception.type": error_type(error),
                "exception.message": text,
                "exception.stacktrace": legible(stack[-STACK_LIMIT:]),
            },
        )
    span.set_status(Status(StatusCode.ERROR, text))


def said(error: BaseException | None) -> str:
    """The text of an exception, "" where it has none to give."""
    try:
        return "" if error is None else str(error)
    except Exception:  # noqa: BLE001 - an exception's `__str__` is anybody's code, and the exception itself is on its way up
        return ""


def call_hook(hook: Callable[..., Any], *args: Any) -> None:
    """Call a user's hook; what it raises is logged, and the program goes on."""
    try:
        hook(*args)
    except Exception:  # noqa: BLE001 - a hook is the user's code, and a trace is not worth a program
        _LOG.exception("a hook of the instrumentation failed; the span is recorded without it")


def requested() -> dict[str, str]:
    """What the baggage says of the request as a whole."""
    carried = baggage.get_all()
    return {key: str(carried[key]) for key in CARRIED if key in carried} if carried else {}


def enabled() -> bool:
    """Whether a span may be made here: not suppressed, and not inside an execution that already has one."""
    return not otel.get_value(_EXECUTING) and is_instrumentation_enabled()


def silent(context: Context | None = None) -> Context:
    """A context below which nothing makes a span of its own."""
    return otel.set_value(_EXECUTING, True, context)


@contextmanager
def under(context: Context) -> Iterator[None]:
    """The context made current for a block."""
    token = otel.attach(context)
    try:
        yield
    finally:
        otel.detach(token)


def error_type(error: BaseException) -> str:
    """The exception's class as `error.type` wants it: qualified unless built in."""
    kind = type(error)
    return kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"


def harmless(read: F) -> F:
    """A reader of other people's circuits or results, made to give no facts where their code raises; each error type is said once."""

    @functools.wraps(read)
    def attempt(*args: Any, **kwargs: Any) -> Any:
        try:
            return read(*args, **kwargs)
        except Exception as error:  # noqa: BLE001 - a gate's `__repr__` is anybody's code, and a trace is not worth a program
            _warn(f"{read.__module__}.{read.__name__}: {error_type(error)}; the span goes without these attributes")
            return {}

    return cast("F", attempt)


@lru_cache(maxsize=64)
def _warn(text: str) -> None:
    _LOG.warning(text)


def instant(ns: int | None = None) -> str:
    """A moment, now unless given in Unix nanoseconds, as ISO 8601 in UTC with milliseconds."""
    seconds, rest = divmod(time.time_ns() if ns is None else ns, 1_000_000_000)
    return f"{_second(seconds)}.{rest // 1_000_000:03d}Z"


@lru_cache(maxsize=16)
def _second(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S")


LOGICAL = {
    q.QUANTUM_CIRCUIT_HASH: q.QUANTUM_CIRCUIT_LOGICAL_HASH,
    q.QUANTUM_CIRCUIT_DEPTH: q.QUANTUM_CIRCUIT_LOGICAL_DEPTH,
    q.QUANTUM_CIRCUIT_QUBIT_COUNT: q.QUANTUM_CIRCUIT_LOGICAL_QUBIT_COUNT,
    q.QUANTUM_CIRCUIT_GATE_COUNT: q.QUANTUM_CIRCUIT_LOGICAL_GATE_COUNT,
    q.QUANTUM_CIRCUIT_TWO_QUBIT_GATE_COUNT: q.QUANTUM_CIRCUIT_LOGICAL_TWO_QUBIT_GATE_COUNT,
}


def logical(facts: Attributes) -> dict[str, Any]:
    """The digest and counts of a circuit as it was written, from the same facts of any circuit."""
    return {name: facts[key] for key, name in LOGICAL.items() if key in facts}


DIGEST_LIMIT = 1_000
"""Circuits with more operations have no digest: it takes 2 to 5 µs for each."""


def hashed(operations: int, digest: Callable[[], str | None]) -> dict[str, Any]:
    """The digest of a circuit with so many operations, where it costs little and there is one."""
    found = digest() if operations <= DIGEST_LIMIT else None
    return {} if found is None else {q.QUANTUM_CIRCUIT_HASH: found}


def sites(counts: Mapping[tuple[str, tuple[str, ...]], int], limit: int = 256) -> list[str]:
    """Counts of gates on sites as `quantum.circuit.operations` writes them; empty when there are too many."""
    if len(counts) > limit:
        return []
    return sorted(f"{gate}:{','.join(qubits)}:{count}" for (gate, qubits), count in counts.items())


def total(values: Iterable[int]) -> int:
    """The shots of several runs, when they agree; else their largest."""
    return max(values, default=0)
