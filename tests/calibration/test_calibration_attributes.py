"""Span attributes equal to values worked out from the source files by other code, and what is left out."""

from __future__ import annotations

import json
import math
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from eigenspan.calibration import Snapshot, StatusSample, backend_attributes, instants, names, summarise
from eigenspan.calibration.importers import ibm as importer

T_EXEC = "2026-06-01T12:00:00Z"


def middle(values: list[float]) -> float:
    values = sorted(values)
    n = len(values)
    return values[n // 2] if n % 2 else (values[n // 2 - 1] + values[n // 2]) / 2


def by_hand_ibm(props: dict[str, Any], two_qubit: str, t_exec: datetime) -> dict[str, float]:
    """Straight from the file: microseconds, sentinels of 1 left out, pairs once with the smaller error."""
    dates: list[datetime] = []

    def values(name: str) -> list[float]:
        found = [p for listed in props["qubits"] for p in listed if p["name"] == name]
        dates.extend(datetime.fromisoformat(p["date"]) for p in found)
        return [p["value"] for p in found]

    def errors(gate: str) -> dict[tuple[int, ...], float]:
        kept: dict[tuple[int, ...], tuple[float, str]] = {}
        for entry in props["gates"]:
            for p in entry["parameters"]:
                if entry["gate"] == gate and p["name"] == "gate_error" and p["value"] != 1:
                    key = tuple(sorted(entry["qubits"]))
                    if key not in kept or p["value"] < kept[key][0]:
                        kept[key] = (p["value"], p["date"])
        dates.extend(datetime.fromisoformat(date) for _, date in kept.values())
        return {key: value for key, (value, _) in kept.items()}

    t1, t2, readout = values("T1"), values("T2"), values("readout_error")
    sx, pairs = errors("sx"), errors(two_qubit)
    layers = {int(p["name"][3:]): p["value"] for p in props["general"] if p["name"].startswith("lf_")}
    return {
        names.T1_MEDIAN: middle(t1) / 1e6,
        names.T2_MEDIAN: middle(t2) / 1e6,
        names.READOUT_ERROR_MEDIAN: middle(readout),
        names.SINGLE_QUBIT_ERROR_MEDIAN: middle(list(sx.values())),
        names.TWO_QUBIT_ERROR_MEDIAN: middle(list(pairs.values())),
        names.TWO_QUBIT_ERROR_MAX: max(pairs.values()),
        names.OPERATIONAL_QUBITS: len(props["qubits"]),
        names.OPERATIONAL_PAIRS: len(pairs),
        names.AGE: (t_exec - datetime.fromisoformat(props["last_update_date"])).total_seconds(),
        names.OLDEST_VALUE_AGE: (t_exec - min(dates)).total_seconds(),
        names.BENCHMARK_EPLG: 1 - layers[max(layers)] ** (1 / (max(layers) - 1)),
    }


@pytest.mark.parametrize(
    ("file", "two_qubit"),
    [
        ("props_torino.json", "cz"),
        ("props_fez.json", "cz"),
        ("props_kingston.json", "cz"),
        ("props_brisbane.json", "ecr"),
        ("props_brussels.json", "ecr"),
    ],
)
def test_ibm_attributes_by_hand(
    raw_ibm: dict[str, dict[str, Any]], ibm: dict[str, Snapshot], file: str, two_qubit: str
) -> None:
    t_exec = datetime.fromisoformat(T_EXEC)
    expected = by_hand_ibm(raw_ibm[file], two_qubit, t_exec)
    found = backend_attributes(summarise(ibm[file]), instants.to_ns(t_exec), "as_of")
    assert {name: found[name] for name in expected} == pytest.approx(expected, rel=1e-10)


def test_google_attributes_by_hand(cirq_google: Path, google: dict[str, Snapshot]) -> None:
    path = next((cirq_google / "devices" / "calibrations").glob("willow_pink_*_calibration.json"))
    metrics: dict[str, list[float]] = {}
    for metric in json.loads(path.read_bytes())["metrics"]["metrics"]:
        metrics.setdefault(metric["name"], []).append(metric["values"][0]["doubleVal"])
    p10, p01 = metrics["single_qubit_p00_error"], metrics["single_qubit_p11_error"]
    cz = metrics["two_qubit_parallel_cz_gate_xeb_pauli_error_per_cycle"]
    expected = {
        names.T1_MEDIAN: middle(metrics["single_qubit_idle_t1_micros"]) / 1e6,
        names.READOUT_ERROR_MEDIAN: middle([(a + b) / 2 for a, b in zip(p10, p01, strict=True)]),
        names.SINGLE_QUBIT_ERROR_MEDIAN: middle(metrics["single_qubit_rb_pauli_error_per_gate"]) * 2 / 3,
        names.TWO_QUBIT_ERROR_MEDIAN: middle(cz) * 4 / 5,
        names.TWO_QUBIT_ERROR_MAX: max(cz) * 4 / 5,
        names.OPERATIONAL_QUBITS: 105,
        names.OPERATIONAL_PAIRS: 182,
    }
    found = backend_attributes(summarise(google["willow_pink"]), instants.parse(T_EXEC), "as_of")
    assert {name: found[name] for name in expected} == pytest.approx(expected, rel=1e-10)
    assert found[names.TIME] == "2024-08-16T08:11:17.63Z"
    assert names.T2_MEDIAN not in found
    assert names.T2_METHOD not in found
    assert names.OLDEST_VALUE_AGE not in found


def test_numbers_of_torino(ibm: dict[str, Snapshot]) -> None:
    found = backend_attributes(summarise(ibm["props_torino.json"]), instants.parse("2025-02-26T20:26:09Z"), "as_of")
    assert found == {
        names.MATCH: "as_of",
        names.VERSION: ibm["props_torino.json"].snapshot.version[:23],
        names.TIME: "2025-02-26T20:26:08Z",
        names.AGE: 1.0,
        names.T1_MEDIAN: 0.00018498742602,
        names.T2_MEDIAN: 0.000140938949034,
        names.T2_METHOD: "unspecified",
        names.READOUT_ERROR_MEDIAN: 0.02294921875,
        names.SINGLE_QUBIT_ERROR_MEDIAN: 0.000271147748591,
        names.TWO_QUBIT_ERROR_MEDIAN: 0.00408020905994,
        names.TWO_QUBIT_ERROR_MAX: 0.0715135990475,
        names.OPERATIONAL_QUBITS: 133,
        names.OPERATIONAL_PAIRS: 139,
        names.OLDEST_VALUE_AGE: 7973868.0,
        names.BENCHMARK_EPLG: pytest.approx(0.0102, abs=5e-5),
        names.BENCHMARK_CLOPS: 210_000,
    }


@pytest.mark.parametrize(
    ("file", "eplg"),
    [("boston", 0.0028), ("fez", 0.0056), ("torino", 0.0102), ("sherbrooke", 0.0204), ("cusco", 0.097)],
)
def test_error_per_layered_gate(ibm: dict[str, Snapshot], file: str, eplg: float) -> None:
    digits = 3 if eplg > 0.05 else 4
    assert round(summarise(ibm[f"props_{file}.json"]).eplg or 0, digits) == eplg


def test_the_gate_with_most_working_pairs_is_the_two_qubit_gate(
    ibm: dict[str, Snapshot], google: dict[str, Snapshot]
) -> None:
    gates = {name: summarise(s).two_qubit_gate for name, s in (ibm | google).items()}
    assert gates["props_cairo.json"] == "ecr"  # 14 pairs against 12 of cx
    assert gates["rainbow"] == gates["weber"] == "sqrt_iswap"  # as many as syc: by name
    assert gates["props_fractional.json"] == "cx"
    assert gates["props_armonk.json"] is None


def test_a_value_that_is_not_there_is_left_out(ibm: dict[str, Snapshot]) -> None:
    for name, snapshot in ibm.items():
        found = backend_attributes(summarise(snapshot), instants.parse(T_EXEC), "as_of")
        assert not [key for key, value in found.items() if value == 0 or value is None], name
    armonk = backend_attributes(summarise(ibm["props_armonk.json"]), None, "id")
    absent = {names.TWO_QUBIT_ERROR_MEDIAN, names.TWO_QUBIT_ERROR_MAX, names.OPERATIONAL_PAIRS, names.BENCHMARK_EPLG}
    assert not absent & armonk.keys()
    assert names.AGE not in armonk
    almaden = backend_attributes(summarise(ibm["props_almaden.json"]), None, "id")  # u1, u2, u3: no sx
    assert names.SINGLE_QUBIT_ERROR_MEDIAN not in almaden


def test_no_match_says_so() -> None:
    assert backend_attributes(None, 1, "none") == {names.MATCH: "none"}


def test_status_and_queue() -> None:
    sample = StatusSample("ibm", "ibm_fez", 1, "active", 0)
    assert backend_attributes(None, 1, "none", sample) == {
        names.MATCH: "none",
        names.STATUS: "active",
        names.QUEUE_LENGTH: 0,
    }


def test_the_provider_id_is_passed_on(raw_ibm: dict[str, dict[str, Any]]) -> None:
    snapshot = importer.from_documents(raw_ibm["props_lima.json"] | {"calibration_id": "c-1"})
    assert backend_attributes(summarise(snapshot), 1, "id")[names.ID] == "c-1"


def test_attribute_types(ibm: dict[str, Snapshot]) -> None:
    ints = {names.OPERATIONAL_QUBITS, names.OPERATIONAL_PAIRS, names.BENCHMARK_CLOPS, names.BENCHMARK_QUANTUM_VOLUME}
    strings = {names.MATCH, names.VERSION, names.TIME, names.T2_METHOD}
    for snapshot in ibm.values():
        for name, value in backend_attributes(summarise(snapshot), 10**18, "as_of").items():
            expected = int if name in ints else str if name in strings else float
            assert type(value) is expected, name
            assert not isinstance(value, float) or math.isfinite(value)
