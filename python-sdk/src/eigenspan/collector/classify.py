"""What a span is, by fact: whether it failed, whether it is about quantum computing, whether its names are the registry's."""

from __future__ import annotations

import re
from functools import lru_cache

import polars as pl

from eigenspan.collector.watch import BUILT_IN, OTHER_NAME_COLUMNS
from eigenspan.semconv import tables

_FAILED = [status.lower() for status in tables.FAILED_JOB_STATUSES]
_STATUS = pl.col("job_status")
_NORMAL = sorted(set(tables.JOB_STATUS.values()))
_FIELD_NAMES = "|".join(re.escape(name).replace(r"\*", ".*") for name in tables.SPAN_NAMES)

ERROR = {
    "status": pl.col("status") == 2,
    "error_type": pl.col("error_type").is_not_null() & (pl.col("error_type") != ""),
    "success": ~pl.col("success"),
    "job_status": _STATUS.str.to_lowercase().is_in(_FAILED),
}
"""By column: any of these is true for a span whose status is ERROR, that names an error, whose execution did not succeed, or
whose job failed."""

QUANTUM = {
    column: pl.col(column).is_not_null() for column, (key, _, _) in BUILT_IN.items() if key.startswith("quantum.")
} | {"span_type": pl.col("span_type").str.starts_with("quantum.")}
"""By column: any of these is true for a span with an attribute or a type of the registry."""

FOREIGN = {
    **{column: pl.col(column).is_not_null() for column in OTHER_NAME_COLUMNS},
    "job_status": ~_STATUS.is_in(_NORMAL),
    "name": pl.col("name").str.contains(f"^(?:{_FIELD_NAMES})$"),
}
"""By column: any of these is true for a span with a name, or a job status, of an older version or a vendor."""


def classify(spans: pl.DataFrame) -> pl.DataFrame:
    """`spans` with boolean columns `error`, `quantum` and `foreign`."""
    return spans.with_columns(_told_by(present(spans)))


def present(spans: pl.DataFrame) -> frozenset[str]:
    """The columns that have a value for at least one span: the others tell nothing and need not be looked at."""
    return frozenset(column.name for column in spans.get_columns() if column.null_count() < len(column))


@lru_cache(maxsize=1024)
def _told_by(columns: frozenset[str]) -> list[pl.Expr]:
    facts = {"error": ERROR, "quantum": QUANTUM, "foreign": FOREIGN}
    return [
        pl.any_horizontal(
            pl.lit(value=False), *(said.fill_null(value=False) for column, said in fact.items() if column in columns)
        ).alias(name)
        for name, fact in facts.items()
    ]
