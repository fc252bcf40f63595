"""Asks every source in turn: hourly for calibrations, more often for status, later and later after failures.

A calibration is stored when its content changes; a poll that succeeds is remembered, since it proves that nothing newer
applied until then. What cannot be read goes to quarantine. Nothing that a source raises is logged but its kind: an SDK's
message may hold a credential.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import islice
from typing import Final

from eigenspan.calibration import changes
from eigenspan.calibration.errors import CalibrationError
from eigenspan.calibration.importers import detect
from eigenspan.calibration.instants import NS
from eigenspan.calibration.pullers.source import Busy, Document, Source, Unreachable
from eigenspan.calibration.snapshot import Snapshot
from eigenspan.calibration.store import CalibrationStore

FIRST_RETRY_S: Final = 30.0
HISTORY_A_STEP: Final = 10
_IDLE_S: Final = 3600.0
_logger = logging.getLogger(__name__)


@dataclass(slots=True)
class Plan:
    """How often a source is asked; `open` makes it, and is called again until it succeeds. No `backends`: all it has."""

    provider: str
    open: Callable[[], Source]
    backends: list[str] = field(default_factory=list)
    interval_s: float = 3600.0
    status_interval_s: float = 300.0
    history_s: float = 0.0


@dataclass(slots=True)
class _Job:
    """One thing to ask for again and again."""

    plan: Plan
    run: Callable[[int], float]  # at an instant; returns the seconds until it is due again
    due_ns: int = 0
    failures: int = 0


class Poller:
    """`step` does what is due and says how long nothing is; `start` and `stop` run it on a thread of its own.

    `now_ns` dates what is asked; `ticks_ns` says what is due, and never jumps.
    """

    def __init__(
        self,
        store: CalibrationStore,
        plans: list[Plan],
        now_ns: Callable[[], int] = time.time_ns,
        ticks_ns: Callable[[], int] = time.monotonic_ns,
    ) -> None:
        self._store, self._now_ns, self._ticks_ns = store, now_ns, ticks_ns
        self._jobs = [_Job(plan, self._opening(plan)) for plan in plans]
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._loop, name="eigenspan-calibration", daemon=True)
        self.counts: Counter[tuple[str, str]] = Counter()  # provider, outcome

    def start(self) -> None:
        """Begin to ask, where there is anything to ask for."""
        if self._jobs:
            self._thread.start()

    def stop(self, timeout_s: float = 5.0) -> None:
        """End after the question that is being asked; one that hangs does not hold up the end of the process."""
        self._stopping.set()
        if self._thread.is_alive():
            self._thread.join(timeout_s)

    def _loop(self) -> None:
        wait_s = 0.0
        while not self._stopping.wait(wait_s):
            wait_s = self.step()

    def step(self) -> float:
        """Ask everything that is due, each once; returns the seconds until something is."""
        for job in list(self._jobs):
            if self._stopping.is_set():
                break
            if job.due_ns <= self._ticks_ns():
                self._ask(job)
        now_ns = self._ticks_ns()
        soonest = min((job.due_ns for job in self._jobs), default=now_ns + int(_IDLE_S * NS))
        return max(0.0, (soonest - now_ns) / NS)

    def _ask(self, job: _Job) -> None:
        try:
            wait_s = job.run(self._now_ns())
        except Exception as error:  # noqa: BLE001 (an SDK may raise anything)
            job.failures += 1
            wait_s = min(FIRST_RETRY_S * 2 ** min(job.failures - 1, 20), max(job.plan.interval_s, FIRST_RETRY_S))
            if isinstance(error, Busy) and error.retry_after_s is not None:
                wait_s = max(wait_s, error.retry_after_s)
            self.counts[job.plan.provider, "busy" if isinstance(error, Busy) else "failed"] += 1
            if job.failures == 1:
                ours = isinstance(error, Busy | Unreachable)
                _logger.warning("%s cannot be asked: %s", job.plan.provider, error if ours else type(error).__name__)
        else:
            if job.failures:
                _logger.info("%s answers again", job.plan.provider)
            job.failures = 0
        job.due_ns = self._ticks_ns() + int(wait_s * NS)

    def _opening(self, plan: Plan) -> Callable[[int], float]:
        """Open the source, list its backends, and ask for each from then on. New ones turn up at the next interval."""
        opened: list[Source] = []
        known: set[str] = set()

        def run(now_ns: int) -> float:
            if not opened:
                opened.append(plan.open())
            source = opened[0]
            for backend in plan.backends or source.backends():
                if backend not in known:
                    known.add(backend)
                    self._jobs += [
                        _Job(plan, self._documents(plan, source, backend)),
                        _Job(plan, self._statuses(plan, source, backend)),
                    ]
                    if plan.history_s:
                        self._jobs.append(_Job(plan, self._history(plan, source, backend, now_ns)))
            return plan.interval_s

        return run

    def _documents(self, plan: Plan, source: Source, backend: str) -> Callable[[int], float]:
        def run(now_ns: int) -> float:
            document = source.document(backend)
            if document is not None:
                snapshot = self._keep(plan.provider, backend, document, now_ns)
                if snapshot is not None:
                    self._store.put_poll(snapshot.backend.provider, snapshot.backend.name, now_ns)
                    self.counts[plan.provider, "polled"] += 1
            return plan.interval_s

        return run

    def _statuses(self, plan: Plan, source: Source, backend: str) -> Callable[[int], float]:
        def run(now_ns: int) -> float:
            for sample in source.status(backend, now_ns):
                self._store.put_status(sample)
                self.counts[plan.provider, "status"] += 1
            return plan.status_interval_s

        return run

    def _history(self, plan: Plan, source: Source, backend: str, until_ns: int) -> Callable[[int], float]:
        """A few documents a turn, so that a year of history does not stand in the way of today; done once."""
        since_ns = until_ns - int(plan.history_s * NS)
        done = f"history {plan.provider} {backend}"
        reached = self._store.known_source(done)
        documents: Iterator[Document] | None = None
        if reached is not None and int(reached) <= since_ns + int(plan.interval_s * NS):
            documents = iter(())

        def run(now_ns: int) -> float:
            nonlocal documents
            if documents is None:
                documents = source.history(backend, since_ns, until_ns)
            try:
                taken = list(islice(documents, HISTORY_A_STEP))
            except BaseException:
                documents = None  # a generator that raised is over: begin again, what is known costs little
                raise
            for document in taken:
                self._keep(plan.provider, backend, document, now_ns)
            if len(taken) < HISTORY_A_STEP:
                if reached is None or since_ns < int(reached):
                    self._store.remember_source(done, str(since_ns))
                return float(1 << 32)
            return 1.0

        return run

    def _keep(self, provider: str, backend: str, document: Document, now_ns: int) -> Snapshot | None:
        """Store a document; None where it is refused, which is counted and kept in quarantine."""
        try:
            snapshot = detect.import_bytes(document.data, f"{provider} {backend}", document.hints)
            put = self._store.put(snapshot)
        except CalibrationError as error:
            self._store.quarantine(document.data, error, now_ns)
            self.counts[provider, "refused"] += 1
            _logger.warning("a calibration is quarantined: %s", error)
            return None
        self.counts[provider, put.outcome] += 1
        if put.outcome != "known":
            changes.record(self._store, snapshot)
        return snapshot
