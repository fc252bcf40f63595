"""What next: rules over measured data. Each says what it saw, what to do, and names its evidence. Pure.

A figure counts as changed when its 95 % intervals before and after do not touch, and as worth a word from ENOUGH traces
on. The rules, in the order of their urgency:

- delivery_stuck: an exporter waits, or has set batches aside.
- backend_outage: a backend that traffic uses says that it takes no jobs, or most of its executions fail.
- bad_release: after a release more traces fail, or they take longer by half, than before.
- failures_up: more traces fail than in the window before, and no release explains it.
- failures_high: more than a twentieth of the traces fail, as before, and no rule above explains it.
- queue_backlog: jobs wait twice as long as in the window before, and over a minute.
- drift: the calibration of a backend that traffic uses moved by more than is usual, or lost qubits.
- slow_stage: a classical stage takes half as long again as in the window before, and a fifth of all time.
- fallbacks: more than a fifth of the answers came from a fallback.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final, Literal
from urllib.parse import quote

from eigenspan.calibration.attributes import StatusSample
from eigenspan.calibration.gauges import STATUS_HOLDS_S
from eigenspan.calibration.instants import format_ns
from eigenspan.figures import measured as m
from eigenspan.figures.estimates import Estimate, rate
from eigenspan.figures.measured import Change, Measured
from eigenspan.figures.runs import OTHER, QUANTUM
from eigenspan.semconv import attributes as q
from eigenspan.semconv import events
from eigenspan.web import words

ENOUGH: Final = 10
_CLOSED: Final = frozenset({"offline", "error", "maintenance"})
_BACKLOG_S: Final = 60.0
_LONGER: Final = 1.5
_STAGE_SHARE: Final = 0.2
_FAILED_SHARE: Final = 0.05
Urgency = Literal["act", "look"]


@dataclass(frozen=True, slots=True)
class Advice:
    """`evidence`: words and the address that shows it."""

    rule: str
    urgency: Urgency
    title: str
    seen: str
    do: str
    evidence: tuple[tuple[str, str], ...]


def advise(data: Measured) -> list[Advice]:
    """What the rules say of this data, the most urgent first; nothing on quiet data."""
    return [advice for rule in _RULES for advice in rule(data)]


def between(since_ns: int, until_ns: int, **filters: str) -> str:
    """The address of the traces that began in a span of time."""
    fields = {
        "since": format_ns(since_ns // 10**9 * 10**9),
        "until": format_ns(-(-until_ns // 10**9) * 10**9),
        **filters,
    }
    return "/traces?" + "&".join(f"{name}={quote(value, safe='')}" for name, value in fields.items())


def rates(change: Change) -> str:
    """`2 % (1 to 4 %) before, 30 % (22 to 39 %) after`."""
    return f"{_percent(change.before)} before, {_percent(change.after)} after"


def _percent(e: Estimate | None) -> str:
    return words.NONE if e is None else f"{words.percent(e.value)} ({words.percent(e.low)} to {words.percent(e.high)})"


def _seconds(e: Estimate | None) -> str:
    return (
        words.NONE if e is None else f"{words.duration(e.value)} ({words.duration(e.low)} to {words.duration(e.high)})"
    )


def _enough(change: Change) -> bool:
    return bool(change.before and change.after and min(change.before.n, change.after.n) >= ENOUGH)


def _delivery_stuck(data: Measured) -> Iterator[Advice]:
    for name, exporter in data.summary.get("exporters", {}).items():
        parked = data.summary.get("outbox", {}).get(name, {}).get("parked", 0)
        if parked or exporter.get("last_error"):
            seen = (
                f"{words.plural(parked, 'batch', 'batches')} set aside: the far end refuses them."
                if parked
                else (f"It waits: {str(exporter['last_error'])[:300]}")
            )
            yield Advice(
                "delivery_stuck",
                "act",
                f"Exporter {name} does not deliver",
                seen,
                "Nothing is lost while the disk lasts: mend the far end, or its settings.",
                (("The collector's word", "/api/summary"),),
            )


def _backend_outage(data: Measured) -> Iterator[Advice]:
    used = m.executions(data.now)
    ran = Counter(x.backend for x, _ in used if x.backend)
    said = {s.backend: s for s in data.statuses if data.now_ns - s.observed_at_ns <= STATUS_HOLDS_S * m.NS}
    fails = {name: rate((x.failed, w) for x, w in used if x.backend == name) for name in ran}
    for name, n in sorted(ran.items()):
        status, failed = _status(said, name), fails[name]
        closed = status is not None and status.status in _CLOSED
        failing = n >= 5 and failed is not None and failed.low > 0.5
        if not closed and not failing:
            continue
        others = [(e.value, other) for other, e in fails.items() if other != name and e and e.n >= 5 and e.high < 0.5]
        other = f"send its jobs to {min(others)[1]}" if others else "send its jobs elsewhere"
        why = [
            f"the provider says {status.status}" if status and closed else "",
            f"{_percent(failed)} of executions fail" if failing else "",
        ]
        yield Advice(
            "backend_outage",
            "act",
            f"{name} is out",
            "; ".join(filter(None, why)) + ".",
            f"Until it is back, {other}, or to a certified simulator with the answer marked as degraded.",
            (
                ("Failed traces on it", between(data.since_ns, data.now_ns, backend=name, errors="1")),
                ("Its page", f"/backends/{quote(name, safe='')}"),
            ),
        )


def _status(said: dict[str, StatusSample], name: str) -> StatusSample | None:
    return said.get(name) or said.get(name.removeprefix("ibm_"))


def _bad_release(data: Measured) -> Iterator[Advice]:
    for release in data.releases:
        if release.at_ns < data.since_ns:
            continue
        effect = m.effect(release, [*data.before, *data.now], data.window_s)
        failed, tail = effect["Failed"], effect["P95"]
        worse = _enough(failed) and failed.worse
        slower = _enough(tail) and tail.worse and _ratio(tail) >= _LONGER
        if worse or slower:
            seen = [
                f"Failed traces: {rates(failed)}." if worse else "",
                f"P95: {_seconds(tail.before)} before, {_seconds(tail.after)} after." if slower else "",
            ]
            back = f"Go back to {release.previous}" if release.previous else "Take it back"
            yield Advice(
                "bad_release",
                "act",
                f"{release.name or release.kind} {release.version} made it worse",
                " ".join(filter(None, seen)),
                f"{back}, then look at what failed after it.",
                (
                    ("Traces after it", between(release.at_ns, data.now_ns, **({"errors": "1"} if worse else {}))),
                    ("Before and after", f"/releases#release-{release.number}"),
                ),
            )


def _failures_up(data: Measured) -> Iterator[Advice]:
    change = Change(m.failed_rate(data.before), m.failed_rate(data.now))
    explained = any(True for rule in (_bad_release, _backend_outage) for _ in rule(data))
    if _enough(change) and change.worse and not explained:
        yield Advice(
            "failures_up",
            "act",
            "More traces fail than before",
            f"{rates(change)}.",
            "Open one and see where the failure began: the trace opens on that span.",
            (("Failed traces", between(data.since_ns, data.now_ns, errors="1")),),
        )


def _failures_high(data: Measured) -> Iterator[Advice]:
    failed = m.failed_rate(data.now)
    if failed is None or failed.n < ENOUGH or failed.value <= _FAILED_SHARE:
        return
    if any(True for rule in (_bad_release, _backend_outage, _failures_up) for _ in rule(data)):
        return
    yield Advice(
        "failures_high",
        "act" if failed.low > _FAILED_SHARE else "look",
        "Many traces fail",
        f"{_percent(failed)} of traces.",
        "Open one and see where the failure began: the trace opens on that span.",
        (("Failed traces", between(data.since_ns, data.now_ns, errors="1")),),
    )


def _queue_backlog(data: Measured) -> Iterator[Advice]:
    for name in sorted({x.backend for x, _ in m.executions(data.now) if x.backend}):
        change = Change(m.queue(data.before, backend=name), m.queue(data.now, backend=name))
        if (
            _enough(change)
            and change.worse
            and _ratio(change) >= 2
            and change.after
            and change.after.value > _BACKLOG_S
        ):
            yield Advice(
                "queue_backlog",
                "act",
                f"Jobs pile up at {name}",
                f"Median wait: {_seconds(change.before)} before, {_seconds(change.after)} now.",
                "Hold back batch work, reduce shots, or route what can wait to another backend or a simulator.",
                (
                    (
                        "Slow traces on it",
                        between(data.since_ns, data.now_ns, backend=name, slower=f"{change.after.value:.0f}"),
                    ),
                    ("Its queue", f"/backends/{quote(name, safe='')}"),
                ),
            )


def _drift(data: Measured) -> Iterator[Advice]:
    ran = {x.backend.removeprefix("ibm_") for x, _ in m.executions(data.now) if x.backend}
    found: defaultdict[tuple[str, str], list[str]] = defaultdict(list)
    for event in data.events:
        recent = event.name == events.QUANTUM_HARDWARE_EVENT and event.at_ns >= data.since_ns
        if recent and event.backend.removeprefix("ibm_") in ran:
            found[event.provider, event.backend].append(str(event.attributes.get(q.QUANTUM_HARDWARE_CHANGE, "")))
    for (provider, name), changes in sorted(found.items()):
        seen = " and ".join(
            {"drift": "medians moved by more than is usual", "qubit_disabled": "qubits went out of service"}.get(c, c)
            for c in sorted(set(changes))
        )
        yield Advice(
            "drift",
            "look",
            f"{name} drifted",
            f"With its newest calibration, {seen}.",
            "Transpile again for the new calibration; keep off lost qubits; compare results across the change.",
            (("Its calibrations", f"/backends/{quote(provider, safe='')}/{quote(name, safe='')}"),),
        )


def _slow_stage(data: Measured) -> Iterator[Advice]:
    for share in m.stages(data.now):
        if share.stage in QUANTUM or share.stage == OTHER or share.share < _STAGE_SHARE:
            continue
        change = Change(m.stage_time(data.before, share.stage), share.typical)
        if _enough(change) and change.worse and _ratio(change) >= _LONGER:
            yield Advice(
                "slow_stage",
                "look",
                f"Stage {share.stage} takes longer",
                f"Median: {_seconds(change.before)} before, {_seconds(change.after)} now; {share.share:.0%} of all time.",
                "This time is your own, not the provider's: profile it, cache it, or give it more room.",
                (("The slowest trace in it", f"/trace/{share.slowest.trace_id}"),),
            )


def _fallbacks(data: Measured) -> Iterator[Advice]:
    found = rate((run.fallback, w) for run, w in m.weighted(data.now))
    if found and found.n >= ENOUGH and found.low > 0.2:
        example = next(run for run in data.now if run.fallback)
        yield Advice(
            "fallbacks",
            "look",
            "Fallbacks answer often",
            f"{_percent(found)} of traces used one.",
            "See why the first choice was left; a route that always falls back only adds time.",
            (("One of them", f"/trace/{example.trace_id}"),),
        )


def _ratio(change: Change) -> float:
    if change.before is None or change.after is None:
        return 1.0
    return change.after.value / change.before.value if change.before.value else float("inf")


_RULES: Final[tuple[Callable[[Measured], Iterator[Advice]], ...]] = (
    _delivery_stuck,
    _backend_outage,
    _bad_release,
    _failures_up,
    _failures_high,
    _queue_backlog,
    _drift,
    _slow_stage,
    _fallbacks,
)
