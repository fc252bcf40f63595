"""Rates and quantiles of sampled traces, with 95 % intervals. Pure.

A kept trace stands for `weight` traces, so that figures are those of all traffic. Weights that differ make a sample say
less than its size: the intervals use Kish's effective size (Σw)²/Σw² (Survey Sampling, 1965). The interval of a rate is
Wilson's (J. Am. Stat. Assoc. 22, 1927), that of a quantile Woodruff's (J. Am. Stat. Assoc. 47, 1952): the values at which
the weighted distribution reaches the ends of Wilson's interval around q.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple

Z: Final = 1.959964
"""The standard normal deviate of 95 %, two-sided."""


class Estimate(NamedTuple):
    """A figure, its interval, and the number of kept traces that it comes from."""

    value: float
    low: float
    high: float
    n: int

    def above(self, other: Estimate) -> bool:
        """Whether this is higher than chance explains: the intervals do not touch."""
        return self.low > other.high


def effective(weights: Sequence[float]) -> float:
    """Kish's effective sample size."""
    squares = sum(w * w for w in weights)
    return sum(weights) ** 2 / squares if squares else 0.0


def wilson(p: float, n: float) -> tuple[float, float]:
    """Wilson's interval for a share p seen in n trials; (0, 1) where there are none."""
    if n <= 0:
        return 0.0, 1.0
    z2 = Z * Z / n
    middle = (p + z2 / 2) / (1 + z2)
    half = Z * math.sqrt(p * (1 - p) / n + z2 / (4 * n)) / (1 + z2)
    return max(0.0, min(p, middle - half)), min(1.0, max(p, middle + half))


def rate(outcomes: Iterable[tuple[bool, float]]) -> Estimate | None:
    """The share of true ones among (outcome, weight) pairs; None of nothing."""
    pairs = list(outcomes)
    weights = [w for _, w in pairs]
    if not weights:
        return None
    p = sum(w for hit, w in pairs if hit) / sum(weights)
    return Estimate(p, *wilson(p, effective(weights)), len(pairs))


def quantile(values: Iterable[tuple[float, float]], q: float) -> Estimate | None:
    """The q-quantile of (value, weight) pairs: the least value that at least the share q does not exceed."""
    pairs = sorted(values)
    if not pairs:
        return None
    low, high = wilson(q, effective([w for _, w in pairs]))
    return Estimate(_at(pairs, q), _at(pairs, low), _at(pairs, high), len(pairs))


def _at(pairs: Sequence[tuple[float, float]], share: float) -> float:
    wanted = share * sum(w for _, w in pairs) * (1 - 1e-12)
    reached = 0.0
    for value, weight in pairs:
        reached += weight
        if reached >= wanted:
            return value
    return pairs[-1][0]
