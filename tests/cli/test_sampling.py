"""`eigenspan sampling try`: what a rule set would have kept of stored traffic."""

from __future__ import annotations

import base64
import gzip
import json

import pytest
from click.testing import CliRunner
from google.protobuf import json_format
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from eigenspan.calibration.store import CalibrationStore
from eigenspan.cli import cli
from eigenspan.collector.errors import ConfigError
from eigenspan.collector.log import Log
from eigenspan.store.traces import TraceStore
from tests.calibration.test_calibration_providers import IONQ
from tests.collector.building import SECOND, digest, payload, request

START = 1_767_225_600 * SECOND
RULES = """
processors: {sampling: {rules: [
  {name: errors, when: errors > 0, keep: 100%}, {name: few, keep: 0%, per: [root], at_least: 1 per 1h}]}}
"""


def bodies() -> list[bytes]:
    """Twenty traces of two spans, four of them with an error; roots `a` and `b`."""
    out = []
    for i in range(20):
        start = START + i * SECOND
        times = {"start_time_unix_nano": start, "end_time_unix_nano": start + SECOND // 2}
        root = {"trace": i + 1, "span": 1, "name": "ab"[i % 2], "status": 2 if i % 5 == 0 else 0} | times
        out.append(request(root, {"trace": i + 1, "span": 2, "parent": 1} | times))
    return out


def hexadecimal(body: bytes) -> str:
    message = json_format.MessageToDict(ExportTraceServiceRequest.FromString(body))
    text = json.dumps(message)
    for span in message["resourceSpans"][0]["scopeSpans"][0]["spans"]:
        for name in ("traceId", "spanId", "parentSpanId"):
            if name in span:
                text = text.replace(span[name], base64.b64decode(span[name]).hex())
    return text


def as_files(tmp_path, form: str) -> list[str]:
    if form == "protobuf":
        (tmp_path / "t.pb").write_bytes(b"".join(bodies()))
        return [str(tmp_path / "t.pb")]
    if form == "json lines":
        (tmp_path / "t.jsonl.gz").write_bytes(gzip.compress("\n".join(map(hexadecimal, bodies())).encode()))
        return [str(tmp_path / "t.jsonl.gz")]
    data = tmp_path / "data"
    if form == "log and store":
        as_files(tmp_path, "store")
    if form.startswith("log"):
        log = Log(data / "log")
        for i, body in enumerate(bodies()):
            log.append([payload(body)], [digest(i + 1)], i)
        log.close()
    else:
        with TraceStore(data / "traces") as store:
            store.write([("", (i + 1).to_bytes(16, "big"), "errors", body) for i, body in enumerate(bodies())])
    return [str(data)]


@pytest.mark.parametrize("form", ["protobuf", "json lines", "log", "store", "log and store"])
def test_what_a_rule_set_would_have_kept(tmp_path, form):
    rules = tmp_path / "rules.yaml"
    rules.write_text(RULES)
    on = [part for file in as_files(tmp_path, form) for part in ("--on", file)]
    done = CliRunner().invoke(cli, ["sampling", "try", "--rules", str(rules), *on, "--json"], catch_exceptions=False)
    found = json.loads(done.output)
    assert found["unreadable"] == 0
    assert found["seconds"] == pytest.approx(19.5)
    errors, few, none = found["verdicts"]
    assert (errors["rule"], errors["traces"], errors["kept"], errors["kept_spans"], errors["estimate"]) == (
        "errors",
        4,
        4,
        8,
        4.0,
    )
    assert (few["rule"], few["traces"], few["kept"], few["estimate"]) == ("few", 16, 2, 2.0)
    assert none["traces"] == 0
    text = CliRunner().invoke(cli, ["sampling", "try", "--rules", str(rules), *on], catch_exceptions=False).output
    assert [line.split()[0] for line in text.splitlines()] == ["rule", "errors", "few"]


def test_what_cannot_be_read_is_said(tmp_path):
    rules = tmp_path / "rules.yaml"
    rules.write_text(RULES)
    (tmp_path / "bad.json").write_text('{"resourceSpans": 5}')
    done = CliRunner().invoke(cli, ["sampling", "try", "--rules", str(rules), "--on", str(tmp_path / "bad.json")])
    assert "1 requests could not be read" in done.output
    done = CliRunner().invoke(cli, ["sampling", "try", "--rules", str(rules), "--on", str(tmp_path)])
    assert "neither a collector's data directory" in str(done.exception)
    (tmp_path / "bad.gz").write_bytes(gzip.compress(b"")[:10] + b"\xff" * 20)
    done = CliRunner().invoke(cli, ["sampling", "try", "--rules", str(rules), "--on", str(tmp_path / "bad.gz")])
    assert isinstance(done.exception, ConfigError), done.exception
    assert "bad.gz: cannot be read" in str(done.exception)


def test_times_that_cannot_be(tmp_path):
    (tmp_path / "rules.yaml").write_text(RULES)
    times = {"start_time_unix_nano": 1, "end_time_unix_nano": 2**64 - 1}
    (tmp_path / "t.pb").write_bytes(
        request({"trace": 1, "span": 1} | times, {"trace": 2, "span": 1, "start_time_unix_nano": 2**64 - 1})
    )
    done = CliRunner().invoke(
        cli, ["sampling", "try", "--rules", str(tmp_path / "rules.yaml"), "--on", str(tmp_path / "t.pb"), "--json"],
        catch_exceptions=False,
    )  # fmt: skip
    assert [(v["rule"], v["traces"]) for v in json.loads(done.stdout)["verdicts"]] == [
        ("errors", 0),
        ("few", 2),
        ("none", 0),
    ]


@pytest.mark.parametrize(("start_ns", "end_ns"), [(0, 0), (5, 2**64 - 1), (2**64 - 1, 0), (2**64 - 2, 2**64 - 1)])
def test_any_time_that_a_span_can_state_will_do(tmp_path, start_ns, end_ns):
    odd = request({"trace": 1, "start_time_unix_nano": start_ns, "end_time_unix_nano": end_ns})
    (tmp_path / "odd.pb").write_bytes(odd)
    (tmp_path / "rules.yaml").write_text("- {name: rated, target: 5 traces/s, per: [root], at_most: 9 spans/s}\n")
    on = ["--rules", str(tmp_path / "rules.yaml"), "--on", str(tmp_path / "odd.pb"), "--json"]
    done = CliRunner().invoke(cli, ["sampling", "try", *on], catch_exceptions=False)
    assert json.loads(done.stdout)["verdicts"][0]["traces"] == 1


def test_a_list_of_rules_and_the_calibrations_of_the_data_directory_will_do(tmp_path):
    store = CalibrationStore(tmp_path / "data" / "calibration.db")
    store.import_bytes(json.dumps(IONQ).encode(), "ionq.json")
    store.close()
    log = Log(tmp_path / "data" / "log")
    facts = {
        "quantum.provider.name": "ionq",
        "quantum.backend.name": "qpu.aria-1",
        "quantum.job.execution.start_time": "2025-06-18T00:00:00Z",
    }
    log.append([payload(request({"trace": 1, "attributes": facts}))], [digest(1)], 0)
    log.close()
    (tmp_path / "rules.yaml").write_text("- {name: old, when: calibration_age_s > 86400, keep: 100%}\n")
    done = CliRunner().invoke(
        cli, ["sampling", "try", "--rules", str(tmp_path / "rules.yaml"), "--on", str(tmp_path / "data"), "--json"]
    )
    assert done.exit_code == 0, done.output
    assert [(v["rule"], v["kept"]) for v in json.loads(done.stdout)["verdicts"]] == [("old", 1), ("none", 0)]
