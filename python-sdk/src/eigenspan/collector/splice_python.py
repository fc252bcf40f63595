"""Spans out of payloads, edited, joined into one new request, in Python alone: the kernel's `splice`, portable."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from eigenspan.collector import wire
from eigenspan.collector.errors import ScanError
from eigenspan.collector.spans import Edit

_SCOPE_SPANS, _SPANS = 2, 2  # in ResourceSpans, in ScopeSpans
_SCHEMA_URL = 3  # in ScopeSpans
_TRACE_STATE, _ATTRIBUTES = 3, 9  # in Span
_KEY = 1  # in KeyValue


def splice(parts: Sequence[tuple[bytes, Sequence[Edit]]], restamp: Sequence[tuple[str, str]] = ()) -> bytes:
    """One ExportTraceServiceRequest with just the spans that the edits name, in their order.

    Spans whose ResourceSpans have the same bytes (but for the scopes in them) share one, and then those whose
    ScopeSpans have the same bytes (but for the spans in them); both in order of appearance. All bytes that no edit
    names stay as they are and in their order. A scope whose schema_url stands first in a pair of `restamp` gets the
    second. ValueError if an edit does not name a span of its payload.
    """
    urls = {old.encode(): new.encode() for old, new in restamp}
    resources: dict[bytes, dict[bytes, list[bytes]]] = {}
    for part, (data, edits) in enumerate(parts):
        try:
            index = _Index.of(data)
            for edit in edits:
                found = index.spans.get(edit.offset)
                if found is None or found.length != edit.length:
                    raise ValueError(f"part {part}: no span of {edit.length} bytes at byte {edit.offset}")
                resource, scope = index.heads(found, urls)
                spans = resources.setdefault(resource, {}).setdefault(scope, [])
                spans.append(wire.len_field(_SPANS, _edited(data, edit)))
        except ScanError as error:
            raise ValueError(f"part {part}: {error}") from error
    return b"".join(
        wire.len_field(1, resource + b"".join(wire.len_field(_SCOPE_SPANS, s + b"".join(scopes[s])) for s in scopes))
        for resource, scopes in resources.items()
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


def _edited(data: bytes, edit: Edit) -> bytes:
    """The body of the span, edited."""
    start, end = edit.offset, edit.offset + edit.length
    if edit.trace_state is None and not edit.add:
        return data[start:end]
    kept: list[bytes] = []
    keys: set[bytes] = set()
    cut = {name.encode() for name, attribute in edit.add if not attribute}
    for number, wire_type, value, at, after in wire.raw_fields(data, (start, end)):
        if number == _ATTRIBUTES and wire_type == wire.LEN:
            key = _key_of(data, value)
            if key in cut:
                continue
            keys.add(key)
        if number != _TRACE_STATE or edit.trace_state is None:
            kept.append(data[at:after])
    if edit.trace_state:
        kept.append(wire.len_field(_TRACE_STATE, edit.trace_state.encode()))
    for name, attribute in edit.add:
        key = name.encode()
        if attribute and key not in keys:
            keys.add(key)
            kept.append(attribute)
    return b"".join(kept)


def _key_of(data: bytes, attribute: wire.Place) -> bytes:
    key = (0, 0)
    for place in wire.children(data, attribute, _KEY):
        key = place
    return data[slice(*key)]
