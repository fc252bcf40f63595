"""The circuits of the demo, in Cirq and in Qiskit: GHZ, QAOA and a VQE ansatz; small, medium and deep."""

from __future__ import annotations

import math
from itertools import pairwise
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from random import Random

    import cirq
    from qiskit.circuit import QuantumCircuit

SIZES = {"small": (2, 1), "medium": (4, 2), "deep": (3, 8)}
"""Name → (qubits, layers)."""


def cirq_circuit(family: str, qubits: Sequence[cirq.Qid], layers: int, random: Random) -> cirq.Circuit:
    """A circuit of the family on a path of neighbouring qubits."""
    import cirq

    circuit = cirq.Circuit()
    pairs = list(pairwise(qubits))
    if family == "ghz":
        circuit.append(cirq.H(qubits[0]))
        for _ in range(layers * 2 - 1):
            circuit.append(cirq.CNOT(a, b) for a, b in pairs)
    else:
        circuit.append(cirq.H.on_each(*qubits))
        for _ in range(layers):
            turn, mix = (random.uniform(0, math.pi) for _ in range(2))
            if family == "qaoa":
                circuit.append(cirq.ZZ(a, b) ** (turn / math.pi) for a, b in pairs)
                circuit.append(cirq.rx(mix).on_each(*qubits))
            else:
                circuit.append(cirq.ry(turn).on_each(*qubits))
                circuit.append(cirq.CZ(a, b) for a, b in pairs)
    circuit.append(cirq.measure(*qubits, key="m"))
    return circuit


def qiskit_circuit(family: str, size: int, layers: int, random: Random) -> QuantumCircuit:
    """A circuit of the family on a line of qubits."""
    from qiskit.circuit import QuantumCircuit

    circuit = QuantumCircuit(size, name=family)
    pairs = list(pairwise(range(size)))
    if family == "ghz":
        circuit.h(0)
        for _ in range(layers * 2 - 1):
            _each(circuit.cx, pairs)
    else:
        circuit.h(range(size))
        for _ in range(layers):
            turn, mix = (random.uniform(0, math.pi) for _ in range(2))
            if family == "qaoa":
                for a, b in pairs:
                    circuit.rzz(turn, a, b)
                circuit.rx(mix, range(size))
            else:
                circuit.ry(turn, range(size))
                _each(circuit.cz, pairs)
    circuit.measure_all()
    return circuit


def _each(gate: Callable[..., Any], pairs: Sequence[tuple[int, int]]) -> None:
    for a, b in pairs:
        gate(a, b)


def path_of(graph: Any, length: int) -> list[cirq.Qid]:
    """The first simple path of so many qubits on a device's graph."""

    def walk(path: list[cirq.Qid]) -> list[cirq.Qid] | None:
        if len(path) == length:
            return path
        for neighbour in sorted(graph.neighbors(path[-1])):
            if neighbour not in path and (found := walk([*path, neighbour])):
                return found
        return None

    for start in sorted(graph):
        if found := walk([start]):
            return found
    raise ValueError(f"the device has no path of {length} qubits")
