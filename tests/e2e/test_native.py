"""What only the receiver in the kernel promises: bytes in flight, zstd over gRPC, a calm stop, and what a failing disk means."""

from __future__ import annotations

import gzip
import shutil
import struct
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from google.rpc.status_pb2 import Status

from eigenspan.collector.log import Log
from eigenspan.collector.receive_native import HAS_NATIVE
from tests.e2e.harness import running
from tests.e2e.test_door import GOOD, PROTOBUF, call, post, request
from tests.e2e.test_peers import HEADERS, PREFACE, connect, frame, literal

pytestmark = pytest.mark.skipif(not HAS_NATIVE, reason="eigenspan-kernel is not installed")


def native(tmp_path, **more):
    return running(tmp_path, receivers__otlp__engine="native", **more)


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
            message = zstd(request("zstd", span_id=b"\2" * 8))
            headers = frame(1, 4, 1, HEADERS + literal("grpc-encoding", "zstd"))
            sock.sendall(
                PREFACE + frame(4, 0, 0) + headers + frame(0, 1, 1, b"\1" + struct.pack(">I", len(message)) + message)
            )
            deadline = time.monotonic() + 5
            while r.summary()["spans"]["received"] < 2:
                assert time.monotonic() < deadline
                time.sleep(0.05)


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


def test_room_written_ahead_is_cut_off_by_a_stop_and_after_a_crash(tmp_path):
    with native(tmp_path) as r:
        for number in (1, 2):
            assert call(r, request("x", trace_id=bytes([number]) * 16)) == b""
        copy = Path(shutil.copytree(tmp_path / "log", tmp_path / "as a crash leaves it"))
    (stopped,), (crashed,) = (tmp_path / "log").iterdir(), copy.iterdir()
    assert crashed.stat().st_size > 100_000
    log = Log(copy)
    assert [record.position for record in log.replay(0)] == [1, 2]
    assert (log.quarantined, log.torn_bytes) == ([], 0)
    assert crashed.read_bytes() == stopped.read_bytes()
    log.close()


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
