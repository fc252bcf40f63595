"""A snapshot in about twenty numbers: what the join keeps in memory and writes on spans.

Let U_q be the operational qubits that have the value in question, and U_e the operational undirected pairs of one
native two-qubit gate that have an error. A pair reported in both directions counts once, with the smaller error. Of
several native two-qubit gates the one with most operational pairs is taken, ties by name. A statistic over an empty
set is None. Where a provider publishes nothing for qubits and pairs, its number for the device takes the median's place
and `statistic` says which number that is.
"""

from __future__ import annotations

import statistics
from collections.abc import Iterable
from typing import Final

import msgspec

from eigenspan.calibration import instants
from eigenspan.calibration.gates import NON_GATES
from eigenspan.calibration.snapshot import Gate, Instants, Snapshot

# The gate whose error stands for "the" single-qubit error: IBM's physical half turn, others' general pulse.
IBM_SINGLE_QUBIT: Final = ("sx",)
SINGLE_QUBIT: Final = ("prx", "phxz", "gpi2", "rx", "v")


class Summary(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One snapshot's numbers with its validity [valid_from, valid_to). Seconds and fractions; instants in ns."""

    provider: str
    backend: str
    version: str
    valid_from_ns: int
    valid_to_ns: int | None = None
    calibration_id: str | None = None
    backend_version: str | None = None
    num_qubits: int
    t1_median_s: float | None = None
    t2_median_s: float | None = None
    t2_method: str | None = None
    readout_error_median: float | None = None
    single_qubit_gate: str | None = None
    single_qubit_error_median: float | None = None
    two_qubit_gate: str | None = None
    two_qubit_error_median: float | None = None
    two_qubit_error_max: float | None = None
    operational_qubits: int = 0
    operational_pairs: int = 0
    oldest_measured_at_ns: int | None = None
    eplg: float | None = None
    clops: int | None = None
    quantum_volume: int | None = None
    statistic: str | None = None

    def completeness(self) -> int:
        """How many of the values are known: of two documents for one instant, the fuller one is used."""
        return sum(getattr(self, name) is not None for name in self.__struct_fields__)


def median(values: Iterable[float]) -> float | None:
    """The mean of the two middle values for even counts; None of nothing."""
    listed = list(values)
    return statistics.median(listed) if listed else None


def native_two_qubit_gate(snapshot: Snapshot) -> tuple[Gate, dict[tuple[int, int], int]] | None:
    """The gate of U_e, and for each of its pairs (low, high) the index of the site whose error counts."""
    best: tuple[Gate, dict[tuple[int, int], int]] | None = None
    for gate in sorted(snapshot.gates, key=lambda gate: gate.name):
        if gate.arity != 2 or gate.native is False or gate.name in NON_GATES:
            continue
        pairs = usable_pairs(gate)
        if best is None or len(pairs) > len(best[1]):
            best = (gate, pairs)
    return best


def usable_pairs(gate: Gate) -> dict[tuple[int, int], int]:
    """Operational undirected pairs with an error, each with the index of its better direction."""
    pairs: dict[tuple[int, int], int] = {}
    for i, (a, b) in enumerate(gate.sites):
        error = gate.error[i]
        if error is None or not gate.operational[i]:
            continue
        pair = (min(a, b), max(a, b))
        seen = pairs.get(pair)
        if seen is None or error < (gate.error[seen] or 0.0):
            pairs[pair] = i
    return pairs


def single_qubit_gate(snapshot: Snapshot) -> Gate | None:
    """The gate whose errors are the single-qubit errors of this backend, if it reports one."""
    names = IBM_SINGLE_QUBIT if snapshot.backend.provider == "ibm" else SINGLE_QUBIT
    gates = {gate.name: gate for gate in snapshot.gates if gate.arity == 1}
    return next((gates[name] for name in names if name in gates), None)


class _Dates:
    """Collects when the used values were measured."""

    def __init__(self) -> None:
        self.texts: list[str] = []

    def add(self, column: Instants | None, indices: Iterable[int]) -> None:
        if column is not None:
            self.texts.extend(text for i in indices if (text := column[i]) is not None)

    def oldest_ns(self) -> int | None:
        return min(map(instants.parse, self.texts)) if self.texts else None


def summarise(snapshot: Snapshot) -> Summary:
    """The numbers of one snapshot; depends on its content and validity only, not on the order of its parts."""
    q = snapshot.qubits
    dates = _Dates()
    working = [i for i, operational in enumerate(q.operational) if operational]

    def used(column: list[float | None] | None, measured_at: Instants | None) -> float | None:
        if column is None:
            return None
        known = [i for i in working if column[i] is not None]
        dates.add(measured_at, known)
        return median(value for i in known if (value := column[i]) is not None)

    t1 = used(q.t1_s, q.t1_measured_at)
    t2 = used(q.t2_s, q.t2_measured_at)
    readout = used(q.readout_error, q.readout_measured_at)

    one = single_qubit_gate(snapshot)
    one_error: float | None = None
    if one is not None:
        healthy = set(working)
        known = [
            i
            for i, error in enumerate(one.error)
            if error is not None and one.operational[i] and one.sites[i][0] in healthy
        ]
        dates.add(one.measured_at, known)
        one_error = median(error for i in known if (error := one.error[i]) is not None)

    two = native_two_qubit_gate(snapshot)
    two_errors: list[float] = []
    if two is not None:
        gate, pairs = two
        dates.add(gate.measured_at, pairs.values())
        two_errors = [error for i in pairs.values() if (error := gate.error[i]) is not None]

    whole = snapshot.device
    values = [
        [t1, whole.t1_s],
        [t2, whole.t2_s],
        [readout, whole.readout_error],
        [one_error, whole.gate_1q_error],
        [median(two_errors), whole.gate_2q_error],
    ]
    borrowed = any(own is None and of_device is not None for own, of_device in values)
    t1, t2, readout, one_error, two_error = (of_device if own is None else own for own, of_device in values)

    figures = {benchmark.name: benchmark.value for benchmark in snapshot.benchmarks}
    clops = next((figures[name] for name in ("clops_h", "clops_v", "clops") if name in figures), None)
    volume = figures.get("quantum_volume")
    return Summary(
        provider=snapshot.backend.provider,
        backend=snapshot.backend.name,
        version=snapshot.snapshot.version,
        valid_from_ns=instants.parse(snapshot.snapshot.valid_from),
        calibration_id=snapshot.snapshot.provider_calibration_id,
        backend_version=snapshot.backend.version,
        num_qubits=snapshot.backend.num_qubits,
        t1_median_s=t1,
        t2_median_s=t2,
        t2_method=q.t2_method if t2 is not None else None,
        readout_error_median=readout,
        single_qubit_gate=one.name if one is not None and one_error is not None else None,
        single_qubit_error_median=one_error,
        two_qubit_gate=two[0].name if two is not None and two_errors else None,
        two_qubit_error_median=two_error,
        two_qubit_error_max=max(two_errors, default=None),
        operational_qubits=len(working),
        operational_pairs=len(two_errors),
        oldest_measured_at_ns=dates.oldest_ns(),
        eplg=eplg(snapshot),
        clops=None if clops is None else int(clops),
        quantum_volume=None if volume is None else int(volume),
        statistic=(whole.statistic or "unspecified") if borrowed else None,
    )


def eplg(snapshot: Snapshot) -> float | None:
    """Error per layered gate at the longest chain reported: 1 - LF^(1/(N-1)) (McKay et al., arXiv:2311.05933)."""
    layers = [
        (benchmark.num_qubits, benchmark.value)
        for benchmark in snapshot.benchmarks
        if benchmark.name.startswith("lf_") and benchmark.num_qubits is not None and benchmark.num_qubits > 1
    ]
    if not layers:
        return None
    n, fidelity = max(layers)
    return float(1.0 - fidelity ** (1.0 / (n - 1)))
