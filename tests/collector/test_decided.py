"""The index of decisions against a dictionary, through merges, restarts and forgetting."""

from __future__ import annotations

import random

import pytest

from eigenspan.collector.decided import Decided, Dropped, Keys, fingerprint, key_of, trace_bytes
from eigenspan.collector.dropped import DroppedTraces
from tests.collector.building import SECOND, decision
from tests.collector.forgetting import KEPT, at_every_call


def key(rng: random.Random, tenants=("", "a")):
    return rng.choice(tenants), rng.getrandbits(64), rng.getrandbits(64)


@pytest.mark.parametrize("seed", range(6))
def test_it_finds_what_a_dictionary_finds(seed):
    rng = random.Random(seed)
    index = Decided()
    model: dict = {}
    rows: list[tuple[int, bytes]] = []
    packed: list[tuple[int, bytes]] = []
    now_ns = 10**18
    for turn in range(400):
        now_ns += rng.choice([SECOND // 4, SECOND, 1200 * SECOND])
        dropped = [key(rng) for _ in range(rng.choice([0, 1, 3, 40]))]
        if model and rng.random() < 0.2:
            again = rng.choice(list(model))
            if model[again][0] == "dropped":
                dropped.append(again)
        run = index.drop(Keys.of(dropped), turn, now_ns)
        assert len(run) == 16 * len(dropped)
        if run:
            packed.append((now_ns, run))
        model.update(dict.fromkeys(dropped, ("dropped", turn, now_ns)))
        if rng.random() < 0.5:
            verdict = decision(through=turn, decided_ns=now_ns)
            kept = [key(rng) for _ in range(rng.choice([1, 2, 5]))]
            model.update(dict.fromkeys(kept, ("kept", verdict, now_ns)))
            rows.append((now_ns, index.keep(kept, [verdict] * len(kept))))
        if turn % 100 == 60:
            before_ns = now_ns - 3 * 3600 * SECOND
            index.forget(before_ns)
            rows = [row for row in rows if row[0] >= before_ns]
            packed = [entry for entry in packed if entry[0] >= before_ns]
            gone = [k for k, v in model.items() if v[2] < before_ns]
            slack_ns = before_ns - 3600 * SECOND
            found = index.find(Keys.of(gone))
            assert all(model[k][0] == "dropped" and model[k][2] >= slack_ns for k in found)
            for k in gone:
                del model[k]
        if turn % 133 == 131:
            index = Decided()
            index.load([row for _, row in rows], packed)
        asked = rng.sample(list(model), min(len(model), 30)) + [key(rng) for _ in range(10)]
        expected = {k: model[k][1] if model[k][0] == "kept" else Dropped(model[k][1]) for k in asked if k in model}
        assert index.find(Keys.of(asked)) == expected
    assert any(v[0] == "kept" for v in model.values())
    assert any(v[0] == "dropped" for v in model.values())


def test_dropped_traces_of_a_busy_day_are_few_runs_and_are_forgotten():
    index = Decided()
    start_ns = 10**18
    for second in range(0, 86_400, 20):
        index.drop(Keys.of([("", second, second)]), 1, start_ns + second * SECOND)
    assert len(index) == 4320
    assert len(index.dropped._recent) < 200
    index.forget(start_ns + 43_200 * SECOND)
    assert 2160 <= len(index) <= 2160 + 180
    index.forget(start_ns + 2 * 86_400 * SECOND)
    assert len(index) == 0


def test_the_same_id_of_another_tenant_is_another_trace():
    index = Decided()
    index.keep([("a", 1, 2)], [decision()])
    index.drop(Keys.of([("b", 1, 2)]), 5, 1)
    assert index.find(Keys.of([("a", 1, 2), ("b", 1, 2), ("", 1, 2), ("a", 2, 1)])) == {
        ("a", 1, 2): decision(),
        ("b", 1, 2): Dropped(5),
    }
    assert len({fingerprint(k) for k in [("", 1, 2), ("a", 1, 2), ("b", 1, 2), ("", 2, 1)]}) == 4


def test_of_two_decisions_about_a_trace_the_later_holds():
    k = key_of("t", bytes(range(16)))
    packed = [Decided().keep([k, ("", 1, 1)], [decision(through=through)] * 2) for through in (3, 9)]
    index = Decided()
    index.load(packed, [])
    assert index.find(Keys.of([k])) == {k: decision(through=9)}
    assert trace_bytes(k) == bytes(range(16))


def test_nothing_decided_is_nothing_found():
    assert Decided().find(Keys.of([("", 1, 1)])) == {}
    index = Decided()
    assert index.drop(Keys.of([]), 1, 1) == b""
    index.drop(Keys.of([("", 0, 1)]), 1, 1)
    assert index.find(Keys.of([])) == {}
    assert index.find(Keys.of([("", 0, 0)])) == {}


@pytest.mark.parametrize("kept", KEPT)
def test_power_lost_before_any_call_every_dropped_decision_is_in_a_file_or_in_the_state(tmp_path, kept):
    """The state is SQLite's affair: here it is a list, forgotten when `freeze` has said that a file holds it."""

    def work(directory, files, promised):
        state, dropped = promised
        index = Decided(DroppedTraces(directory, files))
        for turn in range(1, 7):
            keys = [("", turn, n) for n in range(5)]
            state.append((turn * SECOND, index.drop(Keys.of(keys), turn, turn * SECOND)))
            dropped.update(dict.fromkeys(keys, Dropped(turn)))
            if turn % 2 == 0 and index.dropped.freeze(turn * SECOND, all_=True):
                state.clear()
        for key in [key for key, found in dropped.items() if found.through < 3]:
            del dropped[key]
        index.forget(3 * SECOND)

    def check(directory, promised):
        state, dropped = promised
        again = Decided(DroppedTraces(directory))
        again.load([], state)
        assert dropped.items() <= again.find(Keys.of(list(dropped))).items()

    assert at_every_call(tmp_path, kept, work, check, lambda: ([], {})) > 12
