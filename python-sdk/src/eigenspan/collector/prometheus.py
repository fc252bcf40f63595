"""Metrics in the Prometheus text format, under the OpenTelemetry names and under those that the field queries.

Names follow "OTLP Metric points to Prometheus" of the OpenTelemetry specification (compatibility/prometheus_and_openmetrics):
dots become underscores, the unit and `_total` are appended. An empty label is one that is not there.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from eigenspan.collector.decided import trace_bytes
from eigenspan.collector.histogram import BUCKETS_S, Histogram
from eigenspan.semconv import attributes as q
from eigenspan.semconv.metrics import EIGENSPAN_TRACE_DURATION, Metric

if TYPE_CHECKING:
    from eigenspan.collector.instruments import FieldName
    from eigenspan.collector.series import Exemplar, Series

_UNITS = {"s": "seconds", "By": "bytes"}
_STATUS = {"true": "success", "false": "failure"}
Labels = dict[str, str]


def family(name: str, type_: str, help_: str, rows: Sequence[tuple[Labels, float]]) -> list[str]:
    """One metric family in the Prometheus text format; nothing where there are no rows."""
    if not rows:
        return []
    return [*_head(name, type_, help_), *(sample(name, labels, value) for labels, value in rows)]


def sample(name: str, labels: Labels, value: float, exemplar: Exemplar | None = None) -> str:
    """One line of the Prometheus text format; with an exemplar one of OpenMetrics."""
    text = ",".join(f'{key}="{_escape(label)}"' for key, label in labels.items() if label)
    line = f"{name}{{{text}}} {value:.17g}" if text else f"{name} {value:.17g}"
    if exemplar is None:
        return line
    span = f',span_id="{exemplar.span_id:016x}"' if exemplar.span_id else ""
    trace = f'trace_id="{trace_bytes(exemplar.trace).hex()}"'
    return f"{line} # {{{trace}{span}}} {exemplar.value:.17g} {exemplar.time_ns / 1e9:.3f}"


def openmetrics(lines: Iterable[str]) -> str:
    """Lines of the Prometheus text format as OpenMetrics 1.0: counters are named without `_total`, and the end is marked.

    A counter that has no `_total` becomes unknown; a family that would bear the name of another one is left out.
    """
    out, taken, name = [], set[str](), ""
    for line in lines:
        if line.startswith("# HELP "):
            help_ = line
        elif line.startswith("# TYPE "):
            _, _, full, type_ = line.split(" ")
            counter = type_ == "counter" and full.endswith("_total")
            name = full.removesuffix("_total") if counter else full
            name = "" if name in taken else name
            taken.add(name)
            shown = type_ if counter or type_ in ("gauge", "histogram") else "unknown"
            out += [f"# TYPE {name} {shown}", help_.replace(full, name, 1)] if name else []
        elif name:
            out.append(line)
    return "\n".join([*out, "# EOF", ""])


def metric_name(metric: Metric) -> str:
    """The Prometheus name of a metric of the registry."""
    name = metric.name.replace(".", "_")
    unit = _UNITS.get(metric.unit, "ratio" if metric.unit == "1" and metric.instrument == "gauge" else "")
    if unit and not name.endswith(unit):
        name += f"_{unit}"
    return f"{name}_total" if metric.instrument == "counter" else name


def expose(
    series: Iterable[Series], trace_durations: Mapping[str, Histogram], exemplars: Mapping[str, Exemplar] | None = None
) -> list[str]:
    """All series: of each metric its own family, then those of its names in the field.

    `exemplars`: of trace durations by rule; None leaves all exemplars out.
    """
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
            exemplars=exemplars is not None,
        )
        for name in names:
            if name not in same:
                shown = name.buckets or one.instrument.buckets
                lines += _family(one, name.name, name.labels, shown, (), exemplars=exemplars is not None)
    durations = [
        ({"eigenspan_sampling_rule": rule}, histogram, (exemplars or {}).get(rule))
        for rule, histogram in sorted(dict(trace_durations).items())
    ]
    return lines + _histograms(
        metric_name(EIGENSPAN_TRACE_DURATION), EIGENSPAN_TRACE_DURATION.brief, durations, BUCKETS_S, BUCKETS_S
    )


def _family(
    one: Series, name: str, labels: Mapping[str, str], buckets: Sequence[float], more: Sequence[FieldName], *,
    exemplars: bool,
) -> list[str]:  # fmt: skip
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
        kept = {shown(key): exemplar for key, exemplar in one.exemplars.copy().items()} if exemplars else {}
        rows = [(dict(key), histogram, kept.get(key)) for key, histogram in sorted(merged.items())]
        return _histograms(name, instrument.metric.brief, rows, instrument.buckets, buckets)
    summed: dict[tuple[tuple[str, str], ...], float] = {}
    for key, value in one.values.copy().items():
        summed[shown(key)] = value + (summed.get(shown(key), 0) if instrument.kind == "counter" else 0)
    return family(
        name, instrument.kind, instrument.metric.brief, [(dict(key), value) for key, value in sorted(summed.items())]
    )


def _histograms(
    name: str, help_: str, rows: Sequence[tuple[Labels, Histogram, Exemplar | None]], bounds: Sequence[float],
    shown: Sequence[float],
) -> list[str]:  # fmt: skip
    """`bounds`: of the histograms; `shown`: those of them that are written."""
    lines = _head(name, "histogram", help_) if rows else []
    for labels, histogram, exemplar in rows:
        counts = dict(zip((*bounds, math.inf), histogram.classic(bounds), strict=True))
        for bound in (*(b for b in bounds if b in shown), math.inf):
            of_bucket = exemplar if exemplar and exemplar.value <= bound else None
            exemplar = None if of_bucket else exemplar
            le = f"{bound:g}" if bound < math.inf else "+Inf"
            lines.append(sample(f"{name}_bucket", labels | {"le": le}, counts[bound], of_bucket))
        lines += [sample(f"{name}_sum", labels, histogram.sum), sample(f"{name}_count", labels, counts[math.inf])]
    return lines


def _value(label: str, attribute: str, value: str) -> str:
    return _STATUS.get(value, value) if label == "status" and attribute == q.QUANTUM_EXECUTION_SUCCESS else value


def _head(name: str, type_: str, help_: str) -> list[str]:
    return [f"# HELP {name} {help_}", f"# TYPE {name} {type_}"]


def _escape(label: str) -> str:
    return label.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")
