"""Spans in memory, shown as a tree."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from opentelemetry.exporter.otlp.proto.common.metrics_encoder import encode_metrics
from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import StatusCode

from eigenspan.schema.findings import Finding
from eigenspan.schema.validate import validate
from eigenspan.sdk.ids import SystemIdGenerator
from eigenspan.semconv import SCHEMA_URL
from eigenspan.semconv.spans import SPAN_TYPE, SPANS
from eigenspan.semconv.tables import TYPES

VOLATILE = ("duration", "_time", "job.id", "otel.span.type", "circuit.hash", "logical.hash")


class Recorder:
    """A tracer provider and what came out of it."""

    def __init__(self) -> None:
        self.exporter = InMemorySpanExporter()
        self.tracer_provider = TracerProvider(id_generator=SystemIdGenerator())
        self.tracer_provider.add_span_processor(SimpleSpanProcessor(self.exporter))
        self.reader = InMemoryMetricReader()
        self.meter_provider = MeterProvider([self.reader])
        self.tracer = self.tracer_provider.get_tracer("test")

    @property
    def spans(self) -> tuple[ReadableSpan, ...]:
        return self.exporter.get_finished_spans()

    def named(self, name: str) -> list[ReadableSpan]:
        return [span for span in self.spans if span.name == name]

    def tree(self) -> list[str]:
        """A line a span, indented below its parent, in order of start: name, kind, error type."""
        below: dict[int, list[ReadableSpan]] = defaultdict(list)
        for span in self.spans:
            below[span.parent.span_id if span.parent else 0].append(span)
        lines: list[str] = []

        def walk(parent: int, depth: int) -> None:
            for span in sorted(below[parent], key=lambda s: s.start_time or 0):
                error = (span.attributes or {}).get("error.type")
                lines.append("  " * depth + span.name + f" {span.kind.name}" + (f" ! {error}" if error else ""))
                walk(span.context.span_id, depth + 1)

        walk(0, 0)
        return lines

    def findings(self) -> list[Finding]:
        """What the validator finds in spans and metrics, but for the fields that only a workflow above could give."""
        found = validate(encode_spans(self.spans))
        if data := self.reader.get_metrics_data():
            found += validate(encode_metrics(data))
        return [one for one in found if one.id != "eigenspan.contract.field_not_present"]

    def executions(self) -> dict[tuple[Any, ...], int]:
        """(backend, success) → count, as the metric says."""
        return self.points("quantum.circuit.executions", "quantum.backend.name", "quantum.execution.success")

    def points(self, metric: str, *labels: str) -> dict[tuple[Any, ...], Any]:
        """The values of a metric by these labels: sums and last values, or how many there are in a histogram."""
        data = self.reader.get_metrics_data()
        found = {}
        for resource in data.resource_metrics if data else ():
            for scope in resource.scope_metrics:
                for one in scope.metrics:
                    for point in one.data.data_points if one.name == metric else ():
                        key = tuple((point.attributes or {}).get(label) for label in labels)
                        found[key] = getattr(point, "value", None) if hasattr(point, "value") else point.count
        return found


@contextmanager
def instrumented(instrumentor: Any, recorder: Recorder) -> Iterator[None]:
    """A library instrumented for a block, unless the block puts it back itself."""
    instrumentor.instrument(
        tracer_provider=recorder.tracer_provider, meter_provider=recorder.meter_provider, skip_dep_check=True
    )
    try:
        yield
    finally:
        if instrumentor.is_instrumented_by_opentelemetry:
            instrumentor.uninstrument()


def stable(span: ReadableSpan) -> dict[str, Any]:
    """The attributes that are the same in every run."""
    attributes = dict(span.attributes or {})
    return {key: value for key, value in attributes.items() if not any(word in key for word in VOLATILE)}


PYTHON = {"string": str, "int": int, "double": float, "boolean": bool, "string[]": tuple}


def conforms(span: ReadableSpan) -> None:
    """Hold a span against its definition in the registry: kind, name, required attributes, types, status."""
    attributes = dict(span.attributes or {})
    kind = attributes.pop(SPAN_TYPE, None)
    if kind is None:
        return
    definition = SPANS[str(kind)]
    word = definition.type.rsplit(".", 1)[1]
    assert span.kind.name.lower() == definition.kind
    assert span.name.startswith(word.replace("_", " "))
    assert span.instrumentation_scope
    assert span.instrumentation_scope.schema_url == SCHEMA_URL
    assert set(definition.required) <= set(attributes), (span.name, attributes)
    listed = {*definition.required, *definition.conditional, *definition.recommended, *definition.opt_in}
    for key, value in attributes.items():
        assert type(value) is PYTHON[TYPES.get(key, "string")], (key, value)
        assert key in listed, f"{key} is not an attribute of {definition.type}"
    assert ("error.type" in attributes) == (span.status.status_code is StatusCode.ERROR)
    assert span.status.status_code is not StatusCode.OK
