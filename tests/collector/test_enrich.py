"""What is added to kept spans: bytes that protobuf reads back, on the right spans, never twice."""

from __future__ import annotations

import polars as pl
import pytest
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from eigenspan.collector.enrich import encode_attribute, encode_attributes, enrich
from eigenspan.collector.export import assemble
from eigenspan.collector.scan import engine
from eigenspan.semconv import attributes as q
from tests.collector.building import WATCH, decision, put, request, spans_in
from tests.engines import HAS_KERNEL

ENGINES = ["python"] + ["kernel"] * HAS_KERNEL
VALUES = [
    True, False, 0, 1, -1, 127, 128, 2**31, 2**63 - 1, -(2**63), 0.0, -0.0, 1.5, 1e308, "", "é" * 200, "x" * 16_500, [], ["a"],
    ["", "b" * 130],
]  # fmt: skip


@pytest.mark.parametrize("value", VALUES, ids=lambda v: repr(v)[:20])
@pytest.mark.parametrize("key", ["k", "k" * 127, "k" * 128, "ключ"])
def test_an_attribute_is_the_bytes_that_protobuf_writes(key, value):
    span = Span()
    put(span, {key: value})
    if value == []:
        span.attributes[0].value.array_value.SetInParent()
    assert encode_attribute(key, value) == span.SerializeToString()


def frame(*rows) -> pl.DataFrame:
    default = {"trace": 0, "position": 1, "offset": 0, "length": 10, "root": False, "state": None}
    schema = {
        "trace": pl.Int64(), "position": pl.UInt64(), "offset": pl.UInt32(), "length": pl.UInt32(), "root": pl.Boolean(),
        "state": pl.String(),
    }  # fmt: skip
    return pl.DataFrame([default | {"offset": 10 * i} | row for i, row in enumerate(rows)], schema=schema, orient="row")


def added(item, i: int) -> dict[str, object]:
    """The attributes that are added to the span number i of an item."""
    number = item.spans[i].add
    span = Span.FromString(b"".join(data for _, data in item.adds[number]) if number >= 0 else b"")
    return {a.key: getattr(a.value, a.value.WhichOneof("value")) for a in span.attributes}


SAID = {
    q.EIGENSPAN_SAMPLING_RULE: "errors",
    q.EIGENSPAN_SAMPLING_REASON: "errors > 0",
    q.EIGENSPAN_SAMPLING_COMPLETE: True,
}
KEY = ("t", 1, 2)


def test_the_root_says_why_and_each_span_gets_its_threshold():
    (item,) = enrich(
        frame({}, {"root": True, "state": "a=1"}, {"state": "ot=th:c"}), [KEY], [decision(threshold=1 << 55)], {}
    )
    assert [added(item, i) for i in range(3)] == [{}, SAID, {}]
    assert [s.trace_state for s in item.spans] == ["ot=th:8", "ot=th:8,a=1", "ot=th:c"]
    assert (item.tenant, item.trace, item.rule) == ("t", (1).to_bytes(8, "big") + (2).to_bytes(8, "big"), "errors")


def test_without_a_root_the_first_span_says_it():
    (item,) = enrich(frame({}, {}), [KEY], [decision(complete=False)], {})
    assert [added(item, i) for i in range(2)] == [SAID | {q.EIGENSPAN_SAMPLING_COMPLETE: False}, {}]


def test_of_two_roots_the_first_says_it():
    (item,) = enrich(frame({"root": True}, {"root": True}), [KEY], [decision()], {})
    assert [bool(added(item, i)) for i in range(2)] == [True, False]


def test_late_spans_say_that_and_nothing_else():
    (item,) = enrich(
        frame({"root": True}, {}), [KEY], [decision()], {(1, 10): encode_attributes({"c": 1})}, late=True, say_why=False
    )
    late = {q.EIGENSPAN_SAMPLING_LATE: True}
    assert [added(item, i) for i in range(2)] == [late, late | {"c": 1}]


def test_calibration_goes_to_its_spans_and_equal_bytes_are_held_once():
    calibration = {(1, offset): encode_attributes({"c": 1.5, "v": "x"}) for offset in (10, 20, 30)}
    calibration[1, 40] = encode_attributes({"c": 2.5})
    (item,) = enrich(frame({"root": True}, {}, {}, {}, {}), [KEY], [decision()], calibration)
    assert [added(item, i) for i in range(5)] == [SAID, *[{"c": 1.5, "v": "x"}] * 3, {"c": 2.5}]
    assert len(item.adds) == 3


def test_one_item_a_trace_in_the_order_of_the_spans():
    first, second = enrich(
        frame({"trace": 1}, {"trace": 0}, {"trace": 1}), [KEY, ("", 3, 4)], [decision(), decision(rule="slow")], {}
    )
    assert [(i.tenant, i.rule, [s.offset for s in i.spans]) for i in (first, second)] == [
        ("", "slow", [0, 20]),
        ("t", "errors", [10]),
    ]


@pytest.mark.parametrize("name", ENGINES)
def test_what_a_span_already_carries_is_not_added_again(name):
    given = engine(name)
    body = request(
        {"attributes": {"mine": 1, q.EIGENSPAN_SAMPLING_RULE: "upstream", "c": "old"}, "trace_state": "x=y,ot=th:4"}
    )
    scanned = given.scan([body], WATCH).columns
    rows = frame(
        {
            "offset": scanned["offset"][0],
            "length": scanned["length"][0],
            "root": True,
            "state": scanned["trace_state"][0],
        }
    )
    adds = {(1, scanned["offset"][0]): encode_attributes({"c": 2.5, "d": -7})}
    items = enrich(rows, [KEY], [decision(threshold=1 << 55)], adds)
    (span,) = spans_in(assemble(items, lambda position: body, given))
    values = [(a.key, getattr(a.value, a.value.WhichOneof("value"))) for a in span.attributes]
    assert dict(values) == {
        "mine": 1, "c": "old", "d": -7, q.EIGENSPAN_SAMPLING_RULE: "upstream", q.EIGENSPAN_SAMPLING_REASON: "errors > 0",
        q.EIGENSPAN_SAMPLING_COMPLETE: True,
    }  # fmt: skip
    assert len(values) == 6
    assert span.trace_state == "ot=th:8,x=y"
