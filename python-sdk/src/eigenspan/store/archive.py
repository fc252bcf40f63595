"""The archive: a day's file as Parquet in a directory or an object store, checked before the file goes, and back again.

    DAY/traces.parquet   a row a body: tenant, trace_id (hexadecimal), start_ns, end_ns, spans, errors, service, root, backend, rule,
                         otlp
    DAY/keys.parquet     a row a promoted key of a trace: key (such as quantum.job.id), value, tenant, trace_id
    DAY/logs.parquet     a row a log record of a trace: tenant, trace_id, time_ns, otlp

Traces are in the order of their arrival, keys in that of their values, logs in that of their traces. Columns of ids are
dictionary-encoded, for which DuckDB writes bloom filters: a trace or a job is found without reading the rest. A few thousand
rows are in memory at a time; a copy of the day on disk, in TMPDIR, is what the archive is checked against.
"""

from __future__ import annotations

import sqlite3
import tempfile
from collections.abc import Callable, Iterator, Sequence
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import polars as pl

from eigenspan.collector.errors import EigenspanError
from eigenspan.store.day import day_of, files, mark_restored, open_to_read, remove, unpack
from eigenspan.store.traces import TraceStore

if TYPE_CHECKING:
    from obstore.store import ObjectStore

_ROWS: Final = 5_000  # of a row group
_BATCH: Final = 500
_MEMORY: Final = "512MB"  # of DuckDB
_GRACE: Final = timedelta(hours=1)  # after midnight, for what is being written
_TABLES: Final = {
    "traces": "SELECT tenant, lower(hex(trace)) AS trace_id, start_ns, end_ns, spans, errors, service, root, backend, rule, otlp "
    "FROM body LEFT JOIN late ON late.body = body.id JOIN trace ON trace.id = coalesce(late.id, body.id) ORDER BY body.id",
    "keys": "SELECT key, value, tenant, lower(hex(trace)) AS trace_id FROM promoted JOIN trace USING (id) ORDER BY value, key",
    "logs": "SELECT tenant, lower(hex(trace)) AS trace_id, time_ns, otlp FROM log ORDER BY trace, time_ns",
}
_TYPES: Final = {
    "otlp": pl.Binary, "start_ns": pl.Int64, "end_ns": pl.Int64, "time_ns": pl.Int64, "spans": pl.Int64, "errors": pl.Int64,
}  # fmt: skip
Progress = Callable[[int], None]
"""Called with the number of rows that were dealt with since the last call."""


def _unsaid(_rows: int) -> None:
    """Progress that nobody wants."""


class ArchiveError(EigenspanError):
    """What was written is not what was read, or is not there."""


def destination(where: str) -> ObjectStore:
    """A directory, or an object store's URL such as s3://bucket/prefix; its credentials come from the environment."""
    try:
        from obstore.store import LocalStore, from_url
    except ImportError as error:
        raise ArchiveError("the archive needs its extra: pip install 'eigenspan[archive]'") from error

    if "://" in where:
        return from_url(where)
    Path(where).expanduser().mkdir(parents=True, exist_ok=True, mode=0o700)
    return LocalStore(Path(where).expanduser().absolute())


def archive(file: Path, to: ObjectStore, *, keep: bool = False, progress: Progress = _unsaid) -> dict[str, int]:
    """Write a day's file, read it back, and remove the file unless it is to be kept; the rows of each table.

    What the archive has already is left as it is where it is the same. ArchiveError where it is not, or where what came back
    is not what was there: then nothing is removed.
    """
    db = open_to_read(file)
    if db is None:
        return dict.fromkeys(_TABLES, 0)
    try:
        version = db.execute("PRAGMA data_version").fetchone()
        with tempfile.TemporaryDirectory(prefix="eigenspan-archive-") as scratch:
            db.execute("BEGIN")  # one state of the file
            parts = {name: list(_parts(db, name, Path(scratch))) for name in _TABLES}
            db.execute("COMMIT")
            counts = {name: _put(to, _path(file.stem, name), parts[name], progress) for name in _TABLES}
        if db.execute("PRAGMA data_version").fetchone() != version:
            raise ArchiveError(f"{file.name} was written meanwhile and stays; archive it again")
    finally:
        db.close()
    if not keep:
        remove(file)
    return counts


def restore(source: ObjectStore, day: date, directory: Path, progress: Progress = _unsaid) -> int:
    """Put an archived day back into a store's directory; how many bodies. What is there already is not doubled.

    It stays there whatever its age, until it is archived by hand or room is short.
    """
    import obstore

    found = [name for name in obstore.list_with_delimiter(source)["common_prefixes"] if name[:10] == day.isoformat()]
    if not found:
        raise ArchiveError(f"{day} is not in the archive")
    there = set(files(directory))
    bodies = 0
    with TraceStore(directory, max_age_days=36_500, max_bytes=1 << 62, today=lambda: day) as store:
        for name in sorted(found):
            for part in _batches(source, _path(name, "traces"), "tenant", "trace_id", "rule", "otlp"):
                store.write(
                    [(tenant, bytes.fromhex(trace), rule or "", otlp) for tenant, trace, rule, otlp in part.rows()]
                )
                bodies += part.height
                progress(part.height)
            for part in _batches(source, _path(name, "logs"), "tenant", "otlp"):
                store.write_logs(part.rows())
                progress(part.height)
    for file in set(files(directory)) - there:
        mark_restored(file)
    return bodies


def days(directory: Path, now: datetime, older_than: int) -> Sequence[Path]:
    """The files of days that are at least so many days ago, oldest first; the day that has just ended is left for an hour."""
    before = (now - _GRACE).date() - timedelta(days=older_than - 1)
    return [file for file in files(directory) if day_of(file) < before]


def rows_of(file: Path) -> int:
    """How many rows archiving a file goes through."""
    db = open_to_read(file)
    if db is None:
        return 0
    try:
        return sum(db.execute(f"SELECT count(*) FROM {table}").fetchone()[0] for table in ("body", "promoted", "log"))
    finally:
        db.close()


def _path(day: str, name: str) -> str:
    return f"{day}/{name}.parquet"


def _parts(db: sqlite3.Connection, name: str, scratch: Path) -> Iterator[Path]:
    """A table as files of `_ROWS` rows; at least one, so that an empty table has its columns."""
    found = db.execute(_TABLES[name])
    names = [column[0] for column in found.description]
    schema: Any = {column: _TYPES.get(column, pl.String) for column in names}
    number = 0
    while (rows := found.fetchmany(_ROWS)) or not number:
        if name == "traces":
            rows = [(*row[:-1], unpack(row[-1])) for row in rows]
        part = scratch / f"{name}-{number:06}.parquet"
        pl.DataFrame(rows, schema=schema, orient="row").write_parquet(part)
        yield part
        number += 1


def _put(to: ObjectStore, path: str, parts: Sequence[Path], progress: Progress) -> int:
    """Write a table and read it back; its rows."""
    import obstore

    scratch = parts[0].parent
    try:
        _fetch(to, path, scratch / "back.parquet")
    except ArchiveError:
        _join(parts, scratch / "whole.parquet")
        obstore.put(to, path, scratch / "whole.parquet")
        _fetch(to, path, scratch / "back.parquet")
        wrong = "does not hold what was written; the day stays"
    else:
        wrong = "holds something else; the day stays: give each collector a place of its own in the archive"
    back, at = pl.scan_parquet(scratch / "back.parquet"), 0
    for part in parts:
        frame = pl.read_parquet(part)
        if not back.slice(at, frame.height).collect().equals(frame):
            raise ArchiveError(f"{path} {wrong}")
        at += frame.height
        progress(frame.height)
    if back.select(pl.len()).collect().item() != at:
        raise ArchiveError(f"{path} {wrong}")
    return at


def _join(parts: Sequence[Path], into: Path) -> None:
    """One file of many, as DuckDB writes it: row group by row group, with bloom filters."""
    import duckdb

    with duckdb.connect(config={"memory_limit": _MEMORY, "temp_directory": str(into.parent)}) as db:
        options = f"FORMAT parquet, COMPRESSION zstd, ROW_GROUP_SIZE {_ROWS}, DICTIONARY_SIZE_LIMIT {_ROWS}"
        db.execute("SET preserve_insertion_order = true")
        db.read_parquet([str(part) for part in parts]).query("t", f"COPY t TO '{into}' ({options})")


def _fetch(source: ObjectStore, path: str, into: Path) -> None:
    import obstore

    try:
        found = obstore.get(source, path)
    except FileNotFoundError as error:
        raise ArchiveError(f"{path} is not in the archive") from error
    with into.open("wb") as file:
        for chunk in found.stream():
            file.write(chunk)


def _batches(source: ObjectStore, path: str, *columns: str) -> Iterator[pl.DataFrame]:
    """Some columns of an archived table, a few rows at a time."""
    with tempfile.TemporaryDirectory(prefix="eigenspan-archive-") as scratch:
        file = Path(scratch, "back.parquet")
        _fetch(source, path, file)
        table, at = pl.scan_parquet(file).select(columns), 0
        while (group := table.slice(at, _ROWS).collect()).height:
            yield from group.iter_slices(_BATCH)
            at += group.height
