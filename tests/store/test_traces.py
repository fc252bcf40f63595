"""The trace store: what is written is found again, by one process or another, over days, until it is too old."""

from __future__ import annotations

import random
import sqlite3
import subprocess
import sys
import threading
from datetime import date, timedelta
from types import SimpleNamespace

import pytest
from opentelemetry.proto.trace.v1.trace_pb2 import TracesData

from eigenspan.collector.export import Retry
from eigenspan.collector.export_store import StoreDestination
from eigenspan.semconv import attributes as q
from eigenspan.store.day import StoreError
from eigenspan.store.terms import Term
from eigenspan.store.traces import Filters, TraceStore

NS = 10**9
DAY = date(2026, 3, 1)


def otlp(
    number: int, *, service="svc", root="root", start_s=1000, seconds=1.0, error=False, spans=1, first=0, **attributes
) -> bytes:
    """A trace of `spans` spans; without a root where `root` is empty."""
    data = TracesData()
    resource_spans = data.resource_spans.add()
    resource_spans.resource.attributes.add(key="service.name").value.string_value = service
    scope_spans = resource_spans.scope_spans.add()
    for i in range(first, first + spans):
        span = scope_spans.spans.add(trace_id=trace(number), span_id=(i + 1).to_bytes(8, "big"), name=root or "part")
        span.start_time_unix_nano = int(start_s * NS)
        span.end_time_unix_nano = int((start_s + seconds) * NS)
        if not root or i > first:
            span.parent_span_id = bytes(7) + b"\x63"
        if error and i == first:
            span.status.code = 2
        for key, value in attributes.items():
            span.attributes.add(key=key.replace("__", ".")).value.string_value = value
    return data.SerializeToString()


def trace(number: int) -> bytes:
    return number.to_bytes(16, "big")


class Calendar:
    """A day that tests turn."""

    def __init__(self) -> None:
        self.day = DAY

    def __call__(self) -> date:
        return self.day

    def forward(self, days: int = 1) -> None:
        self.day += timedelta(days=days)


@pytest.fixture
def calendar():
    return Calendar()


@pytest.fixture
def store(tmp_path, calendar):
    with TraceStore(tmp_path / "traces", today=calendar) as made:
        yield made


def put(store: TraceStore, *numbers: int, rule: str = "baseline", **more) -> None:
    store.write([("", trace(n), rule, otlp(n, **{"start_s": 1000 + n} | more)) for n in numbers])


def ids(rows) -> list[int]:
    return [int(row.trace_id, 16) for row in rows]


def test_what_is_written_is_read(store):
    body = otlp(7, spans=3, error=True, seconds=2.5, quantum__backend__name="ibm_lagos")
    store.write([("lab", trace(7), "errors", body)])
    stored = store.trace(trace(7).hex())
    assert stored.bodies == (body,)
    row = stored.row
    assert (row.spans, row.errors, row.service, row.root, row.backend, row.rule, row.tenant) == (
        3,
        1,
        "svc",
        "root",
        "ibm_lagos",
        "errors",
        "lab",
    )
    assert row.duration_s == 2.5
    assert row.to_dict()["duration_s"] == 2.5
    assert store.newest() == [row]
    assert store.counts() == {"traces": 1, "spans": 3, "error_traces": 1}
    assert store.backends() == {"ibm_lagos": 1}


@pytest.mark.parametrize("unknown", ["", "zz", "12", "0" * 32, "'; DROP TABLE trace;--"])
def test_an_unknown_id_is_none(store, unknown):
    put(store, 1)
    assert store.trace(unknown) is None


def test_the_newest_come_first_and_no_more_than_asked(store):
    put(store, 3, 1, 2, 5, 4)
    assert ids(store.newest(limit=3)) == [5, 4, 3]


def test_an_empty_store_has_nothing(store):
    assert store.newest() == []
    assert store.values() == {"service": [], "backend": []}
    assert store.counts()["traces"] == 0


@pytest.mark.parametrize(
    ("filters", "expected"),
    [
        (Filters(), [4, 3, 2, 1]),
        (Filters(errors=True), [2]),
        (Filters(service="other"), [3]),
        (Filters(backend="ibm_lagos"), [4]),
        (Filters(slower_than_s=1.0), [3]),
        (Filters(slower_than_s=0.5, service="svc"), [4, 2, 1]),
        (Filters(start_ns=1003 * NS), [4, 3]),
        (Filters(end_ns=1003 * NS), [2, 1]),
        (Filters(service="nobody"), []),
        (Filters(service="' OR 1=1 --"), []),
    ],
)
def test_filters(store, filters, expected):
    put(store, 1)
    put(store, 2, error=True)
    put(store, 3, service="other", seconds=9)
    put(store, 4, quantum__backend__name="ibm_lagos")
    assert ids(store.newest(filters)) == expected
    assert store.values() == {"service": ["other", "svc"], "backend": ["ibm_lagos"]}


def test_late_spans_join_their_trace(store):
    put(store, 1, root="", service="worker", start_s=1005)
    put(store, 1, rule="", service="front", start_s=1000, first=1, spans=2, error=True)
    (row,) = store.newest()
    assert (row.spans, row.errors, row.root, row.service, row.rule) == (3, 1, "root", "front", "baseline")
    assert row.duration_s == 6
    assert len(store.trace(row.trace_id).tree()) == 3


def test_the_same_bytes_again_change_nothing(store):
    put(store, 1, spans=2)
    put(store, 1, spans=2)
    (row,) = store.newest()
    assert row.spans == 2
    assert len(store.trace(row.trace_id).bodies) == 1


def test_a_trace_of_two_days_is_one(tmp_path, store, calendar):
    put(store, 1, error=True, start_s=1000)
    put(store, 2)
    calendar.forward()
    put(store, 1, root="", start_s=1100, first=1, rule="")
    put(store, 3)
    assert len(list((tmp_path / "traces").glob("*.db"))) == 2
    for rows in (store.newest(Filters(errors=True)), [r for r in store.newest() if ids([r]) == [1]]):
        (row,) = rows
        assert (row.spans, row.errors, row.duration_s, row.root, row.rule) == (2, 1, 101, "root", "baseline")
    assert sorted(ids(store.newest())) == [1, 2, 3]
    stored = store.trace(trace(1).hex())
    assert (stored.row.spans, len(stored.tree())) == (2, 2)


def test_tenants_do_not_share_a_row(store):
    store.write([("a", trace(1), "x", otlp(1)), ("b", trace(1), "x", otlp(1, error=True))])
    assert sorted((row.tenant, row.errors) for row in store.newest()) == [("a", 0), ("b", 1)]


def test_promoted_attributes_find_their_trace(store, calendar):
    put(store, 1, **{q.QUANTUM_JOB_ID.replace(".", "__"): "job-1"})
    calendar.forward()
    put(store, 1, first=1, **{q.QUANTUM_JOB_ID.replace(".", "__"): "job-1"})
    put(store, 2, **{q.QUANTUM_JOB_ID.replace(".", "__"): "job-2"})
    assert store.find(q.QUANTUM_JOB_ID, "job-1") == [trace(1).hex()]
    assert store.find(q.QUANTUM_JOB_ID, "job-9") == []


def test_of_too_many_candidates_the_newest_are_given(store, calendar):
    needs = [[Term("resource", "service.name", "", "svc")]]
    put(store, *range(1, 11))
    for asked in ([], needs):
        assert store.candidates(asked, limit=3) == ([trace(n).hex() for n in (10, 9, 8)], False)
        assert store.candidates(asked, 1004 * NS, 1006 * NS, limit=2) == ([trace(n).hex() for n in (6, 5)], False)
        assert store.candidates(asked, 1004 * NS, 1006 * NS) == ([trace(n).hex() for n in (6, 5, 4)], True)
    put(store, 2, root="", first=1, service="other")
    assert store.candidates([[Term("resource", "service.name", "", "other")]]) == ([trace(2).hex()], True)
    calendar.forward()
    put(store, 11, 12)
    assert store.candidates(needs, limit=3)[0] == [trace(n).hex() for n in (12, 11, 10, 9, 8)]


def test_instants_that_sqlite_cannot_hold_are_cut(store):
    data = TracesData.FromString(otlp(1))
    data.resource_spans[0].scope_spans[0].spans[0].end_time_unix_nano = 2**64 - 1
    store.write([("", trace(1), "x", data.SerializeToString())])
    (row,) = store.newest(Filters(slower_than_s=1e8))
    assert row.end_ns == 2**63 - 1


def test_a_bad_body_stores_none_of_its_batch(store):
    with pytest.raises(Exception, match=r"."):
        store.write([("", trace(1), "x", otlp(1)), ("", trace(2), "x", b"\xff\xff\xff")])
    assert store.newest() == []
    put(store, 3)
    assert ids(store.newest()) == [3]


def test_age_removes_days_and_readers_go_on(tmp_path, calendar):
    with TraceStore(tmp_path, today=calendar, max_age_days=2) as store, TraceStore(tmp_path, read_only=True) as reader:
        for number in (1, 2, 3, 4):
            put(store, number)
            reader.newest()
            store._trimmed_s = float("-inf")
            calendar.forward()
        assert store.removed == ["2026-03-01", "2026-03-02"]
        assert ids(store.newest()) == ids(reader.newest()) == [4, 3]
        assert reader.trace(trace(1).hex()) is None
        assert sorted(p.name[:10] for p in tmp_path.glob("*.db")) == ["2026-03-03", "2026-03-04"]


def test_bytes_remove_the_oldest_but_never_today(tmp_path, calendar):
    with TraceStore(tmp_path, today=calendar, max_bytes=1) as store:
        for number in (1, 2, 3):
            store._trimmed_s = float("-inf")
            put(store, number)
            calendar.forward()
        assert ids(store.newest()) == [3]
        assert store.removed == ["2026-03-01", "2026-03-02"]


def test_it_is_there_after_a_restart(tmp_path):
    with TraceStore(tmp_path) as store:
        put(store, 1, 2)
    with TraceStore(tmp_path) as store:
        put(store, 3)
        assert ids(store.newest()) == [3, 2, 1]


def test_a_reader_in_the_way_does_not_block_the_writer(tmp_path, store):
    put(store, 1)
    (file,) = (tmp_path / "traces").glob("*.db")
    other = sqlite3.connect(file, isolation_level=None)
    other.execute("BEGIN")
    other.execute("SELECT count(*) FROM trace").fetchone()
    put(store, 2)
    assert ids(store.newest()) == [2, 1]
    assert other.execute("SELECT count(*) FROM trace").fetchone() == (1,)
    other.close()


READER = """
import sys, time
from pathlib import Path
from eigenspan.store.traces import Filters, TraceStore
seen, deadline = 0, time.monotonic() + 30
with TraceStore(Path(sys.argv[1]), read_only=True) as store:
    print("ready", flush=True)
    while seen < int(sys.argv[2]) and time.monotonic() < deadline:
        rows = store.newest(Filters(), limit=10_000)
        assert len(rows) >= seen, "a trace went away"
        assert all(len(store.trace(row.trace_id).bodies) == 1 for row in rows[:3])
        seen = len(rows)
print(seen)
"""


def test_a_second_process_reads_while_one_writes(tmp_path):
    with TraceStore(tmp_path) as store:
        command = [sys.executable, "-c", READER, str(tmp_path), "600"]
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as reader:
            assert reader.stdout.readline() == "ready\n"
            for first in range(1, 601, 20):
                put(store, *range(first, first + 20))
            out, err = reader.communicate(timeout=60)
    assert (out.strip(), err) == ("600", "")


def test_threads_read_while_one_writes(store):
    wrong: list[BaseException] = []
    done = threading.Event()

    def read() -> None:
        try:
            while not done.is_set():
                store.newest()
                store.counts()
        except BaseException as error:  # noqa: BLE001  reported below
            wrong.append(error)

    threads = [threading.Thread(target=read) for _ in range(3)]
    for thread in threads:
        thread.start()
    for number in range(1, 60):
        put(store, number)
    done.set()
    for thread in threads:
        thread.join()
    assert wrong == []


def test_a_store_opened_to_be_read_is_not_written(tmp_path):
    with TraceStore(tmp_path, read_only=True) as store, pytest.raises(ValueError, match="read"):
        put(store, 1)


def test_a_file_that_is_being_made_is_no_error(tmp_path):
    (tmp_path / "2026-03-01.db").touch()
    with TraceStore(tmp_path, read_only=True) as store:
        assert store.newest() == []


def test_a_day_that_is_too_large_goes_on_in_another_file_and_the_cap_holds(tmp_path, calendar):
    cap = 12 << 20
    noise = random.Random(1)
    with TraceStore(tmp_path, today=calendar, max_bytes=cap) as store, TraceStore(tmp_path, read_only=True) as reader:
        for number in range(1, 41):
            put(store, number, note=noise.randbytes(250_000).hex())
            assert sum(file.stat().st_size for file in tmp_path.iterdir()) < cap
            assert ids(reader.newest(limit=1)) == [number]
        kept = ids(store.newest(limit=50))
        assert kept == list(range(40, 40 - len(kept), -1))
        assert len(kept) > 15
        assert store.removed[0] == f"{DAY}"
        assert store.removed[1:] == [f"{DAY}.{part:02}" for part in range(2, len(store.removed) + 1)]
        put(store, 40, first=7, note="")
        (whole,) = [row for row in reader.newest() if ids([row]) == [40]]
        assert whole.spans == 2
    with TraceStore(tmp_path, today=calendar, max_bytes=cap) as store:
        put(store, 41)
        found = ids(store.newest(limit=50))
        assert found == [41, *kept][: len(found)]
        assert len(found) > 15


def test_a_file_of_another_version_is_not_touched(tmp_path):
    path = tmp_path / f"{DAY}.db"
    with sqlite3.connect(path) as other:
        other.execute("CREATE TABLE trace (something)")
    for read_only in (True, False):
        with (
            TraceStore(tmp_path, read_only=read_only, today=Calendar()) as store,
            pytest.raises(StoreError, match="version"),
        ):
            store.newest() if read_only else put(store, 1)


def test_a_file_of_another_version_is_waited_for_and_not_lost(tmp_path):
    with sqlite3.connect(tmp_path / f"{DAY}.db") as other:
        other.execute("CREATE TABLE trace (something)")
    with TraceStore(tmp_path, today=Calendar()) as store, pytest.raises(Retry, match="move it"):
        StoreDestination(store).deliver(
            "traces", [(SimpleNamespace(tenant="", traces=trace(1), rules=("r",)), otlp(1))]
        )


def test_a_row_has_short_names_and_the_body_all_of_them(tmp_path):
    long = "x" * 1_000_000
    with TraceStore(tmp_path) as store:
        body = otlp(1, service=long, root=long, quantum__backend__name=long)
        store.write([("", trace(1), "r", body)])
        (row,) = store.newest()
        assert (row.service, row.root, row.backend) == (long[:256],) * 3
        assert store.newest(Filters(backend=long[:256])) == [row]
        assert store.trace(row.trace_id).bodies == (body,)
