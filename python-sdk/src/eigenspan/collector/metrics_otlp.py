"""The span metrics as an OTLP export request, with exponential histograms.

Cumulative since the counts began, or (`since`) as deltas to an earlier `Snapshot`, as for one minute. Exemplars are of
kept traces only.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.metrics.v1.metrics_pb2 import AggregationTemporality

from eigenspan.collector.decided import trace_bytes
from eigenspan.collector.histogram import SCALE, Histogram
from eigenspan.semconv.metrics import EIGENSPAN_TRACE_DURATION

if TYPE_CHECKING:
    from eigenspan.collector.measure import SpanMetrics
    from eigenspan.collector.series import Exemplar

_CUMULATIVE = AggregationTemporality.AGGREGATION_TEMPORALITY_CUMULATIVE
_DELTA = AggregationTemporality.AGGREGATION_TEMPORALITY_DELTA
_Key = tuple[str, tuple[str, ...]]


@dataclass(frozen=True, slots=True)
class Snapshot:
    """What had been counted at one time."""

    time_ns: int
    values: dict[_Key, float] = field(default_factory=dict)
    histograms: dict[_Key, tuple[Counter[int], float]] = field(default_factory=dict)
    exemplars: dict[_Key, Exemplar] = field(default_factory=dict)


def snapshot(metrics: SpanMetrics, time_ns: int) -> Snapshot:
    """The counts as they are now."""
    out = Snapshot(time_ns)
    for name, series in metrics.series.items():
        out.values.update(((name, labels), value) for labels, value in series.values.copy().items())
        for labels, histogram in series.histograms.copy().items():
            out.histograms[name, labels] = (histogram.cells.copy(), histogram.sum)
        out.exemplars.update(((name, labels), kept) for labels, kept in series.exemplars.copy().items())
    for rule, histogram in metrics.trace_durations.copy().items():
        out.histograms[EIGENSPAN_TRACE_DURATION.name, (rule,)] = (histogram.cells.copy(), histogram.sum)
    out.exemplars.update(
        ((EIGENSPAN_TRACE_DURATION.name, (rule,)), kept) for rule, kept in metrics.exemplars.copy().items()
    )
    return out


def encode(metrics: SpanMetrics, now: Snapshot, start_ns: int, since: Snapshot | None = None) -> bytes:
    """An ExportMetricsServiceRequest of `now`: since `start_ns`, or as the difference to `since`."""
    request = ExportMetricsServiceRequest()
    resource = request.resource_metrics.add()
    resource.resource.attributes.add(key="service.name").value.string_value = "eigenspan-collector"
    scope = resource.scope_metrics.add()
    scope.scope.name = "eigenspan.collector"
    times = {"start_time_unix_nano": since.time_ns if since else start_ns, "time_unix_nano": now.time_ns}
    temporality = _DELTA if since else _CUMULATIVE
    definitions = {name: (s.instrument.metric, tuple(s.instrument.labels)) for name, s in metrics.series.items()}
    definitions[EIGENSPAN_TRACE_DURATION.name] = (EIGENSPAN_TRACE_DURATION, ("eigenspan.sampling.rule",))
    made: dict[str, Any] = {}

    def metric(name: str) -> Any:
        if name not in made:
            definition = definitions[name][0]
            made[name] = scope.metrics.add(name=name, unit=definition.unit, description=definition.brief)
        return made[name]

    for (name, labels), value in now.values.items():
        if definitions[name][0].instrument == "gauge":
            point = metric(name).gauge.data_points.add(as_double=value, time_unix_nano=now.time_ns)
        else:
            change = value - (since.values.get((name, labels), 0) if since else 0)
            if since and not change:
                continue
            total = metric(name).sum
            total.aggregation_temporality, total.is_monotonic = temporality, True
            point = total.data_points.add(as_double=change, **times)
        _label(point, definitions[name][1], labels)
    for (name, labels), (cells, total_s) in now.histograms.items():
        before, before_s = since.histograms.get((name, labels), (Counter(), 0.0)) if since else (Counter(), 0.0)
        histogram = Histogram(cells - before, total_s - before_s)
        if not histogram.cells:
            continue
        bounds = metrics.series[name].instrument.buckets if name in metrics.series else ()
        if bounds and bounds[0] < 0:  # exponential buckets say nothing of values below zero
            data = metric(name).histogram
            counts = np.diff(histogram.classic(bounds), prepend=0).tolist()
            point = data.data_points.add(bucket_counts=counts, explicit_bounds=bounds, **times)
        else:
            data = metric(name).exponential_histogram
            zeros, offset, counts = histogram.exponential()
            point = data.data_points.add(scale=SCALE, zero_count=zeros, **times)
            point.positive.offset = offset
            point.positive.bucket_counts.extend(counts)
        data.aggregation_temporality = temporality
        point.count, point.sum = histogram.count, histogram.sum
        _label(point, definitions[name][1], labels)
        if kept := now.exemplars.get((name, labels)):
            point.exemplars.add(
                as_double=kept.value, trace_id=trace_bytes(kept.trace), time_unix_nano=kept.time_ns,
                span_id=kept.span_id.to_bytes(8, "big") if kept.span_id else b"",
            )  # fmt: skip
    return bytes(request.SerializeToString())


def _label(point: Any, names: tuple[str, ...], values: tuple[str, ...]) -> None:
    for name, value in zip(names, values, strict=True):
        if value:
            point.attributes.add(key=name).value.string_value = value
