"""Spans as rows with bars on one time axis. Bars are SVG with their geometry in attributes: no inline style."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from eigenspan.semconv import attributes as q
from eigenspan.store.logs import LEVELS, Log
from eigenspan.store.tree import Node, first_of
from eigenspan.web import words
from eigenspan.web.layout import service_class
from eigenspan.web.markup import Child, Html, join, tag

ROWS: Final = 500  # rows sent at first, and with each "show more"
_DEEPEST: Final = 24  # deeper spans are indented no further
_MAX_MARKS: Final = 20  # events, and logs, drawn on one bar
_TICKS: Final = 4


@dataclass(frozen=True, slots=True)
class Spans:
    """The spans of a trace as they are shown: `keys` name them in addresses, the same for as long as they are stored.

    `logs`: the records of each span by its key, and under "" those of no span that is here.
    """

    nodes: tuple[Node, ...]
    keys: tuple[str, ...]
    places: dict[str, int]
    total_s: float
    logs: Mapping[str, Sequence[Log]] = field(default_factory=dict)

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


def spans_of(nodes: Sequence[Node], logs: Sequence[Log] = ()) -> Spans:
    """Number what a trace holds, and divide its logs among its spans."""
    seen: Counter[str] = Counter()
    keys = []
    for node in nodes:
        name = node.span_id or "none"
        keys.append(f"{name}.{seen[name]}" if seen[name] else name)
        seen[name] += 1
    start_ns = min((n.start_ns for n in nodes), default=0)
    end_ns = max((max(n.start_ns, n.end_ns) for n in nodes), default=0)
    places = {key: i for i, key in enumerate(keys)}
    said: defaultdict[str, list[Log]] = defaultdict(list)
    for record in logs:
        said[record.span_id if record.span_id in places else ""].append(record)
    return Spans(tuple(nodes), tuple(keys), places, (end_ns - start_ns) / 1e9, said)


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
    logs = spans.logs.get(key, ())
    said = [
        node.name or "(no name)",
        service,
        took,
        "error" if node.error else "",
        f"ran on {backend}" if backend is not None else "",
        words.plural(len(logs), "log") if logs else "",
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
        "a", what, tag("span", _bar(node, spans.total_s, service, logs), class_="bar"), tag("span", took, class_="took"),
        href=f"/trace/{trace_id}?span={key}", role="treeitem", class_="row failed" if node.error else "row",
        aria_level=node.depth + 1, aria_expanded="true" if parent else None, aria_selected="true" if chosen else "false",
        aria_label=", ".join(part for part in said if part), tabindex="0" if chosen else "-1",
        data_key=key, data_depth=node.depth,
    )  # fmt: skip


def _service_above(spans: Spans, node: Node) -> str | None:
    """The service of a span's parent: where it is the same, it is not said again."""
    place = spans.places.get(node.parent_id) if node.depth else None
    return None if place is None else spans.nodes[place].service or "unknown service"


def _bar(node: Node, total_s: float, service: str, logs: Sequence[Log]) -> Html:
    """A bar of at least two pixels, with ticks where events are and dots under it where logs are, the gravest on top."""
    scale = 100 / total_s if total_s else 0
    x, width = node.offset_s * scale, node.duration_s * scale
    left = f"{min(max(x, 0), 99.8):.3f}%"

    def place(at_ns: object) -> str | None:
        """Where an instant is on the axis; None where it is outside."""
        at = (at_ns - node.start_ns) / 1e9 * scale + x if isinstance(at_ns, int) and total_s else -1
        return f"{at:.3f}%" if 0 <= at <= 100 else None

    ticks = [
        tag("rect", x=at, y=2, width=1, height=14, class_="event")
        for event in node.events[:_MAX_MARKS]
        if (at := place(event["time_ns"]))
    ]
    gravest = sorted(logs, key=lambda record: LEVELS.index(record.level))[-_MAX_MARKS:]
    dots = [
        tag("circle", cx=at, cy=15, r=2.5, class_=f"log {record.level.lower()}")
        for record in gravest
        if (at := place(record.time_ns))
    ]
    colour = "failed" if node.error else service_class(service)
    return tag(
        "svg",
        tag("rect", x=left, y=4, width=2, height=10, class_=colour),
        tag("rect", x=left, y=4, width=f"{min(width, 100):.3f}%", height=10, rx=1.5, class_=colour),
        ticks,
        dots,
        width="100%", height=18, aria_hidden="true",
    )  # fmt: skip
