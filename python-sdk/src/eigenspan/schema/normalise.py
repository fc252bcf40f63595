"""Names of vendors and of older versions → the registry's, by table.

    changed = normalise_span(span)            # an OTLP span, in place
    counts = normalise(traces_data)           # every span of a message

Values are brought to the attribute's type and unit where the table says how; what cannot be (text in a count) is left as it
was found, under its own name. An attribute that is already there wins. With `keep_original` the old name stays beside it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from eigenspan.schema.values import field_type
from eigenspan.semconv import attributes as q
from eigenspan.semconv import tables
from eigenspan.semconv.spans import SPAN_TYPE

Convert = Callable[[Any], Any]


class NotConvertibleError(ValueError):
    """A value that cannot be what the attribute is."""


@dataclass(frozen=True, slots=True)
class Rule:
    """One name of a vendor: the attribute, and how its value is read."""

    to: str
    read: Convert | None = None
    vendor: str = ""


def _seconds(scale: float) -> Convert:
    def read(value: Any) -> float:
        return float(value) * scale

    return read


def _text(value: Any) -> str:
    if isinstance(value, (str, int)) and not isinstance(value, bool) and value != "":
        return str(value)
    raise NotConvertibleError(value)


def _lower(value: Any) -> str:
    return _text(value).lower()


def _device(value: Any) -> str:
    """The device of an ARN, `arn:aws:braket:::device/quantum-simulator/amazon/sv1`; other text as it is."""
    text = _text(value)
    return text.rsplit("/", 1)[1] if text.startswith("arn:") and "/" in text else text


def _first(value: Any) -> Any:
    return max(value) if isinstance(value, list) and value else value


VENDORS: Final[dict[str, Rule]] = {
    # IBM Quantum
    "backend.name": Rule(q.QUANTUM_BACKEND_NAME, _text, "ibm"),
    "ibm.job_id": Rule(q.QUANTUM_JOB_ID, _text, "ibm"),
    "ibm.backend": Rule(q.QUANTUM_BACKEND_NAME, _text, "ibm"),
    "usage.quantum_seconds": Rule(q.QUANTUM_USAGE_QPU_DURATION, _seconds(1), "ibm"),
    "quantum_seconds": Rule(q.QUANTUM_USAGE_QPU_DURATION, _seconds(1), "ibm"),
    "bss.seconds": Rule(q.QUANTUM_USAGE_BILLED_DURATION, _seconds(1), "ibm"),
    "position_in_queue": Rule(q.QUANTUM_JOB_QUEUE_POSITION, None, "ibm"),
    "num_circuits": Rule(q.QUANTUM_CIRCUIT_COUNT, None, "ibm"),
    "num_qubits": Rule(q.QUANTUM_CIRCUIT_QUBIT_COUNT, _first, "ibm"),
    "circuit_depths": Rule(q.QUANTUM_CIRCUIT_DEPTH, _first, "ibm"),
    # Amazon Braket
    "deviceArn": Rule(q.QUANTUM_BACKEND_NAME, _device, "aws"),
    "braket.device.arn": Rule(q.QUANTUM_BACKEND_NAME, _device, "aws"),
    "braket.task.arn": Rule(q.QUANTUM_JOB_ID, _text, "aws"),
    "braket.task.shots": Rule(q.QUANTUM_JOB_SHOTS, None, "aws"),
    "braket.task.status": Rule(q.QUANTUM_JOB_STATUS, None, "aws"),
    "numSuccessfulShots": Rule(q.QUANTUM_JOB_SUCCESSFUL_SHOTS, None, "aws"),
    "queueInfo.position": Rule(q.QUANTUM_JOB_QUEUE_POSITION, None, "aws"),
    # oqtopus
    "oqtopus.device_id": Rule(q.QUANTUM_BACKEND_NAME, _text, "oqtopus"),
    "oqtopus.shots": Rule(q.QUANTUM_JOB_SHOTS, None, "oqtopus"),
    # Datadog
    "job.id": Rule(q.QUANTUM_JOB_ID, _text, "datadog"),
    "job.shots": Rule(q.QUANTUM_JOB_SHOTS, None, "datadog"),
    "job.status": Rule(q.QUANTUM_JOB_STATUS, None, "datadog"),
    # demos in the field
    "quantum.job.exec_time_s": Rule(q.QUANTUM_JOB_EXECUTION_DURATION, _seconds(1), ""),
    "quantum.job.queue_time_ms": Rule(q.QUANTUM_JOB_QUEUE_DURATION, _seconds(0.001), ""),
    "quantum.backend.num_qubits": Rule(q.QUANTUM_BACKEND_QUBIT_COUNT, None, ""),
    "quantum.backend.is_simulator": Rule(q.QUANTUM_BACKEND_SIMULATOR, None, ""),
    "quantum.mitigation.method": Rule(q.QUANTUM_MITIGATION_TECHNIQUE, _lower, ""),
}
"""Name of a vendor → rule. Names that need no more than a rename are synonyms of the registry."""

GENERIC: Final = frozenset({"job.id", "job.shots", "job.status", "backend.name", "num_qubits", "num_circuits", "position_in_queue",
                            "circuit_depths"})  # fmt: skip
"""Names that other programs use for other things: only read on spans that have something quantum beside them."""


def _rules() -> dict[str, Rule]:
    out = {old: Rule(name) for name, keys in tables.ALIASES.items() for old in keys[1:]}
    return {**out, **VENDORS}


RULES: Final[Mapping[str, Rule]] = _rules()
"""Every name that is understood → rule."""
_CERTAIN: Final = frozenset(RULES) - GENERIC
_ORDER: Final = {key: i for keys in tables.ALIASES.values() for i, key in enumerate(keys)}
_MARKS: Final = ("quantum.", "qiskit.", "braket.", "oqtopus.", "ibm.", "cirq.")


def normalise_span(span: Any, counts: Counter[str] | None = None, *, keep_original: bool = False) -> bool:
    """Bring a span's attributes to the registry's names and types, in place; whether anything but the spelling of a state changed."""
    present = {a.key for a in span.attributes}
    typed = SPAN_TYPE not in present and _type(span, counts)
    if present.isdisjoint(RULES):
        if q.QUANTUM_JOB_STATUS in present:
            _statuses(span, counts)
        return typed
    found = [a for a in span.attributes if a.key in RULES]
    ours = any(key.startswith(_MARKS) for key in present) or not present.isdisjoint(_CERTAIN)
    changed = typed
    gone = set()
    for attribute in sorted(found, key=lambda a: _ORDER.get(a.key, len(_ORDER))):
        key = attribute.key
        rule = RULES[key]
        if key in GENERIC and not ours:
            continue
        if rule.to in present:
            _count(counts, "both_present")
            continue
        try:
            value = _converted(rule, attribute.value)
        except (ValueError, TypeError, OverflowError):
            _count(counts, "not_convertible")
            continue
        _set(span.attributes.add(key=rule.to).value, value)
        present.add(rule.to)
        changed = True
        _count(counts, "normalised")
        if not keep_original:
            gone.add(key)
    if gone:
        for i in reversed(range(len(span.attributes))):
            if span.attributes[i].key in gone:
                del span.attributes[i]
    _statuses(span, counts)
    return changed


def normalise(message: Any, *, keep_original: bool = False) -> Counter[str]:
    """Normalise every span of a TracesData or ExportTraceServiceRequest, in place; what happened, counted."""
    counts: Counter[str] = Counter()
    for resource in message.resource_spans:
        for scope in resource.scope_spans:
            for span in scope.spans:
                normalise_span(span, counts, keep_original=keep_original)
    return counts


def _type(span: Any, counts: Counter[str] | None) -> bool:
    """State the type of a span whose name is one from the field and that states none. Its name stays."""
    type_ = field_type(span.name)
    if not type_:
        return False
    span.attributes.add(key=SPAN_TYPE).value.string_value = type_
    _count(counts, "typed")
    return True


def _count(counts: Counter[str] | None, what: str) -> None:
    if counts is not None:
        counts[what] += 1


def _converted(rule: Rule, any_value: Any) -> Any:
    kind = any_value.WhichOneof("value")
    value: Any = getattr(any_value, kind) if kind else None
    if kind == "array_value":
        value = [getattr(v, v.WhichOneof("value") or "string_value") for v in any_value.array_value.values]
    if rule.read is not None:
        value = rule.read(value)
    typed = _typed(value, tables.TYPES[rule.to])
    if isinstance(typed, int) and not -(2**63) <= typed < 2**63:
        raise NotConvertibleError(typed)
    return typed


def _typed(value: Any, kind: str) -> Any:
    """The value as the type wants it, where nothing is lost."""
    match kind, value:
        case "string", str() if value:
            return value
        case "string", int() if not isinstance(value, bool):
            return str(value)
        case "boolean", bool():
            return value
        case "boolean", str() if value.lower() in ("true", "false"):
            return value.lower() == "true"
        case "int", bool():
            raise NotConvertibleError(value)
        case "int", int():
            return value
        case "int", float() if value.is_integer():
            return int(value)
        case "int", str():
            return int(value)
        case "double", bool():
            raise NotConvertibleError(value)
        case "double", int() | float() | str():
            return float(value)
        case "string[]", list() if value and all(isinstance(v, str) for v in value):
            return value
    raise NotConvertibleError(value)


def _set(target: Any, value: Any) -> None:
    match value:
        case bool():
            target.bool_value = value
        case int():
            target.int_value = value
        case float():
            target.double_value = value
        case list():
            for item in value:
                target.array_value.values.add().string_value = item
        case _:
            target.string_value = value


def _statuses(span: Any, counts: Counter[str] | None) -> None:
    """The spelling of a job's state → its normal form."""
    by_key = {a.key: a.value for a in span.attributes if a.key in (q.QUANTUM_JOB_STATUS, q.QUANTUM_PROVIDER_NAME)}
    status = by_key.get(q.QUANTUM_JOB_STATUS)
    if status is None or not status.HasField("string_value"):
        return
    word = status.string_value.lower()
    provider = by_key[q.QUANTUM_PROVIDER_NAME].string_value.lower() if q.QUANTUM_PROVIDER_NAME in by_key else ""
    normal = tables.JOB_STATUS_BY_PROVIDER.get((provider, word)) or tables.JOB_STATUS.get(word)
    if normal and normal != status.string_value:
        status.string_value = normal
        _count(counts, "status")
