"""`eigenspan calibration` as an operator uses it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from eigenspan.calibration import Snapshot, backend_attributes, instants, names, summarise
from eigenspan.cli.calibration import calibration


@pytest.fixture
def run(tmp_path: Path) -> Any:
    def invoke(*arguments: object) -> Result:
        command, *rest = map(str, arguments)
        return CliRunner().invoke(calibration, [command, "--data", str(tmp_path), *rest])

    return invoke


def test_import_list_show(run: Any, ibm: dict[str, Snapshot], ibm_backends: Path, history_files: list[Path]) -> None:
    torino = ibm_backends / "torino"
    old = next(path for path in history_files if path.name.startswith("torino_2024"))
    result = run("import", torino / "props_torino.json", torino / "conf_torino.json", old)
    assert result.exit_code == 0, result.output
    assert "new        props_torino.json: ibm_torino sha256:" in result.output
    assert "used       conf_torino.json" in result.output

    listed = json.loads(run("list", "--json").output)
    assert [(row["backend"], row["snapshots"]) for row in listed] == [("ibm_torino", 2)]
    assert "ibm_torino" in run("list").output

    at = "2025-02-26T20:26:08Z"
    shown = json.loads(run("show", "fake_torino", "--at", at, "--json").output)
    summary = summarise(ibm["props_torino.json"])
    assert shown["attributes"] == backend_attributes(summary, instants.parse(at), "as_of")
    before = json.loads(run("show", "torino", "--at", "2025-02-26T20:26:07Z", "--json").output)
    assert before["snapshot"]["valid_from"] == "2024-02-28T13:48:51Z"
    assert before["snapshot"]["valid_to"] == at

    text = run("show", "ibm_torino", "--qubits", "0,1,2").output
    assert names.T1_MEDIAN in text
    assert names.CIRCUIT_READOUT_ERROR_MAX in text
    assert "qubit id=2" in text


def test_a_bad_file_does_not_stop_the_others(run: Any, ibm_backends: Path, tmp_path: Path) -> None:
    bad = tmp_path / "bad.json"
    bad.write_bytes(b'{"backend_name":')
    result = run("import", bad, ibm_backends / "lima" / "props_lima.json", tmp_path / "gone.json")
    assert result.exit_code == 1
    assert "refused    bad.json: not a JSON object" in result.output
    assert "refused    gone.json: cannot be read" in result.output
    assert "new        props_lima.json" in result.output
    assert "2 of 3 refused" in result.output
    assert len(json.loads(run("list", "--json").output)) == 1


def test_google_metrics_need_hints(run: Any, cirq_google: Path) -> None:
    path = next((cirq_google / "devices" / "calibrations").glob("rainbow_*_calibration.json"))
    assert "--backend NAME" in run("import", path).output
    assert "--valid-from TIME" in run("import", path, "--backend", "rainbow").output
    assert run("import", path, "--backend", "rainbow", "--valid-from", "2021-11-16T10:26:55.838Z").exit_code == 0
    shown = json.loads(run("show", "rainbow", "--qubits", "q(3, 2)".replace(", ", "_").strip("q()"), "--json").output)
    assert shown["qubits"][0]["id"] == "3_2"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("show", "nowhere"), "no snapshot of any provider/nowhere"),
        (("show", "lima", "--at", "2001-01-01T00:00:00Z"), "the first snapshot is of"),
        (("show", "lima", "--at", "noon"), "write for example"),
        (("show", "lima", "--qubits", "7"), "no qubit 7; there are 0 to 4"),
        (("show", "lima", "--qubits", ","), "no qubit"),
        (("show", "lima", "--provider", "google"), "no snapshot of google/lima"),
    ],
)
def test_mistakes_are_explained(run: Any, ibm_backends: Path, arguments: tuple[str, ...], message: str) -> None:
    run("import", ibm_backends / "lima" / "props_lima.json")
    result = run(*arguments)
    assert result.exit_code != 0
    assert message in result.output


def test_an_empty_data_directory(run: Any, tmp_path: Path) -> None:
    result = run("list")
    assert result.exit_code == 1
    assert "import some" in result.output
    assert not list(tmp_path.iterdir())
