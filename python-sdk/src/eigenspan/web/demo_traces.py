"""Traces that show what the page can do, sent through the collector's own OTLP port like anybody's.

They are made up, and say so: service `eigenspan-demo`, backend `demo_backend`. One in six fails, one takes long.
"""

from __future__ import annotations

import urllib.error
import urllib.request
from collections.abc import Callable
from random import Random
from typing import Final

from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status, TracesData

from eigenspan.semconv import attributes as q
from eigenspan.web.exchange import Problem

TRACES: Final = 24
_NS: Final = 10**9
_STAGES: Final = (("llm request", "llm", 0.6), ("compile circuit", "transpile", 0.25), ("wait in queue", "queue", 2.0),
                  ("execute", "execute", 0.8), ("post-process", "post_process", 0.1))  # fmt: skip


def demo_traces(now_ns: int, random: Random) -> bytes:
    """TRACES traces that ended within the last minutes, as the body of an OTLP request."""
    data = TracesData()
    resource = data.resource_spans.add()
    resource.resource.attributes.add(key="service.name").value.string_value = "eigenspan-demo"
    spans = resource.scope_spans.add().spans
    for number in range(TRACES):
        _trace(spans.add, now_ns - (number * 8 + 5) * _NS, number, random)
    return data.SerializeToString()


def _trace(add: Callable[..., Span], end_ns: int, number: int, random: Random) -> None:
    trace, root = random.randbytes(16), random.randbytes(8)
    failed, slow = number % 6 == 2, number == 7
    lengths_s = [seconds * random.uniform(0.7, 1.4) * (20 if slow else 1) for *_, seconds in _STAGES]
    start_ns = at_ns = end_ns - int(sum(lengths_s) * _NS)
    for (name, stage, _), length_s in zip(_STAGES, lengths_s, strict=True):
        until_ns = at_ns + int(length_s * _NS)
        span = add(trace_id=trace, span_id=random.randbytes(8), parent_span_id=root, name=name, kind=Span.SPAN_KIND_INTERNAL,
                   start_time_unix_nano=at_ns, end_time_unix_nano=until_ns)  # fmt: skip
        span.attributes.add(key=q.QUANTUM_STAGE_NAME).value.string_value = stage
        if stage == "execute":
            _execution(span, number)
            if failed:
                span.status.CopyFrom(Status(code=Status.STATUS_CODE_ERROR, message="demo: the job was rejected"))
        at_ns = until_ns
    add(trace_id=trace, span_id=root, name="demo request", kind=Span.SPAN_KIND_SERVER, start_time_unix_nano=start_ns,
        end_time_unix_nano=end_ns)  # fmt: skip


def _execution(span: Span, number: int) -> None:
    texts = {
        q.QUANTUM_BACKEND_NAME: "demo_backend",
        q.QUANTUM_CIRCUIT_FAMILY: "ghz",
        q.QUANTUM_JOB_ID: f"demo-{number}",
    }
    for key, value in texts.items():
        span.attributes.add(key=key).value.string_value = value
    span.attributes.add(key=q.QUANTUM_JOB_SHOTS).value.int_value = 1000


def send(port: int | None, body: bytes) -> None:
    """Send them to the OTLP/HTTP port of this machine; Problem where it does not take them."""
    if port is None:
        raise Problem(409, "No port to send to", "receivers.otlp.protocols.http is off; demo traces go through it.")
    request = urllib.request.Request(
        f"http://127.0.0.1:{port}/v1/traces", body, {"content-type": "application/x-protobuf"}, method="POST"
    )
    try:
        urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=10).close()
    except urllib.error.HTTPError as error:
        error.close()
        why = (
            "It asks for a token, which the page does not have." if error.code == 401 else f"It answered {error.code}."
        )
        raise Problem(409, "The collector did not take them", f"{why} Send spans of your own instead.") from error
    except OSError as error:
        raise Problem(409, "The collector could not be reached", f"OTLP/HTTP on 127.0.0.1:{port}: {error}") from error
