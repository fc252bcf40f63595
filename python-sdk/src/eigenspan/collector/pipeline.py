"""The way of the data: receive → scan → redact → log → measure → decide → enrich → export.

The first four happen at the door (`receive`, `commit`, `log`), before a client gets its answer; export empties what a
turn leaves in the outbox. `tick` is what lies between.
"""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import msgspec
import numpy as np
import polars as pl

from eigenspan.collector.calibrate import calibrate, describe
from eigenspan.collector.changes import Calibrations, Changes, Conventions
from eigenspan.collector.classify import classify
from eigenspan.collector.commit import Admission, Committed
from eigenspan.collector.conform import Compliance
from eigenspan.collector.decided import Decided, Decision, TraceKey
from eigenspan.collector.enrich import enrich
from eigenspan.collector.errors import Unavailable
from eigenspan.collector.item import Item
from eigenspan.collector.late import Latecomers, Reread, Sending
from eigenspan.collector.own_traces import Stage, untraced
from eigenspan.collector.state import Checkpoint
from eigenspan.collector.success import success_probabilities
from eigenspan.collector.valve import Valve

if TYPE_CHECKING:
    from eigenspan.collector.decide import Rules
    from eigenspan.collector.due import Due, Late
    from eigenspan.collector.jobs import JobKey
    from eigenspan.collector.log import Log
    from eigenspan.collector.measure import SpanMetrics
    from eigenspan.collector.receive import Receiver
    from eigenspan.collector.regret import Regret
    from eigenspan.collector.segments import Live
    from eigenspan.collector.spans import Signal
    from eigenspan.collector.state import State
    from eigenspan.collector.traces import Traces

_KEY = ["tenant", "trace_hi", "trace_lo"]
_HOUSEKEEPING_NS = 5_000_000_000


@dataclass(frozen=True, slots=True)
class Limits:
    """When the door closes, how long decisions are remembered, and how much of what was dropped stays in the log.

    `reserve_bytes`: what the door leaves of the disk for decisions and deliveries, without which no room is ever won again.
    """

    log_bytes: int
    window_ns: int
    keep_ns: int = 0
    keep_bytes: int = 0
    reserve_bytes: int = 0


@dataclass(slots=True)
class _Turn:
    """What one turn will commit."""

    items: list[tuple[Signal, Item]] = field(default_factory=list)
    kept: list[bytes] = field(default_factory=list)
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
        self.traces, self.decided, self.regret, self.rules = traces, decided, regret, rules
        self.calibrations, self.exporters, self.limits = calibrations, exporters, limits
        self.metrics, self.compliance, self.schema = metrics, compliance, conventions.schema
        self.changes = Changes(log, calibrations, conventions)
        self.valve, self.stage = Valve(), stage
        self.counts: Counter[str] = Counter()
        self.latecomers = Latecomers(traces, decided, regret, reread, rules, calibrations, self.counts)
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
            for tenant, trace, outcome, sending in self.latecomers.asked_for(self.state.wanted(), self._now_ns):
                if sending is not None:
                    self._send(sending)
                turn.answered.append((tenant, trace, outcome))
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
            for sending in self.latecomers.follow(self._late[0], self._now_ns):
                self._send(sending)
            self._late.pop(0)

    def _join(self, batches: Sequence[Committed]) -> None:
        with self.stage("receive", payloads=len(batches)) as counted:
            spans = classify(pl.concat([batch.spans for batch in batches]) if len(batches) > 1 else batches[0].spans)
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
                    self._turn.items.append((signal, Item(tenant, position=position)))
                    if not self.exporters[signal]:
                        self.counts[f"not_exported_{signal}"] += 1
        self.traces.position = max(self.traces.position, batches[-1].through)

    def _send(self, sending: Sending) -> None:
        """Send late or recalled spans, and remember how far they go."""
        keys = list(sending.decisions)
        number = pl.DataFrame(
            {"tenant": [k[0] for k in keys], "trace_hi": [k[1] for k in keys], "trace_lo": [k[2] for k in keys]},
            schema={"tenant": pl.String, "trace_hi": pl.UInt64, "trace_lo": pl.UInt64},
        ).with_row_index("trace")
        spans = sending.spans.join(number, on=_KEY, how="inner", maintain_order="left")
        self.counts["recalled_spans" if sending.recalled else "late_spans_kept"] += len(spans)
        if spans.is_empty():
            return
        spans = spans.with_columns(pl.col("trace").cast(pl.Int64), root=pl.col("parent_id") == 0, state="trace_state")
        quantum = spans.filter(pl.col("backend").is_not_null())
        changes = self.changes.of(spans, calibrate(quantum, self.calibrations.index()))
        through = int(spans["position"].max())  # type: ignore[arg-type]
        now = [msgspec.structs.replace(d, through=max(through, d.through)) for d in sending.decisions.values()]
        late, say_why = not sending.recalled, sending.say_why
        items = enrich(spans, keys, now, changes, schema=self.schema, late=late, say_why=say_why)
        self._turn.items += [("traces", item) for item in items]
        self._keep(keys, now)

    def _decide(self, due: Due, log_ns: int, wall_ns: int) -> None:
        self.compliance.count(due.traces)
        calibrated = calibrate(due.quantum, self.calibrations.index()) if self.rules.read_calibration else []
        document = self.calibrations.document
        success = (
            success_probabilities(calibrated, self.changes.conforming, document) if self.rules.read_circuits else {}
        )
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
            changes = self.changes.of(spans, [c for c in calibrated if keep[c.trace]])
            items = enrich(spans, due.keys, decisions, changes, schema=self.schema)
        self.compliance.check(spans, decisions, self.changes.conforming)
        self._turn.items += [("traces", item) for item in items]
        self.counts["kept_spans"] += len(spans)
        self.counts["dropped_spans"] += int(due.traces["spans"].to_numpy()[~keep].sum())
        kept = np.flatnonzero(keep).tolist()
        if not self.exporters["traces"]:
            self.counts["not_exported_traces"] += len(kept)
        self._keep([due.keys[i] for i in kept], [decisions[i] for i in kept])
        self._turn.dropped.append(self.decided.drop(due.keys.some(~keep), self.traces.position, wall_ns))
        self.metrics.decided(decisions, traces, due.keys)

    def _keep(self, keys: Sequence[TraceKey], decisions: Sequence[Decision]) -> None:
        if keys:
            self._turn.kept.append(self.decided.keep(keys, decisions))

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
        short = self.log.short_by(2 * self.limits.reserve_bytes)  # what is new comes before what was dropped
        over_bytes = (
            min(self.limits.keep_bytes, max(0, self.log.size_bytes - short)) if short else self.limits.keep_bytes
        )
        window = {"older_than_ns": wall_ns - self.limits.keep_ns, "over_bytes": over_bytes}
        self.log.trim(needed, **window)
        self.log.compact(self._live, **window)
        self.regret.forget(self.log.whole_from)

    def _live(self, before: int) -> Live:
        """What long traces and undelivered rows need of the log below a position."""
        return dict.fromkeys(self.state.referenced(before), ()) | self.traces.live(before)

    def _admit(self) -> None:
        if self.log.size_bytes > self.limits.log_bytes:
            reason = "the log has reached service.log.max_bytes"
        elif self.log.short_by(self.limits.reserve_bytes):
            reason = "the disk has less left than service.log.reserve_bytes"
        else:
            self.receiver.admit(Admission())
            return
        self.receiver.admit(Admission(open=False, reason=reason, retry_after_s=5.0))
