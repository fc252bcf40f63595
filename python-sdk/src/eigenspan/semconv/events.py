"""Names of events.

Generated from the registry by semconv/generate.py: edit the model, not this file.
"""

from typing import Final

QUANTUM_ALGORITHM_PERFORMANCE: Final = "quantum.algorithm.performance"
"""How well an algorithm did."""

QUANTUM_BACKEND_CALIBRATION_CHANGE: Final = "quantum.backend.calibration_change"
"""A new calibration of a backend came into force."""

QUANTUM_CIRCUIT_EXECUTION: Final = "quantum.circuit.execution"
"""Circuits were executed."""

QUANTUM_COST_EVENT: Final = "quantum.cost.event"
"""Money was spent."""

QUANTUM_ERROR_EVENT: Final = "quantum.error.event"
"""The quantum part of a request went wrong."""

QUANTUM_EVALUATION_RESULT: Final = "quantum.evaluation.result"
"""An answer or a result was evaluated."""

QUANTUM_HARDWARE_EVENT: Final = "quantum.hardware.event"
"""Something happened to the hardware of a backend."""

QUANTUM_JOB_STATUS_CHANGE: Final = "quantum.job.status_change"
"""A job went from one state to another."""

QUANTUM_SECURITY_EVENT: Final = "quantum.security.event"
"""Something that touches security happened."""
