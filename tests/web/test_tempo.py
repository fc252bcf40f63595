"""Tempo's API: exchanges as Grafana's data source makes them."""

from __future__ import annotations

import pytest
from opentelemetry.proto.trace.v1.trace_pb2 import TracesData

from eigenspan.calibration.store import CalibrationStore
from eigenspan.store.traces import TraceStore
from tests.web.test_routes import Client
from tests.web.test_traceql import put

NS = 10**9
START = 1_767_225_600 * NS


def workflow(number: int, *, service="vqe", seconds=2, failed=False, **attributes) -> bytes:
    """A root with one span below it, which has the attributes."""
    data = TracesData()
    resource_spans = data.resource_spans.add()
    put(resource_spans.resource, {"service.name": service})
    spans = resource_spans.scope_spans.add().spans
    for i, name in enumerate(("workflow", "execute")):
        span = spans.add(trace_id=number.to_bytes(16, "big"), span_id=bytes([i + 1]) * 8, name=name, kind=1 + 2 * i)
        span.parent_span_id = b"\1" * 8 if i else b""
        span.trace_state = "ot=th:0"
        span.start_time_unix_nano = START + number * NS
        span.end_time_unix_nano = span.start_time_unix_nano + seconds * NS
    put(span, {k.replace("__", "."): v for k, v in attributes.items()})
    span.status.code = 2 if failed else 0
    return data.SerializeToString()


@pytest.fixture
def store(tmp_path):
    with TraceStore(tmp_path / "traces") as made:
        made.write([
            ("", (1).to_bytes(16, "big"), "r", workflow(1, quantum__backend__name="lagos", shots=100)),
            ("", (2).to_bytes(16, "big"), "r", workflow(2, quantum__backend__name="perth", shots=2000, failed=True)),
            ("", (3).to_bytes(16, "big"), "r", workflow(3, service="qaoa", seconds=9, ok=True)),
        ])  # fmt: skip
        yield made


@pytest.fixture
def client(tmp_path, store):
    with CalibrationStore(tmp_path / "calibration.db") as calibrations:
        yield Client(store, calibrations)


def found(answer) -> list[int]:
    assert answer.status == 200, answer.text
    return [int(trace["traceID"], 16) for trace in answer.json["traces"]]


def test_it_says_that_it_is_there(client):
    assert client.get("/tempo/api/echo").text == "echo"
    assert client.get("/tempo/api/status/buildinfo").json["version"]
    assert client.get("/tempo/ready").status == 200


@pytest.mark.parametrize("trace_id", [f"{1:032x}", "1", f"{1:016x}"])
def test_a_trace_is_its_stored_bytes(client, store, trace_id):
    body = store.trace(f"{1:032x}").bodies[0]
    accept = [(b"accept", b"application/protobuf")]
    v1 = client.get(f"/tempo/api/traces/{trace_id}", headers=accept)
    assert (v1.body, v1.headers["content-type"]) == (body, "application/protobuf")
    v2 = client.get(f"/tempo/api/v2/traces/{trace_id}", headers=accept)
    assert v2.body.endswith(body)
    assert TracesData.FromString(v2.body[len(v2.body) - len(body) :]).resource_spans
    assert v2.body[:1] == b"\x0a"
    as_json = client.get(f"/tempo/api/v2/traces/{trace_id}").json["trace"]["resourceSpans"]
    assert client.get(f"/tempo/api/traces/{trace_id}").json == {"batches": as_json}
    assert as_json[0]["scopeSpans"][0]["spans"][1]["parentSpanId"] == "01" * 8


def test_a_search_is_answered_as_tempo_does(client):
    answer = client.get("/tempo/api/search", "q=%7B%20span.shots%20%3E%20500%20%7D&limit=5")
    spanset = {
        "spans": [
            {
                "spanID": "02" * 8, "name": "execute", "startTimeUnixNano": str(START + 2 * NS), "durationNanos": str(2 * NS),
                "attributes": [{"key": "shots", "value": {"intValue": "2000"}}],
            }
        ],
        "matched": 1,
    }  # fmt: skip
    assert answer.json == {
        "traces": [
            {
                "traceID": f"{2:032x}", "rootServiceName": "vqe", "rootTraceName": "workflow", "startTimeUnixNano": str(START + 2 * NS),
                "durationMs": 2000, "spanSet": spanset, "spanSets": [spanset],
            }
        ],
        "metrics": {"inspectedTraces": 1},
    }  # fmt: skip


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("", [3, 2, 1]), ("limit=1", [3]), ("tags=service.name%3Dvqe", [2, 1]), ("tags=shots%3D100", [1]), ("tags=ok%3Dtrue", [3]),
        ("tags=service.name%3D%22vqe%22%20quantum.backend.name%3Dperth", [2]), ("tags=error%3Dtrue", [2]), ("tags=name%3Dexecute", [3, 2, 1]),
        ("minDuration=5s", [3]), ("maxDuration=5s", [2, 1]), ("start=1767225602", [3, 2]), ("start=1767225601&end=1767225602", [2, 1]),
        ("q=%7Bresource.service.name%3D%22qaoa%22%7D", [3]), ("q=%7Bkind%3Dclient%7D%20%7C%20count()%20%3E%201", []), ("tags=nothing%3D1", []),
    ],
)  # fmt: skip
def test_search(client, query, expected):
    assert found(client.get("/tempo/api/search", query)) == expected


def test_a_job_is_found_when_there_are_too_many_to_index_as_values(client, store, monkeypatch):
    monkeypatch.setattr("eigenspan.store.index.MAX_VALUES", 3)
    for n in range(10, 20):
        store.write([("", n.to_bytes(16, "big"), "r", workflow(n, quantum__job__id=f"job-{n}", other=f"o-{n}"))])
    for name in ("quantum.job.id", "other"):
        text = "job" if "job" in name else "o"
        answer = client.get("/tempo/api/search", f"q=%7B.{name}%3D%22{text}-17%22%7D")
        assert found(answer) == [17]
    assert client.get("/tempo/api/search", "q=%7B.quantum.job.id%3D%22job-17%22%7D").json["metrics"] == {
        "inspectedTraces": 1
    }
    assert found(client.get("/tempo/api/search", "start=1&end=2&q=%7B.quantum.job.id%3D%22job-17%22%7D")) == []


def test_tags_and_their_values(client):
    keys = ["ok", "quantum.backend.name", "service.name", "shots"]
    assert client.get("/tempo/api/search/tags").json["tagNames"] == keys
    scopes = {s["name"]: s["tags"] for s in client.get("/tempo/api/v2/search/tags").json["scopes"]}
    assert (scopes["resource"], scopes["span"]) == (["service.name"], ["ok", "quantum.backend.name", "shots"])
    assert "duration" in scopes["intrinsic"]
    only = client.get("/tempo/api/v2/search/tags", "scope=resource").json["scopes"]
    assert only == [{"name": "resource", "tags": ["service.name"]}]
    assert client.get("/tempo/api/search/tag/service.name/values").json["tagValues"] == ["qaoa", "vqe"]
    values = client.get("/tempo/api/v2/search/tag/span.shots/values").json["tagValues"]
    assert values == [{"type": "int", "value": "100"}, {"type": "int", "value": "2000"}]
    for tag in (".service.name", "resource.service.name", "rootServiceName"):
        got = client.get(f"/tempo/api/v2/search/tag/{tag}/values").json["tagValues"]
        assert [v["value"] for v in got] == ["qaoa", "vqe"]
    assert {v["value"] for v in client.get("/tempo/api/v2/search/tag/status/values").json["tagValues"]} == {
        "unset",
        "error",
    }


@pytest.mark.parametrize(
    ("seconds", "keys", "services"),
    [((1, 1), ["quantum.backend.name", "shots"], ["vqe"]), ((3, 3), ["ok"], ["qaoa"]), ((50, 60), [], []),
     ((2, 60), ["ok", "quantum.backend.name", "shots"], ["qaoa", "vqe"])],
)  # fmt: skip
def test_tags_and_values_are_those_of_the_time_range(client, seconds, keys, services):
    start, end = (START // NS + second for second in seconds)
    window = f"start={start}&end={end}"
    assert client.get("/tempo/api/v2/search/tags", f"scope=span&{window}").json["scopes"] == (
        [{"name": "span", "tags": keys}] if keys else []
    )
    for tag in ("resource.service.name", "rootServiceName"):
        answer = client.get(f"/tempo/api/v2/search/tag/{tag}/values", window).json["tagValues"]
        assert [v["value"] for v in answer] == services
    assert client.get("/tempo/api/search/tag/service.name/values", window).json["tagValues"] == services


@pytest.mark.parametrize(
    ("path", "query", "status", "words"),
    [
        ("traces/zz", "", 400, "hex"), (f"traces/{'0' * 33}", "", 400, "hex"), ("traces/9", "", 404, "not stored"),
        ("search", "q=%7B.a%20%3D%7D", 400, "at position 5"), ("search", "start=x", 400, "Unix seconds"), ("search", "minDuration=5", 400, "100ms"),
        ("search", "limit=0", 400, "limit"), ("search", "tags=x", 400, "logfmt"), ("nothing", "", 404, ""),
    ],
)  # fmt: skip
def test_refusals_are_text(client, path, query, status, words):
    answer = client.get(f"/tempo/api/{path}", query)
    assert (answer.status, answer.headers["content-type"]) == (status, "text/plain; charset=utf-8")
    assert words in answer.text
