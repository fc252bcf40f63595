"""Rules in a running collector: what they may ask for, and what they remember."""

from __future__ import annotations

import random

import pytest

from eigenspan.collector.threshold import SPACE, parse, threshold_of
from tests.collector.building import request
from tests.collector.test_telemetry import send
from tests.e2e.harness import far_end, running


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


def kept_by(tmp_path, keep: str, bodies: list[bytes]) -> dict[int, str]:
    """The trace states of what a collector with one share sends on, by trace id."""
    with far_end() as far:
        more = {"exporters__far__type": "otlp", "exporters__far__endpoint": f"127.0.0.1:{far.port}",
                "processors__sampling__rules": f"[{{name: base, keep: {keep}}}]", "receivers__otlp__engine": "portable"}  # fmt: skip
        with running(tmp_path, **more) as r:
            send(r, *bodies)
            r.wait_until_decided()
        return {int.from_bytes(span.trace_id, "big"): span.trace_state for _, _, span in far.spans()}


def test_collectors_under_the_same_share_agree_and_a_smaller_share_is_a_part_of_a_larger(tmp_path):
    """Ids are random or `rv` says what is; a trace that was sampled upstream, where its id says so, keeps its weight."""
    rng = random.Random(7)
    traces = []
    for _ in range(300):
        trace, stated = rng.getrandbits(128), rng.getrandbits(56)
        state = rng.choice(
            ["", "vendor=v", f"ot=rv:{stated:014x}", "ot=th:4" if trace & (SPACE - 1) >= SPACE // 4 else ""]
        )
        traces.append({"trace": trace, "trace_state": state})
    one, same = ([request(t) for t in order] for order in (traces, traces[::-1]))
    first, second = kept_by(tmp_path / "a", "20%", one), kept_by(tmp_path / "b", "20%", [b"".join(same)])
    assert first == second
    assert 30 < len(first) < 90
    more = kept_by(tmp_path / "c", "50%", one)
    assert first.keys() < more.keys()
    assert all(parse(state).threshold == threshold_of(0.2) for state in first.values())
    by_id = {t["trace"]: t["trace_state"] for t in traces}
    onward = [request({"trace": t, "trace_state": state}) for t, state in more.items()]
    assert kept_by(tmp_path / "d", "20%", onward) == first, "half, then a fifth of all: the same fifth"
    for trace, state in more.items():
        assert parse(state).threshold == threshold_of(0.5)
        assert parse(state).randomness == parse(by_id[trace]).randomness
        assert ("vendor=v" in state) is ("vendor=v" in by_id[trace])
    whole = kept_by(tmp_path / "e", "100%", one)
    assert {t for t, state in whole.items() if parse(state).threshold == SPACE // 4} == {
        t for t, state in by_id.items() if "th:4" in state
    }
