"""What a span says about Qiskit circuits and backends."""

from __future__ import annotations

from collections import Counter
from functools import partial
from typing import TYPE_CHECKING, Any

from qiskit.circuit import Gate, Instruction, QuantumCircuit

from eigenspan.instrument._privacy import structure
from eigenspan.instrument._telemetry import harmless, hashed, sites
from eigenspan.semconv import attributes as q

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

OPERATION_LIMIT = 5_000
QUBIT_LIMIT = 64
_PROVIDERS = {"qiskit_ibm_runtime": "ibm", "qiskit_ionq": "ionq", "iqm": "iqm"}
_DIRECTIVES = frozenset({"barrier", "snapshot", "save_state", "save_expval"})


def backend_facts(backend: Any) -> dict[str, Any]:
    """Provider, name and kind of a backend, from what is at hand without asking a server."""
    module = type(backend).__module__
    root = module.split(".", 1)[0]
    name = backend.name if isinstance(getattr(backend, "name", None), str) else type(backend).__name__
    facts: dict[str, Any] = {
        q.QUANTUM_PROVIDER_NAME: _PROVIDERS.get(root, root),
        q.QUANTUM_BACKEND_NAME: name,
        q.QUANTUM_BACKEND_SIMULATOR: root in ("qiskit_aer", "qiskit")
        or "fake" in module
        or "simulator" in name.lower(),
    }
    if isinstance(version := getattr(backend, "backend_version", None), str):
        facts[q.QUANTUM_BACKEND_VERSION] = version
    if isinstance(size := getattr(backend, "num_qubits", None), int):
        facts[q.QUANTUM_BACKEND_QUBIT_COUNT] = size
    return facts


def circuits_of(given: Any) -> list[QuantumCircuit]:
    """The circuits among what a backend, a pass manager or a primitive was given."""
    listed = given if isinstance(given, list | tuple) else [given]
    found = (item[0] if isinstance(item, tuple) and item else getattr(item, "circuit", item) for item in listed)
    return [item for item in found if isinstance(item, QuantumCircuit)]


@harmless
def circuit_facts(circuits: Sequence[QuantumCircuit], *, device_qubits: int | None = None) -> dict[str, Any]:
    """Counts over the circuits, and their gates by site if they are as wide as the device that runs them.

    Circuits with very many operations are described by their number alone.
    """
    facts: dict[str, Any] = {} if len(circuits) == 1 else {q.QUANTUM_CIRCUIT_COUNT: len(circuits)}
    name = circuits[0].name if len(circuits) == 1 else ""
    if name and not name.startswith("circuit-"):
        facts[q.QUANTUM_CIRCUIT_NAME] = name
    if not circuits or sum(len(c.data) for c in circuits) > OPERATION_LIMIT:
        return facts
    counts: Counter[tuple[str, tuple[str, ...]]] = Counter()
    placed = device_qubits is not None and all(c.num_qubits == device_qubits for c in circuits)
    alone = len(circuits) == 1
    depth = width = 0
    for circuit in circuits:
        levels: dict[int, int] = {}
        used: set[int] = set()
        place = {bit: index for index, bit in enumerate((*circuit.qubits, *circuit.clbits))}
        for instruction in circuit.data:
            name = instruction.name
            if name in _DIRECTIVES:
                continue
            qubits = [place[bit] for bit in instruction.qubits]
            bits = [*qubits, *[place[bit] for bit in instruction.clbits]]
            level = 1 + max([levels.get(bit, 0) for bit in bits], default=0)
            levels.update(dict.fromkeys(bits, level))
            used.update(qubits)
            counts[name, tuple([str(qubit) for qubit in qubits]) if placed else ("",) * len(qubits)] += 1
        depth = max(depth, max(levels.values(), default=0))
        width = max(width, len(used))
        if alone:
            facts |= hashed(len(circuit.data), partial(_digest, circuit, place))
    facts |= {
        q.QUANTUM_CIRCUIT_DEPTH: depth,
        q.QUANTUM_CIRCUIT_QUBIT_COUNT: width,
        q.QUANTUM_CIRCUIT_PARAMETER_COUNT: len({p for c in circuits for p in c.parameters}),
        **_totals(counts),
    }
    return facts | _placed(counts, alone=alone) if placed else facts


def _digest(circuit: QuantumCircuit, place: Mapping[Any, int]) -> str | None:
    """None with gates that are made from a circuit: their name does not say what they do."""
    parts: list[object] = [circuit.num_qubits, circuit.global_phase]
    for instruction in circuit.data:
        operation = instruction.operation if not instruction.is_standard_gate() else None
        if type(operation) in (Gate, Instruction):
            return None
        parameters = [p.tobytes() if hasattr(p, "tobytes") else p for p in instruction.params]
        where = [place[bit] for bit in (*instruction.qubits, *instruction.clbits)]
        parts.append((instruction.name, parameters, where, getattr(operation, "ctrl_state", None)))
    return structure(parts)


def _totals(counts: Counter[tuple[str, tuple[str, ...]]]) -> dict[str, int]:
    measured = sum(n for (gate, _), n in counts.items() if gate == "measure")
    return {
        q.QUANTUM_CIRCUIT_GATE_COUNT: counts.total() - measured,
        q.QUANTUM_CIRCUIT_TWO_QUBIT_GATE_COUNT: sum(n for (_, site), n in counts.items() if len(site) > 1),
        q.QUANTUM_CIRCUIT_MEASUREMENT_COUNT: measured,
    }


def _placed(counts: Counter[tuple[str, tuple[str, ...]]], *, alone: bool) -> dict[str, Any]:
    """Qubits, and gates by site unless they are a sum over circuits, which would look like one long circuit."""
    qubits = sorted({int(qubit) for _, site in counts for qubit in site})
    if len(qubits) > QUBIT_LIMIT:
        return {}
    facts: dict[str, Any] = {q.QUANTUM_CIRCUIT_PHYSICAL_QUBITS: [str(qubit) for qubit in qubits]}
    if alone and (listed := sites(counts)):
        facts[q.QUANTUM_CIRCUIT_OPERATIONS] = listed
    return facts


def shots_of(shots: Any, pubs: Iterable[Any], options: Any) -> dict[str, Any]:
    """The shots of a primitive's run: asked for here, in a pub, or by default."""
    candidates = [shots, *(_pub_shots(pub) for pub in pubs), getattr(options, "default_shots", None)]
    known = next((n for n in candidates if isinstance(n, int) and not isinstance(n, bool)), None)
    return {} if known is None else {q.QUANTUM_JOB_SHOTS: known}


def _pub_shots(pub: Any) -> Any:
    if isinstance(pub, tuple):
        return pub[2] if len(pub) > 2 else None
    return getattr(pub, "shots", None)
