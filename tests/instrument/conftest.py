"""One recorder a test."""

from __future__ import annotations

import warnings
from collections.abc import Iterator

import pytest

from eigenspan.instrument import _metrics
from tests.instrument.recording import Recorder, conforms


@pytest.fixture
def recorder(monkeypatch: pytest.MonkeyPatch) -> Iterator[Recorder]:
    """A fresh recorder; what it has recorded in the end conforms to the registry."""
    monkeypatch.setattr(_metrics, "_from_spans", True)
    made = Recorder()
    yield made
    for span in made.spans:
        conforms(span)
    assert [str(found) for found in made.findings()] == []
    made.tracer_provider.shutdown()
    made.meter_provider.shutdown()


@pytest.fixture
def quiet() -> Iterator[None]:
    """What IBM's libraries warn of is not what is tested."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield
