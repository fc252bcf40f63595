"""What rules may ask for changes what is kept: each column from the configuration through a running collector."""

from __future__ import annotations

import json
import time

import pytest

from eigenspan.collector.config import load
from eigenspan.collector.errors import ConfigError
from tests.calibration.test_calibration_providers import IONQ
from tests.collector.building import SECOND, request
from tests.collector.test_telemetry import send
from tests.e2e.harness import far_end, running

PLACE = {"quantum.provider.name": "ionq", "quantum.backend.name": "qpu.aria-1"}
RAN = {"quantum.job.execution.start_time": "2025-06-18T00:00:00Z"}  # two days after the calibration
SOON = {"quantum.job.execution.start_time": "2025-06-16T01:00:00Z"}
BEFORE = {"quantum.job.execution.start_time": "2025-06-15T00:00:00Z"}  # nothing was in force


def spans_with(**attributes: object) -> list[dict]:
    return [{"attributes": {key.replace("__", "."): value for key, value in attributes.items()}}]


def joined(when: dict[str, str], **attributes: object) -> list[dict]:
    return [{"attributes": PLACE | when | attributes}]


CASES: dict[str, tuple[str, list[dict], list[dict]]] = {
    "errors": ("errors > 0", [{"status": 2}], [{}]),
    "oks": ("oks > 0", [{"status": 1}], [{}]),
    "duration": ("duration_s > 5", [{"end_time_unix_nano": 6 * SECOND}], [{}]),
    "spans": ("spans >= 3", [{}, {"span": 2, "parent": 1}, {"span": 3, "parent": 1}], [{}]),
    "bytes": ("bytes > 500", spans_with(text="x" * 600), [{}]),
    "root": ("root = 'solve'", [{"name": "solve"}], [{"name": "other"}, {"name": "solve", "span": 2, "parent": 1}]),
    "any_attribute": ("\"my.tier\" = 'gold'", spans_with(my__tier="gold"), spans_with(my__tier="tin")),
    "a_registrys_number": (
        '"quantum.circuit.two_qubit_gate_count" > 10', spans_with(quantum__circuit__two_qubit_gate_count=11),
        spans_with(quantum__circuit__two_qubit_gate_count=10),
    ),
    "queue": ("queue_s > 60", spans_with(quantum__job__queue__duration=61.0), spans_with(quantum__job__queue__duration=59.0)),
    "cost": ("cost > 1", spans_with(quantum__cost__amount=1.5), spans_with(quantum__cost__amount=0.5)),
    "class": ("workload_class = 'batch'", spans_with(quantum__workload__class="batch"), spans_with(quantum__workload__class="research")),
    "status": ("job_status = 'timed_out'", spans_with(quantum__job__status="timed_out"), spans_with(quantum__job__status="completed")),
    "backend": ("backend = 'b'", spans_with(quantum__backend__name="b"), spans_with(quantum__backend__name="c")),
    "complete": ("NOT complete", [{"parent": 9}], [{}]),
    "age": ("calibration_age_s > 86400", joined(RAN), joined(SOON)),
    "one-qubit_error": ("one_qubit_error > 0.00019", joined(RAN), joined(BEFORE)),
    "two-qubit_error": ("two_qubit_error > 0.0179", joined(RAN), joined(BEFORE)),
    "readout_error": ("readout_error BETWEEN 0.0037 AND 0.0039", joined(RAN), joined(BEFORE)),
    "t1": ("t1_s >= 100", joined(RAN), joined(BEFORE)),
    "t2": ("t2_s <= 1", joined(RAN), joined(BEFORE)),
    "success": (
        "success_probability < 0.5", joined(RAN, **{"quantum.circuit.two_qubit_gate_count": 100}),
        joined(RAN, **{"quantum.circuit.two_qubit_gate_count": 2}),
    ),
    "trace_state": ("trace_state LIKE '%vendor=a%'", [{"trace_state": "vendor=a"}], [{"trace_state": "vendor=b"}]),
    "resource": ("\"resource.host.name\" = 'h' AND errors > 0", [{"status": 2}], [{}]),
    "a_resource_that_is_not_there": ('"resource.host.id" IS NULL AND errors > 0', [{"status": 2, "attributes": {"host.id": "x"}}], [{}]),
    "not_late": ("NOT late AND service = 'asked'", [{}], []),
}  # fmt: skip


def test_every_column_decides_what_is_kept(tmp_path):
    calibration = tmp_path / "ionq.json"
    calibration.write_text(json.dumps(IONQ))
    rules = [
        {"name": name, "when": f"\"my.case\" = '{name}' AND ({when})", "keep": "100%"}
        for name, (when, _, _) in CASES.items()
    ]
    rules.append({"name": "rest", "keep": "0%"})
    more = {
        "processors__sampling__rules": json.dumps(rules),
        "processors__calibration__files": json.dumps([str(calibration)]),
    }
    with running(tmp_path / "data", receivers__otlp__engine="portable", **more) as r:
        number, bodies = 0, []
        for name, (_, *both) in CASES.items():
            for given in both:
                if given:
                    number += 1
                    marked = [
                        s | {"trace": number, "attributes": s.get("attributes", {}) | {"my.case": name}} for s in given
                    ]
                    bodies.append(request(*marked, resource={"service.name": "asked", "host.name": "h"}))
        send(r, *bodies)
        r.wait_until_decided()
        found = r.summary()["traces"]["rules"]
    assert {name: counts for name, counts in found.items() if name != "rest"} == {
        name: {"kept": 1, "dropped": 0} for name in CASES
    }
    assert found["rest"] == {"kept": 0, "dropped": len(CASES) - 1}


LATE_RULES = """[
  {name: health, when: "late AND root = 'health'", keep: 0%},
  {name: long, when: late AND duration_s > 60, keep: 100%},
  {name: stale, when: late AND calibration_age_s > 86400, keep: 100%},
  {name: rest, keep: 0%}]"""


def test_late_spans_bring_back_a_dropped_trace_where_a_rule_wants_it(tmp_path):
    """A long late span and one on a stale calibration do; a short one, and one that an earlier rule holds for, do not."""
    calibration = tmp_path / "ionq.json"
    calibration.write_text(json.dumps(IONQ))
    late: list[dict] = [
        {"end_time_unix_nano": 90 * SECOND},
        {"end_time_unix_nano": 9 * SECOND},
        {"attributes": PLACE | RAN},
        {"attributes": PLACE | SOON},
        {"end_time_unix_nano": 90 * SECOND, "parent": 0, "name": "health"},
    ]
    more = {"processors__sampling__rules": LATE_RULES, "processors__calibration__files": json.dumps([str(calibration)])}
    with far_end() as far, running(
        tmp_path / "data", receivers__otlp__engine="portable", exporters__far__type="otlp",
        exporters__far__endpoint=f"127.0.0.1:{far.port}", **more,
    ) as r:  # fmt: skip
        send(r, *(request({"trace": i, "span": 1, "trace_state": "ot=th:8"}) for i in range(1, 6)))
        r.wait_until_decided()
        assert not far.bodies
        send(r, *(request({"trace": i, "span": 2, "parent": 1} | span) for i, span in enumerate(late, 1)))
        deadline = time.monotonic() + 20
        while len(list(far.spans())) < 4 and time.monotonic() < deadline:
            time.sleep(0.05)
        r.wait_until_decided()
        counts = r.summary()["counts"]
        got = {(int.from_bytes(s.trace_id, "big"), s.span_id[-1]): s for _, _, s in far.spans()}
    assert set(got) == {(1, 1), (1, 2), (3, 1), (3, 2)}
    assert {s.trace_state for s in got.values()} == {""}, "what a trace that came back stands for is not known"
    root = {a.key: a.value for a in got[1, 1].attributes}
    assert root["eigenspan.sampling.recalled"].bool_value
    assert "long" in root["eigenspan.sampling.reason"].string_value
    assert (counts["recalled_traces"], counts["late_spans_dropped"]) == (2, 3)


@pytest.mark.parametrize(
    "more", ["target: 5 traces/s", "keep: 10%, at_most: 5 traces/s", "keep: 10%, at_least: 1 per 5m"]
)
def test_a_rule_over_late_has_a_share_alone(more):
    with pytest.raises(ConfigError, match=r"rules\[0\]: a rule over `late`"):
        load(None, overrides=[f"processors.sampling.rules=[{{name: a, when: late, {more}}}]"], environ={})
