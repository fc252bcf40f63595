"""What a program would count of itself, the collector derives from its spans: the same numbers under the same labels."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Any

import pytest
from opentelemetry import metrics as otel_metrics
from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from opentelemetry.sdk.metrics.export import HistogramDataPoint

from eigenspan.collector.classify import classify
from eigenspan.collector.commit import Logged, columns
from eigenspan.collector.instruments import INSTRUMENTS, LLM_DURATION, LLM_TOKENS
from eigenspan.collector.measure import SpanMetrics
from eigenspan.collector.scan import engine
from eigenspan.collector.watch import compile_watch
from eigenspan.instrument import _metrics
from eigenspan.instrument._jobs import Job, Status, emit
from eigenspan.instrument._prices import Price, PriceTable, use
from eigenspan.instrument._telemetry import Telemetry
from eigenspan.sdk import llm, spans, workflow
from eigenspan.semconv.metrics import METRICS
from tests.collector.building import SECOND, payload
from tests.instrument.recording import Recorder

BY_HAND = {"quantum.circuit.fidelity", "quantum.circuit.divergence", "quantum.circuit.coherence_margin"}
"""Nothing in the SDK records these: they are what programs and upstream collectors put on spans."""
PLACE: dict[str, Any] = {"provider_name": "ionq", "backend_name": "Aria-1", "circuit_depth": 7, "circuit_gate_count": 9}
FACTS = {"quantum.job.shots": 100, "quantum.circuit.count": 3}
ENDS = [
    (Status.COMPLETED, 4),
    (Status.FAILED, 4),
    (Status.FAILED, None),
    (Status.CANCELLED, None),
    (Status.TIMED_OUT, 9),
]


@pytest.fixture
def recorder(monkeypatch: pytest.MonkeyPatch) -> Recorder:
    made = Recorder()
    monkeypatch.setattr(_metrics, "_from_spans", True)
    monkeypatch.setattr("eigenspan.sdk.spanned.provider_in_use", lambda: made.tracer_provider)
    monkeypatch.setattr("eigenspan.sdk.spanned.meters_in_use", lambda: made.meter_provider)
    monkeypatch.setattr(otel_metrics._internal, "_METER_PROVIDER", made.meter_provider)
    return made


def a_hybrid_request(recorder: Recorder) -> None:
    """Stages, a failure, a submission again, a fallback, checked answers, and jobs that end in every way."""
    with workflow("w", version="1", workload_class="batch") as run:
        with spans.ingress(), spans.transpile(**PLACE):
            pass
        with llm.llm_request("m", provider="p", prompt="x") as request:
            request.answered(input_tokens=3, output_tokens=5)
        llm.check("{}", llm.JsonSchema({"type": "object"}), llm.JsonSchema({"type": "array"}, name="other"))
        with spans.execute(**PLACE, job_shots=10, circuit_count=2):
            pass
        for count in (0, 1, 2):
            with spans.submit(**PLACE, job_retry_count=count):
                pass
        with pytest.raises(OSError, match="no"), spans.execute(**PLACE, job_shots=10):
            raise OSError("no")
        with spans.fallback(fallback_kind="classical"), spans.post_process():
            pass
        for i, (status, started_s) in enumerate(ENDS):
            start_ns = None if started_s is None else started_s * SECOND
            used = {} if started_s is None else {"quantum.usage.qpu.duration": 1.5}
            telemetry = Telemetry("t", recorder.tracer_provider, recorder.meter_provider)
            emit(
                telemetry,
                Job("ionq", "Aria-1", f"j{i}", status, SECOND, start_ns, 10 * SECOND, attributes=FACTS | used),
                None,
            )
        run.outcome(success=True)


def counted_by_the_sdk(recorder: Recorder) -> dict[str, Counter[tuple[tuple[str, str], ...]]]:
    found: dict[str, Counter[tuple[tuple[str, str], ...]]] = {}
    for scope in recorder.reader.get_metrics_data().resource_metrics[0].scope_metrics:
        for metric in scope.metrics:
            for point in metric.data.data_points:
                labels = _shown((key, _text(value)) for key, value in point.attributes.items())
                amount = point.count if isinstance(point, HistogramDataPoint) else point.value
                found.setdefault(metric.name, Counter())[labels] += amount
    return found


def counted_by_the_collector(recorder: Recorder) -> dict[str, Counter[tuple[tuple[str, str], ...]]]:
    logged = [Logged(1, payload(encode_spans(recorder.spans).SerializeToString()), 0, b"")]
    metrics = SpanMetrics()
    metrics.count(classify(columns(logged, engine(), compile_watch()).spans))
    found: dict[str, Counter[tuple[tuple[str, str], ...]]] = {}
    for name, series in metrics.series.items():
        amounts = series.values or {labels: h.count for labels, h in series.histograms.items()}
        for labels, amount in amounts.items():
            found.setdefault(name, Counter())[_shown(zip(series.instrument.labels, labels, strict=True))] += amount
    return found


def _shown(labels: Iterable[tuple[str, str]]) -> tuple[tuple[str, str], ...]:
    """Labels in order, but for what only spans know of the request."""
    return tuple(
        sorted((k, v) for k, v in labels if v and k not in ("quantum.workload.class", "quantum.workflow.name"))
    )


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def test_the_collector_counts_of_its_spans_what_the_program_would_count(recorder):
    use(PriceTable((Price("ionq", "USD", per_shot=0.1),)))
    try:
        a_hybrid_request(recorder)
    finally:
        use(None)
    program, collector = counted_by_the_sdk(recorder), counted_by_the_collector(recorder)
    derived = {i.metric.name for i in INSTRUMENTS if not i.metric.name.startswith("eigenspan.")} - BY_HAND
    assert derived <= set(program)
    backend, provider, operation, stage, failure = (
        "quantum.backend.name", "quantum.provider.name", "quantum.operation.name", "quantum.stage.name", "error.type"
    )  # fmt: skip
    place = {backend: "Aria-1", provider: "ionq"}

    def more(name: str, n: int = 1, **labels: str) -> None:
        """Of the jobs at the provider a program counts no operations, stages and errors, of its own executions no wait."""
        program[name][_shown(labels.items())] += n

    for error, n in (("failed", 2), ("cancelled", 1), ("timeout", 1)):
        more("quantum.client.errors", n, **place, **{failure: error})
    for error in ("", "failed", "timeout"):
        more("quantum.client.operation.duration", **place, **{failure: error, operation: "execute"})
    ended = [("execute", "", 1), ("execute", "failed", 1), ("execute", "timeout", 1)]
    for where, error, n in [*ended, ("queue", "", 3), ("queue", "failed", 1), ("queue", "cancelled", 1)]:
        more("quantum.stage.duration", n, **{stage: where, failure: error})
        more("quantum.stage.requests", n, **{stage: where, failure: error, provider: "ionq"})
    for error in ("", "OSError"):
        more("quantum.job.queue.wait", **place, **{failure: error})
    for name in sorted(derived):
        assert collector[name] == program[name], name
    assert collector["quantum.job.queue.wait"].total() == len(ENDS) + 2


def test_the_metrics_of_models_are_the_same_on_both_sides():
    assert (LLM_DURATION, LLM_TOKENS) == (llm.DURATION, llm.TOKENS)


def test_what_a_program_sends_by_default_and_what_the_collector_derives_are_apart(recorder, monkeypatch):
    monkeypatch.setattr(_metrics, "_from_spans", None)
    monkeypatch.delenv("EIGENSPAN_SPAN_METRICS", raising=False)
    a_hybrid_request(recorder)
    llm.evaluated("hallucination", 0.0)
    sent = set(counted_by_the_sdk(recorder))
    assert sent == {"quantum.llm.hallucination_rate"}
    assert not sent & {i.metric.name for i in INSTRUMENTS}


def test_every_name_of_the_field_has_one_owner():
    """Either the collector serves it, from spans or calibrations, or the SDK alone knows; none is forgotten."""
    spans_ = {name.name for i in INSTRUMENTS for name in i.field_names}
    known = {metric.prometheus for metric in METRICS.values() if metric.prometheus}
    backends = {
        m.prometheus for m in METRICS.values() if m.name.startswith(("quantum.backend.", "quantum.provider."))
    } - {""}
    sdk = {"hallucination_rate", "response_consistency_score"}
    assert known == (spans_ & known) | backends | sdk
    assert not spans_ & (backends | sdk)
    assert spans_ - known == {"llm_inference_latency_seconds", "token_usage_per_request"}
