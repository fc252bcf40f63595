"""A trace as people read it: its spans as a tree."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.trace.v1.trace_pb2 import Span, TracesData

from eigenspan.semconv import attributes as q
from eigenspan.semconv import tables

Value = str | int | float | bool | bytes | list[object] | dict[str, object] | None
PROMOTED = (q.QUANTUM_JOB_ID, q.QUANTUM_REQUEST_CORRELATION_ID)
_FAILED = frozenset(status.lower() for status in tables.FAILED_JOB_STATUSES)
STATUS_ERROR = 2
STATUSES = {0: "unset", 1: "ok", 2: "error"}
KINDS = {0: "unspecified", 1: "internal", 2: "server", 3: "client", 4: "producer", 5: "consumer"}


@dataclass(slots=True)
class Node:
    """One span of a tree. `offset_s`: its start after the trace's; `error`: whether the collector counts it as one."""

    span_id: str
    parent_id: str
    name: str
    kind: str
    service: str
    scope: str
    start_ns: int
    end_ns: int
    status: str
    status_message: str
    trace_state: str
    attributes: dict[str, Value]
    resource: dict[str, Value]
    events: list[dict[str, Value]] = field(default_factory=list)
    links: list[dict[str, Value]] = field(default_factory=list)
    error: bool = False
    depth: int = 0
    offset_s: float = 0.0

    @property
    def duration_s(self) -> float:
        """Its length."""
        return max(0, self.end_ns - self.start_ns) / 1e9


def value_of(value: AnyValue) -> Value:
    """A plain value."""
    kind = value.WhichOneof("value")
    if kind is None:
        return None
    if kind == "array_value":
        return [value_of(part) for part in value.array_value.values]
    if kind == "kvlist_value":
        return dict(attributes_of(value.kvlist_value.values))
    return getattr(value, kind)  # type: ignore[no-any-return]


def attributes_of(attributes: Iterable[KeyValue]) -> dict[str, Value]:
    """Attributes by key; of several under one key the first counts."""
    out: dict[str, Value] = {}
    for attribute in attributes:
        out.setdefault(attribute.key, value_of(attribute.value))
    return out


def first_of(attributes: dict[str, Value], key: str) -> Value:
    """The value of an attribute under its name or one of its older names."""
    for alias in tables.ALIASES.get(key, (key,)):
        if alias in attributes:
            return attributes[alias]
    return None


def _spans(data: TracesData) -> Iterator[tuple[Span, dict[str, Value], str]]:
    for resource_spans in data.resource_spans:
        resource = attributes_of(resource_spans.resource.attributes)
        for scope_spans in resource_spans.scope_spans:
            for span in scope_spans.spans:
                yield span, resource, scope_spans.scope.name


def is_error(span: Span, attributes: dict[str, Value]) -> bool:
    """Whether a span is an error, as the collector counts it."""
    return span.status.code == STATUS_ERROR or tells_of_failure(attributes)


def tells_of_failure(attributes: dict[str, Value]) -> bool:
    """Whether attributes make their span an error whatever its status; `success` may be told as text."""
    status, success = first_of(attributes, q.QUANTUM_JOB_STATUS), first_of(attributes, q.QUANTUM_EXECUTION_SUCCESS)
    return bool(
        any(attributes.get(key) for key in tables.ERROR_KEYS)
        or (success is not None and str(success).lower() == "false")
        or (isinstance(status, str) and status.lower() in _FAILED)
    )


def tree_of(data: TracesData) -> list[Node]:
    """Spans depth first; a span whose parent is not there, or that is its own ancestor, stands at the top."""
    nodes: dict[str, Node] = {}
    repeated: list[Node] = []
    for span, resource, scope in _spans(data):
        node = _node(span, resource, scope)
        if node.span_id in nodes:
            repeated.append(node)
        else:
            nodes[node.span_id] = node
    children: defaultdict[str, list[Node]] = defaultdict(list)
    for node in sorted([*nodes.values(), *repeated], key=lambda n: n.start_ns):
        parent = node.parent_id if node.parent_id in nodes and node.parent_id != node.span_id else ""
        children[parent].append(node)
    start_ns = min((n.start_ns for n in nodes.values()), default=0)
    out: list[Node] = []
    seen: set[int] = set()
    for top in [*children[""], *nodes.values()]:  # those in a ring of parents are reached last
        stack = [(top, 0)]
        while stack:
            node, depth = stack.pop()
            if id(node) in seen:
                continue
            seen.add(id(node))
            node.depth, node.offset_s = depth, (node.start_ns - start_ns) / 1e9
            out.append(node)
            if nodes.get(node.span_id) is node:
                stack += [(child, depth + 1) for child in reversed(children[node.span_id])]
    return out


def _node(span: Span, resource: dict[str, Value], scope: str) -> Node:
    attributes = attributes_of(span.attributes)
    return Node(
        span_id=span.span_id.hex(),
        parent_id=span.parent_span_id.hex(),
        name=span.name,
        kind=KINDS.get(span.kind, str(span.kind)),
        service=str(resource.get("service.name", "")),
        scope=scope,
        start_ns=span.start_time_unix_nano,
        end_ns=span.end_time_unix_nano,
        status=STATUSES.get(span.status.code, str(span.status.code)),
        status_message=span.status.message,
        trace_state=span.trace_state,
        attributes=attributes,
        error=is_error(span, attributes),
        resource=resource,
        events=[
            {"name": e.name, "time_ns": e.time_unix_nano, "attributes": dict(attributes_of(e.attributes))}
            for e in span.events
        ],
        links=[
            {"trace_id": x.trace_id.hex(), "span_id": x.span_id.hex(), "attributes": dict(attributes_of(x.attributes))}
            for x in span.links
        ],
    )
