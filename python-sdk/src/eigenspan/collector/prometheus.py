"""Metrics in the Prometheus text format, under the OpenTelemetry names and under those that the field queries.

Names follow "OTLP Metric points to Prometheus" of the OpenTelemetry specification (compatibility/prometheus_and_openmetrics):
dots become underscores, the unit and `_total` are appended. An empty label is one that is not there.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from eigenspan.collector.histogram import BUCKETS_S, Histogram
from eigenspan.semconv import attributes as q
from eigenspan.semconv.metrics import EIGENSPAN_TRACE_DURATION, Metric

if TYPE_CHECKING:
    from eigenspan.collector.instruments import FieldName
    from eigenspan.collector.series import Series

_UNITS = {"s": "seconds", "By": "bytes"}
_STATUS = {"true": "success", "false": "failure"}
Labels = dict[str, str]


def family(name: str, type_: str, help_: str, rows: Sequence[tuple[Labels, float]]) -> list[str]:
    """One metric family in the Prometheus text format; nothing where there are no rows."""
    if not rows:
        return []
    return [*_head(name, type_, help_), *(sample(name, labels, value) for labels, value in rows)]


def sample(name: str, labels: Labels, value: float) -> str:
    """One line of the Prometheus text format."""
    text = ",".join(f'{key}="{_escape(label)}"' for key, label in labels.items() if label)
    return f"{name}{{{text}}} {value:.17g}" if text else f"{name} {value:.17g}"


def metric_name(metric: Metric) -> str:
    """The Prometheus name of a metric of the registry."""
    name = metric.name.replace(".", "_")
    unit = _UNITS.get(metric.unit, "ratio" if metric.unit == "1" and metric.instrument == "gauge" else "")
    if unit and not name.endswith(unit):
        name += f"_{unit}"
    return f"{name}_total" if metric.instrument == "counter" else name


def expose(series: Iterable[Series], trace_durations: dict[str, Histogram]) -> list[str]:
    """All series: of each metric its own family, then those of its names in the field."""
    lines: list[str] = []
    for one in series:
        metric, names = one.instrument.metric, one.instrument.field_names
        same = [name for name in names if name.name == metric_name(metric)]  # one family bears the labels of both
        lines += _family(
            one,
            metric_name(metric),
            {a.replace(".", "_"): a for a in one.instrument.labels},
            one.instrument.buckets,
            same,
        )
        for name in names:
            if name not in same:
                lines += _family(one, name.name, name.labels, name.buckets or one.instrument.buckets, ())
    durations = [
        ({"eigenspan_sampling_rule": rule}, histogram) for rule, histogram in sorted(trace_durations.copy().items())
    ]
    return lines + _histograms(
        metric_name(EIGENSPAN_TRACE_DURATION), EIGENSPAN_TRACE_DURATION.brief, durations, BUCKETS_S, BUCKETS_S
    )


def _family(
    one: Series, name: str, labels: Mapping[str, str], buckets: Sequence[float], more: Sequence[FieldName]
) -> list[str]:
    """`labels`: by label the attribute that it shows; attributes without one are summed over."""
    instrument = one.instrument
    labels = {**labels, **{label: attribute for field_name in more for label, attribute in field_name.labels.items()}}
    at = {attribute: i for i, attribute in enumerate(instrument.labels)}

    def shown(key: tuple[str, ...]) -> tuple[tuple[str, str], ...]:
        return tuple((label, _value(label, attribute, key[at[attribute]])) for label, attribute in labels.items())

    if instrument.kind == "histogram":
        merged: dict[tuple[tuple[str, str], ...], Histogram] = {}
        for key, histogram in one.histograms.copy().items():
            into = merged.setdefault(shown(key), Histogram())
            into.cells.update(histogram.cells.copy())
            into.sum += histogram.sum
        rows = [(dict(key), histogram) for key, histogram in sorted(merged.items())]
        return _histograms(name, instrument.metric.brief, rows, instrument.buckets, buckets)
    summed: dict[tuple[tuple[str, str], ...], float] = {}
    for key, value in one.values.copy().items():
        summed[shown(key)] = value + (summed.get(shown(key), 0) if instrument.kind == "counter" else 0)
    return family(
        name, instrument.kind, instrument.metric.brief, [(dict(key), value) for key, value in sorted(summed.items())]
    )


def _histograms(
    name: str, help_: str, rows: Sequence[tuple[Labels, Histogram]], bounds: Sequence[float], shown: Sequence[float]
) -> list[str]:
    """`bounds`: of the histograms; `shown`: those of them that are written."""
    lines = _head(name, "histogram", help_) if rows else []
    for labels, histogram in rows:
        counts = histogram.classic(bounds)
        lines += [
            sample(f"{name}_bucket", labels | {"le": f"{bound:g}"}, n)
            for bound, n in zip(bounds, counts, strict=False)
            if bound in shown
        ]
        lines.append(sample(f"{name}_bucket", labels | {"le": "+Inf"}, counts[-1]))
        lines += [sample(f"{name}_sum", labels, histogram.sum), sample(f"{name}_count", labels, counts[-1])]
    return lines


def _value(label: str, attribute: str, value: str) -> str:
    return _STATUS.get(value, value) if label == "status" and attribute == q.QUANTUM_EXECUTION_SUCCESS else value


def _head(name: str, type_: str, help_: str) -> list[str]:
    return [f"# HELP {name} {help_}", f"# TYPE {name} {type_}"]


def _escape(label: str) -> str:
    return label.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")
