"""A reference scenario for each signal: what a program does to make it. Spans that the instrumentors make come from real runs
in `tests/schema/test_clean_runs.py`; here each is made by hand through the SDK's helpers, so that every one is shown.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from opentelemetry import trace
from opentelemetry._logs import LogRecord
from opentelemetry.trace import Link, SpanKind

from eigenspan.sdk import stage
from eigenspan.sdk.spans import span
from eigenspan.semconv import SCHEMA_URL
from eigenspan.semconv import attributes as q
from eigenspan.semconv import events as e
from eigenspan.semconv import metrics as m
from eigenspan.semconv import spans as s

BACKEND = {q.QUANTUM_PROVIDER_NAME: "ibm", q.QUANTUM_BACKEND_NAME: "ibm_torino", q.QUANTUM_BACKEND_SIMULATOR: False}
JOB = {q.QUANTUM_JOB_ID: "cw8f2k0h1s3g008a5tn0"}
CIRCUIT = {q.QUANTUM_CIRCUIT_DEPTH: 12, q.QUANTUM_CIRCUIT_QUBIT_COUNT: 5, q.QUANTUM_CIRCUIT_GATE_COUNT: 48}
Scenario = Callable[[], Any]


def _stage(kind: s.SpanType, target: str = "", **attributes: Any) -> Scenario:
    def play() -> None:
        with stage(kind, target, {getattr(q, key): value for key, value in attributes.items()}):
            pass

    return play


@contextmanager
def _submitted() -> Iterator[trace.SpanContext]:
    with stage(s.SUBMIT, "ibm_torino", {**BACKEND, **JOB, **CIRCUIT, q.QUANTUM_OPERATION_NAME: "submit"}) as current:
        yield current.get_span_context()


def submit() -> None:
    with _submitted():
        pass


def job() -> None:
    """A job whose queue and execution are its children; both it and the execution link to the submission."""
    with _submitted() as submission:
        pass
    tracer = _tracer()
    attributes = {
        **BACKEND, **JOB, q.QUANTUM_JOB_STATUS: "completed", q.QUANTUM_JOB_SHOTS: 1000, q.QUANTUM_JOB_SUCCESSFUL_SHOTS: 998,
        q.QUANTUM_JOB_DURATION: 3.2, q.QUANTUM_JOB_QUEUE_DURATION: 1.5, q.QUANTUM_USAGE_QPU_DURATION: 1.2,
        q.QUANTUM_USAGE_BILLED_DURATION: 2.0, q.QUANTUM_COST_AMOUNT: 3.2, q.QUANTUM_COST_CURRENCY: "USD",
        q.QUANTUM_COST_SOURCE: "provider", q.QUANTUM_COST_TYPE: "time", s.SPAN_TYPE: s.JOB.type, **CIRCUIT,
        q.QUANTUM_CIRCUIT_LOGICAL_DEPTH: 9, q.QUANTUM_CIRCUIT_LOGICAL_HASH: "sha256:77c1e8d0a5b2f3d4",
    }  # fmt: skip
    with tracer.start_as_current_span(
        "job ibm_torino", kind=SpanKind.CONSUMER, attributes=attributes, links=[Link(submission)]
    ):
        with stage(s.QUEUE, "ibm_torino", {**BACKEND, **JOB, q.QUANTUM_JOB_QUEUE_POSITION: 3}):
            pass
        _execute(submission)


def _execute(submission: trace.SpanContext) -> None:
    attributes = {
        **BACKEND, **JOB, **CIRCUIT, q.QUANTUM_OPERATION_NAME: "execute", q.QUANTUM_EXECUTION_SUCCESS: True,
        q.QUANTUM_JOB_SHOTS: 1000, q.QUANTUM_PRIMITIVE_NAME: "sampler", q.QUANTUM_MITIGATION_TECHNIQUE: "zne",
        q.QUANTUM_MITIGATION_EFFECT: 0.07, q.QUANTUM_MITIGATION_HELPED: True, s.SPAN_TYPE: s.EXECUTE.type,
    }  # fmt: skip
    with _tracer().start_as_current_span("execute ibm_torino", attributes=attributes, links=[Link(submission)]):
        pass


def _tracer() -> trace.Tracer:
    from eigenspan.sdk import spanned

    return trace.get_tracer("reference", tracer_provider=spanned.provider_in_use(), schema_url=SCHEMA_URL)


def llm() -> None:
    """The GenAI span, refined: its own attributes first, then what is added here."""
    attributes = {
        "gen_ai.operation.name": "chat", "gen_ai.request.model": "small-1", "gen_ai.provider.name": "example",
        "gen_ai.usage.input_tokens": 812, "gen_ai.request.temperature": 0.0, q.QUANTUM_LLM_PROMPT_TEMPLATE_VERSION: "12",
        q.QUANTUM_LLM_PROMPT_HASH: "sha256:9f86d081884c7d65", q.QUANTUM_LLM_VALIDATOR_PASSED: True,
    }  # fmt: skip
    with span(s.LLM, "chat small-1", attributes):
        pass


def ingress() -> None:
    with span(
        s.INGRESS, "ingress portfolio", {q.QUANTUM_WORKFLOW_NAME: "portfolio", q.QUANTUM_WORKLOAD_URGENCY: "high"}
    ):
        pass


def workflow() -> None:
    from eigenspan.sdk import workflow as of_sdk

    with of_sdk("portfolio", version="1.4.0", correlation_id="req-1"):
        pass


SPANS: dict[str, Scenario] = {
    s.WORKFLOW.type: workflow,
    s.INGRESS.type: ingress,
    s.LLM.type: llm,
    s.SUBMIT.type: submit,
    s.JOB.type: job,
    s.QUEUE.type: job,
    s.EXECUTE.type: job,
    s.FEATURE_PREPARATION.type: _stage(s.FEATURE_PREPARATION),
    s.PROMPT_CONSTRUCTION.type: _stage(s.PROMPT_CONSTRUCTION, QUANTUM_LLM_PROMPT_TEMPLATE_NAME="route-advice"),
    s.ANSWER_CHECK.type: _stage(s.ANSWER_CHECK, QUANTUM_LLM_VALIDATOR_NAME="json-schema", QUANTUM_LLM_VALIDATOR_PASSED=True),
    s.ORCHESTRATOR_DECISION.type: _stage(
        s.ORCHESTRATOR_DECISION, QUANTUM_ROUTE_TAKEN="qpu", QUANTUM_ROUTE_ALTERNATIVES=["simulator"],
        QUANTUM_ROUTE_OBJECTIVE="latency", QUANTUM_ROUTE_REASON="shortest queue"),
    s.BACKEND_SELECTION.type: _stage(s.BACKEND_SELECTION, QUANTUM_BACKEND_STATUS="idle", QUANTUM_BACKEND_NAME="ibm_torino"),
    s.CIRCUIT_ASSEMBLY.type: _stage(s.CIRCUIT_ASSEMBLY, "ghz", QUANTUM_CIRCUIT_NAME="ghz", QUANTUM_CIRCUIT_ESTIMATED_ERROR=0.2),
    s.PARAMETER_BINDING.type: _stage(s.PARAMETER_BINDING, QUANTUM_CIRCUIT_PARAMETER_COUNT=0),
    s.TRANSPILE.type: _stage(s.TRANSPILE, QUANTUM_OPERATION_NAME="transpile", QUANTUM_TRANSPILER_OPTIMIZATION_LEVEL=1,
        QUANTUM_CIRCUIT_LOGICAL_DEPTH=9, QUANTUM_CIRCUIT_DEPTH=12),
    s.POLL.type: _stage(s.POLL, "aer", QUANTUM_PROVIDER_NAME="qiskit_aer", QUANTUM_BACKEND_NAME="aer", QUANTUM_JOB_ID="j"),
    s.BATCH.type: _stage(s.BATCH, "aer", QUANTUM_PROVIDER_NAME="qiskit_aer", QUANTUM_BACKEND_NAME="aer", QUANTUM_CIRCUIT_COUNT=2),
    s.RESULT.type: _stage(s.RESULT, "aer", QUANTUM_PROVIDER_NAME="qiskit_aer", QUANTUM_BACKEND_NAME="aer", QUANTUM_OPERATION_NAME="result"),
    s.POST_PROCESS.type: _stage(s.POST_PROCESS, QUANTUM_RESULT_CONFIDENCE=0.9, QUANTUM_RESULT_DIVERGENCE=0.06),
    s.MITIGATION.type: _stage(s.MITIGATION, QUANTUM_MITIGATION_TECHNIQUE="zne", QUANTUM_MITIGATION_EFFECT=0.07),
    s.BUSINESS_RULE.type: _stage(s.BUSINESS_RULE, QUANTUM_RULE_NAME="max-exposure", QUANTUM_RULE_PASSED=True),
    s.SCORING.type: _stage(s.SCORING, QUANTUM_RESULT_CONFIDENCE=0.9),
    s.FALLBACK.type: _stage(s.FALLBACK, QUANTUM_FALLBACK_USED=True, QUANTUM_FALLBACK_KIND="simulator", QUANTUM_OUTCOME_DEGRADED=True),
    s.ALGORITHM.type: _stage(s.ALGORITHM, "VQE", QUANTUM_ALGORITHM_NAME="VQE", QUANTUM_ALGORITHM_APPROXIMATION_RATIO=0.94),
    s.LAYER.type: _stage(s.LAYER, "0", QUANTUM_LAYER_INDEX=0, QUANTUM_LAYER_TYPE="cost"),
    s.TRAINING.type: _stage(s.TRAINING, QUANTUM_TRAINING_EPOCH_COUNT=3),
    s.EPOCH.type: _stage(s.EPOCH, QUANTUM_TRAINING_EPOCH_INDEX=0, QUANTUM_TRAINING_EPOCH_LOSS=0.4),
}  # fmt: skip

PROVIDER = {q.QUANTUM_PROVIDER_NAME: "ibm", q.QUANTUM_BACKEND_NAME: "ibm_torino"}
EVENTS: dict[str, dict[str, Any]] = {
    e.QUANTUM_JOB_STATUS_CHANGE: {**JOB, q.QUANTUM_JOB_STATUS: "running", q.QUANTUM_JOB_PREVIOUS_STATUS: "queued"},
    e.QUANTUM_BACKEND_CALIBRATION_CHANGE: {**PROVIDER, q.QUANTUM_BACKEND_CALIBRATION_VERSION: "sha256:9f86d081884c7d65",
        q.QUANTUM_BACKEND_CALIBRATION_TIME: "2026-08-01T06:12:44Z"},
    e.QUANTUM_EVALUATION_RESULT: {q.QUANTUM_EVALUATION_NAME: "consistency", q.QUANTUM_EVALUATION_SCORE: 0.87},
    e.QUANTUM_CIRCUIT_EXECUTION: {**PROVIDER, q.QUANTUM_EXECUTION_SUCCESS: False, "error.type": "timeout"},
    e.QUANTUM_HARDWARE_EVENT: {**PROVIDER, q.QUANTUM_HARDWARE_CHANGE: "outage", q.QUANTUM_BACKEND_STATUS: "offline"},
    e.QUANTUM_ALGORITHM_PERFORMANCE: {q.QUANTUM_ALGORITHM_NAME: "QAOA", q.QUANTUM_ALGORITHM_ADVANTAGE: 0.3},
    e.QUANTUM_COST_EVENT: {q.QUANTUM_PROVIDER_NAME: "ibm", q.QUANTUM_COST_AMOUNT: 3.2, q.QUANTUM_COST_CURRENCY: "USD",
        q.QUANTUM_COST_SOURCE: "estimate", q.QUANTUM_COST_TYPE: "time"},
    e.QUANTUM_ERROR_EVENT: {"error.type": "timeout", q.QUANTUM_STAGE_NAME: "execute", **PROVIDER},
    e.QUANTUM_SECURITY_EVENT: {q.QUANTUM_SECURITY_CATEGORY: "redaction", q.QUANTUM_SECURITY_ACTION: "redacted"},
}  # fmt: skip
"""Event → its attributes."""


def record_event(logger: Any, name: str) -> None:
    """The event as a log record."""
    logger.emit(LogRecord(timestamp=1, event_name=name, attributes=EVENTS[name]))


VALUES: dict[str, Any] = {
    **PROVIDER, q.QUANTUM_EXECUTION_SUCCESS: True, q.QUANTUM_OPERATION_NAME: "execute", q.QUANTUM_STAGE_NAME: "execute",
    q.QUANTUM_BACKEND_ERROR_KIND: "gate_error", q.QUANTUM_COST_CURRENCY: "USD", q.QUANTUM_COST_SOURCE: "provider",
    q.QUANTUM_COST_TYPE: "time", q.QUANTUM_FALLBACK_KIND: "simulator", q.QUANTUM_OUTCOME_DEGRADED: False,
    q.QUANTUM_LLM_VALIDATOR_PASSED: True, q.QUANTUM_LLM_VALIDATOR_NAME: "json-schema", q.QUANTUM_WORKFLOW_NAME: "portfolio",
    q.QUANTUM_WORKLOAD_CLASS: "interactive", q.QUANTUM_CIRCUIT_FAMILY: "ghz", "error.type": "timeout",
}  # fmt: skip
"""Dimension → a value for it."""


def record_metric(meter: Any, metric: m.Metric) -> None:
    """One measurement, with every dimension that has a value above."""
    made = {"counter": meter.create_counter, "updowncounter": meter.create_up_down_counter,
            "gauge": meter.create_gauge, "histogram": meter.create_histogram}[metric.instrument](
                metric.name, metric.unit, metric.brief)  # fmt: skip
    labels = {key: VALUES[key] for key in metric.attributes if key in VALUES}
    {"counter": lambda: made.add(1, labels), "updowncounter": lambda: made.add(1, labels),
     "gauge": lambda: made.set(1.0, labels), "histogram": lambda: made.record(1.0, labels)}[metric.instrument]()  # fmt: skip
