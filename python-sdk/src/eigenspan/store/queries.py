"""Stored traces in the order of their writing, each body given once: what figures over many traces are made from."""

from __future__ import annotations

import sqlite3
import threading
from contextlib import closing
from pathlib import Path
from typing import Final

from eigenspan.store.day import files, open_to_read, unpack

MAX_BODIES: Final = 4_000
MAX_BYTES: Final = 64 << 20


class Tail:
    """Reads the day files of a `TraceStore`, in this process or another, and never holds up their writer.

    One reading gives at most `bodies` of them, the newest, within MAX_BYTES; older ones that it did not come to are
    counted in `passed_over` and not given later.
    """

    def __init__(self, directory: Path, bodies: int = MAX_BODIES) -> None:
        self._directory, self._bodies = directory, bodies
        self._through: dict[Path, int] = {}
        self._lock = threading.Lock()
        self.passed_over = 0

    def read(self) -> list[bytes]:
        """The OTLP bytes (TracesData) written since the last reading, oldest first."""
        found: list[bytes] = []
        size = 0
        with self._lock:
            there = files(self._directory)
            for gone in self._through.keys() - set(there):
                del self._through[gone]
            for path in reversed(there):
                try:
                    if db := open_to_read(path):
                        with closing(db):
                            size = self._read(db, path, found, size)
                except sqlite3.OperationalError:
                    if path.exists():
                        raise
        return found[::-1]

    def _read(self, db: sqlite3.Connection, file: Path, found: list[bytes], size: int) -> int:
        through = self._through.get(file, 0)
        newest = through
        rows = db.execute("SELECT id, otlp FROM body WHERE id > ? ORDER BY id DESC", (through,))
        for number, packed in rows:
            body = unpack(packed)
            newest = max(newest, number)
            if len(found) >= self._bodies or size + len(body) > MAX_BYTES:
                self.passed_over += db.execute(
                    "SELECT count(*) FROM body WHERE id > ? AND id <= ?", (through, number)
                ).fetchone()[0]
                break
            found.append(body)
            size += len(body)
        self._through[file] = newest
        return size
