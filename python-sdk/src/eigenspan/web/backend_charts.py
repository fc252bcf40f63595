"""How a backend went over time: the medians of its calibrations and its queue."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

from eigenspan.calibration.attributes import StatusSample
from eigenspan.calibration.summary import Summary
from eigenspan.web import charts, words
from eigenspan.web.markup import Child, tag

MAX_POINTS: Final = 1000  # the newest of a line
_DRIFT: Final[tuple[tuple[str, str, Callable[[float], str]], ...]] = (
    ("T1 median", "t1_median_s", words.micros),
    ("T2 median", "t2_median_s", words.micros),
    ("Readout error", "readout_error_median", words.percent),
    ("1-qubit error", "single_qubit_error_median", words.percent),
    ("2-qubit error", "two_qubit_error_median", words.percent),
)


def over_time(timeline: Sequence[Summary], statuses: Sequence[StatusSample]) -> Child:
    """How medians and the queue went over time, each from zero; None where there is nothing to draw."""
    drawn = []
    for name, field, form in _DRIFT:
        points = [(s.valid_from_ns / 1e9, v) for s in timeline[-MAX_POINTS:] if (v := getattr(s, field)) is not None]
        drawn.append(_chart(name, points, form))
    queue = [(s.observed_at_ns / 1e9, float(s.queue_length)) for s in statuses if s.queue_length is not None]
    drawn.append(_chart("Queue", queue[-MAX_POINTS:], lambda n: f"{n:,.0f} jobs"))
    found = [chart for chart in drawn if chart is not None]
    return tag("section", *found, class_="charts", aria_label="Over time") if found else None


def _chart(name: str, points: Sequence[charts.Point], form: Callable[[float], str]) -> Child:
    if len(points) < 2:
        return None
    (since, first), (until, last) = points[0], points[-1]
    before = points[-2][1]
    change = f"{(last - before) / before:+.0%}".replace("-", words.MINUS) if before else ""
    label = f"{name}: from {form(first)} to {form(last)} in {len(points):,} values"
    return tag(
        "figure",
        tag("figcaption", name, " ", tag("b", form(last)), tag("small", f" {change}")),
        charts.line([*points, (until + (until - since) / 20, last)], label, "spark", steps=True),
        tag(
            "p",
            tag("span", words.instant(int(since * 1e9))[:10]),
            tag("span", words.instant(int(until * 1e9))[:10]),
            class_="ends",
        ),
    )
