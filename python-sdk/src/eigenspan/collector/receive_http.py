"""OTLP/HTTP as an ASGI application: protobuf and JSON, gzip and zstd, limits before and after decompression."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from eigenspan.collector.bounds import PACE_BYTES_PER_S, Limits
from eigenspan.collector.errors import BadData, EigenspanError, TooLarge, Unauthenticated, Unavailable, UnsupportedMedia
from eigenspan.collector.otlp import JSON, PROTOBUF, SIGNALS, decompressor, error_body, http_status, json_to_protobuf

if TYPE_CHECKING:
    from eigenspan.collector.receive import Door
    from eigenspan.collector.spans import Signal

_PATHS: dict[str, Signal] = {facts.path: signal for signal, facts in SIGNALS.items()}


class OtlpHttp:
    """The ASGI application of the OTLP/HTTP receiver."""

    def __init__(self, door: Door, limits: Limits) -> None:
        self._door, self._limits = door, limits

    async def __call__(self, scope: dict[str, Any], receive: Any, send: Any) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            return
        headers = _headers(scope["headers"])
        signal = _PATHS.get(scope["raw_path"].decode("latin-1"))
        content_type = headers.get("content-type", "").partition(";")[0].strip().lower()
        if signal is None:
            self._door.refused("no_such_path")
            await _answer(
                send, 404, b"no such path; OTLP/HTTP has /v1/traces, /v1/metrics and /v1/logs\n", "text/plain"
            )
            return
        if scope["method"] != "POST":
            self._door.refused("no_such_method")
            await _answer(send, 405, b"OTLP/HTTP requests are POST\n", "text/plain", [(b"allow", b"POST")])
            return
        answer_type = JSON if content_type == JSON else PROTOBUF
        try:
            if content_type not in (JSON, PROTOBUF):
                raise UnsupportedMedia(f"Content-Type {content_type!r} is not OTLP's; send {PROTOBUF} or {JSON}")
            encoding = headers.get("content-encoding", "").strip().lower()
            inflate = decompressor(encoding)
            self._door.authenticate(headers.get("authorization", ""))
            body = inflate(await self._body(headers, receive), self._limits.request_bytes)
            if content_type == JSON:
                body = json_to_protobuf(signal, body)
            client = scope.get("client") or ("", 0)
            await self._door.take(signal, body, peer=f"{client[0]}:{client[1]}")
        except EigenspanError as error:
            self._door.count(signal, error)
            extra = []
            if isinstance(error, Unavailable):
                extra.append((b"retry-after", str(math.ceil(error.retry_after_s)).encode()))
            if isinstance(error, Unauthenticated):
                extra.append((b"www-authenticate", b"Bearer"))
            await _answer(send, http_status(error), error_body(error, answer_type), answer_type, extra)
            return
        await _answer(send, 200, b"{}" if content_type == JSON else b"", answer_type)

    async def _body(self, headers: dict[str, str], receive: Any) -> bytes:
        limit = self._limits.request_bytes
        declared = headers.get("content-length", "0")
        if declared.isdigit() and int(declared) > limit:
            raise TooLarge(f"the body is larger than {limit} bytes")
        self._door.check(int(declared) if declared.isdigit() else 0)
        parts, total = [], 0
        started_s = asyncio.get_running_loop().time()
        while True:
            try:
                async with asyncio.timeout_at(started_s + self._limits.read_s + total / PACE_BYTES_PER_S):
                    message = await receive()
            except TimeoutError as error:
                raise BadData("the body did not arrive in time") from error
            if message["type"] == "http.disconnect":
                raise BadData("the client went away in the middle of the body")
            part = message.get("body", b"")
            total += len(part)
            if total > limit:
                raise TooLarge(f"the body is larger than {limit} bytes")
            parts.append(part)
            if not message.get("more_body"):
                return b"".join(parts)


def _headers(fields: Iterable[tuple[bytes, bytes]]) -> dict[str, str]:
    """The fields by lower-case name; those of one name are one list (RFC 9110, 5.3)."""
    found: dict[str, str] = {}
    for raw, value in fields:
        name = raw.decode("latin-1").lower()
        found[name] = ", ".join([*([found[name]] if name in found else []), value.decode("latin-1")])
    return found


async def _answer(
    send: Any, status: int, body: bytes, content_type: str, extra: list[tuple[bytes, bytes]] | None = None
) -> None:
    headers = [(b"content-type", content_type.encode()), (b"content-length", str(len(body)).encode()), *(extra or [])]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
