"""The field's names: what dashboards query is there, with their labels, and nothing twice."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from opentelemetry import metrics
from opentelemetry.sdk.metrics import MeterProvider

from eigenspan.instrument import _metrics
from eigenspan.instrument._metrics import metrics_of
from eigenspan.sdk import llm, spans, workflow
from eigenspan.sdk.prometheus import _LABELS, _OTHERS, FieldMetrics
from eigenspan.semconv import metrics as m

LINE = re.compile(r'[a-z_]+(\{[a-z_]+="(?:[^"\\]|\\.)*"(,[a-z_]+="(?:[^"\\]|\\.)*")*\})? (\S+)')


@pytest.fixture
def field(monkeypatch: pytest.MonkeyPatch) -> Iterator[FieldMetrics]:
    made = FieldMetrics()
    provider = MeterProvider([made])
    monkeypatch.setattr(metrics._internal, "_METER_PROVIDER", provider)
    monkeypatch.setattr(_metrics, "_from_spans", True)
    yield made
    provider.shutdown()


def lines(field: FieldMetrics) -> dict[str, float]:
    found: dict[str, float] = {}
    for line in field.text().splitlines():
        if not line.startswith("#"):
            assert LINE.fullmatch(line), line
            series, _, value = line.rpartition(" ")
            assert series not in found, f"{series} is there twice"
            found[series] = float(value)
    return found


def test_executions_errors_and_stages(field: FieldMetrics) -> None:
    backend = {"provider_name": "ionq", "backend_name": 'a"b', "circuit_depth": 7}
    with workflow("w", version="1", workload_class="batch"):
        for _ in range(2):
            with spans.execute(**backend):
                pass
        for error in (OSError, ValueError):
            with pytest.raises(error), spans.execute(**backend):
                raise error
    found = lines(field)
    assert found['quantum_circuit_executions_total{provider="ionq",device="a\\"b",status="success"}'] == 2
    assert found['quantum_circuit_executions_total{provider="ionq",device="a\\"b",status="failure"}'] == 2
    assert found['quantum_circuit_execution_seconds_count{provider="ionq",device="a\\"b"}'] == 4
    assert found['quantum_circuit_execution_seconds_bucket{provider="ionq",device="a\\"b",le="0.1"}'] == 4
    assert found['quantum_circuit_depth_bucket{provider="ionq",le="5"}'] == 0
    assert found['quantum_circuit_depth_bucket{provider="ionq",le="10"}'] == 4
    assert found['quantum_errors_total{provider="ionq",error_type="OSError"}'] == 1
    assert found['hybrid_requests_total{provider="ionq",stage="execute"}'] == 4
    assert found['hybrid_request_latency_seconds_count{stage="execute"}'] == 4


def test_models_and_gauges(field: FieldMetrics) -> None:
    with llm.llm_request("m", provider="p") as request:
        request.answered(input_tokens=8, output_tokens=2)
    own = metrics_of("test")
    device = {"quantum.provider.name": "ibm", "quantum.backend.name": "torino"}
    own.record(m.QUANTUM_BACKEND_CALIBRATION_CURRENT_AGE, 7200, device)
    own.record(m.QUANTUM_BACKEND_AVAILABILITY, 1, device)
    own.record(m.QUANTUM_BACKEND_AVAILABILITY, 0, device)
    found = lines(field)
    assert found["llm_inference_latency_seconds_count"] == 1
    assert found["token_usage_per_request_sum"] == 10
    assert found['quantum_device_calibration_age_hours{provider="ibm",device="torino"}'] == 2
    assert found['quantum_device_status{provider="ibm",device="torino"}'] == 0


def test_what_several_instrumentors_record_is_one_series(field: FieldMetrics) -> None:
    for scope in ("eigenspan.instrument.cirq", "eigenspan.instrument.qiskit"):
        recorded = metrics_of(scope)
        recorded.record(m.QUANTUM_STAGE_REQUESTS, 1, {"quantum.stage.name": "execute", "quantum.provider.name": "p"})
        recorded.record(m.QUANTUM_STAGE_DURATION, 2.0, {"quantum.stage.name": "execute"})
    found = lines(field)
    assert found['hybrid_requests_total{provider="p",stage="execute"}'] == 2
    assert found['hybrid_request_latency_seconds_count{stage="execute"}'] == 2
    assert found['hybrid_request_latency_seconds_sum{stage="execute"}'] == 4
    assert field.text().count("# TYPE hybrid_requests_total") == 1


def test_labels_that_requests_choose_are_bounded(field: FieldMetrics, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_metrics, "LABELS_LIMIT", 3)
    recorded = metrics_of("eigenspan.sdk")
    for name in ["a", "b", "c", "d", "e", "a"]:
        recorded.record(m.QUANTUM_FALLBACK_ANSWERS, 1, {"quantum.workflow.name": name})
    data = field.get_metrics_data()
    points = data.resource_metrics[0].scope_metrics[0].metrics[0].data.data_points
    assert {next(iter(p.attributes.items())): p.value for p in points} == {
        ("quantum.workflow.name", "a"): 2, ("quantum.workflow.name", "b"): 1, ("quantum.workflow.name", "c"): 1,
        ("otel.metric.overflow", True): 2,
    }  # fmt: skip


def test_it_is_served(field: FieldMetrics) -> None:
    with spans.execute(provider_name="p", backend_name="b"):
        pass
    said: list[object] = []
    body = b"".join(field.wsgi({}, lambda *answer: said.extend(answer)))
    assert said[0] == "200 OK"
    assert b"# TYPE quantum_circuit_executions_total counter" in body


def test_the_table_speaks_of_names_that_there_are() -> None:
    names = {metric.prometheus for metric in m.METRICS.values()}
    assert set(_LABELS) <= names
    assert not set(_OTHERS.values()) & names
    for metric in m.METRICS.values():
        for key in _LABELS.get(metric.prometheus, {}).values():
            assert key in metric.attributes, (metric.prometheus, key)


def test_metrics_recorded_by_hand(field: FieldMetrics) -> None:
    from eigenspan.sdk.measures import metrics as names
    from eigenspan.sdk.measures import record

    record(names.QUANTUM_CIRCUIT_FIDELITY, 0.97, provider_name="ionq", backend_name="Aria-1", circuit_family="ghz")
    assert lines(field) == {'quantum_circuit_fidelity{provider="ionq",device="Aria-1",circuit_type="ghz"}': 0.97}
