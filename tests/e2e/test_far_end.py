"""Far ends that flap, dawdle, and answer nonsense: everything arrives, once where the protocol allows, and nobody waits for them."""

from __future__ import annotations

import http.server
import random
import threading
import time
from typing import ClassVar

import grpc
import pytest

from tests.e2e.harness import far_end, running
from tests.e2e.test_restart import send, spans_of

TRACES = 40


def emit(r, rng: random.Random) -> set[bytes]:
    traces = {rng.randbytes(16) for _ in range(TRACES)}
    for trace in sorted(traces):
        send(r.ports["grpc"], spans_of((trace, b"\1" * 8, b"", 2)))
    return traces


def arrived(far) -> list[bytes]:
    return [s.trace_id for _, _, s in far.spans()]


def wait_for(far, traces: set[bytes]) -> None:
    until = time.monotonic() + 40
    while not traces <= set(arrived(far)):
        assert time.monotonic() < until, f"{len(traces - set(arrived(far)))} traces have not come"
        time.sleep(0.05)


@pytest.mark.parametrize(
    "code", [grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED, grpc.StatusCode.ABORTED]
)
def test_a_far_end_that_flaps_gets_everything_and_delays_no_other(tmp_path, code):
    rng = random.Random(code.value[0])
    with far_end() as steady, far_end() as flapping:
        flapping.fail = lambda context: context.abort(code, "not now") if rng.random() < 0.6 else None
        two = f"{{a: {{type: otlp, endpoint: '127.0.0.1:{steady.port}'}}, b: {{type: otlp, endpoint: '127.0.0.1:{flapping.port}'}}}}"
        with running(tmp_path, exporters=two) as r:
            traces = emit(r, rng)
            wait_for(steady, traces)
            wait_for(flapping, traces)
            r.wait_until_decided()
        assert sorted(arrived(flapping)) == sorted(traces)
        assert sorted(arrived(steady)) == sorted(traces)


def test_a_far_end_that_is_slow_delays_no_other(tmp_path):
    with far_end() as steady, far_end() as slow:
        slow.fail = lambda context: time.sleep(2.0)
        two = f"{{a: {{type: otlp, endpoint: '127.0.0.1:{steady.port}'}}, b: {{type: otlp, endpoint: '127.0.0.1:{slow.port}'}}}}"
        with running(tmp_path, exporters=two) as r:
            traces = emit(r, random.Random(5))
            began = time.monotonic()
            wait_for(steady, traces)
            assert time.monotonic() - began < 6
            wait_for(slow, traces)


class Nonsense(http.server.BaseHTTPRequestHandler):
    """Answers that no OTLP server gives, in turn; the last is a success with a body that is cut short."""

    answers: ClassVar = [
        b"",
        b"\xff\xfe\x00garbage\r\n\r\n",
        b"HTTP/1.1 503 Busy\r\nRetry-After: soon\r\nContent-Length: 3\r\n\r\n\xff\xff\xff",
        b"HTTP/1.1 429 Too Many\r\nRetry-After: 0\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 999\r\n\r\n\xff\xff",
    ]
    bodies: ClassVar[list[bytes]]

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        answer = self.answers.pop(0) if self.answers else b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
        if answer.startswith(b"HTTP/1.1 200"):
            self.bodies.append(body)
        self.wfile.write(answer)
        self.close_connection = True

    def log_message(self, *arguments: object) -> None:
        """Quiet."""


@pytest.mark.slow
def test_nonsense_is_tried_again_and_an_unreadable_success_is_a_success(tmp_path):
    handler = type("Handler", (Nonsense,), {"bodies": [], "answers": list(Nonsense.answers)})
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        one = f"{{a: {{type: otlphttp, endpoint: 'http://127.0.0.1:{server.server_port}'}}}}"
        with running(tmp_path, exporters=one) as r:
            send(r.ports["grpc"], spans_of((b"\7" * 16, b"\1" * 8, b"", 2)))
            r.wait_until_decided(60)
            assert r.summary()["exporters"]["a"]["sent_spans"] == 1
            assert r.collector.state.backlog() == {}
    finally:
        server.shutdown()
    assert len(handler.bodies) == 1
    assert not handler.answers
