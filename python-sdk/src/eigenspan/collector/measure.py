"""Span metrics over all traffic, before any sampling.

Exact counts, not estimates: a span is counted once, kept or not, however often it comes (see `seen`). Series are
bounded: past the limit, new label values are counted under `other`, and how many were is counted too.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

import msgspec
import numpy as np
import polars as pl

from eigenspan.collector.decided import Decision, TraceKey
from eigenspan.collector.histogram import BUCKETS_S, Histogram, cells
from eigenspan.collector.instruments import INSTRUMENTS, PREPARED, Instrument
from eigenspan.collector.prometheus import expose, family
from eigenspan.collector.seen import Seen, fingerprints

Labels = tuple[str, ...]
OTHER = "other"
_LABEL_LENGTH = 128
STATE = "metrics."
"""What the names of all that `SpanMetrics.save` gives begin with."""
_NS = 1e9
_MARKS = ("stage", "operation", "provider", "backend", "queue_s", "cost", "shots", "retries", "circuit_depth", "gates", "fallback",
          "degraded", "validated", "fidelity")  # fmt: skip
"""A span without any of these counts for the span metrics only."""


_MADE = {"duration_s", "stage", "failure", "succeeded"}
_USED = sorted(
    {
        name
        for i in INSTRUMENTS
        for e in (*i.labels.values(), i.where, i.value)
        if e is not None
        for name in e.meta.root_names()
    }
    - _MADE
)


class _Saved(msgspec.Struct, array_like=True):
    metric: str
    labels: Labels
    value: float
    cells: dict[int, int] = {}


class _Totals(msgspec.Struct, array_like=True):
    through: int
    spans: int
    errors: int
    repeated: int
    traces: list[tuple[str, bool, int]]


class Series:
    """All series of one instrument by their labels, which are in the order of its attributes."""

    def __init__(self, instrument: Instrument, limit: int) -> None:
        self.instrument, self._limit = instrument, limit
        self._bounds = np.array(instrument.buckets, dtype=np.float64)
        labels = [expression.alias(f"label{i}") for i, expression in enumerate(instrument.labels.values())]
        self._columns = [*labels, *([instrument.value.alias("value")] if instrument.value is not None else [])]
        self._by = [f"label{i}" for i in range(len(labels))]
        self.values: dict[Labels, float] = {}
        self.histograms: dict[Labels, Histogram] = {}
        self.dirty: set[Labels] = set()
        self.overflowed = 0

    def count(self, spans: pl.DataFrame) -> None:
        """Add the spans that count."""
        where = self.instrument.where
        counting = spans.select(where).to_series() if where is not None else None
        if counting is not None and not counting.any():
            return
        frame, by = spans.select(self._columns), self._by
        if counting is not None:
            frame = frame.filter(counting)
        if self.instrument.kind == "histogram":
            values = frame["value"].to_numpy()
            found = frame.with_columns(pl.Series("cell", cells(values, self._bounds)))
            counted = found.group_by([*by, "cell"]).agg(pl.len().alias("n"), pl.col("value").sum())
            for *labels, cell, n, total in counted.iter_rows():
                key = self._admit(labels, self.histograms)
                if key not in self.histograms:
                    self.histograms[key] = Histogram()
                self.histograms[key].cells[cell] += n
                self.histograms[key].sum += total
        else:
            value = {
                "counter": pl.col("value").sum() if self.instrument.value is not None else pl.len(),
                "gauge": pl.col("value").last(),
            }
            for *labels, n in frame.group_by(by).agg(value[self.instrument.kind].alias("n")).iter_rows():
                key = self._admit(labels, self.values)
                self.values[key] = n + (self.values.get(key, 0) if self.instrument.kind == "counter" else 0)

    def _admit(self, values: Sequence[str | None], known: Mapping[Labels, object]) -> Labels:
        labels = tuple((value or "")[:_LABEL_LENGTH] for value in values)
        if labels not in known and len(known) >= self._limit:
            self.overflowed += 1
            labels = (OTHER,) * len(labels)
        self.dirty.add(labels)
        return labels


class SpanMetrics:
    """Every instrument's series, and traces by rule and verdict."""

    def __init__(self, max_series: int = 2000) -> None:
        self.series = {i.metric.name: Series(i, max_series) for i in INSTRUMENTS}
        self.traces: Counter[tuple[str, bool]] = Counter()
        self.trace_durations: dict[str, Histogram] = {}  # by rule
        self.exemplars: dict[str, tuple[float, int, int]] = {}  # by rule: seconds and trace id of a trace that was kept
        self.spans = self.errors = self.repeated = self.through = 0
        self._seen = Seen()
        self._numbers: dict[tuple[str, Labels], int] = {}  # of each series, under which it is saved
        self._next = 0

    @property
    def overflowed(self) -> int:
        """Label values, each time that they came, for which there was no more room."""
        return sum(series.overflowed for series in self.series.values())

    def count(self, spans: pl.DataFrame) -> None:
        """Count committed spans (classified); positions at or below `through` were counted before, and are only noted."""
        if spans.is_empty():
            return
        fresh = self._seen.add(fingerprints(spans))
        position = spans["position"].to_numpy()
        new = fresh & (position > self.through)
        self.repeated += int((~fresh & (position > self.through)).sum())
        if not new.all():
            spans = spans.filter(pl.Series(new))
        self.through = max(self.through, int(position.max()))
        if spans.is_empty():
            return
        count, errors = len(spans), int(spans["error"].sum())
        start_ns, end_ns = spans["start_ns"].to_numpy(), spans["end_ns"].to_numpy()
        duration_s = np.where(end_ns > start_ns, end_ns - start_ns, 0) / _NS
        spans = spans.select(*_USED, pl.Series("duration_s", duration_s), *PREPARED)
        marked = spans.filter(pl.any_horizontal(pl.col(_MARKS).is_not_null()))
        for name, series in self.series.items():
            series.count(spans if name.startswith("eigenspan.") else marked)
        self.spans, self.errors = self.spans + count, self.errors + errors

    def decided(
        self, decisions: Sequence[Decision], traces: pl.DataFrame | None = None, keys: Sequence[TraceKey] = ()
    ) -> None:
        """Count decided traces by rule; with `traces` their durations too, and of those that are kept an exemplar."""
        rules = [decision.rule for decision in decisions]
        self.traces.update((decision.rule, decision.keep) for decision in decisions)
        if traces is None:
            return
        seconds = traces["duration_s"].to_numpy()
        for (rule, cell), n in Counter(zip(rules, cells(seconds, np.array(BUCKETS_S)).tolist(), strict=True)).items():
            self.trace_durations.setdefault(rule, Histogram()).cells[cell] += n
        numbers = {rule: number for number, rule in enumerate(dict.fromkeys(rules))}
        sums = np.bincount([numbers[rule] for rule in rules], seconds)
        for rule, number in numbers.items():
            self.trace_durations[rule].sum += float(sums[number])
        last = {decision.rule: i for i, decision in enumerate(decisions) if decision.keep}
        for rule, i in last.items():
            self.exemplars[rule] = (float(seconds[i]), keys[i][1], keys[i][2])

    def prometheus(self) -> list[str]:
        """These metrics in the Prometheus text format."""
        rows = [
            ({"rule": rule, "kept": str(keep).lower()}, n) for (rule, keep), n in sorted(self.traces.copy().items())
        ]
        return [
            *expose(self.series.values(), self.trace_durations),
            *family("eigenspan_traces_decided_total", "counter", "Traces decided, by rule and verdict.", rows),
            *family("eigenspan_spans_repeated_total", "counter", "Spans that had been counted before.", [({}, self.repeated)]),
            *family("eigenspan_metric_labels_overflowed_total", "counter", "Label values counted under other.",
                    [({"metric": name}, s.overflowed) for name, s in self.series.items() if s.overflowed]),
        ]  # fmt: skip

    def save(self) -> dict[str, bytes]:
        """What changed since `saved` was last called, by name, for the state."""
        encode = msgspec.msgpack.encode
        traces = [(*key, n) for key, n in self.traces.items()]
        out = {f"{STATE}totals": encode(_Totals(self.through, self.spans, self.errors, self.repeated, traces))}
        for name, series in self.series.items():
            for labels in series.dirty:
                number = self._numbers.setdefault((name, labels), self._next)
                self._next = max(self._next, number + 1)
                if series.instrument.kind == "histogram":
                    histogram = series.histograms[labels]
                    row = _Saved(name, labels, histogram.sum, dict(histogram.cells))
                else:
                    row = _Saved(name, labels, series.values[labels])
                out[f"{STATE}{number}"] = encode(row)
        for rule, histogram in self.trace_durations.items():
            out[f"{STATE}rule.{rule}"] = encode(_Saved("", (rule,), histogram.sum, dict(histogram.cells)))
        return out

    def saved(self) -> None:
        """What `save` gave is safe."""
        for series in self.series.values():
            series.dirty.clear()

    def load(self, saved: Mapping[str, bytes]) -> None:
        """Take up counts that `save` gave, without `STATE` in the names; of metrics that are gone they are left out."""
        for name, value in saved.items():
            if name == "totals":
                totals = msgspec.msgpack.decode(value, type=_Totals)
                self.through, self.spans, self.errors = totals.through, totals.spans, totals.errors
                self.repeated = totals.repeated
                self.traces.update({(rule, keep): n for rule, keep, n in totals.traces})
                continue
            row = msgspec.msgpack.decode(value, type=_Saved)
            self._next = max(self._next, int(name) + 1 if name.isdigit() else 0)
            if name.startswith("rule."):
                self.trace_durations[row.labels[0]] = Histogram(Counter(row.cells), row.value)
            elif series := self.series.get(row.metric):
                self._numbers[row.metric, row.labels] = int(name)
                if series.instrument.kind == "histogram":
                    series.histograms[row.labels] = Histogram(Counter(row.cells), row.value)
                else:
                    series.values[row.labels] = row.value
