"""Telemetry against the conventions: whole spans, then whole traces.

    from eigenspan.schema.validate import validate
    findings = validate(traces_data)          # an OTLP message, bytes, or what an in-memory exporter holds

A span is matched to its definition by Span.type (field 17), then `otel.span.type`, then an attribute that states it
(`gen_ai.operation.name`, `quantum.operation.name`). Conventions of others pass untouched.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from eigenspan.schema import read, read_proto
from eigenspan.schema.contract import Contract, checked_span
from eigenspan.schema.files import split_url
from eigenspan.schema.findings import ADVICE, Finding, Place
from eigenspan.schema.records import ERROR, OK, Batch, Event, Metric, Span, Unreadable
from eigenspan.schema.registry import Condition, Definition, Registry, name_matches, registry, versions
from eigenspan.schema.traces import Traces
from eigenspan.schema.values import Rules, field_type, key_problem, problems

SPAN_TYPE = "otel.span.type"
_OURS = ("quantum.", "eigenspan.")
_UNKNOWN_SAID = 1000  # so many versions that are not published are told apart
_ZERO_SPAN, _ZERO_TRACE = "0" * 16, "0" * 32
_HEX = frozenset("0123456789abcdef")


@dataclass(slots=True)
class Validator:
    """Give it batches; it gives findings. `finish` judges the traces that are still open.

    `advice` adds what is absent and only recommended. `version` holds telemetry to one version whatever its schema URL
    says. Memory is bounded by `Traces`.
    """

    version: str | None = None
    contracts: tuple[Contract, ...] | None = None
    advice: bool = False
    traces: bool = True
    counts: Counter[str] = field(default_factory=Counter)
    seen: Counter[str] = field(default_factory=Counter)
    _open: Traces = field(init=False)
    _registries: dict[str | None, Rules] = field(default_factory=dict)
    _unknown: set[str] = field(default_factory=set)  # versions that are not published, each said once

    def __post_init__(self) -> None:
        if self.contracts is None:
            self.contracts = (Contract.default(self.version),)
        self._open = Traces(self.contracts, registry(self.version))

    @property
    def judged_early(self) -> int:
        """Traces that were judged before the end, to make room: a span of them may have come later."""
        return self._open.judged_early

    def check(self, item: Batch | Unreadable) -> Iterator[Finding]:
        """The findings of one batch, and of the traces that had to be judged to make room."""
        for finding in self._check(item):
            self.counts[finding.id] += 1
            yield finding

    def finish(self) -> Iterator[Finding]:
        """The findings of the traces not judged yet."""
        for finding in self._open.finish():
            self.counts[finding.id] += 1
            yield finding

    def _check(self, item: Batch | Unreadable) -> Iterator[Finding]:
        if isinstance(item, Unreadable):
            place = Place(item.source, item.line, signal_type="file")
            yield Finding("eigenspan.unreadable", item.reason, place, mend="Send OTLP as protobuf or JSON lines.")
            return
        rules = self._rules(item.schema_url)
        yield from self._url(item)
        if item.resource:
            yield from _each(rules, item.resource, Place(item.source, item.line, signal_type="resource"))
        for span in item.spans:
            self.seen["span"] += 1
            place = Place(item.source, item.line, span.trace_id, span.span_id, "span", span.name)
            yield from self._span(rules, span, place)
            if self.traces:
                yield from self._open.add(span, place)
        for metric in item.metrics:
            self.seen["metric"] += 1
            yield from _metric(
                rules, metric, Place(item.source, item.line, signal_type="metric", signal_name=metric.name)
            )
        for log in item.logs:
            self.seen["log"] += 1
            place = Place(item.source, item.line, log.trace_id, log.span_id, "log", log.event.name)
            yield from self._event(rules, log.event, place)

    def _rules(self, url: str) -> Rules:
        named = _version_of(url)
        version = self.version or (named if named in versions() else None)
        if version not in self._registries:
            self._registries[version] = Rules(registry(version))
        return self._registries[version]

    def _url(self, batch: Batch) -> Iterator[Finding]:
        named = _version_of(batch.schema_url)
        if named and named not in versions() and named not in self._unknown and len(self._unknown) < _UNKNOWN_SAID:
            self._unknown.add(named)
            place = Place(batch.source, batch.line, signal_type="resource")
            message = f"{batch.schema_url} is not a published version."
            yield Finding(
                "eigenspan.unknown_schema_version", message, place, mend=f"Published: {', '.join(versions())}."
            )

    def _span(self, rules: Rules, span: Span, place: Place) -> Iterator[Finding]:
        attributes = span.attributes
        yield from _shape(span, place)
        yield from _each(rules, attributes, place)
        for event in span.events:
            yield from self._event(rules, event, place)
        known: Registry = rules.of
        if not known.spans:
            return
        name = type_of(span, known)
        definition = known.spans.get(name)
        if definition is None:
            yield from _unmatched(name, span, place)
            return
        yield from _matched(definition, span, place)
        yield from self._levels(definition, attributes, span, place)
        yield from _unexpected(rules, definition, attributes, place)
        for contract in self.contracts or ():
            if contract.spans:
                yield from checked_span(contract, definition.id, attributes, place)

    def _event(self, rules: Rules, event: Event, place: Place) -> Iterator[Finding]:
        known: Registry = rules.of
        if not known.events:
            return
        yield from _each(rules, event.attributes, place)
        if event.name in known.synonyms:
            mend = f"Use {known.synonyms[event.name]!r}."
            yield Finding("eigenspan.synonym", f"{event.name!r} is a name from the field.", place, mend=mend)
            return
        definition = known.events.get(event.name)
        if definition is not None:
            yield from self._levels(definition, event.attributes, None, place)
            yield from _unexpected(rules, definition, event.attributes, place)
        elif event.name.startswith(_OURS):
            message = f"Event {event.name!r} is not in the registry."
            yield Finding("missing_event", message, place, mend="Use an event of the registry, or a name of your own.")

    def _levels(
        self, definition: Definition, attributes: dict[str, Any], span: Span | None, place: Place
    ) -> Iterator[Finding]:
        for key in definition.required:
            if key not in attributes:
                yield _absent("required_attribute_not_present", "required", key, definition, place)
        for key in definition.foreign_required:
            if key not in attributes:
                yield _absent("eigenspan.foreign_attribute_not_present", "required", key, definition, place)
        for condition in definition.conditions:
            present = condition.key in attributes
            if present and not condition.only:
                continue
            holds = _holds(condition, attributes, span)
            if holds and not present:
                yield Finding(
                    "conditionally_required_attribute_not_present",
                    f"{condition.key!r} is required on {definition.id}: {condition.text}",
                    place,
                    condition.key,
                    f"Set {condition.key!r}.",
                )
            elif present and not holds and condition.only:
                message = f"{condition.key!r} is present. {condition.text}"
                mend = "Set the status to ERROR, or leave the attribute out."
                yield Finding("eigenspan.condition_not_met", message, place, condition.key, mend)
        if self.advice:
            if definition.stability != "stable":
                message = f"{definition.id} is in {definition.stability}."
                yield Finding("not_stable", message, place, mend="It may change; pin the schema URL.")
            for level, keys in (("recommended", definition.recommended), ("opt_in", definition.opt_in)):
                for key in keys:
                    if key not in attributes:
                        yield _absent(f"{level}_attribute_not_present", level, key, definition, place)


def _version_of(url: str) -> str:
    """The version of a schema URL of ours; empty where it is another's."""
    parts = split_url(url)
    return parts[1] if parts and parts[0] == registry().schema_url.rsplit("/", 1)[0] else ""


def type_of(span: Span, known: Registry) -> str:
    """The type that a span states, or that an attribute states for it; empty where nothing does."""
    stated = span.type or span.attributes.get(SPAN_TYPE)
    if stated:
        return str(stated)
    for key, name in known.matched_by.items():
        if key in span.attributes:
            return name
    return known.operations.get(str(span.attributes.get("quantum.operation.name")), "")


def _each(rules: Rules, attributes: dict[str, Any], place: Place) -> Iterator[Finding]:
    for key, (id_, message, mend) in problems(rules, attributes):
        yield Finding(id_, message, place, key, mend)


def _hex(text: str, length: int) -> bool:
    return len(text) == length and _HEX.issuperset(text)


def _shape(span: Span, place: Place) -> Iterator[Finding]:
    if (
        not _hex(span.trace_id, 32)
        or not _hex(span.span_id, 16)
        or span.trace_id == _ZERO_TRACE
        or span.span_id == _ZERO_SPAN
    ):
        yield Finding(
            "eigenspan.invalid_id",
            f"Trace {span.trace_id!r}, span {span.span_id!r}.",
            place,
            mend="Let the SDK make ids.",
        )
    for trace_id, span_id in span.links:
        if (
            not _hex(trace_id, 32)
            or not _hex(span_id, 16)
            or span_id == _ZERO_SPAN
            or (trace_id, span_id) == (span.trace_id, span.span_id)
        ):
            message = f"A link to trace {trace_id!r}, span {span_id!r}."
            yield Finding("eigenspan.invalid_link", message, place, mend="Link to a span context that is valid.")
    if span.end and span.end < span.start:
        message = f"It ends {span.start - span.end} ns before it starts."
        yield Finding("eigenspan.negative_duration", message, place, mend="Take both times from one clock.")
    for key in span.twice:
        yield Finding("eigenspan.duplicate_attribute", f"{key!r} is there twice.", place, key, "Set it once.")


def _unmatched(name: str, span: Span, place: Place) -> Iterator[Finding]:
    if name.startswith(_OURS):
        message = f"{name!r} is not a span type of the registry."
        yield Finding("eigenspan.unknown_span_type", message, place, SPAN_TYPE, "Use a type of the registry.")
    elif not name and (stands_for := field_type(span.name)):
        message = f"{span.name!r} is a name from the field."
        yield Finding("eigenspan.synonym", message, place, mend=f"Make it a span of type {stands_for!r}.")
    elif not name and any(key.startswith("quantum.") for key in span.attributes) and not _carried_only(span):
        message = f"Nothing says what kind of span {span.name!r} is."
        yield Finding("eigenspan.span_not_matched", message, place, mend=f"Set {SPAN_TYPE!r}.")


_CARRIED = ("quantum.request.", "quantum.workflow.", "quantum.workload.", "quantum.circuit.family")


def _carried_only(span: Span) -> bool:
    """Whether the span has nothing of ours but what baggage carries onto every span."""
    return all(key.startswith(_CARRIED) for key in span.attributes if key.startswith("quantum."))


def _matched(definition: Definition, span: Span, place: Place) -> Iterator[Finding]:
    if span.kind != definition.kind:
        message = f"{definition.id} has kind {definition.kind}, found {span.kind} (as OTLP numbers kinds)."
        yield Finding("kind_mismatch", message, place, mend="Start the span with the kind of its definition.")
    if not name_matches(span.name, definition.names, span.attributes):
        made = " or ".join(f"`{n}`" for n in definition.names)
        yield Finding("eigenspan.name_mismatch", f"{span.name!r} is not {made}.", place, mend="Name it so.")
    if span.status == OK:
        mend = "Leave the status unset on success."
        yield Finding("eigenspan.status_ok", f"{span.name!r} has status OK.", place, mend=mend)
    elif span.status != ERROR and span.attributes.get("quantum.execution.success") is False:
        message = "'quantum.execution.success' is false and the status is not ERROR."
        yield Finding("eigenspan.status_unset", message, place, "quantum.execution.success", "Set the status to ERROR.")


def _absent(id_: str, level: str, key: str, definition: Definition, place: Place) -> Finding:
    return Finding(id_, f"{key!r} is {level} on {definition.id}.", place, key, f"Set {key!r}.")


def _unexpected(rules: Rules, definition: Definition, attributes: dict[str, Any], place: Place) -> Iterator[Finding]:
    for key in attributes:
        if key in definition.listed:
            continue
        if "." not in key and key_problem(rules, key) is None:
            message = f"{key!r} has no namespace."
            yield Finding("missing_namespace", message, place, key, "Put it in a namespace of your own.")
        known = rules.of.attributes.get(key) if key.startswith("quantum.") else None
        if known is not None and not known.deprecated:
            message = f"{key!r} is not an attribute of {definition.id}."
            yield Finding("unexpected_attribute", message, place, key, "Move it to the signal that it describes.")


def _holds(condition: Condition, attributes: dict[str, Any], span: Span | None) -> bool:
    return all(_test(test, attributes, span) for test in condition.tests)


def _test(test: dict[str, Any], attributes: dict[str, Any], span: Span | None) -> bool:
    match test:
        case {"failed": wanted}:
            failed = attributes.get("quantum.execution.success") is False or (span is not None and span.status == ERROR)
            return failed is wanted
        case {"linked": wanted}:
            return bool(span is not None and span.links) is wanted
        case {"present": key}:
            return key in attributes
        case {"equals": [key, value]}:
            return bool(attributes.get(key) == value)
    return False


def _metric(rules: Rules, metric: Metric, place: Place) -> Iterator[Finding]:
    known: Registry = rules.of
    if metric.name in known.synonyms:
        mend = f"Use {known.synonyms[metric.name]!r}."
        yield Finding("eigenspan.synonym", f"{metric.name!r} is a name from the field.", place, mend=mend)
        return
    definition = known.metrics.get(metric.name)
    if definition is None:
        if metric.name.startswith(_OURS) and known.metrics:
            message = f"Metric {metric.name!r} is not in the registry."
            yield Finding("missing_metric", message, place, mend="Use a metric of the registry, or a name of your own.")
        return
    if metric.unit != definition.unit and not (definition.unit == "{currency}" and metric.unit.startswith("{")):
        message = f"{metric.name!r} has unit {definition.unit!r}, found {metric.unit!r}."
        yield Finding("unit_mismatch", message, place, mend=f"Create it with unit {definition.unit!r}.")
    if metric.instrument != definition.instrument:
        message = f"{metric.name!r} is a {definition.instrument}, found {metric.instrument or 'no data'}."
        yield Finding("unexpected_instrument", message, place, mend=f"Create it as a {definition.instrument}.")
    said: set[tuple[str, str]] = set()
    for attributes in metric.points:
        for finding in _point(rules, definition, attributes, place):
            if (finding.id, finding.attribute) not in said:
                said.add((finding.id, finding.attribute))
                yield finding


def _point(rules: Rules, definition: Definition, attributes: dict[str, Any], place: Place) -> Iterator[Finding]:
    yield from _each(rules, attributes, place)
    for key in definition.required:
        if key not in attributes:
            yield _absent("required_attribute_not_present", "required", key, definition, place)
    for key in attributes:
        known = rules.of.attributes.get(key)
        if known is None or known.deprecated or key in definition.listed:
            continue
        id_ = "eigenspan.high_cardinality_dimension" if known.high_cardinality else "unexpected_attribute"
        yield Finding(id_, f"{key!r} is not a dimension of {definition.id}.", place, key, "Drop it with a view.")


def validate(telemetry: Any, *, on: Callable[[Finding], None] | None = None, **options: Any) -> list[Finding]:
    """The findings of an OTLP message, of its bytes, or of batches. `options` are those of `Validator`."""
    validator = Validator(**options)
    items: Iterable[Batch | Unreadable]
    if isinstance(telemetry, (bytes, bytearray)):
        items = read.message(bytes(telemetry), "bytes")
    elif hasattr(telemetry, "DESCRIPTOR"):
        items = read_proto.batches(telemetry, "message")
    else:
        items = telemetry
    found = [f for item in items for f in validator.check(item)]
    found += validator.finish()
    for finding in found if on else ():
        on(finding)  # type: ignore[misc]
    return found


__all__ = ["ADVICE", "Validator", "type_of", "validate"]
