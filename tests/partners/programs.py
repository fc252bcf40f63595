"""The real programs around the collector, started on free ports of this machine."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


def binary(variable: str, *fallbacks: Path) -> Path:
    """A program named by an environment variable; the test is skipped, and says so, where there is none."""
    for candidate in (os.environ.get(variable), *fallbacks):
        if candidate and shutil.which(str(candidate)):
            return Path(candidate)
    pytest.skip(f"{variable} names no program")


def otelcol() -> Path:
    """The Collector that `make bench-peer` builds, or OTELCOL_BIN."""
    return binary("OTELCOL_BIN", ROOT / ".peer" / "otelcol")


def free_ports(count: int) -> list[int]:
    """Ports that were free a moment ago."""
    sockets = [socket.socket() for _ in range(count)]
    try:
        for sock in sockets:
            sock.bind(("127.0.0.1", 0))
        return [sock.getsockname()[1] for sock in sockets]
    finally:
        for sock in sockets:
            sock.close()


@contextmanager
def program(command: list[str], ready_url: str | int, log: Path, timeout_s: float = 60) -> Iterator[None]:
    """Run a program until the block ends. It is ready when a URL answers 200 or a port (int) accepts."""
    with log.open("wb") as output:
        process = subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT)
    try:
        deadline = time.monotonic() + timeout_s
        while not _ready(ready_url):
            assert process.poll() is None, log.read_text()[-3000:]
            assert time.monotonic() < deadline, log.read_text()[-3000:]
            time.sleep(0.1)
        yield
    finally:
        process.terminate()
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _ready(where: str | int) -> bool:
    if isinstance(where, int):
        with socket.socket() as sock:
            return sock.connect_ex(("127.0.0.1", where)) == 0
    try:
        with urllib.request.urlopen(where, timeout=2) as answer:
            return answer.status == 200
    except (urllib.error.URLError, OSError):
        return False


def eventually(get, timeout_s: float = 30):
    """The first true value that `get` gives."""
    deadline = time.monotonic() + timeout_s
    while True:
        try:
            found = get()
        except OSError as error:  # refused, or no answer yet
            found = None
            said = error
        else:
            said = found
        if found:
            return found
        assert time.monotonic() < deadline, f"not within {timeout_s} s; last: {said}"
        time.sleep(0.2)


@contextmanager
def jaeger(directory: Path) -> Iterator[tuple[int, str]]:
    """The real Jaeger with its traces in memory: its OTLP/gRPC port and the address of its queries."""
    program_ = binary("JAEGER_BIN")
    grpc, http, query, query_grpc, health = free_ports(5)
    config = directory / "jaeger.yaml"
    config.write_text(f"""
service:
  extensions: [jaeger_storage, jaeger_query, healthcheckv2]
  pipelines: {{traces: {{receivers: [otlp], exporters: [jaeger_storage_exporter]}}}}
  telemetry: {{metrics: {{level: none}}}}
extensions:
  jaeger_query:
    storage: {{traces: memory}}
    http: {{endpoint: "127.0.0.1:{query}"}}
    grpc: {{endpoint: "127.0.0.1:{query_grpc}"}}
  jaeger_storage: {{backends: {{memory: {{memory: {{max_traces: 1000}}}}}}}}
  healthcheckv2: {{use_v2: true, http: {{endpoint: "127.0.0.1:{health}"}}}}
receivers:
  otlp: {{protocols: {{grpc: {{endpoint: "127.0.0.1:{grpc}"}}, http: {{endpoint: "127.0.0.1:{http}"}}}}}}
exporters: {{jaeger_storage_exporter: {{trace_storage: memory}}}}
""")
    with program([str(program_), "--config", str(config)], grpc, directory / "jaeger.log"):
        yield grpc, f"http://127.0.0.1:{query}"


@contextmanager
def tempo(directory: Path) -> Iterator[tuple[int, str]]:
    """The real Tempo, all in one: its OTLP/gRPC port and the address of its queries."""
    program_ = binary("TEMPO_BIN")
    otlp, http, internal = free_ports(3)
    config, address = directory / "tempo.yaml", f"http://127.0.0.1:{http}"
    config.write_text(f"""
server: {{http_listen_address: 127.0.0.1, http_listen_port: {http}, grpc_listen_address: 127.0.0.1, grpc_listen_port: {internal}}}
distributor: {{receivers: {{otlp: {{protocols: {{grpc: {{endpoint: "127.0.0.1:{otlp}"}}}}}}}}}}
storage: {{trace: {{backend: local, wal: {{path: {directory}/wal}}, local: {{path: {directory}/blocks}}}}}}
live_store: {{wal: {{path: {directory}/live}}, shutdown_marker_dir: {directory}/marker}}
block_builder: {{wal: {{path: {directory}/builder}}}}
backend_scheduler: {{local_work_path: {directory}/work}}
memberlist: {{bind_addr: [127.0.0.1], bind_port: 0}}
usage_report: {{reporting_enabled: false}}
""")
    command = [str(program_), f"-config.file={config}", "-target=all"]
    with program(command, f"{address}/ready", directory / "tempo.log", timeout_s=90):
        yield otlp, address
