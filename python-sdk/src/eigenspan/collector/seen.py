"""Which spans were counted: fingerprints in two hash tables, the newer of which is filled while the older is read.

A span that comes again, in a retry of another shape, is known while fewer than `capacity` others have come since, and at
the most twice as many are held: 16 bytes each.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import polars as pl

Prints = npt.NDArray[np.uint64]
_A, _B, _C = np.uint64(0x9E3779B97F4A7C15), np.uint64(0xC2B2AE3D27D4EB4F), np.uint64(0x165667B19E3779F9)
_SHIFT = np.uint64(29)


def fingerprints(spans: pl.DataFrame) -> Prints:
    """64 bits, never 0, for each span's tenant, trace id, span id and kind."""
    with np.errstate(over="ignore"):
        mixed = spans["trace_lo"].to_numpy() ^ (spans["trace_hi"].to_numpy() * _A)
        mixed = (mixed ^ (mixed >> _SHIFT)) * _B
        mixed ^= spans["span_id"].to_numpy() * _C + spans["kind"].to_numpy().astype(np.uint64)
        mixed = (mixed ^ (mixed >> _SHIFT)) * _A
        tenants = spans["tenant"]
        if (tenants != "").any():
            mixed ^= tenants.hash(seed=7).to_numpy()
        mixed ^= mixed >> _SHIFT
    return np.asarray(np.maximum(mixed, np.uint64(1)))


class Seen:
    """A set of recent fingerprints."""

    def __init__(self, capacity: int = 1 << 20) -> None:
        self._capacity = capacity
        self._new, self._old = _Slots(1 << 13), _Slots(1 << 4)
        self.forgotten = 0

    def add(self, prints: Prints) -> npt.NDArray[np.bool_]:
        """Note some spans; true where one was not there yet, the first of several in `prints`."""
        ordered = np.sort(prints)
        again = bool((ordered[1:] == ordered[:-1]).any())
        fresh = pl.Series(prints).is_first_distinct().to_numpy() if again else np.ones(len(prints), dtype=bool)
        if self._old.count:
            fresh = fresh & ~self._old.holds(prints)
        rows = np.flatnonzero(fresh)
        out = np.zeros(len(prints), dtype=bool)
        out[rows] = self._new.add(prints[rows])
        if self._new.count >= self._capacity:
            self.forgotten += self._old.count
            self._old, self._new = self._new, _Slots(len(self._new))
        return out


class _Slots:
    """An open-addressed table with linear probing, at most half full."""

    def __init__(self, size: int) -> None:
        self._slots = np.zeros(size, dtype=np.uint64)
        self.count = 0

    def __len__(self) -> int:
        return len(self._slots)

    def holds(self, prints: Prints) -> npt.NDArray[np.bool_]:
        return self._probe(prints)[1]

    def add(self, prints: Prints) -> npt.NDArray[np.bool_]:
        """Add distinct fingerprints; true where one was not there."""
        while 2 * (self.count + len(prints)) > len(self._slots):
            held = np.sort(self._slots[self._slots != 0])  # goes through the new table from end to end
            self._slots, self.count = np.zeros(4 * len(self._slots), dtype=np.uint64), 0
            self.add(held)
        at, known = self._probe(prints)
        fresh, waiting = ~known, np.flatnonzero(~known)
        mask = len(self._slots) - 1
        where = at[waiting]
        while len(waiting):
            free = self._slots[where] == 0
            self._slots[where[free]] = prints[waiting[free]]  # of two that want one slot the last gets it
            lost = self._slots[where] != prints[waiting]
            waiting, where = waiting[lost], (where[lost] + 1) & mask
        self.count += int(fresh.sum())
        return fresh

    def _probe(self, prints: Prints) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.bool_]]:
        """Where each is, or the first free slot where it would be; and whether it is there."""
        mask = len(self._slots) - 1
        at = (prints >> np.uint64(65 - len(self._slots).bit_length())).astype(np.int64)
        found = self._slots[at]
        on = np.flatnonzero((found != 0) & (found != prints))
        while len(on):
            at[on] = (at[on] + 1) & mask
            found = self._slots[at[on]]
            on = on[(found != 0) & (found != prints[on])]
        return at, self._slots[at] == prints
