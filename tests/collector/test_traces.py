"""Open traces: the same as a dictionary of lists, whatever arrives in whatever order."""

from __future__ import annotations

import random
from typing import Any

import polars as pl
import pytest

from eigenspan.collector.decided import Decided
from eigenspan.collector.traces import Traces
from tests.collector.building import DEFAULTS, SECOND, WATCH, spans
from tests.collector.model import Both, everything


def row(**more: Any) -> dict[str, Any]:
    return DEFAULTS | {"parent_id": 5} | more


def random_row(
    rng: random.Random, key: tuple[str, int, int], position: int, offset: int, log_ns: int
) -> dict[str, Any]:
    start = rng.randrange(10**9, 10**12)
    return row(
        tenant=key[0], trace_hi=key[1], trace_lo=key[2], position=position, offset=offset, log_ns=log_ns,
        length=rng.choice([40, 41]), span_id=rng.randrange(1, 6), kind=rng.randrange(5),
        parent_id=rng.choice([0, 3, 3, 3]), status=rng.choice([0, 0, 1, 2]), name=f"n{rng.randrange(9)}",
        trace_state=rng.choice(["", "", "", f"ot=th:{rng.randrange(9)}"]), start_ns=start, end_ns=start + rng.randrange(-99, 10**11),
        service=rng.choice([None, "a", "b"]), backend=rng.choice([None, None, "x", "y"]), job_id=rng.choice([None, "j", f"j{rng.randrange(30)}"]),
        job_status=rng.choice([None, None, None, "queued", "done", "FAILED"]),
        shots=rng.choice([None, 1, 5, -2]), queue_s=rng.choice([None, 0.5, 7.25]), success=rng.choice([None, None, True, False]),
    )  # fmt: skip


@pytest.mark.parametrize("seed", range(12))
def test_random_traffic(seed):
    """Spans of up to 60 traces of three tenants in random order, duplicates and late ones too, over minutes."""
    rng = random.Random(seed)
    both = Both(
        settle_s=rng.choice([0.0, 1.5, 6.0]),
        idle_s=rng.choice([0.5, 3.0, 20.0]),
        max_traces=rng.choice([10**6, 10**6, 9]),
    )
    keys = [(rng.choice(["", "a", "b"]), rng.choice([0, 2**64 - 1]), i) for i in range(400)]
    log_ns, position, decided = rng.randrange(10**12), 0, 0
    seen: list[dict[str, Any]] = []
    for _ in range(120):
        log_ns += rng.choice([0, SECOND // 4, SECOND // 4, SECOND, 30 * SECOND])
        rows = []
        for _ in range(rng.choice([0, 1, 1, 3, 10])):
            position += 1
            for offset in range(rng.choice([1, 2, 5])):
                if seen and rng.random() < 0.1:
                    rows.append(rng.choice(seen) | {"position": position, "offset": offset, "log_ns": log_ns})
                else:
                    rows.append(random_row(rng, rng.choice(keys[position // 2 :][:60]), position, offset, log_ns))
        if rows:
            both.add(rows)
            seen = (seen + rows)[-200:]
        if rng.random() < 0.7:
            decided += len(both.due(log_ns, keep=lambda key: key[2] % 2 == 0))
    assert decided > 10
    both.due(log_ns + 100 * SECOND)
    assert not both.open
    assert both.traces.open_spans == 0


@pytest.mark.parametrize("seed", range(4))
def test_what_was_open_is_open_again_after_a_replay(seed):
    """A new start that reads the log from the checkpoint on has the same open traces, and nothing else."""
    rng = random.Random(seed)
    both = Both()
    log_ns, history = 0, []
    for position in range(1, 60):
        log_ns += rng.choice([SECOND // 4, SECOND])
        rows = [
            random_row(rng, ("", 0, rng.randrange(position, position + 15)), position, offset, log_ns)
            for offset in range(3)
        ]
        history.append(rows)
        both.add(rows)
        both.due(log_ns, keep=lambda key: key[2] % 3 == 0)
    assert both.open
    again = Both()
    again.decided, again.verdicts = both.decided, both.verdicts
    again.traces = Traces(WATCH, both.decided, settle_s=2.0, idle_s=5.0, job_ttl_s=60.0)
    again.traces.jobs.load(both.traces.jobs.ended().items())
    again.ended = dict(both.ended)
    for rows in history[both.traces.replay_from() - 1 :]:
        again.add(rows)
    first, second = both.traces.all_open(), again.traces.all_open()
    assert set(first.keys) == set(second.keys) == set(both.open)
    order = [list(second.keys).index(key) for key in first.keys]
    assert second.traces[order].equals(first.traces)
    due = set(both.due(log_ns + 9 * SECOND))
    assert due
    assert set(again.due(log_ns + 9 * SECOND)) == due
    assert set(both.open) == set(again.open)


def test_a_root_starts_settle_and_later_spans_do_not_put_it_off():
    both = Both(settle_s=2, idle_s=30)
    both.add([row(position=1, parent_id=0, log_ns=10 * SECOND)])
    both.add(
        [row(position=2, span_id=2, log_ns=11 * SECOND), row(position=3, span_id=3, parent_id=0, log_ns=11 * SECOND)]
    )
    assert not both.due(12 * SECOND - 1)
    assert len(both.due(13 * SECOND)) == 1


def test_without_a_root_every_span_puts_it_off():
    both = Both(settle_s=2, idle_s=5)
    for position in range(1, 20):
        both.add([row(position=position, span_id=position, log_ns=position * 4 * SECOND)])
        assert not both.due(position * 4 * SECOND)
    assert len(both.due((76 + 6) * SECOND)) == 1


def test_where_the_clock_stands_still_nothing_is_flushed():
    both = Both(settle_s=1, idle_s=1)
    both.add([row(position=1, parent_id=0, log_ns=SECOND), row(position=1, trace_lo=2, log_ns=SECOND)])
    for _ in range(100):
        assert both.due(SECOND) == []
    assert len(both.due(3 * SECOND)) == 2


def test_the_longest_idle_go_first_where_there_are_too_many():
    both = Both(settle_s=50, idle_s=50, max_traces=3)
    for i in range(1, 7):
        both.add([row(position=i, trace_lo=i, log_ns=i * SECOND)])
    both.add([row(position=7, trace_lo=1, span_id=9, log_ns=8 * SECOND)])
    assert {key[2] for key in both.due(9 * SECOND)} == {2, 3, 4}
    assert both.traces.counts["decided_early"] == 3
    assert both.due(9 * SECOND) == []


def test_traces_that_are_due_make_room_before_any_goes_early():
    both = Both(settle_s=1, idle_s=50, max_traces=2)
    both.add([row(position=1, trace_lo=i, parent_id=0 if i < 3 else 5, log_ns=i * SECOND) for i in range(1, 5)])
    due = both.traces.due(30 * SECOND)
    assert {key[2] for key in due.keys} == {1, 2}
    assert not due.traces["early"].any()


def test_slots_are_used_again_and_start_blank():
    both = Both(settle_s=0, idle_s=0)
    log_ns = 0
    for turn in range(60):
        log_ns += 2 * SECOND
        full = (
            {"service": "s", "shots": 9, "backend": "b", "trace_state": "ot=th:8", "status": 2} if turn % 2 == 0 else {}
        )
        both.add(
            [
                row(position=turn + 1, trace_lo=turn * 100 + i, parent_id=turn % 2, log_ns=log_ns, **full)
                for i in range(50)
            ]
        )
        assert len(both.due(log_ns + SECOND)) == 50
    assert both.traces._traces.capacity == both.traces._spans.capacity == 1024


def test_more_than_the_first_capacity_is_open_at_once():
    both = Both()
    both.add([row(position=1, offset=i, trace_lo=i // 2, span_id=i, log_ns=SECOND) for i in range(5000)])
    assert len(both.due(10 * SECOND)) == 2500


def test_postponed_traces_come_back_once():
    both = Both(settle_s=1, idle_s=1)
    both.add([row(position=1, trace_lo=i, log_ns=SECOND) for i in range(3)])
    due = both.traces.due(4 * SECOND)
    before = both.traces.spans(due, everything(due))
    assert len(due.keys) == 3
    both.traces.postpone(due, 4 * SECOND)
    assert both.traces.due(8 * SECOND) is None
    again = both.traces.due(10 * SECOND)
    assert again.traces.equals(due.traces)
    assert both.traces.spans(again, everything(again)).equals(before)
    both.traces.close(again)
    assert both.traces.due(99 * SECOND) is None


def test_a_span_that_came_twice_is_sent_once_and_counted():
    both = Both(settle_s=0, idle_s=0)
    both.add([row(position=1, log_ns=1), row(position=2, log_ns=1), row(position=3, log_ns=1, length=41)])
    due = both.traces.due(3 * SECOND)
    assert both.traces.spans(due, everything(due))["position"].to_list() == [1, 3]
    assert both.traces.counts["duplicate_spans"] == 1


def test_nothing_in_nothing_out():
    traces = Traces(WATCH, Decided(), settle_s=1, idle_s=1)
    assert traces.add(spans(row()).clear()) is None
    assert traces.due(10**18) is None
    assert traces.all_open() is None
    assert traces.replay_from() == 1


def test_times_at_the_ends_of_their_range():
    both = Both(settle_s=0, idle_s=0)
    both.add(
        [
            row(position=1, start_ns=0, end_ns=0, log_ns=1),
            row(position=2, trace_lo=2, start_ns=0, end_ns=2**64 - 1, log_ns=1),
        ]
    )
    due = both.traces.due(3 * SECOND)
    assert sorted(due.traces["duration_s"].to_list()) == [0.0, (2**64 - 1) / 1e9]


def submitted(**more: Any) -> dict[str, Any]:
    return row(kind=4, provider="ibm", job_id="j", parent_id=0, backend="q") | more


def test_a_trace_waits_for_its_job_and_holds_nothing_else_back():
    both = Both(settle_s=1, idle_s=1, job_ttl_s=1000)
    both.traces.add(spans(submitted(position=1, trace_lo=1), row(position=1, trace_lo=2, span_id=2, parent_id=0)))
    due = both.traces.due(5 * SECOND)
    assert [key[2] for key in due.keys] == [2]
    both.traces.close(due)
    assert both.traces.due(900 * SECOND) is None
    both.traces.add(
        spans(row(position=2, trace_lo=3, provider="IBM", job_id="j", job_status="DONE", log_ns=900 * SECOND))
    )
    assert both.traces.due(900 * SECOND) is None
    due = both.traces.due(903 * SECOND)
    assert sorted(key[2] for key in due.keys) == [1, 3]
    assert due.traces.filter(pl.col("trace_lo") == 1)["complete"].item()


def test_a_job_that_fails_elsewhere_makes_an_error_of_the_trace_that_submitted_it():
    both = Both(settle_s=1, idle_s=1)
    both.traces.add(spans(submitted(position=1, trace_lo=1)))
    both.traces.add(spans(row(position=2, trace_lo=3, provider="ibm", job_id="j", job_status="FAILED", log_ns=SECOND)))
    due = both.traces.due(9 * SECOND)
    assert due.traces.sort("trace_lo")["errors"].to_list() == [1, 1]


def test_a_job_that_never_ends_holds_its_trace_for_its_time_and_no_longer():
    both = Both(settle_s=1, idle_s=1, job_ttl_s=3 * 86_400)
    both.traces.add(spans(submitted(position=1, trace_lo=1, log_ns=SECOND)))
    assert both.traces.due(3 * 86_400 * SECOND) is None
    due = both.traces.due((3 * 86_400 + 3) * SECOND)
    assert not due.traces["complete"].item()


def test_a_giant_trace_is_decided_at_once_and_marked():
    traces = Traces(WATCH, Decided(), settle_s=100, idle_s=100, max_spans=3)
    traces.add(spans(*(row(position=1, span_id=i, log_ns=SECOND) for i in range(3))))
    assert traces.due(3 * SECOND) is None
    traces.add(spans(row(position=2, span_id=9, log_ns=3 * SECOND)))
    due = traces.due(5 * SECOND)
    assert due.traces.select("spans", "early", "complete").row(0) == (4, True, False)
