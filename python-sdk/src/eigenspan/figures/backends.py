"""Backends as calibrations, providers' statuses and stored traces know them, each under one name. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from eigenspan.calibration import instants
from eigenspan.calibration.asof import AsOfIndex
from eigenspan.calibration.attributes import StatusSample
from eigenspan.calibration.backends import Series
from eigenspan.calibration.store import Event
from eigenspan.calibration.summary import Summary
from eigenspan.figures.estimates import Estimate, quantile, rate
from eigenspan.figures.measured import executions
from eigenspan.figures.providers import Weighted
from eigenspan.figures.runs import Run
from eigenspan.semconv import attributes as q
from eigenspan.semconv import events


@dataclass(frozen=True, slots=True)
class Ran:
    """Executions on a backend. `n`: how many were kept, `about`: how many they stand for; times are of those that succeeded."""

    n: int
    about: float
    failed: Estimate
    median: Estimate | None
    tail: Estimate | None
    queue: Estimate | None


@dataclass(frozen=True, slots=True)
class Backend:
    """One machine or simulator. `provider` is "" and `timeline` empty where no calibration of it is known.

    `names`: those on stored traces that mean it, with their number of traces; `drift`: what happened to it, newest first.
    """

    provider: str
    name: str
    names: tuple[tuple[str, int], ...]
    timeline: Sequence[Summary] = ()
    status: StatusSample | None = None
    drift: tuple[Event, ...] = ()
    ran: Ran | None = None

    @property
    def traces(self) -> int:
        """How many stored traces ran on it, by the first backend that they name."""
        return sum(n for _, n in self.names)

    def to_dict(self) -> dict[str, Any]:
        """As JSON shows it."""
        newest = self.timeline[-1] if self.timeline else None
        return {
            "backend": self.name, "provider": self.provider, "names": [name for name, _ in self.names],
            "traces": self.traces, "snapshots": len(self.timeline),
            "calibrated_at": newest and instants.format_ns(newest.valid_from_ns),
            "status": self.status and self.status.status, "queue_length": self.status and self.status.queue_length,
            "queue_s": self.status and self.status.queue_s,
            "drift": [
                {"at": instants.format_ns(e.at_ns), "what": e.attributes.get(q.QUANTUM_HARDWARE_CHANGE, e.name),
                 "qubits": list(e.attributes.get(q.QUANTUM_CIRCUIT_PHYSICAL_QUBITS, ()))}
                for e in self.drift
            ],
            "runs": self.ran and {
                "kept": self.ran.n, "about": self.ran.about, "failed": self.ran.failed.value,
                "median_s": self.ran.median and self.ran.median.value, "p95_s": self.ran.tail and self.ran.tail.value,
                "queue_median_s": self.ran.queue and self.ran.queue.value,
            },
        }  # fmt: skip


def name_of(series: Series) -> str:
    """The name by which a series is asked for; `series_of` understands it."""
    return f"fake_{series.name}" if series.simulated else series.name


def addresses(index: AsOfIndex) -> dict[int, Series]:
    """Every series by its number, so that a backend's name on a span finds it."""
    return {index.series_code(s.provider, name_of(s)): s for s in index.backends}


def backends(
    index: AsOfIndex, traces: Mapping[str, int], happened: Iterable[Event] = (), runs: Sequence[Run] = ()
) -> list[Backend]:
    """Those that calibrations are known of, the most traces first, then those that only traces name.

    `traces`: how many stored traces name a backend; a name that several providers use is known of none.
    """
    named: defaultdict[int | str, list[tuple[str, int]]] = defaultdict(list)
    for name, n in sorted(traces.items()):
        code = index.series_code(None, name)
        named[code if code >= 0 else name].append((name, n))
    drift: defaultdict[int, list[Event]] = defaultdict(list)
    for event in happened:
        if event.name == events.QUANTUM_HARDWARE_EVENT:
            drift[index.series_code(event.provider, event.backend)].append(event)
    by_name: defaultdict[str, Weighted] = defaultdict(list)
    for x, w in executions(runs):
        by_name[x.backend].append((x, w))
    known = []
    for code, series in addresses(index).items():
        name, names = name_of(series), tuple(named.pop(code, ()))
        said = next(reversed(index.statuses(series.provider, name)), None)
        timeline = index.timeline(series.provider, name)
        found = ran([pair for alias, _ in names for pair in by_name[alias]])
        known.append(Backend(series.provider, name, names, timeline, said, tuple(drift[code]), found))
    known.sort(key=lambda b: (-b.traces, b.provider, b.name))
    return known + [Backend("", names[0][0], tuple(names), ran=ran(by_name[names[0][0]])) for names in named.values()]


def ran(found: Weighted) -> Ran | None:
    """The figures of executions; None where there are none."""
    failed = rate((x.failed, w) for x, w in found)
    if failed is None:
        return None
    good = [(x.duration_s, w) for x, w in found if not x.failed]
    return Ran(
        len(found), sum(w for _, w in found), failed, quantile(good, 0.5), quantile(good, 0.95),
        quantile(((x.queue_s, w) for x, w in found if x.queue_s is not None), 0.5),
    )  # fmt: skip
