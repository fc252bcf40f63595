"""IBM by qiskit-ibm-runtime: properties and configuration of every backend of the saved account, and its past."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec

from eigenspan.calibration import instants, status
from eigenspan.calibration.attributes import StatusSample
from eigenspan.calibration.importers.detect import Hints
from eigenspan.calibration.importers.ibm import Configuration
from eigenspan.calibration.pullers.source import Document


class IbmSource:
    """`service` is a QiskitRuntimeService; None opens the account that the SDK has saved or finds in the environment."""

    provider = "ibm"

    def __init__(self, service: Any = None) -> None:
        if service is None:
            from qiskit_ibm_runtime import QiskitRuntimeService

            service = QiskitRuntimeService()
        self._service = service

    def backends(self) -> list[str]:
        """The account's backends, without simulators."""
        return [backend.name for backend in self._service.backends() if not _simulates(backend)]

    def document(self, backend: str) -> Document | None:
        """BackendProperties as the SDK gives them, fetched anew."""
        found = self._service.backend(backend)
        return _document(found, found.properties(refresh=True))

    def status(self, backend: str, now_ns: int) -> list[StatusSample]:
        """The SDK turns a queue that the service does not tell into 0, so a 0 is taken as unknown."""
        said = self._service.backend(backend).status().to_dict()
        return [status.from_ibm(said | {"pending_jobs": said.get("pending_jobs") or None}, now_ns)]

    def history(self, backend: str, since_ns: int, until_ns: int) -> Iterator[Document]:
        """Step back: the service answers for "before this instant" with what was newest then."""
        found = self._service.backend(backend)
        at = datetime.fromtimestamp(until_ns / instants.NS, UTC)
        while instants.to_ns(at) > since_ns:
            properties = found.properties(datetime=at)
            if properties is None or properties.last_update_date >= at:
                return
            document = _document(found, properties)
            if document is not None:
                yield document
            # in UTC: the SDK takes any other offset for that of this machine
            at = properties.last_update_date.astimezone(UTC) - timedelta(seconds=1)


def _simulates(backend: Any) -> bool:
    return bool(getattr(backend.configuration(), "simulator", False)) and not backend.name.startswith("fake_")


def _document(backend: Any, properties: Any) -> Document | None:
    if properties is None:
        return None
    configuration = backend.configuration()
    conf = {field: getattr(configuration, field, None) for field in Configuration.__struct_fields__}
    conf["basis_gates"] = conf["basis_gates"] or []
    return Document(
        msgspec.json.encode(properties.to_dict(), enc_hook=str),
        Hints(configuration=msgspec.json.encode(conf, enc_hook=str)),
    )
