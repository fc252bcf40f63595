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
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Protocol

import numpy as np
import numpy.typing as npt

from eigenspan.collector.errors import EigenspanError
from eigenspan.collector.item import Item
from eigenspan.collector.own_traces import Stage, untraced
from eigenspan.collector.spans import EDIT, Edits, Part, Signal
from eigenspan.collector.state import Outgoing
from eigenspan.schema.registry import restamps

if TYPE_CHECKING:
    from eigenspan.collector.scan import Engine
    from eigenspan.collector.state import State

Read = Callable[[Sequence[int]], Iterable[Part]]
"""The bodies at ascending positions."""

REQUEST_BYTES = 3 << 20
READ_BYTES = 16 << 20
"""About how much of the log is held at once to take spans out of it."""
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


def assemble(items: Sequence[Item], read: Read, engine: Engine, limit_bytes: int = REQUEST_BYTES) -> Iterator[bytes]:
    """The export requests for `items`, each of `limit_bytes` at the most where it holds more than one span."""
    request = b""
    for item in items:
        for more in _requests(item, read, engine, limit_bytes):
            if request and len(request) + len(more) > limit_bytes:
                yield request
                request = b""
            request += more  # two requests, one after the other, are one request
    if request:
        yield request


def _requests(item: Item, read: Read, engine: Engine, limit_bytes: int) -> Iterator[bytes]:
    """The requests for one item, cut where the limit and the memory ask for it."""
    if not item.rows:
        yield from (chunk[start:stop] for chunk, start, stop in read([item.position]))
        return
    rows = item.table()
    rows = rows[np.argsort(rows["position"], kind="stable")]
    positions, first = np.unique(rows["position"], return_index=True)
    ends = np.append(first[1:], len(rows)).tolist()
    parts: list[Part] = []
    begin = held = 0
    for part, end in zip(read(positions.tolist()), ends, strict=True):
        parts.append(part)
        held += part[2] - part[1]
        if held > READ_BYTES or end == len(rows):
            yield from _splice(item, rows[begin:end], parts, engine, limit_bytes)
            parts, begin, held = [], end, 0


def _splice(
    item: Item, rows: npt.NDArray[np.void], parts: Sequence[Part], engine: Engine, limit_bytes: int
) -> Iterator[bytes]:
    """One request; two or more where it would be larger than `limit_bytes`."""
    edits = np.empty(len(rows), EDIT)
    edits["part"] = np.cumsum(np.diff(rows["position"], prepend=rows["position"][:1]) > 0)
    for name in ("offset", "length", "add", "state"):
        edits[name] = rows[name]
    restamp = restamps(item.schema) if item.schema else ()
    request = engine.splice(parts, Edits(edits.tobytes(), item.fields, item.adds, item.states), restamp)
    if len(request) <= limit_bytes or len(rows) == 1:
        yield request
        return
    middle = len(rows) // 2
    yield from _splice(item, rows[:middle], parts, engine, limit_bytes)
    yield from _splice(item, rows[middle:], parts[edits["part"][middle] :], engine, limit_bytes)


class Worker:
    """Empties one exporter's outbox, in a thread of its own, so that a slow far end delays nobody else."""

    def __init__(
        self, name: str, destination: Destination, state: State, read: Read, engine: Engine,
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
            spans = sum(row.item.spans for row in batch)
            if batch[0].signal == "traces":
                rejected = min(rejected, spans)
                self.counts["sent_spans"] += spans - rejected
            if rejected:
                self.counts[f"rejected_{batch[0].signal}"] += rejected

    def _bodies(self, batch: Sequence[Outgoing]) -> list[tuple[Item, bytes]]:
        if self._destination.per_trace:
            groups = [[item] for row in batch for item in row.item.each()]
        else:
            groups = [[row.item for row in batch]]
        return [(group[0], body) for group in groups for body in assemble(group, self._read, self._engine)]

    def _divide(self, batch: Sequence[Outgoing], reason: str) -> None:
        if len(batch) > 1:
            middle = len(batch) // 2
            self._send(batch[:middle])
            self._send(batch[middle:])
            return
        (row,) = batch
        if halves := row.item.halves():
            for part in self._state.divide(self.name, row, halves):
                self._send([part])
            return
        self._state.park(self.name, row.id, reason)
        self.counts["parked_rows"] += 1
        what = f"trace {row.item.traces.hex()}" if row.item.rows else f"{row.signal} at position {row.item.position}"
        self._set_aside(f"{what} set aside: {reason}")

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
