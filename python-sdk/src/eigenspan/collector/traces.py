"""Open traces: what has arrived of each, and when each is due.

A trace lives in a slot, a reusable row of arrays; its spans are rows of a second set of arrays, linked from the last to
the first. No span's bytes are held, only where they lie in the log. A turn touches the traces that something arrived
for and those that are due, never all of them.

A trace is due when its root has ended and `settle` has passed, or when nothing has arrived for `idle`. One that waits for a
job (see `jobs`) is not due before the job has ended, in whatever trace that is said, or `job_ttl` has passed. All are
measured on log time (see `clock`).
"""

from __future__ import annotations

from collections import Counter, defaultdict
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from eigenspan.collector.columns import ROW, Chains, Ints, Longs, Rows, texts
from eigenspan.collector.decided import Decided, Decision, Dropped, Keys, TraceKey
from eigenspan.collector.due import QUANTUM_SCHEMA, Due, Hold, Late
from eigenspan.collector.groups import Groups, grouped
from eigenspan.collector.index import Index
from eigenspan.collector.jobs import Jobs, Settled, said
from eigenspan.collector.spans import FIXED, TYPES, Watch
from eigenspan.collector.watch import SPAN_ONLY

_SECOND = 1_000_000_000
_NEVER = np.iinfo(np.int64).max

_TRACE_COLUMNS = {
    "open": bool, "rooted": bool, "failed": bool, "due_ns": np.int64, "seen_ns": np.int64, "opened_ns": np.int64,
    "head": ROW, "count": np.int64, "errors": np.int64, "oks": np.int64, "bytes": np.int64, "start_ns": np.uint64,
    "end_ns": np.uint64, "first_position": np.uint64, "root_row": ROW, "high": np.uint64, "low": np.uint64,
    "tenant": np.int32, "root": object, "trace_state": object, "quantum_head": ROW,
}  # fmt: skip
_SPAN_COLUMNS = {
    "position": np.uint64, "offset": np.uint32, "length": np.uint32, "span_id": np.uint64, "kind": np.int8,
    "state": object, "quantum": bool, "foreign": bool,
}  # fmt: skip
_QUANTUM = [column for column in QUANTUM_SCHEMA if column != "trace"]
_NUMPY = {pl.UInt64: np.uint64, pl.UInt32: np.uint32, pl.Int32: np.int32}
_WORDS = 1 << 14
_COPIED = ("position", "offset", "length", "span_id", "kind", "quantum", "foreign")


class Traces:
    """All undecided traces."""

    def __init__(
        self,
        watch: Watch,
        decided: Decided,
        *,
        settle_s: float,
        idle_s: float,
        job_ttl_s: float = 259_200.0,
        max_traces: int = 1_000_000,
        max_spans: int = 1_000_000,
    ) -> None:
        self._decided = decided
        self._settle_ns, self._idle_ns = int(settle_s * _SECOND), int(idle_s * _SECOND)
        self._ttl_ns = int(job_ttl_s * _SECOND)
        self._max_traces, self._max_spans = max_traces, max_spans
        self.jobs = Jobs()
        self._watch = watch
        self._watched = {w.column: w.type for w in watch if w.column not in SPAN_ONLY}
        types = {c: np.float64 if t in ("int", "double") else object for c, t in self._watched.items()}
        self._traces = Rows(_TRACE_COLUMNS | {f"a:{column}": dtype for column, dtype in types.items()})
        self._spans = Chains(_SPAN_COLUMNS, kept=set(_COPIED) - {"position"})
        always = set(_QUANTUM) & {*FIXED, "position", "backend"}
        self._quantum = Chains({c: _NUMPY.get(QUANTUM_SCHEMA[c], object) for c in _QUANTUM}, kept=always)
        self._index = Index(self._traces)
        self._tenants: dict[str, int] = {}
        self._words: dict[object, object] = {}  # what traces say often, so that each text is held once
        self._wheel: defaultdict[int, list[Ints]] = defaultdict(list)
        self._turned_to = 0
        self.position = 0
        self.counts: Counter[str] = Counter()

    def __len__(self) -> int:
        return len(self._traces)

    @property
    def open_spans(self) -> int:
        """Spans of undecided traces."""
        return len(self._spans)

    def replay_from(self) -> int:
        """The first position that an undecided trace needs, or the next one."""
        if not len(self):
            return self.position + 1
        t = self._traces
        return int(t["first_position"][t["open"]].min())

    def add(self, spans: pl.DataFrame) -> Late | None:
        """Take in committed spans (classified); returns those whose trace was already decided."""
        if spans.is_empty():
            return None
        late = self._add(spans)
        settled = self.jobs.apply(said(spans, self._slots_of))
        if settled.free or settled.failed:
            self._settle(settled, int(spans["log_ns"].max()))  # type: ignore[arg-type]  # there are some
        return late

    def _settle(self, settled: Settled, log_ns: int) -> None:
        t = self._traces
        failed, free = (np.fromiter(sorted(slots), dtype=np.int64) for slots in (settled.failed, settled.free))
        t["failed"][failed] = True
        t["due_ns"][free] = log_ns + np.where(t["rooted"][free], self._settle_ns, self._idle_ns)
        self._schedule(free)

    def live(self, before: int) -> dict[int, list[int]]:
        """Positions below `before` that hold spans of undecided traces, and the offsets of those spans."""
        rows = np.flatnonzero((self._spans["position"] > 0) & (self._spans["position"] < before))
        found: defaultdict[int, list[int]] = defaultdict(list)
        where = zip(self._spans["position"][rows].tolist(), self._spans["offset"][rows].tolist(), strict=True)
        for position, offset in sorted(where):
            found[position].append(offset)
        return dict(found)

    def _identified(self, spans: pl.DataFrame) -> tuple[Longs, Longs, Ints]:
        """The ids of the spans' traces and the numbers of their tenants."""
        tenants = spans["tenant"]
        numbers = np.zeros(len(spans), dtype=np.int64)
        for tenant in tenants.unique() if (tenants != "").any() else [""]:
            numbers[(tenants == tenant).to_numpy()] = self._tenants.setdefault(tenant, len(self._tenants))
        return spans["trace_hi"].to_numpy(), spans["trace_lo"].to_numpy(), numbers

    def _slots_of(self, spans: pl.DataFrame) -> Ints:
        """The slots of the spans' traces; -1 where a trace is not open."""
        ids = self._identified(spans)
        return self._index.find(self._index.prints(*ids), *ids)

    def _keys(self, highs: Longs, lows: Longs, tenants: Ints) -> Keys:
        return Keys(np.array(list(self._tenants), dtype=object)[tenants], highs, lows)

    def _add(self, spans: pl.DataFrame) -> Late | None:
        self.position = max(self.position, int(spans["position"].max()))  # type: ignore[arg-type]  # there are some
        each = self._identified(spans)
        prints = self._index.prints(*each)
        groups = grouped(prints, *each)
        firsts = groups.firsts
        highs, lows, tenants = each[0][firsts], each[1][firsts], each[2][firsts]
        slots = self._index.find(prints[firsts], highs, lows, tenants)
        unknown = np.flatnonzero(slots < 0)
        unknown = unknown[np.argsort(firsts[unknown])]  # as they came
        keys = self._keys(highs[unknown], lows[unknown], tenants[unknown])
        decisions = self._decided.find(keys)
        if decisions:
            through = np.full(len(slots), -1)
            through[unknown] = [decisions[key].through if key in decisions else -1 for key in keys]
            return self._add_beside_decided(spans, through[groups.number], decisions)
        if len(unknown):
            slots[unknown] = self._open(keys, tenants[unknown])
        self._apply(slots, groups, spans)
        self._link(slots[groups.number], groups.order, spans)
        return None

    def _add_beside_decided(
        self, spans: pl.DataFrame, through: Ints, decisions: dict[TraceKey, Decision | Dropped]
    ) -> Late:
        """`through`: how far the decision goes that was made about each span's trace; -1 where there is none."""
        rest = np.flatnonzero(through < 0)
        if len(rest):
            self._add(spans[rest])
        late = (through >= 0) & (spans["position"].to_numpy().astype(np.int64) > through)
        return Late(spans[np.flatnonzero(late)], decisions)

    def _open(self, keys: Keys, tenants: Ints) -> Ints:
        t = self._traces
        slots = t.take(len(keys))
        t["open"][slots] = True
        t["due_ns"][slots] = _NEVER
        t["start_ns"][slots] = np.iinfo(np.uint64).max
        t["first_position"][slots] = np.iinfo(np.uint64).max
        t["head"][slots] = t["quantum_head"][slots] = t["root_row"][slots] = -1
        t["high"][slots], t["low"][slots], t["tenant"][slots] = keys.highs, keys.lows, tenants
        self._index.add(slots)
        return slots

    def _apply(self, slots: Ints, groups: Groups, spans: pl.DataFrame) -> None:
        t, owners = self._traces, slots[groups.number]
        t["count"][slots] += groups.counts
        np.add.at(t["errors"], owners[np.flatnonzero(spans["error"].to_numpy())], 1)
        np.add.at(t["oks"], owners[np.flatnonzero(spans["status"].to_numpy() == 1)], 1)
        np.add.at(t["bytes"], owners, spans["length"].to_numpy().astype(np.int64))
        np.minimum.at(t["start_ns"], owners, spans["start_ns"].to_numpy())
        np.maximum.at(t["end_ns"], owners, spans["end_ns"].to_numpy())
        np.minimum.at(t["first_position"], owners, spans["position"].to_numpy())
        np.maximum.at(t["seen_ns"], owners, spans["log_ns"].to_numpy())
        roots = np.flatnonzero(spans["parent_id"].to_numpy() == 0)
        self._fill("root", slots, groups, roots, spans["name"])
        self._fill("trace_state", slots, groups, _stated(spans), spans["trace_state"])
        for column, type_ in self._watched.items():
            values = spans[column]
            if values.null_count() == len(values):
                continue
            if type_ in ("int", "double"):
                numbers = values.cast(pl.Float64).to_numpy()
                given = np.flatnonzero(~np.isnan(numbers))
                np.fmax.at(t[f"a:{column}"], owners[given], numbers[given])
            else:
                given = np.flatnonzero(values.is_not_null().to_numpy())
                self._fill(f"a:{column}", slots, groups, given, values)
        self._set_due(slots, owners[roots])

    def _fill(self, column: str, slots: Ints, groups: Groups, rows: Ints, values: pl.Series) -> None:
        """Give each trace that has no value yet the first of those in `rows`."""
        if not len(rows):
            return
        held = self._traces[column]
        which, first = groups.first_of(rows)
        blank = np.flatnonzero([value is None for value in held[slots[which]].tolist()])
        if len(self._words) > _WORDS:
            self._words.clear()
        found = values.gather(first[blank]).to_list()
        held[slots[which[blank]]] = np.fromiter(map(self._words.setdefault, found, found), object, len(found))

    def _set_due(self, slots: Ints, rooted: Ints) -> None:
        """When traces that spans came for are due; `rooted`: those to which a root came."""
        t = self._traces
        seen_ns, due_ns = t["seen_ns"][slots], t["due_ns"][slots]
        before = t["rooted"][slots]
        t["rooted"][rooted] = True
        due = np.where(before, due_ns, seen_ns + np.where(t["rooted"][slots], self._settle_ns, self._idle_ns))
        opened_ns = t["opened_ns"][slots]
        t["opened_ns"][slots] = np.where(opened_ns > 0, opened_ns, seen_ns)
        giant = t["count"][slots] > self._max_spans
        due[giant] = np.minimum(due, seen_ns)[giant]
        t["due_ns"][slots] = due
        self._schedule(slots[due < due_ns])

    def _schedule(self, slots: Ints) -> None:
        if not len(slots):
            return
        seconds = self._traces["due_ns"][slots] // _SECOND + 1
        for second in np.unique(seconds).tolist():
            self._wheel[max(second, self._turned_to + 1)].append(slots[seconds == second])

    def _link(self, owners: Ints, order: Ints, spans: pl.DataFrame) -> None:
        """Enter spans as rows of their `owners`; `order` has them owner after owner."""
        t, s = self._traces, self._spans
        rows = np.empty(len(order), dtype=np.int64)
        rows[order] = s.append(t["head"], owners[order])
        for name in _COPIED:
            s[name][rows] = spans[name].to_numpy()
        if len(stated := _stated(spans)):
            s["state"][rows[stated]] = spans["trace_state"].gather(stated).to_numpy()
        roots = np.flatnonzero(spans["parent_id"].to_numpy() == 0)
        roots = roots[t["root_row"][owners[roots]] < 0][::-1]  # of several the first stays
        t["root_row"][owners[roots]] = rows[roots]
        if spans["backend"].null_count() < len(spans):
            at = order[spans["backend"].is_not_null().to_numpy()[order]]
            found = spans.select(c for c in _QUANTUM if spans[c].null_count() < len(spans))[at]
            rows = self._quantum.append(t["quantum_head"], owners[at])
            for column in found:
                self._quantum[column.name][rows] = column.to_numpy()

    def due(self, log_ns: int, hold: Hold | None = None) -> Due | None:
        """Take the traces whose time has come and that `hold` lets go; `close` gives their slots back. None of none."""
        t = self._traces
        found: list[Ints] = []
        later: list[Ints] = []
        for second in [s for s in self._wheel if s * _SECOND <= log_ns]:
            for slots in self._wheel.pop(second):
                slots = slots[t["open"][slots]]
                ready = self._put_off(slots, log_ns)
                found.append(slots[ready])
                later.append(slots[~ready])
        self._turned_to = max(self._turned_to, log_ns // _SECOND)
        if later:
            self._schedule(np.unique(np.concatenate(later)))
        slots = np.unique(np.concatenate(found)) if found else np.empty(0, dtype=np.int64)
        if hold is not None and len(slots):
            slots = self._held_back(slots, log_ns, hold)
        early = self._over_limit(slots)
        if len(early):
            self.counts["decided_early"] += len(early)
        if not len(slots) and not len(early):
            return None
        return self._collect(np.concatenate((slots, early)), early)

    def _held_back(self, slots: Ints, log_ns: int, hold: Hold) -> Ints:
        t = self._traces
        young = np.flatnonzero(t["seen_ns"][slots] + int(hold.most_s * _SECOND) > log_ns)
        waits = young[sorted(hold.waits(self._quantum_frame(slots[young])))]
        t["due_ns"][slots[waits]] = log_ns + _SECOND
        self._schedule(slots[waits])
        return np.delete(slots, waits)

    def _put_off(self, slots: Ints, log_ns: int) -> npt.NDArray[np.bool_]:
        """Which of these traces are due; those that wait for a job are not, before their time is up."""
        t = self._traces
        ready: npt.NDArray[np.bool_] = t["due_ns"][slots] <= log_ns
        if len(self.jobs):
            ends_ns = t["opened_ns"][slots] + self._ttl_ns
            waits = self._wait(slots) & ready & (ends_ns > log_ns) & (t["count"][slots] <= self._max_spans)
            t["due_ns"][slots[waits]] = ends_ns[waits]
            ready &= ~waits
        return ready

    def _wait(self, slots: Ints) -> npt.NDArray[np.bool_]:
        if not len(self.jobs):
            return np.zeros(len(slots), dtype=bool)
        return np.fromiter((self.jobs.waits(slot) for slot in slots.tolist()), dtype=bool, count=len(slots))

    def all_open(self) -> Due | None:
        """Every open trace, due or not."""
        slots = np.flatnonzero(self._traces["open"])
        return self._collect(slots, np.empty(0, dtype=np.int64)) if len(slots) else None

    def apart(self, spans: pl.DataFrame) -> Due | None:
        """Spans (classified) as traces of their own, beside those that are held."""
        other = Traces(self._watch, Decided(), settle_s=0, idle_s=0)
        other.add(spans)
        return other.all_open()

    def _over_limit(self, due: Ints) -> Ints:
        excess = len(self) - len(due) - self._max_traces
        if excess <= 0:
            return np.empty(0, dtype=np.int64)
        t = self._traces
        slots = np.setdiff1d(np.flatnonzero(t["open"]), due)
        order = np.lexsort((t["seen_ns"][slots], self._wait(slots)))  # those that wait for a job go last
        return slots[order[:excess]]

    def _collect(self, slots: Ints, early: Ints) -> Due:
        t = self._traces
        keys = self._keys(t["high"][slots], t["low"][slots], t["tenant"][slots])
        return Due(slots, keys, self._trace_frame(slots, early), self._quantum_frame(slots))

    def spans(self, due: Due, wanted: npt.NDArray[np.bool_]) -> pl.DataFrame:
        """The spans of those due traces that are `wanted`: a row each, `trace` being the row in `due.traces`.

        A span that arrived more than once is there once.
        """
        t, s = self._traces, self._spans
        chosen = np.flatnonzero(wanted)
        slots = due.slots[chosen]
        trace, rows = s.walk(t["head"][slots])
        spans = pl.DataFrame(
            {
                "trace": chosen[trace],
                "root": rows == t["root_row"][slots][trace],
                **{name: s[name][rows] for name in _COPIED},
                "state": texts(s["state"][rows], pl.String()),
            }
        ).sort("trace", "position", "offset")
        once = spans.unique(["trace", "span_id", "kind", "length"], keep="first", maintain_order=True)
        self.counts["duplicate_spans"] += len(spans) - len(once)
        return once

    def _trace_frame(self, slots: Ints, early: Ints) -> pl.DataFrame:
        t = self._traces
        start_ns, end_ns = t["start_ns"][slots], t["end_ns"][slots]
        hurried = np.isin(slots, early) | (t["count"][slots] > self._max_spans)
        duration_ns = np.where(end_ns > start_ns, end_ns - start_ns, 0).astype(np.uint64)
        columns: dict[str, Any] = {
            "trace_lo": t["low"][slots],
            "spans": t["count"][slots],
            "errors": np.maximum(t["errors"][slots], t["failed"][slots]),
            "oks": t["oks"][slots],
            "bytes": t["bytes"][slots],
            "duration_s": duration_ns / _SECOND,
            "start_ns": start_ns,
            "complete": t["rooted"][slots] & ~self._wait(slots) & ~hurried,
            "early": hurried,
            "root": texts(t["root"][slots], pl.String()),
            "trace_state": texts(t["trace_state"][slots], pl.String()),
        }
        for column, type_ in self._watched.items():
            values = t[f"a:{column}"][slots]
            is_number = type_ in ("int", "double")
            columns[column] = pl.Series(values, nan_to_null=True) if is_number else texts(values, TYPES[type_])
        return pl.DataFrame(columns)

    def _quantum_frame(self, slots: Ints) -> pl.DataFrame:
        q = self._quantum
        trace, rows = q.walk(self._traces["quantum_head"][slots])
        order = np.lexsort((q["offset"][rows], q["position"][rows], trace))
        trace, rows = trace[order], rows[order]
        columns = {
            name: texts(q[name][rows], type_()) if q[name].dtype == object else pl.Series(q[name][rows], dtype=type_)
            for name, type_ in QUANTUM_SCHEMA.items()
            if name != "trace"
        }
        return pl.DataFrame({"trace": trace, **columns})

    def postpone(self, due: Due, log_ns: int, by_s: float = 5.0) -> None:
        """Put due traces back that could not be decided."""
        self._traces["due_ns"][due.slots] = log_ns + int(by_s * _SECOND)
        self._schedule(due.slots)

    def close(self, due: Due) -> None:
        """Give back the slots of decided traces."""
        self._spans.give_back(self._spans.walk(self._traces["head"][due.slots])[1])
        self._quantum.give_back(self._quantum.walk(self._traces["quantum_head"][due.slots])[1])
        self._index.remove(due.slots)
        if len(self.jobs):
            self.jobs.forget(due.slots.tolist())
        self._traces.give_back(due.slots)


def _stated(spans: pl.DataFrame) -> Ints:
    """The rows of spans that have a trace state."""
    return np.flatnonzero((spans["trace_state"] != "").to_numpy())
