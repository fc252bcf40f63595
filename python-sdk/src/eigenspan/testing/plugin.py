"""A pytest plugin: `conformance` collects what a test's code emits and fails the test when it breaks the conventions.

def test_my_service(conformance):
    run_my_service()                         # its spans go to the global provider, or to conformance.tracer_provider
    conformance.expect("eigenspan.synonym")  # optional: findings that are known
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from eigenspan.schema.findings import Finding
    from eigenspan.testing.captured import Captured


class Conformance:
    """Providers whose telemetry is held against the conventions when the test ends, or when `check` is called."""

    def __init__(self) -> None:
        from opentelemetry.sdk.metrics import MeterProvider
        from opentelemetry.sdk.metrics.export import InMemoryMetricReader
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import SimpleSpanProcessor
        from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

        from eigenspan.sdk.request import RequestAttributes

        self.exporter = InMemorySpanExporter()
        self.tracer_provider = TracerProvider()
        self.tracer_provider.add_span_processor(RequestAttributes())
        self.tracer_provider.add_span_processor(SimpleSpanProcessor(self.exporter))
        self._reader = InMemoryMetricReader()
        self.meter_provider = MeterProvider([self._reader])
        self._expected: set[str] = set()
        self.options: dict[str, Any] = {}
        self.fail_on = "violation"

    def expect(self, *ids: str) -> None:
        """Findings of these ids are known and do not fail the test."""
        self._expected.update(ids)

    def contract(self, path: str | Path) -> None:
        """Hold the telemetry to this contract too."""
        from eigenspan.schema.contract import Contract

        self.options["contracts"] = (*self.options.get("contracts", ()), Contract.read(Path(path)))

    def findings(self) -> list[Finding]:
        """Everything that is wrong with what has been emitted so far."""
        from opentelemetry.exporter.otlp.proto.common.metrics_encoder import encode_metrics
        from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans

        from eigenspan.schema.validate import validate

        found = validate(encode_spans(self.exporter.get_finished_spans()), **self.options)
        metrics = self._reader.get_metrics_data()
        return found + (validate(encode_metrics(metrics), **self.options) if metrics else [])

    def check(self) -> None:
        """Fail the test unless what has been emitted conforms."""
        from eigenspan.schema.findings import RANK

        bad = [f for f in self.findings() if f.id not in self._expected and RANK[f.level] >= RANK[self.fail_on]]
        if bad:
            lines = "\n".join(f"{f.level} {f.id}: {f.message}\n    at {f.place}\n    {f.mend}" for f in bad)
            pytest.fail(f"the telemetry does not conform:\n{lines}", pytrace=False)

    def shutdown(self) -> None:
        """End the providers."""
        self.tracer_provider.shutdown()
        self.meter_provider.shutdown()


@pytest.fixture
def conformance(monkeypatch: pytest.MonkeyPatch) -> Iterator[Conformance]:
    """Collect telemetry during the test and hold it against the conventions at its end."""
    from opentelemetry import metrics, trace

    made = Conformance()
    monkeypatch.setattr(trace, "_TRACER_PROVIDER", made.tracer_provider)
    monkeypatch.setattr(metrics._internal, "_METER_PROVIDER", made.meter_provider)  # noqa: SLF001
    yield made
    try:
        made.check()
    finally:
        made.shutdown()


@pytest.fixture
def captured() -> Iterator[Captured]:
    """Spans and metrics in memory, for snapshots."""
    from eigenspan.testing.captured import capture

    with capture() as made:
        yield made
