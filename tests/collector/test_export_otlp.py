"""OTLP destinations against real servers: which answers pass, which are final, and when to come back."""

from __future__ import annotations

import logging
import socket
import threading
import time
from concurrent import futures
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import grpc
import pytest
from google.rpc.error_details_pb2 import DebugInfo, RetryInfo
from google.rpc.status_pb2 import Status
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceResponse
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceResponse
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse

from eigenspan.collector.export import Refused, Retry
from eigenspan.collector.export_otlp import OtlpGrpc, OtlpHttp
from eigenspan.collector.item import Item
from tests.collector.building import request

ALL = frozenset({"traces", "metrics", "logs"})
ITEM = Item("")
CODES = [code for code in grpc.StatusCode if code is not grpc.StatusCode.OK]
PASSING = {
    "CANCELLED",
    "DEADLINE_EXCEEDED",
    "ABORTED",
    "OUT_OF_RANGE",
    "UNAVAILABLE",
    "DATA_LOSS",
    "UNAUTHENTICATED",
    "PERMISSION_DENIED",
}


def details(seconds: float | None) -> tuple:
    """Trailing metadata as a server writes it, with RetryInfo behind another detail."""
    status = Status(code=14, message="m")
    status.details.add().Pack(DebugInfo(detail="d"))
    if seconds is not None:
        info = RetryInfo()
        info.retry_delay.FromMilliseconds(round(seconds * 1000))
        status.details.add().Pack(info)
    return (("grpc-status-details-bin", status.SerializeToString()),)


class GrpcServer:
    """Answers every Export as `answer` says."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, bytes, dict]] = []
        self.answer = lambda context: b""
        self._server = grpc.server(futures.ThreadPoolExecutor(2))
        self._server.add_generic_rpc_handlers((self,))
        self.port = self._server.add_insecure_port("127.0.0.1:0")
        self._server.start()

    def service(self, details_):
        def export(body, context):
            self.calls.append((details_.method, body, dict(context.invocation_metadata())))
            return self.answer(context)

        return grpc.unary_unary_rpc_method_handler(export)

    def service_name(self):
        return None

    def stop(self):
        self._server.stop(None).wait()


@pytest.fixture(scope="module")
def grpc_server():
    server = GrpcServer()
    yield server
    server.stop()


@pytest.fixture
def by_grpc(grpc_server):
    grpc_server.calls.clear()
    grpc_server.answer = lambda context: b""
    destination = OtlpGrpc(f"127.0.0.1:{grpc_server.port}", signals=ALL, headers={"X-Key": "v"}, timeout_s=5)
    yield destination
    destination.close()


@pytest.mark.parametrize(("signal", "method"), [("traces", "trace"), ("metrics", "metrics"), ("logs", "logs")])
def test_grpc_sends_the_bytes_as_they_are(grpc_server, by_grpc, signal, method):
    by_grpc.deliver(signal, [(ITEM, b"one"), (ITEM, b"two")])
    assert [body for _, body, _ in grpc_server.calls] == [b"one", b"two"]
    path, _, metadata = grpc_server.calls[0]
    assert path == f"/opentelemetry.proto.collector.{method}.v1.{method.capitalize()}Service/Export"
    assert metadata["x-key"] == "v"


@pytest.mark.parametrize("code", CODES, ids=lambda c: c.name)
@pytest.mark.parametrize("after_s", [None, 2.5])
def test_grpc_statuses(grpc_server, by_grpc, code, after_s):
    def answer(context):
        context.set_trailing_metadata(details(after_s))
        context.abort(code, "because")

    grpc_server.answer = answer
    passing = code.name in PASSING or (code is grpc.StatusCode.RESOURCE_EXHAUSTED and after_s is not None)
    with pytest.raises(Retry if passing else Refused, match=f"{code.name}: because") as caught:
        by_grpc.deliver("traces", [(ITEM, request())])
    if passing:
        assert caught.value.after_s == after_s


@pytest.mark.parametrize(
    "garbage", [b"\xff\xff", b"\x1a\x02\x0a\xff", details(-3.0)[0][1]], ids=["no message", "a cut detail", "negative"]
)
def test_grpc_details_that_nobody_can_read_ask_for_no_wait(grpc_server, by_grpc, garbage):
    def answer(context):
        context.set_trailing_metadata((("grpc-status-details-bin", garbage),))
        context.abort(grpc.StatusCode.UNAVAILABLE, "because")

    grpc_server.answer = answer
    with pytest.raises(Retry, match="UNAVAILABLE: because") as caught:
        by_grpc.deliver("traces", [(ITEM, request())])
    assert not caught.value.after_s


def test_grpc_that_answers_too_late_or_not_at_all_is_tried_again(grpc_server):
    grpc_server.answer = lambda context: time.sleep(0.4) or b""
    destination = OtlpGrpc(f"127.0.0.1:{grpc_server.port}", signals=ALL, timeout_s=0.1)
    with pytest.raises(Retry, match="DEADLINE_EXCEEDED"):
        destination.deliver("traces", [(ITEM, b"")])
    destination.close()
    destination = OtlpGrpc(f"127.0.0.1:{closed_port()}", signals=ALL, timeout_s=5)
    with pytest.raises(Retry, match="UNAVAILABLE"):
        destination.deliver("traces", [(ITEM, b"")])
    destination.close()


def closed_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return sock.getsockname()[1]


class HttpServer:
    """Answers every POST with `status`, `headers` and `body`."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, bytes, dict]] = []
        self.status, self.headers, self.body = 200, {}, b""
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                outer.calls.append((self.path, body, dict(self.headers)))
                self.send_response(outer.status)
                for name, value in outer.headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(outer.body)))
                self.end_headers()
                self.wfile.write(outer.body)

            def log_message(self, *args):
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.port = self._server.server_address[1]
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,))
        self._thread.start()

    def stop(self):
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


@pytest.fixture(scope="module")
def http_server():
    server = HttpServer()
    yield server
    server.stop()


@pytest.fixture
def by_http(http_server):
    http_server.calls.clear()
    http_server.status, http_server.headers, http_server.body = 200, {}, b""
    endpoint = f"http://127.0.0.1:{http_server.port}/prefix/"
    destination = OtlpHttp(endpoint, signals=ALL, headers={"X-Key": "v"}, timeout_s=5)
    yield destination
    destination.close()


@pytest.mark.parametrize("signal", sorted(ALL))
def test_http_sends_the_bytes_as_they_are(http_server, by_http, signal):
    by_http.deliver(signal, [(ITEM, b"one"), (ITEM, b"two")])
    assert [(path, body) for path, body, _ in http_server.calls] == [
        (f"/prefix/v1/{signal}", b"one"),
        (f"/prefix/v1/{signal}", b"two"),
    ]
    headers = http_server.calls[0][2]
    assert (headers["Content-Type"], headers["X-Key"]) == ("application/x-protobuf", "v")


@pytest.mark.parametrize(
    "status", [202, 204, 301, 400, 401, 403, 404, 408, 413, 415, 429, 500, 501, 502, 503, 504, 505]
)
def test_http_statuses(http_server, by_http, status):
    http_server.status, http_server.body = (
        status,
        b"" if status == 204 else Status(message="because").SerializeToString(),
    )
    if status < 300:
        by_http.deliver("traces", [(ITEM, request())])
        return
    with pytest.raises(
        Retry if status in (401, 403, 429, 502, 503, 504) else Refused, match=f"HTTP {status} .*: because"
    ):
        by_http.deliver("traces", [(ITEM, request())])
    http_server.status = 200
    by_http.deliver("traces", [(ITEM, request())])


AFTER = [
    ("7", 7.0), (" 7 ", 7.0), ("0", 0.0), (None, None), ("soon", None), ("-5", None), ("1.5", None), ("", None), ("²", None),
    ("Thu, 01 Jan 1970 00:00:00 GMT", 0.0),
]  # fmt: skip


@pytest.mark.parametrize(("text", "after_s"), AFTER)
def test_http_retry_after(http_server, by_http, text, after_s):
    http_server.status, http_server.headers = 503, {} if text is None else {"Retry-After": text}
    with pytest.raises(Retry) as caught:
        by_http.deliver("traces", [(ITEM, b"")])
    assert caught.value.after_s == after_s


def test_http_retry_after_a_date(http_server, by_http):
    http_server.status, http_server.headers = 429, {"Retry-After": formatdate(time.time() + 60, usegmt=True)}
    with pytest.raises(Retry) as caught:
        by_http.deliver("traces", [(ITEM, b"")])
    assert 55 < caught.value.after_s <= 60


def test_http_error_bodies_that_are_no_status_are_shown(http_server, by_http):
    http_server.status, http_server.body = 400, b"<html>\xff no"
    with pytest.raises(Refused, match="<html>"):
        by_http.deliver("traces", [(ITEM, b"")])


def test_http_that_is_not_there_is_tried_again():
    destination = OtlpHttp(f"http://127.0.0.1:{closed_port()}", signals=ALL, timeout_s=1)
    with pytest.raises(Retry, match="ConnectionRefusedError"):
        destination.deliver("traces", [(ITEM, b"")])


def test_something_else_that_listens_is_tried_again():
    with socket.create_server(("127.0.0.1", 0)) as sock:

        def hang_up():
            connection, _ = sock.accept()
            connection.recv(1 << 16)
            connection.sendall(b"SSH-2.0-hello\r\n")
            connection.close()

        thread = threading.Thread(target=hang_up)
        thread.start()
        destination = OtlpHttp(f"http://127.0.0.1:{sock.getsockname()[1]}", signals=ALL, timeout_s=5)
        with pytest.raises(Retry):
            destination.deliver("traces", [(ITEM, b"")])
        thread.join()
        destination.close()


PARTIAL = [
    ("traces", ExportTraceServiceResponse, "rejected_spans"),
    ("metrics", ExportMetricsServiceResponse, "rejected_data_points"),
    ("logs", ExportLogsServiceResponse, "rejected_log_records"),
]


@pytest.mark.parametrize(("signal", "response", "name"), PARTIAL)
@pytest.mark.parametrize("way", ["grpc", "http"])
def test_partial_success_is_counted_said_and_not_sent_again(request, caplog, way, signal, response, name):
    destination = request.getfixturevalue(f"by_{way}")
    server = request.getfixturevalue(f"{way}_server")
    body = response(partial_success={name: 3, "error_message": "too old"}).SerializeToString()
    server.answer, server.body = (lambda context: body), body
    with caplog.at_level(logging.WARNING):
        assert destination.deliver(signal, [(ITEM, b"x"), (ITEM, b"y")]) == 6
    assert "too old" in caplog.text
    assert len(server.calls) == 2


@pytest.mark.parametrize("way", ["grpc", "http"])
def test_an_answer_that_cannot_be_read_is_a_success(request, way):
    destination = request.getfixturevalue(f"by_{way}")
    server = request.getfixturevalue(f"{way}_server")
    server.answer, server.body = (lambda context: b"\xff\xff"), b"\xff\xff"
    assert destination.deliver("traces", [(ITEM, b"x")]) == 0
