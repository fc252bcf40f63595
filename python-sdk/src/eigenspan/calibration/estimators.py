"""What the calibration in force says about one circuit: attributes of the circuit, not of the machine.

success_probability is the literature's ESP: the product of (1 - error) over executed operations and of (1 - readout
error) over measured qubits; virtual gates contribute 1. It ranks circuits, it does not forecast: crosstalk, idling,
coherent error and the algorithm's structure are not in it (arXiv:2207.14446 reports a measure with 6x less relative
error).
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Final, Literal

import msgspec

from eigenspan.calibration import names
from eigenspan.calibration.attributes import Attributes
from eigenspan.calibration.backends import qubit_label
from eigenspan.calibration.gates import VIRTUAL
from eigenspan.calibration.snapshot import Gate, Snapshot
from eigenspan.calibration.summary import (
    Summary,
    median,
    native_two_qubit_gate,
    single_qubit_gate,
    summarise,
    usable_pairs,
)

Label = int | str
Basis = Literal["operations", "qubits", "counts"]

# Instructions that are no quantum operation, or only change the frame of later pulses.
FREE: Final = VIRTUAL | {"barrier", "delay", "wait", "zpow", "virtual_zpow", "global_phase", "gphase"}
MEASURE: Final = frozenset({"measure", "measure_2", "meas", "m", "mz"})
_ALIASES: Final = {
    "cnot": "cx",
    "sycamore": "syc",
    "phased_xz": "phxz",
    "phasedxz": "phxz",
    "phasedxzgate": "phxz",
    "sqrt_iswap_inv": "sqrt_iswap",
    "iswap**0.5": "sqrt_iswap",
    "iswap**-0.5": "sqrt_iswap",
}
# Google runs every single-qubit rotation as one phased-XZ pulse and reports one error for them.
_PHXZ: Final = frozenset({"x", "y", "h", "sx", "rx", "ry", "xpow", "ypow", "hpow", "phasedx", "phasedxpow", "phased_x"})


class Operation(msgspec.Struct, frozen=True):
    """A gate on its physical qubits, and how often the circuit executes it."""

    gate: str
    qubits: tuple[Label, ...]
    count: int = 1


class Usage(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of a compiled circuit, from the most to the least.

    `operations` with sites give a product over what was executed. Otherwise the physical `qubits`, or only the numbers
    of one- and two-qubit gates and measurements, give a product of medians. `measured` holds a label a measurement.
    A count of None is unknown and is not the same as 0. `duration_s` is that of the circuit's schedule.
    """

    operations: tuple[Operation, ...] = ()
    qubits: tuple[Label, ...] = ()
    measured: tuple[Label, ...] = ()
    one_qubit_gates: int | None = None
    two_qubit_gates: int | None = None
    measurements: int | None = None
    duration_s: float | None = None


def circuit_attributes(snapshot: Snapshot, usage: Usage) -> Attributes:
    """Attributes of a circuit that ran under `snapshot`; empty when the usage says nothing.

    Qubits that the snapshot does not know, sites that are not operational and errors that are not reported are
    counted in missing_terms and contribute a factor of 1; with no known term at all there is no probability.
    """
    if not snapshot.gates and snapshot.device.statistic is not None:
        return count_attributes(summarise(snapshot), _counted(usage))
    if usage.operations or usage.qubits or usage.measured:
        return _OnQubits(snapshot, usage).attributes()
    return count_attributes(summarise(snapshot), usage)


def _counted(usage: Usage) -> Usage:
    """The counts of gates by their number of qubits, for a backend whose provider tells no sites apart."""
    if not usage.operations:
        return usage
    gates = [(len(op.qubits), op.count) for op in usage.operations if _name(op.gate) not in FREE | MEASURE]
    return msgspec.structs.replace(
        usage,
        one_qubit_gates=sum(count for arity, count in gates if arity == 1),
        two_qubit_gates=sum(count for arity, count in gates if arity == 2),
        measurements=len(usage.measured) or usage.measurements,
    )


def count_attributes(summary: Summary, usage: Usage) -> Attributes:
    """The estimate from gate counts alone: (1 - e1)^n1 (1 - e2)^n2 (1 - er)^nm with the medians of the backend."""
    medians = (summary.single_qubit_error_median, summary.two_qubit_error_median, summary.readout_error_median)
    return _from_counts(usage, medians, "counts")


def _from_counts(usage: Usage, medians: tuple[float | None, float | None, float | None], basis: Basis) -> Attributes:
    counts = (usage.one_qubit_gates, usage.two_qubit_gates, usage.measurements)
    if not any(counts):
        return {}
    terms = [(error, count) for error, count in zip(medians, counts, strict=True) if count]
    return _product(terms) | {names.CIRCUIT_BASIS: basis}


def _product(terms: Iterable[tuple[float | None, int]]) -> Attributes:
    """success_probability and missing_terms from (error or None, how often)."""
    listed = list(terms)
    known = [(error, count) for error, count in listed if error is not None]
    attributes: Attributes = {names.CIRCUIT_MISSING_TERMS: sum(count for error, count in listed if error is None)}
    if known and all(error < 1.0 for error, _ in known):
        attributes[names.CIRCUIT_SUCCESS_PROBABILITY] = math.exp(
            math.fsum(count * math.log1p(-error) for error, count in known)
        )
    elif known:
        attributes[names.CIRCUIT_SUCCESS_PROBABILITY] = 0.0
    return attributes


class _OnQubits:
    """One estimate for a circuit whose physical qubits are known."""

    def __init__(self, snapshot: Snapshot, usage: Usage) -> None:
        self.snapshot = snapshot
        self.usage = usage
        self.position = {name: i for i, name in enumerate(snapshot.qubits.id)}
        self.gates = {gate.name: gate for gate in snapshot.gates}
        self.sites: dict[str, dict[tuple[int, ...], int]] = {}
        self.unusable: set[tuple[str, tuple[int, ...]]] = set()

    def attributes(self) -> Attributes:
        measured = [self.at(label) for label in self.usage.measured]
        readout = self.readout(measured)
        attributes = self.from_operations(readout) if self.usage.operations else self.from_qubits()
        used = self.used_qubits()
        t2 = [value for i in used if (value := _value(self.snapshot.qubits.t2_s, i)) is not None]
        if errors := [error for error in readout if error is not None]:
            attributes[names.CIRCUIT_READOUT_ERROR_MAX] = max(errors)
        if t2:
            attributes |= {names.CIRCUIT_T2_MIN: min(t2), **self.coherence(min(t2))}
        self.unusable |= {("", (i,)) for i in used if not self.snapshot.qubits.operational[i]}
        return attributes | {names.CIRCUIT_UNUSABLE_SITES: len(self.unusable)}

    def coherence(self, t2_s: float) -> Attributes:
        """How the circuit's duration compares with the worst T2, and whether that duration is its schedule's."""
        duration_s, basis = self.usage.duration_s, "schedule"
        if duration_s is None:
            duration_s, basis = self.busiest_s(), "busiest_qubit"
        if duration_s is None:
            return {}
        return {
            names.CIRCUIT_COHERENCE_RATIO: duration_s / t2_s,
            names.CIRCUIT_COHERENCE_MARGIN: t2_s - duration_s,
            names.CIRCUIT_COHERENCE_BASIS: basis,
        }

    def busiest_s(self) -> float | None:
        """The longest time that gates and readout take on one qubit: no schedule can be shorter. None if any is unknown."""
        busy: dict[int, float] = {}
        for operation in self.usage.operations:
            name = _name(operation.gate)
            if name in FREE or name in MEASURE or operation.count <= 0:
                continue
            duration_s = self.duration(name, operation.qubits)
            if duration_s is None:
                return None
            for label in operation.qubits:
                if (i := self.at(label)) is not None:
                    busy[i] = busy.get(i, 0.0) + duration_s * operation.count
        for label in self.usage.measured:
            i = self.at(label)
            readout_s = None if i is None else _value(self.snapshot.qubits.readout_duration_s, i)
            if i is None or readout_s is None:
                return None
            busy[i] = busy.get(i, 0.0) + readout_s
        return max(busy.values(), default=None)

    def at(self, label: Label) -> int | None:
        return self.position.get(qubit_label(label))

    def used_qubits(self) -> list[int]:
        labels = [*self.usage.qubits, *self.usage.measured]
        for operation in self.usage.operations:
            if _name(operation.gate) not in FREE:
                labels.extend(operation.qubits)
        return sorted({i for label in labels if (i := self.at(label)) is not None})

    def readout(self, measured: list[int | None]) -> list[float | None]:
        column = self.snapshot.qubits.readout_error
        return [None if i is None else _value(column, i) for i in measured]

    def from_operations(self, readout: list[float | None]) -> Attributes:
        terms: list[tuple[float | None, int]] = [(error, 1) for error in readout]
        worst: list[tuple[float, str]] = []
        for operation in self.usage.operations:
            gate = _name(operation.gate)
            if operation.count <= 0 or gate in FREE or gate in MEASURE:
                continue
            error = self.error(gate, operation.qubits)
            terms.append((error, operation.count))
            if error is not None and len(operation.qubits) == 2:
                worst.append((error, self.pair(operation.qubits)))
        attributes = _product(terms) if terms else {}
        if worst:
            attributes[names.CIRCUIT_TWO_QUBIT_ERROR_MAX], attributes[names.CIRCUIT_WORST_PAIR] = max(worst)
        return attributes | {names.CIRCUIT_BASIS: "operations"}

    def error(self, name: str, labels: tuple[Label, ...]) -> float | None:
        """The error of a gate on a site, looked up as written and then reversed; None when it is not known."""
        found = self.site(name, labels)
        if found is None:
            return None
        gate, index = found
        if not gate.operational[index]:
            self.unusable.add((gate.name, tuple(sorted(gate.sites[index]))))
            return None
        return gate.error[index]

    def pair(self, labels: tuple[Label, ...]) -> str:
        """The qubits of a pair by name, in the backend's order."""
        known = sorted(i for label in labels if (i := self.at(label)) is not None)
        return ",".join(self.snapshot.qubits.id[i] for i in known)

    def duration(self, name: str, labels: tuple[Label, ...]) -> float | None:
        """The duration of a gate on a site in seconds."""
        found = self.site(name, labels)
        return None if found is None else _value(found[0].duration_s, found[1])

    def site(self, name: str, labels: tuple[Label, ...]) -> tuple[Gate, int] | None:
        """A gate and the index of a site, looked up as written and then reversed."""
        gate = self.gate(name, len(labels))
        site = tuple(i for label in labels if (i := self.at(label)) is not None)
        if gate is None or len(site) != len(labels):
            return None
        if gate.name not in self.sites:
            self.sites[gate.name] = {tuple(s): i for i, s in enumerate(gate.sites)}
        index = self.sites[gate.name].get(site, self.sites[gate.name].get(site[::-1]))
        return None if index is None else (gate, index)

    def gate(self, name: str, arity: int) -> Gate | None:
        found = self.gates.get(name)
        if found is None and arity == 1 and name in _PHXZ and self.snapshot.backend.provider == "google":
            found = self.gates.get("phxz")
        return found if found is not None and found.arity == arity else None

    def from_qubits(self) -> Attributes:
        """Counts of gates on known qubits: the backend's medians, taken over these qubits and pairs only."""
        used = set(self.used_qubits())
        one, two = single_qubit_gate(self.snapshot), native_two_qubit_gate(self.snapshot)
        errors = [
            error
            for i, error in enumerate(one.error if one is not None else ())
            if one is not None and error is not None and one.operational[i] and one.sites[i][0] in used
        ]
        pairs = {} if two is None else {pair: i for pair, i in usable_pairs(two[0]).items() if used.issuperset(pair)}
        between = [] if two is None else [error for i in pairs.values() if (error := two[0].error[i]) is not None]
        readouts = [v for i in used if (v := _value(self.snapshot.qubits.readout_error, i)) is not None]
        medians = (median(errors), median(between), median(readouts))
        usage = self.usage
        if usage.measurements is None and usage.measured:
            usage = msgspec.structs.replace(usage, measurements=len(usage.measured))
        return {names.CIRCUIT_BASIS: "qubits"} | _from_counts(usage, medians, "qubits")


def _name(gate: str) -> str:
    name = gate.lower()
    return _ALIASES.get(name, name)


def _value(column: list[float | None] | None, index: int) -> float | None:
    return None if column is None else column[index]
