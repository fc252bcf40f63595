"""Tasks of Amazon Braket as jobs: what GetQuantumTask and a result say of times, shots and cost."""

from __future__ import annotations

import logging
from datetime import datetime
from typing import TYPE_CHECKING, Any

from eigenspan.instrument._braket_facts import STATUS, device_facts, outcome, region_of
from eigenspan.instrument._jobs import ENDED, Job, Status
from eigenspan.instrument._prices import Cost
from eigenspan.semconv import attributes as q

if TYPE_CHECKING:
    from collections.abc import Mapping

_LOG = logging.getLogger(__name__)
RESERVATION = "RESERVATION_TIME_WINDOW_ARN"


def job_of(metadata: Mapping[str, Any], result: Any = None, begun_ns: int | None = None) -> Job:
    """The job that GetQuantumTask describes.

    AWS tells when a task was created and when it ended. It began to run when it ended less the duration that a simulator's result
    states, or when somebody first saw it run (`begun_ns`); else, if it was completed, it is taken to have run all the time, which is
    the most that it can have run.
    """
    arn = str(metadata["quantumTaskArn"])
    device = str(metadata["deviceArn"])
    status = STATUS.get(str(metadata.get("status")), Status.CREATED)
    facts = device_facts(device)
    provider, backend = facts.pop(q.QUANTUM_PROVIDER_NAME), facts.pop(q.QUANTUM_BACKEND_NAME)
    facts |= {q.QUANTUM_JOB_SHOTS: int(metadata.get("shots") or 0), **region_of(arn), **outcome(result)}
    created, ended = _ns(metadata["createdAt"]), _ns(metadata.get("endedAt"))
    assert created is not None
    started, ran_s = begun_ns, _simulated_s(result)
    if ran_s is not None and ended is not None:
        started = ended - int(ran_s * 1e9)
    elif started is None and status is Status.COMPLETED:
        started = created
    if any(one.get("type") == RESERVATION for one in metadata.get("associations") or ()) and ran_s is not None:
        facts[q.QUANTUM_USAGE_RESERVED_DURATION] = ran_s
    return Job(
        provider, backend, arn, status, created, started, ended,
        error=str(metadata.get("failureReason") or ""),
        tags=dict(metadata.get("tags") or {}),
        attributes=facts,
        cost=_tracked_cost(arn, device, metadata, ran_s) if status in ENDED else None,
    )  # fmt: skip


def _ns(moment: Any) -> int | None:
    return int(moment.timestamp() * 1000) * 1_000_000 if isinstance(moment, datetime) else None


def _simulated_s(result: Any) -> float | None:
    simulated = getattr(getattr(result, "additional_metadata", None), "simulatorMetadata", None)
    ms = getattr(simulated, "executionDuration", None)
    return None if ms is None else ms / 1000


def _tracked_cost(arn: str, device: str, metadata: Mapping[str, Any], ran_s: float | None) -> Cost | None:
    """The cost of one task by Braket's own tracker and price list, where the program tracks that task.

    The first time the tracker fetches the price list, as it would when the program asks it for costs.
    """
    from braket.tracking import Tracker
    from braket.tracking.tracking_context import active_trackers
    from braket.tracking.tracking_events import _TaskCompletionEvent, _TaskCreationEvent

    if not any(arn in tracker.tracked_resources() for tracker in list(active_trackers())):
        return None
    reserved = any(one.get("type") == RESERVATION for one in metadata.get("associations") or ())
    tracker = Tracker()
    created = _TaskCreationEvent(arn, int(metadata.get("shots") or 0), bool(metadata.get("jobArn")), device)
    tracker.receive_event(created)
    duration_ms = None if ran_s is None else ran_s * 1000
    tracker.receive_event(_TaskCompletionEvent(arn, duration_ms, str(metadata.get("status")), reserved))
    try:
        qpu, simulator = float(tracker.qpu_tasks_cost()), float(tracker.simulator_tasks_cost())
    except Exception as error:  # noqa: BLE001 - the price list is somebody else's, and may be out of reach
        _LOG.warning("the cost of task %s is not known: %s", arn, type(error).__name__)
        return None
    part = q.QuantumCostType.TIME if simulator else q.QuantumCostType.SHOT
    return Cost("USD", {part.value: qpu + simulator})
