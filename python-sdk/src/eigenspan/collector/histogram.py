"""Histograms that are both classic and exponential, exactly.

A value falls into a cell: its classic bucket (the first whose upper bound is not below it) and its exponential bucket of
scale 3, index i for values in (2^(i/8), 2^((i+1)/8)] (OpenTelemetry, metrics data model, "ExponentialHistogram"). Counts
are held by cell, so either histogram is a sum of them and neither is an estimate from the other.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

SCALE = 3
_PER_OCTAVE = 1 << SCALE
_ZERO = -(1 << 14)  # stands for the index of zero and below
_SPAN = 1 << 15
CELL_BITS = 22
"""A cell is a number of so many bits: there are up to 127 classic buckets."""
BUCKETS_S = (
    0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0, 60.0, 300.0, 900.0, 1800.0, 3600.0,
    21600.0, 86400.0,
)  # fmt: skip
"""Upper bounds in seconds, up to a day: quantum jobs wait that long."""


def cells(values: npt.NDArray[np.float64], bounds: npt.NDArray[np.float64]) -> npt.NDArray[np.int64]:
    """The cell of each value; `bounds` in the unit of the values, ascending."""
    with np.errstate(divide="ignore", invalid="ignore"):
        index = np.ceil(np.log2(values) * _PER_OCTAVE) - 1
    index = np.where(values > 0, index, _ZERO).astype(np.int64)
    return np.asarray(np.searchsorted(bounds, values, side="left") * _SPAN + (index - _ZERO))


@dataclass(slots=True)
class Histogram:
    """Counts by cell, and the sum of the values."""

    cells: Counter[int] = field(default_factory=Counter)
    sum: float = 0.0

    def add(self, cells: Sequence[int], counts: Sequence[int], total: float) -> None:
        """Add values: so many in each of some cells, and their sum."""
        held = self.cells
        for cell, n in zip(cells, counts, strict=True):
            held[cell] = held.get(cell, 0) + n
        self.sum += total

    @property
    def count(self) -> int:
        """All values."""
        return sum(self.cells.copy().values())

    def classic(self, bounds: Sequence[float]) -> list[int]:
        """Cumulative counts, one a bound and one for all."""
        counts = [0] * (len(bounds) + 1)
        for cell, n in self.cells.copy().items():
            counts[cell // _SPAN] += n
        return [int(n) for n in np.cumsum(counts)]

    def exponential(self) -> tuple[int, int, list[int]]:
        """How many are zero, the index of the first bucket, and the counts of the buckets from there."""
        by_index: Counter[int] = Counter()
        for cell, n in self.cells.copy().items():
            by_index[cell % _SPAN + _ZERO] += n
        zeros = by_index.pop(_ZERO, 0)
        if not by_index:
            return zeros, 0, []
        first = min(by_index)
        return zeros, first, [by_index[i] for i in range(first, max(by_index) + 1)]
