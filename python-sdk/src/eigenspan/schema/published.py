"""The published schemas as packaged files, and what differs between two of them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Final

from eigenspan.schema.files import SchemaFile, read
from eigenspan.schema.registry import registry, versions

FAMILY: Final = "quantum"
_TYPES: Final = {"json": "application/json", "yaml": "application/yaml"}


@cache
def files() -> dict[str, bytes]:
    """Path below `/schemas/` → bytes: `quantum/0.2.0`, `v2/0.2.0/manifest.json` and so on."""
    root = resources.files("eigenspan.schema") / "published"
    out = {f"{FAMILY}/{version}": (root / version).read_bytes() for version in versions()}
    for version in versions():
        for name in ("manifest.json", "resolved.json"):
            out[f"v2/{version}/{name}"] = (root / "v2" / version / name).read_bytes()
    return out


def served(path: str) -> tuple[str, bytes] | None:
    """Content type and body of a path below `/schemas/`; None where there is nothing."""
    body = files().get(path)
    if body is None:
        return None
    return (_TYPES["json"] if path.endswith(".json") else _TYPES["yaml"]), body


def export(directory: Path) -> Iterator[Path]:
    """Write every published file below a directory."""
    for name, body in files().items():
        path = directory / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(body)
        yield path


def schema() -> SchemaFile:
    """The newest 1.1.0 file, which holds every version's changes."""
    newest = versions()[-1]
    return read(files()[f"{FAMILY}/{newest}"].decode(), newest)


@dataclass(frozen=True, slots=True)
class Change:
    """One difference. `kind` is added, removed, renamed, deprecated or changed."""

    kind: str
    what: str
    name: str
    detail: str = ""


def diff(old: str, new: str) -> list[Change]:
    """What changed from one version to another, either way."""
    before, after = registry(old), registry(new)
    renames = _renames(old, new)
    out = [Change("renamed", "attribute", a, b) for a, b in sorted(renames.items())]
    for name, a in sorted(before.attributes.items()):
        b = after.attributes.get(name)
        if name in renames:
            continue
        if b is None:
            out.append(Change("removed", "attribute", name))
        elif b.deprecated and not a.deprecated:
            out.append(Change("deprecated", "attribute", name, str(b.deprecated.get("note", ""))))
        elif (a.type, a.values) != (b.type, b.values):
            out.append(Change("changed", "attribute", name, f"{a.type} → {b.type}"))
    renamed_to = set(renames.values())
    for name, b in sorted(after.attributes.items()):
        if name not in before.attributes and name not in renamed_to and not b.deprecated:
            out.append(Change("added", "attribute", name))
    for what in ("spans", "events", "metrics", "entities"):
        olds, news = getattr(before, what), getattr(after, what)
        singular = {"entities": "entity"}.get(what, what[:-1])
        out += [Change("removed", singular, name) for name in sorted(set(olds) - set(news))]
        out += [Change("added", singular, name) for name in sorted(set(news) - set(olds))]
    return out


def _renames(old: str, new: str) -> dict[str, str]:
    file = schema()
    order = versions()
    up = order.index(old) <= order.index(new)
    low, high = (old, new) if up else (new, old)
    out: dict[str, str] = {}
    for version in file.between(low, high):
        for changes in version.sections.values():
            for change in changes:
                out |= dict(getattr(change, "names", {}))
    return out if up else {b: a for a, b in out.items()}


def as_json(changes: list[Change]) -> str:
    """The changes as JSON."""
    return json.dumps([{"kind": c.kind, "what": c.what, "name": c.name, "detail": c.detail} for c in changes], indent=2)
