"""The collector's own traces: a span for each turn that did something, one for each of its stages, one for each request sent.

Off unless `service.telemetry.traces` names where to send them; OpenTelemetry's SDK is imported only then. They leave by
an exporter of their own, never through the outbox, and this collector's own receiver is refused as their destination.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from eigenspan import __version__
from eigenspan.collector.errors import ConfigError, SettingError
from eigenspan.semconv import SCHEMA_URL
from eigenspan.semconv import attributes as q

if TYPE_CHECKING:
    from opentelemetry.context import Context
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import SpanExporter
    from opentelemetry.trace import Tracer

    from eigenspan.collector.settings import Settings
    from eigenspan.collector.settings_traces import OtlpTraces, OwnTraces

Counts = dict[str, int | str]
Stage = Callable[..., AbstractContextManager[Counts]]
"""Called with a stage's name and counts around the stage; more counts may be put into what it gives."""
SERVICE = "eigenspan-collector"
_LOCAL = ("localhost", "127.0.0.1", "::1", "0.0.0.0", "::")  # noqa: S104 - hosts that are compared with, not listened on
_TIMEOUT_S = 3  # with its retries; a far end that is gone must not hold up the collector's own end
_KEYS = {
    "payloads": q.EIGENSPAN_STAGE_PAYLOADS, "spans": q.EIGENSPAN_STAGE_SPANS, "traces": q.EIGENSPAN_STAGE_TRACES,
    "kept_traces": q.EIGENSPAN_STAGE_KEPT_TRACES, "rows": q.EIGENSPAN_STAGE_ROWS, "bytes": q.EIGENSPAN_STAGE_BYTES,
    "exporter": q.EIGENSPAN_EXPORTER_NAME,
}  # fmt: skip
"""What counts are called → their attributes."""


def untraced(_: str, **counts: int | str) -> AbstractContextManager[Counts]:
    """A stage of a collector that does not trace itself."""
    return nullcontext(counts)


class Turns:
    """Spans of one thread's turns. A turn without a stage has none."""

    def __init__(self, tracer: Tracer) -> None:
        self._tracer = tracer
        self._begun_ns = 0
        self._turn: Any = None

    @contextmanager
    def turn(self) -> Iterator[None]:
        """Around a turn."""
        self._begun_ns, self._turn = time.time_ns(), None
        try:
            yield
        except Exception as error:
            if self._turn is not None:
                _fail(self._turn, error)
            raise
        finally:
            if self._turn is not None:
                self._turn.end()
            self._begun_ns, self._turn = 0, None

    @contextmanager
    def stage(self, name: str, **counts: int | str) -> Iterator[Counts]:
        """Around a stage, in the span of the turn."""
        if not self._begun_ns:  # outside of any turn, as when the log is replayed
            yield counts
            return
        if self._turn is None:
            self._turn = self._tracer.start_span("turn", start_time=self._begun_ns)
        with _span(self._tracer, name, counts, _below(self._turn)):
            yield counts


class OwnTracing:
    """What makes and sends the collector's own spans."""

    def __init__(self, settings: OwnTraces, version: str = __version__) -> None:
        try:
            from opentelemetry.sdk.resources import Resource
            from opentelemetry.sdk.trace import TracerProvider
            from opentelemetry.sdk.trace.export import BatchSpanProcessor
            from opentelemetry.sdk.trace.sampling import ParentBased, TraceIdRatioBased
        except ImportError as error:
            raise ConfigError("service.telemetry.traces needs OpenTelemetry's SDK: install eigenspan[sdk]") from error
        resource = Resource.create({"service.name": SERVICE, "service.version": version})
        ratio = settings.sampler.trace_id_ratio_based.ratio
        self._provider: TracerProvider = TracerProvider(
            resource=resource, sampler=ParentBased(TraceIdRatioBased(ratio)), shutdown_on_exit=False
        )
        for processor in settings.processors:
            self._provider.add_span_processor(BatchSpanProcessor(_exporter(processor.batch.exporter.otlp)))
        self._tracer = self._provider.get_tracer("eigenspan.collector", __version__, schema_url=SCHEMA_URL)

    def turns(self) -> Turns:
        """The spans of a thread."""
        return Turns(self._tracer)

    def alone(self, name: str, **counts: int | str) -> AbstractContextManager[Counts]:
        """A stage outside of any turn."""
        return _span(self._tracer, name, counts)

    def stop(self) -> None:
        """Send what is left, and end."""
        self._provider.shutdown()


@contextmanager
def _span(tracer: Tracer, name: str, counts: Counts, context: Context | None = None) -> Iterator[Counts]:
    span = tracer.start_span(name, context)
    try:
        yield counts
    except Exception as error:
        _fail(span, error)
        raise
    finally:
        span.set_attributes({_KEYS[key]: value for key, value in counts.items()})
        span.end()


def _below(span: Any) -> Context:
    from opentelemetry.trace import set_span_in_context

    return set_span_in_context(span)


def _fail(span: Any, error: Exception) -> None:
    from opentelemetry.trace import Status, StatusCode

    span.set_attribute("error.type", type(error).__qualname__)
    span.set_status(Status(StatusCode.ERROR, str(error)))


def _exporter(settings: OtlpTraces) -> SpanExporter:
    if settings.protocol == "grpc":
        from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter as Grpc

        secure = settings.endpoint.startswith("https://")
        return Grpc(settings.endpoint, headers=settings.headers, insecure=not secure, timeout=_TIMEOUT_S)
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter as Http

    return Http(_url(settings.endpoint).rstrip("/") + "/v1/traces", headers=settings.headers, timeout=_TIMEOUT_S)


def check(settings: Settings) -> None:
    """SettingError where the collector's own spans would come back to its own receiver."""
    own, listeners = settings.service.telemetry.traces, settings.receivers.otlp.protocols
    ports = {int(one.endpoint.rpartition(":")[2]) for one in (listeners.grpc, listeners.http) if one}
    for i, processor in enumerate(own.processors if own else ()):
        endpoint = processor.batch.exporter.otlp.endpoint
        path = f"service.telemetry.traces.processors[{i}].batch.exporter.otlp.endpoint"
        try:
            place = urlsplit(_url(endpoint))
            itself = place.hostname in _LOCAL and place.port in ports
        except ValueError as error:
            raise SettingError(path, f"{endpoint!r} is neither HOST:PORT nor a URL: {error}") from error
        if itself:
            raise SettingError(
                path,
                f"{endpoint} is this collector's own receiver, which would trace its own traces; name another collector or a backend",
            )


def _url(endpoint: str) -> str:
    return endpoint if "://" in endpoint else f"http://{endpoint}"
