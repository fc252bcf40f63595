"""What is masked, what is left out, and what a hook may change."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader

from eigenspan.instrument import _prices, _privacy
from eigenspan.instrument._prices import Cost, Ledger, Price, PriceError, PriceTable
from eigenspan.sdk import spans
from eigenspan.sdk.content import circuit_facts
from eigenspan.sdk.resources import observe_resources
from tests.instrument.recording import Recorder
from tests.sdk.circuits import LIBRARIES, bell

SECRET = "s3cr3tValue0123456789"
TEXTS = [
    f"api_key={SECRET}", f"X-Api-Key: {SECRET}", f'{{"token": "{SECRET}"}}', f"Authorization: Bearer {SECRET}",
    f"got Bearer {SECRET} from", f"https://user:{SECRET}@host/x", f"aws_secret_access_key = '{SECRET}'", f"QISKIT_IBM_TOKEN={SECRET}",
    f"eyJhbGciOiJI.{SECRET}.{SECRET}",
]  # fmt: skip


@pytest.mark.parametrize("text", TEXTS)
def test_credentials_are_masked(text: str) -> None:
    assert SECRET not in _privacy.mask(text)
    assert "***" in _privacy.mask(text)


@pytest.mark.parametrize(
    "text",
    ["circuit needs 60 qubits, backend has 53", "the token bucket is empty", "key error: 'm'", "http://host:80/x"],
)
def test_plain_text_is_not(text: str) -> None:
    assert _privacy.mask(text) == text


@given(st.text())
def test_masking_takes_any_text(text: str) -> None:
    assert isinstance(_privacy.mask(text), str)


@pytest.mark.parametrize("text", ["a" * 100_000, "token" * 20_000, "a.b-" * 25_000, '"' * 100_000, "bearer " * 15_000])
def test_masking_takes_time_in_proportion(text: str) -> None:
    begun = time.process_time()
    _privacy.mask(text)
    assert time.process_time() - begun < 2


def test_content_is_left_out_unless_asked_for(recorder: Recorder) -> None:
    _privacy.allow(())
    try:
        with spans.circuit_assembly(circuit_qasm="OPENQASM 3.0;") as span:
            span.set_attributes({"gen_ai.input.messages": "[]", "quantum.circuit.name": "ghz"})
    finally:
        _privacy.allow(None)
    assert set(recorder.spans[0].attributes) == {"otel.span.type", "quantum.circuit.name"}


def test_a_hook_changes_and_removes_values_and_may_fail(recorder: Recorder) -> None:
    def hook(key: str, value: object) -> object:
        if key == "quantum.circuit.depth":
            raise RuntimeError
        return {"quantum.circuit.name": "x", "quantum.circuit.gate_count": None}.get(key, value)

    _privacy.redact_with(hook)
    try:
        with spans.circuit_assembly(circuit_name="merger", circuit_gate_count=2, circuit_depth=1) as span:
            span.set(circuit_qubit_count=3)
    finally:
        _privacy.redact_with(None)
    found = dict(recorder.spans[0].attributes)
    assert found == {
        "otel.span.type": "quantum.internal.circuit_assembly",
        "quantum.circuit.name": "x",
        "quantum.circuit.qubit_count": 3,
    }


BAD = [
    ("price = 1", "write it as [[price]]"),
    ("[[price]]\nprovider = 'p'", "currency is missing"),
    ("[[price]]\nprovider = 'p'\ncurrency = 'USD'\nper_shot = -1", "must be a number that is not negative"),
    ("[[price]]\nprovider = 'p'\ncurrency = 'USD'\nper_shot = true", "must be a number"),
    ("nonsense", "is not a price table"),
]


@pytest.mark.parametrize(("text", "problem"), BAD)
def test_a_price_table_that_is_none_says_why(tmp_path: Path, text: str, problem: str) -> None:
    (tmp_path / "p.toml").write_text(text)
    with pytest.raises(PriceError) as caught:
        PriceTable.read(tmp_path / "p.toml")
    assert problem in str(caught.value)


@given(st.integers(0, 10**6), st.floats(0, 10**4), st.booleans(), st.booleans())
def test_a_cost_is_the_sum_of_its_parts(shots: int, seconds: float, failed: bool, charged: bool) -> None:
    price = Price("p", "USD", per_task=0.3, per_shot=0.01, per_second=1.6, charge_failed=charged)
    cost = price.cost(shots=shots, execution_s=seconds, failed=failed)
    expected = 0.0 if failed and not charged else 0.3 + 0.01 * shots + 1.6 * seconds
    assert cost.amount == pytest.approx(expected)
    assert cost.type in cost.parts


def test_the_first_price_that_fits_counts() -> None:
    table = PriceTable((Price("ionq", "USD", "Aria*", per_shot=1), Price("ionq", "USD", per_shot=2)))
    assert [table.find("ionq", name).per_shot for name in ("Aria-1", "Forte-1")] == [1, 2]
    assert table.find("iqm", "Aria-1") is None


def test_workflows_that_requests_name_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_prices, "WORKFLOW_LIMIT", 2)
    ledger = Ledger()
    for name in "abc":
        ledger.spend(name, Cost("USD", {"shot": 2.0}))
        ledger.succeed(name)
    assert [ledger.per_success(name, "USD") for name in "abc"] == [None, 2.0, 2.0]


def test_before_the_first_success_nothing_is_divided() -> None:
    ledger = Ledger()
    ledger.spend("w", Cost("USD", {"shot": 2.0}))
    assert ledger.per_success("w", "USD") is None


def test_resources_are_observed(tmp_path: Path) -> None:
    hwmon = tmp_path / "card0" / "device" / "hwmon" / "hwmon3"
    hwmon.mkdir(parents=True)
    (hwmon / "temp1_input").write_text("61500\n")
    (tmp_path / "card0" / "device" / "gpu_busy_percent").write_text("not a number")
    reader = InMemoryMetricReader()
    provider = MeterProvider([reader])
    observe_resources(provider, tmp_path)
    found = {
        metric.name: {point.value for point in metric.data.data_points}
        for scope in reader.get_metrics_data().resource_metrics[0].scope_metrics for metric in scope.metrics
    }  # fmt: skip
    provider.shutdown()
    assert found["hw.temperature"] == {61.5}
    assert "hw.gpu.utilization" not in found
    assert max(found["process.memory.usage"]) > 1e6
    assert max(found["process.cpu.time"]) > 0


@pytest.mark.parametrize("kinds", [(), ("circuits", "counts")])
@pytest.mark.parametrize("library", LIBRARIES)
def test_circuits_and_counts_are_digests_unless_asked_for(
    recorder: Recorder, library: str, kinds: tuple[str, ...]
) -> None:
    _privacy.allow(kinds)
    try:
        with spans.circuit_assembly(bell(library)):
            pass
        with spans.post_process() as post:
            post.counts({"00": 7, "11": 3})
    finally:
        _privacy.allow(None)
    assembly, post_processing = (dict(span.attributes) for span in recorder.spans)
    assert assembly["quantum.circuit.hash"].startswith("sha256:")
    assert ("OPENQASM" in assembly.get("quantum.circuit.qasm", "")) == bool(kinds)
    assert post_processing["quantum.result.size"] == 2
    assert post_processing.get("quantum.result.summary") == ("00:7 11:3" if kinds else None)
    if kinds:
        recorder.exporter.clear()  # the validator rightly says that content is recorded


@pytest.mark.parametrize("library", LIBRARIES)
def test_equal_circuits_have_equal_digests(library: str) -> None:
    first, second = (circuit_facts(bell(library))["quantum.circuit.hash"] for _ in range(2))
    assert first == second
    assert circuit_facts("no circuit") == {}
