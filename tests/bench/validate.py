"""How fast spans validate, on one core: `python -m tests.bench.validate [SPANS]`.

Goal: 100,000 spans in a few seconds. Each trace has a workflow, a submission, a queue, an execution, a result and a
post-processing step; the execution carries 24 attributes.
"""

from __future__ import annotations

import base64
import io
import re
import resource
import sys
import time
from collections.abc import Iterator

from google.protobuf.json_format import MessageToJson
from opentelemetry.proto.trace.v1.trace_pb2 import Span, TracesData

from eigenspan.schema import read
from eigenspan.schema.validate import Validator
from eigenspan.semconv import SCHEMA_URL
from tests.collector.building import put

GOAL_S = 5.0
_IDS = re.compile(r'"(traceId|spanId|parentSpanId)": ?"([^"]+)"')
REQUEST = {
    "quantum.request.correlation_id": "req-7f3a9c1e",
    "quantum.workflow.name": "portfolio",
    "quantum.workflow.version": "1.4.0",
    "quantum.workload.class": "interactive",
}
BACKEND = {"quantum.provider.name": "ibm", "quantum.backend.name": "ibm_torino", "quantum.backend.simulator": False}
EXECUTE = {
    "quantum.operation.name": "execute", "quantum.execution.success": True, "quantum.job.shots": 1000,
    "quantum.job.successful_shots": 998, "quantum.job.status": "completed", "quantum.circuit.depth": 12,
    "quantum.circuit.qubit_count": 5, "quantum.circuit.gate_count": 48, "quantum.circuit.two_qubit_gate_count": 11,
    "quantum.job.queue.duration": 1.5, "quantum.job.duration": 3.0, "quantum.job.execution.duration": 1.2,
    "quantum.job.execution.start_time": "2026-08-01T12:00:03.120Z",
    "quantum.job.execution.end_time": "2026-08-01T12:00:05.430Z",
    "quantum.backend.calibration.version": "sha256:9f86d081884c7d65",
    "quantum.backend.calibration.time": "2026-08-01T06:12:44Z",
}  # fmt: skip


def fill(span: Span, type_: str, **attributes: object) -> None:
    """Attributes and type."""
    put(span, {"otel.span.type": type_, **attributes})


def trace(number: int) -> list[Span]:
    """The six spans of one request."""
    job = {"quantum.job.id": f"job-{number}"}
    rows = [
        ("workflow portfolio", Span.SPAN_KIND_INTERNAL, "quantum.internal.workflow", REQUEST, 0, 9, 0),
        ("submit ibm_torino", Span.SPAN_KIND_PRODUCER, "quantum.producer.submit",
         REQUEST | BACKEND | job | {"quantum.operation.name": "submit"}, 1, 2, 1),
        ("queue ibm_torino", Span.SPAN_KIND_INTERNAL, "quantum.internal.queue", REQUEST | BACKEND | job, 2, 3, 1),
        ("execute ibm_torino", Span.SPAN_KIND_INTERNAL, "quantum.internal.execute", REQUEST | BACKEND | job | EXECUTE, 4, 6, 1),
        ("result ibm_torino", Span.SPAN_KIND_CLIENT, "quantum.client.result",
         REQUEST | BACKEND | job | {"quantum.operation.name": "result"}, 6, 7, 1),
        ("post process", Span.SPAN_KIND_INTERNAL, "quantum.internal.post_process",
         REQUEST | {"quantum.result.size": 32, "quantum.result.fidelity": 0.96}, 7, 8, 1),
    ]  # fmt: skip
    trace_id = (number + 1).to_bytes(16, "big")
    out = []
    for i, (name, kind, type_, attributes, start, end, parent) in enumerate(rows, 1):
        span = Span(
            trace_id=trace_id,
            span_id=i.to_bytes(8, "big"),
            parent_span_id=parent.to_bytes(8, "big") if parent else b"",
            name=name,
            kind=kind,
            start_time_unix_nano=1_785_585_600_000_000_000 + start * 10**9,
            end_time_unix_nano=1_785_585_600_000_000_000 + end * 10**9,
        )
        fill(span, type_, **attributes)
        if type_ == "quantum.internal.execute":
            span.links.add(trace_id=trace_id, span_id=(2).to_bytes(8, "big"))
        out.append(span)
    return out


def documents(spans: int, traces_each: int = 50) -> Iterator[TracesData]:
    """Requests with so many spans in all."""
    for first in range(0, spans // 6, traces_each):
        data = TracesData()
        scope = data.resource_spans.add(schema_url=SCHEMA_URL).scope_spans.add()
        for number in range(first, min(first + traces_each, spans // 6)):
            scope.spans.extend(trace(number))
        yield data


def as_protobuf(spans: int) -> bytes:
    """One message; messages of the type can be joined."""
    return b"".join(d.SerializeToString() for d in documents(spans))


def line(document: TracesData) -> bytes:
    """A message as OTLP JSON: as protobuf's own, but ids are hexadecimal."""

    def hexadecimal(match: re.Match[str]) -> str:
        return f'"{match[1]}": "{base64.b64decode(match[2]).hex()}"'

    return _IDS.sub(hexadecimal, MessageToJson(document, indent=None)).encode()


def as_json(spans: int) -> bytes:
    """A line a request."""
    return b"\n".join(line(d) for d in documents(spans))


def measure(data: bytes) -> tuple[float, int, int]:
    """CPU seconds, spans, findings."""
    validator = Validator()
    begun = time.process_time()
    found = sum(1 for item in read.stream(io.BufferedReader(io.BytesIO(data)), "bench") for _ in validator.check(item))
    found += sum(1 for _ in validator.finish())
    return time.process_time() - begun, validator.seen["span"], found


def main() -> int:
    """Print both forms beside the goal."""
    spans = int(sys.argv[1]) if len(sys.argv) > 1 else 100_000
    worst = 0.0
    for name, data in (("protobuf", as_protobuf(spans)), ("JSON lines", as_json(spans))):
        seconds, seen, found = measure(data)
        worst = max(worst, seconds / seen * 100_000)
        print(f"{name:<11} {seen:>7} spans {seconds:6.2f} s CPU  {seen / seconds:>8.0f} spans/s  {found} findings")
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"goal {GOAL_S:.0f} s for 100,000 spans: {worst:.2f} s; peak memory with the input {peak:.0f} MB")
    return worst > GOAL_S


if __name__ == "__main__":
    sys.exit(main())
