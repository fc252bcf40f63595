"""What ran on a backend, and providers beside each other."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

from eigenspan.figures.backends import Ran
from eigenspan.figures.estimates import Estimate
from eigenspan.figures.providers import Kind, Line, compare
from eigenspan.figures.runs import Run
from eigenspan.store.traces import Row
from eigenspan.web import words
from eigenspan.web.layout import facts, page, table, time
from eigenspan.web.markup import Child, Html, tag

_KINDS: Final = 20
_NOTE: Final = (
    "Executions of the last seven days: the same circuit family, as many shots within a factor of two, the same class of "
    "backend. Times are of those that succeeded. Weighted by sampling thresholds; the cost of failures is part of the cost per "
    "success."
)


def ran_on(ran: Ran | None, newest: Sequence[Row]) -> Child:
    """The figures of what ran on a backend, and the newest traces; None where nothing did."""
    if not newest and ran is None:
        return None
    cells: list[tuple[str, Child]] = []
    if ran:
        cells = [
            ("Executions", f"about {words.number(ran.about)}"),
            ("Failed", words.percent(ran.failed.value)),
            ("Median", words.duration(ran.median.value) if ran.median else None),
            ("P95", words.duration(ran.tail.value) if ran.tail else None),
            ("Median wait", words.duration(ran.queue.value) if ran.queue else None),
        ]
    rows = [
        tag(
            "tr",
            tag("td", time(row.start_ns), class_="when"),
            tag("td", tag("a", words.named(row.root, "(no root span)"), href=f"/trace/{row.trace_id}"), class_="name"),
            tag("td", row.service or words.NONE, class_="text"),
            tag("td", words.duration(row.duration_s), class_="n"),
            tag("td", words.count(row.errors), class_="n"),
        )
        for row in newest
    ]
    heads = (("Started (UTC)", ""), ("Trace", ""), ("Service", ""), ("Duration", "n"), ("Errors", "n"))
    return tag(
        "section",
        tag("h2", "What ran on it", id="ran"),
        facts(cells, "strip slim") if cells else None,
        table(heads, rows, "Newest traces on it", "grid") if rows else None,
        aria_labelledby="ran",
    )


def render_unknown(name: str, ran: Child) -> bytes:
    """The page of a backend that spans name and no calibration is known of."""
    return page(
        name,
        tag("p", tag("a", "Backends", href="/backends"), class_="crumbs"),
        tag("div", tag("h1", name), class_="title"),
        tag("p", "No calibration of it is known here."),
        ran,
        place="/backends",
    )


def providers(runs: Sequence[Run]) -> Child:
    """Providers beside each other, kind by kind; None where no execution names one."""
    compared = compare(runs)
    rows = [
        _provider(kind, line, first=i == 0)
        for kind, lines in list(compared.items())[:_KINDS]
        for i, line in enumerate(lines)
    ]
    if not rows:
        return None
    heads = (
        ("Family", ""),
        ("Shots", "n"),
        ("Class", ""),
        ("Provider", ""),
        ("Kept", "n"),
        ("Median", "n"),
        ("P95", "n"),
        ("Deviation", "n"),
        ("Queue", "n"),
        ("Failed", "n"),
        ("Cost per success", "n"),
    )
    return tag(
        "section",
        tag("h2", "Providers compared", id="providers"),
        table(heads, rows, "Executions of the last seven days, like with like"),
        tag(
            "p",
            _NOTE,
            class_="note",
        ),
        aria_labelledby="providers",
    )


def _provider(kind: Kind, line: Line, *, first: bool) -> Html:
    shots = f"{kind.shots:,} to {2 * kind.shots - 1:,}" if kind.shots > 1 else "1" if kind.shots else words.NONE
    cost = words.NONE if line.cost_per_success is None else f"{words.number(line.cost_per_success)} {line.currency}"
    return tag(
        "tr",
        tag("td", (kind.family or words.NONE) if first else None, class_="text"),
        tag("td", shots if first else None, class_="n"),
        tag("td", kind.device if first else None),
        tag("td", tag("b", line.provider), class_="text"),
        tag("td", words.count(line.n), class_="n"),
        _interval(line.median, words.duration),
        _interval(line.tail, words.duration),
        tag("td", words.NONE if line.deviation_s is None else words.duration(line.deviation_s), class_="n"),
        _interval(line.queue, words.duration),
        _interval(line.failed, words.percent),
        tag("td", cost, class_="n"),
        class_="first" if first else None,
    )


def _interval(e: Estimate | None, form: Callable[[float], str]) -> Html:
    return tag(
        "td",
        words.NONE if e is None else tag("span", form(e.value), title=f"{form(e.low)} to {form(e.high)}"),
        class_="n",
    )
