"""The state of the backends that traffic names, as gauges: what calibrations and status samples say of them now."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Iterable
from typing import TYPE_CHECKING

from eigenspan.collector.prometheus import Labels, family, metric_name
from eigenspan.semconv import attributes as q
from eigenspan.semconv import metrics as m

if TYPE_CHECKING:
    from eigenspan.calibration.asof import AsOfIndex
    from eigenspan.calibration.summary import Summary

_HOUR_S = 3600.0
_OFFLINE = {"offline", "maintenance", "retired", "inactive", "down", "error"}
REFERENCE_S = 1e-6
"""The time over which the coherence error of a backend is told."""
Rows = list[tuple[Labels, float]]


def error_rates(summary: Summary) -> dict[q.QuantumBackendErrorKind, float]:
    """A backend's error rates by kind, as far as its calibration has them.

    Readout and two-qubit gate are medians; decay is 1 − exp(−t / T2) over a microsecond at the median T2.
    """
    kind, t2_s = q.QuantumBackendErrorKind, summary.t2_median_s
    rates = {
        kind.READOUT_ERROR: summary.readout_error_median,
        kind.GATE_ERROR: summary.two_qubit_error_median,
        kind.COHERENCE_ERROR: -math.expm1(-REFERENCE_S / t2_s) if t2_s else None,
    }
    return {kind: rate for kind, rate in rates.items() if rate is not None}


def noise_level(summary: Summary) -> float | None:
    """One minus the estimated success probability of a Bell pair: a single-qubit gate, a two-qubit gate and two readouts.

    All at their medians; None where one of them is not known.
    """
    one, two = summary.single_qubit_error_median, summary.two_qubit_error_median
    readout = summary.readout_error_median
    if one is None or two is None or readout is None:
        return None
    return 1 - (1 - one) * (1 - two) * (1 - readout) ** 2


def expose_backends(index: AsOfIndex, backends: Iterable[tuple[str, str]], now_ns: int) -> list[str]:
    """Families for (provider, backend) pairs; a provider may be empty. What is not known is not there."""
    rows: defaultdict[str, Rows] = defaultdict(list)
    errors: list[tuple[str, Labels, float]] = []
    by_provider: Counter[str] = Counter()
    for provider, backend in sorted(set(backends)):
        labels = {"provider": provider, "device": backend}
        summary = index.match(provider or None, backend, now_ns).snapshot
        if summary is not None:
            rows["age"].append((labels, (now_ns - summary.valid_from_ns) / 1e9))
            errors += [(kind.value, labels, rate) for kind, rate in error_rates(summary).items()]
            if (noise := noise_level(summary)) is not None:
                rows["noise"].append((labels, noise))
        status = index.status(provider or None, backend, now_ns)
        if status is None:
            continue
        if status.status:
            rows["online"].append((labels, 0.0 if status.status.lower() in _OFFLINE else 1.0))
        if status.queue_length is not None:
            rows["queue"].append((labels, float(status.queue_length)))
            by_provider[provider] += status.queue_length
        if status.queue_s is not None:
            rows["backlog"].append((labels, status.queue_s))
    kinds = [(_own(labels) | {"quantum_backend_error_kind": kind}, rate) for kind, labels, rate in errors]
    return [
        *_both(m.QUANTUM_BACKEND_CALIBRATION_CURRENT_AGE, rows["age"], 1 / _HOUR_S),
        *family(metric_name(m.QUANTUM_BACKEND_ERROR_RATE), "gauge", m.QUANTUM_BACKEND_ERROR_RATE.brief, kinds),
        *family(m.QUANTUM_BACKEND_ERROR_RATE.prometheus, "gauge", m.QUANTUM_BACKEND_ERROR_RATE.brief,
                [(labels | {"error_type": kind}, rate) for kind, labels, rate in errors]),
        *_both(m.QUANTUM_BACKEND_NOISE, rows["noise"]),
        *_both(m.QUANTUM_BACKEND_AVAILABILITY, rows["online"]),
        *_both(m.QUANTUM_BACKEND_QUEUE_JOBS, rows["queue"]),
        *family("quantum_job_queue_length", "gauge", "Jobs that wait at a provider, on the backends that traffic named.",
                [({"provider": provider}, float(n)) for provider, n in by_provider.items()]),
        *_both(m.QUANTUM_BACKEND_BACKLOG, rows["backlog"]),
    ]  # fmt: skip


def _both(metric: m.Metric, rows: Rows, scale: float = 1.0) -> list[str]:
    """A metric under its own name and under the field's, whose unit is `scale` times the metric's."""
    return [
        *family(metric_name(metric), "gauge", metric.brief, [(_own(labels), value) for labels, value in rows]),
        *family(metric.prometheus, "gauge", metric.brief, [(labels, value * scale) for labels, value in rows]),
    ]


def _own(labels: Labels) -> Labels:
    return {"quantum_provider_name": labels["provider"], "quantum_backend_name": labels["device"]}
