"""Every deliberate fault gives its finding and no other; what is clean gives none."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from opentelemetry.proto.logs.v1.logs_pb2 import LogsData
from opentelemetry.proto.metrics.v1.metrics_pb2 import MetricsData
from opentelemetry.proto.trace.v1.trace_pb2 import Span, TracesData

from eigenspan.schema import read_json
from eigenspan.schema.contract import Contract
from eigenspan.schema.files import SchemaError
from eigenspan.schema.findings import ADVICE, IDS, Place
from eigenspan.schema.read_proto import batches
from eigenspan.schema.registry import _FIELD, Definition, registry, versions
from eigenspan.schema.traces import Traces
from eigenspan.schema.validate import Validator, validate
from eigenspan.semconv import SCHEMA_URL
from tests.bench.validate import line
from tests.cases.validate import FAULTS, clean, drop, put_key


def data(spans: Any, url: str = SCHEMA_URL) -> TracesData:
    out = TracesData()
    out.resource_spans.add(schema_url=url).scope_spans.add().spans.extend(spans)
    return out


def ids(found: Any) -> set[str]:
    return {f.id for f in found}


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_gives_its_finding_and_no_other(name: str) -> None:
    fault = FAULTS[name]
    spans = clean()
    fault.change(spans)
    found = validate(data(spans.values()))
    assert ids(found) == {fault.finding}, [(f.id, f.message) for f in found]
    assert not fault.attribute or fault.attribute in {f.attribute for f in found}
    assert all(f.message and f.why and f.mend and (f.place.trace_id or f.place.line) for f in found)


@pytest.mark.parametrize("name", [name for name in FAULTS if "field 17" not in name])
def test_json_gives_the_same_findings_as_protobuf(name: str) -> None:
    spans = clean()
    FAULTS[name].change(spans)
    message = data(spans.values())
    from_json = validate(read_json.batches(line(message)))
    assert [(f.id, f.attribute, f.message) for f in from_json] == [
        (f.id, f.attribute, f.message) for f in validate(message)
    ]


def test_json_has_the_type_as_a_field() -> None:
    spans = clean()
    drop(spans["post"], "otel.span.type")
    text = line(data(spans.values())).replace(
        b'"name": "post process"', b'"type": "quantum.internal.nothing", "name": "post process"'
    )
    assert ids(validate(read_json.batches(text))) == {"eigenspan.unknown_span_type"}


def test_there_are_enough_faults_and_every_span_finding_has_one() -> None:
    assert len(FAULTS) >= 60
    elsewhere = ADVICE | METRIC_IDS | CONTRACT_IDS | {"eigenspan.unreadable", "eigenspan.unknown_schema_version"}
    assert {f.finding for f in FAULTS.values()} | elsewhere == set(IDS)


def test_the_clean_trace_is_clean_in_any_order() -> None:
    spans = list(clean().values())
    assert validate(data(spans)) == []
    assert validate(data(reversed(spans))) == []


def test_the_stated_discriminator_replaces_the_type() -> None:
    spans = clean()
    for name in ("submit", "execute", "result"):
        drop(spans[name], "otel.span.type")
    assert validate(data(spans.values())) == []
    spans["execute"].kind = 5
    assert ids(validate(data(spans.values()))) == {"kind_mismatch"}


def test_telemetry_of_others_passes() -> None:
    span = Span(trace_id=b"\1" * 16, span_id=b"\2" * 8, name="GET /", kind=2)
    put_key(span, "http.request.method", "GET")
    put_key(span, "otel.span.type", "http.server")
    put_key(span, "quantum.request.correlation_id", "req-1")
    assert validate(data([span], "https://opentelemetry.io/schemas/1.44.0")) == []


def test_a_version_that_is_not_published_is_said_once() -> None:
    url = SCHEMA_URL.replace("0.2.0", "0.9.0")
    validator = Validator(traces=False)
    found = [f for _ in range(3) for b in batches(data(clean().values(), url)) for f in validator.check(b)]
    assert [f.id for f in found] == ["eigenspan.unknown_schema_version"]


def test_held_to_a_version_that_knows_no_operations() -> None:
    span = Span(trace_id=b"\1" * 16, span_id=b"\2" * 8, name="execute x")
    put_key(span, "quantum.operation.name", "execute")
    assert isinstance(validate(data([span]), version="0.1.0"), list)


def test_what_is_held_does_not_grow_with_the_urls_that_senders_make_up() -> None:
    validator = Validator(traces=False)
    family = SCHEMA_URL.rpartition("/")[0]
    found = 0
    for i in range(1500):
        for url in (f"https://other{i}.example/schemas/1.0.0", f"{family}/9.{i}.0"):
            found += sum(1 for b in batches(data([], url)) for _ in validator.check(b))
    assert len(validator._registries) == 1
    assert found == 1000


def test_the_first_version_knows_its_own_names() -> None:
    span = Span(trace_id=b"\1" * 16, span_id=b"\2" * 8, name="quantum_circuit_run")
    put_key(span, "quantum.device", "ibm_torino")
    put_key(span, "quantum.shots", "many")
    first = SCHEMA_URL.replace(versions()[-1], versions()[0])
    assert [(f.id, f.attribute) for f in validate(data([span], first))] == [("type_mismatch", "quantum.shots")]
    assert ids(validate(data([span], first), version="0.2.0")) == {"deprecated", "eigenspan.synonym"}
    with pytest.raises(SchemaError, match=r"there is no schema version '9\.9\.9'"):
        validate(data([span]), version="9.9.9")


def test_advice_is_given_when_asked_for() -> None:
    found = ids(validate(data(clean().values()), advice=True))
    assert found == ADVICE


# metrics and logs

METRIC_IDS = {"missing_metric", "unit_mismatch", "unexpected_instrument", "eigenspan.high_cardinality_dimension"}
GOOD = {"quantum.provider.name": "ibm", "quantum.backend.name": "ibm_torino", "quantum.execution.success": True}


def metric(
    name: str = "quantum.circuit.executions", unit: str = "{execution}", *, gauge: bool = False, **more: Any
) -> MetricsData:
    out = MetricsData()
    made = out.resource_metrics.add(schema_url=SCHEMA_URL).scope_metrics.add().metrics.add(name=name, unit=unit)
    if gauge:
        point = made.gauge.data_points.add(as_int=1)
    else:
        made.sum.is_monotonic = True
        point = made.sum.data_points.add(as_int=1)
    for key, value in (GOOD | more).items():
        if value != "drop":
            put_key(point, key, value)
    return out


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        (metric(), set()),
        (metric("quantum.circuit.runs"), {"missing_metric"}),
        (metric("quantum_circuit_executions_total"), {"eigenspan.synonym"}),
        (metric("http.server.requests"), set()),
        (metric(unit="1"), {"unit_mismatch"}),
        (metric(gauge=True), {"unexpected_instrument"}),
        (metric(**{"quantum.job.id": "j"}), {"eigenspan.high_cardinality_dimension"}),
        (metric(**{"quantum.circuit.depth": 3}), {"unexpected_attribute"}),
        (metric(**{"quantum.backend.name": "drop"}), {"required_attribute_not_present"}),
        (metric(**{"quantum.execution.success": "yes"}), {"type_mismatch"}),
        (metric(**{"quantum.device": "x"}), {"deprecated"}),
    ],
)  # fmt: skip
def test_metrics(message: MetricsData, expected: set[str]) -> None:
    assert ids(validate(message)) == expected
    assert ids(validate(message.SerializeToString())) == expected


def test_logs_that_are_events() -> None:
    out = LogsData()
    record = (
        out.resource_logs.add(schema_url=SCHEMA_URL).scope_logs.add().log_records.add(event_name="quantum.cost.event")
    )
    record.time_unix_nano = 1
    for key, value in {
        "quantum.provider.name": "ibm",
        "quantum.cost.amount": 0.3,
        "quantum.cost.currency": "USD",
    }.items():
        put_key(record, key, value)
    assert [(f.id, f.attribute) for f in validate(out.SerializeToString())] == [
        ("required_attribute_not_present", "quantum.cost.source")
    ]
    put_key(record, "quantum.cost.source", "provider")
    assert validate(out) == []


# contracts

CONTRACT_IDS = {f"eigenspan.contract.{x}" for x in ("value_not_allowed", "over_limit", "forbidden_attribute")}
TEXT = """
contract: portfolio
extends: default
match: {quantum.workflow.name: portfolio}
job: {required: [quantum.cost.amount]}
spans:
  quantum.internal.execute:
    required: [quantum.backend.calibration.version]
    values: {quantum.backend.name: [ibm_torino]}
    maximum: {quantum.job.shots: 1000}
    forbidden: [quantum.circuit.qasm]
"""


@pytest.mark.parametrize(
    ("key", "value", "expected"),
    [
        ("quantum.job.shots", 1001, "over_limit"),
        ("quantum.circuit.qasm", "OPENQASM", "forbidden_attribute"),
        ("quantum.backend.calibration.version", None, "field_not_present"),
        ("quantum.backend.name", "ibm_fez", "value_not_allowed"),
    ],
)
def test_a_contract_narrows(key: str, value: Any, expected: str) -> None:
    contract = Contract.parse(TEXT.replace("job: {required: [quantum.cost.amount]}", ""))
    spans = clean()
    assert validate(data(spans.values()), contracts=(contract,)) == []
    drop(spans["execute"], key)
    if value is not None:
        put_key(spans["execute"], key, value)
    found = validate(data(spans.values()), contracts=(contract,))
    assert f"eigenspan.contract.{expected}" in ids(found)


def test_a_contract_concerns_what_it_matches() -> None:
    contract = Contract.parse(TEXT)
    missing = validate(data(clean().values()), contracts=(contract,))
    assert [(f.id, f.attribute) for f in missing] == [("eigenspan.contract.field_not_present", "quantum.cost.amount")]
    other = Contract.parse(TEXT.replace("name: portfolio}", "name: another}"))
    assert validate(data(clean().values()), contracts=(other,)) == []


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[", "not valid YAML"),
        ("- a", "is not a mapping"),
        ("contract: x\nfields: []", "has 'fields'"),
        ("extends: default", "names the contract"),
        ("contract: x\nextends: other", "only `default`"),
        ("contract: x\njob: {required: [quantum.shots]}", "not a current attribute"),
        ("contract: x\nspans: {quantum.internal.none: {}}", "not a span type"),
        (
            "contract: x\nspans: {quantum.internal.execute: {values: {quantum.job.status: [DONE]}}}",
            "a contract narrows it",
        ),
        ("contract: x\nspans: {quantum.internal.execute: {maximum: {quantum.job.shots: many}}}", "not a number"),
    ],
)
def test_a_contract_that_does_not_narrow_is_refused(text: str, said: str) -> None:
    with pytest.raises(SchemaError, match=said):
        Contract.parse(text)


# property: what is made by the registry's rules has no findings

VALUES = {"string": st.text("abcxyz-", min_size=1, max_size=20), "int": st.integers(0, 10**6), "boolean": st.booleans(),
          "double": st.floats(0, 1), "string[]": st.lists(st.text("abc", min_size=1), min_size=1, max_size=3)}  # fmt: skip
SKIPPED = ("quantum.execution.success", "error.type", "quantum.primitive.name", "quantum.cost.amount")


def value_for(draw: Any, key: str) -> Any:
    known = registry().attributes[key]
    if known.iso8601:
        return "2026-08-01T12:00:03Z"
    return draw(st.sampled_from(sorted(known.values)) if known.values else VALUES[known.type])


@st.composite
def valid_spans(draw: Any) -> Span:
    definition: Definition = draw(st.sampled_from(list(registry().spans.values())))
    chosen = draw(st.sets(st.sampled_from([*definition.recommended, *definition.opt_in])))
    keys = {
        *definition.required,
        *chosen,
        *(c.key for c in definition.conditions if c.text.endswith("accepted the job.")),
    }
    keys |= {c.key for c in definition.conditions if "did not fail" in c.text}
    keys = {k for k in keys if not registry().attributes[k].content and k not in SKIPPED}
    values = {key: value_for(draw, key) for key in keys}
    if "quantum.execution.success" in definition.required:
        values["quantum.execution.success"] = True
    values |= dict.fromkeys(definition.foreign_required, "chat")
    pattern = next((n for n in definition.names if all(f in values for f in _FIELD.findall(n))), definition.names[-1])
    name = _FIELD.sub(lambda m: str(values.get(m[1], "x")), pattern)
    span = Span(trace_id=b"\1" * 16, span_id=b"\2" * 8, name=name, kind=definition.kind)
    for key, value in {"otel.span.type": definition.id, **values}.items():
        put_key(span, key, value)
    return span


@settings(max_examples=300, deadline=None)
@given(valid_spans())
def test_what_follows_the_registry_has_no_findings(span: Span) -> None:
    found = validate(data([span]), traces=False)
    assert found == [], [(f.id, f.attribute, f.message) for f in found]


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=200))
def test_any_bytes_give_findings_and_never_an_exception(raw: bytes) -> None:
    validate(raw)
    for _ in Validator().finish():
        pass


def test_spans_without_traces_are_bounded() -> None:
    traces = Traces((Contract.default(),), registry(), max_spans=12)
    for number in range(10):
        for batch in batches(data(clean(number).values())):
            for span in batch.spans:
                assert list(traces.add(span, Place())) == []
    assert traces.judged_early == 8
    assert list(traces.finish()) == []
