"""Log records of traces: taken out of whole OTLP payloads, kept in the day's file by trace id."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Final

from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord, LogsData

from eigenspan.store.tree import Value, attributes_of, value_of

SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS log (tenant TEXT, trace BLOB, time_ns INTEGER, otlp BLOB,
    PRIMARY KEY (trace, time_ns, tenant, otlp)) WITHOUT ROWID;
"""
LEVELS: Final = ("", "TRACE", "DEBUG", "INFO", "WARN", "ERROR", "FATAL")
_TRACE_BYTES: Final = 16
_MAX_NS: Final = 2**63 - 1


@dataclass(frozen=True, slots=True)
class Log:
    """One record. `time_ns`: when it happened, or else when it was seen. `severity`: as it was called, or else its level.

    `level`: one of LEVELS, by the number; "" where there is none.
    """

    time_ns: int
    span_id: str
    severity: str
    body: Value
    service: str
    event: str
    attributes: dict[str, Value]
    level: str = ""

    def to_dict(self) -> dict[str, object]:
        """As JSON shows it."""
        return asdict(self)


def split(data: LogsData) -> Iterator[tuple[bytes, int, bytes]]:
    """(trace id, time, the record as a payload of its own) of every record that belongs to a trace."""
    for resource_logs in data.resource_logs:
        for scope_logs in resource_logs.scope_logs:
            for record in scope_logs.log_records:
                if len(record.trace_id) == _TRACE_BYTES and any(record.trace_id):
                    alone = LogsData()
                    resource = alone.resource_logs.add(
                        resource=resource_logs.resource, schema_url=resource_logs.schema_url
                    )
                    scope = resource.scope_logs.add(scope=scope_logs.scope, schema_url=scope_logs.schema_url)
                    scope.log_records.append(record)
                    yield record.trace_id, min(_time_ns(record), _MAX_NS), alone.SerializeToString()


def read(otlp: bytes) -> Log:
    """The record of such a payload."""
    (resource,) = LogsData.FromString(otlp).resource_logs
    (scope,) = resource.scope_logs
    (record,) = scope.log_records
    service = attributes_of(resource.resource.attributes).get("service.name", "")
    number = record.severity_number
    level = LEVELS[(number + 3) // 4 if 0 < number <= 24 else 0]
    body, attributes = value_of(record.body), attributes_of(record.attributes)
    severity, span_id = record.severity_text or level, record.span_id.hex()
    return Log(_time_ns(record), span_id, severity, body, str(service), record.event_name, attributes, level)


def _time_ns(record: LogRecord) -> int:
    return record.time_unix_nano or record.observed_time_unix_nano
