"""Spans by hand: a workflow, and the stages that no library knows of."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from opentelemetry import baggage, trace
from opentelemetry import context as otel
from opentelemetry.trace import SpanKind, Status, StatusCode

from eigenspan.sdk.configure import provider_in_use
from eigenspan.sdk.request import CARRIED
from eigenspan.semconv import SCHEMA_URL
from eigenspan.semconv import attributes as q
from eigenspan.semconv import spans as s

Value = str | bool | int | float
Attributes = Mapping[str, Value]


@contextmanager
def span(kind: s.SpanType, name: str, attributes: Attributes | None = None) -> Iterator[trace.Span]:
    """A current span of a type of the schema; an exception that leaves the block makes it an error."""
    tracer = trace.get_tracer("eigenspan.sdk", tracer_provider=provider_in_use(), schema_url=SCHEMA_URL)
    with tracer.start_as_current_span(
        name,
        kind=SpanKind[kind.kind.upper()],
        attributes={s.SPAN_TYPE: kind.type, **(attributes or {})},
        record_exception=False,
        set_status_on_exception=False,
    ) as current:
        try:
            yield current
        except BaseException as error:
            owner = type(error)
            name_of = (
                owner.__qualname__ if owner.__module__ == "builtins" else f"{owner.__module__}.{owner.__qualname__}"
            )
            current.set_attribute("error.type", name_of)
            current.record_exception(error)
            current.set_status(Status(StatusCode.ERROR, str(error)[:512]))
            raise


@contextmanager
def workflow(
    name: str,
    *,
    version: str | None = None,
    correlation_id: str | None = None,
    workload_class: str | None = None,
    tenant: str | None = None,
    circuit_family: str | None = None,
    attributes: Attributes | None = None,
) -> Iterator[trace.Span]:
    """One run of a workflow. What is given here is carried to every span below, in this process and the next."""
    given = {
        q.QUANTUM_WORKFLOW_NAME: name,
        q.QUANTUM_WORKFLOW_VERSION: version,
        q.QUANTUM_REQUEST_CORRELATION_ID: correlation_id,
        q.QUANTUM_WORKLOAD_CLASS: workload_class,
        q.QUANTUM_REQUEST_TENANT: tenant,
        q.QUANTUM_CIRCUIT_FAMILY: circuit_family,
    }
    known = {key: value for key, value in given.items() if value is not None}
    context = otel.get_current()
    for key, value in known.items():
        if key in CARRIED:
            context = baggage.set_baggage(key, value, context)
    token = otel.attach(context)
    try:
        with span(s.WORKFLOW, f"workflow {name}", {**known, **(attributes or {})}) as current:
            yield current
    finally:
        otel.detach(token)


@contextmanager
def stage(kind: s.SpanType, target: str = "", attributes: Attributes | None = None) -> Iterator[trace.Span]:
    """One stage of a workflow, such as `spans.POST_PROCESS` or `spans.FALLBACK`."""
    word = kind.type.rsplit(".", 1)[1].replace("_", " ")
    with span(kind, f"{word} {target}".strip(), attributes) as current:
        yield current
