"""A variational eigensolver behind an ASGI service. `uvicorn vqe_service:app` serves it; run as a program it asks itself once."""

from __future__ import annotations

import asyncio
import json
import math
from typing import Any

import cirq

import eigenspan
from eigenspan.sdk.ingress import AsgiIngress

QUBIT = cirq.LineQubit(0)
REPETITIONS = 200


def energy(angle: float) -> float:
    """The mean of Z after a rotation, measured."""
    with eigenspan.spans.circuit_assembly(circuit_name="ansatz") as assembly:
        circuit = cirq.Circuit(cirq.rx(angle)(QUBIT), cirq.measure(QUBIT, key="z"))
        assembly.describe(circuit)
    ones = cirq.Simulator(seed=7).run(circuit, repetitions=REPETITIONS).measurements["z"].mean()
    with eigenspan.spans.post_process(result_size=2):
        return 1 - 2 * float(ones)


def solve(steps: int = 3) -> float:
    """The lowest energy that a search of the angle by halves finds."""
    low, high = 0.0, 2 * math.pi
    best = 1.0
    with eigenspan.workflow("vqe", version="1.0", workload_class="interactive", circuit_family="vqe") as run:
        with eigenspan.spans.algorithm(algorithm_name="vqe", problem_type="ground_state", problem_size=1) as search:
            for index in range(steps):
                with eigenspan.spans.layer(layer_index=index, layer_type="variational"):
                    middle = (low + high) / 2
                    best = min(best, energy(middle))
                    low, high = (middle, high) if energy(middle + 0.1) < energy(middle - 0.1) else (low, middle)
            search.set(algorithm_value=best)
        run.outcome(success=best < -0.9, confidence=0.95)
    return best


async def answer(scope: Any, receive: Any, send: Any) -> None:
    """The service itself."""
    body = json.dumps({"energy": await asyncio.to_thread(solve)}).encode()
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"application/json")]})
    await send({"type": "http.response.body", "body": body})


app = AsgiIngress(answer, workflow_name="vqe")


async def ask() -> dict[str, Any]:
    """One request, without a socket."""
    sent: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Any) -> None:
        sent.append(message)

    await app({"type": "http", "headers": [(b"x-request-id", b"example-1")]}, receive, send)
    found: dict[str, Any] = json.loads(sent[1]["body"])
    return found


if __name__ == "__main__":
    eigenspan.setup("vqe-service")
    print(asyncio.run(ask()))
    eigenspan.shutdown()
