"""What a span says about Cirq circuits."""

from __future__ import annotations

from collections import Counter
from functools import partial
from typing import TYPE_CHECKING, Any

import cirq

from eigenspan.instrument._privacy import structure
from eigenspan.instrument._telemetry import harmless, hashed, sites
from eigenspan.semconv import attributes as q

if TYPE_CHECKING:
    from collections.abc import Sequence

OPERATION_LIMIT = 5_000
QUBIT_LIMIT = 64
_ROTATIONS = (
    cirq.PhasedXZGate, cirq.PhasedXPowGate, cirq.XPowGate, cirq.YPowGate, cirq.HPowGate,
)  # fmt: skip


@harmless
def circuit_facts(circuits: Sequence[cirq.AbstractCircuit], *, placed: bool = False) -> dict[str, Any]:
    """Counts over the circuits, and, where they are placed on a device, their qubits and gates by site.

    Circuits with very many operations are described by their depth alone. Gates by site are those of one circuit: summed over
    several they would look like one long circuit.
    """
    facts: dict[str, Any] = {q.QUANTUM_CIRCUIT_DEPTH: max((len(c) for c in circuits), default=0)}
    if len(circuits) != 1:
        facts[q.QUANTUM_CIRCUIT_COUNT] = len(circuits)
    if sum(len(moment.operations) for c in circuits for moment in c) > OPERATION_LIMIT:
        return facts
    used: dict[str, None] = {}
    counts: Counter[tuple[str, tuple[str, ...]]] = Counter()
    gates = two = measured = width = 0
    for circuit in circuits:
        for op in circuit.all_operations():
            if cirq.is_measurement(op):
                measured += len(op.qubits)
            else:
                gates += 1
                two += len(op.qubits) > 1
            if placed:
                _place(op, counts)
        width = max(width, len(circuit.all_qubits()))
        if placed:
            used.update(dict.fromkeys(qubit_name(qubit) for qubit in sorted(circuit.all_qubits())))
    facts |= {
        q.QUANTUM_CIRCUIT_QUBIT_COUNT: width,
        q.QUANTUM_CIRCUIT_GATE_COUNT: gates,
        q.QUANTUM_CIRCUIT_TWO_QUBIT_GATE_COUNT: two,
        q.QUANTUM_CIRCUIT_MEASUREMENT_COUNT: measured,
        q.QUANTUM_CIRCUIT_PARAMETER_COUNT: len({name for c in circuits for name in cirq.parameter_names(c)}),
    }
    if len(circuits) == 1:
        facts |= hashed(gates + measured, partial(_digest, circuits[0]))
    if placed and len(used) <= QUBIT_LIMIT:
        facts[q.QUANTUM_CIRCUIT_PHYSICAL_QUBITS] = list(used)
        if len(circuits) == 1 and (listed := sites(counts)):
            facts[q.QUANTUM_CIRCUIT_OPERATIONS] = listed
    return facts


def _digest(circuit: cirq.AbstractCircuit) -> str | None:
    return structure(
        [[(op.gate or op, op.qubits, *op.tags, *op.classical_controls) for op in moment] for moment in circuit]
    )


def qubit_name(qubit: cirq.Qid) -> str:
    """The name of a qubit as Google's calibrations write it: row_column."""
    return f"{qubit.row}_{qubit.col}" if isinstance(qubit, cirq.GridQubit) else str(qubit)


def _place(op: cirq.Operation, counts: Counter[tuple[str, tuple[str, ...]]]) -> None:
    names = tuple(qubit_name(qubit) for qubit in op.qubits)
    if cirq.is_measurement(op):
        counts.update(("measure", (name,)) for name in names)
    else:
        counts[gate_name(op.gate), names] += 1


def gate_name(gate: cirq.Gate | None) -> str:
    """The name of a gate as Google's device specifications write it."""
    if isinstance(gate, _ROTATIONS):
        return "phxz"
    if isinstance(gate, cirq.ZPowGate):
        return "rz"
    if isinstance(gate, cirq.CZPowGate) and gate.exponent in (1, -1):
        return "cz"
    if isinstance(gate, cirq.ISwapPowGate) and gate.exponent in (0.5, -0.5):
        return "sqrt_iswap"
    name = type(gate).__name__.removesuffix("Gate").removesuffix("Pow").lower()
    return {"sycamore": "syc"}.get(name, name)
