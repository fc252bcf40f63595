"""What is added to kept spans, as bytes: the sampling threshold, the rule, the calibration.

Nothing is decoded here but the trace state; splice appends the bytes when the spans are sent, and leaves out what a
span already carries.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache

import polars as pl

from eigenspan.collector import threshold
from eigenspan.collector.decided import RECALLED, Decision, TraceKey, trace_bytes
from eigenspan.collector.state import Item, SpanEdit
from eigenspan.collector.wire import len_field, varint
from eigenspan.semconv import attributes as q

Value = str | bool | int | float | Sequence[str]
Add = tuple[tuple[str, bytes], ...]
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


@dataclass(slots=True)
class _Building:
    spans: list[SpanEdit] = field(default_factory=list)
    adds: list[Add] = field(default_factory=list)
    numbers: dict[Add, int] = field(default_factory=dict)

    def number(self, add: Add) -> int:
        if not add:
            return -1
        found = self.numbers.get(add)
        if found is None:
            found = self.numbers[add] = len(self.adds)
            self.adds.append(add)
        return found


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
    """The items to send for kept traces.

    `spans`: rows with trace (an index into `keys` and `decisions`), position, offset, length, root, state; `changes`
    holds what to add to, and cut from, the span at (position, offset). A trace without a root says why it was kept on its
    first span, unless `say_why` is false because an earlier item of it has said so. `schema`: the version of the
    conventions that the changes bring it to. `late`: mark the spans as late.
    """
    building: dict[int, _Building] = {}
    spoken: set[int] = set()
    said = _Said()
    rooted = set(spans.filter("root")["trace"].to_list())
    late_add = encode_attributes({q.EIGENSPAN_SAMPLING_LATE: True}) if late else ()
    columns = ("trace", "position", "offset", "length", "root", "state")
    for trace, position, offset, length, root, state in spans.select(columns).iter_rows():
        item = building.get(trace)
        if item is None:
            item = building[trace] = _Building()
        add = late_add + changes.get((position, offset), ())
        if say_why and trace not in spoken and (root or trace not in rooted):
            spoken.add(trace)
            add = said.of(decisions[trace]) + add
        trace_state = threshold.rewrite(state or "", decisions[trace].threshold)
        item.spans.append(SpanEdit(position, offset, length, trace_state, item.number(add)))
    return [
        Item(keys[t][0], trace_bytes(keys[t]), tuple(b.spans), tuple(b.adds), rule=decisions[t].rule, schema=schema)
        for t, b in building.items()
    ]
