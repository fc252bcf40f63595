"""A collector in this process, and a real OTLP endpoint behind it that remembers what it got."""

from __future__ import annotations

import asyncio
import json
import threading
import time
import urllib.request
from collections.abc import Iterator
from concurrent import futures
from contextlib import contextmanager
from pathlib import Path

import grpc
import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from eigenspan.collector.config import load
from eigenspan.collector.receive_native import HAS_NATIVE
from eigenspan.collector.service import Collector
from tests.wire import submessages

LOCAL = "127.0.0.1:0"
RECEIVERS = [
    pytest.param("portable"),
    pytest.param("native", marks=pytest.mark.skipif(not HAS_NATIVE, reason="eigenspan-kernel is not installed")),
]
"""The receive engines, as pytest parameters: one suite holds both to the same answers."""


class Far:
    """The far end: OTLP/gRPC for all signals. `fail` is called before each answer and may abort."""

    def __init__(self) -> None:
        self.bodies: list[bytes] = []
        self.others: list[tuple[str, bytes]] = []
        self.fail = lambda context: None
        self._server = grpc.server(
            futures.ThreadPoolExecutor(2), options=[("grpc.max_receive_message_length", 64 << 20)]
        )
        for signal, service in (("trace", "Trace"), ("metrics", "Metrics"), ("logs", "Logs")):
            handler = grpc.unary_unary_rpc_method_handler(self._answer(signal))
            name = f"opentelemetry.proto.collector.{signal}.v1.{service}Service"
            self._server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(name, {"Export": handler}),))
        self.port = self._server.add_insecure_port(LOCAL)
        self._server.start()

    def _answer(self, signal: str):
        def export(body: bytes, context: grpc.ServicerContext) -> bytes:
            self.fail(context)
            if signal == "trace":
                self.bodies.append(body)
            else:
                self.others.append((signal, body))
            return b""

        return export

    def spans(self):
        """Every (resource, scope, span) that arrived."""
        for body in self.bodies:
            for resource in ExportTraceServiceRequest.FromString(body).resource_spans:
                for scope in resource.scope_spans:
                    for span in scope.spans:
                        yield resource, scope, span

    def raw_spans(self) -> dict[tuple[bytes, bytes], bytes]:
        """The bytes of every span as they arrived, by trace and span id."""
        found = {}
        for body in self.bodies:
            for resource in submessages(body, 1):
                for scope in submessages(resource, 2):
                    for raw in submessages(scope, 2):
                        span = Span.FromString(raw)
                        found[span.trace_id, span.span_id] = raw
        return found

    def stop(self) -> None:
        self._server.stop(None).wait()


class Running:
    """A collector on a loop of its own."""

    def __init__(self, data: Path, overrides: list[str]) -> None:
        self._data, self._overrides = data, overrides
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="test-loop")
        self._thread.start()
        self.collector: Collector

    def start(self) -> None:
        settings = load(None, overrides=self._overrides)
        settings.service.data = str(self._data)
        self.collector = Collector(settings)
        self._call(self.collector.start())

    def stop(self) -> None:
        self._call(self.collector.stop())

    def _call(self, coroutine):
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result(60)

    def close(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    @property
    def ports(self) -> dict[str, int]:
        return self.collector.ports

    def get(self, name: str, path: str) -> str:
        with urllib.request.urlopen(f"http://127.0.0.1:{self.ports[name]}{path}", timeout=10) as answer:
            return answer.read().decode()

    def summary(self) -> dict:
        return json.loads(self.get("page", "/api/summary"))

    def wait_until_decided(self, timeout_s: float = 30) -> None:
        """Return once nothing is open, undrained, or waiting to be sent."""
        deadline = time.monotonic() + timeout_s
        c = self.collector
        while time.monotonic() < deadline:
            backlog = sum(waiting for waiting, _ in c.state.backlog().values())
            joined = c.metrics.spans and c.traces.position >= c.metrics.through  # what is counted is open, or was
            if joined and not len(c.traces) and not c.receiver.undrained and not backlog:
                return
            time.sleep(0.05)
        raise AssertionError(f"not decided after {timeout_s} s: {len(c.traces)} open, {c.state.backlog()}")


def overrides(**more: object) -> list[str]:
    """Settings for a test: free ports, short waits."""
    base = {
        "receivers.otlp.protocols.grpc.endpoint": LOCAL,
        "receivers.otlp.protocols.http.endpoint": LOCAL,
        "extensions.page.endpoint": LOCAL,
        "extensions.telemetry.endpoint": LOCAL,
        "extensions.health.endpoint": LOCAL,
        "processors.sampling.settle": 0.3,
        "processors.sampling.idle": 1.5,
        "processors.calibration.shipped": "false",
        "service.tick_interval": 0.05,
    }
    return [f"{key}={value}" for key, value in (base | {k.replace("__", "."): v for k, v in more.items()}).items()]


@contextmanager
def running(data: Path, **more: object) -> Iterator[Running]:
    """A started collector, stopped at the end."""
    r = Running(data, overrides(**more))
    try:
        r.start()
        try:
            yield r
        finally:
            r.stop()
    finally:
        r.close()


@contextmanager
def far_end() -> Iterator[Far]:
    """A far end, stopped at the end."""
    far = Far()
    try:
        yield far
    finally:
        far.stop()
