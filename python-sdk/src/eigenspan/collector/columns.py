"""Growing arrays: rows of several numpy columns that are taken, given back and used again."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

Ints = npt.NDArray[np.int64]


class Rows:
    """Named columns of equal length with a free list. A row's number stays its own until it is given back."""

    def __init__(self, columns: dict[str, Any], capacity: int = 1024) -> None:
        self._empty = {name: _blank(dtype) for name, dtype in columns.items()}
        self._columns = {name: np.full(capacity, self._empty[name], dtype=dtype) for name, dtype in columns.items()}
        self._free = np.arange(capacity - 1, -1, -1, dtype=np.int64)
        self._free_count = capacity
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
        return self._free[self._free_count : self._free_count + count].copy()

    def give_back(self, rows: Ints) -> None:
        """Return rows, blanked."""
        for name, column in self._columns.items():
            column[rows] = self._empty[name]
        self._free[self._free_count : self._free_count + len(rows)] = rows
        self._free_count += len(rows)

    def _grow(self) -> None:
        more = max(1024, self.capacity // 2)
        for name, column in self._columns.items():
            self._columns[name] = np.concatenate((column, np.full(more, self._empty[name], dtype=column.dtype)))
        free = np.empty(self.capacity + more, dtype=np.int64)
        free[: self._free_count] = self._free[: self._free_count]
        free[self._free_count : self._free_count + more] = np.arange(self.capacity + more - 1, self.capacity - 1, -1)
        self._free, self._free_count, self.capacity = free, self._free_count + more, self.capacity + more


def _blank(dtype: Any) -> Any:
    kind = np.dtype(dtype).kind
    return {"O": None, "f": np.nan, "b": False}.get(kind, 0)
