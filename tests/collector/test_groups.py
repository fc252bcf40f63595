"""Rows with equal keys, against sorting tuples."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from eigenspan.collector.groups import grouped

NUMBERS = st.sampled_from([0, 1, 2, 2**40, 2**63, 2**64 - 1])


@given(st.lists(st.tuples(NUMBERS, NUMBERS), max_size=40), st.sampled_from([1, 2**63 + 12345, 2**40]))
def test_rows_with_equal_keys_are_one_group_whatever_the_prints(rows, factor):
    """`factor` makes prints that tell all keys apart, some of them, or none."""
    first, second = (np.array([row[part] for row in rows], dtype=np.uint64) for part in (0, 1))
    groups = grouped(first * np.uint64(factor), first, second)
    found = [groups.order[a : a + n].tolist() for a, n in zip(groups.starts, groups.counts, strict=True)]
    expected: dict[tuple[int, int], list[int]] = {}
    for i, row in enumerate(rows):
        expected.setdefault(row, []).append(i)
    assert sorted(found) == sorted(expected.values())
    assert [rows[i] for i in groups.firsts[groups.number]] == rows
    some = np.flatnonzero(first % 2 == 0)
    which, at = groups.first_of(some)
    assert dict(zip(which.tolist(), at.tolist(), strict=True)) == {
        groups.number[group[0]]: min(i for i in group if rows[i][0] % 2 == 0)
        for group in expected.values()
        if any(rows[i][0] % 2 == 0 for i in group)
    }
