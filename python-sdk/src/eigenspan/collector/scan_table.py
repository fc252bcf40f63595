"""What the two roads of the portable engine share: a watch list, compiled, and spans gathered column by column."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import chain
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from eigenspan.collector.spans import FIXED, TYPES, ValueType, Watch, schema_of

TRACE_ID, SPAN_ID = 16, 8
"""Bytes of an id."""

Scalar = str | int | float | bool | None
"""An attribute's value as far as columns can hold it. None stands for no value, bytes, arrays and lists too."""

Row = tuple[int, int, int, int, int, int, int, int, int, int, str, str, int, int, list[Scalar]]
"""The columns of `spans.FIXED` but the payload, and the watched ones as a list."""

Numbers = npt.NDArray[Any]
_TEXTS = ("name", "trace_state")
_COLUMNS = [name for name in FIXED if name != "payload"]
DTYPES: dict[str, npt.DTypeLike] = {
    name: pl.Series(dtype=type_).to_numpy().dtype for name, type_ in FIXED.items() if name not in _TEXTS
}

Keys = dict[str, list[tuple[int, int]]]
"""For each watched key the columns that it feeds, and how good it is for them (0 is best)."""


@dataclass(frozen=True, slots=True)
class Plan:
    """A watch list, compiled."""

    watch: Watch
    span: Keys = field(default_factory=dict)
    resource: Keys = field(default_factory=dict)
    encoded: dict[bytes, list[tuple[int, int]]] = field(default_factory=dict)  # `span` by the key's bytes
    worst: list[int] = field(default_factory=list)  # for each column a rank that every key is better than


@lru_cache(maxsize=16)
def plan_of(watch: Watch) -> Plan:
    """The plan for a watch list; ValueError where two columns would have one name."""
    if len(schema_of(watch)) != len(schema_of(())) + len(watch):
        raise ValueError("a column is there twice")
    plan = Plan(watch, worst=[len(watched.keys) for watched in watch])
    for column, watched in enumerate(watch):
        keys = plan.span if watched.level == "span" else plan.resource
        for rank, key in enumerate(watched.keys):
            keys.setdefault(key, []).append((column, rank))
    plan.encoded.update({key.encode(): columns for key, columns in plan.span.items()})
    return plan


class Best:
    """The best value seen so far for each watched column, of one span or one resource."""

    __slots__ = ("keys", "ranks", "values", "watch")

    def __init__(self, plan: Plan, keys: Keys) -> None:
        self.watch = plan.watch
        self.keys = keys
        self.ranks = plan.worst.copy()
        self.values: list[Scalar] = [None] * len(plan.worst)

    def offer(self, key: str, value: Scalar) -> None:
        """A better key replaces a worse one; the first value under a key stays."""
        for column, rank in self.keys.get(key, ()):
            if rank < self.ranks[column]:
                self.ranks[column] = rank
                self.values[column] = read_as(self.watch[column].type, value)


def read_as(kind: ValueType, value: Scalar) -> Scalar:
    """`value` by the rules of `spans.Watched`."""
    read: Scalar = None
    match kind, value:
        case "string", bool():
            read = "true" if value else "false"
        case "string", int() | str():
            read = str(value)
        case (("int" | "double"), bool()):
            read = None
        case ("int", int()) | ("boolean", bool()):
            read = value
        case "double", int() | float():
            read = float(value)
        case "boolean", str():
            read = {"true": True, "false": False}.get(value.lower())
    return read


@dataclass(frozen=True, slots=True)
class Found:
    """The spans of good payloads, column by column.

    `spans`: how many of each payload. `texts` and `numbers`: the columns of `spans.FIXED` but the payload. `watched`: by the
    number of the watched column its values, where there is one at all.
    """

    spans: list[int]
    texts: dict[str, list[str]]
    numbers: dict[str, Numbers]
    watched: dict[int, list[Scalar]]

    @staticmethod
    def of(rows: Sequence[Row]) -> Found:
        """The spans of one payload."""
        fixed = dict(zip(_COLUMNS, zip(*(row[:-1] for row in rows), strict=True), strict=True)) if rows else {}
        watched = enumerate(zip(*(row[-1] for row in rows), strict=True))
        return Found(
            [len(rows)],
            {name: list(fixed.get(name, ())) for name in _TEXTS},
            {name: np.array(fixed.get(name, ()), DTYPES[name]) for name in _COLUMNS if name not in _TEXTS},
            {column: list(values) for column, values in watched if any(value is not None for value in values)},
        )


def table(found: Sequence[Found], watch: Watch, payloads: Sequence[int]) -> pl.DataFrame:
    """All that was found as one table. `payloads`: the number of each payload."""
    spans = [count for part in found for count in part.spans]
    height = sum(spans)
    columns: dict[str, Any] = {"payload": np.repeat(np.array(payloads, DTYPES["payload"]), spans)}
    for name in _COLUMNS:
        if name in _TEXTS:
            columns[name] = list(chain.from_iterable(part.texts[name] for part in found))
        else:
            columns[name] = np.concatenate([np.empty(0, DTYPES[name]), *(part.numbers[name] for part in found)])
    nothing = {type_: pl.Series([None] * height, dtype=type_) for type_ in TYPES.values()}  # most columns are
    series = [pl.Series(name, values, FIXED[name]) for name, values in columns.items()]
    for column, watched in enumerate(watch):
        if any(column in part.watched for part in found):
            values = [part.watched.get(column) or [None] * sum(part.spans) for part in found]
            series.append(pl.Series(watched.column, list(chain.from_iterable(values)), TYPES[watched.type]))
        else:
            series.append(nothing[TYPES[watched.type]].alias(watched.column))
    return pl.DataFrame(series)
