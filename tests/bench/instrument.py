"""What an instrumented run costs over the bare call: microseconds of CPU a run, recorded and unsampled, beside the goals.

Each library runs a circuit of two gates on a device that does nothing, so that what is measured is the instrumentation alone. Recorded
spans go to a batch processor whose exporter drops them. `measured` is unsampled, with the metrics of spans recorded to a reader:
without it, as `setup` has it, a collector derives them.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from typing import Any

from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF, ALWAYS_ON

from eigenspan.instrument import _metrics
from eigenspan.sdk.ids import SystemIdGenerator

GOALS = {"recorded": 100.0, "unsampled": 30.0, "measured": 40.0}
WAYS = (("recorded", ALWAYS_ON, False), ("unsampled", ALWAYS_OFF, False), ("measured", ALWAYS_OFF, True))


class Nowhere(SpanExporter):
    """Drops spans."""

    def export(self, spans: Any) -> SpanExportResult:
        return SpanExportResult.SUCCESS


def cirq_run() -> tuple[Any, Callable[[], Any]]:
    import cirq

    from eigenspan.instrument.cirq import CirqInstrumentor

    class Nothing(cirq.Sampler):
        def run_sweep(self, program: Any, params: Any, repetitions: int = 1) -> Any:
            return []

    a, b = cirq.LineQubit.range(2)
    circuit = cirq.Circuit(cirq.H(a), cirq.CNOT(a, b), cirq.measure(a, b, key="m"))
    sampler = Nothing()
    return CirqInstrumentor(), lambda: sampler.run_sweep(circuit, None, 10)


def qiskit_run() -> tuple[Any, Callable[[], Any]]:
    from qiskit import QuantumCircuit
    from qiskit.providers import BackendV2

    from eigenspan.instrument.qiskit import QiskitInstrumentor

    class Nothing(BackendV2):
        target = None
        max_circuits = None
        num_qubits = 5

        @classmethod
        def _default_options(cls) -> Any:
            return None

        def run(self, circuit: Any, **options: Any) -> Any:
            return None

    circuit = QuantumCircuit(2, name="bell")
    circuit.h(0)
    circuit.cx(0, 1)
    circuit.measure_all()
    backend = Nothing(name="nothing")
    return QiskitInstrumentor(), lambda: backend.run(circuit, shots=10)


def braket_run() -> tuple[Any, Callable[[], Any]]:
    from braket.circuits import Circuit
    from braket.devices import LocalSimulator

    from eigenspan.instrument.braket import BraketInstrumentor

    class Task:
        id = "task"

    class Nothing(LocalSimulator):
        def run(self, circuit: Any, shots: int | None = None) -> Any:
            return Task

    circuit = Circuit().h(0).cnot(0, 1)
    device = Nothing()
    return BraketInstrumentor(), lambda: device.run(circuit, shots=10)


def pennylane_run() -> tuple[Any, Callable[[], Any]]:
    import pennylane as qml

    from eigenspan.instrument import _pennylane_facts
    from eigenspan.instrument.pennylane import PennyLaneInstrumentor

    class Nothing(qml.devices.Device):
        name = "nothing"

        def execute(self, circuits: Any, execution_config: Any = None) -> Any:
            return (0.0,)

    Nothing.__module__ = _pennylane_facts.OWN[0]
    tape = qml.tape.QuantumScript([qml.H(0), qml.CNOT([0, 1])], [qml.expval(qml.Z(0))], shots=10)
    device = Nothing(wires=2)
    return PennyLaneInstrumentor(), lambda: device.execute((tape,))


def cost_us(call: Callable[[], Any], runs: int) -> float:
    """CPU microseconds a call."""
    call()
    begun = time.process_time()
    for _ in range(runs):
        call()
    return (time.process_time() - begun) / runs * 1e6


def measure(make: Callable[[], tuple[Any, Callable[[], Any]]], runs: int, rounds: int) -> dict[str, float]:
    """The cost over the bare call in each way, in the best round: other programs on the machine can only add to it."""
    instrumentor, call = make()
    found: dict[str, list[float]] = {way: [] for way in GOALS}
    bare = min(cost_us(call, runs) for _ in range(rounds))
    for _ in range(rounds):
        for way, sampler, from_spans in WAYS:
            _metrics.measure_spans(from_spans)
            provider = TracerProvider(sampler=sampler, id_generator=SystemIdGenerator())
            provider.add_span_processor(BatchSpanProcessor(Nowhere()))
            meters = MeterProvider([InMemoryMetricReader()])
            instrumentor.instrument(tracer_provider=provider, meter_provider=meters, skip_dep_check=True)
            found[way].append(cost_us(call, runs) - bare)
            instrumentor.uninstrument()
            provider.shutdown()
            meters.shutdown()
    _metrics.measure_spans(None)
    return {way: min(costs) for way, costs in found.items()}


LIBRARIES = {"cirq": cirq_run, "qiskit": qiskit_run, "braket": braket_run, "pennylane": pennylane_run}


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--runs", type=int, default=2000)
    parser.add_argument("--rounds", type=int, default=5)
    arguments = parser.parse_args()
    print("| library |" + "".join(f" {way}, µs |" for way in GOALS) + "\n|---|" + "---|" * len(GOALS))
    for name, make in LIBRARIES.items():
        try:
            costs = measure(make, arguments.runs, arguments.rounds)
        except ImportError as error:
            print(f"| {name} | {error.name} is not installed" + " |" * len(GOALS))
            continue
        print(f"| {name} | " + " | ".join(f"{costs[way]:.0f} (goal {GOALS[way]:.0f})" for way in GOALS) + " |")


if __name__ == "__main__":
    main()
