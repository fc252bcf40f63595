"""The registry as read from its YAML files, with references and groups resolved.

Only what the generator needs is kept. Attributes of conventions that this registry depends on are known by key alone.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Member:
    """One value of an enum."""

    id: str
    value: str
    brief: str
    ours: Json


@dataclass(frozen=True, slots=True)
class Attribute:
    """One attribute definition. `ours` holds the `eigenspan` annotation."""

    key: str
    type: str
    brief: str
    note: str
    stability: str
    examples: tuple[Any, ...]
    members: tuple[Member, ...]
    deprecated: Json
    ours: Json
    file: str

    @property
    def renamed_to(self) -> str | None:
        """The name that replaces this one without any change of meaning, type or format."""
        return self.deprecated.get("renamed_to")


@dataclass(frozen=True, slots=True)
class Ref:
    """One attribute of a signal, at a level."""

    key: str
    level: str
    condition: str


@dataclass(frozen=True, slots=True)
class Signal:
    """A span, metric, event, entity or public group: what they share, and the rest in `raw`."""

    id: str
    brief: str
    note: str
    stability: str
    level: str
    attributes: tuple[Ref, ...]
    ours: Json
    raw: Json


@dataclass(slots=True)
class Registry:
    """All definitions, sorted by their names."""

    schema_url: str
    dependency: str
    description: str = ""
    attributes: dict[str, Attribute] = field(default_factory=dict)
    spans: dict[str, Signal] = field(default_factory=dict)
    metrics: dict[str, Signal] = field(default_factory=dict)
    entities: dict[str, Signal] = field(default_factory=dict)
    events: dict[str, Signal] = field(default_factory=dict)
    groups: dict[str, Signal] = field(default_factory=dict)
    shared: dict[str, tuple[Ref, ...]] = field(default_factory=dict)
    """The attributes of internal groups, which are only there to be referred to."""

    @property
    def version(self) -> str:
        """The newest schema version."""
        return self.schema_url.rsplit("/", 1)[1]

    @property
    def current(self) -> list[Attribute]:
        """The attributes that are not deprecated."""
        return [a for a in self.attributes.values() if not a.deprecated]


def load(root: Path) -> Registry:
    """Read the manifest and every model file below `root`."""
    manifest = yaml.safe_load((root / "manifest.yaml").read_text())
    registry = Registry(
        manifest["schema_url"], manifest["dependencies"][0]["schema_url"], manifest["description"].strip()
    )
    files = [(path.stem, yaml.safe_load(path.read_text())) for path in sorted((root / "model").rglob("*.yaml"))]
    internal: dict[str, list[Json]] = {}
    for stem, doc in files:
        for raw in doc.get("attributes", []):
            _add(registry.attributes, raw["key"], _attribute(raw, stem))
        for raw in doc.get("attribute_groups", []):
            if raw["id"] in internal:
                raise ValueError(f"{raw['id']} is defined twice")
            internal[raw["id"]] = raw.get("attributes", [])
    registry.shared = {name: tuple(_refs(listed, internal)) for name, listed in sorted(internal.items())}
    for _, doc in files:
        for kind, name, into in (
            ("spans", "type", registry.spans),
            ("metrics", "name", registry.metrics),
            ("entities", "type", registry.entities),
            ("events", "name", registry.events),
            ("attribute_groups", "id", registry.groups),
        ):
            for raw in doc.get(kind, []):
                if raw.get("visibility") != "internal":
                    _add(into, raw[name], _signal(raw, raw[name], internal))
    for table in (
        registry.attributes,
        registry.spans,
        registry.metrics,
        registry.entities,
        registry.events,
        registry.groups,
    ):
        items = sorted(table.items())
        table.clear()
        table.update(items)  # type: ignore[arg-type]
    return registry


def _add(table: dict[str, Any], key: str, value: Any) -> None:
    if key in table:
        raise ValueError(f"{key} is defined twice")
    table[key] = value


def _ours(raw: Json) -> Json:
    return dict((raw.get("annotations") or {}).get("eigenspan") or {})


def _attribute(raw: Json, file: str) -> Attribute:
    members: tuple[Member, ...] = ()
    kind = raw["type"]
    if isinstance(kind, dict):
        members = tuple(Member(m["id"], m["value"], m.get("brief", ""), _ours(m)) for m in kind["members"])
        kind = "string"
    return Attribute(
        key=raw["key"],
        type=kind,
        brief=raw["brief"].strip(),
        note=raw.get("note", "").strip(),
        stability=raw["stability"],
        examples=tuple(raw.get("examples", ())),
        members=members,
        deprecated=raw.get("deprecated") or {},
        ours=_ours(raw),
        file=file,
    )


def _signal(raw: Json, name: str, internal: dict[str, list[Json]]) -> Signal:
    listed = raw.get("attributes", []) + [{"requirement_level": "required", **ref} for ref in raw.get("identity", [])]
    return Signal(
        id=name,
        brief=raw["brief"].strip(),
        note=raw.get("note", "").strip(),
        stability=raw["stability"],
        level=raw.get("requirement_level", "recommended"),
        attributes=tuple(_refs(listed + raw.get("description", []), internal)),
        ours=_ours(raw),
        raw=raw,
    )


def _refs(listed: list[Json], internal: dict[str, list[Json]]) -> list[Ref]:
    refs: list[Ref] = []
    for raw in listed:
        if "ref_group" in raw:
            refs += _refs(internal[raw["ref_group"]], internal)
            continue
        level = raw.get("requirement_level", "recommended")
        condition = ""
        if isinstance(level, dict):
            ((level, condition),) = level.items()
        refs.append(Ref(raw["ref"], level, condition))
    return refs
