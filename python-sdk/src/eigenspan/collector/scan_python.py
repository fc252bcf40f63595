"""Payloads in, columns out, in Python alone: the portable engine, and what the kernel is tested against.

Two roads lead to the same rows. `_Fast` lets the protobuf library parse, and takes its word only for a payload in which
each field is known, encoded as short as it can be, and not overwritten. `_Slow` walks the bytes by the table in `wire`
and decides about all other payloads; only it refuses.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

import polars as pl
from google.protobuf.message import DecodeError

from eigenspan.collector import wire
from eigenspan.collector.errors import ScanError
from eigenspan.collector.redact import mentions
from eigenspan.collector.spans import SPAN_TYPE, TYPES, ValueType, Watch, schema_of

Scalar = str | int | float | bool | None
"""An attribute's value as far as columns can hold it. None stands for no value, bytes, arrays and lists too."""

Row = tuple[int, int, int, int, int, int, int, int, int, int, int, str, str, int, int, list[Scalar]]
"""The columns of `spans.FIXED`, and the watched ones as a list."""


@dataclass(frozen=True, slots=True)
class Scanned:
    """The rows of all good payloads, and why each of the others (by index) was refused.

    `named`: the good payloads that may have one of the names that the scan looked out for among their attribute keys.
    """

    columns: pl.DataFrame
    errors: dict[int, ScanError]
    named: list[int] = field(default_factory=list)


def scan(payloads: Sequence[bytes], watch: Watch, names: Sequence[str] = ()) -> Scanned:
    """Scan each payload as an ExportTraceServiceRequest. A bad payload contributes an error and no row."""
    plan = _plan(watch)
    rows: list[Row] = []
    errors: dict[int, ScanError] = {}
    for payload, data in enumerate(payloads):
        found = _Fast(plan, payload, data).rows()
        if found is None:
            try:
                found = _Slow(plan, payload, data).rows()
            except ScanError as error:
                errors[payload] = error
                continue
        rows.extend(found)
    named = [payload for payload, data in enumerate(payloads) if payload not in errors and mentions(data, names)]
    return Scanned(plan.frame(rows), errors, named)


Keys = dict[str, list[tuple[int, int]]]
"""For each watched key the columns that it feeds, and how good it is for them (0 is best)."""


@dataclass(frozen=True, slots=True)
class _Plan:
    """A watch list, compiled."""

    watch: Watch
    span: Keys = field(default_factory=dict)
    resource: Keys = field(default_factory=dict)
    worst: list[int] = field(default_factory=list)  # for each column a rank that every key is better than

    def frame(self, rows: list[Row]) -> pl.DataFrame:
        """The rows as columns."""
        schema = schema_of(self.watch)
        columns = list(zip(*((*row[:-1], *row[-1]) for row in rows), strict=True)) or [()] * len(schema)
        nothing = {type_: pl.Series([None] * len(rows), dtype=type_) for type_ in TYPES.values()}  # most columns are
        series = [
            nothing[type_].alias(name)
            if values.count(None) == len(values) and values
            else pl.Series(name, values, type_)
            for (name, type_), values in zip(schema.items(), columns, strict=True)
        ]
        return pl.DataFrame(series)


@lru_cache(maxsize=16)
def _plan(watch: Watch) -> _Plan:
    if len(schema_of(watch)) != len(schema_of(())) + len(watch):
        raise ValueError("a column is there twice")
    plan = _Plan(watch, worst=[len(watched.keys) for watched in watch])
    for column, watched in enumerate(watch):
        keys = plan.span if watched.level == "span" else plan.resource
        for rank, key in enumerate(watched.keys):
            keys.setdefault(key, []).append((column, rank))
    return plan


class _Best:
    """The best value seen so far for each watched column, of one span or one resource."""

    __slots__ = ("keys", "ranks", "values", "watch")

    def __init__(self, plan: _Plan, keys: Keys) -> None:
        self.watch = plan.watch
        self.keys = keys
        self.ranks = plan.worst.copy()
        self.values: list[Scalar] = [None] * len(plan.worst)

    def offer(self, key: str, value: Scalar) -> None:
        """A better key replaces a worse one; the first value under a key stays."""
        for column, rank in self.keys.get(key, ()):
            if rank < self.ranks[column]:
                self.ranks[column] = rank
                self.values[column] = _read_as(self.watch[column].type, value)


def _read_as(kind: ValueType, value: Scalar) -> Scalar:
    """`value` by the rules of `spans.Watched`."""
    read: Scalar = None
    match kind, value:
        case "string", bool():
            read = "true" if value else "false"
        case "string", int() | str():
            read = str(value)
        case (("int" | "double"), bool()):
            read = None
        case ("int", int()) | ("boolean", bool()):
            read = value
        case "double", int() | float():
            read = float(value)
        case "boolean", str():
            read = {"true": True, "false": False}.get(value.lower())
    return read


def _signed(value: int, bits: int) -> int:
    """The low `bits` of `value`, as two's complement."""
    value &= (1 << bits) - 1
    return value - (1 << bits) if value >> (bits - 1) else value


_ids = struct.Struct(">QQ").unpack
_id = struct.Struct(">Q").unpack
_TRACE_ID, _SPAN_ID = 16, 8

_OVERLONG_INT = re.compile(rb"\x18[\x80-\xff]{9}[\x02-\x7f]")
"""An int_value over 64 bits, which the protobuf library cuts to 64."""
_SCALARS = frozenset({"string_value", "bool_value", "int_value", "double_value"})

Proto = Any
"""A message of `wire.parser`."""


class _Fast:
    """The road for payloads that the protobuf library reads exactly as we would."""

    def __init__(self, plan: _Plan, payload: int, data: bytes) -> None:
        self.plan = plan
        self.payload = payload
        self.data = data

    def rows(self) -> list[Row] | None:
        """The rows, or None if this payload needs the slow road."""
        if len(self.data) > wire.MAX_PAYLOAD:
            return None
        request = wire.parser()()
        try:
            request.ParseFromString(self.data)
        except DecodeError:
            return None
        # No re-encoding of what was parsed is longer than its bytes were. As long means: nothing unknown, hence no
        # wrong wire type and nothing too deep; nothing padded; nothing overwritten.
        request.DiscardUnknownFields()
        if request.ByteSize() != len(self.data) or _OVERLONG_INT.search(self.data):
            return None
        rows: list[Row] = []
        scope = 0
        for resource, (resource_spans, place) in enumerate(self.zipped(request.resource_spans, (0, len(self.data)), 1)):
            best = _Best(self.plan, self.plan.resource)
            self.attributes(resource_spans.resource.attributes, best)
            for scope_spans, scope_place in self.zipped(resource_spans.scope_spans, place, 2):
                for span, span_place in self.zipped(scope_spans.spans, scope_place, 2):
                    row = self.span(span, span_place, (resource, scope), best)
                    if row is None:
                        return None
                    rows.append(row)
                scope += 1
        return rows

    def zipped(self, messages: Proto, parent: wire.Place, number: int) -> Iterator[tuple[Proto, wire.Place]]:
        """The submessages in field `number` of the message at `parent`, and where each is."""
        return zip(messages, wire.children(self.data, parent, number), strict=True)

    def span(self, span: Proto, place: wire.Place, where: tuple[int, int], resource: _Best) -> Row | None:
        """The row of a span, or None if one of its ids is wrong."""
        trace_id, span_id, parent_id = span.trace_id, span.span_id, span.parent_span_id
        if len(trace_id) != _TRACE_ID or len(span_id) != _SPAN_ID or len(parent_id) not in (0, _SPAN_ID):
            return None
        if not any(trace_id) or not any(span_id):
            return None
        for link in span.links:
            if len(link.trace_id) not in (0, _TRACE_ID) or len(link.span_id) not in (0, _SPAN_ID):
                return None
        best = _Best(self.plan, self.plan.span)
        best.values[:] = resource.values
        self.attributes(span.attributes, best)
        if span.type:
            best.offer(SPAN_TYPE, span.type)
        return (
            self.payload,
            place[0],
            place[1] - place[0],
            *where,
            *_ids(trace_id),
            *_id(span_id),
            _id(parent_id)[0] if parent_id else 0,
            _signed(span.kind, 32),
            _signed(span.status.code, 32),
            span.name,
            span.trace_state,
            span.start_time_unix_nano,
            span.end_time_unix_nano,
            best.values,
        )

    @staticmethod
    def attributes(attributes: Proto, best: _Best) -> None:
        """Offer the watched ones of `attributes`."""
        for attribute in attributes:
            key = attribute.key
            if key in best.keys:
                member = attribute.value.WhichOneof("value")
                best.offer(key, getattr(attribute.value, member) if member in _SCALARS else None)


class _Slow:
    """The road for every payload: field by field, in the order of the bytes."""

    def __init__(self, plan: _Plan, payload: int, data: bytes) -> None:
        self.plan = plan
        self.payload = payload
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
        best = _Best(self.plan, self.plan.resource)
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

    def resource_attributes(self, place: wire.Place, best: _Best) -> None:
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
        best = _Best(self.plan, self.plan.span)
        last: dict[str, wire.Value] = {}
        code = 0
        for known, value, _ in wire.fields(self.data, place, "Span"):
            if known.name == "attributes":
                self.attribute(value, best)
            elif known.name == "status":
                code = self.last_of(value, "Status").get("code", code)
            elif known.name == "links":
                link = self.last_of(value, "Link")
                self.id(link.get("trace_id"), "link trace_id", _TRACE_ID, value)
                self.id(link.get("span_id"), "link span_id", _SPAN_ID, value)
            elif known.name == "type":
                best.offer(SPAN_TYPE, value)
            elif known.message:
                self.check(value, known.message)
            else:
                last[known.name] = value
        trace_id = self.id(last.get("trace_id"), "trace_id", _TRACE_ID, place, required=True)
        span_id = self.id(last.get("span_id"), "span_id", _SPAN_ID, place, required=True)
        return (
            self.payload,
            place[0],
            place[1] - place[0],
            self.resource,
            self.scope,
            *_ids(trace_id),
            *_id(span_id),
            *_id(self.id(last.get("parent_span_id"), "parent_span_id", _SPAN_ID, place) or bytes(_SPAN_ID)),
            _signed(last.get("kind", 0), 32),
            _signed(code, 32),
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

    def attribute(self, place: wire.Place, best: _Best) -> None:
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
                    scalar = _signed(value, 64)
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
