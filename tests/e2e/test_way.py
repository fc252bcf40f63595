"""The whole way: real SDK exporters → collector → a real second OTLP endpoint.

Every error trace arrives complete, about 10 % of the rest arrive, the calibration on a span is the one that was in force
when its job ran, and the rest of each span's bytes is as the SDK sent it.
"""

from __future__ import annotations

import gzip
import json
import re
import statistics
from datetime import UTC, datetime
from importlib import resources

import pytest
from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter as GrpcExporter
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter as HttpExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult
from opentelemetry.trace import Status, StatusCode

from eigenspan.collector.scan import kernel
from eigenspan.semconv import attributes as q
from tests.e2e.harness import far_end, running
from tests.wire import fields, parts_of

_KERNEL = pytest.mark.skipif(kernel is None, reason="eigenspan-kernel is not installed")
ENGINES = [
    pytest.param("portable", "python"),
    pytest.param("portable", "kernel", marks=_KERNEL),
    pytest.param("native", "kernel", marks=_KERNEL),
]
"""Who receives, and who scans and splices."""
DAY_NS = 86_400 * 10**9


def instant(text: str) -> int:
    return int(datetime.fromisoformat(text).astimezone(UTC).timestamp()) * 10**9


def by_hand(props: dict) -> dict[str, float]:
    """Medians of T1, T2 and readout error straight from an IBM document."""

    def values(name: str) -> list[float]:
        units = {"us": 1e-6, "µs": 1e-6, "ns": 1e-9, "": 1.0}
        return [e["value"] * units[e["unit"]] for qubit in props["qubits"] for e in qubit if e["name"] == name]

    return {
        q.QUANTUM_BACKEND_CALIBRATION_T1_MEDIAN: statistics.median(values("T1")),
        q.QUANTUM_BACKEND_CALIBRATION_T2_MEDIAN: statistics.median(values("T2")),
        q.QUANTUM_BACKEND_CALIBRATION_READOUT_ERROR_MEDIAN: statistics.median(values("readout_error")),
    }


def snapshots_from_package(tmp_path) -> list[tuple[str, str, dict]]:
    """Two snapshots each of two backends: as shipped, and the same machine measured again four days later."""
    out = []
    root = resources.files("qiskit_ibm_runtime") / "fake_provider" / "backends"
    for name in ("lagos", "nairobi"):
        first = json.loads((root / name / f"props_{name}.json").read_text())
        start = datetime.fromisoformat(first["last_update_date"]).astimezone(UTC)
        second = json.loads(json.dumps(first))
        second["last_update_date"] = datetime.fromtimestamp(start.timestamp() + 4 * 86_400, UTC).isoformat()
        for qubit in second["qubits"]:
            for entry in qubit:
                if entry["name"] in ("T1", "T2"):
                    entry["value"] *= 0.75
        for number, props in enumerate((first, second)):
            path = tmp_path / f"{name}_{number}.json"
            path.write_text(json.dumps(props))
            out.append((props["backend_name"], str(path), props))
    return out


class Recording(SpanExporter):
    """Passes spans on and remembers the bytes of each as the SDK encodes it."""

    def __init__(self, inner: SpanExporter, seen: dict[tuple[bytes, bytes], bytes]) -> None:
        self._inner, self._seen = inner, seen

    def export(self, spans) -> SpanExportResult:
        for resource in encode_spans(spans).resource_spans:
            for scope in resource.scope_spans:
                self._seen.update(((s.trace_id, s.span_id), s.SerializeToString()) for s in scope.spans)
        return self._inner.export(spans)

    def shutdown(self) -> None:
        self._inner.shutdown()


def emit(
    exporter: SpanExporter, jobs: list[tuple[str, int]], *, errors_every: int
) -> tuple[set[int], dict[int, tuple[str, int]]]:
    """One trace a job (backend, execution start); every n-th fails. Returns the error traces, and the job of each trace."""
    provider = TracerProvider(resource=Resource.create({"service.name": "e2e"}))
    provider.add_span_processor(BatchSpanProcessor(exporter))
    tracer = provider.get_tracer("e2e", "1", schema_url="https://example.org/schemas/1.0.0")
    errors, traces = set(), {}
    for number, (backend, executed_ns) in enumerate(jobs):
        with tracer.start_as_current_span("workflow") as root:
            trace_id = root.get_span_context().trace_id
            traces[trace_id] = (backend, executed_ns)
            started = datetime.fromtimestamp(executed_ns // 10**9, UTC).isoformat()
            attributes = {
                q.QUANTUM_PROVIDER_NAME: "ibm",
                q.QUANTUM_BACKEND_NAME: backend,
                q.QUANTUM_JOB_ID: f"job-{number}",
                q.QUANTUM_JOB_EXECUTION_START_TIME: started,
            }
            with tracer.start_as_current_span("execute", attributes=attributes) as span:
                if number % errors_every == 0:
                    errors.add(trace_id)
                    _fail(span, number)
    provider.shutdown()
    return errors, traces


def _fail(span, number: int) -> None:
    """In turn: each way in which a span can say that it failed."""
    ways = [
        lambda: span.set_status(Status(StatusCode.ERROR, "refused")),
        lambda: span.set_attribute("error.type", "JobFailed"),
        lambda: span.set_attribute("quantum.error.type", "JobFailed"),
        lambda: span.set_attribute("quantum.execution.success", False),
        lambda: span.set_attribute(q.QUANTUM_JOB_STATUS, "FAILED" if number % 2 else "ERROR"),
    ]
    ways[number // 7 % len(ways)]()


@pytest.mark.parametrize(("receiver", "engine"), ENGINES)
@pytest.mark.parametrize("protocol", ["grpc", "http"])
def test_the_whole_way(tmp_path, receiver, engine, protocol):
    sources = snapshots_from_package(tmp_path)
    in_force: dict[tuple[str, int], dict[str, float]] = {}
    jobs = []
    for (backend, _, first), (_, _, second) in zip(sources[::2], sources[1::2], strict=True):
        t1, t2 = instant(first["last_update_date"]), instant(second["last_update_date"])
        for at, props in ((t1, first), (t1 + DAY_NS, first), (t2 - 10**9, first), (t2, second), (t2 + DAY_NS, second)):
            in_force[backend, at] = by_hand(props)
            jobs += [(backend, at)] * 70
    files = json.dumps([path for _, path, _ in sources])
    seen: dict[tuple[bytes, bytes], bytes] = {}
    with far_end() as far:
        exporters = f"{{otlp: {{endpoint: '127.0.0.1:{far.port}'}}}}"
        with running(
            tmp_path / "data",
            service__engine=engine,
            receivers__otlp__engine=receiver,
            processors__calibration__files=files,
            exporters=exporters,
        ) as r:
            port = r.ports[protocol]
            inner = (
                GrpcExporter(endpoint=f"http://127.0.0.1:{port}", insecure=True)
                if protocol == "grpc"
                else HttpExporter(endpoint=f"http://127.0.0.1:{port}/v1/traces")
            )
            errors, traces = emit(Recording(inner, seen), jobs, errors_every=7)
            r.wait_until_decided()
            assert (r.collector.receiver.name, r.collector.engine.name) == (receiver, engine)
            rules = r.summary()["traces"]["rules"]
    got: dict[int, list] = {}
    for resource, scope, span in far.spans():
        assert resource.resource.attributes[0].key
        assert scope.schema_url == "https://example.org/schemas/1.0.0"
        got.setdefault(int.from_bytes(span.trace_id, "big"), []).append(span)

    assert errors <= got.keys()
    assert all(len(spans) == 2 for spans in got.values())
    others = len(jobs) - len(errors)
    kept = len(got) - len(errors)
    assert abs(kept - 0.1 * others) < 4 * (others * 0.1 * 0.9) ** 0.5
    assert rules["errors"] == {"kept": len(errors), "dropped": 0}
    assert rules["baseline"]["kept"] == kept

    raw = far.raw_spans()
    for trace_id, spans in got.items():
        for span in spans:
            _check_bytes(seen[span.trace_id, span.span_id], raw[span.trace_id, span.span_id])
            assert span.trace_state == ("ot=th:0" if trace_id in errors else "ot=th:e666")
            attributes = {a.key: a.value for a in span.attributes}
            if span.name == "execute":
                expected = in_force[traces[trace_id]]
                assert {k: pytest.approx(attributes[k].double_value, rel=1e-12) for k in expected} == expected
                age = (traces[trace_id][1] - _valid_from(sources, traces[trace_id])) / 1e9
                assert attributes[q.QUANTUM_BACKEND_CALIBRATION_AGE].double_value == pytest.approx(age, abs=1)
            else:
                assert attributes["eigenspan.sampling.rule"].string_value == (
                    "errors" if trace_id in errors else "baseline"
                )


def _valid_from(sources, job: tuple[str, int]) -> int:
    backend, at = job
    return max(t for name, _, props in sources if name == backend and (t := instant(props["last_update_date"])) <= at)


_OTHER_NAMES = re.compile(rb"quantum\.job\.status\x12.\n.(ERROR|FAILED)|quantum\.error\.(type|message)", re.DOTALL)


def _check_bytes(sent: bytes, kept: bytes) -> None:
    """`kept` is `sent` without its trace_state and what was spelled otherwise than in the registry, then what was appended."""
    before = [raw for number, raw in fields(sent) if number != 3 and not _OTHER_NAMES.search(raw)]
    after = [raw for number, raw in fields(kept) if number != 3]
    assert after[: len(before)] == before
    assert all(number == 9 for number, _ in parts_of(after[len(before) :]))


def test_real_history_on_both_sides_of_the_boundary(tmp_path, shared_data):
    """The same join on the real series of a machine: two snapshots, jobs before, at and after the second."""
    files = sorted((shared_data / "calibration" / "ibm-history").glob("brisbane_*.json.gz"))
    props = [json.loads(gzip.decompress(path.read_bytes())) for path in files]
    assert len(props) >= 2
    first, second = props[:2]
    boundary = instant(second["last_update_date"])
    times = {boundary - 10**9: first, boundary: second, boundary + DAY_NS: second}
    with (
        far_end() as far,
        running(
            tmp_path / "data",
            processors__calibration__files=json.dumps([str(path) for path in files]),
            exporters=f"{{otlp: {{endpoint: '127.0.0.1:{far.port}'}}}}",
        ) as r,
    ):
        exporter = GrpcExporter(endpoint=f"http://127.0.0.1:{r.ports['grpc']}", insecure=True)
        _, traces = emit(exporter, [(first["backend_name"], at) for at in times], errors_every=1)
        r.wait_until_decided()
    spans = [span for _, _, span in far.spans() if span.name == "execute"]
    assert len(spans) == 3
    for span in spans:
        expected = by_hand(times[traces[int.from_bytes(span.trace_id, "big")][1]])
        attributes = {a.key: a.value.double_value for a in span.attributes}
        assert {key: pytest.approx(attributes[key], rel=1e-12) for key in expected} == expected
