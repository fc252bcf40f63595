"""Growing arrays: rows of several numpy columns that are taken, given back and used again."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

Ints = npt.NDArray[np.int64]
Longs = npt.NDArray[np.uint64]
ROW = np.int32
"""The type in which the number of a row is held."""


class Rows:
    """Named columns of equal length with a free list. A row's number stays its own until it is given back.

    `kept`: the columns that rows which are given back need not leave blank, because whoever takes a row writes them.
    """

    def __init__(self, columns: dict[str, Any], capacity: int = 1024, *, kept: Collection[str] = ()) -> None:
        self._empty = {name: _blank(dtype) for name, dtype in columns.items()}
        self._columns = {name: _blanks(capacity, dtype) for name, dtype in columns.items()}
        self._free = np.arange(capacity - 1, -1, -1, dtype=ROW)
        self._free_count = capacity
        self._blanked = [name for name in columns if name not in kept]
        self.capacity = capacity

    def __getitem__(self, name: str) -> npt.NDArray[Any]:
        return self._columns[name]

    def __len__(self) -> int:
        return self.capacity - self._free_count

    def take(self, count: int) -> Ints:
        """`count` unused rows."""
        while self._free_count < count:
            self._grow()
        self._free_count -= count
        return self._free[self._free_count : self._free_count + count].astype(np.int64)

    def give_back(self, rows: Ints) -> None:
        """Return rows, blanked."""
        for name in self._blanked:
            self._columns[name][rows] = self._empty[name]
        self._free[self._free_count : self._free_count + len(rows)] = rows
        self._free_count += len(rows)

    def _grow(self) -> None:
        """Twice the rows. Those that nobody took yet are memory that the system has not given, where blank is 0."""
        capacity = self.capacity
        for name, column in self._columns.items():
            self._columns[name] = _blanks(2 * capacity, column.dtype)
            self._columns[name][:capacity] = column
        free = np.empty(2 * capacity, dtype=ROW)
        free[: self._free_count] = self._free[: self._free_count]
        free[self._free_count : self._free_count + capacity] = np.arange(2 * capacity - 1, capacity - 1, -1)
        self._free, self._free_count, self.capacity = free, self._free_count + capacity, 2 * capacity


class Chains(Rows):
    """Rows that have owners, each linked to the one before it of the same owner."""

    def __init__(self, columns: dict[str, Any], *, kept: Collection[str] = ()) -> None:
        super().__init__(columns | {"previous": ROW}, kept=(*kept, "previous"))

    def append(self, heads: Ints, owners: Ints) -> Ints:
        """A new row for each of `owners`, of which equal ones stand side by side; `heads`: owner → its last row, or −1."""
        rows = self.take(len(owners))
        if not len(rows):
            return rows
        first = np.flatnonzero(np.append(True, owners[1:] != owners[:-1]))
        last = np.append(first[1:], len(owners)) - 1
        self["previous"][rows[1:]] = rows[:-1]
        self["previous"][rows[first]] = heads[owners[first]]
        heads[owners[last]] = rows[last]
        return rows

    def walk(self, heads: Ints) -> tuple[Ints, Ints]:
        """All rows of the chains that end at `heads`, and the index of each row's chain in `heads`."""
        chain, rows = np.flatnonzero(heads >= 0), heads[heads >= 0]
        chains, found = [chain], [rows]
        while len(rows):
            rows = self["previous"][rows]
            alive = rows >= 0
            if not alive.all():
                chain, rows = chain[alive], rows[alive]
            chains.append(chain)
            found.append(rows)
        return np.concatenate(chains), np.concatenate(found)


def texts(values: npt.NDArray[np.object_], dtype: pl.DataType) -> pl.Series:
    """Texts or truth values and None, as a series."""
    held = values.tolist()
    if held.count(None) == len(held):
        return pl.Series([None], dtype=dtype).new_from_index(0, len(held))
    return pl.Series(held, dtype=dtype)


def _blanks(count: int, dtype: Any) -> npt.NDArray[Any]:
    blank = _blank(dtype)
    return np.full(count, blank, dtype=dtype) if blank is None or blank else np.zeros(count, dtype=dtype)


def _blank(dtype: Any) -> Any:
    kind = np.dtype(dtype).kind
    return {"O": None, "f": np.nan, "b": False}.get(kind, 0)
