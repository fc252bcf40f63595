# ruff: noqa: SLF001 - what is to be remembered about other people's objects is left on them
"""Processors of Cirq-Google and their jobs, real and simulated.

A processor's run is a submit span. The first time that somebody asks a job for its results there is a result span. A simulated job
runs then (or in its own thread) and has an execute span; asked again, it runs again, which is no new execution. When a real one
has ended, the job, its queue and its execution follow from Google's times, unless `jobs=False` leaves them to a watcher.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import cirq
from opentelemetry import context as otel
from opentelemetry import trace

from eigenspan.instrument._base import when_imported
from eigenspan.instrument._cirq_facts import circuit_facts
from eigenspan.instrument._google_jobs import job_of, processor_of
from eigenspan.instrument._jobs import counted, finish
from eigenspan.instrument._propagate import labels
from eigenspan.instrument._telemetry import Telemetry, enabled, silent, total, under
from eigenspan.semconv import attributes as q
from eigenspan.semconv import spans as s

if TYPE_CHECKING:
    from collections.abc import Sequence

    from opentelemetry.context import Context

    from eigenspan.instrument._patch import Function, Patcher

Arguments = tuple[Any, ...]
Keywords = dict[str, Any]


class Engine:
    """Wrappers for cirq_google.engine."""

    def __init__(self, telemetry: Telemetry, *, jobs: bool) -> None:
        self.telemetry = telemetry
        self.jobs = jobs

    def patch(self, patcher: Patcher) -> None:
        """Wrap processors and jobs, whoever defines them, each when its module has been imported.

        Not when `cirq_google` has been: Cirq may be instrumented in the middle of that import.
        """
        package = "cirq_google.engine."
        when_imported(
            package + "abstract_processor",
            patcher,
            lambda module: patcher.family(module.AbstractProcessor, {"run_sweep_async": self.submit}),
        )
        when_imported(
            package + "abstract_job",
            patcher,
            lambda module: patcher.family(
                module.AbstractJob, {"results_async": self.results, "batched_results_async": self.results}
            ),
        )
        when_imported(
            package + "simulated_local_job",
            patcher,
            lambda module: self.patch_simulated(patcher, module.SimulatedLocalJob),
        )

    def patch_simulated(self, patcher: Patcher, job: type) -> None:
        """Wrap the jobs that run in this process."""
        patcher.method(job, "__init__", self.made)
        patcher.method(job, "_execute_results", self.execute)

    async def submit(self, original: Function, processor: Any, args: Arguments, kwargs: Keywords) -> Any:
        if not enabled():
            return await original(processor, *args, **kwargs)
        attributes = _backend(processor.processor_id, simulated=_is_simulated(processor))
        attributes |= _shots(kwargs.get("repetitions", 1))
        with self.telemetry.span(s.SUBMIT, processor.processor_id, attributes) as operation:
            if operation.recording:
                operation.set(circuit_facts(_circuits(args[0] if args else kwargs.get("program")), placed=True))
            here = operation.span.get_span_context()
            remote = processor.__module__.endswith("engine_processor")
            if remote:
                kwargs["job_labels"] = {**labels(here, recorded=self.jobs), **(kwargs.get("job_labels") or {})}
            job = await original(processor, *args, **kwargs)
            operation.set({q.QUANTUM_JOB_ID: _job_id(job), q.QUANTUM_JOB_STATUS: q.QuantumJobStatus.CREATED.value})
            job._eigenspan_submit = here
            if remote:
                job._eigenspan_facts = counted(operation.attributes)
            return job

    async def results(self, original: Function, job: Any, args: Arguments, kwargs: Keywords) -> Any:
        if not enabled():
            return await original(job, *args, **kwargs)
        if getattr(job, "_eigenspan_results", False):
            with under(silent()):
                return await original(job, *args, **kwargs)
        name = _processor_of(job)
        attributes = _backend(name, simulated=_is_simulated(job)) | {q.QUANTUM_JOB_ID: _job_id(job)}
        try:
            with self.telemetry.span(s.RESULT, name, attributes, _submitted(job)):
                results = await original(job, *args, **kwargs)
                job._eigenspan_results = True
                return results
        finally:
            self._finished(job)

    def _finished(self, job: Any) -> None:
        """What Google says of the times of a job that was submitted here and has ended becomes spans, once."""
        facts = getattr(job, "_eigenspan_facts", None)
        if not self.jobs or facts is None:
            return
        if finish(self.telemetry, lambda: job_of(job._inner_job(), facts), _submitted(job)):
            del job._eigenspan_facts

    def made(self, original: Function, job: Any, args: Arguments, kwargs: Keywords) -> None:
        job._eigenspan_context = otel.get_current()
        original(job, *args, **kwargs)

    def execute(self, original: Function, job: Any, args: Arguments, kwargs: Keywords) -> Any:
        here: Context = otel.get_current()
        if not trace.get_current_span(here).get_span_context().is_valid:
            kept: Context | None = getattr(job, "_eigenspan_context", None)
            here = here if kept is None else kept
        with under(here):
            if not enabled() or getattr(job, "_eigenspan_executed", False):
                return original(job, *args, **kwargs)
            job._eigenspan_executed = True
            name = _processor_of(job)
            attributes = _backend(name, simulated=True) | {q.QUANTUM_JOB_ID: _job_id(job)}
            attributes |= _shots(getattr(job, "_repetitions", 1))
            with self.telemetry.span(s.EXECUTE, name, attributes, _submitted(job), mark=True) as operation:
                if operation.recording:
                    operation.set(circuit_facts(job.program().get_circuits(), placed=True))
                return original(job, *args, **kwargs)


def _backend(name: str, *, simulated: bool) -> dict[str, Any]:
    return {q.QUANTUM_PROVIDER_NAME: "google", q.QUANTUM_BACKEND_NAME: name, q.QUANTUM_BACKEND_SIMULATOR: simulated}


def _is_simulated(thing: Any) -> bool:
    return any("simulated_local" in kind.__module__ for kind in type(thing).__mro__)


def _processor_of(job: Any) -> str:
    name = getattr(job, "_processor_id", None) or next(iter(job.processor_ids()), "")
    return str(name) if name or _is_simulated(job) else processor_of(job._inner_job())


def _job_id(job: Any) -> str:
    """The id by which Google is asked for a job: its name within the project."""
    program = getattr(job, "program_id", None)
    return f"{program}/{job.id()}" if program else str(job.id())


def _submitted(job: Any) -> trace.SpanContext | None:
    return getattr(job, "_eigenspan_submit", None)


def _shots(repetitions: Any) -> dict[str, Any]:
    if isinstance(repetitions, int):
        return {q.QUANTUM_JOB_SHOTS: repetitions}
    return {q.QUANTUM_JOB_SHOTS: total(repetitions)} if repetitions else {}


def _circuits(program: Any) -> Sequence[cirq.AbstractCircuit]:
    if isinstance(program, cirq.AbstractCircuit):
        return [program]
    return list(program.values()) if isinstance(program, Mapping) else list(program or ())
