"""The examples, run: each span tree is a snapshot and conforms to the registry with no finding."""

from __future__ import annotations

import asyncio
import importlib.util
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.exporter.otlp.proto.common.metrics_encoder import encode_metrics
from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from eigenspan.schema.validate import validate
from eigenspan.testing import Captured, capture

ROOT = Path(__file__).resolve().parents[2]
EXAMPLES = ROOT / "examples"


def load(name: str) -> Any:
    spec = importlib.util.spec_from_file_location(f"example_{name}", EXAMPLES / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@contextmanager
def running(*libraries: str) -> Iterator[Captured]:
    """The libraries instrumented, and in the end no finding."""
    from eigenspan.sdk.hooks import LIBRARIES

    instrumentors = [getattr(importlib.import_module(LIBRARIES[name][1]), LIBRARIES[name][2])() for name in libraries]
    with capture() as captured:
        for one in instrumentors:
            one.instrument(skip_dep_check=True)
        try:
            yield captured
        finally:
            for one in instrumentors:
                one.uninstrument()
        found = validate(encode_spans(captured.spans)) + validate(encode_metrics(captured.reader.get_metrics_data()))
        assert [str(one) for one in found] == []


def test_vqe_service() -> None:
    pytest.importorskip("cirq")
    with running("cirq") as captured:
        assert asyncio.run(load("vqe_service").ask())["energy"] < -0.9
    energy = ["circuit assembly ansatz INTERNAL", "execute Simulator INTERNAL", "post process INTERNAL"] * 3
    layers = [line for n in range(3) for line in (f"      layer {n} INTERNAL", *("        " + name for name in energy))]
    assert captured.tree().splitlines() == [
        "ingress vqe SERVER",
        "  workflow vqe INTERNAL",
        "    algorithm vqe INTERNAL",
        *layers,
    ]
    assert {span.attributes["quantum.request.id"] for span in captured.spans} == {"example-1"}
    assert captured.points("quantum.outcome.answers", "quantum.workflow.name", "quantum.outcome.degraded") == {
        ("vqe", False): 1
    }


@pytest.mark.parametrize("answer", ['{"route": "simulator"}', "to the moon"])
def test_hybrid_request(answer: str) -> None:
    pytest.importorskip("cirq")
    example = load("hybrid_request")
    good = answer.startswith("{")
    with running("cirq") as captured, example.model_server(answer) as url:
        assert sum(example.handle(url).values()) == 100
    run = ["execute Simulator INTERNAL", "post process INTERNAL"]
    assert captured.tree().splitlines() == [
        "workflow hybrid INTERNAL",
        "  prompt construction INTERNAL",
        "  chat small-1 CLIENT",
        "  answer check INTERNAL",
        "  answer check INTERNAL",
        "    chat small-1 CLIENT",
        "  orchestrator decision INTERNAL",
        *(["  " + line for line in run] if good else ["  fallback INTERNAL", *("    " + line for line in run)]),
    ]
    assert captured.points("quantum.llm.validations", "quantum.llm.validator.name", "quantum.llm.validator.passed") == {
        ("json-schema", good): 1, ("repeat-consistency", True): 1,
    }  # fmt: skip
    assert "Where shall" not in "".join(span.to_json() for span in captured.spans)


def test_a_long_job_in_two_processes(tmp_path: Path) -> None:
    provider = tmp_path / "queue.json"
    env = {key: value for key, value in os.environ.items() if not key.startswith("OTEL_")}
    env |= {
        "PYTHONPATH": str(ROOT / "python-sdk" / "src"),
        "OTEL_TRACES_EXPORTER": "console",
        "OTEL_METRICS_EXPORTER": "none",
    }
    command = [sys.executable, str(EXAMPLES / "long_job.py"), "submit", str(provider)]
    done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    submit = json.loads(done.stdout[: done.stdout.index("\n}\n") + 2])
    exporter = InMemorySpanExporter()
    load("long_job").follow(provider, exporter)
    job, queue, execute = exporter.get_finished_spans()
    assert [span.name for span in (job, queue, execute)] == ["job file-1", "queue file-1", "execute file-1"]
    assert f"0x{job.links[0].context.span_id:016x}" == submit["context"]["span_id"]
    assert job.attributes["quantum.request.correlation_id"] == "night-1"
    assert (queue.end_time, execute.end_time) == (execute.start_time, job.end_time)
    assert [str(found) for found in validate(encode_spans([job, queue, execute]))] == []


def test_braket_local() -> None:
    pytest.importorskip("braket.devices")
    with running("braket") as captured:
        assert set(load("braket_local").run()) <= {"000", "111"}
    assert (
        captured.tree()
        == """
        workflow ghz INTERNAL
          execute StateVectorSimulator INTERNAL
          batch StateVectorSimulator INTERNAL
            execute StateVectorSimulator INTERNAL
    """
    )


def test_pennylane_training() -> None:
    pytest.importorskip("pennylane")
    with running("pennylane") as captured:
        assert load("pennylane_training").train() < 0.5
    epoch = [
        "algorithm gradient INTERNAL",
        "  circuit assembly loss INTERNAL",
        "  execute default.qubit INTERNAL",
        "  execute default.qubit INTERNAL",
        "circuit assembly loss INTERNAL",
        "execute default.qubit INTERNAL",
    ]
    epochs = [line for _ in range(3) for line in ("    epoch INTERNAL", *("      " + name for name in epoch))]
    assert captured.tree().splitlines() == ["workflow classifier INTERNAL", "  training flip INTERNAL", *epochs]


def test_every_example_is_listed_and_tested() -> None:
    names = {path.name for path in EXAMPLES.glob("*.py")}
    assert names == {
        line.split("](")[1].split(")")[0] for line in (EXAMPLES / "README.md").read_text().splitlines() if "](" in line
    }
    assert all(name.removesuffix(".py") in Path(__file__).read_text() for name in names)
