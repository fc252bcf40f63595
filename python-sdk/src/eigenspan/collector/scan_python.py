"""Payloads in, columns out, in Python alone: the portable engine, and what the kernel is tested against.

Two roads lead to the same rows. `_Fast` lets the protobuf library parse, and takes its word only for a payload in which
each field is known, encoded as short as it can be, and not overwritten. `_Slow` walks the bytes by the table in `wire`
and decides about all other payloads; only it refuses.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

import polars as pl
from google.protobuf.message import DecodeError

from eigenspan.collector import wire
from eigenspan.collector.errors import ScanError
from eigenspan.collector.spans import ValueType, Watch, schema_of

Scalar = str | int | float | bool | None
"""An attribute's value as far as columns can hold it. None stands for no value, bytes, arrays and lists too."""

Row = tuple[int, int, int, int, int, int, int, int, int, int, int, str, str, int, int, list[Scalar]]
"""The columns of `spans.FIXED`, and the watched ones as a list."""


@dataclass(frozen=True, slots=True)
class Scanned:
    """The rows of all good payloads, and why each of the others (by index) was refused."""

    columns: pl.DataFrame
    errors: dict[int, ScanError]


def scan(payloads: Sequence[bytes], watch: Watch) -> Scanned:
    """Scan each payload as an ExportTraceServiceRequest. A bad payload contributes an error and no row."""
    plan = _plan(watch)
    rows: list[Row] = []
    errors: dict[int, ScanError] = {}
    for payload, data in enumerate(payloads):
        found = _Fast(plan, payload, data).rows()
        if found is None:
            try:
                found = _Slow(plan, payload, data).scan()
            except ScanError as error:
                errors[payload] = error
                continue
        rows.extend(found)
    return Scanned(plan.frame(rows), errors)


@dataclass(frozen=True, slots=True)
class _Plan:
    """A watch list, compiled: for each key the columns that it feeds, and how good it is for them (0 is best)."""

    watch: Watch
    span: dict[str, list[tuple[int, int]]] = field(default_factory=dict)
    resource: dict[str, list[tuple[int, int]]] = field(default_factory=dict)

    def frame(self, rows: list[Row]) -> pl.DataFrame:
        """The rows as columns."""
        schema = schema_of(self.watch)
        columns = [list(column) for column in zip(*((*row[:-1], *row[-1]) for row in rows), strict=True)]
        named = zip(schema, columns or [[]] * len(schema), strict=True)
        return pl.DataFrame([pl.Series(name, column, schema[name]) for name, column in named])

    def best(self) -> _Best:
        """Nothing seen yet."""
        return _Best(self.watch)


@lru_cache(maxsize=16)
def _plan(watch: Watch) -> _Plan:
    if len(schema_of(watch)) != len(schema_of(())) + len(watch):
        raise ValueError("a column is there twice")
    plan = _Plan(watch)
    for column, watched in enumerate(watch):
        keys = plan.span if watched.level == "span" else plan.resource
        for rank, key in enumerate(watched.keys):
            keys.setdefault(key, []).append((column, rank))
    return plan


class _Best:
    """The best value seen so far for each watched column, of one span or one resource."""

    __slots__ = ("ranks", "values", "watch")

    def __init__(self, watch: Watch) -> None:
        self.watch = watch
        self.ranks = [len(w.keys) for w in watch]
        self.values: list[Scalar] = [None] * len(watch)

    def offer(self, targets: list[tuple[int, int]], value: Scalar) -> None:
        """A better key replaces a worse one; the first value under a key stays."""
        for column, rank in targets:
            if rank < self.ranks[column]:
                self.ranks[column] = rank
                self.values[column] = _read_as(self.watch[column].type, value)


def _read_as(kind: ValueType, value: Scalar) -> Scalar:
    """`value` by the rules of `spans.Watched`."""
    match kind, value:
        case "string", bool():
            return "true" if value else "false"
        case "string", int() | str():
            return str(value)
        case ("int" | "double"), bool():
            return None
        case "int", int():
            return value
        case "double", int() | float():
            return float(value)
        case "boolean", bool():
            return value
        case "boolean", str():
            return {"true": True, "false": False}.get(value.lower())
    return None


def _signed(value: int, bits: int) -> int:
    """The low `bits` of `value`, as two's complement."""
    value &= (1 << bits) - 1
    return value - (1 << bits) if value >> (bits - 1) else value


_ids = struct.Struct(">QQ").unpack
_id = struct.Struct(">Q").unpack
_TRACE_ID, _SPAN_ID = 16, 8

_OVERLONG_INT = re.compile(rb"\x18[\x80-\xff]{9}[\x02-\x7f]")
"""An int_value over 64 bits, which the protobuf library cuts to 64."""


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
        for resource, (resource_spans, place) in enumerate(
            zip(request.resource_spans, wire.children(self.data, 0, len(self.data), 1), strict=True)
        ):
            best = self.plan.best()
            self.attributes(best, self.plan.resource, resource_spans.resource.attributes)
            for scope_spans, scope_place in zip(
                resource_spans.scope_spans, wire.children(self.data, *place, 2), strict=True
            ):
                for span, span_place in zip(scope_spans.spans, wire.children(self.data, *scope_place, 2), strict=True):
                    row = self.span(span, span_place, (resource, scope), best)
                    if row is None:
                        return None
                    rows.append(row)
                scope += 1
        return rows

    def span(self, span: Any, place: wire.Place, where: tuple[int, int], resource: _Best) -> Row | None:
        """The row of a span, or None if one of its ids is wrong."""
        trace_id, span_id, parent_id = span.trace_id, span.span_id, span.parent_span_id
        if len(trace_id) != _TRACE_ID or len(span_id) != _SPAN_ID or len(parent_id) not in (0, _SPAN_ID):
            return None
        trace_hi, trace_lo = _ids(trace_id)
        (span_number,) = _id(span_id)
        if not (trace_hi or trace_lo) or not span_number:
            return None
        for link in span.links:
            if len(link.trace_id) not in (0, _TRACE_ID) or len(link.span_id) not in (0, _SPAN_ID):
                return None
        best = self.plan.best()
        best.values[:] = resource.values
        self.attributes(best, self.plan.span, span.attributes)
        return (
            self.payload,
            place[0],
            place[1] - place[0],
            *where,
            trace_hi,
            trace_lo,
            span_number,
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
    def attributes(best: _Best, keys: dict[str, list[tuple[int, int]]], attributes: Any) -> None:
        """Offer the watched ones of `attributes`."""
        for attribute in attributes:
            targets = keys.get(attribute.key)
            if targets:
                value = attribute.value
                member = value.WhichOneof("value")
                scalar = member in ("string_value", "int_value", "double_value", "bool_value")
                best.offer(targets, getattr(value, member) if scalar else None)


@dataclass(slots=True)
class _SpanDraft:
    """A span while its fields are read."""

    trace_id: wire.Place = (0, 0)
    span_id: wire.Place = (0, 0)
    parent_id: wire.Place = (0, 0)
    name: str = ""
    trace_state: str = ""
    kind: int = 0
    status: int = 0
    start_ns: int = 0
    end_ns: int = 0


class _Slow:
    """The road for every payload: field by field, in the order of the bytes."""

    def __init__(self, plan: _Plan, payload: int, data: bytes) -> None:
        self.plan = plan
        self.payload = payload
        self.data = data
        self.rows: list[Row] = []
        self.resource = -1
        self.scope = -1

    def scan(self) -> list[Row]:
        """The rows; ScanError if the payload is malformed."""
        if len(self.data) > wire.MAX_PAYLOAD:
            raise ScanError("payload over 2 GiB", 0)
        for _, place, _ in wire.fields(self.data, 0, len(self.data), "ExportTraceServiceRequest"):
            self.resource += 1
            self.resource_spans(place)
        return self.rows

    def resource_spans(self, place: Any) -> None:
        """Append the rows of a ResourceSpans. Its resource may come after them, and in pieces."""
        first = len(self.rows)
        best = self.plan.best()
        for known, value, _ in wire.fields(self.data, *place, "ResourceSpans"):
            if known.name == "resource":
                self.check_with_attributes(value, "Resource", best, self.plan.resource)
            elif known.name == "scope_spans":
                self.scope += 1
                self.scope_spans(value)
        for *_, watched in self.rows[first:]:
            for column, value in enumerate(best.values):
                if self.plan.watch[column].level == "resource":
                    watched[column] = value

    def scope_spans(self, place: Any) -> None:
        """Append the rows of a ScopeSpans."""
        for known, value, _ in wire.fields(self.data, *place, "ScopeSpans"):
            if known.name == "spans":
                self.rows.append(self.span(value))
            elif known.message:
                self.check(value, known.message)

    def span(self, place: Any) -> Row:
        """The row of a span, without what its resource says."""
        best = self.plan.best()
        draft = _SpanDraft()
        for known, value, _ in wire.fields(self.data, *place, "Span"):
            match known.name, value:
                case "attributes", _:
                    self.attribute(value, best, self.plan.span)
                case "trace_id", (_, _):
                    draft.trace_id = value
                case "span_id", (_, _):
                    draft.span_id = value
                case "parent_span_id", (_, _):
                    draft.parent_id = value
                case "name", str():
                    draft.name = value
                case "trace_state", str():
                    draft.trace_state = value
                case "kind", int():
                    draft.kind = _signed(value, 32)
                case "start_time_unix_nano", int():
                    draft.start_ns = value
                case "end_time_unix_nano", int():
                    draft.end_ns = value
                case "status", _:
                    draft.status = self.status(value, draft.status)
                case "links", _:
                    self.link(value)
                case _ if known.message:
                    self.check(value, known.message)
        start, end = place
        trace_hi, trace_lo = _ids(self.id(draft.trace_id, "trace_id", _TRACE_ID, start))
        (span_id,) = _id(self.id(draft.span_id, "span_id", _SPAN_ID, start))
        parent_id = self.id_or_empty(draft.parent_id, "parent_span_id", _SPAN_ID, start)
        return (
            self.payload,
            start,
            end - start,
            self.resource,
            self.scope,
            trace_hi,
            trace_lo,
            span_id,
            _id(parent_id)[0] if parent_id else 0,
            draft.kind,
            draft.status,
            draft.name,
            draft.trace_state,
            draft.start_ns,
            draft.end_ns,
            best.values,
        )

    def id_or_empty(self, place: wire.Place, name: str, length: int, at: int) -> bytes:
        """The bytes of an id that may be absent."""
        found = self.data[slice(*place)]
        if len(found) not in (0, length):
            raise ScanError(f"{name} is not {length} bytes", at)
        return found

    def id(self, place: wire.Place, name: str, length: int, at: int) -> bytes:
        """The bytes of an id that must be there."""
        found = self.data[slice(*place)]
        if len(found) != length:
            raise ScanError(f"{name} is not {length} bytes", at)
        if not any(found):
            raise ScanError(f"{name} is zero", at)
        return found

    def status(self, place: Any, code: int) -> int:
        """The status code after merging this Status into one with `code`."""
        for known, value, _ in wire.fields(self.data, *place, "Status"):
            if known.name == "code" and isinstance(value, int):
                code = _signed(value, 32)
        return code

    def link(self, place: Any) -> None:
        """Check a link."""
        ids: dict[str, wire.Place] = {"trace_id": (0, 0), "span_id": (0, 0)}
        for known, value, _ in wire.fields(self.data, *place, "Link"):
            if known.message:
                self.check(value, known.message)
            elif isinstance(value, tuple):
                ids[known.name] = value
        self.id_or_empty(ids["trace_id"], "link trace_id", _TRACE_ID, place[0])
        self.id_or_empty(ids["span_id"], "link span_id", _SPAN_ID, place[0])

    def check_with_attributes(
        self, place: Any, message: str, best: _Best, keys: dict[str, list[tuple[int, int]]]
    ) -> None:
        """Check a message and offer its attributes."""
        for known, value, _ in wire.fields(self.data, *place, message):
            if known.name == "attributes":
                self.attribute(value, best, keys)
            elif known.message:
                self.check(value, known.message)

    def attribute(self, place: Any, best: _Best, keys: dict[str, list[tuple[int, int]]]) -> None:
        """Check an attribute and offer it. Its key may come after its value, and its value in pieces."""
        key = ""
        scalar: Scalar = None
        for known, value, _ in wire.fields(self.data, *place, "KeyValue"):
            if isinstance(value, str):
                key = value
            elif known.name == "value":
                scalar = self.any_value(value, scalar)
        targets = keys.get(key)
        if targets:
            best.offer(targets, scalar)

    def any_value(self, place: Any, before: Scalar) -> Scalar:
        """The value after merging this AnyValue into one that was `before`: the last member present wins."""
        for known, value, _ in wire.fields(self.data, *place, "AnyValue"):
            before = None
            if isinstance(value, str):
                before = value
            elif known.message:
                self.check(value, known.message, depth=1)
            elif isinstance(value, int):
                match known.name:
                    case "bool_value":
                        before = value != 0
                    case "int_value":
                        before = _signed(value, 64)
                    case "double_value":
                        (before,) = struct.unpack("<d", struct.pack("<Q", value))
        return before

    def check(self, place: Any, message: str, depth: int = 0) -> None:
        """Check a message of which nothing is wanted. `depth` is how many arrays and lists it is in, or is."""
        for known, value, at in wire.fields(self.data, *place, message):
            if known.message:
                deeper = depth + (known.message in wire.DEEPER)
                if deeper > wire.MAX_DEPTH:
                    raise ScanError(f"value nested more than {wire.MAX_DEPTH} deep", at)
                self.check(value, known.message, deeper)
