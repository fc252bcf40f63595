"""What a kept span says about the circuit that ran: its gates and sites, for the circuit's own calibration estimates."""

from __future__ import annotations

from collections.abc import Iterable

from opentelemetry.proto.common.v1.common_pb2 import AnyValue
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from eigenspan.calibration.estimators import MEASURE, Operation, Usage
from eigenspan.semconv import attributes as q

Plain = str | int | float | bool | list[str]


def read_usage(span: Span) -> Usage | None:
    """The usage that a span's attributes describe; None where they say nothing about the circuit."""
    attributes = {kv.key: _plain(kv.value) for kv in reversed(span.attributes) if kv.key.startswith("quantum.circuit.")}
    if not attributes:
        return None
    circuits = attributes.get(q.QUANTUM_CIRCUIT_COUNT)
    if isinstance(circuits, int) and circuits > 1:
        return None  # sums over several circuits would look like one long circuit
    operations = [op for text in _texts(attributes.get(q.QUANTUM_CIRCUIT_OPERATIONS)) if (op := _operation(text))]
    gates = [op for op in operations if op.gate not in MEASURE]
    measured = [label for op in operations if op.gate in MEASURE for label in op.qubits]
    qubits = tuple(_texts(attributes.get(q.QUANTUM_CIRCUIT_PHYSICAL_QUBITS)))
    total, two = attributes.get(q.QUANTUM_CIRCUIT_GATE_COUNT), attributes.get(q.QUANTUM_CIRCUIT_TWO_QUBIT_GATE_COUNT)
    measurements = attributes.get(q.QUANTUM_CIRCUIT_MEASUREMENT_COUNT)
    duration_s = attributes.get(q.QUANTUM_CIRCUIT_DURATION)
    usage = Usage(
        operations=tuple(gates),
        qubits=qubits,
        measured=tuple(measured),
        one_qubit_gates=total - two if isinstance(total, int) and isinstance(two, int) and total >= two else None,
        two_qubit_gates=two if isinstance(two, int) else None,
        measurements=measurements if isinstance(measurements, int) else None,
        duration_s=duration_s if isinstance(duration_s, float) and 0 < duration_s < 1e6 else None,
    )
    return None if usage in (Usage(), Usage(duration_s=usage.duration_s)) else usage


def _plain(value: AnyValue) -> Plain | None:
    kind = value.WhichOneof("value")
    if kind in ("string_value", "bool_value", "int_value", "double_value"):
        return getattr(value, kind)  # type: ignore[no-any-return]
    if kind == "array_value":
        return [v.string_value for v in value.array_value.values if v.WhichOneof("value") == "string_value"]
    return None


def _texts(value: Plain | None) -> Iterable[str]:
    return value if isinstance(value, list) else ()


def _operation(text: str) -> Operation | None:
    """`gate:site,site:count`, as quantum.circuit.operations is written."""
    gate, _, rest = text.partition(":")
    sites, _, count = rest.rpartition(":")
    if not gate or not sites or not count.isdigit():
        return None
    return Operation(gate, tuple(sites.split(",")), int(count))
