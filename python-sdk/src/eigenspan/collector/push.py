"""The span metrics sent on over OTLP, once an interval, to every exporter that takes metrics.

Deltas are to what a destination last took, so that a minute which could not be sent is part of the next.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Literal

from eigenspan.collector.errors import EigenspanError
from eigenspan.collector.item import Item
from eigenspan.collector.metrics_otlp import Snapshot, encode, snapshot

if TYPE_CHECKING:
    from eigenspan.collector.export import Destination
    from eigenspan.collector.measure import SpanMetrics

_logger = logging.getLogger(__name__)


class Push:
    """A thread that sends. `destinations` are its own, by exporter."""

    def __init__(
        self,
        metrics: SpanMetrics,
        destinations: Mapping[str, Destination],
        *,
        interval_s: float,
        temporality: Literal["cumulative", "delta"],
        wall_ns: Callable[[], int] = time.time_ns,
    ) -> None:
        self._metrics, self._destinations, self._interval_s = metrics, destinations, interval_s
        self._delta, self._wall_ns = temporality == "delta", wall_ns
        self._taken: dict[str, Snapshot] = dict.fromkeys(destinations, snapshot(metrics, wall_ns()))
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="eigenspan-push", daemon=True)
        self.failures = 0

    def start(self) -> None:
        """Begin to send."""
        self._thread.start()

    def stop(self) -> None:
        """Send once more and end."""
        self._stopping.set()
        self._thread.join()
        for destination in self._destinations.values():
            destination.close()

    def _run(self) -> None:
        while not self._stopping.wait(self._interval_s):
            self.send()
        self.send()

    def send(self) -> None:
        """One round; a destination that does not take it is counted, and gets it with the next."""
        now = snapshot(self._metrics, self._wall_ns())
        for name, destination in self._destinations.items():
            body = encode(self._metrics, now, self._metrics.began_ns, self._taken[name] if self._delta else None)
            try:
                rejected = destination.deliver("metrics", [(Item(""), body)])
                self._taken[name] = now
                if rejected:
                    self.failures += 1
                    _logger.warning("%d points of metrics were rejected for good by %s", rejected, name)
            except (EigenspanError, OSError) as error:
                self.failures += 1
                _logger.warning("metrics were not taken by %s: %s", name, error)
            except Exception:
                self.failures += 1
                _logger.exception("metrics could not be sent to %s; the next round tries again", name)
