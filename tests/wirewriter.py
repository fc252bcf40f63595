"""Protobuf bytes, field by field, well-formed or not: what a library that only writes good messages cannot give."""

from __future__ import annotations

import struct

GOOD_TRACE_ID = bytes(range(16))
GOOD_SPAN_ID = bytes(range(1, 9))


def varint(value: int, size: int = 0) -> bytes:
    """`value` as an unsigned 64-bit varint, padded to `size` bytes."""
    value &= 2**64 - 1
    out = bytearray()
    while value >= 0x80 or len(out) + 1 < size:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def tag(number: int, wire_type: int) -> bytes:
    return varint(number << 3 | wire_type)


def num(number: int, value: int) -> bytes:
    """A field of wire type 0."""
    return tag(number, 0) + varint(value)


def fixed64(number: int, value: int) -> bytes:
    return tag(number, 1) + struct.pack("<Q", value)


def double(number: int, value: float) -> bytes:
    return tag(number, 1) + struct.pack("<d", value)


def fixed32(number: int, value: int) -> bytes:
    return tag(number, 5) + struct.pack("<I", value)


def sub(number: int, *body: bytes | str) -> bytes:
    """A field of wire type 2."""
    joined = b"".join(part.encode() if isinstance(part, str) else part for part in body)
    return tag(number, 2) + varint(len(joined)) + joined


def key_value(key: str, *value: bytes) -> bytes:
    """The body of a KeyValue; `value` are the fields of its AnyValue."""
    return sub(1, key) + sub(2, *value)


def attribute(key: str, *value: bytes) -> bytes:
    """An attribute of a span."""
    return sub(9, key_value(key, *value))


def ids(trace_id: bytes = GOOD_TRACE_ID, span_id: bytes = GOOD_SPAN_ID) -> bytes:
    """The fields that no span goes without."""
    return sub(1, trace_id) + sub(2, span_id)


def span(*fields: bytes) -> bytes:
    """A span in a ScopeSpans, with good ids."""
    return sub(2, ids(), *fields)


def request(*spans: bytes, resource: bytes = b"", scope: bytes = b"") -> bytes:
    """A request of one resource and one scope; `resource` and `scope` are what else these hold."""
    return sub(1, resource, sub(2, scope, *spans))


def nested(depth: int, *, lists: bool = False) -> bytes:
    """The fields of an AnyValue with an int inside of `depth` arrays, or key-value lists."""
    value = num(3, 1)
    for _ in range(depth):
        value = sub(6, sub(1, key_value("k", value))) if lists else sub(5, sub(1, value))
    return value
