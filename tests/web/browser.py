"""A headless Chromium, and a collector with real spans for it to look at."""

from __future__ import annotations

import json
import os
import shutil
import statistics
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from importlib import resources
from pathlib import Path
from typing import Self

import pytest
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.proto.logs.v1.logs_pb2 import LogsData
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import Link, SpanKind, Status, StatusCode, set_span_in_context

from eigenspan.semconv import attributes as q
from tests.e2e.harness import running

ARTEFACTS = Path(__file__).resolve().parents[2] / ".artefacts" / "page"
ARGUMENTS = [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
]  # fmt: skip
NS = 10**9
RULES = (
    "[{name: errors, when: 'errors > 0', keep: 100%}, {name: slow, when: 'duration_s > 300', keep: 100%}, "
    "{name: baseline, keep: 100%}]"
)
EVIL = '"><img src=x onerror="alert(1);window.pwned=1"><script>window.pwned=1</script>\'--><svg/onload=alert(1)>{{7*7}}'
LARGE = 10_000


def chromium() -> str:
    """The program to drive; skips where there is none."""
    named = os.environ.get("CHROMIUM_BIN")
    found = named or next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if not found:
        pytest.skip(
            "no Chromium: none of chromium, chromium-browser, google-chrome is on the PATH and CHROMIUM_BIN is not set"
        )
    return found


@contextmanager
def browsing() -> Iterator:
    """A running browser."""
    sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium(), headless=True, args=ARGUMENTS)
        try:
            yield browser
        finally:
            browser.close()


def shot(page, name: str, *, whole: bool = False) -> None:
    """Keep what the page looks like."""
    ARTEFACTS.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=ARTEFACTS / f"{name}.png", full_page=whole)


def lagos(directory: Path) -> tuple[list[str], dict, datetime]:
    """Two snapshots of one machine as files, the document of the first, and when the first was taken."""
    name = resources.files("qiskit_ibm_runtime") / "fake_provider" / "backends" / "lagos" / "props_lagos.json"
    first = json.loads(name.read_text())
    taken = datetime.fromisoformat(first["last_update_date"]).astimezone(UTC)
    second = json.loads(json.dumps(first))
    second["last_update_date"] = (taken + timedelta(days=4)).isoformat()
    for qubit in second["qubits"]:
        for entry in qubit:
            if entry["name"] in ("T1", "T2"):
                entry["value"] *= 0.5
    paths = []
    for number, document in enumerate((first, second)):
        path = directory / f"lagos_{number}.json"
        path.write_text(json.dumps(document))
        paths.append(str(path))
    return paths, first, taken


@contextmanager
def collecting(directory: Path) -> Iterator[tuple]:
    """A collector that knows the calibrations of `lagos`, their document, and when the first was taken; skips without a browser."""
    chromium()
    files, document, taken = lagos(directory)
    settings = {"processors__calibration__files": str(files), "processors__sampling__rules": RULES}
    with running(directory / "data", **settings) as collector:
        yield collector, document, taken


def median_of(document: dict, name: str) -> float:
    """A median straight from the document, times in seconds."""
    units = {"us": 1e-6, "µs": 1e-6, "ns": 1e-9, "": 1.0}
    return statistics.median(
        e["value"] * units[e["unit"]] for qubit in document["qubits"] for e in qubit if e["name"] == name
    )


class Sender:
    """A real SDK for one service."""

    def __init__(self, port: int, service: str, **resource: str) -> None:
        self.provider = TracerProvider(resource=Resource.create({"service.name": service, **resource}))
        exporter = OTLPSpanExporter(endpoint=f"http://127.0.0.1:{port}/v1/traces")
        self.provider.add_span_processor(
            BatchSpanProcessor(exporter, max_queue_size=2 * LARGE, max_export_batch_size=2000)
        )
        self.tracer = self.provider.get_tracer("tests.web", "1")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.provider.shutdown()

    def span(self, name: str, start_ns: int, seconds: float, parent=None, attributes=None, error: str = "", **more):
        """A span with given times."""
        context = set_span_in_context(parent) if parent else None
        span = self.tracer.start_span(name, context, start_time=start_ns, attributes=attributes, **more)
        if error:
            span.record_exception(RuntimeError(error), timestamp=start_ns + int(seconds * NS * 0.9))
            span.set_status(Status(StatusCode.ERROR, error))
        span.end(start_ns + int(seconds * NS))
        return span


def send_logs(port: int, trace: str, span: str, records: list[tuple[str, int, int, str]]) -> None:
    """Log records of (severity's text, its number, time, body), as a log SDK sends them."""
    data = LogsData()
    resource = data.resource_logs.add()
    resource.resource.attributes.add(key="service.name").value.string_value = "portfolio-qaoa"
    into = resource.scope_logs.add().log_records
    for text, number, time_ns, body in records:
        record = into.add(trace_id=bytes.fromhex(trace), span_id=bytes.fromhex(span), time_unix_nano=time_ns)
        record.severity_text, record.severity_number, record.body.string_value = text, number, body
    headers = {"Content-Type": "application/x-protobuf"}
    request = urllib.request.Request(f"http://127.0.0.1:{port}/v1/logs", data.SerializeToString(), headers)
    urllib.request.urlopen(request, timeout=10).close()


def trace_id(span) -> str:
    return format(span.get_span_context().trace_id, "032x")


def workflow(
    sender: Sender,
    name: str,
    start_ns: int,
    backend: str,
    executed: datetime,
    number: int,
    error: str = "",
    length: float = 1,
) -> str:
    """A hybrid workflow: compile, submit, execute, post-process."""
    root = sender.tracer.start_span(name, start_time=start_ns, attributes={q.QUANTUM_WORKFLOW_NAME: name})
    at = [start_ns]

    def step(what: str, seconds: float, **more):
        span = sender.span(what, at[0], seconds * length, root, **more)
        at[0] += int(seconds * length * NS)
        return span

    compile_span = step(
        "compile circuit",
        0.18,
        attributes={q.QUANTUM_STAGE_NAME: "transpile", q.QUANTUM_CIRCUIT_QUBIT_COUNT: 5, q.QUANTUM_CIRCUIT_DEPTH: 42},
    )
    sender.span("layout", start_ns + 10_000_000, 0.05 * length, compile_span)
    sender.span("routing", start_ns + int(0.06 * length * NS), 0.11 * length, compile_span)
    execute = step(
        "execute on backend", 0.9, kind=SpanKind.CLIENT, error=error,
        attributes={
            q.QUANTUM_STAGE_NAME: "execute", q.QUANTUM_JOB_QUEUE_DURATION: 0.4 * length, q.QUANTUM_CIRCUIT_FAMILY: "vqe",
            q.QUANTUM_COST_AMOUNT: 0.35, q.QUANTUM_COST_CURRENCY: "USD",
            q.QUANTUM_PROVIDER_NAME: "ibm", q.QUANTUM_BACKEND_NAME: backend, q.QUANTUM_JOB_ID: f"job-{number}",
            q.QUANTUM_JOB_SHOTS: 4000, q.QUANTUM_JOB_EXECUTION_START_TIME: executed.isoformat(),
            q.QUANTUM_CIRCUIT_QUBIT_COUNT: 5, "counts": ["00000:1987", "11111:1894"],
        },
    )  # fmt: skip
    step(
        "post-process",
        0.08,
        attributes={q.QUANTUM_STAGE_NAME: "post_process", "cases": 3},
        links=[Link(execute.get_span_context(), {"why": "result"})],
    )
    root.add_event("result ready", {"shots": 4000}, timestamp=at[0])
    root.end(at[0] + 20_000_000)
    return trace_id(root)


def fill(port: int, taken: datetime) -> dict[str, str]:
    """Send every kind of trace that the page has to show; returns their ids."""
    now, ids = time.time_ns(), {}
    with Sender(port, "chemistry-vqe", **{"deployment.environment.name": "lab"}) as s:
        for i in range(14):
            ids[f"plain {i}"] = workflow(
                s,
                "vqe iteration",
                now - (30 + 7 * i) * NS,
                "ibm_lagos",
                taken + timedelta(days=i / 3),
                i,
                length=1 + i % 5,
            )
        ids["first"] = workflow(s, "vqe first", now - 20 * NS, "ibm_lagos", taken + timedelta(days=3), 90)
        ids["second"] = workflow(s, "vqe second", now - 19 * NS, "ibm_lagos", taken + timedelta(days=4), 91)
        ids["early"] = workflow(s, "vqe early", now - 18 * NS, "ibm_lagos", taken - timedelta(days=1), 92)
    with Sender(port, "portfolio-qaoa") as s:
        ids["error"] = workflow(
            s,
            "qaoa portfolio",
            now - 12 * NS,
            "ibm_lagos",
            taken + timedelta(hours=5),
            93,
            error="job rejected: 20001 shots exceed 20000",
        )
        ids["slow"] = workflow(s, "qaoa overnight", now - 3000 * NS, "ibm_brisk", taken, 94, length=600)
    with Sender(port, EVIL, **{EVIL: EVIL}) as s:
        root = s.tracer.start_span(
            EVIL, start_time=now - 5 * NS, attributes={EVIL: EVIL, q.QUANTUM_BACKEND_NAME: EVIL, "list": [EVIL]}
        )
        root.add_event(EVIL, {EVIL: EVIL}, timestamp=now - 4 * NS)
        link = Link(root.get_span_context(), {EVIL: EVIL})
        marked = {
            q.QUANTUM_BACKEND_CALIBRATION_MATCH: EVIL, q.QUANTUM_BACKEND_CALIBRATION_VERSION: EVIL,
            q.QUANTUM_BACKEND_CALIBRATION_TIME: EVIL, q.QUANTUM_BACKEND_CALIBRATION_ID: EVIL,
            q.QUANTUM_BACKEND_CALIBRATION_T2_METHOD: EVIL, q.QUANTUM_CIRCUIT_CALIBRATION_BASIS: EVIL,
            q.QUANTUM_CIRCUIT_CALIBRATION_SUCCESS_PROBABILITY: 0.5, q.QUANTUM_BACKEND_NAME: "\N{RIGHT-TO-LEFT OVERRIDE}" + EVIL,
            q.EIGENSPAN_SAMPLING_RULE: EVIL, q.EIGENSPAN_SAMPLING_REASON: EVIL,
        }  # fmt: skip
        s.span(EVIL, now - 4 * NS, 1, root, marked, error=EVIL, links=[link])
        root.end(now - 2 * NS)
        ids["evil"] = trace_id(root)
    with Sender(port, "large") as s:
        root = s.tracer.start_span("large", start_time=now - 9 * NS)
        parent = root
        for i in range(LARGE - 1):
            if i % 100 == 0:
                parent = s.span(f"group {i // 100}", now - 9 * NS + i * 500_000, 0.05, root)
            else:
                s.span(f"work {i}", now - 9 * NS + i * 500_000, 0.0004, parent, {"i": i})
        root.end(now - 3 * NS)
        ids["large"] = trace_id(root)
    return ids
