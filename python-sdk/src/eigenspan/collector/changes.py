"""What is changed on kept spans: old names become the registry's, and calibration is added.

A span's bytes are read from the log where they must be known; what is returned are cuts and additions for `splice`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import polars as pl

from eigenspan.calibration.attributes import backend_attributes
from eigenspan.calibration.estimators import circuit_attributes
from eigenspan.collector.calibrate import Calibrated, unconfirmed
from eigenspan.collector.circuit import read_usage
from eigenspan.collector.conform import conform, parse
from eigenspan.collector.due import Hold
from eigenspan.collector.enrich import Add, encode_attributes

if TYPE_CHECKING:
    from opentelemetry.proto.trace.v1.trace_pb2 import Span

    from eigenspan.calibration.asof import AsOfIndex
    from eigenspan.calibration.snapshot import Snapshot
    from eigenspan.collector.log import Log


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

    def of(self, spans: pl.DataFrame, calibrated: Sequence[Calibrated]) -> dict[tuple[int, int], Add]:
        """What is cut from and added to kept spans, by position and offset."""
        changes = self._names(spans.filter("foreign")) if self._conventions.normalise else {}
        for at, add in self._calibration(calibrated).items():
            changes[at] = changes.get(at, ()) + add
        return changes

    def _names(self, spans: pl.DataFrame) -> dict[tuple[int, int], Add]:
        changes: dict[tuple[int, int], Add] = {}
        for place in spans.select("position", "offset", "length").iter_rows():
            span = parse(self._log.read_part(*place))
            if span is not None:
                changed = conform(span, self.normalised, keep_original=self._conventions.keep_original)
                if changed:
                    changes[place[:2]] = changed
        return changes

    def _calibration(self, calibrated: Sequence[Calibrated]) -> Mapping[tuple[int, int], Add]:
        adds: dict[tuple[int, int], Add] = {}
        for found in calibrated:
            summary = found.match.snapshot
            attributes = backend_attributes(
                summary, found.executed_ns, found.match.kind, found.status, changed=found.changed
            )
            if summary is not None:
                usage = read_usage(self._log.read_part(found.position, found.offset, found.length))
                if usage is not None:
                    attributes |= circuit_attributes(self._calibrations.document(summary.version), usage)
                self.enriched[summary.backend, summary.version, found.match.kind] += 1
            else:
                self.enriched["", "", found.match.kind] += 1
            adds[found.position, found.offset] = encode_attributes(attributes)
        return adds

    def conforming(self, position: int, offset: int, length: int) -> Span | None:
        """The message of a span as it leaves; None where the library cannot read what scan could."""
        span = parse(self._log.read_part(position, offset, length))
        if span is not None and self._conventions.normalise:
            conform(span, Counter(), keep_original=self._conventions.keep_original)
        return span
