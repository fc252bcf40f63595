"""The commands that answer from stored traces."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from eigenspan.calibration.attributes import StatusSample
from eigenspan.calibration.importers.detect import import_bytes
from eigenspan.calibration.store import CalibrationStore, Event
from eigenspan.figures.measured import DAY_S
from eigenspan.semconv import attributes as q
from eigenspan.semconv.events import QUANTUM_HARDWARE_EVENT
from eigenspan.store.traces import TraceStore
from eigenspan.web import page_providers, words
from eigenspan.web.figures import Figures
from tests.cli.test_cli import run
from tests.e2e.harness import running
from tests.web.test_api_calibration import IONQ
from tests.web.test_tempo import START, workflow

FIRST, SECOND = f"{1:032x}", f"{2:032x}"


def named(**attributes) -> dict:
    return {getattr(q, key): value for key, value in attributes.items()}


@pytest.fixture
def data(tmp_path):
    bodies = [
        workflow(1, seconds=2, **named(QUANTUM_PROVIDER_NAME="ibm", QUANTUM_JOB_SHOTS=100, QUANTUM_COST_AMOUNT=2.0, QUANTUM_COST_CURRENCY="USD", QUANTUM_OPERATION_NAME="execute")),
        workflow(2, seconds=4, failed=True, **named(QUANTUM_PROVIDER_NAME="ibm", QUANTUM_JOB_SHOTS=100, QUANTUM_COST_AMOUNT=1.0, QUANTUM_COST_CURRENCY="USD", QUANTUM_OPERATION_NAME="execute")),
        workflow(3, seconds=6, **named(QUANTUM_PROVIDER_NAME="ionq", QUANTUM_JOB_SHOTS=100, QUANTUM_BACKEND_NAME="forte", QUANTUM_OPERATION_NAME="execute")),
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
    told = ("provider", "shots", "device", "runs", "failed", "median_s", "cost_per_success", "currency")
    assert [ibm[key] for key in told] == ["ibm", 64, "unknown", 2, 0.5, 2, 3, "USD"]
    assert [ionq[key] for key in told] == ["ionq", 64, "unknown", 1, 0, 6, None, ""]
    assert ibm["failed_interval"][0] < 0.5 < ibm["failed_interval"][1]
    assert "2 runs, 50.0% failed" in run("providers", "compare", "--data", data, "--hours", "1000000").output


def test_the_page_and_the_command_compare_alike(data):
    with (
        TraceStore(Path(data) / "traces", read_only=True) as store,
        CalibrationStore(Path(data) / "c.db") as calibrations,
    ):
        week = Figures(store, calibrations, lambda: START + 60 * 10**9).measured(7 * DAY_S, {}).now
    shown = page_providers.providers(week)
    told = run("providers", "compare", "--data", data, "--hours", "1000000").output
    for one in lines("providers", "compare", "--data", data, "--json", "--hours", "1000000"):
        for text in (one["provider"], words.duration(one["median_s"]), words.percent(one["failed"])):
            assert text in shown
        assert f"{one['median_s']:.4g} s median" in told


def test_backends_are_told_as_the_page_tells_them(data):
    with CalibrationStore(Path(data) / "calibration.db") as calibrations:
        calibrations.put(import_bytes(json.dumps(IONQ).encode(), "x"))
        calibrations.put_status(StatusSample("ionq", "qpu.aria-1", 5, "online", 3))
        qubits = {q.QUANTUM_HARDWARE_CHANGE: "qubit_lost", q.QUANTUM_CIRCUIT_PHYSICAL_QUBITS: ["4"]}
        calibrations.put_event(Event("ionq", "qpu.aria-1", 5, QUANTUM_HARDWARE_EVENT, qubits))
    with TraceStore(Path(data) / "traces") as store:
        ran = named(QUANTUM_PROVIDER_NAME="ionq", QUANTUM_BACKEND_NAME="aria-1", QUANTUM_OPERATION_NAME="execute")
        store.write([("", (9).to_bytes(16, "big"), "r", workflow(9, seconds=3, **ran))])
    aria, forte = lines("backends", "--data", data, "--json")
    assert (aria["backend"], aria["names"], aria["status"], aria["queue_length"]) == (
        "aria-1",
        ["aria-1"],
        "online",
        3,
    )
    assert (aria["snapshots"], aria["drift"][0]["qubits"], aria["runs"]) == (1, ["4"], None)
    assert (forte["backend"], forte["provider"], forte["traces"], forte["runs"]) == ("forte", "", 1, None)
    assert lines("backends", "qpu.aria-1", "--data", data, "--json") == [aria]
    assert "qubit_lost" in run("backends", "Aria-1", "--data", data).output
    assert run("backends", "nothing", "--data", data).exit_code == 1


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


def test_long_work_says_how_far_it_is_where_it_is_asked_to(data):
    told = run("traces", "export", "--all", "--data", data, "--progress")
    assert told.stderr.splitlines()[-1] == "traces 3 of 3"
    assert len(told.stdout.splitlines()) == 3
    assert run("traces", "export", "--all", "--data", data).stderr == ""


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
