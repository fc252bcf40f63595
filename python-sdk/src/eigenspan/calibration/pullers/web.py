"""IonQ, IQM and Azure Quantum over HTTP, with the environment variables that their own SDKs read."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any, Final
from urllib.parse import quote, urlencode

import msgspec

from eigenspan.calibration import instants, status
from eigenspan.calibration.attributes import StatusSample
from eigenspan.calibration.importers.detect import Hints
from eigenspan.calibration.pullers.http import Client
from eigenspan.calibration.pullers.source import Document, Unreachable

IONQ: Final = "https://api.ionq.co/v0.4"
_PAGE: Final = 10  # IonQ's largest


def from_environment(name: str) -> str:
    """A credential; Unreachable says which variable is missing, never what one holds."""
    value = os.environ.get(name, "")
    if not value:
        raise Unreachable(f"the environment variable {name} is not set")
    return value


class IonqSource:
    """IonQ's API, version 0.4; the key in IONQ_API_KEY."""

    provider = "ionq"

    def __init__(self, endpoint: str = "") -> None:
        self._client = Client(endpoint or IONQ, lambda: {"Authorization": f"apiKey {from_environment('IONQ_API_KEY')}"})

    def backends(self) -> list[str]:
        """Its QPUs."""
        listed = _json(self._client.get("/backends").body)
        return [entry["backend"] for entry in listed if str(entry["backend"]).startswith("qpu.")]

    def document(self, backend: str) -> Document | None:
        """The newest characterization."""
        return next(self._page(backend, {"limit": 1}), None)

    def status(self, backend: str, now_ns: int) -> list[StatusSample]:
        """The backend's status, and the rate limit of the answer."""
        answer = self._client.get(f"/backends/{quote(backend, safe='')}")
        sample = status.from_ionq(_json(answer.body), now_ns)
        return [msgspec.structs.replace(sample, rate_limit_remaining=answer.rate_limit_remaining)]

    def history(self, backend: str, since_ns: int, until_ns: int) -> Iterator[Document]:
        """Its pages of characterizations, newest first."""
        start, end = (datetime.fromtimestamp(ns / instants.NS, UTC).strftime("%Y-%m-%d") for ns in (since_ns, until_ns))
        page = 1
        while listed := list(self._page(backend, {"start": start, "end": end, "limit": _PAGE, "page": page})):
            yield from listed
            if len(listed) < _PAGE:
                return
            page += 1

    def _page(self, backend: str, query: Mapping[str, Any]) -> Iterator[Document]:
        path = f"/backends/{quote(backend, safe='')}/characterizations?{urlencode(query)}"
        listed = _json(self._client.get(path).body)
        for entry in listed["characterizations"] if isinstance(listed, dict) else listed:
            yield Document(msgspec.json.encode({"backend": backend, **entry}))


class IqmSource:
    """An IQM server; the token in IQM_TOKEN. It keeps no list by time: history is known by id only."""

    provider = "iqm"

    def __init__(self, endpoint: str, backends: list[str]) -> None:
        self._client = Client(endpoint, lambda: {"Authorization": f"Bearer {from_environment('IQM_TOKEN')}"})
        self._backends = backends

    def backends(self) -> list[str]:
        """Those that were configured."""
        return self._backends

    def document(self, backend: str) -> Document | None:
        """The quality metrics of the calibration set in use."""
        path = f"/api/v1/calibration-sets/{quote(backend, safe='')}/default/metrics"
        return Document(self._client.get(path).body, Hints(backend=backend))

    def status(self, backend: str, now_ns: int) -> list[StatusSample]:
        """Nothing: its health is not for users."""
        return []

    def history(self, backend: str, since_ns: int, until_ns: int) -> Iterator[Document]:
        """Nothing."""
        return iter(())


class AzureSource:
    """An Azure Quantum workspace: status and waits of all its targets, no calibration.

    The token is azure-identity's, or that in AZURE_QUANTUM_TOKEN. `endpoint` is the workspace's, as
    https://REGION.quantum.azure.com/subscriptions/…/workspaces/NAME.
    """

    provider = "azure"

    def __init__(self, endpoint: str) -> None:
        self._client = Client(endpoint, lambda: {"Authorization": f"Bearer {_azure_token()}"})

    def backends(self) -> list[str]:
        """One answer is about all targets."""
        return ["*"]

    def document(self, backend: str) -> Document | None:
        """None: Azure publishes no calibration."""
        return None

    def status(self, backend: str, now_ns: int) -> list[StatusSample]:
        """The answer of the workspace's providerStatus."""
        answer = self._client.get("/providerStatus?api-version=2022-09-12-preview")
        samples = status.from_azure(_json(answer.body), now_ns)
        left = answer.rate_limit_remaining
        return [msgspec.structs.replace(sample, rate_limit_remaining=left) for sample in samples]

    def history(self, backend: str, since_ns: int, until_ns: int) -> Iterator[Document]:
        """Nothing."""
        return iter(())


def _azure_token() -> str:
    if token := os.environ.get("AZURE_QUANTUM_TOKEN"):
        return token
    try:
        from azure.identity import DefaultAzureCredential
    except ImportError:
        raise Unreachable("set AZURE_QUANTUM_TOKEN or install azure-identity") from None
    return str(DefaultAzureCredential().get_token("https://quantum.microsoft.com/.default").token)


def _json(body: bytes) -> Any:
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        raise Unreachable("the answer is not JSON") from None
