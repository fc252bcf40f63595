"""Load as bytes: export requests with distinct traces whose spans lie in separate requests.

A trace has 8 spans, in 8 requests; a request carries one span of each of many traces. Spans are about 420 bytes with 10
attributes. 5 % of traces have an error.
"""

from __future__ import annotations

import random
import time
from collections.abc import Iterator
from dataclasses import dataclass

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

SPANS_PER_TRACE = 8
ERROR_SHARE = 0.05


@dataclass(frozen=True)
class Load:
    """How many spans, how many a request, and the seed that fixes every byte but the times."""

    spans: int
    per_request: int
    seed: int = 1

    @property
    def requests(self) -> int:
        """Requests in all."""
        return self.spans // self.per_request


def error_traces(load: Load) -> set[bytes]:
    """The trace ids that carry an error."""
    return {t for block in _blocks(load) for t, error in block if error}


def _blocks(load: Load) -> Iterator[list[tuple[bytes, bool]]]:
    rng = random.Random(load.seed)
    for _ in range(load.requests // SPANS_PER_TRACE):
        yield [(rng.randbytes(16), rng.random() < ERROR_SHARE) for _ in range(load.per_request)]


def requests(load: Load) -> Iterator[bytes]:
    """Every request, encoded; the root span comes last, as SDKs send it."""
    now = time.time_ns()
    rng = random.Random(load.seed + 1)
    for block in _blocks(load):
        roots = [rng.randbytes(8) for _ in block]
        for step in range(SPANS_PER_TRACE):
            request = ExportTraceServiceRequest()
            resource_spans = request.resource_spans.add()
            for key, value in (("service.name", "bench"), ("deployment.environment.name", "test")):
                resource_spans.resource.attributes.add(key=key).value.string_value = value
            scope_spans = resource_spans.scope_spans.add()
            scope_spans.scope.name = "bench"
            root = step == SPANS_PER_TRACE - 1
            for (trace, error), root_id in zip(block, roots, strict=True):
                span = scope_spans.spans.add()
                span.trace_id = trace
                span.span_id = root_id if root else rng.randbytes(8)
                if not root:
                    span.parent_span_id = root_id
                span.name = "quantum.job.execute" if step == 3 else f"operation-{step}"
                span.kind = 1
                span.start_time_unix_nano = now - 2_000_000
                span.end_time_unix_nano = now - 1_000_000
                _attributes(span, step, rng)
                if error and step == 3:
                    span.status.code = 2
            yield request.SerializeToString()


def _attributes(span: object, step: int, rng: random.Random) -> None:
    attributes = span.attributes  # type: ignore[attr-defined]
    if step == 3:
        attributes.add(key="quantum.provider.name").value.string_value = "ibm"
        attributes.add(key="quantum.backend.name").value.string_value = "fake_torino"
    else:
        attributes.add(key="rpc.system").value.string_value = "grpc"
        attributes.add(key="rpc.method").value.string_value = f"Method{step}"
    attributes.add(key="request.id").value.string_value = f"{rng.getrandbits(96):024x}"
    attributes.add(key="user.segment").value.string_value = "research-and-development"
    attributes.add(key="http.route").value.string_value = "/v1/circuits/{id}/execute"
    attributes.add(key="server.address").value.string_value = "backend.internal"
    attributes.add(key="retry").value.bool_value = False
    attributes.add(key="shots").value.int_value = 1024
    attributes.add(key="duration.estimate").value.double_value = rng.random()
    attributes.add(key="thread.id").value.int_value = rng.getrandbits(20)
