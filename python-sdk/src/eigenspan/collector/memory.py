"""Memory that is free and yet held: what the C library keeps for itself after a burst goes back to the system."""

from __future__ import annotations

import ctypes


def give_back() -> None:
    """Return free pages of every arena (glibc's malloc_trim); nothing where the C library has no such call."""
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(ctypes.c_size_t(0))
