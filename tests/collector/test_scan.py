"""Every engine, and both roads of the portable one, against the table in `tests/cases/scan.py`."""

from __future__ import annotations

import math

import polars as pl
import pytest
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2

from eigenspan.collector import scan, wire
from eigenspan.collector.errors import ConfigError
from eigenspan.collector.spans import Watched, schema_of
from tests.cases.scan import CASES, WATCH, WIRE_TYPES, Accepted, Case
from tests.engines import HAS_KERNEL, SCANS, needs_kernel, scan_by_all, takes_the_fast_road
from tests.wirewriter import GOOD_SPAN_ID, GOOD_TRACE_ID, attribute, fixed64, ids, num, request, span, sub

BARE = {
    "payload": 0,
    "offset": 6,
    "length": len(ids()),
    "resource": 0,
    "scope": 0,
    "trace_hi": int.from_bytes(GOOD_TRACE_ID[:8], "big"),
    "trace_lo": int.from_bytes(GOOD_TRACE_ID[8:], "big"),
    "span_id": int.from_bytes(GOOD_SPAN_ID, "big"),
    "parent_id": 0,
    "kind": 0,
    "status": 0,
    "name": "",
    "trace_state": "",
    "start_ns": 0,
    "end_ns": 0,
} | dict.fromkeys((w.column for w in WATCH), None)

SAMPLE = request(
    span(
        sub(3, "a=1"),
        sub(5, "run"),
        attribute("text", sub(1, "é")),
        attribute("n", num(3, -5)),
        attribute("list", sub(5, sub(1, num(2, 1)), sub(1, sub(6, sub(1, sub(1, "k")))))),
        sub(11, sub(2, "event")),
        sub(13, ids()),
        sub(15, num(3, 2)),
    ),
    span(),
    resource=sub(1, sub(1, sub(1, "service.name"), sub(2, sub(1, "qpu")))) + sub(3, "url"),
    scope=sub(1, sub(1, "scope")),
)


def same(found: object, expected: object) -> bool:
    both_nan = isinstance(found, float) and isinstance(expected, float) and math.isnan(found) and math.isnan(expected)
    return both_nan or found == expected


def test_names_of_cases_are_distinct():
    assert len({case.name for case in CASES}) == len(CASES)


@SCANS
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_case(scanning, case: Case):
    scanned = scanning([case.payload], WATCH)
    assert scanned.columns.schema == schema_of(WATCH)
    if isinstance(case.expected, Accepted):
        assert scanned.errors == {}
        rows = scanned.columns.to_dicts()
        assert len(rows) == len(case.expected.rows)
        for row, expected in zip(rows, case.expected.rows, strict=True):
            assert {k: (v, e) for k, e in (BARE | expected).items() if not same(v := row[k], e)} == {}
    else:
        assert scanned.columns.height == 0
        where = case.expected.offset
        assert {k: (str(e), e.offset) for k, e in scanned.errors.items()} == {
            0: (f"{case.expected.message} at byte {where}", where)
        }


@pytest.mark.parametrize("case", [case for case in CASES if isinstance(case.expected, Accepted)], ids=lambda c: c.name)
def test_the_protobuf_library_accepts_what_we_accept(case: Case):
    trace_service_pb2.ExportTraceServiceRequest.FromString(case.payload)


def test_the_table_of_fields_is_the_one_that_the_cases_hold():
    held = {m: {f.number: wire.WIRE_TYPE[f.kind] for f in fields} for m, fields in wire.MESSAGES.items()}
    assert held == WIRE_TYPES


def test_the_table_of_fields_agrees_with_the_published_schema():
    published = {}
    todo = [trace_service_pb2.ExportTraceServiceRequest.DESCRIPTOR]
    while todo:
        message = todo.pop()
        if message.name not in published:
            published[message.name] = {(f.number, f.name) for f in message.fields}
            todo.extend(f.message_type for f in message.fields if f.message_type)
    for name, fields in published.items():
        assert fields <= {(f.number, f.name) for f in wire.MESSAGES[name]}, name


@SCANS
def test_bad_payloads_do_not_touch_their_neighbours(scanning):
    good = request(span(), span())
    torn = request(span()) + b"\x0a"
    scanned = scanning([torn, good, b"\xff", b"", good, torn], WATCH)
    assert scanned.columns["payload"].to_list() == [1, 1, 4, 4]
    assert sorted(scanned.errors) == [0, 2, 5]
    assert scanned.columns.equals(
        scanning([b"", good, b"", b"", good], WATCH).columns,
    )


@SCANS
def test_nothing_to_scan(scanning):
    scanned = scanning([], ())
    assert scanned.columns.equals(pl.DataFrame(schema=schema_of(())))
    assert scanned.errors == {}


@SCANS
@pytest.mark.parametrize("column", ["text", "name"])
def test_a_column_is_there_once(scanning, column):
    watch = (Watched("text", "string", ("a",)), Watched(column, "int", ("b",)))
    with pytest.raises(ValueError, match="twice"):
        scanning([], watch)


def test_engines_agree_on_a_sample_cut_at_every_byte():
    scanned = scan_by_all([SAMPLE[:end] for end in range(len(SAMPLE) + 1)], WATCH)
    assert set(scanned.errors) == set(range(1, len(SAMPLE)))
    assert scanned.columns["text"].to_list() == ["é", None]


ODD = {
    "a key without a value, and a value without a key": sub(9, sub(1, "text")) + sub(9, sub(2, sub(1, "other"))),
    "an id that is too long": sub(1, bytes(range(17))),
    "a link whose id is short": sub(13, ids(trace_id=b"short")),
    "a parent that is short": sub(4, b"short"),
    "a name that is said twice": sub(5, "first") + sub(5, "second"),
    "an empty status": sub(15),
    "a type after the attribute of that key": attribute("$type", sub(1, "attribute")) + sub(17, "field"),
    "a type before the attribute of that key": sub(17, "field") + attribute("$type", sub(1, "attribute")),
}
"""What a span may say that cannot be read from columns, or only just."""


@pytest.mark.parametrize("odd", ODD.values(), ids=ODD)
def test_an_odd_payload_costs_its_neighbours_nothing(odd):
    watch = (*WATCH, Watched("said", "string", ("$type",)))
    alone = scan_by_all([SAMPLE], watch)
    together = scan_by_all([SAMPLE, request(span(odd), span(attribute("text", sub(1, "é")))), SAMPLE], watch)
    for number in (0, 2):
        rows = together.columns.filter(pl.col("payload") == number).drop("payload")
        assert rows.equals(alone.columns.drop("payload"))


def test_what_few_spans_say_stays_with_them():
    full = (
        sub(3, "a=1"),
        sub(4, b"parent-1"),
        sub(5, "run"),
        num(6, 3),
        fixed64(7, 5),
        fixed64(8, 9),
        sub(15, num(3, 2)),
    )
    bodies = [
        request(span(), span(*full), span()),
        request(span(*full), span(attribute("text", sub(1, "x")), *full[:3])),
    ]
    columns = scan_by_all(bodies, WATCH).columns
    assert columns["name"].to_list() == ["", "run", "", "run", "run"]
    assert columns["status"].to_list() == [0, 2, 0, 2, 0]
    assert columns["start_ns"].to_list() == [0, 5, 0, 5, 0]
    assert columns["parent_id"].to_list() == [0, parent := int.from_bytes(b"parent-1", "big"), 0, parent, parent]
    assert columns["text"].to_list() == [None, None, None, None, "x"]
    assert takes_the_fast_road(bodies[1], WATCH)


def test_the_fast_road_is_taken_for_what_exporters_send():
    assert takes_the_fast_road(SAMPLE, WATCH)


def test_auto_takes_the_kernel_where_it_is():
    assert scan.engine().name == scan.engine("auto").name == ("kernel" if HAS_KERNEL else "python")
    assert scan.engine("python").name == "python"


@needs_kernel
def test_the_kernel_can_be_named():
    assert scan.engine("kernel").name == "kernel"


def test_without_the_kernel(monkeypatch):
    monkeypatch.setattr(scan, "kernel", None)
    assert scan.engine("auto").name == "python"
    with pytest.raises(ConfigError, match="eigenspan-kernel"):
        scan.engine("kernel")


@needs_kernel
@pytest.mark.parametrize(("field", "value"), [("type", "float"), ("level", "scope")])
def test_the_kernel_refuses_a_watch_that_it_does_not_know(field, value):
    watched = Watched(**({"column": "c", "type": "int", "keys": ("k",)} | {field: value}))
    with pytest.raises(ValueError, match=f"no such {field}: {value}"):
        scan.kernel.Scanner((watched,))
