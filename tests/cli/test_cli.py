"""The command line: what it prints can be read by people and programs, and errors are one line and exit code 1."""

from __future__ import annotations

import json
import os
import re
import socket
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from eigenspan import __version__
from eigenspan.cli import cli
from eigenspan.collector.config import load
from eigenspan.collector.settings import Settings
from eigenspan.collector.state import Checkpoint, State
from eigenspan.store.traces import TraceStore
from tests.collector import building
from tests.collector.building import SECOND, request
from tests.e2e.harness import overrides

START = 1_767_225_600 * SECOND


def run(*arguments: str):
    return CliRunner().invoke(cli, list(arguments))


def process(*arguments: str) -> subprocess.CompletedProcess:
    """The command as a user runs it."""
    environ = os.environ | {"PYTHONWARNINGS": "ignore"}
    return subprocess.run(
        [sys.executable, "-m", "eigenspan", *arguments],
        capture_output=True,
        text=True,
        timeout=60,
        env=environ,
        check=False,
    )


def test_help_lists_every_command():
    done = run("--help")
    assert done.exit_code == 0
    for name in ("collect", "config", "calibration", "traces", "doctor"):
        assert f"\n  {name} " in done.output
        assert run(name, "--help").exit_code == 0
    assert __version__ in run("--version").output
    assert run("nonsense").exit_code == 2


def test_collect_says_what_it_takes():
    done = run("collect", "--help")
    assert done.exit_code == 0
    for option in ("--config", "--data", "--export", "--set", "--log-level", "jaeger", "tempo"):
        assert option in done.output


@pytest.mark.parametrize("name", ["import", "list", "show"])
def test_the_calibration_group_is_there(name):
    assert name in run("calibration", "--help").output
    assert run("calibration", name, "--help").exit_code == 0


def test_config_check_of_a_good_file(tmp_path):
    path = tmp_path / "c.yaml"
    path.write_text("processors: {sampling: {settle: 2}}\n")
    for arguments in ([str(path)], ["--config", str(path)]):
        done = run("config", "check", *arguments)
        assert (done.exit_code, done.output) == (0, f"{path}: ok\n")
    assert run("config", "check").output == "the defaults: ok\n"


BAD = {
    "a typing error": ("processors:\n  sampling:\n    setle: 2\n", ["c.yaml:3", "did you mean settle?"]),
    "a bad rule": (
        "processors:\n  sampling:\n    rules: [{name: r, when: erors > 0, keep: 1%}]\n",
        ["rule 'r'", "the columns are"],
    ),
    "no endpoint": ("exporters:\n  otlp: {}\n", ["c.yaml:2", "endpoint is missing"]),
    "bad YAML": ("a: [\n", ["c.yaml:2", "not valid YAML"]),
}


@pytest.mark.parametrize("case", BAD)
def test_config_check_of_a_bad_file_is_one_line_and_exit_code_1(tmp_path, case):
    text, words = BAD[case]
    path = tmp_path / "c.yaml"
    path.write_text(text)
    done = process("config", "check", str(path))
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (1, "", 1)
    assert done.stderr.startswith("eigenspan: ")
    for word in words:
        assert word in done.stderr


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["config", "check", "/nonexistent.yaml"], "cannot be read"),
        (["config", "show", "--set", "service"], "key.path=value"),
        (["collect", "--export", "kafka=h:1"], "KIND=HOST:PORT"),
        (["collect", "--data", "/dev/null/x"], "/dev/null"),
        (["collect", "--set", "exporters={otlp: {endpoint: 'h:1', tls: {ca_file: /nonexistent.pem}}}"], "/nonexistent.pem"),
        (["collect", "--set", "processors.calibration.files=[/nonexistent.json]"], "nonexistent.json: cannot be read"),
        (["collect", "--set", "processors.sampling.rules=[{name: r, keep: 101%}]"], "101%"),
        (["traces", "list", "--data", "/nonexistent"], "/nonexistent"),
    ],
    ids=lambda v: " ".join(v)[:60] if isinstance(v, list) else "",
)  # fmt: skip
def test_errors_are_one_line_and_exit_code_1(tmp_path, arguments, words):
    if arguments[0] == "collect":
        flags = [
            flag
            for setting in overrides()
            if not setting.startswith(arguments[-1].partition("=")[0])
            for flag in ("--set", setting)
        ]
        data = [] if "--data" in arguments else ["--data", str(tmp_path)]
        arguments = [arguments[0], *flags, *data, *arguments[1:]]
    done = process(*arguments)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.count("\n") == 1
    assert words in done.stderr


def test_config_show_is_a_file_that_can_be_used_and_holds_no_secret(tmp_path):
    shown = run("config", "show").output
    assert yaml.safe_load(shown)["processors"]["sampling"]["settle"] == Settings().processors.sampling.settle
    path = tmp_path / "c.yaml"
    path.write_text(shown)
    assert load(path) == Settings()
    path.write_text("exporters: {otlp: {endpoint: h:1, headers: {authorization: HUSH}}}\n")
    done = run(
        "config",
        "show",
        "--config",
        str(path),
        "--set",
        "processors.sampling.idle=77",
        "--export",
        "tempo=t:1",
        "--data",
        "/d",
    )
    assert "HUSH" not in done.output
    document = yaml.safe_load(done.output)
    assert document["processors"]["sampling"]["idle"] == 77
    assert document["exporters"]["tempo"]["endpoint"] == "t:1"
    assert document["service"]["data"] == "/d"


def test_doctor_for_programs(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as sock:
        path = tmp_path / "c.yaml"
        path.write_text(f"extensions: {{page: {{endpoint: '127.0.0.1:{sock.getsockname()[1]}'}}, health: null}}\n")
        done = run("doctor", "--json", "--config", str(path))
    report = json.loads(done.output)
    assert done.exit_code == 0
    assert (report["eigenspan"], report["configuration"]) == (__version__, "ok")
    assert report["engine"] in ("kernel", "python")
    assert report["sdks"]["opentelemetry.sdk"] == "installed"
    assert "not free" in report["ports"]["page"]
    assert "health" not in report["ports"]


def test_doctor_for_people_and_a_bad_configuration(tmp_path):
    assert "engine: " in run("doctor").output
    path = tmp_path / "c.yaml"
    path.write_text("nope: 1\n")
    done = run("doctor", "--json", "--config", str(path))
    assert done.exit_code == 1
    assert "nope" in json.loads(done.output)["configuration"]


@pytest.fixture
def data(tmp_path):
    """A data directory with three kept traces."""
    store = TraceStore(tmp_path / "traces")

    def body(trace: int, seconds: float, **more) -> bytes:
        end = START + trace * SECOND + int(seconds * SECOND)
        times = {"start_time_unix_nano": START + trace * SECOND, "end_time_unix_nano": end}
        root = {"trace": trace, "span": 1, "name": f"root {trace}"} | times | more
        child = {
            "trace": trace,
            "span": 2,
            "parent": 1,
            "name": "child",
            "attributes": {"quantum.backend.name": f"q{trace}"},
        } | times
        return request(child, root, resource={"service.name": f"svc{trace}"})

    def key(trace: int) -> bytes:
        return trace.to_bytes(16, "big")

    store.write(
        [
            ("", key(1), "baseline", body(1, 0.5)),
            ("", key(2), "errors", body(2, 1.0, status=2)),
            ("", key(3), "slow", body(3, 400.0, attributes={"shots": 100})),
        ]
    )
    store.close()
    return str(tmp_path)


def listed(*arguments: str) -> list[str]:
    done = run("traces", "list", "--json", *arguments)
    assert done.exit_code == 0, done.output
    return [json.loads(line)["root"] for line in done.output.splitlines()]


def test_traces_list_for_programs(data):
    assert listed("--data", data) == ["root 3", "root 2", "root 1"]
    assert listed("--data", data, "--limit", "1") == ["root 3"]
    assert listed("--data", data, "--errors") == ["root 2"]
    assert listed("--data", data, "--service", "svc1") == ["root 1"]
    assert listed("--data", data, "--backend", "q3") == ["root 3"]
    assert listed("--data", data, "--slower-than", "0.9") == ["root 3", "root 2"]
    assert listed("--data", data, "--service", "nobody") == []


def test_traces_list_for_people(data):
    lines = run("traces", "list", "--data", data).output.splitlines()
    assert len(lines) == 3
    for word in ("0" * 31 + "2", "1.000 s", "2 spans", "ERROR", "errors", "svc2", "root 2", "q2"):
        assert word in lines[1]


def test_traces_show_for_programs_is_otlp_json(data):
    done = run("traces", "show", "0" * 31 + "3", "--data", data, "--json")
    assert done.exit_code == 0
    (resource,) = json.loads(done.output)["resourceSpans"]
    names = [span["name"] for scope in resource["scopeSpans"] for span in scope["spans"]]
    assert sorted(names) == ["child", "root 3"]


def test_traces_show_for_people_is_a_tree(data):
    text = run("traces", "show", "0" * 31 + "3", "--data", data).output
    assert text.index("root 3  400000.000 ms") < text.index("    shots = 100") < text.index("  child")
    assert re.search(r"quantum\.backend\.name = '?q3", text)


@pytest.mark.parametrize("trace", ["f" * 32, "zz", ""])
def test_a_trace_that_is_not_there_is_said(data, trace):
    done = process("traces", "show", trace, "--data", data)
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (1, "", 1)


def test_what_is_stored_is_what_was_sent(data):
    with TraceStore(Path(data) / "traces", read_only=True) as store:
        found = store.trace("0" * 31 + "1")
    spans = [s for r in found.message().resource_spans for scope in r.scope_spans for s in scope.spans]
    assert all(isinstance(s, Span) for s in spans)
    assert [s.name for s in spans] == ["child", "root 1"]


@pytest.fixture
def owing(tmp_path):
    """A state with a row that waits and two that were set aside."""
    state = State(tmp_path / "state.db")
    items = [("traces", building.item({"trace": n, "position": n})) for n in (1, 2, 3)]
    state.commit(Checkpoint(1, 3, 0), items=items, exporters={"traces": ["far"]}, now_ns=0)
    for row, reason in ((1, "too old"), (2, "not mine")):
        state.park("far", row, reason)
    yield tmp_path, state
    state.close()


def test_outbox_list(owing):
    path, _ = owing
    text = run("outbox", "list", "--data", str(path)).output
    assert "far: 1 waiting, 2 set aside" in text
    assert f"trace {'00' * 15}01, 1 spans: too old" in text
    lines = [json.loads(line) for line in run("outbox", "list", "--json", "--data", str(path)).output.splitlines()]
    assert lines[0] == {"exporter": "far", "waiting": 1, "parked": 2}
    assert [(line["id"], line["reason"]) for line in lines[1:]] == [(1, "too old"), (2, "not mine")]


def test_outbox_retry_and_drop(owing):
    path, state = owing
    assert "1 rows are sent again" in run("outbox", "retry", "1", "--data", str(path)).output
    assert state.backlog() == {"far": (2, 1)}
    assert run("outbox", "retry", "--data", str(path)).exit_code == 2
    assert run("outbox", "retry", "1", "--all", "--data", str(path)).exit_code == 2
    assert (
        "0 rows are gone" in run("outbox", "drop", "--all", "--exporter", "other", "--yes", "--data", str(path)).output
    )
    assert run("outbox", "drop", "--all", "--data", str(path)).exit_code == 1
    assert "1 rows are gone" in run("outbox", "drop", "--all", "--yes", "--data", str(path)).output
    assert state.backlog() == {"far": (2, 0)}
    assert state.oldest_referenced() == 1
    assert "does not exist" in run("outbox", "list", "--data", str(path / "none")).output
