"""Requests to language models, checks of their answers, and evaluations.

    with llm_request("small-1", provider="example", prompt=text, temperature=0.0) as request:
        answer = model(text)
        request.answered(answer, input_tokens=812, output_tokens=40)
    verdicts = check(answer, JsonSchema({"type": "object", "required": ["route"]}))

A validator is anything with a `name` that is called with the answer and says what is wrong with it, "" if nothing is. Whether an
answer is made up is nothing that a program can see: the hallucination rate comes from recorded evaluations alone.
"""

from __future__ import annotations

import json
import threading
import time
from collections import Counter, OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from opentelemetry import baggage, trace

from eigenspan.instrument._privacy import allowed, digest, scrub
from eigenspan.instrument._telemetry import Operation, error_type
from eigenspan.sdk.spanned import Active, Spanned, checked, fitted, fitting, telemetry
from eigenspan.semconv import attributes as q
from eigenspan.semconv import metrics as m
from eigenspan.semconv import spans as s
from eigenspan.semconv.events import QUANTUM_EVALUATION_RESULT

WORKFLOW_LIMIT = 1000
_LABELS = ("gen_ai.operation.name", "gen_ai.provider.name", "gen_ai.request.model")
DURATION = m.Metric(
    "gen_ai.client.operation.duration", "histogram", "s", "How long an operation of a GenAI client took.",
    (*_LABELS, "error.type"), (0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56, 5.12, 10.24, 20.48, 40.96, 81.92),
)  # fmt: skip
TOKENS = m.Metric(
    "gen_ai.client.token.usage", "histogram", "{token}", "How many tokens were used.",
    (*_LABELS, "gen_ai.token.type"), tuple(float(4**n) for n in range(14)),
)  # fmt: skip
"""The two metrics of the GenAI conventions, with their buckets."""
_PREFIX = "gen_ai.request."


class LlmRequest(Active):
    """A request to a language model under way."""

    def __init__(self, operation: Operation, kind: s.SpanType) -> None:
        super().__init__(operation, kind)
        self.begun = time.perf_counter()

    def answered(
        self,
        answer: str | None = None,
        *,
        input_tokens: int | None = None,
        output_tokens: int | None = None,
        model: str | None = None,
        finish_reason: str | None = None,
    ) -> None:
        """What came back. The answer itself is recorded only if prompts are."""
        given = {
            "gen_ai.usage.input_tokens": input_tokens,
            "gen_ai.usage.output_tokens": output_tokens,
            "gen_ai.response.model": model,
            "gen_ai.response.finish_reasons": [finish_reason] if finish_reason else None,
        }
        if answer is not None and allowed("prompts"):
            given["gen_ai.output.messages"] = _message("assistant", answer)
        self.set_attributes({key: value for key, value in given.items() if value is not None})


def llm_request(
    model: str,
    *,
    provider: str,
    operation: str = "chat",
    prompt: object = None,
    template: str | None = None,
    template_version: str | None = None,
    model_version: str | None = None,
    **decoding: float | str | bool | Sequence[str],
) -> Spanned:
    """A language model is asked. `prompt` is a text, or messages as JSON has them.

    `decoding` are GenAI's parameters: temperature, top_p, max_tokens, seed and so on.
    """
    attributes = {
        **fitted({_PREFIX + name: value for name, value in decoding.items() if value is not None}),
        **fitted({"gen_ai.operation.name": operation, "gen_ai.request.model": model, "gen_ai.provider.name": provider}),
        **checked(
            {
                "llm_prompt_template_name": template,
                "llm_prompt_template_version": template_version,
                "llm_model_version": model_version,
                "llm_prompt_hash": None if prompt is None else digest(prompt),
            }
        ),
    }
    if prompt is not None and allowed("prompts"):
        attributes["gen_ai.input.messages"] = _message("user", prompt)
    return Spanned(s.LLM, attributes, active=LlmRequest, ended=_measure)


def _measure(request: Active, error: BaseException | None) -> None:
    """The metrics that the GenAI conventions have for a request."""
    assert isinstance(request, LlmRequest)
    given = request.attributes
    labels = {**given, **({"error.type": error_type(error)} if error is not None else {})}
    telemetry().metrics.derive(DURATION, time.perf_counter() - request.begun, labels)
    for kind in ("input", "output"):
        if (count := given.get(f"gen_ai.usage.{kind}_tokens")) is not None:
            telemetry().metrics.derive(TOKENS, count, {**labels, "gen_ai.token.type": kind})


class Validator(Protocol):
    """A check of an answer."""

    @property
    def name(self) -> str:
        """The name under which the check is recorded."""

    def __call__(self, answer: str) -> str:
        """What is wrong with the answer; "" if nothing is."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a validator said."""

    validator: str
    problem: str

    @property
    def passed(self) -> bool:
        """Whether nothing is wrong."""
        return not self.problem


def check(answer: str, *validators: Validator) -> list[Verdict]:
    """Hold an answer against validators, each in a span and counted. A validator that raises has not passed."""
    return [_check(answer, validator) for validator in validators]


def _check(answer: str, validator: Validator) -> Verdict:
    name = str(getattr(validator, "name", None) or getattr(validator, "__name__", type(validator).__name__))
    with Spanned(s.ANSWER_CHECK, checked({"llm_validator_name": name})) as span:
        try:
            problem = validator(answer)
        except Exception as error:  # noqa: BLE001 - validators are plugged in, and an answer that breaks one is a bad answer
            problem = f"{type(error).__name__} in the validator"
        span.set(llm_validator_passed=not problem)
        labels = {q.QUANTUM_LLM_VALIDATOR_NAME: name, q.QUANTUM_LLM_VALIDATOR_PASSED: not problem}
        telemetry().metrics.derive(m.QUANTUM_LLM_VALIDATIONS, 1, labels)
    return Verdict(name, problem or "")


@dataclass(frozen=True, slots=True)
class JsonSchema:
    """The answer is JSON of this shape.

    Of JSON Schema these words are understood: type, required, properties, additionalProperties (false), items, enum, minimum,
    maximum. Raises ValueError for a schema with others, so that nothing is thought to be checked that is not.
    """

    schema: dict[str, Any]
    name: str = "json-schema"

    def __post_init__(self) -> None:
        _understood(self.schema)

    def __call__(self, answer: str) -> str:
        """Where the answer departs from the schema."""
        try:
            value = json.loads(answer)
        except ValueError:
            return "the answer is not JSON"
        return _mismatch(value, self.schema, "the answer")


_WORDS = frozenset({"type", "required", "properties", "additionalProperties", "items", "enum", "minimum", "maximum"})
_TYPES: dict[str, Callable[[Any], bool]] = {
    "object": lambda v: isinstance(v, dict),
    "array": lambda v: isinstance(v, list),
    "string": lambda v: isinstance(v, str),
    "boolean": lambda v: isinstance(v, bool),
    "null": lambda v: v is None,
    "number": lambda v: isinstance(v, int | float) and not isinstance(v, bool),
    "integer": lambda v: (isinstance(v, int) and not isinstance(v, bool)) or (isinstance(v, float) and v.is_integer()),
}


def _understood(schema: dict[str, Any]) -> None:
    if unknown := sorted(schema.keys() - _WORDS):
        raise ValueError(f"{unknown[0]!r} of JSON Schema is not understood here; valid are {', '.join(sorted(_WORDS))}")
    if (kind := schema.get("type")) is not None and kind not in _TYPES:
        raise ValueError(f"type {kind!r} is not one of {', '.join(_TYPES)}")
    for inner in [*schema.get("properties", {}).values(), *([schema["items"]] if "items" in schema else [])]:
        _understood(inner)


def _mismatch(value: Any, schema: dict[str, Any], where: str) -> str:
    """The first departure from the schema, in words that do not repeat the value."""
    if "type" in schema and not _TYPES[schema["type"]](value):
        return f"{where} is not of type {schema['type']}"
    if "enum" in schema and value not in schema["enum"]:
        return f"{where} is not one of the {len(schema['enum'])} values allowed"
    if _TYPES["number"](value):
        if value < schema.get("minimum", value):
            return f"{where} is below {schema['minimum']}"
        if value > schema.get("maximum", value):
            return f"{where} is above {schema['maximum']}"
    found = ""
    if isinstance(value, dict):
        properties = schema.get("properties", {})
        missing = next((key for key in schema.get("required", ()) if key not in value), None)
        if missing is not None:
            return f"{where} has no {missing!r}"
        if schema.get("additionalProperties") is False and value.keys() - properties.keys():
            return f"{where} has a key that the schema does not have"
        parts = (_mismatch(value[key], inner, f"{key!r}") for key, inner in properties.items() if key in value)
        found = next((part for part in parts if part), "")
    elif isinstance(value, list) and "items" in schema:
        parts = (_mismatch(item, schema["items"], f"item {n} of {where}") for n, item in enumerate(value))
        found = next((part for part in parts if part), "")
    return found


@dataclass(frozen=True, slots=True)
class RepeatConsistency:
    """The same request, asked again, gives the same answer: the share of the most frequent answer is at least `threshold`.

    `ask` gives a further answer; it is called `repeats` times. JSON answers are equal if their values are, others if their words are.
    """

    ask: Callable[[], str]
    repeats: int = 2
    threshold: float = 1.0
    name: str = "repeat-consistency"

    def __call__(self, answer: str) -> str:
        """How many answers agree, where that is too few."""
        answers = [answer, *(self.ask() for _ in range(self.repeats))]
        score = consistency(answers)
        labels = _workflow()
        telemetry().metrics.record(m.QUANTUM_LLM_CONSISTENCY, score, labels)
        evaluated("consistency", score, label="pass" if score >= self.threshold else "fail")
        return "" if score >= self.threshold else f"{round(score * len(answers))} of {len(answers)} answers agree"


def consistency(answers: Sequence[str]) -> float:
    """The share of the most frequent answer, from 0 to 1. Raises ValueError without answers."""
    if not answers:
        raise ValueError("there is no answer to compare")
    return max(Counter(_normal(answer) for answer in answers).values()) / len(answers)


def _normal(answer: str) -> str:
    try:
        return json.dumps(json.loads(answer), sort_keys=True)
    except (ValueError, RecursionError):
        return " ".join(answer.split()).casefold()


def evaluated(name: str, score: float, *, label: str = "", explanation: str = "") -> None:
    """Record an evaluation of the answer at hand, by whoever judged it. The explanation is content: only recorded if prompts are.

    Evaluations named `hallucination` give the workflow's hallucination rate: the share of those with a score of 0.5 or more.
    """
    if (score := fitting(q.QUANTUM_EVALUATION_SCORE, score)) is None:
        return
    labels = _workflow()
    event = {q.QUANTUM_EVALUATION_NAME: name, q.QUANTUM_EVALUATION_SCORE: score, **labels}
    if label:
        event[q.QUANTUM_EVALUATION_LABEL] = label
    if explanation and allowed("prompts"):
        event[q.QUANTUM_EVALUATION_EXPLANATION] = explanation
    trace.get_current_span().add_event(QUANTUM_EVALUATION_RESULT, scrub(fitted(event)))
    if name == "hallucination":
        rate = _judged.add(labels.get(q.QUANTUM_WORKFLOW_NAME, ""), score >= 0.5)
        telemetry().metrics.record(m.QUANTUM_LLM_HALLUCINATION_RATE, rate, labels)


class _Judged:
    """How many answers were evaluated and how many of them were made up, for the workflows last seen."""

    def __init__(self) -> None:
        self._counts: OrderedDict[str, tuple[int, int]] = OrderedDict()
        self._lock = threading.Lock()

    def add(self, workflow: str, made_up: bool) -> float:
        with self._lock:
            bad, every = self._counts.pop(workflow, (0, 0))
            self._counts[workflow] = (bad + made_up, every + 1)
            if len(self._counts) > WORKFLOW_LIMIT:
                self._counts.popitem(last=False)
            return (bad + made_up) / (every + 1)


_judged = _Judged()


def _workflow() -> dict[str, Any]:
    name = baggage.get_baggage(q.QUANTUM_WORKFLOW_NAME)
    return {} if name is None else {q.QUANTUM_WORKFLOW_NAME: str(name)}


def _message(role: str, content: object) -> str:
    return json.dumps([{"role": role, "parts": [{"type": "text", "content": content}]}], default=str)
