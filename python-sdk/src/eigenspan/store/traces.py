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
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Self

from opentelemetry.proto.logs.v1.logs_pb2 import LogsData
from opentelemetry.proto.trace.v1.trace_pb2 import TracesData

from eigenspan.store import index, logs
from eigenspan.store.rows import Filters, Row, merge, where
from eigenspan.store.tree import Node, summarise, tree_of

__all__ = ["Filters", "Row", "Stored", "TraceStore"]
_SCHEMA = f"""
BEGIN IMMEDIATE;
CREATE TABLE IF NOT EXISTS trace (tenant TEXT, trace BLOB, start_ns INTEGER, end_ns INTEGER, spans INTEGER,
    errors INTEGER, service TEXT, root TEXT, backend TEXT, rule TEXT, PRIMARY KEY (trace, tenant)) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS trace_start ON trace (start_ns);
CREATE TABLE IF NOT EXISTS body (tenant TEXT, trace BLOB, otlp BLOB);
CREATE INDEX IF NOT EXISTS body_trace ON body (trace);
CREATE TABLE IF NOT EXISTS promoted (key TEXT, value TEXT, tenant TEXT, trace BLOB,
    PRIMARY KEY (key, value, tenant, trace)) WITHOUT ROWID;
{index.SCHEMA}
{logs.SCHEMA}
COMMIT;
"""
_BODIES = "SELECT otlp FROM body WHERE trace = ? AND tenant = ?"
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
        self._writer: tuple[str, sqlite3.Connection, index.Indexer] | None = None
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
        parsed = [TracesData.FromString(otlp) for *_, otlp in traces]
        summaries = [summarise(data) for data in parsed]
        with self._writing:
            with self._transaction() as (db, indexer):
                for (tenant, trace, rule, otlp), data, summary in zip(traces, parsed, summaries, strict=True):
                    there = [body for (body,) in db.execute(_BODIES, (trace, tenant))]
                    if otlp in there:
                        continue
                    row = (tenant, trace, min(summary.start_ns, _MAX_NS), min(summary.end_ns, _MAX_NS), summary.spans, summary.errors,
                           summary.service, summary.root, summary.backend, rule)  # fmt: skip
                    db.execute(_UPSERT, row)
                    body = db.execute("INSERT INTO body VALUES (?,?,?)", (tenant, trace, otlp)).lastrowid or 0
                    before = TracesData.FromString(b"".join(there)) if there else None
                    indexer.add(body, trace, (row[2], row[3]), data, before)
                    promoted = ((key, value, tenant, trace) for key, value in summary.promoted)
                    db.executemany("INSERT OR IGNORE INTO promoted VALUES (?,?,?,?)", promoted)
            self._trim()

    def write_logs(self, payloads: Iterable[tuple[str, bytes]]) -> int:
        """Store the records of (tenant, OTLP bytes) that belong to a trace; how many do not, and are left out.

        The same record again changes nothing.
        """
        if self._read_only:
            raise ValueError("this store was opened to be read")
        rows: list[tuple[str, bytes, int, bytes]] = []
        total = 0
        for tenant, otlp in payloads:
            data = LogsData.FromString(otlp)
            total += sum(len(scope.log_records) for resource in data.resource_logs for scope in resource.scope_logs)
            rows += [(tenant, *found) for found in logs.split(data)]
        with self._writing, self._transaction() as (db, _):
            db.executemany("INSERT OR IGNORE INTO log VALUES (?,?,?,?)", rows)
        return total - len(rows)

    def logs(self, trace_id: str) -> list[logs.Log]:
        """The log records of a trace, in the order of their times."""
        try:
            trace = bytes.fromhex(trace_id)
        except ValueError:
            return []
        rows = self._query("SELECT otlp FROM log WHERE trace = ?", (trace,))
        return sorted((logs.read(otlp) for (otlp,) in rows), key=_time_ns)

    @contextmanager
    def _transaction(self) -> Iterator[tuple[sqlite3.Connection, index.Indexer]]:
        db, indexer = self._writable(self._today().isoformat())
        db.execute("BEGIN IMMEDIATE")
        try:
            yield db, indexer
            db.execute("COMMIT")
        except BaseException:
            if db.in_transaction:  # SQLite ends it by itself where the disk is full
                db.execute("ROLLBACK")
            indexer.forget()
            raise

    def newest(self, filters: Filters | None = None, limit: int = 50) -> list[Row]:
        """The newest traces that pass the filters.

        Where a trace arrived on two days, the filters look at each day's part; what is returned is the whole.
        """
        clause, parameters = where(filters or Filters())
        found = self._rows(f"SELECT * FROM trace {clause} ORDER BY start_ns DESC LIMIT ?", (*parameters, limit))
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
            row = merge(row, other)
        bodies = self._query("SELECT otlp FROM body WHERE trace = ? ORDER BY rowid", (trace,))
        return Stored(row, tuple(body for (body,) in bodies))

    def find(self, key: str, value: str) -> list[str]:
        """The ids of traces that carry a promoted attribute with this value."""
        rows = self._query("SELECT trace FROM promoted WHERE key = ? AND value = ?", (key, value))
        return list(dict.fromkeys(trace.hex() for (trace,) in rows))

    def candidates(
        self, needs: index.Needs, start_ns: int = 0, end_ns: int = _MAX_NS, shortest_ns: int = 0, limit: int = 100_000
    ) -> list[str]:
        """The ids of traces that may hold what is needed in spans that began in the window, newest first.

        What they hold has to be looked at: an id too many is possible, one too few is not. `limit` is for each day.
        """
        window = (min(start_ns, _MAX_NS), min(end_ns, _MAX_NS), min(shortest_ns, _MAX_NS), limit)
        found = self._read(lambda db: index.candidates(db, needs, *window))
        return list(dict.fromkeys(trace.hex() for _, trace in sorted(found, reverse=True)))

    def attributes(self) -> list[tuple[str, str]]:
        """(scope, key) of every attribute there is."""
        return sorted(set(self._query("SELECT scope, key FROM term WHERE type = '' AND scope != 'intrinsic'", ())))

    def values_of(self, scope: str, key: str, limit: int = 1000) -> list[tuple[str, str]]:
        """(type, value) of an attribute, in the order of the values; those too many or too long to index are left out."""
        sql = "SELECT type, value FROM term WHERE scope = ? AND key = ? AND type != '' ORDER BY value LIMIT ?"
        return sorted(set(self._query(sql, (scope, key, limit))), key=_value)[:limit]

    def operations(self, service: str | None = None) -> list[tuple[str, str, str]]:
        """(service, span name, kind) of the spans of a service, or of all."""
        sql = "SELECT service, name, kind FROM operation WHERE ?1 IS NULL OR service = ?1"
        return sorted(set(self._query(sql, (service,))))

    def calls(self, start_ns: int, end_ns: int) -> dict[tuple[str, str], int]:
        """How often spans of one service had children of another in the hours of a window."""
        window = (start_ns // index.HOUR_NS, end_ns // index.HOUR_NS)
        rows = self._query("SELECT parent, child, calls FROM call WHERE hour BETWEEN ? AND ?", window)
        return index.dependencies(rows)

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
            merged[key] = merge(merged[key], row) if key in merged else row
        return merged

    def _days(self) -> list[str]:
        return sorted((path.stem for path in self.directory.glob(_FILES)), reverse=True)

    def _query(self, sql: str, parameters: tuple[object, ...]) -> list[tuple]:  # type: ignore[type-arg]
        return self._read(lambda db: db.execute(sql, parameters).fetchall())

    def _read(self, ask: Callable[[sqlite3.Connection], list[tuple]]) -> list[tuple]:  # type: ignore[type-arg]
        """What every day's file answers, the newest day first."""
        rows: list[tuple] = []  # type: ignore[type-arg]
        with self._reading:
            days = self._days()
            for gone in self._readers.keys() - set(days):
                self._readers.pop(gone).close()
            for day in days:
                try:
                    rows += ask(self._readable(day))
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

    def _writable(self, day: str) -> tuple[sqlite3.Connection, index.Indexer]:
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
                indexer = index.Indexer(db)
            except BaseException:
                db.close()
                raise
            self._writer = (day, db, indexer)
        return self._writer[1:]

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


def _time_ns(record: logs.Log) -> int:
    return record.time_ns


def _start_ns(row: Row) -> int:
    return row.start_ns


def _value(found: tuple[str, str]) -> tuple[str, str]:
    return found[1], found[0]
