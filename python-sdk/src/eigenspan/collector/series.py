"""Series of metrics by their labels, and the counting of spans into them, many at once.

Spans of one scope are counted together: what is distinct in their labels and conditions is worked out once for all
instruments, so that the rest is sums over numbers.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt
import polars as pl

from eigenspan.collector.columns import Ints
from eigenspan.collector.decided import Keys, TraceKey
from eigenspan.collector.histogram import CELL_BITS, Histogram, cells
from eigenspan.collector.instruments import Instrument
from eigenspan.collector.keys import numbered

Labels = tuple[str, ...]
Floats = npt.NDArray[np.float64]
OTHER = "other"
_LABEL_LENGTH = 128
_Row = tuple[str | bool | None, ...]
_Counts = tuple[Labels | None, ...]  # by instrument: the labels under which a span counts, None where it does not
_KNOWN_ROWS = 20_000  # distinct rows whose labels are remembered; those with long texts count as several
_LARGEST = 2.0**53  # from here on a sum of doubles no longer counts by ones
_WAIT = 8  # values of a series that wait to be exemplars
_STALE_NS = 60_000_000_000  # so long after its span came, one of them makes room for another


@dataclass(frozen=True, slots=True)
class Exemplar:
    """A value, and the span (0: the whole trace) that it was measured on."""

    value: float
    trace: TraceKey
    span_id: int
    time_ns: int


class Series:
    """All series of one metric by their labels, which are in the order of its attributes."""

    def __init__(self, instrument: Instrument, limit: int) -> None:
        self.instrument, self._limit = instrument, limit
        self._bounds = np.array(instrument.buckets, dtype=np.float64)
        self.values: dict[Labels, float] = {}
        self.histograms: dict[Labels, Histogram] = {}
        self.exemplars: dict[Labels, Exemplar] = {}  # of kept traces
        self.waiting: dict[Labels, dict[TraceKey, tuple[Exemplar, int]]] = {}  # of undecided ones, with the log time
        self.dirty: set[Labels] = set()
        self.overflowed = 0
        self.refused = 0  # values that are no measurement

    def sound(self, values: Floats) -> npt.NDArray[np.bool_]:
        """Which values are measurements: finite, and not negative where that would make a sum go back."""
        goes_back = self.instrument.kind != "gauge" and min(self.instrument.buckets, default=0) >= 0
        return np.asarray((values < _LARGEST) & (values >= (0 if goes_back else -_LARGEST)))

    @property
    def lasting(self) -> bool:
        """Whether these are durations, which have exemplars."""
        return self.instrument.kind == "histogram" and self.instrument.metric.unit == "s"

    def add(self, labels: Sequence[Labels], amounts: Floats) -> None:
        """Add to counters."""
        for one, amount in zip(labels, amounts.tolist(), strict=True):
            key = self._admit(one, self.values)
            self.values[key] = self.values.get(key, 0) + amount

    def show(self, labels: Sequence[Labels], number: Ints, values: Floats) -> None:
        """Set gauges to the last of `values`; `number` says of each which labels it has."""
        last = np.full(len(labels), -1)
        last[number] = np.arange(len(number))
        for i in np.argsort(last)[np.count_nonzero(last < 0) :].tolist():
            self.values[self._admit(labels[i], self.values)] = float(values[last[i]])

    def put(self, labels: Sequence[Labels], number: Ints, values: Floats) -> None:
        """Put values into histograms; `number` says of each which labels it has."""
        both = np.sort(number << CELL_BITS | cells(values, self._bounds))
        first = np.flatnonzero(np.append(True, both[1:] != both[:-1]))
        n, both = np.diff(first, append=len(both)).tolist(), both[first]
        starts = np.searchsorted(both >> CELL_BITS, np.arange(len(labels) + 1)).tolist()
        cell = (both & ((1 << CELL_BITS) - 1)).tolist()
        sums = np.bincount(number, values, len(labels)).tolist()
        for i, (start, stop) in enumerate(pairwise(starts)):
            if start < stop:
                histogram = self.histograms.setdefault(self._admit(labels[i], self.histograms), Histogram())
                histogram.add(cell[start:stop], n[start:stop], sums[i])

    def candidates(self, labels: Sequence[Labels], number: Ints, values: Floats, log_ns: int) -> dict[Labels, int]:
        """For labels of which there is room to wait, the index of the largest of `values`."""
        open_ = [one in self.histograms and self.has_room(one, log_ns) for one in labels]
        if not any(open_):
            return {}
        largest = np.full(len(labels), np.inf)
        largest[open_] = -np.inf
        np.maximum.at(largest, number, values)
        rows = np.flatnonzero(values == largest[number])
        last = np.full(len(labels), -1)
        last[number[rows]] = rows
        return {labels[i]: int(last[i]) for i in np.flatnonzero(last >= 0).tolist()}

    def has_room(self, labels: Labels, log_ns: int) -> bool:
        """Whether another value may wait to become an exemplar."""
        held = self.waiting.get(labels, {})
        return len(held) < _WAIT or log_ns - next(iter(held.values()))[1] > _STALE_NS

    def _admit(self, labels: Labels, known: Mapping[Labels, object]) -> Labels:
        if labels not in known and len(known) >= self._limit:
            self.overflowed += 1
            labels = (OTHER,) * len(labels)
        self.dirty.add(labels)
        return labels


class Waiting:
    """Values of undecided traces that become exemplars where their trace is kept; a few for each labels of a series."""

    def __init__(self) -> None:
        self._by_trace: dict[TraceKey, list[tuple[Series, Labels]]] = {}

    def offer(self, series: Series, labels: Labels, exemplar: Exemplar, log_ns: int) -> None:
        """Let one wait, if need be in the place of the oldest."""
        held = series.waiting.setdefault(labels, {})
        if exemplar.trace in held:
            return
        if len(held) >= _WAIT:
            oldest = next(iter(held))
            del held[oldest]
            self._by_trace[oldest].remove((series, labels))
            if not self._by_trace[oldest]:
                del self._by_trace[oldest]
        held[exemplar.trace] = exemplar, log_ns
        self._by_trace.setdefault(exemplar.trace, []).append((series, labels))

    def decided(self, keys: Keys, keep: npt.NDArray[np.bool_]) -> None:
        """Traces were decided."""
        lows = np.fromiter((key[2] for key in self._by_trace), dtype=np.uint64, count=len(self._by_trace))
        for i in np.flatnonzero(np.isin(keys.lows, lows)).tolist():
            key = keys[i]
            for series, labels in self._by_trace.pop(key, ()):
                exemplar, _ = series.waiting[labels].pop(key)
                if keep[i]:
                    series.exemplars[labels] = exemplar


class Counting:
    """The instruments over one scope of spans."""

    def __init__(self, instruments: Sequence[Instrument], series: Mapping[str, Series], waiting: Waiting) -> None:
        self._instruments = [(i, series[i.metric.name]) for i in instruments]
        self._waiting = waiting
        self._columns = sorted(
            {name for i in instruments for e in (i.where, *i.labels.values()) for name in e.meta.root_names()}
        )
        self._texts = {str(label): label for i in instruments for label in i.labels.values()}
        self._known: dict[tuple[str, ...], dict[_Row, _Counts]] = {}  # by the columns that have values
        self._held = 0

    def count(self, given: pl.DataFrame, spans: pl.DataFrame, rows: Ints) -> None:
        """Add the spans that are `rows` of `spans`; `given`: what they say, without the columns that nobody fills."""
        there = {column.name: column for column in given.get_columns() if column.null_count() < len(column)}
        present = [there[name] for name in self._columns if name in there]
        if present:
            distinct, number = numbered(pl.DataFrame(present))
        else:
            distinct, number = pl.DataFrame({"": [0]}), np.zeros(len(rows), dtype=np.int64)
        found = self._look_up(distinct, spans)
        for n, (instrument, series) in enumerate(self._instruments):
            labels = [row[n] for row in found]
            if any(one is not None for one in labels) and (instrument.value is None or instrument.value in there):
                self._count(instrument, series, there, labels, number, spans, rows)

    def _look_up(self, distinct: pl.DataFrame, spans: pl.DataFrame) -> list[_Counts]:
        """For each distinct row, its labels under each instrument."""
        if self._held > _KNOWN_ROWS:
            self._known, self._held = {}, 0
        known = self._known.setdefault(tuple(distinct.columns), {})
        rows = list(distinct.iter_rows())
        new = [i for i, row in enumerate(rows) if row not in known]
        if new:
            types = spans.schema
            absent = [
                pl.lit(None, types.get(c, pl.String())).alias(c) for c in self._columns if c not in distinct.columns
            ]
            known.update(zip((rows[i] for i in new), self._work_out(distinct[new].with_columns(absent)), strict=True))
            long = sum(len(text) for i in new for text in rows[i] if isinstance(text, str))
            self._held += len(new) + long // _LABEL_LENGTH
        return [known[row] for row in rows]

    def _work_out(self, rows: pl.DataFrame) -> list[_Counts]:
        said = rows.select(
            pl.first().alias(""),
            *(text.cast(pl.String).fill_null("").str.slice(0, _LABEL_LENGTH).alias(name) for name, text in self._texts.items()),
            *(i.where.fill_null(value=False).alias(f"where {n}") for n, (i, _) in enumerate(self._instruments)),
        ).to_dict(as_series=False)  # fmt: skip
        by_instrument = []
        for n, (instrument, _) in enumerate(self._instruments):
            labels = zip(*(said[str(label)] for label in instrument.labels.values()), strict=True)
            by_instrument.append([one if yes else None for one, yes in zip(labels, said[f"where {n}"], strict=True)])
        return list(zip(*by_instrument, strict=True))

    def _count(
        self, instrument: Instrument, series: Series, there: Mapping[str, pl.Series], labels: list[Labels | None],
        number: Ints, spans: pl.DataFrame, of: Ints,
    ) -> None:  # fmt: skip
        """Count under one instrument; of spans whose labels are None nothing is. `of`: the row in `spans` of each.

        One value that is not finite would spoil a sum for good, and a counter never falls: such values are refused.
        """
        chosen = np.array([one is not None for one in labels])
        if instrument.value is None:
            amounts = np.bincount(number, minlength=len(labels)).astype(np.float64)
            series.add([one for one in labels if one is not None], amounts[chosen])
            return
        column = there[instrument.value]
        values = column.cast(pl.Float64).to_numpy()
        given = chosen[number]
        if column.null_count():
            given &= column.is_not_null().to_numpy()
        rows = np.flatnonzero(given & series.sound(values))
        series.refused += int(given.sum()) - len(rows)
        if not len(rows):
            return
        values, own = values[rows], (np.cumsum(chosen) - 1)[number[rows]]
        found = [one for one in labels if one is not None]
        if instrument.kind == "gauge":
            series.show(found, own, values)
        elif instrument.kind == "counter":
            added = np.unique(own)
            series.add([found[i] for i in added.tolist()], np.bincount(own, values)[added])
        else:
            series.put(found, own, values)
            if series.lasting:
                self._offer(series, found, spans, of[rows], own, values)

    def _offer(
        self, series: Series, labels: list[Labels], spans: pl.DataFrame, rows: Ints, number: Ints, values: Floats
    ) -> None:
        log_ns = spans["log_ns"][-1] or 0
        for one, at in series.candidates(labels, number, values, log_ns).items():
            row = int(rows[at])
            tenant, high, low, span_id, end_ns = (
                spans[c][row] for c in ("tenant", "trace_hi", "trace_lo", "span_id", "end_ns")
            )
            self._waiting.offer(series, one, Exemplar(float(values[at]), (tenant, high, low), span_id, end_ns), log_ns)
