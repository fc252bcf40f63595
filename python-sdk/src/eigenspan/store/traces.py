"""The embedded trace store: each trace's OTLP bytes, a row that summarises it, and promoted keys to find it by.

One SQLite file a day (the day of writing, UTC), so that retention is the removal of a file. Readers, also of other
processes, never block the writer (WAL). A trace whose spans arrive on two days is put together when it is read.
"""

from __future__ import annotations

import sqlite3
import threading
import time
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Self

from opentelemetry.proto.trace.v1.trace_pb2 import TracesData

from eigenspan.store.tree import Node, summarise, tree_of

_SCHEMA = """
CREATE TABLE IF NOT EXISTS trace (tenant TEXT, trace BLOB, start_ns INTEGER, end_ns INTEGER, spans INTEGER,
    errors INTEGER, service TEXT, root TEXT, backend TEXT, rule TEXT, PRIMARY KEY (tenant, trace)) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS trace_start ON trace (start_ns);
CREATE TABLE IF NOT EXISTS body (tenant TEXT, trace BLOB, otlp BLOB);
CREATE INDEX IF NOT EXISTS body_trace ON body (trace);
CREATE TABLE IF NOT EXISTS promoted (key TEXT, value TEXT, tenant TEXT, trace BLOB,
    PRIMARY KEY (key, value, tenant, trace)) WITHOUT ROWID;
"""
_UPSERT = """
INSERT INTO trace VALUES (?,?,?,?,?,?,?,?,?,?) ON CONFLICT DO UPDATE SET
    start_ns = min(start_ns, excluded.start_ns), end_ns = max(end_ns, excluded.end_ns),
    spans = spans + excluded.spans, errors = errors + excluded.errors,
    service = coalesce(service, excluded.service), root = coalesce(root, excluded.root),
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
    """The files of one directory. `write` is for one thread; the rest may be called from any."""

    def __init__(
        self, directory: Path, *, read_only: bool = False, max_age_days: int = 14, max_bytes: int = 4 << 30
    ) -> None:
        self._directory, self._read_only = directory, read_only
        self._max_age_days, self._max_bytes = max_age_days, max_bytes
        self._lock = threading.Lock()
        self._open: dict[str, sqlite3.Connection] = {}
        self._trimmed_s = 0.0
        self.removed: list[str] = []
        if not read_only:
            directory.mkdir(parents=True, exist_ok=True, mode=0o700)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def write(self, traces: Sequence[tuple[str, bytes, str, bytes]]) -> None:
        """Store (tenant, trace id, rule, OTLP bytes) each, in one transaction."""
        rows, bodies = [], []
        promoted: set[tuple[str, str, str, bytes]] = set()
        for tenant, trace, rule, otlp in traces:
            summary = summarise(TracesData.FromString(otlp))
            rows.append((tenant, trace, summary.start_ns, summary.end_ns, summary.spans, summary.errors,
                         summary.service, summary.root, summary.backend, rule))  # fmt: skip
            bodies.append((tenant, trace, otlp))
            promoted.update((key, value, tenant, trace) for key, value in summary.promoted)
        with self._lock:
            db = self._connection(datetime.now(UTC).strftime("%Y-%m-%d"))
            db.execute("BEGIN IMMEDIATE")
            try:
                db.executemany(_UPSERT, rows)
                db.executemany("INSERT INTO body VALUES (?,?,?)", bodies)
                db.executemany("INSERT OR IGNORE INTO promoted VALUES (?,?,?,?)", promoted)
                db.execute("COMMIT")
            except BaseException:
                db.execute("ROLLBACK")
                raise
        self._trim()

    def newest(self, filters: Filters | None = None, limit: int = 50) -> list[Row]:
        """The newest traces that pass the filters."""
        where, parameters = _where(filters or Filters())
        merged: dict[tuple[str, str], Row] = {}
        for row in self._select(f"SELECT * FROM trace {where} ORDER BY start_ns DESC LIMIT ?", (*parameters, limit)):
            key = (row.tenant, row.trace_id)
            merged[key] = _merge(merged[key], row) if key in merged else row
        return sorted(merged.values(), key=lambda row: row.start_ns, reverse=True)[:limit]

    def trace(self, trace_id: str) -> Stored | None:
        """One trace by its id in hexadecimal; None where it is not stored."""
        try:
            trace = bytes.fromhex(trace_id)
        except ValueError:
            return None
        row: Row | None = None
        for part in self._select("SELECT * FROM trace WHERE trace = ?", (trace,)):
            row = part if row is None else _merge(row, part)
        if row is None:
            return None
        bodies = [body for (body,) in self._query("SELECT otlp FROM body WHERE trace = ? ORDER BY rowid", (trace,))]
        return Stored(row, tuple(bodies))

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

    def counts(self) -> dict[str, int]:
        """How many traces, spans and error traces are stored."""
        totals = [0, 0, 0]
        for row in self._query("SELECT count(*), sum(spans), sum(errors > 0) FROM trace", ()):
            totals = [total + (value or 0) for total, value in zip(totals, row, strict=True)]
        return dict(zip(("traces", "spans", "error_traces"), totals, strict=True))

    def close(self) -> None:
        """Close every file."""
        with self._lock:
            for db in self._open.values():
                db.close()
            self._open.clear()

    def _select(self, sql: str, parameters: Iterable[object]) -> Iterator[Row]:
        for tenant, trace, *rest in self._query(sql, tuple(parameters)):
            start_ns, end_ns, spans, errors, service, root, backend, rule = rest
            yield Row(trace.hex(), start_ns, end_ns, spans, errors, service, root, backend, rule, tenant)

    def _query(self, sql: str, parameters: tuple[object, ...]) -> list[tuple]:  # type: ignore[type-arg]
        rows: list[tuple] = []  # type: ignore[type-arg]
        with self._lock:
            for path in sorted(self._directory.glob("????-??-??.db"), reverse=True):
                rows += self._connection(path.stem).execute(sql, parameters).fetchall()
        return rows

    def _connection(self, day: str) -> sqlite3.Connection:
        db = self._open.get(day)
        if db is None:
            path = self._directory / f"{day}.db"
            if self._read_only:
                db = sqlite3.connect(f"file:{path}?mode=ro", uri=True, check_same_thread=False, isolation_level=None)
                db.execute("PRAGMA busy_timeout=5000")
            else:
                db = sqlite3.connect(path, check_same_thread=False, isolation_level=None)
                db.executescript(
                    "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA busy_timeout=5000;" + _SCHEMA
                )
            self._open[day] = db
        return db

    def _trim(self) -> None:
        """Remove files past the cap on age, then the oldest past the cap on bytes; today's stays."""
        if time.monotonic() - self._trimmed_s < 60:
            return
        self._trimmed_s = time.monotonic()
        files = sorted(self._directory.glob("????-??-??.db"))
        sizes = {path: sum(p.stat().st_size for p in self._directory.glob(f"{path.name}*")) for path in files}
        today = datetime.now(UTC).date()
        for path in files[:-1]:
            age = (today - datetime.strptime(path.stem, "%Y-%m-%d").replace(tzinfo=UTC).date()).days
            if age < self._max_age_days and sum(sizes.values()) <= self._max_bytes:
                break
            with self._lock:
                if db := self._open.pop(path.stem, None):
                    db.close()
                for part in self._directory.glob(f"{path.name}*"):
                    part.unlink()
            del sizes[path]
            self.removed.append(path.stem)


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
    return replace(
        one,
        start_ns=min(one.start_ns, other.start_ns),
        end_ns=max(one.end_ns, other.end_ns),
        spans=one.spans + other.spans,
        errors=one.errors + other.errors,
        service=one.service or other.service,
        root=one.root or other.root,
        backend=one.backend or other.backend,
        rule=one.rule or other.rule,
    )
