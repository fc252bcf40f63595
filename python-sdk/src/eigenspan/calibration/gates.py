"""Which entries of a gate list are physical gates with an error of their own."""

from __future__ import annotations

from typing import Final

# Gates that only change the frame of later pulses: no error, no duration, nothing to measure.
VIRTUAL: Final = frozenset({"rz", "p", "u1", "z", "s", "sdg", "t", "tdg"})

# Entries that IBM lists among its gates but that never stand for "the" single-qubit error.
NON_GATES: Final = frozenset({"reset", "reset_2", "measure", "measure_2", "delay"})
