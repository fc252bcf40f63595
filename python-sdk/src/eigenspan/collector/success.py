"""The estimated success probability of circuits, for rules that ask for it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from eigenspan.calibration.estimators import circuit_attributes
from eigenspan.collector.circuit import read_usage
from eigenspan.semconv.attributes import QUANTUM_CIRCUIT_CALIBRATION_SUCCESS_PROBABILITY

if TYPE_CHECKING:
    from opentelemetry.proto.trace.v1.trace_pb2 import Span

    from eigenspan.calibration.snapshot import Snapshot
    from eigenspan.collector.calibrate import Calibrated


def success_probabilities(
    calibrated: Iterable[Calibrated], read: Callable[[int, int, int], Span | None], document: Callable[[str], Snapshot]
) -> dict[tuple[int, int], float]:
    """By position and offset, of each span that names its circuit's gates and has a calibration.

    `read`: a span as it leaves, by position, offset and length; `document`: a snapshot by its version.
    """
    found = {}
    for item in calibrated:
        if item.match.snapshot is not None:
            span = read(item.position, item.offset, item.length)
            usage = read_usage(span) if span is not None else None
            attributes = circuit_attributes(document(item.match.snapshot.version), usage) if usage else {}
            value = attributes.get(QUANTUM_CIRCUIT_CALIBRATION_SUCCESS_PROBABILITY)
            if isinstance(value, float):
                found[item.position, item.offset] = value
    return found
