"""The page and its JSON API as an ASGI application. Everything that it shows is untrusted input."""

from __future__ import annotations

import asyncio
import hashlib
import json
import logging
import sqlite3
import threading
import time
from collections.abc import Awaitable, Callable, Sequence
from importlib import resources
from random import Random
from typing import TYPE_CHECKING, Any, Final

from eigenspan.figures.backends import Backend, addresses, backends, name_of
from eigenspan.figures.measured import DAY_S
from eigenspan.schema import published
from eigenspan.semconv import attributes as q
from eigenspan.store.traces import Filters
from eigenspan.store.tree import first_of
from eigenspan.web import (
    api_calibration,
    api_releases,
    demo_traces,
    layout,
    otlp_json,
    page_backends,
    page_compare,
    page_front,
    page_providers,
    page_releases,
    page_span,
    page_trace,
    page_traces,
    waterfall,
)
from eigenspan.web.api_calibration import CalibrationApi
from eigenspan.web.exchange import (
    JSON,
    Asked,
    Problem,
    Request,
    Response,
    admit,
    asked,
    body_of,
    request_of,
    same_origin,
)
from eigenspan.web.figures import Figures
from eigenspan.web.jaeger import JaegerApi
from eigenspan.web.markup import Child
from eigenspan.web.tempo import TempoApi

if TYPE_CHECKING:
    from eigenspan.calibration.store import CalibrationStore
    from eigenspan.store.logs import Log
    from eigenspan.store.traces import Row, Stored, TraceStore

_TYPES: Final = {"css": "text/css; charset=utf-8", "js": "text/javascript; charset=utf-8", "svg": "image/svg+xml"}
_MAX_ROWS: Final = 20_000
_MAX_POSTED: Final = 1 << 16
_CANDIDATES, _OFFERED, _NEWEST_RAN = 500, 50, 10
_HISTORY_S: Final = 14 * DAY_S
_logger = logging.getLogger(__name__)


class Page:
    """The application. `summary` gives what the collector says of itself.

    Answers are made on threads: SQLite and long traces do not hold up the event loop.
    """

    def __init__(
        self,
        store: TraceStore,
        calibrations: CalibrationStore,
        summary: Callable[[], dict[str, Any]],
        calibration_tokens: Sequence[str] = (),
        tokens: Sequence[str] = (),
    ) -> None:
        self._store, self._calibrations, self._summary = store, calibrations, summary
        self._calibration = CalibrationApi(calibrations, calibration_tokens)
        self._tokens = tokens
        self._figures = Figures(store, calibrations)
        self._static = dict(_static())
        self._last: tuple[tuple[Row, list[Log]], waterfall.Spans] | None = None
        self._parsing = threading.Lock()
        self._routes: dict[str, Callable[[Request, list[str]], Response]] = {
            "": self._front,
            "traces": self._traces,
            "releases": self._releases,
            "fragments": self._fragment,
            "trace": self._trace,
            "compare": self._compare,
            "backends": self._backends,
            "api": self._api,
            "jaeger": JaegerApi(store).get,
            "tempo": TempoApi(store).get,
            "static": self._file,
            "schemas": self._schema,
        }
        self._posts: dict[str, Callable[[dict[str, Any], Any], Awaitable[Response]]] = {
            api_calibration.POST_PATH: self._calibration.post,
            api_releases.POST_PATH: self._release,
            "/demo": self._demo,
        }

    async def __call__(self, scope: dict[str, Any], receive: Any, send: Any) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            return
        try:
            admit(scope, self._tokens)
            post = self._posts.get(scope["path"]) if scope["method"] == "POST" else None
            if post:
                response = await post(scope, receive)
            else:
                response = await asyncio.to_thread(self._respond, request_of(scope))
        except Problem as problem:
            response = _refusal(problem, scope["path"])
        body = b"" if scope["method"] == "HEAD" else response.body
        await send({"type": "http.response.start", "status": response.status, "headers": response.head()})
        await send({"type": "http.response.body", "body": body})

    def _respond(self, request: Request) -> Response:
        first, *rest = request.path.removeprefix("/").split("/")
        try:
            route = self._routes.get(first)
            if route is None:
                raise _not_found()
            return route(request, rest)
        except Problem as problem:
            return _refusal(problem, request.path)
        except sqlite3.Error:
            _logger.exception("the page could not read the store")
            refused = Problem(503, "The store cannot be read", "The collector's log says why. Try again in a moment.")
        except Exception:
            _logger.exception("the page failed")
            refused = Problem(500, "Something went wrong here", "The collector's log says what.")
        return _refusal(refused, request.path)

    async def _release(self, scope: dict[str, Any], receive: Any) -> Response:
        request_of(scope, ("POST",))
        self._calibration.authenticate(scope)
        body = await body_of(receive, _MAX_POSTED)
        return await asyncio.to_thread(api_releases.post, self._figures.releases, body)

    async def _demo(self, scope: dict[str, Any], receive: Any) -> Response:
        request_of(scope, ("POST",))
        same_origin(scope)
        await body_of(receive, _MAX_POSTED)
        body = demo_traces.demo_traces(time.time_ns(), Random())  # noqa: S311
        await asyncio.to_thread(demo_traces.send, self._summary()["ports"].get("http"), body)
        return Response(b"", status=303, headers=(("location", "/"), ("cache-control", "no-store")))

    def _front(self, request: Request, rest: list[str]) -> Response:
        if rest:
            raise _not_found()
        window, window_s = _window(request)
        summary = self._said()
        data = self._figures.measured(window_s, summary)
        empty = None if summary["stored"]["traces"] else page_traces.empty(summary, request.host)
        return Response(page_front.render(data, window, self._figures.left_out, empty))

    def _releases(self, request: Request, rest: list[str]) -> Response:
        if rest:
            raise _not_found()
        return Response(page_releases.render(self._figures.measured(_HISTORY_S, {}), request.host))

    def _traces(self, request: Request, rest: list[str]) -> Response:
        if rest:
            raise _not_found()
        wanted = asked(request)
        rows = self._store.newest(wanted.filters, wanted.limit)
        return Response(page_traces.render(wanted, rows, self._store.values(), self._said(), request.host))

    def _fragment(self, request: Request, rest: list[str]) -> Response:
        if rest == ["front"]:
            window, window_s = _window(request)
            data = self._figures.measured(window_s, self._said())
            return Response(page_front.fragment(data, window, self._figures.left_out).encode())
        if rest != ["traces"]:
            raise _not_found()
        wanted: Asked = asked(request)
        rows = self._store.newest(wanted.filters, wanted.limit)
        return Response(page_traces.fragment(wanted, rows, self._said(), request.host).encode())

    def _said(self) -> dict[str, Any]:
        return self._summary() | {"stored": self._store.counts()}

    def _trace(self, request: Request, rest: list[str]) -> Response:
        match rest:
            case [trace_id]:
                stored, spans = self._spans(trace_id)
                shown = request.whole("rows", waterfall.ROWS, 1, _MAX_ROWS)
                chosen = spans.chosen(request.text("span"))
                shown = min(max(shown, chosen + 1), len(spans.nodes))
                details = self._details(spans, chosen)
                return Response(page_trace.render(stored.row, spans, shown, chosen, details))
            case [trace_id, "rows"]:
                stored, spans = self._spans(trace_id)
                first = request.whole("from", 0, 0, 10_000_000)
                return Response(waterfall.rows(stored.row.trace_id, spans, first, waterfall.ROWS).encode())
            case [trace_id, "spans", key]:
                _, spans = self._spans(trace_id)
                if key not in spans.places:
                    raise Problem(404, "No such span", "The trace has no span with this id.")
                return Response(self._details(spans, spans.places[key]).encode())
        raise _not_found()

    def _compare(self, request: Request, rest: list[str]) -> Response:
        if rest:
            raise _not_found()
        one = self._stored(request.text("a") or "")
        if (b := request.text("b")) is None:
            newest = self._store.newest(limit=_CANDIDATES)
            alike = [row for row in newest if row.root == one.row.root]
            return Response(page_compare.render_choice(one.row, alike[:_OFFERED]))
        other = self._stored(b)
        return Response(page_compare.render((one.row, one.tree()), (other.row, other.tree())))

    def _stored(self, trace_id: str) -> Stored:
        stored = self._store.trace(trace_id) if len(trace_id) == 32 else None
        if stored is None:
            raise Problem(
                404, "No such trace", "No trace with this id is stored. It may not be decided yet, was not kept, or is past its age."
            )  # fmt: skip
        return stored

    def _spans(self, trace_id: str) -> tuple[Stored, waterfall.Spans]:
        """A trace and its tree; the last one is remembered, for its rows and spans are asked for one after the other."""
        stored = self._stored(trace_id)
        with self._parsing:
            seen = (stored.row, self._store.logs(trace_id, page_trace.MAX_LOGS))
            if self._last is None or self._last[0] != seen:
                self._last = (seen, waterfall.spans_of(stored.tree(), seen[1]))
            spans = self._last[1]
        if not spans.nodes:
            raise Problem(404, "An empty trace", "Nothing is stored under this id but the id.")
        return stored, spans

    def _details(self, spans: waterfall.Spans, place: int) -> Any:
        node = spans.nodes[place]
        backend, provider = (
            first_of(node.attributes, key) for key in (q.QUANTUM_BACKEND_NAME, q.QUANTUM_PROVIDER_NAME)
        )
        href = None
        if isinstance(backend, str):
            known_provider = provider if isinstance(provider, str) else None
            href = page_backends.address(self._calibrations.index(), known_provider, backend)
        return page_span.render(node, href, spans.logs.get(spans.keys[place], ()))

    def _backends(self, request: Request, rest: list[str]) -> Response:
        index = self._calibrations.index()
        if len(rest) == 1 and rest[0] and (href := page_backends.address(index, None, rest[0])):
            return Response(b"", status=302, headers=(("location", href), ("cache-control", "no-store")))
        week = self._figures.measured(7 * DAY_S, {}).now
        found = backends(index, self._store.backends(), self._calibrations.events(), week)
        match rest:
            case [] | [""]:
                return Response(page_backends.render(found, page_providers.providers(week)))
            case [name]:
                if one := next((b for b in found if not b.timeline and b.name == name), None):
                    return Response(page_providers.render_unknown(name, self._ran_on(one)))
            case [provider, *parts]:
                code = index.series_code(provider, "/".join(parts))
                series = addresses(index).get(code)
                for one in found:
                    if series and (one.provider, one.name) == (series.provider, name_of(series)):
                        statuses = index.statuses(one.provider, one.name)
                        return Response(page_backends.render_one(one, statuses, self._ran_on(one)))
        raise Problem(404, "No such backend", "No calibration of it is known here.")

    def _ran_on(self, backend: Backend) -> Child:
        newest = [row for name, _ in backend.names for row in self._store.newest(Filters(backend=name), _NEWEST_RAN)]
        newest.sort(key=lambda row: -row.start_ns)
        return page_providers.ran_on(backend.ran, newest[:_NEWEST_RAN])

    def _api(self, request: Request, rest: list[str]) -> Response:
        match rest:
            case ["calibration", *more]:
                return self._calibration.get(request, more)
            case ["releases"]:
                self._figures.runs()
                return api_releases.get(self._figures.releases, request)
            case ["summary"]:
                return _json(self._summary())
            case ["traces"]:
                wanted = asked(request)
                rows = self._store.newest(wanted.filters, wanted.limit)
                return _json({"traces": [row.to_dict() for row in rows]})
            case ["traces", trace_id]:
                return _json(otlp_json.document(self._stored(trace_id).message()))
        raise _not_found()

    def _schema(self, request: Request, rest: list[str]) -> Response:
        found = published.served("/".join(rest))
        if found is None:
            raise Problem(404, "No such schema", "No schema of this name and version is published here.")
        return Response(found[1], found[0], headers=(("cache-control", "public, max-age=86400"),))

    def _file(self, request: Request, rest: list[str]) -> Response:
        found = self._static.get("/".join(rest))
        if found is None:
            raise _not_found()
        content_type, body, etag = found
        headers = (("cache-control", "no-cache"), ("etag", etag))
        if request.etag == etag:
            return Response(b"", content_type, 304, headers)
        return Response(body, content_type, headers=headers)


def _window(request: Request) -> tuple[str, float]:
    name = request.text("window") or page_front.DEFAULT
    if name not in page_front.WINDOWS:
        raise Problem(400, "No such window", f"window is one of {', '.join(page_front.WINDOWS)}.")
    return name, page_front.WINDOWS[name]


def _static() -> list[tuple[str, tuple[str, bytes, str]]]:
    """The files of the page, read once: no path of a request ever meets the file system."""
    out = []
    for file in (resources.files("eigenspan.web") / "static").iterdir():
        if content_type := _TYPES.get(file.name.rpartition(".")[2]):
            body = file.read_bytes()
            out.append((file.name, (content_type, body, f'"{hashlib.sha256(body).hexdigest()[:32]}"')))
    return out


def _not_found() -> Problem:
    return Problem(404, "Nothing here", "The page has traces and backends.")


def _json(document: dict[str, Any], status: int = 200) -> Response:
    return Response(json.dumps(document).encode(), JSON, status)


def _refusal(problem: Problem, path: str) -> Response:
    more = {405: (("allow", "GET, HEAD"),), 401: (("www-authenticate", 'Basic realm="eigenspan", charset="UTF-8"'),)}
    headers = (("cache-control", "no-store"), *more.get(problem.status, ()))
    if path.startswith("/api/"):
        body = json.dumps({"error": problem.title, "detail": problem.text}).encode()
        return Response(body, JSON, problem.status, headers)
    return Response(layout.problem(problem.status, problem.title, problem.text), status=problem.status, headers=headers)
