"""What next: each rule speaks where its cause is injected, about that cause, and all are silent on quiet data."""

from __future__ import annotations

import re

import pytest

from eigenspan.calibration.attributes import StatusSample
from eigenspan.calibration.store import Event
from eigenspan.figures.measured import measured
from eigenspan.figures.releases import Release
from eigenspan.semconv import attributes as q
from eigenspan.semconv import events
from eigenspan.web import advice
from tests.figures.cases import HOUR_S, NOW_NS, NS, quiet, run

RELEASE = Release("service", "svc", "2.0", "1.0", NOW_NS - int(HOUR_S * NS), number=7)


def said(runs=(), **more):
    return advice.advise(measured(runs, NOW_NS, HOUR_S, **more))


def drifted(at_s: float = 600) -> Event:
    return Event(
        "ibm", "lagos", NOW_NS - int(at_s * NS), events.QUANTUM_HARDWARE_EVENT, {q.QUANTUM_HARDWARE_CHANGE: "drift"}
    )


def offline(at_s: float = 60, backend: str = "lagos", status: str = "offline") -> StatusSample:
    return StatusSample("ibm", backend, NOW_NS - int(at_s * NS), status)


def slow(i, wobble):
    return {"transpile": 3 * wobble, "queue": 5 * wobble, "execute": 2 * wobble}


def always_failing(every: int):
    return [run(i, 36 * i, failed=i % every == 0) for i in range(200)]


CASES = {
    "the provider says offline": ("backend_outage", quiet(), {"statuses": [offline()]}, "ibm_lagos", "backend=ibm_lagos"),
    "executions fail": ("backend_outage", quiet(execution_failed=lambda i, _: i % 10 > 0), {}, "ibm_lagos", "errors=1"),
    "a queue grows": ("queue_backlog", quiet(queue_s=lambda i, w: 600 * w), {}, "ibm_lagos", "backend=ibm_lagos"),
    "a release fails": (
        "bad_release", quiet(version="2.0", failed=lambda i, _: i % 3 == 0), {"releases": [RELEASE]}, "2.0", "/releases#release-7",
    ),
    "a release is slow": ("bad_release", quiet(version="2.0", stages={"execute": 60.0}), {"releases": [RELEASE]}, "2.0", "since="),
    "failures without a release": ("failures_up", quiet(failed=lambda i, _: i % 3 == 0), {}, "fail", "errors=1"),
    "failures as many as before": ("failures_high", always_failing(every=5), {}, "fail", "errors=1"),
    "calibration moved": ("drift", quiet(), {"events": [drifted()]}, "lagos", "/backends/ibm/lagos"),
    "compiling takes long": ("slow_stage", quiet(stages=slow), {}, "transpile", "/trace/"),
    "fallbacks answer": ("fallbacks", quiet(fallback=lambda i, _: i % 2 == 0), {}, "Fallbacks", "/trace/"),
    "an exporter waits": (
        "delivery_stuck", quiet(), {"summary": {"exporters": {"tempo": {"last_error": "refused"}}}}, "tempo", "/api/summary",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_what_is_injected_is_advised_on_and_nothing_else(name):
    rule, runs, more, word, evidence = CASES[name]
    (found,) = said(runs, **more)
    assert found.rule == rule
    assert word in found.title
    assert any(evidence in href for _, href in found.evidence)
    assert found.seen
    assert found.do


@pytest.mark.parametrize("seed", range(40))
def test_quiet_data_gives_no_advice(seed):
    assert said(quiet(seed), releases=[RELEASE], statuses=[offline(status="busy")]) == []


QUIET = {
    "nothing": ((), {}),
    "a good release": (quiet(version="2.0"), {"releases": [RELEASE]}),
    "an old status": (quiet(), {"statuses": [offline(at_s=2 * 86_400)]}),
    "another backend is offline": (quiet(), {"statuses": [offline(backend="osaka")]}),
    "an old drift": (quiet(), {"events": [drifted(at_s=2 * HOUR_S)]}),
    "a queue that stays short": (quiet(queue_s=lambda i, w: 20 * w), {}),
    "one failure in twenty-five": (always_failing(every=25), {}),
    "too few to tell": (quiet(n=12, failed=True), {}),
    "traces outside estimates": (quiet(failed=True, weight=None), {}),
}


@pytest.mark.parametrize("name", QUIET)
def test_what_is_no_cause_gives_no_advice(name):
    runs, more = QUIET[name]
    assert said(runs, **more) == []


def test_a_release_explains_the_failures_after_it():
    rules = [a.rule for a in said(quiet(version="2.0", failed=lambda i, _: i % 3 == 0), releases=[RELEASE])]
    assert rules == ["bad_release"]


@pytest.mark.parametrize(("every", "urgency"), [(5, "act"), (12, "look")])
def test_a_high_share_of_failures_is_urgent_once_it_is_certain(every, urgency):
    (found,) = said(always_failing(every))
    assert (found.rule, found.urgency) == ("failures_high", urgency)


def test_every_rule_is_documented_and_injected():
    documented = re.findall(r"^- (\w+):", advice.__doc__, re.MULTILINE)
    assert set(documented) == {rule for rule, *_ in CASES.values()}
    assert len(documented) == len(advice._RULES)
