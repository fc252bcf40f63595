"""Google: Cirq's own objects, their JSON, and the names of what they report."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from eigenspan.calibration import CalibrationError, Snapshot
from eigenspan.calibration.importers import build, detect
from eigenspan.calibration.importers import google as importer
from eigenspan.calibration.importers.detect import Hints

PROCESSORS = ("rainbow", "weber", "willow_pink")


@pytest.mark.parametrize("processor", PROCESSORS)
def test_cirqs_objects_give_the_version_of_the_shipped_files(google: dict[str, Snapshot], processor: str) -> None:
    factory = pytest.importorskip("cirq_google.engine.virtual_engine_factory")
    calibration = factory.load_median_device_calibration(processor)
    spec = factory.create_device_spec_from_processor_id(processor)
    snapshot = importer.from_calibration(calibration, processor_id=processor, device_spec=spec)
    assert snapshot.snapshot.version == google[processor].snapshot.version
    assert snapshot.snapshot.valid_from == google[processor].snapshot.valid_from


def test_a_virtual_engines_calibration(google: dict[str, Snapshot]) -> None:
    cirq_google = pytest.importorskip("cirq_google")
    engine = cirq_google.engine.create_default_noisy_quantum_virtual_machine(processor_id="weber")
    processor = engine.get_processor("weber")
    calibration = processor.get_current_calibration()
    snapshot = importer.from_calibration(
        calibration, processor_id=processor.processor_id, device_spec=processor.get_device_specification()
    )
    assert snapshot.snapshot.version == google["weber"].snapshot.version


def test_cirqs_json_loses_the_time(google: dict[str, Snapshot]) -> None:
    cirq = pytest.importorskip("cirq")
    cirq_google = pytest.importorskip("cirq_google")
    calibration = cirq_google.engine.load_median_device_calibration("rainbow")
    text = cirq.to_json(calibration).encode()
    with pytest.raises(CalibrationError, match="does not say when"):
        detect.import_bytes(text, "rainbow.json", Hints(backend="rainbow"))
    snapshot = detect.import_bytes(
        text, "rainbow.json", Hints(backend="rainbow", valid_from_ns=calibration.timestamp * 10**6)
    )
    assert snapshot.qubits.t1_s == google["rainbow"].qubits.t1_s
    assert snapshot.snapshot.valid_from == google["rainbow"].snapshot.valid_from


def test_a_metrics_snapshot_carries_its_time() -> None:
    document = {
        "timestampMs": "1562544000021",
        "metrics": [
            {"name": "single_qubit_idle_t1_micros", "targets": ["0_0"], "values": [{"floatVal": 15.5}]},
            {"name": "globalMetric", "values": [{"int32Val": 12300}]},
            {"name": "t1", "targets": ["0_0"], "values": [{"strVal": "ignored"}]},
        ],
    }
    snapshot = detect.import_bytes(json.dumps(document).encode(), "m.json", Hints(backend="xmonsim"))
    assert snapshot.snapshot.valid_from == "2019-07-08T00:00:00.021Z"
    assert snapshot.qubits.t1_s == [1.55e-5]


def test_qubits_and_durations(google: dict[str, Snapshot], cirq_google: Path) -> None:
    assert [google[name].backend.num_qubits for name in PROCESSORS] == [23, 53, 105]
    assert google["willow_pink"].qubits.id[:2] == ["0_6", "0_7"]
    durations = {g.name: (g.duration_s or [None])[0] for g in google["weber"].gates}
    assert durations == {"phxz": 2.5e-8, "sqrt_iswap": 3.2e-8, "syc": 1.2e-8}
    spec = next((cirq_google / "devices" / "specifications").glob("willow_pink*_grid_device.proto.txt")).read_text()
    assert importer.parse_durations(spec) == {"cz": 4.2e-8, "meas": 6e-7, "phxz": 2.5e-8}


def test_the_isolated_error_serves_where_no_parallel_one_is_given() -> None:
    metrics: importer.Metrics = {
        "two_qubit_cz_gate_xeb_average_error_per_cycle": {("0_0", "0_1"): 0.04},
        "two_qubit_syc_gate_xeb_pauli_error_per_cycle": {("0_0", "0_1"): 0.05},
        "two_qubit_parallel_syc_gate_xeb_pauli_error_per_cycle": {("0_0", "0_1"): 0.1},
        "single_qubit_rb_average_error_per_gate": {("0_0",): 0.001},
    }
    snapshot = importer.convert(
        metrics,
        processor_id="p",
        valid_from_ns=16 * 10**17,
        durations={},
        calibration_id="projects/p/processors/p/calibrations/1600000000",
        origin=build.provenance("test", [b""], "test"),
    )
    found = {g.name: (g.error, g.method, g.error_metric_reported) for g in snapshot.gates}
    assert found == {
        "cz": ([0.04], "isolated_xeb", "average_error"),
        "phxz": ([0.001], "randomized_benchmarking", "average_error"),
        "syc": ([0.08], "parallel_xeb", "pauli_error"),
    }
    assert snapshot.snapshot.provider_calibration_id == "projects/p/processors/p/calibrations/1600000000"
