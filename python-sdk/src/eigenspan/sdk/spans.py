"""The spans of a hybrid request, from its arrival to its answer: a function for each type of the registry.

What goes through an instrumented library has its transpile, submit, execute and result spans already; those by hand are for what
no library knows of, and below them nothing makes another.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Unpack

from opentelemetry import baggage

from eigenspan.instrument._prices import ledger
from eigenspan.sdk.content import circuit_facts, outcome_facts
from eigenspan.sdk.spanned import Active, Attributes, Spanned, checked, fitted, telemetry
from eigenspan.semconv import arguments as a
from eigenspan.semconv import attributes as q
from eigenspan.semconv import metrics as m
from eigenspan.semconv import spans as s


class Run(Active):
    """A workflow under way."""

    declared = False

    def outcome(self, *, success: bool, degraded: bool = False, confidence: float | None = None) -> None:
        """Declare what came of the run. Costs for a success are divided by the successes declared here."""
        if self.declared:
            return
        self.declared = True
        self.set(outcome_degraded=degraded, result_confidence=confidence)
        name = str(baggage.get_baggage(q.QUANTUM_WORKFLOW_NAME) or "")
        labels = {q.QUANTUM_OUTCOME_DEGRADED: bool(degraded), **_request()}
        telemetry().metrics.derive(m.QUANTUM_OUTCOME_ANSWERS, 1, labels)
        if success:
            ledger.succeed(name)


def workflow(
    name: str,
    *,
    version: str | None = None,
    correlation_id: str | None = None,
    tenant: str | None = None,
    attributes: Mapping[str, Any] | None = None,
    **more: Unpack[a.Workflow],
) -> Spanned:
    """One run of a workflow. What is given here is carried to every span below, in this process and the next."""
    given = {
        "workflow_name": name,
        "workflow_version": version,
        "request_correlation_id": correlation_id,
        "request_tenant": tenant,
    }
    return Spanned(s.WORKFLOW, checked({**more, **given}) | fitted(attributes or {}), carry=True, active=Run)


def stage(kind: s.SpanType, target: str = "", attributes: Attributes | None = None) -> Spanned:
    """A span of any type, such as `spans.POST_PROCESS`, with attributes by their full keys."""
    word = kind.type.rsplit(".", 1)[1].replace("_", " ")
    return Spanned(kind, attributes or {}, name=f"{word} {target}".strip())


def span(kind: s.SpanType, name: str, attributes: Attributes | None = None) -> Spanned:
    """A span of a type under a name of its own."""
    return Spanned(kind, attributes or {}, name=name)


def ingress(**given: Unpack[a.Ingress]) -> Spanned:
    """A request arrives. The middleware makes this one for web frameworks."""
    return Spanned(s.INGRESS, checked(given), carry=True)


def feature_preparation(**given: Unpack[a.FeaturePreparation]) -> Spanned:
    """The input is made ready."""
    return Spanned(s.FEATURE_PREPARATION, checked(given))


def prompt_construction(**given: Unpack[a.PromptConstruction]) -> Spanned:
    """A prompt is made from a template and what was retrieved."""
    return Spanned(s.PROMPT_CONSTRUCTION, checked(given))


def answer_check(**given: Unpack[a.AnswerCheck]) -> Spanned:
    """The answer of a language model is checked; `eigenspan.sdk.llm.check` makes this one with its validators."""
    return Spanned(s.ANSWER_CHECK, checked(given))


def decision(**given: Unpack[a.OrchestratorDecision]) -> Spanned:
    """The orchestrator chooses a route: `route_taken`, `route_alternatives`, `route_objective`, `route_reason`."""
    return Spanned(s.ORCHESTRATOR_DECISION, checked(given))


def backend_selection(**given: Unpack[a.BackendSelection]) -> Spanned:
    """A backend is chosen."""
    return Spanned(s.BACKEND_SELECTION, checked(given))


def circuit_assembly(circuit: Any = None, **given: Unpack[a.CircuitAssembly]) -> Spanned:
    """Circuits are built. `circuit`, or `describe` called on the span with it, gives the counts, whether it is ever run or not.

    As a decorator it describes what the function returns.
    """
    found = circuit_facts(circuit) if circuit is not None else {}
    return Spanned(s.CIRCUIT_ASSEMBLY, found | checked(given), active=Assembly)


class Assembly(Active):
    """A circuit being built."""

    def describe(self, circuit: Any) -> None:
        """Add counts and digest of a circuit of Cirq, Qiskit, Braket or PennyLane."""
        if self.span.is_recording():
            self._operation.set(circuit_facts(circuit))

    def returned(self, value: Any) -> Any:
        """Describe the circuit that a decorated function returns."""
        self.describe(value)
        return value


class Outcome(Active):
    """Results being fetched or worked on."""

    def counts(self, counts: Mapping[Any, int]) -> None:
        """Add what counts by outcome are known by: how many outcomes, a digest; the counts only where they are recorded."""
        if self.span.is_recording():
            self._operation.set(outcome_facts(counts))


def parameter_binding(**given: Unpack[a.ParameterBinding]) -> Spanned:
    """Values take the place of a circuit's parameters."""
    return Spanned(s.PARAMETER_BINDING, checked(given))


def transpile(**given: Unpack[a.Transpile]) -> Spanned:
    """A circuit is made to fit a backend."""
    return Spanned(s.TRANSPILE, checked(given))


def batch(**given: Unpack[a.Batch]) -> Spanned:
    """Several circuits or jobs are run as one."""
    return Spanned(s.BATCH, checked(given))


def submit(**given: Unpack[a.Submit]) -> Spanned:
    """A job is handed to a provider."""
    return Spanned(s.SUBMIT, checked(given))


def queue(**given: Unpack[a.Queue]) -> Spanned:
    """A job waits at the provider."""
    return Spanned(s.QUEUE, checked(given))


def poll(**given: Unpack[a.Poll]) -> Spanned:
    """The provider is asked for the state of a job."""
    return Spanned(s.POLL, checked(given))


def execute(**given: Unpack[a.Execute]) -> Spanned:
    """Circuits run on a backend that no instrumentor knows."""
    return Spanned(s.EXECUTE, checked(given))


def result(**given: Unpack[a.Result]) -> Spanned:
    """Results are waited for, fetched and parsed."""
    return Spanned(s.RESULT, checked(given), active=Outcome)


def post_process(**given: Unpack[a.PostProcess]) -> Spanned:
    """Results become an answer."""
    return Spanned(s.POST_PROCESS, checked(given), active=Outcome)


def mitigation(**given: Unpack[a.Mitigation]) -> Spanned:
    """Errors are mitigated."""
    return Spanned(s.MITIGATION, checked(given))


def business_rule(**given: Unpack[a.BusinessRule]) -> Spanned:
    """The answer is held against a rule; set `rule_passed` when it has been."""
    return Spanned(s.BUSINESS_RULE, checked(given))


def scoring(**given: Unpack[a.Scoring]) -> Spanned:
    """A downstream model scores the answer."""
    return Spanned(s.SCORING, checked(given))


def fallback(**given: Unpack[a.Fallback]) -> Spanned:
    """Another way to the answer is taken; counted by its kind."""
    attributes = {q.QUANTUM_FALLBACK_USED: True, **checked(given)}
    return Spanned(s.FALLBACK, attributes, ended=_count_fallback)


def algorithm(**given: Unpack[a.Algorithm]) -> Spanned:
    """One run of an algorithm."""
    return Spanned(s.ALGORITHM, checked(given))


def layer(**given: Unpack[a.Layer]) -> Spanned:
    """One layer of a layered circuit or its optimisation."""
    return Spanned(s.LAYER, checked(given))


def training(**given: Unpack[a.Training]) -> Spanned:
    """A model is trained."""
    return Spanned(s.TRAINING, checked(given))


def epoch(**given: Unpack[a.Epoch]) -> Spanned:
    """One pass over the training data."""
    return Spanned(s.EPOCH, checked(given))


def _count_fallback(active: Active, _: BaseException | None) -> None:
    kind = active.attributes.get(q.QUANTUM_FALLBACK_KIND)
    labels = _request() | ({q.QUANTUM_FALLBACK_KIND: kind} if kind else {})
    telemetry().metrics.derive(m.QUANTUM_FALLBACK_ANSWERS, 1, labels)


def _request() -> dict[str, str]:
    carried = baggage.get_all()
    return {key: str(carried[key]) for key in (q.QUANTUM_WORKFLOW_NAME, q.QUANTUM_WORKLOAD_CLASS) if key in carried}
