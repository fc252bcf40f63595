"""Documentation pages in the manner of OpenTelemetry's own."""

from __future__ import annotations

from typing import Any

from registrygen import tables
from registrygen.foreign import FOREIGN
from registrygen.model import Attribute, Ref, Registry, Signal

NOTICE = "<!-- Generated from the registry by semconv/generate.py: edit the model, not this file. -->\n\n"
STABILITY = "![Development](https://img.shields.io/badge/-development-blue)"
LEVELS = {
    "required": "`Required`",
    "recommended": "`Recommended`",
    "opt_in": "`Opt-In`",
    "conditionally_required": "`Conditionally Required`",
}
OTEL = "https://opentelemetry.io/docs/specs/semconv/registry/attributes/"
TITLES = {
    "request": "Request and workflow",
    "circuit": "Circuit",
    "job": "Job, execution and cost",
    "backend": "Provider and backend",
    "calibration": "Calibration",
    "algorithm": "Algorithm, training and result",
    "hybrid": "Language models",
    "event_attributes": "Evaluation, hardware and security",
    "attributes": "Collector",
}


def pages(registry: Registry) -> dict[str, str]:
    """File name → text of every page."""
    return {
        "README.md": _index(registry),
        "attributes.md": _attributes(registry),
        "spans.md": _spans(registry),
        "metrics.md": _metrics(registry),
        "events.md": _events(registry),
        "entities.md": _entities(registry),
        "contract.md": _contract(registry),
        "migration.md": _migration(registry),
    }


def _index(registry: Registry) -> str:
    return (
        NOTICE
        + "# Semantic conventions for quantum and hybrid services\n\n"
        + f"**Status**: {STABILITY}\n\n"
        + f"Schema URL: `{registry.schema_url}`. Depends on `{registry.dependency}`.\n\n"
        + "- [Attributes](attributes.md)\n- [Spans](spans.md)\n- [Metrics](metrics.md)\n- [Events](events.md)\n"
        + "- [Entities](entities.md)\n"
        + "- [The job contract and sensitive keys](contract.md)\n- [Versions and migration](migration.md)\n"
        + "- [Validation](validation.md)\n"
    )


def _attributes(registry: Registry) -> str:
    out = [NOTICE, "# Attributes\n\n"]
    for file, title in TITLES.items():
        out.append(f"## {title}\n\n" + _table([a for a in registry.current if a.file == file]))
    old = [a for a in registry.attributes.values() if a.deprecated]
    out.append("## Deprecated\n\n" + _table(old))
    return "".join(out)


def _table(listed: list[Attribute]) -> str:
    rows = ["| Key | Stability | Value type | Description | Examples |\n|---|---|---|---|---|\n"]
    notes: list[str] = []
    for a in listed:
        text = a.brief
        if a.note:
            notes.append(f"**[{len(notes) + 1}] `{a.key}`:** {_line(a.note)}\n\n")
            text += f" [{len(notes)}]"
        if a.ours.get("high_cardinality"):
            text += " High cardinality: not a dimension of metrics."
        shown = "; ".join(_code(e) for e in a.examples)
        rows.append(f'| <a id="{anchor(a.key)}"></a>`{a.key}` | {STABILITY} | {a.type} | {text} | {shown} |\n')
    out = ["".join(rows), "\n", *notes]
    for a in listed:
        if a.members and not a.deprecated:
            out.append(_members(a))  # noqa: PERF401
    return "".join(out)


def _members(a: Attribute) -> str:
    rows = [
        f"`{a.key}` has these known values; other values MAY be used.\n\n| Value | Description | Stability |\n|---|---|---|\n"
    ]
    rows += [f"| `{m.value}` | {m.brief} | {STABILITY} |\n" for m in a.members]
    return "".join(rows) + "\n"


def _spans(registry: Registry) -> str:
    out = [NOTICE, "# Spans\n\n"]
    out.append(
        "Instrumentations leave the status unset on success, and set it to `ERROR` with `error.type` on failure.\n\n"
    )
    for s in registry.spans.values():
        out.append(f"## {s.id.rsplit('.', 1)[1].replace('_', ' ').capitalize()}\n\n")
        out.append(f"**Status:** {STABILITY}\n\n{s.brief}\n\n")
        out.append(f"**Span type** is `{s.id}`.\n\n**Span name** SHOULD be {s.raw['name']['note'].strip()}.\n\n")
        out.append(f"**Span kind** MUST be `{s.raw['kind'].upper()}`.\n\n" + (f"{_line(s.note)}\n\n" if s.note else ""))
        out.append(_links(s))
        out.append(_refs(registry, s))
    return "".join(out)


def _links(s: Signal) -> str:
    if "links" not in s.ours:
        return ""
    to, by = s.ours["links"]["to"], s.ours["links"]["by"]
    return (
        f"**Links:** with a submission in sight, the span links to the `{to}` span that has the same `{by}`,\n"
        "or descends from it.\n\n"
    )


def _metrics(registry: Registry) -> str:
    out = [NOTICE, "# Metrics\n\n"]
    for m in registry.metrics.values():
        out.append(f"## Metric: `{m.id}`\n\nThis metric is {LEVELS[m.level].strip('`').lower()}.\n\n")
        out.append("| Name | Instrument type | Unit (UCUM) | Description | Stability |\n|---|---|---|---|---|\n")
        kind = m.raw["instrument"].capitalize().replace("Updown", "UpDown").replace("counter", "Counter")
        out.append(f"| `{m.id}` | {kind} | `{m.raw['unit']}` | {m.brief} | {STABILITY} |\n\n")
        if m.note:
            out.append(_line(m.note) + "\n\n")
        if "buckets" in m.ours:
            out.append(f"Bucket boundaries SHOULD be `{m.ours['buckets']}`.\n\n")
        if "prometheus" in m.ours:
            out.append(f"Dashboards in the field query it as `{m.ours['prometheus']}`.\n\n")
        if m.attributes:
            out.append(_refs(registry, m))
    return "".join(out)


def _events(registry: Registry) -> str:
    out = [NOTICE, "# Events\n\n", "Log records with this event name, or events of a span.\n\n"]
    for e in registry.events.values():
        out.append(f"## Event: `{e.id}`\n\n**Status:** {STABILITY}\n\n{e.brief}\n\n")
        out.append(f"{_line(e.note)}\n\n" if e.note else "")
        if "synonyms" in e.ours:
            out.append(f"Found in the field as `{'`, `'.join(e.ours['synonyms'])}`.\n\n")
        out.append(_refs(registry, e))
    return "".join(out)


def _entities(registry: Registry) -> str:
    out = [NOTICE, "# Entities\n\n"]
    for e in registry.entities.values():
        out.append(f"## `{e.id}`\n\n**Status:** {STABILITY}\n\n{e.brief}\n\n")
        identity = {r["ref"] for r in e.raw["identity"]}
        out.append("| Role | Attribute |\n|---|---|\n")
        out += [f"| {'identity' if r.key in identity else 'description'} | {_link(r.key)} |\n" for r in e.attributes]
        out.append("\n")
    return "".join(out)


def _contract(registry: Registry) -> str:
    out = [NOTICE, "# Contract\n\n"]
    for g in registry.groups.values():
        out.append(f"## `{g.id}`\n\n{g.brief}\n\n" + (f"{_line(g.note)}\n\n" if g.note else ""))
        if g.attributes:
            out.append(_refs(registry, g))
        out += [f"- `{key}`\n" for key in g.ours.get("keys", ())]
        out.append("\n")
    return "".join(out).rstrip() + "\n"


def _migration(registry: Registry) -> str:
    out = [NOTICE, "# Versions and migration\n\n"]
    for version in reversed(tables.versions(registry)):
        changes = tables.renames(registry, version)
        out.append(f"## {version}\n\n")
        if not changes:
            out.append("The names found in the field.\n\n")
            continue
        out.append(
            "| Before | Now |\n|---|---|\n" + "".join(f"| `{a}` | {_link(b)} |\n" for a, b in changes.items()) + "\n"
        )
        aliased = (
            a for a in registry.attributes.values() if a.ours.get("alias_of") and a.ours["deprecated_in"] == version
        )
        out += [f"`{a.key}` is read as {_link(a.ours['alias_of'])}. {_line(a.note)}\n\n" for a in aliased]
    out.append(
        "## Synonyms\n\nRead as the attribute on the right. They belong to no version, since two names that become one\n"
    )
    out.append("cannot be told apart again.\n\n")
    out.append("| Found | Read as |\n|---|---|\n")
    pairs = sorted((s, a.key) for a in registry.current for s in a.ours.get("synonyms", ()))
    out += [f"| `{s}` | {_link(key)} |\n" for s, key in pairs]
    out.append("\n## Names of spans\n\nFound in the field on spans without a type; `*` is any text.\n\n")
    out.append("| Found | Read as |\n|---|---|\n")
    out += [f"| `{name}` | `{type_}` |\n" for name, type_ in tables.span_names(registry).items()]
    out.append(
        "\n## States of a job\n\nCompared without regard to case.\n\n| `quantum.job.status` | Read as such |\n|---|---|\n"
    )
    for m in registry.attributes["quantum.job.status"].members:
        out.append(f"| `{m.value}` | {', '.join(f'`{s}`' for s in m.ours['spellings'])} |\n")
    return "".join(out)


def _refs(registry: Registry, signal: Signal) -> str:
    rows = ["| Key | Requirement level | Value type | Description |\n|---|---|---|---|\n"]
    for r in sorted(signal.attributes, key=lambda r: (list(LEVELS).index(r.level), r.key)):
        known = registry.attributes.get(r.key)
        brief = known.brief if known else FOREIGN[r.key]["brief"]
        rows.append(f"| {_link(r.key, known)} | {_level(r)} | {known.type if known else 'string'} | {brief} |\n")
    return "".join(rows) + "\n"


def _level(r: Ref) -> str:
    return LEVELS[r.level] + (f" {r.condition}" if r.condition else "")


def _link(key: str, known: Attribute | None = None) -> str:
    if known is None and key.split(".", 1)[0] not in ("quantum", "eigenspan"):
        return f"[`{key}`]({OTEL}{key.split('.', 1)[0]}/)"
    return f"[`{key}`](attributes.md#{anchor(key)})"


def anchor(key: str) -> str:
    """Where a page's link to `key` leads."""
    return key.replace(".", "-").replace("_", "-")


def _line(text: str) -> str:
    return " ".join(text.split())


def _code(value: Any) -> str:
    if isinstance(value, list):
        return "`[" + ", ".join(f'"{v}"' for v in value) + "]`"
    return f"`{str(value).lower() if isinstance(value, bool) else value}`"
