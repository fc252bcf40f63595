"""Spans as a tree: every span is shown once as often as it is stored, whatever its parents say."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.proto.trace.v1.trace_pb2 import TracesData

from eigenspan.store.tree import tree_of
from tests.store.plain import summary


def traces(*spans: tuple[int, int, int]) -> TracesData:
    """Spans of (id, parent, start)."""
    data = TracesData()
    scope = data.resource_spans.add().scope_spans.add()
    for own, parent, start in spans:
        scope.spans.add(
            span_id=own.to_bytes(8, "big"), parent_span_id=parent.to_bytes(8, "big") if parent else b"", name=str(own),
            start_time_unix_nano=start, end_time_unix_nano=start + 5,
        )  # fmt: skip
    return data


def shape(data: TracesData) -> list[tuple[int, int]]:
    return [(int(node.name), node.depth) for node in tree_of(data)]


def test_parents_stand_before_children_in_the_order_of_starts():
    assert shape(traces((3, 1, 30), (4, 2, 25), (2, 1, 20), (1, 0, 10))) == [(1, 0), (2, 1), (4, 2), (3, 1)]


def test_a_span_without_its_parent_stands_at_the_top():
    assert shape(traces((1, 0, 10), (2, 99, 20), (3, 2, 30))) == [(1, 0), (2, 0), (3, 1)]


@pytest.mark.parametrize(
    "ring", [[(1, 1, 10)], [(1, 2, 10), (2, 1, 20)], [(1, 3, 10), (2, 1, 20), (3, 2, 30), (4, 3, 40)]]
)
def test_rings_of_parents_end(ring):
    shown = shape(traces(*ring))
    assert sorted(number for number, _ in shown) == [own for own, _, _ in ring]
    assert shown[0][1] == 0


def test_a_repeated_span_is_shown_again_and_children_hang_on_the_first():
    assert shape(traces((1, 0, 10), (2, 1, 20), (2, 1, 21), (3, 2, 30))) == [(1, 0), (2, 1), (3, 2), (2, 1)]


def test_offsets_count_from_the_first_start():
    nodes = tree_of(traces((1, 0, 2_000_000_000), (2, 1, 1_500_000_000)))
    assert [(node.name, node.offset_s) for node in nodes] == [("1", 0.5), ("2", 0.0)]


def test_a_long_chain_is_no_recursion():
    assert shape(traces(*((i, i - 1, i) for i in range(1, 20_001))))[-1] == (20_000, 19_999)


@given(st.lists(st.tuples(st.integers(1, 8), st.integers(0, 8), st.integers(0, 50)), max_size=30))
def test_every_span_is_shown_once(spans):
    nodes = tree_of(traces(*spans))
    assert sorted(int(node.name) for node in nodes) == sorted(own for own, _, _ in spans)
    for before, node in pairwise(nodes):
        assert node.depth <= before.depth + 1
    assert summary(traces(*spans)).spans == len(spans)


@pytest.mark.parametrize(
    ("success", "error"), [("false", True), ("False", True), (False, True), ("true", False), (True, False), ("", False)]
)
def test_a_failure_may_be_said_as_text(success, error):
    data = traces((1, 0, 1))
    value = data.resource_spans[0].scope_spans[0].spans[0].attributes.add(key="quantum.execution.success").value
    setattr(value, "bool_value" if isinstance(success, bool) else "string_value", success)
    assert [node.error for node in tree_of(data)] == [error]


def test_errors_are_what_the_collector_counts():
    data = traces((1, 0, 1), (2, 1, 2), (3, 1, 3))
    spans = data.resource_spans[0].scope_spans[0].spans
    spans[1].attributes.add(key="quantum.job.status").value.string_value = "FAILED"
    spans[2].status.code = 2
    assert [node.error for node in tree_of(data)] == [False, True, True]
