"""Structured logs through the standard logging module: a line of JSON a record, tied to the span it was written in.

    logging.basicConfig(handlers=[json_handler()])
    cost_incurred(provider_name="ionq", cost_amount=0.6, cost_currency="USD", cost_source="estimate")

A line has `timestamp`, `level`, `logger` and `message`; `trace_id` and `span_id`, and by the span `stage` and `job_id`; and what was
given as `extra`. A `payload` among it never gets there: only its digest does, as `payload_hash`.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, TextIO, Unpack

from opentelemetry import trace

from eigenspan.instrument._privacy import MASK, SHORTEST, digest, mask, names_secret, scrub
from eigenspan.instrument._telemetry import ERROR_TYPE, STAGES
from eigenspan.sdk.spanned import checked
from eigenspan.semconv import arguments as a
from eigenspan.semconv import attributes as q
from eigenspan.semconv import events as e
from eigenspan.semconv.spans import SPAN_TYPE

EVENTS = logging.getLogger("eigenspan.events")
_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}


class JsonFormatter(logging.Formatter):
    """A record as one line of JSON; what looks like a credential is masked."""

    def format(self, record: logging.LogRecord) -> str:
        """The line."""
        moment = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")
        line: dict[str, Any] = {
            "timestamp": moment.replace("+00:00", "Z"),
            "level": record.levelname,
            "logger": record.name,
            "message": mask(record.getMessage()),
            **_span(),
        }
        given = {key: value for key, value in vars(record).items() if key not in _STANDARD}
        payload = given.pop("payload", None)
        if payload is not None:
            line["payload_hash"] = digest(payload)
        line |= _masked(scrub(given))
        if record.exc_info and record.exc_info[0] is not None:
            line[ERROR_TYPE] = record.exc_info[0].__qualname__
            line["exception"] = mask(self.formatException(record.exc_info))
        return json.dumps(line, default=str)


def json_handler(stream: TextIO | None = None) -> logging.Handler:
    """A handler that writes such lines, to stderr unless told otherwise."""
    handler = logging.StreamHandler(stream)
    handler.setFormatter(JsonFormatter())
    return handler


def circuit_executed(**given: Unpack[a.CircuitExecution]) -> None:
    """Circuits were executed."""
    _event(e.QUANTUM_CIRCUIT_EXECUTION, logging.INFO, checked(given))


def hardware_changed(**given: Unpack[a.HardwareEvent]) -> None:
    """Something happened to a backend."""
    _event(e.QUANTUM_HARDWARE_EVENT, logging.WARNING, checked(given))


def algorithm_performed(**given: Unpack[a.AlgorithmPerformance]) -> None:
    """An algorithm did so well."""
    _event(e.QUANTUM_ALGORITHM_PERFORMANCE, logging.INFO, checked(given))


def cost_incurred(**given: Unpack[a.CostEvent]) -> None:
    """Money was spent."""
    _event(e.QUANTUM_COST_EVENT, logging.INFO, checked(given))


def error_occurred(error_type: str, **given: Unpack[a.ErrorEvent]) -> None:
    """The quantum part of a request went wrong."""
    _event(e.QUANTUM_ERROR_EVENT, logging.ERROR, {ERROR_TYPE: error_type, **checked(given)})


def security_noticed(**given: Unpack[a.SecurityEvent]) -> None:
    """Something that touches security happened. The secret itself is no part of it."""
    _event(e.QUANTUM_SECURITY_EVENT, logging.WARNING, checked(given))


def _event(name: str, level: int, attributes: dict[str, Any]) -> None:
    """A log record and, where a span is recorded, an event of the span."""
    kept = {key: mask(value) if isinstance(value, str) else value for key, value in scrub(attributes).items()}
    trace.get_current_span().add_event(name, kept)
    EVENTS.log(level, name, extra={"event_name": name, **kept})


def _masked(value: Any, name: str = "") -> Any:
    """The value without what looks like a credential, or is the text of something named like one, however deep."""
    if isinstance(value, str):
        return MASK if len(value) >= SHORTEST and names_secret(name) else mask(value)
    if isinstance(value, Mapping):
        return {key: _masked(inner, str(key)) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_masked(inner, name) for inner in value]
    return value


def _span() -> dict[str, str]:
    span = trace.get_current_span()
    context = span.get_span_context()
    if not context.is_valid:
        return {}
    found = {"trace_id": f"{context.trace_id:032x}", "span_id": f"{context.span_id:016x}"}
    attributes = getattr(span, "attributes", None) or {}
    word = str(attributes.get(SPAN_TYPE, "")).rpartition(".")[2]
    if word in STAGES:
        found["stage"] = STAGES[word]
    if q.QUANTUM_JOB_ID in attributes:
        found["job_id"] = str(attributes[q.QUANTUM_JOB_ID])
    return found
