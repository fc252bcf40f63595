"""Braket device properties: real documents of all versions, the providers' own parts, and the real schemas' examples."""

from __future__ import annotations

import gzip
import json
import statistics
from pathlib import Path
from typing import Any

import pytest

from eigenspan.calibration import CalibrationError, Snapshot, Usage, circuit_attributes, names, summarise
from eigenspan.calibration.estimators import Operation
from eigenspan.calibration.importers import detect
from eigenspan.calibration.importers.detect import Hints
from eigenspan.calibration.importers.rows import is_sentinel

Documents = dict[str, dict[str, Any]]


@pytest.fixture(scope="module")
def raw(shared_data: Path) -> Documents:
    files = sorted((shared_data / "calibration" / "braket").glob("*.json.gz"))
    named = {"_".join(path.name.split("_")[:2]) + path.name.split("_")[2][:4]: path for path in files}
    return {name: json.loads(gzip.decompress(path.read_bytes())) for name, path in named.items()}


@pytest.fixture(scope="module")
def found(raw: Documents) -> dict[str, Snapshot]:
    return {name: read(document) for name, document in raw.items()}


def read(document: dict[str, Any], backend: str | None = "a") -> Snapshot:
    return detect.import_bytes(json.dumps(document).encode(), "a.json", Hints(backend=backend))


COUNTED = {  # qubits, operational, gate, pairs with an error, sentinels, median error to four digits
    "rigetti_84q2024": (84, 84, "iswap", 137, 8, 0.0283),
    "rigetti_82q2025": (82, 81, "iswap", 116, 24, 0.0136),
    "rigetti_108q2026": (108, 108, "cz", 183, 10, 0.0110),
    "iqm_20q2025": (20, 20, "cz", 30, 0, 0.0086),
    "iqm_20q2026": (20, 19, "cz", 30, 0, 0.0041),
    "iqm_54q2025": (54, 54, "cz", 83, 0, 0.0054),
    "oqc_8q2022": (8, 8, "ecr", 8, 0, 0.0488),
}


@pytest.mark.parametrize("name", COUNTED)
def test_what_the_documents_hold(found: dict[str, Snapshot], name: str) -> None:
    snapshot, (qubits, operational, gate, pairs, sentinels, error) = found[name], COUNTED[name]
    summary = summarise(snapshot)
    assert (summary.num_qubits, summary.operational_qubits) == (qubits, operational)
    assert (summary.two_qubit_gate, summary.operational_pairs) == (gate, pairs)
    assert round(summary.two_qubit_error_median or 0, 4) == error
    dead = [g.name for g in snapshot.gates if g.arity == 2 for flags in g.flags or () if "error_sentinel" in flags]
    assert len(dead) == sentinels
    assert summary.statistic is None
    assert snapshot.backend.via == "braket"


def test_a_clifford_is_no_gate(raw: Documents, found: dict[str, Snapshot]) -> None:
    naive = {}
    for name, document in raw.items():
        if name.startswith("iqm"):
            pairs = document["standardized"]["twoQubitProperties"].values()
            naive[name] = round(
                statistics.median(1 - g["fidelity"] for p in pairs for g in p["twoQubitGateFidelity"]), 4
            )
            gates = {gate.name: gate.native for gate in found[name].gates}
            assert gates == {"cz": True, "prx": True, "two_qubit_clifford": False}
    assert sorted(naive.values()) == [0.0101, 0.0105, 0.0155]


def test_a_zero_t2_takes_a_qubit_out_of_service(found: dict[str, Snapshot]) -> None:
    qubits = found["iqm_20q2026"].qubits
    at = qubits.id.index("12")
    assert qubits.flags[at] == ["zero_t2"]
    assert not qubits.operational[at]
    assert qubits.t2_s is not None
    assert qubits.t2_s[at] is None
    assert qubits.t2_method == "ramsey"


def test_an_error_in_a_field_named_fidelity(raw: Documents, found: dict[str, Snapshot]) -> None:
    one = raw["iqm_20q2025"]["standardized"]["oneQubitProperties"]["1"]["oneQubitFidelity"]
    said = {value["fidelityType"]["name"]: value["fidelity"] for value in one}
    q = found["iqm_20q2025"].qubits
    assert q.p_meas1_prep0 is not None
    assert q.p_meas0_prep1 is not None
    assert q.readout_error is not None
    assert (q.p_meas1_prep0[0], q.p_meas0_prep1[0]) == (said["READOUT_ERROR_0_TO_1"], said["READOUT_ERROR_1_TO_0"])
    assert q.readout_error[0] == pytest.approx(1 - said["READOUT"])


def test_rigettis_own_part_agrees_and_is_dated(raw: Documents, found: dict[str, Snapshot]) -> None:
    for name in ("rigetti_108q2026", "rigetti_82q2025"):
        q, standard = found[name].qubits, raw[name]["standardized"]
        listed = standard["oneQubitProperties"]
        assert q.t1_s == [float(f"{listed[i]['T1']['value']:.12g}") or None for i in q.id]
        assert q.t1_measured_at is not None
        assert [bool(at) for at in q.t1_measured_at] == [bool(listed[i]["T1"]["value"]) for i in q.id]
        gate = next(g for g in found[name].gates if g.arity == 2)
        by_site = {tuple(q.id[i] for i in site): error for site, error in zip(gate.sites, gate.error, strict=True)}
        assert len(by_site) == len(standard["twoQubitProperties"])
        for key, pair in standard["twoQubitProperties"].items():
            (value,) = pair["twoQubitGateFidelity"]
            dead = is_sentinel(value["fidelity"], value["standardError"])
            assert by_site[tuple(key.split("-"))] == (None if dead else pytest.approx(1 - value["fidelity"], abs=1e-12))
        assert sum(at is None for at in gate.measured_at or ()) == gate.operational.count(False)


def without_standard(document: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in document.items() if key != "standardized"}


@pytest.mark.parametrize("name", ["rigetti_84q2024", "iqm_20q2025", "iqm_54q2025", "oqc_8q2022", "ionq_36q2026"])
def test_the_providers_part_alone_says_the_same(raw: Documents, found: dict[str, Snapshot], name: str) -> None:
    alone, whole = summarise(read(without_standard(raw[name]))), summarise(found[name])
    for field in ("t1_median_s", "readout_error_median", "single_qubit_error_median", "two_qubit_error_median"):
        assert getattr(alone, field) == pytest.approx(getattr(whole, field), rel=1e-9), field
    assert (alone.num_qubits, alone.operational_pairs) == (whole.num_qubits, whole.operational_pairs)


def test_a_device_without_qubit_values_gives_its_own_number_and_says_so(found: dict[str, Snapshot]) -> None:
    snapshot = found["ionq_36q2026"]
    summary = summarise(snapshot)
    assert (summary.t1_median_s, summary.t2_median_s, summary.two_qubit_error_median) == (188.0, 0.95, 0.0075)
    assert (summary.single_qubit_error_median, summary.readout_error_median) == (0.0001, 0.0045)
    assert (summary.statistic, summary.num_qubits, summary.operational_pairs) == ("mean", 36, 0)
    usage = Usage(
        operations=(Operation("gpi2", ("0",), 4), Operation("zz", ("0", "1"), 2)),
        measured=("0", "1"),
        qubits=("0", "1"),
    )
    estimate = circuit_attributes(snapshot, usage)
    assert estimate[names.CIRCUIT_SUCCESS_PROBABILITY] == pytest.approx(0.9999**4 * 0.9925**2 * 0.9955**2)
    assert estimate[names.CIRCUIT_BASIS] == "counts"


def test_aqt_in_percent_and_microseconds() -> None:
    capabilities = {
        "braketSchemaHeader": {"name": "braket.device_schema.aqt.aqt_device_capabilities", "version": "1"},
        "service": {"updatedAt": "2026-01-01T00:00:00+00:00"},
        "paradigm": {"qubitCount": 2, "nativeGateSet": ["prx", "xx", "rz"]},
        "provider": {
            "properties": {
                "single_qubit_gate_fidelity": {str(i): {"value": 99.9, "uncertainty": 0.1} for i in range(2)},
                "mean_two_qubit_gate_fidelity": {"value": 98.5, "uncertainty": 0.5},
                "spam_fidelity_lower_bound": 99.75,
                "t2_coherence_time_s": {"value": 0.45, "uncertainty": 0.07},
                "t1_s": {"value": 1.14, "uncertainty": 0.06},
                "readout_time_micros": 2000,
                "single_qubit_gate_duration_micros": 15,
                "two_qubit_gate_duration_micros": 200,
                "updated_at": "2026-02-03T04:05:06",
            }
        },
    }
    properties = pytest.importorskip("braket.device_schema.aqt.aqt_provider_properties_v1")
    properties.AqtProviderProperties.parse_obj(capabilities["provider"])  # the real schema takes it
    snapshot = read(capabilities)
    assert snapshot.snapshot.valid_from == "2026-01-01T00:00:00Z"
    assert snapshot.device.t2_s == 0.45
    assert snapshot.device.gate_2q_duration_s == pytest.approx(2e-4)
    assert snapshot.device.gate_2q_error == pytest.approx(0.015)
    assert snapshot.device.readout_error == pytest.approx(0.0025)
    assert [g.error for g in snapshot.gates] == [[pytest.approx(0.001)] * 2]
    assert snapshot.backend.technology == "trapped_ion"


@pytest.mark.parametrize("version", [1, 2, 3])
def test_the_schemas_own_examples_are_read(raw: Documents, version: int) -> None:
    """The example in each version's documentation, validated by the SDK's class and then imported."""
    module = pytest.importorskip(f"braket.device_schema.standardized_gate_model_qpu_device_properties_v{version}")
    whole = raw["ionq_36q2026" if version == 3 else "iqm_20q2025"]
    standard = json.loads(module.StandardizedGateModelQpuDeviceProperties.parse_obj(whole["standardized"] | {
        "braketSchemaHeader": {"name": "braket.device_schema.standardized_gate_model_qpu_device_properties", "version": str(version)},
    } | ({} if version != 2 else {"oneQubitProperties": _with_units(whole["standardized"]["oneQubitProperties"]),
                                   "twoQubitProperties": _with_units(whole["standardized"]["twoQubitProperties"])})).json())  # fmt: skip
    assert summarise(read(whole | {"standardized": standard})).t1_median_s == summarise(read(whole)).t1_median_s


def _with_units(node: Any) -> Any:
    if isinstance(node, dict):
        out = {key: _with_units(value) for key, value in node.items()}
        if "fidelity" in out:
            out["unit"] = "fraction"
        elif "unit" in out:
            out["unit"] = "s"
        return out
    return [_with_units(value) for value in node] if isinstance(node, list) else node


def test_the_answer_of_get_device_names_its_device(raw: Documents) -> None:
    answer = {
        "deviceArn": "arn:aws:braket:eu-north-1::device/qpu/iqm/Garnet",
        "deviceName": "Garnet",
        "providerName": "IQM",
        "deviceStatus": "ONLINE",
        "deviceCapabilities": json.dumps(raw["iqm_20q2025"]),
    }
    snapshot = read(answer, None)
    assert (snapshot.backend.provider, snapshot.backend.name) == ("iqm", "Garnet")
    assert snapshot.snapshot.version == read(raw["iqm_20q2025"], "Garnet").snapshot.version


REFUSED = {
    "no name": (lambda d: d, None, "say which (--backend NAME)"),
    "a pair of an unknown qubit": (
        lambda d: d["standardized"]["twoQubitProperties"].update({"1-99": d["standardized"]["twoQubitProperties"]["1-2"]}),
        "a", "which is no qubit of it",
    ),
    "fewer qubits than it says": (lambda d: d["paradigm"].update(qubitCount=21), "a", "the document is partial"),
    "percent for a fraction": (
        lambda d: d["standardized"]["oneQubitProperties"]["1"]["oneQubitFidelity"][3].update(fidelity=97.9), "a", "readout error",
    ),
    "an unknown unit": (
        lambda d: d["standardized"]["oneQubitProperties"]["1"]["T1"].update(unit="fortnight"), "a", "known units are",
    ),
    "microseconds called seconds": (
        lambda d: d["standardized"]["oneQubitProperties"]["1"]["T1"].update(value=43.4), "a", "plausible is",
    ),
    "no zone": (lambda d: d["service"].update(updatedAt="2026-01-01T00:00:00"), "a", "no UTC offset"),
    "no date": (lambda d: d["service"].pop("updatedAt"), "a", "--valid-from"),
    "nothing measured": (lambda d: (d.pop("standardized"), d.pop("provider")), "a", "no standardized part"),
    "half a provider's part": (lambda d: (d.pop("standardized"), d["provider"].pop("properties")), "a", "incomplete"),
    "text for a number": (
        lambda d: d["standardized"]["oneQubitProperties"]["1"]["T1"].update(value="4e-5"), "a", "not Braket device properties",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
def test_refused(raw: Documents, case: str) -> None:
    change, backend, message = REFUSED[case]
    document = json.loads(json.dumps(raw["iqm_20q2025"]))
    change(document)
    with pytest.raises(CalibrationError) as caught:
        read(document, backend)
    assert message in str(caught.value)
