"""The fast road of the portable engine: the protobuf library reads many spans at once, column by column.

A parser that is given messages one after the other merges them: of a repeated field it keeps every value. So the bodies
of many spans, read as one message in which each field is repeated, are columns. What a span may leave out is put before
its body once as its default (`_MARK`): a default that nothing follows is the value. Submessages that are not repeated
merge too, so that the keys of all attributes of all spans are one list.

Only payloads go this way in which each field is known, encoded as short as it can be, and not overwritten. Then a default
is never encoded, and no span has a field twice.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import cache
from itertools import chain, repeat
from typing import Any, NamedTuple

import numpy as np
from google.protobuf.descriptor_pb2 import FieldDescriptorProto, FileDescriptorProto
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message import DecodeError
from google.protobuf.message_factory import GetMessageClass

from eigenspan.collector import wire
from eigenspan.collector.redact import lowered, mentions
from eigenspan.collector.scan_table import DTYPES, SPAN_ID, TRACE_ID, Best, Found, Numbers, Plan, Scalar, read_as
from eigenspan.collector.spans import SPAN_TYPE

Proto = Any

_OVERLONG_INT = re.compile(rb"\x18[\x80-\xff]{9}[\x02-\x7f]")
"""An int_value over 64 bits, which the protobuf library cuts to 64."""

_VIEWS: dict[str, dict[str, tuple[int, str]]] = {
    "Spans": {
        "trace_id": (1, "bytes"), "span_id": (2, "bytes"), "trace_state": (3, "string"), "parent_id": (4, "bytes"),
        "name": (5, "string"), "kind": (6, "uint32"), "start_ns": (7, "fixed64"), "end_ns": (8, "fixed64"),
        "attributes": (9, "Attributes"), "links": (13, "Links"), "status": (15, "bytes"), "type": (17, "string"),
    },
    "Attributes": {"key": (1, "bytes"), "value": (2, "bytes")},
    "Links": {"trace_id": (1, "bytes"), "span_id": (2, "bytes")},
    "Parts": {"attributes": (9, "bytes"), "events": (11, "bytes"), "links": (13, "bytes")},
    "Nested": {"attributes": (9, "Values")},
    "Values": {"value": (2, "Value")},
    "Value": {"array": (5, "bytes"), "kvlist": (6, "bytes")},
}  # fmt: skip
"""What is read of many spans at once: number and kind of each field, which is repeated, or a submessage, which merges."""

_SCALARS = frozenset({"string_value", "bool_value", "int_value", "double_value"})
_SPAN_TAG = 2 << 3 | wire.LEN
_TYPE_KEY = SPAN_TYPE.encode()
_NO_ID = bytes(SPAN_ID)
_NO_STATUS = b"\xff"
_MARK = b"".join(
    (
        wire.len_field(3, b""), wire.len_field(4, b""), wire.len_field(5, b""), b"\x30\0", b"\x39" + bytes(8),
        b"\x41" + bytes(8), wire.len_field(9, wire.len_field(1, b"") + wire.len_field(2, b"")),
        wire.len_field(15, _NO_STATUS), wire.len_field(17, b""),
    )
)  # fmt: skip
"""The default of each field that a span may leave out; an attribute without a name; a status that is none."""


class Canonical(NamedTuple):
    """A payload that the protobuf library reads as we would, and what is watched of each of its resources."""

    data: bytes
    resources: list[list[Scalar]]


class Read(NamedTuple):
    """Spans of payloads, and whether an attribute of theirs, at whatever level, may have one of the names asked for."""

    found: Found
    named: bool


class _Scope(NamedTuple):
    """A ScopeSpans: its payload, the ordinals of its resource and of itself, and how many spans it has."""

    payload: int
    resource: int
    scope: int
    spans: int


@cache
def _view(name: str) -> Any:
    file = FileDescriptorProto(name="eigenspan/views.proto", package="eigenspan.views", syntax="proto3")
    for message, fields in _VIEWS.items():
        described = file.message_type.add(name=message)
        for field, (number, kind) in fields.items():
            added = described.field.add(name=field, number=number)
            if kind in _VIEWS:
                added.type, added.label = FieldDescriptorProto.TYPE_MESSAGE, FieldDescriptorProto.LABEL_OPTIONAL
                added.type_name = f".{file.package}.{kind}"
            else:
                added.type = FieldDescriptorProto.Type.Value(f"TYPE_{kind.upper()}")
                added.label = FieldDescriptorProto.LABEL_REPEATED
    pool = DescriptorPool()
    pool.AddSerializedFile(file.SerializeToString())
    return GetMessageClass(pool.FindMessageTypeByName(f"{file.package}.{name}"))


def canonical(plan: Plan, data: bytes) -> Canonical | None:
    """The payload, checked; None if it needs the slow road."""
    if len(data) > wire.MAX_PAYLOAD:
        return None
    request = wire.parser()()
    try:
        request.ParseFromString(data)
    except DecodeError:
        return None
    # No re-encoding of what was parsed is longer than its bytes were. As long means: nothing unknown, hence no
    # wrong wire type and nothing too deep; nothing padded; nothing overwritten.
    request.DiscardUnknownFields()
    if request.ByteSize() != len(data) or _OVERLONG_INT.search(data):
        return None
    resources = []
    for resource_spans in request.resource_spans:
        best = Best(plan, plan.resource)
        for attribute in resource_spans.resource.attributes:
            if attribute.key in plan.resource:
                best.offer(attribute.key, _scalar(attribute.value))
        resources.append(best.values)
    return Canonical(data, resources)


def _scalar(value: Proto) -> Scalar:
    member = value.WhichOneof("value")
    return getattr(value, member) if member in _SCALARS else None


def read(plan: Plan, payloads: Sequence[Canonical], names: Sequence[str] = ()) -> Read | None:
    """The spans of payloads; None if something is odd about one of them, which the slow road will read or refuse."""
    walk = _Walk()
    for payload, (data, _) in enumerate(payloads):
        walk.payload(payload, data)
    count, bodies = len(walk.offsets), b"".join(walk.bodies)
    spans, parts = _view("Spans").FromString(bodies), _view("Parts").FromString(bodies)
    keys = spans.attributes.key[:]
    ids = _ids(spans, count)
    if ids is None or not len(parts.attributes) == len(keys) == len(spans.attributes.value) or keys.count(b"") != count:
        return None
    distinct = set(keys)
    if _TYPE_KEY in distinct and len(spans.type) > count:  # which of the two came first?
        return None
    texts = {"name": list(_each(spans.name, count, "")), "trace_state": list(_each(spans.trace_state, count, ""))}
    numbers = ids | walk.numbers() | {
        "kind": _int32([*_each(spans.kind, count, 0)]),
        "status": _int32([_code(status) for status in _each(spans.status, count, _NO_STATUS)]),
        "start_ns": np.array(_each(spans.start_ns, count, 0), DTYPES["start_ns"]),
        "end_ns": np.array(_each(spans.end_ns, count, 0), DTYPES["end_ns"]),
    }  # fmt: skip
    watched = _watched(plan, spans, keys, distinct, count)
    for column in {column for columns in plan.resource.values() for column, _ in columns}:
        values = (repeat(payloads[at.payload].resources[at.resource][column], at.spans) for at in walk.scopes)
        watched[column] = list(chain.from_iterable(values))
    each = [0] * len(payloads)
    for at in walk.scopes:
        each[at.payload] += at.spans
    named = False
    if names and not (named := not lowered(tuple(names)).isdisjoint(key.lower() for key in distinct)):
        nested = _view("Nested").FromString(bodies).attributes.value
        named = mentions(
            b"\xff".join((*walk.others, *parts.events, *parts.links, *nested.array, *nested.kvlist)), names
        )
    return Read(Found(each, texts, numbers, watched), named)


class _Walk:
    """Where the spans of canonical payloads lie, their bodies, and the other messages that may have attributes."""

    def __init__(self) -> None:
        self.scopes: list[_Scope] = []
        self.offsets: list[int] = []
        self.lengths: list[int] = []
        self.bodies: list[bytes] = []  # a mark before each
        self.others: list[bytes] = []

    def payload(self, payload: int, data: bytes) -> None:
        """Add the spans of a payload."""
        first = len(self.scopes)
        for resource, place in enumerate(wire.children(data, (0, len(data)), 1)):
            for number, wire_type, value, _, _ in wire.raw_fields(data, place):
                if number == 2:
                    before = len(self.offsets)
                    self.spans(data, *value)
                    self.scopes.append(_Scope(payload, resource, len(self.scopes) - first, len(self.offsets) - before))
                elif wire_type == wire.LEN:
                    self.others.append(data[slice(*value)])

    def spans(self, data: bytes, pos: int, end: int) -> None:
        """Add the spans of a ScopeSpans. This is `wire.raw_fields` for what has only fields of bytes, several times faster."""
        while pos < end:
            tag, size, shift = data[pos], data[pos + 1], 7
            pos += 2
            while size >> shift:  # another byte follows
                size += (data[pos] - 1) << shift
                pos += 1
                shift += 7
            body = data[pos : pos + size]
            if tag == _SPAN_TAG:
                self.offsets.append(pos)
                self.lengths.append(size)
                self.bodies += _MARK, body
            else:
                self.others.append(body)
            pos += size

    def numbers(self) -> dict[str, Numbers]:
        """Where each span is."""
        spans = [at.spans for at in self.scopes]
        return {
            "offset": np.array(self.offsets, DTYPES["offset"]),
            "length": np.array(self.lengths, DTYPES["length"]),
            "resource": np.repeat(np.array([at.resource for at in self.scopes], DTYPES["resource"]), spans),
            "scope": np.repeat(np.array([at.scope for at in self.scopes], DTYPES["scope"]), spans),
        }


def _each(values: Any, count: int, default: object) -> Sequence[Any]:
    """The value of each of `count` spans, from a list that has for each the default, and then its value if it has one."""
    if len(values) == count:
        return values  # type: ignore[no-any-return]  # a repeated field
    if len(values) == 2 * count:
        return values[1::2]  # type: ignore[no-any-return]  # a repeated field
    each: list[Any] = []
    for value in values:
        if value == default:
            each.append(value)
        else:
            each[-1] = value
    return each


def _ids(spans: Proto, count: int) -> dict[str, Numbers] | None:
    """The ids as numbers, or None if one is wrong."""
    parents = _each(spans.parent_id, count, b"")
    long = {length for ids in (spans.trace_id, spans.links.trace_id) for length in map(len, ids)}
    short = {length for ids in (spans.span_id, spans.links.span_id, filter(None, parents)) for length in map(len, ids)}
    if not (long <= {TRACE_ID} and short <= {SPAN_ID} and len(spans.trace_id) == len(spans.span_id) == count):
        return None
    trace, span, parent = (
        np.frombuffer(b"".join(values), ">u8").astype(np.uint64)
        for values in (spans.trace_id, spans.span_id, [parent or _NO_ID for parent in parents])
    )
    high, low = trace[0::2], trace[1::2]
    if not (high | low).all() or not span.all():
        return None
    return {"trace_hi": high, "trace_lo": low, "span_id": span, "parent_id": parent}


def _int32(values: Sequence[int]) -> Numbers:
    """Numbers of which the low 32 bits count, as two's complement."""
    return np.array(values, np.uint32).astype(np.int32)


def _code(status: bytes) -> int:
    """The code of an encoded status."""
    return 0 if status == _NO_STATUS else int(wire.parser("Status").FromString(status).code)


def _watched(
    plan: Plan, spans: Proto, keys: Sequence[bytes], distinct: set[bytes], count: int
) -> dict[int, list[Scalar]]:
    """The watched columns of `count` spans. `keys` has an empty one before those of each span."""
    hits: dict[bytes, list[tuple[int, bytes]]] = {key: [] for key in distinct & plan.encoded.keys()}
    if hits:
        row = -1
        for at in [at for at, key in enumerate(keys) if not key or key in hits]:
            if key := keys[at]:
                hits[key].append((row, spans.attributes.value[at]))
            else:
                row += 1
    if _TYPE_KEY in plan.encoded and len(spans.type) > count:
        types = [
            (row, wire.len_field(1, value.encode())) for row, value in enumerate(_each(spans.type, count, "")) if value
        ]
        hits.setdefault(_TYPE_KEY, []).extend(types)
    columns: dict[int, list[Scalar]] = {}
    # What is written last stays: the best key, and of several values under one key the first.
    for _, column, key in sorted(((r, c, hit) for hit in hits for c, r in plan.encoded[hit]), reverse=True):
        values = columns.setdefault(column, [None] * count)
        known: dict[bytes, Scalar] = {}
        for row, encoded in reversed(hits[key]):
            if encoded not in known:
                value = _scalar(wire.parser("AnyValue0").FromString(encoded))
                known[encoded] = read_as(plan.watch[column].type, value)
            values[row] = known[encoded]
    return columns
