"""Peers that are slow, rude or many: both receive engines hang up on them, and serve the others."""

from __future__ import annotations

import http.client
import socket
import struct
import threading
import time

import grpc
import pytest

from tests.cases.door import said
from tests.e2e.harness import RECEIVERS, running
from tests.e2e.test_door import GOOD, PROTOBUF, call, post

pytestmark = pytest.mark.parametrize("engine", RECEIVERS)
PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
EXPORT = "/opentelemetry.proto.collector.trace.v1.TraceService/Export"


def door(tmp_path, engine, **more):
    return running(tmp_path, receivers__otlp__engine=engine, **more)


def connect(r, name: str) -> socket.socket:
    return socket.create_connection(("127.0.0.1", r.ports[name]), timeout=20)


def frame(kind: int, flags: int, stream: int, payload: bytes = b"") -> bytes:
    return struct.pack(">I", len(payload))[1:] + bytes([kind, flags]) + struct.pack(">I", stream) + payload


def literal(name: str, value: str) -> bytes:
    """A header field without HPACK's tables."""
    return b"\x00" + bytes([len(name)]) + name.encode() + bytes([len(value)]) + value.encode()


HEADERS = b"".join(
    literal(*pair)
    for pair in (
        (":method", "POST"),
        (":scheme", "http"),
        (":path", EXPORT),
        (":authority", "x"),
        ("content-type", "application/grpc"),
    )
)


def closed_within(sock: socket.socket, seconds: float) -> bool:
    """Whether the far end closes the connection in time, whatever it says before."""
    sock.settimeout(seconds)
    deadline = time.monotonic() + seconds
    try:
        while time.monotonic() < deadline:
            if not sock.recv(65536):
                return True
    except TimeoutError:
        return False
    except ConnectionError:
        return True
    return False


@pytest.mark.parametrize(
    ("port", "first"),
    [
        ("grpc", b""),
        ("grpc", b"P"),
        ("grpc", PREFACE[:23]),
        ("http", b""),
        ("http", b"POST /v1/traces HTTP/1.1\r\nHost: x\r\nContent-"),
    ],
)
def test_a_peer_that_never_finishes_its_first_words_is_hung_up_on(tmp_path, engine, port, first):
    with door(tmp_path, engine, receivers__otlp__read_timeout=0.5) as r, connect(r, port) as sock:
        sock.sendall(first)
        assert closed_within(sock, 5)
        assert call(r, GOOD) == b""


def test_a_body_that_drips_is_refused(tmp_path, engine):
    with door(tmp_path, engine, receivers__otlp__read_timeout=0.5) as r, connect(r, "http") as sock:
        head = f"POST /v1/traces HTTP/1.1\r\nHost: x\r\nContent-Type: {PROTOBUF}\r\nContent-Length: 100000\r\n\r\n"
        sock.sendall(head.encode())
        answer = []
        reader = threading.Thread(target=lambda: answer.append(sock.recv(65536)))
        reader.start()
        while reader.is_alive():
            try:
                sock.sendall(b"\0")
            except ConnectionError:
                break
            time.sleep(0.05)
        reader.join()
        assert answer[0].startswith(b"HTTP/1.1 400 ")


def test_a_body_cut_off_in_the_middle_leaves_nothing(tmp_path, engine):
    with door(tmp_path, engine) as r:
        with connect(r, "http") as sock:
            head = f"POST /v1/traces HTTP/1.1\r\nHost: x\r\nContent-Type: {PROTOBUF}\r\nContent-Length: 1000\r\n\r\n"
            sock.sendall(head.encode() + b"half")
        with connect(r, "grpc") as sock:
            sock.sendall(PREFACE + frame(4, 0, 0) + frame(1, 4, 1, HEADERS) + frame(0, 0, 1, b"\0\0\0\0\x20half"))
        assert call(r, GOOD) == b""
        r.wait_until_decided()
        assert r.summary()["spans"]["received"] == 1


def test_a_peer_that_only_listens_any_more_is_answered(tmp_path, engine):
    with door(tmp_path, engine) as r, connect(r, "http") as sock:
        sock.sendall(said())
        sock.shutdown(socket.SHUT_WR)
        assert sock.recv(65536).startswith(b"HTTP/1.1 200 ")


@pytest.mark.parametrize("size", [100_000, 10_000_000])
def test_giant_headers_are_refused(tmp_path, engine, size):
    with door(tmp_path, engine) as r:
        with connect(r, "http") as sock:
            try:
                sock.sendall(b"POST /v1/traces HTTP/1.1\r\nHost: x\r\nX: " + b"a" * size)
            except ConnectionError:
                pass
            assert closed_within(sock, 5)
        with pytest.raises(grpc.RpcError), grpc.insecure_channel(f"127.0.0.1:{r.ports['grpc']}") as channel:
            channel.unary_unary(EXPORT)(GOOD, timeout=10, metadata=(("x", "a" * min(size, 200_000)),))
        assert call(r, GOOD) == b""


def test_resets_and_junk_frames_do_not_tire_it(tmp_path, engine):
    """The kernel hangs up; grpcio bears some of it, and serves the others all the same."""
    with door(tmp_path, engine) as r:
        with connect(r, "grpc") as sock:
            opened = b"".join(
                frame(1, 4, stream, HEADERS) + frame(3, 0, stream, b"\0\0\0\x08") for stream in range(1, 20_001, 2)
            )
            try:
                sock.sendall(PREFACE + frame(4, 0, 0) + opened)
            except ConnectionError:
                pass
            assert engine == "portable" or closed_within(sock, 10)
        for junk in (b"\xff" * 4096, frame(0, 0, 0, b"x"), frame(8, 0, 0, b"\0\0\0\0"), frame(9, 4, 1, b"x" * 100)):
            with connect(r, "grpc") as sock:
                sock.sendall(PREFACE + frame(4, 0, 0) + junk)
                assert engine == "portable" or closed_within(sock, 5)
        assert call(r, GOOD) == b""


def test_connections_over_the_limit_are_closed_and_counted(tmp_path, engine):
    with door(tmp_path, engine, receivers__otlp__max_connections=2) as r:
        with connect(r, "http"), connect(r, "http"):
            time.sleep(0.2)
            with connect(r, "http") as third:
                assert closed_within(third, 5)
        time.sleep(0.2)
        assert post(r, GOOD, {})[0].status == 200
        assert r.collector.receiver.counts["refused", "connections"] >= 1


def test_an_idle_connection_is_closed_in_peace(tmp_path, engine):
    with door(tmp_path, engine, receivers__otlp__idle_timeout=0.5, receivers__otlp__read_timeout=0.3) as r:
        connection = http.client.HTTPConnection("127.0.0.1", r.ports["http"], timeout=10)
        connection.request("POST", "/v1/traces", GOOD, {"Content-Type": PROTOBUF})
        assert connection.getresponse().read() == b""
        assert closed_within(connection.sock, 5)


def test_a_method_that_does_not_exist_is_said_to(tmp_path, engine):
    with door(tmp_path, engine) as r, grpc.insecure_channel(f"127.0.0.1:{r.ports['grpc']}") as channel:
        with pytest.raises(grpc.RpcError) as caught:
            channel.unary_unary("/grpc.health.v1.Health/Check")(b"", timeout=10)
        assert caught.value.code() is grpc.StatusCode.UNIMPLEMENTED
        assert post(r, GOOD, {}, "/v1/profiles")[0].status == 404
