"""Calibrations as JSON: backends, their snapshots, what was in force when; and a snapshot brought by an authenticated POST.

    GET  /api/calibration/backends
    GET  /api/calibration/backends/PROVIDER/NAME            its snapshots, newest first: ?since=TIME&limit=N
    GET  /api/calibration/as-of?backend=NAME&at=TIME        ?provider= and ?id= narrow it
    GET  /api/calibration/snapshots/VERSION                 the whole document; a version may be abbreviated as on spans
    GET  /api/calibration/events?since=TIME                 new snapshots, drift, qubits lost
    GET  /api/calibration/quarantine                        what was refused, and why
    POST /api/calibration/snapshots                         any format that is imported: ?backend=NAME&valid_from=TIME

Times are RFC 3339 with an offset.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable, Sequence
from typing import Any, Final

import msgspec

from eigenspan.calibration import changes, instants, snapshot
from eigenspan.calibration.attributes import backend_attributes
from eigenspan.calibration.errors import CalibrationError
from eigenspan.calibration.importers import detect
from eigenspan.calibration.importers.detect import Hints
from eigenspan.calibration.store import CalibrationStore
from eigenspan.calibration.summary import Summary
from eigenspan.figures.backends import name_of
from eigenspan.web.exchange import JSON, Problem, Request, Response, authenticate, body_of, request_of

POST_PATH: Final = "/api/calibration/snapshots"
MAX_BODY: Final = 16 << 20
_MAX_ROWS: Final = 10_000


class CalibrationApi:
    """Answers under /api/calibration. Without `tokens` nothing can be posted."""

    def __init__(
        self, store: CalibrationStore, tokens: Sequence[str] = (), now_ns: Callable[[], int] = time.time_ns
    ) -> None:
        self._store, self._now_ns = store, now_ns
        self._tokens = tokens

    def get(self, request: Request, rest: list[str]) -> Response:
        """One of the GET addresses."""
        match rest:
            case ["backends"]:
                return _json({"backends": self._backends()})
            case ["backends", provider, *name] if name:
                return _json({"snapshots": self._snapshots(request, provider, "/".join(name))})
            case ["as-of"]:
                return _json(self._as_of(request))
            case ["snapshots", version]:
                return self._document(version)
            case ["events"]:
                listed = self._store.events(request.instant("since") or 0, request.whole("limit", 1000, 1, _MAX_ROWS))
                return _json({"events": [_dated(msgspec.to_builtins(event)) for event in listed]})
            case ["quarantine"]:
                return _json({"quarantine": [_dated(msgspec.to_builtins(q)) for q in self._store.quarantined()]})
        raise Problem(404, "Nothing here", "There are backends, snapshots, as-of, events and quarantine.")

    def _backends(self) -> list[dict[str, Any]]:
        index = self._store.index()
        out = []
        for series in index.backends:
            timeline = index.timeline(series.provider, name_of(series))
            polled_ns = index.polled_ns(series.provider, name_of(series))
            out.append(
                {
                    "provider": series.provider,
                    "name": name_of(series),
                    "simulated": series.simulated,
                    "snapshots": len(timeline),
                    "polled": None if polled_ns is None else instants.format_ns(polled_ns),
                    "newest": _summary(timeline[-1]),
                }
            )
        return out

    def _snapshots(self, request: Request, provider: str, name: str) -> list[dict[str, Any]]:
        timeline = self._store.index().timeline(provider, name)
        if not timeline:
            raise Problem(404, "No such backend", "No calibration of it is known here.")
        since_ns = request.instant("since") or 0
        listed = [held for held in timeline if held.valid_from_ns >= since_ns]
        return [_summary(held) for held in listed[::-1][: request.whole("limit", 1000, 1, _MAX_ROWS)]]

    def _as_of(self, request: Request) -> dict[str, Any]:
        backend, provider = request.text("backend"), request.text("provider")
        if backend is None:
            raise Problem(400, "Which backend?", "backend=NAME says of which; at=TIME when.")
        at_ns = request.instant("at")
        at_ns = self._now_ns() if at_ns is None else at_ns
        index = self._store.index()
        match = index.match(provider, backend, at_ns, request.text("id"))
        status = index.status(provider, backend, at_ns)
        return {
            "at": instants.format_ns(at_ns),
            "match": match.kind,
            "reason": match.reason,
            "snapshot": None if match.snapshot is None else _summary(match.snapshot),
            "attributes": backend_attributes(match.snapshot, at_ns, match.kind, status),
        }

    def _document(self, version: str) -> Response:
        try:
            return Response(snapshot.to_json(self._store.document(version)), JSON)
        except KeyError:
            raise Problem(404, "No such snapshot", "No snapshot, or more than one, has this version.") from None

    async def post(self, scope: dict[str, Any], receive: Any) -> Response:
        """Store the document in the body; it is refused as a whole, kept in quarantine, and the answer says why."""
        request = request_of(scope, ("POST",))
        self.authenticate(scope)
        body = await body_of(receive, MAX_BODY)
        return await asyncio.to_thread(self._put, request, body)

    def authenticate(self, scope: dict[str, Any]) -> None:
        """Problem unless the request may post."""
        if not self._tokens:
            raise Problem(403, "Nothing can be posted", "processors.calibration.tokens names no token that may.")
        authenticate(scope, self._tokens)

    def _put(self, request: Request, body: bytes) -> Response:
        hints = Hints(backend=request.text("backend"), valid_from_ns=request.instant("valid_from"))
        try:
            document = detect.import_bytes(body, "posted document", hints)
            put = self._store.put(document)
        except CalibrationError as error:
            self._store.quarantine(body, error, self._now_ns())
            raise Problem(422, "The document cannot be believed", str(error)) from error
        if put.outcome != "known":
            changes.record(self._store, document)
        answer = {"version": put.version, "outcome": put.outcome, "backend": document.backend.name}
        return _json(answer, 201 if put.outcome == "new" else 200)


def _summary(held: Summary) -> dict[str, Any]:
    return _dated(msgspec.to_builtins(held))


def _dated(built: dict[str, Any]) -> dict[str, Any]:
    """Every field in nanoseconds becomes one in text: JSON readers lose the last digits of such integers."""
    return {
        key.removesuffix("_ns"): instants.format_ns(value) if key.endswith("_ns") and value is not None else value
        for key, value in built.items()
    }


def _json(document: dict[str, Any], status: int = 200) -> Response:
    return Response(json.dumps(document).encode(), JSON, status)
