"""One day's file of the store, and how it is written: a transaction a batch, a blob a trace.

- `trace`: a row a trace, what the list shows. `last` is the number of its newest body.
- `body`: a blob a delivery, compressed (zstd). A trace has the number of its first body, so that numbers are in the order of
  arrival, and of the large tables only the index of trace ids is written out of order.
- `late`: which trace a later body belongs to.
- `promoted`: job and correlation ids, to find traces by.
- `total`: how many traces, spans and error traces there are.

A day that outgrows one file has more: 2026-03-01.db, 2026-03-01.02.db and so on.
"""

from __future__ import annotations

import logging
import sqlite3
import zlib
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from datetime import date
from functools import lru_cache
from pathlib import Path
from typing import Final

import zstandard
from opentelemetry.proto.trace.v1.trace_pb2 import TracesData

from eigenspan.collector.errors import EigenspanError
from eigenspan.store import index, logs
from eigenspan.store.digest import Digest, Digester
from eigenspan.store.rows import Row, merge

_logger = logging.getLogger(__name__)
_MAX_NAME: Final = 256  # characters of the names in a row; the body has all of them
MAX_NS: Final = 2**63 - 1  # what SQLite holds; OTLP has one bit more
COLUMNS: Final = "tenant, trace, start_ns, end_ns, spans, errors, service, root, backend, rule"
Delivery = tuple[str, bytes, str, bytes]
"""Tenant, trace id, rule, OTLP bytes."""

_VERSION: Final = 2
_RESTORED: Final = 0x65696772
_OPEN: Final = """
PRAGMA busy_timeout = 5000; PRAGMA page_size = 8192; PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;
PRAGMA cache_size = -32000; PRAGMA wal_autocheckpoint = 4000; PRAGMA journal_size_limit = 67108864;
"""
_SCHEMA: Final = f"""
BEGIN IMMEDIATE;
CREATE TABLE IF NOT EXISTS trace (id INTEGER PRIMARY KEY, last INTEGER, tenant TEXT, trace BLOB, start_ns INTEGER,
    end_ns INTEGER, spans INTEGER, errors INTEGER, service TEXT, root TEXT, backend TEXT, rule TEXT);
CREATE UNIQUE INDEX IF NOT EXISTS trace_id ON trace (trace, tenant);
CREATE INDEX IF NOT EXISTS trace_start ON trace (start_ns, end_ns, last);
CREATE INDEX IF NOT EXISTS trace_error ON trace (start_ns) WHERE errors > 0;
CREATE INDEX IF NOT EXISTS trace_service ON trace (service, start_ns);
CREATE INDEX IF NOT EXISTS trace_backend ON trace (backend, start_ns) WHERE backend IS NOT NULL;
CREATE TABLE IF NOT EXISTS body (id INTEGER PRIMARY KEY, otlp BLOB);
CREATE TABLE IF NOT EXISTS late (body INTEGER PRIMARY KEY, id INTEGER);
CREATE INDEX IF NOT EXISTS late_id ON late (id);
CREATE TABLE IF NOT EXISTS promoted (value TEXT, key TEXT, id INTEGER, PRIMARY KEY (value, key, id)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS total (traces INTEGER, spans INTEGER, error_traces INTEGER);
INSERT INTO total SELECT 0, 0, 0 WHERE NOT EXISTS (SELECT 1 FROM total);
{index.SCHEMA}
{logs.SCHEMA}
PRAGMA user_version = {_VERSION};
COMMIT;
"""
_NEW: Final = f"INSERT INTO trace (id, last, {COLUMNS}) VALUES ({','.join('?' * 12)})"
_AGAIN: Final = f"UPDATE trace SET (last, {COLUMNS}) = ({','.join('?' * 11)}) WHERE id = ?"
_BODIES: Final = """
SELECT otlp FROM body WHERE id IN
    (SELECT ?1 UNION ALL SELECT body FROM late WHERE id = ?1) ORDER BY id
"""
_CHUNK: Final = 500  # parameters of one IN (...)


class StoreError(EigenspanError):
    """A file of the store that cannot be used."""


def files(directory: Path) -> list[Path]:
    """The files of a store, in the order of their writing."""
    return sorted(directory.glob("????-??-??*.db"), key=_stem)


def day_of(file: Path) -> date:
    """The day that a file is of."""
    return date.fromisoformat(file.stem[:10])


def file_to_write(directory: Path, day: date, part_bytes: int) -> Path:
    """The last file of a day, or the next one where that is full."""
    found = [file for file in files(directory) if day_of(file) == day]
    if not found:
        return directory / f"{day}.db"
    if size_of(found[-1]) < part_bytes:
        return found[-1]
    part = int(found[-1].stem[11:] or 1) + 1
    return directory / f"{day}.{part:02}.db"


def size_of(file: Path) -> int:
    """Its bytes, with what SQLite keeps beside it."""
    return sum(part.stat().st_size for part in file.parent.glob(f"{file.stem}.db*"))


def remove(file: Path) -> None:
    """Take a file away, with what SQLite keeps beside it."""
    for part in file.parent.glob(f"{file.stem}.db*"):
        part.unlink(missing_ok=True)


def mark_restored(file: Path) -> None:
    """Say of a file that it came back from the archive."""
    with closing(sqlite3.connect(file, isolation_level=None)) as db:
        db.execute(f"PRAGMA application_id = {_RESTORED}")


def is_restored(file: Path) -> bool:
    """Whether a file came back from the archive: then its age removes it no more."""
    with closing(sqlite3.connect(file.absolute().as_uri() + "?mode=ro", uri=True)) as db:
        return bool(db.execute("PRAGMA application_id").fetchone()[0] == _RESTORED)


def _stem(file: Path) -> str:
    return file.stem


def open_to_read(path: Path) -> sqlite3.Connection | None:
    """A day's file for a reader, in any thread; None while it is being made."""
    db = sqlite3.connect(path.absolute().as_uri() + "?mode=ro", uri=True, check_same_thread=False, isolation_level=None)
    try:
        db.execute("PRAGMA busy_timeout = 5000")
        if _made(db, path):
            return db
    except BaseException:
        db.close()
        raise
    db.close()
    return None


def _made(db: sqlite3.Connection, path: Path) -> bool:
    """Whether the file has its tables; StoreError where they are not those of this version."""
    db.execute("BEGIN")  # both questions to one state of the file
    (version,) = db.execute("PRAGMA user_version").fetchone()
    tables = db.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]
    db.execute("COMMIT")
    if version != _VERSION and tables:
        raise StoreError(f"{path} was written by another version of eigenspan: move it to another directory")
    return bool(version)


def bodies_of(db: sqlite3.Connection, trace: bytes) -> list[tuple[bytes]]:
    """The stored bodies of a trace in one file, in the order of their arrival."""
    numbers = db.execute("SELECT id FROM trace WHERE trace = ?", (trace,)).fetchall()
    return [body for number in numbers for body in db.execute(_BODIES, number)]


def unpack(body: bytes) -> bytes:
    """The OTLP bytes of a stored body; none of one that is damaged, which is said once."""
    try:
        return zstandard.ZstdDecompressor().decompress(body)
    except zstandard.ZstdError as error:
        _say_damaged(zlib.crc32(body), str(error))
        return b""


@lru_cache(1024)
def _say_damaged(checksum: int, how: str) -> None:
    _logger.error("a stored body (CRC-32 %08x) is damaged and left out: %s", checksum, how)


def row_of(found: tuple) -> Row:  # type: ignore[type-arg]  # a row, as SQLite gives it
    """A row of COLUMNS."""
    tenant, trace, start_ns, end_ns, spans, errors, service, root, backend, rule = found
    return Row(trace.hex(), start_ns, end_ns, spans, errors, service, root, backend, rule, tenant)


class Day:
    """A day's file, open to be written by one thread at a time."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._db = sqlite3.connect(path, check_same_thread=False, isolation_level=None)
        try:
            _made(self._db, path)
            self._db.executescript(_OPEN + _SCHEMA)
            self._numbers = index.Numbers(self._db)
            self._digester = Digester(self._numbers)
            (self._newest,) = self._db.execute("SELECT coalesce(max(id), 0) FROM body").fetchone()
        except BaseException:
            self._db.close()
            raise
        self._compress = zstandard.ZstdCompressor(level=1, write_checksum=True).compress

    def close(self) -> None:
        """Close the file."""
        self._db.close()

    def write(self, traces: Sequence[Delivery]) -> None:
        """Store traces in one transaction; a body that is there already changes nothing."""
        with self._transaction():
            rest = traces
            while rest:
                first: dict[tuple[bytes, str], Delivery] = {}
                again = [d for d in rest if first.setdefault((d[1], d[0]), d) is not d]
                self._write([*first.values()])
                rest = again

    def write_logs(self, rows: Iterable[tuple[str, bytes, int, bytes]]) -> None:
        """Store (tenant, trace id, time, OTLP bytes) of log records in one transaction; those that are there stay as they are."""
        with self._transaction():
            self._db.executemany("INSERT OR IGNORE INTO log VALUES (?,?,?,?)", rows)

    def _write(self, traces: Sequence[Delivery]) -> None:
        """Store traces, each but once in the batch."""
        known = self._known([trace for _, trace, *_ in traces])
        bodies, new, again, late, tokens, promoted = [], [], [], [], [], []
        counted: Counter[tuple[int, str, str]] = Counter()
        total = [0, 0, 0]
        for tenant, trace, rule, otlp in traces:
            number, before = known.get((trace, tenant), (0, None))
            there = [unpack(body) for (body,) in self._db.execute(_BODIES, (number,))] if before else []
            if otlp in there:
                continue
            self._newest += 1
            digest = self._digester.read(TracesData.FromString(otlp))
            row = _row(tenant, trace, rule, digest)
            if before is None:
                new.append((self._newest, self._newest, *_columns(trace, row)))
            else:
                row = merge(before, row)
                again.append((self._newest, *_columns(trace, row), number))
                late.append((self._newest, number))
                whole, older = (TracesData.FromString(b"".join(parts)) for parts in ((*there, otlp), there))
                digest.calls = self._digester.read(whole).calls - self._digester.read(older).calls
            bodies.append((self._newest, self._compress(otlp)))
            tokens.append((self._newest, " ".join(digest.tokens)))
            promoted += [(value, key, number or self._newest) for key, value in digest.promoted]
            hour = row.start_ns // index.HOUR_NS
            for pair, n in digest.calls.items():
                counted[hour, *pair] += n
            new_error = row.errors > 0 and not (before and before.errors)
            total = [total[0] + (before is None), total[1] + digest.spans, total[2] + new_error]
        run = self._db.executemany
        run("INSERT INTO body VALUES (?,?)", bodies)
        run(_NEW, new)
        run(_AGAIN, again)
        run("INSERT INTO late VALUES (?,?)", late)
        run("INSERT OR IGNORE INTO promoted VALUES (?,?,?)", promoted)
        index.add(self._db, tokens, counted)
        self._db.execute(
            "UPDATE total SET traces = traces + ?, spans = spans + ?, error_traces = error_traces + ?", total
        )

    def _known(self, traces: Sequence[bytes]) -> dict[tuple[bytes, str], tuple[int, Row]]:
        """Number and row by (trace id, tenant) of the traces that are there."""
        found = {}
        for at in range(0, len(traces), _CHUNK):
            ids = traces[at : at + _CHUNK]
            sql = f"SELECT id, {COLUMNS} FROM trace WHERE trace IN ({','.join('?' * len(ids))})"
            for number, *row in self._db.execute(sql, ids):
                found[row[1], row[0]] = (number, row_of(tuple(row)))
        return found

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        before = self._newest
        self._db.execute("BEGIN IMMEDIATE")
        try:
            yield
            self._db.execute("COMMIT")
        except BaseException:
            if self._db.in_transaction:  # SQLite ends it by itself where the disk is full
                self._db.execute("ROLLBACK")
            self._newest = before
            self._numbers.forget()
            self._digester.forget()
            raise


def _row(tenant: str, trace: bytes, rule: str, digest: Digest) -> Row:
    return Row(
        trace.hex(), min(digest.start_ns, MAX_NS), min(digest.end_ns, MAX_NS), digest.spans, digest.errors,
        _short(digest.service), _short(digest.root), _short(digest.backend), rule, tenant,
    )  # fmt: skip


def _short(name: str | None) -> str | None:
    return name and name[:_MAX_NAME]


def _columns(trace: bytes, row: Row) -> tuple[object, ...]:
    times = (row.start_ns, row.end_ns)
    return (row.tenant, trace, *times, row.spans, row.errors, row.service, row.root, row.backend, row.rule)
