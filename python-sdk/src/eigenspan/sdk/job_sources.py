"""Providers as sources of jobs: Amazon Braket, IBM Quantum and Google, each through its own client, handed in by the caller."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any

from eigenspan.instrument._jobs import Job
from eigenspan.instrument._propagate import TRACEPARENT, mapped

RECENT = timedelta(days=7)
LIMIT = 200
BRAKET_LIMIT = 2000
"""AWS cannot be asked for tasks with a tag, so that all of the week's are looked through, a hundred a request."""


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
        pages = self._client.get_paginator("search_quantum_tasks").paginate(
            filters=filters, PaginationConfig={"PageSize": 100, "MaxItems": BRAKET_LIMIT}
        )
        tasks = (task for page in pages for task in page["quantumTasks"])
        return [task["quantumTaskArn"] for task in tasks if TRACEPARENT in (task.get("tags") or {})]


class IbmJobs:
    """Jobs at IBM Quantum, through a `QiskitRuntimeService`. Results are never fetched: a private job gives them once."""

    provider = "ibm"

    def __init__(self, service: Any) -> None:
        self._service = service

    def job(self, job_id: str, begun_ns: int | None) -> Job:
        """The job with created, running and finished as IBM's metrics have them."""
        from eigenspan.instrument._ibm_jobs import job_of

        return job_of(self._service.job(job_id))

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
        from eigenspan.instrument._google_jobs import job_of

        program, _, name = job_id.partition("/")
        return job_of(self._engine.get_program(program).get_job(name)._refresh_job())  # noqa: SLF001 - the only way to its times

    def recent(self) -> Iterable[str]:
        """The ids of a week's jobs that carry a traceparent."""
        since = datetime.now(UTC) - RECENT
        jobs = self._engine.list_jobs(created_after=since.date(), has_labels={TRACEPARENT: "*"})
        return [f"{job.program_id}/{job.id()}" for job in jobs]
