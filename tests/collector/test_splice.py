"""Both splice engines: what is chosen comes out byte for byte, grouped and edited as `Edit` says."""

from __future__ import annotations

import numpy as np
import pytest
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2

from eigenspan.collector.scan import engine
from eigenspan.collector.spans import EDIT, Edits
from tests.engines import SPLICES, Edit, needs_kernel, scan_by_all
from tests.wirewriter import attribute, ids, key_value, num, request, span, sub, tag, varint


def edits_of(payload: bytes, **change) -> list[Edit]:
    """An edit for each span of the payload."""
    columns = scan_by_all([payload], ()).columns
    return [Edit(o, n, **change) for o, n in columns.select("offset", "length").iter_rows()]


def spliced_body(splicing, body: bytes, **change) -> bytes:
    """The body of the only span, edited."""
    payload = request(sub(2, body))
    out = splicing([(payload, edits_of(payload, **change))])
    (edit,) = edits_of(out)
    return out[edit.offset : edit.offset + edit.length]


NEW = attribute("new", num(3, 1))
ENGINES = pytest.mark.parametrize("name", [pytest.param("kernel", marks=needs_kernel), "python"])


@SPLICES
def test_nothing_chosen_is_an_empty_request(splicing):
    assert splicing([]) == b""
    assert splicing([(request(span()), [])]) == b""


@SPLICES
def test_all_spans_unedited_are_the_payload(splicing):
    payload = request(
        span(sub(5, "a"), num(99, 1)), span(), resource=sub(1, num(2, 3)) + sub(3, "u") + num(77, 1), scope=sub(3, "s")
    )
    assert splicing([(payload, edits_of(payload))]) == payload


@SPLICES
def test_only_the_chosen_are_there_in_the_order_of_the_edits(splicing):
    payload = request(*(span(sub(5, name)) for name in "abcd"))
    a, b, _, d = edits_of(payload)
    assert splicing([(payload, [d, a, b, a])]) == request(*(span(sub(5, name)) for name in "daba"))


@SPLICES
def test_equal_resources_and_scopes_are_joined_across_payloads(splicing):
    def payload(name: str, resource: str, scope: str) -> bytes:
        return request(span(sub(5, name)), resource=sub(3, resource), scope=sub(3, scope))

    parts = [
        payload("1", "r", "s"),
        payload("2", "q", "s"),
        payload("3", "r", "t"),
        payload("4", "r", "s") + payload("5", "q", "s"),
    ]

    def scope(scope: str, *names: str) -> bytes:
        return sub(2, sub(3, scope), *(span(sub(5, name)) for name in names))

    expected = sub(1, sub(3, "r"), scope("s", "1", "4"), scope("t", "3")) + sub(1, sub(3, "q"), scope("s", "2", "5"))
    assert splicing([(part, edits_of(part)) for part in parts]) == expected


@SPLICES
@pytest.mark.parametrize(
    "other",
    [
        sub(3, "u") + sub(1, num(2, 3)),
        sub(1, num(2, 3)) + sub(3, "v"),
        sub(1, num(2, 3)) + sub(3, "u") + num(77, 1),
        sub(1, tag(2, 0) + varint(3, 2)) + sub(3, "u"),
    ],
    ids=["order", "schema_url", "unknown field", "encoding"],
)
def test_resources_whose_bytes_differ_stay_apart(splicing, other):
    first, second = request(span(), resource=sub(1, num(2, 3)) + sub(3, "u")), request(span(), resource=other)
    assert splicing([(p, edits_of(p)) for p in (first, second)]) == first + second


@SPLICES
def test_what_stands_after_the_spans_comes_before_them(splicing):
    payload = sub(1, sub(2, span(), sub(3, "s")), sub(1, num(2, 3)), sub(2, span(), sub(3, "s")), sub(3, "u"))
    expected = sub(1, sub(1, num(2, 3)), sub(3, "u"), sub(2, sub(3, "s"), span(), span()))
    assert splicing([(payload, edits_of(payload))]) == expected


@SPLICES
def test_padding_around_spans_goes_and_inside_stays(splicing):
    body = ids() + tag(6, 0) + varint(3, 9)
    payload = request(b"\x92\x80\x00" + varint(len(body), 4) + body)
    assert splicing([(payload, edits_of(payload))]) == request(sub(2, body))


@SPLICES
@pytest.mark.parametrize(
    ("body", "trace_state", "expected"),
    [
        (ids() + sub(3, "a=1") + num(6, 1), None, ids() + sub(3, "a=1") + num(6, 1)),
        (ids() + sub(3, "a=1") + num(6, 1), "", ids() + num(6, 1)),
        (ids() + sub(3, "a=1") + num(6, 1), "é=2", ids() + num(6, 1) + sub(3, "é=2")),
        (sub(3, "a=1") + ids() + sub(3, "b=2"), "c=3", ids() + sub(3, "c=3")),
        (ids() + num(99, 5), "c=3", ids() + num(99, 5) + sub(3, "c=3")),
    ],
    ids=["left", "removed", "replaced", "all occurrences", "added"],
)
def test_trace_state(splicing, body, trace_state, expected):
    assert spliced_body(splicing, body, trace_state=trace_state) == expected


@SPLICES
@pytest.mark.parametrize(
    ("body", "add", "expected"),
    [
        (ids(), (("new", NEW),), ids() + NEW),
        (ids() + NEW + num(6, 1), (("new", NEW),), ids() + NEW + num(6, 1)),
        (ids(), (("new", NEW), ("b", attribute("b")), ("new", attribute("new"))), ids() + NEW + attribute("b")),
        (ids() + sub(9, sub(1, "new"), sub(1, "b")), (("new", NEW),), ids() + sub(9, sub(1, "new"), sub(1, "b")) + NEW),
        (ids() + sub(9, sub(2), sub(1, "new")), (("new", NEW),), ids() + sub(9, sub(2), sub(1, "new"))),
        (ids() + sub(9), (("", attribute("")),), ids() + sub(9)),
        (ids() + sub(11, sub(3, key_value("new"))), (("new", NEW),), ids() + sub(11, sub(3, key_value("new"))) + NEW),
    ],
    ids=["added", "there already", "added twice", "the last key counts", "a late key", "no key", "an event's key"],
)
def test_add(splicing, body, add, expected):
    assert spliced_body(splicing, body, add=add) == expected


OLD = attribute("old")


@SPLICES
@pytest.mark.parametrize(
    ("body", "add", "expected"),
    [
        (ids() + OLD + num(6, 1) + OLD, (("old", b""),), ids() + num(6, 1)),
        (ids() + num(6, 1), (("old", b""),), ids() + num(6, 1)),
        (ids() + OLD, (("old", b""), ("new", NEW)), ids() + NEW),
        (ids() + OLD + NEW, (("old", b""), ("new", NEW)), ids() + NEW),
        (ids() + OLD, (("old", attribute("old", num(3, 2))), ("old", b"")), ids() + attribute("old", num(3, 2))),
        (ids() + sub(11, sub(3, key_value("old"))), (("old", b""),), ids() + sub(11, sub(3, key_value("old")))),
    ],
    ids=["every one", "none there", "renamed", "both there", "written anew", "an event's key"],
)
def test_cut(splicing, body, add, expected):
    assert spliced_body(splicing, body, add=add) == expected


@SPLICES
@pytest.mark.parametrize(
    ("urls", "restamp", "expected"),
    [
        (["u/1"], [("u/1", "u/2")], "u/2"),
        (["u/1", "u/3"], [("u/1", "u/2")], "u/3"),
        (["u/3", "u/1"], [("u/1", "u/2")], "u/2"),
        (["u/1"], [], "u/1"),
        ([], [("", "u/2")], ""),
        ([""], [("", "u/2")], "u/2"),
    ],
)
def test_restamp(splicing, urls, restamp, expected):
    payload = sub(1, sub(2, *(sub(3, url) for url in urls), span()), sub(3, "u/1"))
    message = trace_service_pb2.ExportTraceServiceRequest.FromString(splicing([(payload, edits_of(payload))], restamp))
    assert [scope.schema_url for scope in message.resource_spans[0].scope_spans] == [expected]
    assert message.resource_spans[0].schema_url == "u/1"


@SPLICES
def test_scopes_that_are_restamped_to_the_same_url_share_one(splicing):
    payload = sub(
        1, sub(2, sub(1, sub(1, "s")), span(), sub(3, "u/1")), sub(2, sub(1, sub(1, "s")), span(), sub(3, "u/2"))
    )
    spliced = splicing([(payload, edits_of(payload))], [("u/1", "u/2")])
    assert spliced == sub(1, sub(2, sub(1, sub(1, "s")), sub(3, "u/2"), span(), span()))


@SPLICES
def test_trace_state_comes_before_what_is_added(splicing):
    assert spliced_body(splicing, ids(), add=(("new", NEW),), trace_state="a=1") == ids() + sub(3, "a=1") + NEW


@SPLICES
def test_the_result_is_a_request_with_the_same_spans(splicing):
    payload = request(span(sub(5, "a"), NEW), resource=sub(1, sub(1, key_value("k", num(3, 1)))))
    parse = trace_service_pb2.ExportTraceServiceRequest.FromString
    expected = parse(payload)
    expected.resource_spans[0].scope_spans[0].spans[0].trace_state = "x=1"
    assert parse(splicing([(payload, edits_of(payload, trace_state="x=1"))])) == expected


@SPLICES
@pytest.mark.parametrize(
    ("offset", "length"), [(5, 30), (6, 29), (6, 27), (0, 0), (4, 30), (10**6, 28), (2**32 - 1, 2**32 - 1)]
)
def test_a_place_without_a_span_is_refused(splicing, offset, length):
    with pytest.raises(ValueError, match=r"no span"):
        splicing([(request(span()), [Edit(offset, length)])])


@SPLICES
def test_the_error_names_the_part(splicing):
    good = request(span())
    with pytest.raises(ValueError, match=r"^part 1: no span of 3 bytes at byte 2$"):
        splicing([(good, edits_of(good)), (good, [Edit(2, 3)])])
    with pytest.raises(ValueError, match=r"^part 1: length beyond the parent at byte 0$"):
        splicing([(good, edits_of(good)), (b"\x0a\x01", [Edit(0, 0)])])


@ENGINES
@pytest.mark.parametrize(
    ("row", "words"),
    [((1, 6, 28, -1, -1), "no part 1"), ((0, 6, 28, 2, -1), "no change 2"), ((0, 6, 28, 1, -1), "no change 7"),
     ((0, 6, 28, -1, 1), "no change 1")],
)  # fmt: skip
def test_a_number_that_stands_for_nothing_is_refused(name, row, words):
    payload = request(span())
    edits = Edits(np.array([row], EDIT).tobytes(), [("new", NEW)], [[0], [7]][: 1 + (row[3] == 1)], ["a=1"])
    with pytest.raises(ValueError, match=f"^{words}$"):
        engine(name).splice([(payload, 0, len(payload))], edits, ())
