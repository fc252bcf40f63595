"""The same circuit in every library that is installed."""

from __future__ import annotations

from typing import Any

import pytest

LIBRARIES = ("cirq", "qiskit", "braket", "pennylane")


def bell(library: str) -> Any:
    """Two qubits entangled and measured; skips where the library is not there."""
    module = pytest.importorskip({"braket": "braket.circuits"}.get(library, library))
    if library == "cirq":
        a, b = module.LineQubit.range(2)
        return module.Circuit(module.H(a), module.CNOT(a, b), module.measure(a, b, key="m"))
    if library == "qiskit":
        circuit = module.QuantumCircuit(2)
        circuit.h(0)
        circuit.cx(0, 1)
        circuit.measure_all()
        return circuit
    if library == "braket":
        return module.Circuit().h(0).cnot(0, 1)
    return module.tape.QuantumScript([module.H(0), module.CNOT([0, 1])], [module.counts(wires=[0, 1])])
