"""Spans by hand: every type, as block and as decorator, and what happens to wrong values."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor
from enum import Enum
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry import baggage
from opentelemetry.instrumentation.utils import suppress_instrumentation
from opentelemetry.trace import get_current_span

from eigenspan.instrument import _prices
from eigenspan.sdk import spanned, spans, workflow
from eigenspan.semconv import spans as s
from eigenspan.semconv.arguments import ARGUMENTS
from eigenspan.semconv.tables import TYPES
from tests.instrument.recording import Recorder
from tests.sdk.circuits import LIBRARIES, bell

BACKEND = {"provider_name": "ionq", "backend_name": "Aria-1"}
CASES: list[tuple[Any, dict[str, Any], str]] = [
    (spans.ingress, {"workflow_name": "w"}, "ingress w"),
    (spans.feature_preparation, {}, "feature preparation"),
    (spans.prompt_construction, {"llm_prompt_template_name": "t"}, "prompt construction"),
    (spans.answer_check, {"llm_validator_name": "v", "llm_validator_passed": True}, "answer check"),
    (spans.decision, {"route_taken": "qpu", "route_alternatives": ("sim",)}, "orchestrator decision"),
    (spans.backend_selection, {"backend_status": "idle"}, "backend selection"),
    (spans.circuit_assembly, {"circuit_name": "ghz"}, "circuit assembly ghz"),
    (spans.circuit_assembly, {}, "circuit assembly"),
    (spans.parameter_binding, {"circuit_parameter_count": 3}, "parameter binding"),
    (spans.transpile, {"transpiler_optimization_level": 2}, "transpile"),
    (spans.batch, {**BACKEND, "circuit_count": 2}, "batch Aria-1"),
    (spans.submit, {**BACKEND, "job_id": "j", "job_shots": 10}, "submit Aria-1"),
    (spans.queue, {**BACKEND, "job_id": "j"}, "queue Aria-1"),
    (spans.poll, {**BACKEND, "job_id": "j"}, "poll Aria-1"),
    (spans.execute, {**BACKEND, "job_shots": 10}, "execute Aria-1"),
    (spans.result, {**BACKEND, "job_id": "j"}, "result Aria-1"),
    (spans.post_process, {"result_size": 2}, "post process"),
    (spans.mitigation, {"mitigation_technique": "zne", "mitigation_helped": True}, "mitigation"),
    (spans.business_rule, {"rule_name": "limit", "rule_passed": True}, "business rule"),
    (spans.scoring, {"training_model_name": "m"}, "scoring"),
    (spans.fallback, {"fallback_kind": "simulator"}, "fallback"),
    (spans.algorithm, {"algorithm_name": "vqe"}, "algorithm vqe"),
    (spans.layer, {"layer_index": 2}, "layer 2"),
    (spans.training, {"training_model_name": "m"}, "training m"),
    (spans.epoch, {"training_epoch_index": 0, "training_epoch_loss": 1}, "epoch"),
]


@pytest.mark.parametrize(("make", "arguments", "name"), CASES, ids=lambda c: getattr(c, "__name__", None))
def test_each_type_has_its_function(recorder: Recorder, make: Any, arguments: dict[str, Any], name: str) -> None:
    with workflow("w", version="1", correlation_id="c"), make(**arguments):
        pass
    span = recorder.spans[0]
    assert span.name == name
    assert span.attributes["quantum.request.correlation_id"] == "c"


def test_every_type_of_the_registry_has_one() -> None:
    from eigenspan.sdk.llm import llm_request

    made = {make.__name__: make(**arguments)._kind.type for make, arguments, _ in CASES}
    by_jobs = {s.JOB.type}
    assert set(made.values()) | by_jobs | {s.WORKFLOW.type, llm_request("m", provider="p")._kind.type} == set(s.SPANS)


def test_a_block_that_fails_is_an_error(recorder: Recorder) -> None:
    with pytest.raises(KeyError), spans.post_process():
        raise KeyError("api_key=abcdefgh")
    assert recorder.tree() == ["post process INTERNAL ! KeyError"]
    assert "abcdefgh" not in recorder.spans[0].to_json()


@spans.scoring(training_model_name="m")
def plain(n: int) -> int:
    """Doc."""
    assert get_current_span().name == "scoring"
    return n + 1


@spans.scoring()
async def coroutine(n: int) -> int:
    await asyncio.sleep(0)
    assert get_current_span().name == "scoring"
    return n + 1


@spans.scoring()
def generator(n: int) -> Iterator[int]:
    for i in range(n):
        assert get_current_span().name == "scoring"
        sent = yield i
        if sent is not None:
            yield sent
    return n


@spans.scoring()
async def stream(n: int) -> AsyncIterator[int]:
    for i in range(n):
        assert get_current_span().name == "scoring"
        yield i


async def collect(n: int) -> list[int]:
    found = []
    async for i in stream(n):
        assert not get_current_span().get_span_context().is_valid
        found.append(i)
    return found


def test_decorated_functions_do_what_they_did(recorder: Recorder) -> None:
    assert (plain.__name__, plain.__doc__) == ("plain", "Doc.")
    assert plain(1) == 2
    assert asyncio.run(coroutine(1)) == 2
    found = []
    for i in generator(2):
        assert not get_current_span().get_span_context().is_valid
        found.append(i)
    assert found == [0, 1]
    assert asyncio.run(collect(2)) == [0, 1]
    assert recorder.tree() == ["scoring INTERNAL"] * 4


def test_a_generator_can_be_sent_to_thrown_into_and_closed(recorder: Recorder) -> None:
    one = generator(2)
    assert (next(one), one.send(7), next(one)) == (0, 7, 1)
    with pytest.raises(StopIteration) as stop:
        next(one)
    assert stop.value.value == 2
    two = generator(2)
    next(two)
    with pytest.raises(LookupError):
        two.throw(LookupError("x"))
    three = generator(2)
    next(three)
    three.close()
    assert sorted(recorder.tree()) == ["scoring INTERNAL", "scoring INTERNAL", "scoring INTERNAL ! LookupError"]


def test_threads_have_spans_of_their_own(recorder: Recorder) -> None:
    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(plain, range(20))) == list(range(1, 21))
    assert len(recorder.spans) == 20


def test_tasks_run_together_do_not_mix(recorder: Recorder) -> None:
    async def one(name: str) -> None:
        with spans.algorithm(algorithm_name=name):
            await asyncio.sleep(0.001)
            with spans.layer(layer_index=0):
                await asyncio.sleep(0.001)

    async def main() -> None:
        await asyncio.gather(*(one(str(n)) for n in range(5)))

    asyncio.run(main())
    parents = {span.context.span_id for span in recorder.spans if span.name.startswith("algorithm")}
    assert {span.parent.span_id for span in recorder.spans if span.name == "layer 0"} == parents


def test_an_instrumented_library_below_a_span_by_hand_makes_none(recorder: Recorder) -> None:
    cirq = pytest.importorskip("cirq")
    from eigenspan.instrument.cirq import CirqInstrumentor

    circuit = cirq.Circuit(cirq.measure(cirq.LineQubit(0), key="m"))
    CirqInstrumentor().instrument(tracer_provider=recorder.tracer_provider, meter_provider=recorder.meter_provider)
    try:
        with spans.execute(provider_name="own", backend_name="b", job_shots=2):
            cirq.Simulator().run(circuit, repetitions=2)
    finally:
        CirqInstrumentor().uninstrument()
    assert recorder.tree() == ["execute b INTERNAL"]
    assert recorder.executions() == {("b", True): 1}
    with suppress_instrumentation(), spans.execute(provider_name="own", backend_name="b"):
        pass
    assert len(recorder.spans) == 1


@pytest.mark.parametrize("library", LIBRARIES)
def test_an_assembly_counts_any_librarys_circuit(recorder: Recorder, library: str) -> None:
    circuit = bell(library)
    with spans.circuit_assembly() as assembly:
        assembly.describe(circuit)
    counts = {key.rsplit(".", 1)[1]: n for key, n in recorder.spans[0].attributes.items() if key.endswith("_count")}
    assert counts == {
        "qubit_count": 2,
        "gate_count": 2,
        "two_qubit_gate_count": 1,
        "measurement_count": 2,
        "parameter_count": 0,
    }


def test_wrong_values_are_said_once_and_left_out(recorder: Recorder, caplog: pytest.LogCaptureFixture) -> None:
    spanned._said.clear()
    with caplog.at_level(logging.WARNING):
        for _ in range(3):
            with spans.post_process(result_size="four", nonsense=1) as span:  # type: ignore[typeddict-item, typeddict-unknown-key]
                span.set(result_confidence="high")
                span.set_attribute("quantum.result.fidelity", None)
    assert not [key for key in recorder.spans[0].attributes if key != "otel.span.type"]
    assert [record.message.split(" ")[0] for record in caplog.records] == [
        "quantum.result.size", "'nonsense'", "quantum.result.confidence", "quantum.result.fidelity",
    ]  # fmt: skip


class Route(Enum):
    QPU = "qpu"


def test_values_of_kindred_types_are_taken() -> None:
    numpy = pytest.importorskip("numpy")
    taken = spanned.checked(
        {"route_taken": Route.QPU, "job_shots": numpy.int64(5), "result_confidence": 1, "route_alternatives": ("a",)}
    )
    assert list(taken.values()) == ["qpu", 5, 1.0, ["a"]]
    assert [type(value) for value in taken.values()] == [str, int, float, list]


PYTHON = {"string": str, "int": int, "double": float, "boolean": bool, "string[]": list}


@given(
    st.sampled_from(sorted(ARGUMENTS)),
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(), st.binary(), st.lists(st.text()), st.dictionaries(st.text(), st.text())),
)  # fmt: skip
def test_whatever_is_given_what_is_recorded_has_its_type(word: str, value: Any) -> None:
    for key, taken in spanned.checked({word: value}).items():
        assert type(taken) is PYTHON[TYPES.get(key, "string")]


def test_the_request_is_carried_down_and_not_up(recorder: Recorder) -> None:
    with workflow("w", version="2", correlation_id="c", workload_class="batch", tenant="t"):
        assert baggage.get_baggage("quantum.request.tenant") == "t"
        with spans.scoring():
            pass
    assert baggage.get_all() == {}
    scoring, _ = recorder.spans
    for key, value in {
        "request.correlation_id": "c",
        "request.tenant": "t",
        "workload.class": "batch",
        "workflow.name": "w",
    }.items():
        assert scoring.attributes[f"quantum.{key}"] == value


def test_the_outcome_is_what_the_workflow_declares(recorder: Recorder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spans, "ledger", ledger := _prices.Ledger())
    ledger.spend("w", _prices.Cost("USD", {"shot": 3.0}))
    for success in (False, True):
        with workflow("w", version="2") as run:
            run.outcome(success=success, degraded=not success, confidence=0.5)
            run.outcome(success=True)
    assert ledger.per_success("w", "USD") == 3.0
    assert recorder.points("quantum.outcome.answers", "quantum.outcome.degraded", "quantum.workflow.name") == {
        (True, "w"): 1, (False, "w"): 1,
    }  # fmt: skip
    assert recorder.spans[0].attributes["quantum.result.confidence"] == 0.5


def test_stages_and_fallbacks_of_a_workflow_are_measured(recorder: Recorder) -> None:
    with spans.post_process():
        pass
    with workflow("w", version="2", workload_class="batch"):
        with spans.post_process(), spans.fallback(fallback_kind="simulator"):
            pass
        with pytest.raises(OSError, match="x"), spans.decision(route_taken="qpu"):
            raise OSError("x")
    stages = recorder.points("quantum.stage.requests", "quantum.stage.name", "quantum.workload.class", "error.type")
    assert stages == {
        ("post_process", "batch", None): 1,
        ("fallback", "batch", None): 1,
        ("decision", "batch", "OSError"): 1,
    }
    assert recorder.points("quantum.fallback.answers", "quantum.fallback.kind", "quantum.workflow.name") == {
        ("simulator", "w"): 1
    }


@pytest.mark.parametrize("library", LIBRARIES)
def test_a_function_that_makes_a_circuit_describes_it(recorder: Recorder, library: str) -> None:
    @spans.circuit_assembly(circuit_name="bell")
    def make() -> Any:
        return bell(library)

    @spans.circuit_assembly()
    async def make_later() -> Any:
        return bell(library)

    asyncio.run(make_later())
    make()
    for span in recorder.spans:
        assert span.attributes["quantum.circuit.two_qubit_gate_count"] == 1
        assert span.attributes["quantum.circuit.hash"].startswith("sha256:")
