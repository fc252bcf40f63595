"""An OTLP/gRPC door that hands what comes to a validator."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import grpc

METHODS = (
    "/opentelemetry.proto.collector.trace.v1.TraceService/Export",
    "/opentelemetry.proto.collector.metrics.v1.MetricsService/Export",
    "/opentelemetry.proto.collector.logs.v1.LogsService/Export",
)
MAX_MESSAGE = 64 * 2**20


class _Door(grpc.GenericRpcHandler):  # type: ignore[misc]
    def __init__(self, take: Callable[[bytes], None]) -> None:
        self._take = take
        self._one = threading.Lock()

    def service(self, details: Any) -> Any:
        """The handler of a method; None where it is not OTLP's."""
        return grpc.unary_unary_rpc_method_handler(self._export) if details.method in METHODS else None

    def _export(self, request: bytes, _context: Any) -> bytes:
        with self._one:
            self._take(request)
        return b""


@contextmanager
def listening(address: str, take: Callable[[bytes], None]) -> Iterator[str]:
    """Serve while the block runs; gives the address in use. `take` is called with one request at a time."""
    host, _, port = address.rpartition(":")
    pool = ThreadPoolExecutor(2, thread_name_prefix="eigenspan-validate")
    server = grpc.server(pool, options=[("grpc.max_receive_message_length", MAX_MESSAGE), ("grpc.so_reuseport", 0)])
    server.add_generic_rpc_handlers((_Door(take),))
    bound = server.add_insecure_port(f"{host or '127.0.0.1'}:{port}")
    server.start()
    try:
        yield f"{host or '127.0.0.1'}:{bound}"
    finally:
        server.stop(grace=1.0).wait()
        pool.shutdown()
