"""The door's bounds, the same for both receive engines."""

from __future__ import annotations

from dataclasses import dataclass

HEAD_BYTES = 64 << 10
HEAD_FIELDS = 100
"""The largest head of an HTTP/1.1 request: what the kernel's HTTP library allows."""
PACE_BYTES_PER_S = 64 << 10
"""A body that keeps this pace is never cut off, however large it is."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What peers may use up.

    `request_bytes`: the largest request, before and after decompression. `untaken_spans`: committed spans that the pipeline
    has not taken yet (native engine). `connections`: held at once; over both protocols in the native engine, by each protocol
    in the portable one. `read_s`: over a request's head, and without progress in a body. `idle_s`: without a request.
    """

    request_bytes: int = 64 << 20
    in_flight_bytes: int = 256 << 20
    untaken_spans: int = 500_000
    connections: int = 4096
    read_s: float = 20.0
    idle_s: float = 600.0
