"""Consistent thresholds: what is written is what was applied, and adjusted counts are honest."""

from __future__ import annotations

import math
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eigenspan.collector import threshold
from eigenspan.collector.threshold import SPACE, OtState

WRITTEN = [
    (1.0, "0"), (0.5, "8"), (0.25, "c"), (0.75, "4"), (0.125, "e"), (0.1, "e666"), (0.01, "fd70a"), (1 / 3, "aaab"),
    (0.9999, "0007"), (0.001, "ffbe77"), (31 / 32, "08"), (1e-9, "fffffffbb48"), (2**-56, "ffffffffffffff"),
]  # fmt: skip


@pytest.mark.parametrize(("probability", "th"), WRITTEN)
def test_written(probability, th):
    assert threshold.encode(threshold.threshold_of(probability)) == th


@pytest.mark.parametrize(("th", "count"), [("0", 1.0), ("8", 2.0), ("c", 4.0), ("e666", 9.99939)])
def test_adjusted_counts_of_the_specification(th, count):
    assert threshold.adjusted_count(threshold.decode(th)) == pytest.approx(count, abs=1e-5)


@given(probability=st.one_of(st.floats(1e-300, 1), st.floats(0.99, 1), st.integers(0, 56).map(lambda n: 2.0**-n)))
def test_what_is_written_is_what_is_applied(probability):
    t = threshold.threshold_of(probability)
    assert 0 <= t < SPACE
    text = threshold.encode(t)
    assert 1 <= len(text) <= 14
    assert threshold.decode(text) == t
    if probability >= 1e-9:
        assert threshold.adjusted_count(t) * probability == pytest.approx(1, rel=2e-3)
        ones = len(text) - len(text.lstrip("f"))
        assert len(text) <= ones + 4


@pytest.mark.parametrize("probability", [0, -0.1, 1.0000001, math.nan, math.inf])
def test_no_threshold_for_what_is_no_probability(probability):
    with pytest.raises(ValueError, match="probability"):
        threshold.threshold_of(probability)


@given(t=st.integers(0, SPACE - 1))
def test_every_threshold_comes_back(t):
    text = threshold.encode(t)
    assert threshold.decode(text) == t
    assert text == "0" or not text.endswith("0")


def test_leading_zeros_are_digits():
    assert threshold.encode(0x08 << 48) == "08"
    assert threshold.decode("08") == 0x08 << 48
    assert threshold.decode("8") == 0x80 << 48


@pytest.mark.parametrize("text", ["", "g", "E666", "0" * 15, "-1", " 8", "٣", "0x8"])
def test_other_text_is_no_threshold(text):
    assert threshold.decode(text) is None


PARSED = [
    ("", OtState()),
    ("a=1,b=2", OtState()),
    ("ot=th:8", OtState(1 << 55)),
    ("a=1, ot=th:c;rv:0123456789abcd ,b=2", OtState(3 << 54, 0x0123456789ABCD, ("rv:0123456789abcd",))),
    ("ot=p:8;r:62", OtState(None, None, ("p:8", "r:62"))),
    ("ot=th:xyz;rv:12", OtState(None, None, ("th:xyz", "rv:12"))),
    ("ot=rv:0123456789ABCD", OtState(None, None, ("rv:0123456789ABCD",))),
    ("ot=;;x", OtState(None, None, ("x",))),
    ("xot=th:8,ot=th:c", OtState(3 << 54)),
    ("ot=th:8,ot=th:c", OtState(1 << 55)),
]


@pytest.mark.parametrize(("text", "state"), PARSED)
def test_parsed(text, state):
    assert threshold.parse(text) == state


REWRITTEN = [
    ("", 0, "ot=th:0"),
    ("a=1", 1 << 55, "ot=th:8,a=1"),
    ("a=1,ot=th:c,b=2", 1 << 55, "ot=th:c,a=1,b=2"),
    ("ot=th:4", 1 << 55, "ot=th:8"),
    ("ot=rv:0123456789abcd;x:y", 0, "ot=th:0;rv:0123456789abcd;x:y"),
    ("ot=th:8;x:y,a=1", None, "ot=x:y,a=1"),
    ("ot=th:8", None, ""),
    ("a=1", None, "a=1"),
]


@pytest.mark.parametrize(("text", "t", "expected"), REWRITTEN)
def test_rewritten(text, t, expected):
    assert threshold.rewrite(text, t) == expected


KEYS = st.text("abcdefghijklmnopqrsuvwxyz0123456789_-*/@", min_size=1, max_size=8).filter(lambda k: k != "ot")
VALUES = st.text("abcXYZ019 ;:.+", min_size=1, max_size=8).map(str.strip).filter(bool)
SUBKEYS = st.tuples(st.sampled_from(["p", "r", "x", "thx", "rv2"]), st.text("abc019", min_size=1, max_size=30)).map(
    ":".join
)
MEMBERS = st.lists(st.tuples(KEYS, VALUES).map("=".join), max_size=5)


@given(
    members=MEMBERS,
    at=st.integers(0, 5),
    subs=st.lists(SUBKEYS, max_size=12),
    old=st.one_of(st.none(), st.integers(0, SPACE - 1)),
    randomness=st.one_of(st.none(), st.integers(0, SPACE - 1)),
    new=st.one_of(st.none(), st.integers(0, SPACE - 1)),
)
def test_rewriting_keeps_all_else(members, at, subs, old, randomness, new):
    ot = ([f"th:{threshold.encode(old)}"] if old is not None else []) + (
        [f"rv:{randomness:014x}"] if randomness is not None else []
    )
    ot += subs
    text = ",".join(members[:at] + ([f"ot={';'.join(ot)}"] if ot else []) + members[at:])
    out = threshold.rewrite(text, new)
    found = threshold.parse(out)
    wanted = None if new is None else max(new, old or 0)
    others = [m for m in out.split(",") if m and not m.startswith("ot=")]
    assert others == members
    assert found.randomness == randomness
    assert found.rest == threshold.parse(text).rest
    own = next((m[3:] for m in out.split(",") if m.startswith("ot=")), "")
    if found.threshold == wanted:
        assert len(own) <= threshold.MAX_OT_LENGTH
        assert not own or out.startswith("ot=")
    else:
        longer = ([f"th:{threshold.encode(wanted)}"] if wanted is not None else []) + list(found.rest)
        assert len(";".join(longer)) > threshold.MAX_OT_LENGTH
        assert out == text
    assert threshold.rewrite(out, new) == out


@pytest.mark.parametrize("probability", [0.5, 0.1, 0.37, 0.011, 0.0007])
def test_adjusted_counts_are_unbiased_over_random_ids(probability):
    """The sum of the weights of what is kept estimates how many there were, within 4 sigma."""
    rng = random.Random(7)
    n = 200_000
    t = threshold.threshold_of(probability)
    weight = threshold.adjusted_count(t)
    kept = sum(rng.getrandbits(56) >= t for _ in range(n))
    p = 1 / weight
    assert abs(kept * weight - n) <= 4 * weight * math.sqrt(n * p * (1 - p))


def test_two_samplers_in_a_row_count_as_the_stricter_one():
    rng = random.Random(8)
    first, second = threshold.threshold_of(0.5), threshold.threshold_of(0.1)
    for _ in range(2000):
        r = rng.getrandbits(56)
        if r >= first and r >= second:
            state = threshold.rewrite(threshold.rewrite("", first), second)
            assert threshold.parse(state).threshold == max(first, second)
            assert r >= threshold.parse(state).threshold
