# ruff: noqa: SLF001 - what is to be remembered about other people's objects is left on them
"""Qiskit: pass managers, backends, primitives V2, and the jobs that they give back.

A run gives back a job at once and goes on in a thread. Its execute span begins with the call and ends when the job has ended;
waiting for the job is a result span that links to it.
"""

from __future__ import annotations

import importlib
import sys
import time
from collections.abc import Collection
from functools import partial
from typing import TYPE_CHECKING, Any

from opentelemetry import context as otel
from qiskit.primitives import BaseEstimatorV2, BaseSamplerV2
from qiskit.primitives.primitive_job import PrimitiveJob
from qiskit.providers import BackendV2, JobV1
from qiskit.transpiler import PassManager

from eigenspan.instrument._base import Instrumentor, when_imported
from eigenspan.instrument._qiskit_facts import backend_facts, circuit_facts, circuits_of, shots_of
from eigenspan.instrument._qiskit_jobs import close, launch
from eigenspan.instrument._telemetry import Telemetry, enabled, logical, silent, under
from eigenspan.semconv import attributes as q
from eigenspan.semconv import spans as s

if TYPE_CHECKING:
    from eigenspan.instrument._patch import Function, Patcher

_PRESETS = "qiskit.transpiler.preset_passmanagers.generate_preset_pass_manager"
PASS_LIMIT = 16
"""How many passes a transpile span tells the seconds of: the slowest."""
Arguments = tuple[Any, ...]
Keywords = dict[str, Any]


class QiskitInstrumentor(Instrumentor):
    """Spans for what runs through Qiskit."""

    scope = "eigenspan.instrument.qiskit"

    def instrumentation_dependencies(self) -> Collection[str]:
        """The versions that the hooks are known to fit."""
        return ("qiskit >= 1.2",)

    def patch(self, patcher: Patcher, telemetry: Telemetry) -> None:
        """Wrap pass managers, backends, primitives and jobs, and carry the context into their threads."""
        hooks = _Hooks(telemetry)
        patcher.family(PassManager, {"run": hooks.transpile})
        patcher.function(_module("qiskit.compiler.transpiler"), "_check_circuits_coupling_map", hooks.check)
        patcher.function(_module("qiskit.circuit._add_control"), "_unroll_gate", _silently)
        for level in range(4):
            patcher.function(_module(_PRESETS), f"level_{level}_pass_manager", partial(_mark_level, level))
        patcher.family(BackendV2, {"run": hooks.run_backend})
        patcher.family(BaseSamplerV2, {"run": partial(hooks.run_primitive, q.QuantumPrimitiveName.SAMPLER)})
        patcher.family(BaseEstimatorV2, {"run": partial(hooks.run_primitive, q.QuantumPrimitiveName.ESTIMATOR)})
        patcher.method(PrimitiveJob, "_submit", partial(_carry, "_function"))
        patcher.family(PrimitiveJob, {"result": hooks.result})
        patcher.family(JobV1, {"result": hooks.result})
        when_imported(
            "qiskit_aer.jobs.aerjob",
            patcher,
            lambda module: patcher.method(module.AerJob, "submit", partial(_carry, "_fn")),
        )


class _Hooks:
    """Wrappers of what Qiskit and the packages on top of it run."""

    def __init__(self, telemetry: Telemetry) -> None:
        self.telemetry = telemetry

    def transpile(self, original: Function, manager: Any, args: Arguments, kwargs: Keywords) -> Any:
        if not enabled():
            return original(manager, *args, **kwargs)
        level = getattr(manager, "_eigenspan_level", None)
        known = {} if level is None else {q.QUANTUM_TRANSPILER_OPTIMIZATION_LEVEL: level}
        with self.telemetry.span(s.TRANSPILE, "", known, mark=True) as operation:
            if not operation.recording:
                return original(manager, *args, **kwargs)
            written = circuits_of(args[0] if args else kwargs.get("circuits", ()))
            before = logical(circuit_facts(written))
            seconds: dict[str, float] = {}
            if len(written) == 1 and len(args) < 3:
                kwargs["callback"] = partial(_timed, seconds, kwargs.get("callback"))
            circuits = original(manager, *args, **kwargs)
            operation.set(before | circuit_facts(circuits_of(circuits)))
            for name in sorted(seconds, key=lambda name: -seconds[name])[:PASS_LIMIT]:
                operation.span.add_event("transpiler.pass", {"pass.name": name, "pass.duration": seconds[name]})
            return circuits

    def check(self, original: Function, _: Any, args: Arguments, kwargs: Keywords) -> Any:
        """`transpile` looks at the width of circuits before there is a pass manager: a refusal is a span of its own."""
        begun = time.time_ns()
        try:
            return original(None, *args, **kwargs)
        except Exception as error:
            if enabled():
                operation = self.telemetry.start(s.TRANSPILE, "", {}, start_ns=begun)
                if operation.recording:
                    operation.set(circuit_facts(circuits_of(args[0] if args else ())))
                operation.end(error)
            raise

    def run_backend(self, original: Function, backend: Any, args: Arguments, kwargs: Keywords) -> Any:
        if not enabled():
            return original(backend, *args, **kwargs)
        shots = kwargs.get("shots", getattr(getattr(backend, "options", None), "shots", None))
        attributes = backend_facts(backend) | shots_of(shots, (), None)
        given = args[0] if args else next(iter(kwargs.values()), ())
        return launch(self.telemetry, attributes, given, partial(original, backend, *args, **kwargs))

    def run_primitive(
        self, primitive: q.QuantumPrimitiveName, original: Function, runner: Any, args: Arguments, kwargs: Keywords
    ) -> Any:
        if not enabled():
            return original(runner, *args, **kwargs)
        pubs, args, kwargs = _listed(args, kwargs)
        attributes = _primitive_backend(runner) | {q.QUANTUM_PRIMITIVE_NAME: primitive.value}
        if primitive is q.QuantumPrimitiveName.SAMPLER:
            attributes |= shots_of(kwargs.get("shots"), pubs, getattr(runner, "options", runner))
        run = partial(original, runner, *args, **kwargs)
        return launch(self.telemetry, attributes, pubs, run, runner)

    def result(self, original: Function, job: Any, args: Arguments, kwargs: Keywords) -> Any:
        nothing: tuple[dict[str, Any], Any, bool] = ({}, None, True)
        attributes, link, seen = getattr(job, "_eigenspan", nothing)
        try:
            if seen or not enabled():
                return original(job, *args, **kwargs)
            with self.telemetry.span(s.RESULT, attributes.get(q.QUANTUM_BACKEND_NAME, ""), attributes, link, mark=True):
                result = original(job, *args, **kwargs)
                job._eigenspan = (attributes, link, True)
                return result
        finally:
            close(job)


def _timed(seconds: dict[str, float], callback: Function | None, **said: Any) -> None:
    """What a pass manager tells of each pass, summed by the pass's name, and passed on."""
    name = said["pass_"].name()
    seconds[name] = seconds.get(name, 0.0) + said["time"]
    if callback is not None:
        callback(**said)


def _module(name: str) -> Any:
    """A module of Qiskit, or None in versions that have none of that name. Some are hidden behind a function of their name."""
    try:
        importlib.import_module(name)
    except ImportError:
        return None
    return sys.modules[name]


def _silently(original: Function, _: Any, args: Arguments, kwargs: Keywords) -> Any:
    """Making a controlled gate runs a pass manager, which is not a circuit of the user's being transpiled."""
    with under(silent()):
        return original(None, *args, **kwargs)


def _mark_level(level: int, original: Function, _: Any, args: Arguments, kwargs: Keywords) -> Any:
    manager = original(None, *args, **kwargs)
    manager._eigenspan_level = level
    return manager


def _carry(attribute: str, original: Function, job: Any, args: Arguments, kwargs: Keywords) -> Any:
    """Hand the function that a job runs in its thread the context of this one, for as long as the submission takes."""
    function = getattr(job, attribute)
    context = otel.get_current()

    def carried(*inner: Any, **named: Any) -> Any:
        with under(context):
            return function(*inner, **named)

    setattr(job, attribute, carried)
    try:
        return original(job, *args, **kwargs)
    finally:
        setattr(job, attribute, function)


def _listed(args: Arguments, kwargs: Keywords) -> tuple[list[Any], Arguments, Keywords]:
    """The pubs as a list, put in the place of an iterable that can be read only once."""
    if args:
        pubs = list(args[0])
        return pubs, (pubs, *args[1:]), kwargs
    pubs = list(kwargs.get("pubs", ()))
    return pubs, args, {**kwargs, "pubs": pubs}


def _primitive_backend(runner: Any) -> dict[str, Any]:
    backend = getattr(runner, "_backend", None)
    if isinstance(backend, BackendV2):
        return backend_facts(backend)
    kind = type(runner)
    provider = kind.__module__.split(".", 1)[0]
    return {
        q.QUANTUM_PROVIDER_NAME: provider,
        q.QUANTUM_BACKEND_NAME: kind.__name__,
        q.QUANTUM_BACKEND_SIMULATOR: True,
    }
