"""What is added to kept spans, as bytes: the sampling threshold, the rule, the calibration.

Nothing is decoded here but the trace state; splice appends the bytes when the spans are sent, and leaves out what a
span already carries.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache

import numpy as np
import numpy.typing as npt
import polars as pl

from eigenspan.collector import threshold
from eigenspan.collector.columns import Ints
from eigenspan.collector.decided import RECALLED, Decision, TraceKey, trace_bytes
from eigenspan.collector.item import ROW, SPAN_OVERHEAD_BYTES, Item
from eigenspan.collector.spans import Add
from eigenspan.collector.wire import len_field, varint
from eigenspan.semconv import attributes as q

Value = str | bool | int | float | Sequence[str]
ITEM_BYTES = 3 << 20
_SPAN_ATTRIBUTES = 9  # the number of the field


def encode_attribute(key: str, value: Value) -> bytes:
    """A Span.attributes field: tag, length and KeyValue, as protobuf writes it."""
    # What a backend's spans are given is mostly the same. 0.0 and -0.0 are equal and have different bytes.
    return _encode_again(key, value) if value and isinstance(value, str | bool | int | float) else _encode(key, value)


@lru_cache(maxsize=4096, typed=True)
def _encode_again(key: str, value: Value) -> bytes:
    return _encode(key, value)


def _encode(key: str, value: Value) -> bytes:
    return len_field(_SPAN_ATTRIBUTES, len_field(1, key.encode()) + len_field(2, _any_value(value)))


def _any_value(value: Value) -> bytes:
    match value:
        case bool():
            return b"\x10" + varint(value)
        case str():
            return len_field(1, value.encode())
        case int():
            return b"\x18" + varint(value & 0xFFFFFFFFFFFFFFFF)
        case float():
            return b"\x21" + struct.pack("<d", value)
    return len_field(5, b"".join(len_field(1, _any_value(part)) for part in value))


def encode_attributes(attributes: Mapping[str, Value]) -> Add:
    """Attributes ready to append: (key, field bytes) each."""
    return tuple((key, encode_attribute(key, value)) for key, value in attributes.items())


class _Numbers:
    """What an item's spans are given, each thing once: see `Item`."""

    def __init__(self) -> None:
        self.fields: dict[tuple[str, bytes], int] = {}
        self.adds: list[tuple[int, ...]] = []
        self._adds: dict[Add, int] = {}
        self.states: dict[str, int] = {}

    def add(self, add: Add) -> int:
        """The number of what is added; −1 for nothing."""
        found = self._adds.get(add, -1)
        if add and found < 0:
            found = self._adds[add] = len(self.adds)
            self.adds.append(tuple(self.fields.setdefault(field, len(self.fields)) for field in add))
        return found

    def state(self, trace_state: str) -> int:
        """The number of a trace state."""
        return self.states.setdefault(trace_state, len(self.states))


class _Said:
    """What root spans say, encoded once for all decisions that say the same."""

    def __init__(self) -> None:
        self._held: dict[tuple[str, str, bool], Add] = {}

    def of(self, decision: Decision) -> Add:
        key = (decision.rule, decision.reason, decision.complete)
        found = self._held.get(key)
        if found is None:
            found = self._held[key] = encode_attributes(sampling_attributes(decision))
        return found


def sampling_attributes(decision: Decision) -> dict[str, Value]:
    """What the root span of a kept trace says about why it was kept."""
    said: dict[str, Value] = {
        q.EIGENSPAN_SAMPLING_RULE: decision.rule,
        q.EIGENSPAN_SAMPLING_REASON: decision.reason,
        q.EIGENSPAN_SAMPLING_COMPLETE: decision.complete,
    }
    return said | {q.EIGENSPAN_SAMPLING_RECALLED: True} if decision.rule == RECALLED else said


def enrich(
    spans: pl.DataFrame,
    keys: Sequence[TraceKey],
    decisions: Sequence[Decision],
    changes: Mapping[tuple[int, int], Add],
    *,
    schema: str = "",
    late: bool = False,
    say_why: bool = True,
) -> list[Item]:
    """The items to send for kept traces, each of about `ITEM_BYTES` at the most where it holds more than one trace.

    `spans`: rows with trace (an index into `keys` and `decisions`), position, offset, length, root, state; `changes`
    holds what to add to, and cut from, the span at (position, offset). A trace without a root says why it was kept on its
    first span, unless `say_why` is false because an earlier item of it has said so. `schema`: the version of the
    conventions that the changes bring it to. `late`: mark the spans as late.
    """
    if spans.is_empty():
        return []
    spans = spans.sort("trace", maintain_order=True)
    rows = np.zeros(len(spans), dtype=ROW)
    for name in ("position", "offset", "length"):
        rows[name] = spans[name].to_numpy()
    trace = spans["trace"].to_numpy()
    starts = np.flatnonzero(np.diff(trace, prepend=-1))
    rows["trace"] = np.repeat(np.arange(len(starts)), np.diff(starts, append=len(rows)))
    traces = trace[starts].tolist()
    said = _Said()
    adds = _changed(rows, changes)
    if late:
        late_add = encode_attributes({q.EIGENSPAN_SAMPLING_LATE: True})
        adds = {i: late_add + adds.get(i, ()) for i in range(len(rows))}
    if say_why:
        for i, t in zip(_speakers(spans, rows["trace"], starts).tolist(), traces, strict=True):
            adds[i] = said.of(decisions[t]) + adds.get(i, ())
    changed = np.array(sorted(adds), dtype=np.int64)
    items = []
    for first, last in _cut(keys, traces, starts, rows["length"]):
        start, stop = starts[first], starts[last] if last < len(starts) else len(rows)
        part, numbers = rows[start:stop], _Numbers()
        part["trace"] -= first
        part["add"] = -1
        own_rows = changed[slice(*np.searchsorted(changed, (start, stop)))]
        part["add"][own_rows - start] = [numbers.add(adds[i]) for i in own_rows.tolist()]
        own = [numbers.state(threshold.rewrite("", decisions[t].threshold)) for t in traces[first:last]]
        part["state"] = np.array(own, dtype=np.int32)[part["trace"]]
        for i, state in _stated(spans["state"], start, stop):
            part["state"][i] = numbers.state(threshold.rewrite(state, decisions[trace[start + i]].threshold))
        items.append(
            Item(
                keys[traces[first]][0],
                b"".join(trace_bytes(keys[t]) for t in traces[first:last]),
                part.tobytes(),
                tuple(numbers.fields),
                tuple(numbers.adds),
                tuple(numbers.states),
                tuple(decisions[t].rule for t in traces[first:last]),
                schema=schema,
            )
        )
    return items


def _changed(rows: npt.NDArray[np.void], changes: Mapping[tuple[int, int], Add]) -> dict[int, Add]:
    """The changes that there are, by row."""
    positions = np.fromiter({position for position, _ in changes}, dtype=np.uint64)
    at = np.flatnonzero(np.isin(rows["position"], positions))
    places = zip(at.tolist(), rows["position"][at].tolist(), rows["offset"][at].tolist(), strict=True)
    return {i: changes[position, offset] for i, position, offset in places if (position, offset) in changes}


def _speakers(spans: pl.DataFrame, number: Ints, starts: Ints) -> Ints:
    """For each trace the row that says why it was kept: its first root, else its first span."""
    speakers = starts.copy()
    roots = np.flatnonzero(spans["root"].to_numpy())
    speakers[number[roots[::-1]]] = roots[::-1]
    return speakers


def _stated(states: pl.Series, start: int, stop: int) -> list[tuple[int, str]]:
    """The trace states that are there from one row to another, with their rows as counted from `start`."""
    part = states[start:stop]
    return [] if part.null_count() == len(part) else [(i, state) for i, state in enumerate(part) if state]


def _cut(
    keys: Sequence[TraceKey], traces: Sequence[int], starts: Ints, lengths: npt.NDArray[np.uint32]
) -> Iterator[tuple[int, int]]:
    """Runs of traces for an item each: of one tenant, and of no more bytes than an item may have."""
    sizes = np.add.reduceat(lengths.astype(np.int64) + SPAN_OVERHEAD_BYTES, starts).tolist()
    first, size = 0, 0
    for i, (t, more) in enumerate(zip(traces, sizes, strict=True)):
        if i > first and (size + more > ITEM_BYTES or keys[t][0] != keys[traces[first]][0]):
            yield first, i
            first, size = i, 0
        size += more
    yield first, len(traces)
