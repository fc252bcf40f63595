"""The backend's calibration as span attributes. Pure: a summary and an instant in, attributes out."""

from __future__ import annotations

from typing import Final, Literal

import msgspec

from eigenspan.calibration import instants, names
from eigenspan.calibration.summary import Summary

MatchKind = Literal["id", "as_of", "as_of_unconfirmed", "none"]
Status = Literal["idle", "busy", "online", "calibration", "maintenance", "offline", "error"]
Attributes = dict[str, str | int | float]

_SHORT: Final = len("sha256:") + 16


class StatusSample(msgspec.Struct, frozen=True):
    """What a provider said of a backend at one moment. `lower_bound`: "more than", as in Braket's ">4000".

    `queue_s` is the provider's own estimate of the wait. The window is the current or the next one in which jobs run.
    """

    provider: str
    backend: str
    observed_at_ns: int
    status: str | None = None
    queue_length: int | None = None
    lower_bound: bool = False
    queue_s: float | None = None
    rate_limit_remaining: int | None = None
    window_start_ns: int | None = None
    window_end_ns: int | None = None


def backend_attributes(
    summary: Summary | None,
    t_exec_ns: int | None,
    match_kind: MatchKind,
    status: StatusSample | None = None,
    *,
    changed: bool = False,
) -> Attributes:
    """Attributes for a span that ran at `t_exec_ns` (None: unknown) under `summary`.

    A value that the snapshot does not have is left out; nothing is ever written as a zero that was not measured.
    `changed`: another snapshot came into force while the job ran. Ages are seconds before `t_exec_ns`, negative where the
    execution preceded the snapshot that its id names.
    """
    values: dict[str, str | int | float | None] = {names.MATCH: match_kind, names.CHANGED: changed or None}
    if summary is not None:
        values |= {
            names.VERSION: summary.version[:_SHORT],
            names.ID: summary.calibration_id,
            names.TIME: instants.format_ns(summary.valid_from_ns),
            names.T1_MEDIAN: summary.t1_median_s,
            names.T2_MEDIAN: summary.t2_median_s,
            names.T2_METHOD: summary.t2_method,
            names.READOUT_ERROR_MEDIAN: summary.readout_error_median,
            names.SINGLE_QUBIT_ERROR_MEDIAN: summary.single_qubit_error_median,
            names.TWO_QUBIT_ERROR_MEDIAN: summary.two_qubit_error_median,
            names.TWO_QUBIT_ERROR_MAX: summary.two_qubit_error_max,
            names.OPERATIONAL_QUBITS: summary.operational_qubits or None,
            names.OPERATIONAL_PAIRS: summary.operational_pairs or None,
            names.STATISTIC: summary.statistic,
            names.BENCHMARK_EPLG: summary.eplg,
            names.BENCHMARK_CLOPS: summary.clops,
            names.BENCHMARK_QUANTUM_VOLUME: summary.quantum_volume,
        }
    if status is not None:
        values |= {
            names.STATUS: status.status,
            names.QUEUE_LENGTH: status.queue_length,
            names.RATE_LIMIT_REMAINING: status.rate_limit_remaining,
            names.WINDOW_START: _text(status.window_start_ns),
            names.WINDOW_END: _text(status.window_end_ns),
        }
    said = {name: value for name, value in values.items() if value is not None}
    return said if summary is None or t_exec_ns is None else said | age_attributes(summary, t_exec_ns)


def age_attributes(summary: Summary, t_exec_ns: int) -> Attributes:
    """Those of `backend_attributes` that differ from one execution under a snapshot to the next."""
    since_ns = {names.AGE: summary.valid_from_ns, names.OLDEST_VALUE_AGE: summary.oldest_measured_at_ns}
    return {name: (t_exec_ns - ns) / instants.NS for name, ns in since_ns.items() if ns is not None}


def _text(ns: int | None) -> str | None:
    return None if ns is None else instants.format_ns(ns)
