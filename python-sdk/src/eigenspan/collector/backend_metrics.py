"""The state of the backends that traffic names, as gauges: what calibrations and status samples say of them now."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from eigenspan.collector.prometheus import Labels, family, metric_name
from eigenspan.semconv import metrics as m

if TYPE_CHECKING:
    from eigenspan.calibration.asof import AsOfIndex

_HOUR_S = 3600.0
_OFFLINE = {"offline", "maintenance", "retired", "inactive", "down"}
_KINDS = {"readout": "readout_error", "gate": "gate_error"}  # the registry's kinds as the field names them


def expose_backends(index: AsOfIndex, backends: Iterable[tuple[str, str]], now_ns: int) -> list[str]:
    """Families for (provider, backend) pairs; a provider may be empty. What is not known is not there."""
    age: list[tuple[Labels, float]] = []
    errors: list[tuple[str, Labels, float]] = []
    online: list[tuple[Labels, float]] = []
    queues: list[tuple[Labels, float]] = []
    for provider, backend in sorted(set(backends)):
        labels = {"provider": provider, "device": backend}
        summary = index.match(provider or None, backend, now_ns).snapshot
        if summary is not None:
            age.append((labels, (now_ns - summary.valid_from_ns) / 1e9))
            rates = {"readout": summary.readout_error_median, "gate": summary.two_qubit_error_median}
            errors += [(kind, labels, rate) for kind, rate in rates.items() if rate is not None]
        status = index.status(provider or None, backend, now_ns)
        if status is not None and status.status:
            online.append((labels, 0.0 if status.status.lower() in _OFFLINE else 1.0))
        if status is not None and status.queue_length is not None:
            queues.append((labels, float(status.queue_length)))
    kinds = [
        (own | {"quantum_backend_error_kind": kind}, rate) for kind, labels, rate in errors for own in [_own(labels)]
    ]
    return [
        *_both(m.QUANTUM_BACKEND_CALIBRATION_CURRENT_AGE, "quantum_device_calibration_age_hours", age, 1 / _HOUR_S),
        *family(metric_name(m.QUANTUM_BACKEND_ERROR_RATE), "gauge", m.QUANTUM_BACKEND_ERROR_RATE.brief, kinds),
        *family("quantum_device_error_rate", "gauge", m.QUANTUM_BACKEND_ERROR_RATE.brief,
                [(labels | {"error_type": _KINDS[kind]}, rate) for kind, labels, rate in errors]),
        *_both(m.QUANTUM_BACKEND_AVAILABILITY, "quantum_device_status", online),
        *_both(m.QUANTUM_BACKEND_QUEUE_JOBS, "quantum_device_queue_length", queues),
    ]  # fmt: skip


def _both(metric: m.Metric, name: str, rows: list[tuple[Labels, float]], scale: float = 1.0) -> list[str]:
    return [
        *family(metric_name(metric), "gauge", metric.brief, [(_own(labels), value) for labels, value in rows]),
        *family(name, "gauge", metric.brief, [(labels, value * scale) for labels, value in rows]),
    ]


def _own(labels: Labels) -> Labels:
    return {"quantum_provider_name": labels["provider"], "quantum_backend_name": labels["device"]}
