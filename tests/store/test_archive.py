"""The archive: what went in comes back; what is not proved to be there leaves nothing removed."""

from __future__ import annotations

import json

import duckdb
import obstore
import pytest
from obstore.store import MemoryStore

from eigenspan.semconv import attributes as q
from eigenspan.store import archive
from eigenspan.store.traces import TraceStore
from tests.cli.test_cli import run
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


def test_what_does_not_come_back_stays(file, monkeypatch):
    monkeypatch.setattr(archive, "_parquet", lambda frame: write(frame.head(1)), raising=True)
    with pytest.raises(archive.ArchiveError, match="stays"):
        archive.archive(file, MemoryStore())
    assert len(everything(file.parent)[3]) == 300


def write(frame) -> bytes:
    import io

    out = io.BytesIO()
    frame.write_parquet(out)
    return out.getvalue()


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


def test_the_commands(file, tmp_path):
    data, out = str(tmp_path), str(tmp_path / "out")
    done = run("archive", "run", out, "--data", data, "--json")
    assert json.loads(done.output) == {"day": str(DAY), "traces": 300, "keys": 300, "logs": 2}
    assert not file.exists()
    assert json.loads(run("archive", "restore", out, str(DAY), "--data", data, "--json").output)["traces"] == 300
    assert len(obstore.list(archive.destination(out)).collect()) == 3
