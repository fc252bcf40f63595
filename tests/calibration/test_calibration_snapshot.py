"""The neutral document: its JSON, its version, its schema."""

from __future__ import annotations

import copy
import json
import random
import subprocess
import sys
from pathlib import Path
from typing import Any, get_args

import jsonschema
import msgspec
import pytest

from eigenspan.calibration import CalibrationError, Snapshot, instants
from eigenspan.calibration import snapshot as module
from eigenspan.calibration.importers import ibm as importer
from eigenspan.calibration.snapshot import from_json, to_json, version_of

REPOSITORY = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="session")
def schema() -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads((REPOSITORY / "schemas" / "calibration-snapshot.json").read_text())
    return loaded


@pytest.fixture(scope="session")
def validator(schema: dict[str, Any]) -> jsonschema.Draft202012Validator:
    jsonschema.Draft202012Validator.check_schema(schema)
    return jsonschema.Draft202012Validator(schema)


def check(validator: jsonschema.Draft202012Validator, snapshots: dict[str, Snapshot]) -> None:
    for name, snapshot in snapshots.items():
        errors = [
            f"{name}: {error.json_path}: {error.message}"
            for error in validator.iter_errors(json.loads(to_json(snapshot)))
        ]
        assert not errors


def test_shipped_documents_validate(
    validator: jsonschema.Draft202012Validator, ibm: dict[str, Snapshot], google: dict[str, Snapshot]
) -> None:
    assert (len(ibm), sorted(google)) == (69, ["rainbow", "weber", "willow_pink"])
    check(validator, ibm)
    check(validator, google)


def test_historical_documents_validate(
    validator: jsonschema.Draft202012Validator, history: dict[str, Snapshot]
) -> None:
    assert history
    check(validator, history)


def test_the_schema_has_the_structs_fields_and_no_more(schema: dict[str, Any]) -> None:
    parts = schema["properties"]
    described_by: dict[type[msgspec.Struct], Any] = {
        module.Snapshot: schema,
        module.Backend: parts["backend"],
        module.Validity: parts["snapshot"],
        module.Qubits: parts["qubits"],
        module.Gate: schema["$defs"]["gate"],
        module.Device: parts["device"],
        module.Benchmark: parts["benchmarks"]["items"],
        module.Provenance: parts["provenance"],
    }
    for struct, described in described_by.items():
        assert set(struct.__struct_fields__) == set(described["properties"]), struct
        required = {f.name for f in msgspec.structs.fields(struct) if f.required}
        assert required <= set(described.get("required", ())), struct
    enums = parts["qubits"]["properties"]["flags"]["items"]["items"]["enum"]
    assert enums == list(get_args(module.QubitFlag))
    assert parts["schema"]["const"] == module.SCHEMA
    assert schema["$id"] == "https://eigenspan.github.io/schemas/calibration-snapshot/1"


def test_json_round_trip(ibm: dict[str, Snapshot], google: dict[str, Snapshot]) -> None:
    for snapshot in (*ibm.values(), *google.values()):
        assert from_json(to_json(snapshot)) == snapshot
        assert version_of(snapshot) == snapshot.snapshot.version


def test_a_document_changed_by_hand_is_refused(ibm: dict[str, Snapshot]) -> None:
    document = json.loads(to_json(ibm["props_lima.json"]))
    document["qubits"]["t1_s"][0] *= 2
    with pytest.raises(CalibrationError, match="its content hashes to"):
        from_json(json.dumps(document).encode())


def test_the_order_of_entries_is_no_content(raw_ibm: dict[str, dict[str, Any]]) -> None:
    raw = raw_ibm["props_torino.json"]
    shuffled = copy.deepcopy(raw)
    random.Random(7).shuffle(shuffled["gates"])
    random.Random(8).shuffle(shuffled["general"])
    assert importer.from_documents(raw).snapshot.version == importer.from_documents(shuffled).snapshot.version


def test_a_change_of_unit_is_no_content(raw_ibm: dict[str, dict[str, Any]]) -> None:
    raw = raw_ibm["props_torino.json"]
    other = copy.deepcopy(raw)
    for values in other["qubits"]:
        for value in values:
            if value["unit"] == "us":
                value.update(unit="ns", value=value["value"] * 1000)
    assert importer.from_documents(raw).snapshot.version == importer.from_documents(other).snapshot.version


def test_importing_the_package_imports_no_sdk() -> None:
    code = (
        "import sys, eigenspan.calibration, eigenspan.calibration.importers.shipped;"
        "print({m.partition('.')[0] for m in sys.modules} & {'cirq', 'cirq_google', 'qiskit', 'qiskit_ibm_runtime'})"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == "set()"


@pytest.mark.parametrize(
    ("text", "canonical"),
    [
        ("2025-02-26T15:26:08-05:00", "2025-02-26T20:26:08Z"),
        ("2025-02-26T20:26:08Z", "2025-02-26T20:26:08Z"),
        ("2025-02-26T20:26:08.500+00:00", "2025-02-26T20:26:08.5Z"),
        ("1969-12-31T23:59:59.25Z", "1969-12-31T23:59:59.25Z"),
    ],
)
def test_instants_have_one_text(text: str, canonical: str) -> None:
    assert instants.format_ns(instants.parse(text)) == canonical


@pytest.mark.parametrize("text", ["2025-02-26T15:26:08", "2025-02-26", "yesterday", ""])
def test_an_instant_needs_an_offset(text: str) -> None:
    with pytest.raises(ValueError):
        instants.parse(text)
