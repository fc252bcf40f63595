"""The archive: what went in comes back; what is not proved to be there leaves nothing removed."""

from __future__ import annotations

import json
import random
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

import duckdb
import obstore
import polars as pl
import pytest
from obstore.store import MemoryStore

from eigenspan.collector.errors import ConfigError
from eigenspan.collector.opening import schedule
from eigenspan.collector.settings import Archive, StoreLimits
from eigenspan.semconv import attributes as q
from eigenspan.store import archive
from eigenspan.store.day import files
from eigenspan.store.schedule import Schedule
from eigenspan.store.traces import TraceStore
from tests.cli.test_cli import run
from tests.conftest import ROOT
from tests.e2e.harness import running
from tests.partners.programs import eventually
from tests.store.test_logs import payload
from tests.store.test_traces import DAY, Calendar, otlp, trace


@pytest.fixture
def file(tmp_path):
    with TraceStore(tmp_path / "traces", today=Calendar()) as store:
        jobs = [otlp(n, start_s=1000 + n, **{q.QUANTUM_JOB_ID.replace(".", "__"): f"job-{n}"}) for n in range(1, 301)]
        store.write([("", trace(n), "r", body) for n, body in enumerate(jobs, 1)])
        store.write_logs([("", payload((7, 1, "a"), (7, 2, "b")))])
    return tmp_path / "traces" / f"{DAY}.db"


def everything(directory) -> tuple:
    with TraceStore(directory, read_only=True) as store:
        ids = [f"{n:032x}" for n in range(1, 301)]
        return (
            [store.trace(one) for one in ids],
            store.logs(ids[6]),
            store.find(q.QUANTUM_JOB_ID, "job-9"),
            store.newest(limit=500),
        )


def test_a_day_goes_and_comes_back(file):
    before, to = everything(file.parent), MemoryStore()
    assert archive.archive(file, to) == {"traces": 300, "keys": 300, "logs": 2}
    assert list(file.parent.iterdir()) == []
    for _ in range(2):
        assert archive.restore(to, DAY, file.parent) == 300
        assert everything(file.parent) == before


def test_a_day_in_several_files_and_late_spans_come_back(tmp_path):
    noise = random.Random(1)
    with TraceStore(tmp_path / "traces", today=Calendar(), max_bytes=8 << 20) as store:
        for n in range(1, 13):
            store.write([("", trace(n), "r", otlp(n, note=noise.randbytes(150_000).hex()))])
            store.write([("", trace(n), "", otlp(n, first=1, root=""))])
        before = [store.trace(f"{n:032x}") for n in range(1, 13)]
    names = [file.stem for file in files(tmp_path / "traces")]
    assert len(names) > 1
    to = MemoryStore()
    for file in files(tmp_path / "traces"):
        archive.archive(file, to)
    assert archive.restore(to, DAY, tmp_path / "again") == 24
    with TraceStore(tmp_path / "again", read_only=True) as store:
        assert [store.trace(f"{n:032x}") for n in range(1, 13)] == before


def test_memory_is_not_the_days_size(tmp_path, monkeypatch):
    monkeypatch.setattr(archive, "_ROWS", 7)
    with TraceStore(tmp_path, today=Calendar()) as store:
        store.write([("", trace(n), "r", otlp(n)) for n in range(1, 31)])
    seen: list[int] = []
    (file,) = files(tmp_path)
    archive.archive(file, MemoryStore(), progress=seen.append)
    assert [n for n in seen if n] == [7, 7, 7, 7, 2]


@pytest.mark.parametrize("spoiled", ["short", "longer", "other"])
def test_what_does_not_come_back_stays(file, monkeypatch, spoiled):
    def spoil(parts, into):
        frame = pl.concat([pl.read_parquet(part) for part in parts])
        changed = {"short": frame.head(1), "longer": pl.concat([frame, frame]), "other": frame.reverse()}[spoiled]
        changed.write_parquet(into)

    monkeypatch.setattr(archive, "_join", spoil)
    with pytest.raises(archive.ArchiveError, match="stays"):
        archive.archive(file, MemoryStore())
    assert len(everything(file.parent)[3]) == 300


def test_another_collectors_day_is_not_overwritten(file, tmp_path):
    to = MemoryStore()
    archive.archive(file, to, keep=True)
    assert archive.archive(file, to, keep=True)["traces"] == 300
    with TraceStore(tmp_path / "other", today=Calendar()) as store:
        store.write([("", trace(1), "r", otlp(1))])
    (other,) = files(tmp_path / "other")
    with pytest.raises(archive.ArchiveError, match="something else"):
        archive.archive(other, to)
    assert other.exists()
    assert archive.restore(to, DAY, tmp_path / "back") == 300


def test_what_is_written_meanwhile_stays(file, monkeypatch):
    put = archive._put

    def late(*arguments):
        with TraceStore(file.parent, today=Calendar()) as store:
            store.write([("", trace(999), "r", otlp(999))])
        return put(*arguments)

    monkeypatch.setattr(archive, "_put", late)
    with pytest.raises(archive.ArchiveError, match="meanwhile"):
        archive.archive(file, MemoryStore())
    assert file.exists()


def test_the_schedule_archives_what_is_old_enough_and_tries_again(file, tmp_path):
    now = [datetime(2026, 3, 3, 0, 30, tzinfo=UTC)]
    blocked = tmp_path / "out"
    blocked.write_text("a file where the directory is to be")
    schedule = Schedule(file.parent, str(blocked), 3600, 2, lambda: now[0])
    schedule.step()
    assert (schedule.counts, schedule.last_error) == ({}, "")  # not due yet: the day ended half an hour too late
    now[0] += timedelta(hours=1)
    schedule.step()
    assert schedule.counts == {"failed": 1}
    assert str(blocked) in schedule.last_error
    assert file.exists()
    blocked.unlink()
    schedule.step()
    assert (schedule.counts, schedule.last_error) == ({"failed": 1, "archived": 1}, "")
    assert not file.exists()
    assert archive.restore(archive.destination(str(blocked)), DAY, file.parent) == 300
    schedule.step()
    assert schedule.counts["archived"] == 1
    calendar = Calendar()
    calendar.forward(100)
    with TraceStore(file.parent, today=calendar) as store:
        store.write([("", trace(999), "r", otlp(999))])
        assert store.trace(f"{1:032x}"), "what came back is not too old"


def test_a_collector_archives_by_itself(file, tmp_path):
    settings = {"service__store__archive": f"{{to: {tmp_path / 'out'}, every: 1, older_than_days: 3}}"}
    with running(tmp_path, **settings) as r:
        eventually(lambda: not file.exists())
        assert 'eigenspan_archived_files_total{outcome="archived"} 1' in r.collector.telemetry.prometheus()
        assert "eigenspan_archive_failing 0" in r.collector.telemetry.prometheus()
    assert (tmp_path / "out" / str(DAY) / "traces.parquet").is_file()


def test_days_must_go_before_they_are_too_old():
    limits = StoreLimits(max_age_days=5, archive=Archive(to="/x", older_than_days=5))
    with pytest.raises(ConfigError, match="older_than_days"):
        schedule(Path(), limits)


def test_the_documented_queries(file, tmp_path):
    archive.archive(file, archive.destination(str(tmp_path / "out")))
    with duckdb.connect() as db:
        db.execute(f"SET file_search_path = '{tmp_path / 'out'}'")
        by_job = "SELECT trace_id FROM '*/keys.parquet' WHERE key = 'quantum.job.id' AND value = 'job-9'"
        assert db.execute(by_job).fetchall() == [(f"{9:032x}",)]
        slow = "SELECT service, count(*), quantile_cont((end_ns - start_ns) / 1e9, 0.95) FROM '*/traces.parquet' GROUP BY service"
        assert db.execute(slow).fetchall() == [("svc", 300, 1.0)]
        blooms = f"""SELECT path_in_schema FROM parquet_metadata('{tmp_path}/out/{DAY}/*.parquet')
            WHERE bloom_filter_offset IS NOT NULL"""
        assert {name for (name,) in db.execute(blooms).fetchall()} >= {"trace_id", "value"}
        text = (ROOT / "python-sdk" / "ARCHIVE.md").read_text()
        (queries,) = re.findall(r"## DuckDB\n\n```sql\n(.*?)```", text, re.DOTALL)
        for query in filter(None, map(str.strip, queries.split(";"))):
            assert db.execute(query).fetchall(), query


def test_the_commands(file, tmp_path):
    data, out = str(tmp_path), str(tmp_path / "out")
    done = run("archive", "run", out, "--data", data, "--json")
    assert json.loads(done.output) == {"day": str(DAY), "traces": 300, "keys": 300, "logs": 2}
    assert not file.exists()
    assert json.loads(run("archive", "restore", out, str(DAY), "--data", data, "--json").output)["traces"] == 300
    assert len(obstore.list(archive.destination(out)).collect()) == 3
