"""Which spans are errors."""

from __future__ import annotations

import random

import polars as pl
import pytest

from eigenspan.collector.classify import classify
from eigenspan.collector.scan import engine
from eigenspan.semconv import tables
from tests.collector.building import WATCH, raw_spans, request, spans

CASES = {
    "nothing": ({}, False),
    "ok": ({"status": 1}, False),
    "status error": ({"status": 2}, True),
    "unknown status": ({"status": 7}, False),
    "error type": ({"error_type": "timeout"}, True),
    "empty error type": ({"error_type": ""}, False),
    "error type over ok": ({"status": 1, "error_type": "x"}, True),
    "not successful": ({"success": False}, True),
    "successful": ({"success": True}, False),
    "successful but error": ({"success": True, "status": 2}, True),
    "job done": ({"job_status": "completed"}, False),
    "job unknown": ({"job_status": "on a holiday"}, False),
    "job cancelled by its user": ({"job_status": "cancelled"}, False),
    "error upper case": ({"job_status": "ERROR"}, True),
    "job failed with success": ({"job_status": "failed", "success": True}, True),
}


@pytest.mark.parametrize("case", CASES)
def test_by_columns(case):
    row, expected = CASES[case]
    assert spans(row)["error"].to_list() == [expected]


@pytest.mark.parametrize("status", sorted(tables.FAILED_JOB_STATUSES))
@pytest.mark.parametrize("change", [str, str.upper, str.title])
def test_every_failed_job_status_in_any_case(status, change):
    assert spans({"job_status": change(status)})["error"].to_list() == [True]


ATTRIBUTES = [
    ({}, False), ({"error.type": "x"}, True), ({"quantum.error.type": "x"}, True), ({"quantum.error.message": "m"}, True),
    ({"quantum.execution.success": False}, True), ({"quantum.execution.success": "False"}, True),
    ({"quantum.execution.success": True}, False), ({"quantum.job.status": "Failed"}, True), ({"error": "x"}, False),
]  # fmt: skip


@pytest.mark.parametrize(("attributes", "expected"), ATTRIBUTES, ids=str)
def test_by_attributes_from_the_bytes(attributes, expected):
    scanned = engine("auto").scan([request({"attributes": attributes})], WATCH)
    assert classify(scanned.columns)["error"].to_list() == [expected]


@pytest.mark.parametrize("seed", range(10))
def test_what_is_so_of_a_span_does_not_depend_on_the_others(seed):
    """Columns that have no value for any span are not looked at."""
    rng = random.Random(seed)
    values = {
        "status": [0, 1, 2], "error_type": [None, "", "x"], "success": [None, True, False], "name": ["span", *tables.SPAN_NAMES],
        "job_status": [None, "completed", "failed", "DONE"], "provider": [None, "p"], "shots": [None, 1],
        "other_text": [None, "x"], "other_number": [None, 1.0], "span_type": [None, "quantum.internal.job", "other"],
    }  # fmt: skip
    rows = [{name: rng.choice(values[name]) for name in rng.sample(sorted(values), 2)} for _ in range(40)]
    assert spans(*rows).equals(pl.concat([spans(row) for row in rows]))


def test_there_is_always_an_answer():
    frame = classify(raw_spans(*(row for row, _ in CASES.values())))
    assert frame["error"].null_count() == 0
    assert classify(raw_spans({}).clear())["error"].to_list() == []
