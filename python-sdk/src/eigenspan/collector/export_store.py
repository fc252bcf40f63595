"""The embedded store as an exporter: each trace's OTLP bytes, as they would go to any other far end."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from typing import TYPE_CHECKING

from eigenspan.collector.export import Retry

if TYPE_CHECKING:
    from eigenspan.collector.spans import Signal
    from eigenspan.collector.state import Item
    from eigenspan.store.traces import TraceStore


class StoreDestination:
    """Writes traces to a `TraceStore` in this process."""

    signals: frozenset[Signal] = frozenset({"traces"})
    per_trace = True

    def __init__(self, store: TraceStore) -> None:
        self._store = store

    def deliver(self, signal: Signal, bodies: Sequence[tuple[Item, bytes]]) -> int:
        """Write the traces in one transaction; none is rejected."""
        try:
            self._store.write([(item.tenant, item.trace, item.rule, body) for item, body in bodies])
        except (sqlite3.OperationalError, OSError) as error:
            raise Retry(f"the embedded store cannot be written: {error}") from error
        return 0

    def close(self) -> None:
        """The store is closed by its owner."""
