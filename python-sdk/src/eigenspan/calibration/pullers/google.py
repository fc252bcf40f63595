"""Google by cirq-google: the current calibration of every processor of the engine's project, and all earlier ones."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from eigenspan.calibration import status
from eigenspan.calibration.attributes import StatusSample
from eigenspan.calibration.importers.detect import Hints
from eigenspan.calibration.pullers.source import Document

_MS = 1_000_000


class GoogleSource:
    """`engine` is a cirq_google Engine, virtual or not; None opens that of the application-default credentials."""

    provider = "google"

    def __init__(self, engine: Any = None) -> None:
        if engine is None:
            import cirq_google

            engine = cirq_google.get_engine()
        self._engine = engine

    def backends(self) -> list[str]:
        """The processors of the project."""
        return [str(processor.processor_id) for processor in self._engine.list_processors()]

    def document(self, backend: str) -> Document | None:
        """The current calibration with the device specification's gate durations."""
        processor = self._engine.get_processor(backend)
        calibration = processor.get_current_calibration()
        return None if calibration is None else _document(processor, backend, calibration)

    def status(self, backend: str, now_ns: int) -> list[StatusSample]:
        """The processor's health."""
        return [status.from_google(backend, str(self._engine.get_processor(backend).health()), now_ns)]

    def history(self, backend: str, since_ns: int, until_ns: int) -> Iterator[Document]:
        """The calibrations that the service lists."""
        processor = self._engine.get_processor(backend)
        listed = processor.list_calibrations(since_ns // 1_000_000_000, until_ns // 1_000_000_000)
        for calibration in sorted(listed, key=lambda c: -c.timestamp):
            if since_ns <= calibration.timestamp * _MS < until_ns:
                yield _document(processor, backend, calibration)


def _document(processor: Any, backend: str, calibration: Any) -> Document:
    import cirq

    specification = processor.get_device_specification()
    hints = Hints(  # Cirq's JSON loses the timestamp
        backend=backend,
        valid_from_ns=int(calibration.timestamp) * _MS or None,
        device_spec=None if specification is None else str(specification),
        calibration_id=str(calibration.timestamp // 1000) if calibration.timestamp else None,
    )
    return Document(cirq.to_json(calibration).encode(), hints)
