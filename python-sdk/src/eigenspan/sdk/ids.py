"""Trace and span ids from a random state of their own.

OpenTelemetry's own generator draws from the `random` module: a program that seeds it gets the same trace ids again, and tracing
changes the program's next random number.
"""

from __future__ import annotations

import os
import random
import weakref

from opentelemetry.sdk.trace.id_generator import IdGenerator

from eigenspan.instrument._ids import NEXT


class SystemIdGenerator(IdGenerator):
    """Ids that neither depend on the state of any generator of the program nor change it.

    The state is seeded by the operating system, and again in a forked child, which would else make its parent's ids.
    """

    def __init__(self) -> None:
        self._random = random.Random(os.urandom(32))  # noqa: S311 - ids are to be distinct, not secret
        _generators.add(self)

    def reseed(self) -> None:
        """Begin anew from the operating system's randomness."""
        self._random.seed(os.urandom(32))

    def generate_span_id(self) -> int:
        """A random 64-bit number that is not 0, or the id that the span must have."""
        if fixed := NEXT.get():
            return fixed
        while not (number := self._random.getrandbits(64)):
            pass
        return number

    def generate_trace_id(self) -> int:
        """A random 128-bit number that is not 0."""
        while not (number := self._random.getrandbits(128)):
            pass
        return number

    def is_trace_id_random(self) -> bool:
        """The last 56 bits are random, as consistent sampling asks."""
        return True


_generators: weakref.WeakSet[SystemIdGenerator] = weakref.WeakSet()


def _reseed_all() -> None:
    for generator in list(_generators):
        generator.reseed()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_reseed_all)
