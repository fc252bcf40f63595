"""From rows (one qubit, or one gate on one site) to the neutral snapshot's parallel arrays.

Providers report fidelities; a row holds errors. A reported value that is the provider's word for "could not be measured"
is no number: the row's error stays None and `unusable` is set.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Final

import msgspec

from eigenspan.calibration import instants
from eigenspan.calibration.errors import CalibrationError
from eigenspan.calibration.gates import NON_GATES
from eigenspan.calibration.importers import build
from eigenspan.calibration.snapshot import (
    ErrorMetric,
    Gate,
    GateFlag,
    Instants,
    QubitFlag,
    Qubits,
    T2Method,
    Technology,
    significant,
)

TECHNOLOGY: Final[dict[str, Technology]] = {
    "ionq": "trapped_ion",
    "aqt": "trapped_ion",
    "quantinuum": "trapped_ion",
    "rigetti": "superconducting",
    "iqm": "superconducting",
    "oqc": "superconducting",
    "pasqal": "neutral_atom",
    "quera": "neutral_atom",
}
"""How each provider's machines are built; what is not here is "other"."""


class QubitRow(msgspec.Struct, kw_only=True):
    """One qubit. Seconds and fractions; a T1 or T2 of 0 means that the provider reported zero."""

    t1_s: float | None = None
    t1_std_s: float | None = None
    t1_at: str | None = None
    t2_s: float | None = None
    t2_std_s: float | None = None
    t2_at: str | None = None
    readout_error: float | None = None
    p_meas0_prep1: float | None = None
    p_meas1_prep0: float | None = None
    readout_at: str | None = None
    operational: bool = True
    flags: list[QubitFlag] = []


class SiteRow(msgspec.Struct, kw_only=True):
    """One gate on one site, its qubits by name."""

    gate: str
    site: tuple[str, ...]
    error: float | None = None
    std: float | None = None
    duration_s: float | None = None
    at: str | None = None
    usable: bool = True
    method: str | None = None


def infidelity(fidelity: float) -> float:
    """1 - fidelity to 12 significant digits, so that binary noise of the subtraction makes no version."""
    return significant(1.0 - significant(fidelity))


def is_sentinel(fidelity: float, std: float | None) -> bool:
    """Whether a gate fidelity says "not measured": 0.5 +- 1.0 (Rigetti), or none at all."""
    return fidelity <= 0.0 or (fidelity == 0.5 and std == 1.0)


def gate_row(
    gate: str,
    site: tuple[str, ...],
    fidelity: float,
    std: float | None = None,
    *,
    at: str | None = None,
    method: str | None = None,
) -> SiteRow:
    """A row from a gate fidelity, which may be a sentinel. A sentinel's date says nothing about a measurement."""
    if is_sentinel(fidelity, std):
        return SiteRow(gate=gate, site=site, usable=False, method=method)
    return SiteRow(
        gate=gate,
        site=site,
        error=infidelity(fidelity),
        std=None if std is None else significant(std),
        at=at,
        method=method,
    )


def one_qubit_gate(qubit: QubitRow, reports: Sequence[SiteRow]) -> SiteRow:
    """The first report, in the order of preference, that is a measurement; else the gate is unusable and flagged.

    A fidelity of one half or less is what a random qubit would give.
    """
    for report in reports:
        if report.error is not None and report.error < 0.5:
            return report
    qubit.flags = [*qubit.flags, "1q_fidelity_le_half"]
    return SiteRow(gate=reports[0].gate, site=reports[0].site, usable=False, method=reports[0].method)


def qubits(rows: Mapping[str, QubitRow], t2_method: T2Method) -> Qubits:
    """The qubit columns, in the order of `rows`."""
    listed = list(rows.values())

    def column(pick: Callable[[QubitRow], float | None]) -> list[float | None] | None:
        return build.column(pick(row) for row in listed)

    def dates(pick: Callable[[QubitRow], tuple[float | None, str | None]]) -> Instants | None:
        return build.column(at if value else None for value, at in map(pick, listed))

    t2 = column(lambda row: row.t2_s or None)
    return Qubits(
        id=list(rows),
        operational=[row.operational and row.t1_s != 0 and row.t2_s != 0 for row in listed],
        flags=[sorted({*build.coherence_flags(row.t1_s, row.t2_s, row.readout_error), *row.flags}) for row in listed],
        t1_s=column(lambda row: row.t1_s or None),
        t1_std_s=column(lambda row: row.t1_std_s if row.t1_s else None),
        t1_measured_at=dates(lambda row: (row.t1_s, row.t1_at)),
        t2_s=t2,
        t2_std_s=column(lambda row: row.t2_std_s if row.t2_s else None),
        t2_measured_at=dates(lambda row: (row.t2_s, row.t2_at)),
        t2_method=t2_method if t2 else None,
        readout_error=column(lambda row: row.readout_error),
        p_meas0_prep1=column(lambda row: row.p_meas0_prep1),
        p_meas1_prep0=column(lambda row: row.p_meas1_prep0),
        readout_measured_at=build.column(row.readout_at for row in listed),
    )


def gates(
    rows: Iterable[SiteRow],
    ids: Sequence[str],
    who: str,
    *,
    native: frozenset[str] | None = None,
    metric: ErrorMetric = "average_gate_infidelity",
) -> list[Gate]:
    """The gates of all rows; `native` holds the native gates' names where the document lists them."""
    position = {name: i for i, name in enumerate(ids)}
    by_gate: dict[str, list[tuple[list[int], SiteRow]]] = {}
    for row in rows:
        try:
            site = [position[name] for name in row.site]
        except KeyError as error:
            what = f"gate {row.gate} acts on {error}, which is no qubit of it"
            raise CalibrationError(who, what, "the document is partial") from None
        by_gate.setdefault(row.gate, []).append((site, row))
    out = []
    for name, listed in by_gate.items():
        listed.sort(key=lambda pair: pair[0])
        flags: list[list[GateFlag]] = [[] if row.usable else ["error_sentinel"] for _, row in listed]
        out.append(
            Gate(
                name=name,
                arity=len(listed[0][0]),
                native=None if native is None else name in native,
                sites=[site for site, _ in listed],
                error=[row.error for _, row in listed],
                error_std=build.column(row.std for _, row in listed),
                operational=[row.usable for _, row in listed],
                error_metric="unspecified" if name in NON_GATES else metric,
                method=next((row.method for _, row in listed if row.method), None),
                duration_s=build.column(row.duration_s for _, row in listed),
                measured_at=build.column(row.at for _, row in listed),
                flags=flags if any(flags) else None,
            )
        )
    return out


def in_order(names: Iterable[str]) -> list[str]:
    """Qubit names in the order of the numbers in them: QB2 before QB10."""
    return sorted(set(names), key=lambda name: (int("0" + "".join(filter(str.isdecimal, name))), name))


def instant(text: str | None, who: str, what: str) -> str | None:
    """A provider's instant in the neutral form; CalibrationError for one without an offset, which names no instant."""
    if not text:
        return None
    try:
        return instants.format_ns(instants.parse(text))
    except (ValueError, OverflowError) as error:
        raise CalibrationError(who, f"{what}: {error}", "say when (--valid-from TIME)") from error


def measured(text: str | None, who: str, what: str) -> str | None:
    """When one value was measured: None where its text has no offset, since the value is no worse for it."""
    try:
        naive = text is not None and datetime.fromisoformat(text).tzinfo is None
    except ValueError:
        naive = False  # `instant` says what is wrong
    return None if naive else instant(text, who, what)
