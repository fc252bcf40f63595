"""Following jobs that outlive the process that submitted them.

    watch = Watch("jobs.db", BraketJobs(client), exporter)
    watch.add(arn)
    watch.turn()          # asks for what is due, exports the spans of what has ended

A job's spans have ids made from provider, job and phase, and nothing in them depends on when or where the watcher runs: after a crash
between export and note the same spans go out again, and stores that know a span by its id have it once. The job is in a trace of
its own that links to the submission (`link`), below the submission (`child`), or alone (`none`); where its tags say that the
submitter records it too, it is below the submission, as there, under the same ids. Its trace state carries the submitter's
randomness (`ot=rv:…`), so that a consistent sampler decides both halves alike.
"""

from __future__ import annotations

import logging
import sqlite3
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal, Protocol, Self, get_args

from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import Event, ReadableSpan
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import Link, SpanContext, SpanKind, Status, StatusCode, TraceFlags, TraceState

from eigenspan.instrument._ids import digest, span_id
from eigenspan.instrument._jobs import ENDED, Described, Job, describe, measure
from eigenspan.instrument._jobs import Status as JobStatus
from eigenspan.instrument._metrics import Metrics, metrics_of
from eigenspan.instrument._privacy import mask
from eigenspan.instrument._propagate import recorded_by_submitter, request, submitter
from eigenspan.instrument._telemetry import ERROR_TYPE, MESSAGE_LIMIT
from eigenspan.semconv import SCHEMA_URL
from eigenspan.semconv import attributes as q
from eigenspan.semconv.events import QUANTUM_JOB_STATUS_CHANGE

_LOG = logging.getLogger(__name__)
Style = Literal["link", "child", "none"]
STYLES: tuple[Style, ...] = get_args(Style)
SCOPE = "eigenspan.jobs"
LONGEST_WAIT_S = 3600.0
_SCHEMA = """
CREATE TABLE IF NOT EXISTS job (
  provider TEXT NOT NULL, id TEXT NOT NULL, status TEXT NOT NULL DEFAULT '', added_ns INTEGER NOT NULL, begun_ns INTEGER,
  due_ns INTEGER NOT NULL, failures INTEGER NOT NULL DEFAULT 0, problem TEXT NOT NULL DEFAULT '', done INTEGER NOT NULL DEFAULT 0,
  PRIMARY KEY (provider, id)
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS due ON job (provider, due_ns) WHERE done = 0;
"""


class JobSource(Protocol):
    """A provider, asked for its jobs."""

    @property
    def provider(self) -> str:
        """The name under which state is kept: braket, ibm or google."""

    def job(self, job_id: str, begun_ns: int | None) -> Job:
        """The job as the provider describes it; `begun_ns` is when it was first seen to run. Raises whatever the client raises."""

    def recent(self) -> Iterable[str]:
        """The ids of jobs that are worth following, newest first."""


class Watch:
    """Jobs of one provider that are followed, kept in a SQLite file that several watches and processes may share."""

    def __init__(
        self,
        path: str | Path,
        source: JobSource,
        exporter: SpanExporter,
        *,
        style: Style = "link",
        service_name: str = "eigenspan-jobs",
        every_s: float = 15.0,
        meter_provider: Any = None,
        now_ns: Callable[[], int] = time.time_ns,
    ) -> None:
        if style not in STYLES:
            raise ValueError(f"propagation style {style!r} is not known; valid are {', '.join(STYLES)}")
        self._source = source
        self._exporter = exporter
        self._style = style
        self._resource = Resource({"service.name": service_name})
        self._every_ns = int(every_s * 1e9)
        self._listed_ns = -self._every_ns
        self._metrics: Metrics = metrics_of(SCOPE, meter_provider)
        self._now_ns = now_ns
        self._db = sqlite3.connect(path, timeout=10.0, isolation_level=None)
        self._db.execute("PRAGMA journal_mode = WAL")
        self._db.executescript(_SCHEMA)

    def close(self) -> None:
        """Close the state. Nothing is lost: a turn that is not noted is done again."""
        self._db.close()

    def add(self, *job_ids: str) -> int:
        """Follow these jobs; gives how many are new."""
        now = self._now_ns()
        rows = [(self._source.provider, job_id, now, now) for job_id in job_ids]
        insert = "INSERT INTO job (provider, id, added_ns, due_ns) VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING"
        return self._db.executemany(insert, rows).rowcount

    def discover(self) -> int:
        """Follow recent jobs that the provider lists, asked at most once in `every_s`; gives how many are new."""
        now_ns = self._now_ns()
        if now_ns < self._listed_ns + self._every_ns:
            return 0
        self._listed_ns = now_ns
        try:
            return self.add(*self._source.recent())
        except Exception as error:  # noqa: BLE001 - whatever a provider's client raises, the jobs that are known go on
            _LOG.warning("recent jobs are asked for later: %s", _problem(error))
            return 0

    def pending(self) -> int:
        """How many jobs have not ended."""
        found = self._db.execute("SELECT count(*) FROM job WHERE provider = ? AND done = 0", (self._source.provider,))
        return int(found.fetchone()[0])

    def turn(self) -> int:
        """Ask for each job that is due; gives how many ended. A job that cannot be asked for is asked for later, ever less often."""
        query = "SELECT id, begun_ns, failures FROM job WHERE provider = ? AND done = 0 AND due_ns <= ? ORDER BY due_ns"
        due = self._db.execute(query, (self._source.provider, self._now_ns())).fetchall()
        return sum(self._look(*row) for row in due)

    def _look(self, job_id: str, begun_ns: int | None, failures: int) -> bool:
        try:
            job = self._source.job(job_id, begun_ns)
            if job.status is JobStatus.RUNNING and begun_ns is None:
                begun_ns = self._now_ns()
            if not job.ended:
                self._note(job_id, job.status.value, begun_ns)
                return False
            self._export(job)
        except Exception as error:  # noqa: BLE001 - whatever a provider's client raises, the other jobs go on
            problem = _problem(error)
            _LOG.warning("job %s is asked for later: %s", job_id, problem)
            self._note(job_id, "", begun_ns, failures=failures + 1, problem=problem)
            return False
        return True

    def _export(self, job: Job) -> None:
        """Send the spans; then note it and count, once for each job whoever watches."""
        above = request(job.tags)
        spans = spans_of(job, self._style, self._resource)
        if spans and self._exporter.export(spans) is not SpanExportResult.SUCCESS:
            raise ConnectionError("the collector did not take the spans")
        done = "UPDATE job SET done = 1, status = ?, problem = '' WHERE provider = ? AND id = ? AND done = 0"
        if self._db.execute(done, (job.status.value, self._source.provider, job.id)).rowcount:
            measure(self._metrics, job, above)

    def _note(self, job_id: str, status: str, begun_ns: int | None, *, failures: int = 0, problem: str = "") -> None:
        wait_ns = min(self._every_ns * 2 ** min(failures, 20), int(LONGEST_WAIT_S * 1e9))
        self._db.execute(
            "UPDATE job SET status = coalesce(nullif(?, ''), status), begun_ns = ?, due_ns = ?, failures = ?, problem = ?"
            " WHERE provider = ? AND id = ?",
            (status, begun_ns, self._now_ns() + wait_ns, failures, problem, self._source.provider, job_id),
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def spans_of(job: Job, style: Style, resource: Resource) -> list[ReadableSpan]:
    """The spans of a job that has ended, the same ones whenever they are made; none if its submitter's were not sampled.

    Where the submitter records the job itself they are its, below the submission.
    """
    style = "child" if recorded_by_submitter(job.tags) else style
    found = submitter(job.tags) if style != "none" else None
    if found is not None and not found[0].trace_flags.sampled:
        return []
    submit, randomness = found or (None, "")
    trace_id = (
        submit.trace_id if submit and style == "child" else int.from_bytes(digest(job.provider, job.id, "trace")[:16])
    )
    state = TraceState([("ot", f"rv:{randomness}")]) if randomness else TraceState()
    scope = InstrumentationScope(SCOPE, schema_url=SCHEMA_URL)
    parent = submit if style == "child" else None
    link = [Link(submit)] if submit and style == "link" else []
    made = []
    for described in describe(job, request(job.tags)):
        number = span_id(job.provider, job.id, described.phase)
        context = SpanContext(trace_id, number, is_remote=False, trace_flags=TraceFlags(1), trace_state=state)
        made.append(
            ReadableSpan(
                f"{described.phase} {job.backend}",
                context=context,
                parent=parent,
                resource=resource,
                attributes=described.attributes | _error(described),
                events=_events(job) if described.phase == "job" else (),
                links=link if described.phase != "queue" else [],
                kind=SpanKind[described.kind.kind.upper()],
                instrumentation_scope=scope,
                status=Status(StatusCode.ERROR, mask(described.message)[:MESSAGE_LIMIT])
                if described.error_type
                else Status(),
                start_time=described.start_ns,
                end_time=described.end_ns,
            )
        )
        if described.phase == "job":
            parent = context
    return made


def _problem(error: Exception) -> str:
    return mask(f"{type(error).__name__}: {error}")[:MESSAGE_LIMIT]


def _error(described: Described) -> dict[str, str]:
    return {ERROR_TYPE: described.error_type} if described.error_type else {}


def _events(job: Job) -> list[Event]:
    """The job's way, each step at its own time."""
    steps = [(JobStatus.QUEUED, job.created_ns), (JobStatus.RUNNING, job.started_ns), (job.status, job.ended_ns)]
    events, before = [], JobStatus.CREATED
    for status, when in steps:
        if when is not None:
            change = {
                q.QUANTUM_JOB_ID: job.id,
                q.QUANTUM_JOB_STATUS: status.value,
                q.QUANTUM_JOB_PREVIOUS_STATUS: before.value,
            }
            if status in ENDED and status is not JobStatus.COMPLETED:
                change[ERROR_TYPE] = status.value
            events.append(Event(QUANTUM_JOB_STATUS_CHANGE, change, when))
            before = status
    return events


@contextmanager
def listed(path: str | Path) -> Iterator[Iterator[tuple[str, str, str, int, str]]]:
    """What a state file knows: provider, id, status, failures, problem. The file must exist."""
    database = sqlite3.connect(f"file:{Path(path).resolve()}?mode=ro", uri=True)
    try:
        yield iter(database.execute("SELECT provider, id, status, failures, problem FROM job ORDER BY added_ns, id"))
    finally:
        database.close()
