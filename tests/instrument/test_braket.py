"""Amazon Braket: local simulators for real, AWS through the real client against a server that speaks its protocol."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest
from opentelemetry.instrumentation.utils import suppress_instrumentation
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan

from eigenspan.instrument import _prices
from eigenspan.instrument._propagate import submitter
from tests.instrument.recording import Recorder, instrumented, stable

pytest.importorskip("braket.aws")

from braket.aws import AwsQuantumTask, AwsQuantumTaskBatch, AwsSession, DirectReservation
from braket.circuits import Circuit, FreeParameter, Gate, Noise
from braket.circuits.noise_model import GateCriteria, NoiseModel
from braket.devices import LocalSimulator
from braket.tracking import Tracker

from eigenspan.instrument.braket import BraketInstrumentor
from eigenspan.sdk.job_sources import BraketJobs
from eigenspan.sdk.watch import spans_of
from tests.instrument.braket_server import QPU, Service, serving

BELL = Circuit().h(0).cnot(0, 1)
FOLDER = ("results", "tasks")


@pytest.fixture
def spans(recorder: Recorder) -> Iterator[Recorder]:
    with instrumented(BraketInstrumentor(), recorder):
        yield recorder


@pytest.fixture
def aws(spans: Recorder) -> Iterator[tuple[Service, AwsSession]]:
    with serving() as served:
        yield served


def create(session: AwsSession, **more: object) -> AwsQuantumTask:
    return AwsQuantumTask.create(session, QPU, BELL, FOLDER, 10, poll_interval_seconds=0.01, **more)


def test_a_local_run_is_one_execution(spans: Recorder) -> None:
    task = LocalSimulator().run(BELL, shots=10)
    task.result()
    assert spans.tree() == ["execute StateVectorSimulator INTERNAL"]
    assert spans.spans[0].attributes["quantum.job.id"] == task.id
    assert stable(spans.spans[0]) == {
        "quantum.operation.name": "execute",
        "quantum.provider.name": "braket",
        "quantum.backend.name": "StateVectorSimulator",
        "quantum.backend.simulator": True,
        "quantum.job.shots": 10,
        "quantum.job.status": "completed",
        "quantum.execution.success": True,
        "quantum.circuit.depth": 2,
        "quantum.circuit.qubit_count": 2,
        "quantum.circuit.gate_count": 2,
        "quantum.circuit.two_qubit_gate_count": 1,
        "quantum.circuit.measurement_count": 2,
        "quantum.circuit.parameter_count": 0,
    }
    assert spans.executions() == {("StateVectorSimulator", True): 1}


@pytest.mark.parametrize(
    ("circuit", "counts"),
    [
        (Circuit().h(0).measure(0), (1, 0, 1, 0)),
        (Circuit().rx(0, FreeParameter("a")).ccnot(0, 1, 2), (2, 1, 3, 1)),
        (Circuit().h(0).bit_flip(0, 0.1), (1, 0, 1, 0)),
    ],
)
def test_what_is_counted_of_a_circuit(circuit: Circuit, counts: tuple[int, ...]) -> None:
    from eigenspan.instrument._braket_facts import circuit_facts

    facts = circuit_facts([circuit])
    assert counts == tuple(facts[f"quantum.circuit.{name}_count"] for name in ("gate", "two_qubit_gate", "measurement", "parameter"))  # fmt: skip


@pytest.mark.parametrize("backend", ["braket_dm", "default"])
def test_every_local_simulator_has_one_span(spans: Recorder, backend: str) -> None:
    simulator = LocalSimulator(backend)
    simulator.run(Circuit().h(0).cnot(0, 1).bit_flip(0, 0.1) if backend == "braket_dm" else BELL, shots=5)
    assert spans.tree() == [f"execute {simulator.name} INTERNAL"]


def test_noise_and_inputs_run_as_before(spans: Recorder) -> None:
    model = NoiseModel().add_noise(Noise.BitFlip(0.1), GateCriteria(Gate.Rx))
    LocalSimulator("braket_dm", noise_model=model).run(Circuit().rx(0, FreeParameter("a")), 5, {"a": 0.1})
    assert [span.name for span in spans.spans] == ["execute DensityMatrixSimulator"]


def test_a_local_batch_is_one_execution_of_several_circuits(spans: Recorder) -> None:
    results = LocalSimulator().run_batch([BELL, BELL, BELL], shots=5, max_parallel=1).results()
    assert len(results) == 3
    assert spans.tree() == ["batch StateVectorSimulator INTERNAL", "  execute StateVectorSimulator INTERNAL"]
    assert {span.attributes["quantum.circuit.count"] for span in spans.spans} == {3}
    assert spans.named("execute StateVectorSimulator")[0].attributes["quantum.circuit.gate_count"] == 6


def test_a_local_failure_is_one(spans: Recorder) -> None:
    with pytest.raises(NameError, match="Missing input"):
        LocalSimulator().run(Circuit().rx(0, FreeParameter("a")), shots=5)
    assert spans.tree() == ["execute StateVectorSimulator INTERNAL ! NameError"]
    assert spans.executions() == {("StateVectorSimulator", False): 1}


def test_a_task_at_aws_from_submission_to_result(spans: Recorder, aws: tuple[Service, AwsSession]) -> None:
    service, session = aws
    with spans.tracer.start_as_current_span("request"):
        task = create(session, tags={"team": "chemistry"})
        assert task.result().measurement_counts
        task.result()
    assert spans.tree() == [
        "request INTERNAL",
        "  submit Aria-1 PRODUCER",
        "    job Aria-1 CONSUMER",
        "      queue Aria-1 INTERNAL",
        "      execute Aria-1 INTERNAL",
        "  poll Aria-1 CLIENT",
        "    result Aria-1 CLIENT",
    ]
    (submit,), (poll,), (execute,) = (spans.named(f"{word} Aria-1") for word in ("submit", "poll", "execute"))
    tags = service.tasks[task.id]["tags"]
    assert tags.pop("team") == "chemistry"
    assert submitter(tags)[0].span_id == submit.context.span_id
    assert [link.context for link in poll.links] == [submit.context]
    assert [dict(e.attributes)["quantum.job.status"] for e in poll.events] == ["queued", "running", "completed"]
    facts = stable(execute)
    assert facts == {
        "quantum.operation.name": "execute",
        "quantum.provider.name": "ionq",
        "quantum.backend.name": "Aria-1",
        "quantum.backend.simulator": False,
        "cloud.region": "us-east-1",
        "quantum.job.shots": 10,
        "quantum.job.successful_shots": 10,
        "quantum.job.status": "completed",
        "quantum.execution.success": True,
    }
    assert within(execute, spans.named("job Aria-1")[0])
    assert spans.executions() == {("Aria-1", True): 1}


def within(inner: ReadableSpan, outer: ReadableSpan) -> bool:
    return outer.start_time <= inner.start_time <= inner.end_time <= outer.end_time


def test_a_result_awaited_is_the_same(spans: Recorder, aws: tuple[Service, AwsSession]) -> None:
    _, session = aws

    async def main() -> None:
        assert (await create(session).async_result()).measurement_counts

    asyncio.run(main())
    assert [span.name for span in spans.spans].count("execute Aria-1") == 1
    assert spans.executions() == {("Aria-1", True): 1}


def test_a_batch_carries_the_context_into_its_threads(spans: Recorder, aws: tuple[Service, AwsSession]) -> None:
    _, session = aws
    batch = AwsQuantumTaskBatch(session, QPU, [BELL, BELL], FOLDER, 10, 2, poll_interval_seconds=0.01)
    with spans.tracer.start_as_current_span("waiting"):
        assert len(batch.results()) == 2
    tree = spans.tree()
    assert tree[0] == "batch Aria-1 INTERNAL"
    assert tree.count("  submit Aria-1 PRODUCER") == 2
    assert tree.count("      execute Aria-1 INTERNAL") == 2
    assert tree[tree.index("waiting INTERNAL") :].count("  poll Aria-1 CLIENT") == 2
    assert spans.executions() == {("Aria-1", True): 2}


def test_a_task_that_fails_is_a_failed_execution(spans: Recorder, aws: tuple[Service, AwsSession]) -> None:
    service, session = aws
    service.end = "FAILED"
    task = create(session)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(AwsQuantumTask, "action_type", None)  # the server does not speak of it
        assert task.result() is None
    assert "    execute Aria-1 INTERNAL ! failed" in spans.tree()
    (job,) = spans.named("job Aria-1")
    assert job.status.description == "the trap lost its ions"
    assert spans.executions() == {("Aria-1", False): 1}


def test_a_refused_task_is_a_failed_submission(spans: Recorder, aws: tuple[Service, AwsSession]) -> None:
    service, session = aws
    service.refuse = "no such device; token=abcdef123456"
    with pytest.raises(Exception, match="no such device"):
        create(session)
    (span,) = spans.spans
    assert span.attributes["error.type"].startswith("botocore.errorfactory.ValidationException")
    assert "abcdef" not in str(span.to_json())


def test_a_reservation_is_passed_on(spans: Recorder, aws: tuple[Service, AwsSession]) -> None:
    service, session = aws
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("braket.aws.direct_reservations.AwsDevice", _Device)
        with DirectReservation(QPU, "arn:aws:braket:us-east-1:123456789012:reservation/r"):
            task = create(session)
    task.result()
    assert service.tasks[task.id]["associations"][0]["arn"].endswith("reservation/r")
    assert spans.executions() == {("Aria-1", True): 1}


class _Device:
    def __init__(self, arn: str) -> None:
        self.arn = arn


def test_with_jobs_left_to_a_watcher_there_is_no_execution(recorder: Recorder) -> None:
    BraketInstrumentor().instrument(tracer_provider=recorder.tracer_provider, jobs=False, skip_dep_check=True)
    try:
        with serving() as (_, session):
            create(session).result()
    finally:
        BraketInstrumentor().uninstrument()
    assert recorder.tree() == ["submit Aria-1 PRODUCER", "poll Aria-1 CLIENT", "  result Aria-1 CLIENT"]


def test_a_watcher_makes_the_same_spans_as_the_submitter(spans: Recorder, aws: tuple[Service, AwsSession]) -> None:
    task = create(aws[1])
    task.result()
    watched = spans_of(BraketJobs(aws[1].braket_client).job(task.id, None), "link", Resource({}))
    recorded = [spans.named(f"{phase} Aria-1")[0] for phase in ("job", "queue", "execute")]
    assert [(s.context.trace_id, s.context.span_id, s.parent.span_id, s.kind) for s in watched] == [
        (s.context.trace_id, s.context.span_id, s.parent.span_id, s.kind) for s in recorded
    ]


def test_costs_by_brakets_own_tracker(
    spans: Recorder, aws: tuple[Service, AwsSession], monkeypatch: pytest.MonkeyPatch
) -> None:
    from braket.tracking import pricing

    row = {"Region Code": "us-east-1", "DeviceName": "Aria-1", "Currency": "USD"}
    prices = [
        row | {"Product Family": "Quantum Task", "PricePerUnit": "0.30"},
        row | {"Product Family": "Quantum Task-Shot", "PricePerUnit": "0.03"},
    ]
    monkeypatch.setattr(pricing._pricing, "_price_list", prices)
    with Tracker() as tracker:
        create(aws[1]).result()
    (job,) = spans.named("job Aria-1")
    assert job.attributes["quantum.cost.amount"] == pytest.approx(float(tracker.qpu_tasks_cost())) == pytest.approx(0.6)
    assert job.attributes["quantum.cost.currency"] == "USD"


def test_costs_by_a_price_table(
    spans: Recorder, aws: tuple[Service, AwsSession], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        _prices, "_table", _prices.PriceTable((_prices.Price("ionq", "EUR", "Aria*", per_task=0.5, per_shot=0.1),))
    )
    create(aws[1]).result()
    (job,) = spans.named("job Aria-1")
    assert {key: value for key, value in job.attributes.items() if ".cost." in key} == {
        "quantum.cost.amount": 1.5,
        "quantum.cost.currency": "EUR",
        "quantum.cost.source": "estimate",
        "quantum.cost.type": "shot",
    }
    assert spans.points("quantum.cost.spend", "quantum.cost.type") == {("task",): 0.5, ("shot",): 1.0}


@pytest.mark.parametrize(
    ("waiting", "status", "expected"),
    [
        ({"Normal": "17", "Priority": "3"}, "ONLINE", (20, 1)),
        ({"Normal": ">4000"}, "OFFLINE", (4000, 0)),
        ({}, "ONLINE", (None, 1)),
    ],
)
def test_what_a_device_says_of_its_queue_is_measured(
    spans: Recorder,
    aws: tuple[Service, AwsSession],
    waiting: dict[str, str],
    status: str,
    expected: tuple[int | None, int],
) -> None:
    service, session = aws
    service.waiting, service.device_status = waiting, status
    session.get_device(QPU)
    queue, online = (
        spans.points(f"quantum.backend.{name}", "quantum.backend.name") for name in ("queue.jobs", "availability")
    )
    assert (queue.get(("Aria-1",)), online[("Aria-1",)]) == expected


def test_suppression_is_honoured(spans: Recorder, aws: tuple[Service, AwsSession]) -> None:
    service, session = aws
    with suppress_instrumentation():
        LocalSimulator().run(BELL, shots=5)
        task = create(session)
        task.result()
    assert spans.spans == ()
    assert service.tasks[task.id]["tags"] == {}


def test_uninstrument_puts_everything_back(recorder: Recorder) -> None:
    import braket.aws.aws_quantum_task as tasks
    import braket.aws.aws_quantum_task_batch as batches

    owners = (LocalSimulator, AwsSession, AwsQuantumTask, AwsQuantumTaskBatch, tasks, batches)
    before = [dict(vars(owner)) for owner in owners]
    BraketInstrumentor().instrument(tracer_provider=recorder.tracer_provider, skip_dep_check=True)
    assert [dict(vars(owner)) for owner in owners] != before
    BraketInstrumentor().uninstrument()
    assert [dict(vars(owner)) for owner in owners] == before
