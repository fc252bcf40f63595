"""The nouns of the pipeline: payloads, positions, watched attributes, and spans as columns.

A `Spans` batch is a `polars.DataFrame` with one row a span. Its columns are `FIXED` followed by one column for each
`Watched` attribute. The two scan engines (`eigenspan_kernel` and `collector.scan_python`) both produce exactly this.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np
import polars as pl

Signal = Literal["traces", "metrics", "logs"]
Level = Literal["span", "resource"]
ValueType = Literal["string", "int", "double", "boolean"]

FIXED: dict[str, pl.DataType] = {
    "payload": pl.UInt32(),  # index of the payload in the list that was scanned
    "offset": pl.UInt32(),  # where the Span message's body begins in its payload
    "length": pl.UInt32(),  # how long that body is
    "resource": pl.UInt32(),  # ordinal of the ResourceSpans in its payload
    "scope": pl.UInt32(),  # ordinal of the ScopeSpans in its payload, counted over all resources
    "trace_hi": pl.UInt64(),  # trace id, big-endian halves
    "trace_lo": pl.UInt64(),
    "span_id": pl.UInt64(),
    "parent_id": pl.UInt64(),  # 0: no parent
    "kind": pl.Int32(),
    "status": pl.Int32(),  # 0 unset, 1 ok, 2 error
    "name": pl.String(),
    "trace_state": pl.String(),  # "" when absent
    "start_ns": pl.UInt64(),
    "end_ns": pl.UInt64(),
}

TYPES: dict[ValueType, pl.DataType] = {
    "string": pl.String(),
    "int": pl.Int64(),
    "double": pl.Float64(),
    "boolean": pl.Boolean(),
}


SPAN_TYPE = "$type"


@dataclass(frozen=True, slots=True)
class Watched:
    """An attribute that some stage needs as a column.

    `keys` are the attribute keys that mean it, the best first: its name, older names, vendor names. The first key
    present wins; of several values under one key, the first wins. A value of another type is read by these rules and
    is null where none applies: string takes int (decimal) and boolean ("true"/"false"); double takes int; boolean
    takes the strings "true" and "false" in any case. The key `SPAN_TYPE` stands for the span's own field `type` (17).
    """

    column: str
    type: ValueType
    keys: tuple[str, ...]
    level: Level = "span"


Watch = tuple[Watched, ...]


@dataclass(frozen=True, slots=True)
class Payload:
    """The bytes of one export request as received, decompressed and redacted."""

    signal: Signal
    body: bytes
    received_ns: int
    tenant: str = ""
    peer: str = ""


Part = tuple[bytes, int, int]
"""A payload inside a larger piece of the log: the piece, and where in it the payload begins and ends."""

Add = tuple[tuple[str, bytes], ...]
"""What is done to a span's attributes: (key, encoded Span.attributes field: tag, length, KeyValue) each.

An entry whose key the span already carries is left out; one without bytes cuts what the span carries under its key.
"""

EDIT = np.dtype([("part", "<u4"), ("offset", "<u4"), ("length", "<u4"), ("add", "<i4"), ("state", "<i4")])
"""One span to take out of a part, by the index of the part and its place there, and what to change in it.

`add` and `state` are indices into `Edits.adds` and `Edits.states`; negative: nothing is changed.
"""


class Edits(NamedTuple):
    """Spans to take out of some parts, and what to change in them.

    `rows`: packed as `EDIT`, those of a part together. Each of `adds` holds indices into `fields`, the entries of an `Add`;
    a span's trace state becomes one of `states` ("" removes it).
    """

    rows: bytes
    fields: Sequence[tuple[str, bytes]] = ()
    adds: Sequence[Sequence[int]] = ()
    states: Sequence[str] = ()


def schema_of(watch: Watch) -> dict[str, pl.DataType]:
    """The column names and types of a batch scanned with `watch`."""
    return FIXED | {w.column: TYPES[w.type] for w in watch}
