"""A server that speaks as much of Braket and S3 as tasks need, over HTTP, for the real client.

A task goes through CREATED, QUEUED, RUNNING and its end, one state a look.
"""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from unittest.mock import patch
from urllib.parse import unquote

import boto3
from botocore.config import Config
from braket.aws import AwsSession

QPU = "arn:aws:braket:us-east-1::device/qpu/ionq/Aria-1"
STATES = ("CREATED", "QUEUED", "RUNNING")


@dataclass
class Service:
    """What the server knows and has been asked."""

    tasks: dict[str, dict[str, Any]] = field(default_factory=dict)
    end: str = "COMPLETED"
    refuse: str = ""
    device_status: str = "ONLINE"
    waiting: dict[str, str] = field(default_factory=lambda: {"Normal": "17", "Priority": "3"})
    lock: threading.Lock = field(default_factory=threading.Lock)

    def device(self, arn: str) -> dict[str, Any]:
        tasks = [
            {"queue": "QUANTUM_TASKS_QUEUE", "queuePriority": kind, "queueSize": self.waiting[kind]}
            for kind in self.waiting
        ]
        return {
            "deviceArn": arn, "deviceName": "Aria-1", "deviceType": "QPU", "providerName": "IonQ", "deviceStatus": self.device_status,
            "deviceCapabilities": "{}", "deviceQueueInfo": [*tasks, {"queue": "JOBS_QUEUE", "queueSize": "5"}],
        }  # fmt: skip

    def create(self, body: dict[str, Any]) -> dict[str, Any]:
        with self.lock:
            arn = f"arn:aws:braket:us-east-1:123456789012:quantum-task/{len(self.tasks):036d}"
            self.tasks[arn] = {
                "quantumTaskArn": arn, "deviceArn": body["deviceArn"], "shots": body["shots"], "looks": 0,
                "deviceParameters": "{}", "tags": body.get("tags", {}), "outputS3Bucket": "results", "outputS3Directory": "tasks",
                "createdAt": now(), "associations": body.get("associations", []),
            }  # fmt: skip
        return {"quantumTaskArn": arn}

    def get(self, arn: str) -> dict[str, Any]:
        task = self.tasks[arn]
        looks = task["looks"]
        task["looks"] += 1
        status = STATES[looks] if looks < len(STATES) else self.end
        answer = {key: value for key, value in task.items() if key != "looks"} | {
            "status": status,
            "queueInfo": {
                "queue": "QUANTUM_TASKS_QUEUE",
                "queuePriority": "Normal",
                "position": "3" if status == "QUEUED" else "None",
            },
        }
        if status == self.end:
            answer["endedAt"] = task.setdefault("endedAt", now())
            if status == "FAILED":
                answer["failureReason"] = "the trap lost its ions"
        return answer


def now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def result_document() -> str:
    """A result as S3 has it."""
    return json.dumps(
        {
            "braketSchemaHeader": {"name": "braket.task_result.gate_model_task_result", "version": "1"},
            "measurements": [[0, 0], [1, 1]] * 5,
            "measuredQubits": [0, 1],
            "taskMetadata": {
                "braketSchemaHeader": {"name": "braket.task_result.task_metadata", "version": "1"},
                "id": "x", "shots": 10, "deviceId": QPU,
            },
            "additionalMetadata": {
                "action": {
                    "braketSchemaHeader": {"name": "braket.ir.openqasm.program", "version": "1"},
                    "source": "OPENQASM 3.0;", "inputs": {},
                },
            },
        }
    )  # fmt: skip


@contextmanager
def serving() -> Iterator[tuple[Service, AwsSession]]:
    """The service, and a session whose requests go to it."""
    service = Service()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def answer(self, body: str, status: int = 200, **headers: str) -> None:
            data = body.encode()
            self.send_response(status)
            for name, value in {
                "Content-Type": "application/json",
                "Content-Length": str(len(data)),
                **headers,
            }.items():
                self.send_header(name.replace("_", "-"), value)
            self.end_headers()
            self.wfile.write(data)

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            if service.refuse:
                self.answer(json.dumps({"message": service.refuse}), 400, x_amzn_ErrorType="ValidationException")
            else:
                self.answer(json.dumps(service.create(body)), 201)

        def do_GET(self) -> None:
            path = unquote(self.path.partition("?")[0])
            if path.startswith("/quantum-task/"):
                self.answer(json.dumps(service.get(path.removeprefix("/quantum-task/"))))
            elif path.startswith("/device/"):
                self.answer(json.dumps(service.device(path.removeprefix("/device/"))))
            else:
                self.answer(result_document())

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    url = f"http://127.0.0.1:{server.server_address[1]}"
    keys = {"aws_access_key_id": "test", "aws_secret_access_key": "test", "region_name": "us-east-1"}
    boto = boto3.Session(**keys)
    session = AwsSession(
        boto, boto.client("braket", endpoint_url=url, config=Config(retries={"max_attempts": 0}, proxies={}))
    )
    try:
        with patch.dict(os.environ, AWS_ENDPOINT_URL_S3=url):
            yield service, session
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
