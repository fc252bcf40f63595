"""OTLP destinations: gRPC and HTTP, with the specification's split of errors into passing and final."""

from __future__ import annotations

import contextlib
import http.client
import logging
import ssl
import time
from collections.abc import Sequence
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import urlsplit

import grpc
from google.protobuf.message import DecodeError
from google.rpc.error_details_pb2 import RetryInfo
from google.rpc.status_pb2 import Status

from eigenspan.collector.export import Refused, Retry
from eigenspan.collector.item import Item
from eigenspan.collector.otlp import PROTOBUF, SIGNALS
from eigenspan.collector.spans import Signal

_RETRYABLE = {
    grpc.StatusCode.CANCELLED, grpc.StatusCode.DEADLINE_EXCEEDED, grpc.StatusCode.ABORTED, grpc.StatusCode.OUT_OF_RANGE,
    grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DATA_LOSS,
    # OTLP calls these final. They speak of our credentials, not of what was sent: it waits until somebody mends them.
    grpc.StatusCode.UNAUTHENTICATED, grpc.StatusCode.PERMISSION_DENIED,
}  # fmt: skip
_RETRYABLE_HTTP = {429, 502, 503, 504, 401, 403}  # 401 and 403: see above
_logger = logging.getLogger(__name__)


class _Otlp:
    per_trace = False

    def __init__(self, signals: frozenset[Signal], timeout_s: float) -> None:
        self.signals = signals
        self._timeout_s = timeout_s

    def deliver(self, signal: Signal, bodies: Sequence[tuple[Item, bytes]]) -> int:
        """Send each body as one request; how many spans, points or records of them the far end rejected."""
        return sum(_rejected(signal, self._send(signal, body)) for _, body in bodies)

    def _send(self, signal: Signal, body: bytes) -> bytes:
        raise NotImplementedError


def _rejected(signal: Signal, answer: bytes) -> int:
    facts = SIGNALS[signal]
    try:
        partial: Any = facts.response.FromString(answer).partial_success  # type: ignore[attr-defined]  # by signal
    except Exception:  # noqa: BLE001  an unreadable answer to a success is still a success
        return 0
    rejected = int(getattr(partial, facts.rejected))
    if rejected or partial.error_message:
        _logger.warning("the far end rejected %d %s for good: %s", rejected, signal, partial.error_message)
    return max(0, rejected)


class OtlpGrpc(_Otlp):
    """OTLP/gRPC to `endpoint` (host:port)."""

    def __init__(
        self, endpoint: str, *, signals: frozenset[Signal], tls: bool = False, ca: bytes | None = None,
        headers: dict[str, str] | None = None, timeout_s: float = 10.0,
    ) -> None:  # fmt: skip
        super().__init__(signals, timeout_s)
        options = [("grpc.max_send_message_length", -1), ("grpc.max_receive_message_length", 4 << 20)]
        credentials = grpc.ssl_channel_credentials(ca) if tls else None
        self._channel = (
            grpc.secure_channel(endpoint, credentials, options)
            if credentials
            else grpc.insecure_channel(endpoint, options)
        )
        self._calls = {s: self._channel.unary_unary(f"/{facts.service}/Export") for s, facts in SIGNALS.items()}
        self._metadata = tuple((k.lower(), v) for k, v in (headers or {}).items())

    def _send(self, signal: Signal, body: bytes) -> bytes:
        try:
            return self._calls[signal](body, timeout=self._timeout_s, metadata=self._metadata)  # type: ignore[no-any-return]
        except grpc.RpcError as error:
            message = f"{error.code().name}: {error.details()}"
            after_s = _retry_info(error)
            if error.code() in _RETRYABLE or (
                error.code() is grpc.StatusCode.RESOURCE_EXHAUSTED and after_s is not None
            ):
                raise Retry(message, after_s) from error
            raise Refused(message) from error

    def close(self) -> None:
        """Close the channel."""
        self._channel.close()


def _retry_info(error: grpc.RpcError) -> float | None:
    for key, value in error.trailing_metadata() or ():
        if key == "grpc-status-details-bin":
            with contextlib.suppress(DecodeError):  # details that nobody can read ask for nothing
                for detail in Status.FromString(value).details:
                    info = RetryInfo()
                    if detail.Unpack(info):
                        return max(0.0, float(info.retry_delay.ToMilliseconds()) / 1000)
    return None


class OtlpHttp(_Otlp):
    """OTLP/HTTP (protobuf) to `endpoint` (http[s]://host:port[/prefix])."""

    def __init__(
        self, endpoint: str, *, signals: frozenset[Signal], ca: bytes | None = None,
        headers: dict[str, str] | None = None, timeout_s: float = 10.0,
    ) -> None:  # fmt: skip
        super().__init__(signals, timeout_s)
        url = urlsplit(endpoint)
        self._host, self._port, self._prefix = url.hostname or "", url.port, url.path.rstrip("/")
        self._context = (
            ssl.create_default_context(cadata=ca.decode() if ca else None) if url.scheme == "https" else None
        )
        self._headers = {"Content-Type": PROTOBUF} | (headers or {})
        self._connection: http.client.HTTPConnection | None = None

    def _send(self, signal: Signal, body: bytes) -> bytes:
        try:
            connection = self._connect()
            connection.request("POST", self._prefix + SIGNALS[signal].path, body, self._headers)
            response = connection.getresponse()
            answer = response.read(4 << 20)
        except (OSError, http.client.HTTPException) as error:
            self.close()
            raise Retry(f"{type(error).__name__}: {error}") from error
        if response.status < 300:
            return answer
        self.close()
        message = f"HTTP {response.status} {response.reason}: {_status_message(answer)}"
        if response.status in _RETRYABLE_HTTP:
            raise Retry(message, _retry_after(response.getheader("Retry-After")))
        raise Refused(message)

    def _connect(self) -> http.client.HTTPConnection:
        if self._connection is None:
            if self._context is not None:
                self._connection = http.client.HTTPSConnection(
                    self._host, self._port, timeout=self._timeout_s, context=self._context
                )
            else:
                self._connection = http.client.HTTPConnection(self._host, self._port, timeout=self._timeout_s)
        return self._connection

    def close(self) -> None:
        """Close the connection; the next request opens another."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None


def _status_message(answer: bytes) -> str:
    try:
        return str(Status.FromString(answer).message[:500])
    except Exception:  # noqa: BLE001  not every server answers with a Status
        return answer[:200].decode("utf-8", "replace")


def _retry_after(value: str | None) -> float | None:
    if value is None:
        return None
    if value.strip().isdecimal():
        return float(value)
    try:
        return max(0.0, parsedate_to_datetime(value).timestamp() - time.time())
    except ValueError:
        return None
