"""Spans, payloads and decisions for tests, with defaults for all that a test does not name."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import polars as pl
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from eigenspan.collector.classify import classify
from eigenspan.collector.decided import Decision
from eigenspan.collector.item import ROW, Item
from eigenspan.collector.spans import Payload, schema_of
from eigenspan.collector.watch import compile_watch

WATCH = compile_watch()
SECOND = 10**9
SCHEMA = schema_of(WATCH) | {"position": pl.UInt64(), "log_ns": pl.Int64(), "tenant": pl.String()}
DEFAULTS: dict[str, Any] = dict.fromkeys(SCHEMA) | {
    "payload": 0, "offset": 10, "length": 40, "resource": 0, "scope": 0, "trace_hi": 1, "trace_lo": 1, "span_id": 1,
    "parent_id": 0, "kind": 1, "status": 0, "name": "span", "trace_state": "", "start_ns": 1000, "end_ns": 2000,
    "position": 1, "log_ns": 0, "tenant": "",
}  # fmt: skip


def raw_spans(*rows: dict[str, Any]) -> pl.DataFrame:
    """Committed spans, not yet classified."""
    return pl.DataFrame([DEFAULTS | row for row in rows], schema=SCHEMA, orient="row")


def spans(*rows: dict[str, Any]) -> pl.DataFrame:
    """Committed and classified spans."""
    return classify(raw_spans(*rows))


def payload(body: bytes = b"body", signal: Any = "traces", **more: Any) -> Payload:
    return Payload(signal, body, **({"received_ns": 5} | more))


def item(*spans: dict[str, Any], rule: str = "r", **more: Any) -> Item:
    """What an outbox row sends; each span is trace (int), position, offset, length, add (an `Add`) and state (a text)."""
    traces = sorted({span["trace"] for span in spans})
    fields: dict[tuple[str, bytes], int] = {}
    adds: dict[Any, int] = {}
    states: dict[str, int] = {}
    rows = []
    for span in sorted(spans, key=lambda span: span["trace"]):
        add, state = span.get("add", ()), span.get("state")
        rows.append((
            span.get("position", 1), traces.index(span["trace"]), span.get("offset", 0), span.get("length", 10),
            adds.setdefault(tuple(fields.setdefault(f, len(fields)) for f in add), len(adds)) if add else -1,
            -1 if state is None else states.setdefault(state, len(states)),
        ))  # fmt: skip
    return Item(
        **({
            "tenant": "", "traces": b"".join(trace.to_bytes(16, "big") for trace in traces),
            "rows": np.array(rows, ROW).tobytes(), "fields": tuple(fields), "adds": tuple(adds), "states": tuple(states),
            "rules": (rule,) * len(traces),
        } | more)
    )  # fmt: skip


def digest(number: int) -> bytes:
    return number.to_bytes(16, "little")


def decision(**more: Any) -> Decision:
    values = {
        "keep": True, "threshold": 0, "rule": "errors", "reason": "errors > 0", "complete": True, "through": 1,
        "decided_ns": 1,
    }  # fmt: skip
    return Decision(**(values | more))


def request(*spans_: dict[str, Any], resource: dict[str, str] | None = None) -> bytes:
    """An export request; each span is trace (int), span (int), parent (int), and Span fields, `attributes` a dict."""
    message = ExportTraceServiceRequest()
    group = message.resource_spans.add()
    put(group.resource, resource or {})
    scope = group.scope_spans.add()
    for given in spans_ or ({},):
        given = dict(given)
        trace, span_id, parent = given.pop("trace", 1), given.pop("span", 1), given.pop("parent", 0)
        attributes, status = given.pop("attributes", {}), given.pop("status", 0)
        values = {"name": "span", "start_time_unix_nano": 1000, "end_time_unix_nano": 2000} | given
        span = scope.spans.add(trace_id=trace.to_bytes(16, "big"), span_id=span_id.to_bytes(8, "big"), **values)
        span.parent_span_id = parent.to_bytes(8, "big") if parent else b""
        span.status.code = status
        put(span, attributes)
    return message.SerializeToString()


def put(holder: Any, attributes: dict[str, Any]) -> None:
    for key, value in attributes.items():
        any_value = holder.attributes.add(key=key).value
        match value:
            case bool():
                any_value.bool_value = value
            case int():
                any_value.int_value = value
            case float():
                any_value.double_value = value
            case str():
                any_value.string_value = value
            case _:
                for part in value:
                    any_value.array_value.values.add(string_value=part)


def spans_in(bodies: Iterable[bytes]) -> list[Any]:
    """The Span messages of export requests."""
    return [
        span
        for body in bodies
        for resource in ExportTraceServiceRequest.FromString(body).resource_spans
        for scope in resource.scope_spans
        for span in scope.spans
    ]
