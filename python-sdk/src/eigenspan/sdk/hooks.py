"""Instrumenting libraries when they are imported, and not a moment before: importing them takes seconds."""

from __future__ import annotations

import importlib
from collections.abc import Iterable
from typing import Any

import wrapt

LIBRARIES: dict[str, tuple[str, str, str]] = {
    "cirq": ("cirq", "eigenspan.instrument.cirq", "CirqInstrumentor"),
    "qiskit": ("qiskit", "eigenspan.instrument.qiskit", "QiskitInstrumentor"),
    "braket": ("braket.devices", "eigenspan.instrument.braket", "BraketInstrumentor"),
    "pennylane": ("pennylane", "eigenspan.instrument.pennylane", "PennyLaneInstrumentor"),
    "qiskit_runtime": ("qiskit_ibm_runtime", "eigenspan.instrument.qiskit_runtime", "QiskitRuntimeInstrumentor"),
}
"""Name → the package to wait for, and its instrumentor."""


class Instruments:
    """The instrumentors that one set-up installs."""

    def __init__(self, names: Iterable[str], **kwargs: Any) -> None:
        self._kwargs = kwargs
        self._installed: list[Any] = []
        self._open = True
        chosen = list(names)
        if unknown := [name for name in chosen if name not in LIBRARIES]:
            raise ValueError(f"cannot instrument {unknown[0]!r}; valid names are {', '.join(sorted(LIBRARIES))}")
        for name in chosen:
            package, module, kind = LIBRARIES[name]
            wrapt.register_post_import_hook(self._hook(module, kind), package)

    def _hook(self, module: str, kind: str) -> Any:
        def install(_: Any) -> None:
            if not self._open:
                return
            instrumentor = getattr(importlib.import_module(module), kind)()
            if not instrumentor.is_instrumented_by_opentelemetry:
                instrumentor.instrument(skip_dep_check=True, **self._kwargs)
                self._installed.append(instrumentor)

        return install

    def close(self) -> None:
        """Put back everything, and install nothing later."""
        self._open = False
        while self._installed:
            instrumentor = self._installed.pop()
            if instrumentor.is_instrumented_by_opentelemetry:
                instrumentor.uninstrument()
