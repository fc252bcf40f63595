"""No signal without a runnable scenario, and none that its own validator refuses."""

from __future__ import annotations

import pytest
from opentelemetry.exporter.otlp.proto.common._log_encoder import encode_logs
from opentelemetry.exporter.otlp.proto.common.metrics_encoder import encode_metrics
from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import InMemoryLogRecordExporter, SimpleLogRecordProcessor

from eigenspan.schema.validate import validate
from eigenspan.semconv import SCHEMA_URL, metrics, spans
from tests.instrument.recording import Recorder
from tests.semconv import scenarios


def test_every_signal_has_a_scenario(registry) -> None:
    assert set(scenarios.SPANS) == set(spans.SPANS)
    assert set(scenarios.EVENTS) == set(registry.events)


@pytest.mark.parametrize("type_", scenarios.SPANS)
def test_a_span_of_the_type_is_made_and_conforms(type_: str, monkeypatch: pytest.MonkeyPatch) -> None:
    recorder = Recorder()
    monkeypatch.setattr("eigenspan.sdk.spanned.provider_in_use", lambda: recorder.tracer_provider)
    scenarios.SPANS[type_]()
    made = [s for s in recorder.spans if (s.attributes or {}).get(spans.SPAN_TYPE) == type_]
    assert made
    found = validate(encode_spans(recorder.spans), contracts=())
    assert found == [], [(f.id, f.attribute, f.message) for f in found]
    recorder.tracer_provider.shutdown()
    recorder.meter_provider.shutdown()


@pytest.mark.parametrize("name", scenarios.EVENTS)
def test_an_event_is_made_and_conforms(name: str) -> None:
    exporter = InMemoryLogRecordExporter()
    provider = LoggerProvider()
    provider.add_log_record_processor(SimpleLogRecordProcessor(exporter))
    scenarios.record_event(provider.get_logger("reference", schema_url=SCHEMA_URL), name)
    found = validate(encode_logs(exporter.get_finished_logs()))
    assert found == [], [(f.id, f.attribute, f.message) for f in found]
    provider.shutdown()


@pytest.mark.parametrize("name", metrics.METRICS)
def test_a_metric_is_made_and_conforms(name: str) -> None:
    recorder = Recorder()
    scenarios.record_metric(
        recorder.meter_provider.get_meter("reference", schema_url=SCHEMA_URL), metrics.METRICS[name]
    )
    data = recorder.reader.get_metrics_data()
    assert data is not None
    found = validate(encode_metrics(data))
    assert found == [], [(f.id, f.attribute, f.message) for f in found]
    recorder.tracer_provider.shutdown()
    recorder.meter_provider.shutdown()
