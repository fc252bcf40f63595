"""Telemetry as the validator sees it, whatever it was read from."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

Attributes = dict[str, Any]
OK, ERROR = 1, 2


@dataclass(slots=True)
class Event:
    """A span event, or a log record that is an event."""

    name: str
    attributes: Attributes
    time: int = 0


@dataclass(slots=True)
class Span:
    """One span. Ids are hexadecimal, times are nanoseconds. `twice` are keys that occur more than once."""

    trace_id: str
    span_id: str
    parent: str
    name: str
    kind: int
    start: int
    end: int
    status: int
    attributes: Attributes
    type: str = ""
    links: list[tuple[str, str]] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)
    twice: tuple[str, ...] = ()


@dataclass(slots=True)
class Metric:
    """One metric with its points' attributes."""

    name: str
    unit: str
    instrument: str
    points: list[Attributes]


@dataclass(slots=True)
class Log:
    """One log record; an event if it has a name."""

    event: Event
    trace_id: str = ""
    span_id: str = ""


@dataclass(slots=True)
class Batch:
    """What came under one resource and scope, and from where."""

    source: str
    line: int
    schema_url: str
    resource: Attributes
    spans: list[Span] = field(default_factory=list)
    metrics: list[Metric] = field(default_factory=list)
    logs: list[Log] = field(default_factory=list)


@dataclass(slots=True)
class Unreadable:
    """A place that is not OTLP."""

    source: str
    line: int
    reason: str


def repeated(keys: Iterable[str]) -> tuple[str, ...]:
    """The keys that were there before, in the order in which they come again."""
    seen: set[str] = set()
    again = []
    for key in keys:
        if key in seen:
            again.append(key)
        seen.add(key)
    return tuple(again)
