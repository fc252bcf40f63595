"""The demo runs, fails where it is meant to, and makes one trace a request."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("cirq_google")
pytest.importorskip("qiskit_ibm_runtime")
pytest.importorskip("qiskit_aer")

SRC = Path(__file__).resolve().parents[2] / "python-sdk" / "src"


def test_the_fast_workload_makes_one_trace_a_request() -> None:
    clean = {key: value for key, value in os.environ.items() if not key.startswith("OTEL_")}
    done = subprocess.run(
        [sys.executable, "-m", "eigenspan.demo.workload", "--fast", "--runs", "1"],
        env={**clean, "PYTHONPATH": str(SRC), "OTEL_TRACES_EXPORTER": "console"},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:] + done.stdout[-2000:]
    body, last = done.stdout.rstrip().rsplit("\n", 1)
    summary = json.loads(last)
    assert summary["traces"] == 12
    assert summary["failures"] == {"too_many_qubits": 2, "unsupported_gate": 2, "rejected_shots": 1, "timeout": 1}
    spans = list(_documents(body))
    roots = [span for span in spans if span["parent_id"] is None]
    assert len(roots) == summary["traces"], sorted(span["name"] for span in roots)
    failed = {
        span["context"]["trace_id"].removeprefix("0x") for span in spans if span["status"]["status_code"] == "ERROR"
    }
    assert failed == set(summary["failed_traces"])
    assert all("error.type" in span["attributes"] for span in spans if span["status"]["status_code"] == "ERROR")


def _documents(text: str) -> list[dict[str, object]]:
    decoder, found, at = json.JSONDecoder(), [], 0
    while (at := text.find("{", at)) >= 0:
        document, at = decoder.raw_decode(text, at)
        found.append(document)
    return found
