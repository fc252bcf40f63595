"""The index of terms in a day's file: terms are numbered, and each body has the numbers of its terms as one blob.

A search walks the bodies of a window, newest first, and looks for four bytes in each blob: about 0.2 µs a body, without an
index entry for each attribute. Numbers may be found across a border of two others; what is found is looked at again in
the spans themselves. A key with more than `MAX_VALUES` values a day is from then on indexed by its presence alone.
"""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Final

from opentelemetry.proto.trace.v1.trace_pb2 import TracesData

from eigenspan.store.terms import Term, terms_of

MAX_VALUES: Final = 10_000
MAX_OPERATIONS: Final = 50_000
HOUR_NS: Final = 3_600 * 10**9
_MAX_CACHED: Final = 500_000
SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS term (id INTEGER PRIMARY KEY, scope TEXT, key TEXT, type TEXT, value TEXT,
    UNIQUE (scope, key, type, value));
CREATE INDEX IF NOT EXISTS term_key ON term (key, value);
CREATE TABLE IF NOT EXISTS entry (start_ns INTEGER, body INTEGER, end_ns INTEGER, trace BLOB, terms BLOB,
    PRIMARY KEY (start_ns, body)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS operation (service TEXT, name TEXT, kind TEXT, PRIMARY KEY (service, name, kind)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS call (hour INTEGER, parent TEXT, child TEXT, calls INTEGER,
    PRIMARY KEY (hour, parent, child)) WITHOUT ROWID;
"""

Needs = Sequence[Sequence[Term]]
"""Every group has to be there by one of its terms. A term of type "" with a value stands for the value in any type."""


class Indexer:
    """Writes the index of one day's file, inside the caller's transactions."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db
        self.forget()

    def forget(self) -> None:
        """Know only what the file has, as after a transaction that was rolled back."""
        self._ids: dict[Term, int] = {}
        counted = self._db.execute("SELECT scope, key, count(*) FROM term GROUP BY scope, key")
        self._values = Counter({(scope, key): count for scope, key, count in counted})
        self._operations: int = self._db.execute("SELECT count(*) FROM operation").fetchone()[0]

    def add(
        self, body: int, trace: bytes, bounds: tuple[int, int], spans: TracesData, before: TracesData | None
    ) -> None:
        """Index a body (its row) with its start and end. `before`: what the file has of the trace already."""
        found = terms_of(spans)
        ids = sorted(i for term in found.terms if (i := self._id(term)))
        packed = b"".join(i.to_bytes(4, "big") for i in ids)
        self._db.execute("INSERT INTO entry VALUES (?,?,?,?,?)", (bounds[0], body, bounds[1], trace, packed))
        if self._operations < MAX_OPERATIONS:
            done = self._db.executemany("INSERT OR IGNORE INTO operation VALUES (?,?,?)", found.operations)
            self._operations += max(0, done.rowcount)
        calls = found.calls
        if before is not None:
            whole = TracesData()
            whole.CopyFrom(before)
            whole.MergeFrom(spans)
            calls = terms_of(whole).calls - terms_of(before).calls
        rows = ((bounds[0] // HOUR_NS, parent, child, n) for (parent, child), n in calls.items())
        self._db.executemany(
            "INSERT INTO call VALUES (?,?,?,?) ON CONFLICT DO UPDATE SET calls = calls + excluded.calls", rows
        )

    def _id(self, term: Term) -> int:
        """The term's number; 0 for a value that is one too many of its key."""
        if found := self._ids.get(term):
            return found
        row = self._db.execute(
            "SELECT id FROM term WHERE scope = ? AND key = ? AND type = ? AND value = ?", term
        ).fetchone()
        if row is None:
            if term.type and self._values[term[:2]] >= MAX_VALUES:
                return 0
            self._values[term[:2]] += 1
            number = (
                self._db.execute("INSERT INTO term (scope, key, type, value) VALUES (?,?,?,?)", term).lastrowid or 0
            )
        else:
            number = row[0]
        if len(self._ids) >= _MAX_CACHED:
            self._ids.clear()
        self._ids[term] = number
        return number


def candidates(
    db: sqlite3.Connection, needs: Needs, start_ns: int, end_ns: int, shortest_ns: int, limit: int
) -> list[tuple[int, bytes]]:
    """(start, trace id) of the bodies in a window of starts that may hold what is needed, newest first."""
    where, parameters = ["start_ns >= ?", "start_ns <= ?"], [start_ns, end_ns]
    if shortest_ns:
        where.append("end_ns - start_ns >= ?")
        parameters.append(shortest_ns)
    marks: list[bytes] = []
    for group in needs:
        ids = [i for term in group for i in _numbers(db, term)]
        if not ids:
            return []
        where.append("(" + " OR ".join(["instr(terms, ?) > 0"] * len(ids)) + ")")
        marks += [i.to_bytes(4, "big") for i in ids]
    sql = f"SELECT start_ns, trace FROM entry WHERE {' AND '.join(where)} ORDER BY start_ns DESC LIMIT ?"
    return db.execute(sql, (*parameters, *marks, limit)).fetchall()


def _numbers(db: sqlite3.Connection, term: Term) -> list[int]:
    """The numbers that say that a body may have the term: of the value, or of the key where not all its values are there."""
    if term.value:
        values = db.execute("SELECT count(*) FROM (SELECT 1 FROM term WHERE scope = ? AND key = ? LIMIT ?)",
                            (term.scope, term.key, MAX_VALUES + 1)).fetchone()[0]  # fmt: skip
        if values < MAX_VALUES:
            sql = "SELECT id FROM term WHERE scope = ? AND key = ? AND value = ? AND type != ''"
            return [i for (i,) in db.execute(sql, (term.scope, term.key, term.value))]
    sql = "SELECT id FROM term WHERE scope = ? AND key = ? AND type = '' AND value = ''"
    return [i for (i,) in db.execute(sql, (term.scope, term.key))]


def dependencies(rows: Iterable[tuple[str, str, int]]) -> dict[tuple[str, str], int]:
    """Calls by (caller, called) service."""
    total: Counter[tuple[str, str]] = Counter()
    for parent, child, calls in rows:
        total[parent, child] += calls
    return dict(total)
