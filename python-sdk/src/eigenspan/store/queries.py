"""Stored traces in the order of their writing, each body given once: what figures over many traces are made from."""

from __future__ import annotations

import sqlite3
import threading
from contextlib import closing
from pathlib import Path
from typing import Final

MAX_BODIES: Final = 4_000
MAX_BYTES: Final = 64 << 20
_DAYS: Final = "????-??-??.db"


class Tail:
    """Reads the day files of a `TraceStore`, in this process or another, and never holds up their writer.

    One reading gives at most `bodies` of them, the newest, within MAX_BYTES; older ones that it did not come to are
    counted in `passed_over` and not given later.
    """

    def __init__(self, directory: Path, bodies: int = MAX_BODIES) -> None:
        self._directory, self._bodies = directory, bodies
        self._through: dict[str, int] = {}
        self._lock = threading.Lock()
        self.passed_over = 0

    def read(self) -> list[bytes]:
        """The OTLP bytes (TracesData) written since the last reading, oldest first."""
        found: list[bytes] = []
        size = 0
        with self._lock:
            days = {path.stem: path for path in self._directory.glob(_DAYS)}
            for gone in self._through.keys() - days.keys():
                del self._through[gone]
            for day, path in sorted(days.items(), reverse=True):
                try:
                    with closing(_open(path)) as db:
                        size = self._read(db, day, found, size)
                except sqlite3.OperationalError as error:
                    if path.exists() and "no such table" not in str(error):
                        raise
        return found[::-1]

    def _read(self, db: sqlite3.Connection, day: str, found: list[bytes], size: int) -> int:
        through = self._through.get(day, 0)
        newest = through
        rows = db.execute("SELECT rowid, otlp FROM body WHERE rowid > ? ORDER BY rowid DESC", (through,))
        for number, body in rows:
            newest = max(newest, number)
            if len(found) >= self._bodies or size + len(body) > MAX_BYTES:
                self.passed_over += db.execute(
                    "SELECT count(*) FROM body WHERE rowid > ? AND rowid <= ?", (through, number)
                ).fetchone()[0]
                break
            found.append(body)
            size += len(body)
        self._through[day] = newest
        return size


def _open(path: Path) -> sqlite3.Connection:
    db = sqlite3.connect(path.absolute().as_uri() + "?mode=ro", uri=True, isolation_level=None)
    db.execute("PRAGMA busy_timeout=5000")
    return db
