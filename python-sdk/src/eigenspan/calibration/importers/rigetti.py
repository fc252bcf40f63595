"""Rigetti: the instruction set architecture of QCS, which Braket passes on as `provider.specs` (version 2).

Instructions and benchmarks list sites, and sites characteristics, each with its own timestamp: `fRO` under MEASURE, `fCZ`,
`fISWAP`, `fXY` and `fCPHASE` under two-qubit instructions; `fRB` under randomized_benchmark_1q and its simultaneous form;
T1 under FreeInversionRecovery; T2 (Ramsey) under FreeInductionDecay.
"""

from __future__ import annotations

from typing import Any, Final

import msgspec

from eigenspan.calibration import instants
from eigenspan.calibration.errors import CalibrationError
from eigenspan.calibration.importers import build, rows
from eigenspan.calibration.importers.rows import QubitRow, SiteRow
from eigenspan.calibration.snapshot import Backend, Provenance, Snapshot, significant

CONVERTER: Final = "rigetti/1"
_ONE_QUBIT: Final = ("randomized_benchmark_simultaneous_1q", "randomized_benchmark_1q")


class Characteristic(msgspec.Struct):
    """One measured value. A simultaneous benchmark has one site for all, so each value names its own nodes."""

    name: str
    value: float
    timestamp: str | None = None
    error: float | None = None
    node_ids: list[int] | None = None


class Site(msgspec.Struct):
    """Where an operation acts."""

    node_ids: list[int] = []
    characteristics: list[Characteristic] = []


class Operation(msgspec.Struct):
    """An instruction, or a benchmark."""

    name: str
    sites: list[Site] = []


class Node(msgspec.Struct):
    """A qubit."""

    node_id: int


class Architecture(msgspec.Struct):
    """The qubits that there are."""

    nodes: list[Node]


class InstructionSet(msgspec.Struct):
    """InstructionSetArchitecture as QCS serves it; what is not used is skipped."""

    name: str
    architecture: Architecture
    instructions: list[Operation]
    benchmarks: list[Operation] = []


def from_bytes(data: bytes, source: str, *, valid_from_ns: int | None = None) -> Snapshot:
    """The JSON of GET /v1/quantumProcessors/{id}/instructionSetArchitecture."""
    isa = build.decoded(data, InstructionSet, source, "a Rigetti instruction set")
    return convert(isa, build.provenance(source, [data], CONVERTER), valid_from_ns=valid_from_ns)


def convert(
    isa: InstructionSet,
    origin: Provenance,
    *,
    name: str | None = None,
    valid_from_ns: int | None = None,
    via: str | None = None,
) -> Snapshot:
    """The neutral snapshot. It holds no time of its own: without one it is valid from its newest measurement."""
    who = f"{isa.name} ({origin.source})"
    found = read(isa, who)
    newest = max((at for at in found.dates if at), default=None, key=instants.parse)
    if valid_from_ns is None and newest is None:
        raise CalibrationError(who, "it does not say when it was measured", "say when (--valid-from TIME)")
    ids = list(found.qubits)
    return build.finish(
        backend=Backend(
            provider="rigetti",
            name=name or isa.name,
            num_qubits=len(ids),
            via=via,
            technology="superconducting",
        ),
        valid_from=str(newest) if valid_from_ns is None else instants.format_ns(valid_from_ns),
        calibration_id=None,
        qubits=rows.qubits(found.qubits, "ramsey"),
        gates=rows.gates(found.sites, ids, who),
        device=None,
        benchmarks=[],
        origin=origin,
    )


class Read(msgspec.Struct):
    """What an instruction set says of qubits and sites, and when."""

    qubits: dict[str, QubitRow]
    sites: list[SiteRow]
    dates: list[str | None]


def read(isa: InstructionSet, who: str) -> Read:
    """The rows of an instruction set."""
    found = {str(n): QubitRow() for n in sorted(node.node_id for node in isa.architecture.nodes)}
    sites: list[SiteRow] = []
    benchmarks = {operation.name: operation for operation in isa.benchmarks}
    dates: list[str | None] = []

    def values(operation: Operation) -> list[tuple[tuple[str, ...], Characteristic, str | None]]:
        out = []
        for site in operation.sites:
            for value in site.characteristics:
                nodes = tuple(map(str, value.node_ids or site.node_ids))
                at = rows.measured(value.timestamp, who, f"{operation.name} on {nodes}")
                dates.append(at)
                out.append((nodes, value, at))
        return out

    def qubit(nodes: tuple[str, ...], operation: Operation) -> QubitRow:
        row = found.get(nodes[0]) if len(nodes) == 1 else None
        if row is None:
            raise CalibrationError(who, f"{operation.name} names {nodes}, no qubit of it", "the document is corrupt")
        return row

    for operation in isa.instructions:
        for nodes, value, at in values(operation):
            if operation.name == "MEASURE":
                row = qubit(nodes, operation)
                row.readout_error, row.readout_at = rows.infidelity(value.value), at
            else:
                method = "interleaved_randomized_benchmarking" if len(nodes) > 1 else None
                gate = operation.name.lower()
                sites.append(rows.gate_row(gate, nodes, value.value, value.error, at=at, method=method))
    for operation in (
        benchmarks[name] for name in ("FreeInversionRecovery", "FreeInductionDecay") if name in benchmarks
    ):
        for nodes, value, at in values(operation):
            row, std = qubit(nodes, operation), None if value.error is None else significant(value.error)
            if value.name == "T1":
                row.t1_s, row.t1_std_s, row.t1_at = significant(value.value), std, at
            elif value.name == "T2":
                row.t2_s, row.t2_std_s, row.t2_at = significant(value.value), std, at
    one_qubit: dict[str, list[SiteRow]] = {}
    for operation in (benchmarks[name] for name in _ONE_QUBIT if name in benchmarks):
        for nodes, value, at in values(operation):
            qubit(nodes, operation)
            reported = rows.gate_row("rx", nodes, value.value, value.error, at=at, method="randomized_benchmarking")
            one_qubit.setdefault(nodes[0], []).append(reported)
    for name, reports in one_qubit.items():
        sites.append(rows.one_qubit_gate(found[name], reports))
    return Read(found, sites, dates)


def instruction_set(specs: Any) -> InstructionSet | None:
    """The instruction set inside Braket's `specs`, which holds it directly or as the one of a list; None if neither."""
    if isinstance(specs, dict) and isinstance(listed := specs.get("instructionSetArchitectures"), list) and listed:
        specs = listed[0]
    try:
        return msgspec.convert(specs, InstructionSet)
    except msgspec.ValidationError:
        return None
