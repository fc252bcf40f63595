"""OTLP protobuf → records."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from google.protobuf.message import DecodeError
from google.protobuf.unknown_fields import UnknownFieldSet
from opentelemetry.proto.logs.v1.logs_pb2 import ResourceLogs
from opentelemetry.proto.metrics.v1.metrics_pb2 import ResourceMetrics
from opentelemetry.proto.trace.v1.trace_pb2 import ResourceSpans

from eigenspan.schema.records import Attributes, Batch, Event, Log, Metric, Span, repeated

SPAN_TYPE_FIELD = 17
MESSAGES: dict[str, Any] = {"spans": ResourceSpans, "metrics": ResourceMetrics, "logs": ResourceLogs}


def value_of(any_value: Any) -> Any:
    """The Python value; None where there is none."""
    kind = any_value.WhichOneof("value")
    if kind == "array_value":
        return [value_of(v) for v in any_value.array_value.values]
    if kind == "kvlist_value":
        return {pair.key: value_of(pair.value) for pair in any_value.kvlist_value.values}
    return getattr(any_value, kind) if kind else None


def _attributes(pairs: Any) -> Attributes:
    out: Attributes = {}
    for pair in pairs:
        any_value = pair.value
        kind = any_value.WhichOneof("value")
        out[pair.key] = (
            value_of(any_value)
            if kind is None or kind == "array_value" or kind == "kvlist_value"  # noqa: PLR1714
            else getattr(any_value, kind)
        )
    return out


def _type(span: Any) -> str:
    unknown_fields: Any = UnknownFieldSet(span)
    for unknown in unknown_fields:
        if unknown.field_number == SPAN_TYPE_FIELD and isinstance(unknown.data, bytes):
            return unknown.data.decode(errors="replace")
    return ""


def span_of(message: Any) -> Span:
    """One span; its type is read from field 17 although the library may not know the field."""
    pairs = message.attributes
    attributes = _attributes(pairs)
    return Span(
        trace_id=message.trace_id.hex(),
        span_id=message.span_id.hex(),
        parent=message.parent_span_id.hex(),
        name=message.name,
        kind=message.kind,
        start=message.start_time_unix_nano,
        end=message.end_time_unix_nano,
        status=message.status.code,
        attributes=attributes,
        type=_type(message),
        links=[(link.trace_id.hex(), link.span_id.hex()) for link in message.links],
        events=[Event(e.name, _attributes(e.attributes), e.time_unix_nano) for e in message.events],
        twice=repeated(p.key for p in pairs) if len(attributes) != len(pairs) else (),
    )


def metric_of(message: Any) -> Metric:
    """One metric; the instrument is what the kind of its data implies."""
    kind = message.WhichOneof("data") or ""
    data: Any = getattr(message, kind) if kind else None
    instrument = {"gauge": "gauge", "histogram": "histogram", "exponential_histogram": "histogram"}.get(kind, kind)
    if kind == "sum":
        instrument = "counter" if data.is_monotonic else "updowncounter"
    return Metric(
        message.name, message.unit, instrument, [_attributes(p.attributes) for p in data.data_points] if data else []
    )


def log_of(message: Any) -> Log:
    """One log record."""
    attributes = _attributes(message.attributes)
    name = message.event_name or str(attributes.get("event.name", ""))
    return Log(Event(name, attributes, message.time_unix_nano), message.trace_id.hex(), message.span_id.hex())


def resource(message: Any, source: str, line: int) -> Iterator[Batch]:
    """The batches of one ResourceSpans, ResourceMetrics or ResourceLogs."""
    attributes = _attributes(message.resource.attributes)
    scopes: Any = (
        getattr(message, "scope_spans", None)
        or getattr(message, "scope_metrics", None)
        or getattr(message, "scope_logs", ())
    )
    for scope in scopes:
        batch = Batch(source, line, scope.schema_url or message.schema_url, attributes)
        match message:
            case ResourceSpans():
                batch.spans = [span_of(s) for s in scope.spans]
            case ResourceMetrics():
                batch.metrics = [metric_of(m) for m in scope.metrics]
            case _:
                batch.logs = [log_of(r) for r in scope.log_records]
        yield batch


def batches(message: Any, source: str = "", line: int = 0) -> Iterator[Batch]:
    """The batches of an Export*ServiceRequest or *Data message."""
    for name in ("resource_spans", "resource_metrics", "resource_logs"):
        for one in getattr(message, name, ()):
            yield from resource(one, source, line)


def kind_of(data: bytes) -> str:
    """Which signal the bytes of a Resource* message hold, told from its first item; spans where it has none."""
    item = _first(_first(data, 2), 2)
    if item[:1] in (b"\x09", b"\x59"):
        return "logs"
    if item and not (item.startswith(b"\x0a\x10") and item[18:20] == b"\x12\x08"):
        return "metrics"
    return "spans"


def _first(data: bytes, number: int) -> bytes:
    """The bytes of the first length-delimited field of that number; empty where there is none."""
    at = 0
    while at < len(data):
        tag, at = varint(data, at)
        if tag & 7 != 2:
            return b""
        length, at = varint(data, at)
        if tag >> 3 == number:
            return data[at : at + length]
        at += length
    return b""


def varint(data: bytes, at: int) -> tuple[int, int]:
    """A varint and where it ends; DecodeError where it does not."""
    out = shift = 0
    while at < len(data) and shift < 70:
        byte = data[at]
        at += 1
        out |= (byte & 0x7F) << shift
        if byte < 0x80:
            return out, at
        shift += 7
    raise DecodeError("a varint does not end")
