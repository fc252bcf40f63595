"""The trace context in a job's tags, for whoever follows the job when this process is gone.

Two strings, one of them only where there is something to say: `traceparent` as W3C writes it (55 characters), and `rv`, 14
hexadecimal digits: the randomness by which samplers decide, where the trace state gives another than the end of the trace id.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from opentelemetry import trace
from opentelemetry.trace import SpanContext, TraceFlags

TRACEPARENT = "traceparent"
RANDOMNESS = "rv"
_PARENT = re.compile(r"00-(?!0{32})([0-9a-f]{32})-(?!0{16})([0-9a-f]{16})-([0-9a-f]{2})")
_RV = re.compile(r"(?:^|;)rv:([0-9a-f]{14})(?:;|$)")


def carrier(context: SpanContext) -> dict[str, str]:
    """The tags for a span; none if it is not valid."""
    if not context.is_valid:
        return {}
    tags = {TRACEPARENT: f"00-{context.trace_id:032x}-{context.span_id:016x}-{context.trace_flags:02x}"}
    if own := _RV.search(context.trace_state.get("ot") or ""):
        tags[RANDOMNESS] = own[1]
    return tags


def submitter(tags: Mapping[str, str] | Iterable[str]) -> tuple[SpanContext, str] | None:
    """The span that submitted a job, and its randomness; None where the tags do not say.

    Tags are a map, or a list that holds `traceparent:00-…` and perhaps `rv:…`, as providers with lists take it. Malformed ones are
    not believed.
    """
    if not isinstance(tags, Mapping):
        split = (tag.partition(":") for tag in tags)
        tags = {name: value for name, _, value in split}
    found = _PARENT.fullmatch(str(tags.get(TRACEPARENT, "")))
    if found is None:
        return None
    trace_id, span_id, flags = (int(part, 16) for part in found.groups())
    context = SpanContext(trace_id, span_id, is_remote=True, trace_flags=TraceFlags(flags))
    given = str(tags.get(RANDOMNESS, ""))
    randomness = given if re.fullmatch("[0-9a-f]{14}", given) else f"{trace_id & (1 << 56) - 1:014x}"
    return context, randomness


def listed(context: SpanContext) -> list[str]:
    """The tags as a list of strings."""
    return [f"{name}:{value}" for name, value in carrier(context).items()]


def here() -> SpanContext:
    """The span that is current."""
    return trace.get_current_span().get_span_context()
