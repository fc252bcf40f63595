"""The query APIs beside those of the real Tempo and Jaeger: the same traces in, the same answers out."""

from __future__ import annotations

import time
import urllib.parse
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.e2e.harness import running
from tests.partners.programs import eventually, jaeger, tempo
from tests.partners.test_partners import get

pytestmark = pytest.mark.partner


def send_traces(port: int) -> list[str]:
    """Three traces of a workflow with a job, by a real SDK; the second fails."""
    from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor
    from opentelemetry.trace import SpanKind, Status, StatusCode

    ids = []
    for service in ("front", "worker"):
        provider = TracerProvider(resource=Resource.create({"service.name": service}))
        provider.add_span_processor(
            BatchSpanProcessor(OTLPSpanExporter(endpoint=f"http://127.0.0.1:{port}", insecure=True))
        )
        tracer = provider.get_tracer("viewers", "1.0")
        for number in range(3):
            with tracer.start_as_current_span("workflow", attributes={"number": number, "share": 0.5}) as root:
                attributes = {"quantum.backend.name": f"device-{number}", "shots": 100 * number, "dry": number == 0}
                with tracer.start_as_current_span("execute", kind=SpanKind.CLIENT, attributes=attributes) as span:
                    span.add_event("queued", {"place": number})
                    time.sleep(0.01 * number)
                    if number == 1:
                        span.set_status(Status(StatusCode.ERROR, "refused"))
            ids.append(f"{root.get_span_context().trace_id:032x}")
        provider.shutdown()
    return ids


def everything() -> dict[str, str]:
    return {"processors__sampling__rules": "[{name: all, keep: 100%}]", "processors__calibration__shipped": "false"}


def fetched(url: str, accept: str) -> bytes:
    request = urllib.request.Request(url, headers={"Accept": accept})
    with urllib.request.urlopen(request, timeout=10) as answer:
        return answer.read()


QUERIES = [
    "{}", '{ span.quantum.backend.name = "device-2" }', "{ status = error }", '{ resource.service.name = "worker" && name = "workflow" }',
    "{ span.shots > 50 }", "{ .shots >= 100 && .shots < 200 }", "{ duration > 5ms && kind = client }", '{ .quantum.backend.name =~ "device-[01]" }',
    '{ .quantum.backend.name !~ "device-[01]" }', "{ .dry = true }", "{ .nothing = 1 }", '{ name = "workflow" } >> { .shots = 200 }',
    "{ .share = 0.5 } | count() > 0", "{ .dry = true || status = error }", '{ .quantum.backend.name != "device-1" }',
    '{ statusMessage = "refused" }', '{ event:name = "queued" && span.shots = 0 }', '{ rootServiceName = "front" } && { .shots = 0 }',
]  # fmt: skip


@contextmanager
def beside(program, tmp_path) -> Iterator[tuple[list[str], str, str]]:
    """The same traces in a partner's program and in our store: their ids, and where each answers."""
    name = program.__name__
    with program(tmp_path) as (port, theirs):
        exporters = f"{{store: {{type: store}}, {name}: {{endpoint: '127.0.0.1:{port}'}}}}"
        with running(tmp_path / "data", **everything(), exporters=exporters) as r:
            sent = send_traces(r.ports["grpc"])
            r.wait_until_decided()
            yield sent, f"http://127.0.0.1:{r.ports['page']}/{name}", theirs


def test_tempo(tmp_path):
    with beside(tempo, tmp_path) as (sent, ours, theirs):
        for trace in sent:
            both = [
                eventually(lambda b=b, t=trace: spans_in(get(f"{b}/api/traces/{t}")["batches"])) for b in (ours, theirs)
            ]
            assert both[0] == both[1]
        window = f"&start={int(time.time()) - 600}&end={int(time.time()) + 60}&limit=50"
        eventually(lambda: len(get(f"{theirs}/api/search?q=%7B%7D{window}").get("traces", [])) == len(sent), 90)
        for query in QUERIES:
            path = f"/api/search?q={urllib.parse.quote(query)}{window}"
            alike(query, lambda path=path: (hits(get(ours + path)), hits(get(theirs + path))))
        for path in (
            "/api/v2/search/tag/resource.service.name/values",
            "/api/v2/search/tag/span.quantum.backend.name/values",
        ):
            alike(
                path, lambda path=path: [sorted(v["value"] for v in get(b + path)["tagValues"]) for b in (ours, theirs)]
            )


def alike(what: str, both) -> None:
    """Two answers are the same within a while: Tempo moves young traces between its stores."""
    deadline = time.monotonic() + 60
    while (found := both())[0] != found[1] and time.monotonic() < deadline:
        time.sleep(0.3)
    assert found[0] == found[1], what


def spans_in(batches: list) -> dict[str, tuple]:
    """Spans by id in either spelling of ids; what Tempo and OTLP name alike."""
    import base64

    found = {}
    for batch in batches:
        for scope in batch["scopeSpans"]:
            for span in scope["spans"]:
                raw = span["spanId"]
                span_id = raw if len(raw) == 16 else base64.b64decode(raw).hex()
                keys = sorted(a["key"] for a in span.get("attributes", []))
                found[span_id] = (span["name"], span["startTimeUnixNano"], span["endTimeUnixNano"], keys)
    return found


def hits(answer: dict) -> dict[str, tuple]:
    return {
        trace["traceID"].zfill(32): (
            trace["rootServiceName"],
            trace["rootTraceName"],
            trace["startTimeUnixNano"],
            sum(s["matched"] for s in trace["spanSets"]),
        )
        for trace in answer.get("traces", [])
    }


def test_jaeger(tmp_path):
    with beside(jaeger, tmp_path) as (sent, ours, theirs):
        for trace in sent:
            mine, real = (
                eventually(lambda b=b, t=trace: get(f"{b}/api/traces/{t}")["data"][0]) for b in (ours, theirs)
            )
            assert ui_spans(mine) == ui_spans(real)
            both = [get(f"{b}/api/v3/traces/{trace}")["result"]["resourceSpans"] for b in (ours, theirs)]
            assert spans_in(both[0]) == spans_in(both[1])
        for path in ("services", *(f"operations?service={s}" for s in ("front", "worker"))):
            mine, real = (next(iter(get(f"{b}/api/v3/{path}").values())) for b in (ours, theirs))
            assert sorted(map(str, mine)) == sorted(map(str, real))
        window = "&query.startTimeMin=2020-01-01T00:00:00Z&query.startTimeMax=2099-01-01T00:00:00Z"
        for search in V3_SEARCHES:
            mine, real = (summaries(f"{b}/api/v3/trace-summaries?{search}{window}") for b in (ours, theirs))
            assert mine == real, search


V3_SEARCHES = [
    "query.serviceName=front", "query.serviceName=worker&query.operationName=execute", "query.serviceName=front&query.durationMin=15ms",
    *(f"query.serviceName=front&query.attributes={urllib.parse.quote(tags)}"
      for tags in ('{"shots":"100"}', '{"error":"true"}', '{"error":"false"}', '{"span.kind":"client"}', '{"place":"2"}', '{"dry":"true"}', '{"share":"0.5"}')),
]  # fmt: skip


def ui_spans(trace: dict) -> dict[str, tuple]:
    """What the UI draws of each span; Jaeger leaves microseconds of rounding and the scope's version aside here."""
    return {
        span["spanID"]: (
            span["operationName"], span["startTime"], span["duration"], span["references"],
            sorted((t["key"], t["type"], str(t["value"])) for t in span["tags"] if t["key"] != "otel.scope.version"),
            [sorted((f["key"], f["type"], str(f["value"])) for f in log["fields"]) for log in span["logs"]],
            trace["processes"][span["processID"]]["serviceName"],
        )
        for span in trace["spans"]
    }  # fmt: skip


def summaries(url: str) -> dict[str, dict]:
    """Summaries by trace id; protobuf's JSON leaves zeros out."""
    return {found["traceId"]: _without_zeros(found) for found in get(url).get("summaries", [])}


def _without_zeros(found):
    if isinstance(found, list):
        return [_without_zeros(part) for part in found]
    return {k: _without_zeros(v) for k, v in found.items() if v} if isinstance(found, dict) else found
