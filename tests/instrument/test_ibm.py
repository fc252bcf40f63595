"""Jobs, sessions and batches on IBM's service: the real client over HTTP against a server that speaks its protocol."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from typing import Any

import polars as pl
import pytest
from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from opentelemetry.instrumentation.utils import suppress_instrumentation
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from tests.instrument.recording import Recorder, instrumented, stable

pytest.importorskip("qiskit_ibm_runtime")

from qiskit import QuantumCircuit, transpile
from qiskit_ibm_runtime import Batch, EstimatorV2, Executor, QuantumProgram, SamplerV2, Session
from qiskit_ibm_runtime.exceptions import RuntimeJobFailureError
from qiskit_ibm_runtime.executor_sampler import Sampler

from eigenspan.collector.classify import classify
from eigenspan.collector.measure import SpanMetrics
from eigenspan.collector.scan_python import scan
from eigenspan.instrument._propagate import submitter
from eigenspan.instrument.qiskit_runtime import QiskitRuntimeInstrumentor
from eigenspan.schema.validate import validate
from eigenspan.sdk.job_sources import IbmJobs
from eigenspan.sdk.watch import Watch, spans_of
from tests.collector.building import WATCH
from tests.instrument.ibm_server import BACKEND, NAME, Service, result_of, serving


def bell() -> QuantumCircuit:
    circuit = QuantumCircuit(2, name="bell")
    circuit.h(0)
    circuit.cx(0, 1)
    circuit.measure_all()
    return circuit


PLACED = transpile(bell(), BACKEND, optimization_level=1, initial_layout=[0, 1], seed_transpiler=1)
RESULT = result_of(PLACED)
JOB = [
    "submit ibm_manila PRODUCER",
    "  job ibm_manila CONSUMER",
    "    queue ibm_manila INTERNAL",
    "    execute ibm_manila INTERNAL",
]


pytestmark = pytest.mark.usefixtures("quiet")


@pytest.fixture
def spans(recorder: Recorder) -> Iterator[Recorder]:
    with instrumented(QiskitRuntimeInstrumentor(), recorder):
        yield recorder


@pytest.fixture
def ibm() -> Iterator[tuple[Service, Any]]:
    with serving() as (state, service):
        state.result = RESULT
        yield state, service


def below(lines: list[str]) -> list[str]:
    return ["  " + line for line in lines]


def test_a_job_from_its_submission_to_its_result(spans: Recorder, ibm: tuple[Service, Any]) -> None:
    state, service = ibm
    backend = service.backend(NAME)
    with spans.tracer.start_as_current_span("request"):
        job = SamplerV2(mode=backend).run([PLACED], shots=10)
        assert job.result()[0].data.meas.num_shots == 10
        job.result()
    assert spans.tree() == ["request INTERNAL", *below(JOB), "  result ibm_manila CLIENT"]
    (submit,), (result,) = spans.named("submit ibm_manila"), spans.named("result ibm_manila")
    assert [link.context for link in result.links] == [submit.context]
    tags = state.jobs[job.job_id()]["tags"]
    assert submitter(tags)[0].span_id == submit.context.span_id
    facts = stable(spans.named("execute ibm_manila")[0])
    assert facts.pop("quantum.circuit.operations")
    assert facts == {
        "quantum.operation.name": "execute",
        "quantum.provider.name": "ibm",
        "quantum.backend.name": "ibm_manila",
        "quantum.backend.simulator": False,
        "quantum.job.shots": 10,
        "quantum.job.status": "completed",
        "quantum.execution.success": True,
        "quantum.circuit.name": "bell",
        "quantum.circuit.depth": 5,
        "quantum.circuit.qubit_count": 2,
        "quantum.circuit.gate_count": 4,
        "quantum.circuit.two_qubit_gate_count": 1,
        "quantum.circuit.measurement_count": 2,
        "quantum.circuit.parameter_count": 0,
        "quantum.circuit.physical_qubits": ("0", "1"),
    }
    assert spans.executions() == {("ibm_manila", True): 1}
    assert spans.points("quantum.job.submissions", "quantum.backend.name") == {("ibm_manila",): 1}
    assert spans.points("quantum.usage.qpu.time") == {(): 2.0}
    assert state.asked.count(f"GET /jobs/{job.job_id()}/metrics") == 1


@pytest.mark.parametrize("kind", [Session, Batch])
def test_what_is_run_in_a_session_is_below_it(spans: Recorder, ibm: tuple[Service, Any], kind: Any) -> None:
    state, service = ibm
    with kind(backend=service.backend(NAME)) as session:
        for _ in range(2):
            SamplerV2(mode=session).run([PLACED], shots=10).result()
    once = [*below(JOB), "  result ibm_manila CLIENT"]
    assert spans.tree() == ["batch ibm_manila INTERNAL", *once, *once]
    (batch,) = spans.named("batch ibm_manila")
    assert batch.attributes["quantum.circuit.count"] == 2
    assert [one["open"] for one in state.sessions.values()] == [False]
    assert batch.end_time >= spans.named("execute ibm_manila")[1].end_time


@pytest.mark.parametrize("end", ["close", "cancel", "forget"])
def test_jobs_in_an_open_session_link_to_it(spans: Recorder, ibm: tuple[Service, Any], end: str) -> None:
    session = Batch(backend=ibm[1].backend(NAME))
    sampler = SamplerV2(mode=session)
    sampler.run([PLACED, PLACED], shots=10).wait_for_final_state()
    del sampler
    if end == "forget":
        del session
        gc.collect()
    else:
        getattr(session, end)()
    assert spans.tree() == ["batch ibm_manila INTERNAL", *JOB, "poll ibm_manila CLIENT"]
    (batch,), (submit,) = spans.named("batch ibm_manila"), spans.named("submit ibm_manila")
    assert [link.context for link in submit.links] == [batch.context]
    assert batch.attributes["quantum.circuit.count"] == 2


def test_a_session_that_is_refused_or_left_by_an_error_fails(spans: Recorder, ibm: tuple[Service, Any]) -> None:
    backend = ibm[1].backend(NAME)
    with pytest.raises(RuntimeError, match="no"), Session(backend=backend):
        raise RuntimeError("no")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Service, "open", property())  # the server has no such route
        patch.setattr("tests.instrument.ibm_server._ROUTES", [])
        with pytest.raises(Exception, match="404"):
            Session(backend=backend)
    assert [line.split("! ")[1] for line in spans.tree()] == [
        "RuntimeError", "qiskit_ibm_runtime.api.exceptions.RequestsApiError",
    ]  # fmt: skip


@pytest.mark.parametrize("run", ["sampler", "estimator", "executor"])
def test_sessions_in_local_mode(spans: Recorder, run: str) -> None:
    """The fake backend is the real thing here: what runs in the batch is an execution below it."""
    with Batch(backend=BACKEND) as batch:
        if run == "sampler":
            job = SamplerV2(mode=batch).run([PLACED], shots=10)
        elif run == "estimator":
            from qiskit.quantum_info import SparsePauliOp

            job = EstimatorV2(mode=batch).run(
                [(PLACED.remove_final_measurements(inplace=False), SparsePauliOp("Z" * 5))]
            )
        else:
            job = Executor(mode=batch).run(program())
        job.result()
    assert spans.tree() == [
        "batch fake_manila INTERNAL",
        "  execute fake_manila INTERNAL",
        "  result fake_manila CLIENT",
    ]
    assert spans.executions() == {("fake_manila", True): 1}


def program() -> QuantumProgram:
    made = QuantumProgram(shots=10)
    made.append_circuit_item(PLACED)
    return made


def test_the_executor_and_what_is_built_on_it_submit_once(spans: Recorder, ibm: tuple[Service, Any]) -> None:
    backend = ibm[1].backend(NAME)
    Executor(mode=backend).run(program())
    Sampler(mode=backend).run([PLACED], shots=10)
    assert spans.tree() == ["submit ibm_manila PRODUCER"] * 2
    assert spans.spans[0].attributes["quantum.circuit.two_qubit_gate_count"] == 1


@pytest.mark.parametrize(("end", "raised"), [("Failed", RuntimeJobFailureError), ("Cancelled", Exception)])
def test_a_job_that_fails_is_a_failed_execution(
    spans: Recorder, ibm: tuple[Service, Any], end: str, raised: type[Exception]
) -> None:
    ibm[0].end = end
    with pytest.raises(raised):
        SamplerV2(mode=ibm[1].backend(NAME)).run([PLACED], shots=10).result()
    (job,) = spans.named("job ibm_manila")
    assert job.attributes["error.type"] == end.lower()
    assert ("the fridge is warm" in job.status.description) == (end == "Failed")
    assert all(success is False for _, success in spans.executions())


def test_what_a_backend_says_of_its_queue_is_measured(spans: Recorder, ibm: tuple[Service, Any]) -> None:
    state, service = ibm
    backend = service.backend(NAME)
    assert spans.points("quantum.backend.queue.jobs") == {}
    backend.status()
    state.pending = 3
    backend.status()
    assert spans.points("quantum.backend.queue.jobs", "quantum.backend.name") == {("ibm_manila",): 3}
    assert spans.points("quantum.backend.availability", "quantum.provider.name") == {("ibm",): 1}


def test_suppression_is_honoured(spans: Recorder, ibm: tuple[Service, Any]) -> None:
    state, service = ibm
    with suppress_instrumentation(), Session(backend=service.backend(NAME)) as session:
        SamplerV2(mode=session).run([PLACED], shots=10).result()
    assert spans.spans == ()
    assert [job["tags"] for job in state.jobs.values()] == [[]]
    assert spans.points("quantum.backend.queue.jobs") == {}


def test_with_jobs_left_to_a_watcher_there_is_no_execution(recorder: Recorder, ibm: tuple[Service, Any]) -> None:
    state, service = ibm
    QiskitRuntimeInstrumentor().instrument(tracer_provider=recorder.tracer_provider, jobs=False, skip_dep_check=True)
    try:
        SamplerV2(mode=service.backend(NAME)).run([PLACED], shots=10).result()
    finally:
        QiskitRuntimeInstrumentor().uninstrument()
    assert recorder.tree() == ["submit ibm_manila PRODUCER", "result ibm_manila CLIENT"]
    assert not [request for request in state.asked if request.endswith("/metrics")]


@pytest.mark.parametrize(
    ("end", "status"), [("Completed", "completed"), ("Failed", "failed"), ("Cancelled", "cancelled")]
)
def test_a_watcher_follows_a_job_through_the_real_client(
    spans: Recorder, ibm: tuple[Service, Any], tmp_path: Any, end: str, status: str
) -> None:
    state, service = ibm
    state.end = end
    SamplerV2(mode=service.backend(NAME)).run([PLACED], shots=10)
    exporter = InMemorySpanExporter()
    with Watch(tmp_path / "jobs.db", IbmJobs(service), exporter, every_s=0) as watch:
        assert watch.discover() == 1
        ended = [watch.turn() for _ in range(3)]
    assert ended == [0, 1, 0]
    job, queue, *execute = exporter.get_finished_spans()
    assert (job.attributes["quantum.job.status"], len(execute)) == (status, 0 if end == "Cancelled" else 1)
    assert (job.end_time - job.start_time) / 1e9 == 62
    assert job.parent.span_id == spans.spans[0].context.span_id
    assert {f.id for f in validate(encode_spans([job, queue, *execute]))} <= {
        "eigenspan.contract.field_not_present", "eigenspan.trace.link_missing",
    }  # fmt: skip


def test_a_watcher_makes_the_same_spans_as_the_submitter(spans: Recorder, ibm: tuple[Service, Any]) -> None:
    _, service = ibm
    job = SamplerV2(mode=service.backend(NAME)).run([PLACED], shots=10)
    job.result()
    watched = spans_of(IbmJobs(service).job(job.job_id(), None), "link", Resource({}))
    names = [f"{phase} ibm_manila" for phase in ("job", "queue", "execute")]
    assert [identity(span) for span in watched] == [identity(spans.named(name)[0]) for name in names]


def test_the_collector_counts_the_submitters_and_the_watchers_spans_once(
    spans: Recorder, ibm: tuple[Service, Any]
) -> None:
    _, service = ibm
    job = SamplerV2(mode=service.backend(NAME)).run([PLACED], shots=10)
    job.result()
    watched = spans_of(IbmJobs(service).job(job.job_id(), None), "link", Resource({}))
    metrics = SpanMetrics()
    for position, sent in enumerate((spans.spans, watched), 1):
        body = encode_spans(sent).SerializeToString()
        found = scan([body], WATCH).columns.with_columns(
            position=pl.lit(position, pl.UInt64), log_ns=pl.lit(0, pl.Int64), tenant=pl.lit("")
        )
        metrics.count(classify(found))
    executions = metrics.series["quantum.circuit.executions"].values
    assert sum(executions.values()) == 1
    assert metrics.repeated == 3


def identity(span: Any) -> tuple[Any, ...]:
    """What stores and the collector know a span by, and its times."""
    return span.context.trace_id, span.context.span_id, span.parent.span_id, span.kind, span.start_time, span.end_time
