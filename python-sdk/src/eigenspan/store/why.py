"""Where a request failed: five questions to the spans of its trace, the first "no" names the fault domain."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass

from eigenspan.semconv import attributes as q
from eigenspan.semconv import tables
from eigenspan.semconv.spans import SPAN_TYPE
from eigenspan.store.tree import Node, first_of

_FAILED = frozenset(status.lower() for status in tables.FAILED_JOB_STATUSES)
_STEPS = (
    ("arrived", "caller", "ingress", ""),
    ("compiled", "compiler", "transpile", "transpile"),
    ("accepted", "provider's service", "submit", "submit"),
    ("executed", "backend", "execute", "execute"),
    ("post-processed", "classical code", "post_process", "result"),
)
"""(question, fault domain, end of the span type, operation name)."""
_KINDS = {"job": "execute", "queue": "execute", "poll": "execute", "result": "post_process", "scoring": "post_process",
          "answer_check": "post_process", "mitigation": "post_process", "circuit_assembly": "transpile",
          "parameter_binding": "transpile", "workflow": "", "ingress": "ingress"}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Answer:
    """`answer`: yes, no or unknown. `span_id`: the evidence."""

    question: str
    answer: str
    span_id: str | None = None
    evidence: str = ""


@dataclass(frozen=True, slots=True)
class Why:
    """`domain`: who is at fault; None where nothing failed; "application" where no step explains the failure."""

    answers: tuple[Answer, ...]
    domain: str | None

    def to_dict(self) -> dict[str, object]:
        """As JSON shows it."""
        return asdict(self)


def why(nodes: Sequence[Node]) -> Why:
    """The answers for a trace. A step without a span happened if a later one has: unknown otherwise."""
    by_step: dict[str, list[Node]] = {step: [] for _, _, step, _ in _STEPS}
    for node in nodes:
        if (step := _step(node)) in by_step:
            by_step[step].append(node)
    failed_nodes = [n for n in nodes if n.error]
    answers: list[Answer] = []
    domain = None
    for number, (question, blamed, step, _) in enumerate(_STEPS):
        spans = by_step[step]
        failed = [n for n in spans if n.error]
        later = any(by_step[other] for _, _, other, _ in _STEPS[number + 1 :])
        if failed and len(failed) == len(spans):
            answers.append(Answer(question, "no", failed[0].span_id, _evidence(failed[0])))
            domain = domain or blamed
        elif spans:
            done = next(n for n in spans if not n.error)
            answers.append(Answer(question, "yes", done.span_id, done.name + (" (after a retry)" if failed else "")))
        elif step == "ingress" and nodes:
            answers.append(Answer(question, "yes", nodes[0].span_id, nodes[0].name))
        else:
            answers.append(
                Answer(question, "yes" if later else "unknown", None, "a later step ran" if later else "no span of it")
            )
    return Why(tuple(answers), domain or ("application" if failed_nodes else None))


def _step(node: Node) -> str:
    kind = str(node.attributes.get(SPAN_TYPE, "")).rpartition(".")[2]
    if kind:
        return _KINDS.get(kind, kind)
    operation = first_of(node.attributes, q.QUANTUM_OPERATION_NAME)
    return next((step for _, _, step, name in _STEPS if name and name == operation), "")


def _evidence(node: Node) -> str:
    status = first_of(node.attributes, q.QUANTUM_JOB_STATUS)
    said = [node.status_message, *(str(node.attributes[key]) for key in tables.ERROR_KEYS if node.attributes.get(key))]
    said += [f"job {status}"] if isinstance(status, str) and status.lower() in _FAILED else []
    return f"{node.name}: {next((text for text in said if text), 'failed')}"
