"""OTLP around the payload: what each signal is called, decompression within a bound, JSON to protobuf, and answers."""

from __future__ import annotations

import base64
import binascii
import json
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import zstandard
from google.protobuf import json_format
from google.rpc.error_details_pb2 import RetryInfo
from google.rpc.status_pb2 import Status
from opentelemetry.proto.collector.logs.v1 import logs_service_pb2
from opentelemetry.proto.collector.metrics.v1 import metrics_service_pb2
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2

from eigenspan.collector.errors import BadData, EigenspanError, TooLarge, Unauthenticated, Unavailable, UnsupportedMedia

if TYPE_CHECKING:
    from google.protobuf.message import Message

    from eigenspan.collector.spans import Signal

PROTOBUF, JSON = "application/x-protobuf", "application/json"
GZIP_MAGIC = b"\x1f\x8b"
_ZSTD_WINDOW_BYTES = 8 << 20
_ZSTD_STEP_BYTES = 512
_ID_KEYS = {"traceId", "spanId", "parentSpanId", "trace_id", "span_id", "parent_span_id"}


@dataclass(frozen=True, slots=True)
class SignalFacts:
    """How OTLP carries a signal. `rejected`: the field of a partial success that counts what was not taken."""

    path: str
    service: str
    request: type[Message]
    response: type[Message]
    rejected: str


_PACKAGE = "opentelemetry.proto.collector"
SIGNALS: dict[Signal, SignalFacts] = {
    "traces": SignalFacts(
        "/v1/traces", f"{_PACKAGE}.trace.v1.TraceService",
        trace_service_pb2.ExportTraceServiceRequest, trace_service_pb2.ExportTraceServiceResponse, "rejected_spans",
    ),
    "metrics": SignalFacts(
        "/v1/metrics", f"{_PACKAGE}.metrics.v1.MetricsService",
        metrics_service_pb2.ExportMetricsServiceRequest, metrics_service_pb2.ExportMetricsServiceResponse,
        "rejected_data_points",
    ),
    "logs": SignalFacts(
        "/v1/logs", f"{_PACKAGE}.logs.v1.LogsService",
        logs_service_pb2.ExportLogsServiceRequest, logs_service_pb2.ExportLogsServiceResponse, "rejected_log_records",
    ),
}  # fmt: skip
_GRPC = {"invalid": 3, "exhausted": 8, "unavailable": 14, "unauthenticated": 16}


def gunzip(data: bytes, limit: int) -> bytes:
    """Decompress gzip (also several members in a row); TooLarge past `limit` bytes, BadData where it is broken."""
    out: list[bytes] = []
    total = 0
    while data:
        inflate = zlib.decompressobj(wbits=31)
        try:
            part = inflate.decompress(data, limit + 1 - total)
        except zlib.error as error:
            raise BadData(f"the body is not valid gzip: {error}") from error
        out.append(part)
        total += len(part)
        if total > limit:
            raise TooLarge(f"the body is larger than {limit} bytes once decompressed")
        if not inflate.eof:
            raise BadData("the gzip body is cut short")
        data = inflate.unused_data
    return out[0] if len(out) == 1 else b"".join(out)


def unzstd(data: bytes, limit: int) -> bytes:
    """Decompress zstd (also several frames in a row); TooLarge past `limit` bytes, BadData where it is broken.

    A block of four bytes makes up to 128 KiB, so a frame is fed a little at a time.
    """
    out: list[bytes] = []
    total = at = 0
    while at < len(data):
        frame = zstandard.ZstdDecompressor(max_window_size=_ZSTD_WINDOW_BYTES).decompressobj()
        while not frame.eof:
            if at >= len(data):
                raise BadData("the zstd body is cut short")
            try:
                part = frame.decompress(data[at : at + _ZSTD_STEP_BYTES])
            except zstandard.ZstdError as error:
                raise BadData(f"the body is not valid zstd: {error}") from error
            at = min(at + _ZSTD_STEP_BYTES, len(data)) - len(frame.unused_data)
            out.append(part)
            total += len(part)
            if total > limit:
                raise TooLarge(f"the body is larger than {limit} bytes once decompressed")
    return b"".join(out)


def decompressor(encoding: str) -> Callable[[bytes, int], bytes]:
    """What undoes an HTTP Content-Encoding within a limit of bytes; UnsupportedMedia for one that we do not know."""
    match encoding:
        case "" | "identity":
            return lambda data, _limit: data
        case "gzip":
            return gunzip
        case "zstd":
            return unzstd
    raise UnsupportedMedia(f"Content-Encoding {encoding!r} is not supported; send gzip, zstd or none")


def json_to_protobuf(signal: Signal, data: bytes) -> bytes:
    """The protobuf bytes of an OTLP/JSON request: ids are hexadecimal there, unknown fields are ignored."""
    try:
        document = json.loads(data)
        if not isinstance(document, dict):
            raise BadData(f"the body is not OTLP/JSON {signal}: it is no object")
        _ids_to_base64(document)
        message = json_format.ParseDict(document, SIGNALS[signal].request(), ignore_unknown_fields=True)
    except RecursionError as error:
        raise BadData("the JSON body is nested too deeply") from error
    except (ValueError, json_format.ParseError, TypeError, AttributeError) as error:
        raise BadData(f"the body is not OTLP/JSON {signal}: {error}") from error
    return bytes(message.SerializeToString())


def _ids_to_base64(node: Any) -> None:
    if isinstance(node, dict):
        for key, value in node.items():
            if key in _ID_KEYS and isinstance(value, str):
                try:
                    node[key] = base64.b64encode(binascii.unhexlify(value)).decode()
                except ValueError as error:
                    raise BadData(f"{key} {value!r} is not hexadecimal") from error
            else:
                _ids_to_base64(value)
    elif isinstance(node, list):
        for value in node:
            _ids_to_base64(value)


def http_status(error: EigenspanError) -> int:
    """The HTTP status for an error at the door."""
    match error:
        case Unavailable():
            return 503
        case Unauthenticated():
            return 401
        case TooLarge():
            return 413
        case UnsupportedMedia():
            return 415
        case BadData():
            return 400
    return 500


def rpc_status(error: EigenspanError) -> Status:
    """The google.rpc.Status for an error at the door, with RetryInfo where the client should come back."""
    status = Status(message=str(error))
    match error:
        case Unavailable(retry_after_s=seconds):
            status.code = _GRPC["unavailable"]
            retry = RetryInfo()
            retry.retry_delay.FromMilliseconds(round(seconds * 1000))
            status.details.add().Pack(retry)
        case TooLarge():
            status.code = _GRPC["exhausted"]
        case Unauthenticated():
            status.code = _GRPC["unauthenticated"]
        case _:
            status.code = _GRPC["invalid"]
    return status


def error_body(error: EigenspanError, content_type: str) -> bytes:
    """An HTTP error body in the encoding that the client spoke."""
    status = rpc_status(error)
    if content_type == JSON:
        return json.dumps({"code": status.code, "message": status.message}).encode()
    return bytes(status.SerializeToString())
