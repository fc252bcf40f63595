"""Rules across the spans of a trace.

Spans are kept until the input ends or there are too many; then the oldest trace is judged as far as it was seen. Of a
span only what the rules need is kept.
"""

from __future__ import annotations

from collections import Counter, OrderedDict, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from eigenspan.calibration import instants
from eigenspan.schema.contract import Contract
from eigenspan.schema.findings import Finding, Place
from eigenspan.schema.records import Span
from eigenspan.schema.registry import Registry
from eigenspan.semconv import attributes as q

MAX_SPANS = 50_000
"""How many spans may wait for the rest of their traces."""
TOLERANCE_NS = 1_000_000
SUBMIT, JOB, QUEUE, EXECUTE = (
    "quantum.producer.submit",
    "quantum.consumer.job",
    "quantum.internal.queue",
    "quantum.internal.execute",
)
_NEEDED = (
    q.QUANTUM_JOB_ID,
    q.QUANTUM_BACKEND_SIMULATOR,
    q.QUANTUM_JOB_SUCCESSFUL_SHOTS,
    q.QUANTUM_CIRCUIT_COUNT,
    q.QUANTUM_JOB_SHOTS,
    q.QUANTUM_BACKEND_NAME,
    q.QUANTUM_BACKEND_CALIBRATION_TIME,
    q.QUANTUM_JOB_EXECUTION_START_TIME,
    q.QUANTUM_JOB_EXECUTION_END_TIME,
)


@dataclass(slots=True)
class Kept:
    """What is left of a span."""

    type: str
    parent: str
    start: int
    end: int
    attributes: dict[str, Any]
    links: list[tuple[str, str]]
    place: Place


@dataclass(slots=True)
class Traces:
    """Open traces, the oldest first. `judged_early` counts those that had to make room."""

    contracts: tuple[Contract, ...]
    registry: Registry
    max_spans: int = MAX_SPANS
    judged_early: int = 0
    _open: OrderedDict[str, dict[str, Kept]] = field(default_factory=OrderedDict)
    _size: int = 0
    _needed: frozenset[str] = frozenset()

    def __post_init__(self) -> None:
        fields = {key for c in self.contracts for key in (*c.job, *c.match)}
        self._needed = frozenset({*_NEEDED, *fields})

    def add(self, span: Span, place: Place) -> Iterator[Finding]:
        """Keep a span; gives the findings of the traces that made room for it."""
        trace = self._open.get(span.trace_id)
        if trace is None:
            trace = self._open[span.trace_id] = {}
        if span.span_id in trace:
            message = f"Trace {span.trace_id} has span {span.span_id} twice."
            yield Finding("eigenspan.duplicate_span", message, place, mend="Export a span once.")
            return
        found = span.attributes
        type_ = span.type or found.get("otel.span.type") or ""
        if not type_ and found.get(q.QUANTUM_OPERATION_NAME) in ("submit", "execute"):
            type_ = self.registry.operations.get(found[q.QUANTUM_OPERATION_NAME], "")
        attributes = {key: found[key] for key in self._needed & found.keys()} if found else {}
        trace[span.span_id] = Kept(str(type_), span.parent, span.start, span.end, attributes, span.links, place)
        self._size += 1
        while self._size > self.max_spans:
            _, oldest = self._open.popitem(last=False)
            self._size -= len(oldest)
            self.judged_early += 1
            yield from self._judge(oldest)

    def finish(self) -> Iterator[Finding]:
        """Judge every open trace."""
        while self._open:
            _, trace = self._open.popitem(last=False)
            self._size -= len(trace)
            yield from self._judge(trace)

    def _judge(self, trace: dict[str, Kept]) -> Iterator[Finding]:
        executes = {id_: s for id_, s in trace.items() if s.type == EXECUTE}
        jobs: dict[str, list[str]] = defaultdict(list)
        for id_, span in trace.items():
            job = span.attributes.get(q.QUANTUM_JOB_ID)
            if job is not None:
                jobs[str(job)].append(id_)
        for id_, span in executes.items():
            yield from _execution(span)
            yield from _linked(trace, id_, span)
        for job, ids in jobs.items():
            yield from _job(job, [trace[id_] for id_ in ids])
        yield from self._contracts(trace, executes, jobs)

    def _contracts(
        self, trace: dict[str, Kept], executes: dict[str, Kept], jobs: dict[str, list[str]]
    ) -> Iterator[Finding]:
        """Each job, or each execution that belongs to none, with its ancestors."""
        groups = [ids for ids in jobs.values() if any(trace[i].type in (EXECUTE, JOB) for i in ids)]
        groups += [[id_] for id_, s in executes.items() if q.QUANTUM_JOB_ID not in s.attributes]
        for ids in groups:
            carried: dict[str, Any] = {}
            whole = True
            for id_ in ids:
                chain, complete = _ancestors(trace, id_)
                whole &= complete
                for span in (trace[id_], *chain):
                    carried = span.attributes | carried
            if not whole:
                continue
            shown = next((trace[i] for i in ids if trace[i].type == EXECUTE), trace[ids[0]])
            for contract in self.contracts:
                if not contract.concerns(carried):
                    continue
                for key in contract.job:
                    if key not in carried:
                        message = f"{key!r} is mandatory for every job by contract {contract.name!r}."
                        mend = f"Set {key!r} on a span of the job or on its workflow's."
                        yield Finding("eigenspan.contract.field_not_present", message, shown.place, key, mend)


def _ancestors(trace: dict[str, Kept], id_: str) -> tuple[list[Kept], bool]:
    """The ancestors that were seen, and whether that is all of them."""
    chain: list[Kept] = []
    passed = {id_}
    parent = trace[id_].parent
    while parent:
        if parent not in trace or parent in passed:
            return chain, False
        passed.add(parent)
        chain.append(trace[parent])
        parent = trace[parent].parent
    return chain, True


def _linked(trace: dict[str, Kept], id_: str, span: Kept) -> Iterator[Finding]:
    if q.QUANTUM_JOB_ID not in span.attributes or span.links:
        return
    chain, whole = _ancestors(trace, id_)
    job = span.attributes[q.QUANTUM_JOB_ID]
    submitted = any(s.type == SUBMIT and s.attributes.get(q.QUANTUM_JOB_ID) == job for s in trace.values())
    if span.attributes.get(q.QUANTUM_BACKEND_SIMULATOR) is True and not submitted:
        return  # it ran in the process that called it
    if whole and not any(s.type == SUBMIT for s in chain):
        message = f"The execution of job {job!r} has no link, and no submission above it."
        yield Finding("eigenspan.trace.link_missing", message, span.place, mend="Link to the span of the submission.")


def _instant(span: Kept, key: str) -> int | None:
    try:
        return instants.parse(str(span.attributes[key]))
    except (KeyError, ValueError):
        return None


def _execution(span: Kept) -> Iterator[Finding]:
    a = span.attributes
    start = _instant(span, q.QUANTUM_JOB_EXECUTION_START_TIME)
    end = _instant(span, q.QUANTUM_JOB_EXECUTION_END_TIME)
    if start is not None and end is not None and end < start:
        message = f"{a[q.QUANTUM_JOB_EXECUTION_END_TIME]} is before {a[q.QUANTUM_JOB_EXECUTION_START_TIME]}."
        key = q.QUANTUM_JOB_EXECUTION_END_TIME
        yield Finding(
            "eigenspan.trace.execution_reversed", message, span.place, key, "Take both from the provider's clock."
        )
    began = start if start is not None else span.start
    valid = _instant(span, q.QUANTUM_BACKEND_CALIBRATION_TIME)
    if valid is not None and valid > began:
        message = (
            f"The calibration of {a[q.QUANTUM_BACKEND_CALIBRATION_TIME]} came into force after the execution began."
        )
        key = q.QUANTUM_BACKEND_CALIBRATION_TIME
        mend = "Use the snapshot that was in force when the job ran."
        yield Finding("eigenspan.trace.calibration_not_in_force", message, span.place, key, mend)


def _job(job: str, spans: list[Kept]) -> Iterator[Finding]:
    executes = [s for s in spans if s.type == EXECUTE]
    for more in executes[1:]:
        message = f"Job {job!r} has {len(executes)} executions."
        yield Finding(
            "eigenspan.trace.several_executes",
            message,
            more.place,
            mend="One span for each execution; a retry is a job.",
        )
    for queue in (s for s in spans if s.type == QUEUE):
        if executes and queue.end > executes[0].start + TOLERANCE_NS:
            message = (
                f"The queue of job {job!r} ends {(queue.end - executes[0].start) / 1e9:.3f} s after it began to run."
            )
            yield Finding(
                "eigenspan.trace.queue_after_execute", message, queue.place, mend="End it when the job begins to run."
            )
    backends = Counter(
        str(s.attributes[q.QUANTUM_BACKEND_NAME]) for s in spans if q.QUANTUM_BACKEND_NAME in s.attributes
    )
    if len(backends) > 1:
        message = f"Job {job!r} names {', '.join(sorted(backends))}."
        mend = "A job runs on one backend; write its name in one way."
        yield Finding("eigenspan.trace.backend_differs", message, spans[-1].place, q.QUANTUM_BACKEND_NAME, mend)
    asked = [_number(s, q.QUANTUM_JOB_SHOTS, 0) * _number(s, q.QUANTUM_CIRCUIT_COUNT, 1) for s in spans]
    most = max((n for n in asked if n), default=None)
    for span in spans:
        good = _number(span, q.QUANTUM_JOB_SUCCESSFUL_SHOTS, 0)
        if most is not None and good > most:
            message = f"{good} shots succeeded of {most} asked for in job {job!r}."
            mend = "Count each shot once."
            yield Finding("eigenspan.trace.shots_exceeded", message, span.place, q.QUANTUM_JOB_SUCCESSFUL_SHOTS, mend)


def _number(span: Kept, key: str, otherwise: int) -> int:
    value = span.attributes.get(key)
    return value if isinstance(value, int) and not isinstance(value, bool) else otherwise
