"""A bare Qiskit Target: errors and durations without dates, for backends that publish no properties."""

from __future__ import annotations

from typing import Any, Final

from eigenspan.calibration import instants
from eigenspan.calibration.gates import NON_GATES
from eigenspan.calibration.importers import build
from eigenspan.calibration.snapshot import Backend, Gate, Qubits, Snapshot, significant

CONVERTER: Final = "qiskit-target/1"


def from_target(target: Any, *, provider: str, name: str, valid_from_ns: int, version: str | None = None) -> Snapshot:
    """The Target of backend `name` as it was at `valid_from_ns`: a Target knows neither its name nor its time.

    The readout error and duration are those of `measure`. An error of 1.0 is the sentinel that IBM's converter passes
    through. Gates without properties (ideal or control flow) are left out.
    """
    n = int(target.num_qubits)
    measure = target["measure"] if "measure" in target.operation_names else {}
    readout = [_number(measure.get((q,)), "error") for q in range(n)]
    properties = target.qubit_properties or [None] * n
    t1 = [_number(p, "t1") for p in properties]
    t2 = [_number(p, "t2") for p in properties]
    qubits = Qubits(
        id=[str(q) for q in range(n)],
        operational=[t1[q] != 0 and t2[q] != 0 for q in range(n)],
        flags=[sorted(build.coherence_flags(t1[q], t2[q], readout[q])) for q in range(n)],
        t1_s=build.column(value or None for value in t1),
        t2_s=build.column(value or None for value in t2),
        t2_method="unspecified" if any(t2) else None,
        readout_error=build.column(readout),
        readout_duration_s=build.column(_number(measure.get((q,)), "duration") for q in range(n)),
        frequency_hz=build.column(_number(p, "frequency") or None for p in properties),
    )
    gates = [gate for operation in sorted(target.operation_names) if (gate := _gate(target, operation)) is not None]
    read = {"name": name, "t1": t1, "t2": t2, "readout": readout, "gates": [[g.name, g.sites, g.error] for g in gates]}
    return build.finish(
        backend=Backend(provider=provider, name=name, num_qubits=n, version=version, technology="superconducting"),
        valid_from=instants.format_ns(valid_from_ns),
        calibration_id=None,
        qubits=qubits,
        gates=gates,
        device=None,
        benchmarks=[],
        origin=build.object_provenance(f"Target of {name}", read, CONVERTER),
    )


def _number(properties: Any, field: str) -> float | None:
    value = getattr(properties, field, None)
    return None if value is None else significant(float(value))


def _gate(target: Any, name: str) -> Gate | None:
    if name in NON_GATES:
        return None
    sites = sorted((site, props) for site, props in target[name].items() if site and props is not None)
    if not sites:
        return None
    reported = [_number(props, "error") for _, props in sites]
    dead = [error == 1.0 for error in reported]
    return Gate(
        name=name,
        arity=len(sites[0][0]),
        native=True,
        sites=[list(site) for site, _ in sites],
        error=[None if is_dead else error for error, is_dead in zip(reported, dead, strict=True)],
        operational=[not is_dead for is_dead in dead],
        error_metric="average_gate_infidelity",
        duration_s=build.column(_number(props, "duration") for _, props in sites),
        flags=[["error_sentinel"] if is_dead else [] for is_dead in dead] if any(dead) else None,
    )
