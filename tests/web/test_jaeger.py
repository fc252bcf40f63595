"""Jaeger's APIs: exchanges as its UI and Grafana's data source make them."""

from __future__ import annotations

import json
from urllib.parse import quote

import pytest

from tests.web.test_tempo import NS, START, client, store, workflow

__all__ = ["client", "store"]
WINDOW = "&query.startTimeMin=2026-01-01T00:00:00Z&query.startTimeMax=2026-01-02T00:00:00.5%2B00:00"
SINCE = f"&start={START // 1000}&end={START // 1000 + 60_000_000}"


def found(answer) -> list[int]:
    assert answer.status == 200, answer.text
    return [int(trace["traceID"], 16) for trace in answer.json["data"]]


def listed(data) -> dict:
    return {"data": data, "total": len(data), "limit": 0, "offset": 0, "errors": None}


def test_services_and_operations(client):
    assert client.get("/jaeger/api/services").json == listed(["qaoa", "vqe"])
    operations = [{"name": "execute", "spanKind": "client"}, {"name": "workflow", "spanKind": "internal"}]
    assert client.get("/jaeger/api/operations", "service=vqe").json == listed(operations)
    assert client.get("/jaeger/api/operations", "service=vqe&spanKind=client").json == listed(operations[:1])
    assert client.get("/jaeger/api/services/vqe/operations").json == listed(["execute", "workflow"])
    assert client.get("/jaeger/api/v3/services").json == {"services": ["qaoa", "vqe"]}
    assert client.get("/jaeger/api/v3/operations", "service=vqe&span_kind=client").json == {
        "operations": operations[:1]
    }


def test_a_trace_in_the_shape_of_the_ui(client):
    (trace,) = client.get(f"/jaeger/api/traces/{2:x}").json["data"]
    assert trace["processes"] == {"p1": {"serviceName": "vqe", "tags": []}}
    assert trace["spans"][1] == {
        "traceID": f"{2:032x}", "spanID": "02" * 8, "operationName": "execute", "startTime": (START + 2 * NS) // 1000, "duration": 2_000_000,
        "references": [{"refType": "CHILD_OF", "traceID": f"{2:032x}", "spanID": "01" * 8}], "logs": [], "processID": "p1", "warnings": None,
        "tags": [
            {"key": "quantum.backend.name", "type": "string", "value": "perth"}, {"key": "shots", "type": "int64", "value": 2000},
            {"key": "span.kind", "type": "string", "value": "client"}, {"key": "otel.status_code", "type": "string", "value": "ERROR"},
            {"key": "error", "type": "bool", "value": True}, {"key": "w3c.tracestate", "type": "string", "value": "ot=th:0"},
        ],
    }  # fmt: skip


def test_numbers_that_json_has_not_are_text(client, store):
    odd = {"nan": float("nan"), "up": float("inf"), "down": float("-inf")}
    store.write([("", (4).to_bytes(16, "big"), "r", workflow(4, **odd))])
    body = client.get(f"/jaeger/api/traces/{4:x}").text
    (trace,) = json.loads(body, parse_constant=pytest.fail)["data"]
    tags = {tag["key"]: (tag["type"], tag["value"]) for tag in trace["spans"][1]["tags"]}
    assert [tags[key] for key in odd] == [("float64", "nan"), ("float64", "inf"), ("float64", "-inf")]


def test_a_trace_as_otlp(client):
    (resource,) = client.get(f"/jaeger/api/v3/traces/{1:032x}").json["result"]["resourceSpans"]
    span = resource["scopeSpans"][0]["spans"][1]
    assert (span["traceId"], span["spanId"], span["kind"]) == (f"{1:032x}", "02" * 8, 3)
    assert {"key": "shots", "value": {"intValue": "100"}} in span["attributes"]


SEARCHES = [
    ("", [2, 1]), ("&limit=1", [2]), ("&operation=execute", [2, 1]), ("&operation=nothing", []), ("&minDuration=3s", []), ("&maxDuration=2s", [2, 1]),
    ("&tags=" + quote('{"shots":"100"}'), [1]), ("&tags=" + quote('{"error":"true"}'), [2]), ("&tag=shots:2000&tag=error:true", [2]),
    ("&tag=error:false&operation=execute", [1]), ("&tag=span.kind:client&tag=shots:100", [1]), ("&tag=quantum.backend.name:perth", [2]),
]  # fmt: skip


@pytest.mark.parametrize(("query", "expected"), SEARCHES)
def test_search(client, query, expected):
    assert found(client.get("/jaeger/api/traces", f"service=vqe{SINCE}{query}")) == expected


def test_the_window(client):
    assert found(
        client.get("/jaeger/api/traces", f"service=vqe&start={(START + 2 * NS) // 1000}&end={(START + 9 * NS) // 1000}")
    ) == [2]
    assert found(client.get("/jaeger/api/traces", f"service=vqe&end={(START + 9 * NS) // 1000}&lookback=7500ms")) == [2]
    assert found(client.get("/jaeger/api/traces", "service=vqe&lookback=1s")) == []
    assert found(client.get("/jaeger/api/traces", f"traceID={1:032x}&traceID={3:032x}")) == [1, 3]


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("query.serviceName=vqe", {1, 2}), ("query.service_name=qaoa", {3}), ("query.operationName=execute&query.durationMin=5s", {3}),
        ("query.attributes=" + quote(json.dumps({"shots": "100"})), {1}), ("query.searchDepth=2", {2, 3}),
    ],
)  # fmt: skip
def test_search_of_v3(client, query, expected):
    answer = client.get("/jaeger/api/v3/traces", query + WINDOW).json["result"]
    spans = [s for r in answer["resourceSpans"] for scope in r["scopeSpans"] for s in scope["spans"]]
    assert {int(span["traceId"], 16) for span in spans} == expected
    summaries = client.get("/jaeger/api/v3/trace-summaries", query + WINDOW).json["summaries"]
    assert {int(s["traceId"], 16) for s in summaries} == expected
    assert all(s["spanCount"] == 2 for s in summaries)


def test_dependencies_count_late_spans_once(client, store):
    from tests.store.test_traces import TracesData, otlp

    def of(service: str, span: int, parent: int) -> bytes:
        data = TracesData.FromString(otlp(9, service=service, start_s=START // NS))
        found = data.resource_spans[0].scope_spans[0].spans[0]
        found.span_id, found.parent_span_id = bytes([span]) * 8, bytes([parent]) * 8 if parent else b""
        return data.SerializeToString()

    for body in (of("worker", 2, 1), of("front", 1, 0), of("worker", 3, 1), of("db", 4, 3)):
        store.write([("", (9).to_bytes(16, "big"), "r", body)])
    window = f"endTs={START // 10**6 + 1000}&lookback=3600000"
    expected = [
        {"parent": "front", "child": "worker", "callCount": 2},
        {"parent": "worker", "child": "db", "callCount": 1},
    ]
    assert client.get("/jaeger/api/dependencies", window).json == listed(expected)
    assert client.get("/jaeger/api/dependencies", "endTs=1000&lookback=10").json == listed([])


@pytest.mark.parametrize(
    ("path", "query", "status", "words"),
    [
        ("traces", "", 400, "'service'"), ("traces/xyz", "", 400, "hexadecimal"), ("traces/77", "", 404, "not found"), ("nothing", "", 404, ""),
        ("traces", "service=a&tags=x", 400, "JSON object"), ("traces", "service=a&tag=x", 400, "key:value"), ("traces", "service=a&start=x", 400, "start"),
        ("traces", "service=a&minDuration=5", 400, "1.5s"), ("v3/traces", "", 400, "required"), ("v3/traces/77", "", 404, "not found"),
        ("v3/traces", "query.startTimeMin=x&query.startTimeMax=y", 400, "RFC 3339"), ("v3/traces", "query.serviceName=no" + WINDOW, 404, "No traces"),
        ("v3/traces", "query.filter=%7B%7D" + WINDOW, 400, "not supported"), ("v3/traces", "query.searchDepth=0" + WINDOW, 400, "searchDepth"),
    ],
)  # fmt: skip
def test_refusals(client, path, query, status, words):
    answer = client.get(f"/jaeger/api/{path}", query)
    assert answer.status == status
    error = answer.json["error"] if path.startswith("v3") else answer.json["errors"][0]
    assert words in error.get("message", error.get("msg"))
