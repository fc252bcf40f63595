"""The two times of the pipeline."""

from __future__ import annotations

import time

import pytest

from eigenspan.collector.clock import Clock


@pytest.fixture
def machine(monkeypatch):
    """The machine's clocks, in the test's hand."""
    now = {"monotonic": 1000, "wall": 5_000_000}
    monkeypatch.setattr(time, "monotonic_ns", lambda: now["monotonic"])
    monkeypatch.setattr(time, "time_ns", lambda: now["wall"])
    return now


def test_log_time_goes_on_from_where_the_last_run_stopped(machine):
    clock = Clock(700)
    assert clock.log_ns() == 700
    machine["monotonic"] += 50
    assert clock.log_ns() == 750
    assert Clock(clock.log_ns()).log_ns() == 750


def test_a_change_of_the_machines_clock_moves_only_wall_time(machine):
    clock = Clock()
    for wall in (9_000_000, 1):
        machine["wall"] = wall
        assert (clock.log_ns(), clock.wall_ns()) == (0, wall)


def test_log_time_is_moved_on_and_never_back(machine):
    clock = Clock(100)
    clock.not_before(90)
    assert clock.log_ns() == 100
    clock.not_before(500)
    machine["monotonic"] += 1
    assert clock.log_ns() == 501


def test_log_time_stands_until_it_is_started(machine):
    clock = Clock(100, running=False)
    machine["monotonic"] += 70
    assert clock.log_ns() == 100
    clock.not_before(300)
    clock.start()
    machine["monotonic"] += 5
    assert clock.log_ns() == 305
