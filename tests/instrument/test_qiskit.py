"""Qiskit and Qiskit IBM Runtime in local mode, run for real: the span trees are snapshots."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from opentelemetry.instrumentation.utils import suppress_instrumentation

from tests.instrument.recording import Recorder, instrumented, stable

pytest.importorskip("qiskit_ibm_runtime")
pytest.importorskip("qiskit_aer")

from qiskit import QuantumCircuit, transpile
from qiskit.primitives import BackendSamplerV2, StatevectorEstimator, StatevectorSampler
from qiskit.providers.basic_provider import BasicSimulator
from qiskit.quantum_info import SparsePauliOp
from qiskit.transpiler import PassManager
from qiskit_aer import AerSimulator
from qiskit_aer.primitives import SamplerV2 as AerSampler
from qiskit_ibm_runtime import EstimatorV2, SamplerV2
from qiskit_ibm_runtime.fake_provider import FakeManilaV2

from eigenspan.instrument.qiskit import QiskitInstrumentor
from eigenspan.instrument.qiskit_runtime import QiskitRuntimeInstrumentor

BACKEND = FakeManilaV2()


def ghz(width: int = 3, *, measured: bool = True) -> QuantumCircuit:
    circuit = QuantumCircuit(width, name="ghz")
    circuit.h(0)
    for qubit in range(width - 1):
        circuit.cx(qubit, qubit + 1)
    if measured:
        circuit.measure_all()
    return circuit


PLACED = transpile(ghz(), BACKEND, optimization_level=1, initial_layout=[0, 1, 2], seed_transpiler=1)


pytestmark = pytest.mark.usefixtures("quiet")


@pytest.fixture
def spans(recorder: Recorder) -> Iterator[Recorder]:
    with instrumented(QiskitRuntimeInstrumentor(), recorder):
        yield recorder


def test_a_runtime_sampler_is_one_execution_and_its_result(spans: Recorder) -> None:
    with spans.tracer.start_as_current_span("request"):
        SamplerV2(mode=BACKEND).run([PLACED], shots=50).result()
    assert spans.tree() == ["request INTERNAL", "  execute fake_manila INTERNAL", "  result fake_manila CLIENT"]
    (execute,), (result,) = spans.named("execute fake_manila"), spans.named("result fake_manila")
    assert [link.context for link in result.links] == [execute.context]
    facts = stable(execute)
    assert facts.pop("quantum.backend.version")
    assert facts.pop("quantum.circuit.operations")[0] == "cx:0,1:1"
    assert facts == {
        "quantum.operation.name": "execute",
        "quantum.provider.name": "ibm",
        "quantum.backend.name": "fake_manila",
        "quantum.backend.simulator": True,
        "quantum.backend.qubit_count": 5,
        "quantum.primitive.name": "sampler",
        "quantum.job.shots": 50,
        "quantum.job.status": "completed",
        "quantum.execution.success": True,
        "quantum.circuit.name": "ghz",
        "quantum.circuit.depth": 6,
        "quantum.circuit.qubit_count": 3,
        "quantum.circuit.gate_count": 5,
        "quantum.circuit.two_qubit_gate_count": 2,
        "quantum.circuit.measurement_count": 3,
        "quantum.circuit.parameter_count": 0,
        "quantum.circuit.physical_qubits": ("0", "1", "2"),
    }
    assert spans.executions() == {("fake_manila", True): 1}


OBSERVABLE = SparsePauliOp("Z" * 5)
BARE = transpile(ghz(measured=False), BACKEND, optimization_level=1)


@pytest.mark.parametrize(
    ("name", "run"),
    [
        ("fake_manila", lambda: BACKEND.run(PLACED, shots=20)),
        ("fake_manila", lambda: EstimatorV2(mode=BACKEND).run([(BARE, OBSERVABLE)], precision=0.3)),
        ("fake_manila", lambda: BackendSamplerV2(backend=BACKEND).run([PLACED], shots=20)),
        ("aer_simulator", lambda: AerSimulator().run(ghz(), shots=20)),
        ("aer_simulator", lambda: AerSampler().run([ghz()], shots=20)),
        ("basic_simulator", lambda: BasicSimulator().run(ghz(), shots=20)),
        ("StatevectorSampler", lambda: StatevectorSampler().run(iter([ghz()]), shots=20)),
        ("StatevectorEstimator", lambda: StatevectorEstimator().run([(ghz(measured=False), SparsePauliOp("ZZZ"))])),
    ],
)
def test_every_way_to_run_is_one_execution(spans: Recorder, name: str, run: Any) -> None:
    job = run()
    job.result()
    job.result()
    assert spans.tree() == [f"execute {name} INTERNAL", f"result {name} CLIENT"]


def test_gates_by_site_are_of_one_circuit_only(spans: Recorder) -> None:
    SamplerV2(mode=BACKEND).run([PLACED, PLACED], shots=10).result()
    facts = stable(spans.named("execute fake_manila")[0])
    assert facts["quantum.circuit.count"] == 2
    assert facts["quantum.circuit.two_qubit_gate_count"] == 4
    assert facts["quantum.circuit.physical_qubits"] == ("0", "1", "2")
    assert "quantum.circuit.operations" not in facts


def test_transpiling_is_one_span(spans: Recorder) -> None:
    transpile(ghz(), BACKEND, optimization_level=2, seed_transpiler=1)
    assert spans.tree() == ["transpile INTERNAL"]
    facts = stable(spans.spans[0])
    assert facts["quantum.circuit.two_qubit_gate_count"] == 2
    assert facts["quantum.transpiler.optimization_level"] == 2
    assert (facts["quantum.circuit.logical.qubit_count"], facts["quantum.circuit.logical.depth"]) == (3, 4)
    assert facts["quantum.circuit.gate_count"] > facts["quantum.circuit.logical.gate_count"] == 3


def test_the_slowest_passes_are_told_and_the_users_callback_is_called(spans: Recorder) -> None:
    called = []
    transpile(ghz(), BACKEND, optimization_level=1, callback=lambda **said: called.append(said["pass_"].name()))
    events = spans.spans[0].events
    assert {event.name for event in events} == {"transpiler.pass"}
    seconds = [event.attributes["pass.duration"] for event in events]
    assert seconds == sorted(seconds, reverse=True)
    assert {event.attributes["pass.name"] for event in events} <= set(called)
    assert 0 < len(events) <= 16


def test_a_circuit_too_wide_fails_in_the_transpiler(spans: Recorder) -> None:
    with pytest.raises(Exception, match="greater than maximum"):
        transpile(ghz(8), BACKEND)
    assert spans.tree() == ["transpile INTERNAL ! qiskit.transpiler.exceptions.CircuitTooWideForTarget"]


def test_a_gate_that_the_backend_lacks_fails(spans: Recorder) -> None:
    with pytest.raises(Exception, match="not supported"):
        SamplerV2(mode=BACKEND).run([ghz()], shots=10)
    assert spans.tree() == ["execute fake_manila INTERNAL ! qiskit_ibm_runtime.exceptions.IBMInputValueError"]
    assert spans.executions() == {("fake_manila", False): 1}


def test_a_refused_shot_count_fails(spans: Recorder) -> None:
    with pytest.raises(ValueError, match="shots"):
        SamplerV2(mode=BACKEND).run([PLACED], shots=0)
    assert spans.tree() == ["execute fake_manila INTERNAL ! ValueError"]


def test_a_wait_that_times_out_fails_and_the_execution_does_not(spans: Recorder) -> None:
    job = BACKEND.run(transpile(ghz(5), BACKEND), shots=60_000)
    with pytest.raises(TimeoutError):
        job.result(timeout=0.001)
    with suppress_instrumentation():
        job.result()
    assert spans.tree()[-2:] == ["execute fake_manila INTERNAL", "result fake_manila CLIENT ! TimeoutError"]


def test_a_job_that_ends_badly_without_raising_fails(spans: Recorder) -> None:
    job = AerSimulator(method="stabilizer").run(_not_clifford(), shots=5)
    result = job.result()
    assert not result.success
    assert spans.tree()[0] == "execute aer_simulator_stabilizer INTERNAL ! unsuccessful"


def _not_clifford() -> QuantumCircuit:
    circuit = QuantumCircuit(1)
    circuit.t(0)
    circuit.rx(0.3, 0)
    circuit.measure_all()
    return circuit


def test_suppression_is_honoured(spans: Recorder) -> None:
    with suppress_instrumentation():
        SamplerV2(mode=BACKEND).run([PLACED], shots=10).result()
        transpile(ghz(), BACKEND)
    assert spans.spans == ()


def test_a_job_can_still_be_pickled(spans: Recorder) -> None:
    import pickle

    job = StatevectorSampler().run([ghz()], shots=10)
    job.result()
    state = job.__getstate__()
    assert pickle.loads(pickle.dumps(state["_eigenspan"]))
    assert getattr(state["_function"], "__name__", "") == "_run"
    assert spans.named("execute StatevectorSampler")


def test_uninstrument_puts_everything_back(recorder: Recorder) -> None:
    from qiskit.primitives.primitive_job import PrimitiveJob
    from qiskit.providers import BackendV2, JobV1
    from qiskit_aer.jobs.aerjob import AerJob
    from qiskit_ibm_runtime import Batch, Executor, IBMBackend, QiskitRuntimeService, Session
    from qiskit_ibm_runtime.runtime_job_v2 import RuntimeJobV2

    owners = (
        PassManager, BackendV2, JobV1, PrimitiveJob, AerJob, RuntimeJobV2, SamplerV2, AerSimulator, FakeManilaV2,
        Session, Batch, Executor, IBMBackend, QiskitRuntimeService,
    )  # fmt: skip
    before = [dict(vars(owner)) for owner in owners]
    QiskitRuntimeInstrumentor().instrument(tracer_provider=recorder.tracer_provider, skip_dep_check=True)
    assert QiskitInstrumentor().is_instrumented_by_opentelemetry
    assert [dict(vars(owner)) for owner in owners] != before
    QiskitRuntimeInstrumentor().uninstrument()
    assert not QiskitInstrumentor().is_instrumented_by_opentelemetry
    assert [dict(vars(owner)) for owner in owners] == before
