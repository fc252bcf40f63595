"""What the page knows of the traces of a window and of the window before it: the input of figures and advice. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

from eigenspan.calibration.attributes import StatusSample
from eigenspan.calibration.store import Event
from eigenspan.figures.estimates import Estimate, quantile, rate
from eigenspan.figures.releases import Release
from eigenspan.figures.runs import Execution, Run

NS: Final = 10**9
DAY_S: Final = 86_400.0


@dataclass(frozen=True, slots=True)
class Measured:
    """`now`: traces that began in the last `window_s`; `before`: those of as long before. Statuses are the newest ones."""

    now_ns: int
    window_s: float
    now: Sequence[Run] = ()
    before: Sequence[Run] = ()
    releases: Sequence[Release] = ()
    events: Sequence[Event] = ()
    statuses: Sequence[StatusSample] = ()
    summary: Mapping[str, Any] = field(default_factory=dict)

    @property
    def since_ns(self) -> int:
        """Where the window begins."""
        return self.now_ns - int(self.window_s * NS)


class Change(NamedTuple):
    """One figure before and after something."""

    before: Estimate | None
    after: Estimate | None

    @property
    def worse(self) -> bool:
        """Higher than chance explains."""
        return bool(self.before and self.after and self.after.above(self.before))

    @property
    def better(self) -> bool:
        """Lower than chance explains."""
        return bool(self.before and self.after and self.before.above(self.after))


def measured(
    runs: Iterable[Run], now_ns: int, window_s: float, releases: Sequence[Release] = (), events: Sequence[Event] = (),
    statuses: Sequence[StatusSample] = (), summary: Mapping[str, Any] | None = None,
) -> Measured:  # fmt: skip
    """Divide traces among the window and the one before."""
    since_ns, earlier_ns = now_ns - int(window_s * NS), now_ns - 2 * int(window_s * NS)
    now, before = [], []
    for run in runs:
        if run.start_ns >= since_ns:
            now.append(run)
        elif run.start_ns >= earlier_ns:
            before.append(run)
    return Measured(now_ns, window_s, now, before, releases, events, statuses, summary or {})


def weighted(runs: Iterable[Run]) -> list[tuple[Run, float]]:
    """Those that say how many they stand for, with that number: recalled traces are outside estimates."""
    return [(run, run.weight) for run in runs if run.weight is not None]


def failed_rate(runs: Iterable[Run]) -> Estimate | None:
    """The share of traces with an error."""
    return rate((run.failed, w) for run, w in weighted(runs))


def duration(runs: Iterable[Run], q: float) -> Estimate | None:
    """A quantile of how long traces take, in seconds."""
    return quantile(((run.duration_s, w) for run, w in weighted(runs)), q)


def queue(runs: Iterable[Run], q: float = 0.5, backend: str | None = None) -> Estimate | None:
    """A quantile of executions' waits, in seconds."""
    return quantile(
        ((x.queue_s, w) for run, w in weighted(runs) for x in run.executions
         if x.queue_s is not None and backend in (None, x.backend)),
        q,
    )  # fmt: skip


class Share(NamedTuple):
    """One stage: its share of all time, seconds a trace that has it, and one of the longest traces in it."""

    stage: str
    share: float
    typical: Estimate | None
    tail: Estimate | None
    slowest: Run


def stages(runs: Iterable[Run]) -> list[Share]:
    """Where time goes, the largest share first."""
    of: defaultdict[str, list[tuple[float, float, Run]]] = defaultdict(list)
    for run, w in weighted(runs):
        for stage, seconds in run.stages.items():
            of[stage].append((seconds, w, run))
    total = sum(seconds * w for rows in of.values() for seconds, w, _ in rows)
    found = [
        Share(
            stage,
            sum(seconds * w for seconds, w, _ in rows) / total if total else 0.0,
            quantile(((seconds, w) for seconds, w, _ in rows), 0.5),
            quantile(((seconds, w) for seconds, w, _ in rows), 0.95),
            max(rows, key=lambda row: row[0])[2],
        )
        for stage, rows in of.items()
    ]
    return sorted(found, key=lambda share: -share.share)


def stage_time(runs: Iterable[Run], stage: str) -> Estimate | None:
    """The median of a stage's seconds among traces that have it."""
    return quantile(((run.stages[stage], w) for run, w in weighted(runs) if stage in run.stages), 0.5)


def around(release: Release, runs: Iterable[Run], window_s: float) -> tuple[list[Run], list[Run]]:
    """Traces of the version before and of the one released, within `window_s` of the release on either side.

    A version that spans carry is told by the spans, so that old and new may overlap; otherwise time alone divides.
    """
    width_ns = int(window_s * NS)
    near = [run for run in runs if abs(run.start_ns - release.at_ns) <= width_ns]
    key = (release.kind, release.name)
    old = [run for run in near if (*key, release.previous) in run.versions]
    new = [run for run in near if (*key, release.version) in run.versions]
    if new:
        return [run for run in old if run not in new], new
    if release.kind == "service":
        near = [run for run in near if run.service == release.name]
    return [r for r in near if r.start_ns < release.at_ns], [r for r in near if r.start_ns >= release.at_ns]


RELEASE_FIGURES: Final[dict[str, Callable[[Sequence[Run]], Estimate | None]]] = {
    "Failed": failed_rate,
    "Median": lambda runs: duration(runs, 0.5),
    "P95": lambda runs: duration(runs, 0.95),
}


def effect(release: Release, runs: Iterable[Run], window_s: float) -> dict[str, Change]:
    """Each figure before and after a release."""
    old, new = around(release, runs, window_s)
    return {name: Change(figure(old), figure(new)) for name, figure in RELEASE_FIGURES.items()}


def executions(runs: Iterable[Run]) -> list[tuple[Execution, float]]:
    """Every execution with its trace's weight."""
    return [(execution, w) for run, w in weighted(runs) for execution in run.executions]
