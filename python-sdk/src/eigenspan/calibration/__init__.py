"""Calibration: what a backend was like when a job ran on it.

Importers turn providers' documents into one neutral snapshot; the store keeps snapshots by content; the as-of index
finds the one in force; attributes and estimators say what it means for a span. Importing this package imports no
quantum SDK.
"""

from eigenspan.calibration.asof import AsOfIndex, Match, Matches
from eigenspan.calibration.attributes import StatusSample, backend_attributes
from eigenspan.calibration.errors import CalibrationError
from eigenspan.calibration.estimators import Operation, Usage, circuit_attributes, count_attributes
from eigenspan.calibration.snapshot import Snapshot
from eigenspan.calibration.store import CalibrationStore
from eigenspan.calibration.summary import Summary, summarise

__all__ = [
    "AsOfIndex",
    "CalibrationError",
    "CalibrationStore",
    "Match",
    "Matches",
    "Operation",
    "Snapshot",
    "StatusSample",
    "Summary",
    "Usage",
    "backend_attributes",
    "circuit_attributes",
    "count_attributes",
    "summarise",
]
