"""IonQ: characterizations of its API, version 0.4 and 0.3. Numbers are for the device as a whole.

In 0.4 `date` is ISO 8601; in 0.3 it is seconds since the epoch. SPAM holds state preparation too: it is taken as the
readout error, of which it is an upper bound.
"""

from __future__ import annotations

from typing import Any, Final

import msgspec

from eigenspan.calibration import instants
from eigenspan.calibration.errors import CalibrationError
from eigenspan.calibration.importers import build, rows
from eigenspan.calibration.importers.rows import QubitRow
from eigenspan.calibration.snapshot import Backend, Device, Snapshot, significant

CONVERTER: Final = "ionq/1"
_MS: Final = 100_000_000_000  # more seconds than this would be the year 5138: such a date is in milliseconds


class Statistic(msgspec.Struct):
    """A fidelity over the device."""

    median: float | None = None
    mean: float | None = None
    stderr: float | None = None


class Characterization(msgspec.Struct):
    """One characterization; what is not used is skipped."""

    id: str
    backend: str
    qubits: int
    date: str | int | float
    fidelity: dict[str, Statistic | None]
    timing: dict[str, float | None] = {}


def from_bytes(data: bytes, source: str) -> Snapshot:
    """The JSON of one characterization."""
    document = build.decoded(data, Characterization, source, "an IonQ characterization", "fetch it again")
    who = f"{document.backend} ({source})"
    errors: dict[str, float | None] = {}
    kinds: set[str] = set()
    for name in ("spam", "1q", "2q"):
        value, kind = _fidelity(document.fidelity.get(name))
        errors[name] = None if value is None else rows.infidelity(value)
        if kind:
            kinds.add(kind)
    timing = {key: None if value is None else significant(value) for key, value in document.timing.items()}
    whole = Device(
        t1_s=timing.get("t1"),
        t2_s=timing.get("t2"),
        readout_error=errors["spam"],
        readout_duration_s=timing.get("readout"),
        gate_1q_error=errors["1q"],
        gate_2q_error=errors["2q"],
        gate_1q_duration_s=timing.get("1q"),
        gate_2q_duration_s=timing.get("2q"),
    )
    if whole == Device():
        raise CalibrationError(who, "it holds no number", "the document is partial")
    whole.statistic = "median" if kinds == {"median"} else "mean" if kinds == {"mean"} else "unspecified"
    ids = {str(i): QubitRow() for i in range(document.qubits)}
    return build.finish(
        backend=Backend(provider="ionq", name=document.backend, num_qubits=document.qubits, technology="trapped_ion"),
        valid_from=_date(document.date, who),
        calibration_id=document.id,
        qubits=rows.qubits(ids, "unspecified"),
        gates=[],
        device=whole,
        benchmarks=[],
        origin=build.provenance(source, [data], CONVERTER),
    )


def _fidelity(statistic: Statistic | None) -> tuple[float | None, str]:
    if statistic is None:
        return None, ""
    if statistic.median is not None:
        return statistic.median, "median"
    return statistic.mean, "mean" if statistic.mean is not None else ""


def _date(date: Any, who: str) -> str:
    if isinstance(date, str):
        found = rows.instant(date, who, "date")
        if found is None:
            raise CalibrationError(who, "it is not dated", "the document is partial")
        return found
    try:
        return instants.format_ns(int(date * 1e6 if date > _MS else date * 1e9))
    except (OverflowError, ValueError) as error:
        raise CalibrationError(who, f"date {date} is none", "the document is corrupt") from error
