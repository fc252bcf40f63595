"""What changed between two snapshots of one backend, and whether that is more than backends usually change. Pure.

Between published snapshots of one IBM backend less than 60 hours apart T1, T2 and two-qubit errors of a typical qubit or
pair move by 12 %, readout errors by 16 %; 14 to 60 days apart by about 21 % and 28 %. The median over
a backend moves less. A change is significant when the median moves by about twice what is usual for one qubit, or a
typical qubit or pair by four times that.
"""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Mapping
from typing import Final, Literal

import msgspec

from eigenspan.calibration import instants
from eigenspan.calibration.errors import CalibrationError
from eigenspan.calibration.instants import NS
from eigenspan.calibration.snapshot import Gate, Snapshot
from eigenspan.calibration.summary import native_two_qubit_gate, single_qubit_gate

Metric = Literal["t1", "t2", "readout_error", "single_qubit_error", "two_qubit_error"]
THRESHOLDS: Final[dict[Metric, float]] = {
    "t1": 0.25,
    "t2": 0.25,
    "readout_error": 0.30,
    "single_qubit_error": 0.30,
    "two_qubit_error": 0.25,
}
"""The relative change of a median from which on it is significant; that of a typical site is from twice this on."""
STALE_S: Final = 7 * 86_400.0
Values = dict[str, float]


class Change(msgspec.Struct, frozen=True):
    """One metric: medians before and after, the median's relative change, and that of a typical qubit or pair.

    `typical` is the median of |after - before| / before over the sites that have both; `worst` is the site that changed
    most for the worse, with its values.
    """

    metric: Metric
    before: float | None
    after: float | None
    change: float | None
    typical: float | None
    significant: bool
    worst: str | None = None
    worst_before: float | None = None
    worst_after: float | None = None


class Drift(msgspec.Struct, frozen=True):
    """All changes from one snapshot to another. Sites are named by their qubits, pairs as "3,4"."""

    provider: str
    backend: str
    before: str
    after: str
    seconds: float
    changes: list[Change]
    lost_qubits: list[str]
    recovered_qubits: list[str]
    lost_pairs: list[str]
    recovered_pairs: list[str]

    @property
    def significant(self) -> bool:
        """Whether anything changed more than usual, or went out of service."""
        return any(change.significant for change in self.changes) or bool(self.lost_qubits or self.lost_pairs)


def drift(before: Snapshot, after: Snapshot, thresholds: Mapping[Metric, float] = THRESHOLDS) -> Drift:
    """Compare two snapshots of one machine; CalibrationError if they are of different ones."""
    if before.backend.provider != after.backend.provider or before.qubits.id != after.qubits.id:
        what = f"{before.backend.name} and {after.backend.name} have different qubits"
        raise CalibrationError(after.backend.name, what, "compare two snapshots of one machine")
    then, now = _values(before), _values(after)
    qubits_then, qubits_now = _working(before), _working(after)
    pairs_then, pairs_now = set(then["two_qubit_error"]), set(now["two_qubit_error"])
    return Drift(
        provider=after.backend.provider,
        backend=after.backend.name,
        before=before.snapshot.version,
        after=after.snapshot.version,
        seconds=(instants.parse(after.snapshot.valid_from) - instants.parse(before.snapshot.valid_from)) / NS,
        changes=[_change(metric, then[metric], now[metric], limit) for metric, limit in thresholds.items()],
        lost_qubits=_in_order(qubits_then - qubits_now),
        recovered_qubits=_in_order(qubits_now - qubits_then),
        lost_pairs=_in_order(pairs_then - pairs_now),
        recovered_pairs=_in_order(pairs_now - pairs_then),
    )


def _change(metric: Metric, then: Values, now: Values, threshold: float) -> Change:
    before, after = (statistics.median(values.values()) if values else None for values in (then, now))
    change = (after - before) / before if before and after is not None else None
    both = [(site, then[site], now[site]) for site in then.keys() & now.keys() if then[site] > 0]
    typical = statistics.median(abs(b - a) / a for _, a, b in both) if both else None
    sign = -1 if metric in ("t1", "t2") else 1  # what is worse: a shorter time, a larger error
    worst = max(both, key=lambda entry: (sign * (entry[2] - entry[1]) / entry[1], entry[0]), default=None)
    worse = worst is not None and sign * (worst[2] - worst[1]) > 0
    return Change(
        metric=metric,
        before=before,
        after=after,
        change=change,
        typical=typical,
        significant=max(abs(change or 0.0), (typical or 0.0) / 2) >= threshold,
        worst=worst[0] if worst and worse else None,
        worst_before=worst[1] if worst and worse else None,
        worst_after=worst[2] if worst and worse else None,
    )


def _values(snapshot: Snapshot) -> dict[Metric, Values]:
    """Each metric's values by site, over the same sets as the summary's medians; else the device's own number."""
    q, device = snapshot.qubits, snapshot.device
    one, two = single_qubit_gate(snapshot), native_two_qubit_gate(snapshot)
    pairs = {} if two is None else {",".join(q.id[i] for i in pair): i for pair, i in two[1].items()}
    found: dict[Metric, Values] = {
        "t1": _column(snapshot, q.t1_s),
        "t2": _column(snapshot, q.t2_s),
        "readout_error": _column(snapshot, q.readout_error),
        "single_qubit_error": {} if one is None else _gate(snapshot, one),
        "two_qubit_error": {} if two is None else _known((site, two[0].error[i]) for site, i in pairs.items()),
    }
    whole: dict[Metric, float | None] = {
        "t1": device.t1_s,
        "t2": device.t2_s,
        "readout_error": device.readout_error,
        "single_qubit_error": device.gate_1q_error,
        "two_qubit_error": device.gate_2q_error,
    }
    return {metric: values or _known([("device", whole[metric])]) for metric, values in found.items()}


def _column(snapshot: Snapshot, column: list[float | None] | None) -> Values:
    q = snapshot.qubits
    return _known((q.id[i], value) for i, value in enumerate(column or ()) if q.operational[i])


def _gate(snapshot: Snapshot, gate: Gate) -> Values:
    q = snapshot.qubits
    sites = zip(gate.sites, gate.error, gate.operational, strict=True)
    return _known((q.id[site[0]], error) for site, error, usable in sites if usable and q.operational[site[0]])


def _known(values: Iterable[tuple[str, float | None]]) -> Values:
    return {site: value for site, value in values if value is not None}


def _working(snapshot: Snapshot) -> set[str]:
    q = snapshot.qubits
    return {name for name, operational in zip(q.id, q.operational, strict=True) if operational}


def _in_order(sites: set[str]) -> list[str]:
    return sorted(
        sites, key=lambda site: [(int("0" + "".join(filter(str.isdecimal, part))), part) for part in site.split(",")]
    )


class Finding(msgspec.Struct, frozen=True):
    """One kind of doubt about a snapshot's values, how many it concerns, and which (the first few)."""

    kind: str
    count: int
    sites: list[str]


_SHOWN: Final = 8


def quality(snapshot: Snapshot, at_ns: int | None = None, stale_s: float = STALE_S) -> list[Finding]:
    """What is odd about a snapshot: sentinels, values older than `stale_s` at `at_ns`, T2 > 2 T1, stuck readout, gaps.

    `at_ns` defaults to when the snapshot came into force.
    """
    q = snapshot.qubits
    at_ns = instants.parse(snapshot.snapshot.valid_from) if at_ns is None else at_ns
    found: dict[str, list[str]] = {}
    for gate in snapshot.gates:
        for site, of_site in zip(gate.sites, gate.flags or (), strict=False):
            for sentinel in of_site:
                found.setdefault(sentinel, []).append(f"{gate.name}:{','.join(q.id[i] for i in site)}")
        _stale(
            found,
            f"stale_{gate.name}",
            gate.measured_at,
            [",".join(q.id[i] for i in s) for s in gate.sites],
            at_ns - int(stale_s * NS),
        )
    for name, flags in zip(q.id, q.flags, strict=True):
        for flag in flags:
            found.setdefault(flag, []).append(name)
    for name, p10, p01 in zip(q.id, q.p_meas1_prep0 or (), q.p_meas0_prep1 or (), strict=False):
        if 1.0 in (p10, p01):
            found.setdefault("stuck_readout", []).append(name)
    for column in ("t1", "t2", "readout"):
        _stale(found, f"stale_{column}", getattr(q, f"{column}_measured_at"), q.id, at_ns - int(stale_s * NS))
    idle = [name for name, operational in zip(q.id, q.operational, strict=True) if not operational]
    if idle:
        found["not_operational"] = idle
    return [Finding(kind, len(sites), sites[:_SHOWN]) for kind, sites in sorted(found.items())]


def _stale(
    found: dict[str, list[str]], kind: str, column: list[str | None] | None, sites: list[str], before_ns: int
) -> None:
    old = [site for site, text in zip(sites, column or (), strict=False) if text and instants.parse(text) < before_ns]
    if old:
        found[kind] = old
