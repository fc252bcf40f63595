"""Migration, executed: telemetry from one schema version to another, up or down.

Works on OTLP messages (traces, metrics, logs) in place. `all` runs first; resources, spans, span events, metrics and logs
follow; a downgrade is the exact reverse. Where both names are present the target's wins and the other stays. A scope's
schema_url beats its resource's. What has another family, no schema_url or a version that the file does not list passes
untouched and is counted.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from eigenspan.schema.files import (
    SECTIONS,
    Change,
    RenameAttributes,
    RenameThings,
    SchemaFile,
    Section,
    Split,
    Version,
    split_url,
    version_key,
)

ValueMaps = Mapping[str, Mapping[str, Mapping[str, str]]]
"""Our extension, outside the file: version → attribute (new name) → old value → new value, for strings."""


@dataclass(frozen=True, slots=True)
class Step:
    """One version's changes in one direction."""

    version: Version
    up: bool

    def changes(self) -> Iterator[tuple[Section, Change]]:
        """The changes in the order in which they are applied."""
        pairs = [(section, change) for section in SECTIONS for change in self.version.sections.get(section, ())]
        return iter(pairs if self.up else reversed(pairs))


@dataclass(slots=True)
class Migration:
    """A migration to `target`. `keep_both` leaves an old name beside its new one. `counts` says what happened."""

    schema: SchemaFile
    target: str
    keep_both: bool = False
    values: ValueMaps = field(default_factory=dict)
    counts: Counter[str] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        version_key(self.target)

    def migrate(self, message: Any) -> Any:
        """Migrate an Export*ServiceRequest or *Data message in place and return it."""
        kinds = (
            ("resource_spans", "scope_spans", self._spans),
            ("resource_metrics", "scope_metrics", self._metrics),
            ("resource_logs", "scope_logs", self._logs),
        )
        for name, scopes, apply in kinds:
            for resource in getattr(message, name, ()):
                outer = self._steps(resource.schema_url)
                for step in outer or ():
                    self._attributes(resource.resource.attributes, "resources", step)
                for scope in getattr(resource, scopes):
                    steps = self._steps(scope.schema_url) if scope.schema_url else outer
                    for step in steps or ():
                        self._attributes(scope.scope.attributes, "all", step)
                        apply(scope, step)
                    if steps is not None and scope.schema_url:
                        scope.schema_url = self.schema.url(self.target)
                if outer is not None:
                    resource.schema_url = self.schema.url(self.target)
        return message

    def _steps(self, url: str) -> list[Step] | None:
        parts = split_url(url)
        if parts is None or parts[0] != self.schema.family:
            self.counts["other_schema" if url else "no_schema"] += 1
            return None
        version = parts[1]
        if not self.schema.knows(version) or not self.schema.knows(self.target):
            self.counts["unknown_version"] += 1
            return None
        self.counts["migrated" if version != self.target else "current"] += 1
        if version_key(version) <= version_key(self.target):
            return [Step(v, up=True) for v in self.schema.between(version, self.target)]
        return [Step(v, up=False) for v in reversed(list(self.schema.between(self.target, version)))]

    def _attributes(self, attributes: Any, section: Section, step: Step) -> None:
        """Apply `all` and `section` renames that have no further scope."""
        for where, change in step.changes():
            if isinstance(change, RenameAttributes) and where in ("all", section):
                self._rename(attributes, change, step)
        self._map_values(attributes, step)

    def _rename(self, attributes: Any, change: RenameAttributes, step: Step) -> None:
        names = change.names if step.up else {new: old for old, new in change.names.items()}
        present = {attribute.key for attribute in attributes}
        for attribute in list(attributes):
            new = names.get(attribute.key)
            if new is None:
                continue
            if new in present:
                self.counts["both_present"] += 1
            elif self.keep_both and step.up:
                attributes.add(key=new).value.CopyFrom(attribute.value)
                self.counts["copied"] += 1
            else:
                attribute.key = new
                self.counts["renamed"] += 1
            present.add(new)

    def _map_values(self, attributes: Any, step: Step) -> None:
        maps = self.values.get(step.version.name)
        if not maps:
            return
        for attribute in attributes:
            mapping = maps.get(attribute.key)
            if mapping and attribute.value.HasField("string_value"):
                if not step.up:
                    mapping = {new: old for old, new in mapping.items()}
                new = mapping.get(attribute.value.string_value)
                if new is not None:
                    attribute.value.string_value = new
                    self.counts["value_mapped"] += 1

    def _spans(self, scope: Any, step: Step) -> None:
        for span in scope.spans:
            for where, change in step.changes():
                self._span_change(span, where, change, step)
            self._map_values(span.attributes, step)

    def _span_change(self, span: Any, where: Section, change: Change, step: Step) -> None:
        match where, change:
            case "all", RenameAttributes():
                for attributes in (
                    span.attributes,
                    *(e.attributes for e in span.events),
                    *(x.attributes for x in span.links),
                ):
                    self._rename(attributes, change, step)
            case "spans", RenameAttributes(spans=spans) if spans is None or span.name in spans:
                self._rename(span.attributes, change, step)
            case "span_events", RenameAttributes(spans=spans, events=events) if spans is None or span.name in spans:
                for event in span.events:
                    if events is None or event.name in events:
                        self._rename(event.attributes, change, step)
            case "span_events", RenameThings():
                for event in span.events:
                    event.name = self._renamed(event.name, change, step)

    def _renamed(self, name: str, change: RenameThings, step: Step) -> str:
        names = change.names if step.up else {new: old for old, new in change.names.items()}
        if name in names:
            self.counts["renamed"] += 1
        return names.get(name, name)

    def _metrics(self, scope: Any, step: Step) -> None:
        for where, change in step.changes():
            match where, change:
                case "all", RenameAttributes():
                    self._metric_attributes(scope.metrics, change, step)
                case "metrics", RenameAttributes(metrics=metrics):
                    chosen = [m for m in scope.metrics if metrics is None or m.name in metrics]
                    self._metric_attributes(chosen, change, step)
                case "metrics", RenameThings():
                    for metric in scope.metrics:
                        metric.name = self._renamed(metric.name, change, step)
                case "metrics", Split():
                    (self._split if step.up else self._join)(scope, change)
        for metric in scope.metrics:
            for point in points(metric):
                self._map_values(point.attributes, step)

    def _metric_attributes(self, metrics: Iterable[Any], change: RenameAttributes, step: Step) -> None:
        for metric in metrics:
            for point in points(metric):
                self._rename(point.attributes, change, step)

    def _split(self, scope: Any, split: Split) -> None:
        by_value = {value: name for name, value in split.into.items()}
        for metric in [m for m in scope.metrics if m.name == split.metric]:
            made: dict[str, Any] = {}
            data = getattr(metric, metric.WhichOneof("data") or "gauge").data_points
            staying = []
            for point in list(data):
                value = _take(point, split.attribute, remove=False)
                name = None if value is None else by_value.get(value)
                if name is None:
                    staying.append(_copy(point))
                    continue
                if name not in made:
                    made[name] = scope.metrics.add()
                    made[name].CopyFrom(metric)
                    made[name].name = name
                    del points(made[name])[:]
                target = points(made[name]).add()
                target.CopyFrom(point)
                _take(target, split.attribute, remove=True)
                self.counts["split"] += 1
            del data[:]
            data.extend(staying)
        _drop_empty(scope, {split.metric})

    def _join(self, scope: Any, split: Split) -> None:
        joined = next((m for m in scope.metrics if m.name == split.metric), None)
        for metric in [m for m in scope.metrics if m.name in split.into]:
            value = split.into[metric.name]
            if joined is None:
                joined = scope.metrics.add()
                joined.CopyFrom(metric)
                joined.name = split.metric
                del points(joined)[:]
            for point in points(metric):
                target = points(joined).add()
                target.CopyFrom(point)
                _give(target, split.attribute, value)
                self.counts["joined"] += 1
            del points(metric)[:]
        _drop_empty(scope, set(split.into))

    def _logs(self, scope: Any, step: Step) -> None:
        for record in scope.log_records:
            self._attributes(record.attributes, "logs", step)


def points(metric: Any) -> Any:
    """A metric's data points, of whatever kind; an empty list where it has no data."""
    kind = metric.WhichOneof("data")
    return getattr(metric, kind).data_points if kind else []


def _copy(message: Any) -> Any:
    new = type(message)()
    new.CopyFrom(message)
    return new


def _take(point: Any, key: str, *, remove: bool) -> str | int | bool | None:
    for i, attribute in enumerate(point.attributes):
        if attribute.key == key:
            kind = attribute.value.WhichOneof("value")
            value = getattr(attribute.value, kind) if kind in ("string_value", "int_value", "bool_value") else None
            if remove:
                del point.attributes[i]
            return value
    return None


def _give(point: Any, key: str, value: str | int | bool) -> None:
    target = point.attributes.add(key=key).value
    if isinstance(value, bool):
        target.bool_value = value
    elif isinstance(value, int):
        target.int_value = value
    else:
        target.string_value = value


def _drop_empty(scope: Any, names: set[str]) -> None:
    for i in reversed(range(len(scope.metrics))):
        if scope.metrics[i].name in names and not points(scope.metrics[i]):
            del scope.metrics[i]
