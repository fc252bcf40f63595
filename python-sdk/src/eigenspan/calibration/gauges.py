"""Backends as gauges for a Prometheus endpoint, under the names that dashboards in the field query. Pure."""

from __future__ import annotations

from typing import Final, NamedTuple

from eigenspan.calibration.asof import AsOfIndex
from eigenspan.calibration.instants import NS

Rows = list[tuple[dict[str, str], float]]
STATUS_HOLDS_S: Final = 86_400.0  # a status older than this says nothing of now
_HOUR_S: Final = 3600.0
_ONLINE: Final = frozenset({"idle", "busy", "online"})


class Gauge(NamedTuple):
    """One metric family."""

    name: str
    help: str
    rows: Rows


def gauges(index: AsOfIndex, now_ns: int) -> list[Gauge]:
    """Age and error rates of every backend that is polled; status, queue and rate limit of those that tell, at `now_ns`."""
    age: Rows = []
    errors: Rows = []
    status: Rows = []
    queue: Rows = []
    left: dict[str, float] = {}
    for series in index.backends:
        if series.simulated or index.polled_ns(series.provider, series.name) is None:
            continue
        newest = index.timeline(series.provider, series.name)[-1]
        labels = {"provider": series.provider, "device": newest.backend}
        age.append((labels, (now_ns - newest.valid_from_ns) / NS / _HOUR_S))
        for kind, value in (
            ("readout_error", newest.readout_error_median),
            ("gate_error", newest.two_qubit_error_median),
        ):
            if value is not None:
                errors.append((labels | {"error_type": kind}, value))
    for sample in index.newest_statuses():
        if now_ns - sample.observed_at_ns > STATUS_HOLDS_S * NS:
            continue
        labels = {"provider": sample.provider, "device": sample.backend}
        if sample.status is not None:
            status.append((labels, float(sample.status in _ONLINE)))
        if sample.queue_length is not None:
            queue.append((labels, float(sample.queue_length)))
        if sample.rate_limit_remaining is not None:
            left[sample.provider] = min(sample.rate_limit_remaining, left.get(sample.provider, float("inf")))
    return [
        Gauge("quantum_device_calibration_age_hours", "Hours since the calibration in force was made.", age),
        Gauge("quantum_device_error_rate", "Median errors by the calibration in force.", errors),
        Gauge("quantum_device_status", "Whether the device takes jobs: 1 or 0.", status),
        Gauge("quantum_device_queue_length", "Jobs that wait for the device, at least.", queue),
        Gauge("provider_rate_limit_remaining", "How many more requests the provider takes.",
              [({"provider": provider}, value) for provider, value in sorted(left.items())]),
    ]  # fmt: skip
