"""Finding spans: a parsed query against the store's index first, then against the spans of what the index names.

Regular expressions run in Polars, whose engine takes linear time whatever the pattern.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import islice
from typing import TYPE_CHECKING, Any, Final

import polars as pl

from eigenspan.store.terms import Range, Term, canonical
from eigenspan.store.tree import PROMOTED
from eigenspan.web.traceql import Both, Compare, Condition, Either, Field, Query, Spans, Spanset

if TYPE_CHECKING:
    from eigenspan.store.traces import Row, Stored, TraceStore
    from eigenspan.store.tree import Node

MAX_INSPECTED: Final = 20_000
_MAX_CLAUSES: Final = 16
_MAX_NS: Final = 2**63 - 1
_ORDER: Final[dict[str, Callable[[Any, Any], bool]]] = {
    "=": operator.eq, "!=": operator.ne, ">": operator.gt, ">=": operator.ge, "<": operator.lt, "<=": operator.le,
}  # fmt: skip
_INDEXED: Final = frozenset({"name", "kind", "status", "event:name"})
_CHUNK: Final = 50
_FEW: Final = 500  # candidates of a file asked for at first
Needs = list[list[Term | Range]]


@dataclass(frozen=True, slots=True)
class Window:
    """Where to look: starts of spans, and lengths of whole traces, all in nanoseconds."""

    start_ns: int = 0
    end_ns: int = _MAX_NS
    shortest_ns: int = 0
    longest_ns: int = _MAX_NS


@dataclass(frozen=True, slots=True)
class Hit:
    """A trace, and its spans that the query names, by their starts."""

    stored: Stored
    nodes: list[Node]
    matched: list[Node]


@dataclass(frozen=True, slots=True)
class Found:
    """The hits, newest first; `complete`: False where more were there than may be looked at in one search."""

    hits: list[Hit]
    inspected: int
    complete: bool


def search(store: TraceStore, query: Query, window: Window, limit: int) -> Found:
    """The newest traces that a query finds."""
    needs = _needs_of(query.spans)
    promoted = _promoted(store, needs, window)
    listed = (
        (store.candidates(needs, window.start_ns, window.end_ns, few) for few in (_FEW, 2 * MAX_INSPECTED))
        if promoted is None
        else [(promoted, True)]
    )
    hits: list[Hit] = []
    seen: set[str] = set()
    inspected, complete = 0, True
    for ids, complete in listed:
        fresh = [trace_id for trace_id in ids if trace_id not in seen]
        seen.update(fresh)
        for stored in islice(_of_length(store, fresh, window), MAX_INSPECTED - inspected):
            inspected += 1
            nodes = stored.tree()
            matched = spans_of(query.spans, nodes, stored.row)
            if matched and all(_ORDER[op](len(matched), wanted) for op, wanted in query.counts):
                hits.append(Hit(stored, nodes, matched))
                if len(hits) == limit:
                    return Found(hits, inspected, complete=True)
        if complete:
            break
    return Found(hits, inspected, complete and inspected < MAX_INSPECTED)


def _of_length(store: TraceStore, ids: Sequence[str], window: Window) -> Iterator[Stored]:
    """The traces as long as they may be; the bodies of the others are not read."""
    for at in range(0, len(ids), _CHUNK):
        chunk = ids[at : at + _CHUNK]
        rows = {row.trace_id: row for row in store.rows(chunk)}
        for trace_id in chunk:
            row = rows.get(trace_id)
            fits = row and window.shortest_ns <= row.end_ns - row.start_ns <= window.longest_ns
            if fits and (stored := store.trace(trace_id)):
                yield stored


def _promoted(store: TraceStore, needs: Needs, window: Window) -> list[str] | None:
    """The traces of a job or a request, which have an index of their own; None where the query names none."""
    for group in needs:
        terms = [term for term in group if isinstance(term, Term) and term.value and term.key in PROMOTED]
        if len(terms) == len(group):
            ids = {trace_id for term in terms for trace_id in store.find(term.key, term.value)}
            if elsewhere := [term for term in terms if term.scope != "span"]:
                ids.update(store.candidates([elsewhere], window.start_ns, window.end_ns)[0])
            rows = sorted(store.rows([*ids]), key=lambda row: row.start_ns, reverse=True)
            return [row.trace_id for row in rows if row.start_ns <= window.end_ns and row.end_ns >= window.start_ns]
    return None


def spans_of(spans: Spans, nodes: Sequence[Node], row: Row) -> list[Node]:
    """The spans of one trace that a set of spans has."""
    if isinstance(spans, Spanset):
        return [node for node in nodes if holds(spans.condition, node, row)]
    left, right = spans_of(spans.left, nodes, row), spans_of(spans.right, nodes, row)
    kept = {id(node) for node in left} | {id(node) for node in right}
    match spans.op:
        case "||":
            return [node for node in nodes if id(node) in kept]
        case "&&":
            return [node for node in nodes if id(node) in kept] if left and right else []
        case ">":
            return [node for node in right if node.parent_id in {other.span_id for other in left}]
        case "~":
            return [n for n in right if any(n.parent_id and n.parent_id == o.parent_id and n is not o for o in left)]
    parents = {node.span_id: node.parent_id for node in nodes}
    above = {node.span_id for node in left}
    return [node for node in right if any(up in above for up in _ancestors(node.parent_id, parents))]


def _ancestors(span_id: str, parents: dict[str, str]) -> Iterator[str]:
    seen: set[str] = set()
    while span_id and span_id not in seen:
        yield span_id
        seen.add(span_id)
        span_id = parents.get(span_id, "")


def holds(condition: Condition, node: Node, row: Row) -> bool:
    """Whether a condition holds for a span."""
    match condition:
        case Both(parts):
            return all(holds(part, node, row) for part in parts)
        case Either(parts):
            return any(holds(part, node, row) for part in parts)
    values = values_of(condition.field, node, row)
    if condition.value is None:
        return bool(values) == (condition.op == "!=")
    return any(_compares(condition.op, value, condition.value) for value in values)


def values_of(field: Field, node: Node, row: Row) -> list[Any]:
    """What a span has under a field; several of an array or of events."""
    found: list[Any]
    match field.scope:
        case "span":
            found = [node.attributes.get(field.key)]
        case "resource":
            found = [node.resource.get(field.key)]
        case "any":
            found = [node.attributes.get(field.key, node.resource.get(field.key))]
        case "event":
            found = [e["attributes"].get(field.key) for e in node.events]  # type: ignore[union-attr]  # a mapping, as `node` has it
        case _:
            found = _intrinsic(field.key, node, row)
    return [part for value in found if value is not None for part in (value if isinstance(value, list) else [value])]


def _intrinsic(key: str, node: Node, row: Row) -> list[Any]:
    if key == "event:name":
        return [event["name"] for event in node.events]
    plain = {
        "name": node.name, "status": node.status, "kind": node.kind, "duration": max(0, node.end_ns - node.start_ns),
        "statusMessage": node.status_message, "trace:rootName": row.root, "trace:rootService": row.service,
        "trace:duration": max(0, row.end_ns - row.start_ns), "trace:id": row.trace_id, "span:id": node.span_id,
        "span:parentID": node.parent_id, "instrumentation:name": node.scope,
    }  # fmt: skip
    return [plain[key]]


def _compares(op: str, value: object, wanted: str | float | bool) -> bool:
    if op in ("=~", "!~"):
        return isinstance(value, str) and _whole(str(wanted), value) == (op == "=~")
    if isinstance(value, bool) or isinstance(wanted, bool):
        alike = isinstance(value, bool) and isinstance(wanted, bool)
    else:
        alike = isinstance(value, str) == isinstance(wanted, str) and isinstance(value, str | int | float)
    return alike and _ORDER[op](value, wanted)


@lru_cache(4096)
def _whole(pattern: str, value: str) -> bool:
    return bool(pl.Series([value]).str.contains(f"^(?s:{pattern})$").item())


def _needs_of(spans: Spans) -> Needs:
    """What a body must have for its trace to be worth a look; the right side alone, where both sides may be in two bodies."""
    if isinstance(spans, Spanset):
        return _needs(spans.condition)
    left, right = _needs_of(spans.left), _needs_of(spans.right)
    return _either([left, right]) if spans.op == "||" else right or left


def _needs(condition: Condition) -> Needs:
    match condition:
        case Both(parts):
            return [group for part in parts for group in _needs(part)]
        case Either(parts):
            return _either([_needs(part) for part in parts])
    field, value = condition.field, condition.value
    if value is None:
        return [_terms(field)] if condition.op == "!=" and field.scope != "intrinsic" else []
    if (bounds := _bounds(condition)) and (field.scope != "intrinsic" or field.key == "duration"):
        return [[Range(scope, field.key, *bounds) for scope in _scopes(field)]]
    exact = condition.op == "="
    if field.scope == "intrinsic" and not (exact and field.key in _INDEXED):
        return []
    return [_terms(field, canonical(value) if exact else "")]


def _bounds(condition: Compare) -> tuple[float, float] | None:
    """The numbers that may hold; None where it asks for something else, or what a term says better."""
    value = condition.value
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    match condition.op:
        case "=" if condition.field.key == "duration" or not canonical(value):
            return value, value
        case ">" | ">=":
            return value, math.inf
        case "<" | "<=":
            return -math.inf, value
    return None


def _scopes(field: Field) -> tuple[str, ...]:
    return ("span", "resource") if field.scope == "any" else (field.scope,)


def _terms(field: Field, text: str = "") -> list[Term | Range]:
    return [Term(scope, field.key, "", text) for scope in _scopes(field)]


def _either(sides: list[Needs]) -> Needs:
    """Groups that hold where any side holds."""
    out: Needs = [[]] if sides else []
    for side in sides:
        out = [group + more for group in out for more in side]
        if not out or len(out) > _MAX_CLAUSES:
            return []
    return out
