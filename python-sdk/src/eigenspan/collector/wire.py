"""The protobuf wire format, and what OTLP puts into it: the one table of trace messages and fields.

`fields` walks a message by the table and is the rule for what is well-formed. `parser` gives the same table to the
protobuf library, which is several times faster but more lenient; `scan_fast` knows when both mean the same.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any, Literal

from google.protobuf.descriptor_pb2 import DescriptorProto, FieldDescriptorProto, FileDescriptorProto
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message_factory import GetMessageClass

from eigenspan.collector.errors import ScanError

Kind = Literal["bool", "uint32", "int32", "int64", "fixed32", "fixed64", "double", "string", "bytes", "message"]

VARINT, FIXED64, LEN, FIXED32 = 0, 1, 2, 5
WIRE_TYPE: dict[Kind, int] = {
    "bool": VARINT,
    "uint32": VARINT,
    "int32": VARINT,
    "int64": VARINT,
    "fixed32": FIXED32,
    "fixed64": FIXED64,
    "double": FIXED64,
    "string": LEN,
    "bytes": LEN,
    "message": LEN,
}

MAX_DEPTH = 16
"""Arrays and key-value lists inside one attribute value may nest this deep. With three messages a level this stays
under the 100 levels at which protobuf parsers give up."""

MAX_PAYLOAD = 2**31 - 1
_SHORT = 5  # a tag or a length is a 32-bit number in at most five bytes
_LONG = 10  # a varint is a 64-bit number in at most ten bytes
_MAX_UINT32 = 2**32 - 1
_ONE_BYTE = 0x80

_FIXED32 = struct.Struct("<I")
_FIXED64 = struct.Struct("<Q")


@dataclass(frozen=True, slots=True)
class Field:
    """A known field of a message. `message` is the table of a submessage's fields, by its name."""

    number: int
    name: str
    kind: Kind
    message: str = ""
    repeated: bool = False
    oneof: bool = False


def _attributes(number: int) -> Field:
    return Field(number, "attributes", "message", "KeyValue", repeated=True)


MESSAGES: dict[str, tuple[Field, ...]] = {
    "ExportTraceServiceRequest": (Field(1, "resource_spans", "message", "ResourceSpans", repeated=True),),
    "ResourceSpans": (
        Field(1, "resource", "message", "Resource"),
        Field(2, "scope_spans", "message", "ScopeSpans", repeated=True),
        Field(3, "schema_url", "string"),
    ),
    "Resource": (
        _attributes(1),
        Field(2, "dropped_attributes_count", "uint32"),
        Field(3, "entity_refs", "message", "EntityRef", repeated=True),
    ),
    "EntityRef": (
        Field(1, "schema_url", "string"),
        Field(2, "type", "string"),
        Field(3, "id_keys", "string", repeated=True),
        Field(4, "description_keys", "string", repeated=True),
    ),
    "ScopeSpans": (
        Field(1, "scope", "message", "InstrumentationScope"),
        Field(2, "spans", "message", "Span", repeated=True),
        Field(3, "schema_url", "string"),
    ),
    "InstrumentationScope": (
        Field(1, "name", "string"),
        Field(2, "version", "string"),
        _attributes(3),
        Field(4, "dropped_attributes_count", "uint32"),
    ),
    "Span": (
        Field(1, "trace_id", "bytes"),
        Field(2, "span_id", "bytes"),
        Field(3, "trace_state", "string"),
        Field(4, "parent_span_id", "bytes"),
        Field(5, "name", "string"),
        Field(6, "kind", "int32"),
        Field(7, "start_time_unix_nano", "fixed64"),
        Field(8, "end_time_unix_nano", "fixed64"),
        _attributes(9),
        Field(10, "dropped_attributes_count", "uint32"),
        Field(11, "events", "message", "Event", repeated=True),
        Field(12, "dropped_events_count", "uint32"),
        Field(13, "links", "message", "Link", repeated=True),
        Field(14, "dropped_links_count", "uint32"),
        Field(15, "status", "message", "Status"),
        Field(16, "flags", "fixed32"),
        Field(17, "type", "string"),
    ),
    "Event": (
        Field(1, "time_unix_nano", "fixed64"),
        Field(2, "name", "string"),
        _attributes(3),
        Field(4, "dropped_attributes_count", "uint32"),
    ),
    "Link": (
        Field(1, "trace_id", "bytes"),
        Field(2, "span_id", "bytes"),
        Field(3, "trace_state", "string"),
        _attributes(4),
        Field(5, "dropped_attributes_count", "uint32"),
        Field(6, "flags", "fixed32"),
    ),
    "Status": (Field(2, "message", "string"), Field(3, "code", "int32")),
    "KeyValue": (
        Field(1, "key", "string"),
        Field(2, "value", "message", "AnyValue"),
        Field(3, "key_strindex", "int32"),
    ),
    "AnyValue": (
        Field(1, "string_value", "string", oneof=True),
        Field(2, "bool_value", "bool", oneof=True),
        Field(3, "int_value", "int64", oneof=True),
        Field(4, "double_value", "double", oneof=True),
        Field(5, "array_value", "message", "ArrayValue", oneof=True),
        Field(6, "kvlist_value", "message", "KeyValueList", oneof=True),
        Field(7, "bytes_value", "bytes", oneof=True),
        Field(8, "string_value_strindex", "int32", oneof=True),
    ),
    "ArrayValue": (Field(1, "values", "message", "AnyValue", repeated=True),),
    "KeyValueList": (Field(1, "values", "message", "KeyValue", repeated=True),),
}
_BY_NUMBER = {name: {field.number: field for field in table} for name, table in MESSAGES.items()}

Place = tuple[int, int]
"""Where a body is in its payload: its first byte and the one after its last."""
Value = Any
"""As the kind of the field says: of a number the bits (int), of a string the text (str), of bytes and messages the
Place."""


def _varint(data: bytes, pos: int, end: int, longest: int, overlong: str, at: int) -> tuple[int, int]:
    value = 0
    for index in range(longest):
        if pos + index >= end:
            raise ScanError("truncated field", at)
        byte = data[pos + index]
        if index == _LONG - 1 and byte > 1:
            break
        value |= (byte & 0x7F) << (7 * index)
        if byte < _ONE_BYTE:
            if longest == _SHORT and value > _MAX_UINT32:
                break
            return value, pos + index + 1
    raise ScanError(overlong, at)


def raw_fields(data: bytes, place: Place) -> Iterator[tuple[int, int, Value, int, int]]:
    """The fields of a message: number, wire type, value, where the tag begins, where the field ends.

    The value is an int, or a Place if the wire type is LEN.
    """
    pos, end = place
    while pos < end:
        at = pos
        tag = data[pos]
        if tag < _ONE_BYTE:
            pos += 1
        else:
            tag, pos = _varint(data, pos, end, _SHORT, "over-long tag", at)
        number, wire_type = tag >> 3, tag & 7
        if number == 0:
            raise ScanError("field number 0", at)
        value: Value
        if wire_type == LEN:
            if pos < end and data[pos] < _ONE_BYTE:
                length = data[pos]
                pos += 1
            else:
                length, pos = _varint(data, pos, end, _SHORT, "over-long length", at)
            if length > end - pos:
                raise ScanError("length beyond the parent", at)
            value = (pos, pos + length)
            pos += length
        elif wire_type == VARINT:
            value, pos = _varint(data, pos, end, _LONG, "over-long varint", at)
        elif wire_type in (FIXED64, FIXED32):
            number_of = _FIXED64 if wire_type == FIXED64 else _FIXED32
            if number_of.size > end - pos:
                raise ScanError("truncated field", at)
            (value,) = number_of.unpack_from(data, pos)
            pos += number_of.size
        else:
            raise ScanError("group" if wire_type in (3, 4) else f"wire type {wire_type}", at)
        yield number, wire_type, value, at, pos


def fields(data: bytes, place: Place, message: str) -> Iterator[tuple[Field, Value, int]]:
    """The known fields of a message, checked, and where their tags begin; ScanError if it is malformed.

    Unknown fields are checked for their length and skipped. Submessages are for the caller to walk.
    """
    known = _BY_NUMBER[message]
    for number, wire_type, value, at, _ in raw_fields(data, place):
        field = known.get(number)
        if field is None:
            continue
        kind = field.kind
        if wire_type != WIRE_TYPE[kind]:
            raise ScanError(f"wrong wire type for field {number} of {message}", at)
        if kind == "string":
            try:
                yield field, data[value[0] : value[1]].decode(), at
            except UnicodeDecodeError:
                raise ScanError(f"field {number} of {message} is not UTF-8", at) from None
        else:
            yield field, value, at


def children(data: bytes, place: Place, number: int) -> Iterator[Place]:
    """Where the submessages in field `number` of a message are."""
    for found, wire_type, value, _, _ in raw_fields(data, place):
        if found == number and wire_type == LEN:
            yield value


def varint(value: int) -> bytes:
    """`value` (not negative) as a varint."""
    out = bytearray()
    while value >= _ONE_BYTE:
        out.append(value & 0x7F | _ONE_BYTE)
        value >>= 7
    out.append(value)
    return bytes(out)


def len_field(number: int, body: bytes) -> bytes:
    """`body` as a length-delimited field."""
    return varint(number << 3 | LEN) + varint(len(body)) + body


_DEPTH_COUNTED = ("KeyValue", "AnyValue", "ArrayValue", "KeyValueList")
DEEPER = ("ArrayValue", "KeyValueList")


def _at_depth(message: str, depth: int) -> str:
    return f"{message}{depth}" if message in _DEPTH_COUNTED else message


def _describe(message: str, depth: int) -> DescriptorProto:
    described = DescriptorProto(name=_at_depth(message, depth))
    for field in MESSAGES[message]:
        deeper = depth + (field.message in DEEPER)
        if deeper > MAX_DEPTH:
            continue
        kind: str = "uint32" if field.kind == "int32" else field.kind
        added = described.field.add(
            name=field.name,
            number=field.number,
            type=FieldDescriptorProto.Type.Value(f"TYPE_{kind.upper()}"),
            label=FieldDescriptorProto.LABEL_REPEATED if field.repeated else FieldDescriptorProto.LABEL_OPTIONAL,
        )
        if field.message:
            added.type_name = f".eigenspan.wire.{_at_depth(field.message, deeper)}"
        if field.oneof:
            added.oneof_index = 0
    if any(field.oneof for field in MESSAGES[message]):
        described.oneof_decl.add(name="value")
    return described


@cache
def parser(message: str = "ExportTraceServiceRequest") -> Any:
    """The class of a message by the table above, for the protobuf library. Messages inside of values end in their depth.

    Two things differ from the published schema, so that whatever the table forbids is an unknown field or a shorter
    re-encoding here: messages inside of values are numbered by depth, and the last ones have no arrays and lists; and
    int32 is uint32, which has no encoding longer than a lenient parser may have read.
    """
    return GetMessageClass(_pool().FindMessageTypeByName(f"eigenspan.wire.{message}"))


@cache
def _pool() -> DescriptorPool:
    file = FileDescriptorProto(name="eigenspan/wire.proto", package="eigenspan.wire", syntax="proto3")
    for message in MESSAGES:
        depths = range(MAX_DEPTH + 1) if message in _DEPTH_COUNTED else range(1)
        file.message_type.extend(_describe(message, depth) for depth in depths)
    pool = DescriptorPool()
    pool.AddSerializedFile(file.SerializeToString())
    return pool
