"""Providers compared like with like: executions of one circuit family, of about as many shots, on one class of backend. Pure.

Shots are alike within a factor of two: their class is a power of two. Times are of those that succeeded. Cost per success is
all that was spent, failures included, over the executions that succeeded; None where any of them names no price, or they name
several currencies.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable
from typing import NamedTuple

from eigenspan.figures.estimates import Estimate, quantile, rate
from eigenspan.figures.measured import executions
from eigenspan.figures.runs import Execution, Run

Weighted = list[tuple[Execution, float]]


class Kind(NamedTuple):
    """What is compared. `shots`: the lower end of the class; 0 where spans name none. `device`: simulator, QPU or unknown."""

    family: str
    shots: int
    device: str


class Line(NamedTuple):
    """One provider's executions of a kind. `deviation_s`: the standard deviation of their durations."""

    provider: str
    n: int
    median: Estimate | None
    tail: Estimate | None
    deviation_s: float | None
    queue: Estimate | None
    failed: Estimate
    cost_per_success: float | None
    currency: str


def kind_of(x: Execution) -> Kind:
    """The kind that an execution is compared within."""
    return Kind(x.family, 1 << (x.shots.bit_length() - 1) if x.shots and x.shots > 0 else 0, x.device)


def compare(runs: Iterable[Run]) -> dict[Kind, list[Line]]:
    """Every kind with its providers; kinds that several providers ran come first, then the most frequent."""
    of: defaultdict[Kind, defaultdict[str, Weighted]] = defaultdict(lambda: defaultdict(list))
    for x, w in executions(runs):
        if x.provider:
            of[kind_of(x)][x.provider].append((x, w))
    lines = {kind: [_line(provider, rows) for provider, rows in sorted(by.items())] for kind, by in of.items()}
    order = sorted(lines, key=lambda kind: (len(lines[kind]) < 2, -sum(line.n for line in lines[kind]), kind))
    return {kind: lines[kind] for kind in order}


def to_dict(kind: Kind, line: Line) -> dict[str, object]:
    """As JSON shows it: estimates as value and 95 % interval."""
    estimates = {"failed": line.failed, "median_s": line.median, "p95_s": line.tail, "queue_median_s": line.queue}
    return {
        "family": kind.family, "shots": kind.shots, "device": kind.device, "provider": line.provider, "runs": line.n,
        **{name: found and found.value for name, found in estimates.items()},
        **{f"{name}_interval": [found.low, found.high] for name, found in estimates.items() if found},
        "deviation_s": line.deviation_s, "cost_per_success": line.cost_per_success, "currency": line.currency,
    }  # fmt: skip


def _line(provider: str, rows: Weighted) -> Line:
    good = [(x.duration_s, w) for x, w in rows if not x.failed]
    failed = rate((x.failed, w) for x, w in rows)
    assert failed  # there is a row
    return Line(
        provider, len(rows), quantile(good, 0.5), quantile(good, 0.95), _deviation(good),
        quantile(((x.queue_s, w) for x, w in rows if x.queue_s is not None), 0.5), failed, *cost_per_success(rows),
    )  # fmt: skip


def _deviation(values: list[tuple[float, float]]) -> float | None:
    total = sum(w for _, w in values)
    if not total:
        return None
    mean = sum(value * w for value, w in values) / total
    return math.sqrt(sum(w * (value - mean) ** 2 for value, w in values) / total)


def cost_per_success(rows: Weighted) -> tuple[float | None, str]:
    """What a success costs, and in which currency."""
    currencies = {x.currency for x, _ in rows}
    successes = sum(w for x, w in rows if not x.failed)
    if len(currencies) != 1 or not successes or any(x.cost is None for x, _ in rows):
        return None, ""
    return sum(w * x.cost for x, w in rows if x.cost is not None) / successes, currencies.pop()
