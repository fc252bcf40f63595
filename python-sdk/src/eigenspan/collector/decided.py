"""Traces already decided: what is kept with its decision, what was dropped as fingerprints.

A decision holds for the spans up to its `through` position; a span after it is late. This is what tells a late span from
one that is read again at start.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import msgspec
import numpy as np
import numpy.typing as npt

from eigenspan.collector.columns import Longs
from eigenspan.collector.dropped import PAIR, DroppedTraces

TraceKey = tuple[str, int, int]  # tenant, trace id's high and low 64 bits


RECALLED = "recalled"
"""The rule of a trace that was dropped and brought back. What it stands for is not known."""


class Decision(msgspec.Struct, array_like=True, frozen=True):
    """What was decided about one trace. `through`: the last position applied; spans up to it are in, later ones late."""

    keep: bool
    threshold: int | None  # None: what it stands for is not known
    rule: str
    reason: str
    complete: bool
    through: int
    decided_ns: int = 0


@dataclass(frozen=True, slots=True)
class Dropped:
    """A dropped trace: nothing is left of it but how far the decision went."""

    through: int


def fingerprint(key: TraceKey) -> int:
    """64 bits that stand for a dropped trace."""
    tenant, high, low = key
    salt = int.from_bytes(hashlib.blake2b(tenant.encode(), digest_size=8).digest(), "little") if tenant else 0
    return (low ^ salt ^ (high * 0x9E3779B97F4A7C15)) & 0xFFFFFFFFFFFFFFFF


def trace_bytes(key: TraceKey) -> bytes:
    """The 16 bytes of a trace id."""
    return key[1].to_bytes(8, "big") + key[2].to_bytes(8, "big")


def key_of(tenant: str, trace: bytes) -> TraceKey:
    """The key of a tenant's trace id."""
    return tenant, int.from_bytes(trace[:8], "big"), int.from_bytes(trace[8:], "big")


@dataclass(frozen=True, slots=True, eq=False)
class Keys(Sequence[TraceKey]):
    """Keys of traces as columns, of which only those that are asked for become tuples. `tenants`: texts."""

    tenants: npt.NDArray[np.object_]
    highs: Longs
    lows: Longs

    @staticmethod
    def of(keys: Sequence[TraceKey]) -> Keys:
        """Tuples as columns."""
        tenants, highs, lows = ([key[part] for key in keys] for part in range(3))
        return Keys(np.array(tenants, dtype=object), np.array(highs, dtype=np.uint64), np.array(lows, dtype=np.uint64))

    def __len__(self) -> int:
        return len(self.lows)

    def __getitem__(self, row: int) -> TraceKey:  # type: ignore[override]  # nobody wants slices
        return self.tenants.item(row), self.highs.item(row), self.lows.item(row)

    def __iter__(self) -> Iterator[TraceKey]:
        return zip(self.tenants.tolist(), self.highs.tolist(), self.lows.tolist(), strict=True)

    def some(self, rows: npt.NDArray[np.int64] | npt.NDArray[np.bool_]) -> Keys:
        """Those in `rows`, by number or by truth."""
        return Keys(self.tenants[rows], self.highs[rows], self.lows[rows])

    def fingerprints(self) -> Longs:
        """`fingerprint` of each."""
        prints = self.lows ^ (self.highs * np.uint64(0x9E3779B97F4A7C15))
        for row in np.flatnonzero(self.tenants != "").tolist():
            prints[row] = fingerprint(self[row])
        return prints


_KEPT = msgspec.msgpack.Decoder(list[tuple[str, bytes, Decision]])


class Decided:
    """An index of decisions: kept traces by key, dropped ones by fingerprint."""

    def __init__(self, dropped: DroppedTraces | None = None) -> None:
        self._kept: dict[TraceKey, Decision] = {}
        self._kept_lows: set[int] = set()  # of their ids: most traces can be told apart by these
        self.dropped = DroppedTraces() if dropped is None else dropped

    def load(self, kept: list[bytes], dropped: list[tuple[int, bytes]]) -> None:
        """Take up what the state holds, oldest first."""
        for packed in kept:
            self._note((key_of(tenant, trace), decision) for tenant, trace, decision in _KEPT.decode(packed))
        for decided_ns, packed in dropped:
            pairs = np.frombuffer(packed, dtype=PAIR)
            self.dropped.add(pairs["fingerprint"], pairs["through"], decided_ns)

    def keep(self, keys: Sequence[TraceKey], decisions: Sequence[Decision]) -> bytes:
        """Note kept traces; returns them packed, as the state stores them."""
        self._note(zip(keys, decisions, strict=True))
        return msgspec.msgpack.encode([(k[0], trace_bytes(k), d) for k, d in zip(keys, decisions, strict=True)])

    def _note(self, kept: Iterable[tuple[TraceKey, Decision]]) -> None:
        for key, decision in kept:
            self._kept[key] = decision
            self._kept_lows.add(key[2])

    def drop(self, keys: Keys, through: int, decided_ns: int) -> bytes:
        """Note dropped traces; returns them packed, as the state stores them."""
        if not len(keys):
            return b""
        pairs = np.empty(len(keys), dtype=PAIR)
        pairs["fingerprint"] = keys.fingerprints()
        pairs["through"] = through
        self.dropped.add(pairs["fingerprint"], pairs["through"], decided_ns)
        return pairs.tobytes()

    def find(self, keys: Keys) -> dict[TraceKey, Decision | Dropped]:
        """The decisions about those of `keys` that were decided."""
        found: dict[TraceKey, Decision | Dropped] = {}
        if len(keys) and len(self.dropped):
            throughs = self.dropped.find(keys.fingerprints())
            found.update((keys[i], Dropped(through)) for i, through in throughs.items())
        lows = keys.lows.tolist()
        if not self._kept_lows.isdisjoint(lows):
            candidates = [keys[i] for i, low in enumerate(lows) if low in self._kept_lows]
            found.update((key, self._kept[key]) for key in candidates if key in self._kept)
        return found

    def forget(self, decided_before_ns: int) -> None:
        """Forget decisions whose window has passed."""
        old = [key for key, decision in self._kept.items() if decision.decided_ns < decided_before_ns]
        for key in old:
            del self._kept[key]
        if old:
            self._kept_lows = {key[2] for key in self._kept}
        self.dropped.forget(decided_before_ns)

    def __len__(self) -> int:
        return len(self._kept) + len(self.dropped)
