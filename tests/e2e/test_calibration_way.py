"""Calibration on the whole way: a live service is polled while spans come in, and real SDK objects run what is joined."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time

import pytest
from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor

from eigenspan.semconv import attributes as q
from tests.calibration.test_calibration_providers import IONQ
from tests.calibration.test_calibration_pullers import serving
from tests.conftest import ROOT
from tests.e2e.harness import far_end, running

_KEEP_ALL = "[{name: all, keep: 100%}]"


def attributes_of(span) -> dict:
    return {a.key: getattr(a.value, a.value.WhichOneof("value")) for a in span.attributes}


def test_a_polled_backend_is_joined_once_a_later_poll_proves_the_snapshot(tmp_path, monkeypatch):
    monkeypatch.setenv("IONQ_API_KEY", "k")
    answers = {
        "/backends": [{"backend": "qpu.aria-1"}],
        "/backends/qpu.aria-1": {"backend": "qpu.aria-1", "status": "available"},
        "/backends/qpu.aria-1/characterizations": {"characterizations": [IONQ]},
    }
    with serving(answers) as (url, _), far_end() as far:
        poll = f"[{{provider: ionq, endpoint: '{url}', interval: 2, status_interval: 1}}]"
        more = {
            "exporters.far.type": "otlp", "exporters.far.endpoint": f"127.0.0.1:{far.port}",
            "processors.sampling.rules": _KEEP_ALL, "processors.calibration.poll": poll,
            "processors.calibration.wait_for_snapshot": 20,
            "processors.calibration.aliases": "{our ion trap: ionq/Aria-1}",
        }  # fmt: skip
        with running(tmp_path, **{key.replace(".", "__"): value for key, value in more.items()}) as r:
            deadline = time.monotonic() + 10
            while not r.collector.poller.counts["ionq", "polled"] and time.monotonic() < deadline:
                time.sleep(0.05)
            polls = r.collector.poller.counts["ionq", "polled"]
            provider = TracerProvider()
            exporter = OTLPSpanExporter(f"127.0.0.1:{r.ports['grpc']}", insecure=True)
            provider.add_span_processor(SimpleSpanProcessor(exporter))
            names = {q.QUANTUM_PROVIDER_NAME: "aws_braket", q.QUANTUM_BACKEND_NAME: "our ion trap"}
            with provider.get_tracer("t").start_as_current_span("run", attributes=names):
                pass
            provider.shutdown()
            deadline = time.monotonic() + 20
            while not far.bodies and time.monotonic() < deadline:
                time.sleep(0.05)
            assert r.collector.poller.counts["ionq", "polled"] > polls
            metrics = r.get("telemetry", "/metrics")
        ((_, _, span),) = far.spans()
    values = attributes_of(span)
    assert values[q.QUANTUM_BACKEND_CALIBRATION_MATCH] == "as_of"
    assert values[q.QUANTUM_BACKEND_CALIBRATION_ID] == IONQ["id"]
    assert values[q.QUANTUM_BACKEND_CALIBRATION_STATISTIC] == "median"
    assert values[q.QUANTUM_BACKEND_CALIBRATION_T1_MEDIAN] == 100
    assert values[q.QUANTUM_BACKEND_STATUS] == "online"
    assert 'eigenspan_calibration_polls_total{provider="ionq",outcome="new"} 1' in metrics


def test_real_sdk_objects_are_joined_end_to_end(tmp_path):
    """Cirq's virtual engine and IBM's fake backends in local mode, instrumented, against the calibrations they replay."""
    pytest.importorskip("cirq_google")
    pytest.importorskip("qiskit_ibm_runtime")
    with far_end() as far:
        more = {
            "exporters.far.type": "otlp", "exporters.far.endpoint": f"127.0.0.1:{far.port}",
            "processors.sampling.rules": _KEEP_ALL, "processors.calibration.shipped": "true",
        }  # fmt: skip
        with running(tmp_path, **{key.replace(".", "__"): value for key, value in more.items()}) as r:
            clean = {key: value for key, value in os.environ.items() if not key.startswith("OTEL_")}
            done = subprocess.run(
                [sys.executable, "-m", "eigenspan.demo.workload", "--fast", "--runs", "1"],
                env={
                    **clean,
                    "PYTHONPATH": os.pathsep.join([str(ROOT / "python-sdk" / "src"), clean.get("PYTHONPATH", "")]),
                    "OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{r.ports['grpc']}",
                },
                capture_output=True,
                text=True,
                timeout=300,
                check=False,
            )
            assert done.returncode == 0, done.stderr[-2000:]
            r.wait_until_decided()
            index = r.collector.calibrations.index()
            documents = r.collector.calibrations.document
            joined: dict[str, int] = {}
            estimated = 0
            for _, _, span in far.spans():
                values = attributes_of(span)
                version = values.get(q.QUANTUM_BACKEND_CALIBRATION_VERSION)
                if version is None:
                    continue
                backend = values[q.QUANTUM_BACKEND_NAME]
                newest = index.timeline(values[q.QUANTUM_PROVIDER_NAME], backend)[-1]
                assert newest.version.startswith(version)
                assert values[q.QUANTUM_BACKEND_CALIBRATION_MATCH] == "as_of"  # they replay it: a fact
                assert values[q.QUANTUM_BACKEND_CALIBRATION_T1_MEDIAN] == newest.t1_median_s
                joined[backend] = joined.get(backend, 0) + 1
                if q.QUANTUM_CIRCUIT_CALIBRATION_SUCCESS_PROBABILITY in values:
                    estimated += 1
                    assert 0 < values[q.QUANTUM_CIRCUIT_CALIBRATION_SUCCESS_PROBABILITY] < 1
                    pair = values.get(q.QUANTUM_CIRCUIT_CALIBRATION_WORST_PAIR)
                    if pair is not None:
                        assert set(pair.split(",")) <= set(documents(newest.version).qubits.id)
            summary = json.loads(done.stdout.rstrip().rsplit("\n", 1)[-1])
    assert summary["traces"] == 12
    assert any(name.startswith("fake_") for name in joined)
    assert any(not name.startswith("fake_") for name in joined)
    assert estimated > 0
