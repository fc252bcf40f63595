"""Spans out of payloads, edited, joined into one new request, in Python alone: the kernel's `splice`, portable."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from operator import itemgetter
from typing import TypeVar

import numpy as np

from eigenspan.collector import wire
from eigenspan.collector.errors import ScanError
from eigenspan.collector.spans import EDIT, Add, Edits, Part

_SCOPE_SPANS, _SPANS = 2, 2  # in ResourceSpans, in ScopeSpans
_SCHEMA_URL = 3  # in ScopeSpans
_TRACE_STATE, _ATTRIBUTES = 3, 9  # in Span
_KEY = 1  # in KeyValue
_T = TypeVar("_T")


def splice(parts: Sequence[Part], edits: Edits, restamp: Sequence[tuple[str, str]] = ()) -> bytes:
    """One ExportTraceServiceRequest with just the spans that the edits name, in their order.

    Spans whose ResourceSpans have the same bytes (but for the scopes in them) share one, and then those whose
    ScopeSpans have the same bytes (but for the spans in them); both in order of appearance. All bytes that no edit
    names stay as they are and in their order. A scope whose schema_url stands first in a pair of `restamp` gets the
    second. ValueError if an edit does not name a span of its part, or an index stands for nothing.
    """
    urls = {old.encode(): new.encode() for old, new in restamp}
    adds = [_Added.of(tuple(_chosen(edits.fields, i) for i in add)) for add in edits.adds]
    resources: dict[bytes, dict[bytes, list[bytes]]] = {}
    for part, rows in groupby(np.frombuffer(edits.rows, EDIT).tolist(), key=itemgetter(0)):
        if part >= len(parts):
            raise ValueError(f"no part {part}")
        chunk, start, stop = parts[part]
        data = chunk[start:stop]
        try:
            index = _Index.of(data)
            for _, offset, length, add, state in rows:
                found = index.spans.get(offset)
                if found is None or found.length != length:
                    raise ValueError(f"part {part}: no span of {length} bytes at byte {offset}")
                resource, scope = index.heads(found, urls)
                spans = resources.setdefault(resource, {}).setdefault(scope, [])
                added = None if add < 0 else _chosen(adds, add)
                trace_state = None if state < 0 else _chosen(edits.states, state)
                spans.append(wire.len_field(_SPANS, _edited(data, (offset, offset + length), added, trace_state)))
        except ScanError as error:
            raise ValueError(f"part {part}: {error}") from error
    return b"".join(
        wire.len_field(1, resource + b"".join(wire.len_field(_SCOPE_SPANS, s + b"".join(scopes[s])) for s in scopes))
        for resource, scopes in resources.items()
    )


def _chosen(among: Sequence[_T], index: int) -> _T:
    if index >= len(among):
        raise ValueError(f"no change {index}")
    return among[index]


@dataclass(frozen=True, slots=True)
class _Added:
    """The keys that are cut, and what is appended under its key."""

    cut: frozenset[bytes]
    put: tuple[tuple[bytes, bytes], ...]

    @staticmethod
    def of(add: Add) -> _Added:
        return _Added(
            frozenset(key.encode() for key, field in add if not field),
            tuple((key.encode(), field) for key, field in add if field),
        )


@dataclass(frozen=True, slots=True)
class _Found:
    length: int
    resource: wire.Place
    scope: wire.Place


@dataclass(frozen=True, slots=True)
class _Index:
    """Where the spans of a payload are, by offset."""

    data: bytes
    spans: dict[int, _Found] = field(default_factory=dict)
    known_heads: dict[wire.Place, bytes] = field(default_factory=dict)

    @staticmethod
    def of(data: bytes) -> _Index:
        """The index of this payload."""
        index = _Index(data)
        for resource in wire.children(data, (0, len(data)), 1):
            for scope in wire.children(data, resource, _SCOPE_SPANS):
                for start, end in wire.children(data, scope, _SPANS):
                    index.spans[start] = _Found(end - start, resource, scope)
        return index

    def heads(self, found: _Found, urls: Mapping[bytes, bytes]) -> tuple[bytes, bytes]:
        """The bytes of the span's resource and of its scope, whose schema_url is the new one where `urls` has its own."""
        if found.resource not in self.known_heads:
            self.known_heads[found.resource] = self.without(found.resource, _SCOPE_SPANS)
        if found.scope not in self.known_heads:
            last = [self.data[slice(*place)] for place in wire.children(self.data, found.scope, _SCHEMA_URL)][-1:]
            new = urls.get(last[0]) if last else None
            self.known_heads[found.scope] = (
                self.without(found.scope, _SPANS)
                if new is None
                else self.without(found.scope, _SPANS, _SCHEMA_URL) + wire.len_field(_SCHEMA_URL, new)
            )
        return self.known_heads[found.resource], self.known_heads[found.scope]

    def without(self, place: wire.Place, *numbers: int) -> bytes:
        """All of a message but what is in the length-delimited fields of these numbers."""
        return b"".join(
            self.data[at:end]
            for found, wire_type, _, at, end in wire.raw_fields(self.data, place)
            if found not in numbers or wire_type != wire.LEN
        )


def _edited(data: bytes, place: wire.Place, add: _Added | None, trace_state: str | None) -> bytes:
    """The body of the span, edited."""
    if add is None and trace_state is None:
        return data[slice(*place)]
    kept: list[bytes] = []
    keys: set[bytes] = set()
    for number, wire_type, value, at, after in wire.raw_fields(data, place):
        if add is not None and number == _ATTRIBUTES and wire_type == wire.LEN:
            key = _key_of(data, value)
            if key in add.cut:
                continue
            keys.add(key)
        if number != _TRACE_STATE or trace_state is None:
            kept.append(data[at:after])
    if trace_state:
        kept.append(wire.len_field(_TRACE_STATE, trace_state.encode()))
    for key, attribute in () if add is None else add.put:
        if key not in keys:
            keys.add(key)
            kept.append(attribute)
    return b"".join(kept)


def _key_of(data: bytes, attribute: wire.Place) -> bytes:
    key = (0, 0)
    for place in wire.children(data, attribute, _KEY):
        key = place
    return data[slice(*key)]
