"""TraceQL: what is written is read back, errors say where, and the index never hides what the spans would show."""

from __future__ import annotations

import contextlib
from datetime import date

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from opentelemetry.proto.trace.v1.trace_pb2 import TracesData

from eigenspan.store.traces import TraceStore
from eigenspan.web.spansearch import Window, search, spans_of
from eigenspan.web.traceql import (
    Both,
    Combined,
    Compare,
    Either,
    Field,
    Query,
    Spanset,
    TraceQLError,
    duration_ns,
    parse,
)

KEYS = ("a", "b.c", 'q"uote', "sp ace")
FIELDS = st.builds(Field, st.sampled_from(("span", "resource", "event", "any")), st.sampled_from(KEYS))
VALUES = st.one_of(st.sampled_from(("x", "y", 'z"\\')), st.integers(-2, 2), st.booleans())
COMPARES = st.one_of(
    st.builds(Compare, FIELDS, st.sampled_from(("=", "!=")), st.one_of(VALUES, st.none())),
    st.builds(Compare, FIELDS, st.sampled_from((">", ">=", "<", "<=")), st.integers(-2, 2)),
    st.builds(Compare, FIELDS, st.sampled_from(("=~", "!~")), st.sampled_from(("x|y", ".*", "z.*"))),
    st.builds(
        Compare, st.just(Field("intrinsic", "name")), st.sampled_from(("=", "!=")), st.sampled_from(("n0", "n1"))
    ),
    st.builds(Compare, st.just(Field("intrinsic", "status")), st.just("="), st.sampled_from(("ok", "error"))),
    st.builds(Compare, st.just(Field("intrinsic", "duration")), st.sampled_from((">", "<=")), st.integers(0, 5)),
)
CONDITIONS = st.recursive(
    COMPARES,
    lambda inner: st.one_of(
        st.lists(inner, min_size=2, max_size=3).map(lambda parts: Both(tuple(parts))),
        st.lists(inner, min_size=2, max_size=3).map(lambda parts: Either(tuple(parts))),
    ),
    max_leaves=5,
)
SPANS = st.recursive(
    CONDITIONS.map(Spanset),
    lambda inner: st.builds(Combined, st.sampled_from(("&&", "||", ">>", ">", "~")), inner, inner),
    max_leaves=3,
)


def quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def written(part) -> str:
    """The text of a query: the inverse of `parse`."""
    match part:
        case Query(spans):
            return written(spans)
        case Spanset(condition):
            return "{ " + written(condition) + " }"
        case Combined(op, left, right):
            return f"({written(left)}) {op} ({written(right)})"
        case Both(parts):
            return "(" + " && ".join(written(p) for p in parts) + ")"
        case Either(parts):
            return "(" + "||".join(written(p) for p in parts) + ")"
    scope = {"any": "", "intrinsic": None}.get(part.field.scope, part.field.scope)
    name = part.field.key if scope is None else f"{scope}.{quoted(part.field.key)}"
    if part.value is None:
        value = "nil"
    elif name == "status":
        value = part.value
    elif name == "duration":
        value = f"{part.value}ns"
    elif isinstance(part.value, str):
        value = quoted(part.value)
    else:
        value = str(part.value).lower()
    return f"{name}{part.op}{value}"


@given(SPANS)
def test_what_is_written_is_read_back(spans):
    assert parse(written(spans)) == Query(spans)


@given(st.text(alphabet='{}()|&=!<>~".a1s `\\n,', max_size=40))
def test_any_text_is_a_query_or_an_error_with_its_position(text):
    with contextlib.suppress(TraceQLError):
        parse(text)
        return
    with pytest.raises(TraceQLError) as caught:
        parse(text)
    assert 0 <= caught.value.position <= len(text)


@pytest.mark.parametrize(
    ("text", "position", "words"),
    [
        ("", 0, "'{'"), ("{", 1, "a field"), ("{ .a = }", 7, "a value"), ("{ .a ? 1 }", 5, "not understood"),
        ("{ foo = 1 }", 2, "'foo'"), ("{ status = 3 }", 11, "error"), ("{ duration > 3 }", 13, "unit"),
        ("{ .a =~ 3 }", 8, "string"), ('{ .a =~ "(" }', 8, "regular expression"), ("{ .a > nil }", 5, "compare"),
        ("{} | rate()", 5, "rate()"), ("{} {}", 3, "'|' or the end"), ("{" + "(" * 50, 33, "deeply"),
        ("{ .a = 1" + " " * 5000, 4096, "too long"),
    ],
)  # fmt: skip
def test_errors_say_where(text, position, words):
    with pytest.raises(TraceQLError, match=r".") as caught:
        parse(text)
    assert caught.value.position == position
    assert words in str(caught.value)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("100ms", 10**8),
        ("1h2m3s", 3723 * 10**9),
        ("1.5s", 15 * 10**8),
        ("7ns", 7),
        ("2us", 2000),
        ("3", None),
        ("", None),
        ("1d", None),
    ],
)
def test_durations(text, expected):
    assert duration_ns(text) == expected


def body(number: int, shape: list[tuple], resource: dict) -> bytes:
    data = TracesData()
    resource_spans = data.resource_spans.add()
    put(resource_spans.resource, resource)
    spans = resource_spans.scope_spans.add().spans
    for i, (parent, name, status, length, attributes, event) in enumerate(shape):
        span = spans.add(trace_id=number.to_bytes(16, "big"), span_id=(i + 1).to_bytes(8, "big"), name=name)
        span.parent_span_id = (parent % i + 1).to_bytes(8, "big") if i else b""
        span.status.code = status
        span.start_time_unix_nano, span.end_time_unix_nano = 1000 + number, 1000 + number + length
        put(span, attributes)
        if event:
            put(span.events.add(name="e"), event)
    return data.SerializeToString()


def put(where, attributes: dict) -> None:
    kinds = {bool: "bool_value", str: "string_value", int: "int_value", float: "double_value"}
    for key, value in attributes.items():
        setattr(where.attributes.add(key=key).value, kinds[type(value)], value)


ATTRIBUTES = st.dictionaries(st.sampled_from(KEYS), st.one_of(VALUES, st.sampled_from((1.0, 0.5))), max_size=3)
SHAPES = st.lists(
    st.tuples(
        st.integers(0, 3), st.sampled_from(("n0", "n1")), st.integers(0, 2), st.integers(0, 6), ATTRIBUTES, ATTRIBUTES
    ),
    min_size=1,
    max_size=4,
)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(st.tuples(SHAPES, ATTRIBUTES), min_size=1, max_size=6), SPANS)
def test_the_index_hides_nothing(tmp_path_factory, traces, spans):
    """Search gives what looking at every span gives."""
    with TraceStore(tmp_path_factory.mktemp("store")) as store:
        store.write([("", n.to_bytes(16, "big"), "r", body(n, *trace)) for n, trace in enumerate(traces, 1)])
        stored = [store.trace(f"{n:032x}") for n in range(len(traces), 0, -1)]
        expected = [s.row.trace_id for s in stored if spans_of(spans, s.tree(), s.row)]
        found = search(store, Query(spans), Window(), 100)
    assert [hit.stored.row.trace_id for hit in found.hits] == expected
    assert found.complete


@pytest.mark.parametrize(
    ("query", "names"),
    [
        ("{}", "abcd"), ('{ name = "b" } >> {}', "cd"), ('{ name = "a" } > {}', "b"), ('{ name = "c" } ~ {}', "d"),
        ('{ name = "a" } && { name = "d" }', "ad"), ('{ name = "a" } && { name = "x" }', ""), ('{ name = "a" } || { name = "x" }', "a"),
        ('{ name =~ "a|b" }', "ab"), ('{ name !~ "a|b" }', "cd"), ("{} | count() > 3", "abcd"), ("{} | count() > 4", ""),
        ('{ span:id = "0000000000000002" }', "b"), ("{ true }", "abcd"), ("{ false }", ""), ("{ traceDuration >= 9ns }", "abcd"),
        ('{ rootName = "a" && kind = unspecified }', "abcd"), ("{ .n = 7 } | select(.n)", "a"), ("{ .n = nil }", "bcd"),
    ],
)  # fmt: skip
def test_sets_of_spans(tmp_path, query, names):
    shape = [(0, "a", 0, 9, {"n": 7}, {}), (0, "b", 0, 1, {}, {}), (1, "c", 0, 1, {}, {}), (1, "d", 0, 1, {}, {})]
    with TraceStore(tmp_path) as store:
        store.write([("", (1).to_bytes(16, "big"), "r", body(1, shape, {}))])
        hits = search(store, parse(query), Window(), 10).hits
    assert "".join(sorted(node.name for hit in hits for node in hit.matched)) == names


def test_a_search_that_asks_again_gives_the_newest_in_order(tmp_path, monkeypatch):
    """Files of several days, each with more candidates than are asked for at first."""
    monkeypatch.setattr("eigenspan.web.spansearch._FEW", 2)
    day = [date(2026, 3, 1)]
    with TraceStore(tmp_path, today=lambda: day[0]) as store:
        for n in range(1, 13):
            day[0] = date(2026, 3, 1 + (n - 1) // 5)
            store.write([("", n.to_bytes(16, "big"), "r", body(n, [(0, "a", n, 9, {"n": n % 3}, {})], {}))])
        for query, expected in (
            ("{ .n >= 0 }", list(range(12, 0, -1))),
            ("{ .n = 1 }", [10, 7, 4, 1]),
            ("{}", list(range(12, 0, -1))),
        ):
            found = search(store, parse(query), Window(), 100)
            assert [int(hit.stored.row.trace_id, 16) for hit in found.hits] == expected
            assert found.complete
        found = search(store, parse("{ .n = 1 }"), Window(), 2)
        assert [int(hit.stored.row.trace_id, 16) for hit in found.hits] == [10, 7]
