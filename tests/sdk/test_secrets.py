"""Nothing of prompts, circuits, counts, credentials in errors, or the environment is in what leaves the program, unless asked for."""

from __future__ import annotations

import json
import logging
import string
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from opentelemetry.exporter.otlp.proto.common.metrics_encoder import encode_metrics
from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans

from eigenspan.instrument import _privacy
from eigenspan.sdk import llm, logs, spans, workflow
from tests.instrument.recording import Recorder

SECRET = st.text(string.ascii_letters + string.digits, min_size=16, max_size=40)
CARRIERS = [
    "token={}", "api_key: {}", "Authorization: Bearer {}", "https://user:{}@host/jobs", '{{"secret_access_key": "{}"}}', "password='{}'",
    "IBM refused QISKIT_IBM_TOKEN={} for job 7",
]  # fmt: skip


class Written(logging.Handler):
    """What the program logs, as JSON lines."""

    def __init__(self) -> None:
        super().__init__()
        self.setFormatter(logs.JsonFormatter())
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(self.format(record))


def request(prompt: str, name: str, outcome: str, error: Exception) -> None:
    """A hybrid request whose every kind of content, and whose failure, has something to hide."""
    import cirq

    qubit = cirq.NamedQubit(name)
    circuit = cirq.Circuit(cirq.X(qubit), cirq.measure(qubit, key=name))
    with workflow("w", version="1", correlation_id="c"):
        with llm.llm_request("m", provider="p", prompt=prompt) as asked:
            asked.answered(prompt[::-1], input_tokens=1, output_tokens=1)
        llm.check(prompt, llm.JsonSchema({"type": "object"}), llm.RepeatConsistency(lambda: prompt))
        llm.evaluated("hallucination", 1.0, explanation=prompt)
        with spans.circuit_assembly(circuit, circuit_qasm=name):
            pass
        cirq.Simulator().run(circuit, repetitions=3)
        with spans.post_process() as post:
            post.counts({outcome: 3})
        logs.error_occurred("refused")
        with pytest.raises(type(error)), spans.submit(provider_name="p", backend_name="b"):
            raise error


@settings(max_examples=8, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    prompt=SECRET, name=SECRET, outcome=SECRET, credential=SECRET, variable=SECRET, carrier=st.sampled_from(CARRIERS)
)
def test_no_secret_leaves(
    recorder: Recorder, prompt: str, name: str, outcome: str, credential: str, variable: str, carrier: str
) -> None:
    from eigenspan.instrument.cirq import CirqInstrumentor

    recorder.exporter.clear()
    written, root = Written(), logging.getLogger()
    root.addHandler(written)
    level = root.level
    root.setLevel(logging.DEBUG)
    CirqInstrumentor().instrument(
        tracer_provider=recorder.tracer_provider, meter_provider=recorder.meter_provider, skip_dep_check=True
    )
    message = carrier.format(credential) + f"; {variable} was sent"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AWS_SECRET_ACCESS_KEY", variable)
        try:
            request(prompt, name, outcome, OSError(message))
        finally:
            CirqInstrumentor().uninstrument()
            root.removeHandler(written)
            root.setLevel(level)
    left = exported(recorder) + "\n".join(written.lines)
    assert len(recorder.spans) >= 8
    for secret in (prompt, prompt[::-1], name, outcome, credential, variable):
        assert secret not in left
    assert "was sent" in left


def exported(recorder: Recorder) -> str:
    """The spans and metrics as they go over the wire, and as text."""
    metrics = recorder.reader.get_metrics_data()
    wire = encode_spans(recorder.spans).SerializeToString() + encode_metrics(metrics).SerializeToString()
    return (
        wire.decode("latin-1") + "".join(span.to_json() for span in recorder.spans) + str(json.loads(metrics.to_json()))
    )


@pytest.mark.parametrize("kind", ["prompts", "circuits", "counts"])
def test_what_was_asked_for_is_there(recorder: Recorder, kind: str) -> None:
    """The search above can find what it looks for."""
    content: dict[str, Any] = {"prompts": "aPromptOfMine", "circuits": "aNameOfMine", "counts": "anOutcomeOfMine"}
    _privacy.allow([kind])
    try:
        request(content["prompts"], content["circuits"], content["counts"], OSError("no"))
    finally:
        _privacy.allow(None)
    found = exported(recorder)
    assert {one for one, text in content.items() if text in found} == {kind}
    recorder.exporter.clear()  # the validator rightly says that content is recorded
