"""A server that speaks as much of IBM's Quantum Compute API as jobs and sessions need, over HTTP, for the real client.

A job goes through Queued, Running and its end, one state a look; its result is what the fake backend gives.
"""

from __future__ import annotations

import base64
import json
import re
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest.mock import patch
from urllib.parse import parse_qs, urlsplit

from qiskit_ibm_runtime import QiskitRuntimeService
from qiskit_ibm_runtime.fake_provider import FakeManilaV2
from qiskit_ibm_runtime.json import RuntimeEncoder

BACKEND = FakeManilaV2()
NAME = "ibm_manila"
CRN = "crn:v1:bluemix:public:quantum-computing:us-east:a/0:1::"
STATES = ("Queued", "Running")
CREATED = datetime(2026, 8, 1, 10, 0, 0, 500_000, UTC)


@dataclass
class Service:
    """What the server knows and has been asked. `result` is the text of every job's result."""

    jobs: dict[str, dict[str, Any]] = field(default_factory=dict)
    sessions: dict[str, dict[str, Any]] = field(default_factory=dict)
    end: str = "Completed"
    pending: int = 7
    result: str = "{}"
    asked: list[str] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def answer(self, method: str, path: str, query: dict[str, list[str]], body: dict[str, Any]) -> Any:
        """The document for a request; a text as it is, None for nothing; KeyError for what is not there."""
        with self.lock:
            self.asked.append(f"{method} {path}")
            for verb, pattern, answer in _ROUTES:
                if verb == method and (found := re.fullmatch(pattern, path)):
                    return answer(self, *found.groups(), query | body)
        raise KeyError(path)

    def submit(self, said: dict[str, Any]) -> dict[str, Any]:
        job_id = f"d{len(self.jobs):019d}"
        self.jobs[job_id] = {
            "id": job_id, "backend": said["backend"], "program": {"id": said["program_id"]}, "tags": said.get("tags", []),
            "created": CREATED.isoformat(), "session_id": said.get("session_id"), "looks": 0,
        }  # fmt: skip
        return {"id": job_id, "backend": said["backend"]}

    def state(self, job_id: str, _: dict[str, Any]) -> dict[str, Any]:
        job = self.jobs[job_id]
        looks = job["looks"]
        job["looks"] += 1
        job["state"] = {"status": STATES[looks] if looks < len(STATES) else self.end}
        if job["state"]["status"] == "Failed":
            job["state"]["reason"] = "the fridge is warm"
        return {key: value for key, value in job.items() if key != "looks"}

    def listed(self, _: dict[str, Any]) -> dict[str, Any]:
        return {"jobs": [self.jobs[job_id] for job_id in reversed(self.jobs)], "count": len(self.jobs)}

    def times(self, job_id: str, _: dict[str, Any]) -> dict[str, Any]:
        status = self.jobs[job_id].get("state", {}).get("status", "Queued")
        running = CREATED + timedelta(seconds=60) if status not in ("Queued", "Cancelled") else None
        finished = CREATED + timedelta(seconds=62) if status not in STATES else None
        return {
            "timestamps": {"created": written(CREATED), "running": written(running), "finished": written(finished)},
            "usage": {
                "status": "completed" if finished else "pending",
                "qpu_charge_time_seconds": 2 if finished else 0,
            },
        }

    def open(self, said: dict[str, Any]) -> dict[str, Any]:
        session_id = f"s{len(self.sessions)}"
        self.sessions[session_id] = {"id": session_id, "mode": said["mode"], "open": True}
        return {"id": session_id}

    def close(self, session_id: str, _: dict[str, Any]) -> None:
        self.sessions[session_id]["open"] = False

    def status(self, name: str, _: dict[str, Any]) -> dict[str, Any]:
        return {
            "backend_name": name, "backend_version": "1.0.0", "state": True, "status": "active", "message": "", "length_queue": self.pending,
        }  # fmt: skip


def written(moment: datetime | None) -> str | None:
    return moment and moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def shipped(kind: str) -> dict[str, Any]:
    """The document of the machine that the fake backend is made from."""
    found: dict[str, Any] = json.loads((Path(BACKEND.dirname) / f"{kind}_manila.json").read_text())
    return found


_ROUTES: list[tuple[str, str, Callable[..., Any]]] = [
    ("POST", "/identity/token", lambda *_: {"access_token": token(), "expires_in": 3600, "expiration": time.time() + 3600}),
    ("GET", "/backends", lambda *_: {"devices": [{"name": NAME}]}),
    ("GET", "/backends/([^/]+)/configuration", lambda _, name, __: shipped("conf") | {"backend_name": name}),
    ("GET", "/backends/([^/]+)/properties", lambda *_: shipped("props")),
    ("GET", "/backends/([^/]+)/status", Service.status),
    ("GET", "/instances/usage", lambda *_: {"usage_limit_reached": False}),
    ("POST", "/jobs", Service.submit),
    ("GET", "/jobs", Service.listed),
    ("GET", "/jobs/([^/]+)", Service.state),
    ("GET", "/jobs/([^/]+)/metrics", Service.times),
    ("GET", "/jobs/[^/]+/results", lambda service, _: service.result),
    ("POST", "/sessions", Service.open),
    ("PATCH", "/sessions/([^/]+)", Service.close),
    ("DELETE", "/sessions/([^/]+)/close", Service.close),
]  # fmt: skip


def token() -> str:
    """A JSON web token that says when it ends."""
    parts = ({"alg": "none"}, {"iat": int(time.time()), "exp": int(time.time()) + 3600})
    encoded = [base64.urlsafe_b64encode(json.dumps(part).encode()).decode().rstrip("=") for part in parts]
    return ".".join([*encoded, "c2ln"])


def result_of(circuit: Any) -> str:
    """A sampler's result of a circuit, as the service writes it."""
    from opentelemetry.instrumentation.utils import suppress_instrumentation
    from qiskit.primitives import BackendSamplerV2

    with suppress_instrumentation():
        return json.dumps(BackendSamplerV2(backend=BACKEND).run([circuit], shots=10).result(), cls=RuntimeEncoder)


@contextmanager
def serving() -> Iterator[tuple[Service, QiskitRuntimeService]]:
    """The server, and IBM's client at it."""
    state = Service()

    class Handler(BaseHTTPRequestHandler):
        def handle_any(self) -> None:
            given = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            url = urlsplit(self.path)
            try:
                said = json.loads(given) if given.startswith(b"{") else {}
                status, answer = 200, state.answer(self.command, url.path, parse_qs(url.query), said)
            except KeyError as error:
                status, answer = 404, {"errors": [{"message": f"there is no {error}"}]}
            body = answer.encode() if isinstance(answer, str) else json.dumps(answer, default=str).encode()
            self.send_response(204 if answer is None else status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(0 if answer is None else len(body)))
            self.end_headers()
            self.wfile.write(b"" if answer is None else body)

        do_GET = do_POST = do_PATCH = do_DELETE = handle_any  # noqa: N815 - http.server looks for these names

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    url = f"http://127.0.0.1:{server.server_port}"
    # IBM's own switches: another identity service, and no search for the account's instances.
    quick = SimpleNamespace(time=time.time, sleep=lambda seconds: time.sleep(seconds / 50))
    with (
        patch.dict("os.environ", {"IAM_URL": url, "QISKIT_FUNCTIONS_EXPERIMENTAL": "1"}),
        patch("qiskit_ibm_runtime.runtime_job_v2.time", quick),
    ):
        try:
            yield (
                state,
                QiskitRuntimeService(
                    channel="ibm_quantum_platform", token="t" * 44, instance=CRN, url_resolver=lambda *_: url
                ),
            )
        finally:
            server.shutdown()
            server.server_close()
            thread.join()
