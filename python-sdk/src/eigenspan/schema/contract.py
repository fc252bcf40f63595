"""Contracts: a team's own YAML narrows the registry.

    contract: portfolio
    extends: default                       # the eight fields of every job; leave out to begin with none
    match: {quantum.workflow.name: portfolio-optimisation}
    job:
      required: [quantum.cost.amount]
    spans:
      quantum.internal.execute:
        required: [quantum.backend.calibration.version]
        values: {quantum.backend.name: [ibm_torino, ibm_fez]}
        maximum: {quantum.job.shots: 10000}
        forbidden: [quantum.circuit.qasm]

It can only narrow: what it names must be in the registry, and values of an enum must be its values.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from eigenspan.schema.files import SchemaError
from eigenspan.schema.findings import Finding, Place
from eigenspan.schema.registry import Registry, registry


@dataclass(frozen=True, slots=True)
class SpanRules:
    """What a contract adds for one type of span."""

    required: tuple[str, ...] = ()
    values: Mapping[str, tuple[Any, ...]] = field(default_factory=dict)
    maximum: Mapping[str, float] = field(default_factory=dict)
    forbidden: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Contract:
    """Fields that every job carries, and rules for spans; limited to telemetry whose attributes match."""

    name: str
    job: tuple[str, ...] = ()
    match: Mapping[str, Any] = field(default_factory=dict)
    spans: Mapping[str, SpanRules] = field(default_factory=dict)

    @classmethod
    def default(cls, version: str | None = None) -> Contract:
        """The eight fields of every job."""
        return cls("default", registry(version).contract)

    @classmethod
    def read(cls, path: Path) -> Contract:
        """A contract from a YAML file; SchemaError says what is wrong with it, and where."""
        try:
            return cls.parse(path.read_text(encoding="utf-8"), str(path))
        except (OSError, UnicodeDecodeError) as error:
            raise SchemaError(f"{path}: {error}") from error

    @classmethod
    def parse(cls, text: str, source: str = "contract") -> Contract:
        """A contract from YAML."""
        import yaml

        try:
            raw = yaml.safe_load(text)
        except yaml.YAMLError as error:
            raise SchemaError(f"{source}: not valid YAML: {error}") from error
        known = registry()
        _keys(raw, {"contract", "extends", "match", "job", "spans"}, source)
        if not isinstance(raw.get("contract"), str):
            raise SchemaError(f"{source}: `contract` names the contract")
        if raw.get("extends", "default") != "default":
            raise SchemaError(f"{source}: extends: only `default` can be extended")
        job = list(known.contract) if "extends" in raw else []
        fields = raw.get("job") or {}
        _keys(fields, {"required"}, f"{source}: job")
        job += [key for key in _names(fields.get("required"), known, f"{source}: job.required") if key not in job]
        match = _mapping(raw.get("match"), known, f"{source}: match")
        spans = raw.get("spans") or {}
        if not isinstance(spans, dict):
            raise SchemaError(f"{source}: spans is not a mapping")
        unknown = sorted(set(spans) - set(known.spans))
        if unknown:
            raise SchemaError(f"{source}: spans: {unknown[0]!r} is not a span type of the registry")
        rules = {name: _rules(body, known, f"{source}: spans.{name}") for name, body in spans.items()}
        return cls(raw["contract"], tuple(job), match, rules)

    def concerns(self, attributes: Mapping[str, Any]) -> bool:
        """Whether the contract is about a span with these attributes."""
        return all(attributes.get(key) == value for key, value in self.match.items())


def _keys(raw: Any, allowed: set[str], where: str) -> None:
    if not isinstance(raw, dict):
        raise SchemaError(f"{where} is not a mapping")
    unknown = sorted(str(key) for key in set(raw) - allowed)
    if unknown:
        raise SchemaError(f"{where} has {unknown[0]!r}; it may have {', '.join(sorted(allowed))}")


def _known(key: Any, known: Registry, where: str) -> str:
    found = known.attributes.get(str(key))
    if found is None or found.deprecated:
        raise SchemaError(f"{where}: {key!r} is not a current attribute of the registry")
    return str(key)


def _names(raw: Any, known: Registry, where: str) -> tuple[str, ...]:
    if raw is None:
        return ()
    if not isinstance(raw, list):
        raise SchemaError(f"{where} is not a list")
    return tuple(_known(key, known, where) for key in raw)


def _mapping(raw: Any, known: Registry, where: str) -> dict[str, Any]:
    if raw is None:
        return {}
    if not isinstance(raw, dict):
        raise SchemaError(f"{where} is not a mapping")
    return {_known(key, known, where): value for key, value in raw.items()}


def _rules(raw: Any, known: Registry, where: str) -> SpanRules:
    _keys(raw, {"required", "values", "maximum", "forbidden"}, where)
    values = _mapping(raw.get("values"), known, f"{where}.values")
    for key, allowed in values.items():
        if not isinstance(allowed, list):
            raise SchemaError(f"{where}.values.{key} is not a list")
        wider = sorted(str(v) for v in set(allowed) - known.attributes[key].values)
        if known.attributes[key].values and wider:
            raise SchemaError(
                f"{where}.values.{key}: {wider[0]!r} is not a value of the registry; a contract narrows it"
            )
    maximum = _mapping(raw.get("maximum"), known, f"{where}.maximum")
    for key, limit in maximum.items():
        if isinstance(limit, bool) or not isinstance(limit, (int, float)):
            raise SchemaError(f"{where}.maximum.{key} is not a number")
    return SpanRules(
        _names(raw.get("required"), known, f"{where}.required"),
        {key: tuple(allowed) for key, allowed in values.items()},
        maximum,
        _names(raw.get("forbidden"), known, f"{where}.forbidden"),
    )


def checked_span(contract: Contract, type_: str, attributes: Mapping[str, Any], place: Place) -> Iterator[Finding]:
    """The findings of one span under the rules of a contract."""
    rules = contract.spans.get(type_)
    if rules is None or not contract.concerns(attributes):
        return
    by = f"by contract {contract.name!r}"
    for key in rules.required:
        if key not in attributes:
            yield Finding(
                "eigenspan.contract.field_not_present", f"{key!r} is mandatory {by}.", place, key, f"Set {key!r}."
            )
    for key, allowed in rules.values.items():
        if key in attributes and attributes[key] not in allowed:
            message = f"{attributes[key]!r} in {key!r} is not allowed {by}."
            mend = f"Allowed: {', '.join(map(str, allowed))}."
            yield Finding("eigenspan.contract.value_not_allowed", message, place, key, mend)
    for key, limit in rules.maximum.items():
        value = attributes.get(key)
        if isinstance(value, (int, float)) and value > limit:
            message = f"{key!r} is {value}, above {limit} {by}."
            yield Finding("eigenspan.contract.over_limit", message, place, key, f"At most {limit}.")
    for key in rules.forbidden:
        if key in attributes:
            message = f"{key!r} is forbidden {by}."
            yield Finding("eigenspan.contract.forbidden_attribute", message, place, key, "Leave it out.")
