"""The way of the data: receive → scan → redact → log → measure → decide → enrich → export.

The first four happen at the door (`receive`, `commit`, `log`), before a client gets its answer; export empties what a
turn leaves in the outbox. `tick` is what lies between.
"""

from __future__ import annotations

import sqlite3
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import msgspec
import numpy as np
import polars as pl

from eigenspan.calibration.attributes import backend_attributes
from eigenspan.calibration.estimators import circuit_attributes
from eigenspan.collector.calibrate import Calibrated, calibrate, describe, unconfirmed
from eigenspan.collector.circuit import read_usage
from eigenspan.collector.classify import classify
from eigenspan.collector.commit import Admission, Committed
from eigenspan.collector.conform import Compliance, conform, parse
from eigenspan.collector.decided import RECALLED, Decided, Decision, TraceKey, key_of, trace_bytes
from eigenspan.collector.due import Hold
from eigenspan.collector.enrich import Add, encode_attributes, enrich
from eigenspan.collector.errors import Unavailable
from eigenspan.collector.own_traces import Stage, untraced
from eigenspan.collector.state import Checkpoint, Item, KeptRow
from eigenspan.collector.success import success_probabilities
from eigenspan.collector.valve import Valve

if TYPE_CHECKING:
    from opentelemetry.proto.trace.v1.trace_pb2 import Span

    from eigenspan.calibration.asof import AsOfIndex
    from eigenspan.calibration.snapshot import Snapshot
    from eigenspan.collector.decide import Rules
    from eigenspan.collector.due import Due, Late
    from eigenspan.collector.jobs import JobKey
    from eigenspan.collector.log import Live, Log
    from eigenspan.collector.measure import SpanMetrics
    from eigenspan.collector.receive import Receiver
    from eigenspan.collector.regret import Regret
    from eigenspan.collector.spans import Signal
    from eigenspan.collector.state import State
    from eigenspan.collector.traces import Traces

LATE_ERROR = "late_error"
"""The rule that keeps an error whose trace was dropped before it came and is in the log no more."""
_WHY_LATE = "an error arrived after the trace was dropped"
_WHY_ASKED = "it was asked for after it was dropped"
_KEY = ["tenant", "trace_hi", "trace_lo"]
_HOUSEKEEPING_NS = 5_000_000_000


@dataclass(frozen=True, slots=True)
class Calibrations:
    """The as-of index of every snapshot, the way to a whole document by its version, and how long to wait for a poll."""

    index: Callable[[], AsOfIndex]
    document: Callable[[str], Snapshot]
    wait_s: float = 0.0

    def hold(self) -> Hold | None:
        """Lets due traces wait for the poll that confirms their snapshot; None where nothing waits."""
        return Hold(lambda quantum: unconfirmed(quantum, self.index()), self.wait_s) if self.wait_s else None


@dataclass(frozen=True, slots=True)
class Conventions:
    """Whether kept spans are brought to the registry's names, of which version, and whether the old ones stay beside."""

    schema: str
    normalise: bool = True
    keep_original: bool = False


@dataclass(frozen=True, slots=True)
class Limits:
    """When the door closes, how long decisions are remembered, and how much of what was dropped stays in the log."""

    log_bytes: int
    window_ns: int
    keep_ns: int = 0
    keep_bytes: int = 0


Reread = Callable[[str, Sequence[int]], pl.DataFrame]
"""The committed spans of a tenant's payloads at these positions, as far as the log still holds them."""


@dataclass(slots=True)
class _Turn:
    """What one turn will commit."""

    items: list[tuple[Signal, Item]] = field(default_factory=list)
    kept: list[KeptRow] = field(default_factory=list)
    dropped: list[bytes] = field(default_factory=list)
    ended: dict[JobKey, bool] = field(default_factory=dict)  # jobs, and whether they failed
    answered: list[tuple[str, bytes, str]] = field(default_factory=list)  # what was asked for: tenant, trace, outcome


class Pipeline:
    """One turn after another, in one thread. The stages that it calls have no I/O and no clock of their own."""

    def __init__(
        self,
        *,
        receiver: Receiver,
        log: Log,
        state: State,
        traces: Traces,
        decided: Decided,
        regret: Regret,
        reread: Reread,
        rules: Rules,
        calibrations: Calibrations,
        metrics: SpanMetrics,
        compliance: Compliance,
        conventions: Conventions,
        exporters: dict[Signal, Sequence[str]],
        limits: Limits,
        stage: Stage = untraced,
    ) -> None:
        self.receiver, self.log, self.state = receiver, log, state
        self.traces, self.decided, self.regret, self.reread, self.rules = traces, decided, regret, reread, rules
        self.calibrations, self.exporters, self.limits = calibrations, exporters, limits
        self.metrics, self.compliance, self.conventions = metrics, compliance, conventions
        self.valve, self.stage = Valve(), stage
        self.normalised: Counter[str] = Counter()  # what `conform` did
        self.counts: Counter[str] = Counter()
        self.enriched: Counter[tuple[str, str, str]] = Counter()  # backend, calibration version, match
        self._handled = 0  # the last position, of any signal, that a committed turn covers
        self._turn = _Turn()
        self._batches: list[Committed] = []  # drained from the receiver and not yet taken in
        self._late: list[Late] = []  # late spans whose decisions have not been followed yet
        self._housekept_ns = 0
        self._now_ns = 0

    def replay(self, committed: Iterable[Committed], checkpoint: Checkpoint | None, wall_ns: int = 0) -> None:
        """Take up the log again: what was decided is known, what was not is open as it was."""
        self._now_ns = wall_ns
        self._handled = checkpoint.through if checkpoint else 0
        for batch in committed:
            self._batches.append(batch)
            self._take_in()
            self.regret.settle()

    def tick(self, log_ns: int, wall_ns: int) -> int:
        """One turn: what is on disk becomes columns, columns become decisions, decisions become rows to send.

        Returns the number of new rows. Raises Unavailable where the state cannot be written; the turn is then finished
        by a later call, and the door stays shut until it is.
        """
        turn = self._turn
        self._now_ns = wall_ns
        if not self._batches:  # else what came before is not taken in yet, and the receiver's own bound must hold
            self._batches = self.receiver.committed()
        self._take_in()
        due = self.traces.due(log_ns, self.calibrations.hold())
        if due is not None:
            try:
                self._decide(due, log_ns, wall_ns)
            except BaseException:
                self.traces.postpone(due, log_ns)
                raise
            self.traces.close(due)
        stale = log_ns - self._housekept_ns >= _HOUSEKEEPING_NS
        if stale:
            self._recall_what_was_asked_for()
        if turn.items or turn.dropped or turn.answered or (stale and self.traces.position > self._handled):
            self._commit(log_ns, wall_ns)
        if stale:
            self._housekeep(log_ns, wall_ns)
        self._admit()
        return len(turn.items)

    def _take_in(self) -> None:
        """What became durable: other signals go straight on, spans are counted and join their traces.

        What fails is done again by the next turn: nothing is let go of before it is held elsewhere.
        """
        if self._batches:
            self._join(self._batches)
            self._batches = []
        while self._late:
            self._follow(self._late[0])
            self._late.pop(0)

    def _join(self, batches: Sequence[Committed]) -> None:
        with self.stage("receive", payloads=len(batches)) as counted:
            spans = classify(pl.concat([batch.spans for batch in batches]))
            counted["spans"] = len(spans)
        with self.stage("measure", spans=len(spans)):
            self.metrics.count(spans)
        self.regret.note(spans, batches[-1].through)
        late = self.traces.add(spans)
        if late is not None and not late.spans.is_empty():
            self._late.append(late)
        for batch in batches:
            for position, signal, tenant in batch.others:
                if position > self._handled:
                    self._turn.items.append((signal, Item(tenant, b"", position=position)))
                    if not self.exporters[signal]:
                        self.counts[f"not_exported_{signal}"] += 1
        self.traces.position = max(self.traces.position, batches[-1].through)

    def _follow(self, late: Late) -> None:
        """Late spans of a kept trace follow it. An error of a dropped one brings it back; its other spans are counted."""
        there = set(late.spans.select(_KEY).iter_rows())
        kept = {key: found for key, found in late.decisions.items() if isinstance(found, Decision) and key in there}
        self._send_late(late.spans, kept, say_why=False)
        failed = set(late.spans.filter("error").select(_KEY).iter_rows())
        wanted = self._wanted_back(late.spans) if self.rules.late else {}
        alone: dict[TraceKey, Decision] = {}
        for key, found in late.decisions.items():
            if isinstance(found, Decision) or key not in there:
                continue
            why = _WHY_LATE if key in failed else wanted.get(key)
            if why and self._recall(key, _of(late.spans, key), why):
                continue
            if key not in failed:
                self.counts["late_spans_dropped"] += len(_of(late.spans, key))
            else:
                alone[key] = Decision(True, None, LATE_ERROR, _WHY_LATE, False, found.through, self._now_ns)
        self._send_late(late.spans, alone, say_why=True)
        self.counts["late_error_traces"] += len(alone)

    def _wanted_back(self, spans: pl.DataFrame) -> dict[TraceKey, str]:
        """The traces of late spans that a rule wants back, and why."""
        due = self.traces.apart(spans)
        if due is None:
            return {}
        calibrated = calibrate(due.quantum, self.calibrations.index()) if self.rules.read_calibration else []
        rules = self.rules.want_back(describe(due, calibrated))
        return {key: f"the rule {rule} wants it back" for key, rule in zip(due.keys, rules, strict=True) if rule}

    def _recall(self, key: TraceKey, late: pl.DataFrame, why: str) -> int:
        """Keep a dropped trace after all, with what came since; how many of its spans the log still held."""
        again = _of(self.reread(key[0], self.regret.positions(key)), key)
        again = again.join(late, on=("position", "offset"), how="anti", maintain_order="left")
        if again.is_empty():
            return 0
        spans = pl.concat([classify(again), late.select(*again.columns, "error", "quantum", "foreign")])
        spans = spans.unique(["span_id", "kind", "length"], keep="first", maintain_order=True)
        rooted = bool((spans["parent_id"] == 0).any())
        decision = Decision(True, None, RECALLED, why, rooted, self.traces.position, self._now_ns)
        self._send_late(spans, {key: decision}, say_why=True, late=False)
        self.counts["recalled_traces"] += 1
        return len(again)

    def _recall_what_was_asked_for(self) -> None:
        for tenant, trace in self.state.wanted():
            key = key_of(tenant, trace)
            found = self.decided.find([key]).get(key)
            if isinstance(found, Decision):
                outcome = "it was kept"
            elif found is None:
                outcome = "no decision about it is remembered: it is undecided, never came, or is too old"
            else:
                none = self.reread(key[0], []).pipe(classify)
                spans = self._recall(key, none, _WHY_ASKED)
                outcome = f"recalled: {spans} spans" if spans else "it was dropped, and the log holds it no more"
            self._turn.answered.append((tenant, trace, outcome))

    def _send_late(
        self, spans: pl.DataFrame, decisions: dict[TraceKey, Decision], *, say_why: bool, late: bool = True
    ) -> None:
        """Send those of `spans` whose traces `decisions` keeps, and remember how far they go."""
        keys = list(decisions)
        number = pl.DataFrame(
            {"tenant": [k[0] for k in keys], "trace_hi": [k[1] for k in keys], "trace_lo": [k[2] for k in keys]},
            schema={"tenant": pl.String, "trace_hi": pl.UInt64, "trace_lo": pl.UInt64},
        ).with_row_index("trace")
        spans = spans.join(number, on=_KEY, how="inner", maintain_order="left")
        self.counts["late_spans_kept" if late else "recalled_spans"] += len(spans)
        if spans.is_empty():
            return
        spans = spans.with_columns(pl.col("trace").cast(pl.Int64), root=pl.col("parent_id") == 0, state="trace_state")
        quantum = spans.filter(pl.col("backend").is_not_null())
        changes = self._changes(spans, calibrate(quantum, self.calibrations.index()))
        through = int(spans["position"].max())  # type: ignore[arg-type]
        now = [msgspec.structs.replace(d, through=max(through, d.through)) for d in decisions.values()]
        items = enrich(spans, keys, now, changes, schema=self.conventions.schema, late=late, say_why=say_why)
        self._turn.items += [("traces", item) for item in items]
        self._keep(keys, now)

    def _decide(self, due: Due, log_ns: int, wall_ns: int) -> None:
        self.compliance.count(due.traces)
        calibrated = calibrate(due.quantum, self.calibrations.index()) if self.rules.read_calibration else []
        document = self.calibrations.document
        success = success_probabilities(calibrated, self.log.read_part, document) if self.rules.read_circuits else {}
        traces = describe(due, calibrated, success)
        relief = self.valve.factor
        with self.stage("decide", traces=len(traces)) as counted:
            decisions = self.rules.decide(traces, self.traces.position, wall_ns, log_ns=log_ns, relief=relief)
            keep = np.fromiter((d.keep for d in decisions), dtype=bool, count=len(decisions))
            counted["kept_traces"] = int(keep.sum())
        if not self.rules.read_calibration:
            kept_quantum = due.quantum.filter(pl.Series(keep[due.quantum["trace"].to_numpy()]))
            calibrated = calibrate(kept_quantum, self.calibrations.index())
        spans = self.traces.spans(due, keep)
        with self.stage("enrich", spans=len(spans)):
            changes = self._changes(spans, [c for c in calibrated if keep[c.trace]], decisions)
            items = enrich(spans, due.keys, decisions, changes, schema=self.conventions.schema)
        self._turn.items += [("traces", item) for item in items]
        self.counts["kept_spans"] += len(spans)
        if not self.exporters["traces"]:
            self.counts["not_exported_traces"] += len(items)
        self.counts["dropped_spans"] += int(due.traces["spans"].to_numpy()[~keep].sum())
        kept = np.flatnonzero(keep).tolist()
        self._keep([due.keys[i] for i in kept], [decisions[i] for i in kept])
        dropped = [due.keys[i] for i in np.flatnonzero(~keep).tolist()]
        self._turn.dropped.append(self.decided.drop(dropped, self.traces.position, wall_ns))
        self.metrics.decided(decisions, traces, due.keys)

    def _keep(self, keys: Sequence[TraceKey], decisions: Sequence[Decision]) -> None:
        for key, decision in zip(keys, decisions, strict=True):
            self.decided.keep(key, decision)
            packed = msgspec.msgpack.encode(decision)
            self._turn.kept.append(KeptRow(key[0], trace_bytes(key), decision.through, decision.decided_ns, packed))

    def _changes(
        self, spans: pl.DataFrame, calibrated: Sequence[Calibrated], decisions: Sequence[Decision] = ()
    ) -> dict[tuple[int, int], Add]:
        """What is cut from and added to kept spans, by position and offset. `decisions`: validate them too."""
        changes: dict[tuple[int, int], Add] = {}
        checked: defaultdict[int, list[Span]] = defaultdict(list)
        attended = spans.filter("quantum" if not self.conventions.normalise else pl.col("quantum") | pl.col("foreign"))
        columns = ("trace", "position", "offset", "length", "foreign")
        for trace, position, offset, length, foreign in attended.select(columns).iter_rows():
            span = parse(self.log.read_part(position, offset, length))
            if span is None:
                continue
            if foreign and self.conventions.normalise:
                changed = conform(span, self.normalised, keep_original=self.conventions.keep_original)
                if changed:
                    changes[position, offset] = changed
            checked[trace].append(span)
        self.compliance.check([(found, decisions[trace]) for trace, found in checked.items() if decisions])
        for at, add in self._calibration_adds(calibrated).items():
            changes[at] = changes.get(at, ()) + add
        return changes

    def _calibration_adds(self, calibrated: Sequence[Calibrated]) -> dict[tuple[int, int], Add]:
        adds: dict[tuple[int, int], Add] = {}
        for found in calibrated:
            summary = found.match.snapshot
            attributes = backend_attributes(
                summary, found.executed_ns, found.match.kind, found.status, changed=found.changed
            )
            if summary is not None:
                span = self.log.read_part(found.position, found.offset, found.length)
                usage = read_usage(span)
                if usage is not None:
                    attributes |= circuit_attributes(self.calibrations.document(summary.version), usage)
                self.enriched[summary.backend, summary.version, found.match.kind] += 1
            else:
                self.enriched["", "", found.match.kind] += 1
            adds[found.position, found.offset] = encode_attributes(attributes)
        return adds

    def _commit(self, log_ns: int, wall_ns: int) -> None:
        """Decisions, rows to send and the position that they cover, in one transaction."""
        turn = self._turn
        turn.ended |= self.traces.jobs.ended()
        checkpoint = Checkpoint(self.traces.replay_from(), self.traces.position, log_ns)
        try:
            with self.stage("commit", rows=len(turn.items)):
                self.state.commit(
                    checkpoint, kept=turn.kept, dropped=b"".join(turn.dropped), items=turn.items, answered=turn.answered,
                    ended=turn.ended, exporters=self.exporters, now_ns=wall_ns, stages=self.metrics.save() | self.rules.save(),
                )  # fmt: skip
        except sqlite3.Error as error:
            self.receiver.admit(
                Admission(open=False, reason=f"the state cannot be written: {error}", retry_after_s=5.0)
            )
            raise Unavailable(f"the state cannot be written: {error}", retry_after_s=5.0) from error
        self.metrics.saved()
        self.rules.saved()
        self._handled = checkpoint.through
        self._turn = _Turn()

    def _housekeep(self, log_ns: int, wall_ns: int) -> None:
        """Files for what is in memory and need not be, and room: what nothing needs and the regret window does not cover."""
        self._housekept_ns = log_ns
        before_ns = wall_ns - self.limits.window_ns
        self.regret.settle()
        if not self._turn.dropped and self.decided.dropped.freeze(wall_ns):
            self.state.forget_dropped()
        self.decided.forget(before_ns)
        self.state.forget(before_ns)
        needed = min(self.traces.replay_from(), self._handled + 1)
        referenced = self.state.oldest_referenced()
        needed = needed if referenced is None else min(needed, referenced)
        window = {"older_than_ns": wall_ns - self.limits.keep_ns, "over_bytes": self.limits.keep_bytes}
        self.log.trim(needed, **window)
        self.log.compact(self._live, **window)
        self.regret.forget(self.log.whole_from)

    def _live(self, before: int) -> Live:
        """What long traces and undelivered rows need of the log below a position."""
        return dict.fromkeys(self.state.referenced(before), ()) | self.traces.live(before)

    def _admit(self) -> None:
        if self.log.size_bytes > self.limits.log_bytes:
            self.receiver.admit(
                Admission(open=False, reason="the log has reached service.log.max_bytes", retry_after_s=5.0)
            )
        else:
            self.receiver.admit(Admission())


def _of(spans: pl.DataFrame, key: TraceKey) -> pl.DataFrame:
    tenant, high, low = key
    return spans.filter((pl.col("trace_lo") == low) & (pl.col("trace_hi") == high) & (pl.col("tenant") == tenant))
