"""Amazon Braket: device properties as GetDevice serves them, alone or inside the whole answer.

The standardized part has three versions: 1 and 2 list qubits and pairs, 3 describes the device as a whole. The provider's
own part is read where it says more (Rigetti's timestamps, IonQ's one-qubit fidelity) or where there is no standardized
part. In versions 1 and 2 READOUT_ERROR_0_TO_1 is an error in a field named fidelity.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

import msgspec

from eigenspan.calibration import instants
from eigenspan.calibration.errors import CalibrationError
from eigenspan.calibration.importers import braket_provider, build, rigetti, rows
from eigenspan.calibration.importers.rows import QubitRow, SiteRow
from eigenspan.calibration.snapshot import Backend, Device, Provenance, Snapshot, T2Method, significant

CONVERTER: Final = "braket/1"
SINGLE_QUBIT_GATE: Final = {"rigetti": "rx", "iqm": "prx", "oqc": "v", "aqt": "prx", "ionq": "gpi2"}
"""The pulse that randomized benchmarking of one qubit is about."""
_T2: Final[dict[str, T2Method]] = {"rigetti": "ramsey", "iqm": "ramsey", "aqt": "ramsey"}
_ONE_QUBIT: Final = ("SIMULTANEOUS_RANDOMIZED_BENCHMARKING", "RANDOMIZED_BENCHMARKING")


class Header(msgspec.Struct):
    """Which schema a part follows: the capabilities' name holds the provider: braket.device_schema.iqm.iqm_device_capabilities."""

    name: str
    version: str


class Service(msgspec.Struct, rename="camel"):
    """What Braket says of its service."""

    updated_at: str | None = None


class Paradigm(msgspec.Struct, rename="camel"):
    """What the device is."""

    qubit_count: int
    native_gate_set: list[str] = []


class Kind(msgspec.Struct):
    """How a fidelity was measured."""

    name: str


class Quantity(msgspec.Struct, rename="camel"):
    """A time with its unit."""

    value: float
    unit: str
    standard_error: float | None = None


class Fidelity(msgspec.Struct, rename="camel"):
    """A fidelity of one qubit, or in version 3 of the whole device."""

    fidelity: float
    fidelity_type: Kind | None = None
    standard_error: float | None = None


class GateFidelity(msgspec.Struct, rename="camel"):
    """A fidelity of one gate on one pair; `direction` maps control and target to qubits."""

    gate_name: str
    fidelity: float
    fidelity_type: Kind | None = None
    standard_error: float | None = None
    direction: dict[str, int] | None = None


class OneQubit(msgspec.Struct):
    """One qubit; in version 3 it has fidelities only."""

    oneQubitFidelity: list[Fidelity]  # noqa: N815
    T1: Quantity | None = None
    T2: Quantity | None = None


class Pair(msgspec.Struct, rename="camel"):
    """One pair, keyed by its qubits' names with a hyphen between."""

    two_qubit_gate_fidelity: list[GateFidelity]


class Standardized(msgspec.Struct, rename="camel"):
    """All three versions of the standardized part: what a version does not have stays empty."""

    one_qubit_properties: dict[str, OneQubit] | None = None
    two_qubit_properties: dict[str, Pair] | None = None
    t1: Quantity | None = msgspec.field(name="T1", default=None)
    t2: Quantity | None = msgspec.field(name="T2", default=None)
    readout_fidelity: list[Fidelity] | None = None
    readout_duration: Quantity | None = None
    single_qubit_gate_duration: Quantity | None = None
    single_qubit_fidelity: list[Fidelity] | None = None
    two_qubit_gate_fidelity: list[Fidelity] | None = None
    two_qubit_gate_duration: Quantity | None = None
    updated_at: str | None = None


class Capabilities(msgspec.Struct, rename="camel"):
    """DeviceCapabilities of a gate-model QPU."""

    braket_schema_header: Header
    service: Service
    paradigm: Paradigm
    provider: dict[str, Any] | None = None
    standardized: Standardized | None = None


class Queue(msgspec.Struct, rename="camel"):
    """One queue of a device; sizes beyond a bound are reported as that bound, ">4000"."""

    queue: str
    queue_size: str
    queue_priority: str | None = None


class DeviceAnswer(msgspec.Struct, rename="camel"):
    """The answer of GetDevice, whose capabilities are JSON in a string."""

    device_arn: str
    device_name: str
    device_capabilities: str
    device_status: str | None = None
    device_queue_info: list[Queue] = []


def from_answer(data: bytes, source: str, *, valid_from_ns: int | None = None) -> Snapshot:
    """A whole GetDevice answer, which names its device."""
    answer = build.decoded(data, DeviceAnswer, source, "a GetDevice answer", "fetch it again")
    body = answer.device_capabilities.encode()
    return from_bytes(body, source, backend=answer.device_arn.rpartition("/")[2], valid_from_ns=valid_from_ns)


def from_bytes(data: bytes, source: str, *, backend: str | None = None, valid_from_ns: int | None = None) -> Snapshot:
    """Device capabilities alone; they do not name the device, except Rigetti's."""
    document = build.decoded(data, Capabilities, source, "Braket device properties")
    origin = build.provenance(source, [data], CONVERTER)
    return convert(document, origin, backend=backend, valid_from_ns=valid_from_ns)


def convert(
    document: Capabilities, origin: Provenance, *, backend: str | None = None, valid_from_ns: int | None = None
) -> Snapshot:
    """Parsed capabilities to the neutral snapshot."""
    provider = document.braket_schema_header.name.removeprefix("braket.device_schema.").partition(".")[0]
    isa = rigetti.instruction_set((document.provider or {}).get("specs")) if provider == "rigetti" else None
    name = backend or (isa.name if isa else None)
    if not name:
        raise CalibrationError(origin.source, "it does not name its device", "say which (--backend NAME)")
    who = f"{name} ({origin.source})"
    since = _valid_from(document, who) if valid_from_ns is None else instants.format_ns(valid_from_ns)
    if isa is not None:
        return rigetti.convert(isa, origin, name=name, valid_from_ns=instants.parse(since), via="braket")
    standard = document.standardized
    if standard is None:
        found = braket_provider.read(provider, document.provider or {}, who)
        standard = msgspec.convert(found, Standardized)
    gate = SINGLE_QUBIT_GATE.get(provider, "rx")
    qubits, sites, whole = _read(standard, gate, who)
    if not qubits:
        qubits = {str(i): QubitRow() for i in range(document.paradigm.qubit_count)}
    if provider == "ionq" and document.provider is not None:
        braket_provider.complete_ionq(whole, document.provider)
    native = frozenset(map(str.lower, document.paradigm.native_gate_set))
    return build.finish(
        backend=Backend(
            provider=provider,
            name=name,
            num_qubits=document.paradigm.qubit_count,
            via="braket",
            technology=rows.TECHNOLOGY.get(provider, "other"),
        ),
        valid_from=since,
        calibration_id=None,
        qubits=rows.qubits(qubits, _T2.get(provider, "unspecified")),
        gates=rows.gates(sites, list(qubits), who, native=native | {gate}),
        device=whole,
        benchmarks=[],
        origin=origin,
    )


def _valid_from(document: Capabilities, who: str) -> str:
    """When the properties were updated: version 3 says so itself, for versions 1 and 2 the service does."""
    stated = document.standardized.updated_at if document.standardized is not None else None
    found = rows.instant(stated or document.service.updated_at, who, "updatedAt")
    if found is None:
        raise CalibrationError(who, "it does not say when it was updated", "say when (--valid-from TIME)")
    return found


def _seconds(quantity: Quantity | None, who: str, what: str) -> tuple[float | None, float | None]:
    """A time and its standard error in seconds."""
    if quantity is None:
        return None, None
    value = build.scaled(quantity.value, quantity.unit, build.TIME_UNITS, who, what)
    std = quantity.standard_error
    return value, None if std is None else build.scaled(std, quantity.unit, build.TIME_UNITS, who, what)


def _read(standard: Standardized, gate: str, who: str) -> tuple[dict[str, QubitRow], list[SiteRow], Device]:
    qubits: dict[str, QubitRow] = {}
    sites: list[SiteRow] = []
    listed = standard.one_qubit_properties or {}
    for name in rows.in_order(listed):
        row, gates = _qubit(name, listed[name], gate, who)
        qubits[name] = row
        sites += gates
    for key, pair in (standard.two_qubit_properties or {}).items():
        sites += _pair(key, pair)
    return qubits, sites, _device(standard, who)


def _qubit(name: str, one: OneQubit, gate: str, who: str) -> tuple[QubitRow, list[SiteRow]]:
    t1, t1_std = _seconds(one.T1, who, f"qubit {name} T1")
    t2, t2_std = _seconds(one.T2, who, f"qubit {name} T2")
    row = QubitRow(t1_s=t1, t1_std_s=t1_std, t2_s=t2, t2_std_s=t2_std)
    by_kind = {value.fidelity_type.name: value for value in one.oneQubitFidelity if value.fidelity_type is not None}
    if readout := by_kind.get("READOUT"):
        row.readout_error = rows.infidelity(readout.fidelity)
    if flips := by_kind.get("READOUT_ERROR_0_TO_1"):
        row.p_meas1_prep0 = significant(flips.fidelity)
    if flips := by_kind.get("READOUT_ERROR_1_TO_0"):
        row.p_meas0_prep1 = significant(flips.fidelity)
    reports = [
        rows.gate_row(gate, (name,), value.fidelity, value.standard_error, method=kind.lower())
        for kind in _ONE_QUBIT
        if (value := by_kind.get(kind)) is not None
    ]
    return row, [rows.one_qubit_gate(row, reports)] if reports else []


def _pair(key: str, pair: Pair) -> Iterable[SiteRow]:
    for value in pair.two_qubit_gate_fidelity:
        direction = value.direction or {}
        control, target = direction.get("control"), direction.get("target")
        stated = control is not None and target is not None
        site = (str(control), str(target)) if stated else tuple(key.split("-"))
        method = value.fidelity_type.name.lower() if value.fidelity_type is not None else None
        yield rows.gate_row(value.gate_name.lower(), site, value.fidelity, value.standard_error, method=method)


def _device(standard: Standardized, who: str) -> Device:
    def error(listed: list[Fidelity] | None) -> float | None:
        return rows.infidelity(listed[0].fidelity) if listed else None

    whole = Device(
        t1_s=_seconds(standard.t1, who, "T1")[0],
        t2_s=_seconds(standard.t2, who, "T2")[0],
        readout_error=error(standard.readout_fidelity),
        readout_duration_s=_seconds(standard.readout_duration, who, "readout duration")[0],
        gate_1q_error=error(standard.single_qubit_fidelity),
        gate_2q_error=error(standard.two_qubit_gate_fidelity),
        gate_1q_duration_s=_seconds(standard.single_qubit_gate_duration, who, "one-qubit duration")[0],
        gate_2q_duration_s=_seconds(standard.two_qubit_gate_duration, who, "two-qubit duration")[0],
    )
    if whole != Device():
        whole.statistic = "mean"
    return whole
