"""Jobs that outlive the process: what a watcher makes of them, and that making it again makes the same."""

from __future__ import annotations

import json
import logging
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace.export import SpanExportResult
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanContext, TraceFlags, TraceState

from eigenspan.collector.threshold import parse
from eigenspan.instrument import _prices
from eigenspan.instrument._jobs import Job, Status, describe
from eigenspan.instrument._propagate import carrier, listed, submitter
from eigenspan.schema.validate import validate
from eigenspan.sdk import watch as watching
from eigenspan.sdk import workflow
from eigenspan.sdk.job_sources import BraketJobs
from eigenspan.sdk.watch import Watch, spans_of
from tests.instrument.recording import Recorder

SECOND = 10**9
SUBMIT = SpanContext(0xABC << 64 | 0x1234567890ABCD, 0x77, is_remote=False, trace_flags=TraceFlags(1))
TAGS = {
    **carrier(SUBMIT),
    "quantum.request.correlation_id": "c-1",
    "quantum.workflow.version": "1.4.0",
}
DONE = Job(
    "ibm", "ibm_torino", "job-1", Status.COMPLETED, 1000 * SECOND, 1060 * SECOND, 1062 * SECOND, tags=TAGS,
    attributes={"quantum.job.shots": 100, "quantum.circuit.depth": 3, "quantum.usage.qpu.duration": 2.0, "cloud.region": "us-east"},
)  # fmt: skip
RESOURCE = Resource({"service.name": "jobs"})


class Source:
    """A provider whose answers are a list."""

    provider = "ibm"

    def __init__(self, *answers: Any) -> None:
        self.answers = list(answers)
        self.begun: list[int | None] = []

    def job(self, job_id: str, begun_ns: int | None) -> Job:
        self.begun.append(begun_ns)
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, Exception):
            raise answer
        return answer

    def recent(self) -> list[str]:
        return ["job-1", "job-2"]


class Clock:
    now = 2000 * SECOND

    def __call__(self) -> int:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


def make(path: Path, source: Any, exporter: Any, clock: Clock, meters: Recorder | None = None, **more: Any) -> Watch:
    return Watch(
        path / "jobs.db",
        source,
        exporter,
        now_ns=clock,
        every_s=10,
        meter_provider=meters and meters.meter_provider,
        **more,
    )


def encoded(spans: Any) -> bytes:
    return encode_spans(spans).SerializeToString(deterministic=True)


def test_a_jobs_spans_are_the_same_whenever_they_are_made() -> None:
    assert encoded(spans_of(DONE, "link", RESOURCE)) == encoded(spans_of(DONE, "link", RESOURCE))
    assert spans_of(DONE, "link", RESOURCE)[0].context.trace_id != 0


@pytest.mark.parametrize(
    ("style", "same_trace", "linked"), [("link", False, True), ("child", True, False), ("none", False, False)]
)
def test_the_style_says_how_both_halves_hang_together(style: Any, same_trace: bool, linked: bool) -> None:
    job, queue, execute = spans_of(DONE, style, RESOURCE)
    assert (job.context.trace_id == SUBMIT.trace_id) == same_trace
    assert (job.parent == submitter(TAGS)[0]) == same_trace
    assert bool(job.links) == bool(execute.links) == linked
    assert queue.parent == execute.parent == job.context
    assert (queue.start_time, queue.end_time, execute.end_time) == (1000 * SECOND, 1060 * SECOND, 1062 * SECOND)


@pytest.mark.parametrize("style", ["link", "child"])
@pytest.mark.parametrize("own", ["", "0fedcba9876543"])
def test_both_halves_have_the_same_randomness(style: Any, own: str) -> None:
    state = TraceState([("ot", f"th:8;rv:{own}")]) if own else TraceState()
    submit = SpanContext(SUBMIT.trace_id, 1, is_remote=False, trace_flags=TraceFlags(1), trace_state=state)
    job = spans_of(Job(**{**fields(DONE), "tags": carrier(submit)}), style, RESOURCE)[0]
    assert verdict(job.context) == verdict(submit)


def verdict(context: SpanContext) -> int:
    """What the collector's sampler compares with its threshold."""
    own = parse(context.trace_state.to_header()).randomness
    return context.trace_id & (1 << 56) - 1 if own is None else own


def fields(job: Job) -> dict[str, Any]:
    return {name: getattr(job, name) for name in Job.__dataclass_fields__}


def test_a_submitter_that_was_not_sampled_has_no_job_either() -> None:
    tags = {"traceparent": TAGS["traceparent"][:-2] + "00"}
    assert spans_of(Job(**{**fields(DONE), "tags": tags}), "link", RESOURCE) == []
    assert len(spans_of(Job(**{**fields(DONE), "tags": tags}), "none", RESOURCE)) == 3


@pytest.mark.parametrize("tags", [TAGS, [f"{k}:{v}" for k, v in TAGS.items()]])
def test_tags_as_map_and_as_list_say_the_same(tags: Any) -> None:
    context, randomness = submitter(tags)
    assert (context.trace_id, context.span_id, context.is_remote) == (SUBMIT.trace_id, SUBMIT.span_id, True)
    assert int(randomness, 16) == verdict(SUBMIT)


@given(st.one_of(st.dictionaries(st.sampled_from(["traceparent", "rv"]), st.text()), st.lists(st.text())))
def test_any_tags_give_a_submitter_or_none(tags: Any) -> None:
    found = submitter(tags)
    assert found is None or found[0].is_valid


def test_what_the_request_is_travels_in_the_tags_but_for_the_tenant(recorder: Recorder) -> None:
    with workflow("w", version="1;2", correlation_id="c", tenant="acme", workload_class="batch"):
        tags = carrier(SUBMIT)
    assert tags == {
        "traceparent": TAGS["traceparent"], "quantum.request.correlation_id": "c", "quantum.workflow.name": "w",
        "quantum.workload.class": "batch",
    }  # fmt: skip
    assert listed(SUBMIT) == [f"traceparent:{TAGS['traceparent']}"]


@pytest.mark.parametrize(
    ("status", "started", "phases", "error"),
    [
        (Status.COMPLETED, 1060, ["job", "queue", "execute"], ""),
        (Status.FAILED, 1060, ["job", "queue", "execute"], "failed"),
        (Status.FAILED, None, ["job", "queue"], "failed"),
        (Status.CANCELLED, None, ["job", "queue"], "cancelled"),
    ],
)
@pytest.mark.parametrize("style", ["link", "child", "none"])
def test_whatever_becomes_of_a_job_its_spans_conform(
    status: Status, started: int | None, phases: list[str], error: str, style: Any
) -> None:
    job = Job(
        **{**fields(DONE), "status": status, "started_ns": started and started * SECOND, "error": "token=abcdefgh"}
    )
    spans = spans_of(job, style, RESOURCE)
    assert [span.name.split()[0] for span in spans] == phases
    assert spans[0].attributes.get("error.type", "") == error
    assert "abcdefgh" not in "".join(span.to_json() for span in spans)
    found = validate(encode_spans(spans))
    expected = {"eigenspan.trace.link_missing"} if style == "none" else set()
    expected |= (
        {"eigenspan.trace.link_missing"} if style == "child" else set()
    )  # the submission is exported by another process
    assert {one.id for one in found} <= expected, [str(one) for one in found]


@given(
    st.integers(0, 100),
    st.one_of(st.none(), st.integers(0, 100)),
    st.integers(0, 100),
    st.sampled_from(sorted(watching.ENDED)),
)
def test_no_clock_of_a_provider_turns_time_round(created: int, started: int | None, ended: int, status: Status) -> None:
    described = describe(Job("p", "b", "j", status, created, started, ended))
    for one in described:
        assert described[0].start_ns <= one.start_ns <= one.end_ns <= described[0].end_ns


def test_a_job_is_followed_to_its_end(tmp_path: Path, clock: Clock, recorder: Recorder) -> None:
    exporter = InMemorySpanExporter()
    queued = Job(**{**fields(DONE), "status": Status.QUEUED, "started_ns": None, "ended_ns": None})
    running = Job(**{**fields(queued), "status": Status.RUNNING})
    source = Source(queued, running, DONE)
    with make(tmp_path, source, exporter, clock, recorder) as watch:
        assert (watch.add("job-1"), watch.add("job-1"), watch.discover()) == (1, 0, 1)
        watch._db.execute("DELETE FROM job WHERE id = 'job-2'")
        ended = []
        for _ in range(4):
            ended.append(watch.turn())
            assert watch.turn() == 0  # nothing is due
            clock.now += 11 * SECOND
        assert ended == [0, 0, 1, 0]
        assert watch.pending() == 0
    assert source.begun == [None, None, 2011 * SECOND]
    assert [span.name for span in exporter.get_finished_spans()] == [
        "job ibm_torino",
        "queue ibm_torino",
        "execute ibm_torino",
    ]
    events = exporter.get_finished_spans()[0].events
    assert [(e.attributes["quantum.job.status"], e.timestamp) for e in events] == [
        ("queued", 1000 * SECOND), ("running", 1060 * SECOND), ("completed", 1062 * SECOND),
    ]  # fmt: skip
    assert recorder.executions() == {("ibm_torino", True): 1}
    assert recorder.points("quantum.usage.qpu.time") == {(): 2.0}
    assert recorder.points("quantum.job.queue.wait", "quantum.backend.name") == {("ibm_torino",): 1}


class Crash(BaseException):
    pass


def test_after_a_crash_between_export_and_note_the_same_goes_out_again(
    tmp_path: Path, clock: Clock, recorder: Recorder
) -> None:
    exporter = InMemorySpanExporter()

    class Crashing(InMemorySpanExporter):
        def export(self, spans: Any) -> SpanExportResult:
            exporter.export(spans)
            raise Crash

    with make(tmp_path, Source(DONE), Crashing(), clock, recorder) as watch:
        watch.add("job-1")
        with pytest.raises(Crash):
            watch.turn()
    first = encoded(exporter.get_finished_spans())
    exporter.clear()
    with make(tmp_path, Source(DONE), exporter, clock, recorder) as watch:
        assert (watch.add("job-1"), watch.turn(), watch.turn()) == (0, 1, 0)
    assert encoded(exporter.get_finished_spans()) == first
    assert recorder.executions() == {("ibm_torino", True): 1}


@pytest.mark.parametrize("trouble", [OSError("Authorization: Bearer abcdefghij"), SpanExportResult.FAILURE])
def test_trouble_with_one_job_is_kept_and_tried_ever_less_often(
    tmp_path: Path, clock: Clock, trouble: Any, caplog: pytest.LogCaptureFixture
) -> None:
    class Refusing(InMemorySpanExporter):
        def export(self, spans: Any) -> SpanExportResult:
            return SpanExportResult.FAILURE

    source = Source(trouble, DONE) if isinstance(trouble, Exception) else Source(DONE)
    exporter = InMemorySpanExporter() if isinstance(trouble, Exception) else Refusing()
    with make(tmp_path, source, exporter, clock) as watch, caplog.at_level(logging.WARNING):
        watch.add("job-1")
        assert watch.turn() == 0
        clock.now += 11 * SECOND
        assert watch.turn() == 0
        assert len(source.begun) == 1
        clock.now += 10 * SECOND
        watch.turn()
        assert len(source.begun) == 2
    with watching.listed(tmp_path / "jobs.db") as rows:
        (row,) = rows
    assert row[:2] == ("ibm", "job-1")
    assert "abcdefghij" not in str(row) + caplog.text


def test_costs_of_failed_jobs_count_too(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, recorder: Recorder, clock: Clock
) -> None:
    table = tmp_path / "prices.toml"
    table.write_text('currency = "USD"\n[[price]]\nprovider = "ibm"\nper_second = 1.6\n')
    monkeypatch.setattr(_prices, "_table", _prices.PriceTable.read(table))
    failed = Job(**{**fields(DONE), "id": "job-2", "status": Status.FAILED})
    for job in (DONE, failed):
        with make(tmp_path, Source(job), InMemorySpanExporter(), clock, recorder) as watch:
            watch.add(job.id)
            watch.turn()
    spent = recorder.points("quantum.cost.spend", "quantum.cost.type", "quantum.cost.currency", "error.type")
    assert sum(spent.values()) == pytest.approx(6.4)
    assert all(key[:2] == ("time", "USD") for key in spent)


def test_a_style_that_is_none_is_refused(tmp_path: Path, clock: Clock) -> None:
    with pytest.raises(ValueError, match="valid are link, child, none"):
        make(tmp_path, Source(DONE), InMemorySpanExporter(), clock, style="sideways")


def test_tasks_at_braket_through_the_real_client(tmp_path: Path) -> None:
    pytest.importorskip("braket.aws")
    from braket.aws import AwsQuantumTask
    from braket.circuits import Circuit

    from eigenspan.instrument.braket import BraketInstrumentor
    from tests.instrument.braket_server import QPU, serving

    submitting, exporter = Recorder(), InMemorySpanExporter()
    BraketInstrumentor().instrument(tracer_provider=submitting.tracer_provider, jobs=False, skip_dep_check=True)
    with serving() as (_, session):
        try:
            task = AwsQuantumTask.create(session, QPU, Circuit().h(0), ("results", "tasks"), 10)
        finally:
            BraketInstrumentor().uninstrument()
        with Watch(tmp_path / "jobs.db", BraketJobs(session.braket_client), exporter, every_s=0) as watch:
            watch.add(task.id)
            turns = 0
            while watch.pending():
                watch.turn()
                turns += 1
    assert turns == 4
    (submit,) = submitting.spans
    job, queue, execute = exporter.get_finished_spans()
    assert job.links[0].context.span_id == submit.context.span_id
    assert queue.end_time == execute.start_time > job.start_time
    assert validate(encode_spans([job, queue, execute])) == [] or {
        f.id for f in validate(encode_spans([job, queue, execute]))
    } == {"eigenspan.contract.field_not_present"}


@pytest.fixture
def runtime() -> Any:
    return pytest.importorskip("qiskit_ibm_runtime")


@pytest.mark.parametrize("kind", ["none", "dict", "object"])
def test_submissions_to_ibm_leave_their_traceparent_in_the_tags(runtime: Any, recorder: Recorder, kind: str) -> None:
    from eigenspan.instrument.qiskit_runtime import tag

    options = {"none": None, "dict": {"job_tags": ["mine"]}, "object": runtime.RuntimeOptions(job_tags=["mine"])}[kind]
    before = json.dumps(vars(options) if kind == "object" else options, default=str)
    with recorder.tracer.start_as_current_span("submit") as span:
        passed = tag(lambda _, **kwargs: kwargs["options"], None, (), {"options": options})
    tags = passed.job_tags if kind == "object" else passed["job_tags"]
    assert submitter(tags)[0].span_id == span.get_span_context().span_id
    assert ("mine" in tags) == (kind != "none")
    assert json.dumps(vars(options) if kind == "object" else options, default=str) == before


def test_recent_jobs_are_listed_once_an_interval_and_trouble_with_the_list_is_said(
    tmp_path: Path, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    source = Source(DONE)
    asked: list[int] = []

    def recent() -> list[str]:
        asked.append(clock.now)
        if len(asked) == 1:
            raise OSError("out of reach, token=abcdefgh12345678")
        return ["job-1", "job-2"]

    source.recent = recent  # type: ignore[method-assign]  # counts its calls
    with make(tmp_path, source, InMemorySpanExporter(), clock) as watch:
        found = []
        for second in range(21):
            clock.now = (2000 + second) * SECOND
            found.append(watch.discover())
    assert (len(asked), sum(found)) == (3, 2)
    assert "OSError: out of reach" in caplog.text
    assert "abcdefgh" not in caplog.text


def test_all_of_a_weeks_tasks_are_looked_through() -> None:
    boto3, stub = pytest.importorskip("boto3"), pytest.importorskip("botocore.stub")
    client = boto3.client("braket", region_name="us-east-1", aws_access_key_id="x", aws_secret_access_key="x")

    def page(*numbers: int, **more: str) -> dict[str, Any]:
        common = {
            "createdAt": 0,
            "deviceArn": "d",
            "outputS3Bucket": "b",
            "outputS3Directory": "o",
            "shots": 1,
            "status": "QUEUED",
        }
        tagged = (carrier(SUBMIT) if n % 2 else {} for n in numbers)
        return {
            "quantumTasks": [
                common | {"quantumTaskArn": f"arn{n}", "tags": t} for n, t in zip(numbers, tagged, strict=True)
            ],
            **more,
        }

    with stub.Stubber(client) as stubbed:
        stubbed.add_response("search_quantum_tasks", page(1, 2, nextToken="more"))
        stubbed.add_response("search_quantum_tasks", page(3, 4))
        assert BraketJobs(client).recent() == ["arn1", "arn3"]
