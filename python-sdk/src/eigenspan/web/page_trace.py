"""One trace: what it is, why it was kept, its waterfall, and one of its spans in detail."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from eigenspan.collector import threshold
from eigenspan.figures.runs import OTHER
from eigenspan.semconv import attributes as q
from eigenspan.store.traces import Row
from eigenspan.store.tree import Node, Value
from eigenspan.web import page_span, words
from eigenspan.web.layout import facts, page, time
from eigenspan.web.markup import Child, Html, tag
from eigenspan.web.page_compare import phases
from eigenspan.web.waterfall import Spans, waterfall

MAX_LOGS: Final = 5_000


def render(row: Row, spans: Spans, shown: int, chosen: int, details: Html) -> bytes:
    """The page."""
    name = words.named(row.root, "(no root span)")
    failed = words.plural(row.errors, "error") if row.errors else None
    head = [
        tag("p", tag("a", "Traces", href="/traces"), " / ", tag("code", row.trace_id), class_="crumbs"),
        tag(
            "div",
            tag("h1", name),
            tag("span", failed, class_="chip bad") if failed else None,
            _tools(row),
            class_="title",
        ),
        facts(
            [
                ("Service", row.service or "unknown service"),
                ("Backend", row.backend),
                ("Started (UTC)", time(row.start_ns, fraction=True)),
                ("Duration", words.duration(row.duration_s)),
                ("Spans", words.count(row.spans)),
                ("Logs", _logs(sum(map(len, spans.logs.values())))),
                *_sampling(row, spans.nodes),
            ],
            "strip slim",
        ),
        _split(spans.nodes),
    ]
    body = tag(
        "div",
        tag("div", waterfall(row.trace_id, spans, shown, chosen), _elsewhere(spans, row.start_ns)),
        tag("aside", details, id="details", class_="details", tabindex="-1", aria_label="Span details"),
        class_="split",
    )
    return page(f"{name} {row.trace_id[:8]}", *head, body, script="trace.js")


def _logs(number: int) -> str | None:
    return f"the first {number:,}" if number >= MAX_LOGS else words.count(number) if number else None


def _elsewhere(spans: Spans, start_ns: int) -> Child:
    """The logs of the trace that name no span that is here."""
    if not (logs := spans.logs.get("")):
        return None
    return tag(
        "section", tag("h2", "Logs of no span here", id="logs"), page_span.records(logs, start_ns), aria_labelledby="logs",
        class_="elsewhere",
    )  # fmt: skip


def _split(nodes: Sequence[Node]) -> Child:
    """Queue, compile, execute, post-process and the rest as parts of one bar; None where no span names a stage."""
    parts = {name: seconds for name, seconds in phases(nodes).items() if seconds > 0}
    if not parts.keys() - {OTHER}:
        return None
    total, at, bars = sum(parts.values()), 0.0, []
    for name, seconds in parts.items():
        share = 100 * seconds / total
        bars.append(tag("rect", x=f"{at:.3f}%", y=0, width=f"{share:.3f}%", height=10, class_=f"phase-{name}"))
        at += share
    keys = [
        tag("span", tag("i", class_=f"key phase-{name}", aria_hidden="true"), name, " ", tag("b", words.duration(seconds)),
            tag("small", f" {words.number(100 * seconds / total, 2)} %"))
        for name, seconds in parts.items()
    ]  # fmt: skip
    return tag(
        "figure",
        tag("svg", *bars, width="100%", height=10, aria_hidden="true"),
        tag("figcaption", *keys),
        class_="phases",
        aria_label="Time by phase: each span's own time",
        role="group",
    )


def _tools(row: Row) -> Html:
    return tag(
        "span",
        tag("button", "Collapse all", type="button", id="fold", hidden=True),
        tag("a", "Compare", href=f"/compare?a={row.trace_id}", class_="button"),
        tag("button", "Copy id", type="button", class_="copy", data_copy=row.trace_id, aria_label="Copy trace id"),
        tag("a", "OTLP JSON", href=f"/api/traces/{row.trace_id}", class_="button"),
        class_="tools",
    )


def _sampling(row: Row, nodes: Sequence[Node]) -> list[tuple[str, Child]]:
    """Why the trace was kept, and for how many like it each stands."""
    said = next((n for n in nodes if q.EIGENSPAN_SAMPLING_RULE in n.attributes), None)
    rule: Value = said.attributes[q.EIGENSPAN_SAMPLING_RULE] if said else row.rule
    reason = said.attributes.get(q.EIGENSPAN_SAMPLING_REASON) if said else None
    partial = said is not None and said.attributes.get(q.EIGENSPAN_SAMPLING_COMPLETE) is False
    late = sum(n.attributes.get(q.EIGENSPAN_SAMPLING_LATE) is True for n in nodes)
    return [
        ("Kept by rule", [tag("b", str(rule)), tag("small", str(reason)) if reason else None] if rule else None),
        ("Stands for", adjusted_count(said or (nodes[0] if nodes else None))),
        ("Completeness", "partial: decided before its root had ended" if partial else None),
        ("Late spans", words.count(late) if late else None),
    ]


def adjusted_count(node: Node | None) -> str | None:
    """How many traces a kept one stands for: 2⁵⁶ / (2⁵⁶ − T); None where the trace state has no threshold."""
    found = threshold.parse(node.trace_state).threshold if node else None
    return None if found is None else words.plural_real(threshold.adjusted_count(found), "trace")
