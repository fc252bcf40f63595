"""Python modules: constants, span types, metrics and tables."""

from __future__ import annotations

import textwrap
from typing import Any

from registrygen import tables
from registrygen.model import Attribute, Ref, Registry

SHORT = 60  # columns up to which a tuple stays on one line
HEADER = '"""{doc}\n\nGenerated from the registry by semconv/generate.py: edit the model, not this file.\n"""\n\n'


def modules(registry: Registry) -> dict[str, str]:
    """File name → text of every generated module."""
    return {
        "__init__.py": _package(registry),
        "arguments.py": _arguments(registry),
        "attributes.py": _attributes(registry),
        "events.py": _events(registry),
        "metrics.py": _metrics(registry),
        "spans.py": _spans(registry),
        "tables.py": _tables(registry),
    }


def constant(key: str) -> str:
    """The name of the constant that holds `key`."""
    return key.upper().replace(".", "_")


def _doc(text: str, indent: str = "") -> str:
    body = " ".join(text.replace("\\", "\\\\").split())
    lines = textwrap.wrap(body, 116 - len(indent))
    if len(lines) == 1:
        return f'{indent}"""{lines[0]}"""\n'
    return f'{indent}"""{lines[0]}\n' + "".join(f"{indent}{line}\n" for line in lines[1:]) + f'{indent}"""\n'


def _package(registry: Registry) -> str:
    return (
        HEADER.format(doc="The quantum semantic conventions: constants and tables, nothing that costs an import.")
        + "from typing import Final\n\n"
        + f'SCHEMA_URL: Final = "{registry.schema_url}"\n'
        + _doc("The schema that telemetry made with these constants follows.")
        + f'VERSION: Final = "{registry.version}"\n'
        + _doc("The version of that schema.")
    )


def _attributes(registry: Registry) -> str:
    out = [
        HEADER.format(doc="Attribute keys, and the known values of those that are enums."),
        "from enum import StrEnum\nfrom typing import Final\n",
    ]
    for a in registry.attributes.values():
        text = a.brief if not a.deprecated else f"Deprecated: {a.brief}"
        out.append(f'\n{constant(a.key)}: Final = "{a.key}"\n' + _doc(text))
    out += [_enum(a) for a in registry.current if a.members]
    return "".join(out)


def _enum(a: Attribute) -> str:
    name = "".join(word.capitalize() for word in a.key.replace("_", ".").split("."))
    lines = [f"\n\nclass {name}(StrEnum):\n", _doc(f"Known values of `{a.key}`. The list is open.", "    ")]
    lines += [f'\n    {m.id.upper()} = "{m.value}"\n' + _doc(f"{m.brief}.", "    ") for m in a.members]
    return "".join(lines)


def _metrics(registry: Registry) -> str:
    out = [
        HEADER.format(doc="Metrics: name, instrument, unit, and the attributes that may be dimensions."),
        "from dataclasses import dataclass\nfrom typing import Final\n\n\n",
        "@dataclass(frozen=True, slots=True)\nclass Metric:\n",
        _doc(
            "What an instrument is made from. `buckets` are advice for histograms, `prometheus` the name in the field.",
            "    ",
        ),
        "\n    name: str\n    instrument: str\n    unit: str\n    brief: str\n",
        "    attributes: tuple[str, ...] = ()\n    buckets: tuple[float, ...] = ()\n",
        '    prometheus: str = ""\n\n',
    ]
    for m in registry.metrics.values():
        fields: dict[str, Any] = {
            "name": m.id,
            "instrument": m.raw["instrument"],
            "unit": m.raw["unit"],
            "brief": m.brief,
            "attributes": tuple(r.key for r in m.attributes),
            "buckets": tuple(float(b) for b in m.ours.get("buckets", ())),
            "prometheus": m.ours.get("prometheus", ""),
        }
        out.append(f"\n{constant(m.id)}: Final = Metric(\n" + _fields(fields) + ")\n" + _doc(m.brief))
    out.append(_mapping("METRICS", "dict[str, Metric]", {m: constant(m) for m in registry.metrics}, raw=True))
    out.append(_doc("Every metric by its name."))
    return "".join(out)


def _events(registry: Registry) -> str:
    out = [HEADER.format(doc="Names of events."), "from typing import Final\n"]
    out += [f'\n{constant(e.id)}: Final = "{e.id}"\n' + _doc(e.brief) for e in registry.events.values()]
    return "".join(out)


def _spans(registry: Registry) -> str:
    out = [
        HEADER.format(doc="Span types: kind, how the name is made, and what a span of the type carries."),
        "from dataclasses import dataclass\nfrom typing import Final\n\n",
        'SPAN_TYPE: Final = "otel.span.type"\n',
        _doc("Carries the type of a span where the protocol in use has no field for it."),
        "\n\n@dataclass(frozen=True, slots=True)\nclass SpanType:\n",
        _doc(
            "One definition. `required` and `conditional` are attribute keys; conditions are in the documentation.",
            "    ",
        ),
        "\n    type: str\n    kind: str\n    name: str\n    brief: str\n",
        "    required: tuple[str, ...] = ()\n    conditional: tuple[str, ...] = ()\n",
        "    recommended: tuple[str, ...] = ()\n    opt_in: tuple[str, ...] = ()\n\n",
    ]
    short = {}
    for s in registry.spans.values():
        name = s.id.rsplit(".", 1)[1].upper()
        short[s.id] = name
        levels = {
            field: tuple(r.key for r in s.attributes if r.level == level)
            for field, level in (
                ("required", "required"),
                ("conditional", "conditionally_required"),
                ("recommended", "recommended"),
                ("opt_in", "opt_in"),
            )
        }
        fields = {"type": s.id, "kind": s.raw["kind"], "name": s.raw["name"]["note"].strip(), "brief": s.brief}
        out.append(f"\n{name}: Final = SpanType(\n" + _fields(fields | levels) + ")\n" + _doc(s.brief))
    out.append(_mapping("SPANS", "dict[str, SpanType]", short, raw=True) + _doc("Every span type by its type."))
    return "".join(out)


NO_ARGUMENTS = ("error.type", "quantum.operation.name")
"""Attributes that follow from the span itself."""
PYTHON = {"string": "str", "int": "int", "double": "float", "boolean": "bool", "string[]": "Sequence[str]"}


def _arguments(registry: Registry) -> str:
    """A TypedDict for each span type and event: what it carries, as keywords of a function. Groups of attributes are bases."""
    types = {a.key: PYTHON[a.type] for a in registry.current}
    used: dict[str, str] = {}

    def body(refs: tuple[Ref, ...], inherited: set[str]) -> str:
        words = {_word(r.key): r.key for r in refs if r.key not in NO_ARGUMENTS}
        if clash := [word for word, key in words.items() if used.setdefault(word, key) != key]:
            raise ValueError(f"two attributes make the same keyword {clash[0]}")
        return "".join(f"    {word}: {types.get(key, 'str')}\n" for word, key in words.items() if key not in inherited)

    named = [(s, s.id.rpartition(".")[2]) for s in registry.spans.values()]
    named += [(e, e.id.removeprefix("quantum.")) for e in registry.events.values()]
    grouped = [
        (s, name, [r["ref_group"] for r in s.raw.get("attributes", []) if "ref_group" in r]) for s, name in named
    ]
    bases = {group: refs for group, refs in registry.shared.items() if any(group in groups for _, _, groups in grouped)}
    out = [
        f"\n\nclass {_class(group)}(TypedDict, total=False):\n"
        + _doc(f"The attributes of `{group}`.", "    ")
        + "\n"
        + body(refs, set())
        for group, refs in bases.items()
    ]
    for signal, name, groups in grouped:
        inherited = {r.key for group in groups for r in bases[group]}
        parents = ", ".join([_class(group) for group in groups] or ["TypedDict"])
        own = body(signal.attributes, inherited)
        out.append(
            f"\n\nclass {_class(name)}({parents}, total=False):\n"
            + _doc(signal.brief, "    ")
            + (f"\n{own}" if own else "")
        )
    return (
        HEADER.format(
            doc="What spans and events made by hand take as keywords: names of attributes with `_` for dots, without `quantum`."
        )
        + "from collections.abc import Sequence\nfrom typing import Final, TypedDict\n"
        + "".join(out)
        + "\n"
        + _mapping("ARGUMENTS", "dict[str, str]", dict(sorted(used.items())))
        + _doc("Keyword → attribute.")
    )


def _word(key: str) -> str:
    return key.removeprefix("quantum.").replace(".", "_")


def _class(name: str) -> str:
    return "".join(word.capitalize() for word in _word(name).split("_"))


def _tables(registry: Registry) -> str:
    normal, by_provider, phases = tables.statuses(registry)
    named = {g.ours["table"]: g for g in registry.groups.values() if "table" in g.ours}
    errors = ["error.type", *sorted(a.key for a in registry.attributes.values() if a.ours.get("error"))]
    high = sorted(a.key for a in registry.attributes.values() if a.ours.get("high_cardinality"))
    types = {a.key: a.type for a in registry.current} | {"error.type": "string"}
    mandatory = named["MANDATORY"]
    sensitive = named["SENSITIVE_KEYS"].ours["keys"]
    parts = [
        HEADER.format(doc="Tables for the stages of the collector: names, job states, sensitive keys, contract."),
        "from typing import Final\n",
        _mapping("ALIASES", "dict[str, tuple[str, ...]]", tables.aliases(registry)),
        _doc("Attribute → the keys that mean it, the best first: its name, names of older versions, synonyms."),
        _mapping("TYPES", "dict[str, str]", dict(sorted(types.items()))),
        _doc("Attribute → string, int, double, boolean or an array of these (`string[]`)."),
        _mapping("RENAMED", "dict[str, str]", tables.renames(registry, registry.version)),
        _doc(f"Names of the version before {registry.version} → names of {registry.version}."),
        _mapping("SPAN_NAMES", "dict[str, str]", tables.span_names(registry)),
        _doc("Name of a span found in the field, with `*` for any text → the span type that it stands for."),
        _set("ERROR_KEYS", errors, kind="tuple"),
        _doc("Keys whose presence on a span means an error, whatever its status."),
        _mapping("JOB_STATUS", "dict[str, str]", dict(sorted(normal.items()))),
        _doc("Spelling of a job's state in lower case → value of `quantum.job.status`."),
        _mapping("JOB_STATUS_BY_PROVIDER", "dict[tuple[str, str], str]", by_provider),
        _doc("(Provider, spelling) → value, where a provider means something else by the word. Looked up first."),
        _set("PENDING_JOB_STATUSES", phases["pending"]),
        _doc("Spellings, in lower case, of states of a job that has not ended."),
        _set("FAILED_JOB_STATUSES", phases["failed"]),
        _doc("Spellings, in lower case, of states of a job that ended in an error. Cancelled is not one."),
        _set("TERMINAL_JOB_STATUSES", phases["succeeded"] + phases["failed"] + phases["cancelled"]),
        _doc("Spellings, in lower case, of states of a job that has ended."),
        _set("SENSITIVE_KEYS", sensitive),
        _doc(named["SENSITIVE_KEYS"].brief + " Compare whole keys in lower case."),
        _set("MANDATORY", [r.key for r in mandatory.attributes], kind="tuple"),
        _doc(mandatory.brief),
        _set("HIGH_CARDINALITY", high),
        _doc("Attributes that must not become dimensions of a metric."),
    ]
    return "".join(parts)


def _fields(fields: dict[str, Any]) -> str:
    return "".join(f"    {name}={_literal(value, 4)},\n" for name, value in fields.items() if value not in ((), ""))


def _literal(value: Any, indent: int) -> str:
    if isinstance(value, str):
        return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'
    if isinstance(value, tuple):
        pad = " " * (indent + 4)
        items = [_literal(v, indent) for v in value]
        flat = "(" + ", ".join(items) + ("," if len(items) == 1 else "") + ")"
        if len(flat) + indent < SHORT:
            return flat
        return "(\n" + "".join(f"{pad}{item},\n" for item in items) + " " * indent + ")"
    return repr(value)


def _mapping(name: str, kind: str, items: dict[Any, Any], *, raw: bool = False) -> str:
    body = "".join(f"    {_literal(k, 4)}: {v if raw else _literal(v, 4)},\n" for k, v in items.items())
    return f"\n{name}: Final[{kind}] = {{\n{body}}}\n"


def _set(name: str, items: list[str], *, kind: str = "frozenset") -> str:
    listed = items if kind == "tuple" else sorted(items)
    body = "".join(f"        {_literal(item, 8)},\n" for item in listed)
    if kind == "tuple":
        return f"\n{name}: Final = (\n" + body.replace("        ", "    ") + ")\n"
    return f"\n{name}: Final = frozenset(\n    {{\n{body}    }}\n)\n"
