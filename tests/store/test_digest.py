"""The digest of a body: what the plain reading of it says, whatever was read before."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from opentelemetry.proto.trace.v1.trace_pb2 import TracesData

from eigenspan.semconv import attributes as q
from eigenspan.store.digest import Digester
from eigenspan.store.terms import MAX_VALUE, Term, band_of, narrow_bounds, wide
from tests.store.plain import found_by, summary

FULL = 5


class Words:
    """A vocabulary whose tokens say what they stand for; a key has at most FULL values."""

    def __init__(self) -> None:
        self.values: Counter[tuple[str, str]] = Counter()
        self.given: dict[Term, str] = {}
        self.operations: set[tuple[str, str, str]] = set()

    def token(self, term: Term) -> str:
        if term not in self.given:
            if term.type and term.scope != "intrinsic" and self.values[term[:2]] >= FULL:
                return ""
            self.values[term[:2]] += bool(term.type)
            self.given[term] = repr(term)
        return self.given[term]

    def bands(self, scope: str, key: str, band: int) -> tuple[str, str]:
        return f"{(scope, key, band)}", f"{(scope, key, 'wide', wide(band))}"

    def operation(self, *operation: str) -> None:
        self.operations.add(operation)


KEYS = st.sampled_from(
    ["a", "b", "error.type", q.QUANTUM_JOB_STATUS, q.QUANTUM_EXECUTION_SUCCESS, q.QUANTUM_BACKEND_NAME, "quantum.device",
     q.QUANTUM_JOB_ID, "provider_job_id"]
)  # fmt: skip
PLAIN = st.one_of(
    st.sampled_from(["", "x", "FAILED", "false", "y" * (MAX_VALUE + 1)]),
    st.booleans(),
    st.integers(-3, 3),
    st.integers(-(2**63), 2**63 - 1),
    st.floats(),
)
SPANS = st.tuples(
    st.sampled_from(["run", "step"]), st.integers(0, 6), st.integers(0, 3), st.integers(0, 5), st.integers(0, 9),
    st.lists(st.tuples(KEYS, st.one_of(PLAIN, st.lists(PLAIN, max_size=3))), max_size=5),
)  # fmt: skip
BODIES = st.lists(st.tuples(st.sampled_from(["", "front", "solver"]), st.lists(SPANS, max_size=4)), max_size=3)


def put(attributes, key: str, value: object) -> None:
    into = attributes.add(key=key).value
    for part, at in [(p, into.array_value.values.add()) for p in value] if isinstance(value, list) else [(value, into)]:
        name = {bool: "bool_value", int: "int_value", float: "double_value"}.get(type(part), "string_value")
        setattr(at, name, part)


def body_of(resources) -> TracesData:
    data = TracesData()
    for service, spans in resources:
        resource = data.resource_spans.add()
        if service:
            put(resource.resource.attributes, "service.name", service)
        scope = resource.scope_spans.add()
        for name, kind, code, parent, start, attributes in spans:
            span = scope.spans.add(name=name, kind=kind, span_id=bytes([len(scope.spans) + 1]) * 8)
            span.parent_span_id = bytes([parent]) * 8 if parent else b""
            span.start_time_unix_nano, span.end_time_unix_nano, span.status.code = start, start * start, code
            event = span.events.add(name=name)
            for key, value in attributes:
                put(span.attributes, key, value)
                put(event.attributes, key, value)
    return data


@settings(max_examples=150, deadline=None)
@given(st.lists(BODIES, max_size=6))
def test_a_digest_is_what_the_plain_reading_says(bodies):
    words = Words()
    digester = Digester(words)
    for resources in bodies:
        data = body_of(resources)
        digest = digester.read(data)
        found = [*found_by(data)]
        terms = {repr(term): term for term in found if isinstance(term, Term)}
        bands = {token for band in found if not isinstance(band, Term) for token in words.bands(*band)}
        assert digest.tokens - terms.keys() == bands
        assert all(words.values[terms[left_out][:2]] >= FULL for left_out in terms.keys() - digest.tokens)
        digest.tokens = set()
        assert digest == summary(data)


@given(st.floats(allow_nan=False), st.floats(allow_nan=False))
def test_bands_are_in_the_order_of_numbers(one, other):
    low, high = sorted((one, other))
    assert band_of(low) <= band_of(high)
    first, last = narrow_bounds(wide(band_of(one)))
    assert first <= band_of(one) <= last


@given(st.floats(min_value=1e-300, max_value=1e300))
def test_a_band_is_narrow(number):
    assert band_of(number) != band_of(number * 1.04)
    assert band_of(-number) == -band_of(number)


@pytest.mark.parametrize(("number", "band"), [(0, 0), (0.0, 0), (-0.0, 0), (float("nan"), None)])
def test_odd_numbers(number, band):
    assert band_of(number) == band
