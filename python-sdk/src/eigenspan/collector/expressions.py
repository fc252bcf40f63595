"""SQL expressions over the columns of traces, checked before they are used."""

from __future__ import annotations

import difflib
import re

import polars as pl

from eigenspan.collector.errors import ExpressionError

Schema = dict[str, pl.DataType]
_UNKNOWN_COLUMN = re.compile(r'unable to find column "([^"]*)"')
_MISPLACED = re.compile(r"unsupported function '([^']*)'|unexpected token '(.+)'\)")
_QUOTED = re.compile(r"'[^']*'|\"[^\"]*\"")
_ACROSS = re.compile(
    r"(?i)\b(over|avg|sum|count|min|max|first|last|median|mode|corr|covar\w*|quantile\w*|std\w*|var\w*|\w+_agg|unnest)\s*\("
)
"""What looks at several traces: a verdict would depend on which of them happen to be decided at once."""
_TOKEN_END = re.compile(r"(?<=\w)(?!\w)|(?<=['\")])")


def compile_expression(text: str, schema: Schema, *, boolean: bool = False) -> pl.Expr:
    """`text` as an expression over columns of `schema`; ExpressionError says what is wrong, and where in the text."""
    try:
        expression = pl.sql_expr(text)
        type_ = pl.DataFrame(schema=schema).clear(1).select(expression.alias("_")).schema["_"]
    except Exception as error:
        problem, column = _explain(text, str(error).splitlines()[0], schema)
        raise ExpressionError(
            f'{text!r} {problem}; the columns are {", ".join(sorted(schema))}, and any attribute as "its.name"',
            column,
        ) from error
    if found := _ACROSS.search(_QUOTED.sub(lambda quoted: " " * len(quoted[0]), text)):
        column = found.start() + 1
        raise ExpressionError(f"{text!r} looks at other traces too: at column {column}, {found[1]!r}", column)
    if boolean and type_ != pl.Boolean():
        raise ExpressionError(f"{text!r} gives {type_}, not true or false")
    return expression


def names_in(text: str) -> list[str]:
    """The columns that an expression names; none where it is not one."""
    try:
        return list(pl.sql_expr(text or "true").meta.root_names())
    except Exception:  # noqa: BLE001 - polars raises what it likes
        return []


def _explain(text: str, message: str, schema: Schema) -> tuple[str, int | None]:
    """What is wrong, and from which column on."""
    if found := _UNKNOWN_COLUMN.search(message):
        near = difflib.get_close_matches(found[1], schema, n=1)
        hint = f"; did you mean {near[0]}?" if near else ""
        column = _find(text, found[1])
        return f"is not an expression over a trace's columns: at column {column}, no {found[1]!r}{hint}", column
    if found := _MISPLACED.search(message):
        column = _find(text, found[1] or found[2])
        return f"is not an expression: at column {column}, {message}", column
    if "unable to parse" in message:
        good = max((match.end() for match in _TOKEN_END.finditer(text) if _parses(text[: match.end()])), default=0)
        after = f", after {text[:good]!r}" if good else ""
        return f"is not an expression from column {good + 1} on{after}", good + 1
    return f"is not an expression over a trace's columns: {message}", None


def _find(text: str, word: str) -> int:
    found = re.search(rf"(?<!\w){re.escape(word)}(?!\w)", text)
    return (found.start() if found else max(0, text.find(word))) + 1


def _parses(text: str) -> bool:
    try:
        pl.sql_expr(text)
    except Exception:  # noqa: BLE001 - as above
        return False
    return True
