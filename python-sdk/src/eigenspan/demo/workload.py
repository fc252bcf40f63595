# ruff: noqa: S311 - the demo's circuits and ids are to be the same again for the same seed
"""Run real circuits through the instrumentors and send the spans to a collector.

    python -m eigenspan.demo.workload --endpoint http://127.0.0.1:4317 [--runs N] [--seed S] [--fast]

Cirq circuits run on the virtual engine with the noise of Google's shipped calibrations, Qiskit circuits on fake backends of IBM's
machines. Each is one request in a workflow span. Some fail, for real reasons. The last line of the output is JSON.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
import uuid
import warnings
from collections import Counter
from dataclasses import dataclass, field
from random import Random
from typing import TYPE_CHECKING, Any

from opentelemetry.instrumentation.utils import suppress_instrumentation

from eigenspan.demo.circuits import SIZES, cirq_circuit, path_of, qiskit_circuit
from eigenspan.sdk import setup, shutdown, stage, workflow
from eigenspan.semconv import attributes as q
from eigenspan.semconv import spans as s

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

PROCESSORS = ("rainbow", "weber", "willow_pink")
FAKES = ("FakeManilaV2", "FakeLagosV2", "FakeGuadalupeV2")
LARGE_FAKE = "FakeBrisbane"
FAMILIES = ("ghz", "qaoa", "vqe")
CLASSES = tuple(q.QuantumWorkloadClass)
TIMEOUT_S = 0.02


@dataclass
class Request:
    """One trace to be made: what runs, and the failure that it is meant to run into, if any."""

    workflow: str
    family: str
    backend: str
    run: Callable[[], Any]
    failure: str = ""


@dataclass
class Summary:
    """What has been run."""

    traces: int = 0
    failed: int = 0
    failures: Counter[str] = field(default_factory=Counter)
    errors: Counter[str] = field(default_factory=Counter)
    backends: Counter[str] = field(default_factory=Counter)
    failed_traces: list[str] = field(default_factory=list)
    unexpected: list[str] = field(default_factory=list)


class Google:
    """Requests for one virtual processor."""

    def __init__(self, name: str, seed: int) -> None:
        from cirq_google.engine import virtual_engine_factory

        engine = virtual_engine_factory.create_default_noisy_quantum_virtual_machine(processor_id=name, seed=seed)
        self.name = name
        self.processor = engine.get_processor(name)
        self.graph = self.processor.get_device().metadata.nx_graph
        self.gateset = self._native()

    def _native(self) -> Any:
        """The gate set with the two-qubit gate that the calibration measured."""
        calibration = self.processor.get_current_calibration()
        measured = " ".join(calibration.keys()) if calibration else ""
        gatesets = {type(g).__name__: g for g in self.processor.get_device().metadata.compilation_target_gatesets}
        for word, name in (("cz", "GoogleCZTargetGateset"), ("sqrt_iswap", "SqrtIswapTargetGateset")):
            if f"_{word}_" in measured and name in gatesets:
                return gatesets[name]
        return next(iter(gatesets.values()))

    def run(self, family: str, size: str, shots: int, random: Random) -> None:
        """Compile, submit, wait, look at the result."""
        import cirq

        width, layers = SIZES[size]
        circuit = cirq_circuit(family, path_of(self.graph, width), layers, random)
        compiled = cirq.optimize_for_target_gateset(circuit, gateset=self.gateset)
        result = self.processor.get_sampler().run(compiled, repetitions=shots)
        _summarise({format(bits, "b"): n for bits, n in result.histogram(key="m").items()})

    def too_many_qubits(self) -> None:
        """A circuit wider than the device."""
        import cirq

        qubits = cirq.GridQubit.rect(12, 12)
        self.processor.get_sampler().run(cirq.Circuit(cirq.X.on_each(*qubits), cirq.measure(*qubits, key="m")))

    def unsupported_gate(self) -> None:
        """A Toffoli gate, which the device does not have, not compiled away."""
        import cirq

        qubits = path_of(self.graph, 3)
        self.processor.get_sampler().run(cirq.Circuit(cirq.CCX(*qubits), cirq.measure(*qubits, key="m")))


class Ibm:
    """Requests for one fake backend in local mode."""

    def __init__(self, kind: str, seed: int) -> None:
        from qiskit_ibm_runtime import fake_provider

        self.backend = getattr(fake_provider, kind)()
        self.name = str(self.backend.name)
        self.seed = seed
        self.late: list[Any] = []

    def run(self, family: str, size: str, shots: int, random: Random) -> None:
        """Transpile, sample, look at the result."""
        compiled = self._compiled(family, *SIZES[size], random)
        counts = self._sampler().run([compiled], shots=shots).result()[0].data.meas.get_counts()
        _summarise(counts)

    def too_many_qubits(self) -> None:
        """A circuit wider than the device, which the transpiler refuses."""
        self._compiled("ghz", self.backend.num_qubits + 3, 1, Random(self.seed))

    def unsupported_gate(self) -> None:
        """A circuit with gates that the device does not have, not transpiled."""
        self._sampler().run([qiskit_circuit("ghz", 3, 1, Random(self.seed))], shots=100).result()

    def rejected_shots(self) -> None:
        """A shot count that the primitive refuses."""
        self._sampler().run([self._compiled("ghz", 2, 1, Random(self.seed))], shots=0).result()

    def timeout(self) -> None:
        """A job that takes longer than the caller waits. It goes on; `finish` waits for it."""
        job = self.backend.run(self._compiled("vqe", 5, 12, Random(self.seed)), shots=4_000, seed_simulator=self.seed)
        self.late.append(job)
        job.result(timeout=TIMEOUT_S)

    def finish(self) -> None:
        """Wait for the jobs that nobody waited for."""
        while self.late:
            with suppress_instrumentation():
                self.late.pop().result()

    def _compiled(self, family: str, width: int, layers: int, random: Random) -> Any:
        from qiskit import transpile

        circuit = qiskit_circuit(family, width, layers, random)
        return transpile(circuit, self.backend, optimization_level=1, seed_transpiler=self.seed)

    def _sampler(self) -> Any:
        from qiskit_ibm_runtime import SamplerV2

        return SamplerV2(mode=self.backend, options={"simulator": {"seed_simulator": self.seed}})


def _summarise(counts: dict[str, int]) -> None:
    with stage(s.POST_PROCESS) as span:
        span.set_attribute(q.QUANTUM_RESULT_SIZE, len(counts))


def requests(
    googles: Sequence[Google], ibms: Sequence[Ibm], runs: int, random: Random, *, fast: bool
) -> Iterator[Request]:
    """What to run, in order: each run has every family on every backend, then failures: all of them once, then some."""
    backends: list[Google | Ibm] = [*googles, *ibms]
    sizes = ("small",) if fast else tuple(SIZES)
    for turn in range(runs):
        for i, family in enumerate(FAMILIES):
            for j, backend in enumerate(backends):
                shots = random.choice((10, 20, 40)) if isinstance(backend, Google) else random.choice((100, 500, 1000))
                size = sizes[(i + j) % len(sizes)]

                def run(b: Google | Ibm = backend, f: str = family, z: str = size, n: int = shots) -> None:
                    b.run(f, z, n, random)

                yield Request(f"{family}-{size}", family, backend.name, run)
        google, ibm = random.choice(googles), random.choice(ibms)
        wide = next((b for b in ibms if b.backend.num_qubits >= 5), ibm)
        failing = [
            Request("wide-ghz", "ghz", google.name, google.too_many_qubits, "too_many_qubits"),
            Request("toffoli", "arithmetic", google.name, google.unsupported_gate, "unsupported_gate"),
            Request("wide-ghz", "ghz", ibm.name, ibm.too_many_qubits, "too_many_qubits"),
            Request("raw-ghz", "ghz", ibm.name, ibm.unsupported_gate, "unsupported_gate"),
            Request("no-shots", "ghz", ibm.name, ibm.rejected_shots, "rejected_shots"),
            Request("impatient-vqe", "vqe", wide.name, wide.timeout, "timeout"),
        ]
        yield from failing if turn == 0 else random.sample(failing, 2)


def perform(request: Request, summary: Summary, number: int, random: Random) -> None:
    """One request in its workflow span; a failure ends there."""
    correlation = f"req-{uuid.UUID(int=random.getrandbits(128))}"
    summary.traces += 1
    summary.backends[request.backend] += 1
    trace = ""
    try:
        with workflow(
            request.workflow,
            version=f"1.{number % 3}.0",
            correlation_id=correlation,
            workload_class=CLASSES[number % len(CLASSES)].value,
            circuit_family=request.family,
        ) as span:
            trace = format(span.get_span_context().trace_id, "032x")
            request.run()
    except Exception as error:  # noqa: BLE001
        summary.failed += 1
        summary.failed_traces.append(trace)
        summary.errors[type(error).__name__] += 1
        summary.failures[request.failure or "unexpected"] += 1
        if not request.failure:
            summary.unexpected.append(f"{request.workflow} on {request.backend}: {error}"[:300])
    else:
        if request.failure:
            summary.unexpected.append(f"{request.workflow} on {request.backend} was meant to fail and did not")


def main(argv: list[str] | None = None) -> int:
    """Run the workload; the exit code says whether everything went as meant."""
    parser = argparse.ArgumentParser(prog="python -m eigenspan.demo.workload", description="Run real circuits.")
    parser.add_argument("--endpoint", default=None, help="OTLP endpoint (default: OTEL_* or http://localhost:4317)")
    parser.add_argument("--protocol", choices=("grpc", "http/protobuf"), default=None)
    parser.add_argument("--runs", type=int, default=3, help="how often to run the set of circuits (default: 3)")
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--fast", action="store_true", help="one processor, one fake backend, small circuits")
    arguments = parser.parse_args(argv)

    warnings.simplefilter("ignore")
    begun = time.monotonic()
    current = setup(service_name="eigenspan-demo", endpoint=arguments.endpoint, protocol=arguments.protocol)
    random = Random(arguments.seed)
    googles = [Google(name, arguments.seed) for name in (PROCESSORS[:1] if arguments.fast else PROCESSORS)]
    ibms = [Ibm(kind, arguments.seed) for kind in (FAKES[:1] if arguments.fast else FAKES)]
    summary = Summary()
    for number, request in enumerate(requests(googles, ibms, arguments.runs, random, fast=arguments.fast)):
        perform(request, summary, number, random)
    if not arguments.fast:
        large = Ibm(LARGE_FAKE, arguments.seed)
        request = Request("ghz-small", "ghz", large.name, lambda: large.run("ghz", "small", 100, random))
        perform(request, summary, 0, random)
    for ibm in ibms:
        ibm.finish()
    delivered = current.flush()
    shutdown()
    print(
        json.dumps(
            {
                "traces": summary.traces,
                "failed": summary.failed,
                "failures": dict(summary.failures),
                "errors": dict(summary.errors),
                "backends": dict(summary.backends),
                "failed_traces": summary.failed_traces,
                "unexpected": summary.unexpected,
                "delivered": delivered,
                "seconds": round(time.monotonic() - begun, 1),
            }
        )
    )
    return 1 if summary.unexpected or not delivered else 0


if __name__ == "__main__":
    sys.exit(main())
