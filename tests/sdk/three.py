"""A service in three processes: `gateway` (ASGI) asks `solver` (WSGI), which asks `scorer` (WSGI). Started by test_ingress.py."""

from __future__ import annotations

import json
import sys
import urllib.request
from pathlib import Path
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, make_server

from opentelemetry import propagate
from opentelemetry.sdk.trace.export import ConsoleSpanExporter, SimpleSpanProcessor

import eigenspan
from eigenspan.sdk.ingress import AsgiIngress, WsgiIngress


def ask(port: int) -> Any:
    headers: dict[str, str] = {}
    propagate.inject(headers)
    with urllib.request.urlopen(
        urllib.request.Request(f"http://127.0.0.1:{port}/", headers=headers), timeout=20
    ) as answer:
        return json.load(answer)


def solver(after: int) -> Any:
    import cirq

    qubit = cirq.LineQubit(0)
    circuit = cirq.Circuit(cirq.X(qubit), cirq.measure(qubit, key="m"))

    def app(environ: dict[str, Any], start_response: Any) -> list[bytes]:
        with eigenspan.workflow("solve", version="1.0"):
            ones = int(cirq.Simulator().run(circuit, repetitions=7).measurements["m"].sum())
            score = ask(after)["score"]
        start_response("200 OK", [("Content-Type", "application/json")])
        return [json.dumps({"ones": ones, "score": score}).encode()]

    return app


def scorer(_: int) -> Any:
    def app(environ: dict[str, Any], start_response: Any) -> list[bytes]:
        with eigenspan.spans.scoring(training_model_name="risk", result_confidence=0.9):
            score = 0.5
        start_response("200 OK", [("Content-Type", "application/json")])
        return [json.dumps({"score": score}).encode()]

    return app


def gateway(after: int) -> Any:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        body = json.dumps(ask(after)).encode()
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"application/json")]})
        await send({"type": "http.response.body", "body": body})

    return app


class Quiet(WSGIRequestHandler):
    def log_message(self, *_: Any) -> None:
        pass


if __name__ == "__main__":
    role, port, after, out = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), Path(sys.argv[4])
    exporter = ConsoleSpanExporter(out=out.open("w"), formatter=lambda span: span.to_json(indent=None) + "\n")
    eigenspan.setup(role, processors=[SimpleSpanProcessor(exporter)])
    app = {"gateway": gateway, "solver": solver, "scorer": scorer}[role](after)
    if role == "gateway":
        import uvicorn

        uvicorn.run(AsgiIngress(app), port=port, log_level="error", lifespan="off")
    else:
        make_server("127.0.0.1", port, WsgiIngress(app), handler_class=Quiet).serve_forever()
