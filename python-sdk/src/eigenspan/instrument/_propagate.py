"""The trace context in a job's tags, for whoever follows the job when this process is gone.

`traceparent` as W3C writes it (55 characters); `rv`, 14 hexadecimal digits, the randomness by which samplers decide, where the trace
state gives another than the end of the trace id; `eigenspan`, `child` where the submitter is going to record the job itself, if it
lives to see its end, as a child of the submission; and under their own names what a job's contract asks for and the request's baggage
says: correlation id, workflow and workload class. Never the tenant: a provider need not know it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from opentelemetry import baggage
from opentelemetry.trace import SpanContext, TraceFlags

from eigenspan.semconv import attributes as q

REQUEST = (
    q.QUANTUM_REQUEST_CORRELATION_ID,
    q.QUANTUM_WORKFLOW_NAME,
    q.QUANTUM_WORKFLOW_VERSION,
    q.QUANTUM_WORKLOAD_CLASS,
)
TRACEPARENT = "traceparent"
RANDOMNESS = "rv"
RECORDED = ("eigenspan", "child")
_PARENT = re.compile(r"00-(?!0{32})([0-9a-f]{32})-(?!0{16})([0-9a-f]{16})-([0-9a-f]{2})")
_VALUE = re.compile(r"[\w .:/=+@-]{1,40}", re.ASCII)
"""What every provider takes as the value of a tag; what does not fit is not sent."""
_RV = re.compile(r"(?:^|;)rv:([0-9a-f]{14})(?:;|$)")


def carrier(context: SpanContext, *, recorded: bool = False) -> dict[str, str]:
    """The tags for a span; none if it is not valid. `recorded`: this process is going to record the job too."""
    if not context.is_valid:
        return {}
    tags = {TRACEPARENT: f"00-{context.trace_id:032x}-{context.span_id:016x}-{context.trace_flags:02x}"}
    if own := _RV.search(context.trace_state.get("ot") or ""):
        tags[RANDOMNESS] = own[1]
    if recorded:
        tags.update([RECORDED])
    carried = baggage.get_all()
    said = {key: str(carried[key]) for key in REQUEST if key in carried}
    return tags | {key: value for key, value in said.items() if _VALUE.fullmatch(value)}


def submitter(tags: Mapping[str, str] | Iterable[str]) -> tuple[SpanContext, str] | None:
    """The span that submitted a job, and its randomness; None where the tags do not say.

    Tags are a map, or a list that holds `traceparent:00-…` and perhaps `rv:…`, as providers with lists take it. Malformed ones are
    not believed.
    """
    tags = mapped(tags)
    found = _PARENT.fullmatch(str(tags.get(TRACEPARENT, "")))
    if found is None:
        return None
    trace_id, span_id, flags = (int(part, 16) for part in found.groups())
    context = SpanContext(trace_id, span_id, is_remote=True, trace_flags=TraceFlags(flags))
    given = str(tags.get(RANDOMNESS, ""))
    randomness = given if re.fullmatch("[0-9a-f]{14}", given) else f"{trace_id & (1 << 56) - 1:014x}"
    return context, randomness


def recorded_by_submitter(tags: Mapping[str, str] | Iterable[str]) -> bool:
    """Whether whoever submitted a job meant to record it too."""
    return mapped(tags).get(RECORDED[0]) == RECORDED[1]


def listed(context: SpanContext, *, recorded: bool = False) -> list[str]:
    """The tags as a list of strings."""
    return [f"{name}:{value}" for name, value in carrier(context, recorded=recorded).items()]


def mapped(tags: Mapping[str, str] | Iterable[str]) -> Mapping[str, str]:
    """Tags as a map, also those of providers that keep a list."""
    if isinstance(tags, Mapping):
        return tags
    return {name: value for name, _, value in (str(tag).partition(":") for tag in tags)}


def request(tags: Mapping[str, str] | Iterable[str]) -> dict[str, str]:
    """What the tags say of the request, as attributes."""
    found = mapped(tags)
    return {key: str(found[key]) for key in REQUEST if key in found}


def labels(context: SpanContext, *, recorded: bool = False) -> dict[str, str]:
    """The trace context alone, for providers whose labels have no dots in their names."""
    found = carrier(context, recorded=recorded)
    return {name: value for name, value in found.items() if name in (TRACEPARENT, RANDOMNESS, RECORDED[0])}
