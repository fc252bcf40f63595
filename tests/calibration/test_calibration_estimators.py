"""Estimates for circuits: equal to Qiskit's Target on transpiled circuits, and honest about what is missing."""

from __future__ import annotations

import math
import warnings
from collections import Counter
from typing import Any

import pytest

from eigenspan.calibration import Operation, Snapshot, Usage, circuit_attributes, count_attributes, names, summarise
from eigenspan.calibration.importers import ibm as importer
from eigenspan.calibration.importers.qiskit_target import from_target

ESP = names.CIRCUIT_SUCCESS_PROBABILITY


def fake(name: str) -> Any:
    pytest.importorskip("qiskit_ibm_runtime")
    from qiskit_ibm_runtime import fake_provider

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return getattr(fake_provider, name)()


def ghz(backend: Any, n: int) -> Any:
    from qiskit import QuantumCircuit, transpile

    circuit = QuantumCircuit(n)
    circuit.h(0)
    for i in range(n - 1):
        circuit.cx(i, i + 1)
    circuit.measure_all()
    return transpile(circuit, backend, optimization_level=3, seed_transpiler=42)


def usage_of(circuit: Any, **known: Any) -> Usage:
    counts: Counter[tuple[str, tuple[int, ...]]] = Counter()
    measured: list[int] = []
    for instruction in circuit.data:
        sites = tuple(circuit.find_bit(bit).index for bit in instruction.qubits)
        if instruction.operation.name == "measure":
            measured.extend(sites)
        else:
            counts[instruction.operation.name, sites] += 1
    operations = tuple(Operation(gate, sites, count) for (gate, sites), count in counts.items())
    return Usage(operations=operations, measured=tuple(measured), **known)


def by_target(circuit: Any, target: Any) -> float:
    product = 1.0
    for instruction in circuit.data:
        name = instruction.operation.name
        if name == "barrier":
            continue
        sites = tuple(circuit.find_bit(bit).index for bit in instruction.qubits)
        product *= 1 - (target[name][sites].error or 0.0)
    return product


@pytest.mark.parametrize("n", [5, 20])
@pytest.mark.parametrize("name", ["FakeFez", "FakeTorino", "FakeKingston"])
def test_success_probability_equals_qiskits_target(ibm: dict[str, Snapshot], name: str, n: int) -> None:
    backend = fake(name)
    circuit = ghz(backend, n)
    snapshot = ibm[f"props_{name.removeprefix('Fake').lower()}.json"]
    found = circuit_attributes(snapshot, usage_of(circuit, duration_s=1e-6))
    assert found[ESP] == pytest.approx(by_target(circuit, backend.target), abs=5e-7)
    assert 0.5 < float(found[ESP]) < 1
    assert found[names.CIRCUIT_BASIS] == "operations"
    assert found[names.CIRCUIT_MISSING_TERMS] == found[names.CIRCUIT_UNUSABLE_SITES] == 0
    used = {circuit.find_bit(bit).index for instruction in circuit.data for bit in instruction.qubits}
    t2 = min(backend.target.qubit_properties[q].t2 for q in used)
    assert found[names.CIRCUIT_T2_MIN] == pytest.approx(t2)
    assert found[names.CIRCUIT_COHERENCE_RATIO] == pytest.approx(1e-6 / t2)


@pytest.mark.parametrize(("name", "ratio"), [("FakeFez", 0.16), ("FakeTorino", 0.12), ("FakeKingston", 0.28)])
def test_coherence_of_a_schedule_and_of_the_busiest_qubit(ibm: dict[str, Snapshot], name: str, ratio: float) -> None:
    backend = fake(name)
    circuit = ghz(backend, 20)
    snapshot = ibm[f"props_{name.removeprefix('Fake').lower()}.json"]
    duration_s = circuit.estimate_duration(backend.target, unit="s")
    of_schedule = circuit_attributes(snapshot, usage_of(circuit, duration_s=duration_s))
    assert of_schedule[names.CIRCUIT_COHERENCE_BASIS] == "schedule"
    assert round(float(of_schedule[names.CIRCUIT_COHERENCE_RATIO]), 2) == ratio
    t2 = float(of_schedule[names.CIRCUIT_T2_MIN])
    assert of_schedule[names.CIRCUIT_COHERENCE_MARGIN] == pytest.approx(t2 - duration_s)

    of_gates = circuit_attributes(snapshot, usage_of(circuit))
    busy: Counter[int] = Counter()
    for instruction in circuit.data:
        if instruction.operation.name != "barrier":
            sites = tuple(circuit.find_bit(bit).index for bit in instruction.qubits)
            for site in sites:
                busy[site] += backend.target[instruction.operation.name][sites].duration or 0.0  # type: ignore[assignment]
    assert of_gates[names.CIRCUIT_COHERENCE_BASIS] == "busiest_qubit"
    assert of_gates[names.CIRCUIT_COHERENCE_RATIO] == pytest.approx(max(busy.values()) / t2)
    assert float(of_gates[names.CIRCUIT_COHERENCE_RATIO]) < ratio


def test_the_worst_pair_is_named(ibm: dict[str, Snapshot]) -> None:
    backend = fake("FakeTorino")
    circuit = ghz(backend, 20)
    found = circuit_attributes(ibm["props_torino.json"], usage_of(circuit))
    pairs = [tuple(circuit.find_bit(bit).index for bit in i.qubits) for i in circuit.data if i.operation.name == "cz"]
    worst = max(pairs, key=lambda pair: backend.target["cz"][pair].error)
    assert found[names.CIRCUIT_WORST_PAIR] == "{},{}".format(*sorted(worst))


@pytest.mark.parametrize("name", ["FakeTorino", "FakeYorktownV2", "FakeMelbourneV2", "FakeCairoV2", "FakeKyoto"])
def test_a_live_backend_gives_the_version_of_its_file(ibm: dict[str, Snapshot], name: str) -> None:
    snapshot = importer.from_backend(fake(name))
    shipped = ibm[f"props_{name.removeprefix('Fake').removesuffix('V2').lower()}.json"]
    assert snapshot.snapshot.version == shipped.snapshot.version
    assert snapshot.snapshot.valid_from == shipped.snapshot.valid_from


def test_a_target_gives_the_same_estimate(ibm: dict[str, Snapshot]) -> None:
    backend = fake("FakeTorino")
    snapshot = from_target(backend.target, provider="ibm", name="ibm_torino", valid_from_ns=1_740_000_000 * 10**9)
    usage = usage_of(ghz(backend, 5))
    assert circuit_attributes(snapshot, usage)[ESP] == circuit_attributes(ibm["props_torino.json"], usage)[ESP]
    ours, files = summarise(snapshot), summarise(ibm["props_torino.json"])
    assert (ours.t1_median_s, ours.two_qubit_error_median) == (files.t1_median_s, files.two_qubit_error_median)


def test_either_direction_of_a_pair(ibm: dict[str, Snapshot]) -> None:
    snapshot = ibm["props_brisbane.json"]
    ecr = next(gate for gate in snapshot.gates if gate.name == "ecr")
    i = next(i for i, error in enumerate(ecr.error) if error is not None)
    a, b = ecr.sites[i]
    forward = circuit_attributes(snapshot, Usage(operations=(Operation("ecr", (a, b)),)))
    backward = circuit_attributes(snapshot, Usage(operations=(Operation("ecr", (str(b), str(a))),)))
    assert forward == backward
    assert forward[ESP] == pytest.approx(1 - (ecr.error[i] or 0))
    assert forward[names.CIRCUIT_TWO_QUBIT_ERROR_MAX] == ecr.error[i]


def test_unusable_sites_are_counted_not_multiplied(ibm: dict[str, Snapshot]) -> None:
    kyoto = ibm["props_kyoto.json"]
    ecr = next(gate for gate in kyoto.gates if gate.name == "ecr")
    a, b = ecr.sites[0]
    found = circuit_attributes(kyoto, Usage(operations=(Operation("ecr", (a, b), 3), Operation("sx", (a,), 2))))
    assert found[names.CIRCUIT_UNUSABLE_SITES] == 1
    assert found[names.CIRCUIT_MISSING_TERMS] == 3
    sx = next(gate for gate in kyoto.gates if gate.name == "sx")
    assert found[ESP] == pytest.approx((1 - (sx.error[a] or 0)) ** 2)
    assert names.CIRCUIT_TWO_QUBIT_ERROR_MAX not in found


@pytest.mark.parametrize(
    ("operation", "missing"),
    [
        (Operation("reset", (0,)), 1),  # never has an error
        (Operation("sx", (999,)), 1),
        (Operation("made_up", (0,), 4), 4),
        (Operation("cz", (0, 99), 2), 2),  # not coupled
        (Operation("barrier", (0, 1, 2)), 0),
        (Operation("rz", (0,)), 0),
        (Operation("sx", (0,), 0), 0),
    ],
)
def test_missing_terms(ibm: dict[str, Snapshot], operation: Operation, missing: int) -> None:
    found = circuit_attributes(ibm["props_torino.json"], Usage(operations=(operation, Operation("x", (1,)))))
    assert found[names.CIRCUIT_MISSING_TERMS] == missing
    alone = circuit_attributes(ibm["props_torino.json"], Usage(operations=(operation,)))
    assert ESP not in alone


def test_counts_alone(ibm: dict[str, Snapshot]) -> None:
    summary = summarise(ibm["props_fez.json"])
    usage = Usage(one_qubit_gates=10, two_qubit_gates=4, measurements=5)
    found = circuit_attributes(ibm["props_fez.json"], usage)
    assert found == count_attributes(summary, usage)
    assert found[names.CIRCUIT_BASIS] == "counts"
    e1, e2, er = summary.single_qubit_error_median, summary.two_qubit_error_median, summary.readout_error_median
    assert e1 is not None
    assert e2 is not None
    assert er is not None
    assert found[ESP] == pytest.approx((1 - e1) ** 10 * (1 - e2) ** 4 * (1 - er) ** 5)
    assert circuit_attributes(ibm["props_fez.json"], Usage()) == {}


def test_counts_on_known_qubits(ibm: dict[str, Snapshot]) -> None:
    snapshot = ibm["props_fez.json"]
    cz = next(gate for gate in snapshot.gates if gate.name == "cz")
    sx = next(gate for gate in snapshot.gates if gate.name == "sx")
    pair = cz.sites[cz.error.index(next(error for error in cz.error if error is not None))]
    usage = Usage(qubits=tuple(pair), one_qubit_gates=2, two_qubit_gates=1, measured=tuple(pair))
    found = circuit_attributes(snapshot, usage)
    readout = snapshot.qubits.readout_error or []
    e1 = sum(sx.error[q] or 0 for q in pair) / 2
    er = sum(readout[q] or 0 for q in pair) / 2
    e2 = cz.error[cz.sites.index(pair)] or 0
    assert found[ESP] == pytest.approx((1 - e1) ** 2 * (1 - e2) * (1 - er) ** 2)
    assert found[names.CIRCUIT_BASIS] == "qubits"
    assert found[names.CIRCUIT_READOUT_ERROR_MAX] == max(readout[q] or 0 for q in pair)


def test_google_names(google: dict[str, Snapshot]) -> None:
    weber = google["weber"]
    labels = weber.qubits.id
    syc = next(gate for gate in weber.gates if gate.name == "syc")
    phxz = next(gate for gate in weber.gates if gate.name == "phxz")
    a, b = syc.sites[0]
    row, _, col = labels[a].partition("_")
    operations = (
        Operation("SYC", (f"q({row}, {col})", labels[b])),
        Operation("PhasedXZ", (labels[a],), 2),
        Operation("H", (labels[a],)),
        Operation("ZPow", (labels[a],)),
    )
    found = circuit_attributes(weber, Usage(operations=operations, measured=(labels[b],)))
    readout = (weber.qubits.readout_error or [])[b] or 0
    expected = (1 - (syc.error[0] or 0)) * (1 - (phxz.error[a] or 0)) ** 3 * (1 - readout)
    assert found[ESP] == pytest.approx(expected)
    assert found[names.CIRCUIT_MISSING_TERMS] == 0
    assert names.CIRCUIT_T2_MIN not in found


def test_a_stuck_readout_leaves_no_hope(history: dict[str, Snapshot]) -> None:
    stuck = [
        (snapshot, q)
        for snapshot in history.values()
        for q, error in enumerate(snapshot.qubits.readout_error or ())
        if error == 1.0
    ]
    assert stuck
    snapshot, q = stuck[0]
    found = circuit_attributes(snapshot, Usage(operations=(Operation("x", (0,)),), measured=(q,)))
    assert found[ESP] == 0.0
    assert math.isfinite(float(found[ESP]))
