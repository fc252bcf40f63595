"""Conditions of requirement levels, executable.

A condition is a list of tests on one span or event; the attribute is required when all of them hold. `only` says that it
must be absent otherwise. An empty list means that no program can tell from the telemetry, and `why` says so.
"""

from __future__ import annotations

from typing import Any

FAILED = "If and only if the operation failed."
CONDITIONS: dict[str, dict[str, Any]] = {
    FAILED: {"all": [{"failed": True}], "only": True},
    "If and only if the operation did not fail.": {"all": [{"failed": False}], "only": True},
    "If the provider accepted the job.": {"all": [{"failed": False}]},
    "If there is not exactly one circuit.": {"all": [], "why": "one circuit and an unknown number look the same"},
    "If the execution belongs to a job.": {"all": [{"linked": True}]},
    "If the results belong to a job.": {"all": [], "why": "local simulators give results without a job"},
    "If the circuits are sampled.": {"all": [{"equals": ["quantum.primitive.name", "sampler"]}]},
    "If `quantum.cost.amount` is set.": {"all": [{"present": "quantum.cost.amount"}]},
    "If the new state is a failure.": {"all": [{"equals": ["quantum.job.status", "failed"]}]},
}
"""Text of the registry → what decides it."""
