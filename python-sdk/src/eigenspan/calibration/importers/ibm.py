"""IBM: BackendProperties with or without the configuration beside it, live Qiskit backends, and bare Targets.

Gate errors are average infidelities. A gate error of 1.0 is IBM's sentinel for "not calibrated" (2.0 for `u3` in 2019,
which was written as twice `u2`); it is stamped when the document is fetched, so its date says nothing and is dropped.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

import msgspec

from eigenspan.calibration import instants
from eigenspan.calibration.backends import IBM_EDITED, series_of
from eigenspan.calibration.errors import CalibrationError
from eigenspan.calibration.gates import NON_GATES, VIRTUAL
from eigenspan.calibration.importers import build
from eigenspan.calibration.snapshot import (
    Backend,
    Benchmark,
    Gate,
    GateFlag,
    Provenance,
    QubitFlag,
    Qubits,
    Snapshot,
    significant,
)

CONVERTER: Final = "ibm/1"
_CLOPS: Final = ("clops", "clops_v", "clops_h")


class Value(msgspec.Struct):
    """IBM's Nduv: a name, a date, a unit and a value."""

    name: str
    unit: str
    value: float
    date: datetime


class GateEntry(msgspec.Struct):
    """One gate on one site."""

    qubits: list[int]
    gate: str
    parameters: list[Value]


class QubitList(msgspec.Struct):
    """The qubits of a benchmark chain."""

    name: str
    qubits: list[int]


class Properties(msgspec.Struct):
    """BackendProperties as served; what we do not use is skipped."""

    backend_name: str
    backend_version: str
    last_update_date: datetime
    qubits: list[list[Value]]
    gates: list[GateEntry]
    general: list[Value] = []
    general_qlists: list[QubitList] | None = None
    calibration_id: str | None = None


class Configuration(msgspec.Struct):
    """The parts of a backend configuration that describe the machine."""

    backend_name: str
    n_qubits: int
    basis_gates: list[str] = []
    processor_type: dict[str, Any] | None = None
    quantum_volume: Any = None
    clops: Any = None
    clops_v: Any = None
    clops_h: Any = None


_properties = msgspec.json.Decoder(Properties)
_configuration = msgspec.json.Decoder(Configuration)


def from_bytes(properties: bytes, configuration: bytes | None, source: str) -> Snapshot:
    """A `props_*.json` document and, when there is one, its `conf_*.json`."""
    try:
        props = _properties.decode(properties)
        conf = None if configuration is None else _configuration.decode(configuration)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise CalibrationError(source, f"not BackendProperties: {error}", "export it again") from error
    raw = [properties] if configuration is None else [properties, configuration]
    return convert(props, conf, build.provenance(source, raw, CONVERTER))


def from_documents(
    properties: Mapping[str, Any], configuration: Mapping[str, Any] | None = None, source: str = "BackendProperties"
) -> Snapshot:
    """The same documents as dictionaries; dates may be text or datetimes with a zone."""
    try:
        props = msgspec.convert(dict(properties), Properties)
        conf = None if configuration is None else msgspec.convert(dict(configuration), Configuration)
    except msgspec.ValidationError as error:
        raise CalibrationError(source, f"not BackendProperties: {error}", "export it again") from error
    return convert(props, conf, build.object_provenance(source, msgspec.to_builtins([props, conf]), CONVERTER))


def from_backend(backend: Any) -> Snapshot:
    """A live Qiskit backend (IBMBackend, FakeBackendV2): its `properties()` and `configuration()`."""
    name = str(getattr(backend, "name", backend))
    read = getattr(backend, "properties", None)
    properties = read() if callable(read) else None
    if properties is None:
        raise CalibrationError(name, "it publishes no properties", "import its Target with from_target")
    configuration = backend.configuration()
    conf = {field: getattr(configuration, field, None) for field in Configuration.__struct_fields__}
    conf["basis_gates"] = conf["basis_gates"] or []
    return from_documents(properties.to_dict(), conf, name)


def convert(props: Properties, conf: Configuration | None, origin: Provenance) -> Snapshot:
    """Properties and configuration, parsed, to the neutral snapshot."""
    who = f"{props.backend_name} ({origin.source})"
    name = props.backend_name
    if conf is not None:
        _same_machine(props, conf, who)
        # A fake backend renames its configuration; the properties keep the name of the machine that it replays.
        if not conf.backend_name.startswith("fake_"):
            name = conf.backend_name
    return build.finish(
        backend=Backend(
            provider="ibm",
            name=IBM_EDITED.get(name, name),
            num_qubits=len(props.qubits),
            version=props.backend_version,
            technology="superconducting",
            processor=_processor(conf),
        ),
        valid_from=_instant(props.last_update_date, who, "last_update_date"),
        calibration_id=props.calibration_id,
        qubits=_qubits(props, who),
        gates=_gates(props, set(conf.basis_gates) if conf is not None else None, who),
        device=None,
        benchmarks=_benchmarks(props, conf, who),
        origin=origin,
    )


def _same_machine(props: Properties, conf: Configuration, who: str) -> None:
    mend = "give the configuration that belongs to the properties"
    if conf.n_qubits != len(props.qubits):
        raise CalibrationError(
            who, f"the configuration has {conf.n_qubits} qubits, the properties {len(props.qubits)}", mend
        )
    if series_of("ibm", conf.backend_name).name != series_of("ibm", props.backend_name).name:
        raise CalibrationError(who, f"the configuration is of {conf.backend_name}", mend)


def _processor(conf: Configuration | None) -> str | None:
    if conf is None or not conf.processor_type or "family" not in conf.processor_type:
        return None
    revision = conf.processor_type.get("revision")
    return str(conf.processor_type["family"]) + ("" if revision is None else f" r{revision}")


def _instant(date: datetime, who: str, what: str) -> str:
    if date.tzinfo is None:
        raise CalibrationError(who, f"{what} {date.isoformat()} has no UTC offset", "export it with offsets")
    return instants.format_ns(instants.to_ns(date))


def _qubits(props: Properties, who: str) -> Qubits:
    rows = [{value.name: value for value in values} for values in props.qubits]

    def numbers(name: str, units: dict[str, float]) -> list[float | None]:
        return [
            build.scaled(row[name].value, row[name].unit, units, who, f"qubit {i} {name}") if name in row else None
            for i, row in enumerate(rows)
        ]

    def dates(name: str, kept: list[float | None]) -> list[str | None] | None:
        return build.column(
            _instant(row[name].date, who, f"qubit {i} {name}") if name in row and kept[i] is not None else None
            for i, row in enumerate(rows)
        )

    t1, t2 = numbers("T1", build.TIME_UNITS), numbers("T2", build.TIME_UNITS)
    readout = numbers("readout_error", build.FRACTION_UNITS)
    flags = [build.coherence_flags(*values) for values in zip(t1, t2, readout, strict=True)]
    for site in _uncalibrated_qubits(props):
        if 0 <= site < len(flags):
            flags[site].append("1q_gate_not_calibrated")
    operational = [
        t1[i] != 0 and t2[i] != 0 and ("operational" not in row or bool(row["operational"].value))
        for i, row in enumerate(rows)
    ]
    t1, t2 = _without_zeros(t1), _without_zeros(t2)
    frequency = _without_zeros(numbers("frequency", build.FREQUENCY_UNITS))
    anharmonicity = numbers("anharmonicity", build.FREQUENCY_UNITS)
    return Qubits(
        id=[str(i) for i in range(len(rows))],
        operational=operational,
        flags=[_ordered(flag) for flag in flags],
        t1_s=build.column(t1),
        t1_measured_at=dates("T1", t1),
        t2_s=build.column(t2),
        t2_measured_at=dates("T2", t2),
        t2_method="unspecified" if any(t2) else None,
        readout_error=build.column(readout),
        p_meas0_prep1=build.column(numbers("prob_meas0_prep1", build.FRACTION_UNITS)),
        p_meas1_prep0=build.column(numbers("prob_meas1_prep0", build.FRACTION_UNITS)),
        readout_measured_at=dates("readout_error", readout),
        readout_duration_s=build.column(numbers("readout_length", build.TIME_UNITS)),
        frequency_hz=build.column(frequency),
        anharmonicity_hz=build.column(_without_zeros(anharmonicity)),
    )


def _ordered(flags: list[QubitFlag]) -> list[QubitFlag]:
    return sorted(set(flags))


def _without_zeros(values: list[float | None]) -> list[float | None]:
    return [value or None for value in values]


def _sentinel(gate: str, error: float) -> bool:
    return error == 1.0 or (gate == "u3" and error == 2.0)


def _uncalibrated_qubits(props: Properties) -> set[int]:
    return {
        entry.qubits[0]
        for entry in props.gates
        if len(entry.qubits) == 1 and entry.gate not in NON_GATES
        for value in entry.parameters
        if value.name == "gate_error" and _sentinel(entry.gate, value.value)
    }


class _Site(msgspec.Struct):
    """One gate entry, converted."""

    site: list[int]
    error: float | None = None
    duration: float | None = None
    operational: bool = True
    measured_at: str | None = None
    flags: list[GateFlag] = []


def _site(entry: GateEntry, who: str) -> _Site:
    site = _Site(site=entry.qubits)
    for value in entry.parameters:
        what = f"{entry.gate} on {entry.qubits} {value.name}"
        if value.name == "gate_length":
            site.duration = build.scaled(value.value, value.unit, build.TIME_UNITS, who, what)
        elif value.name == "operational":
            site.operational = site.operational and bool(value.value)
        elif value.name == "gate_error":
            if _sentinel(entry.gate, value.value):
                site.operational = False
                site.flags = ["error_sentinel"]
                continue
            site.error = build.scaled(value.value, value.unit, build.FRACTION_UNITS, who, what)
            if not (entry.gate in VIRTUAL and site.error == 0):
                site.measured_at = _instant(value.date, who, what)
    return site


def _gates(props: Properties, basis: set[str] | None, who: str) -> list[Gate]:
    by_name: dict[str, list[_Site]] = defaultdict(list)
    for entry in props.gates:
        if not entry.qubits:
            raise CalibrationError(who, f"gate {entry.gate} acts on no qubit", "the document is corrupt")
        by_name[entry.gate].append(_site(entry, who))
    gates = []
    for name, sites in by_name.items():
        sites.sort(key=lambda site: site.site)
        gates.append(
            Gate(
                name=name,
                arity=len(sites[0].site),
                native=None if basis is None else name in basis,
                sites=[site.site for site in sites],
                error=[site.error for site in sites],
                operational=[site.operational for site in sites],
                error_metric="unspecified" if name in NON_GATES else "average_gate_infidelity",
                duration_s=build.column(site.duration for site in sites),
                measured_at=build.column(site.measured_at for site in sites),
                flags=[site.flags for site in sites] if any(site.flags for site in sites) else None,
            )
        )
    return gates


def _benchmarks(props: Properties, conf: Configuration | None, who: str) -> list[Benchmark]:
    chains = {chain.name: chain.qubits for chain in props.general_qlists or ()}
    benchmarks = [
        Benchmark(
            name=value.name,
            value=significant(value.value),
            num_qubits=int(value.name[3:]),
            qubits=chains.get(value.name),
            measured_at=_instant(value.date, who, value.name),
        )
        for value in props.general
        if value.name.startswith("lf_") and value.name[3:].isdecimal()
    ]
    if conf is not None:
        for name in ("quantum_volume", *_CLOPS):
            number = getattr(conf, name)  # may be absent, null, or text such as "None"
            if isinstance(number, int | float) and not isinstance(number, bool):
                benchmarks.append(Benchmark(name=name, value=float(number)))
    return benchmarks
