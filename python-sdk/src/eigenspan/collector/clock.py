"""The two times that the pipeline is given: wall time, and log time.

Log time rises only while the collector runs and never jumps: settle and idle are measured on it, so that neither a
restart nor a change of the machine's clock decides a trace.
"""

from __future__ import annotations

import time


class Clock:
    """Wall and log time in nanoseconds. `base_ns` is the log time at which the last run stopped.

    With `running=False` log time stands until `start`: reading the log again is not a time in which spans could come.
    """

    def __init__(self, base_ns: int = 0, *, running: bool = True) -> None:
        self._base_ns = base_ns
        self._started_ns = time.monotonic_ns() if running else None

    def start(self) -> None:
        """Let log time run from now on."""
        self._started_ns = time.monotonic_ns()

    def log_ns(self) -> int:
        """Nanoseconds that this collector has run, over all its runs."""
        return self._base_ns + (0 if self._started_ns is None else time.monotonic_ns() - self._started_ns)

    def not_before(self, log_ns: int) -> None:
        """Move log time on to `log_ns`, where the log was found to have reached it."""
        self._base_ns += max(0, log_ns - self.log_ns())

    def wall_ns(self) -> int:
        """Nanoseconds since 1970."""
        return time.time_ns()
