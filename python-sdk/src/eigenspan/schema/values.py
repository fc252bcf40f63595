"""One attribute against the registry: its key, then its value."""

from __future__ import annotations

import difflib
import math
import re
from collections.abc import Iterator
from fnmatch import fnmatchcase
from functools import lru_cache
from typing import Any, Final

from eigenspan.schema.registry import Known, Registry
from eigenspan.semconv import tables

MAX_VALUE: Final = 1024
_KEY = re.compile(r"[a-z][a-z0-9_]*(\.[a-z0-9_]+)*")
_INSTANT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?(Z|[+-]00:00)")
_SYNONYMS: Final = {key: name for name, keys in tables.ALIASES.items() for key in keys[1:]}
_UNIT: Final = (
    "accuracy",
    "fidelity",
    "success_probability",
    "confidence",
    "divergence",
    "approximation_degree",
    "uptime_ratio",
)
_NAMES: Final = {
    str: "string",
    bool: "boolean",
    int: "int",
    float: "double",
    bytes: "bytes",
    dict: "map",
    list: "array",
}

Problem = tuple[str, str, str]
"""Finding id, message, mend."""


class Rules:
    """A registry that hashes by identity, as a key of the cache."""

    __slots__ = ("of",)

    def __init__(self, of: Registry) -> None:
        self.of = of


@lru_cache(maxsize=4096)
def key_problem(registry: Rules, key: str) -> Problem | None:
    """What is wrong with a key that the registry does not have; None for keys of other conventions."""
    known: Registry = registry.of
    if key in _SYNONYMS and _SYNONYMS[key] in known.attributes:
        return "eigenspan.synonym", f"{key!r} is a name from the field.", f"Use {_SYNONYMS[key]!r}."
    if key.lower() in tables.SENSITIVE_KEYS:
        return "eigenspan.sensitive_attribute", f"{key!r} must not be recorded.", "Leave it out, or record a digest."
    root = key.split(".", 1)[0].lower()
    if root not in ("quantum", "eigenspan"):
        return None
    if not _KEY.fullmatch(key):
        return "invalid_format", f"{key!r} is not lower case with dots and underscores.", f"Write {_clean(key)!r}."
    parts = key.split(".")
    for i in range(1, len(parts)):
        prefix = ".".join(parts[:i])
        if prefix in known.attributes:
            return "illegal_namespace", f"{prefix!r} is an attribute, so {key!r} cannot be.", "Choose another name."
    close = difflib.get_close_matches(key, known.attributes, 1, 0.75)
    mend = f"Did you mean {close[0]!r}?" if close else "Use an attribute of the registry, or a namespace of your own."
    return "missing_attribute", f"{key!r} is not in the registry.", mend


@lru_cache(maxsize=4096)
def field_type(name: str) -> str:
    """The span type that a span's name from the field stands for; empty where it is none of them."""
    return next((type_ for pattern, type_ in tables.SPAN_NAMES.items() if fnmatchcase(name, pattern)), "")


def _clean(key: str) -> str:
    return re.sub(r"[^a-z0-9_.]+", "_", re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", key).lower())


def value_problem(known: Known, value: Any) -> Problem | None:
    """What is wrong with a value of a known attribute; the first thing found."""
    key = known.key
    if known.deprecated:
        to = known.deprecated.get("renamed_to")
        mend = f"Use {to!r}." if to else str(known.deprecated.get("note", "Leave it out."))
        return "deprecated", f"{key!r} is deprecated.", mend
    if type(value) is not known.python:
        found = _NAMES.get(type(value), "no value")
        return "type_mismatch", f"{key!r} is {known.type}, found {found}.", f"Record it as {known.type}."
    if known.python is list:
        return _array_problem(known, value)
    if isinstance(value, str):
        return _text_problem(known, value)
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return _number_problem(known, value)
    return None


def _array_problem(known: Known, value: list[Any]) -> Problem | None:
    if any(type(v) is not known.element for v in value):
        return "type_mismatch", f"{known.key!r} is {known.type}, found other elements.", f"Record it as {known.type}."
    if any(isinstance(v, str) and len(v) > MAX_VALUE for v in value):
        return _too_large(known.key)
    if not value:
        return "eigenspan.value_empty", f"{known.key!r} is an empty array.", "Leave it out."
    return None


def _text_problem(known: Known, value: str) -> Problem | None:
    key = known.key
    if not value:
        return "eigenspan.value_empty", f"{key!r} is empty.", "Leave it out."
    if known.content:
        return (
            "eigenspan.content_recorded",
            f"{key!r} can hold confidential data.",
            "Record a digest, unless it is meant.",
        )
    if len(value) > MAX_VALUE:
        return _too_large(key)
    if known.values and value not in known.values:
        close = difflib.get_close_matches(value.lower(), known.values, 1, 0.5)
        mend = f"Did you mean {close[0]!r}?" if close else f"Known are {', '.join(sorted(known.values))}."
        return "undefined_enum_variant", f"{value[:64]!r} is not a known value of {key!r}.", mend
    if known.iso8601 and not _INSTANT.fullmatch(value):
        return (
            "eigenspan.timestamp_not_iso8601",
            f"{value[:64]!r} in {key!r} is not an instant in UTC.",
            "Write it as 2026-08-01T12:00:03.120Z.",
        )
    return None


def _too_large(key: str) -> Problem:
    return "eigenspan.value_too_large", f"{key!r} holds more than {MAX_VALUE} characters.", "Record a digest instead."


def _number_problem(known: Known, value: float) -> Problem | None:
    last = known.key.rsplit(".", 1)[1]
    counted = known.python is int or last in ("duration", "age", "oldest_value_age")
    share = last in _UNIT
    if not math.isfinite(value) or (counted and value < 0) or (share and not 0 <= value <= 1):
        span = "from 0 to 1" if share else "not negative" if counted else "finite"
        return "eigenspan.value_out_of_range", f"{known.key!r} is {value}.", f"It must be {span}."
    return None


def problems(registry: Rules, attributes: dict[str, Any]) -> Iterator[tuple[str, Problem]]:
    """(key, problem) of everything wrong with a set of attributes, each by itself."""
    table = registry.of.attributes
    for key, value in attributes.items():
        known = table.get(key)
        if known is None:
            problem = key_problem(registry, key)
        elif known.plain and type(value) is known.python and (known.python is not str or 0 < len(value) <= MAX_VALUE):
            continue
        else:
            problem = value_problem(known, value)
        if problem is not None:
            yield key, problem
