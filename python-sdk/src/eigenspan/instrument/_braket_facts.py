"""What a span says about Braket's circuits and devices."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from braket.circuits import Circuit
from braket.circuits.measure import Measure

from eigenspan.instrument._privacy import structure
from eigenspan.instrument._telemetry import harmless, hashed
from eigenspan.semconv import attributes as q

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

OPERATION_LIMIT = 5_000
STATUS = {
    "CREATED": q.QuantumJobStatus.CREATED,
    "QUEUED": q.QuantumJobStatus.QUEUED,
    "RUNNING": q.QuantumJobStatus.RUNNING,
    "COMPLETED": q.QuantumJobStatus.COMPLETED,
    "FAILED": q.QuantumJobStatus.FAILED,
    "CANCELLING": q.QuantumJobStatus.RUNNING,
    "CANCELLED": q.QuantumJobStatus.CANCELLED,
}


def device_facts(arn: str) -> dict[str, Any]:
    """Provider and name of a device from its ARN, `arn:aws:braket:REGION::device/KIND/PROVIDER/NAME`.

    The provider is who runs the device, not AWS, which resells it.
    """
    path = arn.rpartition(":")[2].split("/")
    kind, provider, name = (["", *path][-3:]) if len(path) >= 3 else ("", "amazon", arn)
    return {
        q.QUANTUM_PROVIDER_NAME: provider.lower(),
        q.QUANTUM_BACKEND_NAME: name,
        q.QUANTUM_BACKEND_SIMULATOR: kind == "quantum-simulator",
    }


def region_of(arn: str) -> dict[str, Any]:
    """The region that an ARN names, if any."""
    parts = arn.split(":")
    return {"cloud.region": parts[3]} if len(parts) > 3 and parts[3] else {}


@harmless
def circuit_facts(specifications: Sequence[Any]) -> dict[str, Any]:
    """Counts over the circuits among what a device was given; programs of other kinds are only counted."""
    facts: dict[str, Any] = {} if len(specifications) == 1 else {q.QUANTUM_CIRCUIT_COUNT: len(specifications)}
    circuits = [one for one in specifications if isinstance(one, Circuit)]
    if not circuits or len(circuits) != len(specifications):
        return facts
    facts[q.QUANTUM_CIRCUIT_DEPTH] = max(c.depth for c in circuits)
    if sum(len(c.moments) for c in circuits) > OPERATION_LIMIT:
        return facts
    gates = two = measured = width = 0
    for circuit in circuits:
        explicit, qubits = 0, circuit.qubit_count
        width = max(width, qubits)
        for instruction in circuit.instructions:
            if isinstance(instruction.operator, Measure):
                explicit += len(instruction.target)
            elif not _is_directive(type(instruction.operator).__module__):
                gates += 1
                two += len(instruction.target) + len(instruction.control) > 1
        measured += explicit or qubits
    if len(circuits) == 1:
        (circuit,) = circuits
        facts |= hashed(len(circuit.moments), lambda: structure([*circuit.instructions, *circuit.result_types]))
    return facts | {
        q.QUANTUM_CIRCUIT_QUBIT_COUNT: width,
        q.QUANTUM_CIRCUIT_GATE_COUNT: gates,
        q.QUANTUM_CIRCUIT_TWO_QUBIT_GATE_COUNT: two,
        q.QUANTUM_CIRCUIT_MEASUREMENT_COUNT: measured,
        q.QUANTUM_CIRCUIT_PARAMETER_COUNT: len({p for c in circuits for p in c.parameters}),
    }


def _is_directive(module: str) -> bool:
    return "compiler_directive" in module or "noise" in module


def task_facts(metadata: Mapping[str, Any]) -> dict[str, Any]:
    """Status and place in the queue from what GetQuantumTask answered."""
    facts: dict[str, Any] = {}
    if (status := STATUS.get(str(metadata.get("status")))) is not None:
        facts[q.QUANTUM_JOB_STATUS] = status.value
    place = str((metadata.get("queueInfo") or {}).get("position", "")).removeprefix(">")
    if place.isdecimal():
        facts[q.QUANTUM_JOB_QUEUE_POSITION] = int(place)
    return facts


def queued(device: Mapping[str, Any]) -> int | None:
    """The tasks that wait for a device, by GetDevice, which says `>4000` for very many; None where it does not say."""
    sizes = [
        str(queue.get("queueSize", "")).removeprefix(">")
        for queue in device.get("deviceQueueInfo") or ()
        if queue.get("queue") == "QUANTUM_TASKS_QUEUE"
    ]
    known = [int(size) for size in sizes if size.isdecimal()]
    return sum(known) if known else None


def outcome(result: Any) -> dict[str, Any]:
    """The shots that gave a result."""
    measured = getattr(result, "measurements", None)
    return {} if measured is None else {q.QUANTUM_JOB_SUCCESSFUL_SHOTS: len(measured)}
