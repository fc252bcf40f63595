"""Group commit: whatever arrived while the last sync ran is scanned, redacted, logged and synced together.

One thread does it. The door hands it payloads with a callback and answers its client when the callback runs, which is
after the disk has the bytes. What is above sees only committed columns.
"""

from __future__ import annotations

import hashlib
import logging
import threading
import time
from collections import Counter, OrderedDict, deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import polars as pl

from eigenspan.collector.errors import EigenspanError, ScanError, Unavailable
from eigenspan.collector.otlp import SIGNALS
from eigenspan.collector.redact import redact
from eigenspan.collector.segment import Record
from eigenspan.collector.spans import Payload, Signal, Watch

if TYPE_CHECKING:
    from eigenspan.collector.clock import Clock
    from eigenspan.collector.log import Log
    from eigenspan.collector.scan import Engine, Looked

_GROUP_BYTES = 1 << 10  # what a group that the pipeline has not taken costs beside its payloads
_GATHER_S, _GATHER_STEPS = 0.0002, 5
"""While company comes in a step, a commit waits for another: a sync and a scan cost as much for many as for one."""
Done = Callable[[EigenspanError | None], None]
_logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Admission:
    """Whether the door is open, and what a client is told when it is not. Set by the pipeline as data."""

    open: bool = True
    reason: str = ""
    retry_after_s: float = 1.0


@dataclass(frozen=True, slots=True)
class Committed:
    """What one group commit put on disk: spans as columns, other signals as positions."""

    spans: pl.DataFrame
    others: tuple[tuple[int, Signal, str], ...]  # position, signal, tenant
    through: int
    log_ns: int
    payloads: int
    bytes: int


@dataclass(frozen=True, slots=True)
class Logged:
    """A payload with the position, log time and digest under which the log holds it.

    `only`: the offsets of its spans that are undecided; None where any of them may be.
    """

    position: int
    payload: Payload
    log_ns: int
    digest: bytes
    only: tuple[int, ...] | None = None

    @staticmethod
    def of(record: Record) -> Logged:
        """What the log holds, read again."""
        return Logged(record.position, record.payload, record.log_ns, record.digest, record.only)


def digest_of(payload: Payload) -> bytes:
    """128 bits that name a payload: its tenant, signal and bytes as received."""
    h = hashlib.blake2b(payload.body, digest_size=16, person=payload.signal.encode())
    h.update(b"\0" + payload.tenant.encode())
    return h.digest()


class _Place(NamedTuple):
    """Where and when the log holds a payload of traces, and whose it is. `only`: as in `Logged`."""

    position: int
    log_ns: int
    tenant: str
    only: tuple[int, ...] | None = None


@dataclass(frozen=True, slots=True)
class _Group:
    """What the pipeline will make columns of, of payloads that are on disk."""

    found: list[Any]  # see `scan.Looked`
    places: list[_Place]  # of each good payload of traces
    others: tuple[tuple[int, Signal, str], ...]
    through: int
    log_ns: int
    payloads: int
    bytes: int


def columns(logged: Sequence[Logged], engine: Engine, watch: Watch) -> Committed:
    """The committed columns of payloads that the log holds; what cannot be scanned is left out (it never got in)."""
    traces = [entry for entry in logged if entry.payload.signal == "traces"]
    return _committed([_group(logged, [], [])], spans_of(traces, engine, watch))


def spans_of(traces: Sequence[Logged], engine: Engine, watch: Watch) -> pl.DataFrame:
    """The spans of payloads of traces that the log holds, as they were when they were committed."""
    spans = engine.scan([entry.payload.body for entry in traces], watch).columns
    return _placed([_place(entry) for entry in traces], spans)


def _place(entry: Logged) -> _Place:
    return _Place(entry.position, entry.log_ns, entry.payload.tenant, entry.only)


def _group(logged: Sequence[Logged], places: list[_Place], found: list[Any]) -> _Group:
    return _Group(
        found,
        places,
        tuple((e.position, e.payload.signal, e.payload.tenant) for e in logged if e.payload.signal != "traces"),
        through=logged[-1].position,
        log_ns=logged[-1].log_ns,
        payloads=len(logged),
        bytes=sum(len(e.payload.body) for e in logged),
    )


def _committed(groups: Sequence[_Group], spans: pl.DataFrame) -> Committed:
    """Groups that followed one another, as one, with their spans."""
    return Committed(
        spans,
        tuple(other for group in groups for other in group.others),
        through=groups[-1].through,
        log_ns=groups[-1].log_ns,
        payloads=sum(group.payloads for group in groups),
        bytes=sum(group.bytes for group in groups),
    )


def _placed(places: Sequence[_Place], spans: pl.DataFrame) -> pl.DataFrame:
    """`spans` with the position, log time and tenant of their payloads."""
    payload = spans["payload"].to_numpy()
    position = np.array([place.position for place in places], dtype=np.uint64)
    log_ns = np.array([place.log_ns for place in places], dtype=np.int64)
    tenant = pl.Series("tenant", [place.tenant for place in places], dtype=pl.String)
    placed = spans.hstack(
        [
            pl.Series("position", position[payload], dtype=pl.UInt64),
            pl.Series("log_ns", log_ns[payload], dtype=pl.Int64),
            tenant.gather(spans["payload"]),
        ]
    )
    carried = {i: set(place.only) for i, place in enumerate(places) if place.only is not None}
    if not carried:
        return placed
    where = placed.select("payload", "offset").iter_rows()
    return placed.filter(
        pl.Series([at not in carried or offset in carried[at] for at, offset in where], dtype=pl.Boolean)
    )


@dataclass(frozen=True, slots=True)
class _Fresh:
    """A payload that the log does not hold, whom to tell, and its digest as received."""

    payload: Payload
    done: Done
    digest: bytes


class Committer:
    """Owns the log's write side. `submit` may be called from any thread; `drain` is for the pipeline's thread."""

    def __init__(
        self,
        log: Log,
        engine: Engine,
        clock: Clock,
        *,
        watch: Watch,
        redact_keys: Sequence[str] = (),
        max_bytes: int = 256 << 20,
        max_group: int = 256,
        remember_s: float = 600.0,
    ) -> None:
        self._log, self._engine, self._clock = log, engine, clock
        self._watch, self._redact_keys = watch, tuple(redact_keys)
        self._max_bytes, self._max_group, self._remember_ns = max_bytes, max_group, int(remember_s * 1e9)
        self._waiting: deque[tuple[Payload, Done]] = deque()
        self._waiting_bytes = 0
        self._undrained_bytes = 0
        self._wake = threading.Condition()
        self._stopping = False
        self._out: deque[_Group] = deque()
        self._seen: OrderedDict[bytes, int] = OrderedDict()
        self.admission = Admission()
        self.counts: Counter[tuple[str, str]] = Counter()  # (what, reason or signal)
        self.redacted: Counter[str] = Counter()
        self._thread = threading.Thread(target=self._run, name="eigenspan-commit", daemon=True)

    def start(self) -> None:
        """Begin to commit."""
        self._thread.start()

    def remember(self, digest: bytes, log_ns: int) -> None:
        """Note a payload that the log already holds, so that a client's retry of it is not logged again."""
        self._seen[digest] = log_ns

    def check(self, size: int) -> None:
        """Raise Unavailable where a payload of `size` bytes cannot be taken now."""
        admission = self.admission
        if not admission.open or self._stopping:
            self.counts["refused", admission.reason or "stopping"] += 1
            raise Unavailable(admission.reason or "the collector is stopping", admission.retry_after_s)
        if self._undrained_bytes > self._max_bytes:
            self.counts["refused", "pipeline"] += 1
            raise Unavailable("the pipeline does not keep up", 1.0)
        if self._waiting_bytes and self._waiting_bytes + size > self._max_bytes:
            self.counts["refused", "in_flight"] += 1
            raise Unavailable(f"more than {self._max_bytes} bytes are waiting to be written", 1.0)

    def submit(self, payload: Payload, done: Done) -> None:
        """Take a payload; `done` is called from the commit thread once it is durable or refused."""
        self.check(len(payload.body))
        with self._wake:
            self._waiting.append((payload, done))
            self._waiting_bytes += len(payload.body)
            self._wake.notify()

    def drain(self) -> list[Committed]:
        """What was committed since the last call, in the order of positions."""
        groups = list(self._out)
        if not groups:
            return []
        spans = self._engine.columns([found for group in groups for found in group.found], self._watch)
        committed = _committed(groups, _placed([place for group in groups for place in group.places], spans))
        with self._wake:  # not before: what fails is taken by the next call
            for group in groups:
                self._out.popleft()
                self._undrained_bytes -= group.bytes + _GROUP_BYTES
        return [committed]

    @property
    def undrained(self) -> int:
        """Bytes of what the pipeline has not taken yet."""
        return self._undrained_bytes

    def stop(self) -> None:
        """Refuse what comes, commit what is waiting, and return."""
        with self._wake:
            self._stopping = True
            self._wake.notify()
        if self._thread.is_alive():
            self._thread.join()

    def _run(self) -> None:
        while True:
            with self._wake:
                while not self._waiting and not self._stopping:
                    self._wake.wait()
                if not self._waiting:
                    return
            self._gather()
            with self._wake:
                group = [self._waiting.popleft() for _ in range(min(len(self._waiting), self._max_group))]
            try:
                self._commit(group)
            except Exception:
                _logger.exception("a group of %d payloads could not be committed", len(group))
                _answer(group, Unavailable("an internal error; see the collector's log"))
            finally:
                with self._wake:
                    self._waiting_bytes -= sum(len(payload.body) for payload, _ in group)

    def _gather(self) -> None:
        """Let more payloads come, as long as they do."""
        seen = 0
        for _ in range(_GATHER_STEPS):
            if self._stopping or not seen < len(self._waiting) < self._max_group:
                return
            seen = len(self._waiting)
            time.sleep(_GATHER_S)

    def _commit(self, group: list[tuple[Payload, Done]]) -> None:
        log_ns = self._clock.log_ns()
        fresh, repeats = self._apart(group)
        refused: dict[bytes, EigenspanError] = {}
        fresh, found = self._read(fresh, refused)
        if fresh:
            try:
                positions = self._log.append([f.payload for f in fresh], [f.digest for f in fresh], log_ns)
            except Unavailable as error:
                self.counts["refused", "disk"] += len(fresh)
                for done in [f.done for f in fresh] + [done for _, done in repeats]:
                    done(error)
                return
            logged = [Logged(at, f.payload, log_ns, f.digest) for at, f in zip(positions, fresh, strict=True)]
            committed = _group(logged, [_place(entry) for entry in logged if entry.payload.signal == "traces"], found)
            with self._wake:
                self._undrained_bytes += committed.bytes + _GROUP_BYTES
            self._out.append(committed)
            for f in fresh:
                self._seen[f.digest] = log_ns
                f.done(None)
        for digest, done in repeats:
            done(refused.get(digest))
        while self._seen and next(iter(self._seen.values())) < log_ns - self._remember_ns:
            self._seen.popitem(last=False)

    def _apart(self, group: list[tuple[Payload, Done]]) -> tuple[list[_Fresh], list[tuple[bytes, Done]]]:
        """The payloads that the log does not hold yet, and who waits for one that it does or will."""
        fresh: list[_Fresh] = []
        repeats: list[tuple[bytes, Done]] = []
        digests: set[bytes] = set()
        for payload, done in group:
            digest = digest_of(payload)
            if payload.body and (digest in self._seen or digest in digests):
                self.counts["repeated", payload.signal] += 1
                repeats.append((digest, done))
            else:
                digests.add(digest)
                fresh.append(_Fresh(payload, done, digest))
        return fresh, repeats

    def _read(self, fresh: list[_Fresh], refused: dict[bytes, EigenspanError]) -> tuple[list[_Fresh], list[Any]]:
        """Those that are well-formed, without their secrets, and what was found in those of traces.

        A payload is scanned as it came, and again where something was cut out of it, so that what is refused does not
        depend on what it holds.
        """
        traces = [f for f in fresh if f.payload.signal == "traces"]
        looked = self._look(traces, refused)
        harmless = {f.digest for i, f in enumerate(traces) if i not in looked.named}
        good = [f for f in fresh if f.digest not in refused]
        redacted = [f if f.digest in harmless else self._without_secrets(f, refused) for f in good]
        clean = [f for f in redacted if f is not None]
        if clean != good:
            looked = self._look([f for f in clean if f.payload.signal == "traces"], refused)
            clean = [f for f in clean if f.digest not in refused]
        return clean, looked.found

    def _look(self, traces: list[_Fresh], refused: dict[bytes, EigenspanError]) -> Looked:
        looked = self._engine.look([f.payload.body for f in traces], self._watch, self._redact_keys)
        for index, error in looked.errors.items():
            self._refuse(traces[index], error, refused)
        return looked

    def _without_secrets(self, fresh: _Fresh, refused: dict[bytes, EigenspanError]) -> _Fresh | None:
        """The same object where there is nothing to cut; None where it cannot be read."""
        try:
            redaction = redact(fresh.payload, self._redact_keys)
            if fresh.payload.signal != "traces" and (error := unreadable(fresh.payload)) is not None:
                raise error
        except ScanError as error:
            self._refuse(fresh, error, refused)
            return None
        if not redaction.cut:
            return fresh
        self.redacted.update(redaction.cut)
        return replace(fresh, payload=redaction.payload)

    def _refuse(self, fresh: _Fresh, error: EigenspanError, refused: dict[bytes, EigenspanError]) -> None:
        self.counts["malformed", fresh.payload.signal] += 1
        refused[fresh.digest] = error
        fresh.done(error)


def unreadable(payload: Payload) -> ScanError | None:
    """Metrics and logs are not scanned; what protobuf cannot read is refused all the same, so that no poison stays."""
    try:
        SIGNALS[payload.signal].request.FromString(payload.body)
    except Exception as error:  # noqa: BLE001  upb raises DecodeError, pure Python several kinds
        return ScanError(f"the {payload.signal} request cannot be decoded: {error}")
    return None


def _answer(group: Sequence[tuple[Payload, Done]], error: EigenspanError) -> None:
    for _, done in group:
        done(error)
