"""Every metric has one owner: what the collector derives from spans, a program with its defaults does not emit too."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from opentelemetry import metrics
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader

from eigenspan.collector.instruments import INSTRUMENTS
from eigenspan.instrument import _metrics
from eigenspan.instrument._jobs import Job, Status, measure
from eigenspan.instrument._metrics import metrics_of
from eigenspan.instrument._prices import Price, PriceTable, use
from eigenspan.sdk import llm, spans, workflow
from eigenspan.sdk.prometheus import _OTHERS
from eigenspan.sdk.resources import observe_resources
from eigenspan.semconv.metrics import METRICS, QUANTUM_OUTCOME_ANSWERS

DERIVED = {one.metric.name for one in INSTRUMENTS}
SOURCES = Path(spans.__file__).parents[1]
JOB = Job(
    "ionq", "Aria-1", "j", Status.COMPLETED, 0, 10**9, 2 * 10**9,
    attributes={"quantum.job.shots": 10, "quantum.usage.qpu.duration": 1.0, "quantum.circuit.depth": 2},
)  # fmt: skip


def test_labels_past_the_limit_count_as_one(monkeypatch: pytest.MonkeyPatch) -> None:
    reader = InMemoryMetricReader()
    monkeypatch.setattr(_metrics, "LABELS_LIMIT", 3)
    made = metrics_of("test", MeterProvider([reader]))
    for n in range(10):
        made.record(QUANTUM_OUTCOME_ANSWERS, 1, {"quantum.workflow.name": f"w{n}"})
    made.record(QUANTUM_OUTCOME_ANSWERS, 1, {"quantum.workflow.name": "w0"})
    data = reader.get_metrics_data()
    assert data is not None
    (metric,) = data.resource_metrics[0].scope_metrics[0].metrics
    points = {str(dict(point.attributes or {})): point.value for point in metric.data.data_points}  # type: ignore[union-attr]  # no histogram
    assert len(points) == 4
    assert (points["{'quantum.workflow.name': 'w0'}"], points["{'otel.metric.overflow': True}"]) == (2, 7)


def names(monkeypatch: pytest.MonkeyPatch, wanted: bool | None) -> set[str]:
    """What a hybrid request with all its stages, a failure, a fallback, a job and a checked answer emits."""
    reader = InMemoryMetricReader()
    provider = MeterProvider([reader])
    monkeypatch.setattr(metrics._internal, "_METER_PROVIDER", provider)
    monkeypatch.setattr(_metrics, "_from_spans", wanted)
    use(PriceTable((Price("ionq", "USD", per_shot=0.1),)))
    backend: Any = {"provider_name": "ionq", "backend_name": "Aria-1", "circuit_depth": 2, "circuit_gate_count": 2}
    with workflow("w", version="1", workload_class="batch") as run:
        with spans.execute(**backend, job_shots=10):
            pass
        with pytest.raises(OSError, match="no"), spans.submit(**backend, job_retry_count=1):
            raise OSError("no")
        with spans.fallback(fallback_kind="classical"):
            pass
        with llm.llm_request("m", provider="p", prompt="x") as request:
            request.answered(input_tokens=1, output_tokens=1)
        llm.check("{}", llm.JsonSchema({"type": "object"}), llm.RepeatConsistency(lambda: "{}"))
        llm.evaluated("hallucination", 0.0)
        measure(metrics_of("test"), JOB, {})
        run.outcome(success=True)
    observe_resources(provider)
    data = reader.get_metrics_data()
    provider.shutdown()
    use(None)
    return {metric.name for scope in data.resource_metrics[0].scope_metrics for metric in scope.metrics}


def test_by_default_nothing_is_emitted_that_the_collector_derives(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("EIGENSPAN_SPAN_METRICS", raising=False)
    emitted = names(monkeypatch, None)
    assert emitted & DERIVED == set()
    assert {"quantum.llm.consistency", "quantum.llm.hallucination_rate", "process.cpu.time"} <= emitted


def test_where_it_is_asked_for_all_of_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    everything = names(monkeypatch, True)
    monkeypatch.setenv("EIGENSPAN_SPAN_METRICS", "true")
    assert names(monkeypatch, None) == everything
    by_hand = {"quantum.circuit.fidelity", "quantum.circuit.divergence", "quantum.circuit.coherence_margin"}
    assert {name for name in DERIVED if name.startswith("quantum.")} - by_hand <= everything


def test_no_line_of_the_sources_records_a_derived_metric_past_the_switch() -> None:
    constant = {name.upper().replace(".", "_") for name in DERIVED}
    found = [
        (path.name, name)
        for part in ("sdk", "instrument") for path in (SOURCES / part).glob("*.py") if path.name != "_telemetry.py"
        for name in re.findall(r"\.record\(\s*m\.(\w+)", path.read_text()) if name in constant
    ]  # fmt: skip
    assert found == []


MISSION = [
    "quantum_circuit_executions_total",
    "quantum_circuit_execution_seconds",
    "quantum_circuit_queue_seconds",
    "quantum_circuit_depth",
    "quantum_circuit_gates",
    "quantum_circuit_fidelity",
    "quantum_hardware_noise_level",
    "quantum_cost_total",
    "quantum_device_status",
    "quantum_device_queue_length",
    "quantum_device_calibration_age_hours",
    "quantum_device_error_rate",
    "hybrid_requests_total",
    "hybrid_request_latency_seconds",
    "quantum_errors_total",
    "llm_inference_latency_seconds",
    "quantum_job_latency_seconds",
    "coherence_margin_seconds",
    "job_backlog_seconds",
    "provider_rate_limit_remaining",
    "hallucination_rate",
    "response_consistency_score",
    "token_usage_per_request",
    "accelerator_temperature",
]


@pytest.mark.parametrize("name", MISSION)
def test_every_name_in_the_field_stands_for_one_metric(name: str) -> None:
    found = [one.name for one in METRICS.values() if one.prometheus == name]
    found += [metric for metric, other in _OTHERS.items() if other == name]
    assert len(found) == 1
