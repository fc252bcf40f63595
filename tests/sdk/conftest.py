"""A recorder that spans by hand go to; what it has recorded in the end conforms to the registry."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from opentelemetry import metrics

from eigenspan.instrument import _metrics
from tests.instrument.recording import Recorder


@pytest.fixture
def recorder(monkeypatch: pytest.MonkeyPatch) -> Iterator[Recorder]:
    made = Recorder()
    monkeypatch.setattr(_metrics, "_from_spans", True)
    monkeypatch.setattr("eigenspan.sdk.spanned.provider_in_use", lambda: made.tracer_provider)
    monkeypatch.setattr(metrics._internal, "_METER_PROVIDER", made.meter_provider)
    yield made
    assert [str(found) for found in made.findings()] == []
    made.tracer_provider.shutdown()
    made.meter_provider.shutdown()
