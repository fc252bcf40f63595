"""Rows with equal keys, found by sorting numbers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from eigenspan.collector.columns import Ints, Longs


@dataclass(frozen=True, slots=True)
class Groups:
    """Rows by group: `order` has them group after group, each in the order in which it came.

    `starts`: where each group begins in `order`. `number`: of each row, its group.
    """

    order: Ints
    starts: Ints
    number: Ints

    @property
    def counts(self) -> Ints:
        """How many rows each group has."""
        return np.diff(self.starts, append=len(self.order))

    @property
    def firsts(self) -> Ints:
        """The first row of each group."""
        return self.order[self.starts]

    def first_of(self, rows: Ints) -> tuple[Ints, Ints]:
        """The groups that have some of `rows`, which rise, and the first that each has."""
        first = np.full(len(self.starts), -1)
        first[self.number[rows[::-1]]] = rows[::-1]
        groups = np.flatnonzero(first >= 0)
        return groups, first[groups]


def grouped(prints: Longs, *columns: npt.NDArray[Any]) -> Groups:
    """Group rows by `columns`; equal rows have equal `prints`, whose high bits scatter.

    Prints and the numbers of rows share the words that are sorted. Where two groups share a print the columns are sorted.
    """
    count = len(prints)
    low = np.uint64((1 << count.bit_length()) - 1)
    words = np.sort((prints & ~low) | np.arange(count, dtype=np.uint64))
    order = (words & low).astype(np.int64)
    words &= ~low
    begins = np.ones(count, dtype=bool)
    begins[1:] = words[1:] != words[:-1]
    groups = _groups(order, begins)
    alike = groups.firsts[groups.number]
    if all((column == column[alike]).all() for column in columns):
        return groups
    order = np.lexsort(columns)
    begins[1:] = np.any([column[order[1:]] != column[order[:-1]] for column in columns], axis=0)
    return _groups(order, begins)


def _groups(order: Ints, begins: npt.NDArray[np.bool_]) -> Groups:
    number = np.empty(len(order), dtype=np.int64)
    number[order] = np.cumsum(begins) - 1
    return Groups(order, np.flatnonzero(begins), number)
