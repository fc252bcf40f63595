"""The registry's metrics, recorded through OpenTelemetry's API.

A counter's or a gauge's point on the hot path is an addition in a dict, read when a reader collects; only histograms pay for
OpenTelemetry's own bookkeeping at once. Labels are those of the metric's definition, whatever else a span carries.

What a collector derives from spans is recorded here only if asked for, by `eigenspan.setup(span_metrics=True)` or the variable
EIGENSPAN_SPAN_METRICS=true, so that every metric has one owner.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from opentelemetry import metrics
from opentelemetry.metrics import CallbackOptions, Observation

from eigenspan.semconv import SCHEMA_URL
from eigenspan.semconv import metrics as m

Labels = tuple[tuple[str, Any], ...]
SERIES_LIMIT = 2000
"""How many label sets a counter or a gauge has; further ones count as one (OpenTelemetry, metrics SDK, "Cardinality limits")."""
_OVERFLOW: Labels = (("otel.metric.overflow", True),)
Record = Callable[[float, Mapping[str, Any]], None]
_from_spans: bool | None = None


def measure_spans(wanted: bool | None) -> None:
    """Whether what a collector derives from spans is recorded here too; None leaves it to the environment."""
    global _from_spans  # noqa: PLW0603
    _from_spans = wanted


def measuring_spans() -> bool:
    """Whether what a collector derives from spans is recorded here too."""
    if _from_spans is None:
        measure_spans(os.environ.get("EIGENSPAN_SPAN_METRICS", "").strip().lower() in ("true", "1"))
    return bool(_from_spans)


class Metrics:
    """What one scope records at one meter provider."""

    def __init__(self, meter: metrics.Meter) -> None:
        self._meter = meter
        self._lock = threading.Lock()
        self._records: dict[str, Record] = {}

    def record(self, metric: m.Metric, value: float, attributes: Mapping[str, Any]) -> None:
        """Add to a counter, set a gauge or put a value into a histogram."""
        record = self._records.get(metric.name)
        if record is None:
            with self._lock:
                record = self._records.get(metric.name) or self._make(metric)
                self._records[metric.name] = record
        record(value, attributes)

    def derive(self, metric: m.Metric, value: float, attributes: Mapping[str, Any]) -> None:
        """Record what a collector derives from the span that says it, where this process is to do it."""
        if measuring_spans():
            self.record(metric, value, attributes)

    def _make(self, metric: m.Metric) -> Record:
        return self._histogram(metric) if metric.instrument == "histogram" else self._kept(metric)

    def _kept(self, metric: m.Metric) -> Record:
        """A counter or a gauge: sums or last values by labels, observed at collection."""
        keys = metric.attributes
        kept: dict[Labels, float] = {}
        lock = threading.Lock()
        counter = metric.instrument == "counter"

        def record(value: float, attributes: Mapping[str, Any]) -> None:
            labels = tuple([(key, attributes[key]) for key in keys if key in attributes])
            with lock:
                if labels not in kept and len(kept) >= SERIES_LIMIT:
                    labels = _OVERFLOW
                kept[labels] = kept.get(labels, 0) + value if counter else value

        def observe(_: CallbackOptions) -> Iterable[Observation]:
            with lock:
                return [Observation(value, dict(labels)) for labels, value in kept.items()]

        make = self._meter.create_observable_counter if counter else self._meter.create_observable_gauge
        make(metric.name, [observe], metric.unit, metric.brief)
        return record

    def _histogram(self, metric: m.Metric) -> Record:
        keys = metric.attributes
        make = self._meter.create_histogram
        try:
            made = make(metric.name, metric.unit, metric.brief, explicit_bucket_boundaries_advisory=metric.buckets)
        except TypeError:  # an API from before buckets could be advised
            made = make(metric.name, metric.unit, metric.brief)

        def record(value: float, attributes: Mapping[str, Any]) -> None:
            made.record(value, {key: attributes[key] for key in keys if key in attributes})

        return record


_making = threading.Lock()


def metrics_of(scope: str, provider: Any = None) -> Metrics:
    """The metrics of a scope at a provider, the global one unless given; made once, as instruments cannot be made twice."""
    owner = provider if provider is not None else metrics.get_meter_provider()
    with _making:
        scopes: dict[str, Metrics] = owner.__dict__.setdefault("_eigenspan", {})
        if scope not in scopes:
            scopes[scope] = Metrics(metrics.get_meter(scope, meter_provider=owner, schema_url=SCHEMA_URL))
        return scopes[scope]
