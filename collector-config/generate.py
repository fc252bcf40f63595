"""Write the configuration's reference page, full example and JSON Schema from `eigenspan.collector.settings`.

With --check nothing is written; it exits 1 naming the files that differ.
"""

from __future__ import annotations

import json
import sys
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import yaml
from msgspec import inspect

from eigenspan.collector.settings import Settings

ROOT = Path(__file__).resolve().parent.parent
NOTICE = (
    "Generated from eigenspan/collector/settings.py by collector-config/generate.py: edit the settings, not this file."
)
_BOUNDS = {"ge": "≥ {}", "gt": "> {}", "le": "≤ {}", "lt": "< {}"}
_NAMES = {
    inspect.StrType: "text",
    inspect.IntType: "integer",
    inspect.FloatType: "number",
    inspect.BoolType: "true or false",
}


@dataclass(frozen=True)
class Setting:
    """One setting: where it stands in the file and what it may be. `section`: it only holds others."""

    path: str
    type: str
    default: str
    doc: str
    section: bool


def settings() -> Iterator[Setting]:
    """Every setting in the order of the file."""
    return _walk(inspect.type_info(Settings), "", Settings())


def _walk(info: inspect.Type, path: str, default: Any) -> Iterator[Setting]:
    for field in sorted(_struct(info).fields, key=_is_section):
        name = f"{path}.{field.encode_name}" if path else field.encode_name
        value = getattr(default, field.name, _made(field))
        described, doc = _described(field.type)
        inner = _inner(described)
        if isinstance(inner, inspect.StructType):
            null = described is not inner
            yield Setting(name, "section or null" if null else "section", "", doc or _doc(inner), section=True)
            yield from _walk(inner, name, value)
        elif isinstance(inner, inspect.DictType):
            entry = _described(inner.value_type)[0]
            shown = ", ".join(value) if isinstance(entry, inspect.StructType) else _shown(value)
            yield Setting(name, "names to texts", shown, doc, section=isinstance(entry, inspect.StructType))
            if isinstance(entry, inspect.StructType):
                yield from _walk(entry, f"{name}.NAME", None)
        elif isinstance(inner, inspect.ListType) and isinstance(_described(inner.item_type)[0], inspect.StructType):
            yield Setting(name, "list", ", ".join(item.name for item in value), doc, section=True)
            yield from _walk(_described(inner.item_type)[0], f"{name}[]", None)
        else:
            yield Setting(name, _type(described), _shown(value), doc, section=False)


def _is_section(field: inspect.Field) -> bool:
    """Plain settings come before the sections beside them, so that they stand under the right heading."""
    inner = _inner(_described(field.type)[0])
    for part in ("value_type", "item_type"):
        inner = _described(getattr(inner, part, inner))[0]
    return isinstance(inner, inspect.StructType)


def _made(field: inspect.Field) -> Any:
    return field.default if field.default_factory is msgspec.NODEFAULT else field.default_factory()


def _described(info: inspect.Type) -> tuple[inspect.Type, str]:
    """The type without what is said of it, and what is said of it."""
    doc = ""
    while isinstance(info, inspect.Metadata):
        doc = (info.extra_json_schema or {}).get("description", "")
        info = info.type
    return info, doc


def _inner(info: inspect.Type) -> inspect.Type:
    """The struct of `Struct | None`, else the type itself."""
    if isinstance(info, inspect.UnionType):
        return next((t for t in info.types if isinstance(t, inspect.StructType)), info)
    return info


def _struct(info: inspect.Type) -> inspect.StructType:
    assert isinstance(info, inspect.StructType)
    return info


def _doc(info: inspect.StructType) -> str:
    return (info.cls.__doc__ or "").strip()


def _type(info: inspect.Type) -> str:
    if isinstance(info, inspect.LiteralType):
        return ", ".join(f"`{value}`" for value in info.values)
    if isinstance(info, inspect.ListType):
        return f"list of {_type(_described(info.item_type)[0])}"
    if isinstance(info, inspect.DictType):
        return "mapping"
    bounds = [text.format(bound) for key, text in _BOUNDS.items() if (bound := getattr(info, key, None)) is not None]
    return " ".join([_NAMES[type(info)], ", ".join(bounds)]).strip()


def _shown(value: Any) -> str:
    if value is msgspec.NODEFAULT:
        return "required"
    text = json.dumps(value, ensure_ascii=False)
    return f"{len(value)} keys" if isinstance(value, list) and len(text) > 80 else f"`{text}`"


def reference() -> str:
    """The reference page."""
    lines = [
        "# Configuration reference",
        "",
        f"<!-- {NOTICE} -->",
        "",
        "`eigenspan collect --config FILE` reads a YAML file of this shape; `eigenspan config check FILE` says file and line of",
        "what is wrong. Everything has a default: an empty file is valid. `${env:NAME}` and `${env:NAME:-default}` stand for",
        "environment variables, also inside of text. `--set key.path=value` overrides one setting.",
        "",
        "The whole default configuration is in [full.yaml](full.yaml); editors take the JSON Schema at",
        "[../schemas/config.json](../schemas/config.json).",
    ]
    table = False
    for setting in settings():
        if setting.section:
            heading = "##" if "." not in setting.path else "###"
            lines += ["", f"{heading} {setting.path}", "", setting.doc or "Its entries:"]
            if setting.default:
                lines += ["", f"Default: {setting.default}."]
            if setting.type.endswith("null"):
                lines += ["", "`null` turns it off."]
            table = False
            continue
        if not table:
            lines += ["", "| Setting | Type | Default | Meaning |", "|---|---|---|---|"]
            table = True
        lines.append(f"| `{setting.path}` | {setting.type} | {setting.default} | {setting.doc} |")
    return "\n".join(lines) + "\n"


def full() -> str:
    """Every setting with its default and meaning, as a file that can be run."""
    docs = {setting.path: setting.doc for setting in settings()}
    lines = [f"# {NOTICE}", "# Every setting with its default. Take over only what you change.", ""]
    lines += _yaml(msgspec.to_builtins(Settings()), "", 0, docs)
    return "\n".join(lines) + "\n"


def _yaml(value: dict[str, Any], path: str, depth: int, docs: dict[str, str]) -> Iterator[str]:
    pad = "  " * depth
    for key, item in value.items():
        where = f"{path}.{key}" if path else key
        doc = docs.get(where, "")
        yield from (f"{pad}# {line}" for line in textwrap.wrap(doc, 116 - len(pad)))
        if isinstance(item, dict) and item:
            yield f"{pad}{key}:"
            under = f"{where}.NAME" if where == "exporters" else where
            for name, entry in item.items() if where == "exporters" else ():
                yield f"{pad}  {name}:"
                yield from _yaml(entry, under, depth + 2, docs)
            if where != "exporters":
                yield from _yaml(item, under, depth + 1, docs)
        else:
            dumped = yaml.safe_dump({key: item}, sort_keys=False, allow_unicode=True, width=116)
            yield from (pad + line for line in dumped.rstrip("\n").split("\n"))


def schema() -> str:
    """The JSON Schema. An exporter's type may be left to its name, so it is not required here."""
    document = msgspec.json.schema(Settings)
    exporter = document["$defs"]["Exporter"]
    exporter["required"] = [name for name in exporter["required"] if name != "type"]
    exporters = document["$defs"]["Settings"]["properties"]["exporters"]
    exporters["additionalProperties"] = {"anyOf": [exporters["additionalProperties"], {"type": "null"}]}
    head = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": "https://eigenspan.github.io/schemas/config.json",
        "$comment": NOTICE,
    }
    return json.dumps(head | document, indent=2, ensure_ascii=False) + "\n"


FILES = {"collector-config/reference.md": reference, "collector-config/full.yaml": full, "schemas/config.json": schema}


def main(arguments: list[str]) -> int:
    """Write the files, or compare them."""
    if arguments not in ([], ["--check"]):
        print(__doc__, file=sys.stderr)
        return 2
    differ = []
    for name, make in FILES.items():
        path, text = ROOT / name, make()
        if arguments:
            if not path.is_file() or path.read_text() != text:
                differ.append(name)
        else:
            path.write_text(text)
    if differ:
        print(f"these files differ from their source; run `make generate`: {', '.join(differ)}", file=sys.stderr)
    return 1 if differ else 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
