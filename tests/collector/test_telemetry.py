"""What the collector says of itself: accepted by Prometheus, readable by people, and sent on over OTLP."""

from __future__ import annotations

import math
import re
import shutil
import subprocess
import threading
import urllib.request

import pytest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest

from eigenspan.calibration.asof import AsOfIndex, Observed
from eigenspan.calibration.attributes import StatusSample
from eigenspan.calibration.summary import Summary
from eigenspan.collector.backend_metrics import expose_backends
from eigenspan.collector.export import Retry
from eigenspan.collector.measure import SpanMetrics
from eigenspan.collector.push import Push
from tests.collector.building import SECOND, payload, request, spans
from tests.e2e.harness import far_end, running

NOW = 1_790_000_000 * SECOND
EXECUTION = {
    "status": 2,
    "attributes": {"quantum.stage.name": "execute", "quantum.backend.name": "ibm_x", "quantum.provider.name": "ibm"},
}


def send(r, *bodies: bytes) -> None:
    for body in bodies:
        done = threading.Event()
        r.collector.receiver._committer.submit(payload(body), lambda error, done=done: done.set())
        assert done.wait(10)


@pytest.mark.skipif(not shutil.which("promtool"), reason="promtool is not on the PATH")
def test_prometheus_accepts_the_whole_endpoint(tmp_path):
    with running(tmp_path, receivers__otlp__engine="portable") as r:
        send(r, request(EXECUTION), request({"trace": 2}))
        r.wait_until_decided()
        text = r.get("telemetry", "/metrics")
        done = subprocess.run(["promtool", "check", "metrics"], input=text, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        for line in (
            'otelcol_receiver_accepted_spans_total{receiver="otlp"} 2', 'otelcol_receiver_accepted_spans{receiver="otlp"} 2',
            'otelcol_processor_tail_sampling_count_traces_sampled_total{policy="errors",sampled="true"} 1',
            'quantum_errors_total{provider="ibm",error_type="_OTHER"} 1',
            'hybrid_requests_total{stage="execute",provider="ibm"} 1', "eigenspan_sampling_relief 1",
        ):  # fmt: skip
            assert line in text
        assert 'status="failure"' in text


def test_the_status_page_names_every_stage(tmp_path):
    with running(tmp_path, receivers__otlp__engine="portable") as r:
        send(r, request(EXECUTION))
        r.wait_until_decided()
        page = r.get("telemetry", "/status")
        words = [line.split()[0] for line in page.splitlines()]
        assert words == [
            "eigenspan",
            "door",
            "receive",
            "log",
            "measure",
            "traces",
            "decide",
            "errors",
            "slow",
            "baseline",
            "export",
        ]
        assert "1 spans, 1 errors, 0 repeated" in page


def test_a_filling_log_lowers_the_baseline_before_the_door_shuts(tmp_path):
    with running(tmp_path, receivers__otlp__engine="portable", service__log__max_bytes=1 << 20) as r:
        r.collector._relieve(0.1)
        assert r.collector.pipeline.valve.factor == 1
        body = request(*({"trace": 9, "span": i + 1, "attributes": {"k": "x" * 1000}} for i in range(800)))
        send(r, body)
        assert r.collector.receiver.admission.open
        r.collector._relieve(0.1)
        assert r.collector.pipeline.valve.factor < 1
        assert "eigenspan_sampling_relief 1\n" not in r.get("telemetry", "/metrics")


class Taker:
    """A destination that takes every request but those that it is told to refuse."""

    signals = frozenset({"metrics"})
    per_trace = False

    def __init__(self) -> None:
        self.taken: list[ExportMetricsServiceRequest] = []
        self.busy = self.closed = False

    def deliver(self, signal, bodies) -> int:
        assert signal == "metrics"
        if self.busy:
            raise Retry("come back")
        self.taken += [ExportMetricsServiceRequest.FromString(body) for _, body in bodies]
        return 0

    def close(self) -> None:
        self.closed = True


def counted(message: ExportMetricsServiceRequest) -> int:
    metrics = message.resource_metrics[0].scope_metrics[0].metrics
    return sum(
        p.count for m in metrics if m.name == "eigenspan.span.duration" for p in m.exponential_histogram.data_points
    )


def began(message: ExportMetricsServiceRequest) -> int:
    metric = message.resource_metrics[0].scope_metrics[0].metrics[0]
    return metric.exponential_histogram.data_points[0].start_time_unix_nano


@pytest.mark.parametrize(("temporality", "expected"), [("cumulative", [2, 7, 7]), ("delta", [2, 5, 0])])
def test_what_a_destination_did_not_take_comes_with_the_next(temporality, expected):
    metrics, taker, times = SpanMetrics(began_ns=7), Taker(), iter(range(11, 100))
    push = Push(metrics, {"t": taker}, interval_s=60, temporality=temporality, wall_ns=lambda: next(times))
    metrics.count(spans(*({"span_id": i, "position": 1} for i in (1, 2))))
    push.send()
    metrics.count(spans(*({"span_id": i, "position": 2} for i in (3, 4, 5))))
    taker.busy = True
    push.send()
    assert push.failures == 1
    metrics.count(spans(*({"span_id": i, "position": 3} for i in (6, 7))))
    taker.busy = False
    push.send()
    push.start()
    push.stop()
    assert [counted(message) for message in taker.taken] == expected
    assert [began(message) for message in taker.taken[:2]] == ([7, 7] if temporality == "cumulative" else [11, 12])
    assert taker.closed


def test_a_destination_that_breaks_keeps_nothing_from_the_others():
    class Broken(Taker):
        def deliver(self, signal, items):
            raise ValueError("the channel is closed")

    metrics, taker = SpanMetrics(), Taker()
    metrics.count(spans({"span_id": 1, "position": 1}))
    push = Push(metrics, {"broken": Broken(), "t": taker}, interval_s=60, temporality="cumulative")
    push.send()
    push.send()
    assert (push.failures, len(taker.taken)) == (2, 2)


def test_points_that_a_destination_rejects_are_said(caplog):
    class Picky(Taker):
        def deliver(self, signal, items):
            super().deliver(signal, items)
            return 3

    metrics = SpanMetrics()
    push = Push(metrics, {"t": Picky()}, interval_s=60, temporality="delta")
    push.send()
    assert push.failures == 1
    assert "3 points of metrics were rejected for good by t" in caplog.text


def test_the_state_of_backends_that_traffic_named():
    summary = Summary(provider="ibm", backend="ibm_x", version="v", valid_from_ns=NOW - 7200 * SECOND, num_qubits=5, readout_error_median=0.02,
                      two_qubit_error_median=0.01, single_qubit_error_median=0.001, t2_median_s=1e-4)  # fmt: skip
    status = StatusSample("ibm", "ibm_x", NOW - SECOND, status="online", queue_length=4, queue_s=90.0)
    other = StatusSample("ibm", "ibm_y", NOW - SECOND, status="error", queue_length=3)
    bare = Summary(provider="ibm", backend="ibm_y", version="w", valid_from_ns=NOW - SECOND, num_qubits=5)
    index = AsOfIndex([Observed("ibm_x", summary), Observed("ibm_y", bare)], [status, other])
    lines = expose_backends(index, [("ibm", "ibm_x"), ("ibm", "ibm_y"), ("", "elsewhere")], NOW)
    found = dict(line.rsplit(" ", 1) for line in lines if not line.startswith("#"))
    device = 'provider="ibm",device="ibm_x"'
    own = 'quantum_provider_name="ibm",quantum_backend_name="ibm_x"'
    noise = 1 - (1 - 0.001) * (1 - 0.01) * (1 - 0.02) ** 2
    for name, value in {
        f"quantum_device_calibration_age_hours{{{device}}}": 2,
        f"quantum_device_status{{{device}}}": 1,
        'quantum_device_status{provider="ibm",device="ibm_y"}': 0,
        f"quantum_device_queue_length{{{device}}}": 4,
        'quantum_job_queue_length{provider="ibm"}': 7,
        f"job_backlog_seconds{{{device}}}": 90,
        f"quantum_backend_backlog_seconds{{{own}}}": 90,
        f"quantum_hardware_noise_level{{{device}}}": noise,
        f"quantum_backend_noise_ratio{{{own}}}": noise,
        f'quantum_device_error_rate{{{device},error_type="readout_error"}}': 0.02,
        f'quantum_device_error_rate{{{device},error_type="gate_error"}}': 0.01,
        f'quantum_device_error_rate{{{device},error_type="coherence_error"}}': 1 - math.exp(-0.01),
        f'quantum_backend_error_rate_ratio{{{own},quantum_backend_error_kind="readout_error"}}': 0.02,
    }.items():
        assert float(found[name]) == pytest.approx(value), name
    assert not [line for line in lines if "elsewhere" in line]
    assert not [name for name in found if "ibm_y" in name and ("noise" in name or "error_rate" in name)]


EXEMPLAR = re.compile(r'(\w+)_bucket\{(.*?)\} \S+ # \{trace_id="(\w{32})"(?:,span_id="(\w{16})")?\} (\S+) \S+')


def traffic(first: int) -> list[bytes]:
    """Forty traces, a tenth of them errors; each has a stage, an execution with a queue, and a question to a model."""
    bodies = []
    for trace in range(first, first + 40):
        executed = EXECUTION["attributes"] | {
            "quantum.job.queue.duration": float(trace),
            "quantum.job.duration": trace + 2.0,
        }
        asked = {"gen_ai.operation.name": "chat", "gen_ai.usage.input_tokens": 5}
        bodies.append(request(
            {"trace": trace << 64 | trace, "end_time_unix_nano": trace * SECOND, "status": 2 * (trace % 10 == 0)},
            {"trace": trace << 64 | trace, "span": 2, "parent": 1, "attributes": executed},
            {"trace": trace << 64 | trace, "span": 3, "parent": 1, "attributes": asked},
        ))  # fmt: skip
    return bodies


def test_every_exemplar_anywhere_is_of_a_kept_trace(tmp_path):
    rules = "[{name: errors, when: duration_s > 30 AND errors > 0, keep: 100%}, {name: rest, keep: 20%}]"
    with far_end() as far, running(
        tmp_path, receivers__otlp__engine="portable", processors__sampling__rules=rules, exporters__far__type="otlp",
        exporters__far__endpoint=f"127.0.0.1:{far.port}", extensions__telemetry__push="{interval: 3600}",
    ) as r:  # fmt: skip
        for turn in range(3):
            send(r, b"".join(traffic(1 + 40 * turn)))
            r.wait_until_decided()
        text = openmetrics_of(r)
        plain = r.get("telemetry", "/metrics")
        r.collector.push.send()
        kept = {span.trace_id.hex() for _, _, span in far.spans()}
        spans_kept = {(span.trace_id.hex(), span.span_id.hex()) for _, _, span in far.spans()}
        (pushed,) = (ExportMetricsServiceRequest.FromString(body) for signal, body in far.others if signal == "metrics")
    assert 0 < len(kept) < 120
    over_otlp: dict[str, set[str]] = {}
    for metric in pushed.resource_metrics[0].scope_metrics[0].metrics:
        for point in getattr(metric, metric.WhichOneof("data")).data_points:
            for exemplar in getattr(point, "exemplars", ()):
                over_otlp.setdefault(metric.name, set()).add(exemplar.trace_id.hex())
                assert exemplar.trace_id.hex() in kept
                if exemplar.span_id:
                    assert (exemplar.trace_id.hex(), exemplar.span_id.hex()) in spans_kept
    lasting = {s.instrument.metric.name for s in r.collector.metrics.series.values() if s.lasting and s.histograms}
    assert set(over_otlp) == lasting | {"eigenspan.trace.duration"}
    found = EXEMPLAR.findall(text)
    assert {name for name, *_ in found} >= {
        "eigenspan_span_duration_seconds", "quantum_stage_duration_seconds", "hybrid_request_latency_seconds", "quantum_job_latency_seconds",
        "quantum_circuit_queue_seconds", "eigenspan_trace_duration_seconds", "llm_inference_latency_seconds",
    }  # fmt: skip
    for _, labels, trace, span, value in found:
        assert trace in kept
        assert not span or (trace, span) in spans_kept
        bound = re.search(r'(?:^|,)le="([^"]+)"', labels)[1]
        assert float(value) <= float(bound.replace("+Inf", "inf"))
    assert not EXEMPLAR.search(plain), "the older format has no room for them"


def openmetrics_of(r) -> str:
    url = f"http://127.0.0.1:{r.ports['telemetry']}/metrics"
    asked = urllib.request.Request(url, headers={"Accept": "application/openmetrics-text; version=1.0.0"})
    with urllib.request.urlopen(asked, timeout=10) as answer:
        assert answer.headers["content-type"].startswith("application/openmetrics-text; version=1.0.0")
        return answer.read().decode()


@pytest.mark.skipif(not shutil.which("promtool"), reason="promtool is not on the PATH")
def test_prometheus_reads_the_endpoint_as_openmetrics(tmp_path):
    """promtool takes OpenMetrics for blocks of its database, where every sample has a time; that is all that is added."""
    with running(tmp_path / "data", receivers__otlp__engine="portable") as r:
        send(r, *traffic(1))
        r.wait_until_decided()
        text = openmetrics_of(r)
    assert EXEMPLAR.search(text)
    dated = re.sub(r"^((?!#).*?\} \S+|(?!#)\w+ \S+)", r"\1 1790000000.5", text, flags=re.MULTILINE)
    (tmp_path / "metrics").write_text(dated)
    done = subprocess.run(
        ["promtool", "tsdb", "create-blocks-from", "openmetrics", str(tmp_path / "metrics"), str(tmp_path / "blocks")],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    names = re.findall(r"^# TYPE (\S+)", text, re.MULTILINE)
    assert len(set(names)) == len(names)
    assert text.endswith("# EOF\n")
