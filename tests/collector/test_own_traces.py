"""The collector's own traces, at a real OTLP receiver; none where they are off, and never its own."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time

import pytest

from eigenspan.collector.config import load
from eigenspan.collector.errors import ConfigError
from eigenspan.collector.own_traces import Turns, untraced
from tests.collector.building import request
from tests.collector.test_telemetry import send
from tests.e2e.harness import far_end, running

TRACES = "service__telemetry__traces"


def sending_to(endpoint: str, ratio: float = 1.0) -> str:
    processor = {"batch": {"exporter": {"otlp": {"protocol": "grpc", "endpoint": endpoint}}}}
    return json.dumps({"processors": [processor], "sampler": {"trace_id_ratio_based": {"ratio": ratio}}})


def attributes_of(span) -> dict:
    return {a.key: getattr(a.value, a.value.WhichOneof("value")) for a in span.attributes}


def test_turns_and_their_stages_come_with_counts_and_idle_turns_do_not(tmp_path):
    with far_end() as own, far_end() as kept:
        more = {
            TRACES: sending_to(f"127.0.0.1:{own.port}"), "exporters__far__type": "otlp",
            "exporters__far__endpoint": f"127.0.0.1:{kept.port}", "receivers__otlp__engine": "portable",
        }  # fmt: skip
        with running(tmp_path, **more) as r:
            send(r, request({"trace": 1, "status": 2}, {"trace": 2, "status": 2}, {"trace": 2, "span": 2, "parent": 1}))
            r.wait_until_decided()
            time.sleep(0.5)  # some ten idle turns
        found = list(own.spans())
    assert {resource.resource.attributes[-1].key for resource, _, _ in found}
    services = {
        a.value.string_value
        for resource, _, _ in found
        for a in resource.resource.attributes
        if a.key == "service.name"
    }
    assert services == {"eigenspan-collector"}
    by_name: dict[str, list] = {}
    for _, _, span in found:
        by_name.setdefault(span.name, []).append(span)
    assert set(by_name) == {"turn", "receive", "measure", "decide", "enrich", "commit", "export"}
    (receive,), (measure,), (decide,), (enrich,), (export,) = (
        by_name[name] for name in ("receive", "measure", "decide", "enrich", "export")
    )
    assert attributes_of(receive) == {"eigenspan.stage.payloads": 1, "eigenspan.stage.spans": 3}
    assert attributes_of(measure) == {"eigenspan.stage.spans": 3}
    assert attributes_of(decide) == {"eigenspan.stage.traces": 2, "eigenspan.stage.kept_traces": 2}
    assert attributes_of(enrich) == {"eigenspan.stage.spans": 3}
    sent = attributes_of(export)
    assert (sent["eigenspan.exporter.name"], sent["eigenspan.stage.rows"]) == ("far", 1)
    assert sent["eigenspan.stage.bytes"] == sum(map(len, kept.bodies))
    turns = {span.span_id: span for span in by_name["turn"]}
    assert len(turns) <= 5, "a turn that did nothing has no span"
    for name, spans in by_name.items():
        for span in spans:
            assert bool(span.parent_span_id) is (name not in ("turn", "export"))
            if span.parent_span_id:
                turn = turns[span.parent_span_id]
                assert turn.trace_id == span.trace_id
                assert turn.start_time_unix_nano <= span.start_time_unix_nano
                assert span.end_time_unix_nano <= turn.end_time_unix_nano
    assert not [s for _, _, s in kept.spans() if s.name in by_name], "they do not go the way of what is received"


def test_a_stage_that_fails_fails_its_turn(tmp_path):
    with far_end() as own, running(
        tmp_path, receivers__otlp__engine="portable", **{TRACES: sending_to(f"127.0.0.1:{own.port}")}
    ) as r:  # fmt: skip
        r.collector._stopping.set()  # the turns are ours
        r.collector._thread.join()
        send(r, request({}))
        whole, r.collector.metrics.count = r.collector.metrics.count, lambda spans: 1 / 0
        r.collector.turn()
        r.collector.metrics.count = whole
        r.collector.own_traces._provider.force_flush()
        failed = {s.name: attributes_of(s)["error.type"] for _, _, s in own.spans() if s.status.code == 2}
    assert failed == {"turn": "ZeroDivisionError", "measure": "ZeroDivisionError"}


def test_a_ratio_of_none_makes_none(tmp_path):
    with far_end() as own:
        more = {TRACES: sending_to(f"127.0.0.1:{own.port}", 0.0), "receivers__otlp__engine": "portable"}
        with running(tmp_path, **more) as r:
            send(r, request({"status": 2}))
            r.wait_until_decided()
        assert not own.bodies


@pytest.mark.parametrize(
    "endpoint", ["localhost:4317", "http://127.0.0.1:4318", "[::1]:4317", "https://localhost:4318/"]
)
def test_its_own_receiver_is_refused(endpoint):
    with pytest.raises(ConfigError, match=r"otlp\.endpoint: .* is this collector's own receiver"):
        load(None, overrides=[f"service.telemetry.traces={sending_to(endpoint)}"], environ={})
    load(None, overrides=[f"service.telemetry.traces={sending_to('elsewhere:4317')}"], environ={})


def test_off_it_imports_nothing_and_costs_next_to_nothing(tmp_path):
    code = (
        "import sys, eigenspan.collector.service\n"
        "print([n for n in sys.modules if n.startswith(('opentelemetry.sdk', 'opentelemetry.exporter'))])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
    with running(tmp_path, receivers__otlp__engine="portable") as r:
        assert r.collector.own_traces is None
        assert r.collector.pipeline.stage is untraced
        assert not [t for t in threading.enumerate() if "Otel" in t.name]


def test_outside_of_a_turn_there_are_no_spans():
    with Turns(None).stage("receive", spans=3) as counts:
        assert counts == {"spans": 3}
