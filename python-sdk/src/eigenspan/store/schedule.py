"""Archives finished days again and again, on a thread of its own.

What a crash left half done is done again: a day leaves the store only when all of it has been read back from the archive.
"""

from __future__ import annotations

import logging
import threading
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from eigenspan.store import archive as archives
from eigenspan.store.day import is_restored

_logger = logging.getLogger(__name__)


class Schedule:
    """`step` archives what is due; `start` and `stop` run it every `every_s` seconds. `to` "": never.

    `counts`: "archived" days and "failed" attempts. `last_error`: what the last attempt failed with; "" where it did not.
    """

    def __init__(
        self,
        directory: Path,
        to: str,
        every_s: float,
        older_than_days: int,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._directory, self._to, self._every_s, self._older_than = directory, to, every_s, older_than_days
        self._now = now
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._loop, name="eigenspan-archive", daemon=True)
        self.counts: Counter[str] = Counter()
        self.last_error = ""

    def start(self) -> None:
        """Begin, where there is an archive."""
        if self._to:
            self._thread.start()

    def stop(self, timeout_s: float = 5.0) -> None:
        """End after the day that is being archived; one that takes long does not hold up the end of the process."""
        self._stopping.set()
        if self._thread.is_alive():
            self._thread.join(timeout_s)

    def due(self) -> list[Path]:
        """The files that are old enough, and did not come back from the archive."""
        found = archives.days(self._directory, self._now(), self._older_than)
        return [file for file in found if not is_restored(file)]

    def _loop(self) -> None:
        wait_s = 0.0
        while not self._stopping.wait(wait_s):
            self.step()
            wait_s = self._every_s

    def step(self) -> None:
        """Archive every day that is due; the first failure ends it until the next time."""
        try:
            due = self.due()
            to = archives.destination(self._to) if due else None
            for file in due:
                if self._stopping.is_set() or to is None:
                    return
                counts = archives.archive(file, to)
                self.counts["archived"] += 1
                _logger.info("%s is archived: %d bodies, %d logs", file.stem, counts["traces"], counts["logs"])
        except Exception as error:  # noqa: BLE001 (an object store may raise anything, and its message may hold a credential)
            ours = isinstance(error, archives.ArchiveError | OSError)
            self.last_error = str(error) if ours else type(error).__name__
            self.counts["failed"] += 1
            _logger.warning("the archive failed, and is tried again in %g s: %s", self._every_s, self.last_error)
        else:
            self.last_error = ""
