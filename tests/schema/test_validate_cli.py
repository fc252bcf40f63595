"""`eigenspan validate` and `eigenspan schema`: forms of input, forms of output, exit codes, memory."""

from __future__ import annotations

import gzip
import io
import json
import subprocess
import sys
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest
from click.testing import CliRunner
from opentelemetry.proto.trace.v1.trace_pb2 import TracesData

from eigenspan.cli import cli
from eigenspan.schema import read
from eigenspan.schema.findings import IDS
from eigenspan.schema.records import Batch, Unreadable
from eigenspan.schema.report import FORMATS
from eigenspan.schema.traces import MAX_SPANS
from tests.bench.validate import as_json, as_protobuf, documents
from tests.cases.validate import drop


def delimited(spans: int) -> bytes:
    out = io.BytesIO()
    for document in documents(spans, 1):
        body = document.SerializeToString()
        size = len(body)
        while size > 0x7F:
            out.write(bytes([size & 0x7F | 0x80]))
            size >>= 7
        out.write(bytes([size]) + body)
    return out.getvalue()


def faulty() -> bytes:
    """One request whose execution lacks a required attribute."""
    (document,) = documents(6)
    for span in document.resource_spans[0].scope_spans[0].spans:
        drop(span, "quantum.execution.success")
    return document.SerializeToString()


def run(*args: str, stdin: bytes | None = None) -> tuple[int, str]:
    result = CliRunner().invoke(cli, ["validate", *args], input=stdin)
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result.exit_code, result.output


@pytest.mark.parametrize("form", ["protobuf", "delimited", "json", "pretty", "gzip"])
def test_every_form_of_input_is_read(form: str, tmp_path: Path) -> None:
    body = {
        "protobuf": lambda: as_protobuf(60),
        "delimited": lambda: delimited(60),
        "json": lambda: as_json(60),
        "pretty": lambda: json.dumps(json.loads(as_json(60)), indent=2).encode(),
        "gzip": lambda: gzip.compress(as_json(60)),
    }[form]()
    path = tmp_path / "spans"
    path.write_bytes(body)
    assert run(str(path)) == (0, "60 spans: no findings\n")
    if form != "gzip":
        assert run("-", stdin=body) == (0, "60 spans: no findings\n")


def test_lines_that_cannot_be_read_are_findings_with_their_place(tmp_path: Path) -> None:
    path = tmp_path / "bad.jsonl"
    lines = as_json(6)
    path.write_bytes(
        lines + b"\n{nope\n\n[1, 2]\n{}\n" + b'{"resourceSpans":[{"scopeSpans":[{"spans":[{"kind":[]}]}]}]}\n'
    )
    code, out = run(str(path))
    assert code == 1
    for line in (2, 4, 5, 6):
        assert f"at {path}:{line}\n" in out
    assert "       4 eigenspan.unreadable" in out


@pytest.mark.parametrize(
    "body",
    [b"\x0a\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff", b"\x0a\x05abc", b"\xff" * 40, b"hello\nworld\n", b'"a"'],
)
def test_bytes_that_are_nothing_are_findings(body: bytes) -> None:
    code, out = run("-", stdin=body)
    assert code == 1
    assert "eigenspan.unreadable" in out


def test_a_missing_file_is_a_finding_and_an_empty_one_is_not(tmp_path: Path) -> None:
    assert run(str(tmp_path / "none"))[0] == 1
    (tmp_path / "empty").write_bytes(b"")
    assert run(str(tmp_path / "empty")) == (0, "nothing: no findings\n")


def test_the_level_decides_the_exit_code() -> None:
    (document,) = documents(6)
    document.resource_spans[0].scope_spans[0].spans[5].status.code = 1
    body = document.SerializeToString()
    assert run("-", stdin=body)[0] == 0
    assert run("-", "--fail-on", "improvement", stdin=body)[0] == 1
    assert run("-", "--fail-on", "never", stdin=faulty())[0] == 0
    assert run("-", stdin=faulty())[0] == 1


@pytest.mark.parametrize("form", sorted(FORMATS))
def test_every_form_of_output_is_well_formed(form: str) -> None:
    code, out = run("-", "--format", form, stdin=faulty())
    assert code == 1
    assert "required_attribute_not_present" in out
    match form:
        case "json":
            report = json.loads(out)
            (sample,) = report["samples"]
            (advice,) = sample["span"]["live_check_result"]["all_advice"]
            assert set(advice) == {"id", "level", "message", "context", "signal_type", "signal_name"}
            assert report["statistics"]["advice_type_counts"] == {"required_attribute_not_present": 1}
            assert report["statistics"]["advice_level_counts"] == {"violation": 1}
        case "sarif":
            (only,) = json.loads(out)["runs"]
            assert only["results"][0]["ruleId"] in {rule["id"] for rule in only["tool"]["driver"]["rules"]}
        case "junit":
            assert len(ET.fromstring(out).findall(".//failure")) == 1
        case "github":
            assert out.startswith("::error file=stdin,line=1,title=required_attribute_not_present::")


@pytest.mark.parametrize("form", sorted(FORMATS))
def test_no_findings_are_well_formed_as_well(form: str) -> None:
    code, out = run("-", "--format", form, stdin=as_protobuf(6))
    assert code == 0
    if form in ("json", "sarif"):
        json.loads(out)
    if form == "junit":
        ET.fromstring(out)


def test_many_findings_of_one_id_are_cut_and_counted() -> None:
    bad = b"\n".join([b"{nope"] * 50)
    _, out = run("-", "--limit", "3", stdin=as_json(6) + b"\n" + bad)
    assert out.count("violation   eigenspan.unreadable") == 3
    assert "50 eigenspan.unreadable  (47 not shown)" in out


def test_a_contract_is_read_and_refused(tmp_path: Path) -> None:
    contract = tmp_path / "contract.yaml"
    contract.write_text("contract: mine\nspans: {quantum.internal.execute: {maximum: {quantum.job.shots: 10}}}\n")
    code, out = run("-", "--contract", str(contract), stdin=as_protobuf(6))
    assert code == 1
    assert "eigenspan.contract.over_limit" in out
    contract.write_text("contract: mine\njob: {required: [shots]}\n")
    done = subprocess.run(
        [sys.executable, "-m", "eigenspan", "validate", "-", "--contract", contract],
        capture_output=True,
        text=True,
        check=False,
        input="",
    )
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert "'shots' is not a current attribute of the registry" in done.stderr


def test_listening_takes_requests_of_any_client() -> None:
    grpc = pytest.importorskip("grpc")
    from eigenspan.schema.listen import METHODS, listening

    taken: list[Batch | Unreadable] = []
    door = listening("127.0.0.1:0", lambda raw: taken.extend(read.message(raw, "otlp")))
    with door as address, grpc.insecure_channel(address) as channel:
        call = channel.unary_unary(METHODS[0])
        assert call(as_protobuf(12), timeout=5) == b""
    (batch,) = taken
    assert isinstance(batch, Batch)
    assert len(batch.spans) == 12


MEMORY = """
import resource, sys
from eigenspan.schema import read
from eigenspan.schema.validate import Validator
from tests.bench.validate import {maker}
import io

class Endless(io.RawIOBase):
    def __init__(self, times):
        self.left, self.at, self.body = times, 0, distinct(times)
    def readable(self):
        return True
    def readinto(self, buffer):
        if not self.left:
            return 0
        part = self.body[self.at : self.at + len(buffer)]
        buffer[: len(part)] = part
        self.at += len(part)
        if self.at == len(self.body):
            self.at, self.left = 0, self.left - 1
            self.body = distinct(self.left)
        return len(part)

def distinct(number):
    return body.replace(JSON + b"0" * 16, JSON + b"%016x" % number).replace(PROTO + bytes(8), PROTO + number.to_bytes(8, "big"))

JSON, PROTO = b'"traceId": "', b"\\x0a\\x10"

body = {maker}(3000) + {end}
peaks = []
for times in map(int, sys.argv[2:]):
    validator = Validator()
    validator._open.max_spans = int(sys.argv[1])
    for item in read.stream(io.BufferedReader(Endless(times)), "endless"):
        for finding in validator.check(item):
            raise SystemExit(finding)
    assert validator.judged_early
    peaks.append(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024)
print(len(body) * times >> 20, *peaks, validator.seen["span"])
"""


def _peaks(maker: str, end: str, window: int, few: int, many: int) -> tuple[int, int, int]:
    """Megabytes read the second time, and peak memory after each."""
    script = MEMORY.format(maker=maker, end=end)
    done = subprocess.run(
        [sys.executable, "-c", script, str(window), str(few), str(many)],
        capture_output=True, text=True, check=True, cwd=Path(__file__).resolve().parents[2],
    )  # fmt: skip
    megabytes, first, last, spans = map(int, done.stdout.split())
    assert spans == 3000 * many
    return megabytes, first, last


@pytest.mark.parametrize(("maker", "end"), [("as_json", 'b"\\n"'), ("as_protobuf", 'b""')])
def test_memory_does_not_grow_with_the_input(maker: str, end: str) -> None:
    megabytes, first, last = _peaks(maker, end, 3000, 3, 15)
    assert last - first < 15, (megabytes, first, last)


@pytest.mark.slow
def test_a_file_of_several_hundred_megabytes_streams_in_constant_memory() -> None:
    megabytes, first, last = _peaks("as_json", 'b"\\n"', MAX_SPANS, 20, 100)
    assert megabytes > 250
    assert last - first < 30, (megabytes, first, last)


def test_schema_commands(tmp_path: Path) -> None:
    runner = CliRunner()
    assert "0.1.0" in runner.invoke(cli, ["schema", "versions"]).output
    assert "quantum.device → quantum.backend.name" in runner.invoke(cli, ["schema", "diff", "0.1.0", "0.2.0"]).output
    assert json.loads(runner.invoke(cli, ["schema", "diff", "0.1.0", "0.2.0", "--json"]).output)
    assert runner.invoke(cli, ["schema", "export", str(tmp_path)]).exit_code == 0
    assert (tmp_path / "v2" / "0.2.0" / "resolved.json").is_file()
    data = TracesData()
    resource = data.resource_spans.add(schema_url="https://eigenspan.github.io/schemas/quantum/0.1.0")
    resource.scope_spans.add().spans.add().attributes.add(key="quantum.device").value.string_value = "x"
    path = tmp_path / "old.bin"
    path.write_bytes(data.SerializeToString())
    done = subprocess.run(
        [sys.executable, "-m", "eigenspan", "schema", "migrate", path], capture_output=True, check=True
    )
    migrated = TracesData.FromString(done.stdout)
    assert migrated.resource_spans[0].scope_spans[0].spans[0].attributes[0].key == "quantum.backend.name"
    assert b"1 renamed" in done.stderr


def test_migrating_lines_of_json(tmp_path: Path) -> None:
    family = "https://eigenspan.github.io/schemas/quantum"
    pair = {"key": "quantum.device", "value": {"stringValue": "x"}}
    ids = {"traceId": "0af7651916cd43dd8448eb211c80319c", "spanId": "b7ad6b7169203331"}
    held = [
        {"resourceSpans": [{"schemaUrl": f"{family}/0.1.0", "scopeSpans": [{"spans": [ids | {"attributes": [pair]}]}]}]},
        {"resourceLogs": [{"schemaUrl": f"{family}/0.1.0", "scopeLogs": [{"logRecords": [ids | {"attributes": [pair]}]}]}]},
    ]  # fmt: skip
    path = tmp_path / "old.jsonl"
    path.write_text("\n\n".join(map(json.dumps, held)))
    done = subprocess.run(
        [sys.executable, "-m", "eigenspan", "schema", "migrate", path], capture_output=True, check=True, text=True
    )
    traces, logs = map(json.loads, done.stdout.splitlines())
    (span,) = traces["resourceSpans"][0]["scopeSpans"][0]["spans"]
    (record,) = logs["resourceLogs"][0]["scopeLogs"][0]["logRecords"]
    for found in (span, record):
        assert found == ids | {"attributes": [pair | {"key": "quantum.backend.name"}]}
    assert traces["resourceSpans"][0]["schemaUrl"] == f"{family}/0.2.0"
    path.write_text(json.dumps(held[0]) + "\n{broken\n")
    failed = CliRunner().invoke(cli, ["schema", "migrate", str(path)])
    assert failed.exit_code
    assert f"{path}:2" in failed.output + str(failed.exception)


def test_every_finding_says_why() -> None:
    assert all(why.endswith(".") for _, why in IDS.values())


def test_a_broken_first_line_does_not_hide_the_rest(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(read, "MAX_LINE", 1 << 16)
    body = b'{"broken\n' + b"\n".join(as_json(6) for _ in range(40)) + b"\n"
    items = list(read.stream(io.BufferedReader(io.BytesIO(body)), "x"))
    assert [type(i) for i in items] == [Unreadable] + [Batch] * 40
    assert [i.line for i in items] == list(range(1, 42))
