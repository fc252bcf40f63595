"""Runs, filters and the two indexes made of them, each against a dictionary."""

from __future__ import annotations

import random
from collections import defaultdict

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from eigenspan.collector.dropped import DroppedTraces
from eigenspan.collector.files import Files
from eigenspan.collector.regret import Regret
from eigenspan.collector.runs import Filter, Run, read, write
from tests.collector.building import raw_spans

LONGS = st.integers(0, 2**64 - 1) | st.integers(0, 5)


def longs(values) -> np.ndarray:
    return np.array(list(values), dtype=np.uint64)


@given(st.lists(st.tuples(LONGS, LONGS), max_size=40), st.lists(LONGS, max_size=10))
def test_a_run_finds_what_a_list_finds(pairs, asked):
    run = Run.of(longs(k for k, _ in pairs), longs(v for _, v in pairs), 7)
    which, values = run.find(longs(asked))
    found = sorted(zip(which.tolist(), values.tolist(), strict=True))
    assert sorted(set(found)) == sorted({(i, v) for i, key in enumerate(asked) for k, v in pairs if k == key})
    assert len(found) <= sum(k == key for key in asked for k, _ in pairs)


def test_a_run_is_the_same_from_its_file_and_damage_is_seen(tmp_path):
    rng = random.Random(3)
    run = Run.of(longs(rng.getrandbits(64) for _ in range(500)), longs(range(500)), 99)
    path = tmp_path / "a.run"
    written, again = write(run, path, Files()), read(path)
    for copy in (written, again):
        assert (copy.keys == run.keys).all()
        assert (copy.values == run.values).all()
        assert copy.stamp == 99
    whole = path.read_bytes()
    for damaged in (whole[:-1], whole[:20], b"", whole + b"x", b"X" + whole[1:], whole[:100] + b"\xff" + whole[101:]):
        path.write_bytes(damaged)
        with pytest.raises(ValueError, match=r"a\.run"):
            read(path)
    assert len(read_empty(tmp_path).keys) == 0


def read_empty(tmp_path) -> Run:
    write(Run.of(longs([]), longs([]), 1), tmp_path / "empty.run", Files())
    return read(tmp_path / "empty.run")


def test_a_filter_lets_every_key_of_the_run_pass_and_few_others_in_two_bytes_a_key():
    rng = np.random.default_rng(4)
    keys, others = (
        rng.integers(0, 2**63, 100_000, dtype=np.uint64),
        rng.integers(2**63, 2**64, 100_000, dtype=np.uint64),
    )
    filter_ = Filter(keys)
    assert filter_.may_hold(keys).all()
    assert filter_.may_hold(others).mean() < 0.01
    assert filter_.size_bytes <= 2 * len(keys)


def test_dropped_traces_survive_in_files_and_memory_holds_two_bytes_each(tmp_path):
    rng = random.Random(5)
    index, model, hour_ns = DroppedTraces(tmp_path), {}, 3_600_000_000_000
    for turn in range(60):
        now_ns = 10**18 + turn * hour_ns // 4
        keys = [rng.getrandbits(64) for _ in range(rng.randint(0, 300))]
        index.add(longs(keys), longs([turn] * len(keys)), now_ns)
        model |= dict.fromkeys(keys, turn)
        if index.freeze(now_ns, all_=turn == 59):
            assert not index._recent
        if turn == 30:
            index.freeze(now_ns, all_=True)
            index = DroppedTraces(tmp_path)
        asked = [*rng.sample(sorted(model), min(20, len(model))), rng.getrandbits(64)]
        assert index.find(longs(asked)) == {i: model[key] for i, key in enumerate(asked) if key in model}
    assert index.filter_bytes <= 2 * len(index) + 100 * len(index._frozen)
    assert len(index) == len(model)
    index.forget(10**18 + 60 * hour_ns)
    assert len(index) == 0
    assert not list(tmp_path.glob("*.run"))


def test_a_damaged_file_of_dropped_traces_is_set_aside(tmp_path):
    index = DroppedTraces(tmp_path)
    index.add(longs([1, 2]), longs([5, 5]), 1)
    assert index.freeze(1, all_=True)
    (path,) = tmp_path.glob("*.run")
    path.write_bytes(path.read_bytes()[:-1])
    assert len(DroppedTraces(tmp_path)) == 0
    assert list(tmp_path.glob("*.bad"))


@pytest.mark.parametrize("seed", range(4))
def test_the_index_of_the_log_finds_every_payload_of_a_trace(tmp_path, seed):
    rng = random.Random(seed)
    model: defaultdict[int, set[int]] = defaultdict(set)
    regret, position, written = Regret(tmp_path, 1), 0, 0
    for step in range(1, 60):
        rows = []
        for _ in range(rng.randint(0, 5)):
            position += 1
            for _ in range(rng.randint(0, 4)):
                trace = rng.randint(1, 30)
                model[trace].add(position)
                rows.append({"trace_lo": trace, "trace_hi": 7, "position": position})
        regret.note(raw_spans(*rows), position)
        regret.note(raw_spans(*rows), position)  # a replay
        if rng.random() < 0.2:
            regret.settle(all_=True)
            written = position
        if step % 20 == 0:
            regret = Regret(tmp_path, 1)
            assert regret.through == written
            model = defaultdict(set, {t: {p for p in ps if p <= written} for t, ps in model.items()})
            position = written
        for trace in range(1, 31):
            assert regret.positions(("", 7, trace)) == sorted(model[trace])
        assert regret.positions(("", 8, 1)) == []
        assert regret.positions(("other", 7, 1)) == []


def test_an_index_with_a_hole_begins_again_before_it(tmp_path):
    regret = Regret(tmp_path, 1)
    for position in (1, 2, 3):
        regret.note(raw_spans({"trace_lo": position, "position": position}), position)
        regret.settle(all_=True)
    second = sorted(tmp_path.glob("*.run"))[1]
    second.write_bytes(b"")
    again = Regret(tmp_path, 1)
    assert again.through == 1
    assert len(list(tmp_path.glob("*.run"))) == 1
    regret.forget(3)
    assert len(Regret(tmp_path, 3)._runs) == 0
