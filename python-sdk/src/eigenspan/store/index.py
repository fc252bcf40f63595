"""The index of a day's file: which bodies have a term or a number in a range.

Terms and bands of numbers are numbered; a full-text table (FTS5, without text, rowids alone) lists for each number the bodies that
have it. A key with more than `MAX_VALUES` values a day is from then on indexed by its presence, and its numbers by their bands.
"""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import islice
from typing import Final

from eigenspan.store.terms import Range, Term, band_of, narrow_bounds, wide

MAX_VALUES: Final = 10_000
MAX_OPERATIONS: Final = 50_000
HOUR_NS: Final = 3_600 * 10**9
SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS term (id INTEGER PRIMARY KEY, scope TEXT, key TEXT, type TEXT, value TEXT,
    UNIQUE (scope, key, type, value));
CREATE INDEX IF NOT EXISTS term_key ON term (key, value);
CREATE TABLE IF NOT EXISTS band (id INTEGER PRIMARY KEY, scope TEXT, key TEXT, wide INTEGER, number INTEGER,
    UNIQUE (scope, key, wide, number));
CREATE VIRTUAL TABLE IF NOT EXISTS posting USING fts5(tokens, content='', detail=none, columnsize=0, tokenize='ascii');
CREATE TABLE IF NOT EXISTS operation (service TEXT, name TEXT, kind TEXT, PRIMARY KEY (service, name, kind)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS call (hour INTEGER, parent TEXT, child TEXT, calls INTEGER,
    PRIMARY KEY (hour, parent, child)) WITHOUT ROWID;
"""
_CALL: Final = "INSERT INTO call VALUES (?,?,?,?) ON CONFLICT DO UPDATE SET calls = calls + excluded.calls"
_VALUES: Final = "SELECT count(*) FROM (SELECT 1 FROM term WHERE scope = ? AND key = ? LIMIT ?)"
_FOUND: Final = """
SELECT start_ns, trace FROM posting
    CROSS JOIN trace ON trace.id = coalesce((SELECT id FROM late WHERE body = posting.rowid), posting.rowid)
    WHERE posting MATCH ? {within} AND start_ns BETWEEN ? AND ? ORDER BY posting.rowid DESC LIMIT ?
"""

Needs = Sequence[Sequence[Term | Range]]
"""Every group has to be there by one of its terms. A term of type "" with a value stands for the value in any type."""


class Numbers:
    """The numbers of terms and bands of one day's file, given out inside the caller's transactions."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db
        self.forget()

    def forget(self) -> None:
        """Know only what the file has, as after a transaction that was rolled back."""
        counted = self._db.execute("SELECT scope, key, count(*) FROM term GROUP BY scope, key")
        self._values = Counter({(scope, key): count for scope, key, count in counted})
        self._operations: int = self._db.execute("SELECT count(*) FROM operation").fetchone()[0]

    def token(self, term: Term) -> str:
        """The term's token; "" for a value that is one too many of its key."""
        row = self._db.execute(
            "SELECT id FROM term WHERE scope = ? AND key = ? AND type = ? AND value = ?", term
        ).fetchone()
        if row is None:
            if term.type and self._values[term[:2]] >= MAX_VALUES:
                return ""
            self._values[term[:2]] += 1
            row = (self._db.execute("INSERT INTO term (scope, key, type, value) VALUES (?,?,?,?)", term).lastrowid,)
        return f"t{row[0]:x}"

    def bands(self, scope: str, key: str, band: int) -> tuple[str, str]:
        """The tokens of a narrow band and of the wide one that it lies in."""
        return self._band(scope, key, 0, band), self._band(scope, key, 1, wide(band))

    def _band(self, *band: object) -> str:
        self._db.execute("INSERT OR IGNORE INTO band (scope, key, wide, number) VALUES (?,?,?,?)", band)
        sql = "SELECT id FROM band WHERE scope = ? AND key = ? AND wide = ? AND number = ?"
        return f"b{self._db.execute(sql, band).fetchone()[0]:x}"

    def operation(self, service: str, name: str, kind: str) -> None:
        """Note a name that spans of a service have, while there are not too many."""
        if self._operations < MAX_OPERATIONS:
            done = self._db.execute("INSERT OR IGNORE INTO operation VALUES (?,?,?)", (service, name, kind))
            self._operations += max(0, done.rowcount)


def add(db: sqlite3.Connection, tokens: Iterable[tuple[int, str]], calls: Counter[tuple[int, str, str]]) -> None:
    """Index bodies by (number, tokens), and count calls by (hour, caller, called)."""
    db.executemany("INSERT INTO posting (rowid, tokens) VALUES (?,?)", tokens)
    db.executemany(_CALL, ((*call, n) for call, n in calls.items()))


def candidates(db: sqlite3.Connection, needs: Needs, start_ns: int, end_ns: int, limit: int) -> list[tuple[int, bytes]]:
    """(start, trace id) of the traces that began in a window and may hold what is needed, the last written first."""
    if not needs:
        sql = "SELECT start_ns, trace FROM trace WHERE start_ns BETWEEN ? AND ? ORDER BY start_ns DESC LIMIT ?"
        return db.execute(sql, (start_ns, end_ns, limit)).fetchall()
    groups = []
    for group in needs:
        tokens = [token for need in group for token in _tokens(db, need)]
        if not tokens:
            return []
        groups.append(f"({' OR '.join(tokens)})")
    bounds: tuple[int, int] | tuple[()] = ()
    if start_ns > 0:
        if (found := _bodies(db, start_ns, end_ns)) is None:
            return []
        bounds = found
    within = "AND posting.rowid BETWEEN ? AND ?" if bounds else ""
    parameters = (" AND ".join(groups), *bounds, start_ns, end_ns, limit)
    return db.execute(_FOUND.format(within=within), parameters).fetchall()


def _bodies(db: sqlite3.Connection, start_ns: int, end_ns: int) -> tuple[int, int] | None:
    """The first and the last number of a body of the traces that began in a window; None where there are none."""
    sql = "SELECT min(id), max(last) FROM trace WHERE start_ns BETWEEN ? AND ?"
    found: tuple[int | None, int | None] = db.execute(sql, (start_ns, end_ns)).fetchone()
    return None if found[0] is None or found[1] is None else (found[0], found[1])


def terms(
    db: sqlite3.Connection,
    start_ns: int,
    end_ns: int,
    scope: str | None = None,
    key: str | None = None,
    limit: int = -1,
) -> list[Term]:
    """The keys there are, or the values of one key, in the order of the values.

    Where the window does not begin with all time: those of traces that were written when those of the window were.
    """
    wanted, of = (
        ("type = '' AND scope != 'intrinsic'", ())
        if key is None
        else ("scope = ? AND key = ? AND type != ''", (scope, key))
    )
    rows = db.execute(f"SELECT id, scope, key, type, value FROM term WHERE {wanted} ORDER BY value", of)
    bounds = _bodies(db, start_ns, end_ns) if start_ns > 0 else None
    if start_ns > 0 and bounds is None:
        return []
    there = "SELECT 1 FROM posting WHERE posting MATCH ? AND rowid BETWEEN ? AND ? LIMIT 1"
    found = (
        Term(*term)
        for number, *term in rows
        if bounds is None or db.execute(there, (f"t{number:x}", *bounds)).fetchone()
    )
    return list(islice(found, None if limit < 0 else limit))


def _tokens(db: sqlite3.Connection, need: Term | Range) -> list[str]:
    """The tokens one of which a body must have."""
    if isinstance(need, Range):
        return _range(db, need)
    if need.value:
        values = db.execute(_VALUES, (need.scope, need.key, MAX_VALUES + 1)).fetchone()[0]
        if values < MAX_VALUES:
            sql = "SELECT id FROM term WHERE scope = ? AND key = ? AND value = ? AND type != ''"
            return [f"t{i:x}" for (i,) in db.execute(sql, (need.scope, need.key, need.value))]
    sql = "SELECT id FROM term WHERE scope = ? AND key = ? AND type = '' AND value = ''"
    return [f"t{i:x}" for (i,) in db.execute(sql, (need.scope, need.key))]


def _range(db: sqlite3.Connection, need: Range) -> list[str]:
    """Wide bands, and narrow ones where a wide one sticks out at an end."""
    low, high = band_of(need.low), band_of(need.high)
    if low is None or high is None:
        return []
    first, last = wide(low), wide(high)
    inside = (first + (narrow_bounds(first)[0] < low), last - (narrow_bounds(last)[1] > high))
    narrow = {(low, min(high, narrow_bounds(first)[1])), (max(low, narrow_bounds(last)[0]), high)}
    asked = [(1, *inside), *((0, *bounds) for bounds in narrow)]
    sql = "SELECT id FROM band WHERE scope = ? AND key = ? AND wide = ? AND number BETWEEN ? AND ?"
    return [f"b{i:x}" for bounds in asked for (i,) in db.execute(sql, (need.scope, need.key, *bounds))]


def dependencies(rows: Iterable[tuple[str, str, int]]) -> dict[tuple[str, str], int]:
    """Calls by (caller, called) service."""
    total: Counter[tuple[str, str]] = Counter()
    for parent, child, calls in rows:
        total[parent, child] += calls
    return dict(total)
