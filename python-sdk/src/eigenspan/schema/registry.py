"""The registry at run time: compiled from the packaged JSON once a version is asked for."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib import resources
from typing import Any, Final

from eigenspan.schema.files import SchemaError

Json = dict[str, Any]
KINDS: Final = {"internal": 1, "server": 2, "client": 3, "producer": 4, "consumer": 5}
"""Kinds of spans as OTLP numbers them."""
PYTHON: Final = {"string": str, "int": int, "double": float, "boolean": bool}
LEVELS: Final = ("required", "recommended", "opt_in")


@dataclass(frozen=True, slots=True)
class Known:
    """One attribute. `plain` says that its Python type is all there is to check."""

    key: str
    type: str
    python: Any
    element: Any
    plain: bool
    stability: str = "development"
    values: frozenset[str] = frozenset()
    deprecated: Json | None = None
    high_cardinality: bool = False
    content: bool = False
    iso8601: bool = False


@dataclass(frozen=True, slots=True)
class Condition:
    """When an attribute is required: all `tests` hold. `only`: it must be absent otherwise."""

    key: str
    text: str
    tests: tuple[Json, ...]
    only: bool


@dataclass(frozen=True, slots=True)
class Definition:
    """A span, event or metric: its levels, and what only some of them have."""

    id: str
    stability: str
    listed: frozenset[str]
    required: tuple[str, ...] = ()
    recommended: tuple[str, ...] = ()
    opt_in: tuple[str, ...] = ()
    conditions: tuple[Condition, ...] = ()
    kind: int = 0
    names: tuple[str, ...] = ()
    links: Mapping[str, str] | None = None
    foreign_required: tuple[str, ...] = ()
    instrument: str = ""
    unit: str = ""


@dataclass(frozen=True, slots=True)
class Registry:
    """One version of the conventions."""

    version: str
    schema_url: str
    attributes: Mapping[str, Known]
    spans: Mapping[str, Definition]
    events: Mapping[str, Definition]
    metrics: Mapping[str, Definition]
    entities: Mapping[str, Json]
    contract: tuple[str, ...]
    matched_by: Mapping[str, str]
    operations: Mapping[str, str]
    synonyms: Mapping[str, str] = field(default_factory=dict)
    namespaces: frozenset[str] = frozenset()


@cache
def document() -> Json:
    """The packaged JSON."""
    text = (resources.files("eigenspan.semconv") / "registry.json").read_text(encoding="utf-8")
    loaded: Json = json.loads(text)
    return loaded


def versions() -> tuple[str, ...]:
    """Published versions, the oldest first."""
    return tuple(sorted(document()["versions"], key=lambda v: tuple(map(int, v.split(".")))))


@cache
def registry(version: str | None = None) -> Registry:
    """One version, the newest unless another is named; SchemaError where there is none of the name."""
    version = version or versions()[-1]
    raw = document()["versions"].get(version)
    if raw is None:
        raise SchemaError(f"there is no schema version {version!r}; there are {', '.join(versions())}")
    attributes = {key: _known(key, a) for key, a in raw["attributes"].items()}
    attributes |= {key: _known(key, a) for key, a in document()["foreign"].items()}
    spans = {name: _definition(name, s) for name, s in raw["spans"].items()}
    events = {name: _definition(name, e) for name, e in raw["events"].items()}
    metrics = {name: _definition(name, m) for name, m in raw["metrics"].items()}
    synonyms = {s: name for name, e in raw["events"].items() for s in e.get("synonyms", ())}
    synonyms |= {m["prometheus"]: name for name, m in raw["metrics"].items() if "prometheus" in m}
    return Registry(
        version=version,
        schema_url=raw["schema_url"],
        attributes=attributes,
        spans=spans,
        events=events,
        metrics=metrics,
        entities=raw["entities"],
        contract=tuple(raw["contract"]),
        matched_by={key: name for name, s in raw["spans"].items() for key in s.get("matched_by", ())},
        operations={
            name.rsplit(".", 1)[1]: name
            for name in raw["spans"]
            if name.rsplit(".", 1)[1] in attributes["quantum.operation.name"].values
        },
        synonyms=synonyms,
        namespaces=frozenset(
            {key[:i] for key in attributes for i in range(len(key)) if key[i] == "."} | {"quantum", "eigenspan"}
        ),
    )


@cache
def restamps(version: str) -> tuple[tuple[str, str], ...]:
    """Schema URL of each version published before `version` → that of `version`: what migrated telemetry changes."""
    order = versions()
    before = order[: order.index(version)] if version in order else ()
    return tuple((registry(old).schema_url, registry(version).schema_url) for old in before)


def _known(key: str, raw: Json) -> Known:
    base = raw["type"].removesuffix("[]")
    many = raw["type"].endswith("[]")
    values = frozenset(raw.get("values", ()))
    flags = {flag: bool(raw.get(flag)) for flag in ("high_cardinality", "content", "iso8601")}
    deprecated = raw.get("deprecated")
    return Known(
        key=key,
        type=raw["type"],
        python=list if many else PYTHON[base],
        element=PYTHON[base] if many else None,
        plain=not (many or values or deprecated or flags["content"] or flags["iso8601"] or base in ("int", "double")),
        stability=raw["stability"],
        values=values,
        deprecated=deprecated,
        **flags,
    )


def _definition(name: str, raw: Json) -> Definition:
    known_conditions = document()["conditions"]
    levels: dict[str, list[str]] = {level: [] for level in LEVELS}
    conditions = []
    for key, level in raw["attributes"].items():
        if level in levels:
            levels[level].append(key)
        else:
            rule = known_conditions[level]
            if rule["all"]:
                conditions.append(Condition(key, level, tuple(rule["all"]), bool(rule.get("only"))))
    return Definition(
        id=name,
        stability=raw["stability"],
        listed=frozenset(raw["attributes"]),
        required=tuple(levels["required"]),
        recommended=tuple(levels["recommended"]),
        opt_in=tuple(levels["opt_in"]),
        conditions=tuple(conditions),
        kind=KINDS.get(raw.get("kind", ""), 0),
        names=tuple(raw.get("names", ())),
        links=raw.get("links"),
        foreign_required=tuple(raw.get("foreign_required", ())),
        instrument=raw.get("instrument", ""),
        unit=raw.get("unit", ""),
    )


_FIELD = re.compile(r"\{([^}]+)\}")


def name_matches(name: str, patterns: tuple[str, ...], attributes: Mapping[str, Any]) -> bool:
    """Whether a span's name is what one of the patterns makes of its attributes; absent ones match anything."""
    for pattern in patterns:
        regex, last = "", 0
        for match in _FIELD.finditer(pattern):
            value = attributes.get(match[1])
            regex += re.escape(pattern[last : match.start()])
            regex += ".+" if value is None else re.escape(str(value))
            last = match.end()
        if re.fullmatch(regex + re.escape(pattern[last:]), name):
            return True
    return not patterns
