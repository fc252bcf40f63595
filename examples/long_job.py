"""A job that outlives the process that submitted it.

    python long_job.py submit queue.json     submits and ends
    python long_job.py follow queue.json     follows the job to its end and gives its queue and execution as spans

The provider is a file here. With a real one the traceparent is in the job's tags (Braket, IBM and Google are tagged by their
instrumentors), and `eigenspan jobs watch --provider braket ARN` takes the place of `follow`.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import eigenspan
from eigenspan.sdk.jobs import Job, Status, carrier
from eigenspan.sdk.watch import Watch

QUEUED_S, RUN_S = 0.3, 0.2


def submit(provider: Path) -> None:
    """Hand a job to the provider, with the trace context in its tags."""
    eigenspan.setup("submitter", instrument=False)
    with (
        eigenspan.workflow("nightly", version="1.0", correlation_id="night-1", workload_class="batch"),
        eigenspan.spans.submit(
            provider_name="file", backend_name="file-1", job_id="job-1", job_shots=100, circuit_depth=4
        ) as span,
    ):
        job = {"id": "job-1", "created_ns": time.time_ns(), "tags": carrier(span.get_span_context())}
        provider.write_text(json.dumps(job))
    eigenspan.shutdown()


class FileJobs:
    """The provider, as a watcher asks it: a job waits, runs and is done, all by the clock."""

    provider = "file"

    def __init__(self, path: Path) -> None:
        self._path = path

    def job(self, job_id: str, begun_ns: int | None) -> Job:
        """What the provider says of the job now."""
        kept = json.loads(self._path.read_text())
        started = kept["created_ns"] + int(QUEUED_S * 1e9)
        ended = started + int(RUN_S * 1e9)
        now = time.time_ns()
        status = Status.QUEUED if now < started else Status.RUNNING if now < ended else Status.COMPLETED
        return Job(
            "file", "file-1", job_id, status, kept["created_ns"], started if now >= started else None,
            ended if now >= ended else None, tags=kept["tags"], attributes={"quantum.job.shots": 100, "quantum.circuit.depth": 4},
        )  # fmt: skip

    def recent(self) -> Iterable[str]:
        """The only job there is."""
        return ["job-1"]


def follow(provider: Path, exporter: Any) -> None:
    """Follow the job to its end."""
    with Watch(provider.with_suffix(".db"), FileJobs(provider), exporter, every_s=0.05) as watch:
        watch.discover()
        while watch.pending():
            watch.turn()
            time.sleep(0.05)


if __name__ == "__main__":
    what, where = sys.argv[1], Path(sys.argv[2])
    if what == "submit":
        submit(where)
    else:
        from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter

        follow(where, OTLPSpanExporter())
