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
    number = item.table()["add"][i]
    span = Span.FromString(b"".join(item.fields[n][1] for n in item.adds[number]) if number >= 0 else b"")
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
    assert [item.states[i] for i in item.table()["state"]] == ["ot=th:8", "ot=th:8,a=1", "ot=th:c"]
    assert (item.tenant, item.traces, item.rules) == ("t", (1).to_bytes(8, "big") + (2).to_bytes(8, "big"), ("errors",))


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
    assert len(item.fields) == len(SAID) + 3


def places(item) -> dict[str, list[int]]:
    """What kept each trace of an item, and where its spans are."""
    table = item.table()
    return {rule: table["offset"][table["trace"] == n].tolist() for n, rule in enumerate(item.rules)}


def test_an_item_holds_the_traces_of_one_tenant():
    rows = frame({"trace": 2}, {"trace": 0}, {"trace": 2}, {"trace": 1})
    keys, decisions = [KEY, ("t", 3, 4), ("", 3, 4)], [decision(), decision(rule="slow"), decision(rule="rare")]
    first, second = enrich(rows, keys, decisions, {})
    assert [(i.tenant, places(i)) for i in (first, second)] == [
        ("t", {"errors": [10], "slow": [30]}),
        ("", {"rare": [0, 20]}),
    ]
    assert first.traces == b"".join(n.to_bytes(8, "big") for n in (1, 2, 3, 4))
    assert enrich(rows.clear(), keys, decisions, {}) == []


@pytest.mark.parametrize(("most", "expected"), [(10**6, [6]), (1100, [2, 2, 2]), (1000, [1] * 6), (1, [1] * 6)])
def test_an_item_is_cut_between_traces(monkeypatch, most, expected):
    monkeypatch.setattr("eigenspan.collector.enrich.ITEM_BYTES", most)
    rows = frame(*({"trace": i // 5, "length": 40, "root": i % 5 == 4, "state": f"a={i}"} for i in range(30)))
    items = enrich(rows, [("", 0, n) for n in range(6)], [decision(rule=str(n)) for n in range(6)], {})
    assert [len(item.rules) for item in items] == expected
    assert [rule for item in items for rule in item.rules] == [*"012345"]
    assert [item.states[n] for item in items for n in item.table()["state"]] == [f"ot=th:0,a={i}" for i in range(30)]
    assert [bool(added(item, i)) for item in items for i in range(item.spans)] == [i % 5 == 4 for i in range(30)]


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
    (span,) = spans_in(assemble(items, lambda positions: [(body, 0, len(body))], given))
    values = [(a.key, getattr(a.value, a.value.WhichOneof("value"))) for a in span.attributes]
    assert dict(values) == {
        "mine": 1, "c": "old", "d": -7, q.EIGENSPAN_SAMPLING_RULE: "upstream", q.EIGENSPAN_SAMPLING_REASON: "errors > 0",
        q.EIGENSPAN_SAMPLING_COMPLETE: True,
    }  # fmt: skip
    assert len(values) == 6
    assert span.trace_state == "ot=th:8,x=y"
