"""PennyLane, run for real: its own devices, gradients, and devices that run through other instrumented libraries."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from opentelemetry.instrumentation.utils import suppress_instrumentation

from tests.instrument.recording import Recorder, instrumented, stable

qml = pytest.importorskip("pennylane")

from pennylane import numpy as pnp  # noqa: E402

from eigenspan.instrument.pennylane import PennyLaneInstrumentor  # noqa: E402


@pytest.fixture
def spans(recorder: Recorder) -> Iterator[Recorder]:
    with instrumented(PennyLaneInstrumentor(), recorder):
        yield recorder


def ansatz(device: Any, **options: Any) -> Any:
    def energy(angle: Any) -> Any:
        qml.RX(angle, wires=0)
        qml.CNOT(wires=[0, 1])
        return qml.expval(qml.Z(1))

    return qml.QNode(energy, device, **options)


ANGLE = pnp.array(0.3, requires_grad=True)


def test_a_qnode_assembles_and_executes(spans: Recorder) -> None:
    value = qml.set_shots(ansatz(qml.device("default.qubit", seed=1)), 50)(ANGLE)
    assert -1 <= value <= 1
    assert spans.tree() == ["circuit assembly energy INTERNAL", "execute default.qubit INTERNAL"]
    counts = {
        "quantum.circuit.name": "energy",
        "quantum.circuit.depth": 2,
        "quantum.circuit.qubit_count": 2,
        "quantum.circuit.gate_count": 2,
        "quantum.circuit.two_qubit_gate_count": 1,
        "quantum.circuit.measurement_count": 1,
        "quantum.circuit.parameter_count": 1,
    }
    assembly, execute = spans.spans
    assert stable(assembly) == counts
    assert stable(execute) == counts | {
        "quantum.operation.name": "execute",
        "quantum.provider.name": "pennylane",
        "quantum.backend.name": "default.qubit",
        "quantum.backend.simulator": True,
        "quantum.job.shots": 50,
        "quantum.job.status": "completed",
        "quantum.execution.success": True,
    }
    assert spans.executions() == {("default.qubit", True): 1}


@pytest.mark.parametrize(
    ("name", "wires"),
    [
        ("default.qubit", None),
        ("default.mixed", 2),
        ("lightning.qubit", 2),
        ("default.clifford", None),
        ("reference.qubit", 2),
    ],
)
def test_every_device_has_one_execution(spans: Recorder, name: str, wires: int | None) -> None:
    try:
        device = qml.device(name, wires=wires)
    except (qml.exceptions.DeviceError, ImportError) as error:
        pytest.skip(str(error))

    @qml.qnode(device)
    def circuit() -> Any:
        qml.Hadamard(0)
        qml.CNOT(wires=[0, 1])
        return qml.expval(qml.Z(0))

    circuit()
    assert [line.strip() for line in spans.tree()] == [
        "circuit assembly circuit INTERNAL",
        f"execute {device.name} INTERNAL",
    ]


def test_an_assembly_that_is_never_run_has_its_counts(spans: Recorder) -> None:
    ansatz(qml.device("default.qubit")).construct((ANGLE,), {})
    (span,) = spans.spans
    assert span.name.startswith("circuit assembly")
    assert span.attributes["quantum.circuit.two_qubit_gate_count"] == 1
    assert spans.executions() == {}


@pytest.mark.parametrize(
    ("method", "executions"),
    [("parameter-shift", [1, 2]), ("adjoint", [1, 1]), ("backprop", [1]), ("finite-diff", [1, 2])],
)
def test_what_a_gradient_runs_is_below_it(spans: Recorder, method: str, executions: list[int]) -> None:
    node = ansatz(qml.device("default.qubit"), diff_method=method)
    assert float(qml.grad(node)(ANGLE)) == pytest.approx(-0.29552, abs=1e-3)
    assert spans.tree()[0] == "algorithm gradient INTERNAL"
    assert all(line.startswith("  ") for line in spans.tree()[1:])
    runs = spans.named("execute default.qubit")
    counts = [run.attributes.get("quantum.circuit.count", 1) for run in runs]
    assert len(counts) <= len(executions)
    assert sum(counts) <= sum(executions)


def test_a_jacobian_is_one_too(spans: Recorder) -> None:
    qml.jacobian(ansatz(qml.device("default.qubit"), diff_method="parameter-shift"))(ANGLE)
    assert spans.tree()[0] == "algorithm jacobian INTERNAL"


def test_a_failure_is_one(spans: Recorder) -> None:
    @qml.qnode(qml.device("default.qubit", wires=1))
    def circuit() -> Any:
        qml.X("elsewhere")
        return qml.state()

    with pytest.raises(qml.wires.WireError):
        circuit()
    assert not spans.named("execute default.qubit") or spans.executions() == {("default.qubit", False): 1}


class Plugin(qml.devices.Device):
    """A device as plugins are: it hands its circuits to another library."""

    name = "plugin"

    def __init__(self, hand_over: Any) -> None:
        super().__init__(wires=2)
        self.hand_over = hand_over

    def execute(self, circuits: Any, execution_config: Any = None) -> Any:
        tapes = [circuits] if isinstance(circuits, qml.tape.QuantumScript) else circuits
        return tuple(self.hand_over(tape) for tape in tapes)


def through_braket(tape: Any) -> float:
    from braket.circuits import Circuit
    from braket.devices import LocalSimulator

    counts = (
        LocalSimulator()
        .run(Circuit().rx(0, float(tape.get_parameters(trainable_only=False)[0])).cnot(0, 1), shots=50)
        .result()
        .measurement_counts
    )
    return 1 - 2 * sum(n for bits, n in counts.items() if bits[1] == "1") / 50


def through_qiskit(tape: Any) -> float:
    from qiskit import QuantumCircuit
    from qiskit_aer import AerSimulator

    circuit = QuantumCircuit(2, 2)
    circuit.rx(float(tape.get_parameters(trainable_only=False)[0]), 0)
    circuit.cx(0, 1)
    circuit.measure([0, 1], [0, 1])
    counts = AerSimulator().run(circuit, shots=50).result().get_counts()
    return 1 - 2 * sum(n for bits, n in counts.items() if bits[0] == "1") / 50


def through_cirq(tape: Any) -> float:
    import cirq

    a, b = cirq.LineQubit.range(2)
    circuit = cirq.Circuit(
        cirq.rx(float(tape.get_parameters(trainable_only=False)[0]))(a), cirq.CNOT(a, b), cirq.measure(b, key="m")
    )
    return 1 - 2 * float(cirq.Simulator().run(circuit, repetitions=50).measurements["m"].mean())


def by_itself(tape: Any) -> float:
    return 0.5


def other(name: str) -> Any:
    from importlib import import_module

    module, kind = {"braket": "BraketInstrumentor", "qiskit": "QiskitInstrumentor", "cirq": "CirqInstrumentor"}, name
    return getattr(import_module(f"eigenspan.instrument.{kind}"), module[kind])()


@pytest.mark.parametrize(
    ("library", "package", "hand_over", "backend"),
    [
        ("braket", "braket.devices", through_braket, "StateVectorSimulator"),
        ("qiskit", "qiskit_aer", through_qiskit, "aer_simulator"),
        ("cirq", "cirq", through_cirq, "Simulator"),
    ],
)
def test_over_another_library_the_execution_is_the_inner_one(
    spans: Recorder, library: str, package: str, hand_over: Any, backend: str
) -> None:
    pytest.importorskip(package)
    inner = other(library)
    inner.instrument(tracer_provider=spans.tracer_provider, meter_provider=spans.meter_provider, skip_dep_check=True)
    try:
        ansatz(Plugin(hand_over), diff_method=None)(0.3)
    finally:
        inner.uninstrument()
    tree = [line for line in spans.tree() if "result" not in line]
    assert tree == ["circuit assembly energy INTERNAL", "batch plugin INTERNAL", f"  execute {backend} INTERNAL"]
    assert spans.executions() == {(backend, True): 1}


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(
    ("name", "package", "library", "backend", "runs"),
    [
        ("braket.local.qubit", "braket.pennylane_plugin", "braket", "StateVectorSimulator", 1),
        ("qiskit.aer", "pennylane_qiskit", "qiskit", "aer_simulator", 1),
        ("qiskit.basicsim", "pennylane_qiskit", "qiskit", "basic_simulator", 1),
        ("cirq.simulator", "pennylane_cirq", "cirq", "Simulator", 2),  # it simulates for the state, and for the value
    ],
)
def test_real_plugins_leave_the_execution_to_their_library(
    spans: Recorder, name: str, package: str, library: str, backend: str, runs: int
) -> None:
    pytest.importorskip(package)
    inner = other(library)
    inner.instrument(tracer_provider=spans.tracer_provider, meter_provider=spans.meter_provider, skip_dep_check=True)
    try:
        ansatz(qml.device(name, wires=2), diff_method=None)(0.3)
    finally:
        inner.uninstrument()
    tree = [line for line in spans.tree() if "result" not in line and "transpile" not in line]
    executions = [f"  execute {backend} INTERNAL"] * runs
    assert tree == ["circuit assembly energy INTERNAL", f"batch {name} INTERNAL", *executions]
    assert spans.executions() == {(backend, True): runs}


@pytest.mark.parametrize("hand_over", [by_itself, through_braket])
def test_over_a_library_without_spans_the_device_is_the_execution(spans: Recorder, hand_over: Any) -> None:
    if hand_over is through_braket:
        pytest.importorskip("braket.devices")
    ansatz(Plugin(hand_over), diff_method=None)(0.3)
    assert spans.tree() == ["circuit assembly energy INTERNAL", "execute plugin INTERNAL"]
    assert spans.executions() == {("plugin", True): 1}


@pytest.mark.parametrize("method", ["parameter-shift", "adjoint"])
def test_what_jax_has_compiled_links_to_where_it_was_traced(spans: Recorder, method: str) -> None:
    jax = pytest.importorskip("jax")
    run = jax.jit(jax.value_and_grad(ansatz(qml.device("lightning.qubit", wires=2), diff_method=method)))
    with spans.tracer.start_as_current_span("first") as first:
        run(0.3)
    spans.exporter.clear()
    with spans.tracer.start_as_current_span("second"):
        value, slope = run(0.3)
    assert (float(value), float(slope)) == pytest.approx((0.95534, -0.29552), abs=1e-3)
    once = ["  parameter binding INTERNAL", "  execute lightning.qubit INTERNAL"]
    assert spans.tree() == ["second INTERNAL", *once * (len(spans.tree()) // 2)]
    bindings = spans.named("parameter binding")
    assert bindings
    assert all([link.context for link in one.links] == [first.get_span_context()] for one in bindings)


def test_suppression_is_honoured(spans: Recorder) -> None:
    with suppress_instrumentation():
        ansatz(qml.device("default.qubit"))(ANGLE)
    assert spans.spans == ()


def test_uninstrument_puts_everything_back(recorder: Recorder) -> None:
    from pennylane.devices import DefaultQubit, Device
    from pennylane.workflow.jacobian_products import DeviceDerivatives, JacobianProductCalculator

    owners = (qml.QNode, Device, DefaultQubit, qml.grad, qml.jacobian, DeviceDerivatives, JacobianProductCalculator)
    before = [dict(vars(owner)) for owner in owners]
    PennyLaneInstrumentor().instrument(tracer_provider=recorder.tracer_provider, skip_dep_check=True)
    assert [dict(vars(owner)) for owner in owners] != before
    assert "execute" not in vars(Device) or vars(Device)["execute"] is before[1]["execute"]
    PennyLaneInstrumentor().uninstrument()
    assert [dict(vars(owner)) for owner in owners] == before
