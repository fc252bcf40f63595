"""Shares that follow the traffic: a target for each key, a few of each key for certain, and a cap.

A stratum is the traces of one rule with the same key. All shares are functions of how many traces came and when, never
of a trace's own randomness, so that weights stay honest.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt
import polars as pl

from eigenspan.collector import threshold
from eigenspan.collector.columns import Ints
from eigenspan.collector.keys import Table, group, key_columns

EMA_S = 10.0
"""Time constant of the moving average. Three of them after a step of the traffic, 5 % of the step is left."""
WINDOW_S = 30
"""Length of the window, in bins of a second."""
_YOUNG_S = 1.0  # a younger key counts as this old: its first traces came over no less

Unit = Literal["traces", "spans", "bytes"]
Floats = npt.NDArray[np.float64]
Thresholds = npt.NDArray[np.uint64]


@dataclass(frozen=True, slots=True)
class Target:
    """So many traces a second of each key, whose rate is a moving average (`ema`) or counted in a `window`."""

    per_s: float
    by: Literal["ema", "window"] = "ema"


@dataclass(frozen=True, slots=True)
class AtLeast:
    """The first `count` traces of each key in every window of `window_s` seconds of log time."""

    count: int
    window_s: float


@dataclass(frozen=True, slots=True)
class Chosen:
    """For each trace its threshold (SPACE: not kept), and whether it was kept for certain by `at_least`."""

    thresholds: Thresholds
    certain: npt.NDArray[np.bool_]


class Strata:
    """The keys of one rule: how often each comes, and which threshold that gives."""

    def __init__(
        self,
        name: str,
        per: Sequence[pl.Expr],
        *,
        share: float | None = None,
        target: Target | None = None,
        at_least: AtLeast | None = None,
        max_keys: int = 10_000,
    ) -> None:
        self._share, self._target, self._at_least = share, target, at_least
        self._per = key_columns(per)
        columns: dict[str, tuple[type, int]] = {}
        if target:
            columns |= {"bins": (np.float64, WINDOW_S), "second": (np.int64, WINDOW_S)} if target.by == "window" else {}
            columns |= {"level": (np.float64, 1)}
        if at_least:
            columns |= {"window": (np.int64, 1), "taken": (np.int64, 1)}
        idle_s = max(10 * EMA_S, at_least.window_s if at_least else 0)
        self.table = Table(name, columns, limit=max_keys, idle_s=idle_s)

    def choose(self, traces: pl.DataFrame, now_s: float, relief: Floats) -> Chosen:
        """Thresholds for traces that came to the rule at `now_s` of log time; `relief` scales each one's share.

        A trace that `at_least` takes has threshold 0, which is its true probability: it is taken for coming early, whatever
        its randomness.
        """
        keys, number = group(traces, self._per)
        counts = np.bincount(number, minlength=len(keys))
        rows = self.table.rows(keys, now_s)
        shares = np.full(len(keys), self._share or 0.0)
        if self._target:
            shares = np.minimum(1.0, self._target.per_s / self._rates(rows, counts, now_s))
        certain = self._certain(rows, number, counts, now_s)
        self.table["seen_s"][rows] = now_s
        return Chosen(np.where(certain, np.uint64(0), thresholds_of(shares[number] * relief)), certain)

    def _rates(self, rows: Ints, counts: Ints, now_s: float) -> Floats:
        """Traces a second of each key, those that came now included. Several keys may share row 0."""
        t = self.table
        age_s = np.maximum(now_s - t["born_s"][rows], _YOUNG_S)
        if self._target and self._target.by == "window":
            second = int(now_s)
            at = second % WINDOW_S
            t["bins"][rows, at] = np.where(t["second"][rows, at] == second, t["bins"][rows, at], 0)
            t["second"][rows, at] = second
            np.add.at(t["bins"][:, at], rows, counts)
            recent = t["second"][rows] > second - WINDOW_S
            covered_s = np.minimum(age_s, WINDOW_S - 1 + now_s - second)
            return np.asarray((t["bins"][rows] * recent).sum(axis=1) / covered_s)
        t["level"][rows] *= np.exp((t["seen_s"][rows] - now_s) / EMA_S)
        np.add.at(t["level"], rows, counts)
        since = np.where(t["born_s"][rows] < now_s, counts / 2, 0)  # the last turn's came over the turn, not at its end
        return np.asarray((t["level"][rows] - since) / (EMA_S * -np.expm1(-age_s / EMA_S)))

    def _certain(self, rows: Ints, number: Ints, counts: Ints, now_s: float) -> npt.NDArray[np.bool_]:
        if not self._at_least:
            return np.zeros(len(number), dtype=bool)
        t, limit = self.table, self._at_least.count
        window = int(now_s // self._at_least.window_s) + 1
        t["taken"][rows] = np.where(t["window"][rows] == window, t["taken"][rows], 0)
        t["window"][rows] = window
        row_of = rows[number]
        order = np.argsort(row_of, kind="stable")
        ordered = row_of[order]
        rank = np.empty(len(order), dtype=np.int64)
        rank[order] = np.arange(len(order)) - np.searchsorted(ordered, ordered)
        certain = rank < limit - t["taken"][row_of]
        np.add.at(t["taken"], rows, counts)
        t["taken"][rows] = np.minimum(t["taken"][rows], limit)
        return np.asarray(certain)


class Cap:
    """At most so many traces, spans or bytes a second, a second's worth at once.

    Candidates are ordered by randomness, the highest first, and kept while they fit; the threshold is just above the
    first one that does not. Given all others that is where each one's own fate turns, so the weights are unbiased
    (bottom-k sampling; Cohen and Kaplan, "Summarizing data using bottom-k sketches", PODC 2007). A trace larger than a
    second's worth fits a full bucket and leaves a debt.
    """

    def __init__(self, per_s: float, unit: Unit = "traces") -> None:
        self.per_s, self.unit = per_s, unit
        self._burst = max(per_s, 1.0)
        self._left, self._filled_s = self._burst, -1.0

    def threshold(self, randomness: Thresholds, sizes: Floats, now_s: float) -> int:
        """The threshold for candidates of these sizes; 0 where all fit."""
        if self._filled_s >= 0:
            self._left = min(self._burst, self._left + self.per_s * max(0.0, now_s - self._filled_s))
        self._filled_s = now_s
        order = np.argsort(randomness, kind="stable")[::-1]
        fit = int(np.searchsorted(np.cumsum(np.minimum(sizes[order], self._burst)), self._left + 1e-9, side="right"))
        self._left -= float(sizes[order[:fit]].sum())
        return 0 if fit == len(order) else int(randomness[order[fit]]) + 1

    def save(self) -> tuple[float, float]:
        """What is left of the bucket, and when it was filled."""
        return self._left, self._filled_s

    def load(self, saved: tuple[float, float]) -> None:
        """Take up what `save` gave."""
        self._left, self._filled_s = min(saved[0], self._burst), saved[1]


def thresholds_of(shares: Floats) -> Thresholds:
    """The threshold of each share; SPACE where it is 0."""
    distinct, inverse = np.unique(shares, return_inverse=True)
    found = [threshold.threshold_of(share) if share > 0 else threshold.SPACE for share in distinct.tolist()]
    return np.array(found, dtype=np.uint64)[inverse]
