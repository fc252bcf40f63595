"""Names of vendors and of older versions become the registry's; nothing is lost, and what is unclear stays."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.proto.trace.v1.trace_pb2 import Span, TracesData

from eigenspan.schema.normalise import RULES, normalise, normalise_span
from eigenspan.schema.read_proto import value_of
from eigenspan.semconv import tables
from tests.cases.validate import put_key


def made(**attributes: Any) -> Span:
    span = Span(name="x")
    for key, value in attributes.items():
        put_key(span, key, value)
    return span


def values(span: Span) -> dict[str, Any]:
    return {a.key: value_of(a.value) for a in span.attributes}


CASES: list[tuple[dict[str, Any], dict[str, Any]]] = [
    ({"quantum.device": "ibm_fez", "quantum.shots": 100}, {"quantum.backend.name": "ibm_fez", "quantum.job.shots": 100}),
    ({"quantumTaskArn": "arn:aws:braket:us-east-1:0:quantum-task/1", "deviceArn": "arn:aws:braket:::device/qpu/ionq/Aria-1",
      "numSuccessfulShots": "99"},
     {"quantum.job.id": "arn:aws:braket:us-east-1:0:quantum-task/1", "quantum.backend.name": "Aria-1",
      "quantum.job.successful_shots": 99}),
    ({"oqtopus.job_id": "j", "oqtopus.status": "SUCCEEDED", "oqtopus.shots": 10.0},
     {"quantum.job.id": "j", "quantum.job.status": "completed", "quantum.job.shots": 10}),
    ({"job.backend.name": "ibm_fez", "job.id": "j", "job.wait_time": 3, "job.queue_position": 4},
     {"quantum.backend.name": "ibm_fez", "quantum.job.id": "j", "quantum.job.queue.duration": 3.0, "quantum.job.queue.position": 4}),
    ({"ibm.backend": "ibm_fez", "usage.quantum_seconds": 2, "bss.seconds": 3, "num_qubits": [5, 7]},
     {"quantum.backend.name": "ibm_fez", "quantum.usage.qpu.duration": 2.0, "quantum.usage.billed.duration": 3.0,
      "quantum.circuit.qubit_count": 7}),
    ({"quantum.job.queue_time_ms": 1500}, {"quantum.job.queue.duration": 1.5}),
    ({"simulator_flag": "true"}, {"quantum.backend.simulator": True}),
    ({"quantum.job.status": "DONE"}, {"quantum.job.status": "completed"}),
    ({"quantum.job.status": "ready", "quantum.provider.name": "iqm"},
     {"quantum.job.status": "completed", "quantum.provider.name": "iqm"}),
    # the registry's name wins, and the other stays
    ({"quantum.shots": 5, "quantum.job.shots": 7}, {"quantum.shots": 5, "quantum.job.shots": 7}),
    # the better of two old names wins
    ({"shot_count": 5, "quantum.shots": 7}, {"shot_count": 5, "quantum.job.shots": 7}),
    # what cannot be converted stays
    ({"shot_count": "many"}, {"shot_count": "many"}),
    ({"shot_count": True}, {"shot_count": True}),
    # names that others use for other things
    ({"job.id": "cron-1", "job.status": "done"}, {"job.id": "cron-1", "job.status": "done"}),
    ({"job.id": "j", "quantum.workflow.name": "w"}, {"quantum.job.id": "j", "quantum.workflow.name": "w"}),
    ({"http.route": "/"}, {"http.route": "/"}),
]  # fmt: skip


@pytest.mark.parametrize(("before", "after"), CASES)
def test_spans(before: dict[str, Any], after: dict[str, Any]) -> None:
    span = made(**before)
    normalise_span(span)
    assert values(span) == after
    again = Span()
    again.CopyFrom(span)
    normalise_span(again)
    assert values(again) == after, "a second time changes nothing"


def test_the_original_is_kept_when_asked_for() -> None:
    span = made(**{"quantum.device": "ibm_fez"})
    assert normalise_span(span, keep_original=True)
    assert values(span) == {"quantum.device": "ibm_fez", "quantum.backend.name": "ibm_fez"}


def test_a_message_is_counted() -> None:
    data = TracesData()
    spans = data.resource_spans.add().scope_spans.add().spans
    spans.extend([made(**{"quantum.shots": 1}), made(shot_count="x"), made(**{"quantum.job.status": "DONE"})])
    assert normalise(data) == {"normalised": 1, "not_convertible": 1, "status": 1}


def test_rules_lead_to_current_attributes() -> None:
    assert all(rule.to in tables.TYPES for rule in RULES.values())
    assert not set(RULES) & set(tables.TYPES)


@given(
    st.dictionaries(
        st.sampled_from(sorted(RULES)), st.one_of(st.text(max_size=5), st.integers(-5, 5), st.floats(), st.booleans())
    )
)
def test_no_value_is_lost(attributes: dict[str, Any]) -> None:
    span = made(**attributes)
    normalise_span(span)
    assert len(span.attributes) == len(attributes)


@pytest.mark.parametrize(
    ("name", "type_"),
    [("quantum.job.enqueue", "quantum.producer.submit"), ("quantum_circuit_bell", "quantum.internal.execute"),
     ("layer_3_optimization", "quantum.internal.layer"), ("training_epoch_12", "quantum.internal.epoch")],
)  # fmt: skip
def test_names_of_spans_from_the_field_state_their_type(name: str, type_: str) -> None:
    span = Span(name=name)
    assert normalise_span(span)
    assert values(span) == {"otel.span.type": type_}
    assert not normalise_span(span)


def test_every_name_of_a_span_from_the_field_is_understood() -> None:
    found = ["ingress.request", "llm.request", "orchestrator.decision", "quantum.job.enqueue", "quantum.job.compile",
             "quantum.job.execute", "postprocess.aggregation", "quantum_circuit_x", "quantum_algorithm_x", "quantum_training_x",
             "problem_encoding", "layer_0_optimization", "training_epoch_1"]  # fmt: skip
    assert [name for name in found if not normalise_span(Span(name=name))] == []
