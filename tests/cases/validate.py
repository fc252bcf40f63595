"""Deliberate faults: each changes one clean trace, metric or log in one way and gives one finding id, and no other.

The trace is the one that the benchmark validates: workflow, submit, queue, execute (linked to submit), result, post process.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from opentelemetry.proto.trace.v1.trace_pb2 import Span

from tests.bench.validate import fill, trace
from tests.collector.building import put

Spans = dict[str, Span]
ERROR, OK = 2, 1


@dataclass(frozen=True)
class Fault:
    """`finding` is given, on `attribute` where one is named."""

    finding: str
    change: Callable[[Spans], Any]
    attribute: str = ""


def clean(number: int = 0) -> Spans:
    """A fresh copy of the clean trace, by the first word of each span's name."""
    return {span.name.split()[0]: span for span in trace(number)}


def put_key(span: Any, key: str, value: object) -> None:
    """Set one attribute, of the type of the value."""
    drop(span, key)
    if isinstance(value, bool | int | float | str):
        put(span, {key: value})
        return
    target = span.attributes.add(key=key).value
    match value:
        case list():
            target.array_value.SetInParent()
            for item in value:
                entry = target.array_value.values.add()
                if isinstance(item, int):
                    entry.int_value = item
                else:
                    entry.string_value = item
        case bytes():
            target.bytes_value = value
        case dict():
            target.kvlist_value.SetInParent()


def drop(span: Any, key: str) -> None:
    """Remove an attribute."""
    for i in reversed(range(len(span.attributes))):
        if span.attributes[i].key == key:
            del span.attributes[i]


def setting(name: str, key: str, value: object) -> Callable[[Spans], None]:
    return lambda spans: put_key(spans[name], key, value)


def without(name: str, key: str) -> Callable[[Spans], None]:
    return lambda spans: drop(spans[name], key)


def everywhere(key: str) -> Callable[[Spans], None]:
    return lambda spans: [drop(span, key) for span in spans.values()]


def also(spans: Spans, copied: str, new: str, number: int = 99) -> Span:
    span = Span()
    span.CopyFrom(spans[copied])
    span.span_id = number.to_bytes(8, "big")
    spans[new] = span
    return span


def retyped(spans: Spans, name: str, type_: str, kind: int, title: str, **attributes: object) -> Span:
    """Another span beside the others, of another type, with the request's attributes."""
    span = Span(
        trace_id=spans["workflow"].trace_id, span_id=(77).to_bytes(8, "big"), parent_span_id=spans["workflow"].span_id,
        name=title, kind=kind, start_time_unix_nano=spans["workflow"].start_time_unix_nano,
        end_time_unix_nano=spans["workflow"].end_time_unix_nano,
    )  # fmt: skip
    fill(span, type_, **{key.replace("__", "."): value for key, value in attributes.items()})
    spans[name] = span
    return span


def failed(span: Span, *, error_type: str | None) -> None:
    span.status.code = ERROR
    if error_type:
        put_key(span, "error.type", error_type)


def event(span: Span, name: str, **attributes: object) -> None:
    added = span.events.add(name=name)
    for key, value in attributes.items():
        put_key(added, key.replace("__", "."), value)


def _two_executes(spans: Spans) -> None:
    also(spans, "execute", "again")


def _late_queue(spans: Spans) -> None:
    spans["queue"].end_time_unix_nano = spans["execute"].start_time_unix_nano + 2 * 10**9


def _no_link(spans: Spans) -> None:
    del spans["execute"].links[:]


def _reversed(spans: Spans) -> None:
    spans["post"].end_time_unix_nano = spans["post"].start_time_unix_nano - 1


def _llm_without_model(spans: Spans) -> None:
    retyped(spans, "llm", "quantum.client.llm", 3, "chat some-model", **{"gen_ai.operation.name": "chat"})


def _type_field(name: str, type_: str) -> Callable[[Spans], None]:
    """The type in field 17 alone."""

    def change(spans: Spans) -> None:
        drop(spans[name], "otel.span.type")
        body = type_.encode()
        spans[name].MergeFromString(b"\x8a\x01" + bytes([len(body)]) + body)

    return change


E = "quantum.backend.calibration.time"
FAULTS: dict[str, Fault] = {
    # keys
    "a key that is not in the registry": Fault("missing_attribute", setting("execute", "quantum.circuit.dept", 3), "quantum.circuit.dept"),
    "a key in the namespace of the collector": Fault("missing_attribute", setting("execute", "eigenspan.nothing", "x")),
    "a key below an attribute": Fault("illegal_namespace", setting("execute", "quantum.job.id.local", "x")),
    "a key in camel case": Fault("invalid_format", setting("execute", "quantum.jobId", "x")),
    "a key with a space": Fault("invalid_format", setting("execute", "quantum.job id", "x")),
    "a key without a namespace": Fault("missing_namespace", setting("execute", "temperature", 4.2)),
    "a synonym of the field": Fault("eigenspan.synonym", setting("execute", "shot_count", 100)),
    "a name of oqtopus": Fault("eigenspan.synonym", setting("execute", "oqtopus.job_id", "x")),
    "a key there twice": Fault("eigenspan.duplicate_attribute",
        lambda s: s["post"].attributes.add(key="quantum.result.size").value.__setattr__("int_value", 32)),
    "a prompt": Fault("eigenspan.sensitive_attribute", setting("post", "gen_ai.input.messages", "hello")),
    "a credential": Fault("eigenspan.sensitive_attribute", setting("submit", "http.request.header.authorization", "x")),
    # deprecated
    "a deprecated name": Fault("deprecated", setting("execute", "quantum.shots", 100), "quantum.shots"),
    "a deprecated name that was merged": Fault("deprecated", setting("post", "quantum.error.type", "x")),
    "a deprecated name of training": Fault("deprecated", setting("post", "ml.training.accuracy", 0.9)),
    # types
    "a number as text": Fault("type_mismatch", setting("execute", "quantum.job.shots", "1000"), "quantum.job.shots"),
    "a whole number for a double": Fault("type_mismatch", setting("execute", "quantum.job.duration", 3)),
    "a double for a whole number": Fault("type_mismatch", setting("execute", "quantum.circuit.depth", 12.0)),
    "a boolean for a whole number": Fault("type_mismatch", setting("execute", "quantum.circuit.gate_count", value=True)),
    "text for a boolean": Fault("type_mismatch", setting("execute", "quantum.backend.simulator", "false")),
    "text for an array": Fault("type_mismatch", setting("execute", "quantum.circuit.physical_qubits", "0")),
    "an array of numbers for one of text": Fault("type_mismatch", setting("execute", "quantum.circuit.physical_qubits", [0, 1])),
    "bytes for text": Fault("type_mismatch", setting("post", "quantum.workflow.name", b"x")),
    "a map for text": Fault("type_mismatch", setting("execute", "quantum.circuit.name", {})),
    "an attribute without a value": Fault("type_mismatch", setting("execute", "quantum.circuit.name", None)),
    # values
    "a state in the provider's spelling": Fault("undefined_enum_variant", setting("execute", "quantum.job.status", "DONE")),
    "a class of nobody": Fault("undefined_enum_variant", setting("post", "quantum.workload.class", "urgent")),
    "a negative count": Fault("eigenspan.value_out_of_range", setting("execute", "quantum.circuit.depth", -1)),
    "a negative duration": Fault("eigenspan.value_out_of_range", setting("execute", "quantum.job.queue.duration", -0.5)),
    "not a number": Fault("eigenspan.value_out_of_range", setting("post", "quantum.result.fidelity", float("nan"))),
    "a fidelity of 96 percent as 96": Fault("eigenspan.value_out_of_range", setting("post", "quantum.result.fidelity", 96.0)),
    "a success probability above 1": Fault("eigenspan.value_out_of_range",
        setting("execute", "quantum.circuit.calibration.success_probability", 1.2)),
    "an empty value": Fault("eigenspan.value_empty", setting("execute", "quantum.circuit.name", "")),
    "an empty array": Fault("eigenspan.value_empty", setting("execute", "quantum.circuit.physical_qubits", [])),
    "a value of 2 KB": Fault("eigenspan.value_too_large", setting("execute", "quantum.circuit.name", "x" * 2048)),
    "an element of 2 KB": Fault("eigenspan.value_too_large", setting("execute", "quantum.circuit.operations", ["x" * 2048])),
    "an instant without an offset": Fault("eigenspan.timestamp_not_iso8601",
        setting("execute", "quantum.job.execution.end_time", "2026-08-01T12:00:05")),
    "an instant in seconds": Fault("eigenspan.timestamp_not_iso8601", setting("execute", E, "1785585603")),
    "content": Fault("eigenspan.content_recorded", setting("execute", "quantum.circuit.qasm", "OPENQASM 3.0;")),
    # the span and its definition
    "another kind": Fault("kind_mismatch", lambda s: setattr(s["submit"], "kind", Span.SPAN_KIND_CLIENT)),
    "no kind": Fault("kind_mismatch", lambda s: setattr(s["execute"], "kind", 0)),
    "another name": Fault("eigenspan.name_mismatch", lambda s: setattr(s["execute"], "name", "run ibm_torino")),
    "a name with another backend": Fault("eigenspan.name_mismatch", lambda s: setattr(s["execute"], "name", "execute ibm_fez")),
    "an unknown type": Fault("eigenspan.unknown_span_type", setting("post", "otel.span.type", "quantum.internal.postprocess")),
    "no type and nothing that states it": Fault("eigenspan.span_not_matched", without("post", "otel.span.type")),
    "a status of OK": Fault("eigenspan.status_ok", lambda s: setattr(s["post"].status, "code", OK)),
    "a failed execution without the status": Fault("eigenspan.status_unset",
        lambda s: (put_key(s["execute"], "quantum.execution.success", value=False), put_key(s["execute"], "error.type", "x"))),
    "a required attribute is absent": Fault("required_attribute_not_present",
        without("execute", "quantum.execution.success"), "quantum.execution.success"),
    "a required attribute of a group is absent": Fault("required_attribute_not_present", without("submit", "quantum.provider.name")),
    "an attribute of another span": Fault("unexpected_attribute", setting("post", "quantum.circuit.depth", 3)),
    "an error without its type": Fault("conditionally_required_attribute_not_present",
        lambda s: failed(s["post"], error_type=None), "error.type"),
    "an error type without an error": Fault("eigenspan.condition_not_met", setting("post", "error.type", "timeout")),
    "an accepted submission without its job": Fault("conditionally_required_attribute_not_present", without("submit", "quantum.job.id")),
    "an execution with a link and without its job": Fault("conditionally_required_attribute_not_present",
        lambda s: (drop(s["execute"], "quantum.job.id"), s.pop("queue"), s.pop("result")), "quantum.job.id"),
    "a cost without its currency": Fault("conditionally_required_attribute_not_present",
        setting("execute", "quantum.cost.amount", 0.3), "quantum.cost.currency"),
    "a rule that passed although it failed": Fault("eigenspan.condition_not_met",
        lambda s: failed(retyped(s, "rule", "quantum.internal.business_rule", 1, "business rule", quantum__rule__name="max",
            quantum__rule__passed=True), error_type="x")),
    "a mitigation without its technique": Fault("required_attribute_not_present",
        lambda s: retyped(s, "m", "quantum.internal.mitigation", 1, "mitigation", quantum__mitigation__helped=True)),
    "a model call without its model": Fault("eigenspan.foreign_attribute_not_present", _llm_without_model, "gen_ai.request.model"),
    "the type in field 17, and another kind": Fault("kind_mismatch",
        lambda s: (_type_field("post", "quantum.internal.post_process")(s), setattr(s["post"], "kind", 3))),
    "an unknown type in field 17": Fault("eigenspan.unknown_span_type", _type_field("post", "quantum.internal.nothing")),
    # ids, links, times
    "a trace id of zeros": Fault("eigenspan.invalid_id", lambda s: setattr(s["post"], "trace_id", bytes(16))),
    "a short span id": Fault("eigenspan.invalid_id", lambda s: setattr(s["post"], "span_id", b"\x01")),
    "a link to nothing": Fault("eigenspan.invalid_link", lambda s: s["post"].links.add(trace_id=b"\x01" * 16, span_id=bytes(8))),
    "a link to itself": Fault("eigenspan.invalid_link",
        lambda s: s["post"].links.add(trace_id=s["post"].trace_id, span_id=s["post"].span_id)),
    "an end before the start": Fault("eigenspan.negative_duration", _reversed),
    "a span sent twice": Fault("eigenspan.duplicate_span", lambda s: s.update(more=s["post"])),
    # events
    "an event that is not in the registry": Fault("missing_event", lambda s: event(s["execute"], "quantum.job.changed")),
    "an event in the spelling of the field": Fault("eigenspan.synonym", lambda s: event(s["execute"], "quantum_hardware_event")),
    "an event without its attribute": Fault("required_attribute_not_present",
        lambda s: event(s["execute"], "quantum.job.status_change", quantum__job__id="j")),
    "an event with a wrong type": Fault("type_mismatch",
        lambda s: event(s["execute"], "quantum.job.status_change", quantum__job__id=7, quantum__job__status="queued")),
    "an event of a failure without its type": Fault("conditionally_required_attribute_not_present",
        lambda s: event(s["execute"], "quantum.job.status_change", quantum__job__id="j", quantum__job__status="failed")),
    "the name of a span from the field": Fault(
        "eigenspan.synonym", lambda s: (drop(s["post"], "otel.span.type"), setattr(s["post"], "name", "postprocess.aggregation"))
    ),
    # traces
    "an execution without a link": Fault("eigenspan.trace.link_missing", _no_link),
    "a queue that ends too late": Fault("eigenspan.trace.queue_after_execute", _late_queue),
    "a job with two executions": Fault("eigenspan.trace.several_executes", _two_executes),
    "a job on two backends": Fault("eigenspan.trace.backend_differs",
        lambda s: (put_key(s["queue"], "quantum.backend.name", "ibm_fez"), setattr(s["queue"], "name", "queue ibm_fez"))),
    "more shots than asked for": Fault("eigenspan.trace.shots_exceeded", setting("execute", "quantum.job.successful_shots", 1001)),
    "a calibration from after the execution": Fault("eigenspan.trace.calibration_not_in_force",
        setting("execute", E, "2026-08-01T12:00:04Z"), E),
    "an execution that runs backwards": Fault("eigenspan.trace.execution_reversed",
        setting("execute", "quantum.job.execution.end_time", "2026-08-01T12:00:01Z")),
    # the contract
    **{f"a job without {key}": Fault("eigenspan.contract.field_not_present", everywhere(key), key)
       for key in ("quantum.request.correlation_id", "quantum.workflow.version", "quantum.circuit.depth",
                   "quantum.job.shots", "quantum.job.status", "quantum.job.queue.duration", "quantum.job.duration")},
}  # fmt: skip
