"""Which traces wait for which jobs, against a plain model."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eigenspan.collector.jobs import Jobs, Phase, phase_of

PHASES = {
    "a submit span": ((None, None, 4, None), Phase.PENDING),
    "a span that says nothing of the job": ((None, None, 1, None), Phase.UNKNOWN),
    "queued": (("ibm", "QUEUED", 1, None), Phase.PENDING),
    "running, as Braket spells it": (("aws", "RUNNING", 3, None), Phase.PENDING),
    "done, as IBM spells it": (("ibm", "DONE", 1, None), Phase.ENDED),
    "failed": (("aws", "FAILED", 1, None), Phase.FAILED),
    "cancelled is an end, not a failure": (("ibm", "CANCELLED", 1, None), Phase.ENDED),
    "ready means done at IQM": (("iqm", "ready", 1, None), Phase.ENDED),
    "success": ((None, None, 1, True), Phase.ENDED),
    "no success": ((None, None, 1, False), Phase.FAILED),
    "a word that nobody knows": (("ibm", "PONDERING", 4, None), Phase.PENDING),
    "the status outweighs the kind": (("ibm", "DONE", 4, None), Phase.ENDED),
}


@pytest.mark.parametrize("case", PHASES)
def test_phase(case):
    given_, phase = PHASES[case]
    assert phase_of(*given_) is phase


JOB = ("", "ibm", "1")


def test_a_terminal_span_anywhere_frees_every_trace_that_waits():
    jobs = Jobs()
    assert not jobs.apply([(JOB, 1, Phase.PENDING), (JOB, 2, Phase.PENDING)]).free
    assert jobs.waits(1)
    assert jobs.waits(2)
    settled = jobs.apply([(JOB, 3, Phase.FAILED)])
    assert settled.free == {1, 2}
    assert settled.failed == {1, 2, 3}
    assert not jobs.waits(1)
    assert len(jobs) == 0


def test_the_end_may_come_before_the_beginning():
    jobs = Jobs()
    jobs.apply([(JOB, 3, Phase.FAILED)])
    settled = jobs.apply([(JOB, 1, Phase.PENDING)])
    assert not jobs.waits(1)
    assert settled.failed == {1}


def test_ended_jobs_are_remembered_within_a_bound():
    jobs = Jobs(remember=2)
    for number in range(3):
        jobs.apply([(("", "ibm", str(number)), 9, Phase.ENDED)])
    jobs.apply([(("", "ibm", "0"), 1, Phase.PENDING), (("", "ibm", "2"), 2, Phase.PENDING)])
    assert jobs.waits(1)
    assert not jobs.waits(2)


EVENTS = st.lists(st.tuples(st.integers(0, 3), st.integers(0, 4), st.sampled_from(Phase)), max_size=40)


@given(EVENTS, st.sets(st.integers(0, 4)))
def test_equals_a_plain_model(events, closed):
    jobs = Jobs()
    ended: dict[int, bool] = {}
    pending: set[tuple[int, int]] = set()
    for number, slot, phase in events:
        jobs.apply([(("", "", str(number)), slot, phase)])
        if phase in (Phase.ENDED, Phase.FAILED):
            ended[number] = phase is Phase.FAILED
            pending = {(n, s) for n, s in pending if n != number}
        elif phase is Phase.PENDING and number not in ended:
            pending.add((number, slot))
        assert {s for s in range(5) if jobs.waits(s)} == {s for _, s in pending}
    jobs.forget(closed)
    assert {s for s in range(5) if jobs.waits(s)} == {s for _, s in pending} - closed
    assert len(jobs) == len({n for n, s in pending if s not in closed})
