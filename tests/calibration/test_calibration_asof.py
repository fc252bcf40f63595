"""The as-of join against a brute-force reading of its definition, and its answers in words."""

from __future__ import annotations

import time
from collections.abc import Iterable

import numpy as np
import pytest

from eigenspan.calibration import AsOfIndex, Snapshot, StatusSample, Summary, summarise
from eigenspan.calibration.asof import KINDS, Observed

INSTANTS = 100_000


def observed(snapshots: Iterable[Snapshot]) -> list[Observed]:
    return [Observed(s.backend.name, summarise(s)) for s in snapshots]


def summary(
    version: str, valid_from_ns: int, *, backend: str = "ibm_x", id_: str | None = None, t1: float | None = None
) -> Summary:
    return Summary(
        provider="ibm",
        backend=backend,
        version=version,
        valid_from_ns=valid_from_ns,
        calibration_id=id_,
        num_qubits=1,
        t1_median_s=t1,
    )


def index(*entries: Summary, aliases: dict[tuple[str, str], str] | None = None) -> AsOfIndex:
    return AsOfIndex([Observed(entry.backend, entry) for entry in entries], (), aliases)


def test_the_join_equals_brute_force_on_the_real_time_series(history: dict[str, Snapshot]) -> None:
    built = AsOfIndex(observed(history.values()))
    machine = np.array([name.partition("_")[0] for name in history])
    valid_from = np.array([summarise(s).valid_from_ns for s in history.values()], dtype=np.int64)
    versions = np.array([s.snapshot.version for s in history.values()])
    random = np.random.default_rng(20_260_417)
    pick = random.integers(0, len(machine), INSTANTS)
    uniform = random.integers(valid_from.min() - 10**16, valid_from.max() + 10**16, INSTANTS)
    kind = random.integers(0, 4, INSTANTS)
    t = np.where(kind == 0, valid_from[pick], np.where(kind == 1, valid_from[pick] - 1, uniform))

    expected = []
    for i in range(INSTANTS):
        at = (machine == machine[pick[i]]) & (valid_from <= t[i])
        expected.append(versions[at][np.argmax(valid_from[at])] if at.any() else None)

    started = time.perf_counter()
    names = [str(name) for name in machine[pick]]
    providers = ["ibm"] * INSTANTS
    matches = built.match_many(providers, names, t)
    took = time.perf_counter() - started
    many = [built.summaries[row].version if row >= 0 else None for row in matches.row]
    assert many == expected
    one = [built.match("ibm", name, int(at)) for name, at in zip(names, t, strict=True)]
    assert [m.snapshot.version if m.snapshot else None for m in one] == expected
    assert [m.kind for m in one] == [KINDS[kind] for kind in matches.kind]
    for m, at in zip(one[:5_000], t[:5_000], strict=True):
        if m.snapshot is not None:
            assert m.snapshot.valid_from_ns <= at
            assert m.snapshot.valid_to_ns is None or at < m.snapshot.valid_to_ns
    assert took / INSTANTS < 5e-6


def test_the_interval_is_half_open() -> None:
    built = index(summary("a", 100), summary("b", 200))
    answers = {t: built.match("ibm", "ibm_x", t) for t in (99, 100, 199, 200, 10**18)}
    assert {t: m.snapshot and m.snapshot.version for t, m in answers.items()} == {
        99: None,
        100: "a",
        199: "a",
        200: "b",
        10**18: "b",
    }
    assert answers[99].kind == "none"
    assert "first snapshot" in answers[99].reason
    assert answers[100].snapshot is not None
    assert answers[100].snapshot.valid_to_ns == 200


def test_order_of_arrival_does_not_matter() -> None:
    entries = [summary("a", 100), summary("b", 200), summary("a", 300), summary("a", 400), summary("c", 200, t1=1e-4)]
    forward, backward = index(*entries), index(*entries[::-1])
    assert forward.timeline("ibm", "x") == backward.timeline("ibm", "x")
    assert [(s.version, s.valid_from_ns, s.valid_to_ns) for s in forward.timeline("ibm", "x")] == [
        ("a", 100, 200),
        ("c", 200, 300),  # fuller than b for the same instant
        ("a", 300, None),  # 400 restamps it
    ]


def test_a_calibration_id_comes_first() -> None:
    built = index(summary("a", 100, id_="one"), summary("b", 200, id_="two"), summary("b", 300, id_="three"))
    assert built.match("ibm", "ibm_x", 250, "one").snapshot == built.timeline("ibm", "x")[0]
    assert built.match("ibm", "ibm_x", 250, "one").kind == "id"
    assert built.match(None, None, None, "one").kind == "id"
    restamped = built.match("ibm", "x", None, "three")
    assert restamped.snapshot is not None
    assert (restamped.snapshot.version, restamped.snapshot.calibration_id) == ("b", "three")
    unknown = built.match("ibm", "x", 250, "four")
    assert unknown.kind == "as_of"
    assert "four is not stored" in unknown.reason
    ids = ["one", None, "four", "three"]
    many = built.match_many(["ibm"] * 4, ["x"] * 4, np.array([250, 250, 250, 0]), ids)
    for i, id_ in enumerate(ids):
        single = built.match("ibm", "x", [250, 250, 250, 0][i], id_)
        assert built.summaries[many.row[i]] == single.snapshot
        assert KINDS[many.kind[i]] == single.kind


@pytest.mark.parametrize(
    ("provider", "backend", "found"),
    [
        ("ibm", "ibm_torino", True),
        ("IBM", "IBM_Torino", True),
        ("ibm-quantum", "torino", True),
        (None, "fake_torino", True),
        ("ibm", "aer_simulator_from(fake_torino)", True),
        ("ibm", "nickname", True),
        ("ibm", "ibmq_16_melbourne", False),
        ("google", "torino", False),
        ("ibm", "", False),
        ("ibm", None, False),
    ],
)
def test_names_of_one_machine(provider: str | None, backend: str | None, found: bool) -> None:
    built = index(summary("a", 100, backend="ibm_torino"), aliases={("ibm", "Nickname"): "ibm_torino"})
    assert built.match(provider, backend, 150).kind == ("as_of_unconfirmed" if found else "none")
    many = built.match_many([provider], [backend], [150])
    assert bool(many.row[0] >= 0) is found


@pytest.mark.parametrize(
    "names",
    [
        ("ibmqx2", "ibmq_5_yorktown", "alt_yorktown", "yorktown"),
        ("ibmq_16_melbourne", "ibmq_melbourne", "melbourne"),
        ("alt_cairo", "ibm_cairo", "cairo"),
    ],
)
def test_odd_names(names: tuple[str, ...]) -> None:
    for stored in names:
        built = index(summary("a", 100, backend=stored))
        assert all(built.match("ibm", asked, 100).kind == "as_of" for asked in (*names, "fake_" + names[-1]))


POLLED = {  # when asked, when executed → is it a fact
    (None, 200): "as_of", (None, 201): "as_of_unconfirmed", (250, 250): "as_of", (250, 251): "as_of_unconfirmed",
    (50, 201): "as_of_unconfirmed", (None, 150): "as_of", (250, 99): "none",
}  # fmt: skip


@pytest.mark.parametrize(("polled", "executed"), POLLED)
def test_a_match_is_confirmed_by_a_later_poll_or_snapshot(polled: int | None, executed: int) -> None:
    entries = [Observed("ibm_x", summary("a", 100)), Observed("ibm_x", summary("b", 200))]
    built = AsOfIndex(entries, polls={("ibm", "ibmq_x"): polled} if polled else {})
    one = built.match("ibm", "ibm_x", executed)
    assert one.kind == POLLED[polled, executed]
    assert KINDS[built.match_many(["ibm"], ["x"], [executed]).kind[0]] == one.kind
    assert built.match("ibm", "ibm_x", executed, simulator=True).kind == ("none" if executed < 100 else "as_of")
    assert built.polled_ns("ibm", "x") == polled


def test_the_same_content_published_again_confirms_what_lies_between() -> None:
    built = index(summary("a", 100), summary("a", 300))
    assert [built.match("ibm", "x", t).kind for t in (299, 300, 301)] == ["as_of", "as_of", "as_of_unconfirmed"]


CHANGED = {(100, 199): False, (100, 200): True, (199, 500): True, (200, 500): False, (50, 150): False, (50, 250): False}


@pytest.mark.parametrize(("start", "end"), CHANGED)
def test_a_job_across_a_recalibration(start: int, end: int) -> None:
    built = index(summary("a", 100), summary("b", 200))
    assert built.changed_between("ibm", "x", start, end) is CHANGED[start, end]
    assert not built.changed_between("ibm", "other", start, end)


def test_a_reseller_says_nothing_about_whose_machine_it_is() -> None:
    sample = StatusSample("ibm", "ibm_x", 90, "busy")
    built = AsOfIndex([Observed("ibm_x", summary("a", 100))], [sample])
    assert built.status("azure", "x", 100) == sample
    assert built.status("google", "x", 100) is None
    assert built.match("aws_braket", "ibm_x", 100).snapshot is not None
    assert built.match("google", "ibm_x", 100).snapshot is None


def test_a_fake_backend_replays_what_was_shipped_not_what_the_machine_does() -> None:
    built = index(
        summary("old", 100, backend="ibm_x"),
        summary("shipped", 200, backend="ibm_x"),
        summary("shipped", 200, backend="fake_x"),
        summary("today", 300, backend="ibm_x"),
    )
    versions = {name: [s.version for s in built.timeline("ibm", name)] for name in ("ibm_x", "fake_x")}
    assert versions == {"ibm_x": ["old", "shipped", "today"], "fake_x": ["old", "shipped"]}


def test_one_name_at_two_providers_is_not_guessed() -> None:
    entries = [
        Observed("a", summary("1", 1, backend="a")),
        Observed("a", Summary(provider="iqm", backend="a", version="2", valid_from_ns=1, num_qubits=2)),
    ]
    built = AsOfIndex(entries)
    assert built.match(None, "a", 5).kind == "none"
    assert "several providers" in built.match(None, "a", 5).reason
    assert built.match("iqm", "a", 5).snapshot is not None


def test_an_empty_index_answers() -> None:
    built = AsOfIndex([])
    assert built.match("ibm", "x", 1, "id").kind == "none"
    assert built.match_many(["ibm"], ["x"], [1]).row.tolist() == [-1]
    assert built.status("ibm", "x", 1) is None


def test_without_an_execution_time_there_is_no_match() -> None:
    built = index(summary("a", 100))
    assert built.match("ibm", "x", None).reason == "the execution time is unknown"
    assert built.match("ibm", "x", 0).kind == "none"


def test_the_status_is_the_last_one_before() -> None:
    samples = [StatusSample("ibm", "ibm_x", t, "active", queue) for t, queue in ((300, 3), (100, 1), (200, 2))]
    built = AsOfIndex([], samples)
    found = {t: built.status(p, "x", t) for p, t in ((None, 99), ("ibm", 100), (None, 299), ("ibm", 300))}
    assert {t: s and s.queue_length for t, s in found.items()} == {99: None, 100: 1, 299: 2, 300: 3}
    assert built.status("ibm", "fake_x", 300) is None


def test_resolving_names_is_bounded() -> None:
    built = index(summary("a", 100))
    for i in range(10_000):
        built.series_code("ibm", f"made_up_{i}")
    assert len(built._resolved) <= 4_096
