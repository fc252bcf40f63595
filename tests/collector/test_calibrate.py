"""When a span's job executed, and which snapshot was then in force."""

from __future__ import annotations

import polars as pl
import pytest

from eigenspan.calibration.asof import AsOfIndex, Observed
from eigenspan.calibration.attributes import StatusSample, backend_attributes
from eigenspan.calibration.summary import Summary
from eigenspan.collector.calibrate import CALIBRATION_COLUMNS, calibrate, describe, instant_ns, unconfirmed
from eigenspan.collector.due import QUANTUM_SCHEMA, Due
from tests.collector.building import SECOND

DAY = 86_400 * SECOND
EPOCH = 1_767_225_600 * SECOND  # 2026-01-01T00:00:00Z
NOON = "2026-01-01T12:00:00Z"
NOON_NS = EPOCH + DAY // 2
PRODUCER, CONSUMER, CLIENT = 4, 5, 3
BRAKET = "arn:aws:braket:us-east-1:123456789012:quantum-task/0b"


def summary(version: str, valid_from_ns: int, **more) -> Summary:
    return Summary(provider="ibm", backend="q", version=version, valid_from_ns=valid_from_ns, num_qubits=2, **more)


INDEX = AsOfIndex(
    [
        Observed("q", summary("first", EPOCH, calibration_id="c1", two_qubit_error_median=0.01)),
        Observed("q", summary("second", EPOCH + DAY, two_qubit_error_median=0.02, readout_error_median=0.5)),
    ],
    [StatusSample("ibm", "q", EPOCH, "online", 7)],
)


def frame(*rows) -> pl.DataFrame:
    default = {
        "trace": 0, "position": 1, "offset": 0, "length": 10, "span_id": 1, "kind": 1, "start_ns": EPOCH, "end_ns": NOON_NS,
        "backend": "q", "provider": "ibm", "job_id": None, "calibration_id": None, "execution_start": None,
        "execution_end": None, "simulator": None, "span_type": None,
    }  # fmt: skip
    rows = [default | {"position": i + 1} | row for i, row in enumerate(rows)]
    return pl.DataFrame(rows, schema=QUANTUM_SCHEMA, orient="row")


AT_1, AT_2 = EPOCH + 5 * SECOND, EPOCH + 6 * SECOND
EXECUTED = {
    "the end of the span itself": ([{}], [NOON_NS]),
    "its own timestamp": ([{"execution_start": NOON, "end_ns": EPOCH + 3 * DAY}], [NOON_NS]),
    "a naive timestamp says nothing": ([{"execution_start": "2026-01-01T12:00:00", "end_ns": AT_1}], [AT_1]),
    "nor does an unreadable one": ([{"execution_start": "noon", "end_ns": AT_1}], [AT_1]),
    "a sibling's timestamp": (
        [{"job_id": "j", "end_ns": AT_1}, {"job_id": "j", "execution_start": NOON, "end_ns": AT_2}], [NOON_NS, NOON_NS],
    ),
    "not of another job": ([{"job_id": "j", "end_ns": AT_1}, {"job_id": "k", "execution_start": NOON}], [AT_1, NOON_NS]),
    "not of another trace": (
        [{"job_id": "j", "end_ns": AT_1}, {"job_id": "j", "trace": 1, "execution_start": NOON}], [AT_1, NOON_NS],
    ),
    "not without a job": ([{"end_ns": AT_1}, {"execution_start": NOON}], [AT_1, NOON_NS]),
    "a span of a type that has no calibration tells of its job only": (
        [{"span_type": "quantum.producer.submit", "job_id": "j", "execution_start": NOON},
         {"span_type": "quantum.internal.execute", "job_id": "j", "end_ns": AT_1}], [NOON_NS],
    ),
    "types of others": ([{"span_type": "db.client"}], [NOON_NS]),
    "a producer's end says nothing": ([{"kind": PRODUCER}], []),
    "a producer's own timestamp does": ([{"kind": PRODUCER, "execution_start": NOON}], [NOON_NS]),
    "a producer takes the end of the span that executed": (
        [{"kind": PRODUCER, "job_id": "j", "end_ns": AT_1}, {"kind": CONSUMER, "job_id": "j", "end_ns": AT_2}], [AT_2, AT_2],
    ),
    "the last of several that executed": (
        [{"kind": PRODUCER, "job_id": "j"}, {"job_id": "j", "end_ns": AT_2}, {"job_id": "j", "end_ns": AT_1}],
        [AT_2, AT_2, AT_1],
    ),
    "two producers of one job say nothing": ([{"kind": PRODUCER, "job_id": "j"}] * 2, []),
    "a producer takes a sibling's timestamp": (
        [{"kind": PRODUCER, "job_id": "j"}, {"kind": CLIENT, "job_id": "j", "execution_start": NOON, "end_ns": AT_1}],
        [NOON_NS, NOON_NS],
    ),
    "a span that has not ended": ([{"end_ns": 0}], []),
    "the provider's end, where it gives no start": ([{"execution_end": NOON, "end_ns": EPOCH + 3 * DAY}], [NOON_NS]),
    "its start before its end": (
        [{"execution_start": NOON, "execution_end": "2026-01-01T13:00:00Z"}], [NOON_NS],
    ),
    "Braket's end, for its start may be the creation": (
        [{"job_id": BRAKET, "execution_start": "2026-01-01T01:00:00Z", "execution_end": NOON}], [NOON_NS],
    ),
    "Braket's start, where it has not ended": ([{"job_id": BRAKET, "execution_start": NOON}], [NOON_NS]),
    "a sibling's end": (
        [{"kind": PRODUCER, "job_id": "j"}, {"job_id": "j", "execution_end": NOON, "end_ns": AT_1}], [NOON_NS, NOON_NS],
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", EXECUTED)
def test_execution_time(case):
    rows, expected = EXECUTED[case]
    assert [c.executed_ns for c in calibrate(frame(*rows), INDEX)] == expected


JOINED = {
    "as of": ({"end_ns": EPOCH + DAY - 1}, "first", "as_of"),
    "on the boundary": ({"end_ns": EPOCH + DAY}, "second", "as_of"),
    "before the first": ({"end_ns": EPOCH - 1}, None, "none"),
    "its id wins": ({"end_ns": EPOCH + 2 * DAY, "calibration_id": "c1"}, "first", "id"),
    "an unknown id": ({"end_ns": EPOCH + 2 * DAY, "calibration_id": "nope"}, "second", "as_of_unconfirmed"),
    "after the last poll": ({"end_ns": EPOCH + 2 * DAY}, "second", "as_of_unconfirmed"),
    "on a simulator": ({"end_ns": EPOCH + 2 * DAY, "simulator": True}, "second", "as_of"),
    "another backend": ({"backend": "other"}, None, "none"),
    "no provider": ({"provider": None}, "first", "as_of"),
    "far beyond": ({"end_ns": 2**64 - 1}, None, "none"),
}


@pytest.mark.parametrize("case", JOINED)
def test_joined(case):
    row, version, kind = JOINED[case]
    (found,) = calibrate(frame(row), INDEX)
    assert found.match.kind == kind
    assert (found.match.snapshot and found.match.snapshot.version) == version


def test_it_says_where_the_span_is_and_what_the_status_was():
    (found,) = calibrate(frame({"trace": 3, "position": 9, "offset": 8, "length": 7}), INDEX)
    assert (found.trace, found.position, found.offset, found.length) == (3, 9, 8, 7)
    assert found.status.queue_length == 7
    assert calibrate(frame(), INDEX) == []


ACROSS = "2026-01-02T00:00:00Z"  # the second snapshot's first instant
CHANGES = {
    "across": ({"execution_start": NOON, "execution_end": ACROSS}, True),
    "just before": ({"execution_start": NOON, "execution_end": "2026-01-01T23:59:59.999999Z"}, False),
    "only its end": ({"execution_end": ACROSS}, False),
    "only its start": ({"execution_start": NOON, "end_ns": EPOCH + 3 * DAY}, False),
    "a simulator": ({"execution_start": NOON, "execution_end": ACROSS, "simulator": True}, False),
    "at Braket, where it may have waited": (
        {"execution_start": NOON, "execution_end": ACROSS, "job_id": BRAKET},
        False,
    ),
}


@pytest.mark.parametrize("case", CHANGES)
def test_a_job_that_ran_across_a_recalibration_says_so(case):
    row, changed = CHANGES[case]
    (found,) = calibrate(frame(row), INDEX)
    assert found.changed is changed
    attributes = backend_attributes(found.match.snapshot, found.executed_ns, found.match.kind, changed=found.changed)
    assert attributes.get("quantum.backend.calibration.changed") is (True if changed else None)


def test_only_what_a_poll_may_still_confirm_is_waited_for():
    polled = AsOfIndex([Observed("q", summary("first", EPOCH))], polls={("ibm", "q"): EPOCH + DAY})
    late = {"end_ns": EPOCH + 2 * DAY}
    quantum = frame({"trace": 0, "end_ns": NOON_NS}, late | {"trace": 1}, late | {"trace": 2, "backend": "other"},
                    late | {"trace": 3, "simulator": True})  # fmt: skip
    assert unconfirmed(quantum, polled) == {1}
    assert unconfirmed(quantum, INDEX) == set()  # nobody polls
    assert unconfirmed(frame(), polled) == set()


INSTANTS = [
    (NOON, NOON_NS), ("2026-01-01T13:00:00+01:00", NOON_NS), ("2026-01-01T12:00:00.000001Z", NOON_NS + 1000),
    ("2026-01-01T12:00:00.999999999Z", NOON_NS + 999_999_000), ("1969-12-31T23:59:59.5Z", -500_000_000),
    ("2026-01-01", None), ("2026-01-01T12:00:00", None), ("", None), (None, None), ("yesterday", None),
    ("2026-13-01T00:00:00Z", None), ("20260101T120000Z", NOON_NS), ("9" * 5000, None),
]  # fmt: skip


@pytest.mark.parametrize(("text", "expected"), INSTANTS, ids=lambda v: str(v)[:30])
def test_instants(text, expected):
    assert instant_ns(text) == expected


@pytest.mark.parametrize("text", ["0001-01-01T00:00:00+23:59", "9999-12-31T23:59:59.999999-23:59"])
def test_instants_at_the_ends_of_their_range_are_whole_nanoseconds(text):
    assert isinstance(instant_ns(text), int)
    calibrate(frame({"execution_start": text}), INDEX)


def test_rules_see_the_worst_of_a_traces_spans():
    quantum = frame({"end_ns": EPOCH + 10 * SECOND}, {"end_ns": EPOCH + DAY + SECOND}, {"trace": 1, "backend": "other"})
    traces = pl.DataFrame({"root": ["a", "b", "c"]})
    due = Due(None, [1, 2, 3], traces, quantum)
    first, second, *_ = calibrated = calibrate(quantum, INDEX)
    success = {(first.position, first.offset): 0.75, (second.position, second.offset): 0.75}
    described = describe(due, calibrated, success)
    assert described["root"].to_list() == ["a", "b", "c"]
    assert described.select(CALIBRATION_COLUMNS).rows() == [
        (10.0, None, 0.02, 0.5, None, None),
        (None,) * 6,
        (None,) * 6,
    ]
    assert described.select(CALIBRATION_COLUMNS).dtypes == [pl.Float64()] * 6
    assert described["success_probability"].to_list()[0] == 0.75
