"""Digests of circuits: the same for equal circuits, also in another process, and another for whatever differs."""

from __future__ import annotations

import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from eigenspan.sdk.content import circuit_facts
from eigenspan.semconv import attributes as q

ANGLE = st.floats(-3, 3, allow_nan=False)
GATES = st.lists(st.tuples(st.sampled_from(["h", "rx", "cx"]), st.integers(0, 2), ANGLE), max_size=6)
LIBRARIES = ["cirq", "qiskit", "braket", "pennylane"]


def made(library: str, gates: list[tuple[str, int, float]]) -> Any:
    """A circuit of three qubits with these gates, and one on each so that none is idle."""
    gates = [("h", 0, 0.0), ("h", 1, 0.0), ("h", 2, 0.0), *gates]
    if library == "cirq":
        import cirq

        line = cirq.LineQubit.range(3)
        kinds = {
            "h": lambda n, _: cirq.H(line[n]),
            "rx": lambda n, a: cirq.rx(a)(line[n]),
            "cx": lambda n, _: cirq.CNOT(line[n], line[(n + 1) % 3]),
        }
        return cirq.Circuit(kinds[name](n, a) for name, n, a in gates)
    if library == "pennylane":
        import pennylane as qml

        some = {
            "h": lambda n, _: qml.H(n),
            "rx": lambda n, a: qml.RX(a, n),
            "cx": lambda n, _: qml.CNOT([n, (n + 1) % 3]),
        }
        return qml.tape.QuantumScript([some[name](n, a) for name, n, a in gates], [qml.expval(qml.Z(0))])
    if library == "braket":
        from braket.circuits import Circuit

        circuit = Circuit()
        for name, n, a in gates:
            {"h": circuit.h, "rx": lambda n, a=a: circuit.rx(n, a), "cx": lambda n: circuit.cnot(n, (n + 1) % 3)}[name](
                n
            )
        return circuit
    from qiskit import QuantumCircuit

    written = QuantumCircuit(3)
    for name, n, a in gates:
        {"h": written.h, "rx": lambda n, a=a: written.rx(a, n), "cx": lambda n: written.cx(n, (n + 1) % 3)}[name](n)
    return written


def digest(circuit: Any) -> str | None:
    found: str | None = circuit_facts(circuit).get(q.QUANTUM_CIRCUIT_HASH)
    return found


@pytest.mark.parametrize("library", LIBRARIES)
@given(one=GATES, other=GATES)
def test_equal_circuits_have_equal_digests_and_others_do_not(
    library: str, one: list[tuple[str, int, float]], other: list[tuple[str, int, float]]
) -> None:
    pytest.importorskip(library)
    first, again, second = made(library, one), made(library, one), made(library, other)
    assert digest(first) == digest(again) is not None
    same = first.operations == second.operations if library == "pennylane" else first == second
    assume(not same)
    assert digest(first) != digest(second)


def test_a_digest_is_the_same_in_another_process() -> None:
    there = [library for library in LIBRARIES if find_spec(library) is not None]
    gates = [("rx", 1, 0.1234567890123), ("cx", 0, 0.0)]
    code = f"from tests.instrument.test_digests import digest, made; print(*(digest(made(one, {gates!r})) for one in {there!r}))"
    root = Path(__file__).resolve().parents[2]
    paths = os.pathsep.join([str(root), str(root / "python-sdk" / "src")])
    env = {**os.environ, "PYTHONPATH": paths, "PYTHONHASHSEED": "7"}
    done = subprocess.run(
        [sys.executable, "-c", code], env=env, capture_output=True, text=True, check=True, timeout=120
    )
    assert done.stdout.split() == [digest(made(library, gates)) for library in there]


def test_what_does_not_say_what_it_does_has_no_digest() -> None:
    cirq, circuit = pytest.importorskip("cirq"), pytest.importorskip("qiskit").QuantumCircuit

    class Mine(cirq.Gate):  # type: ignore[misc, name-defined]
        def _num_qubits_(self) -> int:
            return 1

    assert digest(cirq.Circuit(Mine()(cirq.LineQubit(0)))) is None
    inner = circuit(1, name="inner")
    inner.x(0)
    outer = circuit(1)
    outer.append(inner.to_gate(), [0])
    assert digest(outer) is None
    large = circuit(1)
    for _ in range(1001):
        large.x(0)
    assert digest(large) is None
