"""The collector as a process: one at a time on its data, clear words where it cannot start, and a clean end."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path
from types import SimpleNamespace

import pytest

from eigenspan.collector.config import load
from eigenspan.collector.errors import ConfigError, EigenspanError
from eigenspan.collector.export_otlp import OtlpGrpc, OtlpHttp
from eigenspan.collector.export_store import StoreDestination
from eigenspan.collector.item import Item
from eigenspan.collector.opening import ALL_SIGNALS, TRACES, DataDirectory, destination, segment_bytes
from eigenspan.collector.service import Collector
from eigenspan.collector.settings import Exporter, LogSettings, Tls
from eigenspan.collector.state import Checkpoint, State
from tests.collector.building import payload, request
from tests.e2e.harness import overrides, running


def collector(path: Path, **more) -> Collector:
    settings = load(None, overrides=overrides(**({"receivers__otlp__engine": "portable"} | more)))
    settings.service.data = str(path)
    return Collector(settings)


def taken(sock: socket.socket) -> str:
    return f"127.0.0.1:{sock.getsockname()[1]}"


def test_one_collector_at_a_time_on_a_data_directory(tmp_path):
    first = collector(tmp_path)
    with pytest.raises(EigenspanError, match="in use by another collector") as caught:
        collector(tmp_path)
    assert str(tmp_path) in str(caught.value)
    assert "--data" in str(caught.value)
    first.close()
    collector(tmp_path).close()


def test_the_data_directory_is_for_its_owner_only(tmp_path):
    data = DataDirectory(tmp_path / "a" / "data")
    assert (tmp_path / "a" / "data").stat().st_mode & 0o077 == 0
    data.close()


@pytest.mark.parametrize("which", ["receivers.otlp.protocols.http", "extensions.page", "extensions.telemetry"])
def test_a_port_in_use_is_said_and_everything_is_let_go(tmp_path, which):
    with socket.create_server(("127.0.0.1", 0)) as sock:
        c = collector(tmp_path, **{f"{which.replace('.', '__')}__endpoint": taken(sock)})

        async def start() -> None:
            try:
                await c.start()
            finally:
                await c.stop()

        with pytest.raises(OSError, match=str(sock.getsockname()[1])):
            asyncio.run(start())
    assert not [t.name for t in threading.enumerate() if t.name.startswith("eigenspan")]
    collector(tmp_path).close()


UNUSABLE = {
    "a calibration file that is not there": "processors.calibration.files=[/nonexistent.json]",
    "days removed before they are archived": "service.store.archive={to: /nonexistent, older_than_days: 99}",
    "authorities that are not there": "exporters={otlp: {endpoint: 'h:1', tls: {ca_file: /nonexistent}}}",
}  # fmt: skip


@pytest.mark.parametrize("case", UNUSABLE)
def test_settings_that_turn_out_unusable_let_everything_go(tmp_path, case):
    """They look right until files are opened: a reload then goes back to the settings before."""
    settings = load(None, overrides=[*overrides(receivers__otlp__engine="portable"), UNUSABLE[case]])
    settings.service.data = str(tmp_path)
    with pytest.raises((EigenspanError, OSError), match=r"nonexistent|older_than_days"):
        Collector(settings)
    collector(tmp_path).close()


def test_rows_of_an_exporter_that_is_gone_stay_until_the_collector_has_started(tmp_path):
    """A reload whose port is taken goes back to the settings before, which may have the exporter."""
    state = State(tmp_path / "state.db")
    item = ("traces", Item("", position=1))
    state.commit(Checkpoint(1, 1, 0), items=[item], exporters={"traces": ["gone"]}, now_ns=0)
    state.close()
    with socket.create_server(("127.0.0.1", 0)) as sock:
        c = collector(tmp_path, receivers__otlp__protocols__http__endpoint=taken(sock))

        async def start(c: Collector) -> None:
            try:
                await c.start()
            finally:
                waiting.append(c.state.backlog())
                await c.stop()

        waiting: list[dict[str, tuple[int, int]]] = []
        with pytest.raises(OSError, match=str(sock.getsockname()[1])):
            asyncio.run(start(c))
    asyncio.run(start(collector(tmp_path)))
    assert waiting == [{"gone": (1, 0)}, {}]


def test_an_exception_in_a_turn_is_counted_and_the_next_turn_goes_on(tmp_path):
    with running(tmp_path, receivers__otlp__engine="portable") as r:
        tick, failing = r.collector.pipeline.tick, [True]

        def broken(log_ns, wall_ns):
            if failing[0]:
                raise RuntimeError("stumbled on purpose")
            return tick(log_ns, wall_ns)

        r.collector.pipeline.tick = broken
        done = threading.Event()
        r.collector.receiver._committer.submit(payload(request({"status": 2})), lambda error: done.set())
        assert done.wait(10)
        deadline = time.monotonic() + 10
        while r.collector.telemetry.stumbled < 2 and time.monotonic() < deadline:
            time.sleep(0.01)
        assert "eigenspan_pipeline_failures_total 0" not in r.get("telemetry", "/metrics")
        failing[0] = False
        r.wait_until_decided()
        assert r.summary()["spans"]["received"] == 1
        assert r.summary()["traces"]["rules"] == {"errors": {"kept": 1, "dropped": 0}}


DESTINATIONS = [
    (Exporter(type="store"), StoreDestination, TRACES | {"logs"}),
    (Exporter(type="otlp", endpoint="h:1"), OtlpGrpc, ALL_SIGNALS),
    (Exporter(type="otlphttp", endpoint="h:1"), OtlpHttp, ALL_SIGNALS),
    (Exporter(type="otlphttp", endpoint="https://h/x"), OtlpHttp, ALL_SIGNALS),
    (Exporter(type="jaeger", endpoint="h:1"), OtlpGrpc, TRACES),
    (Exporter(type="tempo", endpoint="h:1", tls=Tls(insecure=False)), OtlpGrpc, TRACES),
    (Exporter(type="tempo", endpoint="http://h:1"), OtlpGrpc, TRACES),
]


@pytest.mark.parametrize(("settings", "kind", "signals"), DESTINATIONS, ids=lambda v: getattr(v, "type", ""))
def test_what_an_exporters_settings_name(settings, kind, signals):
    made = destination("name", settings, None)
    assert type(made) is kind
    assert made.signals == signals
    made.close()


def test_an_exporter_without_an_endpoint_is_refused():
    with pytest.raises(ConfigError, match=r"exporters\.mine: endpoint is missing"):
        destination("mine", Exporter(type="otlp"), None)


@pytest.mark.parametrize(
    ("rule", "words"),
    [("{name: a, when: erors > 0, keep: 1%}", "'a'.*erors"), ("{name: a, when: spans, keep: 1%}", "'a'.*not true or false"),
     ("{name: a, keep: 101%}", "101%")],
)  # fmt: skip
def test_a_wrong_rule_is_named(rule, words):
    with pytest.raises(ConfigError, match=words):
        load(None, overrides=[f"processors.sampling.rules=[{rule}]"])


def command(*arguments: str, **more) -> subprocess.Popen:
    flags = [flag for setting in overrides() for flag in ("--set", setting)]
    return subprocess.Popen(
        [sys.executable, "-m", "eigenspan", "collect", "--log-level", "error", *flags, *arguments],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=os.environ | {"PYTHONWARNINGS": "ignore"}, **more,
    )  # fmt: skip


def test_the_process_says_where_it_listens_and_ends_cleanly(tmp_path):
    process = command("--data", str(tmp_path / "data"))
    try:
        said = process.stdout.readline()
        assert said.startswith("eigenspan collects: grpc ")
        assert str(tmp_path / "data") in said
        assert "scan engine" in said
        assert process.stdout.readline().startswith("page: http://127.0.0.1:")
        second = command("--data", str(tmp_path / "data"))
        _, errors = second.communicate(timeout=30)
        assert (second.returncode, errors.count("\n")) == (1, 1)
        assert "in use by another collector" in errors
        process.send_signal(signal.SIGTERM)
        out, errors = process.communicate(timeout=30)
        assert (process.returncode, out, errors) == (0, "stopping\n", "")
    finally:
        process.kill()
        process.communicate()


@pytest.mark.parametrize("engine", ["auto", "portable"])
def test_a_port_in_use_is_one_line_and_exit_code_1(tmp_path, engine):
    with socket.create_server(("127.0.0.1", 0)) as sock:
        address = taken(sock)
        grpc = f"receivers.otlp.protocols.grpc.endpoint={address}"
        process = command("--data", str(tmp_path), "--set", grpc, "--set", f"receivers.otlp.engine={engine}")
        out, errors = process.communicate(timeout=30)
    assert (process.returncode, out) == (1, "")
    last = errors.strip().split("\n")[-1]
    assert last.startswith("eigenspan: ")
    assert address in last
    assert "Traceback" not in errors


@pytest.mark.parametrize(
    ("limits", "expected"),
    [
        ({}, 64 << 20),
        ({"max_bytes": 80 << 20}, 10 << 20),
        ({"max_bytes": 1 << 20}, 1 << 20),
        ({"segment_bytes": 4096}, 4096),
    ],
)
def test_a_segment_is_a_small_part_of_what_the_log_may_have(tmp_path, limits, expected):
    assert segment_bytes(tmp_path, LogSettings(**limits)) == expected


def test_a_segment_is_a_small_part_of_the_disk(tmp_path, monkeypatch):
    monkeypatch.setattr("eigenspan.collector.opening.shutil.disk_usage", lambda path: SimpleNamespace(total=640 << 20))
    assert segment_bytes(tmp_path, LogSettings()) == 10 << 20
