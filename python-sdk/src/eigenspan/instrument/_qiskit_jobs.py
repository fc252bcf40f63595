# ruff: noqa: SLF001 - what is to be remembered about other people's objects is left on them
"""Runs of Qiskit that give back a job at once and go on elsewhere: in a thread, or at a provider."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

from eigenspan.instrument._jobs import counted
from eigenspan.instrument._qiskit_facts import circuit_facts, circuits_of
from eigenspan.instrument._telemetry import Operation, Telemetry, under
from eigenspan.semconv import attributes as q
from eigenspan.semconv import spans as s

if TYPE_CHECKING:
    from concurrent.futures import Future

    from eigenspan.instrument._patch import Function

_running: WeakKeyDictionary[Any, Operation] = WeakKeyDictionary()
"""The executions of jobs that have not ended."""


def launch(telemetry: Telemetry, attributes: dict[str, Any], given: Any, run: Function, runner: Any = None) -> Any:
    """Call `run` under an execute span that ends with its job, or under a submit span if the runner's job is elsewhere.

    A runner in a session or batch has the span linked to that of the session.
    """
    remote = _is_remote(runner)
    group = getattr(getattr(runner, "_mode", None), "_eigenspan_group", None)
    circuits = circuits_of(given) if group is not None else None
    operation = telemetry.start(
        s.SUBMIT if remote else s.EXECUTE, attributes.get(q.QUANTUM_BACKEND_NAME, ""), attributes,
        None if group is None else group.join(len(circuits or ())),
    )  # fmt: skip
    if operation.recording:
        size = attributes.get(q.QUANTUM_BACKEND_QUBIT_COUNT)
        operation.set(circuit_facts(circuits or circuits_of(given), device_qubits=size))
    try:
        with under(operation.context(mark=True)):
            job = run()
    except BaseException as error:
        operation.end(error)
        raise
    _remember(job, operation, attributes)
    future: Any = getattr(job, "_future", None)
    if remote or not hasattr(future, "add_done_callback"):
        operation.end()
    else:
        _running[job] = operation
        future.add_done_callback(partial(_ended, operation))
    return job


def close(job: Any) -> None:
    """End the execution of a job that has ended before its caller goes on: the future's own callback may come later."""
    operation = _running.get(job)
    if operation is not None and job._future is not None and job._future.done():
        del _running[job]
        _ended(operation, job._future)


def _remember(job: Any, operation: Operation, attributes: dict[str, Any]) -> None:
    """Leave on the job what its result span will need."""
    identifier = job.job_id() if hasattr(job, "job_id") else None
    kept = {
        key: value for key, value in attributes.items() if key.startswith(("quantum.backend.", "quantum.provider."))
    }
    if isinstance(identifier, str):
        kept[q.QUANTUM_JOB_ID] = identifier
        operation.set({q.QUANTUM_JOB_ID: identifier})
    try:
        job._eigenspan = (kept, operation.span.get_span_context(), False)
        job._eigenspan_facts = counted(operation.attributes)
    except AttributeError:
        return


def _ended(operation: Operation, future: Future[Any]) -> None:
    if future.cancelled():
        operation.end(kind="cancelled")
        return
    error = future.exception()
    result = None if error else future.result()
    if error is None and getattr(result, "success", True) is False:
        operation.end(kind="unsuccessful", message=str(getattr(result, "status", "")))
    else:
        operation.end(error)


def _is_remote(runner: Any) -> bool:
    service = getattr(runner, "_service", None)
    return service is not None and type(service).__name__ != "QiskitRuntimeLocalService"
