"""Which spans are errors, by fact and not only by status."""

from __future__ import annotations

import polars as pl

from eigenspan.semconv import tables

_FAILED = [status.lower() for status in tables.FAILED_JOB_STATUSES]
ERROR = (
    (pl.col("status") == 2)
    | (pl.col("error_type").is_not_null() & (pl.col("error_type") != ""))
    | ~pl.col("success").fill_null(value=True)
    | pl.col("job_status").str.to_lowercase().is_in(_FAILED).fill_null(value=False)
)
"""True for a span whose status is ERROR, that names an error, whose execution did not succeed, or whose job failed."""


def classify(spans: pl.DataFrame) -> pl.DataFrame:
    """`spans` with a boolean column `error`."""
    return spans.with_columns(ERROR.alias("error"))
