"""One stored trace as a row of figures: how long, how its time divides among stages, what ran where, which versions. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Final

from opentelemetry.proto.trace.v1.trace_pb2 import TracesData

from eigenspan.collector import threshold
from eigenspan.collector.instruments import STAGES
from eigenspan.semconv import attributes as q
from eigenspan.store.tree import Node, Value, first_of, tree_of

OTHER: Final = "other"
QUANTUM: Final = frozenset({"queue", "poll", "execute", "submit", "result"})
"""Stages whose time the provider spends; all others but OTHER are classical work of one's own."""
PHASES: Final = ("queue", "compile", "execute", "post-process", OTHER)
_PHASE: Final = {
    "queue": "queue", "submit": "queue", "poll": "queue", "transpile": "compile", "circuit_assembly": "compile",
    "parameter_binding": "compile", "execute": "execute", "result": "post-process", "post_process": "post-process",
}  # fmt: skip
_VERSIONS: Final = (
    ("workflow", q.QUANTUM_WORKFLOW_NAME, q.QUANTUM_WORKFLOW_VERSION),
    ("model", "gen_ai.request.model", q.QUANTUM_LLM_MODEL_VERSION),
    ("prompt template", q.QUANTUM_LLM_PROMPT_TEMPLATE_NAME, q.QUANTUM_LLM_PROMPT_TEMPLATE_VERSION),
)
_MAX_NAME: Final = 120

Version = tuple[str, str, str]
"""Kind (service, workflow, model, prompt template), name, version."""


@dataclass(frozen=True, slots=True)
class Execution:
    """One span of the stage `execute`; of the spans of one job the last.

    `duration_s`: as the provider says, or else the span's. `device`: simulator, QPU or unknown.
    """

    provider: str
    backend: str
    start_ns: int
    duration_s: float
    failed: bool
    queue_s: float | None = None
    shots: int | None = None
    family: str = ""
    cost: float | None = None
    currency: str = ""
    device: str = "unknown"
    job: str = ""


@dataclass(frozen=True, slots=True)
class Run:
    """One trace. `weight`: how many it stands for; None where its trace state does not say.

    `stages`: seconds of each stage, a span's own time without its children's. `failed`: any span is an error, as the
    collector's rule for errors has it.
    """

    trace_id: str
    start_ns: int
    end_ns: int
    root: str
    service: str
    failed: bool
    weight: float | None
    versions: frozenset[Version]
    stages: dict[str, float]
    executions: tuple[Execution, ...]
    fallback: bool = False

    @property
    def duration_s(self) -> float:
        """From the first start to the last end."""
        return max(0, self.end_ns - self.start_ns) / 1e9


def stage_of(node: Node) -> str | None:
    """The stage that a span says, by attribute or by its name, as the collector's metrics have it."""
    said = node.attributes.get(q.QUANTUM_STAGE_NAME) or first_of(node.attributes, q.QUANTUM_OPERATION_NAME)
    if isinstance(said, str):
        return said[:_MAX_NAME]
    named = STAGES.get(node.name)
    return named or ("execute" if node.name.startswith("quantum_circuit_") else None)


def phase_of(stage: str) -> str:
    """Queue, compile, execute, post-process, or other."""
    return _PHASE.get(stage, OTHER)


def stage_times(nodes: Sequence[Node]) -> dict[str, float]:
    """Seconds by stage: each span's time that none of its children covers, under its own stage or its parent's.

    A wait that an execution only tells of as an attribute is taken out of it and counted as `queue`.
    """
    inside: defaultdict[str, list[tuple[int, int]]] = defaultdict(list)
    for node in nodes:
        inside[node.parent_id].append((node.start_ns, node.end_ns))
    out: defaultdict[str, float] = defaultdict(float)
    above: list[str | None] = []
    waits = any(stage_of(node) == "queue" for node in nodes)
    for node in nodes:
        del above[node.depth :]
        stage = stage_of(node) or (above[-1] if above else None)
        above.append(stage)
        own_s = _uncovered_s(node, inside[node.span_id] if node.span_id else [])
        if stage == "execute" and not waits:
            waited_s = min(_real(node.attributes, q.QUANTUM_JOB_QUEUE_DURATION) or 0.0, own_s)
            if waited_s > 0:
                out["queue"] += waited_s
                own_s -= waited_s
        out[stage or OTHER] += own_s
    return {stage: seconds for stage, seconds in out.items() if seconds > 0}


def _uncovered_s(node: Node, children: Iterable[tuple[int, int]]) -> float:
    left, covered = node.start_ns, 0
    for start, end in sorted(children):
        start, end = max(start, left), min(end, node.end_ns)
        if end > start:
            covered += end - start
            left = end
    return max(0, node.end_ns - node.start_ns - covered) / 1e9


def run_of(body: bytes) -> Run | None:
    """The figures of one stored body; None where it has no span."""
    message = TracesData.FromString(body)
    nodes = tree_of(message)
    if not nodes:
        return None
    first = next(s for r in message.resource_spans for sc in r.scope_spans for s in sc.spans)
    states = (threshold.parse(node.trace_state).threshold for node in nodes)
    found = next((t for t in states if t is not None), None)
    root = next((n for n in nodes if not n.parent_id), None)
    return Run(
        trace_id=first.trace_id.hex(),
        start_ns=min(n.start_ns for n in nodes),
        end_ns=max(n.end_ns for n in nodes),
        root=root.name if root else "",
        service=(root or nodes[0]).service,
        failed=any(n.error for n in nodes),
        weight=None if found is None else threshold.adjusted_count(found),
        versions=frozenset(version for n in nodes for version in _versions(n)),
        stages=stage_times(nodes),
        executions=_once(_execution(n) for n in nodes if stage_of(n) == "execute"),
        fallback=any(first_of(n.attributes, q.QUANTUM_FALLBACK_USED) is True for n in nodes),
    )


def merged(one: Run, late: Run) -> Run:
    """A trace of which more arrived later."""
    stages = dict(one.stages)
    for stage, seconds in late.stages.items():
        stages[stage] = stages.get(stage, 0.0) + seconds
    return replace(
        one,
        start_ns=min(one.start_ns, late.start_ns),
        end_ns=max(one.end_ns, late.end_ns),
        root=one.root or late.root,
        service=one.service if one.root or not late.root else late.service,
        failed=one.failed or late.failed,
        weight=one.weight if one.weight is not None else late.weight,
        versions=one.versions | late.versions,
        stages=stages,
        executions=_once((*one.executions, *late.executions)),
        fallback=one.fallback or late.fallback,
    )


def _versions(node: Node) -> Iterable[Version]:
    service, version = node.resource.get("service.name"), node.resource.get("service.version")
    if isinstance(service, str) and isinstance(version, str) and version:
        yield "service", service[:_MAX_NAME], version[:_MAX_NAME]
    for kind, named, key in _VERSIONS:
        version = first_of(node.attributes, key)
        if isinstance(version, str) and version:
            yield kind, str(first_of(node.attributes, named) or "")[:_MAX_NAME], version[:_MAX_NAME]


def _once(executions: Iterable[Execution]) -> tuple[Execution, ...]:
    """Each job once, as its last span tells it."""
    return tuple({(x.provider, x.job) if x.job else id(x): x for x in executions}.values())


def _execution(node: Node) -> Execution:
    a = node.attributes
    shots, simulator = first_of(a, q.QUANTUM_JOB_SHOTS), first_of(a, q.QUANTUM_BACKEND_SIMULATOR)
    said_s = _real(a, q.QUANTUM_JOB_EXECUTION_DURATION)
    return Execution(
        provider=_text(a, q.QUANTUM_PROVIDER_NAME),
        backend=_text(a, q.QUANTUM_BACKEND_NAME),
        start_ns=node.start_ns,
        duration_s=node.duration_s if said_s is None else said_s,
        failed=node.error,
        queue_s=_real(a, q.QUANTUM_JOB_QUEUE_DURATION),
        shots=shots if isinstance(shots, int) and not isinstance(shots, bool) else None,
        family=_text(a, q.QUANTUM_CIRCUIT_FAMILY),
        cost=_real(a, q.QUANTUM_COST_AMOUNT),
        currency=_text(a, q.QUANTUM_COST_CURRENCY),
        device={True: "simulator", False: "QPU"}.get(simulator, "unknown")
        if isinstance(simulator, bool)
        else "unknown",
        job=_text(a, q.QUANTUM_JOB_ID),
    )


def _text(attributes: dict[str, Value], key: str) -> str:
    found = first_of(attributes, key)
    return found[:_MAX_NAME] if isinstance(found, str) else ""


def _real(attributes: dict[str, Value], key: str) -> float | None:
    """A number that is finite and not negative."""
    found = first_of(attributes, key)
    if isinstance(found, bool) or not isinstance(found, int | float):
        return None
    return float(found) if 0 <= found < 1e12 else None
