"""A hybrid request: a language model advises on the route, deterministic checks judge its answer, a circuit runs.

The model is a stub server that answers as chat servers do, so that the example needs no account.
"""

from __future__ import annotations

import json
import threading
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import pairwise
from typing import Any

import cirq

import eigenspan
from eigenspan.sdk import llm

TEMPLATE = "Where shall a circuit of {qubits} qubits run? Answer as JSON."
SHAPE = {
    "type": "object",
    "required": ["route"],
    "properties": {"route": {"type": "string", "enum": ["qpu", "simulator"]}},
}


@contextmanager
def model_server(answer: str = '{"route": "simulator"}') -> Iterator[str]:
    """A server that always gives the same answer."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            message = {"choices": [{"message": {"content": answer}, "finish_reason": "stop"}], "model": "small-1-2026",
                       "usage": {"prompt_tokens": 17, "completion_tokens": 6}}  # fmt: skip
            body = json.dumps(message).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}/v1/chat/completions"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def ask(url: str, prompt: str) -> str:
    """The model's answer."""
    with llm.llm_request(
        "small-1", provider="example", prompt=prompt, template="route-advice", template_version="3", temperature=0.0
    ) as asked:
        body = json.dumps(
            {"model": "small-1", "temperature": 0.0, "messages": [{"role": "user", "content": prompt}]}
        ).encode()
        request = urllib.request.Request(url, body, {"Content-Type": "application/json"})
        with urllib.request.urlopen(request, timeout=10) as response:
            found = json.load(response)
        text, used = str(found["choices"][0]["message"]["content"]), found["usage"]
        asked.answered(
            text, input_tokens=used["prompt_tokens"], output_tokens=used["completion_tokens"], model=found["model"]
        )
    return text


def handle(url: str, qubits: int = 2) -> dict[str, int]:
    """One request: counts of a GHZ state, by way of the route that was advised, or of a fallback if the advice is no good."""
    with eigenspan.workflow(
        "hybrid", version="2.1", correlation_id="req-1", workload_class="standard", circuit_family="ghz"
    ) as run:
        with eigenspan.spans.prompt_construction(
            llm_prompt_template_name="route-advice", llm_prompt_template_version="3"
        ):
            prompt = TEMPLATE.format(qubits=qubits)
        advice = ask(url, prompt)
        verdicts = llm.check(advice, llm.JsonSchema(SHAPE), llm.RepeatConsistency(lambda: ask(url, prompt), repeats=1))
        good = all(verdict.passed for verdict in verdicts)
        route = json.loads(advice)["route"] if good else "simulator"
        reason = "advice" if good else "no advice"
        with eigenspan.spans.decision(route_taken=route, route_alternatives=["qpu", "simulator"], route_reason=reason):
            pass
        if good:
            counts = ghz(qubits)
        else:
            with eigenspan.spans.fallback(fallback_kind="simulator", route_reason="the advice did not pass its checks"):
                counts = ghz(qubits)
        run.outcome(success=True, degraded=not good)
    return counts


def ghz(qubits: int) -> dict[str, int]:
    """Counts of a GHZ state."""
    line = cirq.LineQubit.range(qubits)
    chain = [cirq.CNOT(a, b) for a, b in pairwise(line)]
    result = cirq.Simulator(seed=7).run(
        cirq.Circuit(cirq.H(line[0]), chain, cirq.measure(*line, key="m")), repetitions=100
    )
    with eigenspan.spans.post_process() as span:
        counts = {format(value, f"0{qubits}b"): n for value, n in result.histogram(key="m").items()}
        span.set(result_size=len(counts))
    return counts


if __name__ == "__main__":
    eigenspan.setup("hybrid-service")
    with model_server() as server_url:
        print(handle(server_url))
    eigenspan.shutdown()
