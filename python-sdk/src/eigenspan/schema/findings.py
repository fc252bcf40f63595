"""What a validation says: an id, a level, what, where, why, and the mend.

Ids and levels are Weaver's where it has them; ours begin with `eigenspan.`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final, Literal

Level = Literal["information", "improvement", "violation"]
RANK: Final[dict[str, int]] = {"information": 0, "improvement": 1, "violation": 2}

IDS: Final[dict[str, tuple[Level, str]]] = {
    "missing_attribute": ("violation", "An attribute of a namespace of the registry is not in the registry."),
    "illegal_namespace": ("violation", "A key uses the name of an attribute as a namespace."),
    "missing_namespace": ("improvement", "A key has no namespace."),
    "invalid_format": ("violation", "A key is not lower case with dots and underscores."),
    "type_mismatch": ("violation", "A value has another type than its attribute."),
    "undefined_enum_variant": ("information", "A value is not among the known values of its attribute."),
    "deprecated": ("violation", "A deprecated name is used."),
    "not_stable": ("improvement", "A definition that is not stable is used."),
    "unexpected_attribute": ("improvement", "An attribute of the registry is not one of this signal."),
    "required_attribute_not_present": ("violation", "A required attribute is absent."),
    "conditionally_required_attribute_not_present": ("violation", "An attribute is absent though its condition holds."),
    "recommended_attribute_not_present": ("improvement", "A recommended attribute is absent."),
    "opt_in_attribute_not_present": ("information", "An opt-in attribute is absent."),
    "kind_mismatch": ("violation", "A span has another kind than its definition."),
    "missing_metric": ("violation", "A metric of a namespace of the registry is not in the registry."),
    "missing_event": ("violation", "An event of a namespace of the registry is not in the registry."),
    "unit_mismatch": ("violation", "A metric has another unit than its definition."),
    "unexpected_instrument": ("violation", "A metric comes from another instrument than its definition."),
    "eigenspan.unreadable": ("violation", "Bytes or a line that are not OTLP."),
    "eigenspan.unknown_schema_version": ("improvement", "The schema URL names a version that is not published."),
    "eigenspan.unknown_span_type": ("violation", "The type of a span is not in the registry."),
    "eigenspan.span_not_matched": ("improvement", "A span with attributes of the registry has no type."),
    "eigenspan.name_mismatch": ("improvement", "The name of a span is not what its definition makes."),
    "eigenspan.condition_not_met": ("violation", "An attribute is present though its condition does not hold."),
    "eigenspan.synonym": ("improvement", "A name from the field is used instead of the registry's."),
    "eigenspan.status_ok": ("improvement", "A status of OK is for the application, not for instrumentation."),
    "eigenspan.status_unset": ("violation", "An execution that failed does not have the status ERROR."),
    "eigenspan.value_out_of_range": ("violation", "A number is outside of what its attribute can be."),
    "eigenspan.value_too_large": ("violation", "A value is larger than 1 KB."),
    "eigenspan.value_empty": ("improvement", "A value is empty; an attribute without a value is left out."),
    "eigenspan.timestamp_not_iso8601": ("violation", "An instant is not ISO 8601 in UTC."),
    "eigenspan.content_recorded": ("information", "An opt-in attribute that can hold confidential data is recorded."),
    "eigenspan.sensitive_attribute": ("violation", "A key that must not leave the process."),
    "eigenspan.invalid_id": ("violation", "A trace or span id is not valid."),
    "eigenspan.invalid_link": ("violation", "A link leads nowhere or to its own span."),
    "eigenspan.negative_duration": ("violation", "A span ends before it starts."),
    "eigenspan.duplicate_attribute": ("violation", "A key is there twice."),
    "eigenspan.duplicate_span": ("violation", "Two spans of a trace have the same id."),
    "eigenspan.high_cardinality_dimension": ("violation", "A metric has a dimension of high cardinality."),
    "eigenspan.foreign_attribute_not_present": (
        "violation",
        "The convention that a span refines requires an attribute.",
    ),
    "eigenspan.trace.link_missing": ("violation", "An execution neither links to its submission nor descends from it."),
    "eigenspan.trace.queue_after_execute": ("violation", "The queue ends after the execution has begun."),
    "eigenspan.trace.several_executes": ("violation", "A job has more than one execution."),
    "eigenspan.trace.backend_differs": ("violation", "Spans of one job name different backends."),
    "eigenspan.trace.shots_exceeded": ("violation", "More shots succeeded than were asked for."),
    "eigenspan.trace.calibration_not_in_force": (
        "violation",
        "The calibration came into force after the execution began.",
    ),
    "eigenspan.trace.execution_reversed": ("violation", "The execution ends before it starts."),
    "eigenspan.contract.field_not_present": ("violation", "A mandatory field of a job is absent."),
    "eigenspan.contract.value_not_allowed": ("violation", "The contract does not allow the value."),
    "eigenspan.contract.over_limit": ("violation", "A number is above the limit of the contract."),
    "eigenspan.contract.forbidden_attribute": ("violation", "The contract forbids the attribute."),
}
"""Id → level, and what it means."""

ADVICE: Final = frozenset({"not_stable", "recommended_attribute_not_present", "opt_in_attribute_not_present"})
"""Ids that are only given when asked for: on conventions in development they would name every span."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where: the source with its line or message, and the signal in it."""

    source: str = ""
    line: int = 0
    trace_id: str = ""
    span_id: str = ""
    signal_type: str = "span"
    signal_name: str = ""

    def __str__(self) -> str:
        at = f"{self.source}:{self.line}" if self.line else self.source
        ids = f" trace {self.trace_id} span {self.span_id}" if self.trace_id else ""
        name = f" {self.signal_type} {self.signal_name!r}" if self.signal_name else ""
        return f"{at}{ids}{name}".strip()


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is wrong. `why` is the rule; `mend` is what to do."""

    id: str
    message: str
    place: Place
    attribute: str = ""
    mend: str = ""

    @property
    def level(self) -> Level:
        """Weaver's word for how bad it is."""
        return IDS[self.id][0]

    @property
    def why(self) -> str:
        """The rule that the finding follows from."""
        return IDS[self.id][1]

    def advice(self) -> dict[str, Any]:
        """As Weaver's report writes it; why and mend travel in the context."""
        context: dict[str, Any] = {"why": self.why, "mend": self.mend, "where": str(self.place)}
        if self.attribute:
            context["attribute_name"] = self.attribute
        return {
            "id": self.id,
            "level": self.level,
            "message": self.message,
            "context": context,
            "signal_type": self.place.signal_type,
            "signal_name": self.place.signal_name,
        }
