"""Logs of traces: records that name a trace are found under it, once, and the rest are counted."""

from __future__ import annotations

from opentelemetry.proto.logs.v1.logs_pb2 import LogsData

from eigenspan.store.traces import TraceStore
from tests.e2e.harness import running
from tests.store.test_traces import Calendar, trace

NS = 10**9


def payload(*records: tuple[int, int, str], service="svc") -> bytes:
    """A payload of (trace, seconds, text) records; trace 0: none."""
    data = LogsData()
    resource = data.resource_logs.add()
    resource.resource.attributes.add(key="service.name").value.string_value = service
    scope = resource.scope_logs.add()
    for number, seconds, text in records:
        record = scope.log_records.add(trace_id=trace(number) if number else b"", span_id=b"\1" * 8, severity_number=17)
        record.observed_time_unix_nano = seconds * NS
        record.body.string_value = text
        record.attributes.add(key="n").value.int_value = number
    return data.SerializeToString()


def test_records_are_found_under_their_trace(tmp_path):
    calendar = Calendar()
    with TraceStore(tmp_path, today=calendar) as store:
        assert store.write_logs([("", payload((1, 5, "late"), (2, 1, "other"), (0, 1, "none")))]) == 1
        calendar.forward()
        store.write_logs([("", payload((1, 2, "early"), service="front"))])
        early, late = store.logs(trace(1).hex())
        assert (early.body, early.service, late.body, late.service) == ("early", "front", "late", "svc")
        assert (late.severity, late.time_ns, late.span_id, late.attributes) == ("ERROR", 5 * NS, "01" * 8, {"n": 1})
        assert store.logs("zz") == store.logs(trace(9).hex()) == []


def test_the_same_payload_again_changes_nothing(tmp_path):
    with TraceStore(tmp_path) as store:
        for _ in range(2):
            store.write_logs([("", payload((1, 1, "a"), (1, 1, "b")))])
        assert sorted(record.body for record in store.logs(trace(1).hex())) == ["a", "b"]


def test_logs_go_all_the_way(tmp_path):
    import urllib.request

    from tests.partners.programs import eventually

    with running(tmp_path / "data") as r:
        request = urllib.request.Request(
            f"http://127.0.0.1:{r.ports['http']}/v1/logs",
            payload((1, 1, "it began"), (0, 1, "idle")),
            {"Content-Type": "application/x-protobuf"},
        )
        with urllib.request.urlopen(request, timeout=10) as answer:
            assert answer.status == 200
        (record,) = eventually(lambda: r.collector.store.logs(trace(1).hex()))
        assert record.body == "it began"
