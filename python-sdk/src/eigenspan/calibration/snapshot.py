"""The neutral calibration document: what a provider reported of one backend, in one shape and SI units.

Times are seconds, frequencies hertz, errors and readout probabilities fractions; instants are RFC 3339 in UTC with `Z`.
None means that the provider did not report the value. A provider's sentinel (such as a gate error of 1.0) is never a
number here: it is None, `operational` false and a flag. `schemas/calibration-snapshot.json` is the same shape as a
JSON Schema. The importers round numbers to 12 significant digits, so that a change of unit changes nothing.
"""

from __future__ import annotations

import hashlib
import json
from typing import Any, Final, Literal

import msgspec

from eigenspan.calibration.errors import CalibrationError

SCHEMA: Final = "eigenspan.calibration/1"
HASHED: Final = ("schema", "backend", "qubits", "gates", "device", "benchmarks")

Column = list[float | None]
Instants = list[str | None]
Technology = Literal["superconducting", "trapped_ion", "neutral_atom", "photonic", "spin", "annealer", "other"]
T2Method = Literal["hahn_echo", "ramsey", "cpmg", "unspecified"]
ErrorMetric = Literal[
    "average_gate_infidelity", "process_infidelity", "pauli_error", "depolarizing_parameter", "unspecified"
]
QubitFlag = Literal[
    "missing_t1",
    "missing_t2",
    "zero_t1",
    "zero_t2",
    "t2_gt_2t1",
    "readout_ge_half",
    "readout_duration_implausible",
    "1q_gate_not_calibrated",
    "1q_fidelity_le_half",
]
GateFlag = Literal["error_sentinel"]


class Part(msgspec.Struct, omit_defaults=True, forbid_unknown_fields=True, kw_only=True):
    """A part of the document; what was not reported is left out of its JSON."""


class Backend(Part):
    """Which machine this is. `via` is the marketplace it was read from, when that is not the provider."""

    provider: str
    name: str
    num_qubits: int
    via: str | None = None
    version: str | None = None
    technology: Technology = "other"
    processor: str | None = None


class Validity(Part):
    """`version` names the content; the rest says when it held. `valid_to` is derived from the next snapshot."""

    version: str
    valid_from: str
    valid_to: str | None = None
    provider_calibration_id: str | None = None


class Qubits(Part):
    """Parallel arrays: index i of every array is the qubit `id[i]`. An array with no value at all is left out."""

    id: list[str]
    operational: list[bool]
    flags: list[list[QubitFlag]]
    t1_s: Column | None = None
    t1_std_s: Column | None = None
    t1_measured_at: Instants | None = None
    t2_s: Column | None = None
    t2_std_s: Column | None = None
    t2_measured_at: Instants | None = None
    t2_method: T2Method | None = None
    readout_error: Column | None = None
    p_meas0_prep1: Column | None = None
    p_meas1_prep0: Column | None = None
    readout_measured_at: Instants | None = None
    readout_duration_s: Column | None = None
    frequency_hz: Column | None = None
    anharmonicity_hz: Column | None = None


class Gate(Part):
    """One gate on all its sites, as parallel arrays. A site is a tuple of qubit positions, control first.

    `measured_at` is when the error was measured: None for sentinels and for errors that are zero by definition.
    `native` is None when the document does not say.
    """

    name: str
    arity: int
    sites: list[list[int]]
    error: Column
    operational: list[bool]
    error_metric: ErrorMetric
    native: bool | None = None
    error_std: Column | None = None
    error_reported: Column | None = None
    error_metric_reported: str | None = None
    method: str | None = None
    duration_s: Column | None = None
    measured_at: Instants | None = None
    flags: list[list[GateFlag]] | None = None


class Device(Part):
    """Numbers for the device as a whole, where a provider publishes none for its qubits."""

    t1_s: float | None = None
    t2_s: float | None = None
    readout_error: float | None = None
    readout_duration_s: float | None = None
    gate_1q_error: float | None = None
    gate_2q_error: float | None = None
    gate_1q_duration_s: float | None = None
    gate_2q_duration_s: float | None = None
    statistic: Literal["mean", "median", "unspecified"] | None = None


class Benchmark(Part):
    """A figure for the whole machine, or for the chain of qubits that it names."""

    name: str
    value: float
    num_qubits: int | None = None
    qubits: list[int] | None = None
    measured_at: str | None = None


class Provenance(Part):
    """Where the document came from: enough to find it again and to prove that it is the same."""

    source: str
    raw_sha256: str
    raw_bytes: int | None = None
    license: str | None = None
    retrieved_at: str | None = None
    converter: str | None = None


class Snapshot(Part):
    """One immutable description of a backend as its provider reported it."""

    schema: str
    backend: Backend
    snapshot: Validity
    qubits: Qubits
    gates: list[Gate]
    device: Device
    benchmarks: list[Benchmark]
    provenance: Provenance


def significant(value: float) -> float:
    """`value` to 12 significant digits: enough for any instrument, and the same after any change of unit."""
    return float(f"{value:.12g}") + 0.0


def canonical_json(document: Any) -> bytes:
    """Sorted keys, no spaces, UTF-8, floats in their shortest round-trip form: equal documents are equal bytes."""
    return json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode()


def version_of(snapshot: Snapshot) -> str:
    """The content version: SHA-256 of the canonical JSON of everything but validity and provenance."""
    document = msgspec.to_builtins({name: getattr(snapshot, name) for name in HASHED})
    return "sha256:" + hashlib.sha256(canonical_json(document)).hexdigest()


def to_json(snapshot: Snapshot) -> bytes:
    """The document as canonical JSON."""
    return canonical_json(msgspec.to_builtins(snapshot))


_decoder = msgspec.json.Decoder(Snapshot)


def from_json(data: bytes, source: str = "calibration snapshot") -> Snapshot:
    """A stored or exchanged document; its shape and its version are checked, its physics is `plausible.check`'s."""
    try:
        snapshot = _decoder.decode(data)
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError) as error:
        raise CalibrationError(source, f"not a {SCHEMA} document: {error}", "export it again") from error
    if snapshot.schema != SCHEMA:
        raise CalibrationError(source, f"its schema is {snapshot.schema!r}", f"this program reads {SCHEMA}")
    if (actual := version_of(snapshot)) != snapshot.snapshot.version:
        raise CalibrationError(
            source,
            f"its version is {snapshot.snapshot.version[:23]}… but its content hashes to {actual[:23]}…",
            "it was changed after it was written: export it again",
        )
    return snapshot
