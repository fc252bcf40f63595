"""Decisions: which traces are kept, by which rule, and what they then stand for.

A rule is a condition, an SQL boolean expression over a trace's columns, and a share to keep. The first rule whose
condition holds decides. A share keeps by a consistent threshold (see `threshold`), so that every collector that sees
the trace id under the same share agrees.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import polars as pl

from eigenspan.collector import threshold
from eigenspan.collector.calibrate import CALIBRATION_COLUMNS
from eigenspan.collector.decided import Decision
from eigenspan.collector.errors import ConfigError
from eigenspan.collector.spans import Watch, schema_of
from eigenspan.collector.watch import SPAN_ONLY

_MASK = np.uint64(threshold.SPACE - 1)
NO_RULE = "none"


@dataclass(frozen=True, slots=True)
class Rule:
    """A compiled rule. `when` as written; `keep` in [0, 1]; `threshold` None where nothing is kept."""

    name: str
    when: str
    keep: float
    condition: pl.Expr
    threshold: int | None


def trace_schema(watch: Watch) -> dict[str, pl.DataType]:
    """The columns that a rule may use, with their types."""
    own: dict[str, pl.DataType] = {
        "spans": pl.Int64(), "errors": pl.Int64(), "duration_s": pl.Float64(), "complete": pl.Boolean(),
        "early": pl.Boolean(), "root": pl.String(), "trace_state": pl.String(),
    }  # fmt: skip
    types = schema_of(watch)
    watched = {
        w.column: pl.Float64() if w.type in ("int", "double") else types[w.column]
        for w in watch
        if w.column not in SPAN_ONLY
    }
    return own | dict.fromkeys(CALIBRATION_COLUMNS, pl.Float64()) | watched


def compile_rule(name: str, when: str, keep: float, schema: dict[str, pl.DataType]) -> Rule:
    """Check a rule against the columns there are; ConfigError says what is wrong with it."""
    try:
        condition = pl.sql_expr(when or "true")
        type_ = pl.DataFrame(schema=schema).clear(1).select(condition.alias("_")).schema["_"]
    except Exception as error:
        raise ConfigError(
            f"rule {name!r}: {when!r} is not an expression over a trace's columns: {str(error).splitlines()[0]}; "
            f"the columns are {', '.join(sorted(schema))}"
        ) from error
    if type_ != pl.Boolean():
        raise ConfigError(f"rule {name!r}: {when!r} gives {type_}, not true or false")
    return Rule(name, when, keep, condition, threshold.threshold_of(keep) if keep > 0 else None)


class Rules:
    """An ordered list of compiled rules."""

    def __init__(self, rules: Sequence[Rule]) -> None:
        self.rules = tuple(rules)
        used = {name for rule in self.rules for name in rule.condition.meta.root_names()}
        self.read_calibration = not used.isdisjoint(CALIBRATION_COLUMNS)  # else only kept traces need to be calibrated
        self.failed: Counter[str] = Counter()  # by rule: traces on which its condition could not be evaluated

    def decide(self, traces: pl.DataFrame, through: int, now_ns: int) -> list[Decision]:
        """One decision for each row of `traces`. A trace that no rule matches is dropped under rule `none`."""
        first = self._first_match(traces)
        randomness = _randomness(traces)
        out = []
        for index, r, early, complete in zip(
            first.tolist(), randomness.tolist(), traces["early"].to_list(), traces["complete"].to_list(), strict=True
        ):
            if index < 0:
                out.append(Decision(False, 0, NO_RULE, "no rule matched", complete, through, now_ns))
                continue
            rule = self.rules[index]
            keep = rule.threshold is not None and r >= rule.threshold
            reason = rule.when or "every trace"
            if early:
                reason += "; decided early: too many open traces"
            out.append(Decision(keep, rule.threshold or 0, rule.name, reason, complete, through, now_ns))
        return out

    def _first_match(self, traces: pl.DataFrame) -> npt.NDArray[np.int64]:
        first = np.full(len(traces), -1, dtype=np.int64)
        for i in reversed(range(len(self.rules))):
            first[self._matches(self.rules[i], traces)] = i
        return first

    def _matches(self, rule: Rule, traces: pl.DataFrame) -> npt.NDArray[np.bool_]:
        """Where a rule's condition holds; a trace on which it cannot be evaluated (a cast, say) is no match."""
        try:
            column = traces.select(rule.condition.fill_null(value=False)).to_series()
        except pl.exceptions.PolarsError:
            if len(traces) <= 1:
                self.failed[rule.name] += len(traces)
                return np.zeros(len(traces), dtype=bool)
            middle = len(traces) // 2
            return np.concatenate((self._matches(rule, traces[:middle]), self._matches(rule, traces[middle:])))
        return (column if len(column) == len(traces) else column.new_from_index(0, len(traces))).to_numpy()


def _randomness(traces: pl.DataFrame) -> npt.NDArray[np.uint64]:
    randomness = traces["trace_lo"].to_numpy() & _MASK
    stated = traces["trace_state"]
    if stated.null_count() < len(stated):
        randomness = randomness.copy()
        for i in np.flatnonzero(stated.is_not_null().to_numpy()).tolist():
            found = threshold.parse(stated[i]).randomness
            if found is not None:
                randomness[i] = found
    return randomness
