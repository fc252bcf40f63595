"""Terms: what a trace can be found by. A term is a scope, a key and a value that occurs on one of its spans.

The key alone is a term too, so that a comparison that no equality helps with still skips traces without the key.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Final, NamedTuple

from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.trace.v1.trace_pb2 import TracesData

from eigenspan.store.tree import KINDS, STATUSES

MAX_VALUE: Final = 128
"""Longer values are found by their key."""
_TYPES: Final = {"string_value": "string", "int_value": "int", "double_value": "float", "bool_value": "bool"}


class Term(NamedTuple):
    """`scope`: span, resource, event or intrinsic; `type`: string, int, float, bool or keyword, "" for the key alone."""

    scope: str
    key: str
    type: str = ""
    value: str = ""


class Operation(NamedTuple):
    """A name that spans of a service have."""

    service: str
    name: str
    kind: str


class Terms(NamedTuple):
    """What is indexed of some spans. `calls`: how often a span of one service has a child of another."""

    terms: frozenset[Term]
    operations: frozenset[Operation]
    calls: Counter[tuple[str, str]]


def canonical(value: str | float | bool) -> str:
    """A value as terms spell it; "" for one that is found by its key alone. 1 and 1.0 are one value."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return str(int(value)) if value.is_integer() else ""
    text = str(value)
    return text if len(text) <= MAX_VALUE else ""


def terms_of(data: TracesData) -> Terms:
    """The terms, operations and calls of spans."""
    terms: set[Term] = set()
    operations: set[Operation] = set()
    services: dict[bytes, str] = {}
    parents: list[tuple[bytes, str]] = []
    for resource_spans in data.resource_spans:
        attributes = resource_spans.resource.attributes
        terms.update(_attributes("resource", attributes))
        service = next((a.value.string_value for a in attributes if a.key == "service.name"), "")
        for scope_spans in resource_spans.scope_spans:
            for span in scope_spans.spans:
                kind = KINDS.get(span.kind, "unspecified")
                operations.add(Operation(service, span.name, kind))
                services.setdefault(span.span_id, service)
                parents.append((span.parent_span_id, service))
                terms.update(_named("name", span.name))
                terms.add(Term("intrinsic", "kind", "keyword", kind))
                terms.add(Term("intrinsic", "status", "keyword", STATUSES.get(span.status.code, "unset")))
                terms.update(_attributes("span", span.attributes))
                for event in span.events:
                    terms.update(_named("event:name", event.name))
                    terms.update(_attributes("event", event.attributes))
    callers = ((services.get(parent, ""), service) for parent, service in parents)
    calls = Counter(pair for pair in callers if all(pair) and pair[0] != pair[1])
    return Terms(frozenset(terms), frozenset(operations), calls)


def _named(key: str, name: str) -> Iterator[Term]:
    yield Term("intrinsic", key)
    if text := canonical(name):
        yield Term("intrinsic", key, "string", text)


def _attributes(scope: str, attributes: Iterable[KeyValue]) -> Iterator[Term]:
    for attribute in attributes:
        yield Term(scope, attribute.key)
        kind = attribute.value.WhichOneof("value")
        if kind == "array_value":
            for part in attribute.value.array_value.values:
                yield from _value(scope, attribute.key, part.WhichOneof("value"), part)
        else:
            yield from _value(scope, attribute.key, kind, attribute.value)


def _value(scope: str, key: str, kind: str | None, value: AnyValue) -> Iterator[Term]:
    if kind in _TYPES and (text := canonical(getattr(value, kind))):
        yield Term(scope, key, _TYPES[kind], text)
