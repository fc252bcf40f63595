"""Open traces as a dictionary of lists: what `Traces` does with arrays, slots and a wheel, done the slow way."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from eigenspan.collector.decided import Decided, Keys
from eigenspan.collector.due import Due, Late
from eigenspan.collector.jobs import Phase, phase_of
from eigenspan.collector.traces import Traces
from eigenspan.collector.watch import SPAN_ONLY
from tests.collector.building import SECOND, WATCH, decision, spans

TEXTS = [w.column for w in WATCH if w.type in ("string", "boolean") and w.column not in SPAN_ONLY]
NUMBERS = [w.column for w in WATCH if w.type in ("int", "double") and w.column not in SPAN_ONLY]


def failed(row: dict[str, Any]) -> bool:
    return row["status"] == 2 or row.get("success") is False or row.get("job_status") == "FAILED"


def everything(due: Due) -> np.ndarray:
    return np.ones(len(due.keys), dtype=bool)


@dataclass
class Open:
    """One undecided trace."""

    rows: list[dict[str, Any]] = field(default_factory=list)
    rooted: bool = False
    due_ns: int = 0
    seen_ns: int = 0
    opened_ns: int = 0
    failed: bool = False  # a job that it submitted failed

    def first(self, column: str) -> Any:
        return next((r[column] for r in self.rows if r.get(column) is not None), None)

    def summary(self) -> dict[str, Any]:
        start, end = min(r["start_ns"] for r in self.rows), max(r["end_ns"] for r in self.rows)
        roots = [r["name"] for r in self.rows if r["parent_id"] == 0]
        values = {
            "spans": len(self.rows),
            "errors": max(self.failed, sum(failed(r) for r in self.rows)),
            "duration_s": max(0, end - start) / 1e9,
            "start_ns": start,
            "root": roots[0] if roots else None,
            "trace_state": next((r["trace_state"] for r in self.rows if r["trace_state"]), None),
            "trace_lo": self.rows[0]["trace_lo"],
        }
        values |= {column: self.first(column) for column in TEXTS}
        for column in NUMBERS:
            given = [float(r[column]) for r in self.rows if r.get(column) is not None]
            values[column] = max(given, default=None)
        return values

    def spans(self) -> list[tuple[Any, ...]]:
        once: dict[tuple[int, int, int], tuple[Any, ...]] = {}
        root = next((r for r in self.rows if r["parent_id"] == 0), None)
        for r in sorted(self.rows, key=lambda r: (r["position"], r["offset"])):
            what = (
                r["position"],
                r["offset"],
                r["length"],
                r["span_id"],
                r["kind"],
                r is root,
                r["trace_state"] or None,
            )
            once.setdefault((r["span_id"], r["kind"], r["length"]), what)
        return list(once.values())


class Both:
    """`Traces` and the dictionary side by side; every call compares them."""

    def __init__(
        self, *, settle_s: float = 2.0, idle_s: float = 5.0, job_ttl_s: float = 60.0, max_traces: int = 10**6
    ) -> None:
        self.decided = Decided()
        self.traces = Traces(
            WATCH, self.decided, settle_s=settle_s, idle_s=idle_s, job_ttl_s=job_ttl_s, max_traces=max_traces
        )
        self.ttl_ns = int(job_ttl_s * SECOND)
        self.waiting: dict[tuple[str, str, str], set[tuple[str, int, int]]] = {}
        self.ended: dict[tuple[str, str, str], bool] = {}
        self.settle_ns, self.idle_ns, self.max_traces = int(settle_s * SECOND), int(idle_s * SECOND), max_traces
        self.open: dict[tuple[str, int, int], Open] = {}
        self.verdicts: dict[tuple[str, int, int], tuple[bool, int]] = {}  # kept, through
        self.position = 0

    def add(self, rows: list[dict[str, Any]]) -> None:
        """One turn's rows, in the order in which they are in the log."""
        late = self.traces.add(spans(*rows))
        groups: dict[tuple[str, int, int], list[dict[str, Any]]] = {}
        late_rows = []
        for row in rows:
            key = (row["tenant"], row["trace_hi"], row["trace_lo"])
            self.position = max(self.position, row["position"])
            if key in self.verdicts:
                if row["position"] > self.verdicts[key][1]:
                    late_rows.append((row["position"], row["offset"]))
            else:
                groups.setdefault(key, []).append(row)
        for key, group in groups.items():
            trace = self.open.setdefault(key, Open())
            log_ns = max(r["log_ns"] for r in group)
            has_root = any(r["parent_id"] == 0 for r in group)
            if not trace.rooted:
                trace.due_ns = log_ns + (self.settle_ns if has_root else self.idle_ns)
            trace.rooted |= has_root
            trace.seen_ns = max(trace.seen_ns, log_ns)
            trace.opened_ns = trace.opened_ns or log_ns
            trace.rows += group
        self._jobs(rows)
        self._compare_late(late, late_rows)
        self._compare()

    def _jobs(self, rows: list[dict[str, Any]]) -> None:
        freed = set()
        for row in rows:
            key, job = (row["tenant"], row["trace_hi"], row["trace_lo"]), (row["tenant"], "", row["job_id"])
            phase = phase_of(None, row["job_status"], row["kind"], row["success"])
            if row["job_id"] is None or phase is Phase.UNKNOWN:
                continue
            if phase in (Phase.ENDED, Phase.FAILED):
                self.ended[job] = phase is Phase.FAILED
                waited = self.waiting.pop(job, set())
                freed |= {k for k in waited if not self.waits(k)}
                for k in {*waited, key} & self.open.keys() if self.ended[job] else ():
                    self.open[k].failed = True
            elif key in self.open and job in self.ended:
                self.open[key].failed |= self.ended[job]
            elif key in self.open:
                self.waiting.setdefault(job, set()).add(key)
        for k in freed:
            trace = self.open[k]
            trace.due_ns = max(r["log_ns"] for r in rows) + (self.settle_ns if trace.rooted else self.idle_ns)

    def waits(self, key: tuple[str, int, int]) -> bool:
        return any(key in keys for keys in self.waiting.values())

    def due_ns(self, key: tuple[str, int, int]) -> int:
        trace = self.open[key]
        return max(trace.due_ns, trace.opened_ns + self.ttl_ns) if self.waits(key) else trace.due_ns

    def _compare_late(self, late: Late | None, expected: list[tuple[int, int]]) -> None:
        found = [] if late is None else late.spans.select("position", "offset").rows()
        assert found == expected
        if late is not None:
            for key, verdict in late.decisions.items():
                assert verdict.through == self.verdicts[key][1]

    def _compare(self) -> None:
        assert len(self.traces) == len(self.open)
        assert self.traces.open_spans == sum(len(t.rows) for t in self.open.values())
        assert self.traces.position == self.position
        needed = [r["position"] for t in self.open.values() for r in t.rows]
        assert self.traces.replay_from() == min(needed, default=self.position + 1)

    def due(self, log_ns: int, keep: Any = lambda key: True) -> list[tuple[str, int, int]]:
        """Take what is due, compare it, and decide it."""
        due = self.traces.due(log_ns)
        keys = [] if due is None else list(due.keys)
        early = set() if due is None else {k for k, e in zip(keys, due.traces["early"], strict=True) if e}
        on_time = set(keys) - early
        assert len(set(keys)) == len(keys)
        assert on_time >= {k for k in self.open if (self.due_ns(k) // SECOND + 1) * SECOND <= log_ns}
        assert on_time <= {k for k in self.open if self.due_ns(k) <= log_ns}
        rest = sorted((self.waits(k), t.seen_ns) for k, t in self.open.items() if k not in on_time)
        excess = max(0, len(rest) - self.max_traces)
        assert sorted((self.waits(k), self.open[k].seen_ns) for k in early) == rest[:excess]
        if due is not None:
            self._compare_due(due, early)
            self._decide(due, keep, log_ns)
        self._compare()
        return keys

    def _compare_due(self, due: Due, early: set[Any]) -> None:
        per_trace: dict[int, list[tuple[Any, ...]]] = {}
        columns = ("trace", "position", "offset", "length", "span_id", "kind", "root", "state")
        some = self.traces.spans(due, np.arange(len(due.keys)) % 2 == 0).select(columns)
        found = self.traces.spans(due, everything(due)).select(columns)
        assert some.equals(found.filter(found["trace"] % 2 == 0))
        for trace, *rest in found.iter_rows():
            per_trace.setdefault(trace, []).append((*rest[:-1], rest[-1] or None))
        quantum: dict[int, list[tuple[Any, ...]]] = {}
        for row in due.quantum.iter_rows(named=True):
            quantum.setdefault(row["trace"], []).append((row["position"], row["offset"], row["backend"], row["job_id"]))
        for i, (key, row) in enumerate(zip(due.keys, due.traces.iter_rows(named=True), strict=True)):
            trace = self.open[key]
            complete = trace.rooted and key not in early and not self.waits(key)
            expected = trace.summary() | {"complete": complete, "early": key in early}
            assert {name: row[name] for name in expected} == expected
            assert per_trace[i] == trace.spans()
            assert quantum.get(i, []) == [
                (r["position"], r["offset"], r["backend"], r.get("job_id"))
                for r in trace.rows
                if r.get("backend") is not None
            ]

    def _decide(self, due: Due, keep: Any, log_ns: int) -> None:
        through = self.traces.position
        dropped = []
        for key in due.keys:
            kept = keep(key)
            self.verdicts[key] = (kept, through)
            if kept:
                self.decided.keep([key], [decision(through=through, decided_ns=log_ns)])
            else:
                dropped.append(key)
            del self.open[key]
            self.waiting = {job: keys - {key} for job, keys in self.waiting.items() if keys - {key}}
        self.decided.drop(Keys.of(dropped), through, log_ns)
        self.traces.close(due)
