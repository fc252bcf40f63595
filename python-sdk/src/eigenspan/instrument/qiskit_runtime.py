# ruff: noqa: SLF001 - what is to be remembered about other people's objects is left on them
"""Qiskit IBM Runtime: jobs on the service.

Its primitives and fake backends are subclasses of Qiskit's own and have their spans from `eigenspan.instrument.qiskit`, which this
instrumentor starts if need be. A job on the service is submitted there and waited for here; the result is fetched by the user
alone, since a private job gives it once.
"""

from __future__ import annotations

import copy
from collections.abc import Collection
from typing import TYPE_CHECKING, Any

import qiskit_ibm_runtime
from opentelemetry import trace
from opentelemetry.instrumentation.utils import is_instrumentation_enabled
from qiskit_ibm_runtime.runtime_job_v2 import RuntimeJobV2

from eigenspan.instrument._base import Instrumentor
from eigenspan.instrument._propagate import listed
from eigenspan.instrument._telemetry import Telemetry, enabled, silent, under
from eigenspan.instrument.qiskit import QiskitInstrumentor
from eigenspan.semconv import attributes as q
from eigenspan.semconv import spans as s

if TYPE_CHECKING:
    from eigenspan.instrument._patch import Function, Patcher


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
        """Wrap jobs on the service."""

        def result(original: Function, job: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
            attributes, link, seen = getattr(job, "_eigenspan", ({}, None, False))
            if seen or not enabled():
                with under(silent()):
                    return original(job, *args, **kwargs)
            attributes = {q.QUANTUM_PROVIDER_NAME: "ibm", q.QUANTUM_JOB_ID: job.job_id(), **attributes}
            target = str(attributes.get(q.QUANTUM_BACKEND_NAME, ""))
            with telemetry.span(s.RESULT, target, attributes, link, mark=True):
                fetched = original(job, *args, **kwargs)
                job._eigenspan = (attributes, link, True)
                return fetched

        def poll(original: Function, job: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
            nothing: tuple[dict[str, Any], Any, bool] = ({}, None, False)
            attributes, link, _ = getattr(job, "_eigenspan", nothing)
            if q.QUANTUM_BACKEND_NAME not in attributes or not enabled():
                return original(job, *args, **kwargs)
            known = {**attributes, q.QUANTUM_JOB_ID: job.job_id()}
            with telemetry.span(s.POLL, str(attributes[q.QUANTUM_BACKEND_NAME]), known, link, mark=True):
                return original(job, *args, **kwargs)

        patcher.family(RuntimeJobV2, {"result": result, "wait_for_final_state": poll})
        patcher.method(qiskit_ibm_runtime.QiskitRuntimeService, "_run", tag)


def tag(original: Function, service: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """Leave the trace context of the submission in the tags of the job."""
    options = kwargs.get("options", args[2] if len(args) > 2 else None)
    tags = listed(trace.get_current_span().get_span_context()) if is_instrumentation_enabled() else []
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
