"""IQM: a quality metric set, as the station control serves it (observations) or as iqm-client writes it (metrics).

An observation's name says all: `characterization.model.QB1.t1_time`,
`metrics.ssro.measure.constant.QB1.error_0_to_1`, `metrics.rb.prx.drag_crf.QB1.fidelity:par=d1`,
`metrics.irb.cz.tgss.QB1__QB2.fidelity:par=d2`. Loci that are resonators are not qubits. `measure` is the gate that programs
run; `measure_fidelity` is another experiment with other numbers.
"""

from __future__ import annotations

from typing import Any, Final, NamedTuple

import msgspec

from eigenspan.calibration import instants
from eigenspan.calibration.errors import CalibrationError
from eigenspan.calibration.importers import build, rows
from eigenspan.calibration.importers.rows import QubitRow, SiteRow
from eigenspan.calibration.snapshot import Backend, Snapshot, significant

CONVERTER: Final = "iqm/1"
_CLIENT: Final = "calibration_set_id"


class Observation(msgspec.Struct):
    """One observation; iqm-client writes every value as text and a missing uncertainty as "None"."""

    value: Any
    unit: str = ""
    uncertainty: Any = None
    invalid: bool = False
    dut_field: str = ""
    timestamp: str | None = None
    created_timestamp: str | None = None
    modified_timestamp: str | None = None

    def number(self) -> float | None:
        """The value, where it is a number."""
        return _number(self.value)

    def std(self) -> float | None:
        """The uncertainty, where it is given."""
        return _number(self.uncertainty)

    def measured(self) -> str | None:
        """When it was made."""
        return self.timestamp or self.modified_timestamp or self.created_timestamp


class StationSet(msgspec.Struct):
    """An observation set of the station control with its observations."""

    observation_set_id: str
    observations: list[Observation]
    describes_id: str | None = None
    created_timestamp: str | None = None
    end_timestamp: str | None = None
    invalid: bool = False


class ClientSet(msgspec.Struct):
    """iqm-client's QualityMetricSet."""

    calibration_set_id: str
    metrics: dict[str, Observation]
    quality_metric_set_created_timestamp: str | None = None
    quality_metric_set_end_timestamp: str | None = None
    quality_metric_set_is_invalid: bool = False
    calibration_set_is_invalid: bool = False


class Named(NamedTuple):
    """A gate metric's name, taken apart: metrics.METHOD.GATE.IMPLEMENTATION.LOCUS.METRIC and suffixes."""

    method: str
    gate: str
    locus: tuple[str, ...]
    metric: str


def from_bytes(data: bytes, source: str, *, backend: str | None, valid_from_ns: int | None = None) -> Snapshot:
    """Either form; neither names its machine as users do."""
    is_it = ("an IQM quality metric set", "fetch it again")
    raw = build.decoded(data, dict[str, msgspec.Raw], source, *is_it)
    kind: Any = ClientSet if _CLIENT in raw and "metrics" in raw else StationSet
    document = build.decoded(data, kind, source, *is_it)
    if not backend:
        raise CalibrationError(source, "it does not name its machine", "say which (--backend NAME)")
    who = f"{backend} ({source})"
    if isinstance(document, ClientSet):
        for name, observation in document.metrics.items():
            observation.dut_field = name
        listed, calibration_id = list(document.metrics.values()), document.calibration_set_id
        stamp = document.quality_metric_set_end_timestamp or document.quality_metric_set_created_timestamp
        invalid = document.quality_metric_set_is_invalid or document.calibration_set_is_invalid
    else:
        listed, calibration_id = document.observations, document.describes_id or document.observation_set_id
        stamp, invalid = document.end_timestamp or document.created_timestamp, document.invalid
    if invalid:
        raise CalibrationError(who, "IQM marks it as invalid", "fetch a valid one")
    since = instants.format_ns(valid_from_ns) if valid_from_ns is not None else rows.instant(stamp, who, "its time")
    if since is None:
        raise CalibrationError(who, "it does not say when it was made", "say when (--valid-from TIME)")
    qubits, sites = _read(listed, who)
    if not qubits:
        raise CalibrationError(who, "no metric names a qubit", "the document is partial")
    return build.finish(
        backend=Backend(provider="iqm", name=backend, num_qubits=len(qubits), technology="superconducting"),
        valid_from=since,
        calibration_id=calibration_id,
        qubits=rows.qubits(qubits, "ramsey"),
        gates=rows.gates(sites, list(qubits), who, native=frozenset(row.gate for row in sites)),
        device=None,
        benchmarks=[],
        origin=build.provenance(source, [data], CONVERTER),
    )


def _read(listed: list[Observation], who: str) -> tuple[dict[str, QubitRow], list[SiteRow]]:
    found = {name: QubitRow() for name in rows.in_order(_qubits_in(listed))}
    best: dict[tuple[str, tuple[str, ...]], tuple[int, SiteRow]] = {}
    for observation in listed:
        if (value := observation.number()) is None:
            continue
        field, at = observation.dut_field, rows.measured(observation.measured(), who, observation.dut_field)
        if field.startswith("characterization.model."):
            _coherence(found, field, value, observation, at, who)
        elif (named := _name(field)) is not None and all(q in found for q in named.locus):
            rank = _METHODS.get((named.method, len(named.locus)))
            if named.method == "ssro" and named.gate == "measure":
                _readout(found[named.locus[0]], named.metric, value, observation, at)
            elif rank is not None and named.metric == "fidelity" and named.gate != "clifford":
                row = rows.gate_row(named.gate, named.locus, value, observation.std(), at=at, method=named.method)
                if observation.invalid:
                    row = SiteRow(gate=named.gate, site=named.locus, usable=False, method=named.method)
                key = (named.gate, named.locus)
                if key not in best or rank < best[key][0]:
                    best[key] = (rank, row)
    return found, [row for _, row in best.values()]


_METHODS: Final = {("rb", 1): 0, ("irb", 1): 1, ("irb", 2): 0}
"""Which methods give a gate's own error, by number of qubits; the lower rank is preferred."""


def _qubits_in(listed: list[Observation]) -> list[str]:
    parts = (part for o in listed for part in o.dut_field.partition(":")[0].split("."))
    return [name for part in parts for name in part.split("__") if name[:2] == "QB" and name[2:].isdecimal()]


def _name(field: str) -> Named | None:
    head = field.partition(":")[0].split(".")
    if len(head) != 6 or head[0] != "metrics":
        return None
    _, method, gate, _implementation, locus, metric = head
    return Named(method, gate, tuple(locus.split("__")), metric)


def _coherence(
    found: dict[str, QubitRow], field: str, value: float, observation: Observation, at: str | None, who: str
) -> None:
    component, _, quantity = field.removeprefix("characterization.model.").partition(".")
    row = found.get(component)
    if row is None or quantity not in ("t1_time", "t2_time") or observation.invalid:
        return
    unit = observation.unit or "s"
    seconds = build.scaled(value, unit, build.TIME_UNITS, who, field)
    std = observation.std()
    std = None if std is None else build.scaled(std, unit, build.TIME_UNITS, who, field)
    if quantity == "t1_time":
        row.t1_s, row.t1_std_s, row.t1_at = seconds, std, at
    else:
        row.t2_s, row.t2_std_s, row.t2_at = seconds, std, at


def _readout(row: QubitRow, metric: str, value: float, observation: Observation, at: str | None) -> None:
    if observation.invalid:
        return
    if metric == "fidelity":
        row.readout_error, row.readout_at = rows.infidelity(value), at
    elif metric == "error_0_to_1":
        row.p_meas1_prep0 = significant(value)
    elif metric == "error_1_to_0":
        row.p_meas0_prep1 = significant(value)


def _number(value: Any) -> float | None:
    try:
        return None if value is None or isinstance(value, bool | list | dict) else float(value)
    except ValueError:
        return None
