"""Traces already decided: what is kept with its decision, what was dropped as fingerprints.

A decision holds for the spans up to its `through` position; a span after it is late. This is what tells a late span from
one that is read again at start.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import msgspec
import numpy as np
import numpy.typing as npt

from eigenspan.collector.state import KeptRow

TraceKey = tuple[str, int, int]  # tenant, trace id's high and low 64 bits
_ROW = np.dtype([("fingerprint", "<u8"), ("through", "<u8")])
_MERGE_NS = 3_600_000_000_000  # decisions further apart than this are forgotten apart, so their runs stay apart


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


class Decided:
    """An index of decisions. Dropped traces cost 16 bytes each, in sorted runs that are merged now and then."""

    def __init__(self) -> None:
        self._kept: dict[TraceKey, Decision] = {}
        self._runs: list[tuple[int, npt.NDArray[np.void]]] = []  # newest decision in it, and the run

    def load(self, kept: list[KeptRow], dropped: list[tuple[int, bytes]]) -> None:
        """Take up what the state holds."""
        for row in kept:
            decision = msgspec.msgpack.decode(row.decision, type=Decision)
            self._kept[key_of(row.tenant, row.trace)] = msgspec.structs.replace(decision, through=row.through)
        for decided_ns, packed in dropped:
            self._add_run(decided_ns, np.frombuffer(packed, dtype=_ROW))

    def keep(self, key: TraceKey, decision: Decision) -> None:
        """Note a kept trace."""
        self._kept[key] = decision

    def drop(self, keys: list[TraceKey], through: int, decided_ns: int) -> bytes:
        """Note dropped traces; returns them packed, as the state stores them."""
        if not keys:
            return b""
        run = np.empty(len(keys), dtype=_ROW)
        run["fingerprint"] = [fingerprint(key) for key in keys]
        run["through"] = through
        run.sort(order="fingerprint")
        self._add_run(decided_ns, run)
        return run.tobytes()

    def _add_run(self, decided_ns: int, run: npt.NDArray[np.void]) -> None:
        while self._runs:
            last_ns, last = self._runs[-1]
            if last_ns // _MERGE_NS != decided_ns // _MERGE_NS or len(last) > 2 * len(run):
                break
            self._runs.pop()
            merged = np.concatenate((last, run))
            run = merged[np.argsort(merged["fingerprint"], kind="stable")]
            decided_ns = max(decided_ns, last_ns)
        self._runs.append((decided_ns, run))

    def find(self, keys: list[TraceKey]) -> dict[TraceKey, Decision | Dropped]:
        """The decisions about those of `keys` that were decided."""
        found: dict[TraceKey, Decision | Dropped] = {}
        kept = self._kept
        if kept:
            found.update((key, kept[key]) for key in keys if key in kept)
        if self._runs and keys:
            wanted = np.fromiter((fingerprint(key) for key in keys), dtype=np.uint64, count=len(keys))
            for _, run in self._runs:
                at = np.searchsorted(run["fingerprint"], wanted, side="right") - 1
                hits = np.flatnonzero((at >= 0) & (run["fingerprint"][at] == wanted))
                for i in hits:
                    if keys[i] not in kept:
                        found[keys[i]] = Dropped(int(run["through"][at[i]]))
        return found

    def forget(self, decided_before_ns: int) -> None:
        """Forget decisions whose window has passed."""
        for key in [key for key, decision in self._kept.items() if decision.decided_ns < decided_before_ns]:
            del self._kept[key]
        self._runs = [(decided_ns, run) for decided_ns, run in self._runs if decided_ns >= decided_before_ns]

    def __len__(self) -> int:
        return len(self._kept) + sum(len(run) for _, run in self._runs)
