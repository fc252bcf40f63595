"""OTLP/gRPC on grpcio's asyncio server, handing over raw bytes.

gRPC's own decompression is off, because it has no bound on what a message inflates to. A compressed message is known by
the gzip magic: its first byte, 0x1f, would be a protobuf tag with wire type 7, which does not exist. grpcio itself answers
UNIMPLEMENTED to zstd and RESOURCE_EXHAUSTED to what is too large, and counts neither here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import grpc

from eigenspan.collector.certificates import Certificates, Watched
from eigenspan.collector.errors import EigenspanError, TooLarge
from eigenspan.collector.otlp import GZIP_MAGIC, SIGNALS, gunzip, rpc_status

if TYPE_CHECKING:
    from eigenspan.collector.bounds import Limits
    from eigenspan.collector.receive import Door
    from eigenspan.collector.spans import Signal

_CODES = {code.value[0]: code for code in grpc.StatusCode}


async def serve_grpc(
    door: Door, endpoint: str, limits: Limits, tls: Certificates | None = None
) -> tuple[grpc.aio.Server, int]:
    """Start a server on `endpoint`; OSError where the address is taken."""
    max_bytes = limits.request_bytes
    server = grpc.aio.server(
        options=[
            ("grpc.max_receive_message_length", max_bytes),
            ("grpc.per_message_decompression", 0),
            ("grpc.compression_enabled_algorithms_bitset", 0b101),  # none and gzip
            ("grpc.so_reuseport", 0),
            ("grpc.max_metadata_size", 16 << 10),
            ("grpc.absolute_max_metadata_size", 16 << 10),
            ("grpc.max_concurrent_streams", 256),
            ("grpc.max_allowed_incoming_connections", limits.connections),
            ("grpc.server_handshake_timeout_ms", round(limits.read_s * 1000)),
            ("grpc.max_connection_idle_ms", round(limits.idle_s * 1000)),
        ]
    )
    for signal, facts in SIGNALS.items():
        handler = grpc.unary_unary_rpc_method_handler(_export(door, signal, max_bytes))
        server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(facts.service, {"Export": handler}),))
    try:
        port = server.add_secure_port(endpoint, _credentials(tls)) if tls else server.add_insecure_port(endpoint)
    except RuntimeError as error:
        raise OSError(f"cannot listen on {endpoint} (gRPC): {error}") from error
    if not port:
        raise OSError(f"cannot listen on {endpoint} (gRPC)")
    await server.start()
    return server, port


def _credentials(tls: Certificates) -> grpc.ServerCredentials:
    watched = Watched(tls)

    def configuration() -> Any:
        chain, key, authorities = tls.bytes()
        return grpc.ssl_server_certificate_configuration([(key, chain)], root_certificates=authorities)

    def renewed() -> Any:
        return configuration() if watched.renewed() else None

    mutual = tls.client_authorities is not None
    return grpc.dynamic_ssl_server_credentials(configuration(), renewed, require_client_authentication=mutual)


def _export(door: Door, signal: Signal, max_bytes: int) -> Any:
    async def export(body: bytes, context: grpc.aio.ServicerContext) -> bytes:
        try:
            door.authenticate(str(dict(context.invocation_metadata() or ()).get("authorization", "")))
            if body.startswith(GZIP_MAGIC):
                body = gunzip(body, max_bytes)
            elif len(body) > max_bytes:
                raise TooLarge(f"the request is larger than {max_bytes} bytes")
            await door.take(signal, body, peer=context.peer())
        except EigenspanError as error:
            door.count(signal, error)
            status = rpc_status(error)
            details = (("grpc-status-details-bin", status.SerializeToString()),)
            await context.abort(_CODES[status.code], str(error)[:1000], trailing_metadata=details)
        return b""

    return export
