"""The page and its JSON API as an ASGI application. Everything that it shows is untrusted input."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from eigenspan.calibration.store import CalibrationStore
    from eigenspan.store.traces import TraceStore


class Page:
    """The application. `summary` gives what the collector says of itself."""

    def __init__(self, store: TraceStore, calibrations: CalibrationStore, summary: Callable[[], dict[str, Any]]) -> None:
        self._store, self._calibrations, self._summary = store, calibrations, summary

    async def __call__(self, scope: dict[str, Any], receive: Any, send: Any) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            return
        status, body = (200, json.dumps(self._summary()).encode()) if scope["path"] == "/api/summary" else (404, b"{}")
        headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": body})
