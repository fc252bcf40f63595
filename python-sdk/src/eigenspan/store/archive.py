"""The archive: a day's file as Parquet in a directory or an object store, checked before the file goes, and back again.

    DAY/traces.parquet   a row a body: tenant, trace_id (hexadecimal), start_ns, end_ns, spans, errors, service, root, backend, rule,
                         otlp
    DAY/keys.parquet     a row a promoted key of a trace: key (such as quantum.job.id), value, tenant, trace_id
    DAY/logs.parquet     a row a log record of a trace: tenant, trace_id, time_ns, otlp

Rows are in the order of time. Columns of ids are dictionary-encoded, for which DuckDB writes bloom filters: a trace or a job is found
without reading the rest.
"""

from __future__ import annotations

import sqlite3
import tempfile
from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import polars as pl

from eigenspan.collector.errors import EigenspanError
from eigenspan.store.day import day_of, files, remove, unpack
from eigenspan.store.traces import TraceStore

if TYPE_CHECKING:
    from obstore.store import ObjectStore

_ROWS: Final = 20_000  # of a row group
_BATCH: Final = 500
_TABLES: Final = {
    "traces": "SELECT tenant, lower(hex(trace)) AS trace_id, start_ns, end_ns, spans, errors, service, root, backend, rule, otlp "
    "FROM body LEFT JOIN late ON late.body = body.id JOIN trace ON trace.id = coalesce(late.id, body.id) ORDER BY body.id",
    "keys": "SELECT key, value, tenant, lower(hex(trace)) AS trace_id FROM promoted JOIN trace USING (id) ORDER BY key, value",
    "logs": "SELECT tenant, lower(hex(trace)) AS trace_id, time_ns, otlp FROM log ORDER BY time_ns",
}
_TYPES: Final = {
    "otlp": pl.Binary, "start_ns": pl.Int64, "end_ns": pl.Int64, "time_ns": pl.Int64, "spans": pl.Int64, "errors": pl.Int64,
}  # fmt: skip


class ArchiveError(EigenspanError):
    """What was written is not what was read, or is not there."""


def destination(where: str) -> ObjectStore:
    """A directory, or an object store's URL such as s3://bucket/prefix; its credentials come from the environment."""
    from obstore.store import LocalStore, from_url

    if "://" in where:
        return from_url(where)
    Path(where).mkdir(parents=True, exist_ok=True, mode=0o700)
    return LocalStore(Path(where).absolute())


def archive(file: Path, to: ObjectStore, *, keep: bool = False) -> dict[str, int]:
    """Write a day's file, read it back, and remove the file unless it is to be kept; the rows of each table.

    ArchiveError where what came back is not what was there: then nothing is removed.
    """
    import obstore

    counts = {}
    db = sqlite3.connect(file.absolute().as_uri() + "?mode=ro", uri=True)
    try:
        version = db.execute("PRAGMA data_version").fetchone()
        for name, sql in _TABLES.items():
            frame = _frame(db, sql)
            obstore.put(to, _path(file.stem, name), _parquet(frame))
            if not _read(to, file.stem, name).equals(frame):
                raise ArchiveError(f"{_path(file.stem, name)} does not hold what was written; {file.name} stays")
            counts[name] = frame.height
        if db.execute("PRAGMA data_version").fetchone() != version:
            raise ArchiveError(f"{file.name} was written meanwhile and stays; archive it again")
    finally:
        db.close()
    if not keep:
        remove(file)
    return counts


def restore(source: ObjectStore, day: date, directory: Path) -> int:
    """Put an archived day back into a store's directory; how many bodies. What is there already is not doubled."""
    frame, records = (_read(source, day.isoformat(), name) for name in ("traces", "logs"))
    with TraceStore(directory, max_age_days=36_500, max_bytes=1 << 62, today=lambda: day) as store:
        for part in frame.select("tenant", "trace_id", "rule", "otlp").iter_slices(_BATCH):
            store.write(
                [(tenant, bytes.fromhex(trace), rule or "", otlp) for tenant, trace, rule, otlp in part.iter_rows()]
            )
        for part in records.select("tenant", "otlp").iter_slices(_BATCH):
            store.write_logs(part.iter_rows())
    return frame.height


def days(directory: Path, before: date) -> Sequence[Path]:
    """The files of days before one, oldest first."""
    return [file for file in files(directory) if day_of(file) < before]


def _path(day: str, name: str) -> str:
    return f"{day}/{name}.parquet"


def _frame(db: sqlite3.Connection, sql: str) -> pl.DataFrame:
    try:
        found = db.execute(sql)
    except sqlite3.OperationalError as error:
        if "no such table: log" not in str(error):
            raise
        found = db.execute("SELECT '' AS tenant, '' AS trace_id, 0 AS time_ns, x'' AS otlp WHERE 0")  # older than logs
    names = [column[0] for column in found.description]
    packed = "start_ns" in names
    schema: Any = {name: _TYPES.get(name, pl.String) for name in names}
    rows = [(*row[:-1], unpack(row[-1])) if packed else row for row in found]
    return pl.DataFrame(rows, schema=schema, orient="row")


def _parquet(frame: pl.DataFrame) -> bytes:
    """The frame as DuckDB writes it, with bloom filters."""
    import duckdb

    with tempfile.TemporaryDirectory() as scratch, duckdb.connect() as db:
        plain, final = Path(scratch, "plain.parquet"), Path(scratch, "final.parquet")
        frame.write_parquet(plain)
        options = f"FORMAT parquet, COMPRESSION zstd, ROW_GROUP_SIZE {_ROWS}, DICTIONARY_SIZE_LIMIT {_ROWS}"
        db.execute("SET preserve_insertion_order = true")
        db.read_parquet(str(plain)).query("t", f"COPY t TO '{final}' ({options})")
        return final.read_bytes()


def _read(source: ObjectStore, day: str, name: str) -> pl.DataFrame:
    import obstore

    try:
        return pl.read_parquet(bytes(obstore.get(source, _path(day, name)).bytes()))
    except FileNotFoundError as error:
        raise ArchiveError(f"{_path(day, name)} is not in the archive") from error
