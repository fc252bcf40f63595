"""Export: what the far end refuses is found alone, what it cannot take now waits, what it has is struck off."""

from __future__ import annotations

import threading
import time

import msgspec
import numpy as np
import pytest

from eigenspan.collector.export import Refused, Retry, Worker, assemble
from eigenspan.collector.item import Item
from eigenspan.collector.scan import engine
from eigenspan.collector.state import Checkpoint, State
from tests.collector import building
from tests.collector.building import WATCH, put, request, spans_in
from tests.engines import HAS_KERNEL

ENGINES = ["python"] + ["kernel"] * HAS_KERNEL
ENGINE = engine("python")


class FarEnd:
    """A destination that takes what `answer` lets it take."""

    signals = frozenset({"traces", "metrics"})
    per_trace = False

    def __init__(self, answer=lambda traces: None) -> None:
        self.answer, self.requests, self.taken, self.closed = answer, [], [], False

    def deliver(self, signal, bodies):
        raw = [body for _, body in bodies]
        self.requests.append((signal, raw))
        traces = [s.trace_id[-1] for s in spans_in(raw)] if signal == "traces" else [0]
        rejected = self.answer(traces) or 0
        self.taken += traces
        return rejected

    def close(self):
        self.closed = True


class Log:
    """Positions to bytes."""

    def __init__(self) -> None:
        self.bodies: dict[int, bytes] = {}

    def read(self, positions):
        for position in positions:
            yield b"before" + self.bodies[position] + b"after", 6, 6 + len(self.bodies[position])

    def item(self, trace: int, spans: int = 1, *, add=(), resource=None, trace_state=None, size: int = 0) -> Item:
        body = request(
            *({"trace": trace, "span": i + 1, "name": "n" * size} for i in range(spans)), resource=resource or {}
        )
        position = len(self.bodies) + 1
        self.bodies[position] = body
        columns = ENGINE.scan([body], WATCH).columns
        return building.item(
            *(
                {"trace": trace, "position": position, "add": add, "state": trace_state} | place
                for place in columns.select("offset", "length").iter_rows(named=True)
            )
        )


@pytest.fixture
def state(tmp_path):
    state = State(tmp_path / "state.db")
    yield state
    state.close()


def joined(*items: Item) -> Item:
    """Several traces in one row."""
    rows = [item.table().copy() for item in items]
    for number, part in enumerate(rows):
        part["trace"] = number
    traces, rules = b"".join(item.traces for item in items), tuple(rule for item in items for rule in item.rules)
    return msgspec.structs.replace(items[0], traces=traces, rows=np.concatenate(rows).tobytes(), rules=rules)


def owe(state: State, *items: Item, signal="traces", exporters=("far",)) -> None:
    state.commit(Checkpoint(1, 1, 1), items=[(signal, i) for i in items], exporters={signal: list(exporters)}, now_ns=1)


def worker(state: State, far: FarEnd, log: Log) -> Worker:
    return Worker("far", far, state, log.read, ENGINE)


def empty(w: Worker) -> None:
    while w.turn():
        pass


def test_everything_is_sent_once_and_in_order(state):
    far, log = FarEnd(), Log()
    owe(state, *(log.item(i, spans=2) for i in range(1, 30)))
    w = worker(state, far, log)
    empty(w)
    assert far.taken == [i for i in range(1, 30) for _ in range(2)]
    assert state.backlog() == {}
    assert w.counts == {"sent_rows": 29, "sent_spans": 58}
    assert not w.turn()


def test_what_the_far_end_rejects_of_a_request_is_not_counted_as_sent(state):
    far, log = FarEnd(lambda traces: 3), Log()
    owe(state, *(log.item(i, spans=2) for i in range(1, 6)))
    w = worker(state, far, log)
    empty(w)
    assert w.counts == {"sent_rows": 5, "sent_spans": 7, "rejected_traces": 3}
    assert state.backlog() == {}
    far.answer = lambda traces: 1000
    owe(state, log.item(9))
    empty(w)
    assert (w.counts["sent_spans"], w.counts["rejected_traces"]) == (7, 4)


@pytest.mark.parametrize("rows", [1, 2, 12])
@pytest.mark.parametrize("poison", [{1}, {7}, {12}, {1, 2}, {3, 9, 12}, set(range(1, 13)), set()], ids=str)
def test_what_is_refused_is_parked_and_nothing_else_is(state, poison, rows):
    def answer(traces):
        if poison & set(traces):
            raise Refused(f"not {sorted(poison & set(traces))}")

    far, log = FarEnd(answer), Log()
    items = [log.item(i) for i in range(1, 13)]
    owe(state, *(joined(*items[i : i + 12 // rows]) for i in range(0, 12, 12 // rows)))
    w = worker(state, far, log)
    empty(w)
    assert far.taken == [i for i in range(1, 13) if i not in poison]
    assert state.backlog().get("far", (0, 0)) == (0, len(poison))
    assert w.counts["parked_rows"] == len(poison)
    reasons = state._query("SELECT i.first_position, o.parked FROM outbox o JOIN item i ON i.id = o.item")
    assert dict(reasons) == {i: f"not [{i}]" for i in poison}


def test_what_a_far_end_says_is_logged_once_a_minute_and_without_control_characters(state, caplog, monkeypatch):
    def answer(traces):
        raise Refused(f"no {traces}\n\x1b[31mERROR forged\u202e")

    log, now_s = Log(), [0.0]
    monkeypatch.setattr("eigenspan.collector.export.time.monotonic", lambda: now_s[0])
    w = worker(state, FarEnd(answer), log)
    owe(state, *(log.item(i) for i in range(1, 13)))
    empty(w)
    now_s[0] = 61.0
    owe(state, log.item(13))
    empty(w)
    first, second = (record.getMessage() for record in caplog.records)
    assert "1 set aside" in first
    assert "12 set aside" in second
    assert all(c.isprintable() for c in first + second + "".join(row.reason for row in state.parked()))
    assert len(state.parked()) == 13


def test_a_far_end_that_is_away_gets_it_later_in_order_and_byte_for_byte(state):
    away = [True]

    def answer(traces):
        if away[0]:
            raise Retry("away", 3.0)

    far, log = FarEnd(answer), Log()
    owe(state, *(log.item(i, add=(("k", b"\x4a\x03\x0a\x01k"),), trace_state="ot=th:8") for i in (1, 2, 3)))
    w = worker(state, far, log)
    for _ in range(3):
        with pytest.raises(Retry) as caught:
            w.turn()
        assert caught.value.after_s == 3.0
    assert state.backlog() == {"far": (3, 0)}
    away[0] = False
    empty(w)
    assert far.taken == [1, 2, 3]
    assert len(far.requests) == 4
    assert far.requests[0] == far.requests[1] == far.requests[2] == far.requests[3]


@pytest.mark.parametrize("together", [False, True], ids=["rows", "one row"])
def test_an_outage_in_the_middle_of_a_division_sends_nothing_twice(state, together):
    calls = []

    def answer(traces):
        calls.append(traces)
        if 4 in traces:
            raise Refused("poison")
        if 7 in traces and len(calls) < 8:
            raise Retry("away")

    far, log = FarEnd(answer), Log()
    items = [log.item(i) for i in range(1, 9)]
    owe(state, *([joined(*items)] if together else items))
    w = worker(state, far, log)
    with pytest.raises(Retry):
        w.turn()
    empty(w)
    assert far.taken == [1, 2, 3, 5, 6, 7, 8]
    assert state.backlog() == {"far": (0, 1)}


@pytest.mark.parametrize("together", [False, True], ids=["rows", "one row"])
def test_a_position_that_is_gone_parks_its_trace_only(state, together):
    far, log = FarEnd(), Log()
    items = [log.item(i) for i in (1, 2, 3)]
    owe(state, *([joined(*items)] if together else items))
    del log.bodies[2]
    empty(worker(state, far, log))
    assert far.taken == [1, 3]
    (row,) = state.parked()
    assert "no longer holds position 2" in row.reason
    assert row.item.traces[-1] == 2


def test_a_span_that_is_not_where_it_was_parks_its_trace_only(state):
    far, log = FarEnd(), Log()
    bad = building.item({"trace": 2, "offset": 3, "length": 5})
    owe(state, log.item(1), bad, log.item(3))
    empty(worker(state, far, log))
    assert far.taken == [1, 3]
    assert state.backlog() == {"far": (0, 1)}


def test_our_own_mistake_parks_nothing(state):
    """A ValueError while sending (a header that cannot be sent, say) is for the operator to mend."""

    def answer(traces):
        raise ValueError("Invalid header value")

    far, log = FarEnd(answer), Log()
    owe(state, log.item(1), log.item(2))
    with pytest.raises(ValueError, match="header"):
        worker(state, far, log).turn()
    assert state.backlog() == {"far": (2, 0)}


def test_other_signals_pass_unchanged(state):
    far, log = FarEnd(), Log()
    log.bodies[1], log.bodies[2] = b"metrics bytes", b"more"
    owe(state, Item("", position=1), Item("", position=2), signal="metrics")
    empty(worker(state, far, log))
    assert far.requests == [("metrics", [b"metrics bytes"]), ("metrics", [b"more"])]


def test_a_destination_that_wants_each_trace_apart_gets_them_apart(state):
    far, log = FarEnd(), Log()
    far.per_trace = True
    owe(state, joined(log.item(1, spans=3), log.item(2)))
    empty(worker(state, far, log))
    ((_, bodies),) = far.requests
    assert [[s.trace_id[-1] for s in spans_in([body])] for body in bodies] == [[1, 1, 1], [2]]


@pytest.mark.parametrize("name", ENGINES)
@pytest.mark.parametrize("limit", [400, 1000, 5000, 10**6])
@pytest.mark.parametrize("resource", [{}, {"r": "x" * 300}], ids=["small", "large"])
def test_requests_stay_under_the_limit_and_hold_everything_once(name, limit, resource):
    log = Log()
    items = [
        log.item(
            i,
            spans=1 + i % 7,
            size=i % 50,
            resource=resource | {"i": str(i)},
            trace_state="ot=th:8",
            add=(("k", b"\x4a\x03\x0a\x01k"),),
        )
        for i in range(1, 25)
    ]
    bodies = list(assemble(items, log.read, engine(name), limit))
    assert all(len(body) <= limit or len(spans_in([body])) == 1 for body in bodies)
    found = [(s.trace_id[-1], s.span_id[-1]) for s in spans_in(bodies)]
    assert found == [(i, n + 1) for i in range(1, 25) for n in range(1 + i % 7)]
    assert list(assemble(items, log.read, engine(name), limit)) == bodies
    if limit == 10**6:
        assert len(bodies) == 1
    bodies = list(assemble([joined(*items)], log.read, engine(name), limit))
    assert all(len(body) <= limit or len(spans_in([body])) == 1 for body in bodies)
    assert [(s.trace_id[-1], s.span_id[-1]) for s in spans_in(bodies)] == found


def test_no_more_of_the_log_is_held_than_asked(monkeypatch):
    monkeypatch.setattr("eigenspan.collector.export.READ_BYTES", 1000)
    log, held = Log(), []
    item = joined(*(log.item(i, size=300) for i in range(1, 20)))

    class Watched:
        def splice(self, parts, edits, restamp):
            held.append(sum(stop - start for _, start, stop in parts))
            return ENGINE.splice(parts, edits, restamp)

    (body,) = assemble([item], log.read, Watched())
    assert [s.trace_id[-1] for s in spans_in([body])] == [*range(1, 20)]
    assert max(held) < 2000


def test_a_span_over_the_limit_goes_alone():
    log = Log()
    items = [log.item(1), log.item(2, size=900), log.item(3)]
    bodies = list(assemble(items, log.read, ENGINE, 500))
    assert [[s.trace_id[-1] for s in spans_in([body])] for body in bodies] == [[1], [2], [3]]


def test_what_is_added_and_the_trace_state_are_in_the_bytes():
    log = Log()
    (body,) = assemble(
        [log.item(1, add=(("k", b"\x4a\x07\x0a\x01k\x12\x02\x18\x05"),), trace_state="ot=th:c")], log.read, ENGINE
    )
    (span,) = spans_in([body])
    expected = type(span)()
    put(expected, {"k": 5})
    assert span.attributes == expected.attributes
    assert span.trace_state == "ot=th:c"


def wait_for(condition) -> None:
    deadline = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.005)


def test_the_thread_retries_waits_and_stops(state, monkeypatch):
    monkeypatch.setattr("eigenspan.collector.export._RETRY_S", (0.01, 0.02))
    tries = []

    def answer(traces):
        tries.append(time.monotonic())
        if len(tries) < 4:
            raise Retry("away", 0.05 if len(tries) == 1 else None)

    far, log = FarEnd(answer), Log()
    w = worker(state, far, log)
    w.start()
    owe(state, log.item(1))
    w.poke()
    wait_for(lambda: not state.backlog())
    w.stop()
    assert len(tries) == 4
    assert tries[1] - tries[0] >= 0.05
    assert w.last_error == ""
    assert far.closed


def test_stop_does_not_wait_for_a_far_end_that_is_away(state):
    def answer(traces):
        raise Retry("away", 3600.0)

    far, log = FarEnd(answer), Log()
    owe(state, log.item(1))
    w = worker(state, far, log)
    w.start()
    wait_for(lambda: w.last_error)
    started = time.monotonic()
    w.stop()
    assert time.monotonic() - started < 2
    assert state.backlog() == {"far": (1, 0)}


def test_a_slow_exporter_delays_nobody(state):
    release = threading.Event()
    slow, quick, log = FarEnd(lambda traces: release.wait(10)), FarEnd(), Log()
    workers = [Worker("slow", slow, state, log.read, ENGINE), Worker("quick", quick, state, log.read, ENGINE)]
    owe(state, log.item(1), log.item(2), exporters=("slow", "quick"))
    for w in workers:
        w.start()
    wait_for(lambda: quick.taken == [1, 2])
    assert state.backlog()["slow"] == (2, 0)
    release.set()
    wait_for(lambda: not state.backlog())
    for w in workers:
        w.stop()
