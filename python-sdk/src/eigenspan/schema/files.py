"""OpenTelemetry schema files, format 1.1.0: read, checked, ordered.

Format: opentelemetry-specification, specification/schemas/file_format_v1.1.0.md. The specification's appendix leaves out
`attribute_map` in places, so a rename may also be a plain mapping.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import yaml

from eigenspan.collector.errors import EigenspanError

Section = Literal["all", "resources", "spans", "span_events", "metrics", "logs"]
SECTIONS: tuple[Section, ...] = ("all", "resources", "spans", "span_events", "metrics", "logs")
_VERSION = re.compile(r"(\d+)\.(\d+)\.(\d+)")
_URL = re.compile(r"(https?://[^\s]+)/(\d+\.\d+\.\d+)")


class SchemaError(EigenspanError):
    """A schema file or URL is not what the format says; the message names the place."""


Names = frozenset[str]


@dataclass(frozen=True, slots=True)
class RenameAttributes:
    """Attribute names old → new, limited to the spans, events or metrics named (None: all)."""

    names: Mapping[str, str]
    spans: Names | None = None
    events: Names | None = None
    metrics: Names | None = None


@dataclass(frozen=True, slots=True)
class RenameThings:
    """Names of events or of metrics, old → new."""

    names: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Split:
    """One metric becomes several: points whose `attribute` has a value go to the metric named for it."""

    metric: str
    attribute: str
    into: Mapping[str, str | int | bool]  # new metric → the attribute's value


Change = RenameAttributes | RenameThings | Split


@dataclass(frozen=True, slots=True)
class Version:
    """What one version changed, by section, in order."""

    name: str
    sections: Mapping[Section, tuple[Change, ...]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class SchemaFile:
    """A schema family and its versions, oldest first."""

    family: str
    versions: tuple[Version, ...]

    def between(self, low: str, high: str) -> Iterator[Version]:
        """The versions after `low` up to and including `high`, oldest first."""
        first, last = version_key(low), version_key(high)
        return (v for v in self.versions if first < version_key(v.name) <= last)

    def knows(self, version: str) -> bool:
        """Whether the file lists this version."""
        return any(v.name == version for v in self.versions)

    def url(self, version: str) -> str:
        """The schema URL of a version."""
        return f"{self.family}/{version}"


def version_key(text: str) -> tuple[int, int, int]:
    """A version as numbers, for ordering; SchemaError where it is not MAJOR.MINOR.PATCH."""
    match = _VERSION.fullmatch(text)
    if match is None:
        raise SchemaError(f"{text!r} is not a version such as 0.2.0")
    major, minor, patch = match.groups()
    return int(major), int(minor), int(patch)


def split_url(url: str) -> tuple[str, str] | None:
    """Family and version of a schema URL; None where it is not one."""
    match = _URL.fullmatch(url)
    return (match[1], match[2]) if match else None


def read(text: str, source: str = "schema file") -> SchemaFile:
    """A schema file from YAML; SchemaError names what is wrong."""
    try:
        document = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise SchemaError(f"{source}: not valid YAML: {error}") from error
    if not isinstance(document, dict) or document.get("file_format") not in ("1.0.0", "1.1.0"):
        raise SchemaError(f"{source}: file_format is not 1.0.0 or 1.1.0")
    parts = split_url(str(document.get("schema_url", "")))
    if parts is None:
        raise SchemaError(f"{source}: schema_url is not http(s)://host/path/MAJOR.MINOR.PATCH")
    versions = document.get("versions")
    if not isinstance(versions, dict):
        raise SchemaError(f"{source}: versions is not a mapping")
    read_versions = [_version(str(name), body or {}, source) for name, body in versions.items()]
    return SchemaFile(parts[0], tuple(sorted(read_versions, key=lambda v: version_key(v.name))))


def _version(name: str, body: Any, source: str) -> Version:
    version_key(name)
    where = f"{source}: versions.{name}"
    if not isinstance(body, dict):
        raise SchemaError(f"{where} is not a mapping")
    unknown = sorted(set(body) - set(SECTIONS))
    if unknown:
        raise SchemaError(f"{where} has {unknown[0]!r}; the sections are {', '.join(SECTIONS)}")
    sections: dict[Section, tuple[Change, ...]] = {}
    for section in SECTIONS:
        changes = (body.get(section) or {}).get("changes") or []
        sections[section] = tuple(_change(section, change, f"{where}.{section}") for change in changes)
    return Version(name, sections)


def _change(section: Section, change: Any, where: str) -> Change:
    if not isinstance(change, dict) or len(change) != 1:
        raise SchemaError(f"{where}: a change is a mapping with one key")
    ((kind, body),) = change.items()
    if not isinstance(body, dict):
        raise SchemaError(f"{where}.{kind} is not a mapping")
    match kind, section:
        case "rename_attributes", _:
            names = body.get("attribute_map", {k: v for k, v in body.items() if not k.startswith("apply_to_")})
            return RenameAttributes(
                _mapping(names, where),
                spans=_names(body, "apply_to_spans"),
                events=_names(body, "apply_to_events"),
                metrics=_names(body, "apply_to_metrics"),
            )
        case "rename_events", "span_events":
            return RenameThings(_mapping(body.get("name_map", body), where))
        case "rename_metrics", "metrics":
            return RenameThings(_mapping(body.get("name_map", body), where))
        case "split", "metrics":
            try:
                return Split(
                    str(body["apply_to_metric"]), str(body["by_attribute"]), dict(body["metrics_from_attributes"])
                )
            except (KeyError, TypeError, ValueError) as error:
                raise SchemaError(
                    f"{where}.split needs apply_to_metric, by_attribute and metrics_from_attributes"
                ) from error
    raise SchemaError(f"{where}: {kind!r} is not a change that this section knows")


def _mapping(value: Any, where: str) -> dict[str, str]:
    if not isinstance(value, dict) or not all(isinstance(k, str) and isinstance(v, str) for k, v in value.items()):
        raise SchemaError(f"{where}: a rename maps names to names")
    return dict(value)


def _names(body: dict[str, Any], key: str) -> Names | None:
    value = body.get(key)
    return None if value is None else frozenset(str(name) for name in value)
