"""Digests of circuits and results, and the content itself where it is asked for.

A circuit is written as OpenQASM where circuits are recorded and a program describes its circuit by hand, never by an instrumentor:
it costs milliseconds for a large one.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from importlib import import_module
from typing import Any

from eigenspan.instrument._privacy import allowed, digest
from eigenspan.instrument._telemetry import harmless
from eigenspan.semconv import attributes as q

_LOG = logging.getLogger(__name__)
TEXT_LIMIT = 1000
"""How long a recorded circuit or result may be; a longer one is only known by its digest."""
OUTCOMES = 8
LIBRARIES = frozenset({"cirq", "qiskit", "braket", "pennylane"})


def library_of(circuit: Any) -> str | None:
    """The library that made a circuit."""
    roots = {kind.__module__.split(".", 1)[0] for kind in type(circuit).__mro__}
    return next(iter(roots & LIBRARIES), None)


def circuit_facts(circuit: Any) -> dict[str, Any]:
    """The counts of a circuit, its digest, and its text where circuits are recorded; nothing for other things."""
    library = library_of(circuit)
    if library is None:
        return {}
    found: dict[str, Any] = import_module(f"eigenspan.instrument._{library}_facts").circuit_facts([circuit])
    if not allowed("circuits"):
        return found
    try:
        text = _written(library, circuit)
    except Exception as error:  # noqa: BLE001 - not every circuit can be written as OpenQASM, and each library says so in its way
        _LOG.debug("a circuit of %s cannot be written: %s", library, type(error).__name__)
        return found
    return found | {q.QUANTUM_CIRCUIT_QASM: text} if len(text) <= TEXT_LIMIT else found


def _written(library: str, circuit: Any) -> str:
    if library == "qiskit":
        return str(import_module("qiskit.qasm3").dumps(circuit))
    if library == "braket":
        return str(circuit.to_ir(ir_type=import_module("braket.circuits.serialization").IRType.OPENQASM).source)
    if library == "pennylane":
        return str(import_module("pennylane").to_openqasm(circuit))
    return "\n".join(line for line in circuit.to_qasm().splitlines() if not line.startswith("//"))


@harmless
def outcome_facts(counts: Mapping[Any, int]) -> dict[str, Any]:
    """Size and digest of counts by outcome, and the most frequent ones as text where counts are recorded."""
    listed = sorted(((str(outcome), int(n)) for outcome, n in counts.items()), key=lambda pair: (-pair[1], pair[0]))
    found: dict[str, Any] = {
        q.QUANTUM_RESULT_SIZE: len(listed),
        q.QUANTUM_RESULT_HASH: digest("\n".join(f"{outcome}:{n}" for outcome, n in sorted(listed))),
    }
    if allowed("counts") and listed:
        found[q.QUANTUM_RESULT_SUMMARY] = " ".join(f"{outcome}:{n}" for outcome, n in listed[:OUTCOMES])[:TEXT_LIMIT]
    return found
