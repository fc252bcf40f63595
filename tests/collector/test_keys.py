"""Bounded keyed rows, running quantiles and the stress valve, each against a plain model."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from eigenspan.collector.keys import TEXT_LENGTH, Table, group, key_columns, numbered
from eigenspan.collector.typical import ENOUGH, Typical
from eigenspan.collector.valve import Valve

COLUMNS = {"n": (np.int64, 1), "bins": (np.float64, 3)}


def table(limit=4, idle_s=5.0) -> Table:
    return Table("t", COLUMNS, limit=limit, idle_s=idle_s)


@given(st.lists(st.tuples(*[st.sampled_from(["", "a", "b", "ab", None])] * 3, st.sampled_from([True, False, None]))))
def test_distinct_rows_are_numbered_as_they_come(rows):
    """`None` is not `""`, and a text that ends in one column does not go on in the next."""
    types = {"x": pl.String, "y": pl.String, "z": pl.String, "b": pl.Boolean}
    distinct, number = numbered(pl.DataFrame(rows, schema=types, orient="row"))
    expected = list(dict.fromkeys(rows))
    assert distinct.rows() == expected
    assert number.tolist() == [expected.index(row) for row in rows]


@settings(max_examples=60, deadline=None)
@given(
    turns=st.lists(
        st.tuples(st.lists(st.sampled_from("abcdefgh"), unique=True, max_size=5), st.integers(0, 12)), max_size=12
    )
)
def test_a_table_counts_as_a_dictionary_does_and_restores(turns):
    """A key that has a row keeps its count until it has been idle; a table saved in parts is the table."""
    counting, model, now_s, disk = table(), {}, 0.0, {}
    for keys, wait_s in turns:
        now_s += wait_s
        rows = counting.rows([(key,) for key in keys], now_s)
        assert len(set(rows[rows > 0].tolist())) == (rows > 0).sum()
        np.add.at(counting["n"], rows, 1)
        counting["bins"][rows, 1] += 0.5
        counting["seen_s"][rows] = now_s
        for key, row in zip(keys, rows.tolist(), strict=True):
            known, seen_s = model.get(key, (0, now_s))
            if row:
                fresh = counting["n"][row] == 1
                assert counting["n"][row] == known + 1 or (fresh and now_s - seen_s > 5.0)
                model[key] = (int(counting["n"][row]), now_s)
        assert len(counting) <= 4
        disk |= counting.save()
        counting.saved()
        assert counting.save() == {}
    again = table()
    again.load(disk)
    assert len(again) == len(counting)
    kept = list(counting._rows)
    rows, others = counting.rows(kept, now_s), again.rows(kept, now_s)
    assert again["n"][others].tolist() == counting["n"][rows].tolist()
    assert again["bins"][others].tolist() == counting["bins"][rows].tolist()


def test_what_finds_no_row_shares_one_and_is_counted():
    full = table(limit=2, idle_s=100.0)
    assert full.rows([("a",), ("b",), ("c",), ("d",)], 1.0).tolist() == [1, 2, 0, 0]
    assert full.overflowed == 2
    full["seen_s"][1:3] = [1.0, 150.0]
    assert full.rows([("e",)], 160.0).tolist() == [1]
    assert ("a",) not in full._rows


def test_a_row_in_use_is_not_given_to_another_key():
    one = table(limit=1, idle_s=5.0)
    one.rows([("a",)], 1.0)
    assert one.rows([("a",), ("b",)], 100.0).tolist() == [1, 0]


def test_rows_of_another_shape_are_left_out():
    wider = Table("t", {"n": (np.int64, 1)}, limit=4, idle_s=1.0)
    wider.rows([("a",)], 1.0)
    narrow = table()
    narrow.load(wider.save() | {"other/1": b"", "t/x": b""})
    assert len(narrow) == 0


def test_keys_are_short_texts():
    traces = pl.DataFrame({"s": ["x" * 1000, None, "x" * 1000], "n": [1, 2, 1]})
    keys, number = group(traces, key_columns([pl.col("s"), pl.col("n") > 1]))
    assert keys == [("x" * TEXT_LENGTH, "false"), (None, "true")]
    assert number.tolist() == [0, 1, 0]
    assert group(traces, [])[0] == [()]
    assert group(traces, key_columns([pl.col("s").cast(pl.Int64), pl.col("n")]))[0] == [("?", "1"), ("?", "2")]


@pytest.mark.parametrize("quantile", [0.5, 0.9])
def test_what_is_typical_is_the_quantile_of_what_came_before(quantile):
    rng = np.random.default_rng(1)
    typical = Typical((pl.col("service"),), quantile)
    seen = {"a": [], "b": []}
    for turn in range(60):
        names = rng.choice(["a", "b"], 20)
        durations = np.where(names == "a", rng.lognormal(0, 1, 20), rng.lognormal(5, 0.3, 20))
        found = typical.durations_s(pl.DataFrame({"service": names, "duration_s": durations}), turn * 0.25)
        for name, value in zip(names.tolist(), found.to_list(), strict=True):
            before = seen[name]
            if len(before) >= ENOUGH + 1:  # what fades is a little less than what came
                low, high = np.quantile(before, [max(0, quantile - 0.04), min(1, quantile + 0.04)])
                assert low * 0.95 <= value <= high * 1.05
            elif len(before) < ENOUGH:
                assert value is None
        for name, duration in zip(names.tolist(), durations.tolist(), strict=True):
            seen[name].append(duration)


def test_what_was_typical_fades():
    typical = Typical((pl.col("service"),))
    fast = pl.DataFrame({"service": ["a"] * 200, "duration_s": [0.1] * 200})
    slow = pl.DataFrame({"service": ["a"] * 100, "duration_s": [10.0] * 100})
    typical.durations_s(fast, 0.0)
    assert typical.durations_s(slow, 1.0)[0] == pytest.approx(0.1, rel=0.05)
    typical.durations_s(slow, 3 * 3600.0)
    assert typical.durations_s(slow, 3 * 3600.0 + 1)[0] == pytest.approx(10.0, rel=0.05)


def test_a_full_log_closes_the_valve_by_degrees_before_anything_is_refused():
    valve = Valve()
    steps = []
    for fill in (0.0, 0.69, 0.71, 0.8, 0.9, 0.95, 1.0, 0.9, 0.5):
        valve.turn(fill, 0.1)
        steps.append(valve.step)
    assert steps == [0, 0, 1, 3, 5, 6, 6, 5, 0]
    assert valve.factor == 1.0
    assert valve.engaged == 1


def test_turns_that_fall_behind_close_the_valve_and_it_opens_again():
    valve = Valve()
    for _ in range(24):
        valve.turn(0.0, 5.0)
    assert valve.factor == 1 / 8
    for _ in range(10):
        valve.turn(0.0, 3.0)
    assert valve.factor == 1 / 8
    for _ in range(24):
        valve.turn(0.0, 0.1)
    assert valve.factor == 1.0
