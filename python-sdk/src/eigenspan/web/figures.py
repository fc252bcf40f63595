"""The newest stored traces as figures, kept up to date as the page is asked for."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

from eigenspan.figures.measured import Measured, measured
from eigenspan.figures.releases import Releases
from eigenspan.figures.runs import Run, merged, run_of
from eigenspan.store.queries import Tail

if TYPE_CHECKING:
    from eigenspan.calibration.store import CalibrationStore
    from eigenspan.store.traces import TraceStore

MAX_RUNS: Final = 20_000
_FRESH_S: Final = 1.0


class Figures:
    """Runs of the newest traces, and the releases seen on them. Safe to share between threads."""

    def __init__(
        self, store: TraceStore, calibrations: CalibrationStore, now_ns: Callable[[], int] = time.time_ns
    ) -> None:
        self.releases = Releases(store.directory.parent / "releases.db")
        self.now_ns = now_ns
        self._tail, self._calibrations = Tail(store.directory), calibrations
        self._runs: OrderedDict[str, Run] = OrderedDict()
        self._lock = threading.Lock()
        self._read_s = float("-inf")
        self._forgotten = 0

    @property
    def left_out(self) -> int:
        """Stored bodies that no figure is made from: there were more than are read, or held, at once."""
        return self._tail.passed_over + self._forgotten

    def runs(self) -> list[Run]:
        """One for each of the newest traces, in the order of their writing."""
        with self._lock:
            if time.monotonic() - self._read_s > _FRESH_S:
                fresh = [run for body in self._tail.read() if (run := run_of(body))]
                for run in fresh:
                    earlier = self._runs.get(run.trace_id)
                    self._runs[run.trace_id] = merged(earlier, run) if earlier else run
                while len(self._runs) > MAX_RUNS:
                    self._runs.popitem(last=False)
                    self._forgotten += 1
                self.releases.see(fresh)
                self._read_s = time.monotonic()
            return list(self._runs.values())

    def measured(self, window_s: float, summary: dict[str, Any]) -> Measured:
        """What is known of the last `window_s` and of as long before."""
        runs, now_ns = self.runs(), self.now_ns()
        earlier_ns = max(0, now_ns - 2 * int(window_s * 1e9))
        return measured(
            runs, now_ns, window_s, self.releases.newest(earlier_ns), self._calibrations.events(earlier_ns),
            self._calibrations.index().newest_statuses(), summary,
        )  # fmt: skip
