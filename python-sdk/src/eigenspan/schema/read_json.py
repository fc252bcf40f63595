"""OTLP JSON → records."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterator
from typing import Any

import msgspec

from eigenspan.schema.records import Attributes, Batch, Event, Log, Metric, Span, repeated

Number = int | str
KINDS = {name: i for i, name in enumerate(("UNSPECIFIED", "INTERNAL", "SERVER", "CLIENT", "PRODUCER", "CONSUMER"))}
STATUS = {"STATUS_CODE_UNSET": 0, "STATUS_CODE_OK": 1, "STATUS_CODE_ERROR": 2}


class _Base(msgspec.Struct, rename="camel", gc=False):
    pass


class AnyValue(_Base):
    """A value: one of these is set."""

    string_value: str | None = None
    bool_value: bool | None = None
    int_value: int | str | None = None
    double_value: float | str | None = None
    array_value: dict[str, Any] | None = None
    kvlist_value: dict[str, Any] | None = None
    bytes_value: str | None = None


class KeyValue(_Base):
    """One attribute."""

    key: str
    value: AnyValue | None = None


class JsonEvent(_Base):
    """A span event."""

    name: str = ""
    time_unix_nano: Number = 0
    attributes: list[KeyValue] = []


class JsonLink(_Base):
    """A link."""

    trace_id: str = ""
    span_id: str = ""


class JsonStatus(_Base):
    """A status."""

    code: Number = 0


class JsonSpan(_Base):
    """A span."""

    trace_id: str = ""
    span_id: str = ""
    parent_span_id: str = ""
    name: str = ""
    kind: Number = 0
    type: str = ""
    start_time_unix_nano: Number = 0
    end_time_unix_nano: Number = 0
    attributes: list[KeyValue] = []
    events: list[JsonEvent] = []
    links: list[JsonLink] = []
    status: JsonStatus | None = None


class Points(_Base):
    """The data of a metric."""

    data_points: list[dict[str, Any]] = []
    is_monotonic: bool = False


class JsonMetric(_Base):
    """A metric."""

    name: str = ""
    unit: str = ""
    sum: Points | None = None
    gauge: Points | None = None
    histogram: Points | None = None
    exponential_histogram: Points | None = None
    summary: Points | None = None


class JsonLog(_Base):
    """A log record."""

    event_name: str = ""
    time_unix_nano: Number = 0
    attributes: list[KeyValue] = []
    trace_id: str = ""
    span_id: str = ""


class JsonResource(_Base):
    """A resource."""

    attributes: list[KeyValue] = []


class Scope(_Base):
    """What came under one scope, of whichever signal."""

    schema_url: str = ""
    spans: list[JsonSpan] = []
    metrics: list[JsonMetric] = []
    log_records: list[JsonLog] = []


class Resource(_Base):
    """What came under one resource."""

    resource: JsonResource | None = None
    schema_url: str = ""
    scope_spans: list[Scope] = []
    scope_metrics: list[Scope] = []
    scope_logs: list[Scope] = []


class Request(_Base):
    """A document of whichever signal."""

    resource_spans: list[Resource] | None = None
    resource_metrics: list[Resource] | None = None
    resource_logs: list[Resource] | None = None


_decode = msgspec.json.Decoder(Request).decode


class NotOtlpError(ValueError):
    """A line is JSON or text, but not OTLP."""


def _value(v: AnyValue | None) -> Any:
    if v is None:
        return None
    if v.string_value is not None:
        return v.string_value
    if v.int_value is not None:
        return int(v.int_value)
    if v.double_value is not None:
        return float(v.double_value)
    if v.bool_value is not None:
        return v.bool_value
    if v.array_value is not None:
        return [_value(msgspec.convert(x, AnyValue)) for x in v.array_value.get("values", ())]
    if v.kvlist_value is not None:
        return {x["key"]: _value(msgspec.convert(x.get("value"), AnyValue)) for x in v.kvlist_value.get("values", ())}
    return None if v.bytes_value is None else base64.b64decode(v.bytes_value)


def _attributes(pairs: list[KeyValue]) -> Attributes:
    return {p.key: _value(p.value) for p in pairs}


def _id(text: str) -> str:
    """Hexadecimal in lower case; what is not hexadecimal is kept, to be judged as an id."""
    return text.lower()


def _enum(value: Number, names: dict[str, int], prefix: str) -> int:
    if isinstance(value, str) and not value.isdigit():
        return names.get(value.removeprefix(prefix), -1)
    return int(value)


def _span(s: JsonSpan) -> Span:
    attributes = _attributes(s.attributes)
    twice: tuple[str, ...] = ()
    if len(attributes) != len(s.attributes):
        twice = repeated(p.key for p in s.attributes)
    return Span(
        trace_id=_id(s.trace_id),
        span_id=_id(s.span_id),
        parent=_id(s.parent_span_id),
        name=s.name,
        kind=_enum(s.kind, KINDS, "SPAN_KIND_"),
        start=int(s.start_time_unix_nano),
        end=int(s.end_time_unix_nano),
        status=_enum(s.status.code, STATUS, "") if s.status else 0,
        attributes=attributes,
        type=s.type,
        links=[(_id(x.trace_id), _id(x.span_id)) for x in s.links],
        events=[Event(e.name, _attributes(e.attributes), int(e.time_unix_nano)) for e in s.events],
        twice=twice,
    )


def _metric(m: JsonMetric) -> Metric:
    for name in ("sum", "gauge", "histogram", "exponential_histogram", "summary"):
        data: Points | None = getattr(m, name)
        if data is not None:
            kind = {"exponential_histogram": "histogram"}.get(name, name)
            if name == "sum":
                kind = "counter" if data.is_monotonic else "updowncounter"
            pairs = [msgspec.convert(p.get("attributes", []), list[KeyValue]) for p in data.data_points]
            return Metric(m.name, m.unit, kind, [_attributes(p) for p in pairs])
    return Metric(m.name, m.unit, "", [])


def _log(r: JsonLog) -> Log:
    attributes = _attributes(r.attributes)
    name = r.event_name or str(attributes.get("event.name", ""))
    return Log(Event(name, attributes, int(r.time_unix_nano)), _id(r.trace_id), _id(r.span_id))


def batches(data: bytes, source: str = "", line: int = 0) -> Iterator[Batch]:
    """The batches of one document; NotOtlpError says what is wrong with it."""
    try:
        request = _decode(data)
        if request.resource_spans is request.resource_metrics is request.resource_logs is None:
            raise NotOtlpError("JSON without resourceSpans, resourceMetrics or resourceLogs")
        found = [
            Batch(
                source,
                line,
                scope.schema_url or r.schema_url,
                _attributes(r.resource.attributes) if r.resource else {},
                [_span(s) for s in scope.spans],
                [_metric(m) for m in scope.metrics],
                [_log(x) for x in scope.log_records],
            )
            for r in (
                *(request.resource_spans or ()),
                *(request.resource_metrics or ()),
                *(request.resource_logs or ()),
            )
            for scope in (*r.scope_spans, *r.scope_metrics, *r.scope_logs)
        ]
    except NotOtlpError:
        raise
    except (
        msgspec.MsgspecError,
        ValueError,
        TypeError,
        KeyError,
        AttributeError,
        RecursionError,
        binascii.Error,
    ) as error:
        raise NotOtlpError(str(error) or type(error).__name__) from error
    yield from found
