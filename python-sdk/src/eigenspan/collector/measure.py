"""Span metrics over all traffic, before any sampling.

Exact counts, not estimates: a span is counted once, kept or not, however often it comes (see `seen`). Series are
bounded: past the limit, new label values are counted under `other`, and how many were is counted too.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence

import msgspec
import numpy as np
import numpy.typing as npt
import polars as pl

from eigenspan.collector.classify import present
from eigenspan.collector.decided import Decision, Keys
from eigenspan.collector.histogram import BUCKETS_S, CELL_BITS, Histogram, cells
from eigenspan.collector.instruments import INSTRUMENTS, USED, Scope, prepared
from eigenspan.collector.prometheus import expose, family
from eigenspan.collector.seen import Seen, fingerprints
from eigenspan.collector.series import Counting, Exemplar, Labels, Series, Waiting

STATE = "metrics."
"""What the names of all that `SpanMetrics.save` gives begin with."""
_NS = 1e9
_SCOPES: tuple[Scope, ...] = ("every", "failed", "known")


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
    began_ns: int = 0


class SpanMetrics:
    """Every instrument's series, and traces by rule and verdict. `began_ns`: when the counts were nought, by the wall's clock."""

    def __init__(self, max_series: int = 2000, *, began_ns: int = 0) -> None:
        self.began_ns = began_ns
        self.series = {i.metric.name: Series(i, max_series) for i in INSTRUMENTS}
        self.traces: Counter[tuple[str, bool]] = Counter()
        self.trace_durations: dict[str, Histogram] = {}  # by rule
        self.exemplars: dict[str, Exemplar] = {}  # by rule, of traces that were kept
        self.spans = self.errors = self.repeated = self.through = 0
        self._seen = Seen()
        self._waiting = Waiting()
        self._scopes = {
            scope: Counting([i for i in INSTRUMENTS if i.scope == scope], self.series, self._waiting)
            for scope in _SCOPES
        }
        self._numbers: dict[tuple[str, Labels], int] = {}  # of each series, under which it is saved
        self._next = 0

    @property
    def overflowed(self) -> int:
        """Label values, each time that they came, for which there was no more room."""
        return sum(series.overflowed for series in self.series.values())

    @property
    def forgotten(self) -> int:
        """Counted spans that would be counted again if they came again: too many others came since."""
        return self._seen.forgotten

    def count(self, spans: pl.DataFrame) -> None:
        """Count committed spans (classified); positions at or below `through` were counted before, and are only noted."""
        if spans.is_empty():
            return
        fresh = self._seen.add(fingerprints(spans))
        position = spans["position"].to_numpy()
        new = fresh & (position > self.through)
        self.repeated += int((~fresh & (position > self.through)).sum())
        if not new.all():
            spans = spans[np.flatnonzero(new)]
        self.through = max(self.through, int(position.max()))
        if spans.is_empty():
            return
        there = present(spans)
        start_ns, end_ns = spans["start_ns"].to_numpy(), spans["end_ns"].to_numpy()
        duration_s = pl.Series("duration_s", np.where(end_ns > start_ns, end_ns - start_ns, 0) / _NS)
        given = pl.DataFrame([*(spans[column] for column in USED if column in there), duration_s])
        failed = np.flatnonzero(spans["error"].to_numpy())
        self._scopes["every"].count(given, spans, np.arange(len(spans)))
        if len(failed):
            self._scopes["failed"].count(given[failed], spans, failed)
        known = np.flatnonzero(_known(spans, there))
        if len(known):
            self._scopes["known"].count(given[known].with_columns(prepared(there)), spans, known)
        self.spans, self.errors = self.spans + len(spans), self.errors + len(failed)

    def decided(
        self, decisions: Sequence[Decision], traces: pl.DataFrame | None = None, keys: Keys | None = None
    ) -> None:
        """Count decided traces by rule; with `traces` and `keys` their durations too, and of those that are kept exemplars."""
        objects = np.fromiter(map(id, decisions), dtype=np.int64, count=len(decisions))
        _, first, which = np.unique(objects, return_index=True, return_inverse=True)
        distinct = [decisions[i] for i in first.tolist()]  # many traces share one
        for decision, n in zip(distinct, np.bincount(which).tolist(), strict=True):
            self.traces[decision.rule, decision.keep] += n
        if traces is None or keys is None or not distinct:
            return
        keep = np.array([decision.keep for decision in distinct])[which]
        self._waiting.decided(keys, keep)
        names = list(dict.fromkeys(decision.rule for decision in distinct))
        rules = np.array([names.index(decision.rule) for decision in distinct])[which]
        seconds = traces["duration_s"].to_numpy()
        both, counts = np.unique(rules << CELL_BITS | cells(seconds, np.array(BUCKETS_S)), return_counts=True)
        sums = np.bincount(rules, seconds).tolist()
        last = np.full(len(names), -1)
        last[rules[keep]] = np.flatnonzero(keep)
        for rule, name in enumerate(names):
            own, i = both >> CELL_BITS == rule, int(last[rule])
            found = (both[own] & ((1 << CELL_BITS) - 1)).tolist()
            self.trace_durations.setdefault(name, Histogram()).add(found, counts[own].tolist(), sums[rule])
            if i >= 0:
                self.exemplars[name] = Exemplar(float(seconds[i]), keys[i], 0, decisions[i].decided_ns)

    def prometheus(self, *, exemplars: bool = False) -> list[str]:
        """These metrics in the Prometheus text format, with exemplars for OpenMetrics."""
        rows = [
            ({"rule": rule, "kept": str(keep).lower()}, n) for (rule, keep), n in sorted(self.traces.copy().items())
        ]
        return [
            *expose(self.series.values(), self.trace_durations.copy(), self.exemplars.copy() if exemplars else None),
            *family("eigenspan_traces_decided_total", "counter", "Traces decided, by rule and verdict.", rows),
            *family("eigenspan_spans_repeated_total", "counter", "Spans that had been counted before.", [({}, self.repeated)]),
            *family("eigenspan_spans_forgotten_total", "counter", "Counted spans that are known no more if they come again.",
                    [({}, self.forgotten)]),
            *family("eigenspan_metric_labels_overflowed_total", "counter", "Label values counted under other.",
                    [({"metric": name}, s.overflowed) for name, s in self.series.items() if s.overflowed]),
            *family("eigenspan_metric_values_refused_total", "counter",
                    "Values not counted: not finite, 2^53 or more, or negative where a sum would go back.",
                    [({"metric": name}, s.refused) for name, s in self.series.items() if s.refused]),
        ]  # fmt: skip

    def save(self) -> dict[str, bytes]:
        """What changed since `saved` was last called, by name, for the state."""
        encode = msgspec.msgpack.encode
        traces = [(*key, n) for key, n in self.traces.items()]
        totals = _Totals(self.through, self.spans, self.errors, self.repeated, traces, self.began_ns)
        out = {f"{STATE}totals": encode(totals)}
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
        """Take up counts that `save` gave, without `STATE` in the names.

        Those of metrics that are gone, or have other labels now, are left out.
        """
        for name, value in saved.items():
            if name == "totals":
                totals = msgspec.msgpack.decode(value, type=_Totals)
                self.through, self.spans, self.errors = totals.through, totals.spans, totals.errors
                self.repeated, self.began_ns = totals.repeated, totals.began_ns or self.began_ns
                self.traces.update({(rule, keep): n for rule, keep, n in totals.traces})
                continue
            row = msgspec.msgpack.decode(value, type=_Saved)
            self._next = max(self._next, int(name) + 1 if name.isdigit() else 0)
            if name.startswith("rule."):
                self.trace_durations[row.labels[0]] = Histogram(Counter(row.cells), row.value)
            elif (series := self.series.get(row.metric)) and len(row.labels) == len(series.instrument.labels):
                self._numbers[row.metric, row.labels] = int(name)
                if series.instrument.kind == "histogram":
                    series.histograms[row.labels] = Histogram(Counter(row.cells), row.value)
                else:
                    series.values[row.labels] = row.value


def _known(spans: pl.DataFrame, there: Collection[str]) -> npt.NDArray[np.bool_]:
    """Which spans are of the scope `known`: of quantum programs and language models."""
    known = spans["quantum"] | spans["foreign"]
    if "model_operation" in there:
        known |= spans["model_operation"].is_not_null()
    return known.to_numpy()
