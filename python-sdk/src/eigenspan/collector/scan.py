"""Bytes in, columns out, and columns back to bytes: the choice between the kernel and the portable engine."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal, Protocol

import polars as pl

from eigenspan.collector import scan_python, splice_python
from eigenspan.collector.errors import ConfigError, ScanError
from eigenspan.collector.scan_python import Scanned
from eigenspan.collector.spans import Edits, Part, Watch

try:
    import eigenspan_kernel as kernel
except ImportError:
    kernel = None  # type: ignore[assignment, unused-ignore]

__all__ = ["Engine", "EngineName", "Scanned", "engine", "kernel"]

EngineName = Literal["auto", "kernel", "python"]


class Scan(Protocol):
    """What scans: see `Engine`."""

    def __call__(self, payloads: Sequence[bytes], watch: Watch, names: Sequence[str] = ()) -> Scanned: ...


@dataclass(frozen=True, slots=True)
class Engine:
    """One of the two implementations; they differ in speed only.

    `scan(payloads, watch, names)` gives the rows of the good payloads, a ScanError for each of the others, and which
    payloads may have an attribute key in `names`.
    `splice(parts, edits, restamp)` gives one ExportTraceServiceRequest with just the spans that the edits name; ValueError
    if an edit does not name a span of its part.
    """

    name: Literal["kernel", "python"]
    scan: Scan
    splice: Callable[[Sequence[Part], Edits, Sequence[tuple[str, str]]], bytes]


def engine(name: EngineName = "auto") -> Engine:
    """The engine of this name; `auto` is the kernel where it is installed. ConfigError if it is named and absent."""
    if name == "python" or (name == "auto" and kernel is None):
        return Engine("python", scan_python.scan, splice_python.splice)
    if kernel is None:
        raise ConfigError("engine 'kernel' needs the package eigenspan-kernel; valid here: 'auto', 'python'")
    return Engine("kernel", _scan_with_kernel, kernel.splice)


def _scan_with_kernel(payloads: Sequence[bytes], watch: Watch, names: Sequence[str] = ()) -> Scanned:
    batch, refusals, named = _scanner(watch, tuple(names)).scan(payloads)
    errors = {payload: ScanError(reason, offset) for payload, reason, offset in refusals}
    return Scanned(pl.DataFrame(batch), errors, named)


@lru_cache(maxsize=16)
def _scanner(watch: Watch, names: tuple[str, ...]) -> kernel.Scanner:
    return kernel.Scanner(watch, names)
