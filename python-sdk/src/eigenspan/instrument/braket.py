# ruff: noqa: SLF001 - what is to be remembered about other people's objects is left on them
"""Amazon Braket: local simulators, devices at AWS, batches of both.

A local run is one execute span. A task at AWS is a submit span, which leaves its traceparent in the task's tags; waiting for it is a
poll span and fetching its result a result span, both linked to the submission. When the result has been fetched, the job, its
queue and its execution follow from the times that AWS gives, unless `jobs=False` leaves them to `eigenspan jobs watch`.
"""

from __future__ import annotations

import time
from collections.abc import Collection
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import braket.aws.aws_quantum_task as task_module
import braket.aws.aws_quantum_task_batch as batch_module
from braket.aws import AwsQuantumTask, AwsQuantumTaskBatch, AwsSession
from braket.devices import LocalSimulator
from opentelemetry import context as otel
from opentelemetry import trace
from opentelemetry.instrumentation.utils import is_instrumentation_enabled

from eigenspan.instrument._base import Instrumentor
from eigenspan.instrument._braket_facts import (
    STATUS,
    circuit_facts,
    device_facts,
    outcome,
    queued,
    region_of,
    task_facts,
)
from eigenspan.instrument._braket_jobs import job_of
from eigenspan.instrument._jobs import FAILED, finish
from eigenspan.instrument._propagate import carrier, submitter
from eigenspan.instrument._telemetry import ERROR_TYPE, Telemetry, enabled, silent, under
from eigenspan.semconv import attributes as q
from eigenspan.semconv import metrics as m
from eigenspan.semconv import spans as s
from eigenspan.semconv.events import QUANTUM_JOB_STATUS_CHANGE

if TYPE_CHECKING:
    from collections.abc import Callable

    from opentelemetry.trace import SpanContext

    from eigenspan.instrument._patch import Function, Patcher

Arguments = tuple[Any, ...]
Keywords = dict[str, Any]
TASK_LIMIT = 10_000
"""How many tasks whose results nobody has fetched are remembered."""
_SPECIFICATION = otel.create_key("eigenspan-braket-specification")


class BraketInstrumentor(Instrumentor):
    """Spans for what runs through Amazon Braket."""

    scope = "eigenspan.instrument.braket"

    def instrumentation_dependencies(self) -> Collection[str]:
        """The versions that the hooks are known to fit."""
        return ("amazon-braket-sdk >= 1.88",)

    def patch(self, patcher: Patcher, telemetry: Telemetry) -> None:
        """Wrap local simulators, sessions, tasks and batches, and carry the context into the threads of batches."""
        hooks = _Hooks(telemetry, jobs=self.jobs)
        patcher.family(LocalSimulator, {"run": hooks.run, "run_batch": hooks.run_batch})
        patcher.family(
            AwsSession,
            {"create_quantum_task": hooks.submit, "get_quantum_task": hooks.look, "get_device": hooks.device},
        )
        patcher.function(task_module, "_create_internal", _remember_specification)
        patcher.family(AwsQuantumTask, {"_wait_for_completion": hooks.poll, "_download_result": hooks.result})
        patcher.method(AwsQuantumTaskBatch, "__init__", hooks.batch)
        patcher.function(batch_module, "ThreadPoolExecutor", lambda _, __, args, kwargs: _Carrying(*args, **kwargs))


class _Hooks:
    def __init__(self, telemetry: Telemetry, *, jobs: bool) -> None:
        self.telemetry = telemetry
        self.jobs = jobs

    def run(self, original: Function, device: Any, args: Arguments, kwargs: Keywords) -> Any:
        if not enabled():
            return original(device, *args, **kwargs)
        attributes = _local(device) | _shots(args[1] if len(args) > 1 else kwargs.get("shots"))
        with self.telemetry.span(s.EXECUTE, device.name, attributes, mark=True) as operation:
            if operation.recording:
                operation.set(circuit_facts([args[0] if args else kwargs.get("task_specification")]))
            task = original(device, *args, **kwargs)
            operation.set({q.QUANTUM_JOB_ID: task.id})
            return task

    def run_batch(self, original: Function, device: Any, args: Arguments, kwargs: Keywords) -> Any:
        """A batch is one execution of several circuits: the simulator runs them in processes of its own."""
        if not enabled():
            return original(device, *args, **kwargs)
        given, args, kwargs = _listed(args, kwargs)
        count = max(len(given), _length(kwargs.get("inputs", args[3] if len(args) > 3 else None)))
        attributes = _local(device)
        with self.telemetry.span(s.BATCH, device.name, attributes | {q.QUANTUM_CIRCUIT_COUNT: count}):
            attributes |= _shots(args[1] if len(args) > 1 else kwargs.get("shots", 0))
            with self.telemetry.span(s.EXECUTE, device.name, attributes, mark=True) as operation:
                operation.set({q.QUANTUM_CIRCUIT_COUNT: count} if count != 1 else {})
                if operation.recording and len(given) == count:
                    operation.set(circuit_facts(given))
                return original(device, *args, **kwargs)

    def submit(self, original: Function, session: Any, args: Arguments, kwargs: Keywords) -> Any:
        if not enabled():
            return original(session, *args, **kwargs)
        attributes = device_facts(str(kwargs.get("deviceArn", ""))) | _shots(kwargs.get("shots"))
        with self.telemetry.span(s.SUBMIT, attributes[q.QUANTUM_BACKEND_NAME], attributes, mark=True) as operation:
            if operation.recording:
                operation.set(circuit_facts([otel.get_value(_SPECIFICATION)]))
            here = operation.span.get_span_context()
            tags = {**carrier(here, recorded=self.jobs), **kwargs.pop("tags", {})}
            arn = original(session, *args, **kwargs, tags=tags)
            operation.set({q.QUANTUM_JOB_ID: arn, q.QUANTUM_JOB_STATUS: "created", **region_of(arn)})
            _remember(arn, here)
            return arn

    def look(self, original: Function, session: Any, args: Arguments, kwargs: Keywords) -> Any:
        """AWS gives the times of creation and end alone: when a task began to run is when somebody first saw it run."""
        metadata = original(session, *args, **kwargs)
        arn, status = str(metadata.get("quantumTaskArn")), str(metadata.get("status"))
        task = _tasks.get(arn)
        if task is not None and task.status != status:
            if status == "RUNNING":
                task.begun_ns = time.time_ns()
            if enabled() and status in STATUS:
                before = STATUS[task.status].value
                change = {q.QUANTUM_JOB_ID: arn, q.QUANTUM_JOB_PREVIOUS_STATUS: before, **task_facts(metadata)}
                if STATUS[status] in FAILED:
                    change[ERROR_TYPE] = FAILED[STATUS[status]]
                trace.get_current_span().add_event(QUANTUM_JOB_STATUS_CHANGE, change)
                task.status = status
        return metadata

    def device(self, original: Function, session: Any, args: Arguments, kwargs: Keywords) -> Any:
        """How many tasks wait for a device, and whether it takes any, whenever it is asked."""
        found = original(session, *args, **kwargs)
        if is_instrumentation_enabled():
            labels = device_facts(str(found.get("deviceArn", "")))
            if (waiting := queued(found)) is not None:
                self.telemetry.metrics.record(m.QUANTUM_BACKEND_QUEUE_JOBS, waiting, labels)
            online = found.get("deviceStatus") == "ONLINE"
            self.telemetry.metrics.record(m.QUANTUM_BACKEND_AVAILABILITY, int(online), labels)
        return found

    async def poll(self, original: Function, task: Any, args: Arguments, kwargs: Keywords) -> Any:
        if not enabled():
            return await original(task, *args, **kwargs)
        attributes = self._facts(task)
        with self.telemetry.span(s.POLL, attributes[q.QUANTUM_BACKEND_NAME], attributes, self._link(task)) as operation:
            try:
                result = await original(task, *args, **kwargs)
            finally:
                operation.set(task_facts(task._metadata or {}))
            if result is None:
                self._finished(task)
            return result

    def result(self, original: Function, task: Any, args: Arguments, kwargs: Keywords) -> Any:
        if not enabled():
            return original(task, *args, **kwargs)
        attributes = self._facts(task)
        target = attributes[q.QUANTUM_BACKEND_NAME]
        with self.telemetry.span(s.RESULT, target, attributes, self._link(task), mark=True) as operation:
            result = original(task, *args, **kwargs)
            operation.set(outcome(result))
        self._finished(task)
        return result

    def batch(self, original: Function, batch: Any, args: Arguments, kwargs: Keywords) -> None:
        if not enabled():
            original(batch, *args, **kwargs)
            return
        arn = str(args[1] if len(args) > 1 else kwargs.get("device_arn", ""))
        given = args[2] if len(args) > 2 else kwargs.get("task_specifications")
        attributes = device_facts(arn)
        attributes[q.QUANTUM_CIRCUIT_COUNT] = max(1, _length(given), _length(kwargs.get("inputs")))
        with self.telemetry.span(s.BATCH, attributes[q.QUANTUM_BACKEND_NAME], attributes) as operation:
            original(batch, *args, **kwargs)
            operation.set({q.QUANTUM_CIRCUIT_COUNT: len(batch._tasks)})

    def _facts(self, task: Any) -> dict[str, Any]:
        with under(silent()):
            metadata = task.metadata(use_cached_value=True)
        return device_facts(metadata.get("deviceArn", "")) | {q.QUANTUM_JOB_ID: task.id}

    def _link(self, task: Any) -> SpanContext | None:
        if task.id in _tasks:
            return _tasks[task.id].submit
        found = submitter(task.metadata(use_cached_value=True).get("tags") or {})
        return found[0] if found else None

    def _finished(self, task: Any) -> None:
        """What AWS says of the times of a task submitted here becomes spans, once."""
        if not self.jobs or task.id not in _tasks:
            return
        found = _tasks[task.id]
        described = partial(job_of, task.metadata(use_cached_value=True), task._result, found.begun_ns)
        if finish(self.telemetry, described, found.submit):
            _tasks.pop(task.id, None)


@dataclass(slots=True)
class _Task:
    """A task under way that was submitted here."""

    submit: SpanContext
    status: str = "CREATED"
    begun_ns: int | None = None


_tasks: dict[str, _Task] = {}


def _remember(arn: str, submit: SpanContext) -> None:
    _tasks[arn] = _Task(submit)
    if len(_tasks) > TASK_LIMIT:
        del _tasks[next(iter(_tasks))]


class _Carrying(ThreadPoolExecutor):
    """A pool whose threads work in the context of whoever handed them the work."""

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Any:
        context = otel.get_current()

        def carried() -> Any:
            with under(context):
                return fn(*args, **kwargs)

        return super().submit(carried)


def _remember_specification(original: Function, _: Any, args: Arguments, kwargs: Keywords) -> Any:
    """What `create_quantum_task` gets is a serialised program; the circuit itself says more."""
    with under(otel.set_value(_SPECIFICATION, args[0] if args else None)):
        return original(None, *args, **kwargs)


def _local(device: Any) -> dict[str, Any]:
    return {
        q.QUANTUM_PROVIDER_NAME: "braket",
        q.QUANTUM_BACKEND_NAME: device.name,
        q.QUANTUM_BACKEND_SIMULATOR: True,
    }


def _shots(shots: Any) -> dict[str, Any]:
    return {q.QUANTUM_JOB_SHOTS: shots} if isinstance(shots, int) and not isinstance(shots, bool) else {}


def _length(given: Any) -> int:
    return len(given) if isinstance(given, list | tuple) else 1


def _listed(args: Arguments, kwargs: Keywords) -> tuple[list[Any], Arguments, Keywords]:
    """The specifications as a list, put in the place of an iterable that can be read only once."""
    given: Any = args[0] if args else kwargs.get("task_specifications")
    if isinstance(given, list | tuple) or not hasattr(given, "__next__"):
        return (list(given) if isinstance(given, list | tuple) else [given]), args, kwargs
    made = list(given)
    return (made, (made, *args[1:]), kwargs) if args else (made, args, {**kwargs, "task_specifications": made})
