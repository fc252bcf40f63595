"""Cirq and Cirq-Google: simulators and samplers, transformers, batches, and processors with their jobs."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import TYPE_CHECKING, Any

import cirq

from eigenspan.instrument import _duet
from eigenspan.instrument._base import Instrumentor
from eigenspan.instrument._cirq_engine import Engine
from eigenspan.instrument._cirq_facts import circuit_facts
from eigenspan.instrument._telemetry import Operation, Telemetry, enabled, logical, under
from eigenspan.semconv import attributes as q
from eigenspan.semconv import spans as s

if TYPE_CHECKING:
    from eigenspan.instrument._patch import Function, Patcher

Arguments = tuple[Any, ...]
Keywords = dict[str, Any]


class CirqInstrumentor(Instrumentor):
    """Spans for what runs through Cirq."""

    scope = "eigenspan.instrument.cirq"

    def instrumentation_dependencies(self) -> Collection[str]:
        """The versions that the hooks are known to fit."""
        return ("cirq-core >= 1.4",)

    def patch(self, patcher: Patcher, telemetry: Telemetry) -> None:
        """Wrap samplers, simulators and transformers now, processors when Cirq-Google is imported."""
        hooks = _Hooks(telemetry)
        _duet.separate_tasks(patcher)
        patcher.family(
            cirq.Sampler,
            {
                "run_sweep": hooks.run,
                "run_sweep_async": hooks.run_async,
                "run_sweep_iter": hooks.iterate,
                "simulate_sweep": hooks.run,
                "simulate_sweep_iter": hooks.iterate,
                "run_batch_async": hooks.batch,
            },
            skip=_hands_over_to_a_processor,
        )
        for base in (cirq.SimulatesSamples, cirq.SimulatesFinalState):
            patcher.family(
                base,
                {
                    "run_sweep": hooks.run,
                    "run_sweep_iter": hooks.iterate,
                    "simulate_sweep": hooks.run,
                    "simulate_sweep_iter": hooks.iterate,
                },
            )
        patcher.function(_transformer_api(), "_transform_and_log", hooks.transform)
        Engine(telemetry, jobs=self.jobs).patch(patcher)


class _Hooks:
    """Wrappers for methods that all look like run_sweep(program, params, repetitions)."""

    def __init__(self, telemetry: Telemetry) -> None:
        self.telemetry = telemetry

    def run(self, original: Function, sampler: Any, args: Arguments, kwargs: Keywords) -> Any:
        if not enabled():
            return original(sampler, *args, **kwargs)
        attributes, target = _identity(sampler)
        with self.telemetry.span(s.EXECUTE, target, attributes | _shots(args, kwargs), mark=True) as operation:
            _describe(operation, args, kwargs)
            return original(sampler, *args, **kwargs)

    async def run_async(self, original: Function, sampler: Any, args: Arguments, kwargs: Keywords) -> Any:
        if not enabled():
            return await original(sampler, *args, **kwargs)
        attributes, target = _identity(sampler)
        with self.telemetry.span(s.EXECUTE, target, attributes | _shots(args, kwargs), mark=True) as operation:
            _describe(operation, args, kwargs)
            return await original(sampler, *args, **kwargs)

    def iterate(self, original: Function, sampler: Any, args: Arguments, kwargs: Keywords) -> Iterator[Any]:
        results = original(sampler, *args, **kwargs)
        if not enabled():
            return iter(results)
        return self._stepped(iter(results), sampler, args, kwargs)

    def _stepped(self, results: Iterator[Any], sampler: Any, args: Arguments, kwargs: Keywords) -> Iterator[Any]:
        """The span covers the iteration; it is current only while a result is computed."""
        attributes, target = _identity(sampler)
        operation = self.telemetry.start(s.EXECUTE, target, attributes | _shots(args, kwargs))
        _describe(operation, args, kwargs)
        context = operation.context(mark=True)
        try:
            while True:
                with under(context):
                    try:
                        result = next(results)
                    except StopIteration:
                        break
                yield result
        except Exception as error:
            operation.end(error)
            raise
        finally:
            operation.end()

    async def batch(self, original: Function, sampler: Any, args: Arguments, kwargs: Keywords) -> Any:
        programs = args[0] if args else kwargs.get("programs", ())
        if not enabled() or len(programs) < 2:
            return await original(sampler, *args, **kwargs)
        attributes, target = _identity(sampler)
        with self.telemetry.span(s.BATCH, target, {**attributes, q.QUANTUM_CIRCUIT_COUNT: len(programs)}):
            return await original(sampler, *args, **kwargs)

    def transform(self, original: Function, _: Any, args: Arguments, kwargs: Keywords) -> Any:
        if not enabled():
            return original(None, *args, **kwargs)
        with self.telemetry.span(
            s.TRANSPILE, "", {q.QUANTUM_TRANSPILER_OPTIONS: _transformer(args)}, mark=True
        ) as operation:
            circuit = original(None, *args, **kwargs)
            if operation.recording:
                written = next((one for one in args if isinstance(one, cirq.AbstractCircuit)), None)
                before = {} if written is None else logical(circuit_facts([written]))
                operation.set(before | circuit_facts([circuit]))
            return circuit


def _transformer_api() -> Any:
    from cirq.transformers import transformer_api

    return transformer_api


def _transformer(args: Arguments) -> str:
    return str(args[2]) if len(args) > 2 else "transformer"


def _hands_over_to_a_processor(owner: type) -> bool:
    """Samplers of Cirq-Google run nothing themselves: their processor's submit and its job have the spans."""
    return owner.__module__ == "cirq_google.engine.processor_sampler" and owner.__name__ == "ProcessorSampler"


def _identity(sampler: Any) -> tuple[dict[str, Any], str]:
    kind = type(sampler)
    if isinstance(name := getattr(getattr(sampler, "processor", None), "processor_id", None), str):
        return {q.QUANTUM_PROVIDER_NAME: "google", q.QUANTUM_BACKEND_NAME: name}, name
    provider = kind.__module__.split(".", 1)[0]
    simulator = isinstance(sampler, cirq.SimulatesSamples | cirq.SimulatesFinalState)
    attributes: dict[str, Any] = {q.QUANTUM_PROVIDER_NAME: provider, q.QUANTUM_BACKEND_NAME: kind.__name__}
    if simulator or provider == "cirq":
        attributes[q.QUANTUM_BACKEND_SIMULATOR] = True
    return attributes, kind.__name__


def _shots(args: Arguments, kwargs: Keywords) -> dict[str, Any]:
    shots = kwargs.get("repetitions", args[2] if len(args) > 2 else None)
    return {q.QUANTUM_JOB_SHOTS: shots} if isinstance(shots, int) else {}


def _describe(operation: Operation, args: Arguments, kwargs: Keywords) -> None:
    program = args[0] if args else kwargs.get("program")
    if operation.recording and isinstance(program, cirq.AbstractCircuit):
        operation.set(circuit_facts([program]))
