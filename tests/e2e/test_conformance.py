"""HTTP/1.1 on the wire, case by case: both engines say and count the same."""

from __future__ import annotations

import http.client
import socket
import time

import pytest

from tests.cases.door import CASES, MIB, PROTOBUF, UNTOLD, said
from tests.e2e.harness import RECEIVERS, running


@pytest.fixture(scope="module", params=RECEIVERS)
def door(request, tmp_path_factory):
    more = {"receivers.otlp.engine": request.param, "receivers.otlp.max_request_bytes": 2 * MIB}
    with running(tmp_path_factory.mktemp("data"), **more) as r:
        yield r


@pytest.fixture(scope="module", autouse=True)
def _no_thread_survives():
    """The collector of this module outlives each test on purpose."""
    return


def statuses(heads: bytes) -> list[int]:
    """The status of each answer but those that say to go on."""
    found = [int(line.split()[1]) for line in heads.split(b"\r\n") if line.startswith(b"HTTP/1.")]
    return [status for status in found if status != 100]


def exchange(port: int, sent: bytes, *, until_closed: bool = False) -> tuple[list[int], bool]:
    """The statuses that are answered, and whether the far end closes. The whole request is sent before anything is read."""
    received = b""
    with socket.create_connection(("127.0.0.1", port), timeout=5) as sock:
        try:
            sock.sendall(sent)
            while until_closed or not statuses(received):
                if not (some := sock.recv(65536)):
                    return statuses(received), True
                received += some
        except TimeoutError:
            pass
        except ConnectionError:
            return statuses(received), True
    return statuses(received), False


@pytest.mark.parametrize("name", CASES)
def test_the_answer_and_the_count(door, name):
    case, counts = CASES[name], door.collector.receiver
    before = counts.counts.copy()
    found, closed = exchange(door.ports["http"], case.sent, until_closed=case.closed)
    assert set(found) == {case.status_of(counts.name)} or (case.unheard and not found)
    assert closed == case.closed
    if case.counted != UNTOLD:
        deadline = time.monotonic() + 2
        while counts.counts == before and time.monotonic() < deadline:
            time.sleep(0.01)
        news = {key: n for key, n in (counts.counts - before).items() if key[0] != "repeated"}
        assert news == {case.counted: 1}
    assert exchange(door.ports["http"], said())[0] == [200]


def test_an_answer_is_heard_over_one_connection_again_and_again(door):
    """What is left of a refused body is read, and then the connection serves on."""
    connection = http.client.HTTPConnection("127.0.0.1", door.ports["http"], timeout=10)
    connection.connect()
    first = connection.sock
    for kind, status in (("text/plain", 415), (PROTOBUF, 400), ("text/plain", 415), (PROTOBUF, 400)):
        connection.request("POST", "/v1/traces", b"\xff" * MIB, {"Content-Type": kind})
        answer = connection.getresponse()
        assert answer.status == status
        answer.read()
        assert connection.sock is first
    connection.close()


def test_the_rest_of_a_refused_body_is_not_read_without_end(door):
    chunks = (b"10000\r\n" + bytes(0x10000) + b"\r\n") * (64 * MIB // 0x10000)
    with socket.create_connection(("127.0.0.1", door.ports["http"]), timeout=10) as sock:
        sock.sendall(said("Transfer-Encoding: chunked", kind="text/plain", body=b""))
        with pytest.raises(ConnectionError):
            sock.sendall(chunks)
