"""Tables that follow from the registry: what a stage needs to know without reading YAML.

The first of several keys is the attribute's own name, then the names of older versions, then synonyms.
"""

from __future__ import annotations

from registrygen.model import Registry

PHASES = ("pending", "succeeded", "failed", "cancelled")


def aliases(registry: Registry) -> dict[str, tuple[str, ...]]:
    """Every key under which an attribute is found in the field, the best first."""
    keys: dict[str, list[str]] = {a.key: [a.key] for a in registry.current}
    keys["error.type"] = ["error.type"]
    for a in registry.attributes.values():
        target = a.renamed_to or a.ours.get("alias_of")
        if target:
            keys[target].append(a.key)
    for a in registry.current:
        keys[a.key] += a.ours.get("synonyms", [])
    return {key: tuple(names) for key, names in sorted(keys.items())}


def renames(registry: Registry, version: str) -> dict[str, str]:
    """Names that `version` replaced."""
    return {
        a.key: a.renamed_to for a in registry.attributes.values() if a.renamed_to and a.ours["deprecated_in"] == version
    }


def versions(registry: Registry) -> list[str]:
    """Published versions, the oldest first."""
    found = {a.ours["deprecated_in"] for a in registry.attributes.values() if a.deprecated}
    return sorted({"0.1.0", registry.version, *found}, key=lambda v: tuple(map(int, v.split("."))))


def statuses(registry: Registry) -> tuple[dict[str, str], dict[tuple[str, str], str], dict[str, list[str]]]:
    """Spelling → normal form; (provider, spelling) → normal form; phase → spellings. All in lower case."""
    normal: dict[str, str] = {}
    by_provider: dict[tuple[str, str], str] = {}
    phases: dict[str, list[str]] = {phase: [] for phase in PHASES}
    for member in registry.attributes["quantum.job.status"].members:
        for spelling in [member.value, *member.ours["spellings"]]:
            if ":" in spelling:
                provider, word = spelling.split(":")
                by_provider[(provider, word)] = member.value
                continue
            if spelling in normal:
                raise ValueError(f"job status {spelling!r} is listed twice")
            normal[spelling] = member.value
            phases[member.ours["phase"]].append(spelling)
    return normal, by_provider, phases


def span_names(registry: Registry) -> dict[str, str]:
    """Names of spans found in the field, with `*` for any text → the type that they stand for."""
    return {name: s.id for s in registry.spans.values() for name in s.ours.get("found_as", ())}
