"""The door: OTLP in, an answer out once the bytes are on disk.

`Receiver` is all that the pipeline sees: it sets admission as data and gets committed columns. `PortableReceiver` does
this with grpcio and uvicorn; `receive_native.NativeReceiver` in the kernel has the same face.
"""

from __future__ import annotations

import asyncio
import hmac
import logging
from collections import Counter, deque
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Protocol

from eigenspan.collector.bounds import Limits
from eigenspan.collector.errors import (
    BadData,
    EigenspanError,
    ScanError,
    TooLarge,
    Unauthenticated,
    UnsupportedMedia,
)
from eigenspan.collector.receive_grpc import serve_grpc
from eigenspan.collector.receive_http import OtlpHttp
from eigenspan.collector.receive_uvicorn import bounded, serve_asgi, stop_asgi
from eigenspan.collector.spans import Payload, Signal

if TYPE_CHECKING:
    import uvicorn

    from eigenspan.collector.certificates import Certificates
    from eigenspan.collector.clock import Clock
    from eigenspan.collector.commit import Admission, Committed, Committer

_logger = logging.getLogger(__name__)


class Receiver(Protocol):
    """A receive engine."""

    name: str

    @property
    def counts(self) -> Counter[tuple[str, str]]:
        """Requests that were refused (by reason), malformed or repeated (by signal)."""

    @property
    def redacted(self) -> Counter[str]:
        """Values that were replaced before anything was written, by key."""

    @property
    def undrained(self) -> int:
        """Bytes of what the pipeline has not taken yet."""

    def remember(self, digest: bytes, log_ns: int) -> None:
        """Before `start`: note a payload that the log already holds."""

    def start(self) -> None:
        """Begin to commit."""

    async def listen_grpc(self, endpoint: str, tls: Certificates | None = None) -> int:
        """Listen for OTLP/gRPC; returns the port."""

    async def listen_http(self, endpoint: str, tls: Certificates | None = None) -> int:
        """Listen for OTLP/HTTP; returns the port."""

    async def stop(self, grace_s: float = 5.0) -> None:
        """Stop listening, answer what is in flight, and commit it."""

    def committed(self) -> list[Committed]:
        """What became durable since the last call."""

    @property
    def admission(self) -> Admission:
        """What `admit` set last."""

    def admit(self, admission: Admission) -> None:
        """Open or close the door from now on."""


class Door:
    """What every protocol does with a request's bytes."""

    def __init__(self, committer: Committer, clock: Clock, tokens: Sequence[str] = ()) -> None:
        self._committer, self._clock = committer, clock
        self._tokens = [token.encode() for token in tokens]
        self._answers: deque[tuple[asyncio.Future[None], EigenspanError | None]] = deque()

    def authenticate(self, authorization: str) -> None:
        """Raise Unauthenticated where tokens are asked for and the Authorization header has none that we know."""
        if not self._tokens:
            return
        scheme, _, given = authorization.partition(" ")
        shown = given.strip().encode() if scheme.lower() == "bearer" else b""
        known = [hmac.compare_digest(token, shown) for token in self._tokens]  # all of them: time tells nothing
        if not any(known):
            self.refused("unauthenticated")
            raise Unauthenticated("send a bearer token that this collector knows")

    def count(self, signal: Signal, error: EigenspanError) -> None:
        """Count a request that is refused for good before it reaches the commit, which counts its own."""
        match error:
            case TooLarge():
                self.refused("too_large")
            case UnsupportedMedia():
                self.refused("unsupported_media")
            case BadData() if not isinstance(error, ScanError):
                self._committer.counts["malformed", signal] += 1

    def refused(self, reason: str) -> None:
        """Count a request that is turned away for `reason`."""
        self._committer.counts["refused", reason] += 1

    def check(self, size: int) -> None:
        """Raise Unavailable where a request of `size` bytes would be refused, before its body is read."""
        self._committer.check(size)

    async def take(self, signal: Signal, body: bytes, peer: str) -> None:
        """Return once `body` is durable; raises an EigenspanError that says who is to blame."""
        loop = asyncio.get_running_loop()
        future: asyncio.Future[None] = loop.create_future()

        def answer(error: EigenspanError | None) -> None:
            self._answers.append((future, error))
            if len(self._answers) == 1:
                loop.call_soon_threadsafe(self._give_answers)

        self._committer.submit(Payload(signal, body, self._clock.wall_ns(), peer=peer), answer)
        await future

    def _give_answers(self) -> None:
        """Tell all that wait for what the commit thread has answered: it wakes the loop once for a group."""
        while self._answers:
            future, error = self._answers[0]
            if future.done():
                pass
            elif error is None:
                future.set_result(None)
            else:
                future.set_exception(error)
            self._answers.popleft()


class PortableReceiver:
    """OTLP/gRPC and OTLP/HTTP without a compiled kernel."""

    name = "portable"

    def __init__(
        self, committer: Committer, clock: Clock, tokens: Sequence[str] = (), limits: Limits | None = None
    ) -> None:
        self._committer, self._limits = committer, limits or Limits()
        self._door = Door(committer, clock, tokens)
        self._grpc: list[Any] = []
        self._http: list[tuple[uvicorn.Server, asyncio.Task[None]]] = []

    @property
    def counts(self) -> Counter[tuple[str, str]]:
        """Requests that were refused (by reason), malformed or repeated (by signal)."""
        return self._committer.counts

    @property
    def redacted(self) -> Counter[str]:
        """Values that were replaced before anything was written, by key."""
        return self._committer.redacted

    @property
    def undrained(self) -> int:
        """Bytes of what the pipeline has not taken yet."""
        return self._committer.undrained

    def remember(self, digest: bytes, log_ns: int) -> None:
        """Note a payload that the log already holds, so that a client's retry of it is not logged again."""
        self._committer.remember(digest, log_ns)

    def start(self) -> None:
        """Begin to commit."""
        self._committer.start()

    def committed(self) -> list[Committed]:
        """What became durable since the last call."""
        return self._committer.drain()

    @property
    def admission(self) -> Admission:
        """What `admit` set last."""
        return self._committer.admission

    def admit(self, admission: Admission) -> None:
        """Open or close the door from now on."""
        self._committer.admission = admission

    async def listen_grpc(self, endpoint: str, tls: Certificates | None = None) -> int:
        """Listen for OTLP/gRPC; returns the port."""
        server, port = await serve_grpc(self._door, endpoint, self._limits, tls)
        self._grpc.append(server)
        return port

    async def listen_http(self, endpoint: str, tls: Certificates | None = None) -> int:
        """Listen for OTLP/HTTP; returns the port."""
        limits = self._limits
        server, task, port = await serve_asgi(
            OtlpHttp(self._door, limits), endpoint, what="OTLP/HTTP", tls=tls,
            protocol=bounded(limits, self._committer.counts), idle_s=limits.idle_s,
        )  # fmt: skip
        self._http.append((server, task))
        return port

    async def stop(self, grace_s: float = 5.0) -> None:
        """Stop listening, answer what is in flight, and commit it."""
        for server in self._grpc:
            await server.stop(grace_s)
        await stop_asgi(self._http)
        await asyncio.to_thread(self._committer.stop)
