"""Payloads in, columns out, in Python alone: the portable engine, and what the kernel is tested against.

Two roads lead to the same rows. `scan_fast` lets the protobuf library parse, and takes its word only for a payload in
which each field is known, encoded as short as it can be, and not overwritten. `scan_slow` walks the bytes by the table in
`wire` and decides about all other payloads; only it refuses.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import polars as pl

from eigenspan.collector import scan_fast
from eigenspan.collector.errors import ScanError
from eigenspan.collector.redact import mentions
from eigenspan.collector.scan_fast import Canonical
from eigenspan.collector.scan_slow import Slow
from eigenspan.collector.scan_table import Found, Plan, plan_of, table
from eigenspan.collector.spans import Watch

_TOGETHER_BYTES = 1 << 20
"""Payloads of so many bytes are read at once: what is held of them is several times as large."""


@dataclass(frozen=True, slots=True)
class Scanned:
    """The rows of all good payloads, and why each of the others (by index) was refused.

    `named`: the good payloads that may have one of the names that the scan looked out for among their attribute keys.
    """

    columns: pl.DataFrame
    errors: dict[int, ScanError]
    named: list[int] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Looked:
    """As `Scanned`, with what `columns` makes the rows of: `found` of the good payloads, in order."""

    found: list[Any] = field(default_factory=list)
    errors: dict[int, ScanError] = field(default_factory=dict)
    named: list[int] = field(default_factory=list)


def scan(payloads: Sequence[bytes], watch: Watch, names: Sequence[str] = ()) -> Scanned:
    """Scan each payload as an ExportTraceServiceRequest. A bad payload contributes an error and no row."""
    looked = look(payloads, watch, names)
    good = [number for number in range(len(payloads)) if number not in looked.errors]
    return Scanned(table(looked.found, watch, good), looked.errors, looked.named)


def columns(found: Sequence[Found], watch: Watch) -> pl.DataFrame:
    """The rows of all that `look` found; payloads are numbered from 0, without those that are not good."""
    return table(found, watch, range(sum(len(part.spans) for part in found)))


def look(payloads: Sequence[bytes], watch: Watch, names: Sequence[str] = ()) -> Looked:
    """Scan each payload, and leave the table for later: many small ones cost more than a large one."""
    looking = _Looking(plan_of(watch), names)
    run: dict[int, Canonical] = {}
    size = 0
    for number, data in enumerate(payloads):
        one = scan_fast.canonical(looking.plan, data)
        if one is not None:
            run[number] = one
            size += len(data)
        if one is None or size >= _TOGETHER_BYTES:
            looking.fast(run)
            run, size = {}, 0
        if one is None:
            looking.slow(number, data)
    looking.fast(run)
    return looking.looked


class _Looking:
    """What was found so far, payload by payload."""

    def __init__(self, plan: Plan, names: Sequence[str]) -> None:
        self.plan, self.names = plan, names
        self.looked = Looked()

    def fast(self, run: dict[int, Canonical]) -> None:
        """Add payloads that follow one another, by their numbers."""
        read = scan_fast.read(self.plan, list(run.values()), self.names) if run else None
        if read is not None:
            self.looked.found.append(read.found)
            if read.named:
                self.looked.named.extend(number for number, one in run.items() if mentions(one.data, self.names))
        elif len(run) > 1:  # something is odd about one of them
            for number, one in run.items():
                self.fast({number: one})
        else:
            for number, one in run.items():
                self.slow(number, one.data)

    def slow(self, number: int, data: bytes) -> None:
        """Add a payload, or why it is refused."""
        try:
            self.looked.found.append(Found.of(Slow(self.plan, data).rows()))
        except ScanError as error:
            self.looked.errors[number] = error
            return
        if mentions(data, self.names):
            self.looked.named.append(number)
