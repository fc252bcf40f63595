"""What was acknowledged survives: a stop, a kill, and a restart with late spans."""

from __future__ import annotations

import random
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import grpc
import pytest
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from tests.e2e.harness import RECEIVERS, far_end, overrides, running

EXPORT = "/opentelemetry.proto.collector.{0}.v1.{1}Service/Export"


def spans_of(*spans: tuple[bytes, bytes, bytes, int]) -> bytes:
    """A request with (trace id, span id, parent id, status) each."""
    message = ExportTraceServiceRequest()
    scope = message.resource_spans.add().scope_spans.add()
    for trace, span_id, parent, status in spans:
        span = scope.spans.add(trace_id=trace, span_id=span_id, parent_span_id=parent, name="s")
        span.status.code = status
    return message.SerializeToString()


def send(port: int, body: bytes, signal_: tuple[str, str] = ("trace", "Trace")) -> None:
    with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
        channel.unary_unary(EXPORT.format(*signal_))(body, timeout=20)


pytestmark = pytest.mark.parametrize("receiver", RECEIVERS)


def exporting_to(far, receiver: str, **more) -> dict[str, object]:
    return {"exporters": f"{{otlp: {{endpoint: '127.0.0.1:{far.port}'}}}}", "receivers.otlp.engine": receiver} | more


def test_an_open_trace_is_whole_after_a_restart(tmp_path, receiver):
    trace, root, child = b"\7" * 16, b"\1" * 8, b"\2" * 8
    with far_end() as far:
        with running(tmp_path, **exporting_to(far, receiver)) as r:
            send(r.ports["grpc"], spans_of((trace, child, root, 2)))
            time.sleep(0.3)
        assert not far.bodies
        with running(tmp_path, **exporting_to(far, receiver)) as r:
            assert len(r.collector.traces) == 1
            send(r.ports["grpc"], spans_of((trace, root, b"", 0)))
            r.wait_until_decided()
    assert sorted(s.span_id for _, _, s in far.spans()) == [root, child]


def test_a_late_span_follows_its_kept_trace_also_after_a_restart(tmp_path, receiver):
    trace, root = b"\7" * 16, b"\1" * 8
    with far_end() as far:
        with running(tmp_path, **exporting_to(far, receiver)) as r:
            send(r.ports["grpc"], spans_of((trace, root, b"", 2)))
            r.wait_until_decided()
        with running(tmp_path, **exporting_to(far, receiver)) as r:
            send(r.ports["grpc"], spans_of((trace, b"\2" * 8, root, 0)))
            deadline = time.monotonic() + 10
            while len(list(far.spans())) < 2 and time.monotonic() < deadline:
                time.sleep(0.05)
        with running(tmp_path, **exporting_to(far, receiver)) as r:
            time.sleep(0.5)
            assert len(r.collector.traces) == 0
    late = {s.span_id: s for _, _, s in far.spans()}[b"\2" * 8]
    assert {a.key: a.value.bool_value for a in late.attributes}["eigenspan.sampling.late"]
    assert late.trace_state == "ot=th:0"
    assert len(list(far.spans())) == 2


def test_a_late_error_past_the_regret_window_is_kept_once_and_marked(tmp_path, receiver):
    trace, root, error, after = b"\0" * 15 + b"\7", b"\1" * 8, b"\2" * 8, b"\3" * 8  # the id is below any threshold
    with far_end() as far:

        def wait_for(spans: int) -> None:
            deadline = time.monotonic() + 10
            while len(list(far.spans())) < spans and time.monotonic() < deadline:
                time.sleep(0.05)

        with running(tmp_path, **exporting_to(far, receiver)) as r:
            send(r.ports["grpc"], spans_of((trace, root, b"", 0)))
            r.wait_until_decided()
            r.collector.pipeline.regret.positions = lambda key: []  # the log has let go of it
            send(r.ports["grpc"], spans_of((trace, b"\4" * 8, root, 0)))
            send(r.ports["grpc"], spans_of((trace, error, root, 2)))
            wait_for(1)
            assert r.summary()["counts"]["late_error_traces"] == 1
        with running(tmp_path, **exporting_to(far, receiver)) as r:
            send(r.ports["grpc"], spans_of((trace, after, root, 0)))
            wait_for(2)
            time.sleep(0.3)
    got = {s.span_id: s for _, _, s in far.spans()}
    assert len(list(far.spans())) == len(got)
    assert {error, after} <= got.keys() <= {error, after, b"\4" * 8}
    marks = [{a.key: a.value for a in span.attributes} for span in got.values()]
    assert all(mark["eigenspan.sampling.late"].bool_value for mark in marks)
    (why,) = [mark for mark in marks if "eigenspan.sampling.rule" in mark]
    assert why["eigenspan.sampling.rule"].string_value == "late_error"
    assert not why["eigenspan.sampling.complete"].bool_value
    assert all(s.trace_state == "" for s in got.values())


def test_a_retry_of_the_same_request_is_acknowledged_once(tmp_path, receiver):
    body = spans_of((b"\7" * 16, b"\1" * 8, b"", 2))
    with far_end() as far:
        with running(tmp_path, **exporting_to(far, receiver)) as r:
            send(r.ports["grpc"], body)
            send(r.ports["grpc"], body)
            r.wait_until_decided()
            assert r.summary()["spans"]["received"] == 1
        with running(tmp_path, **exporting_to(far, receiver)) as r:
            send(r.ports["grpc"], body)
            time.sleep(0.5)
            assert r.summary()["spans"]["received"] == 1
    assert len(list(far.spans())) == 1


def test_metrics_and_logs_pass_unchanged_or_are_counted(tmp_path, receiver):
    metrics = ExportMetricsServiceRequest()
    metrics.resource_metrics.add().scope_metrics.add().metrics.add().name = "m"
    logs = ExportLogsServiceRequest()
    logs.resource_logs.add().scope_logs.add().log_records.add().body.string_value = "l"
    sent = {"metrics": metrics.SerializeToString(), "logs": logs.SerializeToString()}
    with far_end() as far:
        with running(tmp_path / "a", **exporting_to(far, receiver)) as r:
            send(r.ports["grpc"], sent["metrics"], ("metrics", "Metrics"))
            send(r.ports["grpc"], sent["logs"], ("logs", "Logs"))
            deadline = time.monotonic() + 10
            while len(far.others) < 2 and time.monotonic() < deadline:
                time.sleep(0.05)
        assert dict(far.others) == sent
        with running(tmp_path / "b", receivers__otlp__engine=receiver) as r:
            send(r.ports["grpc"], sent["metrics"], ("metrics", "Metrics"))
            deadline = time.monotonic() + 10
            while not r.collector.pipeline.counts and time.monotonic() < deadline:
                time.sleep(0.05)
            assert r.summary()["counts"] == {"not_exported_metrics": 1}


def test_secrets_never_reach_the_disk(tmp_path, receiver):
    message = ExportTraceServiceRequest()
    span = message.resource_spans.add().scope_spans.add().spans.add(trace_id=b"\7" * 16, span_id=b"\1" * 8, name="llm")
    span.status.code = 2
    span.attributes.add(key="gen_ai.input.messages").value.string_value = "TOP-SECRET-PROMPT"
    event = span.events.add(name="e")
    event.attributes.add(key="api_key").value.string_value = "TOP-SECRET-KEY"
    another = ExportTraceServiceRequest.FromString(message.SerializeToString())
    another.resource_spans[0].scope_spans[0].spans[0].trace_id = b"\x08" * 16
    another.resource_spans[0].scope_spans[0].spans[0].attributes[0].key = "http.request.header.Authorization"
    another.resource_spans[0].scope_spans[0].spans[0].events[0].attributes[0].key = "harmless"
    another.resource_spans[0].scope_spans[0].spans[0].events[0].attributes[0].value.string_value = "h"
    with far_end() as far, running(tmp_path, **exporting_to(far, receiver)) as r:
        send(r.ports["grpc"], message.SerializeToString())
        send(r.ports["grpc"], another.SerializeToString())
        r.wait_until_decided()
        redacted = {"gen_ai.input.messages": 1, "api_key": 1, "http.request.header.Authorization": 1}
        assert r.summary()["redacted"] == redacted
    kept = [s for _, _, s in far.spans()]
    assert [s.attributes[0].value.string_value for s in kept] == ["[redacted]"] * 2
    on_disk = b"".join(p.read_bytes() for p in tmp_path.rglob("*") if p.is_file())
    assert b"TOP-SECRET" not in on_disk


def test_an_exporter_that_is_down_loses_nothing_and_one_refused_trace_is_set_aside(tmp_path, receiver):
    traces = [bytes([i]) * 16 for i in range(1, 9)]
    poison = traces[3]

    with far_end() as far:
        down = [True]

        def fail(context):
            if down[0]:
                context.abort(grpc.StatusCode.UNAVAILABLE, "away")

        far.fail = fail
        with running(tmp_path, **exporting_to(far, receiver)) as r:
            send(r.ports["grpc"], spans_of(*((t, b"\1" * 8, b"", 2) for t in traces)))
            deadline = time.monotonic() + 10
            while not r.collector.workers[0].last_error and time.monotonic() < deadline:
                time.sleep(0.05)
            assert r.collector.state.backlog() == {"otlp": (1, 0)}
            worker = r.collector.workers[0]
            deliver = worker._destination.deliver

            def picky(signal_, bodies):
                from eigenspan.collector.export import Refused

                if any(poison in body for _, body in bodies):
                    raise Refused("I do not like that one")
                return deliver(signal_, bodies)

            worker._destination.deliver = picky
            down[0] = False
            deadline = time.monotonic() + 20
            while r.collector.state.backlog() != {"otlp": (0, 1)} and time.monotonic() < deadline:
                time.sleep(0.05)
            assert r.collector.state.backlog() == {"otlp": (0, 1)}
    assert {s.trace_id for _, _, s in far.spans()} == set(traces) - {poison}


def free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return sock.getsockname()[1]


def start(data: Path, port: int, far_port: int, receiver: str, *more: str, **options) -> subprocess.Popen:
    settings = overrides(
        receivers__otlp__protocols__grpc__endpoint=f"127.0.0.1:{port}",
        receivers__otlp__protocols__http="null",
        extensions="{page: null, telemetry: null, health: null}",
        exporters=f"{{otlp: {{endpoint: '127.0.0.1:{far_port}'}}}}",
        receivers__otlp__engine=receiver,
    )
    settings = [s for s in settings if not s.startswith(("extensions.", "receivers.otlp.protocols.http."))]
    flags = [flag for s in settings for flag in ("--set", s)]
    process = subprocess.Popen(
        [sys.executable, "-m", "eigenspan", "collect", "--log-level", "info", "--data", str(data), *flags, *more],
        stdout=subprocess.DEVNULL,
        **({"stderr": subprocess.DEVNULL} | options),
    )
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        with socket.socket() as sock:
            if sock.connect_ex(("127.0.0.1", port)) == 0:
                return process
        assert process.poll() is None
        time.sleep(0.05)
    raise AssertionError("the collector does not listen")


@pytest.mark.parametrize(
    ("seed", "kills"),
    [(1, 3), pytest.param(2, 3, marks=pytest.mark.slow), pytest.param(4, 50, marks=pytest.mark.slow)],
    ids=str,
)
def test_kill_9_under_load_loses_no_acknowledged_span(tmp_path, receiver, seed, kills):
    """Error traces in separate requests; after the kills every acknowledged span has come out."""
    rng = random.Random(seed)
    port = free_port()
    acknowledged: set[tuple[bytes, bytes]] = set()
    with far_end() as far:
        for last in [False] * kills + [True]:
            process = start(tmp_path, port, far.port, receiver)
            channel = grpc.insecure_channel(f"127.0.0.1:{port}")
            export = channel.unary_unary(EXPORT.format("trace", "Trace"))
            kill_at = time.monotonic() + rng.uniform(0.1, 1.2)
            while time.monotonic() < kill_at:
                trace = rng.randbytes(16)
                root, child = rng.randbytes(8), rng.randbytes(8)
                for span, parent in ((child, root), (root, b"")):
                    export(spans_of((trace, span, parent, 2)), timeout=20)
                    acknowledged.add((trace, span))
            channel.close()
            if not last:
                process.kill()
                process.wait()
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline and len(acknowledged - {(s.trace_id, s.span_id) for _, _, s in far.spans()}):
            time.sleep(0.1)
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 0
        assert acknowledged <= {(s.trace_id, s.span_id) for _, _, s in far.spans()}
    assert len(acknowledged) > 20


def test_a_reload_keeps_the_buffer_and_a_bad_file_changes_nothing(tmp_path, receiver):
    trace, root, child = b"\xff" * 16, b"\1" * 8, b"\2" * 8
    config, port = tmp_path / "config.yaml", free_port()

    def write(when: str) -> None:
        config.write_text(
            f'processors: {{sampling: {{settle: 0.3, rules: [{{name: chosen, when: "{when}", keep: 100%}}]}}}}\n'
        )

    def reload(word: str) -> None:
        process.send_signal(signal.SIGHUP)
        until = time.monotonic() + 20
        while word not in log.read_text():
            assert time.monotonic() < until, log.read_text()
            time.sleep(0.05)

    with far_end() as far:
        write("root = 'nothing'")
        log = tmp_path / "log.txt"
        with log.open("w") as output:
            process = start(tmp_path / "data", port, far.port, receiver, "--config", str(config), stderr=output)
        send(port, spans_of((trace, child, root, 0)))
        write("no_such_column > 1")
        reload("nothing has changed")
        write("root = 's'")
        reload("the settings are reloaded")
        send_when_open(port, spans_of((trace, root, b"", 0)))
        until = time.monotonic() + 20
        while len(list(far.spans())) < 2 and time.monotonic() < until:
            time.sleep(0.05)
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 0
        assert sorted(s.span_id for _, _, s in far.spans()) == [root, child]


def send_when_open(port: int, body: bytes) -> None:
    with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
        channel.unary_unary(EXPORT.format("trace", "Trace"))(body, timeout=20, wait_for_ready=True)


def test_a_damaged_state_is_set_aside_and_worked_out_again_from_the_log(tmp_path, receiver, caplog):
    open_trace, sent, root, child = b"\7" * 16, b"\6" * 16, b"\1" * 8, b"\2" * 8
    with far_end() as far:
        with running(tmp_path, **exporting_to(far, receiver)) as r:
            send(r.ports["grpc"], spans_of((sent, root, b"", 2)))
            r.wait_until_decided()
            send(r.ports["grpc"], spans_of((open_trace, child, root, 2)))
            time.sleep(0.5)
        state = tmp_path / "state.db"
        state.write_bytes(state.read_bytes()[:4096] + b"\xff" * 4096 + state.read_bytes()[8192:])
        with running(tmp_path, **exporting_to(far, receiver)) as r:
            send(r.ports["grpc"], spans_of((open_trace, root, b"", 0)))
            r.wait_until_decided()
            wait_for_spans(far, 4)
        assert (tmp_path / "state.db.bad").exists()
    got = [(s.trace_id, s.span_id) for _, _, s in far.spans()]
    assert sorted(got) == sorted([(sent, root), (sent, root), (open_trace, child), (open_trace, root)])
    assert "set aside as .bad" in caplog.text


def wait_for_spans(far, count: int) -> None:
    until = time.monotonic() + 20
    while len(list(far.spans())) < count and time.monotonic() < until:
        time.sleep(0.05)
