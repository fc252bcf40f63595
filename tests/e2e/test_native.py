"""What only the receiver in the kernel promises: bounds on peers that are slow, rude or many, and what a failing disk means."""

from __future__ import annotations

import gzip
import http.client
import socket
import struct
import subprocess
import sys
import threading
import time

import grpc
import pytest
from google.rpc.status_pb2 import Status

from eigenspan.collector.receive_native import HAS_NATIVE
from tests.e2e.harness import running
from tests.e2e.test_door import GOOD, PROTOBUF, call, post, request

pytestmark = pytest.mark.skipif(not HAS_NATIVE, reason="eigenspan-kernel is not installed")
PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
EXPORT = "/opentelemetry.proto.collector.trace.v1.TraceService/Export"


def native(tmp_path, **more):
    return running(tmp_path, receivers__otlp__engine="native", **more)


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
def test_a_peer_that_never_finishes_its_first_words_is_hung_up_on(tmp_path, port, first):
    with native(tmp_path, receivers__otlp__read_timeout=0.5) as r, connect(r, port) as sock:
        sock.sendall(first)
        assert closed_within(sock, 5)
        assert call(r, GOOD) == b""


def test_a_body_that_drips_is_refused(tmp_path):
    with native(tmp_path, receivers__otlp__read_timeout=0.5) as r, connect(r, "http") as sock:
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


def test_a_body_cut_off_in_the_middle_leaves_nothing(tmp_path):
    with native(tmp_path) as r:
        with connect(r, "http") as sock:
            head = f"POST /v1/traces HTTP/1.1\r\nHost: x\r\nContent-Type: {PROTOBUF}\r\nContent-Length: 1000\r\n\r\n"
            sock.sendall(head.encode() + b"half")
        with connect(r, "grpc") as sock:
            sock.sendall(PREFACE + frame(4, 0, 0) + frame(1, 4, 1, HEADERS) + frame(0, 0, 1, b"\0\0\0\0\x20half"))
        assert call(r, GOOD) == b""
        r.wait_until_decided()
        assert r.summary()["spans"]["received"] == 1


@pytest.mark.parametrize("size", [100_000, 10_000_000])
def test_giant_headers_are_refused(tmp_path, size):
    with native(tmp_path) as r:
        with connect(r, "http") as sock:
            try:
                sock.sendall(b"POST /v1/traces HTTP/1.1\r\nHost: x\r\nX: " + b"a" * size)
            except ConnectionError:
                pass
            assert closed_within(sock, 5)
        with pytest.raises(grpc.RpcError), grpc.insecure_channel(f"127.0.0.1:{r.ports['grpc']}") as channel:
            channel.unary_unary(EXPORT)(GOOD, timeout=10, metadata=(("x", "a" * min(size, 200_000)),))
        assert call(r, GOOD) == b""


def test_resets_and_junk_frames_do_not_tire_it(tmp_path):
    with native(tmp_path) as r:
        with connect(r, "grpc") as sock:
            opened = b"".join(
                frame(1, 4, stream, HEADERS) + frame(3, 0, stream, b"\0\0\0\x08") for stream in range(1, 20_001, 2)
            )
            try:
                sock.sendall(PREFACE + frame(4, 0, 0) + opened)
            except ConnectionError:
                pass
            assert closed_within(sock, 10)
        for junk in (b"\xff" * 4096, frame(0, 0, 0, b"x"), frame(8, 0, 0, b"\0\0\0\0"), frame(9, 4, 1, b"x" * 100)):
            with connect(r, "grpc") as sock:
                sock.sendall(PREFACE + frame(4, 0, 0) + junk)
                assert closed_within(sock, 5)
        assert call(r, GOOD) == b""


def test_connections_over_the_limit_are_closed_and_counted(tmp_path):
    with native(tmp_path, receivers__otlp__max_connections=2) as r:
        with connect(r, "http"), connect(r, "http"):
            time.sleep(0.2)
            with connect(r, "http") as third:
                assert closed_within(third, 5)
        time.sleep(0.2)
        assert post(r, GOOD, {})[0].status == 200
        assert r.collector.receiver.counts["refused", "connections"] >= 1


def test_an_idle_connection_is_closed_in_peace(tmp_path):
    with native(tmp_path, receivers__otlp__idle_timeout=0.5, receivers__otlp__read_timeout=0.3) as r:
        connection = http.client.HTTPConnection("127.0.0.1", r.ports["http"], timeout=10)
        connection.request("POST", "/v1/traces", GOOD, {"Content-Type": PROTOBUF})
        assert connection.getresponse().read() == b""
        assert closed_within(connection.sock, 5)


def test_bytes_in_flight_are_bounded_over_all_requests(tmp_path):
    """Two bodies that stop half-way hold most of the room; a third is told to come back, and there is room again after."""
    mib = 1 << 20
    with native(tmp_path, receivers__otlp__max_in_flight_bytes=4 * mib) as r:
        head = f"POST /v1/traces HTTP/1.1\r\nHost: x\r\nContent-Type: {PROTOBUF}\r\nContent-Length: {3 * mib}\r\n\r\n"
        with connect(r, "http") as one, connect(r, "http") as two:
            for sock in (one, two):
                sock.sendall(head.encode() + bytes(7 * mib // 4))
            time.sleep(0.5)
            answer, said = post(r, request("x" * mib), {})
            assert (answer.status, answer.getheader("Retry-After")) == (503, "1")
            assert "waiting to be written" in Status.FromString(said).message
        deadline = time.monotonic() + 5
        while post(r, request("y" * mib), {})[0].status != 200:
            assert time.monotonic() < deadline
            time.sleep(0.05)


def test_what_inflates_counts_as_it_is_inflated(tmp_path):
    with native(tmp_path, receivers__otlp__max_request_bytes=1 << 20) as r:
        small = gzip.compress(request("a" * 900_000))
        assert post(r, small, {"Content-Encoding": "gzip"})[0].status == 200
        large = gzip.compress(request("a" * 1_100_000))
        assert post(r, large, {"Content-Encoding": "gzip"})[0].status == 413


def zstd(body: bytes) -> bytes:
    """One frame with one block that is not compressed."""
    return b"\x28\xb5\x2f\xfd\xa0" + struct.pack("<I", len(body)) + struct.pack("<I", len(body) << 3 | 1)[:3] + body


def test_zstd_is_read_over_both_protocols(tmp_path):
    with native(tmp_path) as r:
        assert post(r, zstd(GOOD), {"Content-Encoding": "zstd"})[0].status == 200
        assert post(r, zstd(GOOD)[:-3], {"Content-Encoding": "zstd"})[0].status == 400
        assert post(r, b"\x28\xb5\x2f\xfd\x00\xff" + GOOD, {"Content-Encoding": "zstd"})[0].status == 400
        with connect(r, "grpc") as sock:
            message = zstd(request("zstd"))
            headers = frame(1, 4, 1, HEADERS + literal("grpc-encoding", "zstd"))
            sock.sendall(
                PREFACE + frame(4, 0, 0) + headers + frame(0, 1, 1, b"\1" + struct.pack(">I", len(message)) + message)
            )
            r.wait_until_decided()
        assert r.summary()["spans"]["received"] == 2


def test_a_method_that_does_not_exist_is_said_to(tmp_path):
    with native(tmp_path) as r, grpc.insecure_channel(f"127.0.0.1:{r.ports['grpc']}") as channel:
        with pytest.raises(grpc.RpcError) as caught:
            channel.unary_unary("/grpc.health.v1.Health/Check")(b"", timeout=10)
        assert caught.value.code() is grpc.StatusCode.UNIMPLEMENTED
        assert post(r, GOOD, {}, "/v1/profiles")[0].status == 404


def test_requests_in_flight_are_answered_at_a_stop(tmp_path):
    """A body that was half sent when the stop began is still taken, committed and answered."""
    with native(tmp_path) as r, connect(r, "http") as sock:
        head = f"POST /v1/traces HTTP/1.1\r\nHost: x\r\nContent-Type: {PROTOBUF}\r\nContent-Length: {len(GOOD)}\r\n\r\n"
        sock.sendall(head.encode() + GOOD[:10])
        time.sleep(0.3)
        late = threading.Timer(0.5, sock.sendall, [GOOD[10:]])
        late.start()
        r.stop()
        late.join()
        assert sock.recv(4096).startswith(b"HTTP/1.1 200 ")
        r.start()
        assert len(r.collector.traces) == 1


def test_segments_follow_each_other_and_are_read_again(tmp_path):
    more = {"service.log.segment_bytes": 4096, "processors.sampling.idle": 60}
    with native(tmp_path, **more) as r:
        for number in range(1, 21):
            assert call(r, request("x" * 1000, trace_id=bytes([number]) * 16)) == b""
        deadline = time.monotonic() + 5
        while len(r.collector.traces) < 20 and time.monotonic() < deadline:
            time.sleep(0.05)
        log = r.collector.log
        assert len(log._segments) > 4
        assert log.size_bytes == sum(path.stat().st_size for path in (tmp_path / "log").iterdir())
        assert len({log.read(position) for position in range(1, 21)}) == 20
    with native(tmp_path, **more) as r:
        assert len(r.collector.traces) == 20
        assert call(r, request("after")) == b""
        assert [record.position for record in r.collector.log.replay(0)][:20] == list(range(1, 21))
        assert not r.collector.log.quarantined


FULL_DISK = """
import resource, signal, sys
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
from pathlib import Path
import grpc
from tests.e2e.harness import running
from tests.e2e.test_door import call, request
with running(Path(sys.argv[1]), receivers__otlp__engine="native", service__tick_interval=5) as r:
    assert call(r, request("before")) == b""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, hard))
    try:
        call(r, request("x" * 50_000))
    except grpc.RpcError as error:
        assert error.code() is grpc.StatusCode.UNAVAILABLE, error
        assert "the log cannot be written" in error.details(), error
    else:
        raise AssertionError("acknowledged")
    resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert call(r, request("x" * 50_000)) == b""
    assert r.collector.receiver.counts["refused", "disk"] == 1
"""


def test_a_disk_that_refuses_is_said_and_what_follows_is_kept(tmp_path):
    subprocess.run([sys.executable, "-c", FULL_DISK, str(tmp_path)], check=True, timeout=60)
    with native(tmp_path) as r:
        assert len(r.collector.log._segments) == 2
        assert [record.position for record in r.collector.log.replay(0)] == [1, 3]
        assert not r.collector.log.quarantined
