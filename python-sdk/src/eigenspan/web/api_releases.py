"""Releases as JSON, and one told by an authenticated POST.

    GET  /api/releases?since=TIME
    POST /api/releases       {"kind": "service", "name": ..., "version": ..., "previous"?: ..., "at"?: TIME, "note"?: ...}

Times are RFC 3339 with an offset. The POST takes the bearer tokens of calibration snapshots.
"""

from __future__ import annotations

import dataclasses
import json
import time
from collections.abc import Callable
from typing import Final

import msgspec

from eigenspan.calibration import instants
from eigenspan.figures.releases import Release, Releases
from eigenspan.web.exchange import JSON, Problem, Request, Response

POST_PATH: Final = "/api/releases"
KINDS: Final = ("service", "workflow", "model", "prompt template", "deployment")
_MAX_TEXT: Final = 120


class Told(msgspec.Struct, forbid_unknown_fields=True):
    """The body of a POST."""

    kind: str
    version: str
    name: str = ""
    previous: str = ""
    note: str = ""
    at: str = ""


def get(releases: Releases, request: Request) -> Response:
    """The list, newest first."""
    since_ns = request.instant("since") or 0
    listed = [
        {name: value for name, value in dataclasses.asdict(r).items() if name != "at_ns"}
        | {"at": instants.format_ns(r.at_ns)}
        for r in releases.newest(since_ns, request.whole("limit", 100, 1, 1000))
    ]
    return Response(json.dumps({"releases": listed}).encode(), JSON)


def post(releases: Releases, body: bytes, now_ns: Callable[[], int] = time.time_ns) -> Response:
    """Keep the release in the body; Problem where it is none."""
    try:
        told = msgspec.json.decode(body, type=Told)
        at_ns = instants.parse(told.at) if told.at else now_ns()
    except (msgspec.MsgspecError, ValueError, OverflowError) as error:
        raise Problem(400, "That is no release", str(error)) from error
    if told.kind not in KINDS:
        raise Problem(400, "That is no release", f"kind is one of {', '.join(KINDS)}.")
    texts = (told.version, told.name, told.previous, told.note)
    if not told.version or any(len(text) > _MAX_TEXT for text in texts):
        raise Problem(400, "That is no release", f"version is needed; texts have up to {_MAX_TEXT} characters.")
    if not 0 <= at_ns < 2**63:
        raise Problem(400, "That is no release", "at lies outside what can be stored.")
    releases.post(Release(told.kind, told.name, told.version, told.previous, at_ns, "posted", told.note))
    return Response(json.dumps({"outcome": "stored", "at": instants.format_ns(at_ns)}).encode(), JSON, 201)
