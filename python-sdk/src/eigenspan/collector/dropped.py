"""Dropped traces: how far each decision went, by fingerprint, for as long as decisions are remembered.

What was dropped lately is in memory, and in the state, which commits it with the turn. Once there is enough of it, it
becomes a sorted file (see `runs`); a filter of a byte and a half a trace is what memory then holds.
"""

from __future__ import annotations

import logging
from pathlib import Path

import numpy as np

from eigenspan.collector.columns import Longs
from eigenspan.collector.files import Files
from eigenspan.collector.runs import Filter, Run, read, write

PAIR = np.dtype([("fingerprint", "<u8"), ("through", "<u8")])
"""A dropped trace as the state stores it."""
_FREEZE = 1 << 20
_HOUR_NS = 3_600_000_000_000
_logger = logging.getLogger(__name__)


class DroppedTraces:
    """Fingerprint → the last position that the decision covers. Without a directory all of it stays in memory."""

    def __init__(self, directory: Path | None = None, files: Files | None = None) -> None:
        self._directory, self._files = directory, files or Files()
        self._recent: list[Run] = []  # stamps are decided_ns
        self._frozen: list[tuple[Run, Filter]] = []
        if directory is not None:
            directory.mkdir(parents=True, exist_ok=True, mode=0o700)
            for path in sorted(directory.glob("*.run")):
                self._load(path)

    def _load(self, path: Path) -> None:
        try:
            run = read(path)
        except ValueError as error:
            self._files.rename(path, path.with_suffix(".bad"))
            _logger.error("%s; set aside as .bad: late spans of the traces in it start new ones", error)
            return
        self._frozen.append((run, Filter(run.keys)))

    def add(self, fingerprints: Longs, throughs: Longs, decided_ns: int) -> None:
        """Take note of dropped traces. Runs of one hour are merged, so that there are few."""
        run = Run.of(fingerprints, throughs, decided_ns)
        while self._recent:
            last = self._recent[-1]
            if last.stamp // _HOUR_NS != decided_ns // _HOUR_NS or len(last.keys) > 2 * len(run.keys):
                break
            self._recent.pop()
            keys, values = np.concatenate((last.keys, run.keys)), np.concatenate((last.values, run.values))
            run = Run.of(keys, values, max(decided_ns, last.stamp))
        self._recent.append(run)

    def find(self, fingerprints: Longs) -> dict[int, int]:
        """Index in `fingerprints` → through, for those that were dropped; of several decisions the last."""
        found: dict[int, int] = {}
        for run, filter_ in self._frozen:
            at = np.flatnonzero(filter_.may_hold(fingerprints))
            if len(at):
                which, throughs = run.find(fingerprints[at])
                _note(found, at[which], throughs)
        for run in self._recent:
            _note(found, *run.find(fingerprints))
        return found

    def freeze(self, now_ns: int, *, all_: bool = False) -> bool:
        """Write what is recent to a file once it is much or an hour old; whether that was done.

        After it the state need not hold what it holds of dropped traces. OSError where the disk refuses.
        """
        if self._directory is None or not self._recent:
            return False
        old = self._recent[0].stamp // _HOUR_NS != now_ns // _HOUR_NS
        if not all_ and not old and sum(len(run.keys) for run in self._recent) < _FREEZE:
            return False
        run = Run.of(
            np.concatenate([run.keys for run in self._recent]),
            np.concatenate([run.values for run in self._recent]),
            max(run.stamp for run in self._recent),
        )
        path = self._directory / f"{run.stamp:020d}-{int(run.values.max()):020d}.run"
        run = write(run, path, self._files)
        self._frozen.append((run, Filter(run.keys)))
        self._recent = []
        return True

    def forget(self, decided_before_ns: int) -> None:
        """Forget runs all of whose decisions are older."""
        self._recent = [run for run in self._recent if run.stamp >= decided_before_ns]
        for run, _ in [entry for entry in self._frozen if entry[0].stamp < decided_before_ns]:
            if run.path is not None:
                self._files.remove(run.path)
        self._frozen = [entry for entry in self._frozen if entry[0].stamp >= decided_before_ns]

    def __len__(self) -> int:
        return sum(len(run.keys) for run in self._recent) + sum(len(run.keys) for run, _ in self._frozen)

    @property
    def filter_bytes(self) -> int:
        """Memory held for what is in files."""
        return sum(filter_.size_bytes for _, filter_ in self._frozen)


def _note(found: dict[int, int], which: np.ndarray, throughs: Longs) -> None:
    for index, through in zip(which.tolist(), throughs.tolist(), strict=True):
        found[index] = max(through, found.get(index, 0))
