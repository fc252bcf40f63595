"""Invariants of the calibration statistics, estimators and join, over generated snapshots."""

from __future__ import annotations

import math
import statistics
from itertools import combinations, pairwise

import msgspec
import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from eigenspan.calibration import (
    AsOfIndex,
    Operation,
    Snapshot,
    Summary,
    Usage,
    backend_attributes,
    circuit_attributes,
    instants,
    names,
    summarise,
)
from eigenspan.calibration.asof import KINDS, Observed
from eigenspan.calibration.importers import build
from eigenspan.calibration.snapshot import Backend, Column, Gate, Qubits, from_json, to_json, version_of
from eigenspan.calibration.summary import median

ESP = names.CIRCUIT_SUCCESS_PROBABILITY
coherence = st.none() | st.floats(1e-8, 1e-2)
error = st.none() | st.floats(0, 0.999)
VALID_FROM = "2025-01-01T00:00:00Z"


@st.composite
def snapshots(draw: st.DrawFn) -> Snapshot:
    n = draw(st.integers(1, 6))

    def column(values: st.SearchStrategy[float | None]) -> Column:
        return draw(st.lists(values, min_size=n, max_size=n))

    pairs = [list(pair) for pair in combinations(range(n), 2) if draw(st.booleans())]
    pairs += [pair[::-1] for pair in pairs if draw(st.booleans())]
    sx, cz = column(error), draw(st.lists(error, min_size=len(pairs), max_size=len(pairs)))
    gates = [
        Gate(
            name="sx",
            arity=1,
            sites=[[i] for i in range(n)],
            error=sx,
            operational=[e is not None for e in sx],
            error_metric="unspecified",
        )
    ]
    if pairs:
        gates.append(
            Gate(
                name="cz",
                arity=2,
                sites=pairs,
                error=cz,
                operational=[e is not None for e in cz],
                error_metric="unspecified",
            )
        )
    return build.finish(
        backend=Backend(provider="ibm", name="ibm_made_up", num_qubits=n, technology="superconducting"),
        valid_from=VALID_FROM,
        calibration_id=None,
        qubits=Qubits(
            id=[str(i) for i in range(n)],
            operational=draw(st.lists(st.booleans(), min_size=n, max_size=n)),
            flags=[[] for _ in range(n)],
            t1_s=build.column(column(coherence)),
            t2_s=build.column(column(coherence)),
            readout_error=build.column(column(st.none() | st.floats(0, 1))),
        ),
        gates=gates,
        device=None,
        benchmarks=[],
        origin=build.provenance("generated", [b""], "test/1"),
    )


@given(st.lists(st.floats(0, 1)))
def test_the_median_is_the_middle(values: list[float]) -> None:
    found = median(values)
    if not values:
        assert found is None
        return
    assert found is not None
    assert min(values) <= found <= max(values)
    assert sum(v < found for v in values) <= len(values) / 2
    assert sum(v > found for v in values) <= len(values) / 2


@given(snapshots(), st.randoms(use_true_random=False))
def test_renaming_qubits_changes_no_statistic(snapshot: Snapshot, random: object) -> None:
    n = snapshot.backend.num_qubits
    order = list(range(n))
    random.shuffle(order)  # type: ignore[attr-defined]
    place = {old: new for new, old in enumerate(order)}
    q = snapshot.qubits
    columns = {
        name: [column[i] for i in order]
        for name in ("operational", "t1_s", "t2_s", "readout_error")
        if (column := getattr(q, name)) is not None
    }
    gates = [msgspec.structs.replace(g, sites=[[place[i] for i in site] for site in g.sites]) for g in snapshot.gates]
    permuted = msgspec.structs.replace(snapshot, qubits=msgspec.structs.replace(q, **columns), gates=gates)
    assert summarise(permuted) == summarise(snapshot)


@given(snapshots())
def test_statistics_are_those_of_the_definition(snapshot: Snapshot) -> None:
    q = snapshot.qubits
    summary = summarise(snapshot)

    def over(column: Column | None) -> float | None:
        kept = [v for v, ok in zip(column or [], q.operational, strict=False) if ok and v is not None]
        return statistics.median(kept) if kept else None

    assert summary.t1_median_s == over(q.t1_s)
    assert summary.t2_median_s == over(q.t2_s)
    assert summary.readout_error_median == over(q.readout_error)
    best: dict[frozenset[int], float] = {}
    for g in snapshot.gates:
        for site, e in zip(g.sites, g.error, strict=True):
            if g.arity == 2 and e is not None:
                best[frozenset(site)] = min(e, best.get(frozenset(site), 1.0))
    assert summary.operational_pairs == len(best)
    assert summary.two_qubit_error_max == max(best.values(), default=None)
    assert summary.two_qubit_error_median == (statistics.median(best.values()) if best else None)


@given(snapshots())
def test_an_empty_set_is_left_out_never_zero(snapshot: Snapshot) -> None:
    found = backend_attributes(summarise(snapshot), instants.parse(VALID_FROM) + 1, "as_of")
    reported = {
        names.T1_MEDIAN: snapshot.qubits.t1_s,
        names.T2_MEDIAN: snapshot.qubits.t2_s,
        names.READOUT_ERROR_MEDIAN: snapshot.qubits.readout_error,
    }
    for name, column in reported.items():
        kept = [v for v, ok in zip(column or [], snapshot.qubits.operational, strict=False) if ok and v is not None]
        assert (name in found) is bool(kept)
    assert found.get(names.OPERATIONAL_PAIRS) != 0
    assert found.get(names.OPERATIONAL_QUBITS) != 0
    assert all(value is not None for value in found.values())


@given(snapshots())
def test_documents_survive_json(snapshot: Snapshot) -> None:
    assert from_json(to_json(snapshot)) == snapshot
    assert version_of(snapshot) == snapshot.snapshot.version


@st.composite
def circuits(draw: st.DrawFn) -> tuple[Snapshot, list[Operation], list[int]]:
    snapshot = draw(snapshots())
    n = snapshot.backend.num_qubits
    qubit = st.integers(0, n + 1)  # one that does not exist, too
    one = st.builds(lambda q, c: Operation("sx", (q,), c), qubit, st.integers(1, 50))
    two = st.builds(lambda a, b, c: Operation("cz", (a, b), c), qubit, qubit, st.integers(1, 50))
    return snapshot, draw(st.lists(one | two, max_size=8)), draw(st.lists(qubit, max_size=6))


@given(circuits(), st.randoms(use_true_random=False))
def test_the_order_of_a_circuit_does_not_matter(
    circuit: tuple[Snapshot, list[Operation], list[int]], random: object
) -> None:
    snapshot, operations, measured = circuit
    shuffled = operations[:]
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    straight = circuit_attributes(snapshot, Usage(operations=tuple(operations), measured=tuple(measured)))
    assert circuit_attributes(snapshot, Usage(operations=tuple(shuffled), measured=tuple(measured[::-1]))) == straight


@given(circuits())
def test_an_estimate_is_a_probability_and_its_terms_are_accounted_for(
    circuit: tuple[Snapshot, list[Operation], list[int]],
) -> None:
    snapshot, operations, measured = circuit
    found = circuit_attributes(snapshot, Usage(operations=tuple(operations), measured=tuple(measured)))
    if not operations:
        return
    terms = sum(operation.count for operation in operations) + len(measured)
    missing = found[names.CIRCUIT_MISSING_TERMS]
    assert isinstance(missing, int)
    assert 0 <= missing <= terms
    assert (ESP in found) is (missing < terms)
    assert 0 <= float(found.get(ESP, 0)) <= 1
    for name, value in found.items():
        assert not isinstance(value, float) or math.isfinite(value), name


@given(circuits(), st.integers(0, 5), st.integers(1, 20))
def test_more_gates_never_help(circuit: tuple[Snapshot, list[Operation], list[int]], qubit: int, count: int) -> None:
    snapshot, operations, measured = circuit
    if not operations:
        return
    less = circuit_attributes(snapshot, Usage(operations=tuple(operations), measured=tuple(measured)))
    more_operations = (*operations, Operation("sx", (qubit,), count))
    more = circuit_attributes(snapshot, Usage(operations=more_operations, measured=tuple(measured)))
    assert float(more.get(ESP, 1)) <= float(less.get(ESP, 1))
    assert int(more[names.CIRCUIT_MISSING_TERMS]) >= int(less[names.CIRCUIT_MISSING_TERMS])


versions = st.sampled_from(["a", "b", "c"])
entries = st.lists(
    st.builds(
        lambda name, at, version, id_: Observed(
            name,
            Summary(provider="ibm", backend=name, version=version, valid_from_ns=at, calibration_id=id_, num_qubits=1),
        ),
        st.sampled_from(["ibm_x", "ibm_y", "fake_x"]),
        st.integers(1, 30),
        versions,
        st.none() | st.sampled_from(["i", "j"]),
    ),
    max_size=25,
)


@settings(max_examples=200)
@given(
    entries,
    st.lists(
        st.tuples(
            st.sampled_from(["x", "ibm_y", "fake_x", "z"]), st.integers(0, 40), st.sampled_from([None, "i", "k"])
        ),
        max_size=30,
    ),
    st.randoms(use_true_random=False),
)
def test_columns_answer_as_rows_do_whatever_the_order_of_arrival(
    observed: list[Observed], asked: list[tuple[str, int, str | None]], random: object
) -> None:
    index = AsOfIndex(observed)
    shuffled = observed[:]
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    again = AsOfIndex(shuffled)
    rows = [index.match("ibm", name, t, id_) for name, t, id_ in asked]
    assert [again.match("ibm", name, t, id_) for name, t, id_ in asked] == rows
    matches = index.match_many(
        ["ibm"] * len(asked),
        [a[0] for a in asked],
        np.array([a[1] for a in asked], dtype=np.int64),
        [a[2] for a in asked],
    )
    for match, row, kind in zip(rows, matches.row, matches.kind, strict=True):
        assert match.kind == KINDS[kind]
        assert match.snapshot == (index.summaries[row] if row >= 0 else None)
    for name in ("x", "ibm_y", "fake_x"):
        timeline = index.timeline("ibm", name)
        for before, after in pairwise(timeline):
            assert before.valid_to_ns == after.valid_from_ns > before.valid_from_ns
            assert before.version != after.version
