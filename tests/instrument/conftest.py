"""Spans in memory, shown as a tree."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from typing import Any

import pytest
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

VOLATILE = ("duration", "_time", "job.id", "otel.span.type")


class Recorder:
    """A tracer provider and what came out of it."""

    def __init__(self) -> None:
        self.exporter = InMemorySpanExporter()
        self.tracer_provider = TracerProvider()
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

    def executions(self) -> dict[tuple[Any, ...], int]:
        """(backend, success) → count, as the metric says."""
        data = self.reader.get_metrics_data()
        found = {}
        for resource in data.resource_metrics if data else ():
            for scope in resource.scope_metrics:
                for metric in scope.metrics:
                    if metric.name == "quantum.circuit.executions":
                        for point in metric.data.data_points:
                            labels = dict(point.attributes)
                            found[labels["quantum.backend.name"], labels["quantum.execution.success"]] = point.value
        return found


def stable(span: ReadableSpan) -> dict[str, Any]:
    """The attributes that are the same in every run."""
    attributes = dict(span.attributes or {})
    return {key: value for key, value in attributes.items() if not any(word in key for word in VOLATILE)}


@pytest.fixture
def recorder() -> Iterator[Recorder]:
    """A fresh recorder."""
    made = Recorder()
    yield made
    made.tracer_provider.shutdown()
    made.meter_provider.shutdown()
