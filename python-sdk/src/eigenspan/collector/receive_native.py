"""The door in the kernel: it receives, scans, appends, syncs and answers on threads that never wait for Python.

What is left here: the kernel is told whether to admit, gives committed columns when asked, and hands over what it cannot
do itself (JSON bodies, payloads with a sensitive key in them, metrics and logs) to a thread that gives it back.
"""

from __future__ import annotations

import asyncio
import logging
import threading
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars as pl

from eigenspan.collector.bounds import Limits
from eigenspan.collector.commit import Admission, Committed, digest_of, unreadable
from eigenspan.collector.errors import BadData
from eigenspan.collector.otlp import json_to_protobuf
from eigenspan.collector.redact import redact
from eigenspan.collector.scan import kernel
from eigenspan.collector.spans import Payload, Signal, Watch

if TYPE_CHECKING:
    from eigenspan.collector.certificates import Certificates
    from eigenspan.collector.clock import Clock
    from eigenspan.collector.log import Log

HAS_NATIVE = kernel is not None and hasattr(kernel.Scanner, "receive")
_logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class LogEnd:
    """Where the kernel goes on writing the log, and at which log time."""

    directory: Path
    segment_bytes: int
    next_position: int
    log_ns: int


class NativeReceiver:
    """OTLP/gRPC and OTLP/HTTP in the kernel. From `start` on only the kernel appends to the log."""

    name = "native"

    def __init__(
        self,
        log: Log,
        clock: Clock,
        *,
        watch: Watch,
        redact_keys: Sequence[str] = (),
        limits: Limits | None = None,
        tokens: Sequence[str] = (),
    ) -> None:
        self._log, self._clock, self._watch = log, clock, watch
        self._redact_keys, self._limits, self._tokens = tuple(redact_keys), limits or Limits(), list(tokens)
        self._remembered: list[tuple[bytes, int]] = []
        self._kernel: Any = None
        self._admission = Admission()
        self.redacted: Counter[str] = Counter()
        self._aside = threading.Thread(target=self._work_aside, name="eigenspan-aside", daemon=True)

    def remember(self, digest: bytes, log_ns: int) -> None:
        """Note a payload that the log already holds, so that a client's retry of it is not logged again."""
        self._remembered.append((digest, log_ns))

    def start(self) -> None:
        """Begin to commit."""
        end = LogEnd(*self._log.hand_over(), self._clock.log_ns())
        scanner = kernel.Scanner(self._watch, self._redact_keys)
        self._kernel = scanner.receive(end, self._limits, self._tokens, self._remembered)
        self._remembered = []
        self._admit()
        self._aside.start()

    async def listen_grpc(self, endpoint: str, tls: Certificates | None = None) -> int:
        """Listen for OTLP/gRPC; returns the port."""
        return self._listen("grpc", endpoint, tls)

    async def listen_http(self, endpoint: str, tls: Certificates | None = None) -> int:
        """Listen for OTLP/HTTP; returns the port."""
        return self._listen("http", endpoint, tls)

    def _listen(self, protocol: str, endpoint: str, tls: Certificates | None) -> int:
        files = (tls.chain, tls.key, tls.client_authorities) if tls else None
        try:
            return int(self._kernel.listen(protocol, endpoint, files))
        except OSError as error:
            raise OSError(f"cannot listen on {endpoint} ({protocol}): {error}") from error

    def committed(self) -> list[Committed]:
        """What became durable since the last call."""
        taken = self._kernel.take() if self._kernel else None
        if taken is None:
            return []
        batch, parts, others, through, log_ns, payloads, size, cut = taken
        for first, positions, offsets, lengths, received_ns, end in parts:
            self._log.adopt(first, positions, offsets, lengths, received_ns=received_ns, end=end)
        self.redacted.update(dict(cut))
        also = tuple((position, signal, "") for position, signal in others)
        return [Committed(pl.DataFrame(batch), also, through, log_ns, payloads, size)]

    @property
    def undrained(self) -> int:
        """Bytes of what the pipeline has not taken yet."""
        return int(self._kernel.untaken) if self._kernel else 0

    @property
    def counts(self) -> Counter[tuple[str, str]]:
        """Requests that were refused (by reason), malformed or repeated (by signal)."""
        return Counter({(what, which): n for what, which, n in self._kernel.counts()} if self._kernel else {})

    @property
    def admission(self) -> Admission:
        """What `admit` set last."""
        return self._admission

    def admit(self, admission: Admission) -> None:
        """Open or close the door from now on."""
        if admission != self._admission:
            self._admission = admission
            self._admit()

    def _admit(self) -> None:
        if self._kernel:
            self._kernel.admit(self._admission.open, self._admission.reason, self._admission.retry_after_s)

    async def stop(self, grace_s: float = 5.0) -> None:
        """Stop listening, answer what is in flight, and commit it."""
        if self._kernel:
            await asyncio.to_thread(self._kernel.stop, grace_s)
            await asyncio.to_thread(self._aside.join)

    def _work_aside(self) -> None:
        while (taken := self._kernel.take_aside()) is not None:
            number, is_json, signal, body = taken
            try:
                self._give_back(number, signal, json_to_protobuf(signal, body) if is_json else body)
            except BadData as error:
                self._kernel.turn_down(number, str(error), malformed=True)
            except Exception:
                _logger.exception("a %s request could not be read", signal)
                self._kernel.turn_down(number, "an internal error; see the collector's log", malformed=False)

    def _give_back(self, number: int, signal: Signal, body: bytes) -> None:
        payload = Payload(signal, body, 0)
        digest = digest_of(payload)
        redaction = redact(payload, self._redact_keys)
        if signal != "traces" and (error := unreadable(payload)) is not None:
            raise error
        self._kernel.give_back(number, redaction.payload.body, digest, list(redaction.cut.items()))
