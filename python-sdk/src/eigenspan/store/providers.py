"""Runs on providers, compared like with like: one circuit family, shots and class of backend at a time."""

from __future__ import annotations

import statistics
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from typing import NamedTuple

from eigenspan.semconv import attributes as q
from eigenspan.store.tree import Node, first_of


class Like(NamedTuple):
    """What has to be the same for two runs to be compared. `device`: simulator, hardware or unknown."""

    family: str
    shots: int | None
    device: str


class Run(NamedTuple):
    """One execution; what is not known is None."""

    like: Like
    provider: str
    seconds: float
    queue_s: float | None
    cost: float | None
    failed: bool


@dataclass(frozen=True, slots=True)
class Figures:
    """A provider's runs of one kind. Times are of runs that succeeded; cost per success includes what failures cost."""

    family: str
    shots: int | None
    device: str
    provider: str
    runs: int
    errors: int
    median_s: float | None
    p95_s: float | None
    variance_s2: float | None
    queue_median_s: float | None
    cost_per_success: float | None

    def to_dict(self) -> dict[str, object]:
        """As JSON shows it."""
        return asdict(self)


def runs_of(nodes: Iterable[Node]) -> Iterator[Run]:
    """The executions among spans: those with a provider and shots or an execution time; of one job the last span counts."""
    by_job: dict[str, Run] = {}
    for node in nodes:
        get = node.attributes
        provider = first_of(get, q.QUANTUM_PROVIDER_NAME)
        shots = first_of(get, q.QUANTUM_JOB_SHOTS)
        spent = first_of(get, q.QUANTUM_JOB_EXECUTION_DURATION)
        if provider is None or (shots is None and spent is None):
            continue
        simulator = first_of(get, q.QUANTUM_BACKEND_SIMULATOR)
        device = "unknown" if not isinstance(simulator, bool) else "simulator" if simulator else "hardware"
        like = Like(
            str(first_of(get, q.QUANTUM_CIRCUIT_FAMILY) or ""), shots if isinstance(shots, int) else None, device
        )
        seconds = _number(spent)
        queue_s, cost = (_number(first_of(get, key)) for key in (q.QUANTUM_JOB_QUEUE_DURATION, q.QUANTUM_COST_AMOUNT))
        run = Run(like, str(provider), node.duration_s if seconds is None else seconds, queue_s, cost, node.error)
        job = first_of(get, q.QUANTUM_JOB_ID)
        by_job[f"{provider!s}/{job!s}" if job is not None else f"span {node.span_id}"] = run
    yield from by_job.values()


def compare(runs: Iterable[Run]) -> list[Figures]:
    """The figures of each provider, kinds together."""
    groups: defaultdict[tuple[Like, str], list[Run]] = defaultdict(list)
    for run in runs:
        groups[run.like, run.provider].append(run)
    keys = sorted(groups, key=lambda k: (k[0].family, k[0].shots or 0, k[0].device, k[1]))
    return [_figures(like, provider, groups[like, provider]) for like, provider in keys]


def _figures(like: Like, provider: str, runs: list[Run]) -> Figures:
    good = sorted(run.seconds for run in runs if not run.failed)
    queues = [run.queue_s for run in runs if run.queue_s is not None]
    costs = [run.cost for run in runs if run.cost is not None]
    complete = len(costs) == len(runs) and bool(good)
    return Figures(
        *like, provider, len(runs), len(runs) - len(good),
        statistics.median(good) if good else None,
        good[min(len(good) - 1, int(0.95 * len(good)))] if good else None,
        statistics.variance(good) if len(good) > 1 else None,
        statistics.median(queues) if queues else None,
        sum(costs) / len(good) if complete else None,
    )  # fmt: skip


def _number(value: object) -> float | None:
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None
