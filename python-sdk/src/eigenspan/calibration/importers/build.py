"""What every importer needs: units, columns, provenance, and the last steps that make a snapshot final."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from typing import Any, Final, TypeVar

import msgspec

from eigenspan import __version__
from eigenspan.calibration import plausible
from eigenspan.calibration.errors import CalibrationError
from eigenspan.calibration.snapshot import (
    SCHEMA,
    Backend,
    Benchmark,
    Device,
    Gate,
    Provenance,
    QubitFlag,
    Qubits,
    Snapshot,
    Validity,
    significant,
    version_of,
)

T = TypeVar("T")

# Both U+00B5 (micro sign) and U+03BC (Greek mu) occur in the field.
TIME_UNITS: Final = {
    "s": 1.0,
    "S": 1.0,
    "ms": 1e-3,
    "us": 1e-6,
    "uS": 1e-6,
    "\u00b5s": 1e-6,
    "\u03bcs": 1e-6,
    "ns": 1e-9,
    "ps": 1e-12,
}
FREQUENCY_UNITS: Final = {"Hz": 1.0, "kHz": 1e3, "MHz": 1e6, "GHz": 1e9}
FRACTION_UNITS: Final = {"": 1.0}


def scaled(value: float, unit: str, units: dict[str, float], who: str, what: str) -> float:
    """`value` in SI units, to 12 significant digits; an unknown unit is refused, not guessed."""
    factor = units.get(unit)
    if factor is None:
        known = ", ".join(repr(name) for name in units)
        raise CalibrationError(who, f"{what} has unit {unit!r}", f"known units are {known}")
    return significant(value * factor)


def decoded(data: bytes, kind: type[T], source: str, what: str, mend: str = "export it again") -> T:
    """A JSON document as `kind`. Raises CalibrationError, naming the source, where it is not `what` it should be."""
    try:
        return msgspec.json.decode(data, type=kind)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise CalibrationError(source, f"not {what}: {error}", mend) from error


def column(values: Iterable[T | None]) -> list[T | None] | None:
    """A column, or None when it holds no value at all."""
    listed = list(values)
    return listed if any(value is not None for value in listed) else None


def coherence_flags(t1: float | None, t2: float | None, readout: float | None) -> list[QubitFlag]:
    """What is odd about one qubit. `t1`, `t2` in seconds, 0 where the provider reported zero."""
    flags: list[QubitFlag] = []
    if t1 is None:
        flags.append("missing_t1")
    elif t1 == 0:
        flags.append("zero_t1")
    if t2 is None:
        flags.append("missing_t2")
    elif t2 == 0:
        flags.append("zero_t2")
    if t1 and t2 and t2 > 2 * t1:
        flags.append("t2_gt_2t1")
    if readout is not None and readout >= 0.5:
        flags.append("readout_ge_half")
    return flags


def provenance(source: str, raw: Sequence[bytes], converter: str) -> Provenance:
    """Provenance of documents read as bytes; several (properties and configuration) hash as one."""
    digest = hashlib.sha256()
    for part in raw:
        digest.update(part)
    return Provenance(
        source=source,
        raw_sha256=digest.hexdigest(),
        raw_bytes=sum(map(len, raw)),
        converter=f"eigenspan/{__version__} {converter}",
    )


def object_provenance(source: str, document: Any, converter: str) -> Provenance:
    """Provenance of a live object: the hash of what was read from it."""
    return provenance(source, [msgspec.json.encode(document, order="sorted")], converter)


def finish(
    *,
    backend: Backend,
    valid_from: str,
    calibration_id: str | None,
    qubits: Qubits,
    gates: list[Gate],
    device: Device | None,
    benchmarks: list[Benchmark],
    origin: Provenance,
) -> Snapshot:
    """Order what has no order, check that it is possible, and give it its version."""
    gates.sort(key=lambda gate: gate.name)
    benchmarks.sort(key=lambda b: (b.name, b.num_qubits or 0))
    snapshot = Snapshot(
        schema=SCHEMA,
        backend=backend,
        snapshot=Validity(version="", valid_from=valid_from, provider_calibration_id=calibration_id),
        qubits=qubits,
        gates=gates,
        device=device or Device(),
        benchmarks=benchmarks,
        provenance=origin,
    )
    plausible.check(snapshot)
    snapshot.snapshot.version = version_of(snapshot)
    return snapshot
