"""Spans as rows with bars on one time axis. Bars are SVG with their geometry in attributes: no inline style."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from eigenspan.semconv import attributes as q
from eigenspan.store.tree import Node, first_of
from eigenspan.web import words
from eigenspan.web.layout import service_class
from eigenspan.web.markup import Child, Html, join, tag

ROWS: Final = 500  # rows sent at first, and with each "show more"
_DEEPEST: Final = 24  # deeper spans are indented no further
_MAX_MARKS: Final = 20  # events drawn on one bar
_TICKS: Final = 4


@dataclass(frozen=True, slots=True)
class Spans:
    """The spans of a trace as they are shown: `keys` name them in addresses, the same for as long as they are stored."""

    nodes: tuple[Node, ...]
    keys: tuple[str, ...]
    places: dict[str, int]
    total_s: float

    def chosen(self, key: str | None) -> int:
        """The span that a key names; else where the first failure began, the first with a calibration, the first."""
        if key is not None and key in self.places:
            return self.places[key]
        failed = next((i for i, node in enumerate(self.nodes) if node.error), None)
        if failed is not None:
            return self._origin(failed)
        return next((i for i, node in enumerate(self.nodes) if calibrated(node)), 0)

    def _origin(self, failed: int) -> int:
        """The failed span under this one that no failed span is under."""
        for i in range(failed + 1, len(self.nodes)):
            if self.nodes[i].depth <= self.nodes[failed].depth:
                break
            if self.nodes[i].error:
                failed = i
        return failed


def spans_of(nodes: Sequence[Node]) -> Spans:
    """Number what a trace holds."""
    seen: Counter[str] = Counter()
    keys = []
    for node in nodes:
        name = node.span_id or "none"
        keys.append(f"{name}.{seen[name]}" if seen[name] else name)
        seen[name] += 1
    start_ns = min((n.start_ns for n in nodes), default=0)
    end_ns = max((max(n.start_ns, n.end_ns) for n in nodes), default=0)
    return Spans(tuple(nodes), tuple(keys), {key: i for i, key in enumerate(keys)}, (end_ns - start_ns) / 1e9)


def calibrated(node: Node) -> bool:
    """Whether the collector joined a calibration to this span."""
    return q.QUANTUM_BACKEND_CALIBRATION_VERSION in node.attributes


def waterfall(trace_id: str, spans: Spans, shown: int, chosen: int) -> Html:
    """The axis and the first rows; the rest comes on demand."""
    total = len(spans.nodes)
    tree = tag(
        "div", rows(trace_id, spans, 0, shown, chosen), id="tree", role="tree", aria_label="Spans", class_="tree",
        data_total=total, data_trace=trace_id,
    )  # fmt: skip
    return tag(
        "section", _axis(spans.total_s), tree, _more(trace_id, shown, total), class_="waterfall", aria_label="Waterfall"
    )


def _more(trace_id: str, shown: int, total: int) -> Child:
    if shown >= total:
        return None
    return tag(
        "p", tag("span", f"{shown:,} of {total:,} spans shown. ", id="shown"),
        tag("a", f"Show {min(ROWS, total - shown):,} more", id="more", class_="button", href=f"/trace/{trace_id}?rows={shown + ROWS}",
            data_from=shown, data_step=ROWS),
        class_="more",
    )  # fmt: skip


def _axis(total_s: float) -> Html:
    marks = []
    for i in range(_TICKS + 1):
        anchor = "start" if i == 0 else "end" if i == _TICKS else "middle"
        text = words.duration(total_s * i / _TICKS)
        marks.append(tag("text", text, x=f"{100 * i / _TICKS:g}%", y=12, text_anchor=anchor))
    scale = tag("svg", *marks, width="100%", height=16, class_="scale")
    return tag(
        "div", tag("span", "Span", class_="what"), tag("span", scale, class_="bar"), tag("span", "Duration", class_="took"),
        class_="axis", aria_hidden="true",
    )  # fmt: skip


def rows(trace_id: str, spans: Spans, first: int, count: int, chosen: int = -1) -> Html:
    """Some rows of the tree, in its order."""
    last = min(first + count, len(spans.nodes))
    return join(_row(trace_id, spans, i, i == chosen) for i in range(first, last))


def _row(trace_id: str, spans: Spans, i: int, chosen: bool) -> Html:
    node, key = spans.nodes[i], spans.keys[i]
    parent = i + 1 < len(spans.nodes) and spans.nodes[i + 1].depth > node.depth
    service = node.service or "unknown service"
    took = words.duration(node.duration_s)
    found = first_of(node.attributes, q.QUANTUM_BACKEND_NAME)
    backend = None if found is None else str(found)[:80]
    said = [
        node.name or "(no name)",
        service,
        took,
        "error" if node.error else "",
        f"ran on {backend}" if backend is not None else "",
    ]
    what = tag(
        "span",
        tag("span", class_="twist") if parent else tag("span", class_="leaf"),
        tag("span", class_=f"swatch {service_class(service)}"),
        tag("span", node.name or "(no name)", class_="name"),
        tag("span", "error", class_="chip bad") if node.error else None,
        tag("span", backend, class_="chip cal") if backend is not None and calibrated(node) else None,
        tag("span", service, class_="service") if service != _service_above(spans, node) else None,
        class_=f"what d{min(node.depth, _DEEPEST)}",
    )  # fmt: skip
    return tag(
        "a", what, tag("span", _bar(node, spans.total_s, service), class_="bar"), tag("span", took, class_="took"),
        href=f"/trace/{trace_id}?span={key}", role="treeitem", class_="row failed" if node.error else "row",
        aria_level=node.depth + 1, aria_expanded="true" if parent else None, aria_selected="true" if chosen else "false",
        aria_label=", ".join(part for part in said if part), tabindex="0" if chosen else "-1",
        data_key=key, data_depth=node.depth,
    )  # fmt: skip


def _service_above(spans: Spans, node: Node) -> str | None:
    """The service of a span's parent: where it is the same, it is not said again."""
    place = spans.places.get(node.parent_id) if node.depth else None
    return None if place is None else spans.nodes[place].service or "unknown service"


def _bar(node: Node, total_s: float, service: str) -> Html:
    """A bar of at least two pixels, with ticks where events are."""
    scale = 100 / total_s if total_s else 0
    x, width = node.offset_s * scale, node.duration_s * scale
    left = f"{min(max(x, 0), 99.8):.3f}%"
    marks = [
        tag("rect", x=f"{100 * at:.3f}%", y=2, width=1, height=14, class_="event")
        for event in node.events[:_MAX_MARKS]
        if isinstance(at_ns := event["time_ns"], int)
        and total_s
        and 0 <= (at := (at_ns - node.start_ns) / 1e9 / total_s + x / 100) <= 1
    ]
    colour = "failed" if node.error else service_class(service)
    return tag(
        "svg",
        tag("rect", x=left, y=4, width=2, height=10, class_=colour),
        tag("rect", x=left, y=4, width=f"{min(width, 100):.3f}%", height=10, rx=1.5, class_=colour),
        marks,
        width="100%", height=18, aria_hidden="true",
    )  # fmt: skip
