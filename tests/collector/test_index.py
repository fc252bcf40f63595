"""The table of open traces, against a dictionary."""

from __future__ import annotations

import random

import numpy as np
import pytest

from eigenspan.collector.columns import Rows
from eigenspan.collector.decided import Keys, fingerprint
from eigenspan.collector.index import Index


@pytest.mark.parametrize("bits", [64, 4, 0], ids=["scattered", "crowded", "all alike"])
def test_it_finds_what_a_dictionary_finds(bits, monkeypatch):
    """Also where many ids share a print, and after more came and went than there is room for."""
    prints = Index.prints
    monkeypatch.setattr(Index, "prints", lambda *a: prints(*a) & np.uint64((2**64 - 1) ^ (2 ** (64 - bits) - 1)))
    rng = random.Random(bits)
    rows = Rows({"high": np.uint64, "low": np.uint64, "tenant": np.int32}, capacity=16)
    index, held = Index(rows), {}
    ids = [
        (rng.choice([0, 2**64 - 1, 7]), i // 2 if i % 2 else rng.getrandbits(64), rng.randrange(3)) for i in range(900)
    ]
    ids = list(dict.fromkeys(ids))
    for turn in range(200 if bits else 40):
        fresh = [key for key in rng.sample(ids, 60) if key not in held]
        slots = rows.take(len(fresh))
        for part, name in enumerate(("high", "low", "tenant")):
            rows[name][slots] = [key[part] for key in fresh]
        index.add(slots)
        held |= zip(fresh, slots.tolist(), strict=True)
        gone = rng.sample(sorted(held), len(held) // 2 if turn % 7 else len(held))
        going = np.array([held.pop(key) for key in gone], dtype=np.int64)
        index.remove(going)
        rows.give_back(going)
        asked = [
            np.array(column, dtype=t) for column, t in zip(zip(*ids, strict=True), ("u8", "u8", "i8"), strict=True)
        ]
        assert index.find(index.prints(*asked), *asked).tolist() == [held.get(key, -1) for key in ids]


@pytest.mark.parametrize(("high", "low"), [(54, 54), (54, 0), (0, 54), (0, 0), (27, 27), (32, 32)])
def test_ids_in_a_grid_scatter(high, low):
    """Whoever chooses ids that differ in some bits alone makes no more of them collide than chance does."""
    grid = np.arange(256, dtype=np.uint64)
    highs, lows = np.repeat(grid << np.uint64(high), 256), np.tile(grid << np.uint64(low), 256)
    prints = Index(Rows({})).prints(highs, lows, np.zeros(1 << 16, dtype=np.int64))
    places = np.bincount((prints >> np.uint64(64 - 17)).astype(np.int64))
    assert np.count_nonzero(places) > 20_000
    assert places.max() < 40


def test_keys_as_columns_are_the_tuples():
    rng = random.Random(5)
    keys = [(rng.choice(["", "", "a", "b"]), rng.getrandbits(64), rng.getrandbits(64)) for _ in range(100)]
    columns = Keys.of(keys)
    assert list(columns) == keys == [columns[i] for i in range(len(columns))]
    assert columns.fingerprints().tolist() == [fingerprint(key) for key in keys]
    assert list(columns.some(np.array([3, 5]))) == [keys[3], keys[5]]
    assert list(Keys.of([])) == []
