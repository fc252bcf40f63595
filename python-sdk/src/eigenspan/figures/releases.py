"""Releases: versions that spans came with, in the order in which they took over, and releases that were posted.

A version is released when spans first carry it, and again when it comes back after QUIET_NS without it while another one ran:
a roll-back. The first version of a service, workflow, model or prompt template is where its history begins and changes
nothing. Names come from outside, so their number is bounded; what finds no room is counted.
"""

from __future__ import annotations

import logging
import sqlite3
import threading
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from eigenspan.damage import open_or_set_aside
from eigenspan.figures.runs import Run, Version

QUIET_NS: Final = 30 * 60 * 10**9
MAX_VERSIONS: Final = 10_000
_logger = logging.getLogger(__name__)
_SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS version (kind TEXT, name TEXT, version TEXT, first_ns INTEGER, last_ns INTEGER,
    PRIMARY KEY (kind, name, version)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS release (id INTEGER PRIMARY KEY, kind TEXT, name TEXT, version TEXT, previous TEXT,
    at_ns INTEGER, source TEXT, note TEXT, UNIQUE (kind, name, version, at_ns));
"""


@dataclass(frozen=True, slots=True)
class Release:
    """One change of version. `previous`: "" where none is known; `source`: "spans" or "posted"."""

    kind: str
    name: str
    version: str
    previous: str
    at_ns: int
    source: str = "spans"
    note: str = ""
    number: int = 0


class Releases:
    """A SQLite file of releases, opened for each use."""

    def __init__(self, path: Path) -> None:
        self._path, self._lock = path, threading.Lock()
        open_or_set_aside(path, lambda _: None, self._was_damaged)
        self.overflowed = 0

    def _was_damaged(self, how: str) -> None:
        _logger.error("%s is damaged (%s); set aside as .bad. What spans show is seen again", self._path, how)

    def see(self, runs: Iterable[Run]) -> None:
        """Take note of the versions of traces, in the order of their starts."""
        spans: dict[Version, tuple[int, int]] = {}
        changes: list[tuple[int, Version]] = []
        for run in sorted(runs, key=lambda r: r.start_ns):
            for key in run.versions:
                first_ns, last_ns = spans.get(key, (run.start_ns, run.start_ns - QUIET_NS - 1))
                if run.start_ns - last_ns > QUIET_NS:
                    changes.append((run.start_ns, key))
                spans[key] = (first_ns, max(last_ns, run.start_ns))
        if not changes:
            return
        with self._open() as db:
            for at_ns, key in changes:
                self._change(db, at_ns, key)
                self._touch(db, key, at_ns, at_ns)
            for key, (first_ns, last_ns) in spans.items():
                self._touch(db, key, first_ns, last_ns)

    def _change(self, db: sqlite3.Connection, at_ns: int, key: Version) -> None:
        kind, name, version = key
        rows = db.execute(
            "SELECT version, first_ns, last_ns FROM version WHERE kind = ? AND name = ?", (kind, name)
        ).fetchall()
        known = {v: (first_ns, last_ns) for v, first_ns, last_ns in rows}
        others = [(last_ns, v) for v, (first_ns, last_ns) in known.items() if v != version and first_ns <= at_ns]
        if not others:
            return  # where its history begins
        seen_ns = known[version][1] if version in known else None
        if seen_ns is not None and (at_ns - seen_ns <= QUIET_NS or max(others)[0] <= seen_ns):
            return
        row = (kind, name, version, max(others)[1], at_ns, "spans", "")
        db.execute(_INSERT, row)

    def _touch(self, db: sqlite3.Connection, key: Version, first_ns: int, last_ns: int) -> None:
        there = db.execute("SELECT 1 FROM version WHERE kind = ? AND name = ? AND version = ?", key).fetchone()
        if not there and db.execute("SELECT count(*) FROM version").fetchone()[0] >= MAX_VERSIONS:
            self.overflowed += 1
            return
        db.execute(
            "INSERT INTO version VALUES (?,?,?,?,?) ON CONFLICT DO UPDATE SET first_ns = min(first_ns, excluded.first_ns), "
            "last_ns = max(last_ns, excluded.last_ns)",
            (*key, first_ns, last_ns),
        )

    def post(self, release: Release) -> None:
        """Add one that was told; the same again changes nothing."""
        with self._open() as db:
            previous = release.previous
            if not previous:
                found = db.execute(
                    "SELECT version FROM version WHERE kind = ? AND name = ? AND version <> ? AND first_ns <= ? "
                    "ORDER BY last_ns DESC LIMIT 1",
                    (release.kind, release.name, release.version, release.at_ns),
                ).fetchone()
                previous = found[0] if found else ""
            row = (release.kind, release.name, release.version, previous, release.at_ns, "posted", release.note)
            db.execute(_INSERT, row)

    def newest(self, since_ns: int = 0, limit: int = 100) -> list[Release]:
        """Releases since then, the newest first."""
        with self._open() as db:
            rows = db.execute(
                "SELECT kind, name, version, previous, at_ns, source, note, id FROM release WHERE at_ns >= ? "
                "ORDER BY at_ns DESC, id DESC LIMIT ?",
                (since_ns, limit),
            ).fetchall()
        return [Release(*row) for row in rows]

    @contextmanager
    def _open(self) -> Iterator[sqlite3.Connection]:
        with self._lock, closing(sqlite3.connect(self._path, timeout=5)) as db, db:
            db.executescript(_SCHEMA)
            yield db


_INSERT: Final = (
    "INSERT OR IGNORE INTO release (kind, name, version, previous, at_ns, source, note) VALUES (?,?,?,?,?,?,?)"
)
