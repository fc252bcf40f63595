"""A trace in the formats of other viewers: speedscope's and Chrome's.

Formats: https://www.speedscope.app/file-format-schema.json and the Trace Event Format of Chromium.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from eigenspan.store.tree import Node


def chrome(nodes: Sequence[Node]) -> dict[str, Any]:
    """Complete events in microseconds: a process a service, lanes so that spans of one lane nest."""
    services = {service: number for number, service in enumerate(dict.fromkeys(n.service for n in nodes), 1)}
    events: list[dict[str, Any]] = [
        {"name": "process_name", "ph": "M", "pid": number, "tid": 0, "args": {"name": service or "unknown"}}
        for service, number in services.items()
    ]
    for lane, node in _lanes(nodes):
        arguments = {key: _plain(value) for key, value in node.attributes.items()} | {"span_id": node.span_id}
        events.append({
            "name": node.name, "cat": node.kind, "ph": "X", "ts": node.start_ns / 1000, "dur": node.duration_s * 1e6,
            "pid": services[node.service], "tid": lane, "args": arguments,
        })  # fmt: skip
    return {"traceEvents": events, "displayTimeUnit": "ms"}


def speedscope(nodes: Sequence[Node], name: str) -> dict[str, Any]:
    """An evented profile a lane, in nanoseconds after the trace's start."""
    frames = {text: number for number, text in enumerate(dict.fromkeys(map(_frame, nodes)))}
    start_ns = min((n.start_ns for n in nodes), default=0)
    end_ns = max((max(n.start_ns, n.end_ns) for n in nodes), default=0)
    lanes: dict[int, list[Node]] = {}
    for lane, node in _lanes(nodes):
        lanes.setdefault(lane, []).append(node)
    profiles = []
    for lane, spans in sorted(lanes.items()):
        events: list[dict[str, Any]] = []
        stack: list[Node] = []
        for node in spans:
            while stack and max(stack[-1].start_ns, stack[-1].end_ns) <= node.start_ns:
                events.append(_event("C", frames, stack.pop(), start_ns))
            events.append(_event("O", frames, node, start_ns))
            stack.append(node)
        events += [_event("C", frames, node, start_ns) for node in reversed(stack)]
        profiles.append({"type": "evented", "name": f"lane {lane}", "unit": "nanoseconds", "startValue": 0,
                         "endValue": end_ns - start_ns, "events": events})  # fmt: skip
    return {
        "$schema": "https://www.speedscope.app/file-format-schema.json", "name": name, "exporter": "eigenspan",
        "shared": {"frames": [{"name": text} for text in frames]}, "profiles": profiles,
    }  # fmt: skip


def _lanes(nodes: Sequence[Node]) -> list[tuple[int, Node]]:
    """Each span with a lane in which whatever overlaps it contains it or lies in it; by start, the longest first."""
    lanes: list[list[int]] = []  # the ends of what is open, the innermost last
    out = []
    for node in sorted(nodes, key=lambda n: (n.start_ns, -n.end_ns)):
        end_ns = max(node.start_ns, node.end_ns)
        for lane in lanes:
            while lane and lane[-1] <= node.start_ns:
                lane.pop()
        free = next((i for i, lane in enumerate(lanes) if not lane or end_ns <= lane[-1]), len(lanes))
        if free == len(lanes):
            lanes.append([])
        lanes[free].append(end_ns)
        out.append((free, node))
    return out


def _frame(node: Node) -> str:
    return f"{node.service}: {node.name}" if node.service else node.name


def _event(kind: str, frames: dict[str, int], node: Node, start_ns: int) -> dict[str, Any]:
    at_ns = node.start_ns if kind == "O" else max(node.start_ns, node.end_ns)
    return {"type": kind, "frame": frames[_frame(node)], "at": at_ns - start_ns}


def _plain(value: object) -> object:
    return value if isinstance(value, str | int | float) or value is None else str(value)
