"""The page without a browser: routes, filters, refusals, and markup that foreign input cannot leave."""

from __future__ import annotations

import asyncio
import base64
import html
import json
import re
import sqlite3
from html.parser import HTMLParser
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.proto.logs.v1.logs_pb2 import LogsData
from opentelemetry.proto.trace.v1.trace_pb2 import TracesData

from eigenspan.calibration.store import CalibrationStore
from eigenspan.semconv import attributes as q
from eigenspan.store.traces import TraceStore
from eigenspan.web import words
from eigenspan.web.app import Page
from eigenspan.web.markup import join, tag

LOCAL = ("127.0.0.1", 8080)
ID = "ab" * 16
EVIL = "\"'><script>alert(1)</script>&amp;{{x}}\u202e\x00"
SUMMARY = {
    "engine": {"receive": "portable", "scan": "python"},
    "version": "0",
    "spans": {"received": 0, "errors": 0, "open": 0},
    "traces": {"open": 0, "rules": {}},
    "exporters": {},
    "outbox": {},
    "ports": {"grpc": 14317, "http": 14318},
}


class Answer:
    def __init__(self, messages: list[dict]) -> None:
        start, body = messages
        self.status, self.body = start["status"], body["body"]
        self.headers = {k.decode(): v.decode() for k, v in start["headers"]}

    @property
    def text(self) -> str:
        return self.body.decode()

    @property
    def json(self):
        return json.loads(self.body)


class Client:
    """Speaks ASGI with the page."""

    def __init__(self, store, calibrations, *, closed: bool = False) -> None:
        self.summary = json.loads(json.dumps(SUMMARY))
        self.page = Page(store, calibrations, lambda: self.summary, ["write"], ["secret"] if closed else [])

    def get(
        self, path: str, query: str = "", *, method="GET", host="localhost:8080", server=LOCAL, headers=(), body=b""
    ) -> Answer:
        hosts = [] if host is None else [(b"host", host.encode("latin-1"))]
        scope = {
            "type": "http", "method": method, "path": path, "query_string": query.encode("latin-1"), "server": server,
            "headers": [*hosts, *headers],
        }  # fmt: skip
        messages: list[dict] = []

        async def send(message: dict) -> None:
            messages.append(message)

        async def receive() -> dict:
            return {"type": "http.request", "body": body}

        asyncio.run(self.page(scope, receive, send))
        return Answer(messages)


def otlp(trace_id: str = ID, text: str = "run", error: bool = False, seconds: float = 2.0, **attributes) -> bytes:
    data = TracesData()
    resource_spans = data.resource_spans.add()
    resource_spans.resource.attributes.add(key="service.name").value.string_value = text
    scope = resource_spans.scope_spans.add()
    span = scope.spans.add(
        trace_id=bytes.fromhex(trace_id), span_id=b"\1" * 8, name=text, trace_state="ot=th:e6", start_time_unix_nano=10**18,
        end_time_unix_nano=10**18 + int(seconds * 1e9), kind=3,
    )  # fmt: skip
    if error:
        span.status.code = 2
        span.status.message = text
    for key, value in attributes.items():
        any_value = span.attributes.add(key=key).value
        setattr(any_value, {str: "string_value", float: "double_value", int: "int_value"}[type(value)], value)
    event = span.events.add(name=text, time_unix_nano=10**18)
    event.attributes.add(key=text).value.array_value.values.add().string_value = text
    link = span.links.add(trace_id=b"\2" * 16, span_id=b"\3" * 8)
    link.attributes.add(key=text).value.bytes_value = b"\xff"
    return data.SerializeToString()


@pytest.fixture
def store(tmp_path):
    with TraceStore(tmp_path / "traces") as made:
        yield made


@pytest.fixture
def client(tmp_path, store):
    with CalibrationStore(tmp_path / "calibration.db") as calibrations:
        yield Client(store, calibrations)


@pytest.fixture
def traced(client, store):
    store.write([("", bytes.fromhex(ID), "baseline", otlp())])
    return client


@pytest.fixture
def tokened(tmp_path, store):
    with CalibrationStore(tmp_path / "calibration.db") as calibrations:
        yield Client(store, calibrations, closed=True)


PATHS = ["/", "/traces", "/releases", "/fragments/front", "/api/releases", f"/trace/{ID}", f"/trace/{ID}/rows", f"/trace/{ID}/spans/{'01' * 8}",
         "/fragments/traces", "/backends", "/api/summary",
         "/api/traces", f"/api/traces/{ID}", "/static/page.css", "/static/trace.js", "/static/icon.svg"]  # fmt: skip
MISSING = ["/nothing", "//", "/trace", "/trace/" + "0" * 32, "/trace/xyz", f"/trace/{ID}/x", f"/trace/{ID}/spans/zz", "/api", "/api/x",
           "/api/traces/zz", "/static/../app.py", "/static/app.py", "/static/", "/backends/ibm/nothing", "/backends/nothing"]  # fmt: skip


@pytest.mark.parametrize("path", PATHS)
def test_every_route_answers_with_its_guards(traced, path):
    answer = traced.get(path)
    assert answer.status == 200
    assert answer.headers["content-length"] == str(len(answer.body)) != "0"
    policy = answer.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["referrer-policy"] == "no-referrer"
    head = traced.get(path, method="HEAD")
    assert (head.status, head.body, head.headers) == (200, b"", answer.headers)


@pytest.mark.parametrize("path", MISSING)
def test_what_is_not_there_is_a_clean_page(traced, path):
    answer = traced.get(path)
    assert answer.status == 404
    assert "Traceback" not in answer.text
    assert "content-security-policy" in answer.headers
    assert ("error" in answer.json) if path.startswith("/api/") else ("<h1>" in answer.text)


TOLD = {"kind": "service", "name": "svc", "version": "2", "at": "2026-03-01T00:00:00Z", "note": EVIL}


def test_logs_are_escaped_wherever_they_are_shown(traced, store):
    data = LogsData()
    scope = data.resource_logs.add().scope_logs.add()
    for span_id in ("01" * 8, "ff" * 8):
        record = scope.log_records.add(trace_id=bytes.fromhex(ID), span_id=bytes.fromhex(span_id), severity_number=17)
        record.severity_text = record.body.string_value = record.event_name = EVIL
        record.attributes.add(key=EVIL).value.string_value = EVIL
    store.write_logs([("", data.SerializeToString())])
    for path in (f"/trace/{ID}?span={'01' * 8}", f"/trace/{ID}/spans/{'01' * 8}"):
        answer = traced.get(*path.split("?"))
        assert answer.status == 200
        assert html.escape(EVIL[:20]) in answer.text
        assert EVIL not in answer.text
    assert "Logs of no span here" in traced.get(f"/trace/{ID}").text


def post(client, token: bytes, document) -> Answer:
    return client.get(
        "/api/releases",
        method="POST",
        headers=[(b"authorization", b"Bearer " + token)],
        body=json.dumps(document).encode(),
    )


def test_a_release_is_told_with_a_token_and_shown(client):
    assert post(client, b"write", TOLD).status == 201
    assert post(client, b"write", TOLD).status == 201
    (found,) = client.get("/api/releases").json["releases"]
    assert (found["name"], found["version"], found["source"], found["at"]) == ("svc", "2", "posted", TOLD["at"])
    assert client.get("/api/releases", "since=2026-03-02T00:00:00Z").json["releases"] == []


@pytest.mark.parametrize(
    ("token", "document", "status"),
    [
        (b"other", TOLD, 401), (b"write", [], 400), (b"write", {"kind": "service"}, 400), (b"write", TOLD | {"kind": "x"}, 400),
        (b"write", TOLD | {"at": "yesterday"}, 400), (b"write", TOLD | {"more": 1}, 400), (b"write", TOLD | {"version": "v" * 121}, 400),
        (b"write", TOLD | {"note": "n" * (1 << 16)}, 413),
    ],
)  # fmt: skip
def test_what_is_no_release_is_refused(client, token, document, status):
    assert post(client, token, document).status == status
    assert client.get("/api/releases").json["releases"] == []


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE"])
def test_only_reading(traced, method):
    answer = traced.get("/", method=method)
    assert (answer.status, answer.headers["allow"]) == (405, "GET, HEAD")


@pytest.mark.parametrize(
    "host", ["localhost", "localhost:8080", "127.0.0.1", "127.0.0.1:9", "[::1]", "[::1]:80", "LOCALHOST:1"]
)
def test_this_machine_is_a_good_host(traced, host):
    for server in (LOCAL, ("::1", 8080), ("::ffff:127.0.0.1", 8080)):
        assert traced.get("/api/traces", host=host, server=server).status == 200


@pytest.mark.parametrize(
    "host",
    [None, "", "evil.example", "evil.example:8080", "localhost.evil.example", "127.0.0.1.evil.example", "localhost:8080@evil", "localhost/",
     " localhost", "0.0.0.0", "[::2]", "2130706433", "localhost:123456"],
)  # fmt: skip
def test_another_name_for_this_machine_is_refused(traced, host):
    answer = traced.get("/api/traces", host=host)
    assert answer.status == 421
    assert ID not in answer.text


def test_two_hosts_are_refused(traced):
    assert traced.get("/", headers=[(b"host", b"evil.example")]).status == 421


NETWORK = ("10.0.0.4", 8080)
BASIC = base64.b64encode(b"anyone:secret")


@pytest.mark.parametrize("shown", [b"Bearer secret", b"bearer secret", b"Basic " + BASIC])
def test_bound_to_the_network_a_token_opens_it_under_any_name(tokened, shown):
    answer = tokened.get("/", host="collector.lab:8080", server=NETWORK, headers=[(b"authorization", shown)])
    assert answer.status == 200


@pytest.mark.parametrize(
    "shown",
    [None, b"", b"Bearer", b"Bearer other", b"Basic !!", b"Basic " + base64.b64encode(b"secret"), b"Digest secret"],
)
@pytest.mark.parametrize("path", ["/", "/api/traces", "/static/page.css"])
def test_bound_to_the_network_nobody_else_gets_in(tokened, path, shown):
    headers = [] if shown is None else [(b"authorization", shown)]
    answer = tokened.get(path, host="collector.lab:8080", server=NETWORK, headers=headers)
    assert answer.status == 401
    assert answer.headers["www-authenticate"].startswith("Basic ")
    assert ID not in answer.text


def test_bound_to_the_network_without_a_token_it_is_closed(traced):
    answer = traced.get("/", host="collector.lab:8080", server=NETWORK, headers=[(b"authorization", b"Bearer x")])
    assert answer.status == 403
    assert "extensions.page.tokens" in answer.text


@pytest.mark.parametrize(
    "headers",
    [
        [], [(b"origin", b"null")], [(b"origin", b"http://evil.example")], [(b"sec-fetch-site", b"cross-site")],
        [(b"sec-fetch-site", b"same-site"), (b"origin", b"http://localhost:8080")],
    ],
)  # fmt: skip
def test_demo_traces_are_sent_for_this_page_only(traced, headers):
    assert traced.get("/demo", method="POST", headers=headers).status == 403


@pytest.mark.parametrize("headers", [[(b"origin", b"http://localhost:8080")], [(b"sec-fetch-site", b"same-origin")]])
def test_where_demo_traces_cannot_go_is_said(traced, headers):
    traced.summary["ports"] = {}
    answer = traced.get("/demo", method="POST", headers=headers)
    assert answer.status == 409
    assert "receivers.otlp.protocols.http" in answer.text


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("", {1, 2, 3}), ("errors=1", {2}), ("errors=", {1, 2, 3}), ("service=b", {2}), ("backend=dev", {3}), ("slower=5", {3}),
        ("slower=0.5&service=a", {1}), ("limit=500", {1, 2, 3}), ("service=b&service=a", {2}), ("unknown=1", {1, 2, 3}),
    ],
)  # fmt: skip
def test_filters_mean_the_same_in_list_fragment_and_api(client, store, query, expected):
    number = {n: f"{n:032x}" for n in (1, 2, 3)}
    bodies = (
        otlp(number[1], "a"),
        otlp(number[2], "b", error=True),
        otlp(number[3], "c", seconds=9, **{q.QUANTUM_BACKEND_NAME: "dev"}),
    )
    store.write([("", bytes.fromhex(number[n]), "r", body) for n, body in enumerate(bodies, 1)])
    want = {number[n] for n in expected}
    assert {row["trace_id"] for row in client.get("/api/traces", query).json["traces"]} == want
    for path in ("/traces", "/fragments/traces"):
        assert set(re.findall(r'data-trace="([0-9a-f]{32})"', client.get(path, query).text)) == want


@pytest.mark.parametrize(
    "query",
    ["limit=0", "limit=501", "limit=-1", "limit=x", "limit=1e2", "limit=²", "slower=nan", "slower=inf", "slower=-1", "slower=x", "slower=1e99",
     "service=" + "a" * 257, "&".join(f"a{i}=1" for i in range(40))],
)  # fmt: skip
def test_bad_query_values_are_refused(traced, query):
    for path in ("/traces", "/api/traces"):
        answer = traced.get(path, quote(query, safe="=&"))
        assert answer.status == 400
        assert "Traceback" not in answer.text


def test_a_long_query_is_refused(traced):
    assert traced.get("/traces", "service=" + "a" * 5000).status == 414


def test_a_trace_as_otlp_json(traced):
    document = traced.get(f"/api/traces/{ID}").json
    (span,) = document["resourceSpans"][0]["scopeSpans"][0]["spans"]
    assert span["traceId"] == ID
    assert span["spanId"] == "01" * 8
    assert span["kind"] == 3
    assert span["startTimeUnixNano"] == str(10**18)
    assert span["links"][0]["traceId"] == "02" * 16
    assert span["links"][0]["attributes"][0]["value"] == {"bytesValue": "/w=="}


def test_the_adjusted_count_is_shown(traced):
    text = traced.get(f"/trace/{ID}").text
    assert "9.85 traces" in text  # th:e6 is T = 0xe6 << 48: 2^56 / (2^56 - T) = 256 / 26


def test_rows_come_in_steps(client, store):
    data = TracesData.FromString(otlp())
    spans = data.resource_spans[0].scope_spans[0].spans
    for i in range(1200):
        spans.add(
            trace_id=bytes.fromhex(ID), span_id=(i + 2).to_bytes(8, "big"), parent_span_id=b"\1" * 8, name=f"n{i}"
        )
    store.write([("", bytes.fromhex(ID), "r", data.SerializeToString())])
    assert client.get(f"/trace/{ID}").text.count('role="treeitem"') == 500
    assert client.get(f"/trace/{ID}", "rows=700").text.count('role="treeitem"') == 700
    assert client.get(f"/trace/{ID}/rows", "from=1000").text.count('role="treeitem"') == 201
    assert client.get(f"/trace/{ID}/rows", "from=9999").text == ""
    far = (1201).to_bytes(8, "big").hex()
    assert f'data-key="{far}"' in client.get(f"/trace/{ID}", f"span={far}").text


def test_repeated_and_empty_span_ids_each_have_an_address(client, store):
    data = TracesData.FromString(otlp())
    spans = data.resource_spans[0].scope_spans[0].spans
    spans.add(trace_id=bytes.fromhex(ID), span_id=b"\1" * 8, name="again")
    spans.add(trace_id=bytes.fromhex(ID), name="nameless")
    store.write([("", bytes.fromhex(ID), "r", data.SerializeToString())])
    assert (
        "<h2>again</h2>"
        in client.get(f"/trace/{ID}/spans/{'01' * 8}").text + client.get(f"/trace/{ID}/spans/{'01' * 8}.1").text
    )
    assert "<h2>nameless</h2>" in client.get(f"/trace/{ID}/spans/none").text


def test_a_trace_opens_where_its_failure_began(client, store):
    data = TracesData.FromString(otlp(error=True))
    spans = data.resource_spans[0].scope_spans[0].spans
    for number, parent, failed in ((2, 1, False), (3, 1, True), (4, 3, True), (5, 4, False), (6, 1, True)):
        span = spans.add(
            trace_id=bytes.fromhex(ID),
            span_id=bytes([number]) * 8,
            parent_span_id=bytes([parent]) * 8,
            name=f"n{number}",
        )
        span.start_time_unix_nano = span.end_time_unix_nano = 10**18 + number
        span.status.code = 2 if failed else 0
    store.write([("", bytes.fromhex(ID), "r", data.SerializeToString())])
    assert "<h2>n4</h2>" in client.get(f"/trace/{ID}").text


def test_late_spans_show_at_once(traced, store):
    assert traced.get(f"/trace/{ID}").text.count('role="treeitem"') == 1
    late = TracesData.FromString(otlp())
    late.resource_spans[0].scope_spans[0].spans[0].span_id = b"\7" * 8
    store.write([("", bytes.fromhex(ID), "", late.SerializeToString())])
    assert traced.get(f"/trace/{ID}").text.count('role="treeitem"') == 2


def test_the_estimate_and_what_is_missing_from_it_are_shown(client, store):
    attributes = {
        q.QUANTUM_BACKEND_NAME: "dev", q.QUANTUM_BACKEND_CALIBRATION_MATCH: "as_of", q.QUANTUM_BACKEND_CALIBRATION_VERSION: "sha256:12",
        q.QUANTUM_BACKEND_CALIBRATION_AGE: -90.0, q.QUANTUM_CIRCUIT_CALIBRATION_SUCCESS_PROBABILITY: 0.8123,
        q.QUANTUM_CIRCUIT_CALIBRATION_BASIS: "counts", q.QUANTUM_CIRCUIT_CALIBRATION_MISSING_TERMS: 3,
    }  # fmt: skip
    store.write([("", bytes.fromhex(ID), "r", otlp(**attributes))])
    text = client.get(f"/trace/{ID}").text
    assert '<data value="0.8123">81.2 %</data>' in text
    assert "from gate counts and medians · 3 terms unknown" in text
    assert f"{words.MINUS}1 min 30 s" in text
    assert "T1 median" not in text  # what the snapshot does not have is left out


def test_files_are_revalidated(traced):
    first = traced.get("/static/page.css")
    again = traced.get("/static/page.css", headers=[(b"if-none-match", first.headers["etag"].encode())])
    assert (again.status, again.body) == (304, b"")


def test_the_empty_page_names_the_ports(client):
    text = client.get("/", host="127.0.0.1:8080").text
    assert "OTEL_EXPORTER_OTLP_ENDPOINT=http://127.0.0.1:14317" in text
    assert "OTEL_EXPORTER_OTLP_ENDPOINT=http://127.0.0.1:14318" in text


def test_the_empty_page_says_what_became_of_the_spans(client):
    client.summary["spans"]["received"] = 12
    client.summary["traces"] = {"open": 1, "rules": {"baseline": {"kept": 0, "dropped": 4}}}
    text = client.get("/").text
    assert "12 spans arrived" in text
    assert "4 traces dropped" in text


def test_troubles_of_exporters_are_said(client):
    client.summary["exporters"] = {EVIL: {"last_error": EVIL}, "far": {"last_error": None}}
    client.summary["outbox"] = {"far": {"waiting": 0, "parked": 2}}
    text = client.get("/traces").text
    assert "2 batches set aside" in text
    assert "<script>alert" not in text


def test_failures_are_clean_pages(traced, monkeypatch):
    def broken(*_: object) -> None:
        raise sqlite3.OperationalError("disk I/O error at /somewhere")

    def wrong(*_: object) -> None:
        raise RuntimeError("secret")

    for failure, status in ((broken, 503), (wrong, 500)):
        monkeypatch.setattr(traced.page._store, "newest", failure)
        for path in ("/traces", "/api/traces"):
            answer = traced.get(path)
            assert answer.status == status
            assert not re.search("secret|somewhere|Traceback", answer.text)


class Shape(HTMLParser):
    """What a browser would make of markup: its elements, attributes and text."""

    def __init__(self) -> None:
        super().__init__()
        self.elements: list[tuple[str, tuple[str, ...]]] = []
        self.text = ""

    def handle_starttag(self, tag, attrs) -> None:
        self.elements.append((tag, tuple(name for name, _ in attrs)))

    def handle_data(self, data) -> None:
        self.text += data


def shape_of(markup: str) -> Shape:
    shape = Shape()
    shape.feed(markup)
    shape.close()
    return shape


def test_foreign_input_changes_no_element_and_no_attribute(tmp_path):
    """The same pages with harmless and with hostile words everywhere have the same elements with the same attributes."""
    shapes = []
    for name, word in (("plain", "word"), ("evil", EVIL.replace("/", "|"))):
        with TraceStore(tmp_path / name / "traces") as store, CalibrationStore(tmp_path / f"{name}.db") as calibrations:
            client = Client(store, calibrations)
            client.summary["traces"]["rules"] = {word: {"kept": 1, "dropped": 1}}
            client.summary["engine"] = {"scan": word, "receive": word}
            attributes = {
                getattr(q, key): word
                for key in dir(q)
                if key.startswith(("QUANTUM_", "EIGENSPAN_")) and isinstance(getattr(q, key), str)
            }
            store.write([("", bytes.fromhex(ID), word, otlp(ID, word, error=True, **attributes, **{word: word}))])
            told = {"kind": "workflow", "name": word, "version": word, "previous": word, "note": word}
            assert post(client, b"write", told).status == 201
            pages = [
                client.get(path).text
                for path in (
                    "/",
                    "/traces",
                    "/releases",
                    f"/trace/{ID}",
                    "/backends",
                    f"/trace/{ID}/spans/{'01' * 8}",
                    f"/trace/{ID}/rows",
                )
            ]
            changed = dict.fromkeys(attributes, f"{word}.") | {q.QUANTUM_STAGE_NAME: word, word: f"{word}."}
            other = otlp("cd" * 16, word, error=True, **changed)
            store.write([("", b"\xcd" * 16, word, other)])
            pages += [client.get("/compare", query).text for query in (f"a={ID}", f"a={ID}&b={'cd' * 16}")]
            assert not any("<script>alert" in page or "\"'>" in page for page in pages)
            shapes.append([[e for e in shape_of(page).elements if e[0] != "wbr"] for page in pages])
            shapes[-1][-1].sort()  # rows are in the order of keys, and one key is the word
            assert all(
                not set(names) & {"style", "onload", "onclick", "onerror"} for page in shapes[-1] for _, names in page
            )
    plain, evil = shapes
    assert plain == evil


@given(st.text(), st.text())
def test_any_text_comes_out_as_it_went_in(child, attribute):
    shape = shape_of(tag("p", child, title=attribute))
    assert shape.elements == [("p", ("title",))]
    assert shape.text.replace("\r", "") == child.encode("utf-8", "replace").decode().replace("\r", "")


def test_children_may_be_nested_and_absent():
    assert join(["a<", None, 1, [tag("b", "x"), ["&"]]]) == "a&lt;1<b>x</b>&amp;"
    assert (
        tag("input", type="checkbox", checked=True, disabled=False, data_a_b=None) == '<input type="checkbox" checked>'
    )


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0"), (2.5e-7, "0.25 µs"), (0.00099, "990 µs"), (0.0123, "12.3 ms"), (0.9999, "1 s"), (59.9, "59.9 s"), (61, "1 min 01 s"),
     (3660, "1 h 01 min"), (90000, "1 d 1 h"), (86400 * 400, "400 d")],
)  # fmt: skip
def test_durations(seconds, text):
    assert words.duration(seconds) == text


def test_instants_outside_the_calendar_are_numbers():
    assert words.instant(2**70) == f"{2**70} ns"
    assert words.instant(0) == "1970-01-01 00:00:00"


@pytest.mark.parametrize(("name", "shown"), [
    (None, "(no root span)"), ("", "(no root span)"), ("run", "run"), ("\u200b\u200d\ufeff", "(a name without visible characters)"),
    (" \u00a0", "(a name without visible characters)"), ("\u200bx", "\u200bx"),
])  # fmt: skip
def test_every_name_can_be_seen_and_clicked(name, shown):
    assert words.named(name, "(no root span)") == shown
