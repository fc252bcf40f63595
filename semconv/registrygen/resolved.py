"""The registry with everything resolved: for programs that validate, and in OpenTelemetry's own formats.

`runtime` is what `eigenspan.schema.registry` loads. `published` gives manifest/2.0 and resolved/2.0 for each version.
"""

from __future__ import annotations

import json
from typing import Any

from registrygen import tables
from registrygen.conditions import CONDITIONS
from registrygen.foreign import FOREIGN
from registrygen.model import Attribute, Registry, Signal

Json = dict[str, Any]
FLAGS = ("high_cardinality", "content", "iso8601")


def runtime(registry: Registry) -> str:
    """Compact JSON: versions, attributes, signals, conditions."""
    document = {
        "versions": {version: _version(registry, version) for version in tables.versions(registry)},
        "conditions": CONDITIONS,
        "foreign": {key: {"type": a["type"], "stability": a["stability"]} for key, a in FOREIGN.items()},
    }
    return json.dumps(document, indent=None, separators=(",", ":"), sort_keys=True) + "\n"


def _version(registry: Registry, version: str) -> Json:
    newest = version == registry.version
    return {
        "schema_url": f"{registry.schema_url.rsplit('/', 1)[0]}/{version}",
        "attributes": {a.key: _known(a, deprecated=newest) for a in _attributes(registry, version)},
        "spans": {s.id: _span(s) for s in registry.spans.values()} if newest else {},
        "events": {s.id: _levels(s) for s in registry.events.values()} if newest else {},
        "metrics": {s.id: _metric(s) for s in registry.metrics.values()} if newest else {},
        "entities": {s.id: _entity(s) for s in registry.entities.values()} if newest else {},
        "contract": _contract(registry, newest=newest),
    }


def _attributes(registry: Registry, version: str) -> list[Attribute]:
    """What the version holds: the newest has all, an older one what it had and nothing that came later."""
    if version == registry.version:
        return list(registry.attributes.values())
    return [a for a in registry.attributes.values() if a.deprecated or a.ours.get("since") == version]


def _contract(registry: Registry, *, newest: bool) -> list[str]:
    mandatory = next(g for g in registry.groups.values() if g.ours.get("table") == "MANDATORY")
    if newest:
        return [r.key for r in mandatory.attributes]
    old = {a.renamed_to: a.key for a in registry.attributes.values() if a.renamed_to}
    return [
        old.get(r.key, r.key)
        for r in mandatory.attributes
        if r.key in old or registry.attributes[r.key].ours.get("since")
    ]


def _known(a: Attribute, *, deprecated: bool) -> Json:
    out: Json = {"type": a.type, "stability": a.stability}
    if a.members:
        out["values"] = [m.value for m in a.members]
    if a.deprecated and deprecated:
        out["deprecated"] = dict(a.deprecated)
    out |= {flag: True for flag in FLAGS if a.ours.get(flag)}
    return out


def _levels(s: Signal) -> Json:
    out: Json = {"stability": s.stability, "attributes": {r.key: r.condition or r.level for r in s.attributes}}
    if "synonyms" in s.ours:
        out["synonyms"] = s.ours["synonyms"]
    return out


def _span(s: Signal) -> Json:
    name = s.raw["name"]["note"].strip()
    out = _levels(s) | {"kind": s.raw["kind"], "names": name.split("`")[1::2]}
    return out | {key: s.ours[key] for key in ("links", "matched_by", "foreign_required") if key in s.ours}


def _metric(s: Signal) -> Json:
    out = _levels(s) | {"instrument": s.raw["instrument"], "unit": s.raw["unit"]}
    return out | ({"prometheus": s.ours["prometheus"]} if "prometheus" in s.ours else {})


def _entity(s: Signal) -> Json:
    identity = [r["ref"] for r in s.raw["identity"]]
    return {"identity": identity, "description": [r.key for r in s.attributes if r.key not in identity]}


def published(registry: Registry) -> dict[str, str]:
    """Path below `schemas/v2` → text."""
    out: dict[str, str] = {}
    base = registry.schema_url.rsplit("/", 1)[0]
    for version in tables.versions(registry):
        url = f"{base}/{version}"
        manifest = {
            "file_format": "manifest/2.0",
            "schema_url": url,
            "description": registry.description,
            "stability": "development",
            "dependencies": [{"schema_url": registry.dependency}],
            "resolved_registry_uri": "resolved.json",
        }
        out[f"{version}/manifest.json"] = _pretty(manifest)
        out[f"{version}/resolved.json"] = _pretty(_resolved(registry, version, url))
    return out


def _pretty(document: Json) -> str:
    return json.dumps(document, indent=1, ensure_ascii=False) + "\n"


def _resolved(registry: Registry, version: str, url: str) -> Json:
    newest = version == registry.version
    catalog = [_catalogued(a, deprecated=newest) for a in _attributes(registry, version)]
    catalog += [{"key": key, **a} for key, a in FOREIGN.items()]
    base = {a["key"]: i for i, a in enumerate(catalog)}
    signals: Json = {"spans": [], "metrics": [], "events": [], "entities": []}
    groups: list[Json] = []
    if newest:
        signals["spans"] = [
            {
                "type": s.id,
                "kind": s.raw["kind"],
                "name": {"note": s.raw["name"]["note"]},
                **_common(s),
                **_refs(s, base),
            }
            for s in registry.spans.values()
        ]
        signals["metrics"] = [
            {"name": s.id, "instrument": s.raw["instrument"], "unit": s.raw["unit"], **_common(s), **_refs(s, base)}
            for s in registry.metrics.values()
        ]
        signals["events"] = [{"name": s.id, **_common(s), **_refs(s, base)} for s in registry.events.values()]
        signals["entities"] = [_entity_of(s, base) for s in registry.entities.values()]
        groups = [
            {"id": s.id, "attributes": _refs(s, base).get("attributes", []), **_common(s, leveled=False)}
            for s in registry.groups.values()
        ]
    own = [i for a, i in base.items() if a not in FOREIGN]
    return {
        "file_format": "resolved/2.0",
        "schema_url": url,
        "dependencies": [registry.dependency],
        "attribute_catalog": catalog,
        "registry": {"attributes": own, "attribute_groups": groups, **signals},
        "refinements": {"spans": [], "metrics": [], "events": [], "entities": []},
    }


def _catalogued(a: Attribute, *, deprecated: bool) -> Json:
    kind: Any = a.type
    if a.members:
        kind = {
            "members": [{"id": m.id, "value": m.value, "brief": m.brief, "stability": "development"} for m in a.members]
        }
    out: Json = {"key": a.key, "type": kind, "brief": a.brief, "stability": a.stability, "examples": list(a.examples)}
    if a.note:
        out["note"] = a.note
    if a.deprecated and deprecated:
        out["deprecated"] = dict(a.deprecated)
        if a.renamed_to:
            out["deprecated"].setdefault("note", f"Replaced by `{a.renamed_to}`.")
    if a.ours:
        out["annotations"] = {"eigenspan": a.ours}
    return out


def _common(s: Signal, *, leveled: bool = True) -> Json:
    out: Json = {"brief": s.brief, "stability": s.stability}
    if leveled:
        out["requirement_level"] = s.level
    if s.note:
        out["note"] = s.note
    if s.ours:
        out["annotations"] = {"eigenspan": s.ours}
    return out


def _level(level: str, condition: str) -> Any:
    return {level: condition} if condition else level


def _refs(s: Signal, base: dict[str, int]) -> Json:
    out: Json = {}
    if s.attributes:
        out["attributes"] = [
            {"base": base[r.key], "requirement_level": _level(r.level, r.condition)} for r in s.attributes
        ]
    if "entity_associations" in s.raw:
        out["entity_associations"] = [{"type": name} for name in s.raw["entity_associations"]]
    return out


def _entity_of(s: Signal, base: dict[str, int]) -> Json:
    identity = {r["ref"] for r in s.raw["identity"]}
    refs = {r.key: {"base": base[r.key], "requirement_level": _level(r.level, r.condition)} for r in s.attributes}
    return {
        "type": s.id,
        "identity": [ref for key, ref in refs.items() if key in identity],
        "description": [ref for key, ref in refs.items() if key not in identity],
        **_common(s),
    }
