"""Tempo's query API, under /tempo: give Grafana's Tempo data source http://HOST:8080/tempo as its URL.

Traces are the stored OTLP bytes: Tempo's Trace has OTLP's TracesData under the same field number. Errors are plain text, as Tempo's.
API: https://grafana.com/docs/tempo/latest/api_docs/
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any, Final

from eigenspan import __version__
from eigenspan.web import otlp_json
from eigenspan.web.exchange import JSON, Problem, Request, Response
from eigenspan.web.spansearch import Hit, Window, search, values_of
from eigenspan.web.traceql import (
    INTRINSICS,
    Both,
    Combined,
    Compare,
    Condition,
    Either,
    Field,
    Query,
    Spanset,
    TraceQLError,
    duration_ns,
    parse,
    typed,
)

if TYPE_CHECKING:
    from eigenspan.store.traces import Stored, TraceStore
    from eigenspan.store.tree import Node

PROTOBUF: Final = "application/protobuf"
_TEXT: Final = "text/plain; charset=utf-8"
_SCOPES: Final = ("span", "resource", "event")
_LOGFMT: Final = re.compile(r'\s*([^\s="]+)=(?:"((?:[^"\\]|\\.)*)"|(\S*))')
_MAX_LIMIT: Final = 1000
_MAX_VALUES: Final = 1000
_MAX_NS: Final = 2**63 - 1


class TempoApi:
    """Answers of one store."""

    def __init__(self, store: TraceStore) -> None:
        self._store = store

    def get(self, request: Request, parts: list[str]) -> Response:
        """Answer what comes after /tempo."""
        try:
            return self._answer(request, parts)
        except Problem as problem:
            return Response(problem.text.encode(), _TEXT, problem.status)
        except TraceQLError as error:
            return Response(f"invalid TraceQL query: {error}".encode(), _TEXT, 400)

    def _answer(self, request: Request, parts: list[str]) -> Response:
        match parts:
            case ["ready"]:
                return Response(b"ready", _TEXT)
            case ["api", "echo"]:
                return Response(b"echo", _TEXT)
            case ["api", "status", "buildinfo"]:
                return _json(
                    {
                        "version": "2.8.0",
                        "branch": "eigenspan",
                        "revision": __version__,
                        "buildUser": "",
                        "buildDate": "",
                        "goVersion": "",
                    }
                )
            case ["api", "traces", trace_id]:
                return self._trace(request, trace_id, wrapped=False)
            case ["api", "v2", "traces", trace_id]:
                return self._trace(request, trace_id, wrapped=True)
            case ["api", "search"]:
                return self._search(request)
            case ["api", "search", "tags"]:
                names = sorted({key for _, key in self._keys(request)})
                return _json({"tagNames": names, "metrics": {}})
            case ["api", "v2", "search", "tags"]:
                return self._tags(request)
            case ["api", "search", "tag", *tag, "values"]:
                found = self._values(request, "/".join(tag), any_scope=True)
                return _json({"tagValues": sorted({value for _, value in found}), "metrics": {}})
            case ["api", "v2", "search", "tag", *tag, "values"]:
                values = [{"type": kind, "value": value} for kind, value in self._values(request, "/".join(tag))]
                return _json({"tagValues": values, "metrics": {}})
        raise Problem(404, "Nothing here", "404 page not found")

    def _trace(self, request: Request, trace_id: str, *, wrapped: bool) -> Response:
        if not re.fullmatch("[0-9a-fA-F]{1,32}", trace_id):
            raise Problem(
                400, "No trace id", f"trace ids can only contain hex characters, at most 32: {trace_id[:64]!r}"
            )
        stored = self._store.trace(trace_id.zfill(32))
        if stored is None:
            raise Problem(404, "No such trace", f"trace {trace_id} is not stored")
        if "protobuf" in request.accept:
            body = b"".join(stored.bodies)
            return Response(b"\x0a" + _varint(len(body)) + body if wrapped else body, PROTOBUF)
        resources = otlp_json.document(stored.message()).get("resourceSpans", [])
        if wrapped:
            return _json({"trace": {"resourceSpans": resources}, "metrics": {}})
        return _json({"batches": resources})

    def _search(self, request: Request) -> Response:
        start_ns, end_ns = _range(request)
        shortest, longest = (_duration(request, name) for name in ("minDuration", "maxDuration"))
        window = Window(start_ns, end_ns, shortest or 0, _MAX_NS if longest is None else longest)
        text = request.query.get("q", "").strip()
        query = parse(text) if text else _by_tags(request.query.get("tags", ""))
        shown = request.whole("spss", 3, 0, 100) or 100
        found = search(self._store, query, window, request.whole("limit", 20, 1, _MAX_LIMIT))
        document: dict[str, Any] = {"traces": [_metadata(hit, query, shown) for hit in found.hits]}
        document["metrics"] = {"inspectedTraces": found.inspected}
        if not found.complete:
            document["message"] = "more traces may match; narrow the time range or the query"
        return _json(document)

    def _keys(self, request: Request) -> list[tuple[str, str]]:
        scope = request.text("scope")
        return [(of, key) for of, key in self._store.attributes(*_range(request)) if scope in (None, of)]

    def _tags(self, request: Request) -> Response:
        keys = self._keys(request)
        scopes = [
            {"name": scope, "tags": tags} for scope in _SCOPES if (tags := [key for of, key in keys if of == scope])
        ]
        if request.text("scope") in (None, "intrinsic"):
            scopes.append({"name": "intrinsic", "tags": sorted(INTRINSICS)})
        return _json({"scopes": scopes, "metrics": {}})

    def _values(self, request: Request, tag: str, *, any_scope: bool = False) -> list[tuple[str, str]]:
        """The values of a tag as v1 (a bare key) or v2 (with its scope) names it."""
        window = _range(request)
        if INTRINSICS.get(tag) == "trace:rootService":
            return [("string", name) for name in self._store.values(*window)["service"]]
        if tag in INTRINSICS:
            key = "name" if INTRINSICS[tag] == "trace:rootName" else INTRINSICS[tag]
            return self._store.values_of("intrinsic", key, _MAX_VALUES, *window)
        scope, _, key = tag.partition(".")
        scopes = (scope,) if scope in _SCOPES and not any_scope else _SCOPES[:2]
        key = tag if any_scope else key if scope in (*_SCOPES, "") else tag
        return [found for one in scopes for found in self._store.values_of(one, key, _MAX_VALUES, *window)]


def _range(request: Request) -> tuple[int, int]:
    """The time range of a request; all time where it names none."""
    start_ns, end_ns = (_unix(request, name) for name in ("start", "end"))
    return start_ns or 0, end_ns or _MAX_NS


def _metadata(hit: Hit, query: Query, shown: int) -> dict[str, Any]:
    row = hit.stored.row
    spans = [_span(node, query, hit.stored) for node in hit.matched[:shown]]
    spanset = {"spans": spans, "matched": len(hit.matched)}
    return {
        "traceID": row.trace_id, "rootServiceName": row.service or "<root span not yet received>",
        "rootTraceName": row.root or "<root span not yet received>", "startTimeUnixNano": str(row.start_ns),
        "durationMs": int(row.duration_s * 1000), "spanSet": spanset, "spanSets": [spanset],
    }  # fmt: skip


def _span(node: Node, query: Query, stored: Stored) -> dict[str, Any]:
    named = [*query.selected, *_attributes(query.spans)]
    shown = {field.key: found[0] for field in named if (found := values_of(field, node, stored.row))}
    return {
        "spanID": node.span_id, "name": node.name, "startTimeUnixNano": str(node.start_ns),
        "durationNanos": str(max(0, node.end_ns - node.start_ns)),
        "attributes": [{"key": key, "value": _any_value(value)} for key, value in shown.items()],
    }  # fmt: skip


def _attributes(query: Spanset | Combined | Condition) -> list[Field]:
    """The fields that a query compares."""
    match query:
        case Spanset(condition):
            return _attributes(condition)
        case Combined(_, left, right):
            return [*_attributes(left), *_attributes(right)]
        case Compare(field):
            return [field] if field.scope != "intrinsic" else []
        case Both(parts) | Either(parts):
            return [field for part in parts for field in _attributes(part)]


def _any_value(value: object) -> dict[str, Any]:
    match value:
        case bool():
            return {"boolValue": value}
        case int():
            return {"intValue": str(value)}
        case float():
            return {"doubleValue": value}
    return {"stringValue": str(value)}


def _by_tags(text: str) -> Query:
    """The query of v1's `tags`, logfmt: all on one span or its resource; values are compared as text, number or boolean."""
    parts: list[Condition] = []
    at = 0
    while at < len(text.rstrip()):
        found = _LOGFMT.match(text, at)
        if found is None:
            raise Problem(400, "No tags", f"invalid tags at position {at}: key=value pairs in logfmt are expected")
        key = found[1]
        value = re.sub(r"\\(.)", r"\1", found[2]) if found[2] is not None else found[3]
        parts.append(_tag(key, value))
        at = found.end()
    return Query(Spanset(Both(tuple(parts))))


def _tag(key: str, value: str) -> Condition:
    intrinsic = INTRINSICS.get("statusMessage" if key == "status.message" else key)
    if key == "error" and value == "true":
        return Compare(Field("intrinsic", "status"), "=", "error")
    if intrinsic in ("name", "status", "kind", "statusMessage", "trace:rootName", "trace:rootService"):
        return Compare(Field("intrinsic", intrinsic), "=", value)
    return Either(tuple(Compare(Field("any", key), "=", one) for one in typed(value)))


def _unix(request: Request, name: str) -> int | None:
    text = request.text(name)
    if text is None:
        return None
    if not re.fullmatch(r"\d{1,10}", text):
        raise Problem(400, "No time", f"invalid {name}: {text!r} is no time in Unix seconds")
    return int(text) * 10**9


def _duration(request: Request, name: str) -> int | None:
    text = request.text(name)
    if text is None:
        return None
    found = duration_ns(text)
    if found is None:
        raise Problem(400, "No duration", f"invalid {name}: {text!r} is no duration such as 100ms or 1m30s")
    return found


def _varint(number: int) -> bytes:
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*out, number])


def _json(document: dict[str, Any]) -> Response:
    return Response(json.dumps(document).encode(), JSON)
