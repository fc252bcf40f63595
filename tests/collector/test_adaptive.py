"""Rules in a running collector: what they may ask for, and what they remember."""

from __future__ import annotations

import pytest

from tests.collector.building import request
from tests.collector.test_telemetry import send
from tests.e2e.harness import running


def test_a_rule_may_ask_for_the_estimated_success_probability(tmp_path):
    pytest.importorskip("qiskit_ibm_runtime", reason="the calibrations are those that it ships")
    rules = "[{name: unlikely, when: success_probability < 0.5, keep: 100%}, {name: rest, keep: 0%}]"
    more = {"processors__calibration__shipped": "true", "processors__sampling__rules": rules}
    with running(tmp_path, receivers__otlp__engine="portable", **more) as r:
        for trace, gates in enumerate((1, 1000, None), 1):
            counts = {} if gates is None else {"quantum.circuit.two_qubit_gate_count": gates}
            place = {
                "quantum.backend.name": "fake_torino",
                "quantum.provider.name": "ibm",
                "quantum.job.execution.start_time": "2026-01-01T00:00:00Z",
            }
            send(r, request({"trace": trace, "attributes": place | counts}))
        r.wait_until_decided()
        assert r.summary()["traces"]["rules"] == {
            "unlikely": {"kept": 1, "dropped": 0},
            "rest": {"kept": 0, "dropped": 2},
        }


def test_what_rules_and_metrics_remember_is_there_after_a_restart(tmp_path):
    rules = "[{name: few, keep: 0%, per: [root], at_least: 1 per 30d}]"
    more = {"receivers__otlp__engine": "portable", "processors__sampling__rules": rules}
    with running(tmp_path, **more) as r:
        send(r, request({"trace": 1}))
        r.wait_until_decided()
    with running(tmp_path, **more) as r:
        send(r, request({"trace": 2}))
        r.wait_until_decided()
        assert r.summary()["traces"]["rules"] == {"few": {"kept": 1, "dropped": 1}}
        assert r.summary()["spans"]["received"] == 2
