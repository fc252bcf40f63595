"""What `Traces` gives: traces that are due, spans that are late, and what it is told to hold."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import polars as pl

from eigenspan.collector.columns import Ints
from eigenspan.collector.decided import Decision, Dropped, Keys, TraceKey

QUANTUM_SCHEMA: dict[str, Any] = {
    "trace": pl.Int64, "position": pl.UInt64, "offset": pl.UInt32, "length": pl.UInt32, "span_id": pl.UInt64,
    "kind": pl.Int32, "start_ns": pl.UInt64, "end_ns": pl.UInt64, "backend": pl.String, "provider": pl.String,
    "job_id": pl.String, "calibration_id": pl.String, "execution_start": pl.String, "execution_end": pl.String,
    "simulator": pl.Boolean, "span_type": pl.String,
}  # fmt: skip
"""What the calibration join needs of each span that names a backend."""


@dataclass(frozen=True, slots=True)
class Due:
    """Traces whose time has come.

    `traces`: one row each, with the columns that rules may use. `quantum`: a row for each span that names a backend,
    `trace` being the row in `traces`. `Traces.spans` gives their spans.
    """

    slots: Ints
    keys: Keys
    traces: pl.DataFrame
    quantum: pl.DataFrame


@dataclass(frozen=True, slots=True)
class Late:
    """Spans that arrived after their trace was decided, with those decisions."""

    spans: pl.DataFrame
    decisions: dict[TraceKey, Decision | Dropped]


class Hold(NamedTuple):
    """What due traces wait for: `waits` names them by their quantum spans, for `most_s` seconds after their last span."""

    waits: Callable[[pl.DataFrame], set[int]]
    most_s: float
