"""Kept spans get the registry's names, as bytes; and what conforms is measured for all that came."""

from __future__ import annotations

from collections import Counter

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from eigenspan.collector.classify import classify
from eigenspan.collector.conform import Compliance, conform, parse
from eigenspan.collector.scan import engine
from eigenspan.collector.threshold import SPACE
from eigenspan.collector.watch import CONTRACT
from eigenspan.schema.normalise import RULES, normalise_span
from tests.collector.building import WATCH, decision, raw_spans, request, spans, spans_in
from tests.engines import Edit, splice_by_all
from tests.schema.test_normalise import CASES

ENGINE = engine("python")


def scanned(body: bytes) -> pl.DataFrame:
    return ENGINE.scan([body], WATCH).columns


def conformed(body: bytes, **options):
    """The only span of a request with its changes spliced in."""
    (offset, length) = scanned(body).select("offset", "length").row(0)
    span = parse(body[offset : offset + length])
    changes = conform(span, Counter(), **options)
    (out,) = spans_in([splice_by_all([(body, [Edit(offset, length, changes)])])])
    return out


def by_key(span) -> dict[str, bytes]:
    return {a.key: a.value.SerializeToString() for a in span.attributes}


def check(attributes, **options) -> None:
    body = request({"attributes": attributes, "name": "training_epoch_3"})
    (expected,) = spans_in([body])
    normalise_span(expected, **options)
    assert by_key(conformed(body, **options)) == by_key(expected)


@pytest.mark.parametrize("keep_original", [False, True])
@pytest.mark.parametrize("case", range(len(CASES)))
def test_the_bytes_become_what_the_normaliser_makes_of_the_message(case, keep_original):
    check({k: [str(v) for v in value] if isinstance(value, list) else value for k, value in CASES[case][0].items()},
          keep_original=keep_original)  # fmt: skip


KEYS = st.sampled_from([*RULES, "quantum.job.shots", "quantum.job.status", "other"])


@given(st.dictionaries(KEYS, st.text(max_size=4) | st.integers(-5, 5) | st.booleans() | st.floats(0, 9), max_size=6))
def test_any_names_become_what_the_normaliser_makes_of_them(attributes):
    check(attributes)


def test_a_span_that_speaks_the_registrys_language_keeps_its_bytes():
    body = request({"attributes": {"quantum.backend.name": "q", "x": "y", "quantum.job.status": "completed"}})
    (offset, length) = scanned(body).select("offset", "length").row(0)
    assert conform(parse(body[offset : offset + length]), Counter()) == ()


@pytest.mark.parametrize(
    ("given_", "quantum", "foreign"),
    [
        ({}, False, False),
        ({"backend": "q"}, True, False),
        ({"span_type": "quantum.internal.execute"}, True, False),
        ({"span_type": "gen_ai.inference.client"}, False, False),
        ({"other_text": "x"}, False, True),
        ({"other_number": 1.5}, False, True),
        ({"job_status": "completed"}, True, False),
        ({"job_status": "DONE"}, True, True),
        ({"name": "training_epoch_12"}, False, True),
        ({"name": "quantum_circuit_bell"}, False, True),
        ({"name": "my.llm.request"}, False, False),
        ({"name": "llmXrequest"}, False, False),
    ],
)
def test_what_needs_attention_is_told_from_the_columns(given_, quantum, foreign):
    assert spans(given_).select("quantum", "foreign").row(0) == (quantum, foreign)


@given(st.dictionaries(KEYS, st.text(min_size=1, max_size=4) | st.integers(-5, 5) | st.floats(0, 9), max_size=3))
def test_no_span_that_would_change_escapes_attention(attributes):
    body = request({"attributes": attributes})
    columns = scanned(body)
    (foreign,) = classify(columns)["foreign"]
    (offset, length) = columns.select("offset", "length").row(0)
    assert foreign or conform(parse(body[offset : offset + length]), Counter()) == ()


WHOLE = dict.fromkeys(CONTRACT.values(), "x") | {"circuit_depth": 1, "shots": 1, "queue_s": 0.5, "job_s": 1.0}


def test_mandatory_fields_are_counted_on_every_trace_in_which_a_job_ran():
    compliance = Compliance(CONTRACT)
    rows = [WHOLE, WHOLE | {"shots": None, "correlation_id": None}, WHOLE | {"backend": None}]
    compliance.count(raw_spans(*rows))
    compliance.count(raw_spans({}))
    assert (compliance.jobs, compliance.jobs_whole) == (2, 1)
    assert +compliance.missing == {"quantum.job.shots": 1, "quantum.request.correlation_id": 1}


GOOD = {"name": "fallback", "kind": 1, "attributes": {"otel.span.type": "quantum.internal.fallback"}}
BAD = {"name": "x", "kind": 1, "attributes": {"otel.span.type": "quantum.internal.none"}}


def test_figures_stand_for_all_that_came():
    compliance = Compliance(CONTRACT)
    good, bad = spans_in([request(GOOD, BAD | {"span": 2})])
    tenth, unknown = decision(threshold=SPACE * 9 // 10), decision(threshold=None)
    read = []

    def check(spans, *decisions):
        """`spans`: of each trace its spans."""
        rows = [(trace, trace, n, 0, True, False) for trace, of_trace in enumerate(spans) for n in range(len(of_trace))]
        columns = ("trace", "position", "offset", "length", "quantum", "foreign")
        frame = pl.DataFrame(rows, columns, orient="row", strict=True)
        compliance.check(frame, decisions, lambda trace, n, length: read.append(trace) or spans[trace][n])

    check([[bad], [bad, bad], [], [None]], tenth, unknown, decision(), decision())
    assert set(read) == {0, 3}
    assert compliance.checked == pytest.approx(10)
    assert compliance.conforming == 0
    assert compliance.findings["eigenspan.unknown_span_type"] == 1
    read.clear()
    check([[good]] * 300, *[decision()] * 300)
    assert len(read) == 30
    assert compliance.checked == pytest.approx(310)
    text = "\n".join(compliance.prometheus())
    assert 'eigenspan_compliance_findings_total{id="eigenspan.unknown_span_type"} 1' in text


def test_what_the_library_cannot_read_is_left_alone():
    assert parse(b"\xff") is None
