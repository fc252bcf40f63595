"""Lines of JSON: what is in them, and what is not."""

from __future__ import annotations

import io
import json
import logging
from collections.abc import Iterator
from typing import Any

import pytest

from eigenspan.sdk import logs, spans
from tests.instrument.recording import Recorder


@pytest.fixture
def lines() -> Iterator[Any]:
    stream = io.StringIO()
    handler = logs.json_handler(stream)
    logger = logging.getLogger("eigenspan")
    logger.addHandler(handler)
    level, logger.level = logger.level, logging.DEBUG
    yield lambda: [json.loads(line) for line in stream.getvalue().splitlines()]
    logger.removeHandler(handler)
    logger.level = level


def test_a_line_is_tied_to_its_span(recorder: Recorder, lines: Any) -> None:
    log = logging.getLogger("eigenspan.test")
    log.info("outside", extra={"count": 3})
    with spans.submit(provider_name="ionq", backend_name="Aria-1", job_id="j-1") as span:
        log.warning("sent %s", "it", extra={"payload": "OPENQASM 3.0;"})
    outside, inside = lines()
    assert (outside["message"], outside["level"], outside["count"]) == ("outside", "INFO", 3)
    assert "trace_id" not in outside
    assert inside["trace_id"] == f"{span.get_span_context().trace_id:032x}"
    assert (inside["stage"], inside["job_id"], inside["logger"]) == ("submit", "j-1", "eigenspan.test")
    assert inside["payload_hash"].startswith("sha256:")
    assert "OPENQASM" not in json.dumps(inside)
    assert inside["timestamp"].endswith("Z")


def test_secrets_and_prompts_stay_out(lines: Any) -> None:
    log = logging.getLogger("eigenspan.test")
    log.error("refused: api_key=abcdef12345", extra={"prompt": "who is Ada", "header": "Bearer abcdefgh12345678"})
    log.error(
        "deep", extra={"api_key": "sk-9876543210", "sent": [{"headers": {"X-Token": "zyxwvuts"}, "input_tokens": 5}]}
    )
    try:
        raise ValueError("password: hunter2hunter2")
    except ValueError:
        log.exception("failed")
    text = json.dumps(lines())
    for secret in ("abcdef12345", "Ada", "abcdefgh12345678", "hunter2", "sk-9876543210", "zyxwvuts"):
        assert secret not in text
    assert lines()[1]["sent"][0]["input_tokens"] == 5
    assert lines()[2]["error.type"] == "ValueError"


EVENTS = [
    (logs.circuit_executed, {"provider_name": "p", "backend_name": "b", "execution_success": True}, "quantum.circuit.execution"),
    (logs.hardware_changed, {"provider_name": "p", "backend_name": "b", "hardware_change": "outage"}, "quantum.hardware.event"),
    (logs.algorithm_performed, {"algorithm_name": "vqe", "algorithm_approximation_ratio": 0.9}, "quantum.algorithm.performance"),
    (logs.cost_incurred, {"provider_name": "p", "cost_amount": 1, "cost_currency": "USD", "cost_source": "estimate"}, "quantum.cost.event"),
    (logs.error_occurred, {"error_type": "timeout", "error_message": "too late"}, "quantum.error.event"),
    (logs.security_noticed, {"security_category": "redaction", "security_action": "redacted"}, "quantum.security.event"),
]  # fmt: skip


@pytest.mark.parametrize(("say", "given", "name"), EVENTS)
def test_each_event_is_a_line_and_an_event_of_the_span(
    recorder: Recorder, lines: Any, say: Any, given: dict[str, Any], name: str
) -> None:
    with spans.post_process():
        say(**given)
    (line,) = lines()
    (event,) = recorder.spans[0].events
    assert (line["event_name"], event.name, line["stage"]) == (name, name, "post_process")
    assert dict(event.attributes).items() <= line.items()
    assert len(event.attributes) == len(given)
