"""The configuration file: read, expanded, checked against `settings`, with errors that name file and line."""

from __future__ import annotations

import difflib
import math
import os
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import msgspec
import yaml

from eigenspan.collector import own_traces
from eigenspan.collector.errors import ConfigError, SettingError
from eigenspan.collector.rules import compile_rules, sampling_watch
from eigenspan.collector.settings import Settings

_ENV = re.compile(r"\$\{env:([A-Za-z_][A-Za-z0-9_]*)(?::-([^}]*))?\}")
_AT = re.compile(r" - at `(\$.*)`$")
_UNKNOWN = re.compile(r"Object contains unknown field `(.*?)`")
_STEP = re.compile(r"\.([^.\[\]]+)|\[(\d+|\.\.\.)\]")
_PORT = r"(?:6553[0-5]|655[0-2]\d|65[0-4]\d\d|6[0-4]\d{3}|[1-5]\d{4}|\d{1,4})"
_VALUES_LIMIT = 50_000
_ADDRESS = re.compile(
    r"(?:https?://)?(?:\[[0-9A-Fa-f:.]+\]|[^\s:/\[\]]+):" + _PORT + r"(?:/\S*)?|https?://[^\s:/]+(?:/\S*)?"
)
_EXPORTER_TYPES = frozenset({"store", "otlp", "otlphttp", "jaeger", "tempo"})


def load(
    path: Path | None,
    *,
    overrides: Iterable[str] = (),
    exports: Iterable[str] = (),
    environ: Mapping[str, str] = os.environ,
    rules_alone: bool = False,
) -> Settings:
    """The settings from a YAML file (None: the defaults), `--set key.path=value` and `--export kind=HOST:PORT`.

    `rules_alone`: the file may also be a list of sampling rules. Raises ConfigError with file:line (of expressions also the
    column), what is wrong, and what would be right.
    """
    text, name = "", "the command line"
    if path is not None:
        name = str(path)
        try:
            text = path.read_text()
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigError(f"{path}: cannot be read: {error}") from error
    lines: dict[str, int] = {}
    try:
        root = yaml.compose(text, Loader=yaml.SafeLoader)
        document = yaml.safe_load(text)
    except RecursionError as error:
        raise ConfigError(f"{name}: nested too deeply") from error
    except (yaml.YAMLError, ValueError) as error:
        mark = getattr(error, "problem_mark", None)
        where = f"{name}:{mark.line + 1}" if mark else name
        raise ConfigError(f"{where}: not valid YAML: {getattr(error, 'problem', None) or error}") from error
    document = {} if document is None else document
    prefix = "$.processors.sampling.rules" if rules_alone and isinstance(document, list) else "$"
    try:
        if root is not None:
            _line_numbers(root, prefix, lines, name)
    except RecursionError as error:
        raise ConfigError(f"{name}: nested too deeply, or a value that contains itself") from error
    if prefix != "$":
        document = {"processors": {"sampling": {"rules": document}}}
    if not isinstance(document, dict):
        raise ConfigError(f"{name}:1: a configuration is a mapping with receivers, processors, exporters, service")
    document = _expand(document, environ, "$", lines, name)
    for override in overrides:
        _override(document, override)
    for export in exports:
        _export(document, export)
    for at in _infinite(document, "$"):
        raise ConfigError(_explain(f"a finite number is needed - at `{at}`", document, lines, name))
    _infer_types(document)
    try:
        settings = msgspec.convert(document, Settings)
    except msgspec.ValidationError as error:
        raise ConfigError(_explain(str(error), document, lines, name)) from error
    for key, exporter in settings.exporters.items():
        if exporter.type != "store" and not exporter.endpoint:
            missing = f"endpoint is missing: {exporter.type} needs a HOST:PORT - at `$.exporters.{key}`"
            raise ConfigError(_explain(missing, document, lines, name))
        if exporter.type != "store" and not _ADDRESS.fullmatch(exporter.endpoint):
            wrong = f"endpoint {exporter.endpoint!r} is not HOST:PORT or a URL with both - at `$.exporters.{key}`"
            raise ConfigError(_explain(wrong, document, lines, name))
    try:
        compile_rules(settings.processors.sampling, sampling_watch(settings.processors.sampling))
        own_traces.check(settings)
    except SettingError as error:
        begins = dict(_columns(root, prefix)).get(f"$.{error.path}") if root is not None else None
        column = begins + error.column if begins is not None and error.column else None
        raise ConfigError(_explain(f"{error.problem} - at `$.{error.path}`", document, lines, name, column)) from error
    return settings


def _line_numbers(node: yaml.Node, path: str, lines: dict[str, int], name: str) -> None:
    lines.setdefault(path, node.start_mark.line + 1)
    if len(lines) > _VALUES_LIMIT:
        raise ConfigError(f"{name}: more than {_VALUES_LIMIT} values, aliases written out; use fewer")
    if isinstance(node, yaml.MappingNode):
        seen: set[str] = set()
        for key, value in node.value:
            line = key.start_mark.line + 1
            if key.value in seen:
                raise ConfigError(f"{name}:{line}: {key.value} is there twice; keep one of them")
            seen.add(key.value)
            lines[f"{path}.{key.value}"] = line
            _line_numbers(value, f"{path}.{key.value}", lines, name)
    elif isinstance(node, yaml.SequenceNode):
        for i, value in enumerate(node.value):
            _line_numbers(value, f"{path}[{i}]", lines, name)


def _columns(node: yaml.Node, path: str) -> Iterator[tuple[str, int]]:
    """Where the texts that are written on one line, as they are, begin: path and column, 0 the first."""
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            if value.start_mark.line == key.start_mark.line or not isinstance(value, yaml.ScalarNode):
                yield from _columns(value, f"{path}.{key.value}")
    elif isinstance(node, yaml.SequenceNode):
        for i, value in enumerate(node.value):
            yield from _columns(value, f"{path}[{i}]")
    elif isinstance(node, yaml.ScalarNode):
        quotes = 1 if node.style in ("'", '"') else 0
        if node.end_mark.index - node.start_mark.index - 2 * quotes == len(node.value):
            yield path, node.start_mark.column + quotes


def _expand(node: Any, environ: Mapping[str, str], path: str, lines: dict[str, int], name: str) -> Any:
    if isinstance(node, dict):
        return {k: _expand(v, environ, f"{path}.{k}", lines, name) for k, v in node.items()}
    if isinstance(node, list):
        return [_expand(v, environ, f"{path}[{i}]", lines, name) for i, v in enumerate(node)]
    if not isinstance(node, str) or "${" not in node:
        return node

    def value(match: re.Match[str]) -> str:
        variable, default = match.groups()
        found = environ.get(variable)
        if found is None and default is None:
            raise ConfigError(f"{name}:{lines.get(path, 1)}: the environment variable {variable} is not set")
        return default or "" if found is None else found

    whole = _ENV.fullmatch(node)
    text = _ENV.sub(value, node)
    if not whole or not text or ".headers." in path or ".tokens" in path:
        return text
    try:
        return yaml.safe_load(text)
    except (yaml.YAMLError, ValueError):
        return text  # a password may begin like YAML


def _infinite(node: Any, path: str) -> Iterator[str]:
    """The paths of numbers that have no end, or are none."""
    if isinstance(node, dict):
        for key, value in node.items():
            yield from _infinite(value, f"{path}.{key}")
    elif isinstance(node, list):
        for i, value in enumerate(node):
            yield from _infinite(value, f"{path}[{i}]")
    elif isinstance(node, float) and not math.isfinite(node):
        yield path


def _override(document: dict[str, Any], text: str) -> None:
    path, equals, value = text.partition("=")
    if not equals or not path:
        raise ConfigError(f"--set {path!r}: write it as key.path=value, for example processors.sampling.settle=2")
    *parents, last = path.split(".")
    node: Any = document
    for key in parents:
        node = node.setdefault(key, {}) if isinstance(node, dict) else None
        if not isinstance(node, dict):
            raise ConfigError(f"--set {path}=…: {key} is not a mapping")
    try:
        node[last] = yaml.safe_load(value)
    except (yaml.YAMLError, ValueError) as error:
        raise ConfigError(f"--set {path}=…: the value is not valid YAML") from error


def _export(document: dict[str, Any], text: str) -> None:
    kind, equals, endpoint = text.partition("=")
    kinds = sorted(_EXPORTER_TYPES - {"store"})
    if not equals or kind not in kinds or not endpoint:
        raise ConfigError(f"--export {text!r}: write it as KIND=HOST:PORT, where KIND is {', '.join(kinds)}")
    exporters = document.setdefault("exporters", {"store": {"type": "store"}})
    if not isinstance(exporters, dict):
        raise ConfigError(f"--export {text!r}: exporters is not a mapping in the file")
    name = kind if kind not in exporters else f"{kind}/{endpoint}"
    exporters[name] = {"type": kind, "endpoint": endpoint}


def _infer_types(document: dict[str, Any]) -> None:
    exporters = document.get("exporters")
    if isinstance(exporters, dict):
        for name, settings in exporters.items():
            kind = str(name).partition("/")[0]
            if settings is None and kind in _EXPORTER_TYPES:
                exporters[name] = {"type": kind}
            elif isinstance(settings, dict) and kind in _EXPORTER_TYPES:
                settings.setdefault("type", kind)


def _explain(
    message: str, document: dict[str, Any], lines: dict[str, int], name: str, column: int | None = None
) -> str:
    at = _AT.search(message)
    path = at[1] if at else "$"
    problem = message[: at.start()] if at else message
    real = _resolve(path, document, message)
    unknown = _UNKNOWN.match(problem)
    if unknown:
        key = unknown[1]
        fields = _fields_at(real)
        near = difflib.get_close_matches(key, fields, n=1)
        hint = f"; did you mean {near[0]}?" if near else ""
        problem = f"there is no setting {key!r} in {real[2:] or 'the configuration'}{hint} (it has {', '.join(fields)})"
        real = f"{real}.{key}"
    where = real
    while where not in lines and where != "$":
        where = where[: max(where.rfind("."), where.rfind("["))]
    place = f"{name}:{lines[where]}" if where in lines else name
    place += f":{column}" if column else ""
    return f"{place}: {real[2:] or 'the configuration'}: {problem}"


def _resolve(path: str, document: Any, message: str) -> str:
    """The path of the entry at fault: msgspec writes `[...]` for any value of a mapping, so each is tried."""
    out, node = "$", document
    for step in _STEP.finditer(path[1:]):
        key, index = step.groups()
        if index == "..." and isinstance(node, dict):
            key = next((k for k in node if _at_fault(k, node, document, message)), next(iter(node), ""))
        if key is not None:
            out, node = f"{out}.{key}", node.get(key) if isinstance(node, dict) else None
        else:
            out, node = f"{out}[{index}]", node[int(index)] if isinstance(node, list) and index.isdigit() else None
    return out


def _at_fault(key: str, mapping: dict[str, Any], document: Any, message: str) -> bool:
    """Whether the document is refused with the same message where a mapping in it has this entry alone."""
    entries = dict(mapping)
    try:
        mapping.clear()
        mapping[key] = entries[key]
        msgspec.convert(document, Settings)
    except msgspec.ValidationError as error:
        return str(error) == message
    finally:
        mapping.clear()
        mapping.update(entries)
    return False


def _fields_at(path: str) -> list[str]:
    info = msgspec.inspect.type_info(Settings)
    for step in _STEP.finditer(path[1:]):
        key = step[1]
        info = _struct_in(info)
        if isinstance(info, msgspec.inspect.StructType) and key is not None:
            info = next((f.type for f in info.fields if f.encode_name == key), info)
        elif isinstance(info, msgspec.inspect.DictType):
            info = info.value_type
        elif isinstance(info, msgspec.inspect.ListType):
            info = info.item_type
    info = _struct_in(info)
    return [f.encode_name for f in info.fields] if isinstance(info, msgspec.inspect.StructType) else []


def _struct_in(info: Any) -> Any:
    while isinstance(info, msgspec.inspect.Metadata):
        info = info.type
    if isinstance(info, msgspec.inspect.UnionType):
        return next((_struct_in(t) for t in info.types if isinstance(_struct_in(t), msgspec.inspect.StructType)), info)
    return info


def to_yaml(settings: Settings) -> str:
    """The settings in force as YAML, with secrets (tokens, values of headers) masked wherever they are."""
    return str(yaml.safe_dump(_masked(msgspec.to_builtins(settings)), sort_keys=False, width=120))


def _masked(node: Any, key: str = "") -> Any:
    if isinstance(node, dict):
        return {k: "***" if key == "headers" else _masked(v, k) for k, v in node.items()}
    if isinstance(node, list):
        return ["***" if key == "tokens" else _masked(v) for v in node]
    return node
