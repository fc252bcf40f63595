"""The road of the portable engine that every payload can take: field by field, in the order of the bytes."""

from __future__ import annotations

import struct

from eigenspan.collector import wire
from eigenspan.collector.errors import ScanError
from eigenspan.collector.scan_table import SPAN_ID, TRACE_ID, Best, Plan, Row, Scalar
from eigenspan.collector.spans import SPAN_TYPE


def signed(value: int, bits: int) -> int:
    """The low `bits` of `value`, as two's complement."""
    value &= (1 << bits) - 1
    return value - (1 << bits) if value >> (bits - 1) else value


_ids = struct.Struct(">QQ").unpack
_id = struct.Struct(">Q").unpack


class Slow:
    """One payload, walked by the table in `wire`: the rule for what is well-formed."""

    def __init__(self, plan: Plan, data: bytes) -> None:
        self.plan = plan
        self.data = data
        self.found: list[Row] = []
        self.resource = -1
        self.scope = -1

    def rows(self) -> list[Row]:
        """The rows; ScanError if the payload is malformed."""
        if len(self.data) > wire.MAX_PAYLOAD:
            raise ScanError("payload over 2 GiB", 0)
        for _, place, _ in wire.fields(self.data, (0, len(self.data)), "ExportTraceServiceRequest"):
            self.resource += 1
            self.resource_spans(place)
        return self.found

    def resource_spans(self, place: wire.Place) -> None:
        """Append the rows of a ResourceSpans. Its resource may come after them, and in pieces."""
        first = len(self.found)
        best = Best(self.plan, self.plan.resource)
        for known, value, _ in wire.fields(self.data, place, "ResourceSpans"):
            if known.name == "resource":
                self.resource_attributes(value, best)
            elif known.name == "scope_spans":
                self.scope += 1
                self.scope_spans(value)
        for *_, watched in self.found[first:]:
            for column, scalar in enumerate(best.values):
                if self.plan.watch[column].level == "resource":
                    watched[column] = scalar

    def resource_attributes(self, place: wire.Place, best: Best) -> None:
        """Check a Resource and offer its attributes."""
        for known, value, _ in wire.fields(self.data, place, "Resource"):
            if known.name == "attributes":
                self.attribute(value, best)
            elif known.message:
                self.check(value, known.message)

    def scope_spans(self, place: wire.Place) -> None:
        """Append the rows of a ScopeSpans."""
        for known, value, _ in wire.fields(self.data, place, "ScopeSpans"):
            if known.name == "spans":
                self.found.append(self.span(value))
            elif known.message:
                self.check(value, known.message)

    def span(self, place: wire.Place) -> Row:
        """The row of a span, without what its resource says."""
        best = Best(self.plan, self.plan.span)
        last: dict[str, wire.Value] = {}
        code = 0
        for known, value, _ in wire.fields(self.data, place, "Span"):
            if known.name == "attributes":
                self.attribute(value, best)
            elif known.name == "status":
                code = self.last_of(value, "Status").get("code", code)
            elif known.name == "links":
                link = self.last_of(value, "Link")
                self.id(link.get("trace_id"), "link trace_id", TRACE_ID, value)
                self.id(link.get("span_id"), "link span_id", SPAN_ID, value)
            elif known.name == "type":
                best.offer(SPAN_TYPE, value)
            elif known.message:
                self.check(value, known.message)
            else:
                last[known.name] = value
        trace_id = self.id(last.get("trace_id"), "trace_id", TRACE_ID, place, required=True)
        span_id = self.id(last.get("span_id"), "span_id", SPAN_ID, place, required=True)
        return (
            place[0],
            place[1] - place[0],
            self.resource,
            self.scope,
            *_ids(trace_id),
            *_id(span_id),
            *_id(self.id(last.get("parent_span_id"), "parent_span_id", SPAN_ID, place) or bytes(SPAN_ID)),
            signed(last.get("kind", 0), 32),
            signed(code, 32),
            last.get("name", ""),
            last.get("trace_state", ""),
            last.get("start_time_unix_nano", 0),
            last.get("end_time_unix_nano", 0),
            best.values,
        )

    def id(self, found: wire.Place | None, name: str, length: int, of: wire.Place, *, required: bool = False) -> bytes:
        """The bytes of an id of the message at `of`: of this length and not zero, or perhaps empty if not required."""
        value = self.data[slice(*found)] if found else b""
        if len(value) != length and (value or required):
            raise ScanError(f"{name} is not {length} bytes", of[0])
        if required and not any(value):
            raise ScanError(f"{name} is zero", of[0])
        return value

    def last_of(self, place: wire.Place, message: str) -> dict[str, wire.Value]:
        """Check a message; of its scalar fields the last value of each."""
        last: dict[str, wire.Value] = {}
        for known, value, _ in wire.fields(self.data, place, message):
            if known.message:
                self.check(value, known.message)
            else:
                last[known.name] = value
        return last

    def attribute(self, place: wire.Place, best: Best) -> None:
        """Check an attribute and offer it. Its key may come after its value, and its value in pieces."""
        key = ""
        scalar: Scalar = None
        for known, value, _ in wire.fields(self.data, place, "KeyValue"):
            if known.name == "key":
                key = value
            elif known.name == "value":
                scalar = self.any_value(value, scalar)
        best.offer(key, scalar)

    def any_value(self, place: wire.Place, scalar: Scalar) -> Scalar:
        """What `scalar` is after merging this AnyValue into it: the last member present wins."""
        for known, value, _ in wire.fields(self.data, place, "AnyValue"):
            scalar = None
            match known.name:
                case "string_value":
                    scalar = value
                case "bool_value":
                    scalar = value != 0
                case "int_value":
                    scalar = signed(value, 64)
                case "double_value":
                    (scalar,) = struct.unpack("<d", struct.pack("<Q", value))
                case "array_value" | "kvlist_value":
                    self.check(value, known.message, depth=1)
        return scalar

    def check(self, place: wire.Place, message: str, depth: int = 0) -> None:
        """Check a message of which nothing is wanted. `depth` is how many arrays and lists it is in, or is."""
        for known, value, at in wire.fields(self.data, place, message):
            if known.message:
                deeper = depth + (known.message in wire.DEEPER)
                if deeper > wire.MAX_DEPTH:
                    raise ScanError(f"value nested more than {wire.MAX_DEPTH} deep", at)
                self.check(value, known.message, deeper)
