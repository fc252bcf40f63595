"""The calibration API: what it answers, what it refuses, and who may post."""

from __future__ import annotations

import asyncio
import gzip
import json

import pytest

from eigenspan.calibration import instants, summarise
from eigenspan.calibration.importers.detect import import_bytes
from eigenspan.calibration.store import CalibrationStore
from eigenspan.collector.config import to_yaml
from eigenspan.collector.settings import Settings
from eigenspan.store.traces import TraceStore
from eigenspan.web import api_calibration
from eigenspan.web.app import Page
from tests.calibration.test_calibration_providers import IONQ

TOKEN = "t0ken"
AT = "2025-06-20T00:00:00Z"
POLLED = instants.parse("2025-06-21T00:00:00Z")


@pytest.fixture
def stores(tmp_path):
    traces = TraceStore(tmp_path / "traces", max_age_days=1, max_bytes=1 << 20)
    with CalibrationStore(tmp_path / "calibration.db") as calibrations:
        yield traces, calibrations
    traces.close()


@pytest.fixture
def ask(stores):
    page = Page(*stores, dict, (TOKEN, "other"))

    def asked(method, path, body=b"", token=None, host="127.0.0.1:8080", query="", parts=None):
        headers = [(b"host", host.encode())]
        if token is not None:
            headers.append((b"authorization", token.encode()))
        scope = {
            "type": "http", "method": method, "path": path, "query_string": query.encode(), "headers": headers,
            "server": ("127.0.0.1", 8080),
        }  # fmt: skip
        sent, waiting = [], list(parts or [{"type": "http.request", "body": body}])

        async def receive():
            return waiting.pop(0)

        async def send(message):
            sent.append(message)

        asyncio.run(page(scope, receive, send))
        return sent[0]["status"], json.loads(sent[1]["body"] or b"null")

    return asked


@pytest.fixture
def posted(ask):
    status, answer = ask("POST", api_calibration.POST_PATH, json.dumps(IONQ).encode(), f"Bearer {TOKEN}")
    assert (status, answer["outcome"], answer["backend"]) == (201, "new", "qpu.aria-1")
    return answer["version"]


def test_a_posted_snapshot_is_joined(ask, stores, posted):
    document = import_bytes(json.dumps(IONQ).encode(), "x")
    assert posted == document.snapshot.version
    status, found = ask("GET", "/api/calibration/as-of", query=f"backend=Aria-1&provider=ionq&at={AT}")
    assert (status, found["match"]) == (200, "as_of_unconfirmed")
    stores[1].put_poll("ionq", "qpu.aria-1", POLLED)
    _, found = ask("GET", "/api/calibration/as-of", query=f"backend=qpu.aria-1&at={AT}")
    assert found["match"] == found["attributes"]["quantum.backend.calibration.match"] == "as_of"
    assert found["snapshot"]["version"] == posted
    assert found["snapshot"]["valid_from"] == IONQ["date"]
    assert found["attributes"]["quantum.backend.calibration.t1.median"] == 100
    assert ask("POST", api_calibration.POST_PATH, json.dumps(IONQ).encode(), "bearer other")[1]["outcome"] == "known"


def test_backends_snapshots_documents_events(ask, stores, posted):
    _, listed = ask("GET", "/api/calibration/backends")
    (backend,) = listed["backends"]
    assert (backend["provider"], backend["name"], backend["snapshots"]) == ("ionq", "aria-1", 1)
    summary = summarise(stores[1].document(posted))
    assert backend["newest"]["two_qubit_error_median"] == summary.two_qubit_error_median
    assert ask("GET", "/api/calibration/backends/ionq/aria-1")[1]["snapshots"] == [backend["newest"]]
    assert ask("GET", "/api/calibration/backends/ionq/aria-1", query="since=2026-01-01T00:00:00Z")[1]["snapshots"] == []
    status, document = ask("GET", f"/api/calibration/snapshots/{posted[:23]}")
    assert (status, document["snapshot"]["version"]) == (200, posted)
    _, found = ask("GET", "/api/calibration/events")
    assert [event["name"] for event in found["events"]] == ["quantum.backend.calibration_change"]
    assert found["events"][0]["at"] == IONQ["date"]


def test_documents_may_be_compressed_and_name_what_they_do_not_say(ask, shared_data):
    file = next((shared_data / "calibration" / "braket").glob("iqm_54q*"))
    status, answer = ask(
        "POST", api_calibration.POST_PATH, file.read_bytes(), f"Bearer {TOKEN}", query="backend=Emerald"
    )
    assert (status, answer["backend"]) == (201, "Emerald")


def test_a_bad_document_is_quarantined_and_the_answer_says_why(ask, stores):
    bad = json.dumps(IONQ | {"timing": {"t1": 1e10}}).encode()
    status, answer = ask("POST", api_calibration.POST_PATH, bad, f"Bearer {TOKEN}")
    assert status == 422
    assert "t1_s" in answer["detail"]
    assert stores[1].index().backends == []
    _, listed = ask("GET", "/api/calibration/quarantine")
    assert listed["quarantine"][0]["reason"] == answer["detail"]


def test_drift_is_an_event_and_shows_on_the_backends_page(ask, stores, posted):
    worse = IONQ | {"id": "next", "date": "2025-06-17T00:00:00Z", "timing": IONQ["timing"] | {"t1": 10}}
    assert ask("POST", POST, json.dumps(worse).encode(), f"Bearer {TOKEN}")[0] == 201
    _, found = ask("GET", "/api/calibration/events", query="since=2025-06-17T00:00:00Z")
    assert {event["name"] for event in found["events"]} == {
        "quantum.backend.calibration_change",
        "quantum.hardware.event",
    }
    page, sent = Page(*stores, dict), []

    async def send(message):
        sent.append(message)

    scope = {
        "type": "http", "method": "GET", "path": "/backends/ionq/aria-1", "query_string": b"",
        "headers": [(b"host", b"localhost")], "server": ("127.0.0.1", 1),
    }  # fmt: skip
    asyncio.run(page(scope, None, send))
    assert b"What happened to it" in sent[1]["body"]
    assert b">drift<" in sent[1]["body"]


POST = api_calibration.POST_PATH
REFUSED = {
    "no token": (("POST", POST), {"body": b"{}"}, 401),
    "a wrong token": (("POST", POST), {"body": b"{}", "token": "Bearer t0ke"}, 401),
    "a token of another scheme": (("POST", POST), {"body": b"{}", "token": f"Basic {TOKEN}"}, 401),
    "a foreign host": (("POST", POST), {"body": b"{}", "token": f"Bearer {TOKEN}", "host": "evil.example"}, 421),
    "a foreign host reading": (("GET", "/api/calibration/backends"), {"host": "evil.example"}, 421),
    "another method": (("PUT", POST), {"token": f"Bearer {TOKEN}"}, 405),
    "posting elsewhere": (("POST", "/api/calibration/backends"), {"token": f"Bearer {TOKEN}"}, 405),
    "no backend": (("GET", "/api/calibration/as-of"), {}, 400),
    "no time": (("GET", "/api/calibration/as-of"), {"query": "backend=a&at=noon"}, 400),
    "no such backend": (("GET", "/api/calibration/backends/ibm/x"), {}, 404),
    "no such snapshot": (("GET", "/api/calibration/snapshots/sha256:0"), {}, 404),
    "nothing": (("GET", "/api/calibration/nope"), {}, 404),
    "cut short": (("POST", POST), {"token": f"Bearer {TOKEN}", "parts": [{"type": "http.disconnect"}]}, 400),
    "a bomb": (("POST", POST), {"token": f"Bearer {TOKEN}", "body": gzip.compress(bytes(80 << 20))}, 422),
    "not JSON": (("POST", POST), {"token": f"Bearer {TOKEN}", "body": b"\xff"}, 422),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
def test_refused(ask, case):
    arguments, more, expected = REFUSED[case]
    status, answer = ask(*arguments, **more)
    assert status == expected
    assert set(answer) == {"error", "detail"}
    assert TOKEN not in json.dumps(answer)


def test_a_body_beyond_the_bound_is_refused_before_it_is_all_here(ask, monkeypatch):
    monkeypatch.setattr(api_calibration, "MAX_BODY", 10)
    parts = [{"type": "http.request", "body": b"x" * 8, "more_body": True}] * 100
    assert ask("POST", POST, token=f"Bearer {TOKEN}", parts=parts)[0] == 413


def test_without_a_token_nobody_posts(stores):
    page = Page(*stores, dict)
    sent = []

    async def send(message):
        sent.append(message)

    scope = {
        "type": "http",
        "method": "POST",
        "path": POST,
        "headers": [(b"host", b"localhost")],
        "server": ("127.0.0.1", 1),
    }
    asyncio.run(page(scope, None, send))
    assert sent[0]["status"] == 403


def test_tokens_are_masked_when_the_configuration_is_shown():
    settings = Settings()
    settings.processors.calibration.tokens = [TOKEN]
    assert TOKEN not in to_yaml(settings)
