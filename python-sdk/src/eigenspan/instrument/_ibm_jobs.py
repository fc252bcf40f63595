"""Jobs at IBM Quantum: what the service says of their times and their use of the processor. Results are never fetched here."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from eigenspan.instrument._jobs import Job, Status, nanoseconds, status_of
from eigenspan.semconv import attributes as q


def job_of(found: Any, facts: Mapping[str, Any] | None = None) -> Job:
    """The job of a `RuntimeJobV2`, with created, running and finished as IBM's metrics have them, and further facts of it.

    Raises ValueError where IBM does not say when the job was created, and whatever the client raises.
    """
    metrics = found.metrics()
    times: Mapping[str, Any] = metrics.get("timestamps") or {}
    usage: Mapping[str, Any] = metrics.get("usage") or {}
    status = status_of("ibm", str(getattr(found.status(), "name", found.status())))
    attributes: dict[str, Any] = {q.QUANTUM_BACKEND_SIMULATOR: False, **(facts or {})}
    used = usage.get("qpu_charge_time_seconds", usage.get("quantum_seconds"))
    if used is not None and usage.get("status") != "pending":
        attributes[q.QUANTUM_USAGE_QPU_DURATION] = float(used)
    created = nanoseconds(times.get("created"))
    if created is None:
        raise ValueError(f"IBM does not say when job {found.job_id()} was created")
    return Job(
        "ibm", str(found.backend().name), found.job_id(), status, created,
        nanoseconds(times.get("running")), nanoseconds(times.get("finished")),
        error=str(found.error_message() or "") if status is Status.FAILED else "",
        tags=tuple(found.tags or ()), attributes=attributes,
    )  # fmt: skip
