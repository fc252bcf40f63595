"""Export: an outbox for each exporter, emptied by a worker of its own.

A row of the outbox refers to spans in the log; their bytes are read and spliced when they are sent, so that sending
again sends the same bytes. A row goes when the far end has it. What the far end refuses for good is bisected until one
trace is set aside alone with the reason; what it cannot take now is tried again for as long as the row lives.
"""

from __future__ import annotations

import logging
import random
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Protocol

from eigenspan.collector.errors import EigenspanError
from eigenspan.collector.own_traces import Stage, untraced
from eigenspan.collector.spans import Edit, Signal
from eigenspan.collector.state import Item, Outgoing
from eigenspan.schema.registry import restamps

if TYPE_CHECKING:
    from eigenspan.collector.scan import Engine
    from eigenspan.collector.state import State

REQUEST_BYTES = 3 << 20
_RETRY_S = (0.5, 30.0)
_LONGEST_WAIT_S = 3600.0  # whatever the far end asks for
_IDLE_S = 1.0
_SAID_EVERY_S = 60.0
_logger = logging.getLogger(__name__)


class _Answer(EigenspanError):
    """What a far end said: foreign text, which goes to logs and terminals without control characters."""

    def __init__(self, message: str) -> None:
        super().__init__("".join(c if c.isprintable() else f"\\u{ord(c):04x}" for c in message))


class Retry(_Answer):
    """The far end cannot take it now. `after_s`: when it asked us to come back, if it said so."""

    def __init__(self, message: str, after_s: float | None = None) -> None:
        super().__init__(message)
        self.after_s = after_s


class Refused(_Answer):
    """The far end will never take this."""


class Destination(Protocol):
    """Where an exporter sends. `per_trace`: wants each trace's bytes apart rather than one request for many."""

    signals: frozenset[Signal]
    per_trace: bool

    def deliver(self, signal: Signal, bodies: Sequence[tuple[Item, bytes]]) -> int:
        """Hand over requests; returns when the far end has answered them all, how many spans, points or records it rejected.

        What a partial success rejects must not be sent again (OTLP). Raises Retry or Refused.
        """

    def close(self) -> None:
        """Let go of connections."""


def assemble(
    items: Sequence[Item], read: Callable[[int], bytes], engine: Engine, limit_bytes: int = REQUEST_BYTES
) -> Iterator[bytes]:
    """The export requests for `items`, each of `limit_bytes` at the most where it holds more than one span."""
    edits: list[tuple[int, Edit]] = []
    schema, size = "", 0
    for item in items:
        if not item.spans:
            yield read(item.position)
            continue
        if edits and item.schema != schema:
            yield from _splice(edits, schema, read, engine, limit_bytes)
            edits, size = [], 0
        schema = item.schema
        added = [sum(len(field) for _, field in add) for add in item.adds]
        for span in item.spans:
            add = item.adds[span.add] if span.add >= 0 else ()
            cost = span.length + 64 + (added[span.add] if span.add >= 0 else 0)
            if size and size + cost > limit_bytes:
                yield from _splice(edits, schema, read, engine, limit_bytes)
                edits, size = [], 0
            edits.append((span.position, Edit(span.offset, span.length, add, span.trace_state)))
            size += cost
    if edits:
        yield from _splice(edits, schema, read, engine, limit_bytes)


def _splice(
    edits: Sequence[tuple[int, Edit]], schema: str, read: Callable[[int], bytes], engine: Engine, limit_bytes: int
) -> Iterator[bytes]:
    """One request; two or more where resources and scopes make it larger than `limit_bytes`."""
    by_position: defaultdict[int, list[Edit]] = defaultdict(list)
    for position, edit in edits:
        by_position[position].append(edit)
    parts = [(read(position), found) for position, found in sorted(by_position.items())]
    request = engine.splice(parts, restamps(schema) if schema else ())
    if len(request) <= limit_bytes or len(edits) == 1:
        yield request
        return
    middle = len(edits) // 2
    yield from _splice(edits[:middle], schema, read, engine, limit_bytes)
    yield from _splice(edits[middle:], schema, read, engine, limit_bytes)


class Worker:
    """Empties one exporter's outbox, in a thread of its own, so that a slow far end delays nobody else."""

    def __init__(
        self, name: str, destination: Destination, state: State, read: Callable[[int], bytes], engine: Engine,
        stage: Stage = untraced,
    ) -> None:  # fmt: skip
        self.name, self._stage = name, stage
        self._destination, self._state, self._read, self._engine = destination, state, read, engine
        self._wake, self._stopping = threading.Event(), threading.Event()
        self._failures = self._unsaid = 0
        self._said_s = -_SAID_EVERY_S
        self.signals = destination.signals
        self.counts: Counter[str] = Counter()
        self.last_error = ""
        self._thread = threading.Thread(target=self._run, name=f"eigenspan-export-{name}", daemon=True)

    def start(self) -> None:
        """Begin to send."""
        self._thread.start()

    def poke(self) -> None:
        """Say that there may be something to send."""
        self._wake.set()

    def stop(self, timeout_s: float = 5.0) -> None:
        """Stop after what is under way, or after `timeout_s`; what is not sent stays in the outbox."""
        self._stopping.set()
        self._wake.set()
        if self._thread.is_alive():
            self._thread.join(timeout_s)
        self._destination.close()

    def _run(self) -> None:
        while not self._stopping.is_set():
            try:
                busy = self.turn()
                self._failures = 0
                self.last_error = ""
            except Retry as error:
                self._failures += 1
                self._note(f"will be tried again: {error}")
                low, high = _RETRY_S
                wait_s = min(high, low * 2 ** min(self._failures, 10)) * random.uniform(0.5, 1.0)  # noqa: S311
                self._stopping.wait(max(wait_s, min(error.after_s or 0.0, _LONGEST_WAIT_S)))
                continue
            except Exception as error:
                self._failures += 1
                self._note(f"internal error: {error!r}")
                _logger.exception("exporter %s: an internal error; trying again", self.name)
                self._stopping.wait(5.0)
                continue
            if not busy:
                self._wake.wait(_IDLE_S)
                self._wake.clear()

    def turn(self) -> bool:
        """Send one batch; False where nothing is waiting. Raises Retry."""
        batch = self._state.waiting(self.name, limit_bytes=REQUEST_BYTES)
        if not batch:
            return False
        self._send(batch)
        return True

    def _send(self, batch: Sequence[Outgoing]) -> None:
        try:
            bodies = self._bodies(batch)
        except KeyError as error:
            self._divide(batch, f"the log no longer holds position {error}")
            return
        except ValueError as error:
            self._divide(batch, str(error))
            return
        sizes = {"rows": len(batch), "bytes": sum(len(body) for _, body in bodies)}
        try:
            with self._stage("export", exporter=self.name, **sizes):
                rejected = self._destination.deliver(batch[0].signal, bodies)
        except Refused as error:
            self._divide(batch, str(error))
        else:
            self._state.sent(self.name, [row.id for row in batch])
            self.counts["sent_rows"] += len(batch)
            spans = sum(len(row.item.spans) for row in batch)
            if batch[0].signal == "traces":
                rejected = min(rejected, spans)
                self.counts["sent_spans"] += spans - rejected
            if rejected:
                self.counts[f"rejected_{batch[0].signal}"] += rejected

    def _bodies(self, batch: Sequence[Outgoing]) -> list[tuple[Item, bytes]]:
        groups = [[row] for row in batch] if self._destination.per_trace else [batch]
        return [
            (group[0].item, body)
            for group in groups
            for body in assemble([row.item for row in group], self._read, self._engine)
        ]

    def _divide(self, batch: Sequence[Outgoing], reason: str) -> None:
        if len(batch) > 1:
            middle = len(batch) // 2
            self._send(batch[:middle])
            self._send(batch[middle:])
            return
        self._state.park(self.name, batch[0].id, reason)
        self.counts["parked_rows"] += 1
        self._set_aside(f"trace {batch[0].item.trace.hex()} set aside: {reason}")

    def _set_aside(self, message: str) -> None:
        """A line a minute at the most, however many are refused: `outbox list` has them all."""
        self.last_error, self._unsaid = message, self._unsaid + 1
        now_s = time.monotonic()
        if now_s >= self._said_s + _SAID_EVERY_S:
            _logger.warning("exporter %s: %d set aside; the last one: %s", self.name, self._unsaid, message)
            self._said_s, self._unsaid = now_s, 0

    def _note(self, message: str) -> None:
        if message != self.last_error:
            _logger.warning("exporter %s: %s", self.name, message)
        self.last_error = message
