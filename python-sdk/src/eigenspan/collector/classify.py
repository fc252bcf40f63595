"""What a span is, by fact: whether it failed, whether it is about quantum computing, whether its names are the registry's."""

from __future__ import annotations

import re

import polars as pl

from eigenspan.collector.watch import BUILT_IN, OTHER_NAME_COLUMNS
from eigenspan.semconv import tables

_FAILED = [status.lower() for status in tables.FAILED_JOB_STATUSES]
_STATUS = pl.col("job_status")
_NORMAL = sorted(set(tables.JOB_STATUS.values()))
_FIELD_NAMES = "|".join(re.escape(name).replace(r"\*", ".*") for name in tables.SPAN_NAMES)

ERROR = (
    (pl.col("status") == 2)
    | (pl.col("error_type").is_not_null() & (pl.col("error_type") != ""))
    | ~pl.col("success").fill_null(value=True)
    | _STATUS.str.to_lowercase().is_in(_FAILED).fill_null(value=False)
)
"""True for a span whose status is ERROR, that names an error, whose execution did not succeed, or whose job failed."""

QUANTUM = pl.any_horizontal(
    pl.col(column).is_not_null() for column, (key, _, _) in BUILT_IN.items() if key.startswith("quantum.")
) | pl.col("span_type").str.starts_with("quantum.").fill_null(value=False)
"""True for a span with an attribute or a type of the registry."""

FOREIGN = (
    pl.any_horizontal(pl.col(column).is_not_null() for column in OTHER_NAME_COLUMNS)
    | ~_STATUS.is_in(_NORMAL).fill_null(value=True)
    | pl.col("name").str.contains(f"^(?:{_FIELD_NAMES})$")
)
"""True for a span with a name, or a job status, of an older version or a vendor."""


def classify(spans: pl.DataFrame) -> pl.DataFrame:
    """`spans` with boolean columns `error`, `quantum` and `foreign`."""
    return spans.with_columns(ERROR.alias("error"), QUANTUM.alias("quantum"), FOREIGN.alias("foreign"))
