"""What real documents get wrong, counted: the importers see each oddity as often as it occurs in the files."""

from __future__ import annotations

import copy
import json
import statistics
from collections import Counter, defaultdict
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from eigenspan.calibration import Snapshot
from eigenspan.calibration.importers import ibm as importer
from eigenspan.calibration.snapshot import Gate
from eigenspan.calibration.summary import summarise

Raw = dict[str, dict[str, Any]]


def sentinels(snapshot: Snapshot) -> list[tuple[str, tuple[int, ...]]]:
    return [
        (gate.name, tuple(site))
        for gate in snapshot.gates
        for site, flags in zip(gate.sites, gate.flags or [[]] * len(gate.sites), strict=True)
        if "error_sentinel" in flags
    ]


def gate(snapshot: Snapshot, name: str) -> Gate:
    return next(gate for gate in snapshot.gates if gate.name == name)


def flags(snapshots: dict[str, Snapshot], flag: str) -> Counter[str]:
    return Counter(name for name, s in snapshots.items() for of_qubit in s.qubits.flags if flag in of_qubit)


def test_the_files_are_the_ones_that_were_counted(ibm: dict[str, Snapshot]) -> None:
    entries = sum(len(gate.sites) for s in ibm.values() for gate in s.gates)
    qubits = sum(s.backend.num_qubits for s in ibm.values())
    assert (len(ibm), entries, qubits) == (69, 30_637, 3_676)


def test_sentinels_are_never_numbers(ibm: dict[str, Snapshot]) -> None:
    found = {name: sentinels(s) for name, s in ibm.items()}
    by_gate = Counter(gate_name for listed in found.values() for gate_name, _ in listed)
    expected = {"rzz": 588, "ecr": 214, "cz": 118, "cx": 85, "id": 15, "sx": 15, "x": 15, "rx": 9}
    assert by_gate == expected
    assert by_gate.total() == 1_059
    assert sum(bool(listed) for listed in found.values()) == 29
    for s in ibm.values():
        for g in s.gates:
            for i, of_site in enumerate(g.flags or ()):
                if of_site:
                    assert g.error[i] is None
                    assert not g.operational[i]
                    assert g.measured_at is None or g.measured_at[i] is None


def test_sentinels_would_have_ruled_the_mean(ibm: dict[str, Snapshot], raw_ibm: Raw) -> None:
    raw = [
        parameter["value"]
        for entry in raw_ibm["props_torino.json"]["gates"]
        if entry["gate"] == "cz"
        for parameter in entry["parameters"]
        if parameter["name"] == "gate_error"
    ]
    kept = [error for error in gate(ibm["props_torino.json"], "cz").error if error is not None]
    assert round(statistics.mean(raw), 4) == 0.0800
    assert round(statistics.mean(kept), 4) == 0.0072


def test_a_backend_may_have_no_working_pair(ibm: dict[str, Snapshot]) -> None:
    ecr = gate(ibm["props_kyoto.json"], "ecr")
    assert len(ecr.sites) == 144
    assert not any(ecr.operational)
    summary = summarise(ibm["props_kyoto.json"])
    assert summary.operational_pairs == 0
    assert summary.two_qubit_error_median is None
    assert summary.two_qubit_error_max is None


def test_a_sentinel_is_of_one_gate_not_of_its_pair(ibm: dict[str, Snapshot]) -> None:
    fine = dead = 0
    for s in ibm.values():
        by_name = {g.name: g for g in s.gates}
        cz = by_name.get("cz")
        healthy = {tuple(site) for i, site in enumerate(cz.sites) if cz.operational[i]} if cz else set()
        for name, site in sentinels(s):
            if name == "rzz":
                dead += 1
                fine += site in healthy
    assert (fine, dead) == (506, 588)


def test_sentinels_are_stamped_when_fetched(raw_ibm: Raw) -> None:
    later = Counter[bool]()
    parameters = 0
    for raw in raw_ibm.values():
        updated = datetime.fromisoformat(raw["last_update_date"])
        lists = [*raw["qubits"], *(entry["parameters"] for entry in raw["gates"])]
        parameters += sum(datetime.fromisoformat(p["date"]) > updated for listed in lists for p in listed)
        for entry in raw["gates"]:
            for p in entry["parameters"]:
                if p["name"] == "gate_error" and p["value"] == 1:
                    later[datetime.fromisoformat(p["date"]) > updated] += 1
    assert later == {True: 1_030, False: 29}
    assert parameters == 2_334


def test_stamping_sentinels_again_changes_nothing(raw_ibm: Raw) -> None:
    raw = raw_ibm["props_fez.json"]
    again = copy.deepcopy(raw)
    stamped = 0
    for entry in again["gates"]:
        if any(p["name"] == "gate_error" and p["value"] == 1 for p in entry["parameters"]):
            for p in entry["parameters"]:
                p["date"] = "2026-01-01T00:00:00Z"
                stamped += 1
    again["last_update_date"] = "2026-01-01T00:00:00Z"
    assert stamped
    first, second = importer.from_documents(raw), importer.from_documents(again)
    assert first.snapshot.version == second.snapshot.version
    assert first.snapshot.valid_from != second.snapshot.valid_from


def test_a_measured_value_with_another_date_is_another_version(raw_ibm: Raw) -> None:
    raw = raw_ibm["props_fez.json"]
    again = copy.deepcopy(raw)
    again["qubits"][0][0]["date"] = "2026-01-01T00:00:00Z"
    assert importer.from_documents(raw).snapshot.version != importer.from_documents(again).snapshot.version


def test_no_document_says_that_a_qubit_is_out_of_order(ibm: dict[str, Snapshot]) -> None:
    assert all(all(s.qubits.operational) for s in ibm.values())


def test_t2_may_exceed_twice_t1(ibm: dict[str, Snapshot]) -> None:
    odd = flags(ibm, "t2_gt_2t1")
    assert (odd.total(), len(odd)) == (58, 26)
    ratios = [
        t2 / (2 * t1)
        for s in ibm.values()
        for t1, t2 in zip(s.qubits.t1_s or (), s.qubits.t2_s or (), strict=True)
        if t1 is not None and t2 is not None and t2 > 2 * t1
    ]
    assert sum(ratio > 1.1 for ratio in ratios) == 38
    assert round(max(ratios), 1) == 30.5  # kyoto, qubit 117


def test_what_is_missing_stays_missing(ibm: dict[str, Snapshot]) -> None:
    assert flags(ibm, "missing_t1") == flags(ibm, "missing_t2") == {"props_kingston.json": 1}
    assert "missing_t1" in ibm["props_kingston.json"].qubits.flags[146]
    missing = Counter[str]()
    for s in ibm.values():
        for name in ("frequency_hz", "readout_duration_s"):
            column = getattr(s.qubits, name)
            missing[name] += s.backend.num_qubits if column is None else column.count(None)
        missing["reset"] += sum(g.error.count(None) for g in s.gates if g.name.startswith("reset"))
    assert missing == {"frequency_hz": 1_429, "readout_duration_s": 204, "reset": 3_337}


def test_a_bad_readout_is_a_value_not_a_sentinel(ibm: dict[str, Snapshot]) -> None:
    bad = flags(ibm, "readout_ge_half")
    assert bad.total() == 32
    assert bad["props_cusco.json"] == 27
    columns = [(s.qubits.p_meas0_prep1 or [], s.qubits.p_meas1_prep0 or []) for s in ibm.values()]
    assert sum(1.0 in pair for pairs in columns for pair in zip(*pairs, strict=True)) == 25


def test_directions_of_two_qubit_gates(ibm: dict[str, Snapshot]) -> None:
    reverse: dict[str, Counter[bool]] = defaultdict(Counter)
    for s in ibm.values():
        for g in s.gates:
            if g.arity == 2:
                listed = {tuple(site) for site in g.sites}
                reverse[g.name].update(site[::-1] in listed for site in listed)
    assert reverse["ecr"] == {False: 1_482}
    assert reverse["cx"] == {True: 1_874, False: 12}
    assert set(reverse["cz"]) == set(reverse["rzz"]) == {True}


def test_id_sx_and_x_are_one_measurement(ibm: dict[str, Snapshot]) -> None:
    same = rz = 0
    for s in ibm.values():
        by_name = {g.name: g for g in s.gates}
        if "sx" in by_name:
            for name in ("id", "x"):
                assert by_name[name].error == by_name["sx"].error
            same += len(by_name["sx"].sites)
            rz += by_name["rz"].error.count(0.0)
    assert (same, rz) == (3_452, 3_452)


def test_measurements_are_listed_among_the_gates(ibm: dict[str, Snapshot]) -> None:
    kingston = ibm["props_kingston.json"]
    naive = [e for g in kingston.gates if g.arity == 1 for e in g.error if e is not None]
    assert {"measure", "measure_2"} <= {g.name for g in kingston.gates}
    summary = summarise(kingston)
    assert summary.single_qubit_gate == "sx"
    assert summary.single_qubit_error_median == pytest.approx(2.3e-4, rel=0.05)
    assert statistics.mean(naive) == pytest.approx(8.4e-3, rel=0.05)


def test_micro_signs(raw_ibm: Raw, ibm: dict[str, Snapshot]) -> None:
    units = Counter(
        p["unit"] for raw in raw_ibm.values() for listed in raw["qubits"] for p in listed if p["name"] in {"T1", "T2"}
    )
    assert units["\u00b5s"] == 2 * 204
    t1 = [value for s in ibm.values() for value in s.qubits.t1_s or () if value is not None]
    assert 5e-7 < min(t1) < max(t1) < 1e-3


def test_two_offsets_one_version(raw_history: Raw, history: dict[str, Snapshot]) -> None:
    texts: dict[tuple[str, str], set[str]] = defaultdict(set)
    versions: dict[tuple[str, str], set[str]] = defaultdict(set)
    for name, raw in raw_history.items():
        instant = (name.partition("_")[0], history[name].snapshot.valid_from)
        texts[instant].add(raw["last_update_date"])
        versions[instant].add(history[name].snapshot.version)
    twice = [instant for instant, written in texts.items() if len(written) > 1]
    assert len(twice) == 6
    assert all(len(versions[instant]) == 1 for instant in twice)


def test_most_files_carry_a_local_offset(raw_ibm: Raw) -> None:
    offsets = [datetime.fromisoformat(raw["last_update_date"]).utcoffset() for raw in raw_ibm.values()]
    assert sum(map(bool, offsets)) == 64


def test_a_configuration_may_hold_text_for_a_number(ibm_backends: Path, ibm: dict[str, Snapshot]) -> None:
    configuration = json.loads((ibm_backends / "torino" / "conf_torino.json").read_bytes())
    assert configuration["clops_v"] == "None"
    names = {b.name: b.value for b in ibm["props_torino.json"].benchmarks if not b.name.startswith("lf_")}
    assert names == {"clops_h": 210_000.0}


def test_google_pauli_errors_are_averages_times_a_constant(google: dict[str, Snapshot]) -> None:
    factors = {"phxz": 1.5, "syc": 1.25, "sqrt_iswap": 1.25, "cz": 1.25}
    seen = Counter[str]()
    for s in google.values():
        for g in s.gates:
            assert g.error_metric_reported == "pauli_error"
            for error, reported in zip(g.error, g.error_reported or (), strict=True):
                assert error is not None
                assert reported == pytest.approx(error * factors[g.name], rel=1e-11)
                seen[g.name] += 1
    assert seen == {"phxz": 181, "syc": 118, "sqrt_iswap": 118, "cz": 182}


def test_google_average_errors_agree_with_the_files_own(cirq_google: Path, google: dict[str, Snapshot]) -> None:
    path = next((cirq_google / "devices" / "calibrations").glob("weber_*_calibration.json"))
    metrics = json.loads(path.read_bytes())["metrics"]["metrics"]
    averages = {
        metric["targets"][0]: metric["values"][0]["doubleVal"]
        for metric in metrics
        if metric["name"] == "single_qubit_rb_average_error_per_gate"
    }
    weber = google["weber"]
    phxz = gate(weber, "phxz")
    ours = {weber.qubits.id[site[0]]: error for site, error in zip(phxz.sites, phxz.error, strict=True)}
    assert ours == {qubit: pytest.approx(error, rel=1e-9) for qubit, error in averages.items()}


def test_a_four_millisecond_readout_is_not_believed(google: dict[str, Snapshot]) -> None:
    for processor, expected in {"rainbow": None, "weber": None, "willow_pink": 6e-7}.items():
        q = google[processor].qubits
        assert (q.readout_duration_s or [None])[0] == expected
        assert ("readout_duration_implausible" in q.flags[0]) is (expected is None)


def test_one_name_two_chips(ibm: dict[str, Snapshot]) -> None:
    assert ibm["props_melbourne.json"].backend.name == "ibmq_16_melbourne"
    assert ibm["props_melbourne.json"].backend.num_qubits == 15
