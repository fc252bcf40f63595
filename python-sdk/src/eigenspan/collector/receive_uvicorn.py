"""ASGI applications served by uvicorn; its HTTP/1.1 held to the same bounds as the kernel's where it faces clients."""

from __future__ import annotations

import asyncio
import http
import sys
from contextlib import nullcontext
from typing import TYPE_CHECKING, Any, cast

import httptools
import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from eigenspan.collector.bounds import HEAD_BYTES, HEAD_FIELDS, Limits
from eigenspan.collector.certificates import Certificates, Watched

if TYPE_CHECKING:
    from collections import Counter


class _TooLarge(Exception):
    """The head of a request is over the bound."""


def bounded(limits: Limits, counts: Counter[tuple[str, str]]) -> type[asyncio.Protocol]:
    """HTTP/1.1 of uvicorn with bounds on connections, heads, slow and idle peers, and what is read after an answer."""

    class Bounded(HttpToolsProtocol):
        _late: asyncio.TimerHandle | None = None
        _in_head = True
        _head_bytes = 0
        _drained = 0
        _finished = 0
        _begins_with = b""

        def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # narrower, as uvicorn has it
            super().connection_made(transport)
            if len(self.connections) > limits.connections:
                counts["refused", "connections"] += 1
                transport.close()
            else:
                self._hurry()

        def connection_lost(self, exc: Exception | None) -> None:
            self._be_patient()
            super().connection_lost(exc)

        def eof_received(self) -> bool | None:  # type: ignore[override]  # uvicorn's returns nothing
            """A client that only listens any more still gets the answer to what it sent whole."""
            cycle = self.cycle
            if cycle is None or cycle.response_complete or cycle.more_body or self.scheme == "https":
                return None
            cycle.keep_alive = False
            return True

        def data_received(self, data: bytes) -> None:
            if self.transport.is_closing():
                return
            if self.cycle is None or self.cycle.response_complete:
                self._hurry()
            self._begins_with, finished = data[:1], self._finished
            super().data_received(data)
            if self._in_head and finished == self._finished and not self.transport.is_closing():
                self._head_bytes += len(data)
                if self._head_bytes > HEAD_BYTES:
                    self._refuse(431)

        def on_message_begin(self) -> None:
            self._in_head, self._head_bytes, self._drained = True, 0, 0
            super().on_message_begin()

        def on_headers_complete(self) -> None:
            size = len(self.url) + sum(len(name) + len(value) + 4 for name, value in self.headers)
            if size > HEAD_BYTES or len(self.headers) > HEAD_FIELDS:
                raise _TooLarge
            if self.parser.get_http_version() not in ("1.0", "1.1"):
                raise ValueError("the version of HTTP")
            self._in_head = False
            self._be_patient()
            super().on_headers_complete()

        def on_body(self, body: bytes) -> None:
            """After an answer the rest of a body is read, so that its sender sees the answer, but not without end."""
            if self.cycle.response_complete:
                self._drained += len(body)
                if self._drained > 2 * limits.request_bytes:
                    self.transport.close()
            super().on_body(body)

        def on_message_complete(self) -> None:
            super().on_message_complete()
            self._in_head, self._head_bytes = True, 0
            self._finished += 1
            if self.cycle.response_complete:
                self._be_patient()
                self._unset_keepalive_if_required()
                self.timeout_keep_alive_task = self.loop.call_later(limits.idle_s, self.timeout_keep_alive_handler)

        def send_400_response(self, msg: str) -> None:
            error = sys.exception()
            if isinstance(error, httptools.HttpParserInvalidMethodError) and self._begins_with.isalpha():
                self._refuse(405)
            else:
                self._refuse(431 if error is not None and isinstance(error.__context__, _TooLarge) else 400)

        def _refuse(self, status: int) -> None:
            counts["refused", "http"] += 1
            phrase = http.HTTPStatus(status).phrase
            allow = "allow: POST\r\n" if status == 405 else ""
            head = f"HTTP/1.1 {status} {phrase}\r\n{allow}content-length: 0\r\nconnection: close\r\n\r\n"
            self.transport.write(head.encode())
            self.transport.close()

        def _hurry(self) -> None:
            if self._late is None:
                self._late = self.loop.call_later(limits.read_s, self.transport.close)

        def _be_patient(self) -> None:
            if self._late is not None:
                self._late.cancel()
                self._late = None

    return Bounded


async def serve_asgi(
    app: Any,
    endpoint: str,
    *,
    what: str,
    tls: Certificates | None = None,
    protocol: type[asyncio.Protocol] | None = None,
    idle_s: float = 75,
) -> tuple[uvicorn.Server, asyncio.Task[None], int]:
    """Serve an ASGI application on the running loop; OSError where the address is taken."""
    host, _, port = endpoint.rpartition(":")
    config = uvicorn.Config(
        app,
        host=host.strip("[]"),
        port=int(port),
        http=protocol or "auto",
        log_config=None,
        access_log=False,
        lifespan="off",
        ws="none",
        timeout_keep_alive=cast("int", idle_s),  # given to the loop's timers, which take fractions
        timeout_graceful_shutdown=5,
        h11_max_incomplete_event_size=32 << 10,
        server_header=False,
    )
    try:
        sock = config.bind_socket()
    except SystemExit as error:
        raise OSError(f"cannot listen on {endpoint} ({what}); is another program using the port?") from error
    if tls is not None:
        config.load()
        watched = Watched(tls)
        config.ssl = watched.context
        config.ssl.sni_callback = watched.switch
    server = uvicorn.Server(config)
    server.capture_signals = nullcontext  # type: ignore[assignment, method-assign]  # signals are the command's affair
    task = asyncio.create_task(server.serve(sockets=[sock]))
    while not server.started and not task.done():  # noqa: ASYNC110  uvicorn has no event for it
        await asyncio.sleep(0.005)
    if task.done():
        task.result()
    return server, task, sock.getsockname()[1]


async def stop_asgi(servers: list[tuple[uvicorn.Server, asyncio.Task[None]]]) -> None:
    """Stop servers that `serve_asgi` started."""
    for server, _ in servers:
        server.should_exit = True
    for _, task in servers:
        await task
