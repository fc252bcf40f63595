"""Which spans are errors."""

from __future__ import annotations

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


def test_there_is_always_an_answer():
    frame = classify(raw_spans(*(row for row, _ in CASES.values())))
    assert frame["error"].null_count() == 0
    assert classify(raw_spans({}).clear())["error"].to_list() == []
