"""Decisions: which traces are kept, by which rule, and what they then stand for.

A rule is a condition, an SQL boolean expression over a trace's columns, and how much of what it holds for is kept: a
share, a target for each key, a few of each key for certain, under a cap. The first rule whose condition holds decides,
unless it says that what it does not keep goes on to the next. All of it comes down to one threshold T for a trace (see
`threshold`), so that every collector that sees the trace id under the same share agrees.

T does not depend on the trace's randomness R, and where several rules were tried T is the lowest of theirs, also for a
trace that the first of them kept: it would have been kept at any R from the lowest on.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import msgspec
import numpy as np
import numpy.typing as npt
import polars as pl

from eigenspan.collector import threshold
from eigenspan.collector.calibrate import CALIBRATION_COLUMNS
from eigenspan.collector.decided import Decision
from eigenspan.collector.errors import ExpressionError
from eigenspan.collector.expressions import Schema, compile_expression
from eigenspan.collector.spans import Watch, schema_of
from eigenspan.collector.strata import AtLeast, Cap, Floats, Strata, Target, Thresholds, thresholds_of
from eigenspan.collector.typical import Typical
from eigenspan.collector.watch import SPAN_ONLY

_MASK = np.uint64(threshold.SPACE - 1)
_NEVER = np.uint64(threshold.SPACE)
NO_RULE = "none"
STATE = "sampling."
"""What the names of all that `Rules.save` gives begin with."""
SUCCESS = "success_probability"
LATE = "late"
"""True of spans that came after their trace was dropped, which rules that name it may have back; else false."""
TYPICAL = "typical_duration_s"
TYPICAL_PER = (pl.col("service"), pl.col("root"))
_SECOND = 1_000_000_000


@dataclass(frozen=True, slots=True)
class Rule:
    """A compiled rule. `when` as written; `share` in [0, 1], None where a target gives it; `strata` None for a plain share.

    `goes_on`: what it does not keep is tried by the next rules.
    """

    name: str
    when: str
    condition: pl.Expr
    share: float | None
    per: tuple[pl.Expr, ...] = ()
    strata: Strata | None = None
    cap: Cap | None = None
    goes_on: bool = False

    @property
    def threshold(self) -> int | None:
        """Of a plain share; None where nothing is kept, or where it follows the traffic."""
        return threshold.threshold_of(self.share) if self.share else None

    @property
    def yields(self) -> bool:
        """Whether it gives way under stress: it keeps part of its traces only."""
        return self.share is None or self.share < 1


def trace_schema(watch: Watch) -> Schema:
    """The columns that a rule may use, with their types."""
    own: Schema = {
        "spans": pl.Int64(), "errors": pl.Int64(), "oks": pl.Int64(), "bytes": pl.Int64(), "duration_s": pl.Float64(),
        TYPICAL: pl.Float64(), "complete": pl.Boolean(), "early": pl.Boolean(), LATE: pl.Boolean(),
        "root": pl.String(), "trace_state": pl.String(), SUCCESS: pl.Float64(),
    }  # fmt: skip
    types = schema_of(watch)
    watched = {
        w.column: pl.Float64() if w.type in ("int", "double") else types[w.column]
        for w in watch
        if w.column not in SPAN_ONLY
    }
    return own | dict.fromkeys(CALIBRATION_COLUMNS, pl.Float64()) | watched


def compile_rule(
    name: str, when: str, keep: float | None, schema: Schema, *, target: Target | None = None,
    per: Sequence[pl.Expr] = (), at_least: AtLeast | None = None, cap: Cap | None = None, goes_on: bool = False,
    max_keys: int = 10_000,
) -> Rule:  # fmt: skip
    """Check a rule against the columns there are; ExpressionError says what is wrong with it."""
    try:
        condition = compile_expression(when or "true", schema, boolean=True)
    except ExpressionError as error:
        raise ExpressionError(f"rule {name!r}: {error}", error.column) from error
    strata = None
    if target or at_least:
        strata = Strata(f"rule.{name}", per, share=keep, target=target, at_least=at_least, max_keys=max_keys)
    return Rule(name, when, condition, keep, tuple(per), strata, cap, goes_on)


class _Saved(msgspec.Struct):
    caps: dict[str, tuple[float, float]]


class Rules:
    """An ordered list of compiled rules, and what they remember of the traffic."""

    def __init__(self, rules: Sequence[Rule], typical: Typical | None = None) -> None:
        self.rules = tuple(rules)
        used = _names(part for rule in self.rules for part in (rule.condition, *rule.per))
        self._typical = (typical or Typical(TYPICAL_PER)) if TYPICAL in used else None
        self.columns = used | _names(self._typical.per if self._typical else ())
        """The columns that conditions and keys name."""
        self.read_circuits = SUCCESS in used  # else only kept traces' circuits need to be read
        self.read_calibration = self.read_circuits or not used.isdisjoint(CALIBRATION_COLUMNS)
        self.late = tuple(rule for rule in self.rules if LATE in rule.condition.meta.root_names())
        """The rules that are asked about late spans of dropped traces."""
        self.failed: Counter[str] = Counter()  # by rule: traces on which its condition could not be evaluated
        self.counts: Counter[str] = Counter()

    def decide(
        self, traces: pl.DataFrame, through: int, now_ns: int, *, log_ns: int = 0, relief: float = 1.0
    ) -> list[Decision]:
        """One decision for each row of `traces`. A trace that no rule matches is dropped under rule `none`.

        `log_ns`: log time, by which rates are measured. `relief`: under stress, the factor for the shares of rules that
        keep less than everything, on traces without an error.
        """
        if traces.is_empty():
            return []
        now_s = log_ns / _SECOND
        if LATE in self.columns:
            traces = traces.with_columns(pl.lit(value=False).alias(LATE))
        if self._typical:
            traces = traces.with_columns(self._typical.durations_s(traces, now_s))
        incoming, randomness = _stated(traces)
        reliefs = np.where(traces["errors"].to_numpy() > 0, 1.0, relief)
        at, thresholds, certain = self._choose(traces, randomness, now_s, reliefs)
        keep = randomness >= thresholds
        wrong = incoming > randomness  # it should not have come: what it stands for is not known
        self.counts["inconsistent_thresholds"] += int(wrong.sum())
        facts = wrong, certain, traces["early"].to_numpy(), traces["complete"].to_numpy(), keep, reliefs < 1
        _, code = np.unique(thresholds, return_inverse=True)
        for digit, base in ((at + 1, len(self.rules) + 1), *((fact, 2) for fact in facts)):
            code = code * base + digit
        _, first, which = np.unique(code, return_index=True, return_inverse=True)
        weights = np.where(thresholds < _NEVER, thresholds, np.uint64(0))
        made = []
        for i in first.tolist():  # one decision for all traces of which all of this is the same
            odd, sure, early, complete, kept = (bool(fact[i]) for fact in facts[:-1])
            reason = self._reason(int(at[i]), float(reliefs[i]))
            reason += "; one of the first of its key" * sure + "; decided early: too many open traces" * early
            name = self.rules[at[i]].name if at[i] >= 0 else NO_RULE
            made.append(Decision(kept, None if odd else int(weights[i]), name, reason, complete, through, now_ns))
        return [made[i] for i in which.tolist()]

    def want_back(self, traces: pl.DataFrame) -> list[str]:
        """For each dropped trace, by what came late of it, the rule that wants it back; "" of none.

        The first rule over `late` that holds decides. What it stands for is not known, whatever the rule's share.
        """
        wanted = [""] * len(traces)
        open_ = np.ones(len(traces), dtype=bool)
        traces = traces.with_columns(pl.lit(value=True).alias(LATE))
        if self._typical:
            traces = traces.with_columns(pl.lit(None, pl.Float64).alias(TYPICAL))
        _, randomness = _stated(traces)
        for rule in self.late:
            matches = self._matches_of(rule, traces) & open_
            for i in np.flatnonzero(matches & (randomness >= thresholds_of(np.array([rule.share or 0.0])))).tolist():
                wanted[i] = rule.name
            if not rule.goes_on:
                open_ &= ~matches
        return wanted

    def _choose(
        self, traces: pl.DataFrame, randomness: Thresholds, now_s: float, reliefs: Floats
    ) -> tuple[npt.NDArray[np.int64], Thresholds, npt.NDArray[np.bool_]]:
        """For each trace the rule that names its decision (-1: none matched), its threshold, and whether it was certain.

        That is the first rule that keeps it, or for a dropped one the first that matched.
        """
        at = np.full(len(traces), -1, dtype=np.int64)
        thresholds = np.full(len(traces), _NEVER)
        undecided = np.ones(len(traces), dtype=bool)
        certain = np.zeros(len(traces), dtype=bool)
        for i, (rule, matches) in enumerate(zip(self.rules, self._matches(traces), strict=True)):
            rows = np.flatnonzero(undecided & matches)
            if not len(rows):
                continue
            own, sure = self._thresholds(rule, traces, rows, randomness, now_s, reliefs)
            names = (at[rows] < 0) | ((randomness[rows] < thresholds[rows]) & (randomness[rows] >= own))
            at[rows[names]] = i
            certain[rows[names]] = sure[names]
            thresholds[rows] = np.minimum(thresholds[rows], own)
            if not rule.goes_on:
                undecided[rows] = False
        return at, thresholds, certain

    def _thresholds(
        self, rule: Rule, traces: pl.DataFrame, rows: npt.NDArray[np.int64], randomness: Thresholds, now_s: float,
        reliefs: Floats,
    ) -> tuple[Thresholds, npt.NDArray[np.bool_]]:  # fmt: skip
        """The thresholds of the traces in `rows`, which came to `rule`, and whether `at_least` took them."""
        relief = reliefs[rows] if rule.yields else np.ones(len(rows))
        certain = np.zeros(len(rows), dtype=bool)
        if rule.strata:
            chosen = rule.strata.choose(traces[rows], now_s, relief)
            own, certain = chosen.thresholds, chosen.certain
        else:
            own = thresholds_of((rule.share or 0.0) * relief)
        if rule.cap:
            sizes = np.ones(len(rows)) if rule.cap.unit == "traces" else traces[rule.cap.unit].to_numpy()[rows]
            candidates = np.flatnonzero((randomness[rows] >= own) & ~certain)
            cap = rule.cap.threshold(randomness[rows[candidates]], sizes[candidates].astype(np.float64), now_s)
            own = np.where(certain, own, np.maximum(own, np.uint64(cap)))
        return own, certain

    def _reason(self, at: int, relief: float) -> str:
        if at < 0:
            return "no rule matched"
        rule = self.rules[at]
        stress = f"; under stress, {relief:g} of its share" if relief < 1 and rule.yields else ""
        return (rule.when or "every trace") + stress

    def _matches(self, traces: pl.DataFrame) -> list[npt.NDArray[np.bool_]]:
        conditions = [rule.condition.fill_null(value=False).alias(str(i)) for i, rule in enumerate(self.rules)]
        try:
            found = traces.select(pl.int_range(pl.len()).alias("row"), *conditions)
        except pl.exceptions.PolarsError:
            return [self._matches_of(rule, traces) for rule in self.rules]
        return [found[str(i)].to_numpy() for i in range(len(self.rules))]

    def _matches_of(self, rule: Rule, traces: pl.DataFrame) -> npt.NDArray[np.bool_]:
        """Where a rule's condition holds; a trace on which it cannot be evaluated (a cast, say) is no match."""
        try:
            column = traces.select(rule.condition.fill_null(value=False)).to_series()
        except pl.exceptions.PolarsError:
            if len(traces) <= 1:
                self.failed[rule.name] += len(traces)
                return np.zeros(len(traces), dtype=bool)
            middle = len(traces) // 2
            return np.concatenate((self._matches_of(rule, traces[:middle]), self._matches_of(rule, traces[middle:])))
        return (column if len(column) == len(traces) else column.new_from_index(0, len(traces))).to_numpy()

    def tables(self) -> dict[str, int]:
        """How often a key found no room, by what holds the keys."""
        found = [rule.strata.table for rule in self.rules if rule.strata]
        found += [self._typical.table] if self._typical else []
        return {table.name: table.overflowed for table in found}

    def save(self) -> dict[str, bytes]:
        """What changed in memory of the traffic since `saved` was last called, by name, for the state."""
        out: dict[str, bytes] = {}
        for rule in self.rules:
            out |= rule.strata.table.save() if rule.strata else {}
        out |= self._typical.table.save() if self._typical else {}
        caps = {rule.name: rule.cap.save() for rule in self.rules if rule.cap}
        out |= {"caps": msgspec.msgpack.encode(_Saved(caps))} if caps else {}
        return {STATE + name: value for name, value in out.items()}

    def saved(self) -> None:
        """What `save` gave is safe."""
        for rule in self.rules:
            if rule.strata:
                rule.strata.table.saved()
        if self._typical:
            self._typical.table.saved()

    def load(self, saved: Mapping[str, bytes]) -> None:
        """Take up what `save` gave, without `STATE` in the names, as far as the rules are still there."""
        caps = msgspec.msgpack.decode(saved["caps"], type=_Saved).caps if "caps" in saved else {}
        for rule in self.rules:
            if rule.strata:
                rule.strata.table.load(saved)
            if rule.cap and rule.name in caps:
                rule.cap.load(caps[rule.name])
        if self._typical:
            self._typical.table.load(saved)


def _names(parts: Iterable[pl.Expr]) -> frozenset[str]:
    return frozenset(name for part in parts for name in part.meta.root_names())


def _stated(traces: pl.DataFrame) -> tuple[Thresholds, Thresholds]:
    """The incoming threshold (0 where none is stated) and the randomness of each trace."""
    randomness = traces["trace_lo"].to_numpy() & _MASK
    incoming = np.zeros(len(traces), dtype=np.uint64)
    stated = traces["trace_state"]
    if stated.null_count() < len(stated):
        randomness = randomness.copy()
        for i in np.flatnonzero(stated.str.contains("ot=", literal=True).fill_null(value=False).to_numpy()).tolist():
            found = threshold.parse(stated[i])
            if found.randomness is not None:
                randomness[i] = found.randomness
            incoming[i] = found.threshold or 0
    return incoming, randomness
