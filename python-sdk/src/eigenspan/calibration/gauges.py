"""Drift and rate limits as gauges for a Prometheus endpoint. Pure: an index and an instant in, rows out."""

from __future__ import annotations

from typing import Final, NamedTuple

from eigenspan.calibration.asof import AsOfIndex
from eigenspan.calibration.instants import NS

Rows = list[tuple[dict[str, str], float]]
STATUS_HOLDS_S: Final = 86_400.0  # a status older than this says nothing of now
_MEDIANS: Final = {
    "t1": "t1_median_s",
    "t2": "t2_median_s",
    "readout_error": "readout_error_median",
    "single_qubit_error": "single_qubit_error_median",
    "two_qubit_error": "two_qubit_error_median",
}


class Gauge(NamedTuple):
    """One metric family."""

    name: str
    help: str
    rows: Rows


def gauges(index: AsOfIndex, now_ns: int) -> list[Gauge]:
    """How the medians of polled backends changed with their newest snapshot, and what providers still take, at `now_ns`."""
    drift: Rows = []
    for series in index.backends:
        if series.simulated or index.polled_ns(series.provider, series.name) is None:
            continue
        timeline = index.timeline(series.provider, series.name)
        if len(timeline) < 2:
            continue
        before, after = timeline[-2:]
        own = {"quantum_provider_name": series.provider, "quantum_backend_name": after.backend}
        for quantity, field in _MEDIANS.items():
            then, now = getattr(before, field), getattr(after, field)
            if then and now is not None:
                drift.append((own | {"quantum_backend_calibration_quantity": quantity}, (now - then) / then))
    left: dict[str, float] = {}
    for sample in index.newest_statuses():
        if sample.rate_limit_remaining is not None and now_ns - sample.observed_at_ns <= STATUS_HOLDS_S * NS:
            left[sample.provider] = min(sample.rate_limit_remaining, left.get(sample.provider, float("inf")))
    return [
        Gauge("quantum_backend_calibration_drift", "Relative change of a median with the newest calibration.", drift),
        Gauge("quantum_provider_rate_limit_remaining", "How many more requests the provider takes.",
              [({"quantum_provider_name": provider}, value) for provider, value in sorted(left.items())]),
        Gauge("provider_rate_limit_remaining", "How many more requests the provider takes.",
              [({"provider": provider}, value) for provider, value in sorted(left.items())]),
    ]  # fmt: skip
