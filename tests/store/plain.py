"""What a body is found by, and what the list shows of it, said in the plainest way: the oracle of `eigenspan.store.digest`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator

from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.trace.v1.trace_pb2 import TracesData

from eigenspan.semconv import attributes as q
from eigenspan.store.digest import Digest
from eigenspan.store.terms import TYPES, Term, band_of, canonical
from eigenspan.store.tree import KINDS, PROMOTED, STATUSES, attributes_of, first_of, is_error

Band = tuple[str, str, int]


def found_by(data: TracesData) -> Iterator[Term | Band]:
    """Every term and band, more than once where it occurs more than once."""
    for resource_spans in data.resource_spans:
        yield from _attributes("resource", resource_spans.resource.attributes)
        for scope_spans in resource_spans.scope_spans:
            for span in scope_spans.spans:
                yield from _named("name", span.name)
                yield Term("intrinsic", "kind", "keyword", KINDS.get(span.kind, "unspecified"))
                yield Term("intrinsic", "status", "keyword", STATUSES.get(span.status.code, "unset"))
                yield ("intrinsic", "duration", band_of(max(0, span.end_time_unix_nano - span.start_time_unix_nano)))
                yield from _attributes("span", span.attributes)
                for event in span.events:
                    yield from _named("event:name", event.name)
                    yield from _attributes("event", event.attributes)


def _named(key: str, name: str) -> Iterator[Term]:
    yield Term("intrinsic", key)
    if text := canonical(name):
        yield Term("intrinsic", key, "string", text)


def _attributes(scope: str, attributes: Iterable[KeyValue]) -> Iterator[Term | Band]:
    for attribute in attributes:
        yield Term(scope, attribute.key)
        value = attribute.value
        for part in value.array_value.values if value.WhichOneof("value") == "array_value" else [value]:
            yield from _value(scope, attribute.key, part)


def _value(scope: str, key: str, value: AnyValue) -> Iterator[Term | Band]:
    kind = value.WhichOneof("value")
    if kind in TYPES:
        plain = getattr(value, kind)
        if text := canonical(plain):
            yield Term(scope, key, TYPES[kind], text)
        if kind in ("int_value", "double_value") and (band := band_of(plain)) is not None:
            yield (scope, key, band)


def summary(data: TracesData) -> Digest:
    """The same as a digest, but for the tokens."""
    out = Digest()
    starts, ends = [], []
    for resource_spans in data.resource_spans:
        resource = attributes_of(resource_spans.resource.attributes)
        service = str(resource["service.name"]) if "service.name" in resource else None
        for scope_spans in resource_spans.scope_spans:
            for span in scope_spans.spans:
                attributes = attributes_of(span.attributes)
                starts.append(span.start_time_unix_nano)
                ends.append(span.end_time_unix_nano)
                out.errors += is_error(span, attributes)
                if not span.parent_span_id:
                    out.root = out.root or span.name
                    out.service = out.service if service is None else service
                elif out.service is None:
                    out.service = service
                backend = first_of(attributes, q.QUANTUM_BACKEND_NAME)
                out.backend = out.backend or (None if backend is None else str(backend))
                out.promoted |= {(k, str(v)) for k in PROMOTED if (v := first_of(attributes, k)) is not None}
    out.start_ns, out.end_ns, out.spans = min(starts, default=0), max(ends, default=0), len(starts)
    out.calls = calls(data)
    return out


def calls(data: TracesData) -> Counter[tuple[str, str]]:
    """How often a span of one service has a child of another."""
    spans = [
        (span, str(attributes_of(resource_spans.resource.attributes).get("service.name", "")))
        for resource_spans in data.resource_spans
        for scope_spans in resource_spans.scope_spans
        for span in scope_spans.spans
    ]
    services = {span.span_id: service for span, service in reversed(spans)}
    pairs = ((services.get(span.parent_span_id, ""), service) for span, service in spans)
    return Counter((caller, called) for caller, called in pairs if caller and called and caller != called)
