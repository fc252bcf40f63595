"""What users may hook into: they see every recorded span begin and end, and what they raise breaks nothing."""

from __future__ import annotations

import logging
from typing import Any

import pytest
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF

from tests.instrument.matrix import CASES, Case, instrumentor
from tests.instrument.recording import Recorder

ENTRIES = ("Simulator.run", "AerSimulator.run", "LocalSimulator.run", "QNode on default.qubit", "Batch, local mode")
CHOSEN = [case for case in CASES if case.entry in ENTRIES]


def run(case: Case, provider: Any, **hooks: Any) -> None:
    made = instrumentor(case)
    made.instrument(tracer_provider=provider, skip_dep_check=True, **hooks)
    try:
        case.run()
    finally:
        made.uninstrument()


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("case", CHOSEN, ids=lambda case: case.id)
def test_every_span_is_seen_to_begin_and_to_end(case: Case, recorder: Recorder) -> None:
    begun: list[tuple[str, dict[str, Any]]] = []
    ended: list[tuple[str, BaseException | None]] = []

    def request(span: Any, attributes: Any) -> None:
        begun.append((span.name, dict(attributes)))
        span.set_attribute("quantum.circuit.family", "mine")

    run(
        case,
        recorder.tracer_provider,
        request_hook=request,
        response_hook=lambda span, error: ended.append((span.name, error)),
    )
    names = sorted(span.name for span in recorder.spans)
    assert sorted(name for name, _ in begun) == sorted(name for name, _ in ended) == names
    assert all(span.attributes["quantum.circuit.family"] == "mine" for span in recorder.spans)
    assert {error for _, error in ended} == {None}
    executed = [attributes for name, attributes in begun if name.startswith("execute")]
    assert all("quantum.backend.name" in attributes for attributes in executed)


def test_a_failure_is_told_and_a_hook_that_fails_is_not_the_programs(
    recorder: Recorder, caplog: pytest.LogCaptureFixture
) -> None:
    cirq = pytest.importorskip("cirq")
    seen: list[BaseException | None] = []

    def request(span: Any, attributes: Any) -> None:
        raise KeyError("hook")

    def fails() -> None:
        with pytest.raises(ValueError, match="no measurements"):
            cirq.Simulator().run(cirq.Circuit(cirq.X(cirq.LineQubit(0))))

    with caplog.at_level(logging.ERROR):
        run(
            Case("Cirq", "", fails),
            recorder.tracer_provider,
            request_hook=request,
            response_hook=lambda _, error: seen.append(error),
        )
    assert [type(error) for error in seen] == [ValueError]
    assert "a hook of the instrumentation failed" in caplog.text
    assert recorder.tree() == ["execute Simulator INTERNAL ! ValueError"]


def test_what_is_not_recorded_calls_no_hook() -> None:
    called: list[Any] = []
    provider = TracerProvider(sampler=ALWAYS_OFF)
    run(
        CHOSEN[0],
        provider,
        request_hook=lambda *given: called.append(given),
        response_hook=lambda *given: called.append(given),
    )
    assert called == []
