"""Where a request enters: middleware for ASGI and WSGI.

    app = AsgiIngress(app, workflow_name="portfolio", workload_class="interactive")

The caller's `traceparent` and `baggage` are taken up, unless something outside of this already made a span for the request.
`X-Request-ID` is the id of this attempt; the correlation id is the one in the baggage, else the request id, else a new one. Both go
down to every span and every process that the baggage reaches, and the request id goes back in the answer.
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, MutableMapping
from typing import Any, Unpack

from opentelemetry import baggage, propagate, trace
from opentelemetry import context as otel
from opentelemetry.context import Context

from eigenspan.instrument._telemetry import CARRIED, under
from eigenspan.sdk.spanned import Active, Spanned, checked
from eigenspan.semconv import arguments as a
from eigenspan.semconv import attributes as q
from eigenspan.semconv import spans as s

REQUEST_ID = "x-request-id"
VALUE_LIMIT = 256
_ID = re.compile(r"[\w.:/=+@-]{1,128}", re.ASCII)
Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
Asgi = Callable[[Scope, Receive, Send], Awaitable[None]]


class AsgiIngress:
    """An ASGI application with an ingress span for each HTTP request. Keywords are attributes of every request."""

    def __init__(self, app: Asgi, **given: Unpack[a.Ingress]) -> None:
        self._app = app
        self._given = checked(given)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope["headers"]}
        context, attributes, request_id = _arrived(headers, self._given)
        status = 0

        async def answer(message: MutableMapping[str, Any]) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                others = [pair for pair in message.get("headers", ()) if pair[0].lower() != REQUEST_ID.encode()]
                message["headers"] = [*others, (REQUEST_ID.encode(), request_id.encode())]
            await send(message)

        with under(context), Spanned(s.INGRESS, attributes, carry=True) as span:
            await self._app(scope, receive, answer)
            if status >= 500:
                span.fail(str(status))


class WsgiIngress:
    """A WSGI application with an ingress span for each request, which ends when the answer has been read or closed."""

    def __init__(self, app: Callable[..., Iterable[bytes]], **given: Unpack[a.Ingress]) -> None:
        self._app = app
        self._given = checked(given)

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        """Serve a request."""
        headers = {
            key[5:].replace("_", "-").lower(): value for key, value in environ.items() if key.startswith("HTTP_")
        }
        context, attributes, request_id = _arrived(headers, self._given)
        status = ""

        def answer(line: str, found: list[tuple[str, str]], *more: Any) -> Any:
            nonlocal status
            status = line[:3]
            others = [pair for pair in found if pair[0].lower() != REQUEST_ID]
            return start_response(line, [*others, ("X-Request-ID", request_id)], *more)

        def body() -> Iterator[bytes]:
            chunks = self._app(environ, answer)
            try:
                yield from chunks
            finally:
                if hasattr(chunks, "close"):
                    chunks.close()

        def ended(span: Active, _: BaseException | None) -> None:
            if status >= "500":
                span.fail(status)

        return _Within(context, Spanned(s.INGRESS, attributes, carry=True, ended=ended)(body)())


class _Within:
    """An iterator whose every step is taken in a context."""

    def __init__(self, context: Context, steps: Any) -> None:
        self._context = context
        self._steps = steps

    def __iter__(self) -> _Within:
        return self

    def __next__(self) -> bytes:
        with under(self._context):
            found: bytes = next(self._steps)
            return found

    def close(self) -> None:
        with under(self._context):
            self._steps.close()


def _arrived(headers: Mapping[str, str], given: Mapping[str, Any]) -> tuple[Context, dict[str, Any], str]:
    """The context to serve a request in, its attributes, its id. What is too long or malformed in the headers is not believed."""
    context = otel.get_current()
    if not trace.get_current_span(context).get_span_context().is_valid:
        context = propagate.extract(headers, context)
    said = {key: str(value) for key, value in baggage.get_all(context).items() if key in CARRIED}
    for key, value in said.items():
        if len(value) > VALUE_LIMIT:
            context = baggage.remove_baggage(key, context)
    said = {key: value for key, value in said.items() if len(value) <= VALUE_LIMIT}
    sent = headers.get(REQUEST_ID) or said.get(q.QUANTUM_REQUEST_ID, "")
    request_id = sent if _ID.fullmatch(sent) else str(uuid.uuid4())
    correlation = said.get(q.QUANTUM_REQUEST_CORRELATION_ID) or request_id
    own = {q.QUANTUM_REQUEST_ID: request_id, q.QUANTUM_REQUEST_CORRELATION_ID: correlation}
    return context, {**said, **given, **own}, request_id
