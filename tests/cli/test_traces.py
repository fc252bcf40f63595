"""The commands that answer from stored traces."""

from __future__ import annotations

import json

import pytest

from eigenspan.semconv import attributes as q
from eigenspan.store.traces import TraceStore
from tests.cli.test_cli import run
from tests.e2e.harness import running
from tests.web.test_tempo import workflow

FIRST, SECOND = f"{1:032x}", f"{2:032x}"


def named(**attributes) -> dict:
    return {getattr(q, key): value for key, value in attributes.items()}


@pytest.fixture
def data(tmp_path):
    bodies = [
        workflow(1, seconds=2, **named(QUANTUM_PROVIDER_NAME="ibm", QUANTUM_JOB_SHOTS=100, QUANTUM_COST_AMOUNT=2.0, QUANTUM_OPERATION_NAME="execute")),
        workflow(2, seconds=4, failed=True, **named(QUANTUM_PROVIDER_NAME="ibm", QUANTUM_JOB_SHOTS=100, QUANTUM_COST_AMOUNT=1.0, QUANTUM_OPERATION_NAME="execute")),
        workflow(3, seconds=6, **named(QUANTUM_PROVIDER_NAME="ionq", QUANTUM_JOB_SHOTS=100, QUANTUM_BACKEND_NAME="forte")),
    ]  # fmt: skip
    with TraceStore(tmp_path / "traces") as store:
        store.write([("", n.to_bytes(16, "big"), "r", body) for n, body in enumerate(bodies, 1)])
    return str(tmp_path)


def lines(*arguments: str) -> list[dict]:
    done = run(*arguments)
    assert done.exit_code == 0, done.output
    return [json.loads(line) for line in done.output.splitlines()]


def test_why_names_the_fault_domain(data):
    (found,) = lines("why", SECOND, "--data", data, "--json")
    assert {a["question"]: a["answer"] for a in found["answers"]} == {
        "arrived": "yes", "compiled": "yes", "accepted": "yes", "executed": "no", "post-processed": "unknown",
    }  # fmt: skip
    assert found["domain"] == "backend"
    assert lines("why", FIRST, "--data", data, "--json")[0]["domain"] is None
    assert "fault domain: backend" in run("why", SECOND, "--data", data).output
    assert run("why", "77", "--data", data).exit_code == 1


def test_providers_are_compared_like_with_like(data):
    ibm, ionq = lines("providers", "compare", "--data", data, "--json", "--hours", "1000000")
    assert (ibm["provider"], ibm["runs"], ibm["errors"], ibm["median_s"], ibm["cost_per_success"]) == (
        "ibm",
        2,
        1,
        2,
        3,
    )
    assert (ionq["provider"], ionq["median_s"], ionq["cost_per_success"], ionq["variance_s2"]) == (
        "ionq",
        6,
        None,
        None,
    )
    assert lines("backends", "--data", data, "--json") == [{"backend": "forte", "traces": 1}]


def test_two_traces_are_compared(data):
    root, execute = lines("traces", "compare", FIRST, SECOND, "--data", data, "--json")
    assert root == {"name": "workflow", "count": [1, 1], "seconds": [2, 4], "errors": [0, 0]}
    assert execute["errors"] == [0, 1]


def test_exports(data):
    (otlp,) = lines("traces", "export", FIRST, "--data", data)
    assert otlp["resourceSpans"][0]["scopeSpans"][0]["spans"][0]["traceId"] == FIRST
    assert len(lines("traces", "export", "--all", "--data", data)) == 3
    (chrome,) = lines("traces", "export", FIRST, "--format", "chrome", "--data", data)
    assert [e["dur"] for e in chrome["traceEvents"] if e["ph"] == "X"] == [2e6, 2e6]
    (scope,) = lines("traces", "export", FIRST, "--format", "speedscope", "--data", data)
    (profile,) = scope["profiles"]
    assert [(e["type"], e["at"]) for e in profile["events"]] == [("O", 0), ("O", 0), ("C", 2 * 10**9), ("C", 2 * 10**9)]
    assert run("traces", "export", "--data", data).exit_code == 2


def test_replay_sends_a_trace_or_a_file(data, tmp_path):
    file = tmp_path / "out.json"
    file.write_text(run("traces", "export", SECOND, "--data", data).output)
    with running(tmp_path / "other") as r:
        to = f"127.0.0.1:{r.ports['http']}"
        assert lines("traces", "replay", str(file), "--to", to, "--json") == [{"requests": 1}]
        assert lines("traces", "replay", FIRST, "--to", to, "--data", data, "--json") == [{"requests": 1}]
        r.wait_until_decided()
        assert r.collector.metrics.spans == 4
    assert run("traces", "replay", str(file), "--to", "127.0.0.1:9").exit_code == 1
