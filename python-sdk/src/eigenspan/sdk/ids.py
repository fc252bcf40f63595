"""Trace and span ids from the operating system's randomness.

OpenTelemetry's own generator draws from the `random` module: a program that seeds it gets the same trace ids again, and tracing
changes the program's next random number.
"""

from __future__ import annotations

import os

from opentelemetry.sdk.trace.id_generator import IdGenerator


class SystemIdGenerator(IdGenerator):
    """Ids that neither depend on the state of any generator of the program nor change it, also after a fork."""

    def generate_span_id(self) -> int:
        """A random 64-bit number that is not 0."""
        while not (number := int.from_bytes(os.urandom(8))):
            pass
        return number

    def generate_trace_id(self) -> int:
        """A random 128-bit number that is not 0."""
        while not (number := int.from_bytes(os.urandom(16))):
            pass
        return number

    def is_trace_id_random(self) -> bool:
        """The last 56 bits are random, as consistent sampling asks."""
        return True
