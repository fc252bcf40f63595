"""What a scan accepts, and as which rows, and what it refuses, and where: one table for every engine.

The rules, of which each has its cases below:
- Truncation, lengths beyond the parent, field number 0, groups, wire types 6 and 7, tags and lengths over 32 bits or
  five bytes, varints over 64 bits or ten bytes are refused. Padding within these bounds is fine.
- A known field with another wire type is refused. Unknown fields are skipped.
- Strings are UTF-8. Arrays and lists nest at most 16 deep inside one value.
- A trace id has 16 bytes, a span id 8, and neither is zero; a parent's is 8 bytes or empty; a link's ids are of that
  length or empty.
- A submessage that is there again is merged into the first; of a number or string that is there again the last wins,
  as of the members of a oneof; of attributes with the same key, and of a span's types, the first wins.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

from eigenspan.collector.spans import SPAN_TYPE, Watch, Watched
from tests.wirewriter import (
    GOOD_SPAN_ID,
    GOOD_TRACE_ID,
    attribute,
    double,
    fixed32,
    fixed64,
    ids,
    key_value,
    nested,
    num,
    request,
    span,
    sub,
    tag,
    varint,
)

WATCH: Watch = (
    Watched("text", "string", ("text", "old.text")),
    Watched("service", "string", ("service.name",), "resource"),
    Watched("count", "int", ("count", "old.count", "n")),
    Watched("ratio", "double", ("ratio", "count")),
    Watched("flag", "boolean", ("flag",)),
    Watched("host_cores", "int", ("host.cores",), "resource"),
    Watched("type", "string", (SPAN_TYPE, "otel.span.type")),
)


@dataclass(frozen=True)
class Accepted:
    """The rows, as far as they differ from those of a span that has good ids and nothing else."""

    rows: tuple[dict[str, object], ...]


@dataclass(frozen=True)
class Refused:
    message: str
    offset: int


@dataclass(frozen=True)
class Case:
    name: str
    payload: bytes
    expected: Accepted | Refused


def good(name: str, payload: bytes, *rows: dict[str, object]) -> Case:
    """Spans that begin with good ids give these rows."""
    offsets = [found.start() for found in re.finditer(re.escape(ids()), payload)]
    return Case(name, payload, Accepted(tuple({"offset": o} | row for o, row in zip(offsets, rows, strict=True))))


def one(case: str, /, *fields: bytes, **row: object) -> Case:
    """A span with good ids and these fields gives a row with these values."""
    payload = request(span(*fields))
    place = {"offset": payload.index(ids()), "length": len(ids() + b"".join(fields))}
    return Case(case, payload, Accepted((place | row,)))


def bad(name: str, payload: bytes, message: str, offset: int) -> Case:
    return Case(name, payload, Refused(message, offset))


def bad_field(name: str, field: bytes, message: str, after: int = 0) -> Case:
    """A span with good ids and then this field is refused, `after` bytes into the field."""
    payload = request(span(field))
    return bad(name, payload, message, payload.index(ids()) + len(ids()) + after)


def too_deep(name: str, field: bytes, *, lists: bool = False) -> Case:
    """A span with good ids and then this field is refused at the innermost array or list."""
    payload = request(span(field))
    return bad(name, payload, "value nested more than 16 deep", payload.rindex(nested(1, lists=lists)))


def bad_span(name: str, body: bytes, message: str) -> Case:
    return bad(name, request(sub(2, body)), message, 6)


_LONG_ONE = varint(1, 10)
_OVER_64_BITS = b"\xff" * 9 + b"\x02"
_ELEVEN_BYTES = b"\x81" + b"\x80" * 9 + b"\x00"
_TEXT = 'text "é" \u4e2d \U0001f600 \0'

EMPTY = (
    good("empty payload", b""),
    good("empty resource spans", sub(1)),
    good("empty scope spans", sub(1, sub(2))),
    good("two empty resource spans and a span", sub(1) * 2 + request(span()), {"resource": 2}),
    good(
        "resources and scopes are counted through the payload",
        sub(1, sub(2), sub(2, span())) + sub(1, sub(2, span(), span())),
        {"scope": 1},
        {"resource": 1, "scope": 2},
        {"resource": 1, "scope": 2},
    ),
)

FIELDS = (
    one("a bare span"),
    one("a type", sub(17, "quantum.internal.execute"), type="quantum.internal.execute"),
    one("a type in an attribute", attribute("otel.span.type", sub(1, "a")), type="a"),
    one("a type goes before an attribute", attribute("otel.span.type", sub(1, "a")), sub(17, "b"), type="b"),
    one("the first of two types", sub(17, "a"), sub(17, "b"), type="a"),
    one(
        "all fixed columns",
        sub(3, "a=1"),
        sub(4, bytes(7) + b"\x09"),
        sub(5, _TEXT),
        num(6, 3),
        fixed64(7, 2**64 - 1),
        fixed64(8, 5),
        num(10, 1),
        num(12, 1),
        num(14, 1),
        sub(15, sub(2, "why"), num(3, 2)),
        fixed32(16, 0x101),
        parent_id=9,
        trace_state="a=1",
        name=_TEXT,
        kind=3,
        start_ns=2**64 - 1,
        end_ns=5,
        status=2,
    ),
    one("kind and status out of range stay", num(6, 99), sub(15, num(3, 77)), kind=99, status=77),
    one("kind and status are cut to 32 bits", num(6, 2**40 + 7), sub(15, num(3, 2**31)), kind=7, status=-(2**31)),
    one("kind -1 in five and in ten bytes", num(6, 2**32 - 1), sub(15, num(3, -1)), kind=-1, status=-1),
    one("explicit zeros", num(6, 0), fixed64(7, 0), sub(5, ""), sub(3, ""), sub(4, b""), sub(15)),
    one("a parent id of zeros", sub(4, bytes(8))),
    good(
        "the last id wins", request(sub(2, sub(1, b"x"), sub(4, b"y"), ids(), sub(4, b""))), {"offset": 6, "length": 36}
    ),
    one("the last of a repeated scalar wins", sub(5, "a"), num(6, 1), sub(5, "b"), num(6, 2), name="b", kind=2),
    one("status is merged", sub(15, num(3, 2)), sub(15, sub(2, "why")), status=2),
    one("the last status code wins", sub(15, num(3, 2)), sub(15, num(3, 1)), status=1),
    one(
        "a message with all its events and links",
        sub(11, fixed64(1, 1), sub(2, "e"), sub(3, key_value("k")), num(4, 1)),
    ),
    one(
        "links with and without ids",
        sub(13),
        sub(13, sub(1, bytes(16)), sub(2, bytes(8))),
        sub(13, ids(), sub(3, "s"), sub(4, key_value("k")), num(5, 1), fixed32(6, 1)),
        sub(13, sub(1, b"short"), sub(1, b"")),
    ),
    good(
        "the resource and scope with everything",
        request(
            span(),
            resource=sub(
                1, sub(1, key_value("k")), num(2, 1), sub(3, sub(1, "u"), sub(2, "t"), sub(3, "i"), sub(4, "d"))
            )
            + sub(3, "url"),
            scope=sub(1, sub(1, "n"), sub(2, "v"), sub(3, key_value("k")), num(4, 1)) + sub(3, "url"),
        ),
        {},
    ),
)

ATTRIBUTES = (
    one("a string", attribute("text", sub(1, _TEXT)), text=_TEXT),
    one("an empty string", attribute("text", sub(1, "")), text=""),
    one("a string takes an int", attribute("text", num(3, -(2**63))), text=str(-(2**63))),
    one("a string takes true", attribute("text", num(2, 1)), text="true"),
    one("a string takes false", attribute("text", num(2, 0)), text="false"),
    one("a string takes no double", attribute("text", double(4, 1.5))),
    one("an int", attribute("n", num(3, 2**63 - 1)), count=2**63 - 1),
    one("a negative int", attribute("n", num(3, -1)), count=-1),
    one("an int takes no double", attribute("n", double(4, 2.0))),
    one("an int takes no string", attribute("n", sub(1, "2"))),
    one("an int takes no boolean", attribute("n", num(2, 1))),
    one("a double", attribute("ratio", double(4, 0.1)), ratio=0.1),
    one("a double takes NaN", attribute("ratio", double(4, math.nan)), ratio=math.nan),
    one("a double takes infinity", attribute("ratio", double(4, -math.inf)), ratio=-math.inf),
    one("a double takes an int", attribute("ratio", num(3, 2**53 + 1)), ratio=float(2**53 + 1)),
    one("a double takes no boolean", attribute("ratio", num(2, 1))),
    one("a double takes no string", attribute("ratio", sub(1, "0.5"))),
    one("a boolean", attribute("flag", num(2, 2**63)), flag=True),
    one("a boolean takes a string", attribute("flag", sub(1, "tRuE")), flag=True),
    one("a boolean takes FALSE", attribute("flag", sub(1, "FALSE")), flag=False),
    one("a boolean takes no other string", attribute("flag", sub(1, "yes"))),
    one("a boolean takes no int", attribute("flag", num(3, 1))),
    one("bytes are null", attribute("text", sub(7, b"b"))),
    one("an array is null", attribute("text", sub(5, sub(1, sub(1, "a"))))),
    one("a list is null", attribute("text", sub(6, sub(1, key_value("text", sub(1, "a")))))),
    one("an index is null", attribute("text", num(8, 1))),
    one("no value is null", attribute("text")),
    one("no AnyValue is null", sub(9, sub(1, "text"))),
    one("an int feeds two columns", attribute("count", num(3, 4)), count=4, ratio=4.0),
    one(
        "the best key wins",
        attribute("n", num(3, 3)),
        attribute("count", num(3, 1)),
        attribute("old.count", num(3, 2)),
        count=1,
        ratio=1.0,
    ),
    one("the best key wins even as null", attribute("old.text", sub(1, "old")), attribute("text")),
    one("the first of two values wins", attribute("text", sub(1, "a")), attribute("text", sub(1, "b")), text="a"),
    one("the first of two values wins even as null", attribute("text"), attribute("text", sub(1, "b"))),
    one("a span's attribute is not its resource's", attribute("service.name", sub(1, "a"))),
    one("the last member of a oneof wins", attribute("n", sub(1, "a"), num(3, 1), num(3, 2)), count=2),
    one("an array that comes last wins", attribute("n", num(3, 1), sub(5))),
    one("unknown fields do not touch a oneof", attribute("n", num(3, 1), num(99, 1)), count=1),
    one("values are merged", sub(9, key_value("n", num(3, 7)) + sub(2)), count=7),
    one("the last of two values in an attribute wins", sub(9, key_value("n", num(3, 7)) + sub(2, num(3, 8))), count=8),
    one(
        "the key may come last, and the last wins",
        sub(9, sub(1, "text"), sub(2, num(3, 7)), num(3, 1), sub(1, "n")),
        count=7,
    ),
    one("16 arrays", attribute("k", nested(16))),
    one("16 lists", attribute("k", nested(16, lists=True))),
    good(
        "the resource's attributes",
        request(span(), span(), resource=sub(1, sub(1, key_value("service.name", sub(1, "qpu"))))),
        {"service": "qpu"},
        {"service": "qpu"},
    ),
    good(
        "the resource in pieces around its spans",
        sub(
            1,
            sub(1, sub(1, key_value("host.cores", num(3, 8)))),
            sub(2, span()),
            sub(1, sub(1, key_value("service.name", sub(1, "a"))), sub(1, key_value("host.cores", num(3, 9)))),
        ),
        {"service": "a", "host_cores": 8},
    ),
    good(
        "a resource is not the next one's",
        request(span(), resource=sub(1, sub(1, key_value("host.cores", num(3, 8))))) + request(span()),
        {"host_cores": 8},
        {"resource": 1, "scope": 1},
    ),
)

LENIENT = (
    one("unknown fields of each wire type", num(20, 1), fixed64(18, 1), sub(19, b"\xff"), fixed32(2**29 - 1, 1)),
    one("an unknown field looks like garbage inside", sub(99, b"\x0b\x00\xff")),
    one("a padded varint", tag(6, 0) + _LONG_ONE, kind=1),
    one("a padded tag", b"\xb0\x80\x80\x80\x00\x01", kind=1),
    one("a padded length", tag(5, 2) + varint(1, 5) + b"n", name="n"),
    one("an unknown varint of ten bytes", tag(99, 0) + b"\xff" * 9 + b"\x01"),
    good("unknown fields in the request", num(2, 1) + request(span()), {}),
    good("unknown fields around", request(span(), resource=num(9, 1), scope=num(9, 1)), {}),
)

REFUSED = (
    bad("field number 0", b"\x00\x00", "field number 0", 0),
    bad("field number 0 of wire type 2", b"\x02\x00", "field number 0", 0),
    bad("a tag that ends", b"\x8a", "truncated field", 0),
    bad("a tag over five bytes", b"\x8a\x80\x80\x80\x80\x00\x00", "over-long tag", 0),
    bad("a tag over 32 bits", b"\x8a\x80\x80\x80\x10\x00", "over-long tag", 0),
    bad("a length that ends", b"\x0a", "truncated field", 0),
    bad("a length over five bytes", b"\x0a\x80\x80\x80\x80\x80\x00", "over-long length", 0),
    bad("a length over 32 bits", b"\x0a\xff\xff\xff\xff\x7f", "over-long length", 0),
    bad("a length beyond the end", b"\x0a\x01", "length beyond the parent", 0),
    bad("a length beyond the parent", sub(1, b"\x12\x02") + bytes(8), "length beyond the parent", 2),
    bad("resource_spans as varint", num(1, 1), "wrong wire type for field 1 of ExportTraceServiceRequest", 0),
    bad("after a good span", request(span()) + b"\x0b", "group", 34),
    bad_field("a group", tag(99, 3) + tag(99, 4), "group"),
    bad_field("a group's end", tag(99, 4), "group"),
    bad_field("wire type 6", tag(99, 6), "wire type 6"),
    bad_field("wire type 7", tag(5, 7), "wire type 7"),
    bad_field("a known field as a group", tag(5, 3) + tag(5, 4), "group"),
    bad_field("a varint that ends", tag(6, 0) + b"\x80", "truncated field"),
    bad_field("a varint over ten bytes", tag(6, 0) + _ELEVEN_BYTES, "over-long varint"),
    bad_field("a varint over 64 bits", tag(6, 0) + _OVER_64_BITS, "over-long varint"),
    bad_field("an unknown varint over 64 bits", tag(99, 0) + _OVER_64_BITS, "over-long varint"),
    bad_field("an int over 64 bits", attribute("k", tag(3, 0) + _OVER_64_BITS), "over-long varint", 7),
    bad_field("a negative int over 64 bits", attribute("k", tag(3, 0) + b"\xff" * 9 + b"\x03"), "over-long varint", 7),
    bad_field("a fixed64 that ends", tag(7, 1) + bytes(7), "truncated field"),
    bad_field("a fixed32 that ends", tag(16, 5) + bytes(3), "truncated field"),
    bad_field("an unknown fixed64 that ends", tag(99, 1), "truncated field"),
    too_deep("17 arrays", attribute("k", nested(17))),
    too_deep("17 lists", attribute("k", nested(17, lists=True)), lists=True),
    too_deep("17 arrays, overwritten", attribute("k", nested(17), num(3, 1))),
    too_deep("17 arrays in an event", sub(11, sub(3, key_value("k", nested(17))))),
    bad_field(
        "bad UTF-8 in an unwatched attribute", attribute("k", sub(1, b"\xff")), "field 1 of AnyValue is not UTF-8", 7
    ),
    bad_field(
        "bad UTF-8 in a value that is overwritten",
        attribute("k", sub(1, b"\xff"), sub(1, "a")),
        "field 1 of AnyValue is not UTF-8",
        7,
    ),
    bad_field("bad UTF-8 in a key", sub(9, sub(1, b"\xff")), "field 1 of KeyValue is not UTF-8", 2),
    bad_field("a surrogate in UTF-8", sub(5, b"\xed\xa0\x80"), "field 5 of Span is not UTF-8"),
    bad_field("over-long UTF-8", sub(3, b"\xc0\x80"), "field 3 of Span is not UTF-8"),
    bad_field("a cut character", sub(5, b"\xe4\xb8"), "field 5 of Span is not UTF-8"),
    bad_field("bad UTF-8 in an event's name", sub(11, sub(2, b"\xff")), "field 2 of Event is not UTF-8", 2),
    bad_field("bad UTF-8 in a link's state", sub(13, sub(3, b"\xff")), "field 3 of Link is not UTF-8", 2),
    bad_field("bad UTF-8 in a status", sub(15, sub(2, b"\xff")), "field 2 of Status is not UTF-8", 2),
    bad_field("a link's trace id is short", sub(13, sub(1, b"x")), "link trace_id is not 16 bytes", 2),
    bad_field("a link's span id is long", sub(13, sub(2, bytes(9))), "link span_id is not 8 bytes", 2),
    bad_span("no ids", b"", "trace_id is not 16 bytes"),
    bad_span("no trace id", sub(2, GOOD_SPAN_ID), "trace_id is not 16 bytes"),
    bad_span("a trace id of 8 bytes", ids(GOOD_SPAN_ID), "trace_id is not 16 bytes"),
    bad_span("a trace id of zeros", ids(bytes(16)), "trace_id is zero"),
    bad_span("no span id", sub(1, GOOD_TRACE_ID), "span_id is not 8 bytes"),
    bad_span("a span id of 16 bytes", ids(GOOD_TRACE_ID, GOOD_TRACE_ID), "span_id is not 8 bytes"),
    bad_span("a span id of zeros", ids(GOOD_TRACE_ID, bytes(8)), "span_id is zero"),
    bad_span("a parent id of 7 bytes", ids() + sub(4, bytes(7)), "parent_span_id is not 8 bytes"),
    bad_span("a last trace id that is empty", ids() + sub(1), "trace_id is not 16 bytes"),
)


def _field(number: int, wire_type: int) -> bytes:
    return {0: num(number, 1), 1: fixed64(number, 1), 2: sub(number), 5: fixed32(number, 1)}[wire_type]


def _inside(message: str, field: bytes) -> bytes:
    """A request with `field` in one message of this name."""
    return {
        "ExportTraceServiceRequest": field,
        "ResourceSpans": sub(1, field),
        "Resource": sub(1, sub(1, field)),
        "EntityRef": sub(1, sub(1, sub(3, field))),
        "ScopeSpans": sub(1, sub(2, field)),
        "InstrumentationScope": sub(1, sub(2, sub(1, field))),
        "Span": request(span(field)),
        "Event": request(span(sub(11, field))),
        "Link": request(span(sub(13, field))),
        "Status": request(span(sub(15, field))),
        "KeyValue": request(span(sub(9, field))),
        "AnyValue": request(span(attribute("k", field))),
        "ArrayValue": request(span(attribute("k", sub(5, field)))),
        "KeyValueList": request(span(attribute("k", sub(6, field)))),
    }[message]


WIRE_TYPES: dict[str, dict[int, int]] = {
    "ExportTraceServiceRequest": {1: 2},
    "ResourceSpans": {1: 2, 2: 2, 3: 2},
    "Resource": {1: 2, 2: 0, 3: 2},
    "EntityRef": {1: 2, 2: 2, 3: 2, 4: 2},
    "ScopeSpans": {1: 2, 2: 2, 3: 2},
    "InstrumentationScope": {1: 2, 2: 2, 3: 2, 4: 0},
    "Span": {
        1: 2,
        2: 2,
        3: 2,
        4: 2,
        5: 2,
        6: 0,
        7: 1,
        8: 1,
        9: 2,
        10: 0,
        11: 2,
        12: 0,
        13: 2,
        14: 0,
        15: 2,
        16: 5,
        17: 2,
    },
    "Event": {1: 1, 2: 2, 3: 2, 4: 0},
    "Link": {1: 2, 2: 2, 3: 2, 4: 2, 5: 0, 6: 5},
    "Status": {2: 2, 3: 0},
    "KeyValue": {1: 2, 2: 2, 3: 0},
    "AnyValue": {1: 2, 2: 0, 3: 0, 4: 1, 5: 2, 6: 2, 7: 2, 8: 0},
    "ArrayValue": {1: 2},
    "KeyValueList": {1: 2},
}
"""The wire type of every field of the trace schema."""

WRONG_WIRE_TYPES = tuple(
    bad(
        f"field {number} of {message} with wire type {other}",
        _inside(message, _field(number, other)),
        f"wrong wire type for field {number} of {message}",
        _inside(message, _field(number, other)).rindex(_field(number, other)),
    )
    for message, known in WIRE_TYPES.items()
    for number, right in known.items()
    for other in (0, 1, 2, 5)
    if other != right
)

CASES = (*EMPTY, *FIELDS, *ATTRIBUTES, *LENIENT, *REFUSED, *WRONG_WIRE_TYPES)
