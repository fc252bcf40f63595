"""The stress valve: baseline shares shrink before the door has to close.

Pressure is how full the log is and how much of their time turns take. The valve gives a factor for the shares of rules
that keep less than everything; traces with an error are exempt. As the factor only moves thresholds, what it leaves out
depends on the trace id alone and the weights stay right.
"""

from __future__ import annotations

_LOG_FROM, _LOG_TO = 0.7, 0.95  # the log's fill between which the factor falls to its lowest
_BUSY_OVER, _BUSY_UNDER = 4.0, 2.0  # intervals that a turn takes: behind; there is room again
_STEPS = 6
_TURNS = 8  # so many turns on one side move it by a step


class Valve:
    """Halvings of the baseline, from 0 (open) to 6 (1/64)."""

    def __init__(self) -> None:
        self._busy_step = self._over = self._under = 0
        self.step = 0
        self.engaged = 0  # how often it went from open to anything else

    @property
    def factor(self) -> float:
        """What baseline shares are multiplied by."""
        return 0.5**self.step

    def turn(self, log_fill: float, busy: float) -> None:
        """After a turn: the share of the log that is full, and the turn's time over the interval between turns."""
        self._over = self._over + 1 if busy > _BUSY_OVER else 0
        self._under = self._under + 1 if busy < _BUSY_UNDER else 0
        if self._over >= _TURNS and self._busy_step < _STEPS:
            self._busy_step, self._over = self._busy_step + 1, 0
        elif self._under >= _TURNS and self._busy_step:
            self._busy_step, self._under = self._busy_step - 1, 0
        full = (log_fill - _LOG_FROM) / (_LOG_TO - _LOG_FROM) * _STEPS
        before, self.step = self.step, max(self._busy_step, min(_STEPS, max(0, int(full + 1) if full > 0 else 0)))
        self.engaged += self.step > 0 and before == 0
