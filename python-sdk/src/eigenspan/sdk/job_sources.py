"""Providers as sources of jobs: Amazon Braket, IBM Quantum and Google, each through its own client, handed in by the caller."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from eigenspan.instrument._jobs import Job, Status
from eigenspan.instrument._propagate import TRACEPARENT, mapped
from eigenspan.semconv import attributes as q
from eigenspan.semconv.tables import JOB_STATUS, JOB_STATUS_BY_PROVIDER

RECENT = timedelta(days=7)
LIMIT = 200


class BraketJobs:
    """Tasks at Amazon Braket, through a boto3 client for `braket`."""

    provider = "braket"

    def __init__(self, client: Any) -> None:
        self._client = client

    def job(self, job_id: str, begun_ns: int | None) -> Job:
        """The task of an ARN. AWS does not say when it began to run; `begun_ns` is when it was first seen to."""
        from eigenspan.instrument._braket_jobs import job_of

        found = self._client.get_quantum_task(quantumTaskArn=job_id, additionalAttributeNames=["QueueInfo"])
        return job_of(found, begun_ns=begun_ns)

    def recent(self) -> Iterable[str]:
        """The ARNs of a week's tasks that carry a traceparent."""
        since = (datetime.now(UTC) - RECENT).isoformat()
        filters = [{"name": "createdAt", "operator": "GTE", "values": [since]}]
        answer = self._client.search_quantum_tasks(filters=filters, maxResults=100)
        return [task["quantumTaskArn"] for task in answer["quantumTasks"] if TRACEPARENT in (task.get("tags") or {})]


class IbmJobs:
    """Jobs at IBM Quantum, through a `QiskitRuntimeService`. Results are never fetched: a private job gives them once."""

    provider = "ibm"

    def __init__(self, service: Any) -> None:
        self._service = service

    def job(self, job_id: str, begun_ns: int | None) -> Job:
        """The job with created, running and finished as IBM's metrics have them."""
        found = self._service.job(job_id)
        metrics = found.metrics()
        times: Mapping[str, Any] = metrics.get("timestamps") or {}
        usage: Mapping[str, Any] = metrics.get("usage") or {}
        status = _status("ibm", str(getattr(found.status(), "name", found.status())))
        facts: dict[str, Any] = {q.QUANTUM_BACKEND_SIMULATOR: False}
        if (used := usage.get("quantum_seconds")) is not None:
            facts[q.QUANTUM_USAGE_QPU_DURATION] = float(used)
        created = _ns(times.get("created"))
        if created is None:
            raise ValueError(f"IBM does not say when job {job_id} was created")
        return Job(
            "ibm", str(found.backend().name), job_id, status, created, _ns(times.get("running")), _ns(times.get("finished")),
            error=str(found.error_message() or "") if status is Status.FAILED else "",
            tags=tuple(found.tags or ()), attributes=facts,
        )  # fmt: skip

    def recent(self) -> Iterable[str]:
        """The ids of a week's jobs that carry a traceparent."""
        jobs = self._service.jobs(limit=LIMIT, created_after=datetime.now(UTC) - RECENT)
        return [job.job_id() for job in jobs if TRACEPARENT in mapped(job.tags or ())]


class GoogleJobs:
    """Jobs at Google, through a `cirq_google.Engine`. Ids are `PROGRAM/JOB`."""

    provider = "google"

    def __init__(self, engine: Any) -> None:
        self._engine = engine

    def job(self, job_id: str, begun_ns: int | None) -> Job:
        """The job with the times of its execution status."""
        program, _, name = job_id.partition("/")
        found = self._engine.get_program(program).get_job(name)._refresh_job()  # noqa: SLF001 - the only way to its times
        state, timing = found.execution_status, found.execution_status.timing
        processor = state.processor_name.rpartition("/")[2] or next(iter(found.scheduling_config.processor_names), "")
        return Job(
            "google", processor.rpartition("/")[2], job_id, _status("google", state.state.name), _stamp(found.create_time) or 0,
            _stamp(timing.started_time), _stamp(timing.completed_time), error=str(state.failure.error_message),
            tags=dict(found.labels), attributes={q.QUANTUM_BACKEND_SIMULATOR: False},
        )  # fmt: skip

    def recent(self) -> Iterable[str]:
        """The ids of a week's jobs that carry a traceparent."""
        since = datetime.now(UTC) - RECENT
        jobs = self._engine.list_jobs(created_after=since.date(), has_labels={TRACEPARENT: "*"})
        return [f"{job.program_id}/{job.id()}" for job in jobs]


def _status(provider: str, word: str) -> Status:
    spelled = word.lower()
    return Status(JOB_STATUS_BY_PROVIDER.get((provider, spelled)) or JOB_STATUS.get(spelled, Status.CREATED.value))


def _ns(text: Any) -> int | None:
    """Nanoseconds of an ISO 8601 instant, to the microsecond; UTC where it names no zone."""
    if not isinstance(text, str):
        return None
    moment = datetime.fromisoformat(text)
    moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return (moment - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1) * 1000


def _stamp(moment: Any) -> int | None:
    """Nanoseconds of a protobuf time as the client gives it; None where it was not set."""
    return _ns(moment.isoformat()) if moment is not None and moment.year > 1970 else None
