"""What is generated is up to date, says what the mission says, and costs nothing to import."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import yaml
from registrygen.model import Registry

from eigenspan.semconv import SCHEMA_URL, VERSION, attributes, metrics, spans, tables

ROOT = Path(__file__).resolve().parents[2]

FIRST = [
    "quantum.circuit.name",
    "quantum.provider",
    "quantum.device",
    "quantum.shots",
    "quantum.qubits",
    "quantum.circuit.depth",
    "quantum.circuit.gate_count",
    "quantum.algorithm.name",
    "quantum.algorithm.type",
    "quantum.problem.type",
    "quantum.problem.size",
    "quantum.parameter.count",
    "quantum.layer.type",
    "quantum.layer.index",
    "quantum.training.type",
    "quantum.execution.time",
    "quantum.execution.success",
    "quantum.execution.cost",
    "quantum.execution.queue_time",
    "quantum.result.size",
    "quantum.fidelity",
    "quantum.noise_level",
    "quantum.gate_error",
    "quantum.readout_error",
    "quantum.error.type",
    "quantum.error.message",
    "ml.model.name",
    "ml.training.epochs",
    "ml.training.batch_size",
    "ml.training.final_loss",
    "ml.training.accuracy",
    "ml.training.epoch.loss",
    "ml.training.epoch.accuracy",
]


def test_generated_files_are_up_to_date() -> None:
    run = subprocess.run(
        [sys.executable, "semconv/generate.py", "--check"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert run.returncode == 0, run.stdout


def test_importing_the_tables_reads_no_yaml_and_no_telemetry() -> None:
    code = (
        "import sys; import eigenspan.semconv.tables, eigenspan.semconv.attributes, eigenspan.semconv.spans\n"
        "heavy = {'yaml', 'opentelemetry', 'polars', 'numpy'} & set(sys.modules)\n"
        "assert not heavy, heavy"
    )
    subprocess.run([sys.executable, "-c", code], check=True, env={"PYTHONPATH": str(ROOT / "python-sdk" / "src")})


def test_every_name_of_the_first_version_is_understood() -> None:
    understood = {key for keys in tables.ALIASES.values() for key in keys}
    assert [name for name in FIRST if name not in understood] == []


def test_aliases_begin_with_the_name_and_lead_to_one_attribute() -> None:
    seen: dict[str, str] = {}
    for name, keys in tables.ALIASES.items():
        assert keys[0] == name
        assert name in tables.TYPES
        for key in keys:
            assert seen.setdefault(key, name) == name
    assert tables.ALIASES["quantum.job.shots"] == (
        "quantum.job.shots", "quantum.shots", "shot_count", "quantum.circuit.shots",
    )  # fmt: skip


def test_states_of_a_job_are_told_apart() -> None:
    pending, failed, terminal = (
        tables.PENDING_JOB_STATUSES, tables.FAILED_JOB_STATUSES, tables.TERMINAL_JOB_STATUSES,
    )  # fmt: skip
    assert failed < terminal
    assert not pending & terminal
    assert {"initializing", "queued", "running"} <= pending
    assert {"error", "failed", "failure", "timed_out"} <= failed
    assert {"done", "completed", "success", "cancelled"} <= terminal - failed
    assert tables.JOB_STATUS_BY_PROVIDER["iqm", "ready"] == "completed"
    assert all(word == word.lower() for word in pending | terminal)


def test_the_contract_has_its_eight_fields() -> None:
    assert len(tables.MANDATORY) == 8
    assert set(tables.MANDATORY) <= set(tables.TYPES)


def test_secrets_and_prompts_are_denied() -> None:
    assert {
        "gen_ai.input.messages", "gen_ai.prompt", "llm.prompt", "http.request.header.authorization", "api_key",
    } <= tables.SENSITIVE_KEYS  # fmt: skip
    assert not tables.SENSITIVE_KEYS & {key for keys in tables.ALIASES.values() for key in keys}


def test_schema_files_hold_the_renames_and_can_be_undone(registry: Registry) -> None:
    newest = yaml.safe_load((ROOT / "schemas" / VERSION).read_text())
    assert newest["schema_url"] == SCHEMA_URL
    assert list(newest["versions"]) == ["0.2.0", "0.1.0"]
    (change,) = newest["versions"]["0.2.0"]["all"]["changes"]
    mapping = change["rename_attributes"]["attribute_map"]
    assert mapping == tables.RENAMED
    assert len(set(mapping.values())) == len(mapping)
    assert mapping["quantum.device"] == "quantum.backend.name"
    assert not set(mapping.values()) & set(FIRST), "a new name that was also an old one could not be undone"
    first = yaml.safe_load((ROOT / "schemas" / "0.1.0").read_text())
    assert first["versions"] == {"0.1.0": {}}
    assert registry.schema_url == SCHEMA_URL


def test_constants_spell_their_keys() -> None:
    assert attributes.QUANTUM_JOB_ID == "quantum.job.id"
    assert attributes.QuantumJobStatus.FAILED == "failed"
    assert spans.EXECUTE.type == "quantum.internal.execute"
    assert spans.EXECUTE.required[0].startswith("quantum.")
    assert metrics.QUANTUM_CIRCUIT_EXECUTIONS.unit == "{execution}"
