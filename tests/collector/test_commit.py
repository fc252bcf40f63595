"""Group commit: an answer comes after the disk has the bytes, and what is refused is in no log."""

from __future__ import annotations

import dataclasses
import threading
import time
from contextlib import contextmanager

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from eigenspan.collector.clock import Clock
from eigenspan.collector.commit import Admission, Committer, Logged, columns, digest_of
from eigenspan.collector.errors import ScanError, Unavailable
from eigenspan.collector.files import Files
from eigenspan.collector.log import Log
from eigenspan.collector.scan import engine
from tests.collector.building import WATCH, payload, request

ENGINE = engine("python")


class Answers:
    """Callbacks for `submit`, and what they were told."""

    def __init__(self) -> None:
        self.given: dict[str, object] = {}
        self.threads: set[str] = set()
        self._changed = threading.Condition()

    def __call__(self, name: str):
        def done(error) -> None:
            with self._changed:
                assert name not in self.given
                self.given[name] = error
                self.threads.add(threading.current_thread().name)
                self._changed.notify_all()

        return done

    def wait(self, count: int) -> dict[str, object]:
        with self._changed:
            assert self._changed.wait_for(lambda: len(self.given) >= count, 10)
        return self.given


@contextmanager
def committer(tmp_path, *, start: bool = True, files: Files | None = None, log: Log | None = None, **more):
    log = log or Log(tmp_path / "log", files=files)
    c = Committer(log, ENGINE, Clock(), watch=WATCH, **more)
    if start:
        c.start()
    try:
        yield c, log
    finally:
        c.stop()
        log.close()


def bodies(log: Log) -> list[bytes]:
    return [record.payload.body for record in log.replay(0)]


def test_the_answer_comes_after_the_sync(tmp_path):
    synced = threading.Event()

    class Slow(Files):
        def sync(self, fd):
            synced.wait(10)
            super().sync(fd)

    answers = Answers()
    with committer(tmp_path, files=Slow()) as (c, log):
        c.submit(payload(request()), answers("one"))
        time.sleep(0.1)
        assert not answers.given
        assert not c.drain()
        synced.set()
        assert answers.wait(1) == {"one": None}
        assert answers.threads == {"eigenspan-commit"}
        assert bodies(log) == [request()]


def test_what_waits_is_committed_together_and_in_order(tmp_path):
    class Counting(Files):
        syncs = 0

        def sync(self, fd):
            self.syncs += 1
            super().sync(fd)

    files, answers = Counting(), Answers()
    with committer(tmp_path, start=False, files=files, max_group=4) as (c, log):
        for i in range(1, 7):
            c.submit(payload(request({"trace": i})), answers(str(i)))
        c.start()
        answers.wait(6)
        assert files.syncs == 1 + 2
        (batch,) = c.drain()
        assert batch.spans["trace_lo"].to_list() == batch.spans["position"].to_list() == [1, 2, 3, 4, 5, 6]
        assert batch.spans["payload"].to_list() == [0, 1, 2, 3, 4, 5]
        assert (batch.through, batch.payloads, batch.bytes) == (6, 6, 6 * len(request()))
        assert not c.drain()
        assert len(bodies(log)) == 6


@pytest.mark.parametrize(("comes", "steps"), [([], 1), ([1], 2), ([1, 1], 3), ([1] * 9, 5), ([8], 1)])
def test_a_commit_waits_as_long_as_company_comes(tmp_path, monkeypatch, comes, steps):
    slept = []
    with committer(tmp_path, start=False, max_group=8) as (c, _):

        def sleep(seconds):
            slept.append(seconds)
            for _ in range(comes[len(slept) - 1] if len(slept) <= len(comes) else 0):
                c.submit(payload(request()), Answers()("company"))

        c.submit(payload(request()), Answers()("first"))
        with monkeypatch.context() as patched:
            patched.setattr("eigenspan.collector.commit.time.sleep", sleep)
            c._gather()
        assert len(slept) == steps


def test_what_fails_to_become_columns_is_drained_again(tmp_path, monkeypatch):
    def broken(found, watch):
        raise MemoryError

    answers = Answers()
    with committer(tmp_path) as (c, _):
        for i in (1, 2):
            c.submit(payload(request({"trace": i})), answers(str(i)))
            answers.wait(i)
        with monkeypatch.context() as patch:
            patch.setattr(c, "_engine", dataclasses.replace(c._engine, columns=broken))
            with pytest.raises(MemoryError):
                c.drain()
        assert [(d.payloads, len(d.spans)) for d in c.drain()] == [(2, 2)]
        assert (c.drain(), c.undrained) == ([], 0)


def test_many_small_groups_are_not_too_many(tmp_path):
    """A lone client sends a group each time, and a turn may be two seconds away."""
    with committer(tmp_path) as (c, _):
        for i in range(2000):
            done = threading.Event()
            c.submit(payload(request({"trace": i + 1})), lambda error, done=done: done.set())
            assert done.wait(5)
        assert sum(d.payloads for d in c.drain()) == 2000


def test_bytes_that_the_pipeline_has_not_taken_are_bounded(tmp_path, monkeypatch):
    monkeypatch.setattr("eigenspan.collector.commit._GROUP_BYTES", 0)
    answers = Answers()
    with committer(tmp_path, max_bytes=len(request())) as (c, _):
        for i in (1, 2):
            c.submit(payload(request({"trace": i})), answers(str(i)))
            answers.wait(i)
        with pytest.raises(Unavailable, match="does not keep up"):
            c.check(1)
        assert c.counts == {("refused", "pipeline"): 1}
        assert c.drain()[0].payloads == 2
        c.check(1)


def test_one_bad_payload_costs_only_itself(tmp_path):
    answers = Answers()
    with committer(tmp_path, start=False) as (c, log):
        c.submit(payload(request({"trace": 1})), answers("good"))
        c.submit(payload(b"\x0a\x05bad"), answers("bad"))
        c.submit(payload(b"\xff\xff", "metrics"), answers("bad metrics"))
        c.submit(payload(b"", "logs"), answers("logs"))
        c.submit(payload(request({"trace": 2}), tenant="t"), answers("also good"))
        c.start()
        given = answers.wait(5)
        assert {name: type(error) for name, error in given.items() if error} == {
            "bad": ScanError,
            "bad metrics": ScanError,
        }
        (batch,) = c.drain()
        assert batch.spans.select("position", "trace_lo", "tenant").rows() == [(1, 1, ""), (3, 2, "t")]
        assert batch.others == ((2, "logs", ""),)
        assert bodies(log) == [request({"trace": 1}), b"", request({"trace": 2})]
        assert c.counts == {("malformed", "traces"): 1, ("malformed", "metrics"): 1}


def test_a_repeated_payload_is_acknowledged_and_logged_once(tmp_path):
    answers = Answers()
    with committer(tmp_path, start=False) as (c, log):
        c.remember(digest_of(payload(b"old", "logs")), 0)
        c.submit(payload(request()), answers("first"))
        c.submit(payload(request(), peer="other", received_ns=9), answers("same group"))
        c.submit(payload(request(), tenant="t"), answers("another tenant"))
        c.submit(payload(b"old", "logs"), answers("before the restart"))
        c.start()
        answers.wait(4)
        c.submit(payload(request()), answers("later"))
        assert set(answers.wait(5).values()) == {None}
        assert len(bodies(log)) == 2
        assert c.counts == {("repeated", "traces"): 2, ("repeated", "logs"): 1}


def test_a_payload_is_forgotten_after_a_while(tmp_path):
    answers = Answers()
    with committer(tmp_path, remember_s=0.0) as (c, log):
        for name in ("first", "second"):
            c.submit(payload(request()), answers(name))
            answers.wait(1 if name == "first" else 2)
            time.sleep(0.01)
            c.submit(payload(request({"trace": 9, "name": name})), answers(f"between {name}"))
            answers.wait(2 if name == "first" else 4)
        assert bodies(log).count(request()) == 2


def test_a_refused_payload_is_not_remembered(tmp_path):
    class Full(Files):
        full = False

        def write_at(self, fd, data, offset):
            if self.full:
                raise OSError(28, "No space left on device")
            super().write_at(fd, data, offset)

    files, answers = Full(), Answers()
    with committer(tmp_path, files=files) as (c, log):
        files.full = True
        c.submit(payload(request()), answers("full"))
        assert isinstance(answers.wait(1)["full"], Unavailable)
        assert "No space left" in str(answers.given["full"])
        assert not c.drain()
        files.full = False
        c.submit(payload(request()), answers("again"))
        assert answers.wait(2)["again"] is None
        assert bodies(log) == [request()]
        assert c.counts == {("refused", "disk"): 1}


def test_a_repeat_in_a_group_that_the_disk_refuses_is_refused_too(tmp_path):
    class Full(Files):
        def write_at(self, fd, data, offset):
            raise OSError(28, "No space left on device")

    answers = Answers()
    with committer(tmp_path, start=False, files=Full()) as (c, _):
        c.submit(payload(request()), answers("first"))
        c.submit(payload(request()), answers("repeat"))
        c.start()
        assert {type(e) for e in answers.wait(2).values()} == {Unavailable}


def test_a_repeat_of_a_payload_that_cannot_be_read_is_not_acknowledged(tmp_path):
    answers = Answers()
    with committer(tmp_path, start=False) as (c, _):
        c.submit(payload(b"\x0a\x05bad"), answers("first"))
        c.submit(payload(b"\x0a\x05bad"), answers("repeat"))
        c.start()
        assert {type(e) for e in answers.wait(2).values()} == {ScanError}


def test_an_internal_error_is_an_answer_and_the_thread_lives_on(tmp_path):
    answers = Answers()
    with committer(tmp_path) as (c, log):
        append, log.append = log.append, None
        c.submit(payload(request()), answers("broken"))
        assert isinstance(answers.wait(1)["broken"], Unavailable)
        log.append = append
        c.submit(payload(request()), answers("again"))
        assert answers.wait(2)["again"] is None


def test_a_closed_door_refuses_before_the_bytes_are_held(tmp_path):
    answers = Answers()
    with committer(tmp_path) as (c, _):
        c.admission = Admission(open=False, reason="full", retry_after_s=9.0)
        with pytest.raises(Unavailable, match="full") as caught:
            c.submit(payload(), answers("never"))
        assert caught.value.retry_after_s == 9.0
        assert c.counts == {("refused", "full"): 1}
        c.admission = Admission()
    with pytest.raises(Unavailable, match="stopping"):
        c.check(1)
    assert not answers.given


def test_bytes_in_flight_are_bounded_and_come_free(tmp_path, monkeypatch):
    monkeypatch.setattr("eigenspan.collector.commit._GROUP_BYTES", 0)
    answers = Answers()
    size = len(request())
    with committer(tmp_path, start=False, max_bytes=2 * size) as (c, _):
        c.submit(payload(request({"trace": 1})), answers("1"))
        c.submit(payload(request({"trace": 2})), answers("2"))
        with pytest.raises(Unavailable, match="waiting to be written"):
            c.submit(payload(request({"trace": 3})), answers("3"))
        c.start()
        answers.wait(2)
        deadline = time.monotonic() + 5
        while c._waiting_bytes and time.monotonic() < deadline:
            time.sleep(0.001)
        c.submit(payload(request({"trace": 3})), answers("3"))
        answers.wait(3)


def test_one_payload_over_the_bound_is_taken_when_nothing_waits(tmp_path):
    answers = Answers()
    with committer(tmp_path, max_bytes=1) as (c, _):
        c.submit(payload(request()), answers("large"))
        assert answers.wait(1) == {"large": None}


def test_secrets_are_cut_before_the_log_and_the_columns_fit_the_cut_bytes(tmp_path):
    answers = Answers()
    body = request(
        {"attributes": {"password": "SECRET-SECRET", "quantum.backend.name": "b"}}, {"span": 2, "name": "after"}
    )
    with committer(tmp_path, redact_keys=["password"]) as (c, log):
        c.submit(payload(body), answers("one"))
        answers.wait(1)
        (batch,) = c.drain()
        (logged,) = bodies(log)
        assert b"SECRET" not in logged
        second = batch.spans.row(1, named=True)
        assert b"after" in logged[second["offset"] : second["offset"] + second["length"]]
        assert c.redacted == {"password": 1}
        c.submit(payload(body), answers("repeat"))
        answers.wait(2)
        assert len(bodies(log)) == 1


def test_a_secret_makes_no_payload_more_welcome(tmp_path):
    """protobuf's parser takes a trace id of any length, and would write back what the scan refuses or mend it."""
    secret = {"attributes": {"password": "SECRET"}}
    good = request(secret, {"span": 2})
    message = ExportTraceServiceRequest.FromString(good)
    message.resource_spans[0].scope_spans[0].spans[0].trace_id = bytes(range(1, 16))
    short_id = message.SerializeToString()
    answers = Answers()
    for keys in (["password"], ["something.else"]):
        with committer(tmp_path / keys[0], start=False, redact_keys=keys) as (c, log):
            for name, body in (("good", good), ("short", short_id), ("cut", good[:-1]), ("type", good + b"\x08\x01")):
                c.submit(payload(body), answers(f"{name} {keys[0]}"))
            c.start()
            answers.wait(4 if keys == ["password"] else 8)
            assert c.counts == {("malformed", "traces"): 3}
            (batch,) = c.drain()
            assert batch.spans.height == 2
            assert len(bodies(log)) == 1
    assert sorted(name for name, error in answers.wait(8).items() if error is None) == [
        "good password",
        "good something.else",
    ]


def test_replayed_records_give_the_same_columns(tmp_path):
    answers = Answers()
    with committer(tmp_path, start=False) as (c, log):
        c.submit(payload(b"", "metrics", tenant="m"), answers("0"))
        for i in range(1, 4):
            c.submit(payload(request({"trace": i}, {"trace": i, "span": 2}), tenant="t" * i), answers(str(i)))
        c.start()
        answers.wait(4)
        (live,) = c.drain()
        replayed = columns([Logged.of(r) for r in log.replay(0)], ENGINE, WATCH)
        assert replayed.spans.equals(live.spans)
        assert (replayed.others, replayed.through, replayed.log_ns) == (live.others, live.through, live.log_ns)


def test_stop_commits_what_was_taken(tmp_path):
    answers = Answers()
    with committer(tmp_path, start=False) as (c, log):
        for i in range(1, 4):
            c.submit(payload(request({"trace": i})), answers(str(i)))
        c.start()
        c.stop()
        assert len(answers.given) == 3
        assert len(bodies(log)) == 3
