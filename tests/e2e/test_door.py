"""What the door says to bad input, and that it goes on working."""

from __future__ import annotations

import gzip
import http.client
import json
import zlib

import grpc
import pytest
from google.rpc.error_details_pb2 import RetryInfo
from google.rpc.status_pb2 import Status
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from eigenspan.collector.commit import Admission
from tests.e2e.harness import RECEIVERS, running

MIB = 1 << 20
PROTOBUF, JSON = "application/x-protobuf", "application/json"


def request(name: str = "span", trace_id: bytes = bytes(range(1, 17)), span_id: bytes = b"\1" * 8) -> bytes:
    message = ExportTraceServiceRequest()
    span = message.resource_spans.add().scope_spans.add().spans.add()
    span.trace_id, span.span_id, span.name = trace_id, span_id, name
    return message.SerializeToString()


GOOD = request()
BOMB = gzip.compress(bytes(200 * MIB), compresslevel=9)
GOOD_JSON = json.dumps(
    {"resourceSpans": [{"scopeSpans": [{"spans": [
        {"traceId": "0102030405060708090A0b0c0d0e0f10", "spanId": "0101010101010101", "name": "json", "kind": 1,
         "startTimeUnixNano": "1", "endTimeUnixNano": 2, "unknownField": {"x": [1]}}]}]}]}
).encode()  # fmt: skip
HTTP_CASES = {
    "good": (200, GOOD, {}),
    "empty": (200, b"", {}),
    "gzip": (200, gzip.compress(GOOD), {"Content-Encoding": "gzip"}),
    "gzip in two members": (200, gzip.compress(GOOD[:9]) + gzip.compress(GOOD[9:]), {"Content-Encoding": "gzip"}),
    "json": (200, GOOD_JSON, {"Content-Type": JSON}),
    "json with charset": (200, GOOD_JSON, {"Content-Type": JSON + "; charset=utf-8"}),
    "truncated": (400, GOOD[:-3], {}),
    "wrong wire type": (400, b"\x08\x01", {}),
    "15-byte trace id": (400, request(trace_id=b"\1" * 15), {}),
    "zero trace id": (400, request(trace_id=bytes(16)), {}),
    "not protobuf": (400, b"hello, world", {}),
    "gzip bomb": (413, BOMB, {"Content-Encoding": "gzip"}),
    "70 MiB body": (413, bytes(70 * MIB), {}),
    "broken gzip": (400, b"\x1f\x8b" + b"junk" * 9, {"Content-Encoding": "gzip"}),
    "gzip cut short": (400, gzip.compress(GOOD)[:-9], {"Content-Encoding": "gzip"}),
    "unknown encoding": (415, zlib.compress(GOOD), {"Content-Encoding": "deflate"}),
    "wrong content type": (415, GOOD, {"Content-Type": "text/plain"}),
    "bad json": (400, b'{"resourceSpans": [', {"Content-Type": JSON}),
    "json of another shape": (400, b"[1, 2, 3]", {"Content-Type": JSON}),
    "json with a bad id": (400, GOOD_JSON.replace(b"0102", b"zz02"), {"Content-Type": JSON}),
    "json nested too deeply": (400, b'{"a":' * 100_000 + b"1" + b"}" * 100_000, {"Content-Type": JSON}),
}


@pytest.fixture(scope="module", params=RECEIVERS)
def door(request, tmp_path_factory):
    with running(tmp_path_factory.mktemp("data"), receivers__otlp__engine=request.param) as r:
        assert r.collector.receiver.name == request.param
        yield r


@pytest.fixture(scope="module", autouse=True)
def _no_thread_survives():
    """The collector of this module outlives each test on purpose."""
    return


def post(r, body: bytes, headers: dict[str, str], path: str = "/v1/traces", method: str = "POST"):
    connection = http.client.HTTPConnection("127.0.0.1", r.ports["http"], timeout=30)
    try:
        connection.request(method, path, body, {"Content-Type": PROTOBUF} | headers)
        answer = connection.getresponse()
        return answer, answer.read()
    finally:
        connection.close()


@pytest.mark.parametrize("case", HTTP_CASES)
def test_http(door, case):
    status, body, headers = HTTP_CASES[case]
    answer, said = post(door, body, headers)
    assert answer.status == status
    kind = headers.get("Content-Type", PROTOBUF).partition(";")[0]
    if status == 200:
        assert said == (b"{}" if kind == JSON else b"")
        assert answer.getheader("Content-Type") == kind
    elif kind == JSON:
        assert json.loads(said)["message"]
    else:
        assert Status.FromString(said).message


@pytest.mark.parametrize(("path", "method", "status"), [("/nothing", "POST", 404), ("/v1/traces", "GET", 405)])
def test_http_paths(door, path, method, status):
    assert post(door, b"", {}, path, method)[0].status == status


def call(r, body: bytes, compression=None):
    with grpc.insecure_channel(f"127.0.0.1:{r.ports['grpc']}", [("grpc.max_send_message_length", -1)]) as channel:
        export = channel.unary_unary("/opentelemetry.proto.collector.trace.v1.TraceService/Export")
        return export(body, timeout=30, compression=compression)


GRPC_CASES = {
    "truncated": (GOOD[:-3], grpc.StatusCode.INVALID_ARGUMENT, None),
    "wrong wire type": (b"\x08\x01", grpc.StatusCode.INVALID_ARGUMENT, None),
    "15-byte trace id": (request(trace_id=b"\1" * 15), grpc.StatusCode.INVALID_ARGUMENT, None),
    "70 MiB body": (bytes(70 * MIB), grpc.StatusCode.RESOURCE_EXHAUSTED, None),
    "gzip bomb": (bytes(100 * MIB), grpc.StatusCode.RESOURCE_EXHAUSTED, grpc.Compression.Gzip),
    "deflate": (GOOD * 100, grpc.StatusCode.UNIMPLEMENTED, grpc.Compression.Deflate),
}


@pytest.mark.parametrize("case", GRPC_CASES)
def test_grpc(door, case):
    body, code, compression = GRPC_CASES[case]
    with pytest.raises(grpc.RpcError) as caught:
        call(door, body, compression)
    assert caught.value.code() is code
    assert caught.value.details()
    assert call(door, request(name=f"after {case}")) == b""


@pytest.mark.parametrize("compression", [None, grpc.Compression.Gzip])
def test_grpc_accepts(door, compression):
    assert call(door, request(name="x" * 5000), compression) == b""


def test_a_closed_door_says_when_to_come_back(door):
    receiver = door.collector.receiver
    receiver.admit(Admission(open=False, reason="full", retry_after_s=7.0))
    admit, receiver.admit = receiver.admit, lambda _: None
    try:
        answer, said = post(door, GOOD, {})
        assert (answer.status, answer.getheader("Retry-After")) == (503, "7")
        assert "full" in Status.FromString(said).message
        with pytest.raises(grpc.RpcError) as caught:
            call(door, GOOD)
        assert caught.value.code() is grpc.StatusCode.UNAVAILABLE
        details = dict(caught.value.trailing_metadata())["grpc-status-details-bin"]
        retry = RetryInfo()
        assert Status.FromString(details).details[0].Unpack(retry)
        assert retry.retry_delay.seconds == 7
    finally:
        receiver.admit = admit
        admit(Admission())


@pytest.mark.parametrize("engine", RECEIVERS)
def test_a_bearer_token_is_asked_for_where_there_are_tokens(tmp_path, engine):
    tokens = '["first-token", "second-token"]'
    with running(tmp_path, receivers__otlp__engine=engine, receivers__otlp__auth__tokens=tokens) as r:
        for given in ({}, {"Authorization": "Bearer wrong"}, {"Authorization": "second-token"}):
            answer, said = post(r, GOOD, given)
            assert (answer.status, answer.getheader("WWW-Authenticate")) == (401, "Bearer")
            assert Status.FromString(said).code == grpc.StatusCode.UNAUTHENTICATED.value[0]
        assert post(r, GOOD, {"Authorization": "bearer second-token"})[0].status == 200
        with grpc.insecure_channel(f"127.0.0.1:{r.ports['grpc']}") as channel:
            export = channel.unary_unary("/opentelemetry.proto.collector.trace.v1.TraceService/Export")
            with pytest.raises(grpc.RpcError) as caught:
                export(GOOD, timeout=20)
            assert caught.value.code() is grpc.StatusCode.UNAUTHENTICATED
            assert export(GOOD, timeout=20, metadata=(("authorization", "Bearer first-token"),)) == b""
        assert r.collector.receiver.counts["refused", "unauthenticated"] == 4


def test_what_was_refused_is_counted_and_said(door):
    text = door.get("telemetry", "/metrics")
    assert 'eigenspan_receiver_malformed_requests_total{signal="traces"}' in text
    assert json.loads(door.get("health", "/"))["status"] == "Server available"
