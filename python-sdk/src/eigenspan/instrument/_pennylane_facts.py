"""What a span says about PennyLane's tapes and devices."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pennylane.tape import QuantumScript

from eigenspan.instrument._privacy import structure
from eigenspan.instrument._telemetry import harmless, hashed
from eigenspan.semconv import attributes as q

if TYPE_CHECKING:
    from collections.abc import Sequence

OPERATION_LIMIT = 5_000
OWN = ("pennylane", "pennylane_lightning")
"""The packages whose devices compute by themselves. Others hand over to a library that may have spans of its own."""


def device_facts(device: Any) -> dict[str, Any]:
    """Who wrote the device, and its name; whether it simulates, where that is sure."""
    inner = getattr(device, "target_device", device)
    package = type(inner).__module__.split(".", 1)[0]
    name = getattr(device, "name", None)
    facts: dict[str, Any] = {
        q.QUANTUM_PROVIDER_NAME: package,
        q.QUANTUM_BACKEND_NAME: name if isinstance(name, str) and name else type(inner).__name__,
    }
    if package in OWN:
        facts[q.QUANTUM_BACKEND_SIMULATOR] = True
    return facts


def tapes_of(given: Any) -> Sequence[QuantumScript]:
    """The tapes that a device was given: one, or a batch."""
    return [given] if isinstance(given, QuantumScript) else list(given)


def shots_of(tapes: Sequence[QuantumScript]) -> dict[str, Any]:
    """The most shots that a tape asks for; 0 for exact results, which take none."""
    return {q.QUANTUM_JOB_SHOTS: max((tape.shots.total_shots or 0 for tape in tapes), default=0)}


@harmless
def circuit_facts(tapes: Sequence[QuantumScript]) -> dict[str, Any]:
    """Counts over the tapes; tapes with very many operations are only counted."""
    facts: dict[str, Any] = {} if len(tapes) == 1 else {q.QUANTUM_CIRCUIT_COUNT: len(tapes)}
    if not tapes or sum(len(tape.operations) for tape in tapes) > OPERATION_LIMIT:
        return facts
    gates = two = measured = depth = width = parameters = 0
    for tape in tapes:
        levels: dict[Any, int] = {}
        for operation in tape.operations:
            if operation.name in ("Barrier", "WireCut", "Snapshot"):
                continue
            own = operation.wires
            wires = own or tape.wires
            level = 1 + max([levels.get(wire, 0) for wire in wires], default=0)
            levels.update(dict.fromkeys(wires, level))
            middle = operation.name == "MidMeasureMP"
            measured += middle
            gates += not middle
            two += len(own) > 1
        measured += len({wire for one in tape.measurements for wire in one.wires or tape.wires})
        depth = max(depth, max(levels.values(), default=0))
        width = max(width, len(tape.wires))
        parameters = max(parameters, len(tape.trainable_params))
    if len(tapes) == 1:
        facts |= hashed(len(tapes[0].operations), lambda: _digest(tapes[0]))
    return facts | {
        q.QUANTUM_CIRCUIT_DEPTH: depth,
        q.QUANTUM_CIRCUIT_QUBIT_COUNT: width,
        q.QUANTUM_CIRCUIT_GATE_COUNT: gates,
        q.QUANTUM_CIRCUIT_TWO_QUBIT_GATE_COUNT: two,
        q.QUANTUM_CIRCUIT_MEASUREMENT_COUNT: measured,
        q.QUANTUM_CIRCUIT_PARAMETER_COUNT: parameters,
    }


def _digest(tape: QuantumScript) -> str | None:
    """None while a compiler traces the circuit: its parameters have no values."""
    arrays = [one.tobytes() for operation in tape.operations for one in operation.data if getattr(one, "ndim", 0)]
    try:
        return structure([*tape.operations, *tape.measurements, arrays])
    except TypeError:
        return None
