"""Jobs in flight: which open traces wait for a job that has not ended yet.

A job is pending for a trace once a span of it submits the job (a PRODUCER span) or states a pending status, and until any
span, of whatever trace, states a terminal one. Jobs are known by tenant, provider and job id; what counts as pending,
terminal and failed is a table of the schema.
"""

from __future__ import annotations

from collections import OrderedDict, defaultdict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from enum import Enum

import polars as pl

from eigenspan.collector.columns import Ints
from eigenspan.semconv import tables

JobKey = tuple[str, str, str]  # tenant, provider, job id
DECIDED = -1
"""The slot of a trace that waits for nothing any more."""
_COLUMNS = ("tenant", "trace_hi", "trace_lo", "provider", "job_id", "job_status", "kind", "success")
_PRODUCER = 4


class Phase(Enum):
    """What a span says of its job."""

    UNKNOWN = 0
    PENDING = 1
    ENDED = 2
    FAILED = 3


def phase_of(provider: str | None, status: str | None, kind: int, success: bool | None) -> Phase:
    """The phase that a span's provider, job status, kind and success flag tell."""
    said = (status or "").lower()
    meant = tables.JOB_STATUS_BY_PROVIDER.get(((provider or "").lower(), said)) or said
    if meant in tables.FAILED_JOB_STATUSES:
        return Phase.FAILED
    if meant in tables.PENDING_JOB_STATUSES:
        return Phase.PENDING
    if meant in tables.TERMINAL_JOB_STATUSES:
        return Phase.ENDED
    if success is not None:
        return Phase.ENDED if success else Phase.FAILED
    return Phase.PENDING if kind == _PRODUCER else Phase.UNKNOWN


def said(spans: pl.DataFrame, slots_of: Callable[[pl.DataFrame], Ints]) -> Iterator[tuple[JobKey, int, Phase]]:
    """What committed spans say of their jobs: job, the slot of the span's trace (`DECIDED` where it has none), phase."""
    if spans["job_id"].null_count() == len(spans):
        return
    named = spans.select(_COLUMNS).filter(pl.col("job_id").is_not_null())
    for (tenant, _, _, provider, job_id, status, kind, success), slot in zip(
        named.iter_rows(), slots_of(named).tolist(), strict=True
    ):
        phase = phase_of(provider, status, kind, success)
        if phase is not Phase.UNKNOWN:
            yield (tenant, (provider or "").lower(), job_id), slot, phase


@dataclass(slots=True)
class Settled:
    """What a turn changed: traces that wait for nothing any more, and traces whose job failed elsewhere or here."""

    free: set[int] = field(default_factory=set)
    failed: set[int] = field(default_factory=set)


class Jobs:
    """Pending jobs and the slots of the traces that wait for them.

    Ended jobs are remembered, newest `remember` of them, because a terminal span may arrive before the one that submits.
    """

    def __init__(self, remember: int = 200_000) -> None:
        self._remember = remember
        self._waiting: defaultdict[JobKey, set[int]] = defaultdict(set)
        self._of_slot: defaultdict[int, set[JobKey]] = defaultdict(set)
        self._ended: OrderedDict[JobKey, bool] = OrderedDict()  # job → failed
        self._fresh: dict[JobKey, bool] = {}

    def __len__(self) -> int:
        return len(self._waiting)

    def apply(self, seen: Iterable[tuple[JobKey, int, Phase]]) -> Settled:
        """Take in (job, slot, phase) of spans, in order."""
        settled = Settled()
        for job, slot, phase in seen:
            if phase in (Phase.ENDED, Phase.FAILED):
                self._end(job, phase is Phase.FAILED, settled)
                if phase is Phase.FAILED:
                    settled.failed.add(slot)
            elif slot == DECIDED:
                continue
            elif job in self._ended:
                if self._ended[job]:
                    settled.failed.add(slot)
            elif phase is Phase.PENDING:
                self._waiting[job].add(slot)
                self._of_slot[slot].add(job)
        settled.failed.discard(DECIDED)
        return settled

    def _end(self, job: JobKey, failed: bool, settled: Settled) -> None:
        self._ended[job] = self._fresh[job] = failed
        self._ended.move_to_end(job)
        if len(self._ended) > self._remember:
            self._ended.popitem(last=False)
        for slot in self._waiting.pop(job, ()):
            jobs = self._of_slot[slot]
            jobs.discard(job)
            if failed:
                settled.failed.add(slot)
            if not jobs:
                del self._of_slot[slot]
                settled.free.add(slot)

    def load(self, ended: Iterable[tuple[JobKey, bool]]) -> None:
        """Take up jobs that ended before, the oldest first, and whether they failed."""
        self._ended.update(ended)

    def ended(self) -> dict[JobKey, bool]:
        """The jobs that ended since this was asked last, and whether they failed: for the state."""
        fresh, self._fresh = self._fresh, {}
        return fresh

    def waits(self, slot: int) -> bool:
        """Whether the trace in `slot` waits for a job."""
        return slot in self._of_slot

    def forget(self, slots: Iterable[int]) -> None:
        """The traces in `slots` are closed."""
        for slot in slots:
            for job in self._of_slot.pop(slot, ()):
                waiting = self._waiting[job]
                waiting.discard(slot)
                if not waiting:
                    del self._waiting[job]
