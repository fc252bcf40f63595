"""A counting sink: OTLP/gRPC in, span and trace counts out, in a process of its own.

`python -m tests.bench.sink PORT` answers every export and prints its counts as JSON when it gets SIGTERM.
"""

from __future__ import annotations

import json
import signal
import sys
import threading
from collections import Counter
from concurrent import futures

import grpc
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest


def main(port: int) -> None:
    """Serve until SIGTERM."""
    traces: Counter[bytes] = Counter()
    done = threading.Event()

    def export(body: bytes, _context: grpc.ServicerContext) -> bytes:
        for resource in ExportTraceServiceRequest.FromString(body).resource_spans:
            for scope in resource.scope_spans:
                traces.update(span.trace_id for span in scope.spans)
        return b""

    server = grpc.server(futures.ThreadPoolExecutor(4), options=[("grpc.max_receive_message_length", 64 << 20)])
    handler = grpc.method_handlers_generic_handler(
        "opentelemetry.proto.collector.trace.v1.TraceService", {"Export": grpc.unary_unary_rpc_method_handler(export)}
    )
    server.add_generic_rpc_handlers((handler,))
    server.add_insecure_port(f"127.0.0.1:{port}")
    server.start()
    signal.signal(signal.SIGTERM, lambda *_: done.set())
    print("ready", flush=True)
    done.wait()
    server.stop(1)
    print(json.dumps({trace.hex(): count for trace, count in traces.items()}), flush=True)


if __name__ == "__main__":
    main(int(sys.argv[1]))
