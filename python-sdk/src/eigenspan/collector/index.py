"""Which slot holds a trace: a table of slots, looked up by the trace's id and tenant, many at once."""

from __future__ import annotations

import numpy as np

from eigenspan.collector.columns import ROW, Ints, Longs, Rows

_FREE, _GONE = -1, -2
_HALF, _LOW = np.uint64(32), np.uint64(0xFFFFFFFF)
_SMALLEST = 12  # as a power of two


class Index:
    """An open-addressed table with linear probing, at most half full, over `rows` with columns `high`, `low` and `tenant`.

    Senders choose the ids: the numbers that scatter them (multiply-shift over the halves of each; Dietzfelbinger et al. 1997)
    are drawn at random, so that nobody can make many of them collide.
    """

    def __init__(self, rows: Rows) -> None:
        self._rows = rows
        self._scatter = np.random.default_rng().integers(0, 2**64, 5, dtype=np.uint64)
        self._table = np.full(1 << _SMALLEST, _FREE, dtype=ROW)
        self._used = 0  # entries of the table that are not free, at the most

    def prints(self, highs: Longs, lows: Longs, tenants: Ints) -> Longs:
        """A number for each trace, of which the high bits scatter."""
        a, b, c, d, e = self._scatter
        mixed = (highs >> _HALF) * a + (highs & _LOW) * b + (lows >> _HALF) * c + (lows & _LOW) * d
        return np.asarray(mixed + tenants.astype(np.uint64) * e)

    def find(self, prints: Longs, highs: Longs, lows: Longs, tenants: Ints) -> Ints:
        """The slot of each trace; -1 where it has none."""
        rows, mask = self._rows, len(self._table) - 1
        found = np.full(len(prints), -1, dtype=np.int64)
        at, on = self._first(prints), np.arange(len(prints))
        while len(on):
            slots = self._table[at]
            same = (slots >= 0) & (rows["low"][slots] == lows[on])
            same &= (rows["high"][slots] == highs[on]) & (rows["tenant"][slots] == tenants[on])
            found[on[same]] = slots[same]
            further = ~same & (slots != _FREE)
            on, at = on[further], (at[further] + 1) & mask
        return found

    def add(self, slots: Ints) -> None:
        """Enter slots whose traces are not in yet."""
        if 2 * (self._used + len(slots)) > len(self._table):
            held = self._table[self._table >= 0].astype(np.int64)
            size = 1 << max(_SMALLEST, (4 * (len(held) + len(slots))).bit_length())
            self._table, self._used = np.full(size, _FREE, dtype=ROW), 0
            self._enter(held)
        self._enter(slots)

    def _enter(self, slots: Ints) -> None:
        self._used += len(slots)
        at, mask = self._first_of(slots), len(self._table) - 1
        while len(slots):
            free = self._table[at] < 0
            self._table[at[free]] = slots[free]  # of two that want one entry the last gets it
            lost = self._table[at] != slots
            slots, at = slots[lost], (at[lost] + 1) & mask

    def remove(self, slots: Ints) -> None:
        """Take slots out, before what their rows say is gone."""
        at, mask = self._first_of(slots), len(self._table) - 1
        while len(slots):
            own = self._table[at] == slots
            self._table[at[own]] = _GONE
            slots, at = slots[~own], (at[~own] + 1) & mask

    def _first_of(self, slots: Ints) -> Ints:
        rows = self._rows
        return self._first(self.prints(rows["high"][slots], rows["low"][slots], rows["tenant"][slots]))

    def _first(self, prints: Longs) -> Ints:
        shift = np.uint64(65 - len(self._table).bit_length())
        return (prints >> shift).astype(np.int64)
