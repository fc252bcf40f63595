"""A program does not fail for its telemetry, nor does one bad value cost the spans beside it: whatever spans are given, they can be sent."""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry import trace
from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from eigenspan.instrument import _metrics, _privacy
from eigenspan.sdk import llm, spans, workflow
from eigenspan.sdk.request import RequestAttributes

FILE = "caf\udce9.qasm"  # how Python gives the name of a file that is not UTF-8
WRONG = [
    None,
    True,
    -1,
    2**70,
    float("nan"),
    float("inf"),
    FILE,
    "\x00",
    b"\xff",
    [1, "a", None],
    {"a": {1}},
    {(1, 2): 3},
    object(),
]


class Silent(Exception):
    """An exception that cannot be written."""

    def __str__(self) -> str:
        raise RuntimeError("no words")


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> Iterator[InMemorySpanExporter]:
    """What is exported; it must be possible to encode it."""
    exporter, provider = InMemorySpanExporter(), TracerProvider()
    provider.add_span_processor(RequestAttributes())
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    monkeypatch.setattr("eigenspan.sdk.spanned.provider_in_use", lambda: provider)
    monkeypatch.setattr(_metrics, "_from_spans", True)
    yield exporter
    encode_spans(exporter.get_finished_spans())
    assert not trace.get_current_span().get_span_context().is_valid
    provider.shutdown()


@pytest.mark.parametrize("wrong", WRONG, ids=lambda value: type(value).__name__)
def test_anything_may_be_given(sent: InMemorySpanExporter, wrong: Any) -> None:
    with workflow(wrong, version=wrong, tenant=wrong, workload_class=wrong, attributes=wrong) as run:
        with spans.result(job_id=wrong, result_size=wrong) as found:
            found.set(result_confidence=wrong)
            found.set_attribute("my.key", wrong)
            found.add_event("seen", {"my.key": wrong})
            found.counts(wrong)
            found.counts({"0": wrong})
        with spans.circuit_assembly(wrong) as assembly:
            assembly.describe(wrong)
        with llm.llm_request(wrong, provider=wrong, prompt=wrong, template=wrong, temperature=wrong) as request:
            request.answered(wrong, input_tokens=wrong, output_tokens=wrong, model=wrong, finish_reason=wrong)
        llm.check(wrong, llm.JsonSchema({"type": "object"}))
        llm.evaluated("hallucination", wrong, label=wrong, explanation=wrong)
        with spans.execute(backend_name=wrong) as execution:
            execution.fail(wrong, wrong)
        run.outcome(success=wrong, degraded=wrong, confidence=wrong)
    assert len(sent.get_finished_spans()) == 6


@pytest.mark.parametrize("error", [ValueError(FILE), FileNotFoundError(2, "none", FILE), Silent()])
def test_an_exception_comes_through_and_is_recorded(sent: InMemorySpanExporter, error: Exception) -> None:
    with pytest.raises(type(error)) as raised, spans.execute(backend_name="a"):
        raise error
    (span,) = sent.get_finished_spans()
    assert raised.value is error
    assert span.status.is_ok is False


@given(st.text(st.characters(), max_size=20))
def test_any_text_becomes_legible_and_legible_text_stays(text: str) -> None:
    found = _privacy.legible(text)
    assert len(found) == len(text)
    assert found == text if all(not 0xD800 <= ord(c) < 0xE000 for c in text) else found.encode()


@pytest.mark.parametrize("wrong", WRONG, ids=lambda value: type(value).__name__)
def test_anything_has_a_digest(wrong: Any) -> None:
    loop: list[Any] = [wrong]
    loop.append(loop)
    assert _privacy.digest(wrong) == _privacy.digest(wrong)
    assert _privacy.digest(loop).startswith("sha256:")


def test_prompts_may_be_messages(sent: InMemorySpanExporter) -> None:
    messages = [{"role": "user", "content": "hello"}]
    for _ in range(2):
        with llm.llm_request("m", provider="p", prompt=messages):
            pass
    first, second = (dict(span.attributes or {}) for span in sent.get_finished_spans())
    assert first["quantum.llm.prompt_hash"] == second["quantum.llm.prompt_hash"] == _privacy.digest(messages)


def test_a_function_is_a_validator(sent: InMemorySpanExporter) -> None:
    def short(answer: str) -> str:
        return "too long" if len(answer) > 3 else ""

    deep = "[" * 200_000
    (verdict,) = llm.check(deep, short)  # type: ignore[arg-type]  # it has `__name__`, not `name`
    assert (verdict.validator, verdict.passed) == ("short", False)
    assert llm.consistency([deep, deep]) == 1


def test_a_hook_that_redacts_the_request_redacts_it_everywhere(sent: InMemorySpanExporter) -> None:
    _privacy.redact_with(lambda key, value: None if value == "acme" else value)
    try:
        with workflow("w", tenant="acme"), spans.post_process() as span:
            span.add_event("seen", {"my.tenant": "acme"})
    finally:
        _privacy.redact_with(None)
    assert "acme" not in str(
        [(dict(s.attributes or {}), [e.attributes for e in s.events]) for s in sent.get_finished_spans()]
    )


def test_the_environment_may_change_while_text_is_masked(monkeypatch: pytest.MonkeyPatch) -> None:
    stop = threading.Event()

    def change() -> None:
        while not stop.is_set():
            os.environ["EIGENSPAN_TEST_GONE"] = "x" * 10
            os.environ.pop("EIGENSPAN_TEST_GONE", None)

    changing = threading.Thread(target=change)
    changing.start()
    try:
        for _ in range(3000):
            _privacy.mask("text")
    finally:
        stop.set()
        changing.join()


def test_what_is_left_out_is_said(sent: InMemorySpanExporter, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING), spans.result() as found:
        found.set_attribute("my.large", 2**63)
    assert "my.large has 64 bits" in caplog.text
