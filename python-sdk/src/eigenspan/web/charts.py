"""Charts as SVG with their geometry in attributes: no script, no inline style, the colours of the style sheet."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Final

from eigenspan.web.markup import Child, Html, tag

Point = tuple[float, float]
_HEIGHT: Final = 64


def columns(parts: Sequence[tuple[float, float]], marks: Sequence[tuple[float, str, str]], label: str) -> Html:
    """Stacked columns of (failed, other), with vertical marks at (share of the width, class, title)."""
    top = max((bad + good for bad, good in parts), default=0) or 1
    step = 100 / max(1, len(parts))
    drawn: list[Child] = []
    for i, (bad, good) in enumerate(parts):
        x, width = f"{i * step + step * 0.08:.3f}%", f"{step * 0.84:.3f}%"
        high, low = _HEIGHT * good / top, _HEIGHT * bad / top
        if good:
            drawn.append(_column(x, width, high + low, max(high, 1), "good"))
        if bad:
            drawn.append(_column(x, width, max(low, 2), max(low, 2), "failed"))
    lines = [
        tag(
            "g",
            tag("title", title),
            tag("line", x1=f"{100 * at:.3f}%", x2=f"{100 * at:.3f}%", y1=0, y2=_HEIGHT),
            tag("rect", x=f"{min(100 * at, 99.4):.3f}%", y=0, width=6, height=6),
            class_=f"mark-{kind}",
        )
        for at, kind, title in marks
        if 0 <= at <= 1
    ]
    return tag("svg", *drawn, *lines, width="100%", height=_HEIGHT, role="img", aria_label=label, class_="columns")


def _column(x: str, width: str, top: float, height: float, class_: str) -> Html:
    """A part of a column that reaches `top` pixels above the ground."""
    return tag("rect", x=x, width=width, y=f"{_HEIGHT - top:.2f}", height=f"{height:.2f}", class_=class_)


def line(points: Sequence[Point], label: str, class_: str = "spark", steps: bool = False) -> Child:
    """A line through (x, y) points on axes of its own, y from 0; None where there are fewer than two.

    `steps`: a value holds until the next.
    """
    if len(points) < 2:
        return None
    ordered = sorted(points)
    left, right = ordered[0][0], ordered[-1][0]
    top = max(y for _, y in ordered) or 1.0
    scaled = [(300 * (x - left) / ((right - left) or 1), 58 - 54 * y / top) for x, y in ordered]
    path = f"M{scaled[0][0]:.1f} {scaled[0][1]:.1f}"
    for before, (x, y) in pairwise(scaled):
        path += f"L{x:.1f} {before[1]:.1f}" if steps else ""
        path += f"L{x:.1f} {y:.1f}"
    return tag(
        "svg",
        tag("path", d=path),
        viewBox="0 0 300 60",
        preserveAspectRatio="none",
        width="100%",
        height=60,
        role="img",
        aria_label=label,
        class_=class_,
    )


def share(value: float, class_: str = "good") -> Html:
    """A bar that fills this share of its cell."""
    return tag(
        "svg",
        tag("rect", x=0, y=0, width="100%", height=8, rx=2, class_="track"),
        tag("rect", x=0, y=0, width=f"{100 * min(max(value, 0), 1):.2f}%", height=8, rx=2, class_=class_),
        width="100%",
        height=8,
        aria_hidden="true",
        class_="share",
    )
