"""The middleware, by itself and over three processes."""

from __future__ import annotations

import asyncio
import json
import os
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path
from typing import Any

import pytest
from opentelemetry import baggage

from eigenspan.sdk import spans
from eigenspan.sdk.ingress import AsgiIngress, WsgiIngress
from tests.instrument.recording import Recorder

ROOT = Path(__file__).resolve().parents[2]
PARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


def serve_asgi(headers: dict[str, str], status: int = 200, **given: Any) -> dict[str, str]:
    sent: list[Any] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        with spans.scoring():
            await send({"type": "http.response.start", "status": status, "headers": [(b"x-request-id", b"theirs")]})

    async def send(message: Any) -> None:
        sent.append(message)

    scope = {"type": "http", "headers": [(k.encode(), v.encode()) for k, v in headers.items()]}
    asyncio.run(AsgiIngress(app, **given)(scope, None, send))  # type: ignore[arg-type]
    return {k.decode(): v.decode() for k, v in sent[0]["headers"]}


def serve_wsgi(headers: dict[str, str], status: int = 200, **given: Any) -> dict[str, str]:
    sent: dict[str, str] = {}

    def app(environ: Any, start_response: Any) -> Any:
        start_response(f"{status} X", [("X-Request-ID", "theirs")])
        with spans.scoring():
            yield b"answer"

    environ = {f"HTTP_{k.upper().replace('-', '_')}": v for k, v in headers.items()}
    answer = WsgiIngress(app, **given)(environ, lambda _, found, *more: sent.update({k.lower(): v for k, v in found}))
    assert b"".join(answer) == b"answer"
    return sent


@pytest.fixture(params=[serve_asgi, serve_wsgi])
def serve(request: pytest.FixtureRequest) -> Any:
    return request.param


def test_the_callers_context_is_taken_up(recorder: Recorder, serve: Any) -> None:
    headers = {
        "traceparent": PARENT, "X-Request-ID": "r-1",
        "baggage": "quantum.request.correlation_id=c-1,quantum.request.tenant=acme,other=x",
    }  # fmt: skip
    assert serve(headers, workflow_name="w", workload_class="batch") == {"x-request-id": "r-1"}
    scoring, ingress = recorder.spans
    assert (ingress.name, ingress.kind.name) == ("ingress w", "SERVER")
    assert f"{ingress.context.trace_id:032x}" == PARENT[3:35]
    assert scoring.parent == ingress.context
    for span in recorder.spans:
        found = {key.removeprefix("quantum."): value for key, value in span.attributes.items()}
        assert (found["request.id"], found["request.correlation_id"], found["request.tenant"]) == ("r-1", "c-1", "acme")
        assert found["workload.class"] == "batch"
        assert "other" not in found
    assert baggage.get_all() == {}


def test_without_anything_from_the_caller_ids_are_made(recorder: Recorder, serve: Any) -> None:
    given = serve({})["x-request-id"]
    assert len(given) == 36
    assert {span.attributes["quantum.request.correlation_id"] for span in recorder.spans} == {given}


def test_an_empty_correlation_id_is_none(recorder: Recorder, serve: Any) -> None:
    serve({"x-request-id": "r-1", "baggage": "quantum.request.correlation_id="})
    assert {span.attributes["quantum.request.correlation_id"] for span in recorder.spans} == {"r-1"}


@pytest.mark.parametrize("bad", ["x" * 129, "a b", "a\nb", '"><script>', ""])
def test_malformed_ids_are_not_believed(recorder: Recorder, serve: Any, bad: str) -> None:
    assert serve({"x-request-id": bad, "baggage": "quantum.request.tenant=" + "t" * 300})["x-request-id"] != bad
    assert "quantum.request.tenant" not in recorder.spans[0].attributes


def test_an_answer_of_500_is_an_error(recorder: Recorder, serve: Any) -> None:
    serve({}, status=503)
    serve({}, status=404)
    assert recorder.tree()[::2] == ["ingress SERVER ! 503", "ingress SERVER"]


def test_below_another_frameworks_span_it_stays_there(recorder: Recorder, serve: Any) -> None:
    with recorder.tracer.start_as_current_span("server"):
        serve({"traceparent": PARENT})
    assert recorder.tree()[:2] == ["server INTERNAL", "  ingress SERVER"]


def test_an_answer_that_is_closed_early_ends_the_span(recorder: Recorder) -> None:
    def app(environ: Any, start_response: Any) -> Any:
        start_response("200 OK", [])
        yield b"a"
        yield b"b"

    answer = WsgiIngress(app)({}, lambda *_: None)
    assert next(iter(answer)) == b"a"
    answer.close()
    assert recorder.tree() == ["ingress SERVER"]


def free_ports(count: int) -> list[int]:
    socks = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [sock.getsockname()[1] for sock in socks]
    for sock in socks:
        sock.close()
    return ports


def written(path: Path, count: int) -> list[dict]:
    """The spans that a process has written; the last of them ends after its answer is on its way."""
    deadline = time.monotonic() + 10
    while len(lines := path.read_text().splitlines()) < count and time.monotonic() < deadline:
        time.sleep(0.01)
    return [json.loads(line) for line in lines]


def test_one_id_goes_through_three_processes_into_the_scoring(tmp_path: Path) -> None:
    pytest.importorskip("uvicorn")
    pytest.importorskip("cirq")
    ports = [*free_ports(3), 0]
    roles = ["gateway", "solver", "scorer"]
    env = {key: value for key, value in os.environ.items() if not key.startswith("OTEL_")}
    running = [
        subprocess.Popen(
            [sys.executable, str(ROOT / "tests" / "sdk" / "three.py"), role, str(ports[n]), str(ports[n + 1]), str(tmp_path / role)],
            env={**env, "PYTHONPATH": str(ROOT / "python-sdk" / "src")},
        )
        for n, role in enumerate(roles)
    ]  # fmt: skip
    try:
        for port in ports[:3]:
            wait_for(port)
        headers = {"X-Request-ID": "r-9", "traceparent": PARENT, "baggage": "quantum.request.correlation_id=c-9"}
        with urllib.request.urlopen(
            urllib.request.Request(f"http://127.0.0.1:{ports[0]}/", headers=headers), timeout=30
        ) as answer:
            assert answer.headers["X-Request-ID"] == "r-9"
            assert json.load(answer) == {"ones": 7, "score": 0.5}
        found = {role: written(tmp_path / role, count) for role, count in zip(roles, (1, 3, 2), strict=True)}
    finally:
        for process in running:
            process.terminate()
        for process in running:
            process.wait(10)
    assert [sorted(span["name"] for span in found[role]) for role in roles] == [
        ["ingress"],
        ["execute Simulator", "ingress", "workflow solve"],
        ["ingress solve", "scoring"],
    ]
    every = [span for spans in found.values() for span in spans]
    assert {span["context"]["trace_id"] for span in every} == {"0x" + PARENT[3:35]}
    assert {span["attributes"]["quantum.request.correlation_id"] for span in every} == {"c-9"}
    assert {span["attributes"]["quantum.request.id"] for span in every} == {"r-9"}
    scoring = next(span for span in found["scorer"] if span["name"] == "scoring")
    assert scoring["attributes"]["quantum.workflow.version"] == "1.0"


def wait_for(port: int) -> None:
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        try:
            socket.create_connection(("127.0.0.1", port), 0.2).close()
            return
        except OSError:
            time.sleep(0.02)
    raise TimeoutError(port)
