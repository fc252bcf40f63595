"""IonQ, IQM and Rigetti documents as their services write them, and everybody's status words."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eigenspan.calibration import CalibrationError, Snapshot, instants, status, summarise
from eigenspan.calibration.backends import series_of
from eigenspan.calibration.importers import detect, rows
from eigenspan.calibration.importers.detect import Hints
from eigenspan.calibration.snapshot import significant

MONDAY_NOON = instants.parse("2026-01-05T12:00:00Z")


def read(document: dict[str, Any], **hints: Any) -> Snapshot:
    return detect.import_bytes(json.dumps(document).encode(), "a.json", Hints(**hints))


IONQ = {
    "id": "aa54e783-0a9b-4f73-ad2f-63983b6aa4a8",
    "date": "2025-06-16T00:00:00Z",
    "backend": "qpu.aria-1",
    "qubits": 25,
    "connectivity": [[0, 1], [0, 2]],
    "fidelity": {"spam": {"median": 0.9962, "stderr": None}, "1q": {"median": 0.9998}, "2q": {"median": 0.982}},
    "timing": {"readout": 3e-4, "reset": 2e-5, "1q": 1.35e-4, "2q": 6e-4, "t1": 100, "t2": 1},
}


def test_ionq() -> None:
    snapshot = read(IONQ)
    summary = summarise(snapshot)
    assert (summary.backend, summary.calibration_id, summary.num_qubits) == ("qpu.aria-1", IONQ["id"], 25)
    assert (summary.t1_median_s, summary.t2_median_s, summary.statistic) == (100.0, 1.0, "median")
    assert summary.two_qubit_error_median == pytest.approx(0.018)
    assert summary.readout_error_median == pytest.approx(0.0038)
    assert snapshot.snapshot.valid_from == IONQ["date"]


@pytest.mark.parametrize("date", [1750032000, 1750032000000, "2025-06-16T02:00:00+02:00"])
def test_ionqs_dates_name_one_instant_however_they_are_written(date: Any) -> None:
    again = read(IONQ | {"date": date})
    assert again.snapshot.valid_from == "2025-06-16T00:00:00Z"
    assert again.snapshot.version == read(IONQ).snapshot.version


BAD_IONQ = {
    "no numbers": ({"fidelity": {}, "timing": {}}, "holds no number"),
    "no zone": ({"date": "2025-06-16"}, "no UTC offset"),
    "percent": ({"fidelity": {"2q": {"mean": 98.2}}}, "gate_2q_error"),
    "T1 of a placeholder": ({"timing": {"t1": 10_000_000_000}}, "t1_s"),
    "no qubits": ({"qubits": 0}, "claims 0 qubits"),
}


@pytest.mark.parametrize("case", BAD_IONQ)
def test_ionq_refused(case: str) -> None:
    change, message = BAD_IONQ[case]
    with pytest.raises(CalibrationError, match=message):
        read(IONQ | change)


AT = "2026-03-01T10:00:00.5+00:00"
VALUES = {  # name: (value, uncertainty)
    "characterization.model.QB1.t1_time": (4e-5, 1e-6),
    "characterization.model.QB2.t1_time": (5e-5, 1e-6),
    "characterization.model.QB10.t1_time": (6e-5, None),
    "characterization.model.QB1.t2_time": (2e-5, None),
    "characterization.model.QB1.t2_echo_time": (9e-5, None),
    "metrics.ssro.measure.constant.QB1.fidelity": (0.98, None),
    "metrics.ssro.measure.constant.QB1.error_0_to_1": (0.01, None),
    "metrics.ssro.measure.constant.QB1.error_1_to_0": (0.03, None),
    "metrics.ssro.measure_fidelity.constant.QB1.fidelity": (0.9, None),
    "metrics.rb.prx.drag_crf.QB1.fidelity:par=d1": (0.999, 1e-4),
    "metrics.rb.clifford.xy.QB1.fidelity:par=d1": (0.9, None),
    "metrics.irb.cz.tgss.QB1__QB2.fidelity:par=d2": (0.99, 1e-3),
    "metrics.rb.clifford.uz_cz.QB1__QB2.fidelity:par=d2": (0.95, None),
    "metrics.irb.move.crf.QB1__COMP_R.fidelity:par=d2": (0.97, None),
    "metrics.ghz_state.fidelity": (0.9, None),
}


def iqm_station() -> dict[str, Any]:
    observations = [
        {"dut_field": name, "value": value, "uncertainty": std, "unit": "s" if "time" in name else "", "invalid": False,
         "created_timestamp": AT, "modified_timestamp": AT}
        for name, (value, std) in VALUES.items()
    ]  # fmt: skip
    return {"observation_set_id": "q-1", "describes_id": "c-1", "end_timestamp": AT, "observations": observations}


def iqm_client() -> dict[str, Any]:
    metrics = {
        name: {"value": str(value), "unit": "s" if "time" in name else "", "uncertainty": str(std), "timestamp": AT}
        for name, (value, std) in VALUES.items()
    }
    return {"calibration_set_id": "c-1", "quality_metric_set_end_timestamp": AT, "metrics": metrics}


@pytest.mark.parametrize("form", [iqm_station, iqm_client])
def test_iqm(form: Any) -> None:
    snapshot = read(form(), backend="garnet")
    q = snapshot.qubits
    assert q.id == ["QB1", "QB2", "QB10"]
    assert (q.t1_s, q.t2_s) == ([4e-5, 5e-5, 6e-5], [2e-5, None, None])
    assert (q.readout_error, q.p_meas1_prep0, q.p_meas0_prep1) == (
        [0.02, None, None],
        [0.01, None, None],
        [0.03, None, None],
    )
    assert q.t1_measured_at == ["2026-03-01T10:00:00.5Z"] * 3
    gates = {gate.name: gate for gate in snapshot.gates}
    assert set(gates) == {"cz", "prx"}
    assert (gates["cz"].sites, gates["cz"].error, gates["cz"].error_std) == ([[0, 1]], [0.01], [1e-3])
    assert gates["prx"].error == [0.001]
    assert (snapshot.snapshot.provider_calibration_id, snapshot.snapshot.valid_from) == (
        "c-1",
        "2026-03-01T10:00:00.5Z",
    )


def test_both_forms_of_iqms_set_are_one_version() -> None:
    assert len({read(form(), backend="garnet").snapshot.version for form in (iqm_station, iqm_client)}) == 1


def test_an_invalid_observation_takes_its_pair_out_of_service() -> None:
    document = iqm_station()
    cz = next(o for o in document["observations"] if "irb.cz" in o["dut_field"])
    cz["invalid"] = True
    gate = next(g for g in read(document, backend="garnet").gates if g.name == "cz")
    assert (gate.error, gate.operational) == ([None], [False])
    assert summarise(read(document, backend="garnet")).operational_pairs == 0


BAD_IQM = {
    "an invalid set": ({"invalid": True}, {"backend": "g"}, "marks it as invalid"),
    "no machine": ({}, {}, "--backend NAME"),
    "no time": ({"end_timestamp": None}, {"backend": "g"}, "--valid-from TIME"),
    "no zone": ({"end_timestamp": "2026-01-01 00:00:00"}, {"backend": "g"}, "no UTC offset"),
    "nothing": ({"observations": []}, {"backend": "g"}, "no metric names a qubit"),
}


@pytest.mark.parametrize("case", BAD_IQM)
def test_iqm_refused(case: str) -> None:
    change, hints, message = BAD_IQM[case]
    with pytest.raises(CalibrationError, match=message):
        read(iqm_station() | change, **hints)


def characteristic(
    name: str, value: float, error: float | None = None, nodes: list[int] | None = None
) -> dict[str, Any]:
    made = {"name": name, "value": value, "timestamp": AT, "parameter_values": []}
    return made | ({"error": error} if error is not None else {}) | ({"node_ids": nodes} if nodes else {})


def rigetti_isa() -> dict[str, Any]:
    def site(nodes: list[int], *values: dict[str, Any]) -> dict[str, Any]:
        return {"node_ids": nodes, "characteristics": list(values)}

    return {
        "name": "Ankaa-9",
        "architecture": {"nodes": [{"node_id": 3}, {"node_id": 0}], "edges": [{"node_ids": [0, 3]}]},
        "instructions": [
            {
                "name": "MEASURE",
                "sites": [site([0], characteristic("fRO", 0.95)), site([3], characteristic("fRO", 0.9))],
            },
            {"name": "CZ", "sites": [site([0, 3], characteristic("fCZ", 0.98, 0.01))]},
            {"name": "RX", "sites": [site([0]), site([3])]},
        ],
        "benchmarks": [
            {
                "name": "randomized_benchmark_simultaneous_1q",
                "sites": [site([0, 3], characteristic("fRB", 0.5, 1.0, [3]))],
            },
            {"name": "randomized_benchmark_1q", "sites": [site([0], characteristic("fRB", 0.999, 1e-4))]},
            {"name": "FreeInversionRecovery", "sites": [site([0], characteristic("T1", 3e-5, 1e-6))]},
            {"name": "FreeInductionDecay", "sites": [site([0], characteristic("T2", 1e-5, 1e-6))]},
        ],
    }


def test_rigetti() -> None:
    snapshot = read(rigetti_isa())
    assert snapshot.backend.name == "Ankaa-9"
    assert snapshot.snapshot.valid_from == "2026-03-01T10:00:00.5Z"
    assert snapshot.qubits.id == ["0", "3"]
    assert snapshot.qubits.flags[1] == ["1q_fidelity_le_half", "missing_t1", "missing_t2"]
    gates = {gate.name: gate for gate in snapshot.gates}
    assert gates["cz"].error == [0.02]
    assert (gates["rx"].error, gates["rx"].operational) == ([0.001, None], [True, False])


def test_a_rigetti_site_of_no_qubit_is_refused() -> None:
    document = rigetti_isa()
    document["instructions"][0]["sites"][0]["node_ids"] = [7]
    with pytest.raises(CalibrationError, match="no qubit of it"):
        read(document)


@given(st.floats(0, 1, allow_nan=False), st.one_of(st.none(), st.floats(0, 1)))
def test_a_fidelity_is_an_error_or_a_sentinel(fidelity: float, std: float | None) -> None:
    row = rows.gate_row("cz", ("0", "1"), fidelity, std)
    if row.usable:
        assert row.error == pytest.approx(1 - fidelity, abs=1e-11)
        assert row.error == significant(row.error)
    else:
        assert row.error is row.at is row.std is None
        assert fidelity == 0 or (fidelity, std) == (0.5, 1.0)


WORDS = {
    ("ONLINE", None): "online", ("ONLINE", 0): "idle", ("ONLINE", 3): "busy", ("OFFLINE", 3): "offline", ("RETIRED", None): "offline",
    ("active", 5): "busy", ("Degraded", None): "online", ("Unavailable", None): "offline", ("calibrating", None): "calibration",
    ("QDMI_DEVICE_STATUS_IDLE", None): "idle", ("BUSY", None): "busy", ("CALIBRATION", None): "calibration", ("hm", 4): None,
    (None, 4): None, ("", None): None,
}  # fmt: skip


@pytest.mark.parametrize(("said", "length"), WORDS)
def test_status_words(said: str | None, length: int | None) -> None:
    assert status.word(said, length) == WORDS[said, length]


QUEUES = {">4000": (4000, True), "12": (12, False), 12: (12, False), "0": (0, False), None: (None, False), "many": (None, False),
          "> 50": (50, True), "-1": (None, False), "\u0663": (None, False)}  # fmt: skip


@pytest.mark.parametrize("said", QUEUES)
def test_queues(said: Any) -> None:
    assert status.queue(said) == QUEUES[said]


def test_brakets_status() -> None:
    answer = {
        "deviceArn": "arn:aws:braket:us-east-1::device/qpu/ionq/Aria-1",
        "deviceStatus": "ONLINE",
        "deviceQueueInfo": [
            {"queue": "QUANTUM_TASKS_QUEUE", "queueSize": "1", "queuePriority": "Priority"},
            {"queue": "QUANTUM_TASKS_QUEUE", "queueSize": ">4000", "queuePriority": "Normal"},
            {"queue": "JOBS_QUEUE", "queueSize": "7"},
        ],
    }
    sample = status.from_braket(answer, MONDAY_NOON)
    assert (sample.provider, sample.backend, sample.status) == ("ionq", "Aria-1", "busy")
    assert (sample.queue_length, sample.lower_bound) == (4000, True)


def test_azures_status() -> None:
    answer = {"value": [{"id": "ionq", "currentAvailability": "Degraded", "targets": [
        {"id": "ionq.qpu.aria-1", "currentAvailability": "Available", "averageQueueTime": 1240},
        {"id": "ionq.qpu.forte-1", "currentAvailability": "Unavailable"},
    ]}]}  # fmt: skip
    aria, forte = status.from_azure(answer, 5)
    assert (aria.status, aria.queue_s, aria.queue_length) == ("online", 1240.0, None)
    assert (forte.status, forte.queue_s) == ("offline", None)
    assert series_of(aria.provider, aria.backend) == series_of("ionq", "Aria-1")


def test_other_status() -> None:
    ibm = {"backend_name": "ibm_fez", "operational": True, "status_msg": "active", "pending_jobs": 2}
    assert status.from_ibm(ibm, 5).status == "busy"
    assert status.from_ibm(ibm | {"operational": False}, 5).status == "offline"
    assert status.from_ibm(ibm | {"operational": False, "status_msg": "maintenance"}, 5).status == "maintenance"
    assert status.from_google("willow", "OK", 5).status == "online"
    assert status.from_google("willow", "DOWN", 5).status == "offline"
    said = status.from_ionq({"backend": "qpu.aria-1", "status": "available", "average_queue_time": 90_000}, 5)
    assert (said.status, said.queue_s) == ("online", None)
    device = status.from_qdmi("lrz", "q5", "BUSY", ">50", 5)
    assert (device.status, device.queue_length, device.lower_bound) == ("busy", 50, True)


def entry(day: str, start: str, end: str) -> dict[str, str]:
    return {"executionDay": day, "windowStartHour": start, "windowEndHour": end}


WINDOWS = {
    "now": ([entry("Everyday", "10:00:00", "13:59:59")], ("2026-01-05T10:00:00Z", "2026-01-05T14:00:00Z")),
    "later today": ([entry("Weekdays", "15:00", "16:00")], ("2026-01-05T15:00:00Z", "2026-01-05T16:00:01Z")),
    "past today": ([entry("Monday", "08:00:00", "10:00:00")], ("2026-01-12T08:00:00Z", "2026-01-12T10:00:01Z")),
    "at the weekend": ([entry("Weekend", "00:00:00", "23:59:59")], ("2026-01-10T00:00:00Z", "2026-01-11T00:00:00Z")),
    "over midnight": ([entry("Sunday", "22:00:00", "12:30:00")], ("2026-01-04T22:00:00Z", "2026-01-05T12:30:01Z")),
    "the first": (
        [entry("Tuesday", "01:00:00", "02:00:00"), entry("Monday", "20:00:00", "21:00:00")],
        ("2026-01-05T20:00:00Z", "2026-01-05T21:00:01Z"),
    ),
    "an unknown day": ([entry("Someday", "01:00:00", "02:00:00")], (None, None)),
    "none": ([], (None, None)),
}  # fmt: skip


@pytest.mark.parametrize("case", WINDOWS)
def test_execution_windows(case: str) -> None:
    listed, expected = WINDOWS[case]
    found = status.window(listed, MONDAY_NOON)
    assert tuple(None if ns is None else instants.format_ns(ns) for ns in found) == expected


NAMES = [
    ("ionq", ["qpu.aria-1", "ionq.qpu.aria-1", "ionq_qpu.aria-1", "Aria 1", "Aria-1", "arn:aws:braket:us-east-1::device/qpu/ionq/Aria-1"]),
    ("rigetti", ["Ankaa-3", "rigetti.qpu.ankaa-3", "arn:aws:braket:us-west-1::device/qpu/rigetti/Ankaa-3"]),
    ("iqm", ["garnet", "Garnet", "arn:aws:braket:eu-north-1::device/qpu/iqm/Garnet"]),
]  # fmt: skip


@pytest.mark.parametrize(("provider", "listed"), NAMES)
def test_names_of_one_machine(provider: str, listed: list[str]) -> None:
    assert len({series_of(provider, name) for name in listed}) == 1
