# ruff: noqa: SLF001 - what is to be remembered about other people's objects is left on them
"""PennyLane: QNodes, devices and gradients.

A QNode that is called assembles its circuit (a span with the circuit's counts) and runs it on a device (an execute span). A device
of a plugin may run through a library with spans of its own; then theirs is the execution, and the device's span is the batch around
it. What a gradient runs is below the span of the gradient. A QNode that JAX has compiled is called once, to be traced. What it runs
later is where the compiled function is called, after the binding of its parameters, which links to where it was traced.
"""

from __future__ import annotations

from collections.abc import Collection
from functools import partial
from typing import TYPE_CHECKING, Any

import pennylane
from opentelemetry import context as otel
from opentelemetry import trace
from opentelemetry.trace import SpanContext
from pennylane.devices import Device
from pennylane.workflow import QNode
from pennylane.workflow.jacobian_products import JacobianProductCalculator

from eigenspan.instrument._base import Instrumentor, when_imported
from eigenspan.instrument._pennylane_facts import OWN, circuit_facts, device_facts, shots_of, tapes_of
from eigenspan.instrument._telemetry import Claim, Telemetry, enabled, under
from eigenspan.semconv import attributes as q
from eigenspan.semconv import spans as s

if TYPE_CHECKING:
    from eigenspan.instrument._patch import Function, Patcher

Arguments = tuple[Any, ...]
Keywords = dict[str, Any]
_CIRCUIT = otel.create_key("eigenspan-pennylane-circuit")
_TRACED = otel.create_key("eigenspan-pennylane-traced")
_COMPILED = "pennylane.workflow.interfaces.jax_jit"
_RUNS = (
    "execute", "compute_derivatives", "execute_and_compute_derivatives", "compute_jvp", "execute_and_compute_jvp", "compute_vjp",
    "execute_and_compute_vjp",
)  # fmt: skip
_BACKWARD = ("compute_vjp", "compute_jacobian", "execute_and_compute_jvp", "execute_and_compute_jacobian")


class PennyLaneInstrumentor(Instrumentor):
    """Spans for what runs through PennyLane."""

    scope = "eigenspan.instrument.pennylane"

    def instrumentation_dependencies(self) -> Collection[str]:
        """The versions that the hooks are known to fit."""
        return ("pennylane >= 0.39",)

    def patch(self, patcher: Patcher, telemetry: Telemetry) -> None:
        """Wrap QNodes, gradients, and the devices themselves: never their base class, with whose methods PennyLane compares."""
        hooks = _Hooks(telemetry)
        patcher.method(QNode, "__call__", hooks.call)
        patcher.method(QNode, "construct", hooks.construct)
        patcher.family(Device, dict.fromkeys(_RUNS, hooks.run), skip=lambda owner: owner is Device)
        patcher.method(pennylane.grad, "__call__", hooks.gradient)
        patcher.method(pennylane.jacobian, "__call__", hooks.gradient)
        patcher.family(
            JacobianProductCalculator,
            {"__init__": _remember, **dict.fromkeys(_BACKWARD, _backward)},
            skip=lambda owner: owner is JacobianProductCalculator,
        )
        when_imported(_COMPILED, patcher, partial(_wrap_compiled, patcher))


class _Hooks:
    def __init__(self, telemetry: Telemetry) -> None:
        self.telemetry = telemetry

    def call(self, original: Function, qnode: Any, args: Arguments, kwargs: Keywords) -> Any:
        """What runs below carries the name of the QNode's function."""
        name = getattr(qnode.func, "__name__", "")
        if not enabled() or not name.isidentifier():
            return original(qnode, *args, **kwargs)
        with under(otel.set_value(_CIRCUIT, name)):
            return original(qnode, *args, **kwargs)

    def construct(self, original: Function, qnode: Any, args: Arguments, kwargs: Keywords) -> Any:
        if not enabled():
            return original(qnode, *args, **kwargs)
        named = _named()
        with self.telemetry.span(s.CIRCUIT_ASSEMBLY, named.get(q.QUANTUM_CIRCUIT_NAME, ""), named) as operation:
            tape = original(qnode, *args, **kwargs)
            if operation.recording:
                operation.set(circuit_facts([tape]))
            return tape

    def run(self, original: Function, device: Any, args: Arguments, kwargs: Keywords) -> Any:
        if not enabled():
            return original(device, *args, **kwargs)
        tapes = tapes_of(args[0] if args else kwargs.get("circuits", ()))
        if (traced := _traced_at()) is not None:
            self.telemetry.start(s.PARAMETER_BINDING, "", _counted(tapes), traced).end()
        attributes = device_facts(device)
        target = attributes[q.QUANTUM_BACKEND_NAME]
        if attributes[q.QUANTUM_PROVIDER_NAME] in OWN:
            with self.telemetry.span(s.EXECUTE, target, attributes | shots_of(tapes), mark=True) as operation:
                operation.set(_counted(tapes))
                if operation.recording:
                    operation.set(circuit_facts(tapes) | _named())
                return original(device, *args, **kwargs)
        attributes[q.QUANTUM_CIRCUIT_COUNT] = len(tapes)
        claim = Claim()
        with self.telemetry.span(s.BATCH, target, attributes, claim=claim) as operation:
            try:
                return original(device, *args, **kwargs)
            finally:
                if not claim.taken:
                    operation.become(s.EXECUTE, target, shots_of(tapes) | circuit_facts(tapes) | _named())

    def gradient(self, original: Function, gradient: Any, args: Arguments, kwargs: Keywords) -> Any:
        if not enabled():
            return original(gradient, *args, **kwargs)
        name = "gradient" if isinstance(gradient, pennylane.grad) else "jacobian"
        with self.telemetry.span(s.ALGORITHM, name, {q.QUANTUM_ALGORITHM_NAME: name}):
            return original(gradient, *args, **kwargs)


def _named() -> dict[str, Any]:
    name = otel.get_value(_CIRCUIT)
    return {q.QUANTUM_CIRCUIT_NAME: name} if isinstance(name, str) else {}


def _counted(tapes: Any) -> dict[str, Any]:
    return {} if len(tapes) == 1 else {q.QUANTUM_CIRCUIT_COUNT: len(tapes)}


def _wrap_compiled(patcher: Patcher, module: Any) -> None:
    for name in ("jax_jit_jvp_execute", "jax_jit_vjp_execute"):
        patcher.function(module, name, _trace)


def _trace(original: Function, _: Any, args: Arguments, kwargs: Keywords) -> Any:
    """What is compiled here, `execute_fn` and the gradients of `jpc`, knows where, whenever it is run."""
    here = trace.get_current_span().get_span_context()
    if not enabled() or not here.is_valid or len(args) < 3:
        return original(None, *args, **kwargs)
    tapes, execute_fn, jpc, *rest = args

    def execute(*inner: Any, **named: Any) -> Any:
        with under(otel.set_value(_TRACED, here)):
            return execute_fn(*inner, **named)

    jpc._eigenspan_traced = here
    return original(None, tapes, execute, jpc, *rest, **kwargs)


def _traced_at() -> SpanContext | None:
    """Where the circuit was traced that a compiled function runs, unless that is where it is run."""
    found = otel.get_value(_TRACED)
    return found if isinstance(found, SpanContext) and found != trace.get_current_span().get_span_context() else None


def _remember(original: Function, product: Any, args: Arguments, kwargs: Keywords) -> None:
    product._eigenspan_context = otel.get_current()
    original(product, *args, **kwargs)


def _backward(original: Function, product: Any, args: Arguments, kwargs: Keywords) -> Any:
    """A backward pass in a thread without a span belongs where its forward pass was."""
    if (traced := getattr(product, "_eigenspan_traced", None)) is not None:
        with under(otel.set_value(_TRACED, traced)):
            return original(product, *args, **kwargs)
    kept = getattr(product, "_eigenspan_context", None)
    if kept is None or trace.get_current_span().get_span_context().is_valid:
        return original(product, *args, **kwargs)
    with under(kept):
        return original(product, *args, **kwargs)
