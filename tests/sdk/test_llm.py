"""Requests to language models: hashes and not prompts, validators, evaluations."""

from __future__ import annotations

import json
from itertools import cycle
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eigenspan.instrument import _privacy
from eigenspan.sdk import llm, spans, workflow
from tests.instrument.recording import Recorder

PROMPT = "the patient's name is Ada"


@pytest.fixture(autouse=True)
def _private():
    _privacy.allow(())
    yield
    _privacy.allow(None)


def ask(prompt: str = PROMPT) -> None:
    with llm.llm_request(
        "small-1", provider="example", prompt=prompt, template="t", template_version="3", temperature=0.0
    ) as request:
        request.answered("yes", input_tokens=8, output_tokens=1, model="small-1-2026", finish_reason="stop")


def test_a_request_records_the_hash_and_never_the_prompt(recorder: Recorder) -> None:
    ask()
    ask()
    ask("another")
    assert recorder.tree() == ["chat small-1 CLIENT"] * 3
    hashes = [span.attributes["quantum.llm.prompt_hash"] for span in recorder.spans]
    assert hashes[0] == hashes[1] != hashes[2]
    assert "Ada" not in "".join(span.to_json() for span in recorder.spans)
    assert recorder.spans[0].attributes["gen_ai.usage.input_tokens"] == 8
    assert recorder.points("gen_ai.client.token.usage", "gen_ai.token.type") == {("input",): 3, ("output",): 3}


def test_prompts_are_recorded_when_asked_for(recorder: Recorder) -> None:
    _privacy.allow(["prompts"])
    ask()
    (span,) = recorder.spans
    assert "Ada" in span.attributes["gen_ai.input.messages"]
    with pytest.raises(ValueError, match="valid are circuits, counts, prompts"):
        _privacy.allow(["everything"])
    recorder.exporter.clear()  # the validator rightly says that content is recorded


SCHEMA = {
    "type": "object",
    "required": ["route"],
    "additionalProperties": False,
    "properties": {
        "route": {"enum": ["qpu", "simulator"]},
        "shots": {"type": "integer", "minimum": 1, "maximum": 100},
        "notes": {"type": "array", "items": {"type": "string"}},
    },
}
ANSWERS = [
    ('{"route": "qpu"}', ""),
    ('{"route": "qpu", "shots": 5.0, "notes": ["a"]}', ""),
    ("qpu", "the answer is not JSON"),
    ("[]", "the answer is not of type object"),
    ("{}", "the answer has no 'route'"),
    ('{"route": "secret"}', "'route' is not one of the 2 values allowed"),
    ('{"route": "qpu", "shots": 0}', "'shots' is below 1"),
    ('{"route": "qpu", "shots": 101}', "'shots' is above 100"),
    ('{"route": "qpu", "shots": true}', "'shots' is not of type integer"),
    ('{"route": "qpu", "notes": ["a", 1]}', "item 1 of 'notes' is not of type string"),
    ('{"route": "qpu", "why": 1}', "the answer has a key that the schema does not have"),
]


@pytest.mark.parametrize(("answer", "problem"), ANSWERS)
def test_a_schema_says_where_an_answer_departs_from_it(answer: str, problem: str) -> None:
    assert llm.JsonSchema(SCHEMA)(answer) == problem


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-200, 200)
    | st.floats(allow_nan=False)
    | st.sampled_from(["qpu", "simulator", "x"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["route", "shots", "notes", "why"]), inner, max_size=4)
    ),
    max_leaves=8,
)


@given(JSON)
def test_the_schema_check_agrees_with_jsonschema(value: Any) -> None:
    jsonschema = pytest.importorskip("jsonschema")
    assert (llm.JsonSchema(SCHEMA)(json.dumps(value)) == "") == jsonschema.Draft202012Validator(SCHEMA).is_valid(value)


@pytest.mark.parametrize("schema", [{"pattern": "a"}, {"type": "text"}, {"properties": {"a": {"oneOf": []}}}])
def test_a_schema_that_is_not_understood_is_refused(schema: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"not understood|not one of"):
        llm.JsonSchema(schema)


class Broken:
    name = "broken"

    def __call__(self, answer: str) -> str:
        raise RuntimeError(answer)


def test_checks_are_spans_and_are_counted(recorder: Recorder) -> None:
    verdicts = llm.check("{}", llm.JsonSchema(SCHEMA), Broken(), llm.RepeatConsistency(lambda: "{ }"))
    assert [verdict.passed for verdict in verdicts] == [False, False, True]
    assert recorder.tree() == ["answer check INTERNAL"] * 3
    assert recorder.points("quantum.llm.validations", "quantum.llm.validator.name", "quantum.llm.validator.passed") == {
        ("json-schema", False): 1, ("broken", False): 1, ("repeat-consistency", True): 1,
    }  # fmt: skip


def test_repeated_answers_are_compared(recorder: Recorder) -> None:
    answers = cycle(["Yes.", "no"])
    with workflow("w", version="1"):
        (verdict,) = llm.check("yes.", llm.RepeatConsistency(lambda: next(answers), repeats=3, threshold=0.8))
    assert verdict.problem == "3 of 4 answers agree"
    assert recorder.points("quantum.llm.consistency", "quantum.workflow.name") == {("w",): 0.75}


@given(st.lists(st.sampled_from(["a", " A", "b", "{}", "{ }"]), min_size=1))
def test_consistency_is_the_share_of_the_most_frequent_answer(answers: list[str]) -> None:
    score = llm.consistency(answers)
    assert 1 / len(answers) <= score <= 1
    assert (score == 1) == (len({answer.split()[0].casefold()[0] for answer in answers}) == 1)


def test_the_hallucination_rate_is_of_recorded_evaluations(recorder: Recorder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(llm, "_judged", llm._Judged())
    with workflow("w", version="1"), spans.post_process():
        llm.check("made up", llm.JsonSchema(SCHEMA))
        for score in (0, 1, 0, 0):
            llm.evaluated("hallucination", score, label="judge", explanation="because " + PROMPT)
    assert recorder.points("quantum.llm.hallucination_rate", "quantum.workflow.name") == {("w",): 0.25}
    events = recorder.named("post process")[0].events
    assert [event.attributes["quantum.evaluation.score"] for event in events] == [0, 1, 0, 0]
    assert "Ada" not in str([dict(event.attributes) for event in events])
