"""The SDK under the other Python versions that are installed, with this environment's packages that are pure Python."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PROGRAM = """
import asyncio, json, sys
import eigenspan
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from eigenspan.sdk import llm, logs
from eigenspan.sdk.ingress import AsgiIngress, WsgiIngress
from eigenspan.sdk.jobs import Job, Status
from eigenspan.sdk.watch import Watch

exporter = InMemorySpanExporter()
eigenspan.setup("svc", processors=[SimpleSpanProcessor(exporter)], metric_readers=[InMemoryMetricReader()])

@eigenspan.spans.scoring()
async def score(): return 1

@eigenspan.spans.layer(layer_index=0)
def steps(): yield from range(3)

with eigenspan.workflow("w", version="1", correlation_id="c") as run:
    assert asyncio.run(score()) == 1 and list(steps()) == [0, 1, 2]
    with llm.llm_request("m", provider="p", prompt="x"): pass
    llm.check("{}", llm.JsonSchema({"type": "object"}))
    with eigenspan.spans.execute(provider_name="p", backend_name="b", job_shots=1):
        logs.error_occurred("timeout")
    run.outcome(success=True)
list(WsgiIngress(lambda environ, answer: answer("200 OK", []) or [b""])({}, lambda *_: None))

class Source:
    provider = "p"
    def job(self, job_id, begun_ns): return Job("p", "b", job_id, Status.COMPLETED, 1, 2, 3)
    def recent(self): return ["j"]

with Watch(":memory:", Source(), exporter) as watch:
    watch.discover(); assert watch.turn() == 1
eigenspan.shutdown()
print(len(exporter.get_finished_spans()))
"""


@pytest.mark.slow
@pytest.mark.parametrize("version", ["3.12", "3.13", "3.14"])
def test_the_sdk_runs_under(version: str, tmp_path: Path) -> None:
    if sys.version_info[:2] == tuple(map(int, version.split("."))):
        pytest.skip("the suite itself runs under it")
    python = shutil.which(f"python{version}")
    if python is None or subprocess.run([python, "-c", ""], check=False, capture_output=True).returncode:
        pytest.skip(f"there is no python{version} on the PATH")
    paths = [str(ROOT / "python-sdk" / "src"), *(path for path in sys.path if path.endswith("site-packages"))]
    env = {"PYTHONPATH": os.pathsep.join(paths), "PATH": os.environ["PATH"], "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run(
        [python, "-c", PROGRAM], env=env, cwd=tmp_path, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == ["10"]
