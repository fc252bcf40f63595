"""Jaeger's query API, under /jaeger: the JSON API of version 1, which Grafana's Jaeger data source speaks, and API v3, for newer UIs.

Give them http://HOST:8080/jaeger as the URL or base path.
API: https://www.jaegertracing.io/docs/latest/architecture/apis/ ; v3 answers are OTLP, ids in hexadecimal.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Final

from opentelemetry.proto.trace.v1.trace_pb2 import TracesData

from eigenspan.calibration import instants
from eigenspan.store.tree import KINDS
from eigenspan.web import jaeger_model, otlp_json
from eigenspan.web.exchange import JSON, Problem, Request, Response
from eigenspan.web.spansearch import Found, Window, search
from eigenspan.web.traceql import Both, Compare, Condition, Either, Field, Query, Spanset, duration_ns, typed

if TYPE_CHECKING:
    from eigenspan.store.traces import Stored, TraceStore

_MAX_LIMIT: Final = 1500
_MAX_NS: Final = 2**63 - 1
_SNAKE: Final = re.compile(r"[A-Z]")
_ID: Final = re.compile(r"[0-9a-fA-F]{1,32}")


class JaegerApi:
    """Answers of one store."""

    def __init__(self, store: TraceStore) -> None:
        self._store = store

    def get(self, request: Request, parts: list[str]) -> Response:
        """Answer what comes after /jaeger."""
        v3 = parts[:2] == ["api", "v3"]
        try:
            return _json(
                self._v3(request, parts[2:]) if v3 else self._v1(request, parts[1:] if parts[:1] == ["api"] else [])
            )
        except Problem as problem:
            error: dict[str, Any] = {"httpCode": problem.status, "message": problem.text}
            document = {"error": error} if v3 else _listed(None, [{"code": problem.status, "msg": problem.text}])
            return _json(document, problem.status)

    def _v1(self, request: Request, parts: list[str]) -> dict[str, Any]:
        match parts:
            case ["services"]:
                return _listed(self._services())
            case ["operations"]:
                return _listed(self._operations(_wanted(request, "service"), request.text("spanKind")))
            case ["services", *service, "operations"]:
                return _listed(sorted({found["name"] for found in self._operations("/".join(service), None)}))
            case ["traces"]:
                return self._traces(request)
            case ["traces", trace_id]:
                return _listed([jaeger_model.trace(self._stored(trace_id))])
            case ["dependencies"]:
                end_ns = _integer(request, "endTs", time.time_ns() // 10**6) * 10**6
                start_ns = max(0, end_ns - _integer(request, "lookback", 86_400_000) * 10**6)
                calls = self._store.calls(start_ns, end_ns)
                return _listed([{"parent": p, "child": c, "callCount": n} for (p, c), n in sorted(calls.items())])
        raise Problem(404, "Nothing here", "404 page not found")

    def _v3(self, request: Request, parts: list[str]) -> dict[str, Any]:
        match parts:
            case ["services"]:
                return {"services": self._services()}
            case ["operations"]:
                kind = request.text("spanKind") or request.text("span_kind")
                return {"operations": self._operations(request.query.get("service", ""), kind)}
            case ["traces", trace_id]:
                return {"result": otlp_json.document(self._stored(trace_id).message())}
            case ["traces"]:
                merged = TracesData()
                for hit in self._asked_v3(request).hits:
                    merged.MergeFrom(hit.stored.message())
                if not merged.resource_spans:
                    raise Problem(404, "No traces", "No traces found")
                return {"result": otlp_json.document(merged)}
            case ["trace-summaries"]:
                return {
                    "summaries": [
                        jaeger_model.summary(hit.stored.row, hit.nodes) for hit in self._asked_v3(request).hits
                    ]
                }
        raise Problem(404, "Nothing here", "404 page not found")

    def _services(self) -> list[str]:
        return sorted({service for service, _, _ in self._store.operations()} - {""})

    def _operations(self, service: str, kind: str | None) -> list[dict[str, str]]:
        found = {(name, jaeger_model.KINDS.get(of, "")) for _, name, of in self._store.operations(service)}
        return [{"name": name, "spanKind": of} for name, of in sorted(found) if kind in (None, of)]

    def _stored(self, trace_id: str) -> Stored:
        if not _ID.fullmatch(trace_id):
            raise Problem(400, "No trace id", "the trace id is not 1 to 32 hexadecimal digits")
        stored = self._store.trace(trace_id.zfill(32))
        if stored is None:
            raise Problem(404, "No such trace", "trace not found")
        return stored

    def _traces(self, request: Request) -> dict[str, Any]:
        if ids := request.fields.get("traceID"):
            return _listed([jaeger_model.trace(self._stored(one)) for one in ids])
        start_ns = _integer(request, "start", -1) * 1000
        end_ns = _integer(request, "end", time.time_ns() // 1000) * 1000
        if start_ns < 0:
            start_ns = max(0, end_ns - (_duration(request, "lookback") or 3_600 * 10**9))
        tags: dict[str, Any] = {}
        for text in request.fields.get("tags", []):
            tags |= _object(text, "tags")
        for text in request.fields.get("tag", []):
            key, colon, value = text.partition(":")
            if not colon:
                raise Problem(400, "No tag", f"tag {text[:64]!r} is not key:value")
            tags[key] = value
        bounds = _duration(request, "minDuration"), _duration(request, "maxDuration")
        query = _query(_wanted(request, "service"), request.text("operation"), tags, bounds)
        found = search(self._store, query, Window(start_ns, end_ns), request.whole("limit", 20, 1, _MAX_LIMIT))
        cut = [] if found.complete else [{"msg": "more traces may match; narrow the time range"}]
        return _listed([jaeger_model.trace(hit.stored) for hit in found.hits], cut or None)

    def _asked_v3(self, request: Request) -> Found:
        start, end = _parameter(request, "startTimeMin"), _parameter(request, "startTimeMax")
        if not start or not end:
            raise Problem(400, "No window", "query.startTimeMin and query.startTimeMax are required")
        window = Window(_rfc3339(start, "query.startTimeMin"), _rfc3339(end, "query.startTimeMax"))
        if window.start_ns >= window.end_ns:
            raise Problem(400, "No window", "query.startTimeMin must be before query.startTimeMax")
        if request.query.get("query.filter"):
            raise Problem(
                400, "Not supported", "the structured query filter is not supported here; use query.attributes"
            )
        tags = _object(request.query.get("query.attributes") or "{}", "query.attributes")
        bounds = [
            _parse_duration(_parameter(request, name), f"query.{name}") for name in ("durationMin", "durationMax")
        ]
        query = _query(
            _parameter(request, "serviceName"), _parameter(request, "operationName"), tags, (bounds[0], bounds[1])
        )
        text = _parameter(request, "searchDepth") or _parameter(request, "numTraces") or "100"
        if not re.fullmatch(r"\d{1,4}", text) or not 1 <= int(text) <= _MAX_LIMIT:
            raise Problem(400, "No number", f"query.searchDepth is a whole number from 1 to {_MAX_LIMIT}")
        return search(self._store, query, window, int(text))


def _query(
    service: str | None, operation: str | None, tags: dict[str, Any], bounds: tuple[int | None, int | None]
) -> Query:
    """All on one span, as Jaeger's stores search; tags may be the span's, its resource's or an event's."""
    parts: list[Condition] = []
    if service:
        parts.append(Compare(Field("resource", "service.name"), "=", service))
    if operation:
        parts.append(Compare(Field("intrinsic", "name"), "=", operation))
    for bound, op in zip(bounds, (">=", "<="), strict=True):
        if bound is not None:
            parts.append(Compare(Field("intrinsic", "duration"), op, bound))
    parts += [_tag(key, value if isinstance(value, str) else json.dumps(value)) for key, value in tags.items()]
    return Query(Spanset(Both(tuple(parts))))


def _tag(key: str, value: str) -> Condition:
    if key == "error" and value in ("true", "false"):
        return Compare(Field("intrinsic", "status"), "=" if value == "true" else "!=", "error")
    if key == "span.kind" and value in KINDS.values():
        return Compare(Field("intrinsic", "kind"), "=", value)
    if key in ("scope.name", "otel.scope.name"):
        return Compare(Field("intrinsic", "instrumentation:name"), "=", value)
    fields: Iterable[Field] = [Field(scope, key) for scope in ("span", "resource", "event")]
    if key.startswith("resource."):
        fields = [*fields, Field("resource", key.removeprefix("resource."))]
    return Either(tuple(Compare(field, "=", one) for field in fields for one in typed(value)))


def _parameter(request: Request, name: str) -> str | None:
    """A v3 parameter under its name or its older spelling, such as query.start_time_min."""
    snake = _SNAKE.sub(lambda found: "_" + found[0].lower(), name)
    return request.text(f"query.{name}") or request.text(f"query.{snake}")


def _wanted(request: Request, name: str) -> str:
    text = request.text(name)
    if text is None:
        raise Problem(400, "A field is missing", f"parameter '{name}' is required")
    return text


def _integer(request: Request, name: str, default: int) -> int:
    text = request.text(name)
    if text is None:
        return default
    if not re.fullmatch(r"\d{1,16}", text):
        raise Problem(400, "No number", f"unable to parse param '{name}': a whole number is expected")
    return int(text)


def _duration(request: Request, name: str) -> int | None:
    return _parse_duration(request.text(name), name)


def _parse_duration(text: str | None, name: str) -> int | None:
    if text is None:
        return None
    days = re.fullmatch(r"(\d{1,5})d", text)
    found = int(days[1]) * 86_400 * 10**9 if days else duration_ns(text)
    if found is None:
        raise Problem(400, "No duration", f"unable to parse param '{name}': {text!r} is no duration such as 1.5s")
    return found


def _rfc3339(text: str, name: str) -> int:
    try:
        return max(0, instants.parse(text))
    except ValueError as error:
        raise Problem(400, "No time", f"malformed parameter {name}: {text!r} is no RFC 3339 time") from error


def _object(text: str, name: str) -> dict[str, Any]:
    try:
        found = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise Problem(400, "No JSON", f"malformed parameter {name}: a JSON object is expected") from error
    if not isinstance(found, dict):
        raise Problem(400, "No JSON", f"malformed parameter {name}: a JSON object is expected")
    return found


def _listed(data: list[Any] | None, errors: list[dict[str, Any]] | None = None) -> dict[str, Any]:
    return {"data": data, "total": len(data or []), "limit": 0, "offset": 0, "errors": errors}


def _json(document: dict[str, Any], status: int = 200) -> Response:
    return Response(json.dumps(document).encode(), JSON, status)
