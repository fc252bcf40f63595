"""Traces already decided: what is kept with its decision, what was dropped as fingerprints.

A decision holds for the spans up to its `through` position; a span after it is late. This is what tells a late span from
one that is read again at start.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import msgspec
import numpy as np
import numpy.typing as npt

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


def fingerprints(keys: Sequence[TraceKey]) -> npt.NDArray[np.uint64]:
    """The fingerprint of each key."""
    return np.fromiter((fingerprint(key) for key in keys), dtype=np.uint64, count=len(keys))


_KEPT = msgspec.msgpack.Decoder(list[tuple[str, bytes, Decision]])


class Decided:
    """An index of decisions: kept traces by key, dropped ones by fingerprint."""

    def __init__(self, dropped: DroppedTraces | None = None) -> None:
        self._kept: dict[TraceKey, Decision] = {}
        self.dropped = DroppedTraces() if dropped is None else dropped

    def load(self, kept: list[bytes], dropped: list[tuple[int, bytes]]) -> None:
        """Take up what the state holds, oldest first."""
        for packed in kept:
            for tenant, trace, decision in _KEPT.decode(packed):
                self._kept[key_of(tenant, trace)] = decision
        for decided_ns, packed in dropped:
            pairs = np.frombuffer(packed, dtype=PAIR)
            self.dropped.add(pairs["fingerprint"], pairs["through"], decided_ns)

    def keep(self, keys: Sequence[TraceKey], decisions: Sequence[Decision]) -> bytes:
        """Note kept traces; returns them packed, as the state stores them."""
        self._kept.update(zip(keys, decisions, strict=True))
        return msgspec.msgpack.encode([(k[0], trace_bytes(k), d) for k, d in zip(keys, decisions, strict=True)])

    def drop(self, keys: list[TraceKey], through: int, decided_ns: int) -> bytes:
        """Note dropped traces; returns them packed, as the state stores them."""
        if not keys:
            return b""
        pairs = np.empty(len(keys), dtype=PAIR)
        pairs["fingerprint"] = fingerprints(keys)
        pairs["through"] = through
        self.dropped.add(pairs["fingerprint"], pairs["through"], decided_ns)
        return pairs.tobytes()

    def find(self, keys: list[TraceKey]) -> dict[TraceKey, Decision | Dropped]:
        """The decisions about those of `keys` that were decided."""
        found: dict[TraceKey, Decision | Dropped] = {}
        if keys and len(self.dropped):
            throughs = self.dropped.find(fingerprints(keys))
            found.update((keys[i], Dropped(through)) for i, through in throughs.items())
        if self._kept:
            found.update((key, self._kept[key]) for key in keys if key in self._kept)
        return found

    def forget(self, decided_before_ns: int) -> None:
        """Forget decisions whose window has passed."""
        for key in [key for key, decision in self._kept.items() if decision.decided_ns < decided_before_ns]:
            del self._kept[key]
        self.dropped.forget(decided_before_ns)

    def __len__(self) -> int:
        return len(self._kept) + len(self.dropped)
