"""Cirq, run for real: the span trees are snapshots."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from opentelemetry.instrumentation.utils import suppress_instrumentation

from tests.instrument.recording import Recorder, instrumented, stable

cirq = pytest.importorskip("cirq")
cirq_google = pytest.importorskip("cirq_google")

from cirq_google.engine import virtual_engine_factory  # noqa: E402
from cirq_google.engine.abstract_local_processor import AbstractLocalProcessor  # noqa: E402, F401
from cirq_google.engine.local_simulation_type import LocalSimulationType  # noqa: E402

from eigenspan.instrument.cirq import CirqInstrumentor  # noqa: E402

A, B = cirq.GridQubit(3, 2), cirq.GridQubit(4, 2)
BELL = cirq.Circuit(cirq.H(A), cirq.CNOT(A, B), cirq.measure(A, B, key="m"))
PLACED = cirq.Circuit(
    cirq.PhasedXZGate(x_exponent=0.5, z_exponent=0, axis_phase_exponent=0)(A),
    cirq.CZ(A, B),
    cirq.measure(A, B, key="m"),
)


@pytest.fixture
def spans(recorder: Recorder) -> Iterator[Recorder]:
    with instrumented(CirqInstrumentor(), recorder):
        yield recorder


@pytest.fixture(scope="module")
def processor() -> Any:
    engine = virtual_engine_factory.create_default_noisy_quantum_virtual_machine(processor_id="rainbow", seed=1)
    return engine.get_processor("rainbow")


class Nameless(cirq.XPowGate):
    """A gate that cannot be written."""

    def __repr__(self) -> str:
        raise RuntimeError("no words")


def test_a_gate_that_cannot_be_written_runs_all_the_same(spans: Recorder) -> None:
    result = cirq.Simulator().run(cirq.Circuit(Nameless()(A), cirq.measure(A, key="m")))
    assert result.measurements["m"].tolist() == [[1]]
    assert spans.tree() == ["execute Simulator INTERNAL"]


def test_a_run_is_one_execution(spans: Recorder) -> None:
    cirq.Simulator().run(BELL, repetitions=10)
    assert spans.tree() == ["execute Simulator INTERNAL"]
    assert stable(spans.spans[0]) == {
        "quantum.operation.name": "execute",
        "quantum.provider.name": "cirq",
        "quantum.backend.name": "Simulator",
        "quantum.backend.simulator": True,
        "quantum.job.shots": 10,
        "quantum.job.status": "completed",
        "quantum.execution.success": True,
        "quantum.circuit.depth": 3,
        "quantum.circuit.qubit_count": 2,
        "quantum.circuit.gate_count": 2,
        "quantum.circuit.two_qubit_gate_count": 1,
        "quantum.circuit.measurement_count": 2,
        "quantum.circuit.parameter_count": 0,
    }
    assert spans.executions() == {("Simulator", True): 1}


@pytest.mark.parametrize(
    "run",
    [
        lambda s: s.run_sweep(BELL, None, 5),
        lambda s: s.simulate(BELL),
        lambda s: s.simulate_sweep(BELL, None),
        lambda s: list(s.run_sweep_iter(BELL, None, 5)),
        lambda s: list(s.simulate_sweep_iter(BELL, None)),
        lambda s: s.sample(BELL, repetitions=5),
        lambda s: s.run_batch([BELL], repetitions=5),
    ],
)
@pytest.mark.parametrize("kind", ["Simulator", "DensityMatrixSimulator"])
def test_every_way_to_run_is_one_execution(spans: Recorder, kind: str, run: Any) -> None:
    run(getattr(cirq, kind)())
    assert spans.tree() == [f"execute {kind} INTERNAL"]


def test_an_iteration_left_early_ends_its_span(spans: Recorder) -> None:
    sweep = cirq.Points("t", [0.1, 0.2])
    results = cirq.Simulator().run_sweep_iter(BELL, sweep, 5)
    next(results)
    results.close()
    assert spans.tree() == ["execute Simulator INTERNAL"]


def test_samplers_that_wrap_samplers_make_no_second_span(spans: Recorder) -> None:
    cirq_google.ValidatingSampler(sampler=cirq.Simulator()).run(BELL, repetitions=5)
    assert spans.tree() == ["execute ValidatingSampler INTERNAL"]


def test_classes_defined_later_are_covered(spans: Recorder) -> None:
    class Mine(cirq.Sampler):
        def run_sweep(self, program: Any, params: Any, repetitions: int = 1) -> Any:
            return cirq.Simulator().run_sweep(program, params, repetitions)

    class Later(cirq.Sampler):
        async def run_sweep_async(self, program: Any, params: Any, repetitions: int = 1) -> Any:
            return cirq.Simulator().run_sweep(program, params, repetitions)

    Mine().run(BELL, repetitions=5)
    Later().run(BELL, repetitions=5)
    assert [line.split()[1] for line in spans.tree()] == ["Mine", "Later"]


def test_a_batch_holds_its_executions(spans: Recorder) -> None:
    cirq.Simulator().run_batch([BELL, BELL], repetitions=5)
    assert spans.tree() == [
        "batch Simulator INTERNAL",
        "  execute Simulator INTERNAL",
        "  execute Simulator INTERNAL",
    ]


def test_a_failure_has_its_type_and_its_exception(spans: Recorder) -> None:
    with pytest.raises(ValueError, match="no measurements"):
        cirq.Simulator().run(cirq.Circuit(cirq.X(A)))
    assert spans.tree() == ["execute Simulator INTERNAL ! ValueError"]
    span = spans.spans[0]
    assert span.status.status_code.name == "ERROR"
    assert [event.name for event in span.events] == ["exception"]
    assert (span.attributes or {})["quantum.execution.success"] is False
    assert spans.executions() == {("Simulator", False): 1}


def test_transformers_are_spans_the_outermost_only(spans: Recorder) -> None:
    cirq.optimize_for_target_gateset(BELL, gateset=cirq.CZTargetGateset())
    assert spans.tree() == ["transpile INTERNAL"]


def test_a_processor_submits_executes_and_gives_results(spans: Recorder, processor: Any) -> None:
    with spans.tracer.start_as_current_span("request"):
        processor.get_sampler().run(PLACED, repetitions=5)
    assert spans.tree() == [
        "request INTERNAL",
        "  submit rainbow PRODUCER",
        "  result rainbow CLIENT",
        "    execute rainbow INTERNAL",
    ]
    (submit,), (execute,) = spans.named("submit rainbow"), spans.named("execute rainbow")
    assert [link.context for link in execute.links] == [submit.context]
    facts = stable(execute)
    assert facts["quantum.provider.name"] == "google"
    assert facts["quantum.job.shots"] == 5
    assert facts["quantum.circuit.physical_qubits"] == ("3_2", "4_2")
    assert facts["quantum.circuit.operations"] == (
        "cz:3_2,4_2:1", "measure:3_2:1", "measure:4_2:1", "phxz:3_2:1",
    )  # fmt: skip
    assert (execute.attributes or {})["quantum.job.id"] == (submit.attributes or {})["quantum.job.id"]


def test_a_job_asked_twice_is_one_execution(spans: Recorder, processor: Any) -> None:
    job = processor.run_sweep(PLACED, repetitions=5)
    job.results()
    job.results()
    assert len(spans.named("execute rainbow")) == len(spans.named("result rainbow")) == 1


def test_jobs_of_a_batch_stay_apart(spans: Recorder, processor: Any) -> None:
    processor.get_sampler().run_batch([PLACED, PLACED, PLACED], repetitions=5)
    tree = spans.tree()
    assert tree[0] == "batch rainbow INTERNAL"
    assert tree.count("  result rainbow CLIENT") == tree.count("    execute rainbow INTERNAL") == 3


def test_a_job_in_a_thread_of_its_own_keeps_its_trace(spans: Recorder) -> None:
    device = virtual_engine_factory.create_device_from_processor_id("rainbow")
    processor = cirq_google.engine.SimulatedLocalProcessor(
        processor_id="local", device=device, simulation_type=LocalSimulationType.ASYNCHRONOUS
    )
    with spans.tracer.start_as_current_span("request"):
        processor.run_sweep(PLACED, repetitions=5).results()
    assert len({span.context.trace_id for span in spans.spans}) == 1
    assert len(spans.named("execute local")) == 1


def test_a_circuit_that_the_device_refuses_fails(spans: Recorder, processor: Any) -> None:
    with pytest.raises(ValueError, match="not"):
        processor.get_sampler().run(cirq.Circuit(cirq.X(cirq.GridQubit(90, 90)), cirq.measure(cirq.GridQubit(90, 90))))
    assert spans.tree()[-1] == "  execute rainbow INTERNAL ! ValueError"


def test_suppression_is_honoured(spans: Recorder) -> None:
    with suppress_instrumentation():
        cirq.Simulator().run(BELL)
    assert spans.spans == ()


def test_uninstrument_puts_everything_back(recorder: Recorder) -> None:
    import duet.impl
    from cirq.transformers import transformer_api

    owners = (
        cirq.Sampler, cirq.SimulatesSamples, cirq.SimulatesFinalState, cirq.Simulator, duet.impl.Task,
        cirq_google.ProcessorSampler, cirq_google.engine.AbstractProcessor, cirq_google.engine.SimulatedLocalProcessor,
        cirq_google.engine.SimulatedLocalJob, cirq_google.engine.EngineJob, transformer_api,
    )  # fmt: skip
    before = [dict(vars(owner)) for owner in owners]
    CirqInstrumentor().instrument(tracer_provider=recorder.tracer_provider, skip_dep_check=True)
    kept = cirq.Simulator().run_sweep
    assert [dict(vars(owner)) for owner in owners] != before
    CirqInstrumentor().uninstrument()
    assert [dict(vars(owner)) for owner in owners] == before
    kept(BELL, None, 3)
    assert recorder.spans == ()


def test_a_transformation_tells_the_circuit_as_written_and_as_made(spans: Recorder) -> None:
    cirq.optimize_for_target_gateset(BELL, gateset=cirq.CZTargetGateset())
    facts = stable(spans.named("transpile")[0])
    assert facts["quantum.circuit.logical.gate_count"] == 2
    assert facts["quantum.circuit.gate_count"] > 2
