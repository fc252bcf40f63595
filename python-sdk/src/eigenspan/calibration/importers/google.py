"""Google: calibration metrics of a processor, as Cirq objects, their JSON, or a MetricsSnapshot, with gate durations.

Google reports Pauli errors per cycle. For a depolarizing channel on n qubits, d = 2^n, the average infidelity is
d / (d + 1) of the Pauli error: 2/3 of it for one qubit, 4/5 for two. Both numbers are kept.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any, Final

import msgspec

from eigenspan.calibration import instants
from eigenspan.calibration.errors import CalibrationError
from eigenspan.calibration.importers import build
from eigenspan.calibration.snapshot import Backend, Column, Gate, Provenance, QubitFlag, Qubits, Snapshot, significant

CONVERTER: Final = "google/1"
Metrics = dict[str, dict[tuple[str, ...], float]]

# A superconducting readout lasts about a microsecond. The shipped rainbow and weber specifications say 4 ms, where
# Cirq's own table for them says 4 us: such a value is dropped and flagged, not corrected.
MAX_READOUT_S: Final = 1e-3
_PAULI_TO_AVERAGE: Final = {1: 2 / 3, 2: 4 / 5}
_TWO_QUBIT: Final = re.compile(r"^two_qubit_(parallel_)?(\w+?)_gate_xeb_(pauli|average)_error_per_cycle$")
_GATES: Final = {"sycamore": "syc"}  # metric's word → the device specification's
_DURATION: Final = re.compile(r"valid_gates\s*\{\s*gate_duration_picos:\s*(\d+)\s+(\w+)\s*\{")
_SPEC_TO_GATE: Final = {"phased_xz": "phxz", "syc": "syc", "sqrt_iswap": "sqrt_iswap", "cz": "cz", "meas": "meas"}


class MetricValue(msgspec.Struct, rename="camel"):
    """One value in the protobuf oneof; text and 64-bit integers arrive as strings."""

    double_val: float | None = None
    float_val: float | None = None
    int64_val: int | str | None = None
    int32_val: int | None = None

    def number(self) -> float | None:
        """The value, if it is a number."""
        for value in (self.double_val, self.float_val, self.int64_val, self.int32_val):
            if value is not None:
                return float(value)
        return None


class Metric(msgspec.Struct):
    """One metric on one target; only the first value counts, as in Cirq."""

    name: str
    values: list[MetricValue]
    targets: list[str] = []


class MetricsSnapshot(msgspec.Struct, rename="camel"):
    """cirq.google.api.v2.MetricsSnapshot in proto JSON: 64-bit integers are text there."""

    metrics: list[Metric]
    timestamp_ms: int | str | None = None


class CirqCalibration(msgspec.Struct):
    """What `cirq.to_json` writes of a `cirq_google.Calibration`. It loses the timestamp."""

    cirq_type: str
    metrics: MetricsSnapshot


def from_bytes(
    data: bytes,
    source: str,
    *,
    processor_id: str | None,
    valid_from_ns: int | None = None,
    device_spec: str | None = None,
    calibration_id: str | None = None,
) -> Snapshot:
    """Cirq's JSON of a Calibration, or a MetricsSnapshot in proto JSON; neither names its processor."""
    try:
        raw = msgspec.json.decode(data, type=dict[str, msgspec.Raw])
        if "cirq_type" in raw:
            document = msgspec.json.decode(data, type=CirqCalibration).metrics
        else:
            document = msgspec.json.decode(data, type=MetricsSnapshot)
        metrics = _flatten(document.metrics, source)
        stamp = int(document.timestamp_ms or 0)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError, ValueError) as error:
        raise CalibrationError(source, f"not Google calibration metrics: {error}", "export it again") from error
    raws = [data] if device_spec is None else [data, device_spec.encode()]
    if not processor_id:
        raise CalibrationError(source, "it does not name its processor", "say which (--backend NAME)")
    return convert(
        metrics,
        processor_id=processor_id,
        valid_from_ns=valid_from_ns if valid_from_ns is not None else stamp * 1_000_000,
        durations=parse_durations(device_spec or ""),
        calibration_id=calibration_id,
        origin=build.provenance(source, raws, CONVERTER),
    )


def from_calibration(
    calibration: Any,
    *,
    processor_id: str,
    device_spec: Any = None,
    calibration_id: str | None = None,
    valid_from_ns: int | None = None,
) -> Snapshot:
    """A live `cirq_google.Calibration`, and the processor's DeviceSpecification message for gate durations."""
    metrics: Metrics = {}
    for name in calibration:
        values: dict[tuple[str, ...], float] = {}
        for targets, numbers in calibration[name].items():
            if numbers and not isinstance(numbers[0], str):
                values[tuple(_target(target) for target in targets)] = float(numbers[0])
        metrics[name] = values
    read = sorted([name, list(key), value] for name, values in metrics.items() for key, value in values.items())
    return convert(
        metrics,
        processor_id=processor_id,
        valid_from_ns=valid_from_ns if valid_from_ns is not None else int(calibration.timestamp) * 1_000_000,
        durations=parse_durations("" if device_spec is None else str(device_spec)),
        calibration_id=calibration_id,
        origin=build.object_provenance(f"Calibration of {processor_id}", read, CONVERTER),
    )


def _target(target: Any) -> str:
    return target if isinstance(target, str) else f"{target.row}_{target.col}"


def _flatten(listed: Iterable[Metric], source: str) -> Metrics:
    metrics: Metrics = {}
    for metric in listed:
        number = metric.values[0].number() if metric.values else None
        if number is None:
            continue
        values = metrics.setdefault(metric.name, {})
        if (key := tuple(metric.targets)) in values:
            raise CalibrationError(source, f"{metric.name} is given twice for {key}", "the document is corrupt")
        values[key] = number
    return metrics


def parse_durations(device_spec: str) -> dict[str, float]:
    """Seconds by neutral gate name, from the text form of a DeviceSpecification (`gate_duration_picos`)."""
    return {
        _SPEC_TO_GATE[name]: significant(int(picos) * 1e-12)
        for picos, name in _DURATION.findall(device_spec)
        if name in _SPEC_TO_GATE
    }


def convert(
    metrics: Metrics,
    *,
    processor_id: str,
    valid_from_ns: int,
    durations: Mapping[str, float],
    calibration_id: str | None,
    origin: Provenance,
) -> Snapshot:
    """Metrics by name and target to the neutral snapshot."""
    who = f"{processor_id} ({origin.source})"
    if valid_from_ns <= 0:
        raise CalibrationError(who, "it does not say when it was taken", "say when (--valid-from TIME)")
    ids = _qubit_ids(metrics)
    if not ids:
        raise CalibrationError(who, "no metric names a qubit", "the document is partial")
    position = {name: i for i, name in enumerate(ids)}
    gates = [*_single_qubit(metrics, ids, durations, who), *_two_qubit(metrics, position, durations, who)]
    return build.finish(
        backend=Backend(provider="google", name=processor_id, num_qubits=len(ids), technology="superconducting"),
        valid_from=instants.format_ns(valid_from_ns),
        calibration_id=calibration_id,
        qubits=_qubits(metrics, ids, durations.get("meas")),
        gates=gates,
        device=None,
        benchmarks=[],
        origin=origin,
    )


def _qubit_ids(metrics: Metrics) -> list[str]:
    named = {target for values in metrics.values() for key in values for target in key}
    return sorted((name for name in named if re.fullmatch(r"-?\d+_-?\d+", name)), key=_row_and_column)


def _row_and_column(name: str) -> tuple[int, int]:
    row, _, col = name.partition("_")
    return int(row), int(col)


def _qubits(metrics: Metrics, ids: list[str], readout_s: float | None) -> Qubits:
    def numbers(name: str, factor: float = 1.0) -> Column:
        values = metrics.get(name, {})
        return [significant(values[(q,)] * factor) if (q,) in values else None for q in ids]

    t1 = numbers("single_qubit_idle_t1_micros", 1e-6)
    p10, p01 = numbers("single_qubit_p00_error"), numbers("single_qubit_p11_error")
    readout = [None if a is None or b is None else significant((a + b) / 2) for a, b in zip(p10, p01, strict=True)]
    implausible = readout_s is not None and readout_s > MAX_READOUT_S
    odd: list[QubitFlag] = ["readout_duration_implausible"] if implausible else []
    return Qubits(
        id=ids,
        operational=[value != 0 for value in t1],
        flags=[sorted([*build.coherence_flags(t1[i], None, readout[i]), *odd]) for i in range(len(ids))],
        t1_s=build.column(value or None for value in t1),
        readout_error=build.column(readout),
        p_meas0_prep1=build.column(p01),
        p_meas1_prep0=build.column(p10),
        readout_duration_s=None if implausible or readout_s is None else [readout_s] * len(ids),
    )


def _errors(values: Mapping[Any, float], kind: str, arity: int, who: str) -> dict[Any, tuple[float, float]]:
    """Average infidelity and the number reported, by site."""
    factor = _PAULI_TO_AVERAGE[arity] if kind == "pauli" else 1.0
    for site, value in values.items():
        if not 0 <= value <= 1:
            raise CalibrationError(who, f"the {kind} error of {site} is {value:g}", "an error lies between 0 and 1")
    return {site: (significant(value * factor), significant(value)) for site, value in values.items()}


def _gate(
    name: str,
    *,
    kind: str,
    method: str,
    sites: list[list[int]],
    errors: list[tuple[float, float]],
    duration: float | None,
) -> Gate:
    return Gate(
        name=name,
        arity=len(sites[0]),
        native=True,
        sites=sites,
        error=[error for error, _ in errors],
        operational=[True] * len(sites),
        error_metric="average_gate_infidelity",
        error_reported=[reported for _, reported in errors],
        error_metric_reported=f"{kind}_error",
        method=method,
        duration_s=None if duration is None else [duration] * len(sites),
    )


def _single_qubit(metrics: Metrics, ids: list[str], durations: Mapping[str, float], who: str) -> list[Gate]:
    for kind in ("pauli", "average"):
        values = metrics.get(f"single_qubit_rb_{kind}_error_per_gate")
        if values:
            errors = _errors(values, kind, 1, who)
            known = [i for i, q in enumerate(ids) if (q,) in errors]
            return [
                _gate(
                    "phxz",
                    kind=kind,
                    method="randomized_benchmarking",
                    sites=[[i] for i in known],
                    errors=[errors[(ids[i],)] for i in known],
                    duration=durations.get("phxz"),
                )
            ]
    return []


def _two_qubit(metrics: Metrics, position: Mapping[str, int], durations: Mapping[str, float], who: str) -> list[Gate]:
    """Each gate from its best metric: parallel before isolated XEB, Pauli before average error."""
    best: dict[str, tuple[tuple[bool, bool], str]] = {}
    for name, values in metrics.items():
        found = _TWO_QUBIT.match(name)
        if found is None or not values:
            continue
        rank = (found[1] is not None, found[3] == "pauli")
        gate = _GATES.get(found[2], found[2])
        if gate not in best or rank > best[gate][0]:
            best[gate] = (rank, name)
    gates = []
    for gate, ((parallel, pauli), name) in best.items():
        kind = "pauli" if pauli else "average"
        errors = _errors(metrics[name], kind, 2, who)
        try:
            sites = {tuple(position[q] for q in key): value for key, value in errors.items()}
        except KeyError as error:
            raise CalibrationError(who, f"{name} names {error}, which is no qubit", "the document is corrupt") from None
        ordered = sorted(sites)
        gates.append(
            _gate(
                gate,
                kind=kind,
                method="parallel_xeb" if parallel else "isolated_xeb",
                sites=[list(site) for site in ordered],
                errors=[sites[site] for site in ordered],
                duration=durations.get(gate),
            )
        )
    return gates
