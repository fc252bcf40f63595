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

from eigenspan.collector.columns import ROW, Chains, Ints, Rows, fill
from eigenspan.collector.decided import Decided, Decision, Dropped, TraceKey
from eigenspan.collector.due import QUANTUM_SCHEMA, Due, Hold, Late
from eigenspan.collector.jobs import Jobs, Settled, said
from eigenspan.collector.spans import TYPES, ValueType, Watch
from eigenspan.collector.watch import SPAN_ONLY

_KEY = ["tenant", "trace_hi", "trace_lo"]
_SECOND = 1_000_000_000
_NEVER = np.iinfo(np.int64).max

_TRACE_COLUMNS = {
    "open": bool, "rooted": bool, "failed": bool, "due_ns": np.int64, "seen_ns": np.int64, "opened_ns": np.int64,
    "head": ROW, "count": np.int64, "errors": np.int64, "oks": np.int64, "bytes": np.int64, "start_ns": np.uint64,
    "end_ns": np.uint64, "first_position": np.uint64, "root_row": ROW, "key": object, "root": object,
    "trace_state": object, "quantum_head": ROW,
}  # fmt: skip
_SPAN_COLUMNS = {
    "position": np.uint64, "offset": np.uint32, "length": np.uint32, "span_id": np.uint64, "kind": np.int8,
    "state": object, "quantum": bool, "foreign": bool,
}  # fmt: skip
_QUANTUM = [column for column in QUANTUM_SCHEMA if column != "trace"]
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
        self._spans = Chains(_SPAN_COLUMNS)
        self._quantum = Chains(
            {c: object if QUANTUM_SCHEMA[c] in (pl.String, pl.Boolean) else np.uint64 for c in _QUANTUM}
        )
        self._slots: dict[TraceKey, int] = {}
        self._wheel: defaultdict[int, list[Ints]] = defaultdict(list)
        self._turned_to = 0
        self.position = 0
        self.counts: Counter[str] = Counter()

    def __len__(self) -> int:
        return len(self._slots)

    @property
    def open_spans(self) -> int:
        """Spans of undecided traces."""
        return len(self._spans)

    def replay_from(self) -> int:
        """The first position that an undecided trace needs, or the next one."""
        if not self._slots:
            return self.position + 1
        t = self._traces
        return int(t["first_position"][t["open"]].min())

    def add(self, spans: pl.DataFrame) -> Late | None:
        """Take in committed spans (classified); returns those whose trace was already decided."""
        if spans.is_empty():
            return None
        late = self._add(spans)
        settled = self.jobs.apply(said(spans, self._slots))
        self._settle(settled, int(spans["log_ns"].max()))  # type: ignore[arg-type]
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

    def _add(self, spans: pl.DataFrame) -> Late | None:
        self.position = max(self.position, int(spans["position"].max()))  # type: ignore[arg-type]
        spans = spans.with_row_index("row")
        given = {c: type_ for c, type_ in self._watched.items() if spans[c].null_count() < len(spans)}
        groups = spans.group_by(_KEY, maintain_order=True).agg(_aggregates(given))
        keys: list[TraceKey] = list(zip(groups["tenant"], groups["trace_hi"], groups["trace_lo"], strict=True))
        slots = np.fromiter((self._slots.get(key, -1) for key in keys), dtype=np.int64, count=len(keys))
        unknown = np.flatnonzero(slots < 0)
        decisions = self._decided.find([keys[i] for i in unknown])
        if decisions:
            return self._add_beside_decided(spans, keys, decisions)
        if len(unknown):
            fresh = self._traces.take(len(unknown))
            slots[unknown] = fresh
            self._open(fresh, [keys[i] for i in unknown])
        self._apply(slots, groups, given)
        self._link(slots, spans, groups)
        return None

    def _add_beside_decided(
        self, spans: pl.DataFrame, keys: list[TraceKey], decisions: dict[TraceKey, Decision | Dropped]
    ) -> Late:
        known = [key for key in keys if key in decisions]
        frame = pl.DataFrame(
            {
                "tenant": [k[0] for k in known],
                "trace_hi": [k[1] for k in known],
                "trace_lo": [k[2] for k in known],
                "through": [decisions[k].through for k in known],
            },
            schema={"tenant": pl.String, "trace_hi": pl.UInt64, "trace_lo": pl.UInt64, "through": pl.UInt64},
        )
        joined = spans.drop("row").join(frame, on=_KEY, how="left", maintain_order="left")
        rest = joined.filter(pl.col("through").is_null()).drop("through")
        if not rest.is_empty():
            self._add(rest)
        late = joined.filter(pl.col("position") > pl.col("through")).drop("through")
        return Late(late, decisions)

    def _open(self, slots: Ints, keys: list[TraceKey]) -> None:
        t = self._traces
        t["open"][slots] = True
        t["due_ns"][slots] = _NEVER
        t["start_ns"][slots] = np.iinfo(np.uint64).max
        t["first_position"][slots] = np.iinfo(np.uint64).max
        t["head"][slots] = t["quantum_head"][slots] = t["root_row"][slots] = -1
        t["key"][slots] = np.fromiter(keys, dtype=object, count=len(keys))
        self._slots.update(zip(keys, slots.tolist(), strict=True))

    def _apply(self, slots: Ints, groups: pl.DataFrame, given: dict[str, ValueType]) -> None:
        t = self._traces
        t["count"][slots] += groups["count"].to_numpy()
        t["errors"][slots] += groups["errors"].to_numpy()
        t["oks"][slots] += groups["oks"].to_numpy()
        t["bytes"][slots] += groups["bytes"].to_numpy()
        for name, pick in (("start_ns", np.minimum), ("end_ns", np.maximum), ("first_position", np.minimum)):
            t[name][slots] = pick(t[name][slots], groups[name].to_numpy())
        for name in ("root", "trace_state"):
            fill(t[name], slots, groups[name])
        for column, type_ in given.items():
            values = groups[column]
            if type_ in ("int", "double"):
                t[f"a:{column}"][slots] = np.fmax(t[f"a:{column}"][slots], values.cast(pl.Float64).to_numpy())
            else:
                fill(t[f"a:{column}"], slots, values)
        seen_ns = groups["log_ns"].to_numpy()
        t["seen_ns"][slots] = np.maximum(t["seen_ns"][slots], seen_ns)
        rooted, has_root = t["rooted"][slots], groups["has_root"].to_numpy()
        due = np.where(
            rooted, t["due_ns"][slots], np.where(has_root, seen_ns + self._settle_ns, seen_ns + self._idle_ns)
        )
        opened_ns = t["opened_ns"][slots]
        t["opened_ns"][slots] = np.where(opened_ns > 0, opened_ns, seen_ns)
        giant = t["count"][slots] > self._max_spans
        due[giant] = np.minimum(due, seen_ns)[giant]
        moved_up = slots[due < t["due_ns"][slots]]
        t["due_ns"][slots] = due
        t["rooted"][slots] = rooted | has_root
        self._schedule(moved_up)

    def _schedule(self, slots: Ints) -> None:
        if not len(slots):
            return
        seconds = self._traces["due_ns"][slots] // _SECOND + 1
        for second in np.unique(seconds).tolist():
            self._wheel[max(second, self._turned_to + 1)].append(slots[seconds == second])

    def _link(self, slots: Ints, spans: pl.DataFrame, groups: pl.DataFrame) -> None:
        t, s = self._traces, self._spans
        owners = np.repeat(slots, groups["count"].to_numpy())
        order = groups["rows"].explode().to_numpy()
        rows = s.append(t["head"], owners)
        for name in _COPIED:
            s[name][rows] = spans[name].to_numpy()[order]
        states = spans["trace_state"]
        if (states != "").any():
            s["state"][rows] = states.to_numpy()[order]
        where = np.empty(len(order), dtype=np.int64)
        where[order] = rows
        root_rows = groups["root_at"].to_numpy()
        with_root = np.flatnonzero(groups["has_root"].to_numpy() & (t["root_row"][slots] < 0))
        t["root_row"][slots[with_root]] = where[root_rows[with_root].astype(np.int64)]
        at = np.flatnonzero(spans["backend"].is_not_null().to_numpy()[order])
        if len(at):
            found = spans.select(c for c in _QUANTUM if spans[c].null_count() < len(spans))[order[at]]
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
        excess = len(self._slots) - len(due) - self._max_traces
        if excess <= 0:
            return np.empty(0, dtype=np.int64)
        t = self._traces
        slots = np.setdiff1d(np.flatnonzero(t["open"]), due)
        order = np.lexsort((t["seen_ns"][slots], self._wait(slots)))  # those that wait for a job go last
        return slots[order[:excess]]

    def _collect(self, slots: Ints, early: Ints) -> Due:
        keys = self._traces["key"][slots].tolist()
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
                "state": pl.Series(s["state"][rows].tolist(), dtype=pl.String),
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
            "trace_lo": np.fromiter((key[2] for key in t["key"][slots]), dtype=np.uint64, count=len(slots)),
            "spans": t["count"][slots],
            "errors": np.maximum(t["errors"][slots], t["failed"][slots]),
            "oks": t["oks"][slots],
            "bytes": t["bytes"][slots],
            "duration_s": duration_ns / _SECOND,
            "start_ns": start_ns,
            "complete": t["rooted"][slots] & ~self._wait(slots) & ~hurried,
            "early": hurried,
            "root": pl.Series(t["root"][slots].tolist(), dtype=pl.String),
            "trace_state": pl.Series(t["trace_state"][slots].tolist(), dtype=pl.String),
        }
        for column, type_ in self._watched.items():
            values = t[f"a:{column}"][slots]
            if type_ in ("int", "double"):
                series = pl.Series(values, nan_to_null=True)
            else:
                series = pl.Series(values.tolist(), dtype=TYPES[type_])
            columns[column] = series
        return pl.DataFrame(columns)

    def _quantum_frame(self, slots: Ints) -> pl.DataFrame:
        trace, rows = self._quantum.walk(self._traces["quantum_head"][slots])
        columns = {"trace": trace} | {name: self._quantum[name][rows].tolist() for name in _QUANTUM}
        return pl.DataFrame(columns, schema=QUANTUM_SCHEMA).sort("trace", "position", "offset")

    def postpone(self, due: Due, log_ns: int, by_s: float = 5.0) -> None:
        """Put due traces back that could not be decided."""
        self._traces["due_ns"][due.slots] = log_ns + int(by_s * _SECOND)
        self._schedule(due.slots)

    def close(self, due: Due) -> None:
        """Give back the slots of decided traces."""
        self._spans.give_back(self._spans.walk(self._traces["head"][due.slots])[1])
        self._quantum.give_back(self._quantum.walk(self._traces["quantum_head"][due.slots])[1])
        for key in due.keys:
            del self._slots[key]
        self.jobs.forget(due.slots.tolist())
        self._traces.give_back(due.slots)


def _aggregates(watched: dict[str, ValueType]) -> list[pl.Expr]:
    root = pl.col("parent_id") == 0
    attributes = [
        pl.col(column).max() if type_ in ("int", "double") else pl.col(column).drop_nulls().first()
        for column, type_ in watched.items()
    ]
    return [
        pl.len().cast(pl.Int64).alias("count"),
        pl.col("error").sum().cast(pl.Int64).alias("errors"),
        (pl.col("status") == 1).sum().cast(pl.Int64).alias("oks"),
        pl.col("length").cast(pl.Int64).sum().alias("bytes"),
        pl.col("start_ns").min(),
        pl.col("end_ns").max(),
        pl.col("position").min().alias("first_position"),
        pl.col("log_ns").max(),
        root.any().alias("has_root"),
        pl.col("name").filter(root).first().alias("root"),
        pl.col("row").filter(root).first().fill_null(0).alias("root_at"),
        pl.col("trace_state").filter(pl.col("trace_state") != "").first(),
        pl.col("row").alias("rows"),
        *attributes,
    ]
