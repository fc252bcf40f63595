"""The front page: is it healthy, what changed, where is the bottleneck, what next; each with its evidence one click away."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final
from urllib.parse import quote

from eigenspan.figures import measured as m
from eigenspan.figures.estimates import Estimate
from eigenspan.figures.measured import Change, Measured
from eigenspan.figures.releases import Release
from eigenspan.figures.runs import OTHER, QUANTUM
from eigenspan.semconv import attributes as q
from eigenspan.semconv import events
from eigenspan.web import charts, words
from eigenspan.web.advice import Advice, advise, between
from eigenspan.web.layout import backend_path, facts, page, table, time
from eigenspan.web.markup import Child, Html, tag

WINDOWS: Final = {"1h": 3600.0, "6h": 21_600.0, "24h": 86_400.0, "7d": 604_800.0}
DEFAULT: Final = "24h"
_COLUMNS: Final = 48
_MOST: Final = 8


def render(data: Measured, window: str, left_out: int, empty: Child = None) -> bytes:
    """The page; `empty` is shown instead of the answers while nothing is stored."""
    choices = [
        tag("a", name, href=f"/?window={name}", aria_current="true" if name == window else None) for name in WINDOWS
    ]
    return page(
        "Overview",
        tag("div", tag("h1", "Overview"), tag("nav", *choices, class_="windows", aria_label="Window"), class_="title"),
        empty
        or tag("div", fragment(data, window, left_out), id="live", data_source=f"/fragments/front?window={window}"),
        place="/",
        script="front.js",
    )


def fragment(data: Measured, window: str, left_out: int) -> Html:
    """What changes while the page is open."""
    found = advise(data)
    return tag(
        "div",
        _healthy(data, found, window),
        tag(
            "div",
            tag("div", _changed(data), _bottleneck(data)),
            tag("div", _next(found), _exact(data)),
            class_="panels",
        ),
        _note(data, left_out),
    )


def _panel(id_: str, question: str, *body: Child, more: Child = None) -> Html:
    return tag("section", tag("header", tag("h2", question, id=id_), more), *body, class_="panel", aria_labelledby=id_)


def _healthy(data: Measured, found: Sequence[Advice], window: str) -> Html:
    urgent = sum(a.urgency == "act" for a in found)
    if not data.now:
        word, why = "quiet", f"No trace began in the last {window}."
    elif urgent:
        word, why = "bad", f"No: {words.plural(urgent, 'thing needs', 'things need')} you."
    elif found:
        word, why = "warn", f"Mostly: {words.plural(len(found), 'thing is', 'things are')} worth a look."
    else:
        word, why = "ok", "Yes: no rule has anything to say."
    weight = sum(w for _, w in m.weighted(data.now))
    all_ = between(data.since_ns, data.now_ns)
    failed = between(data.since_ns, data.now_ns, errors="1")
    tail = m.duration(data.now, 0.95)
    slow = between(data.since_ns, data.now_ns, slower=f"{tail.value:.6g}") if tail else all_
    cells: list[tuple[str, Child]] = [
        (
            "Traces",
            [tag("a", tag("b", words.number(weight, 3)), href=all_), tag("small", f"from {len(data.now):,} kept")],
        ),
        ("Failed", _figure(m.failed_rate(data.now), m.failed_rate(data.before), failed, share=True)),
        ("Median", _figure(m.duration(data.now, 0.5), m.duration(data.before, 0.5), all_)),
        ("P95", _figure(tail, m.duration(data.before, 0.95), slow)),
        ("Median queue wait", _figure(m.queue(data.now), m.queue(data.before), all_)),
    ]
    return tag(
        "section",
        tag(
            "header",
            tag("h2", "Healthy?", id="healthy"),
            tag("p", tag("span", class_="dot", aria_hidden="true"), why, class_=f"verdict {word}"),
        ),
        _timeline(data),
        facts(cells, "strip figures-strip"),
        class_="panel wide",
        aria_labelledby="healthy",
    )


def _figure(now: Estimate | None, before: Estimate | None, href: str, *, share: bool = False) -> Child:
    if now is None:
        return tag("span", words.NONE, class_="none")
    shown = _percent if share else words.duration
    change = Change(before, now)
    turn = (
        ("bad", f"up from {shown(before.value)}")
        if before and change.worse
        else (("ok", f"down from {shown(before.value)}") if before and change.better else None)
    )
    return [
        tag("a", tag("b", shown(now.value)), href=href),
        tag("small", f"{shown(now.low)} to {shown(now.high)}"),
        tag("small", turn[1], class_=turn[0]) if turn else None,
    ]


def _percent(value: float) -> str:
    return f"{100 * value:.2g} %" if value < 0.1 else f"{100 * value:.0f} %"


def _timeline(data: Measured) -> Html:
    """Traces by time, failed ones below, with releases and calibrations drawn in."""
    parts = [[0.0, 0.0] for _ in range(_COLUMNS)]
    width_ns = data.window_s * m.NS
    for run, w in m.weighted(data.now):
        at = int(_COLUMNS * (run.start_ns - data.since_ns) / width_ns)
        if 0 <= at < _COLUMNS:
            parts[at][0 if run.failed else 1] += w
    marks = [
        ((r.at_ns - data.since_ns) / width_ns, "release", f"Release: {r.name} {r.version}") for r in data.releases
    ] + [
        ((e.at_ns - data.since_ns) / width_ns, "calibration", f"Calibration: {e.backend}")
        for e in data.events
        if e.name == events.QUANTUM_BACKEND_CALIBRATION_CHANGE
    ]
    total, bad = sum(a + b for a, b in parts), sum(a for a, _ in parts)
    label = f"Traces over time: about {words.number(total)}, {words.number(bad)} of them failed; {words.plural(len(marks), 'mark')}"
    return tag(
        "figure",
        charts.columns([(a, b) for a, b in parts], marks, label),
        tag(
            "figcaption",
            tag("span", time(data.since_ns)),
            tag(
                "span",
                tag("i", class_="key good", aria_hidden="true"),
                "traces",
                tag("i", class_="key failed", aria_hidden="true"),
                "failed",
                tag("i", class_="key release", aria_hidden="true"),
                "release",
                tag("i", class_="key cal-mark", aria_hidden="true"),
                "calibration",
                class_="keys",
            ),
            tag("span", time(data.now_ns)),
        ),
        class_="timeline",
    )


def _next(found: Sequence[Advice]) -> Html:
    if not found:
        return _panel("next", "What next?", tag("p", "Nothing to do: all rules are quiet.", class_="none"))
    items = [
        tag(
            "li",
            tag(
                "h3",
                tag(
                    "span",
                    {"act": "act now", "look": "look"}[a.urgency],
                    class_=f"chip {'bad' if a.urgency == 'act' else 'warn'}",
                ),
                " ",
                a.title,
            ),
            tag("p", a.seen),
            tag("p", a.do, class_="do"),
            tag(
                "p",
                *([tag("a", text, href=href, class_="evidence"), " "] for text, href in a.evidence),
                tag("small", a.rule, class_="rule-name"),
            ),
            class_=a.urgency,
        )
        for a in found
    ]
    return _panel("next", "What next?", tag("ol", *items, class_="advice"))


def effect_words(change: Change, *, share: bool) -> Child:
    """`2 % → 30 %`, marked where that is more than chance; the intervals are its title."""
    shown = _percent if share else words.duration
    if change.before is None and change.after is None:
        return tag("span", words.NONE, class_="none")
    text = " → ".join(words.NONE if e is None else shown(e.value) for e in change)
    title = " → ".join(
        "nothing" if e is None else f"{shown(e.low)} to {shown(e.high)}, {words.plural(e.n, 'trace')}" for e in change
    )
    return tag("span", text, title=title, class_="bad" if change.worse else "ok" if change.better else None)


def release_row(release: Release, data: Measured) -> Html:
    """A release with what it did."""
    effect = m.effect(release, [*data.before, *data.now], data.window_s)
    was = f"from {release.previous}" if release.previous else ""
    return tag(
        "tr",
        tag("td", time(release.at_ns), class_="when"),
        tag(
            "td",
            tag("span", release.kind, class_="chip release"),
            " ",
            tag("a", f"{release.name} {release.version}".strip(), href=f"/releases#release-{release.number}"),
            " ",
            tag("small", was),
            class_="text",
        ),
        tag("td", effect_words(effect["Failed"], share=True), class_="n"),
        tag("td", effect_words(effect["P95"], share=False), class_="n"),
    )


def _changed(data: Measured) -> Html:
    releases = [r for r in data.releases if r.at_ns >= data.since_ns]
    happened = [e for e in data.events if e.at_ns >= data.since_ns]
    rows = [(r.at_ns, release_row(r, data)) for r in releases] + [
        (
            e.at_ns,
            tag(
                "tr",
                tag("td", time(e.at_ns), class_="when"),
                tag(
                    "td",
                    tag(
                        "span",
                        "hardware" if e.name == events.QUANTUM_HARDWARE_EVENT else "calibration",
                        class_="chip cal",
                    ),
                    " ",
                    tag("a", e.backend, href=backend_path(e.provider, e.backend)),
                    " ",
                    tag("small", str(e.attributes.get(q.QUANTUM_HARDWARE_CHANGE, "")).replace("_", " ")),
                    class_="text",
                ),
                tag("td", class_="n"),
                tag("td", class_="n"),
            ),
        )
        for e in happened
    ]
    newest = [row for _, row in sorted(rows, key=lambda pair: -pair[0])[:_MOST]]
    body = (
        table(
            (("When (UTC)", ""), ("What", ""), ("Failed", "n"), ("P95", "n")),
            newest,
            "Releases and calibrations, newest first",
            "grid flat",
        )
        if newest
        else tag("p", "No release and no calibration in this window.", class_="none")
    )
    return _panel("changed", "What changed?", body, more=tag("a", "All releases", href="/releases"))


def _bottleneck(data: Measured) -> Html:
    listed = m.stages(data.now)
    rows = [
        tag(
            "tr",
            tag(
                "td",
                tag(
                    "a",
                    share.stage.replace("_", " "),
                    href=f"/trace/{share.slowest.trace_id}",
                    title="The slowest trace in this stage",
                ),
                class_="text",
            ),
            tag("td", charts.share(share.share, _colour(share.stage)), class_="meter"),
            tag("td", _percent(share.share), class_="n"),
            tag("td", words.duration(share.typical.value) if share.typical else None, class_="n"),
            tag("td", words.duration(share.tail.value) if share.tail else None, class_="n"),
        )
        for share in listed[:_MOST]
    ]
    if not rows:
        return _panel("bottleneck", "Where is the bottleneck?", tag("p", "No trace to tell from.", class_="none"))
    first = listed[0]
    lead = tag(
        "p",
        "Of the time of all traces, ",
        tag("b", _percent(first.share)),
        " goes to ",
        tag("b", first.stage.replace("_", " ") if first.stage != OTHER else "spans that name no stage"),
        ".",
    )
    heads = (("Stage", ""), ("", "meter"), ("Share", "n"), ("Median", "n"), ("P95", "n"))
    return _panel(
        "bottleneck", "Where is the bottleneck?", lead, table(heads, rows, "Time by stage, largest first", "grid flat")
    )


def _colour(stage: str) -> str:
    return "quantum" if stage in QUANTUM else "other" if stage == OTHER else "classical"


def _exact(data: Measured) -> Html:
    """Counts of all traffic since the collector's metrics began, sampled or not."""
    summary: dict[str, Any] = dict(data.summary)
    rows = [
        tag(
            "tr",
            tag(
                "td",
                tag("a", e["backend"] or words.NONE, href=f"/traces?backend={quote(e['backend'], safe='')}"),
                class_="text",
            ),
            tag("td", e["provider"] or words.NONE, class_="text"),
            tag("td", words.count(e["executions"]), class_="n"),
            tag("td", tag("span", words.count(e["failed"]), class_="bad" if e["failed"] else "none"), class_="n"),
        )
        for e in summary.get("executions", [])[:_MOST]
    ]
    spans = summary.get("spans", {})
    lead = tag(
        "p",
        tag("b", words.count(spans.get("received", 0))),
        " spans came, ",
        tag("b", words.count(spans.get("errors", 0))),
        " with an error.",
    )
    heads = (("Backend", ""), ("Provider", ""), ("Executions", "n"), ("Failed", "n"))
    return _panel(
        "exact", "Counted exactly", lead, table(heads, rows, "Executions by backend", "grid flat") if rows else None
    )


def _note(data: Measured, left_out: int) -> Html:
    apart = sum(run.weight is None for run in data.now)
    return tag(
        "p",
        "Traces, shares, times and their 95 % intervals are estimates from the kept traces, each weighted by its sampling threshold",
        f"; {words.plural(apart, 'kept trace')} without one are left out" if apart else None,
        f"; {left_out:,} older stored traces are not read" if left_out else None,
        ". “Counted exactly” comes from the collector's metrics of all traffic, since they began.",
        class_="note",
    )
