"""The regret window: which payloads of the log hold spans of which trace, so that a dropped trace can be had back.

A pair (fingerprint of the trace, position) for each payload that has spans of it. The newest pairs are in memory; the
rest are sorted files (see `runs`), one for a stretch of positions, which hold nothing that the log does not hold too:
one that is lost or damaged is made again when the log is replayed from before it.
"""

from __future__ import annotations

import logging
from pathlib import Path

import numpy as np
import polars as pl

from eigenspan.collector.columns import Longs
from eigenspan.collector.decided import TraceKey, fingerprint
from eigenspan.collector.files import Files
from eigenspan.collector.runs import Run, read, write

_PAIRS = 1 << 18
_logger = logging.getLogger(__name__)


class Regret:
    """An index of the log by trace, over the positions that it still holds."""

    def __init__(self, directory: Path, first_position: int, files: Files | None = None) -> None:
        self._directory, self._files = directory, files or Files()
        self._runs: list[Run] = []  # stamps are the last position; they follow one another without a gap
        self._parts: list[tuple[Longs, Longs]] = []
        self._count = 0
        directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        self.through = first_position - 1
        """The last position that is noted."""
        for path in sorted(directory.glob("*.run")):
            self._load(path)
        self._first = self.through + 1  # the first position of the newest pairs

    def _load(self, path: Path) -> None:
        first = int(path.stem)
        try:
            run = read(path)
        except ValueError as error:
            _logger.warning("%s; it is made again from the log", error)
            run = None
        if run is None or first > self.through + 1 or run.stamp <= self.through:
            self._files.remove(path)  # after a gap, or of positions that the log holds no more
            return
        self._runs.append(run)
        self.through = run.stamp

    def note(self, spans: pl.DataFrame, through: int) -> None:
        """Take note of committed spans, up to position `through`; what was noted before is passed over."""
        positions = spans["position"].to_numpy()
        fresh = positions > self.through
        if fresh.any():
            self._parts.append((fingerprints_of(spans)[fresh], positions[fresh]))
            self._count += int(fresh.sum())
        self.through = max(self.through, through)

    def settle(self, *, all_: bool = False) -> None:
        """Write the newest pairs to a file where there are enough of them. OSError where the disk refuses."""
        if not self._count or (self._count < _PAIRS and not all_):
            return
        keys, values = (np.concatenate([part[i] for part in self._parts]) for i in (0, 1))
        path = self._directory / f"{self._first:020d}.run"
        self._runs.append(write(Run.of(keys, values, self.through), path, self._files, durable=False))
        self._parts, self._count, self._first = [], 0, self.through + 1

    def positions(self, key: TraceKey) -> list[int]:
        """The positions of payloads that may hold spans of the trace, in order; whoever reads them must look."""
        wanted = np.array([fingerprint(key)], dtype=np.uint64)
        found = [positions[keys == wanted] for keys, positions in self._parts]
        found += [run.find(wanted)[1] for run in self._runs]
        return sorted({int(position) for part in found for position in part})

    def forget(self, first_position: int) -> None:
        """The log begins with `first_position` now."""
        while self._runs and self._runs[0].stamp < first_position:
            path = self._runs.pop(0).path
            if path is not None:
                self._files.remove(path)


def fingerprints_of(spans: pl.DataFrame) -> Longs:
    """The fingerprint of each span's trace: `decided.fingerprint`, by column."""
    high, low, tenants = spans["trace_hi"].to_numpy(), spans["trace_lo"].to_numpy(), spans["tenant"]
    mixed = low ^ (high * np.uint64(0x9E3779B97F4A7C15))
    if not (tenants != "").any():
        return np.asarray(mixed)
    salts = {tenant: fingerprint((tenant, 0, 0)) for tenant in tenants.unique()}
    salt = np.fromiter((salts[tenant] for tenant in tenants), dtype=np.uint64, count=len(spans))
    return np.asarray(mixed ^ salt)
