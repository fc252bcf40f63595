"""Set-up in one line, and its end.

What is not given comes from the `OTEL_*` variables, and then from OpenTelemetry's own defaults: OTLP over gRPC to localhost:4317.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Literal, get_args

from opentelemetry import metrics, trace
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import MetricReader, PeriodicExportingMetricReader
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, ConsoleSpanExporter, SpanExporter

from eigenspan.instrument import _metrics, _prices, _privacy
from eigenspan.instrument._privacy import Redact
from eigenspan.sdk.hooks import LIBRARIES, Instruments, known
from eigenspan.sdk.ids import SystemIdGenerator
from eigenspan.sdk.request import RequestAttributes
from eigenspan.sdk.resources import observe_resources

if TYPE_CHECKING:
    from collections.abc import Mapping

_LOG = logging.getLogger(__name__)
Protocol = Literal["grpc", "http/protobuf"]
_SIGNAL_PATH = "/v1/traces"


class Setup:
    """What `setup` has put in place."""

    def __init__(
        self, provider: TracerProvider, instruments: Instruments, *, owned: bool, meters: MeterProvider | None = None
    ) -> None:
        self.provider = provider
        self.meters = meters
        self._instruments = instruments
        self._owned = owned

    def flush(self, timeout_ms: int = 30_000) -> bool:
        """Send what has ended; false if that took too long."""
        if self.meters is not None:
            self.meters.force_flush(timeout_ms)
        return bool(self.provider.force_flush(timeout_ms))

    def shutdown(self) -> None:
        """Put the libraries back, send what is left, and end the exporter."""
        global _current  # noqa: PLW0603
        self._instruments.close()
        ends = [self.provider.shutdown] if self._owned else []
        ends += [self.meters.shutdown] if self.meters is not None else []
        try:
            with ThreadPoolExecutor(
                2, thread_name_prefix="eigenspan-end"
            ) as both:  # each may wait for a collector that is not there
                list(both.map(lambda end: end(), ends))
        finally:
            for forget in (_prices.use, _privacy.allow, _privacy.redact_with, _metrics.measure_spans):
                forget(None)
            if _current is self:
                _current = None


_current: Setup | None = None
_installed: TracerProvider | None = None  # the one made the global one, which OpenTelemetry allows only once


def setup(
    service_name: str | None = None,
    endpoint: str | None = None,
    protocol: Protocol | None = None,
    instrument: bool | Iterable[str] = True,
    *,
    resource_attributes: Mapping[str, str] | None = None,
    processors: Iterable[SpanProcessor] | None = None,
    metric_readers: Iterable[MetricReader] | None = None,
    prices: str | Path | None = None,
    record: Iterable[str] | None = None,
    redact: Redact | None = None,
    span_metrics: bool | None = None,
) -> Setup:
    """Trace this program's circuits and send spans and metrics to a collector.

    `instrument` is True for all supported libraries, False for none, or their names. `processors` take the place of the
    span exporter and `metric_readers` that of the metric exporter. Providers that the program has set itself are kept. `prices` is
    a price table for costs; `record` names content to be recorded (prompts, circuits, counts) of which otherwise only digests
    are; `redact(key, value)` gives what to record instead of a value, None for nothing. `span_metrics` has metrics recorded here that
    eigenspan's collector derives from the spans: for other collectors, for programs that sample spans themselves, and unless said
    otherwise for `metric_readers` of the program's own. A second call gives back what the first made.
    """
    global _current, _installed  # noqa: PLW0603
    if _current is not None:
        _LOG.warning("eigenspan is already set up; call shutdown() first to set it up otherwise")
        return _current
    named = (instrument,) if isinstance(instrument, str) else instrument
    names = known((LIBRARIES if named else ()) if isinstance(named, bool) else named)
    for signal in ("TRACES", "METRICS") if processors is None else ():
        _chosen(protocol, signal)
    _privacy.allow((record,) if isinstance(record, str) else record)
    _prices.use(prices)
    _privacy.redact_with(redact)
    _metrics.measure_spans(True if span_metrics is None and metric_readers is not None else span_metrics)
    existing = trace.get_tracer_provider()
    if isinstance(existing, TracerProvider) and existing is not _installed:
        provider, owned = existing, False
    else:
        provider, owned = _provider(service_name, resource_attributes), True
        for processor in processors if processors is not None else _exporting(endpoint, protocol):
            provider.add_span_processor(processor)
        if _installed is None:
            trace.set_tracer_provider(provider)
            _installed = provider
    if metric_readers is None:
        metric_readers = _reading(endpoint, protocol) if processors is None and owned else ()
    meters = _meters(provider.resource, list(metric_readers))
    _current = Setup(
        provider, Instruments(names, tracer_provider=provider, meter_provider=meters), owned=owned, meters=meters
    )
    return _current


def provider_in_use() -> TracerProvider | None:
    """The tracer provider of the set-up in force; None leaves it to OpenTelemetry's global one."""
    return _current.provider if _current is not None else None


def meters_in_use() -> MeterProvider | None:
    """The meter provider of the set-up in force; None leaves it to OpenTelemetry's global one."""
    return _current.meters if _current is not None else None


def shutdown() -> None:
    """End what `setup` began, if anything."""
    if _current is not None:
        _current.shutdown()


def _provider(service_name: str | None, resource_attributes: Mapping[str, str] | None) -> TracerProvider:
    own = dict(resource_attributes or {})
    if service_name:
        own["service.name"] = service_name
    provider = TracerProvider(resource=Resource.create(own), id_generator=SystemIdGenerator())
    provider.add_span_processor(RequestAttributes())
    return provider


def _exporting(endpoint: str | None, protocol: Protocol | None) -> list[SpanProcessor]:
    kinds = os.environ.get("OTEL_TRACES_EXPORTER", "otlp").split(",") if endpoint is None else ["otlp"]
    made: list[SpanProcessor] = []
    for kind in (word.strip() for word in kinds):
        if kind == "otlp":
            made.append(BatchSpanProcessor(_otlp(endpoint, protocol)))
        elif kind == "console":
            made.append(BatchSpanProcessor(ConsoleSpanExporter()))
        elif kind not in ("none", ""):
            _LOG.warning("OTEL_TRACES_EXPORTER names %r, which is not known here; use otlp, console or none", kind)
    return made


def _meters(resource: Resource, readers: list[MetricReader]) -> MeterProvider | None:
    """A meter provider for the readers, made the global one unless the program has its own. It also observes this process."""
    if not readers:
        return None
    made = MeterProvider(readers, resource=resource)
    if not isinstance(metrics.get_meter_provider(), MeterProvider):
        metrics.set_meter_provider(made)
    observe_resources(made)
    return made


def _reading(endpoint: str | None, protocol: Protocol | None) -> list[MetricReader]:
    kinds = os.environ.get("OTEL_METRICS_EXPORTER", "otlp").split(",")
    if "otlp" not in (kind.strip() for kind in kinds):
        return []
    if _chosen(protocol, "METRICS") == "grpc":
        from opentelemetry.exporter.otlp.proto.grpc.metric_exporter import OTLPMetricExporter as Grpc

        return [PeriodicExportingMetricReader(Grpc(endpoint=_url(endpoint)))]
    from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter as Http

    return [PeriodicExportingMetricReader(Http(endpoint=_path(endpoint, "/v1/metrics")))]


def _url(endpoint: str | None) -> str | None:
    return f"http://{endpoint}" if endpoint is not None and "://" not in endpoint else endpoint


def _path(endpoint: str | None, path: str) -> str | None:
    if endpoint is None:
        return None
    return endpoint if endpoint.endswith(path) else endpoint.removesuffix(_SIGNAL_PATH).rstrip("/") + path


def _chosen(protocol: Protocol | None, signal: str) -> str:
    """The protocol for a signal; ValueError where it is not known."""
    chosen = (
        protocol
        or os.environ.get(f"OTEL_EXPORTER_OTLP_{signal}_PROTOCOL")
        or os.environ.get("OTEL_EXPORTER_OTLP_PROTOCOL")
        or "grpc"
    )
    if chosen not in get_args(Protocol):
        raise ValueError(f"protocol {chosen!r} is not known; valid are {' and '.join(get_args(Protocol))}")
    return chosen


def _otlp(endpoint: str | None, protocol: Protocol | None) -> SpanExporter:
    if _chosen(protocol, "TRACES") == "grpc":
        from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter as Grpc

        return Grpc(endpoint=_url(endpoint))
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter as Http

    return Http(endpoint=_path(endpoint, _SIGNAL_PATH))
