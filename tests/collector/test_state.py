"""The state: a tick is in it whole or not at all, and each exporter has an outbox of its own."""

from __future__ import annotations

import sqlite3

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from eigenspan.collector.errors import EigenspanError
from eigenspan.collector.item import Item
from eigenspan.collector.state import Checkpoint, State
from tests.collector import building

EXPORTERS = {"traces": ["a", "b"], "metrics": ["a"], "logs": []}


@pytest.fixture
def state(tmp_path):
    state = State(tmp_path / "state.db")
    yield state
    state.close()


def item(number: int, *, position: int | None = None, length: int = 100) -> Item:
    return building.item({"trace": number, "position": position or number, "length": length})


def commit(state: State, *items, through: int = 9, signal="traces", **more) -> None:
    rows = [(signal, i) for i in items]
    state.commit(Checkpoint(1, through, 77), items=rows, exporters=EXPORTERS, now_ns=5, **more)


def waiting(state: State, exporter: str, **more) -> list[int]:
    return [out.item.traces[-1] if out.item.traces else 0 for out in state.waiting(exporter, **more)]


def everything(state: State):
    saved = [(o.id, o.signal, o.item, o.size_bytes) for e in ("a", "b") for o in state.waiting(e)]
    return state.checkpoint(), state.saved("metrics"), state.kept(), state.dropped(), saved, state.backlog()


def test_a_new_state_is_empty(state):
    assert everything(state) == (None, None, [], [], [], {})
    assert state.oldest_referenced() is None


def test_a_commit_is_there_after_a_restart(state, tmp_path):
    full = building.item(
        {"trace": 1, "position": 5, "offset": 6, "length": 7, "state": "ot=th:0", "add": (("k", b"\x4a\0"),)},
        {"trace": 1, "position": 4, "length": 2**20},
        tenant="t",
        schema="0.2.0",
    )
    commit(state, full, kept=[b"k"], dropped=b"x" * 16, stages={"metrics": b"m"})
    before = everything(state)
    assert before[0] == Checkpoint(1, 9, 77)
    assert before[4][0][2] == full
    state.close()
    again = State(tmp_path / "state.db")
    assert everything(again) == before
    again.commit(Checkpoint(1, 10, 78), items=[("traces", item(2))], exporters=EXPORTERS, now_ns=6)
    assert waiting(again, "a") == [1, 2]
    again.close()


@pytest.mark.parametrize("table", ["kept", "dropped", "item", "outbox", "meta"])
def test_a_commit_that_fails_midway_leaves_nothing_of_it(state, tmp_path, table):
    commit(state, item(1), kept=[b"k"], dropped=b"x" * 16, stages={"metrics": b"m"})
    before = everything(state)
    other = sqlite3.connect(tmp_path / "state.db")
    other.execute(f"CREATE TRIGGER stop BEFORE INSERT ON {table} BEGIN SELECT RAISE(ABORT, 'no room'); END")
    other.commit()
    more = {"kept": [b"l"], "dropped": b"y" * 16, "stages": {"metrics": b"n"}}
    with pytest.raises(sqlite3.Error, match="no room"):
        commit(state, item(2), through=20, **more)
    assert everything(state) == before
    other.execute("DROP TRIGGER stop")
    other.commit()
    other.close()
    commit(state, item(2), through=20, **more)
    assert waiting(state, "a") == [1, 2]
    assert state.checkpoint().through == 20


def test_a_commit_that_raises_before_the_database_leaves_nothing(state):
    def broken():
        yield b"k"
        raise RuntimeError("killed here")

    with pytest.raises(RuntimeError):
        commit(state, item(1), kept=broken())
    assert everything(state) == (None, None, [], [], [], {})
    commit(state, item(2))
    assert waiting(state, "a") == [2]


def test_a_state_of_another_layout_is_refused_and_left_as_it_is(tmp_path):
    path = tmp_path / "state.db"
    other = sqlite3.connect(path)
    other.executescript("CREATE TABLE item (id INTEGER PRIMARY KEY, body BLOB); INSERT INTO item VALUES (1, 'owed')")
    with pytest.raises(EigenspanError, match=r"state\.db is of another version"):
        State(path)
    assert other.execute("SELECT * FROM item").fetchall() == [(1, "owed")]
    other.close()


def test_a_row_that_is_divided_is_owed_in_parts_by_that_exporter_alone(state):
    whole = building.item({"trace": 1, "position": 5}, {"trace": 2, "position": 3}, {"trace": 3, "position": 4})
    commit(state, whole, item(9))
    row, last = state.waiting("a")
    parts = state.divide("a", row, whole.halves())
    assert [[*p.item.traces[15::16]] for p in parts] == [[1], [2, 3]]
    assert state.waiting("a") == [last, *parts]
    assert [out.item for out in state.waiting("b")] == [whole, item(9)]
    assert state.referenced(5) == {3, 4}
    state.sent("b", [row.id, last.id])
    assert state.referenced(5) == {3, 4}
    state.sent("a", [parts[1].id])
    assert state.oldest_referenced() == 5


def test_the_id_of_a_row_is_not_given_again(state):
    commit(state, item(1))
    (first,) = state.waiting("a")
    for exporter in ("a", "b"):
        state.sent(exporter, [first.id])
    commit(state, item(2))
    assert state.waiting("a")[0].id > first.id


def test_exporters_are_independent(state):
    commit(state, item(1), item(2), item(3))
    first, second, third = state.waiting("a")
    state.sent("a", [first.id, second.id])
    assert waiting(state, "a") == [3]
    assert waiting(state, "b") == [1, 2, 3]
    state.park("b", second.id, "no")
    assert waiting(state, "b") == [1, 3]
    assert state.backlog() == {"a": (1, 0), "b": (2, 1)}
    state.sent("a", [third.id])
    state.sent("b", [first.id, third.id])
    assert state.backlog() == {"b": (0, 1)}
    assert state.oldest_referenced() == 2
    state.sent("b", [second.id])
    assert state.oldest_referenced() is None


def test_an_item_that_nobody_takes_is_not_stored(state):
    commit(state, Item("", position=4), signal="logs")
    commit(state, Item("", position=5), signal="metrics")
    assert state.backlog() == {"a": (1, 0)}
    assert state.oldest_referenced() == 5


def test_a_batch_ends_at_its_bytes_and_holds_one_signal(state):
    commit(state, *(item(i, length=936) for i in range(1, 6)))
    commit(state, Item("", position=9), signal="metrics")
    commit(state, item(6))
    assert waiting(state, "a", limit_bytes=3000) == [1, 2, 3]
    assert waiting(state, "a", limit_bytes=1) == [1]
    batch = state.waiting("a")
    assert [o.item.traces[-1] for o in batch] == [1, 2, 3, 4, 5]
    state.sent("a", [o.id for o in batch])
    (metrics,) = state.waiting("a")
    assert metrics.signal == "metrics"
    state.sent("a", [metrics.id])
    assert waiting(state, "a") == [6]


def test_forget_leaves_what_is_in_the_window(state):
    for number, decided_ns in ((1, 4), (2, 10)):
        state.commit(
            Checkpoint(1, 1, 1), kept=[bytes([number])], dropped=bytes([number]) * 16,
            exporters=EXPORTERS, now_ns=decided_ns,
        )  # fmt: skip
    state.forget(10)
    assert state.kept() == [b"\2"]
    assert state.dropped() == [(10, b"\2" * 16)]


STEPS = st.lists(
    st.tuples(st.sampled_from(["add", "sent", "park"]), st.sampled_from("ab"), st.integers(0, 5)), max_size=25
)


@settings(max_examples=40, deadline=None)
@given(steps=STEPS)
def test_the_outbox_is_a_list_for_each_exporter(tmp_path_factory, steps):
    state = State(tmp_path_factory.mktemp("state") / "state.db")
    model: dict[str, dict[int, bool]] = {"a": {}, "b": {}}
    number = 0
    for step, exporter, which in steps:
        if step == "add":
            number += 1
            commit(state, item(number, position=100 - number))
            model["a"][number] = model["b"][number] = False
            continue
        rows = {o.item.traces[-1]: o.id for o in state.waiting(exporter)}
        if which >= len(rows):
            continue
        chosen = sorted(rows)[which]
        if step == "sent":
            state.sent(exporter, [rows[chosen]])
            del model[exporter][chosen]
        else:
            state.park(exporter, rows[chosen], "reason")
            model[exporter][chosen] = True
    for exporter, rows in model.items():
        assert waiting(state, exporter) == [n for n, parked in sorted(rows.items()) if not parked]
    assert state.backlog() == {
        e: (list(rows.values()).count(False), list(rows.values()).count(True)) for e, rows in model.items() if rows
    }
    owed = [100 - n for rows in model.values() for n in rows]
    assert state.oldest_referenced() == min(owed, default=None)
    state.close()


def test_rows_of_an_exporter_that_is_gone_are_released(tmp_path):
    state = State(tmp_path / "s.db")
    items = [("traces", item(i)) for i in (1, 2)]
    state.commit(Checkpoint(1, 2, 0), items=items, exporters={"traces": ["kept", "gone"]}, now_ns=0)
    state.park("gone", state.waiting("gone")[0].id, "no")
    assert state.release(["kept"]) == 2
    assert state.backlog() == {"kept": (2, 0)}
    assert state.oldest_referenced() == 1
    assert state.release([]) == 2
    assert state.oldest_referenced() is None
    state.close()
