"""Jobs at Google's Quantum Engine: the real client over gRPC against a server that speaks its protocol."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from opentelemetry.instrumentation.utils import suppress_instrumentation
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from tests.instrument.recording import Recorder, instrumented, stable

cirq = pytest.importorskip("cirq")
pytest.importorskip("cirq_google")

from eigenspan.instrument._propagate import submitter  # noqa: E402
from eigenspan.instrument.cirq import CirqInstrumentor  # noqa: E402
from eigenspan.schema.validate import validate  # noqa: E402
from eigenspan.sdk.job_sources import GoogleJobs  # noqa: E402
from eigenspan.sdk.watch import Watch, spans_of  # noqa: E402
from tests.instrument.google_server import PROCESSOR, Service, serving  # noqa: E402

A, B = cirq.GridQubit(3, 2), cirq.GridQubit(4, 2)
PLACED = cirq.Circuit(cirq.CZ(A, B), cirq.measure(A, B, key="m"))
JOB = [
    "submit willow_pink PRODUCER",
    "  job willow_pink CONSUMER",
    "    queue willow_pink INTERNAL",
    "    execute willow_pink INTERNAL",
]


@pytest.fixture
def spans(recorder: Recorder) -> Iterator[Recorder]:
    with instrumented(CirqInstrumentor(), recorder):
        yield recorder


@pytest.fixture
def google() -> Iterator[tuple[Service, Any]]:
    with serving() as served:
        yield served


def submitted(engine: Any, **more: Any) -> Any:
    processor = engine.get_processor(PROCESSOR)
    return processor.run_sweep(PLACED, repetitions=5, device_config_name="default", run_name="current", **more)


def test_a_run_from_its_submission_to_its_result(spans: Recorder, google: tuple[Service, Any]) -> None:
    state, engine = google
    engine.get_sampler(PROCESSOR).run(PLACED, repetitions=5)
    assert spans.tree() == [*JOB, "result willow_pink CLIENT"]
    (submit,), (execute,) = spans.named("submit willow_pink"), spans.named("execute willow_pink")
    assert submit.attributes["quantum.job.id"] == execute.attributes["quantum.job.id"]
    (job,) = state.jobs.values()
    assert submitter(dict(job.labels))[0].span_id == submit.context.span_id
    facts = stable(execute)
    assert facts["quantum.circuit.physical_qubits"] == ("3_2", "4_2")
    assert (facts["quantum.job.shots"], facts["quantum.backend.simulator"]) == (5, False)
    assert spans.executions() == {("willow_pink", True): 1}


def test_a_job_asked_twice_is_recorded_once(spans: Recorder, google: tuple[Service, Any]) -> None:
    job = submitted(google[1])
    job.results()
    job.results()
    assert spans.tree() == [*JOB, "result willow_pink CLIENT"]


def test_a_job_that_fails_is_a_failed_execution(spans: Recorder, google: tuple[Service, Any]) -> None:
    google[0].end = "FAILURE"
    with pytest.raises(Exception, match="the fridge is warm"):
        google[1].get_sampler(PROCESSOR).run(PLACED, repetitions=5)
    (job,) = spans.named("job willow_pink")
    assert (job.attributes["error.type"], job.status.description) == ("failed", "the fridge is warm")
    assert spans.executions() == {("willow_pink", False): 1}


def test_a_user_label_stays(spans: Recorder, google: tuple[Service, Any]) -> None:
    submitted(google[1], job_labels={"team": "x"})
    (job,) = google[0].jobs.values()
    assert set(job.labels) == {"team", "traceparent", "eigenspan"}


def test_suppression_is_honoured(spans: Recorder, google: tuple[Service, Any]) -> None:
    with suppress_instrumentation():
        google[1].get_sampler(PROCESSOR).run(PLACED, repetitions=5)
    assert spans.spans == ()
    assert [dict(job.labels) for job in google[0].jobs.values()] == [{}]


@pytest.mark.parametrize(("end", "status"), [("SUCCESS", "completed"), ("FAILURE", "failed")])
def test_a_watcher_follows_a_job_through_the_real_client(
    recorder: Recorder, google: tuple[Service, Any], tmp_path: Any, end: str, status: str
) -> None:
    state, engine = google
    state.end = end
    CirqInstrumentor().instrument(tracer_provider=recorder.tracer_provider, jobs=False, skip_dep_check=True)
    try:
        submitted(engine)
    finally:
        CirqInstrumentor().uninstrument()
    exporter = InMemorySpanExporter()
    with Watch(tmp_path / "jobs.db", GoogleJobs(engine), exporter, every_s=0) as watch:
        assert watch.discover() == 1
        ended = [watch.turn() for _ in range(3)]
    assert ended == [0, 0, 1]
    job, queue, execute = exporter.get_finished_spans()
    (submit,) = recorder.spans
    assert job.links[0].context.span_id == submit.context.span_id
    assert job.attributes["quantum.job.id"] == submit.attributes["quantum.job.id"]
    assert job.attributes["quantum.job.status"] == status
    assert [(span.end_time - span.start_time) // 10**9 for span in (job, queue, execute)] == [62, 60, 2]
    assert {f.id for f in validate(encode_spans([job, queue, execute]))} <= {"eigenspan.contract.field_not_present"}


def test_a_watcher_makes_the_same_spans_as_the_submitter(spans: Recorder, google: tuple[Service, Any]) -> None:
    job = submitted(google[1])
    job.results()
    source = GoogleJobs(google[1])
    watched = spans_of(source.job(*source.recent(), None), "link", Resource({}))
    recorded = [spans.named(f"{phase} willow_pink")[0] for phase in ("job", "queue", "execute")]
    assert [(s.context.trace_id, s.context.span_id, s.parent.span_id) for s in watched] == [
        (s.context.trace_id, s.context.span_id, s.parent.span_id) for s in recorded
    ]
