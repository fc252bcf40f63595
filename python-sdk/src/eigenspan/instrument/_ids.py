"""Span ids that follow from what a span stands for, so that whoever makes the span makes the same one.

They are used where the provider's id generator asks for them, as `eigenspan.sdk.ids.SystemIdGenerator` does.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

NEXT: ContextVar[int] = ContextVar("eigenspan-next-span-id", default=0)
"""The id of the next span that is made here; 0 for a random one."""


def digest(provider: str, job_id: str, phase: str) -> bytes:
    """32 bytes for a phase of a job: the first 8 are its span's id, those of the phase `trace` begin with its trace's."""
    return hashlib.sha256(f"{provider}|{job_id}|{phase}".encode()).digest()


def span_id(provider: str, job_id: str, phase: str) -> int:
    """The id of the span for a phase of a job."""
    return int.from_bytes(digest(provider, job_id, phase)[:8])


@contextmanager
def next_span(number: int) -> Iterator[None]:
    """Spans made in the block have this id."""
    token = NEXT.set(number)
    try:
        yield
    finally:
        NEXT.reset(token)
