"""Rows that are taken, given back, and used again."""

from __future__ import annotations

import random

import numpy as np

from eigenspan.collector.columns import Chains, Rows

COLUMNS = {"i": np.int64, "f": np.float64, "o": object, "b": bool}
BLANK = {"i": 0, "o": None, "b": False}


def blank(rows: Rows, at) -> bool:
    return all((rows[name][at] == value).all() for name, value in BLANK.items()) and np.isnan(rows["f"][at]).all()


def test_rows_are_never_shared_and_come_back_blank():
    rng = random.Random(1)
    rows = Rows(COLUMNS, capacity=8)
    held: dict[int, int] = {}
    for step in range(1, 400):
        if held and rng.random() < 0.45:
            given = np.array(rng.sample(sorted(held), rng.randint(1, len(held))))
            assert all(rows["i"][at] == held.pop(at) for at in given.tolist())
            rows.give_back(given)
        else:
            taken = rows.take(rng.choice([0, 1, 5, 60]))
            assert len(set(taken.tolist())) == len(taken)
            assert not set(taken.tolist()) & set(held)
            assert blank(rows, taken)
            rows["i"][taken], rows["f"][taken], rows["o"][taken], rows["b"][taken] = step, 1.5, "x", True
            held.update(dict.fromkeys(taken.tolist(), step))
        assert len(rows) == len(held)
    assert all(rows["i"][at] == value for at, value in held.items())


def test_capacity_stays_when_rows_are_used_again():
    rows = Rows(COLUMNS, capacity=8)
    for _ in range(5000):
        rows.give_back(rows.take(8))
    assert rows.capacity == 8
    assert len(rows.take(3000)) == 3000
    assert rows.capacity >= 3000


def test_chains_are_lists_for_each_owner():
    rng = random.Random(2)
    chains, heads = Chains({"i": np.int64}), np.full(20, -1)
    lists: dict[int, list[int]] = {owner: [] for owner in range(20)}
    for step in range(200):
        owners = np.sort(np.array(rng.choices(range(20), k=rng.randint(0, 12)), dtype=np.int64))
        rows = chains.append(heads, owners)
        chains["i"][rows] = np.arange(len(owners)) + 100 * step
        for owner, value in zip(owners.tolist(), chains["i"][rows].tolist(), strict=True):
            lists[owner].append(value)
        if rng.random() < 0.2:
            gone = rng.randrange(20)
            chains.give_back(chains.walk(heads[[gone]])[1])
            heads[gone], lists[gone] = -1, []
        chain, found = chains.walk(heads)
        assert len(chains) == len(found) == sum(map(len, lists.values()))
        for owner in range(20):
            assert chains["i"][found[chain == owner]].tolist() == lists[owner][::-1]
