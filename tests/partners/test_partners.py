"""Kept traces in the real Jaeger and Tempo, and the real Collector in front and behind."""

from __future__ import annotations

import json
import urllib.request

import pytest

from eigenspan.semconv import attributes as q
from tests.e2e.harness import far_end, running
from tests.partners.programs import ROOT, eventually, free_ports, jaeger, otelcol, program, tempo

pytestmark = pytest.mark.partner
OTELCOL = ROOT / "collector-config" / "otelcol"


def send_trace(port: int) -> str:
    """An error trace with a job on a backend, sent by a real SDK; returns its id."""
    from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor
    from opentelemetry.trace import Status, StatusCode

    provider = TracerProvider(resource=Resource.create({"service.name": "partner-test"}))
    provider.add_span_processor(
        BatchSpanProcessor(OTLPSpanExporter(endpoint=f"http://127.0.0.1:{port}", insecure=True))
    )
    tracer = provider.get_tracer("partners")
    with tracer.start_as_current_span("workflow") as root:
        attributes = {q.QUANTUM_PROVIDER_NAME: "ibm", q.QUANTUM_BACKEND_NAME: "fake_manila"}
        with tracer.start_as_current_span("execute", attributes=attributes) as span:
            span.set_status(Status(StatusCode.ERROR))
    provider.shutdown()
    return f"{root.get_span_context().trace_id:032x}"


def get(url: str) -> dict:
    with urllib.request.urlopen(
        urllib.request.Request(url, headers={"Accept": "application/json"}), timeout=10
    ) as answer:
        return json.load(answer)


def exporting(kind: str, port: int) -> dict[str, object]:
    return {"exporters": f"{{{kind}: {{endpoint: '127.0.0.1:{port}'}}}}", "processors__calibration__shipped": "true"}


def keys_of(otlp: dict) -> set[str]:
    """All attribute keys of an OTLP/JSON document."""
    return {
        attribute["key"]
        for resource in otlp.get("resourceSpans") or otlp["batches"]
        for scope in resource["scopeSpans"]
        for span in scope["spans"]
        for attribute in span.get("attributes", [])
    }


EXPECTED = {q.QUANTUM_BACKEND_CALIBRATION_VERSION, q.QUANTUM_BACKEND_CALIBRATION_T1_MEDIAN, "eigenspan.sampling.rule"}


def test_jaeger(tmp_path):
    with jaeger(tmp_path) as (grpc, query):
        with running(tmp_path / "data", **exporting("jaeger", grpc)) as r:
            trace = send_trace(r.ports["grpc"])
            r.wait_until_decided()
        answer = eventually(lambda: get(f"{query}/api/v3/traces/{trace}"))
        assert keys_of(answer["result"]) >= EXPECTED
        legacy = get(f"{query}/api/traces/{trace}")
        assert len(legacy["data"][0]["spans"]) == 2
        assert "partner-test" in json.dumps(get(f"{query}/api/v3/services"))


def test_tempo(tmp_path):
    with tempo(tmp_path) as (otlp, query):
        with running(tmp_path / "data", **exporting("tempo", otlp)) as r:
            trace = send_trace(r.ports["grpc"])
            r.wait_until_decided()
        answer = eventually(lambda: get(f"{query}/api/traces/{trace}"))
        assert keys_of(answer) >= EXPECTED


def test_the_real_collector_in_front(tmp_path, monkeypatch):
    collector = otelcol()
    (front,) = free_ports(1)
    with running(tmp_path / "data", processors__calibration__shipped="true") as r:
        monkeypatch.setenv("AGENT_ENDPOINT", f"127.0.0.1:{front}")
        monkeypatch.setenv("EIGENSPAN_ENDPOINT", f"127.0.0.1:{r.ports['grpc']}")
        with program([str(collector), "--config", str(OTELCOL / "agent.yaml")], front, tmp_path / "agent.log"):
            trace = send_trace(front)
            eventually(lambda: r.collector.metrics.spans == 2)
            r.wait_until_decided()
        assert r.collector.store.trace(trace).row.spans == 2


def test_the_real_collector_behind(tmp_path, monkeypatch):
    collector = otelcol()
    (behind,) = free_ports(1)
    with far_end() as far:
        monkeypatch.setenv("GATEWAY_ENDPOINT", f"127.0.0.1:{behind}")
        monkeypatch.setenv("BACKEND_ENDPOINT", f"127.0.0.1:{far.port}")
        with program([str(collector), "--config", str(OTELCOL / "gateway.yaml")], behind, tmp_path / "gateway.log"):
            with running(tmp_path / "data", **exporting("otlp", behind)) as r:
                send_trace(r.ports["grpc"])
                r.wait_until_decided()
            eventually(lambda: len(list(far.spans())) == 2)
    assert {a.key for _, _, span in far.spans() for a in span.attributes} >= EXPECTED
