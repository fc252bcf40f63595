"""`eigenspan jobs`: from a provider to a collector over OTLP."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from eigenspan.cli import cli, jobs
from eigenspan.schema.listen import listening
from tests.sdk.test_watch import DONE, Source


def test_a_job_is_watched_and_listed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jobs, "_source", lambda *_: Source(DONE))
    state = tmp_path / "jobs.db"
    taken: list[bytes] = []
    with listening("127.0.0.1:0", taken.append) as address:
        run = CliRunner().invoke(
            cli,
            ["jobs", "watch", "job-1", "--provider", "ibm", "--state", str(state), "--endpoint", address, "--metrics"],
        )
    assert (run.exit_code, run.output) == (0, "1 ended, 0 pending\n"), run.output
    request = ExportTraceServiceRequest.FromString(taken[0])
    spans = request.resource_spans[0].scope_spans[0].spans
    assert [span.name for span in spans] == ["job ibm_torino", "queue ibm_torino", "execute ibm_torino"]
    assert b"quantum.circuit.executions" in taken[1]
    shown = CliRunner().invoke(cli, ["jobs", "list", "--state", str(state)])
    assert shown.output.split() == ["ibm", "completed", "job-1"]


def test_a_provider_without_credentials_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("boto3")
    for name in ("AWS_REGION", "AWS_DEFAULT_REGION", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    state = ["--state", str(tmp_path / "jobs.db")]
    refused = CliRunner().invoke(cli, ["jobs", "watch", "arn", "--provider", "braket", "--once", *state])
    assert refused.exit_code == 1
    assert "braket cannot be asked: You must specify a region" in refused.output


def test_what_cannot_be_done_is_said(tmp_path: Path) -> None:
    nothing = CliRunner().invoke(cli, ["jobs", "list", "--state", str(tmp_path / "none.db")])
    assert "name another with --state" in nothing.output
    bad = tmp_path / "prices.toml"
    bad.write_text('[[price]]\nprovider = "ibm"\ncurrency = "USD"\nper_hour = 1\n')
    refused = CliRunner().invoke(cli, ["jobs", "watch", "--provider", "ibm", "--prices", str(bad), "--once"])
    assert "price 1: 'per_hour' is not known" in refused.output
