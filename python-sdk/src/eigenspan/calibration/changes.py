"""What a new snapshot means: events of the registry, kept in the store, and a line in the log for what is significant."""

from __future__ import annotations

import logging
from typing import Any, Final

from eigenspan.calibration import names
from eigenspan.calibration.attributes import backend_attributes
from eigenspan.calibration.drift import Drift, drift
from eigenspan.calibration.errors import CalibrationError
from eigenspan.calibration.snapshot import Snapshot
from eigenspan.calibration.store import CalibrationStore, Event
from eigenspan.calibration.summary import Summary, summarise
from eigenspan.semconv import attributes as q
from eigenspan.semconv import events

_SAID: Final = (names.VERSION, names.ID, names.TIME, names.READOUT_ERROR_MEDIAN, names.TWO_QUBIT_ERROR_MEDIAN)
_MOST_QUBITS: Final = 64
_logger = logging.getLogger(__name__)


def record(store: CalibrationStore, snapshot: Snapshot) -> Drift | None:
    """Keep the events of a stored snapshot; returns the drift from the one before it, None where there is none.

    A snapshot that arrives late is compared with what held before it; events are dated when it came into force.
    """
    summary = summarise(snapshot)
    found = before_of(store, summary)
    who = {q.QUANTUM_PROVIDER_NAME: summary.provider, q.QUANTUM_BACKEND_NAME: summary.backend}
    said = backend_attributes(summary, None, "as_of")
    _put(store, summary, events.QUANTUM_BACKEND_CALIBRATION_CHANGE, who | {k: said[k] for k in _SAID if k in said})
    if found is None:
        return None
    try:
        changed = drift(store.document(found.version), snapshot)
    except CalibrationError:
        return None  # another chip under the same name
    if any(change.significant for change in changed.changes):
        _put(store, summary, events.QUANTUM_HARDWARE_EVENT, who | {q.QUANTUM_HARDWARE_CHANGE: "drift"})
        _logger.warning("%s %s drifted: %s", summary.provider, summary.backend, _in_words(changed))
    lost = sorted({qubit for site in (*changed.lost_qubits, *changed.lost_pairs) for qubit in site.split(",")})
    if lost:
        disabled = {q.QUANTUM_HARDWARE_CHANGE: "qubit_disabled", q.QUANTUM_CIRCUIT_PHYSICAL_QUBITS: lost[:_MOST_QUBITS]}
        _put(store, summary, events.QUANTUM_HARDWARE_EVENT, who | disabled)
    return changed


def before_of(store: CalibrationStore, summary: Summary) -> Summary | None:
    """The snapshot that held on the same backend just before this one."""
    timeline = store.index().timeline(summary.provider, summary.backend)
    earlier = [held for held in timeline if held.valid_from_ns < summary.valid_from_ns]
    return earlier[-1] if earlier else None


def _put(store: CalibrationStore, summary: Summary, name: str, attributes: dict[str, Any]) -> None:
    store.put_event(Event(summary.provider, summary.backend, summary.valid_from_ns, name, attributes))


def _in_words(changed: Drift) -> str:
    return ", ".join(
        f"{c.metric} {c.before:.3g} to {c.after:.3g} ({c.change:+.0%})"
        for c in changed.changes
        if c.significant and c.before is not None and c.after is not None and c.change is not None
    )
