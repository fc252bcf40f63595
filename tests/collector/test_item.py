"""What is sent: a part of an item sends what the whole sends of its traces, and holds nothing else."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from eigenspan.collector.item import SPAN_OVERHEAD_BYTES, Item
from tests.collector.building import item

FIELD = st.tuples(st.sampled_from("kl"), st.binary(max_size=3))
SPAN = st.fixed_dictionaries(
    {"trace": st.integers(1, 5), "position": st.integers(1, 2**64 - 1), "offset": st.integers(0, 2**32 - 1)},
    optional={
        "length": st.integers(0, 2**32 - 1), "add": st.lists(FIELD, max_size=3).map(tuple),
        "state": st.none() | st.sampled_from(["", "a=1", "b=2"]),
    },
)  # fmt: skip
SPANS = st.lists(SPAN, min_size=1, max_size=12)


def sent(whole: Item) -> list[tuple]:
    """Of each span: the trace, what kept it, where it is, and what is done to it."""
    said = []
    for position, trace, offset, length, add, state in whole.table().tolist():
        fields = [whole.fields[i] for i in whole.adds[add]] if add >= 0 else []
        trace_state = whole.states[state] if state >= 0 else None
        trace_id = whole.traces[trace * 16 : trace * 16 + 16]
        said.append((trace_id, whole.rules[trace], position, offset, length, fields, trace_state))
    return said


@given(spans=SPANS)
def test_the_parts_send_what_the_whole_sends(spans):
    whole = item(*spans, tenant="t", schema="0.2.0")
    whole = msgspec.structs.replace(whole, rules=tuple(map(str, range(len(whole.rules)))))
    each = list(whole.each())
    assert [len(part.rules) for part in each] == [1] * len(whole.rules)
    assert [row for part in each for row in sent(part)] == sent(whole)
    halves = whole.halves() or (whole,)
    assert [row for part in halves for row in sent(part)] == sent(whole)
    assert all((part.tenant, part.schema) == ("t", "0.2.0") for part in each)
    for part in (*each, *halves):
        assert {i for add in part.adds for i in add} == set(range(len(part.fields)))
        assert msgspec.msgpack.decode(msgspec.msgpack.encode(part), type=Item) == part


@given(spans=SPANS)
def test_an_item_refers_to_the_positions_of_its_spans(spans):
    whole = item(*spans)
    assert whole.positions() == sorted({span["position"] for span in spans})
    assert whole.first_position() == whole.positions()[0]
    assert whole.spans == len(spans)


@pytest.mark.parametrize(
    ("adds", "size"),
    [([()], 100), ([(("k", b"12345"),)], 105), ([(("k", b"1"), ("l", b"22")), ()], 203), ([()] * 3, 300)],
)
def test_the_size_counts_spans_and_what_is_added(adds, size):
    whole = item(*({"trace": 1, "length": 100, "add": add} for add in adds))
    assert whole.size_bytes() == size + SPAN_OVERHEAD_BYTES * len(adds)


def test_a_whole_payload_is_one_thing():
    whole = Item("", position=7)
    assert (whole.positions(), whole.first_position(), whole.spans, whole.halves()) == ([7], 7, 0, None)
    assert whole.size_bytes() > 1 << 32
