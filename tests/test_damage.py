"""A damaged database stops nothing: it is set aside, said, and the rest goes on."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from eigenspan import damage
from eigenspan.calibration.store import CalibrationStore
from eigenspan.collector.opening import open_calibrations, open_state
from eigenspan.collector.state import State
from eigenspan.figures.releases import Release, Releases
from eigenspan.store.traces import TraceStore
from tests.web.test_routes import Client
from tests.web.test_tempo import workflow

PAGE = 4096


def cut(data: bytes) -> bytes:
    return data[: len(data) // 2 + 7]


def headless(data: bytes) -> bytes:
    return bytes(64) + data[64:]


def holed(data: bytes) -> bytes:
    """Every page but the first has lost its head."""
    out = bytearray(data)
    for at in range(PAGE, len(out), PAGE):
        out[at : at + 64] = b"\xff" * 64
    return bytes(out)


HOW = [cut, headless, holed]


def spoil(path: Path, how) -> None:
    assert not path.with_name(path.name + "-wal").exists()
    path.write_bytes(how(path.read_bytes()))


@pytest.mark.parametrize("how", HOW)
@pytest.mark.parametrize(("make", "open_"), [(State, open_state), (CalibrationStore, open_calibrations)])
def test_the_collectors_databases_open_whatever_became_of_them(tmp_path, caplog, make, open_, how):
    path = tmp_path / "some.db"
    make(path).close()
    spoil(path, how)
    open_(path).close()
    assert (tmp_path / "some.db.bad").read_bytes()[PAGE:]
    assert "set aside as .bad" in caplog.text
    damage.check(path)
    caplog.clear()
    open_(path).close()
    assert not caplog.text


@pytest.mark.parametrize("how", HOW)
def test_releases_open_whatever_became_of_them(tmp_path, caplog, how):
    path = tmp_path / "releases.db"
    Releases(path).post(Release("service", "svc", "2.0", "1.0", 5))
    spoil(path, how)
    assert Releases(path).newest() == []
    assert "set aside as .bad" in caplog.text


def body(number: int) -> tuple[str, bytes, str, bytes]:
    return "", number.to_bytes(16, "big"), "r", workflow(number)


def stored(store: TraceStore) -> list[int]:
    return sorted(int(row.trace_id, 16) for row in store.newest())


@pytest.mark.parametrize("asked_first", [True, False])
@pytest.mark.parametrize("how", HOW)
def test_a_damaged_day_is_left_out_and_the_next_trace_has_a_place(tmp_path, caplog, how, asked_first):
    with TraceStore(tmp_path) as store:
        store.write([body(n) for n in range(1, 200)])
    (day,) = tmp_path.glob("*.db")
    spoil(day, how)
    (tmp_path / "2000-01-01.db").write_bytes(b"no database" * 1000)
    with TraceStore(tmp_path, max_age_days=100_000) as store:
        if asked_first:
            stored(store)
            store.trace(f"{7:032x}")
        store.write([body(1000)])
        assert 1000 in stored(store)
        store.write([body(1001)])
        assert {1000, 1001} <= {*stored(store)}
        assert store.trace(f"{1001:032x}").row.spans == 2
        assert store.candidates([], limit=10_000)[0]
    assert (tmp_path / "2000-01-01.db.bad").exists()
    assert "2000-01-01.db is damaged" in caplog.text
    with TraceStore(tmp_path, read_only=True) as reader:
        assert {1000, 1001} <= {*stored(reader)}


def test_what_is_no_damage_is_not_set_aside(tmp_path):
    path = tmp_path / "some.db"
    State(path).close()
    held = sqlite3.connect(path, isolation_level=None)
    held.execute("BEGIN EXCLUSIVE")

    def busy(path: Path) -> None:
        with sqlite3.connect(path, timeout=0) as db:
            db.execute("CREATE TABLE x (y)")

    with pytest.raises(sqlite3.OperationalError, match="locked"):
        damage.open_or_set_aside(path, busy, pytest.fail)
    held.close()
    assert path.exists()


def flipped(data: bytes) -> bytes:
    middle = len(data) // 2
    return data[:middle] + bytes([data[middle] ^ 0xFF]) + data[middle + 1 :]


@pytest.mark.parametrize("how", [cut, flipped, lambda data: b"garbage"])
def test_a_damaged_body_costs_that_trace_alone(tmp_path, caplog, how):
    with TraceStore(tmp_path / "traces") as store:
        store.write([body(n) for n in (1, 2, 3)])
        (day,) = (tmp_path / "traces").glob("*.db")
        with sqlite3.connect(day) as db:
            (held,) = db.execute("SELECT otlp FROM body WHERE id = 2").fetchone()
            db.execute("UPDATE body SET otlp = ? WHERE id = 2", (how(held),))
        with CalibrationStore(tmp_path / "calibration.db") as calibrations:
            client = Client(store, calibrations)
            paths = ["/", "/traces", "/backends", "/releases", *(f"/trace/{n:032x}" for n in (1, 3))]
            assert {client.get(path).status for path in paths} == {200}
            assert client.get(f"/trace/{2:032x}").status in (200, 404)
            assert caplog.text.count("is damaged and left out") == 1
            late = workflow(2, seconds=9)
            store.write([("", (2).to_bytes(16, "big"), "r", late)])
            assert late in store.trace(f"{2:032x}").bodies
            assert client.get(f"/trace/{2:032x}").status == 200
