"""A dropped trace comes back: by a late error, or by asking for it, also after a kill of the collector's memory."""

from __future__ import annotations

import sqlite3
import time
from contextlib import closing

import pytest
from click.testing import CliRunner

from eigenspan.cli import cli
from tests.e2e.harness import RECEIVERS, far_end, running
from tests.e2e.test_restart import exporting_to, send, spans_of

ROOT, CHILD, LATE = b"\1" * 8, b"\2" * 8, b"\3" * 8
NOTHING = {
    "processors.sampling.rules": "[{name: errors, when: errors > 0, keep: 100%}]",
    "processors.sampling.settle": 0.1,
}

pytestmark = pytest.mark.parametrize("receiver", RECEIVERS)


def drop_two(r) -> list[bytes]:
    traces = [bytes([n]) * 16 for n in (7, 8)]
    for trace in traces:
        send(r.ports["grpc"], spans_of((trace, CHILD, ROOT, 0)))
        send(r.ports["grpc"], spans_of((trace, ROOT, b"", 0)))
    until = time.monotonic() + 20
    while r.collector.pipeline.counts["dropped_spans"] < 4:
        assert time.monotonic() < until
        time.sleep(0.05)
    return traces


@pytest.mark.parametrize("held_by", ["state", "file"])
def test_after_a_restart_a_late_error_and_asking_bring_whole_traces_back(tmp_path, receiver, held_by):
    with far_end() as far:
        with running(tmp_path, **exporting_to(far, receiver, **NOTHING)) as r:
            late, asked = drop_two(r)
        if held_by == "file":
            assert r.collector.pipeline.decided.dropped.freeze(time.time_ns(), all_=True)
            with closing(sqlite3.connect(tmp_path / "state.db")) as state, state:
                state.execute("DELETE FROM dropped")
        with running(tmp_path, **exporting_to(far, receiver, **NOTHING)) as r:
            send(r.ports["grpc"], spans_of((late, LATE, ROOT, 2)))
            told = CliRunner().invoke(cli, ["traces", "recall", asked.hex(), "--data", str(tmp_path)])
            assert (told.exit_code, told.output) == (0, f"{asked.hex()}: recalled: 2 spans\n")
            r.wait_until_decided()
            assert "recalled_traces" in r.get("telemetry", "/metrics")
        got = sorted((s.trace_id, s.span_id) for _, _, s in far.spans())
    assert got == [(late, ROOT), (late, CHILD), (late, LATE), (asked, ROOT), (asked, CHILD)]
    rules = {a.key: a.value for _, _, s in far.spans() if s.span_id == ROOT for a in s.attributes}
    assert rules["eigenspan.sampling.recalled"].bool_value


def test_what_was_never_there_is_said(tmp_path, receiver):
    with running(tmp_path, **overrides_of(receiver)) as r:
        drop_two(r)
        told = CliRunner().invoke(cli, ["traces", "recall", "ab" * 16, "--data", str(tmp_path)])
    assert told.exit_code == 1
    assert "no decision about it is remembered" in told.output
    assert CliRunner().invoke(cli, ["traces", "recall", "xyz", "--data", str(tmp_path)]).exit_code == 2


def overrides_of(receiver: str) -> dict[str, object]:
    return {"receivers.otlp.engine": receiver} | NOTHING
