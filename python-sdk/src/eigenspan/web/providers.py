"""Providers compared like with like: executions of one circuit family, of about as many shots, on one class of backend. Pure.

Shots are alike within a factor of two: their class is a power of two. Cost per success is all that was spent, failures
included, over the executions that succeeded; None where any of them names no price, or they name several currencies.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable
from typing import NamedTuple

from eigenspan.web.estimates import Estimate, quantile, rate
from eigenspan.web.measured import executions
from eigenspan.web.runs import Execution, Run

Weighted = list[tuple[Execution, float]]


class Kind(NamedTuple):
    """What is compared. `shots`: the lower end of the class; 0 where spans name none."""

    family: str
    shots: int
    simulated: bool


class Line(NamedTuple):
    """One provider's executions of a kind. `deviation_s`: the standard deviation of their durations."""

    provider: str
    n: int
    median: Estimate
    tail: Estimate
    deviation_s: float
    queue: Estimate | None
    failed: Estimate
    cost_per_success: float | None
    currency: str


def kind_of(x: Execution) -> Kind:
    """The kind that an execution is compared within."""
    return Kind(x.family, 1 << (x.shots.bit_length() - 1) if x.shots and x.shots > 0 else 0, x.simulated)


def compare(runs: Iterable[Run]) -> dict[Kind, list[Line]]:
    """Every kind with its providers; kinds that several providers ran come first, then the most frequent."""
    of: defaultdict[Kind, defaultdict[str, Weighted]] = defaultdict(lambda: defaultdict(list))
    for x, w in executions(runs):
        if x.provider:
            of[kind_of(x)][x.provider].append((x, w))
    lines = {kind: [_line(provider, rows) for provider, rows in sorted(by.items())] for kind, by in of.items()}
    order = sorted(lines, key=lambda kind: (len(lines[kind]) < 2, -sum(line.n for line in lines[kind]), kind))
    return {kind: lines[kind] for kind in order}


def _line(provider: str, rows: Weighted) -> Line:
    total = sum(w for _, w in rows)
    mean = sum(x.duration_s * w for x, w in rows) / total
    median, tail = (quantile(((x.duration_s, w) for x, w in rows), share) for share in (0.5, 0.95))
    failed = rate((x.failed, w) for x, w in rows)
    assert median
    assert tail
    assert failed
    cost, currency = cost_per_success(rows)
    return Line(
        provider,
        len(rows),
        median,
        tail,
        math.sqrt(sum(w * (x.duration_s - mean) ** 2 for x, w in rows) / total),
        quantile(((x.queue_s, w) for x, w in rows if x.queue_s is not None), 0.5),
        failed,
        cost,
        currency,
    )


def cost_per_success(rows: Weighted) -> tuple[float | None, str]:
    """What a success costs, and in which currency."""
    currencies = {x.currency for x, _ in rows}
    successes = sum(w for x, w in rows if not x.failed)
    if len(currencies) != 1 or not successes or any(x.cost is None for x, _ in rows):
        return None, ""
    return sum(w * x.cost for x, w in rows if x.cost is not None) / successes, currencies.pop()
