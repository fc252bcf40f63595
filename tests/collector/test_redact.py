"""Redaction: no value of a sensitive key gets through, at any level, and nothing else changes."""

from __future__ import annotations

import pytest
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from eigenspan.collector import scan_python
from eigenspan.collector.errors import ScanError
from eigenspan.collector.redact import REDACTED, redact
from tests.collector.building import payload, request
from tests.wirewriter import attribute, key_value, num, span, sub
from tests.wirewriter import request as raw_request

KEYS = ("password", "api_key")


def trace():
    message = ExportTraceServiceRequest()
    scope = message.resource_spans.add().scope_spans.add()
    return message, scope.spans.add(trace_id=b"\1" * 16, span_id=b"\1" * 8)


def secret(holder, key="password"):
    holder.add(key=key).value.string_value = "SECRET"


def at_resource():
    message, _ = trace()
    secret(message.resource_spans[0].resource.attributes)
    return "traces", message


def at_scope():
    message, _ = trace()
    secret(message.resource_spans[0].scope_spans[0].scope.attributes)
    return "traces", message


def at_span():
    message, span_ = trace()
    secret(span_.attributes)
    return "traces", message


def at_event():
    message, span_ = trace()
    secret(span_.events.add().attributes)
    return "traces", message


def at_link():
    message, span_ = trace()
    secret(span_.links.add().attributes)
    return "traces", message


def in_a_map():
    message, span_ = trace()
    secret(span_.attributes.add(key="m").value.kvlist_value.values)
    return "traces", message


def in_a_map_in_an_array():
    message, span_ = trace()
    array = span_.attributes.add(key="a").value.array_value
    inner = array.values.add().kvlist_value.values.add(key="k").value.array_value.values.add()
    secret(inner.kvlist_value.values)
    return "traces", message


def as_bytes():
    message, span_ = trace()
    span_.attributes.add(key="password").value.bytes_value = b"SECRET"
    return "traces", message


def as_a_map():
    message, span_ = trace()
    span_.attributes.add(key="password").value.kvlist_value.values.add(key="x").value.string_value = "SECRET"
    return "traces", message


def in_a_log_body():
    message = ExportLogsServiceRequest()
    record = message.resource_logs.add().scope_logs.add().log_records.add()
    secret(record.body.kvlist_value.values)
    return "logs", message


def at_a_log_record():
    message = ExportLogsServiceRequest()
    secret(message.resource_logs.add().scope_logs.add().log_records.add().attributes)
    return "logs", message


def at_metric(kind):
    def build():
        message = ExportMetricsServiceRequest()
        metric = message.resource_metrics.add().scope_metrics.add().metrics.add(name="m")
        secret(getattr(metric, kind).data_points.add().attributes)
        return "metrics", message

    build.__name__ = kind
    return build


def at_an_exemplar():
    message = ExportMetricsServiceRequest()
    metric = message.resource_metrics.add().scope_metrics.add().metrics.add(name="m")
    secret(metric.sum.data_points.add().exemplars.add().filtered_attributes)
    return "metrics", message


POINTS = [at_metric(kind) for kind in ("gauge", "sum", "histogram", "exponential_histogram", "summary")]
PLACES = [
    at_resource, at_scope, at_span, at_event, at_link, in_a_map, in_a_map_in_an_array, as_bytes, as_a_map, in_a_log_body,
    at_a_log_record, *POINTS, at_an_exemplar,
]  # fmt: skip


@pytest.mark.parametrize("place", PLACES, ids=lambda f: f.__name__)
def test_a_secret_is_replaced_wherever_it_is(place):
    signal, message = place()
    original = payload(message.SerializeToString(), signal, tenant="t", peer="p")
    done = redact(original, KEYS)
    assert b"SECRET" in original.body
    assert b"SECRET" not in done.payload.body
    assert done.payload.body.count(REDACTED.encode()) == 1
    assert done.cut == {"password": 1}
    assert (done.payload.tenant, done.payload.peer, done.payload.received_ns) == ("t", "p", 5)
    assert redact(done.payload, KEYS).payload.body == done.payload.body


@pytest.mark.parametrize(
    "body",
    [request({"attributes": {"a": "b"}}), request({"name": "password"}), request({"attributes": {"a": "my password"}}),
     request({"attributes": {"password_hint": "x"}}), b""],
)  # fmt: skip
def test_a_payload_without_such_a_key_is_the_same_object(body):
    original = payload(body)
    assert redact(original, KEYS).payload is original
    assert not redact(original, KEYS).cut


def test_every_occurrence_is_counted_by_key():
    body = request(
        {"attributes": {"password": "1", "api_key": 7, "b": "x"}}, {"span": 2, "attributes": {"password": True}}
    )
    done = redact(payload(body), KEYS)
    assert done.cut == {"password": 2, "api_key": 1}
    message = ExportTraceServiceRequest.FromString(done.payload.body)
    first = message.resource_spans[0].scope_spans[0].spans[0].attributes
    assert [(a.key, a.value.string_value) for a in first] == [("password", REDACTED), ("api_key", REDACTED), ("b", "x")]


def test_unknown_fields_survive():
    unknown = sub(99, "future") + num(77, 5)
    body = raw_request(
        span(attribute("password", sub(1, "SECRET")), sub(9, key_value("k", num(3, 1)), unknown), unknown),
        resource=sub(1, sub(1, key_value("r", num(3, 1))), unknown),
        scope=unknown,
    )
    done = redact(payload(body + unknown), KEYS).payload.body
    assert b"SECRET" not in done
    assert done.count(unknown) == 5


@pytest.mark.parametrize("key", ["GEHEIMSCHLÜSSEL", "geheimschlÜssel", "ПАРОЛЬ"])
def test_a_key_beyond_ascii_is_replaced_as_it_is_listed(key):
    """In any case of its ASCII letters; the others as they are."""
    (listed,) = {key[:8].swapcase() + key[8:]} if key[0] in "gG" else {key}
    found = redact(payload(request({"attributes": {key: "secret"}})), (listed,))
    assert found.cut == {key: 1}
    assert scan_python.look([payload(request({"attributes": {key: "secret"}})).body], (), (listed,)).named == [0]


@pytest.mark.parametrize("signal", ["traces", "metrics", "logs"])
def test_bytes_that_cannot_be_read_are_refused_and_not_let_through(signal):
    with pytest.raises(ScanError, match=f"{signal} request"):
        redact(payload(b"\x0a\xffpassword", signal), KEYS)


@pytest.mark.parametrize("key", ["password", "Password", "PASSWORD"])
@pytest.mark.parametrize("listed", ["password", "passWord"])
def test_keys_match_whole_and_in_any_case(key, listed):
    done = redact(payload(request({"attributes": {key: "SECRET", f"{key}2": "fine", f"a.{key}": "fine"}})), [listed])
    assert b"SECRET" not in done.payload.body
    assert done.payload.body.count(b"fine") == 2
    assert done.cut.total() == 1
