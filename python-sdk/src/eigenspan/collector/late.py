"""What becomes of spans that come after their trace was decided, and of dropped traces that someone asks for.

A late span of a kept trace follows it. An error of a dropped trace brings it back whole, from the log, for as long as the
log holds it, and so does a rule over `late` that wants it; after that an error is kept alone. Other late spans of dropped
traces are counted.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import polars as pl

from eigenspan.collector.calibrate import calibrate, describe
from eigenspan.collector.classify import classify
from eigenspan.collector.decided import RECALLED, Decided, Decision, Keys, TraceKey, key_of

if TYPE_CHECKING:
    from eigenspan.collector.changes import Calibrations
    from eigenspan.collector.decide import Rules
    from eigenspan.collector.due import Late
    from eigenspan.collector.regret import Regret
    from eigenspan.collector.traces import Traces

LATE_ERROR = "late_error"
"""The rule that keeps an error whose trace was dropped before it came and is in the log no more."""
_WHY_LATE = "an error arrived after the trace was dropped"
_WHY_ASKED = "it was asked for after it was dropped"
_KEY = ["tenant", "trace_hi", "trace_lo"]

Reread = Callable[[str, Sequence[int]], pl.DataFrame]
"""The committed spans of a tenant's payloads at these positions, as far as the log still holds them."""


@dataclass(frozen=True, slots=True)
class Sending:
    """Spans of traces that are kept, with the decisions. `recalled`: the trace was dropped, and goes out whole."""

    spans: pl.DataFrame
    decisions: dict[TraceKey, Decision]
    say_why: bool
    recalled: bool = False


class Latecomers:
    """Follows decisions up, and takes dropped traces back. `counts`: what was done, by its name."""

    def __init__(
        self,
        traces: Traces,
        decided: Decided,
        regret: Regret,
        reread: Reread,
        rules: Rules,
        calibrations: Calibrations,
        counts: Counter[str],
    ) -> None:
        self._traces, self._decided, self._regret, self._reread = traces, decided, regret, reread
        self._rules, self._calibrations, self._counts = rules, calibrations, counts

    def follow(self, late: Late, now_ns: int) -> list[Sending]:
        """What is to be sent of late spans."""
        there = set(late.spans.select(_KEY).iter_rows())
        kept = {key: found for key, found in late.decisions.items() if isinstance(found, Decision) and key in there}
        sendings = [Sending(late.spans, kept, say_why=False)]
        failed = set(late.spans.filter("error").select(_KEY).iter_rows())
        wanted = self._wanted_back(late.spans) if self._rules.late else {}
        alone: dict[TraceKey, Decision] = {}
        for key, found in late.decisions.items():
            if isinstance(found, Decision) or key not in there:
                continue
            why = _WHY_LATE if key in failed else wanted.get(key)
            recalled = self.recall(key, _of(late.spans, key), why, now_ns) if why else None
            if recalled:
                sendings.append(recalled)
            elif key not in failed:
                self._counts["late_spans_dropped"] += len(_of(late.spans, key))
            else:
                alone[key] = Decision(True, None, LATE_ERROR, _WHY_LATE, False, found.through, now_ns)
        self._counts["late_error_traces"] += len(alone)
        return [*sendings, Sending(late.spans, alone, say_why=True)]

    def _wanted_back(self, spans: pl.DataFrame) -> dict[TraceKey, str]:
        """The traces of late spans that a rule wants back, and why."""
        due = self._traces.apart(spans)
        if due is None:
            return {}
        calibrated = calibrate(due.quantum, self._calibrations.index()) if self._rules.read_calibration else []
        rules = self._rules.want_back(describe(due, calibrated))
        return {key: f"the rule {rule} wants it back" for key, rule in zip(due.keys, rules, strict=True) if rule}

    def recall(self, key: TraceKey, late: pl.DataFrame, why: str, now_ns: int) -> Sending | None:
        """A dropped trace with what came since; None where the log holds nothing of it any more."""
        again = _of(self._reread(key[0], self._regret.positions(key)), key)
        again = again.join(late, on=("position", "offset"), how="anti", maintain_order="left")
        if again.is_empty():
            return None
        spans = pl.concat([classify(again), late.select(*again.columns, "error", "quantum", "foreign")])
        spans = spans.unique(["span_id", "kind", "length"], keep="first", maintain_order=True)
        rooted = bool((spans["parent_id"] == 0).any())
        decision = Decision(True, None, RECALLED, why, rooted, self._traces.position, now_ns)
        self._counts["recalled_traces"] += 1
        return Sending(spans, {key: decision}, say_why=True, recalled=True)

    def asked_for(
        self, wanted: Iterable[tuple[str, bytes]], now_ns: int
    ) -> Iterable[tuple[str, bytes, str, Sending | None]]:
        """Each trace that someone wants back (tenant and id) with the outcome in words, and what is to be sent."""
        for tenant, trace in wanted:
            key = key_of(tenant, trace)
            found = self._decided.find(Keys.of([key])).get(key)
            sending = None
            if isinstance(found, Decision):
                outcome = "it was kept"
            elif found is None:
                outcome = "no decision about it is remembered: it is undecided, never came, or is too old"
            else:
                sending = self.recall(key, classify(self._reread(tenant, [])), _WHY_ASKED, now_ns)
                outcome = "it was dropped, and the log holds it no more"
                if sending:
                    outcome = f"recalled: {len(sending.spans)} spans"
            yield tenant, trace, outcome, sending


def _of(spans: pl.DataFrame, key: TraceKey) -> pl.DataFrame:
    tenant, high, low = key
    return spans.filter((pl.col("trace_lo") == low) & (pl.col("trace_hi") == high) & (pl.col("tenant") == tenant))
