"""Attribute names that the calibration join writes on spans."""

from __future__ import annotations

from typing import Final

_CALIBRATION: Final = "quantum.backend.calibration."
VERSION: Final = _CALIBRATION + "version"
ID: Final = _CALIBRATION + "id"
TIME: Final = _CALIBRATION + "time"
AGE: Final = _CALIBRATION + "age"
MATCH: Final = _CALIBRATION + "match"
T1_MEDIAN: Final = _CALIBRATION + "t1.median"
T2_MEDIAN: Final = _CALIBRATION + "t2.median"
T2_METHOD: Final = _CALIBRATION + "t2.method"
READOUT_ERROR_MEDIAN: Final = _CALIBRATION + "readout_error.median"
SINGLE_QUBIT_ERROR_MEDIAN: Final = _CALIBRATION + "single_qubit_error.median"
TWO_QUBIT_ERROR_MEDIAN: Final = _CALIBRATION + "two_qubit_error.median"
TWO_QUBIT_ERROR_MAX: Final = _CALIBRATION + "two_qubit_error.max"
OPERATIONAL_QUBITS: Final = _CALIBRATION + "operational_qubits"
OPERATIONAL_PAIRS: Final = _CALIBRATION + "operational_pairs"
OLDEST_VALUE_AGE: Final = _CALIBRATION + "oldest_value_age"

BENCHMARK_EPLG: Final = "quantum.backend.benchmark.eplg"
BENCHMARK_CLOPS: Final = "quantum.backend.benchmark.clops"
BENCHMARK_QUANTUM_VOLUME: Final = "quantum.backend.benchmark.quantum_volume"

STATUS: Final = "quantum.backend.status"
QUEUE_LENGTH: Final = "quantum.backend.queue.length"

_CIRCUIT: Final = "quantum.circuit.calibration."
CIRCUIT_SUCCESS_PROBABILITY: Final = _CIRCUIT + "success_probability"
CIRCUIT_TWO_QUBIT_ERROR_MAX: Final = _CIRCUIT + "two_qubit_error.max"
CIRCUIT_READOUT_ERROR_MAX: Final = _CIRCUIT + "readout_error.max"
CIRCUIT_T2_MIN: Final = _CIRCUIT + "t2.min"
CIRCUIT_COHERENCE_RATIO: Final = _CIRCUIT + "coherence_ratio"
CIRCUIT_UNUSABLE_SITES: Final = _CIRCUIT + "unusable_sites"
CIRCUIT_MISSING_TERMS: Final = _CIRCUIT + "missing_terms"
CIRCUIT_BASIS: Final = _CIRCUIT + "basis"
