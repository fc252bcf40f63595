"""Spans and metrics in memory, and their snapshot."""

from __future__ import annotations

import textwrap
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any
from unittest.mock import patch

from opentelemetry import metrics, trace
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from eigenspan.instrument import _metrics
from eigenspan.sdk.ids import SystemIdGenerator
from eigenspan.sdk.request import RequestAttributes

VOLATILE = ("duration", "_time", "job.id", "otel.span.type", "version", "circuit.hash", "logical.hash")
"""Parts of the keys whose values differ from run to run, or from version to version of a library."""


class Tree(str):
    """The text of a tree; equal to another text whatever both are indented by."""

    __slots__ = ()

    def __eq__(self, other: object) -> bool:
        return isinstance(other, str) and _plain(self) == _plain(other)

    def __ne__(self, other: object) -> bool:
        return not self == other

    def __hash__(self) -> int:
        return hash(_plain(self))


def _plain(text: str) -> str:
    return textwrap.dedent(text.strip("\n").rstrip()).rstrip()


class Captured:
    """Providers of one test, and what came out of them."""

    def __init__(self) -> None:
        self.exporter = InMemorySpanExporter()
        self.tracer_provider = TracerProvider(id_generator=SystemIdGenerator())
        self.tracer_provider.add_span_processor(RequestAttributes())
        self.tracer_provider.add_span_processor(SimpleSpanProcessor(self.exporter))
        self.reader = InMemoryMetricReader()
        self.meter_provider = MeterProvider([self.reader])

    @property
    def spans(self) -> Sequence[ReadableSpan]:
        """The spans that have ended, in that order."""
        return self.exporter.get_finished_spans()

    def named(self, name: str) -> list[ReadableSpan]:
        """The spans of a name."""
        return [span for span in self.spans if span.name == name]

    def tree(self, *keys: str) -> Tree:
        """A line a span, indented below its parent, in order of start: name, kind, `! error.type`, and these attributes.

        `*` stands for every attribute that is the same in each run.
        """
        below: dict[int, list[ReadableSpan]] = defaultdict(list)
        here = {span.context.span_id for span in self.spans if span.context}
        for span in self.spans:
            below[span.parent.span_id if span.parent and span.parent.span_id in here else 0].append(span)
        lines: list[str] = []

        def walk(parent: int, depth: int) -> None:
            for span in sorted(below[parent], key=lambda s: s.start_time or 0):
                lines.append("  " * depth + _line(span, keys))
                walk(span.context.span_id if span.context else -1, depth + 1)

        walk(0, 0)
        return Tree("\n".join(lines))

    def points(self, metric: str, *labels: str) -> dict[tuple[Any, ...], Any]:
        """The values of a metric by these labels: sums and last values, or how many there are in a histogram."""
        data = self.reader.get_metrics_data()
        found: dict[tuple[Any, ...], Any] = {}
        for resource in data.resource_metrics if data else ():
            for one in (one for scope in resource.scope_metrics for one in scope.metrics if one.name == metric):
                for point in one.data.data_points:
                    key = tuple((point.attributes or {}).get(label) for label in labels)
                    found[key] = getattr(point, "value", None) if hasattr(point, "value") else point.count
        return found

    def clear(self) -> None:
        """Forget the spans so far."""
        self.exporter.clear()

    def shutdown(self) -> None:
        """End the providers."""
        self.tracer_provider.shutdown()
        self.meter_provider.shutdown()


def _line(span: ReadableSpan, keys: Sequence[str]) -> str:
    attributes = span.attributes or {}
    error = attributes.get("error.type")
    chosen = sorted(k for k in attributes if not any(part in k for part in VOLATILE)) if "*" in keys else keys
    shown = "".join(f" {key.removeprefix('quantum.')}={attributes[key]!r}" for key in chosen if key in attributes)
    return f"{span.name} {span.kind.name}" + (f" ! {error}" if error else "") + shown


@contextmanager
def capture() -> Iterator[Captured]:
    """Providers that are the global ones for a block; what is instrumented inside uses them."""
    made = Captured()
    with (
        patch.object(trace, "_TRACER_PROVIDER", made.tracer_provider),
        patch.object(metrics._internal, "_METER_PROVIDER", made.meter_provider),  # noqa: SLF001
        patch("eigenspan.sdk.spanned.provider_in_use", lambda: made.tracer_provider),
        patch("eigenspan.sdk.spanned.meters_in_use", lambda: made.meter_provider),
        patch.object(_metrics, "_from_spans", True),
    ):
        try:
            yield made
        finally:
            made.shutdown()
