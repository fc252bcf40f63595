"""The pipeline's turns: what fails is done again, what is done is done once, and nothing acknowledged is lost."""

from __future__ import annotations

import sqlite3
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

import polars as pl
import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from eigenspan.calibration.asof import AsOfIndex, Observed
from eigenspan.calibration.summary import Summary
from eigenspan.collector.changes import Calibrations, Conventions
from eigenspan.collector.commit import Admission, Committed, Logged, columns, spans_of
from eigenspan.collector.conform import Compliance
from eigenspan.collector.decide import Rules, compile_rule, trace_schema
from eigenspan.collector.decided import Decided, Keys
from eigenspan.collector.dropped import DroppedTraces
from eigenspan.collector.errors import Unavailable
from eigenspan.collector.export import assemble
from eigenspan.collector.files import Files
from eigenspan.collector.log import Log
from eigenspan.collector.measure import SpanMetrics
from eigenspan.collector.pipeline import Limits, Pipeline
from eigenspan.collector.regret import Regret
from eigenspan.collector.scan import engine
from eigenspan.collector.state import State
from eigenspan.collector.traces import Traces
from eigenspan.collector.watch import CONTRACT
from eigenspan.schema.read_proto import value_of
from eigenspan.schema.registry import registry
from tests.collector.building import SECOND, WATCH, digest, payload, request, spans_in

ENGINE = engine("python")
INDEX = AsOfIndex(
    OBSERVED := [
        Observed(
            "q",
            Summary(provider="ibm", backend="q", version="sha256:v1", valid_from_ns=1, num_qubits=2, t1_median_s=0.5),
        )
    ]
)
EXPORTERS = {"traces": ["far"], "metrics": ["far"], "logs": []}


@dataclass
class Door:
    """A receiver: the test says what was committed, and sees what is admitted."""

    log: Log
    batches: list[Committed] = field(default_factory=list)
    admission: Admission = field(default_factory=Admission)

    def send(self, *bodies: bytes, log_ns: int, signal="traces") -> None:
        payloads = [payload(body, signal, received_ns=10**18 + log_ns) for body in bodies]
        digests = [digest(i) for i in range(len(bodies))]
        positions = self.log.append(payloads, digests, log_ns)
        logged = [Logged(n, p, log_ns, d) for n, p, d in zip(positions, payloads, digests, strict=True)]
        self.batches.append(columns(logged, ENGINE, WATCH))

    def committed(self) -> list[Committed]:
        out, self.batches = self.batches, []
        return out

    def admit(self, admission: Admission) -> None:
        self.admission = admission


class Way:
    """Everything between the door and the outbox, on a disk."""

    def __init__(self, path, keep: float = 1.0, conventions: Conventions | None = None, **limits) -> None:
        self.log, self.state = Log(path / "log", segment_bytes=400), State(path / "state.db")
        self.door, self.metrics, self.decided = Door(self.log), SpanMetrics(), Decided(DroppedTraces(path / "dropped"))
        checkpoint = self.state.checkpoint()
        self.decided.load(self.state.kept(), self.state.dropped())
        self.metrics.load(self.state.saved_under("metrics."))
        self.traces = Traces(WATCH, self.decided, settle_s=1, idle_s=3)
        schema = trace_schema(WATCH)
        rules = Rules([compile_rule("errors", "errors > 0", 1, schema), compile_rule("rest", "", keep, schema)])
        self.regret = Regret(path / "regret", self.log.whole_from)
        self.pipeline = Pipeline(
            receiver=self.door, log=self.log, state=self.state, traces=self.traces, decided=self.decided, rules=rules,
            regret=self.regret, reread=self.reread,
            calibrations=Calibrations(lambda: INDEX, lambda version: None), metrics=self.metrics, exporters=EXPORTERS,
            compliance=Compliance(CONTRACT), conventions=conventions or Conventions(registry().version),
            limits=Limits(**({"log_bytes": 1 << 30, "window_ns": 3600 * SECOND} | limits)),
        )  # fmt: skip
        records = self.log.replay(min(checkpoint.replay_from, self.regret.through + 1) if checkpoint else 0)
        logged = [Logged.of(r) for r in records]
        self.pipeline.replay([columns([one], ENGINE, WATCH) for one in logged], checkpoint, 10**18)

    def reread(self, tenant: str, positions) -> pl.DataFrame:
        logged = []
        for position in positions:
            with suppress(KeyError):
                logged.append(Logged(position, payload(self.log.read(position)), 0, b""))
        return spans_of(logged, ENGINE, WATCH)

    def tick(self, log_ns: int) -> int:
        return self.pipeline.tick(log_ns, 10**18 + log_ns)

    def sent(self) -> list:
        """The spans of all rows of the outbox, in its order, after sending them."""
        bodies = []
        while rows := self.state.waiting("far"):
            if rows[0].signal == "traces":
                bodies += assemble([row.item for row in rows], self.log.bodies, ENGINE)
            self.state.sent("far", [row.id for row in rows])
        return spans_in(bodies)

    def close(self) -> None:
        self.log.close()
        self.state.close()


@contextmanager
def way(path, **more):
    w = Way(path, **more)
    try:
        yield w
    finally:
        w.close()


def found(spans) -> list[tuple[int, int]]:
    return sorted((s.trace_id[-1], s.span_id[-1]) for s in spans)


def test_a_trace_goes_through_in_one_turn_after_it_is_due(tmp_path):
    with way(tmp_path) as w:
        w.door.send(request({"trace": 1, "span": 1}, {"trace": 1, "span": 2, "parent": 1}), log_ns=SECOND)
        assert w.tick(SECOND) == 0
        assert w.tick(4 * SECOND) == 1
        assert found(w.sent()) == [(1, 1), (1, 2)]
        assert w.tick(5 * SECOND) == 0
        assert w.state.checkpoint().through == 1


@pytest.mark.parametrize("stage", ["decide", "enrich", "calibrate", "read"])
def test_a_failing_stage_puts_due_traces_back_and_nothing_is_lost(tmp_path, monkeypatch, stage):
    def broken(*args, **kwargs):
        raise RuntimeError(stage)

    with way(tmp_path) as w:
        attributes = {"quantum.backend.name": "q", "quantum.provider.name": "ibm", "quantum.circuit.gate_count": 3}
        w.door.send(request({"trace": 1, "status": 2, "attributes": attributes}), log_ns=SECOND)
        w.door.send(request({"trace": 2, "status": 2}), log_ns=SECOND)
        with monkeypatch.context() as patch:
            if stage == "decide":
                patch.setattr(w.pipeline.rules, "decide", broken)
            elif stage == "read":
                patch.setattr(w.log, "read_parts", broken)
            else:
                patch.setattr(f"eigenspan.collector.pipeline.{stage}", broken)
            for log_ns in (4, 10, 16):
                with pytest.raises(RuntimeError, match=stage):
                    w.tick(log_ns * SECOND)
            assert len(w.traces) == 2
            assert w.state.backlog() == {}
        assert w.tick(30 * SECOND) == 1
        assert found(w.sent()) == [(1, 1), (2, 1)]
        assert w.metrics.traces == {("errors", True): 2}


@pytest.mark.parametrize("where", ["classify", "calibrate"])
def test_what_cannot_be_taken_in_is_taken_in_later(tmp_path, monkeypatch, where):
    """`classify` fails for new spans; `calibrate` fails while late spans follow their trace."""

    def broken(*args, **kwargs):
        raise RuntimeError(where)

    with way(tmp_path) as w:
        w.door.send(request({"trace": 1, "status": 2}), log_ns=SECOND)
        w.tick(4 * SECOND)
        with monkeypatch.context() as patch:
            patch.setattr(f"eigenspan.collector.pipeline.{where}", broken)
            w.door.send(
                request({"trace": 1, "span": 2, "parent": 1}), request({"trace": 2, "status": 2}), log_ns=5 * SECOND
            )
            w.door.send(b"", log_ns=5 * SECOND, signal="metrics")
            for log_ns in (5, 20):
                with pytest.raises(RuntimeError, match=where):
                    w.tick(log_ns * SECOND)
        assert w.state.checkpoint().through == 1
        assert w.tick(30 * SECOND) == 3
        assert found(w.sent()) == [(1, 1), (1, 2), (2, 1)]
        assert w.metrics.spans == 3
        assert w.state.checkpoint().through == 4


def test_a_state_that_cannot_be_written_closes_the_door_and_then_recovers(tmp_path, monkeypatch):
    with way(tmp_path) as w:
        w.door.send(request({"trace": 1, "status": 2}), log_ns=SECOND)
        commit = w.state.commit

        def full(*args, **kwargs):
            raise sqlite3.OperationalError("database or disk is full")

        monkeypatch.setattr(w.state, "commit", full)
        with pytest.raises(Unavailable, match="disk is full"):
            w.tick(4 * SECOND)
        assert not w.door.admission.open
        assert "disk is full" in w.door.admission.reason
        assert w.door.admission.retry_after_s > 0
        w.door.send(request({"trace": 2, "status": 2}), log_ns=5 * SECOND)
        with pytest.raises(Unavailable):
            w.tick(9 * SECOND)
        assert not w.door.admission.open
        monkeypatch.setattr(w.state, "commit", commit)
        assert w.tick(10 * SECOND) == 2
        assert w.door.admission.open
        assert found(w.sent()) == [(1, 1), (2, 1)]
        assert w.metrics.traces == {("errors", True): 2}


def test_a_crash_before_the_commit_decides_the_same_again(tmp_path, monkeypatch):
    with way(tmp_path, keep=0.5) as w:
        w.door.send(*(request({"trace": i << 48 | i, "span": i}) for i in range(1, 200)), log_ns=SECOND)
        monkeypatch.setattr(w.state, "commit", lambda *a, **k: (_ for _ in ()).throw(sqlite3.OperationalError("gone")))
        with pytest.raises(Unavailable):
            w.tick(4 * SECOND)
        first = {
            key: d.keep
            for key, d in w.decided.find(Keys.of([("", 0, i << 48 | i) for i in range(1, 200)])).items()
            if hasattr(d, "keep")
        }
    with way(tmp_path, keep=0.5) as w:
        assert len(w.traces) == 199
        w.tick(5 * SECOND)
        kept = {s.span_id[-1] for s in w.sent()}
        assert kept == {key[2] & 0xFF for key, keep in first.items() if keep}
        assert 60 < len(kept) < 140
        assert w.metrics.spans == 199


def test_a_restart_at_any_turn_sends_every_span_once(tmp_path):
    """Spans of one kept trace in each request, late ones among them; the process is closed after every turn."""
    sent = []
    position = 0
    for turn in range(12):
        with way(tmp_path) as w:
            assert w.metrics.spans == position
            for trace in (turn // 3, turn):
                position += 1
                body = request({"trace": 1 + trace, "span": position, "parent": turn % 3, "status": 2})
                w.door.send(body, log_ns=turn * 2 * SECOND)
            w.tick((turn * 2 + 1) * SECOND)
            w.pipeline._commit((turn * 2 + 1) * SECOND, 10**18)
            sent += w.sent()
    with way(tmp_path) as w:
        w.tick(99 * SECOND)
        sent += w.sent()
        assert len(w.traces) == 0
    assert sorted(s.span_id[-1] for s in sent) == list(range(1, position + 1))


def test_late_spans_follow_a_kept_trace_and_are_counted_for_a_dropped_one(tmp_path):
    with way(tmp_path, keep=0.0) as w:
        w.door.send(request({"trace": 1, "status": 2}), request({"trace": 2}), log_ns=SECOND)
        assert w.tick(4 * SECOND) == 1
        w.sent()
        w.door.send(
            request({"trace": 1, "span": 2, "parent": 1}, {"trace": 2, "span": 3}, {"trace": 3}), log_ns=5 * SECOND
        )
        assert w.tick(5 * SECOND) == 1
        assert found(w.sent()) == [(1, 2)]
        assert w.pipeline.counts["late_spans_kept"] == w.pipeline.counts["late_spans_dropped"] == 1
        assert len(w.traces) == 1


def test_other_signals_go_on_without_a_decision(tmp_path):
    with way(tmp_path) as w:
        w.door.send(request({"parent": 5}), log_ns=SECOND)
        w.door.send(b"m", log_ns=SECOND, signal="metrics")
        w.door.send(b"l", log_ns=SECOND, signal="logs")
        w.tick(SECOND)
        assert w.state.backlog() == {"far": (1, 0)}
        assert w.pipeline.counts == {"not_exported_logs": 1}
    with way(tmp_path) as w:
        assert len(w.traces) == 1
        w.tick(2 * SECOND)
        assert w.state.backlog() == {"far": (1, 0)}
        assert not w.pipeline.counts


def test_the_log_is_trimmed_to_what_is_needed(tmp_path):
    with way(tmp_path) as w:
        w.door.send(request({"trace": 99, "parent": 5}), log_ns=50 * SECOND)
        for i in range(1, 20):
            w.door.send(request({"trace": i, "status": 2}), log_ns=SECOND)
        w.tick(10 * SECOND)
        assert w.log.first_position == 1
        (row,) = w.state.waiting("far")
        rows = w.state.divide("far", row, list(row.item.each()))
        w.state.park("far", rows[4].id, "no")
        w.state.sent("far", [row.id for row in rows if row is not rows[4]])
        w.tick(100 * SECOND)
        w.sent()
        w.tick(200 * SECOND)
        assert w.log.first_position <= rows[4].item.first_position()
        assert w.log.whole_from > 1
        assert spans_in(assemble([rows[4].item], w.log.bodies, ENGINE))
        w.state.sent("far", [rows[4].id])
        w.tick(300 * SECOND)
        assert w.log.first_position > rows[4].item.first_position()


def test_a_log_that_is_full_closes_the_door_until_there_is_room(tmp_path):
    with way(tmp_path, log_bytes=1500) as w:
        for i in range(1, 20):
            w.door.send(request({"trace": i, "status": 2}), log_ns=SECOND)
        w.tick(4 * SECOND)
        assert not w.door.admission.open
        assert "max_bytes" in w.door.admission.reason
        w.sent()
        w.tick(20 * SECOND)
        w.tick(21 * SECOND)
        assert w.door.admission.open


@pytest.mark.parametrize(
    ("free", "all_", "open_"),
    [(1000, 1 << 40, True), (999, 1 << 40, False), (999, 9990, True), (998, 9990, False), (0, 0, True)],
)
def test_a_disk_that_runs_short_closes_the_door_while_there_is_room_to_decide(tmp_path, monkeypatch, free, all_, open_):
    with way(tmp_path, reserve_bytes=1000) as w:
        monkeypatch.setattr(Files, "free", lambda self, path: (free, all_))
        w.door.send(request({"status": 2}), log_ns=SECOND)
        assert w.tick(4 * SECOND) == 1
        assert w.door.admission.open == open_
        assert open_ or "reserve_bytes" in w.door.admission.reason
        monkeypatch.undo()
        w.tick(5 * SECOND)
        assert w.door.admission.open


def test_a_disk_that_runs_short_gets_back_what_was_only_kept_in_case(tmp_path, monkeypatch):
    free = [1 << 30]
    monkeypatch.setattr(Files, "free", lambda self, path: (free[0], 1 << 40))
    with way(tmp_path, keep=0.0, reserve_bytes=1000, keep_ns=10**18, keep_bytes=1 << 30) as w:
        for i in range(1, 21):
            w.door.send(request({"trace": i}), log_ns=SECOND)
        w.tick(4 * SECOND)
        w.tick(20 * SECOND)
        before = w.log.size_bytes
        free[0] = 1500  # 500 short of twice the reserve
        w.tick(30 * SECOND)
        assert before - 500 - 2 * 400 < w.log.size_bytes <= before - 500
        assert w.door.admission.open


def test_calibration_is_on_the_span_and_counted(tmp_path):
    with way(tmp_path) as w:
        attributes = {"quantum.backend.name": "q", "quantum.provider.name": "ibm"}
        w.door.send(request({"status": 2, "attributes": attributes}, {"span": 2, "parent": 1}), log_ns=SECOND)
        w.tick(4 * SECOND)
        on, off = w.sent()
        values = {a.key: a.value for a in on.attributes}
        assert values["quantum.backend.calibration.t1.median"].double_value == 0.5
        assert values["quantum.backend.calibration.match"].string_value == "as_of_unconfirmed"
        assert not off.attributes
        assert w.pipeline.changes.enriched == {("q", "sha256:v1", "as_of_unconfirmed"): 1}


def test_times_at_the_ends_of_their_range_go_through(tmp_path):
    attributes = {"quantum.backend.name": "q", "quantum.job.execution.start_time": "9999-12-31T23:59:59Z"}
    with way(tmp_path) as w:
        edges = [
            {"start_time_unix_nano": 2**64 - 1, "end_time_unix_nano": 0},
            {"start_time_unix_nano": 0, "end_time_unix_nano": 2**64 - 1},
        ]
        for i, edge in enumerate(edges):
            w.door.send(request(edge | {"trace": i + 1, "status": 2, "attributes": attributes}), log_ns=SECOND)
        assert w.tick(4 * SECOND) == 1
        assert len(w.sent()) == 2
        assert w.metrics.prometheus()


def test_decisions_are_forgotten_after_their_window(tmp_path):
    with way(tmp_path, window_ns=5 * SECOND) as w:
        w.door.send(request({"trace": 1, "status": 2}), log_ns=SECOND)
        w.tick(4 * SECOND)
        assert len(w.decided) == 1
        w.tick(30 * SECOND)
        assert len(w.decided) == 0
        assert w.state.kept() == []


def test_a_decision_waits_for_the_poll_that_confirms_its_snapshot(tmp_path):
    polls = {("ibm", "q"): 1}
    attributes = {"quantum.backend.name": "q", "quantum.provider.name": "ibm"}
    with way(tmp_path) as w:
        w.pipeline.calibrations = Calibrations(
            lambda: AsOfIndex(OBSERVED, polls=dict(polls)), lambda version: None, wait_s=60.0
        )
        for trace in (1, 2):
            w.door.send(request({"trace": trace, "status": 2, "attributes": attributes}), log_ns=trace * 30 * SECOND)
        w.door.send(request({"trace": 3, "status": 2}), log_ns=30 * SECOND)
        assert w.tick(35 * SECOND) == 1  # the one without a backend waits for nothing
        assert w.tick(89 * SECOND) == 0
        assert w.tick(92 * SECOND) == 1  # not longer than it was told to
        polls["ibm", "q"] = 2**62
        assert w.tick(100 * SECOND) == 1
        matches = {
            s.trace_id[-1]: a.value.string_value for s in w.sent() for a in s.attributes if a.key.endswith(".match")
        }
        assert matches == {1: "as_of_unconfirmed", 2: "as_of"}


def test_names_of_an_older_version_become_those_of_the_newest_and_the_scope_says_so(tmp_path):
    family = registry().schema_url.rsplit("/", 1)[0]
    old = {"quantum.device": "q", "quantum.provider": "ibm", "quantum.shots": 100, "mine": "x"}
    message = ExportTraceServiceRequest.FromString(request({"attributes": old}, {"span": 2, "parent": 1}))
    message.resource_spans[0].scope_spans[0].schema_url = f"{family}/0.1.0"
    message.resource_spans.add(schema_url=f"{family}/0.1.0").scope_spans.add(
        schema_url="https://example.org/1", spans=spans_in([request({"span": 3, "parent": 1})])
    )
    with way(tmp_path) as w:
        w.door.send(message.SerializeToString(), log_ns=SECOND)
        w.tick(4 * SECOND)
        w.door.send(request({"span": 4, "parent": 1, "attributes": {"quantum.device": "q"}}), log_ns=5 * SECOND)
        w.tick(6 * SECOND)
        (first, late) = (list(assemble([row.item], w.log.bodies, ENGINE)) for row in w.state.waiting("far"))
    sent = ExportTraceServiceRequest.FromString(first[0])
    assert [s.schema_url for r in sent.resource_spans for s in r.scope_spans] == [
        f"{family}/0.2.0",
        "https://example.org/1",
    ]
    assert [r.schema_url for r in sent.resource_spans] == ["", f"{family}/0.1.0"]
    values = {a.key: a.value for a in spans_in(first)[0].attributes}
    assert not values.keys() & (old.keys() - {"mine"})
    assert values["quantum.backend.name"].string_value == "q"
    assert values["quantum.job.shots"].int_value == 100
    assert values["quantum.backend.calibration.version"].string_value == "sha256:v1"
    assert {a.key for a in spans_in(late)[0].attributes} >= {"quantum.backend.name", "eigenspan.sampling.late"}
    assert w.pipeline.changes.normalised == {"normalised": 4}
    assert w.pipeline.compliance.jobs == 1


def test_names_may_be_left_as_they_came(tmp_path):
    with way(tmp_path, conventions=Conventions("", normalise=False)) as w:
        w.door.send(request({"attributes": {"quantum.device": "q"}}), log_ns=SECOND)
        w.tick(4 * SECOND)
        (sent,) = w.sent()
    assert sent.attributes[0].key == "quantum.device"


DAY = {"keep_ns": 86_400 * SECOND, "keep_bytes": 1 << 30}


def attributes_of(span) -> dict:
    return {a.key: value_of(a.value) for a in span.attributes}


@pytest.mark.parametrize("restart", [False, True])
def test_a_late_error_brings_the_whole_dropped_trace_back_once(tmp_path, restart):
    spans_ = [request({"trace": 1, "span": i, "parent": int(i > 1)}, {"trace": 2, "span": i}) for i in (1, 2, 3)]
    late = [request({"trace": 1, "span": 3, "parent": 1}, {"trace": 1, "span": 8, "parent": 1, "status": 2}),
            request({"trace": 1, "span": 9, "parent": 1, "status": 2})]  # fmt: skip
    with way(tmp_path, keep=0.0, **DAY) as w:
        for body in spans_:
            w.door.send(body, log_ns=SECOND)
        w.tick(4 * SECOND)
        w.tick(20 * SECOND)
        assert w.sent() == []
        if restart:
            w.regret.settle(all_=True)
    with way(tmp_path, keep=0.0, **DAY) as w:
        w.door.send(late[0], log_ns=21 * SECOND)
        w.tick(21 * SECOND)
        back = w.sent()
        w.door.send(late[1], log_ns=22 * SECOND)
        w.tick(22 * SECOND)
        after = w.sent()
        w.tick(60 * SECOND)
        assert w.sent() == []
        assert w.pipeline.counts["recalled_traces"] == 1
    assert found(back) == [(1, 1), (1, 2), (1, 3), (1, 8)]
    (root,) = (s for s in back if not s.parent_span_id)
    assert attributes_of(root) == {
        "eigenspan.sampling.rule": "recalled",
        "eigenspan.sampling.reason": "an error arrived after the trace was dropped",
        "eigenspan.sampling.complete": True,
        "eigenspan.sampling.recalled": True,
    }
    assert not any("th:" in s.trace_state for s in back)
    assert found(after) == [(1, 9)]


def test_past_the_regret_window_a_late_error_is_kept_alone_and_marked(tmp_path):
    with way(tmp_path, keep=0.0, keep_ns=0) as w:
        for i in range(12):
            w.door.send(request({"trace": i + 1}), log_ns=SECOND)
        w.tick(4 * SECOND)
        w.tick(20 * SECOND)
        assert w.log.whole_from > 1
        w.door.send(request({"trace": 1, "span": 8, "parent": 1, "status": 2}), log_ns=21 * SECOND)
        w.tick(21 * SECOND)
        (alone,) = w.sent()
    said = attributes_of(alone)
    assert (said["eigenspan.sampling.rule"], said["eigenspan.sampling.complete"]) == ("late_error", False)


def test_a_dropped_trace_is_had_back_by_asking(tmp_path):
    with way(tmp_path, keep=0.0, **DAY) as w:
        w.door.send(request({"trace": 1}, {"trace": 1, "span": 2, "parent": 1}), log_ns=SECOND)
        w.tick(6 * SECOND)
        for trace in (1, 2):
            w.state.want("", trace.to_bytes(16, "big"))
        assert w.state.outcome("", (1).to_bytes(16, "big")) is None
        w.tick(20 * SECOND)
        assert w.state.outcome("", (1).to_bytes(16, "big")) == "recalled: 2 spans"
        assert "no decision about it is remembered" in w.state.outcome("", (2).to_bytes(16, "big"))
        assert w.state.outcome("", (1).to_bytes(16, "big")) is None
        assert found(w.sent()) == [(1, 1), (1, 2)]
        w.state.want("", (1).to_bytes(16, "big"))
        w.tick(40 * SECOND)
        assert w.state.outcome("", (1).to_bytes(16, "big")) == "it was kept"
        assert w.sent() == []


def test_the_regret_window_ends_with_its_bytes(tmp_path):
    with way(tmp_path, keep=0.0, keep_ns=86_400 * SECOND, keep_bytes=900) as w:
        for i in range(40):
            w.door.send(request({"trace": i + 1}), log_ns=SECOND)
            w.tick((2 + 6 * i) * SECOND)
        w.tick(400 * SECOND)
        assert 400 < w.log.size_bytes <= 900
        assert w.pipeline.latecomers.recall(("", 0, 1), w.reread("", []), "", 0) is None


def test_a_job_of_three_days_keeps_its_trace_open_without_pinning_the_log_over_restarts(tmp_path):
    submit = {"trace": 1, "span": 1, "kind": 4, "attributes": {"quantum.job.id": "j", "quantum.provider.name": "ibm"}}
    ended = {
        "quantum.job.id": "j",
        "quantum.provider.name": "ibm",
        "quantum.job.status": "COMPLETED",
        "quantum.backend.name": "q",
    }
    sent, sizes, hour = [], [], 3600 * SECOND
    for day in range(3):
        with way(tmp_path, keep_ns=hour, keep_bytes=1 << 30, window_ns=2 * hour) as w:
            if day == 0:
                w.door.send(request(submit, {"trace": 500, "status": 2}), log_ns=SECOND)
            for n in range(24):
                at = (24 * day + n) * hour + 10 * SECOND
                w.door.send(request({"trace": 1000 + 24 * day + n}), log_ns=at)
                w.tick(at)
                w.tick(at + 10 * SECOND)
                sent += w.sent()
                sizes.append(w.log.size_bytes)
            assert len(w.traces) == 1
    with way(tmp_path, keep_ns=hour, window_ns=2 * hour) as w:
        assert w.log.first_position == 1
        at = 73 * hour
        w.door.send(request({"trace": 77, "span": 2, "attributes": ended}), log_ns=at)
        w.tick(at)
        w.tick(at + 10 * SECOND)
        sent += w.sent()
        assert len(w.traces) == 0
    assert max(sizes[10:]) < 4000
    assert len(sent) == 1 + 1 + 72 + 1
    assert len({(s.trace_id, s.span_id) for s in sent}) == len(sent)
    (long,) = (s for s in sent if s.trace_id[-1] == 1 and s.trace_id[-2] == 0)
    assert attributes_of(long)["eigenspan.sampling.complete"]
