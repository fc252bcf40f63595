"""Jobs at Google's Quantum Engine: what their messages say of state and times. The id of a job is `PROGRAM/JOB`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from eigenspan.instrument._jobs import Job, nanoseconds, status_of
from eigenspan.semconv import attributes as q


def job_of(found: Any, facts: Mapping[str, Any] | None = None) -> Job:
    """The job of a `quantum.QuantumJob`, with the times of its execution status, and further facts of it."""
    _, _, _, program, _, name = found.name.split("/")
    state, timing = found.execution_status, found.execution_status.timing
    return Job(
        "google", processor_of(found), f"{program}/{name}", status_of("google", state.state.name),
        _stamp(found.create_time) or 0, _stamp(timing.started_time), _stamp(timing.completed_time),
        error=str(state.failure.error_message), tags=dict(found.labels),
        attributes={q.QUANTUM_BACKEND_SIMULATOR: False, **(facts or {})},
    )  # fmt: skip


def processor_of(found: Any) -> str:
    """The processor on which a job ran, or else is to run."""
    name = found.execution_status.processor_name or found.scheduling_config.processor_selector.processor
    return str(name).rpartition("/")[2]


def _stamp(moment: Any) -> int | None:
    """Nanoseconds of a protobuf time as the client gives it; None where it was not set."""
    return nanoseconds(moment.isoformat()) if moment is not None and moment.year > 1970 else None
