"""The embedded store as an exporter: each trace's OTLP bytes, as they would go to any other far end."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from typing import TYPE_CHECKING

from google.protobuf.message import DecodeError

from eigenspan.collector.export import Refused, Retry
from eigenspan.store.day import StoreError

if TYPE_CHECKING:
    from eigenspan.collector.item import Item
    from eigenspan.collector.spans import Signal
    from eigenspan.store.traces import TraceStore


class StoreDestination:
    """Writes traces, and the log records of traces, to a `TraceStore` in this process.

    `logs_without_trace` counts the records that belong to no trace: they have no place in it.
    """

    signals: frozenset[Signal] = frozenset({"traces", "logs"})
    per_trace = True

    def __init__(self, store: TraceStore) -> None:
        self._store = store
        self.logs_without_trace = 0

    def deliver(self, signal: Signal, bodies: Sequence[tuple[Item, bytes]]) -> int:
        """Write the traces, or the log records, in one transaction; none is rejected."""
        try:
            if signal == "logs":
                self.logs_without_trace += self._store.write_logs((item.tenant, body) for item, body in bodies)
                return 0
            self._store.write([(item.tenant, item.traces, item.rules[0], body) for item, body in bodies])
        except DecodeError as error:
            raise Refused(f"the {signal} payload cannot be read: {error}") from error
        except (sqlite3.OperationalError, OSError, StoreError) as error:
            raise Retry(f"the embedded store cannot be written: {error}") from error
        return 0

    def close(self) -> None:
        """The store is closed by its owner."""
