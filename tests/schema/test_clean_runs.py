"""Real circuits, run through the instrumentors in a workflow, have no findings; nor has what the metrics say."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from opentelemetry.exporter.otlp.proto.common.metrics_encoder import encode_metrics
from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans

from eigenspan.instrument import _metrics
from eigenspan.schema.validate import validate
from eigenspan.sdk import workflow
from eigenspan.sdk.request import RequestAttributes
from tests.instrument.recording import Recorder


@pytest.fixture
def recorded(monkeypatch: pytest.MonkeyPatch) -> Iterator[Recorder]:
    made = Recorder()
    made.tracer_provider.add_span_processor(RequestAttributes())
    monkeypatch.setattr(_metrics, "_from_spans", True)
    monkeypatch.setattr("eigenspan.sdk.spanned.provider_in_use", lambda: made.tracer_provider)
    yield made
    made.tracer_provider.shutdown()
    made.meter_provider.shutdown()


def run(recorded: Recorder, instrumentors: list[Any], body: Any, error: type[BaseException] | None = None) -> None:
    for one in instrumentors:
        one.instrument(
            tracer_provider=recorded.tracer_provider, meter_provider=recorded.meter_provider, skip_dep_check=True
        )
    try:
        if error is None:
            with workflow(
                "clean", version="1.0.0", correlation_id="req-1", workload_class="batch", circuit_family="ghz"
            ):
                body()
        else:
            with pytest.raises(error), workflow("clean", version="1.0.0", correlation_id="req-1"):
                body()
    finally:
        for one in instrumentors:
            one.uninstrument()
    assert len(recorded.spans) > 1
    found = validate(encode_spans(recorded.spans))
    assert found == [], [(f.id, f.attribute, f.message) for f in found] + recorded.tree()
    metrics = recorded.reader.get_metrics_data()
    assert metrics is not None
    assert validate(encode_metrics(metrics)) == []


def test_cirq_simulator_and_engine(recorded: Recorder) -> None:
    cirq = pytest.importorskip("cirq")
    pytest.importorskip("cirq_google")
    from cirq_google.engine import virtual_engine_factory

    from eigenspan.instrument.cirq import CirqInstrumentor

    a, b = cirq.GridQubit(3, 2), cirq.GridQubit(4, 2)
    bell = cirq.Circuit(cirq.H(a), cirq.CNOT(a, b), cirq.measure(a, b, key="m"))
    placed = cirq.Circuit(cirq.CZ(a, b), cirq.measure(a, b, key="m"))
    engine = virtual_engine_factory.create_default_noisy_quantum_virtual_machine(processor_id="rainbow", seed=1)

    def body() -> None:
        cirq.Simulator().run(bell, repetitions=10)
        cirq.Simulator().run_batch([bell, bell], repetitions=5)
        cirq.optimize_for_target_gateset(bell, gateset=cirq.CZTargetGateset())
        engine.get_processor("rainbow").get_sampler().run(placed, repetitions=5)

    run(recorded, [CirqInstrumentor()], body)


def test_qiskit_backends_and_primitives(recorded: Recorder) -> None:
    qiskit = pytest.importorskip("qiskit")
    runtime = pytest.importorskip("qiskit_ibm_runtime")
    aer = pytest.importorskip("qiskit_aer")
    from qiskit_ibm_runtime.fake_provider import FakeManilaV2

    from eigenspan.instrument.qiskit import QiskitInstrumentor
    from eigenspan.instrument.qiskit_runtime import QiskitRuntimeInstrumentor

    circuit = qiskit.QuantumCircuit(2)
    circuit.h(0)
    circuit.cx(0, 1)
    circuit.measure_all()

    def body() -> None:
        backend = FakeManilaV2()
        compiled = qiskit.transpile(circuit, backend, optimization_level=1)
        aer.AerSimulator().run(circuit, shots=10).result()
        backend.run(compiled, shots=10).result()
        runtime.SamplerV2(mode=backend).run([compiled], shots=10).result()

    run(recorded, [QiskitInstrumentor(), QiskitRuntimeInstrumentor()], body)


def test_a_failure_conforms_as_well(recorded: Recorder) -> None:
    cirq = pytest.importorskip("cirq")
    from eigenspan.instrument.cirq import CirqInstrumentor

    def body() -> None:
        qubit = cirq.LineQubit(0)
        cirq.Simulator().run(cirq.Circuit(cirq.X(qubit), cirq.measure(qubit)), repetitions=5)
        raise ValueError("the answer is wrong")

    run(recorded, [CirqInstrumentor()], body, ValueError)
