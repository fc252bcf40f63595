"""The pytest plugin, used as a program's own tests use it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
HEAD = """
from opentelemetry import trace
from eigenspan.sdk import workflow
from eigenspan.semconv import SCHEMA_URL
from eigenspan.semconv import attributes as q, spans as s

def execute(conformance, **more):
    tracer = conformance.tracer_provider.get_tracer("t", schema_url=SCHEMA_URL)
    attributes = {
        s.SPAN_TYPE: s.EXECUTE.type, q.QUANTUM_OPERATION_NAME: "execute", q.QUANTUM_PROVIDER_NAME: "cirq",
        q.QUANTUM_BACKEND_NAME: "Simulator", q.QUANTUM_EXECUTION_SUCCESS: True, q.QUANTUM_CIRCUIT_DEPTH: 3,
        q.QUANTUM_JOB_SHOTS: 10, q.QUANTUM_JOB_STATUS: "completed", q.QUANTUM_JOB_QUEUE_DURATION: 0.0,
        q.QUANTUM_JOB_DURATION: 0.1, q.QUANTUM_REQUEST_CORRELATION_ID: "r", q.QUANTUM_WORKFLOW_VERSION: "1", **more,
    }
    with tracer.start_as_current_span("execute Simulator", attributes=attributes):
        pass
"""


def run(tmp_path: Path, body: str) -> tuple[int, str]:
    (tmp_path / "test_mine.py").write_text(HEAD + body)
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "eigenspan.testing.plugin", str(tmp_path), "-c", "/dev/null"],
        capture_output=True, text=True, check=False, env={"PYTHONPATH": str(ROOT / "python-sdk" / "src"), "PATH": "/usr/bin:/bin",
        "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}, cwd=tmp_path,
    )  # fmt: skip
    return done.returncode, done.stdout


def test_what_conforms_passes(tmp_path: Path) -> None:
    code, out = run(tmp_path, "def test_x(conformance):\n    execute(conformance)\n")
    assert code == 0, out


def test_what_does_not_fails_with_the_finding(tmp_path: Path) -> None:
    code, out = run(tmp_path, "def test_x(conformance):\n    execute(conformance, **{q.QUANTUM_JOB_SHOTS: 'ten'})\n")
    assert code == 1
    assert "violation type_mismatch: 'quantum.job.shots' is int, found string." in out
    assert "Record it as int." in out


@pytest.mark.parametrize(
    ("line", "expected"),
    [("conformance.expect('type_mismatch')", 0), ("conformance.fail_on = 'violation'", 1)],
)
def test_known_findings_can_be_expected(tmp_path: Path, line: str, expected: int) -> None:
    body = f"def test_x(conformance):\n    execute(conformance, **{{q.QUANTUM_JOB_SHOTS: 'ten'}})\n    {line}\n"
    assert run(tmp_path, body)[0] == expected


def test_a_contract_can_be_held_to(tmp_path: Path) -> None:
    (tmp_path / "c.yaml").write_text(
        "contract: c\nspans: {quantum.internal.execute: {maximum: {quantum.job.shots: 5}}}\n"
    )
    body = "def test_x(conformance):\n    conformance.contract('c.yaml')\n    execute(conformance)\n"
    code, out = run(tmp_path, body)
    assert code == 1
    assert "eigenspan.contract.over_limit" in out


def test_spans_of_the_global_provider_are_seen(tmp_path: Path) -> None:
    body = (
        "def test_x(conformance):\n    with trace.get_tracer('t').start_as_current_span('x', attributes={'quantum.shots': 1}):\n"
        "        pass\n    assert {f.id for f in conformance.findings()} >= {'deprecated'}\n    conformance.expect('deprecated')\n"
    )
    code, out = run(tmp_path, body)
    assert code == 0, out
