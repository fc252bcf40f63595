"""Recording the registry's metrics by hand: what only the program or its operator knows.

record(metrics.QUANTUM_CIRCUIT_FIDELITY, 0.97, provider_name="ionq", backend_name="Aria-1")
record(metrics.QUANTUM_BACKEND_QUEUE_JOBS, 12, provider_name="ibm", backend_name="ibm_torino")
"""

from __future__ import annotations

from typing import Any

from eigenspan.sdk.spanned import checked, telemetry
from eigenspan.semconv import metrics

__all__ = ["metrics", "record"]


def record(metric: metrics.Metric, value: float, **given: Any) -> None:
    """Add to a counter, set a gauge, or put a value into a histogram. Labels are keywords, as for spans."""
    telemetry().metrics.record(metric, value, checked(given))
