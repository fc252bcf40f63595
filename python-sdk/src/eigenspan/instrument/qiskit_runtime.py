# ruff: noqa: SLF001 - what is to be remembered about other people's objects is left on them
"""Qiskit IBM Runtime: jobs on the service, the sessions and batches that hold them, and what a backend says of its queue.

Its primitives and fake backends are subclasses of Qiskit's own and have their spans from `eigenspan.instrument.qiskit`, which this
instrumentor starts if need be. A session is a batch span from its opening to its closing: what is run in its `with` block is below
it, other jobs in it link to it. A job on the service is submitted there and waited for here. When it has ended, the job, its
queue and its execution follow from IBM's own times, one more request a job, unless `jobs=False` leaves them to `eigenspan jobs
watch`. The result is fetched by the user alone, since a private job gives it once.
"""

from __future__ import annotations

import copy
import weakref
from collections.abc import Collection
from functools import partial
from typing import TYPE_CHECKING, Any

import qiskit_ibm_runtime
from opentelemetry import context as otel
from opentelemetry import trace
from opentelemetry.instrumentation.utils import is_instrumentation_enabled
from qiskit_ibm_runtime.runtime_job_v2 import RuntimeJobV2

from eigenspan.instrument._base import Instrumentor, when_imported
from eigenspan.instrument._ibm_jobs import job_of
from eigenspan.instrument._jobs import finish
from eigenspan.instrument._propagate import listed
from eigenspan.instrument._qiskit_facts import backend_facts
from eigenspan.instrument._qiskit_jobs import launch
from eigenspan.instrument._telemetry import Operation, Telemetry, enabled, silent, under
from eigenspan.instrument.qiskit import QiskitInstrumentor
from eigenspan.semconv import attributes as q
from eigenspan.semconv import metrics as m
from eigenspan.semconv import spans as s

if TYPE_CHECKING:
    from opentelemetry.trace import SpanContext

    from eigenspan.instrument._patch import Function, Patcher, Wrapper

Arguments = tuple[Any, ...]
Keywords = dict[str, Any]
_GROUP = otel.create_key("eigenspan-ibm-session")
_PROGRAMS = {
    "qiskit_ibm_runtime.executor.executor": "Executor",
    "qiskit_ibm_runtime.noise_learner.noise_learner": "NoiseLearner",
    "qiskit_ibm_runtime.noise_learner_v3.noise_learner_v3": "NoiseLearnerV3",
}
"""Module → the class in it that runs programs and is no primitive of Qiskit's."""


class QiskitRuntimeInstrumentor(Instrumentor):
    """Spans for what runs through Qiskit IBM Runtime."""

    scope = "eigenspan.instrument.qiskit_runtime"
    library_version = qiskit_ibm_runtime.__version__
    _started_qiskit = False

    def instrumentation_dependencies(self) -> Collection[str]:
        """The versions that the hooks are known to fit."""
        return ("qiskit-ibm-runtime >= 0.30",)

    def _instrument(self, **kwargs: Any) -> None:
        qiskit = QiskitInstrumentor()
        if not qiskit.is_instrumented_by_opentelemetry:
            qiskit.instrument(**kwargs)
            self._started_qiskit = True
        super()._instrument(**kwargs)

    def _uninstrument(self, **kwargs: Any) -> None:
        super()._uninstrument(**kwargs)
        if self._started_qiskit and QiskitInstrumentor().is_instrumented_by_opentelemetry:
            QiskitInstrumentor().uninstrument()
        self._started_qiskit = False

    def patch(self, patcher: Patcher, telemetry: Telemetry) -> None:
        """Wrap jobs on the service, sessions and batches, programs, and the status of backends."""
        jobs = _Jobs(telemetry, recorded=self.jobs)
        patcher.family(RuntimeJobV2, {"result": jobs.result, "wait_for_final_state": jobs.poll})
        patcher.method(qiskit_ibm_runtime.QiskitRuntimeService, "_run", partial(tag, recorded=self.jobs))
        patcher.method(qiskit_ibm_runtime.IBMBackend, "status", partial(_status, telemetry))
        sessions = _Sessions(telemetry)
        patcher.family(
            qiskit_ibm_runtime.Session,
            {
                "__init__": sessions.open, "__enter__": sessions.enter, "__exit__": sessions.leave,
                "close": sessions.close, "cancel": sessions.close,
            },
        )  # fmt: skip
        run = partial(_program, telemetry)
        for module, name in _PROGRAMS.items():
            when_imported(module, patcher, partial(_wrap_run, patcher, name, run))


class _Jobs:
    """Wrappers of jobs on the service."""

    def __init__(self, telemetry: Telemetry, *, recorded: bool) -> None:
        self.telemetry = telemetry
        self.recorded = recorded

    def result(self, original: Function, job: Any, args: Arguments, kwargs: Keywords) -> Any:
        attributes, link, seen = getattr(job, "_eigenspan", ({}, None, False))
        if seen or not enabled():
            with under(silent()):
                return original(job, *args, **kwargs)
        attributes = {q.QUANTUM_PROVIDER_NAME: "ibm", q.QUANTUM_JOB_ID: job.job_id(), **attributes}
        attributes.setdefault(q.QUANTUM_BACKEND_NAME, str(getattr(job._backend, "name", "")))
        try:
            with self.telemetry.span(s.RESULT, attributes[q.QUANTUM_BACKEND_NAME], attributes, link, mark=True):
                fetched = original(job, *args, **kwargs)
                job._eigenspan = (attributes, link, True)
                return fetched
        finally:
            self._finished(job)

    def poll(self, original: Function, job: Any, args: Arguments, kwargs: Keywords) -> Any:
        nothing: tuple[dict[str, Any], Any, bool] = ({}, None, False)
        attributes, link, _ = getattr(job, "_eigenspan", nothing)
        if q.QUANTUM_BACKEND_NAME not in attributes or not enabled():
            return original(job, *args, **kwargs)
        known = {**attributes, q.QUANTUM_JOB_ID: job.job_id()}
        with self.telemetry.span(s.POLL, str(attributes[q.QUANTUM_BACKEND_NAME]), known, link, mark=True):
            waited = original(job, *args, **kwargs)
        self._finished(job)
        return waited

    def _finished(self, job: Any) -> None:
        """What IBM says of the times of a job that was submitted here and has ended becomes spans, once."""
        facts = getattr(job, "_eigenspan_facts", None)
        if not self.recorded or facts is None or job._status not in job.JOB_FINAL_STATES:
            return
        if finish(self.telemetry, partial(job_of, job, facts), job._eigenspan[1]):
            del job._eigenspan_facts


class _Group:
    """The span of a session or batch under way, and how many circuits its jobs have had so far."""

    def __init__(self, operation: Operation) -> None:
        self.operation = operation
        self.circuits = 0
        self.tokens: list[Any] = []

    def join(self, circuits: int) -> SpanContext | None:
        """Count a job's circuits. Gives the span that the job's is to link to, unless it is below it anyway."""
        self.circuits += circuits
        return None if otel.get_value(_GROUP) is self else self.operation.span.get_span_context()

    def enter(self) -> None:
        self.tokens.append(otel.attach(otel.set_value(_GROUP, self, self.operation.context())))

    def leave(self, error: BaseException | None) -> None:
        if self.tokens:
            otel.detach(self.tokens.pop())
        if error is not None:
            self.end(error)

    def end(self, error: BaseException | None = None) -> None:
        self.operation.set({q.QUANTUM_CIRCUIT_COUNT: self.circuits})
        self.operation.end(error)


class _Sessions:
    """Wrappers of sessions and batches. One that nobody closes ends when it is forgotten."""

    def __init__(self, telemetry: Telemetry) -> None:
        self.telemetry = telemetry

    def open(self, original: Function, session: Any, args: Arguments, kwargs: Keywords) -> None:
        backend = args[0] if args else kwargs.get("backend")
        if hasattr(session, "_eigenspan_group") or backend is None or not enabled():
            original(session, *args, **kwargs)
            return
        facts = backend_facts(backend) | {q.QUANTUM_CIRCUIT_COUNT: 0}
        session._eigenspan_group = group = _Group(self.telemetry.start(s.BATCH, facts[q.QUANTUM_BACKEND_NAME], facts))
        weakref.finalize(session, group.end)
        try:
            with under(group.operation.context()):
                original(session, *args, **kwargs)
        except BaseException as error:
            group.end(error)
            raise

    def enter(self, original: Function, session: Any, args: Arguments, kwargs: Keywords) -> Any:
        if (group := getattr(session, "_eigenspan_group", None)) is not None:
            group.enter()
        return original(session, *args, **kwargs)

    def leave(self, original: Function, session: Any, args: Arguments, kwargs: Keywords) -> Any:
        if (group := getattr(session, "_eigenspan_group", None)) is not None:
            group.leave(args[1] if len(args) > 1 else None)
        return original(session, *args, **kwargs)

    def close(self, original: Function, session: Any, args: Arguments, kwargs: Keywords) -> Any:
        try:
            return original(session, *args, **kwargs)
        finally:
            if (group := getattr(session, "_eigenspan_group", None)) is not None:
                group.end()


def _wrap_run(patcher: Patcher, name: str, run: Wrapper, module: Any) -> None:
    patcher.method(getattr(module, name), "run", run)


def _program(telemetry: Telemetry, original: Function, runner: Any, args: Arguments, kwargs: Keywords) -> Any:
    """A run of the executor or of a noise learner, which take programs or circuits."""
    if not enabled():
        return original(runner, *args, **kwargs)
    given = args[0] if args else next(iter(kwargs.values()), ())
    run = partial(original, runner, *args, **kwargs)
    return launch(telemetry, backend_facts(runner._backend), getattr(given, "items", given), run, runner)


def _status(telemetry: Telemetry, original: Function, backend: Any, args: Arguments, kwargs: Keywords) -> Any:
    """How many jobs wait for a backend, and whether it takes any, whenever the backend is asked."""
    status = original(backend, *args, **kwargs)
    if is_instrumentation_enabled():
        labels = {q.QUANTUM_PROVIDER_NAME: "ibm", q.QUANTUM_BACKEND_NAME: str(status.backend_name)}
        telemetry.metrics.record(m.QUANTUM_BACKEND_QUEUE_JOBS, status.pending_jobs, labels)
        takes = status.operational and status.status_msg == "active"
        telemetry.metrics.record(m.QUANTUM_BACKEND_AVAILABILITY, int(takes), labels)
    return status


def tag(original: Function, service: Any, args: Arguments, kwargs: Keywords, *, recorded: bool = False) -> Any:
    """Leave the trace context of the submission in the tags of the job."""
    options = kwargs.get("options", args[2] if len(args) > 2 else None)
    here = trace.get_current_span().get_span_context()
    tags = listed(here, recorded=recorded) if is_instrumentation_enabled() else []
    if not tags:
        return original(service, *args, **kwargs)
    if options is None or isinstance(options, dict):
        options = {**(options or {}), "job_tags": [*((options or {}).get("job_tags") or ()), *tags]}
    else:
        options = copy.copy(options)
        options.job_tags = [*(options.job_tags or ()), *tags]
    if len(args) > 2:
        return original(service, *args[:2], options, *args[3:], **kwargs)
    return original(service, *args, **{**kwargs, "options": options})
