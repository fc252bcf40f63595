"""The list of traces with its filters, the strip above it, and what an empty collector shows."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, Final

from eigenspan.calibration import instants
from eigenspan.store.traces import Filters, Row
from eigenspan.web import words
from eigenspan.web.exchange import LIMITS, Asked
from eigenspan.web.layout import copyable, facts, page, service_class, table, time
from eigenspan.web.markup import Child, Html, tag

_HEADS: Final = (
    ("Started (UTC)", ""), ("Trace", ""), ("Service", ""), ("Backend", ""), ("Duration", "n"), ("log scale", "meter"),
    ("Spans", "n"), ("Errors", "n"), ("Kept by", ""), ("Id", "id"),
)  # fmt: skip
KEEP_ALL: Final = "eigenspan collect --set 'processors.sampling.rules=[{name: all, keep: 100%}]'"

_DEMO: Final = (
    "Cirq on Google's virtual processors and Qiskit on fake IBM backends, some failing for real reasons. From a clone:"
)
_WORKLOAD: Final = ".venv/bin/python -m eigenspan.demo.workload --endpoint"


def render(
    asked: Asked, rows: Sequence[Row], values: Mapping[str, Sequence[str]], summary: Mapping[str, Any], host: str
) -> bytes:
    """The page."""
    query = asked.query()
    live = tag(
        "div", fragment(asked, rows, summary, host), id="live",
        data_source="/fragments/traces" + (f"?{query}" if query else ""),
    )  # fmt: skip
    return page(
        "Traces",
        tag("div", tag("h1", "Traces"), _live_button(), class_="title"),
        _form(asked, values),
        live,
        place="/traces",
        script="traces.js",
    )


def fragment(asked: Asked, rows: Sequence[Row], summary: Mapping[str, Any], host: str) -> Html:
    """What changes while the page is open: the strip and the list."""
    if rows:
        body = _table(rows, asked)
    elif asked.filtered:
        body = tag(
            "section",
            tag("h2", "No trace passes these filters"),
            tag("p", tag("a", "Clear the filters", href="/traces")),
            class_="empty",
        )
    else:
        body = empty(summary, host)
    return tag("div", _strip(summary), body)


def _live_button() -> Html:
    return tag(
        "button", tag("span", class_="dot", aria_hidden="true"), tag("span", "Live", class_="word"),
        type="button", id="live-button", class_="live", aria_pressed="true", hidden=True,
        title="Refresh the list every few seconds (p)",
    )  # fmt: skip


def _form(asked: Asked, values: Mapping[str, Sequence[str]]) -> Html:
    f = asked.filters
    slower = "" if f.slower_than_s is None else f"{f.slower_than_s:g}"
    return tag(
        "form",
        tag("label", tag("input", type="checkbox", name="errors", value="1", checked=f.errors), "Errors only", class_="check"),
        _select("service", "Service", values.get("service", ()), f.service),
        _select("backend", "Backend", values.get("backend", ()), f.backend),
        tag(
            "label", tag("span", "Slower than"),
            tag("input", name="slower", value=slower, inputmode="decimal", size=6, maxlength=12, autocomplete="off",
                aria_label="Slower than, in seconds"),
            tag("span", "s", class_="unit"),
        ),
        _select("limit", "Show", [str(n) for n in sorted({*LIMITS, asked.limit})], str(asked.limit), every=None),
        _window(f),
        tag("button", "Apply", type="submit"),
        tag("a", "Clear", href="/traces", class_="clear") if asked.filtered else None,
        id="filters", class_="filters", action="/traces", method="get", role="search", aria_label="Filter traces",
    )  # fmt: skip


def _window(f: Filters) -> Child:
    """The span of time that another page asked for; it stays while other filters change."""
    ends = [(name, ns) for name, ns in (("since", f.start_ns), ("until", f.end_ns)) if ns is not None]
    return [
        [
            tag("input", type="hidden", name=name, value=instants.format_ns(ns)),
            tag("span", f"{name} ", time(ns), class_="chip"),
        ]
        for name, ns in ends
    ]


def _select(name: str, label: str, values: Sequence[str], chosen: str | None, every: str | None = "any") -> Html:
    listed = [*values] if chosen is None or chosen in values else [chosen, *values]
    options = [tag("option", value, value=value, selected=value == chosen) for value in listed]
    first = [] if every is None else [tag("option", every, value="")]
    return tag("label", tag("span", label), tag("select", *first, *options, name=name))


def _strip(summary: Mapping[str, Any]) -> Html:
    spans, traces, engine = summary["spans"], summary["traces"], summary["engine"]
    rules: list[Child] = [
        tag("span", tag("b", name), f" {words.count(n['kept'])} kept", _dropped(n["dropped"]), class_="rule")
        for name, n in sorted(traces["rules"].items())
    ]
    errors = tag("small", f"{words.count(spans['errors'])} with an error", class_="bad" if spans["errors"] else None)
    undecided = tag("small", f"{words.count(spans['open'])} spans wait")
    stored = summary.get("stored", {})
    cells = [
        ("Spans received", [tag("b", words.count(spans["received"])), errors]),
        ("Traces decided", tag("span", *rules, class_="rules") if rules else tag("b", "0")),
        ("Open traces", [tag("b", words.count(traces["open"])), undecided if traces["open"] else None]),
        ("Stored traces", [tag("b", words.count(stored["traces"]))] if stored else None),
        ("Engine", [tag("b", engine["scan"]), tag("small", f"receive {engine['receive']}")]),
    ]
    return tag("section", facts(cells, "strip"), _troubles(summary), aria_label="Collector")


def _dropped(n: int) -> Child:
    return tag("small", f" {words.count(n)} dropped") if n else None


def _troubles(summary: Mapping[str, Any]) -> Child:
    lines = []
    for name, exporter in summary.get("exporters", {}).items():
        parked = summary.get("outbox", {}).get(name, {}).get("parked", 0)
        if parked:
            lines.append(
                f"Exporter {name}: {words.plural(parked, 'batch', 'batches')} set aside because the far end refuses them."
            )
        elif exporter.get("last_error"):
            lines.append(f"Exporter {name} waits: {str(exporter['last_error'])[:300]}")
    return tag("ul", *(tag("li", line) for line in lines), class_="troubles") if lines else None


def _table(rows: Sequence[Row], asked: Asked) -> Html:
    longest_s = max(row.duration_s for row in rows)
    caption = f"{words.plural(len(rows), 'trace')}, newest first"
    if len(rows) == asked.limit:
        caption = f"The newest {caption.removesuffix(', newest first')}"
    return table(_HEADS, (_row(row, longest_s) for row in rows), caption, "grid traces")


def _log(seconds: float) -> float:
    """For bars: classical steps of milliseconds and jobs of hours in one list."""
    return math.log1p(seconds / 1e-3)


def _row(row: Row, longest_s: float) -> Html:
    share = 100 * _log(row.duration_s) / _log(longest_s) if longest_s else 0
    meter = tag(
        "svg", tag("rect", x=0, y=0, width=2, height=6), tag("rect", x=0, y=0, width=f"{share:.2f}%", height=6),
        class_="meter", width="100%", height=6, aria_hidden="true",
    )  # fmt: skip
    service = row.service or "unknown service"
    return tag(
        "tr",
        tag("td", time(row.start_ns), class_="when"),
        tag(
            "td",
            tag("a", words.named(row.root, "(no root span)"), href=f"/trace/{row.trace_id}", class_="open"),
            class_="name",
        ),
        tag("td", tag("span", class_=f"swatch {service_class(service)}", aria_hidden="true"), service, class_="text"),
        tag("td", row.backend or tag("span", words.NONE, class_="none"), class_="text"),
        tag("td", words.duration(row.duration_s), class_="n"),
        tag("td", meter, class_="meter"),
        tag("td", words.count(row.spans), class_="n"),
        tag(
            "td",
            tag("b", words.count(row.errors), class_="bad") if row.errors else tag("span", "0", class_="none"),
            class_="n",
        ),
        tag("td", tag("span", row.rule or words.NONE, class_="chip"), class_="text"),
        tag("td", tag("code", row.trace_id[:8]), class_="id"),
        data_trace=row.trace_id,
        class_="failed" if row.errors else None,
    )


def empty(summary: Mapping[str, Any], host: str) -> Html:
    """What there is to see before anything was kept: how to send spans here."""
    received, ports = summary["spans"]["received"], summary.get("ports", {})
    rules = summary["traces"]["rules"]
    dropped = sum(n["dropped"] for n in rules.values())
    if not received:
        lead = [
            tag("h2", "Nothing has arrived yet"),
            tag("p", "Point any OpenTelemetry SDK at this collector; kept traces appear here as they are decided."),
        ]
    else:
        waiting = summary["traces"]["open"]
        lead = [
            tag("h2", "Nothing has been kept yet"),
            tag("p", f"{words.plural(received, 'span')} arrived. ",
                f"{words.plural(waiting, 'trace')} not decided yet: that is seconds after the root has ended. " if waiting else None,
                f"{words.plural(dropped, 'trace')} dropped: without an error, and fast, only a share is kept." if dropped else None),
            tag("p", "To keep every trace, start the collector with"),
            copyable(KEEP_ALL, "command that keeps every trace"),
        ]  # fmt: skip
    grpc, http = ports.get("grpc"), ports.get("http")
    blocks: list[Child] = []
    if grpc:
        blocks += [
            tag("h3", "OTLP over gRPC"),
            copyable(_environment(host, grpc, "grpc"), "environment variables for gRPC"),
        ]
    if http:
        blocks += [
            tag("h3", "OTLP over HTTP"),
            copyable(_environment(host, http, "http/protobuf"), "environment variables for HTTP"),
        ]
    if http:
        blocks.append(
            tag(
                "form",
                tag("h3", "Or look at made-up traces first"),
                tag("button", "Send demo traces", type="submit"),
                tag("p", "They go through the OTLP port above and are sampled like any others.", class_="note"),
                class_="demo",
                action="/demo",
                method="post",
            )
        )
    if grpc:
        blocks += [
            tag("h3", "Or run the demo's circuits against it"),
            tag("p", _DEMO),
            copyable(f"{_WORKLOAD} http://{host}:{grpc}", "command that runs the demo's circuits"),
        ]  # fmt: skip
    return tag("section", *lead, *blocks, class_="empty")


def _environment(host: str, port: int, protocol: str) -> str:
    return "\n".join(
        [
            f"export OTEL_EXPORTER_OTLP_ENDPOINT=http://{host}:{port}",
            f"export OTEL_EXPORTER_OTLP_PROTOCOL={protocol}",
            "export OTEL_SERVICE_NAME=my-service",
        ]
    )
