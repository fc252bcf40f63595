"""Estimates against what they estimate; traces as figures; releases as versions come and go."""

from __future__ import annotations

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.proto.trace.v1.trace_pb2 import TracesData

from eigenspan.collector import threshold
from eigenspan.figures import estimates as e
from eigenspan.figures import measured as m
from eigenspan.figures.releases import QUIET_NS, Release, Releases
from eigenspan.figures.runs import merged, run_of, stage_times
from eigenspan.semconv import attributes as q
from eigenspan.store.queries import Tail
from eigenspan.store.traces import TraceStore
from eigenspan.store.tree import tree_of
from tests.figures.cases import HOUR_S, NOW_NS, NS, quiet, run

WEIGHTS = st.lists(st.tuples(st.floats(0, 1e6), st.floats(1, 100)), min_size=1, max_size=60)


def test_wilson_is_as_published():
    """Newcombe, Statistics in Medicine 17 (1998), table I, method 3."""
    for hits, n, low, high in (
        (81, 263, 0.2553, 0.3662),
        (15, 148, 0.0624, 0.1605),
        (0, 20, 0, 0.1611),
        (1, 29, 0.0061, 0.1718),
    ):
        assert e.wilson(hits / n, n) == pytest.approx((low, high), abs=5e-5)


@given(WEIGHTS, st.floats(0.01, 0.99))
def test_a_quantile_is_the_least_value_that_reaches_its_share(pairs, share):
    found = e.quantile(pairs, share)
    total = sum(w for _, w in pairs)
    assert found.low <= found.value <= found.high
    assert sum(w for v, w in pairs if v <= found.value) >= share * total * (1 - 1e-9)
    assert sum(w for v, w in pairs if v < found.value) < share * total * (1 + 1e-9)


@given(st.lists(st.tuples(st.booleans(), st.floats(1, 100)), min_size=1, max_size=60))
def test_a_rate_is_inside_its_interval_and_equal_weights_say_as_much_as_none(pairs):
    found = e.rate(pairs)
    assert 0 <= found.low <= found.value <= found.high <= 1
    assert found.value == pytest.approx(sum(w for hit, w in pairs if hit) / sum(w for _, w in pairs))
    assert e.effective([w for _, w in pairs]) <= len(pairs) * (1 + 1e-9)
    assert e.effective([7.0] * len(pairs)) == pytest.approx(len(pairs))


def test_intervals_hold_the_truth_about_as_often_as_they_say():
    """Traffic sampled as the collector samples it: every error, a tenth of the rest."""
    random, held = Random(3), {"rate": 0, "median": 0}
    for _ in range(300):
        kept = []
        for _ in range(800):
            failed, seconds = random.random() < 0.1, random.expovariate(1)
            if failed or random.random() < 0.1:
                kept.append((failed, seconds, 1.0 if failed else 10.0))
        share, median = e.rate((f, w) for f, _, w in kept), e.quantile(((s, w) for _, s, w in kept), 0.5)
        held["rate"] += share.low <= 0.1 <= share.high
        held["median"] += median.low <= 0.6931 <= median.high
    assert held["rate"] / 300 > 0.93  # conservative: errors are all there
    assert held["median"] / 300 > 0.92


def spans(*rows, service="svc", version="", number=1, keep=0.1) -> bytes:
    """A trace from (id, parent, start s, end s, stage, attributes)."""
    data = TracesData()
    resource = data.resource_spans.add()
    for key, value in (("service.name", service), ("service.version", version)):
        if value:
            resource.resource.attributes.add(key=key).value.string_value = value
    scope = resource.scope_spans.add()
    for id_, parent, start, end, stage, attributes in rows:
        span = scope.spans.add(
            trace_id=number.to_bytes(16, "big"), span_id=bytes(7) + bytes([id_]), parent_span_id=bytes(7) + bytes([parent]) if parent else b"",
            name=f"s{id_}", start_time_unix_nano=int(start * NS), end_time_unix_nano=int(end * NS),
            trace_state=f"ot=th:{threshold.encode(threshold.threshold_of(keep))}" if keep else "",
        )  # fmt: skip
        for key, value in (attributes | ({q.QUANTUM_STAGE_NAME: stage} if stage else {})).items():
            kind = {bool: "bool_value", int: "int_value", float: "double_value", str: "string_value"}[type(value)]
            setattr(span.attributes.add(key=key).value, kind, value)
    return data.SerializeToString()


TREES = {
    "children take their time": (
        [(1, 0, 0, 10, "", {}), (2, 1, 1, 4, "transpile", {}), (3, 1, 4, 9, "execute", {})], {"other": 2, "transpile": 3, "execute": 5},
    ),
    "a span without a stage has its parent's": ([(1, 0, 0, 4, "transpile", {}), (2, 1, 1, 3, "", {})], {"transpile": 4}),
    "children that overlap cover once": (
        [(1, 0, 0, 10, "execute", {}), (2, 1, 1, 6, "transpile", {}), (3, 1, 4, 8, "transpile", {})], {"execute": 3, "transpile": 9},
    ),
    "a child that outlives its parent": ([(1, 0, 0, 4, "execute", {}), (2, 1, 3, 9, "queue", {})], {"execute": 3, "queue": 6}),
    "a wait told by an attribute": ([(1, 0, 0, 10, "execute", {q.QUANTUM_JOB_QUEUE_DURATION: 7.0})], {"execute": 3, "queue": 7}),
    "a wait longer than the span": ([(1, 0, 0, 10, "execute", {q.QUANTUM_JOB_QUEUE_DURATION: 70.0})], {"queue": 10}),
    "a wait with a span of its own": (
        [(1, 0, 0, 10, "execute", {q.QUANTUM_JOB_QUEUE_DURATION: 7.0}), (2, 0, 0, 7, "queue", {})], {"execute": 10, "queue": 7},
    ),
    "an end before its start": ([(1, 0, 5, 1, "execute", {})], {}),
}  # fmt: skip


@pytest.mark.parametrize("name", TREES)
def test_time_is_divided_among_stages(name):
    rows, expected = TREES[name]
    found = stage_times(tree_of(TracesData.FromString(spans(*rows))))
    assert found == pytest.approx(expected)


def test_a_trace_becomes_a_run():
    body = spans(
        (1, 0, 100, 110, "", {q.QUANTUM_WORKFLOW_NAME: "vqe", q.QUANTUM_WORKFLOW_VERSION: "3", q.QUANTUM_FALLBACK_USED: True}),
        (2, 1, 101, 108, "execute", {q.QUANTUM_BACKEND_NAME: "lagos", q.QUANTUM_PROVIDER_NAME: "ibm", q.QUANTUM_JOB_SHOTS: 4000,
                                     q.QUANTUM_COST_AMOUNT: 1.6, "error.type": "timeout"}),
        version="1.2",
    )  # fmt: skip
    found = run_of(body)
    assert found.weight == pytest.approx(10, rel=1e-3)
    assert (found.root, found.service, found.failed, found.fallback, found.duration_s) == ("s1", "svc", True, True, 10)
    assert found.versions == {("service", "svc", "1.2"), ("workflow", "vqe", "3")}
    (execution,) = found.executions
    assert (execution.backend, execution.shots, execution.cost, execution.failed) == ("lagos", 4000, 1.6, True)
    late = merged(found, run_of(spans((3, 1, 108, 112, "post_process", {}))))
    assert late.duration_s == 12
    assert late.stages["post_process"] == 4
    assert run_of(spans((1, 0, 0, 1, "", {}), keep=0)).weight is None
    assert run_of(b"") is None


def test_the_tail_gives_each_body_once_and_counts_what_it_passes_over(tmp_path):
    with TraceStore(tmp_path) as store:
        tail = Tail(tmp_path, bodies=3)
        assert tail.read() == []
        bodies = [spans((1, 0, i, i + 1, "", {}), number=i + 1) for i in range(8)]
        write(store, bodies[:2])
        assert tail.read() == bodies[:2]
        assert tail.read() == []
        write(store, bodies[2:])
        assert (tail.read(), tail.passed_over) == (bodies[5:], 3)
        next(tmp_path.glob("*.db")).unlink()
        assert tail.read() == []


def write(store, bodies) -> None:
    store.write([("", bytes([i]) * 16, "r", body) for i, body in enumerate(bodies)])


def versions(*pairs) -> list:
    """Traces at (minutes, version)."""
    return [run(i, -60 * minutes, version=version) for i, (minutes, version) in enumerate(pairs)]


HISTORIES = {
    "the first version changes nothing": ([(0, "1"), (5, "1")], []),
    "a new version": ([(0, "1"), (5, "2")], [("1", "2", 5)]),
    "old and new overlap while a release rolls out": (
        [(0, "1"), (5, "2"), (6, "1"), (7, "2"), (20, "1")],
        [("1", "2", 5)],
    ),
    "a roll-back": ([(0, "1"), (5, "2"), (20, "2"), (50, "1")], [("1", "2", 5), ("2", "1", 50)]),
    "silence is no release": ([(0, "1"), (5, "2"), (600, "2")], [("1", "2", 5)]),
    "three": ([(0, "1"), (5, "2"), (9, "3")], [("1", "2", 5), ("2", "3", 9)]),
}


@pytest.mark.parametrize("pieces", ["whole", "one by one"])
@pytest.mark.parametrize("name", HISTORIES)
def test_releases_are_seen_as_versions_take_over(tmp_path, name, pieces):
    history, expected = HISTORIES[name]
    releases = Releases(tmp_path / "releases.db")
    runs = versions(*history)
    for part in [runs] if pieces == "whole" else [[r] for r in runs]:
        releases.see(part)
    found = [(r.previous, r.version, round((r.at_ns - NOW_NS) / NS / 60)) for r in releases.newest()[::-1]]
    assert found == expected
    releases.see(runs)
    Releases(tmp_path / "releases.db").see([])
    assert len(Releases(tmp_path / "releases.db").newest()) == len(expected)


def test_a_posted_release_knows_what_ran_before(tmp_path):
    releases = Releases(tmp_path / "releases.db")
    releases.see(versions((0, "1")))
    told = Release("service", "svc", "2", "", NOW_NS + QUIET_NS, note="by hand")
    releases.post(told)
    releases.post(told)
    (found,) = releases.newest()
    assert (found.previous, found.source, found.note) == ("1", "posted", "by hand")


def test_versions_past_the_bound_are_counted(tmp_path, monkeypatch):
    monkeypatch.setattr("eigenspan.figures.releases.MAX_VERSIONS", 3)
    releases = Releases(tmp_path / "releases.db")
    releases.see(versions(*((i, f"v{i}") for i in range(6))))
    assert releases.overflowed > 0


def test_before_and_after_are_those_of_the_versions():
    release = Release("service", "svc", "2.0", "1.0", NOW_NS - int(HOUR_S * NS))
    runs = quiet(version=lambda i, _: "2.0" if i % 2 else "1.0", failed=lambda i, _: bool(i % 2))
    effect = m.effect(release, runs, HOUR_S)
    assert effect["Failed"].after.value == 1
    assert effect["Failed"].before.value < 0.1
    assert effect["Failed"].worse
    assert not effect["Median"].worse
    posted = Release("deployment", "", "x", "", NOW_NS - int(HOUR_S * NS))
    old, new = m.around(posted, runs, HOUR_S)
    assert len(old) == len(new) == 60


def test_where_time_goes_adds_up():
    shares = m.stages(quiet())
    assert sum(s.share for s in shares) == pytest.approx(1)
    assert [s.stage for s in shares] == ["queue", "execute", "transpile", "post_process"]
