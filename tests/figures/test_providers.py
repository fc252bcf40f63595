"""Providers are compared like with like, and a success bears the cost of failures."""

from __future__ import annotations

import pytest

from eigenspan.figures.providers import Kind, compare
from eigenspan.figures.runs import Execution, Run


def ran(provider="ibm", *, weight=1.0, **fields) -> Run:
    usual = {
        "backend": "b",
        "start_ns": 0,
        "duration_s": 2.0,
        "failed": False,
        "shots": 1000,
        "family": "ghz",
        "cost": 1.0,
        "currency": "USD",
    }
    x = Execution(provider, **(usual | fields))
    return Run("0", 0, 1, "", "", x.failed, weight, frozenset(), {}, (x,))


def test_only_alike_executions_share_a_line():
    runs = [
        ran(),
        ran("ionq"),
        ran(family="qaoa"),
        ran(shots=1023),
        ran(shots=1024),
        ran(device="simulator"),
        ran(shots=None),
        ran(""),
    ]
    found = compare(runs)
    assert {kind: [(line.provider, line.n) for line in lines] for kind, lines in found.items()} == {
        Kind("ghz", 512, "unknown"): [("ibm", 2), ("ionq", 1)],
        Kind("qaoa", 512, "unknown"): [("ibm", 1)],
        Kind("ghz", 1024, "unknown"): [("ibm", 1)],
        Kind("ghz", 512, "simulator"): [("ibm", 1)],
        Kind("ghz", 0, "unknown"): [("ibm", 1)],
    }
    assert next(iter(found)) == Kind("ghz", 512, "unknown")


@pytest.mark.parametrize(
    ("runs", "cost"),
    [
        ([ran(), ran(failed=True)], 2.0),
        ([ran(), ran(failed=True, cost=0.0)], 1.0),
        ([ran(weight=9.0), ran(failed=True, weight=1.0)], 10 / 9),
        ([ran(failed=True)], None),
        ([ran(), ran(cost=None)], None),
        ([ran(), ran(currency="EUR")], None),
    ],
)
def test_a_success_costs_what_failures_cost_too(runs, cost):
    ((line,),) = compare(runs).values()
    assert line.cost_per_success == (None if cost is None else pytest.approx(cost))


def test_a_line_is_weighted():
    runs = [ran(duration_s=1.0, weight=3.0), ran(duration_s=5.0), ran(duration_s=99.0, failed=True, weight=4.0)]
    ((line,),) = compare(runs).values()
    assert (line.median.value, line.tail.value, line.failed.value) == (1.0, 5.0, 0.5)
    assert line.deviation_s == pytest.approx(3**0.5)


def test_without_a_success_there_are_no_times():
    ((line,),) = compare([ran(failed=True)]).values()
    assert (line.median, line.tail, line.deviation_s, line.failed.value) == (None, None, None, 1.0)
