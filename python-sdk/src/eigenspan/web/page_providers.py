"""What ran on a backend, and providers beside each other."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from typing import Final

from eigenspan.store.traces import Row
from eigenspan.web import words
from eigenspan.web.estimates import Estimate, quantile, rate
from eigenspan.web.layout import facts, page, table, time
from eigenspan.web.markup import Child, Html, tag
from eigenspan.web.measured import executions
from eigenspan.web.providers import Kind, Line, compare
from eigenspan.web.runs import Run

_KINDS: Final = 20
_NOTE: Final = (
    "Executions of the last seven days: the same circuit family, as many shots within a factor of two, the same class of "
    "backend. Weighted by sampling thresholds; the cost of failures is part of the cost per success."
)


def ran_on(runs: Sequence[Run], names: Collection[str], newest: Sequence[Row]) -> Child:
    """The figures of what ran under these names, and the newest traces; None where nothing did."""
    found = [(x, w) for x, w in executions(runs) if x.backend in names]
    if not newest and not found:
        return None
    times = [quantile(((x.duration_s, w) for x, w in found), share) for share in (0.5, 0.95)]
    wait = quantile(((x.queue_s, w) for x, w in found if x.queue_s is not None), 0.5)
    failed = rate((x.failed, w) for x, w in found)
    cells: list[tuple[str, Child]] = [
        ("Executions", f"about {words.number(sum(w for _, w in found))}"),
        ("Failed", words.percent(failed.value) if failed else None),
        ("Median", words.duration(times[0].value) if times[0] else None),
        ("P95", words.duration(times[1].value) if times[1] else None),
        ("Median wait", words.duration(wait.value) if wait else None),
    ]
    rows = [
        tag(
            "tr",
            tag("td", time(row.start_ns), class_="when"),
            tag("td", tag("a", row.root or "(no root span)", href=f"/trace/{row.trace_id}"), class_="name"),
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
        facts(cells, "strip slim") if found else None,
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
        tag("td", ("simulator" if kind.simulated else "QPU") if first else None),
        tag("td", tag("b", line.provider), class_="text"),
        tag("td", words.count(line.n), class_="n"),
        _interval(line.median, words.duration),
        _interval(line.tail, words.duration),
        tag("td", words.duration(line.deviation_s), class_="n"),
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
