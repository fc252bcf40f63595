"""What a span's attributes say about the circuit that ran."""

from __future__ import annotations

import pytest
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from eigenspan.calibration.estimators import Operation, Usage
from eigenspan.collector.circuit import read_usage
from eigenspan.semconv import attributes as q
from tests.collector.building import request, spans_in

OPERATIONS, QUBITS = q.QUANTUM_CIRCUIT_OPERATIONS, q.QUANTUM_CIRCUIT_PHYSICAL_QUBITS
GATES, TWO, MEASUREMENTS = (
    q.QUANTUM_CIRCUIT_GATE_COUNT,
    q.QUANTUM_CIRCUIT_TWO_QUBIT_GATE_COUNT,
    q.QUANTUM_CIRCUIT_MEASUREMENT_COUNT,
)
CASES = {
    "nothing": ({}, None),
    "other attributes": ({"a": 1}, None),
    "gates and measurements": (
        {OPERATIONS: ["cz:0,1:3", "measure:0:1", "measure:1:1"], QUBITS: ["0", "1"]},
        Usage(operations=(Operation("cz", ("0", "1"), 3),), qubits=("0", "1"), measured=("0", "1")),
    ),
    "sites with underscores": ({OPERATIONS: ["syc:4_1,4_2:2"]}, Usage(operations=(Operation("syc", ("4_1", "4_2"), 2),))),
    "counts": (
        {GATES: 10, TWO: 4, MEASUREMENTS: 2}, Usage(one_qubit_gates=6, two_qubit_gates=4, measurements=2),
    ),
    "counts that cannot be": ({GATES: 3, TWO: 4}, Usage(two_qubit_gates=4)),
    "only the total": ({GATES: 3}, None),
    "unreadable operations": ({OPERATIONS: ["cz", "cz:0,1", ":0:1", "cz::1", "cz:0:x", "cz:0:-1"]}, None),
    "one among them": ({OPERATIONS: ["", "x:0:1"]}, Usage(operations=(Operation("x", ("0",), 1),))),
    "operations as a string": ({OPERATIONS: "cz:0,1:3"}, None),
    "counts as strings": ({TWO: "4", MEASUREMENTS: 2.0}, None),
    "one circuit": ({TWO: 4, q.QUANTUM_CIRCUIT_COUNT: 1}, Usage(two_qubit_gates=4)),
    "its schedule": ({TWO: 4, q.QUANTUM_CIRCUIT_DURATION: 2e-6}, Usage(two_qubit_gates=4, duration_s=2e-6)),
    "a schedule alone": ({q.QUANTUM_CIRCUIT_DURATION: 2e-6}, None),
    "a schedule that cannot be": ({TWO: 4, q.QUANTUM_CIRCUIT_DURATION: float("nan")}, Usage(two_qubit_gates=4)),
    "several circuits": ({TWO: 4, q.QUANTUM_CIRCUIT_COUNT: 2}, None),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_usage(case):
    attributes, expected = CASES[case]
    (span,) = spans_in([request({"attributes": attributes})])
    assert read_usage(span) == expected


def test_the_first_of_several_values_counts():
    (span,) = spans_in([request({"attributes": {TWO: 4}})])
    span.attributes.add(key=TWO).value.int_value = 9
    assert read_usage(span).two_qubit_gates == 4


def test_a_span_without_attributes_says_nothing():
    assert read_usage(Span()) is None
