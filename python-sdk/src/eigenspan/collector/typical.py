"""How long traces of a key typically last: a running quantile for each key.

Durations fall into buckets an eighth of an octave wide, whose counts fade with a time constant of an hour. A quantile is
the middle of the bucket that holds it, within 4.5 % of the true one (as DDSketch does; Masson et al., VLDB 2019).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import polars as pl

from eigenspan.collector.columns import Ints
from eigenspan.collector.keys import Table, group, key_columns
from eigenspan.collector.strata import Floats

_FADE_S = 3600.0
_PER_OCTAVE = 8
_LOWEST = -20 * _PER_OCTAVE  # a microsecond; shorter ones count as this long
_BUCKETS = 40 * _PER_OCTAVE  # up to twelve days
ENOUGH = 20.0
"""Below this many recent traces nothing is typical of a key yet."""


class Typical:
    """A quantile of recent durations by key."""

    def __init__(self, per: Sequence[pl.Expr], quantile: float = 0.5, *, max_keys: int = 2000) -> None:
        self.per, self._per, self._quantile = tuple(per), key_columns(per), quantile
        self.table = Table("typical", {"counts": (np.float32, _BUCKETS)}, limit=max_keys, idle_s=3 * _FADE_S)

    def durations_s(self, traces: pl.DataFrame, now_s: float) -> pl.Series:
        """What was typical of each trace's key before these came; null where too few have been seen. They count from now on."""
        keys, number = group(traces, self._per)
        rows = self.table.rows(keys, now_s)
        t = self.table
        distinct = np.unique(rows)  # keys past the limit share a row
        faded = np.exp((t["seen_s"][distinct] - now_s) / _FADE_S)
        t["counts"][distinct] *= faded[:, None].astype(np.float32)
        t["seen_s"][distinct] = now_s
        before = self._quantiles(rows)
        np.add.at(t["counts"], (rows[number], _buckets(traces["duration_s"].to_numpy())), 1.0)
        return pl.Series("typical_duration_s", before[number], nan_to_null=True)

    def _quantiles(self, rows: Ints) -> Floats:
        below = np.cumsum(self.table["counts"][rows], axis=1, dtype=np.float64)
        total = below[:, -1]
        at = (below < (self._quantile * total)[:, None]).sum(axis=1)
        middle = np.exp2((at + _LOWEST + 0.5) / _PER_OCTAVE)
        return np.where(total >= ENOUGH, middle, np.nan)


def _buckets(durations_s: Floats) -> Ints:
    exponents = np.floor(np.log2(np.maximum(durations_s, 1e-9)) * _PER_OCTAVE).astype(np.int64)
    return np.asarray(np.clip(exponents - _LOWEST, 0, _BUCKETS - 1))
