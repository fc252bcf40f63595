"""Numbers held for each of a bounded set of keys, and which of them the state has yet to be told of.

A key is a tuple of texts. It has a row in arrays until it has been idle for long and its row is wanted; what finds no row
shares row 0, and is counted. Texts are cut to `TEXT_LENGTH`, so that senders cannot fill the memory.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt
import polars as pl

from eigenspan.collector.columns import Ints
from eigenspan.collector.groups import grouped

Key = tuple[str | None, ...]
TEXT_LENGTH = 128
_SEED = int(np.random.default_rng().integers(2**63))
_RETRY_S = 10.0  # a full table looks for idle rows at most this often


def key_columns(per: Sequence[pl.Expr]) -> list[pl.Expr]:
    """The parts of a key as columns of short texts."""
    return [part.cast(pl.String).str.slice(0, TEXT_LENGTH).alias(f"key{i}") for i, part in enumerate(per)]


def group(traces: pl.DataFrame, columns: Sequence[pl.Expr]) -> tuple[list[Key], Ints]:
    """The distinct keys of some traces, and for each trace the number of its own."""
    if not columns:
        return [()], np.zeros(len(traces), dtype=np.int64)
    row = pl.int_range(pl.len()).alias("row")
    try:
        frame = traces.select(row, *columns)
    except pl.exceptions.PolarsError:  # a cast, say, fails on one of them: that part of the key is unknown for all
        frame = traces.select(
            row,
            *(
                column if _can_be_read(traces, column) else pl.lit("?").alias(column.meta.output_name())
                for column in columns
            ),
        )
    distinct, number = numbered(pl.DataFrame(frame.get_columns()[1:]))
    return list(distinct.iter_rows()), number


def numbered(frame: pl.DataFrame) -> tuple[pl.DataFrame, Ints]:
    """The distinct rows of a frame in the order in which they come, and for each of its rows the number of its own.

    Rows are told apart by 64 bits of a hash whose seed is drawn at random.
    """
    prints = frame.hash_rows(_SEED).to_numpy()
    groups = grouped(prints, prints)
    order = np.argsort(groups.firsts)
    rank = np.empty(len(order), dtype=np.int64)
    rank[order] = np.arange(len(order))
    return frame[groups.firsts[order]], rank[groups.number]


def _can_be_read(traces: pl.DataFrame, column: pl.Expr) -> bool:
    try:
        traces.select(column)
    except pl.exceptions.PolarsError:
        return False
    return True


class Table:
    """Rows of numbers by key. `columns`: name → (dtype, how many of them a row has)."""

    def __init__(self, name: str, columns: Mapping[str, tuple[Any, int]], *, limit: int, idle_s: float) -> None:
        self.name, self._limit, self._idle_s = name, limit, idle_s
        self._columns = {"born_s": (np.float64, 1), "seen_s": (np.float64, 1), **columns}
        self._arrays: dict[str, npt.NDArray[Any]] = {}
        self._rows: dict[Key, int] = {}
        self._keys: list[Key | None] = [None]
        self._free: list[int] = []
        self._dirty: set[int] = set()
        self._looked_s = -_RETRY_S
        self.overflowed = 0  # keys, each time that one came and found no row
        self._grow()

    def __getitem__(self, name: str) -> npt.NDArray[Any]:
        return self._arrays[name]

    def __len__(self) -> int:
        return len(self._rows)

    def rows(self, keys: Sequence[Key], now_s: float) -> Ints:
        """The row of each of some distinct keys, new ones blank; all of them are saved next time.

        `born_s` is when a key was first seen; the caller sets `seen_s` once it has used it.
        """
        out = np.fromiter((self._rows.get(key, -1) for key in keys), dtype=np.int64, count=len(keys))
        for i in np.flatnonzero(out < 0).tolist():
            out[i] = self._take(keys[i], out, now_s)
        self._dirty.update(out.tolist())
        return out

    def _take(self, key: Key, in_use: Ints, now_s: float) -> int:
        if len(self._rows) >= self._limit and not self._free:
            self._evict(in_use, now_s)
        if self._free:
            row = self._free.pop()
        elif len(self._rows) < self._limit:
            row = len(self._keys)
            self._keys.append(None)
            if row >= len(self["born_s"]):
                self._grow()
        else:
            self.overflowed += 1
            if not self["seen_s"][0]:
                self["born_s"][0] = self["seen_s"][0] = now_s
            return 0
        self._put(row, key)
        self["born_s"][row] = self["seen_s"][row] = now_s
        return row

    def _put(self, row: int, key: Key) -> None:
        self._keys[row], self._rows[key] = key, row

    def _evict(self, in_use: Ints, now_s: float) -> None:
        if now_s - self._looked_s < _RETRY_S:
            return
        self._looked_s = now_s
        idle = np.flatnonzero(now_s - self["seen_s"][: len(self._keys)] > self._idle_s)
        for row in np.setdiff1d(idle, in_use).tolist():
            key = self._keys[row]
            if key is not None:
                del self._rows[key]
                self._keys[row] = None
                for array in self._arrays.values():
                    array[row] = 0
                self._free.append(row)
                self._dirty.add(row)

    def _grow(self) -> None:
        for name, (dtype, width) in self._columns.items():
            held = self._arrays.get(name, np.empty((0, width) if width > 1 else 0, dtype=dtype))
            more = np.zeros((max(64, len(held)), *held.shape[1:]), dtype=dtype)
            self._arrays[name] = np.concatenate((held, more))

    def save(self) -> dict[str, bytes]:
        """The rows that changed since `saved` was last called, by name."""
        return {f"{self.name}/{row}": self._encode(row) for row in self._dirty}

    def saved(self) -> None:
        """What `save` gave is safe."""
        self._dirty.clear()

    def _encode(self, row: int) -> bytes:
        return msgspec.msgpack.encode((self._keys[row], [array[row].tobytes() for array in self._arrays.values()]))

    def load(self, saved: Mapping[str, bytes]) -> None:
        """Take up rows that `save` gave; rows of another shape and rows past the limit are left out."""
        sizes = [np.dtype(dtype).itemsize * width for dtype, width in self._columns.values()]
        for name, value in saved.items():
            prefix, _, number = name.rpartition("/")
            if prefix != self.name or not number.isdigit() or int(number) > self._limit:
                continue
            row = int(number)
            key, parts = msgspec.msgpack.decode(value, type=tuple[Key | None, list[bytes]])
            if [len(part) for part in parts] != sizes or (key is None and row):
                continue
            while row >= len(self["born_s"]):
                self._grow()
            self._keys += [None] * (row + 1 - len(self._keys))
            if key is not None:
                self._put(row, key)
            for (column, (dtype, width)), part in zip(self._columns.items(), parts, strict=True):
                values = np.frombuffer(part, dtype=dtype)
                self._arrays[column][row] = values if width > 1 else values[0]
        self._free = [row for row in range(1, len(self._keys)) if self._keys[row] is None]
