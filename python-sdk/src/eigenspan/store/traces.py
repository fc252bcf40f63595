"""The embedded trace store: each trace's OTLP bytes, a row that summarises it, and promoted keys to find it by.

One SQLite file a day (the day of writing, UTC), or more where one would outgrow an eighth of the room, so that retention is the
removal of a file. Readers, of this process
and of others, have connections of their own and never block the writer (WAL). A trace whose spans arrive on two days is
put together when it is read. `day.py` says what a file holds.
"""

from __future__ import annotations

import logging
import sqlite3
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Self, TypeVar

from opentelemetry.proto.logs.v1.logs_pb2 import LogsData
from opentelemetry.proto.trace.v1.trace_pb2 import TracesData

from eigenspan.damage import is_damage, set_aside
from eigenspan.store import index, logs
from eigenspan.store.day import (
    COLUMNS,
    MAX_NS,
    Day,
    Delivery,
    bodies_of,
    day_of,
    file_to_write,
    files,
    is_restored,
    open_to_read,
    remove,
    row_of,
    size_of,
    unpack,
)
from eigenspan.store.rows import Filters, Row, merge, where
from eigenspan.store.tree import Node, tree_of

_T = TypeVar("_T")
_logger = logging.getLogger(__name__)
__all__ = ["Filters", "Row", "Stored", "TraceStore"]
_TRIM_S = 60
_MIN_PART_BYTES = 1 << 20
_CHUNK = 500  # parameters of one IN (...)
_DISTINCT = """
WITH RECURSIVE found (value) AS (SELECT min({0}) FROM trace WHERE {0} IS NOT NULL UNION ALL
    SELECT (SELECT min({0}) FROM trace WHERE {0} > value) FROM found WHERE value IS NOT NULL)
SELECT value FROM found WHERE value IS NOT NULL AND EXISTS
    (SELECT 1 FROM trace WHERE {0} = value AND start_ns BETWEEN ? AND ?)
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

    `today` gives the day that files are named and aged by. `removed`: the files that had to go for age or room.
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
        self._part_bytes = max(max_bytes // 8, _MIN_PART_BYTES)
        self._writing, self._reading = threading.Lock(), threading.Lock()
        self._writer: Day | None = None
        self._readers: dict[Path, sqlite3.Connection] = {}
        self._trimmed_s = float("-inf")
        self._damaged: set[Path] = set()  # found by a reader or the writer; the writer sets them aside
        self.removed: list[str] = []
        if not read_only:
            directory.mkdir(parents=True, exist_ok=True, mode=0o700)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def write(self, traces: Sequence[Delivery]) -> None:
        """Store (tenant, trace id, rule, OTLP bytes) each, in one transaction.

        The same bytes of a trace a second time, as after a delivery whose success was not noted, change nothing.
        """
        self._write(lambda day: day.write(traces))

    def write_logs(self, payloads: Iterable[tuple[str, bytes]]) -> int:
        """Store the records of (tenant, OTLP bytes) that belong to a trace; how many do not, and are left out.

        The same record again changes nothing.
        """
        rows: list[tuple[str, bytes, int, bytes]] = []
        total = 0
        for tenant, otlp in payloads:
            data = LogsData.FromString(otlp)
            total += sum(len(scope.log_records) for resource in data.resource_logs for scope in resource.scope_logs)
            rows += [(tenant, *found) for found in logs.split(data)]
        self._write(lambda day: day.write_logs(rows))
        return total - len(rows)

    def logs(self, trace_id: str, limit: int = -1) -> list[logs.Log]:
        """The log records of a trace, in the order of their times; the first `limit` of them, where it is given."""
        try:
            trace = bytes.fromhex(trace_id)
        except ValueError:
            return []
        rows = self._query("SELECT otlp FROM log WHERE trace = ? ORDER BY time_ns LIMIT ?", (trace, limit))
        return sorted((logs.read(otlp) for (otlp,) in rows), key=_time_ns)[: None if limit < 0 else limit]

    def newest(self, filters: Filters | None = None, limit: int = 50) -> list[Row]:
        """The newest traces that pass the filters.

        Where a trace arrived on two days, the filters look at each day's part; what is returned is the whole.
        """
        clause, parameters = where(filters or Filters())
        found = self._rows(f"SELECT {COLUMNS} FROM trace {clause} ORDER BY start_ns DESC LIMIT ?", (*parameters, limit))
        rows = sorted(found.values(), key=_start_ns, reverse=True)[:limit]
        if len(files(self.directory)) > 1:
            wanted = {(row.tenant, row.trace_id) for row in rows}
            rows = [r for r in self.rows([row.trace_id for row in rows]) if (r.tenant, r.trace_id) in wanted]
        return sorted(rows, key=_start_ns, reverse=True)

    def trace(self, trace_id: str) -> Stored | None:
        """One trace by its id in hexadecimal; None where it is not stored."""
        try:
            trace = bytes.fromhex(trace_id)
        except ValueError:
            return None
        rows = list(self._rows(f"SELECT {COLUMNS} FROM trace WHERE trace = ?", (trace,)).values())
        if not rows:
            return None
        row = rows[0]
        for other in rows[1:]:
            row = merge(row, other)
        of_files = self._read(lambda db: [tuple(bodies_of(db, trace))])
        return Stored(row, tuple(unpack(body) for bodies in reversed(of_files) for (body,) in bodies))

    def rows(self, trace_ids: Sequence[str]) -> list[Row]:
        """What the list shows of some traces, in no order; those that are not there are left out."""
        out: list[Row] = []
        for at in range(0, len(trace_ids), _CHUNK):
            ids = tuple(bytes.fromhex(trace_id) for trace_id in trace_ids[at : at + _CHUNK])
            sql = f"SELECT {COLUMNS} FROM trace WHERE trace IN ({','.join('?' * len(ids))})"
            out += self._rows(sql, ids).values()
        return out

    def find(self, key: str, value: str) -> list[str]:
        """The ids of traces that carry a promoted attribute with this value."""
        rows = self._query("SELECT trace FROM promoted JOIN trace USING (id) WHERE key = ? AND value = ?", (key, value))
        return list(dict.fromkeys(trace.hex() for (trace,) in rows))

    def candidates(
        self, needs: index.Needs, start_ns: int = 0, end_ns: int = MAX_NS, limit: int = 100_000
    ) -> tuple[list[str], bool]:
        """The ids of traces that may hold what is needed and began in the window, newest first; and whether these are all.

        What they hold has to be looked at: an id too many is possible, one too few is not. Each file gives at most `limit`, and what
        is older than the last that a file had to stop at is left out.
        """
        window = (min(start_ns, MAX_NS), min(end_ns, MAX_NS), limit)
        of_files = self._read(lambda db: [index.candidates(db, needs, *window)])
        reached = max((found[-1][0] for found in of_files if len(found) == limit), default=-1)
        listed = sorted((pair for found in of_files for pair in found if pair[0] >= reached), reverse=True)
        return list(dict.fromkeys(trace.hex() for _, trace in listed)), reached < 0

    def attributes(self, start_ns: int = 0, end_ns: int = MAX_NS) -> list[tuple[str, str]]:
        """(scope, key) of every attribute there is, near a window of starts."""
        found = self._read(lambda db: index.terms(db, start_ns, min(end_ns, MAX_NS)))
        return sorted({term[:2] for term in found})

    def values_of(
        self, scope: str, key: str, limit: int = 1000, start_ns: int = 0, end_ns: int = MAX_NS
    ) -> list[tuple[str, str]]:
        """(type, value) of an attribute, in the order of the values; those too many or too long to index are left out."""
        found = self._read(lambda db: index.terms(db, start_ns, min(end_ns, MAX_NS), scope, key, limit))
        return sorted({term[2:] for term in found}, key=_value)[:limit]

    def operations(self, service: str | None = None) -> list[tuple[str, str, str]]:
        """(service, span name, kind) of the spans of a service, or of all."""
        sql = "SELECT service, name, kind FROM operation WHERE ?1 IS NULL OR service = ?1"
        return sorted(set(self._query(sql, (service,))))

    def calls(self, start_ns: int, end_ns: int) -> dict[tuple[str, str], int]:
        """How often spans of one service had children of another in the hours of a window."""
        window = (start_ns // index.HOUR_NS, end_ns // index.HOUR_NS)
        rows = self._query("SELECT parent, child, calls FROM call WHERE hour BETWEEN ? AND ?", window)
        return index.dependencies(rows)

    def values(self, start_ns: int = 0, end_ns: int = MAX_NS) -> dict[str, list[str]]:
        """The services and backends there are, for filters; of traces that began in a window."""
        window = (start_ns, min(end_ns, MAX_NS))
        columns = ("service", "backend")
        return {name: sorted({value for (value,) in self._query(_DISTINCT.format(name), window)}) for name in columns}

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
        for row in self._query("SELECT * FROM total", ()):
            totals = [total + value for total, value in zip(totals, row, strict=True)]
        return dict(zip(("traces", "spans", "error_traces"), totals, strict=True))

    def close(self) -> None:
        """Close every file."""
        with self._writing, self._reading:
            if self._writer:
                self._writer.close()
                self._writer = None
            for db in self._readers.values():
                db.close()
            self._readers.clear()

    def _rows(self, sql: str, parameters: Iterable[object]) -> dict[tuple[str, str], Row]:
        merged: dict[tuple[str, str], Row] = {}
        for row in map(row_of, self._query(sql, tuple(parameters))):
            key = (row.tenant, row.trace_id)
            merged[key] = merge(merged[key], row) if key in merged else row
        return merged

    def _query(self, sql: str, parameters: tuple[object, ...]) -> list[tuple]:  # type: ignore[type-arg]
        return self._read(lambda db: db.execute(sql, parameters).fetchall())

    def _read(self, ask: Callable[[sqlite3.Connection], Iterable[_T]]) -> list[_T]:
        """What every file answers, the newest first."""
        rows: list[_T] = []
        with self._reading:
            there = [file for file in files(self.directory) if file not in self._damaged]
            for gone in self._readers.keys() - set(there):
                self._readers.pop(gone).close()
            for file in reversed(there):
                try:
                    if db := self._readable(file):
                        rows += ask(db)
                except sqlite3.DatabaseError as error:
                    if is_damage(error):
                        self._found_damaged(file, error)
                    elif file.exists():
                        raise  # else: removed since it was listed
        return rows

    def _write(self, work: Callable[[Day], None]) -> None:
        """Write to today's file; to a new one where that is damaged."""
        with self._writing:
            self._set_aside_damaged()
            path = file_to_write(self.directory, self._today(), self._part_bytes)
            try:
                work(self._day())
            except sqlite3.DatabaseError as error:
                if not is_damage(error):
                    raise
                self._found_damaged(path, error)
                self._set_aside_damaged()
                work(self._day())
            self._trim()

    def _found_damaged(self, file: Path, error: sqlite3.Error) -> None:
        if file not in self._damaged:
            self._damaged.add(file)
            _logger.error(
                "%s is damaged (%s); what is in it is left out. The collector sets it aside as .bad", file, error
            )

    def _set_aside_damaged(self) -> None:
        while self._damaged:
            file = self._damaged.pop()
            if self._writer and self._writer.path == file:
                self._writer.close()
                self._writer = None
            with self._reading:
                if db := self._readers.pop(file, None):
                    db.close()
                set_aside(file)

    def _readable(self, file: Path) -> sqlite3.Connection | None:
        """A day's file to be read; None while it is being made."""
        if file not in self._readers and (db := open_to_read(file)):
            self._readers[file] = db
        return self._readers.get(file)

    def _day(self) -> Day:
        """Today's file, to be written."""
        if self._read_only:
            raise ValueError("this store was opened to be read")
        path = file_to_write(self.directory, self._today(), self._part_bytes)
        if self._writer is None or self._writer.path != path:
            if self._writer:
                self._writer.close()
                self._writer = None
            self._writer = Day(path)
            self._trimmed_s = float("-inf")
        return self._writer

    def _trim(self) -> None:
        """Remove files past the cap on age, then the oldest that the newest, grown to its full size, leaves no room for."""
        if time.monotonic() - self._trimmed_s < _TRIM_S:
            return
        self._trimmed_s = time.monotonic()
        there = files(self.directory)
        sizes = {file: size_of(file) for file in there[:-1]}
        newest = max(size_of(there[-1]), self._part_bytes)
        for file in there[:-1]:
            old = (self._today() - day_of(file)).days >= self._max_age_days and not is_restored(file)
            if not old and sum(sizes.values()) + newest <= self._max_bytes:
                continue
            with self._reading:
                if db := self._readers.pop(file, None):
                    db.close()
                remove(file)
            del sizes[file]
            self.removed.append(file.stem)


def _time_ns(record: logs.Log) -> int:
    return record.time_ns


def _start_ns(row: Row) -> int:
    return row.start_ns


def _value(found: tuple[str, str]) -> tuple[str, str]:
    return found[1], found[0]
