"""Traces in the shape that Jaeger's UI draws: times in microseconds, tags with types, resources as processes.

The mapping of OTLP is that of https://opentelemetry.io/docs/specs/otel/trace/sdk_exporters/jaeger/.
"""

from __future__ import annotations

import base64
import json
import math
from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from eigenspan.store.traces import Row, Stored
    from eigenspan.store.tree import Node, Value

KINDS: Final = {kind: kind for kind in ("internal", "server", "client", "producer", "consumer")}
_SAFE: Final = 2**53 - 1
_NO_SERVICE: Final = "OTLPResourceNoServiceName"


def trace(stored: Stored) -> dict[str, Any]:
    """One trace of the version 1 JSON API."""
    processes: dict[str, str] = {}
    shown: dict[str, Any] = {}
    spans = []
    for node in stored.tree():
        resource = json.dumps([node.service, _tags(node.resource)], sort_keys=True)
        if resource not in processes:
            processes[resource] = f"p{len(processes) + 1}"
            rest = {key: value for key, value in node.resource.items() if key != "service.name"}
            shown[processes[resource]] = {"serviceName": node.service or _NO_SERVICE, "tags": _tags(rest)}
        spans.append(_span(stored.row.trace_id, node, processes[resource]))
    return {"traceID": stored.row.trace_id, "spans": spans, "processes": shown, "warnings": None}


def _span(trace_id: str, node: Node, process: str) -> dict[str, Any]:
    references = [{"refType": "CHILD_OF", "traceID": trace_id, "spanID": node.parent_id}] if node.parent_id else []
    references += [
        {"refType": "FOLLOWS_FROM", "traceID": str(link["trace_id"]), "spanID": str(link["span_id"])}
        for link in node.links
    ]
    tags = dict(node.attributes)
    if node.scope:
        tags["otel.scope.name"] = node.scope
    if node.kind in KINDS:
        tags["span.kind"] = node.kind
    if node.status in ("ok", "error"):
        tags["otel.status_code"] = node.status.upper()
    if node.status == "error":
        tags["error"] = True
    if node.status_message:
        tags["otel.status_description"] = node.status_message
    if node.trace_state:
        tags["w3c.tracestate"] = node.trace_state
    return {
        "traceID": trace_id, "spanID": node.span_id, "operationName": node.name, "references": references,
        "startTime": node.start_ns // 1000, "duration": max(0, node.end_ns - node.start_ns) // 1000, "tags": _tags(tags),
        "logs": [_log(event) for event in node.events], "processID": process, "warnings": None,
    }  # fmt: skip


def _log(event: dict[str, Value]) -> dict[str, Any]:
    attributes = event["attributes"]
    fields = {"event": event["name"]} | (attributes if isinstance(attributes, dict) else {})
    return {"timestamp": int(str(event["time_ns"])) // 1000, "fields": _tags(fields)}


def _tags(attributes: dict[str, Any]) -> list[dict[str, Any]]:
    return [_tag(key, value) for key, value in attributes.items()]


def _tag(key: str, value: Any) -> dict[str, Any]:
    """A typed tag; integers that JavaScript would round and numbers that JSON has not are text."""
    match value:
        case bool():
            return {"key": key, "type": "bool", "value": value}
        case int():
            return {"key": key, "type": "int64", "value": value if abs(value) <= _SAFE else str(value)}
        case float():
            return {"key": key, "type": "float64", "value": value if math.isfinite(value) else str(value)}
        case bytes():
            return {"key": key, "type": "binary", "value": base64.b64encode(value).decode()}
        case str():
            return {"key": key, "type": "string", "value": value}
    return {"key": key, "type": "string", "value": json.dumps(value, default=_plain, separators=(",", ":"))}


def _plain(value: bytes) -> str:
    return base64.b64encode(value).decode()


def summary(row: Row, nodes: Sequence[Node]) -> dict[str, Any]:
    """One trace of v3's trace-summaries."""
    spans = Counter(node.service or _NO_SERVICE for node in nodes)
    errors = Counter(node.service or _NO_SERVICE for node in nodes if node.status == "error")
    known = {node.span_id for node in nodes}
    return {
        "traceId": row.trace_id, "rootServiceName": row.service or "", "rootOperationName": row.root or "",
        "minStartTimeUnixNano": str(row.start_ns), "maxEndTimeUnixNano": str(row.end_ns), "spanCount": len(nodes),
        "errorSpanCount": errors.total(), "orphanSpanCount": sum(bool(n.parent_id) and n.parent_id not in known for n in nodes),
        "services": [{"name": name, "spanCount": n, "errorSpanCount": errors[name]} for name, n in sorted(spans.items())],
    }  # fmt: skip
