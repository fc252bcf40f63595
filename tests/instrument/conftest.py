"""One recorder a test."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.instrument.recording import Recorder, conforms


@pytest.fixture
def recorder() -> Iterator[Recorder]:
    """A fresh recorder; what it has recorded in the end conforms to the registry."""
    made = Recorder()
    yield made
    for span in made.spans:
        conforms(span)
    assert [str(found) for found in made.findings()] == []
    made.tracer_provider.shutdown()
    made.meter_provider.shutdown()
