"""The embedded trace store: each trace's OTLP bytes, a row that summarises it, and promoted keys to find it by.

One SQLite file a day (the day of writing, UTC), so that retention is the removal of a file. Readers, of this process
and of others, have connections of their own and never block the writer (WAL). A trace whose spans arrive on two days is
put together when it is read.
"""

from __future__ import annotations

import sqlite3
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Self

from opentelemetry.proto.trace.v1.trace_pb2 import TracesData

from eigenspan.store.tree import Node, summarise, tree_of

_SCHEMA = """
BEGIN IMMEDIATE;
CREATE TABLE IF NOT EXISTS trace (tenant TEXT, trace BLOB, start_ns INTEGER, end_ns INTEGER, spans INTEGER,
    errors INTEGER, service TEXT, root TEXT, backend TEXT, rule TEXT, PRIMARY KEY (trace, tenant)) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS trace_start ON trace (start_ns);
CREATE TABLE IF NOT EXISTS body (tenant TEXT, trace BLOB, otlp BLOB);
CREATE INDEX IF NOT EXISTS body_trace ON body (trace);
CREATE TABLE IF NOT EXISTS promoted (key TEXT, value TEXT, tenant TEXT, trace BLOB,
    PRIMARY KEY (key, value, tenant, trace)) WITHOUT ROWID;
COMMIT;
"""
_KNOWN = "SELECT 1 FROM body WHERE trace = ? AND tenant = ? AND otlp = ?"
_FILES = "????-??-??.db"
_MAX_NS = 2**63 - 1  # what SQLite holds; OTLP has one bit more
_CHUNK = 500  # parameters of one IN (...)
_UPSERT = """
INSERT INTO trace VALUES (?,?,?,?,?,?,?,?,?,?) ON CONFLICT DO UPDATE SET
    start_ns = min(start_ns, excluded.start_ns), end_ns = max(end_ns, excluded.end_ns),
    spans = spans + excluded.spans, errors = errors + excluded.errors,
    service = iif(root IS NULL AND excluded.root IS NOT NULL, coalesce(excluded.service, service),
        coalesce(service, excluded.service)),
    root = coalesce(root, excluded.root),
    backend = coalesce(backend, excluded.backend), rule = coalesce(nullif(rule, ''), excluded.rule)
"""


@dataclass(frozen=True, slots=True)
class Filters:
    """Which traces to list; None: any."""

    errors: bool = False
    service: str | None = None
    backend: str | None = None
    slower_than_s: float | None = None
    start_ns: int | None = None  # only traces that began at or after this
    end_ns: int | None = None  # only traces that began before this


@dataclass(frozen=True, slots=True)
class Row:
    """One trace in a list."""

    trace_id: str
    start_ns: int
    end_ns: int
    spans: int
    errors: int
    service: str | None
    root: str | None
    backend: str | None
    rule: str | None
    tenant: str = ""

    @property
    def duration_s(self) -> float:
        """From the first start to the last end."""
        return max(0, self.end_ns - self.start_ns) / 1e9

    def to_dict(self) -> dict[str, object]:
        """As JSON shows it."""
        return asdict(self) | {"duration_s": self.duration_s}


@dataclass(frozen=True, slots=True)
class Stored:
    """One trace with its bytes."""

    row: Row
    bodies: tuple[bytes, ...] = field(repr=False)

    def message(self) -> TracesData:
        """All its spans as one OTLP message; bodies of the same field number concatenate."""
        return TracesData.FromString(b"".join(self.bodies))

    def tree(self) -> list[Node]:
        """Its spans depth first, parents before children, in the order of their starts."""
        return tree_of(self.message())


class TraceStore:
    """The files of one directory. `write` is for one thread; the rest may be called from any.

    `today` gives the day that files are named and aged by.
    """

    def __init__(
        self,
        directory: Path,
        *,
        read_only: bool = False,
        max_age_days: int = 14,
        max_bytes: int = 4 << 30,
        today: Callable[[], date] = lambda: datetime.now(UTC).date(),
    ) -> None:
        self.directory, self._read_only = directory, read_only
        self._max_age_days, self._max_bytes, self._today = max_age_days, max_bytes, today
        self._writing, self._reading = threading.Lock(), threading.Lock()
        self._writer: tuple[str, sqlite3.Connection] | None = None
        self._readers: dict[str, sqlite3.Connection] = {}
        self._trimmed_s = float("-inf")
        self.removed: list[str] = []
        if not read_only:
            directory.mkdir(parents=True, exist_ok=True, mode=0o700)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def write(self, traces: Sequence[tuple[str, bytes, str, bytes]]) -> None:
        """Store (tenant, trace id, rule, OTLP bytes) each, in one transaction.

        The same bytes of a trace a second time, as after a delivery whose success was not noted, change nothing.
        """
        if self._read_only:
            raise ValueError("this store was opened to be read")
        summaries = [summarise(TracesData.FromString(otlp)) for *_, otlp in traces]
        with self._writing:
            db = self._writable(self._today().isoformat())
            db.execute("BEGIN IMMEDIATE")
            try:
                for (tenant, trace, rule, otlp), summary in zip(traces, summaries, strict=True):
                    if db.execute(_KNOWN, (trace, tenant, otlp)).fetchone():
                        continue
                    row = (tenant, trace, min(summary.start_ns, _MAX_NS), min(summary.end_ns, _MAX_NS), summary.spans, summary.errors,
                           summary.service, summary.root, summary.backend, rule)  # fmt: skip
                    db.execute(_UPSERT, row)
                    db.execute("INSERT INTO body VALUES (?,?,?)", (tenant, trace, otlp))
                    promoted = ((key, value, tenant, trace) for key, value in summary.promoted)
                    db.executemany("INSERT OR IGNORE INTO promoted VALUES (?,?,?,?)", promoted)
                db.execute("COMMIT")
            except BaseException:
                if db.in_transaction:  # SQLite ends it by itself where the disk is full
                    db.execute("ROLLBACK")
                raise
            self._trim()

    def newest(self, filters: Filters | None = None, limit: int = 50) -> list[Row]:
        """The newest traces that pass the filters.

        Where a trace arrived on two days, the filters look at each day's part; what is returned is the whole.
        """
        where, parameters = _where(filters or Filters())
        found = self._rows(f"SELECT * FROM trace {where} ORDER BY start_ns DESC LIMIT ?", (*parameters, limit))
        rows = sorted(found.values(), key=_start_ns, reverse=True)[:limit]
        if len(self._days()) > 1:
            rows = self._whole(rows)
        return sorted(rows, key=_start_ns, reverse=True)

    def trace(self, trace_id: str) -> Stored | None:
        """One trace by its id in hexadecimal; None where it is not stored."""
        try:
            trace = bytes.fromhex(trace_id)
        except ValueError:
            return None
        rows = list(self._rows("SELECT * FROM trace WHERE trace = ?", (trace,)).values())
        if not rows:
            return None
        row = rows[0]
        for other in rows[1:]:
            row = _merge(row, other)
        bodies = self._query("SELECT otlp FROM body WHERE trace = ? ORDER BY rowid", (trace,))
        return Stored(row, tuple(body for (body,) in bodies))

    def find(self, key: str, value: str) -> list[str]:
        """The ids of traces that carry a promoted attribute with this value."""
        rows = self._query("SELECT trace FROM promoted WHERE key = ? AND value = ?", (key, value))
        return list(dict.fromkeys(trace.hex() for (trace,) in rows))

    def values(self) -> dict[str, list[str]]:
        """The services and backends there are, for filters."""
        found: defaultdict[str, set[str]] = defaultdict(set)
        for service, backend in self._query("SELECT DISTINCT service, backend FROM trace", ()):
            found["service"].add(service or "")
            found["backend"].add(backend or "")
        return {name: sorted(values - {""}) for name, values in found.items()}

    def backends(self) -> dict[str, int]:
        """How many stored traces ran on each backend, by the first backend that they name."""
        found: Counter[str] = Counter()
        for backend, count in self._query(
            "SELECT backend, count(*) FROM trace WHERE backend IS NOT NULL GROUP BY backend", ()
        ):
            found[backend] += count
        return dict(found)

    def counts(self) -> dict[str, int]:
        """How many traces, spans and error traces are stored."""
        totals = [0, 0, 0]
        for row in self._query("SELECT count(*), sum(spans), sum(errors > 0) FROM trace", ()):
            totals = [total + (value or 0) for total, value in zip(totals, row, strict=True)]
        return dict(zip(("traces", "spans", "error_traces"), totals, strict=True))

    def close(self) -> None:
        """Close every file."""
        with self._writing, self._reading:
            if self._writer:
                self._writer[1].close()
                self._writer = None
            for db in self._readers.values():
                db.close()
            self._readers.clear()

    def _whole(self, rows: list[Row]) -> list[Row]:
        """The same traces with what other days have of them."""
        out: dict[tuple[str, str], Row] = {}
        for at in range(0, len(rows), _CHUNK):
            ids = [bytes.fromhex(row.trace_id) for row in rows[at : at + _CHUNK]]
            marks = ",".join("?" * len(ids))
            out |= self._rows(f"SELECT * FROM trace WHERE trace IN ({marks})", tuple(ids))
        return [out.get((row.tenant, row.trace_id), row) for row in rows]

    def _rows(self, sql: str, parameters: Iterable[object]) -> dict[tuple[str, str], Row]:
        merged: dict[tuple[str, str], Row] = {}
        for tenant, trace, *rest in self._query(sql, tuple(parameters)):
            start_ns, end_ns, spans, errors, service, root, backend, rule = rest
            row = Row(trace.hex(), start_ns, end_ns, spans, errors, service, root, backend, rule, tenant)
            key = (tenant, row.trace_id)
            merged[key] = _merge(merged[key], row) if key in merged else row
        return merged

    def _days(self) -> list[str]:
        return sorted((path.stem for path in self.directory.glob(_FILES)), reverse=True)

    def _query(self, sql: str, parameters: tuple[object, ...]) -> list[tuple]:  # type: ignore[type-arg]
        rows: list[tuple] = []  # type: ignore[type-arg]
        with self._reading:
            days = self._days()
            for gone in self._readers.keys() - set(days):
                self._readers.pop(gone).close()
            for day in days:
                try:
                    rows += self._readable(day).execute(sql, parameters).fetchall()
                except sqlite3.OperationalError as error:
                    made = "no such table" not in str(error)
                    if made and (self.directory / f"{day}.db").exists():
                        raise  # else: not made yet, or removed since it was listed
        return rows

    def _readable(self, day: str) -> sqlite3.Connection:
        db = self._readers.get(day)
        if db is None:
            uri = (self.directory / f"{day}.db").absolute().as_uri() + "?mode=ro"
            db = sqlite3.connect(uri, uri=True, check_same_thread=False, isolation_level=None)
            db.execute("PRAGMA busy_timeout=5000")
            self._readers[day] = db
        return db

    def _writable(self, day: str) -> sqlite3.Connection:
        if self._writer is None or self._writer[0] != day:
            if self._writer:
                self._writer[1].close()
                self._writer = None
            path = self.directory / f"{day}.db"
            db = sqlite3.connect(path, check_same_thread=False, isolation_level=None)
            try:
                db.executescript(
                    "PRAGMA busy_timeout=5000; PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL;" + _SCHEMA
                )
            except BaseException:
                db.close()
                raise
            self._writer = (day, db)
        return self._writer[1]

    def _trim(self) -> None:
        """Remove files past the cap on age, then the oldest past the cap on bytes; the newest stays."""
        if time.monotonic() - self._trimmed_s < 60:
            return
        self._trimmed_s = time.monotonic()
        files = sorted(self.directory.glob(_FILES))
        sizes = {path: sum(p.stat().st_size for p in self.directory.glob(f"{path.name}*")) for path in files}
        for path in files[:-1]:
            age = (self._today() - date.fromisoformat(path.stem)).days
            if age < self._max_age_days and sum(sizes.values()) <= self._max_bytes:
                break
            with self._reading:
                if db := self._readers.pop(path.stem, None):
                    db.close()
                for part in self.directory.glob(f"{path.name}*"):
                    part.unlink(missing_ok=True)
            del sizes[path]
            self.removed.append(path.stem)


def _start_ns(row: Row) -> int:
    return row.start_ns


def _where(filters: Filters) -> tuple[str, list[object]]:
    parts: list[tuple[str, object]] = []
    if filters.errors:
        parts.append(("errors > ?", 0))
    if filters.service:
        parts.append(("service = ?", filters.service))
    if filters.backend:
        parts.append(("backend = ?", filters.backend))
    if filters.slower_than_s is not None:
        parts.append(("end_ns - start_ns > ?", int(filters.slower_than_s * 1e9)))
    if filters.start_ns is not None:
        parts.append(("start_ns >= ?", filters.start_ns))
    if filters.end_ns is not None:
        parts.append(("start_ns < ?", filters.end_ns))
    clause = " AND ".join(condition for condition, _ in parts)
    return (f"WHERE {clause}" if clause else ""), [value for _, value in parts]


def _merge(one: Row, other: Row) -> Row:
    named = one if one.root or not other.root else other
    return replace(
        one,
        start_ns=min(one.start_ns, other.start_ns),
        end_ns=max(one.end_ns, other.end_ns),
        spans=one.spans + other.spans,
        errors=one.errors + other.errors,
        service=named.service or one.service or other.service,
        root=named.root,
        backend=one.backend or other.backend,
        rule=one.rule or other.rule,
    )
