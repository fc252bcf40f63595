"""Bytes in, columns out, and columns back to bytes: the choice between the kernel and the portable engine."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Literal, Protocol

import polars as pl

from eigenspan.collector import scan_python, splice_python
from eigenspan.collector.errors import ConfigError, ScanError
from eigenspan.collector.scan_python import Looked, Scanned
from eigenspan.collector.spans import Edits, Part, Watch

try:
    import eigenspan_kernel as kernel
except ImportError:
    kernel = None  # type: ignore[assignment, unused-ignore]

__all__ = ["Engine", "EngineName", "Looked", "Scanned", "engine", "kernel"]

EngineName = Literal["auto", "kernel", "python"]


class Scan(Protocol):
    """What scans: see `Engine`."""

    def __call__(self, payloads: Sequence[bytes], watch: Watch, names: Sequence[str] = ()) -> Scanned: ...


class Look(Protocol):
    """What looks: see `Engine`."""

    def __call__(self, payloads: Sequence[bytes], watch: Watch, names: Sequence[str] = ()) -> Looked: ...


@dataclass(frozen=True, slots=True)
class Engine:
    """One of the two implementations; they differ in speed only.

    `scan(payloads, watch, names)` gives the rows of the good payloads, a ScanError for each of the others, and which
    payloads may have an attribute key in `names`.
    `look` says the same of few payloads, and leaves the rows to `columns(found, watch)`, which makes those of all that was
    found in many looks at once.
    `splice(parts, edits, restamp)` gives one ExportTraceServiceRequest with just the spans that the edits name; ValueError
    if an edit does not name a span of its part.
    """

    name: Literal["kernel", "python"]
    scan: Scan
    look: Look
    columns: Callable[[Sequence[Any], Watch], pl.DataFrame]
    splice: Callable[[Sequence[Part], Edits, Sequence[tuple[str, str]]], bytes]


def engine(name: EngineName = "auto") -> Engine:
    """The engine of this name; `auto` is the kernel where it is installed. ConfigError if it is named and absent."""
    if name == "python" or (name == "auto" and kernel is None):
        return Engine("python", scan_python.scan, scan_python.look, scan_python.columns, splice_python.splice)
    if kernel is None:
        raise ConfigError("engine 'kernel' needs the package eigenspan-kernel; valid here: 'auto', 'python'")
    return Engine("kernel", _scan_with_kernel, _look_with_kernel, _columns_with_kernel, kernel.splice)


def _scan_with_kernel(payloads: Sequence[bytes], watch: Watch, names: Sequence[str] = ()) -> Scanned:
    batch, refusals, named = _scanner(watch, tuple(names)).scan(payloads)
    errors = {payload: ScanError(reason, offset) for payload, reason, offset in refusals}
    return Scanned(pl.DataFrame(batch), errors, named)


def _look_with_kernel(payloads: Sequence[bytes], watch: Watch, names: Sequence[str] = ()) -> Looked:  # noqa: ARG001
    """Without watched columns; the bytes are scanned again for them, which costs less than a table for each look."""
    _, refusals, named = _scanner((), tuple(names)).scan(payloads)
    errors = {payload: ScanError(reason, offset) for payload, reason, offset in refusals}
    return Looked([data for number, data in enumerate(payloads) if number not in errors], errors, named)


def _columns_with_kernel(found: Sequence[bytes], watch: Watch) -> pl.DataFrame:
    batch, _, _ = _scanner(watch, ()).scan(found)
    return pl.DataFrame(batch)


@lru_cache(maxsize=16)
def _scanner(watch: Watch, names: tuple[str, ...]) -> kernel.Scanner:
    return kernel.Scanner(watch, names)
