"""The calibration join: which snapshot was in force when each span's job executed.

Execution time, in this order: the provider's own timestamp of the start on the span or on another span of the same job;
its timestamp of the end, where it gives no start; the end of the span that executed the job; the end of the span itself,
unless it only submits (a PRODUCER span's end says nothing about when the job ran, so it then gets no calibration). Never a
span's start: that is when a client began to wait. Amazon Braket tells when a task was created and when it ended, not when it
began to run: there the end comes first, for a start may be no more than the creation.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any

import msgspec
import polars as pl

from eigenspan.collector.due import Due
from eigenspan.semconv.attributes import QUANTUM_BACKEND_CALIBRATION_VERSION
from eigenspan.semconv.spans import SPANS

if TYPE_CHECKING:
    from eigenspan.calibration.asof import AsOfIndex, Match
    from eigenspan.calibration.attributes import StatusSample

_PRODUCER = 4
_CALIBRATED = frozenset(
    type_ for type_, span in SPANS.items() if QUANTUM_BACKEND_CALIBRATION_VERSION in span.recommended
)

_STARTS_ARE_NOT_TOLD = ("arn:aws:braket:",)  # how job ids begin whose provider tells no start

Times = dict[tuple[int, str], int]


class Calibrated(msgspec.Struct, frozen=True):
    """A span that ran on a backend, when it did, and the snapshot that was in force."""

    trace: int
    position: int
    offset: int
    length: int
    executed_ns: int
    match: Match
    status: StatusSample | None
    changed: bool = False  # another snapshot came into force before the job's stated end


def calibrate(quantum: pl.DataFrame, index: AsOfIndex) -> list[Calibrated]:
    """Match every span that ran on a backend, or whose type is not stated, where the execution time is known.

    A span of a type that the registry gives no calibration (a submission, say) only tells of its job.
    """
    if quantum.is_empty():
        return []
    rows = list(quantum.iter_rows(named=True))
    started, stopped, ended = _times_of_jobs(rows)
    out = []
    for row in rows:
        if (row["span_type"] or "").startswith("quantum.") and row["span_type"] not in _CALIBRATED:
            continue
        job = (row["trace"], row["job_id"])
        start_ns = instant_ns(row["execution_start"]) or started.get(job)
        stop_ns = instant_ns(row["execution_end"]) or stopped.get(job)
        if row["job_id"] is not None and row["job_id"].startswith(_STARTS_ARE_NOT_TOLD) and stop_ns:
            start_ns = None
        executed_ns = start_ns or stop_ns
        if executed_ns is None:
            executed_ns = ended.get(job) if row["kind"] == _PRODUCER else row["end_ns"]
        if executed_ns:
            provider, backend = row["provider"], row["backend"]
            simulator = bool(row["simulator"])
            match = index.match(provider, backend, executed_ns, row["calibration_id"], simulator=simulator)
            status = index.status(provider, backend, executed_ns)
            at = (row["trace"], row["position"], row["offset"], row["length"])
            changed = bool(
                start_ns and stop_ns and not simulator and index.changed_between(provider, backend, start_ns, stop_ns)
            )
            out.append(Calibrated(*at, executed_ns, match, status, changed))
    return out


def _times_of_jobs(rows: list[dict[str, Any]]) -> tuple[Times, Times, Times]:
    """By trace and job: when the provider says that it started and ended, and when the last span that executed it ended."""
    started: Times = {}
    stopped: Times = {}
    ended: Times = {}
    for row in rows:
        if row["job_id"] is None:
            continue
        job = (row["trace"], row["job_id"])
        if (start_ns := instant_ns(row["execution_start"])) is not None:
            started[job] = start_ns
        elif row["kind"] != _PRODUCER:
            ended[job] = max(ended.get(job, 0), row["end_ns"])
        if (stop_ns := instant_ns(row["execution_end"])) is not None:
            stopped[job] = stop_ns
    return started, stopped, ended


def unconfirmed(quantum: pl.DataFrame, index: AsOfIndex) -> set[int]:
    """The traces with a span whose snapshot a later poll may still replace, on a backend that somebody polls."""
    return {
        found.trace
        for found in calibrate(quantum, index)
        if found.match.kind == "as_of_unconfirmed"
        and found.match.snapshot is not None
        and index.polled_ns(found.match.snapshot.provider, found.match.snapshot.backend) is not None
    }


def instant_ns(text: str | None) -> int | None:
    """Nanoseconds since 1970 of an ISO 8601 instant; None where it is absent, unreadable or has no time zone."""
    if not text:
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    if moment.tzinfo is None:
        return None
    whole = moment.replace(microsecond=0)
    return int(whole.timestamp()) * 1_000_000_000 + moment.microsecond * 1000


def describe(
    due: Due, calibrated: list[Calibrated], success: Mapping[tuple[int, int], float] | None = None
) -> pl.DataFrame:
    """The due traces with what rules may use beside what `Traces` holds.

    Calibration age and medians are the worst of the trace's spans (the longest age, the largest error, the shortest
    time), and so is `success_probability`, from `success` by position and offset of the span.
    """
    columns: dict[str, list[float | None]] = {name: [None] * len(due.keys) for name in CALIBRATION_COLUMNS}
    columns[_SUCCESS] = [None] * len(due.keys)
    for item in calibrated:
        values: dict[str, float | None] = {_SUCCESS: (success or {}).get((item.position, item.offset))}
        if summary := item.match.snapshot:
            values |= {
                "calibration_age_s": (item.executed_ns - summary.valid_from_ns) / 1e9,
                "one_qubit_error": summary.single_qubit_error_median,
                "two_qubit_error": summary.two_qubit_error_median,
                "readout_error": summary.readout_error_median,
                "t1_s": summary.t1_median_s,
                "t2_s": summary.t2_median_s,
            }
        for name, value in values.items():
            held = columns[name][item.trace]
            worst = min if name in _LOWEST else max
            if value is not None:
                columns[name][item.trace] = value if held is None else worst(held, value)
    return due.traces.with_columns(
        *(pl.Series(name, values, dtype=pl.Float64) for name, values in columns.items()),
    )


CALIBRATION_COLUMNS = ("calibration_age_s", "one_qubit_error", "two_qubit_error", "readout_error", "t1_s", "t2_s")
_SUCCESS = "success_probability"
_LOWEST = {_SUCCESS, "t1_s", "t2_s"}
