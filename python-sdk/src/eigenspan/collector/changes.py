"""What is changed on kept spans: old names become the registry's, and calibration is added.

A span's bytes are read from the log where they must be known; what is returned are cuts and additions for `splice`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import polars as pl

from eigenspan.calibration.attributes import age_attributes, backend_attributes
from eigenspan.calibration.estimators import circuit_attributes
from eigenspan.collector.calibrate import Calibrated, unconfirmed
from eigenspan.collector.circuit import read_usage
from eigenspan.collector.conform import conform, conformed, parse
from eigenspan.collector.due import Hold
from eigenspan.collector.enrich import Value, encode_attributes
from eigenspan.collector.spans import Add

if TYPE_CHECKING:
    from opentelemetry.proto.trace.v1.trace_pb2 import Span

    from eigenspan.calibration.asof import AsOfIndex
    from eigenspan.calibration.snapshot import Snapshot
    from eigenspan.collector.log import Log, Place


_PLACE = ("position", "offset", "length")
_CIRCUIT = "quantum.circuit."  # how the keys begin that `read_usage` reads
_TOLD = 1000  # snapshots and states of their backends of which it is remembered how they are told


@dataclass(frozen=True, slots=True)
class Calibrations:
    """The as-of index of every snapshot, the way to a whole document by its version, and how long to wait for a poll."""

    index: Callable[[], AsOfIndex]
    document: Callable[[str], Snapshot]
    wait_s: float = 0.0

    def hold(self) -> Hold | None:
        """Lets due traces wait for the poll that confirms their snapshot; None where nothing waits."""
        return Hold(lambda quantum: unconfirmed(quantum, self.index()), self.wait_s) if self.wait_s else None


@dataclass(frozen=True, slots=True)
class Conventions:
    """Whether kept spans are brought to the registry's names, of which version, and whether the old ones stay beside."""

    schema: str
    normalise: bool = True
    keep_original: bool = False


class Changes:
    """Works the changes out, and counts them."""

    def __init__(self, log: Log, calibrations: Calibrations, conventions: Conventions) -> None:
        self._log, self._calibrations, self._conventions = log, calibrations, conventions
        self.normalised: Counter[str] = Counter()  # what `conform` did
        self.enriched: Counter[tuple[str, str, str]] = Counter()  # backend, calibration version, match
        self._read: dict[tuple[int, int], Span] = {}  # what the last call of `of` brought to the registry's names
        self._told: dict[object, Add] = {}

    def of(self, spans: pl.DataFrame, calibrated: Sequence[Calibrated]) -> dict[tuple[int, int], Add]:
        """What is cut from and added to kept spans, by position and offset."""
        foreign = spans.filter("foreign").select(_PLACE).rows() if self._conventions.normalise else []
        ran = [(c.position, c.offset, c.length) for c in calibrated if c.match.snapshot is not None]
        raw = self._raw([*foreign, *ran])
        self._read = {at: span for at in (place[:2] for place in foreign) if (span := parse(raw[at])) is not None}
        changes = self._names()
        for found in calibrated:
            at = found.position, found.offset
            changed = changes.get(at, ())
            tells = _CIRCUIT.encode() in raw.get(at, b"") or any(key.startswith(_CIRCUIT) for key, _ in changed)
            span = (self._read.get(at) or parse(raw[at])) if tells else None
            changes[at] = changed + self._calibration(found, span)
        return changes

    def _raw(self, places: Sequence[Place]) -> dict[tuple[int, int], bytes]:
        places = list(dict.fromkeys(places))
        return {place[:2]: data for place, data in zip(places, self._log.read_parts(places), strict=True)}

    def _names(self) -> dict[tuple[int, int], Add]:
        keep_original = self._conventions.keep_original
        changed = {at: conform(s, self.normalised, keep_original=keep_original) for at, s in self._read.items()}
        return {at: change for at, change in changed.items() if change}

    def _calibration(self, found: Calibrated, span: Span | None) -> Add:
        summary = found.match.snapshot
        if summary is None:
            self.enriched["", "", found.match.kind] += 1
            return self._said(found)
        self.enriched[summary.backend, summary.version, found.match.kind] += 1
        own: dict[str, Value] = dict(age_attributes(summary, found.executed_ns))
        if span is not None and (usage := read_usage(span)) is not None:
            own |= circuit_attributes(self._calibrations.document(summary.version), usage)
        return self._said(found) + encode_attributes(own)

    def _said(self, found: Calibrated) -> Add:
        """What all spans are told that ran under one snapshot, encoded once."""
        summary = found.match.snapshot
        which = (summary.provider, summary.backend, summary.version) if summary else None
        key = (which, found.match.kind, found.status, found.changed)
        if key not in self._told:
            if len(self._told) >= _TOLD:
                self._told.clear()
            attributes = backend_attributes(summary, None, found.match.kind, found.status, changed=found.changed)
            self._told[key] = encode_attributes(attributes)
        return self._told[key]

    def conforming(self, position: int, offset: int, length: int) -> Span | None:
        """The message of a span as it leaves; None where the library cannot read what scan could."""
        span = self._read.get((position, offset))
        if span is None:
            data = self._log.read_part(position, offset, length)
            keep_original = self._conventions.keep_original
            span = conformed(data, keep_original=keep_original) if self._conventions.normalise else parse(data)
        return span
