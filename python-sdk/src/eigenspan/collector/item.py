"""What is sent: spans by where they lie in the log, and what is changed on each. No span's bytes are here."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TypeVar

import msgspec
import numpy as np
import numpy.typing as npt

ROW = np.dtype(
    [("position", "<u8"), ("trace", "<u4"), ("offset", "<u4"), ("length", "<u4"), ("add", "<i4"), ("state", "<i4")]
)
"""One span: its trace, as an index into an item's traces, its place in the log, and `add` and `state` as in `spans.EDIT`."""

_T = TypeVar("_T")
TRACE_BYTES = 16
SPAN_OVERHEAD_BYTES = 64
"""About what a span takes beside its own bytes: framing, trace state, and what a root says."""
_WHOLE_BYTES = 1 << 40


class Item(msgspec.Struct, array_like=True, frozen=True):
    """What one outbox row sends: the spans of some traces of a tenant, or (no rows) the whole payload at `position`.

    `traces`: their ids, one after another. `rows`: packed as `ROW`, those of a trace together and the traces in their
    order. `fields`, `adds` and `states` are those of `spans.Edits`. `rules`: what kept each trace. `schema`: the version of
    the conventions that the spans were brought to; empty where they were left as they came.
    """

    tenant: str
    traces: bytes = b""
    rows: bytes = b""
    fields: tuple[tuple[str, bytes], ...] = ()
    adds: tuple[tuple[int, ...], ...] = ()
    states: tuple[str, ...] = ()
    rules: tuple[str, ...] = ()
    position: int = 0
    schema: str = ""

    @property
    def spans(self) -> int:
        """How many there are."""
        return len(self.rows) // ROW.itemsize

    def table(self) -> npt.NDArray[np.void]:
        """The rows as an array."""
        return np.frombuffer(self.rows, ROW)

    def positions(self) -> list[int]:
        """The positions that it refers to, in order."""
        return np.unique(self.table()["position"]).tolist() if self.rows else [self.position]

    def first_position(self) -> int:
        """The oldest position that it refers to."""
        return int(self.table()["position"].min()) if self.rows else self.position

    def size_bytes(self) -> int:
        """About how many bytes it sends. A whole payload is larger than any limit: it is a batch of its own."""
        if not self.rows:
            return _WHOLE_BYTES
        fields = [len(field) for _, field in self.fields]
        added = np.array([sum(fields[i] for i in add) for add in self.adds] + [0])  # -1 is the last
        rows = self.table()
        return int(rows["length"].sum(dtype=np.int64) + added[rows["add"]].sum()) + SPAN_OVERHEAD_BYTES * len(rows)

    def part(self, first: int, last: int) -> Item:
        """The same of its traces from `first` up to `last`."""
        rows = self.table()
        rows = rows[slice(*np.searchsorted(rows["trace"], (first, last)))].copy()
        rows["trace"] -= first
        adds, rows["add"] = _used(self.adds, rows["add"])
        states, rows["state"] = _used(self.states, rows["state"])
        numbers = {old: new for new, old in enumerate(sorted({i for add in adds for i in add}))}
        return Item(
            self.tenant,
            self.traces[first * TRACE_BYTES : last * TRACE_BYTES],
            rows.tobytes(),
            tuple(self.fields[i] for i in numbers),
            tuple(tuple(numbers[i] for i in add) for add in adds),
            states,
            self.rules[first:last],
            schema=self.schema,
        )

    def each(self) -> Iterator[Item]:
        """An item for each trace."""
        count = len(self.rules)
        yield from (self.part(i, i + 1) for i in range(count)) if count > 1 else (self,)

    def halves(self) -> tuple[Item, Item] | None:
        """The same in two items; None where it is one trace or a whole payload."""
        count = len(self.rules)
        return (self.part(0, count // 2), self.part(count // 2, count)) if count > 1 else None


def _used(among: Sequence[_T], numbers: npt.NDArray[np.int32]) -> tuple[tuple[_T, ...], npt.NDArray[np.int32]]:
    """Those that have a number here, and their numbers among themselves."""
    used = np.unique(numbers[numbers >= 0])
    return tuple(among[i] for i in used.tolist()), np.where(numbers >= 0, np.searchsorted(used, numbers), numbers)
