"""What is said to an HTTP/1.1 client, byte for byte as it comes, and what is counted for it. Both receive engines are held to it.

Where the engines' HTTP parsers read the same bytes differently and RFC 9112 allows both, the status has one entry an engine.
"""

from __future__ import annotations

import gzip
from dataclasses import dataclass

import zstandard
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

MIB = 1 << 20
PROTOBUF = "application/x-protobuf"


def _good() -> bytes:
    message = ExportTraceServiceRequest()
    span = message.resource_spans.add().scope_spans.add().spans.add()
    span.trace_id, span.span_id, span.name = bytes(range(1, 17)), b"\1" * 8, "span"
    return message.SerializeToString()


GOOD = _good()
MALFORMED, UNTOLD = ("malformed", "traces"), ("", "")


def said(
    *fields: str, body: bytes | None = GOOD, line: str = "POST /v1/traces HTTP/1.1", kind: str = PROTOBUF
) -> bytes:
    """A request's bytes. Without fields of its own it has a Content-Length."""
    own = fields if any(f.lower().startswith(("content-length", "transfer-encoding")) for f in fields) else None
    length = () if own or body is None else (f"Content-Length: {len(body)}",)
    head = "\r\n".join([line, "Host: x", f"Content-Type: {kind}", *fields, *length, "", ""])
    return head.encode("latin-1") + (body or b"")


def chunked(body: bytes, extension: str = "") -> bytes:
    """`body` as one chunk and the end."""
    return f"{len(body):x}{extension}\r\n".encode() + body + b"\r\n0\r\n\r\n"


def compressed(encoding: str, body: bytes) -> bytes:
    """A request with a Content-Encoding."""
    return said(f"Content-Encoding: {encoding}", body=body)


@dataclass(frozen=True)
class Case:
    """What is sent, the status of the (last) answer, what is counted, and whether the connection is closed after it."""

    sent: bytes
    status: int | dict[str, int]
    counted: tuple[str, str] = UNTOLD
    closed: bool = False
    unheard: bool = False
    """The client may still be sending when the connection is closed, and then not hear the answer."""

    def status_of(self, engine: str) -> int:
        """The status that `engine` answers with."""
        return self.status if isinstance(self.status, int) else self.status[engine]


def refused(reason: str) -> tuple[str, str]:
    return ("refused", reason)


SMALL, ZSTD = gzip.compress(GOOD), zstandard.compress(GOOD)
MEDIA, HTTP = refused("unsupported_media"), refused("http")
CASES = {
    # Who is there, and how it is asked for.
    "good": Case(said(), 200),
    "HTTP/1.0": Case(said(line="POST /v1/traces HTTP/1.0"), 200, closed=True),
    "without Host": Case(said().replace(b"Host: x\r\n", b""), 200),
    "pipelined": Case(said() * 3, 200),
    "chunked": Case(said("Transfer-Encoding: chunked", body=chunked(GOOD)), 200),
    "expects to go on": Case(said("Expect: 100-continue"), 200),
    "a query": Case(said(line="POST /v1/traces?x=1 HTTP/1.1"), 200),
    "an absolute form": Case(said(line="POST http://x/v1/traces HTTP/1.1"), 200),
    "another path": Case(said(line="POST /nothing HTTP/1.1"), 404, refused("no_such_path")),
    "a slash at the end": Case(said(line="POST /v1/traces/ HTTP/1.1"), 404, refused("no_such_path")),
    "a path in per cent": Case(said(line="POST /v1/%74races HTTP/1.1"), 404, refused("no_such_path")),
    "a path with ..": Case(said(line="POST /v1/../v1/traces HTTP/1.1"), 404, refused("no_such_path")),
    "PUT": Case(said(line="PUT /v1/traces HTTP/1.1"), 405, refused("no_such_method")),
    "a method of nobody's": Case(said(line="BREW /v1/traces HTTP/1.1"), 405),
    "GET": Case(said(line="GET /v1/traces HTTP/1.1", body=None), 405, refused("no_such_method")),
    "an upgrade to h2c": Case(said("Connection: Upgrade, HTTP2-Settings", "Upgrade: h2c", "HTTP2-Settings: AAMAAABk"), 200),
    "a websocket": Case(said("Connection: Upgrade", "Upgrade: websocket", line="GET /v1/traces HTTP/1.1", body=None), 405,
                        refused("no_such_method")),
    # Framing, where requests are smuggled.
    "Content-Length, then Transfer-Encoding": Case(
        said("Content-Length: 3", "Transfer-Encoding: chunked", body=chunked(GOOD)), {"native": 200, "portable": 400}, closed=True),
    "two equal Content-Lengths": Case(
        said(f"Content-Length: {len(GOOD)}", f"Content-Length: {len(GOOD)}"), {"native": 200, "portable": 400}),
    "two other Content-Lengths": Case(
        said(f"Content-Length: {len(GOOD)}", f"Content-Length: {len(GOOD) - 1}"), 400, HTTP, closed=True),
    "Content-Length with a sign": Case(said(f"Content-Length: +{len(GOOD)}"), 400, HTTP, closed=True),
    "Content-Length past all numbers": Case(said("Content-Length: " + "9" * 30), 400, HTTP, closed=True),
    "Transfer-Encoding without an end": Case(said("Transfer-Encoding: gzip"), 400, closed=True),
    "a chunk of no size": Case(said("Transfer-Encoding: chunked", body=b"zz\r\n" + GOOD), 400, closed=True),
    "a folded field": Case(said("X: a\r\n b"), 400, HTTP, closed=True),
    "a space before the colon": Case(said("X : a"), 400, HTTP, closed=True),
    "a NUL in a field": Case(said("X: a\0b"), 400, HTTP, closed=True),
    "lines without CR": Case(said(body=None).replace(b"\r\n", b"\n"), {"native": 200, "portable": 400}),
    "no version": Case(b"GET /\r\n\r\n", 400, HTTP, closed=True),
    "a TLS hello": Case(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03hello hello hello\r\n\r\n", 400, HTTP, closed=True),
    # Sizes.
    "a head of 40 KiB": Case(said("X: " + "a" * (40 << 10)), 200),
    "a head of 80 KiB": Case(said("X: " + "a" * (80 << 10)), 431, HTTP, closed=True),
    "a head of 2 MiB": Case(said("X: " + "a" * 2 * MIB), 431, HTTP, closed=True, unheard=True),
    "200 fields": Case(said(*(f"X{i}: 1" for i in range(200))), 431, HTTP, closed=True),
    "a body over the limit": Case(said(body=bytes(3 * MIB)), 413, refused("too_large")),
    "chunks over the limit": Case(
        said("Transfer-Encoding: chunked", body=chunked(bytes(3 * MIB))), 413, refused("too_large")),
    "over the limit once inflated": Case(compressed("gzip", gzip.compress(bytes(9 * MIB))), 413, refused("too_large")),
    "over the limit once zstd is undone": Case(
        compressed("zstd", zstandard.compress(bytes(9 * MIB))), 413, refused("too_large")),
    "3 MiB to another path": Case(said(line="POST /no HTTP/1.1", body=bytes(3 * MIB)), 404, refused("no_such_path")),
    # Media.
    "no type": Case(said().replace(b"Content-Type: " + PROTOBUF.encode() + b"\r\n", b""), 415, MEDIA),
    "a type in capitals": Case(said(kind="APPLICATION/X-PROTOBUF; a=b"), 200),
    "another type": Case(said(kind="text/plain"), 415, MEDIA),
    "3 MiB of another type": Case(said(kind="text/plain", body=bytes(3 * MIB)), 415, MEDIA),
    "gzip": Case(compressed("gzip", SMALL), 200),
    "gzip in capitals": Case(compressed("GZIP ", SMALL), 200),
    "gzip cut short": Case(compressed("gzip", SMALL[:-9]), 400, MALFORMED),
    "gzip of junk": Case(compressed("gzip", b"\x1f\x8b" + b"junk" * 9), 400, MALFORMED),
    "zstd": Case(compressed("zstd", ZSTD), 200),
    "zstd in two frames": Case(compressed("zstd", zstandard.compress(GOOD[:9]) + zstandard.compress(GOOD[9:])), 200),
    "zstd cut short": Case(compressed("zstd", ZSTD[:-3]), 400, MALFORMED),
    "zstd of junk": Case(compressed("zstd", b"\x28\xb5\x2f\xfd\x00\xff" + GOOD), 400, MALFORMED),
    "another encoding": Case(compressed("br", GOOD), 415, MEDIA),
    "two encodings": Case(compressed("gzip, identity", SMALL), 415, MEDIA),
    "two encodings in two fields": Case(
        said("Content-Encoding: gzip", "Content-Encoding: identity", body=SMALL), 415, MEDIA),
    # Bodies.
    "not protobuf": Case(said(body=b"hello, world"), 400, MALFORMED),
    "not JSON": Case(said(kind="application/json", body=b'{"a":'), 400, MALFORMED),
    "no bytes": Case(said(body=b""), 200),
}  # fmt: skip
