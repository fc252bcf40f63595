"""Span metrics: exact counts over all traffic, against counting by hand, and as Prometheus and OTLP see them."""

from __future__ import annotations

import math
import random
import re
import shutil
import subprocess
from collections import Counter, defaultdict

import msgspec
import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest

from eigenspan.collector.decided import Keys
from eigenspan.collector.histogram import BUCKETS_S, Histogram, cells
from eigenspan.collector.instruments import INSTRUMENTS
from eigenspan.collector.measure import SpanMetrics
from eigenspan.collector.metrics_otlp import encode, snapshot
from eigenspan.collector.prometheus import family, metric_name, sample
from eigenspan.collector.seen import Seen
from eigenspan.semconv import metrics as registry
from eigenspan.semconv import tables
from tests.collector.building import SECOND, decision, spans

BOUNDS_NS = [bound * SECOND for bound in BUCKETS_S]
SAMPLE = re.compile(r"(\w+)(?:\{(.*)\})? (\S+)")
LABEL = re.compile(r'(\w+)="((?:[^"\\]|\\.)*)"')


def random_rows(rng: random.Random, count: int) -> list[dict]:
    """Spans of hybrid traffic, each with its own id, some of them odd."""
    rows = []
    for i in range(count):
        start = rng.randrange(10**18)
        exact = int(rng.choice(BUCKETS_S) * SECOND)
        duration = rng.choice([0, 1, exact, exact + 1, exact - 1, rng.randrange(10**12), -5, 200_000 * SECOND])
        stage = rng.choice([None, None, "execute", "submit", "llm"])
        failed = rng.random() < 0.3
        row = {
            "trace_hi": rng.getrandbits(63), "trace_lo": i // 4, "span_id": i + 1, "start_ns": start, "end_ns": max(0, start + duration),
            "status": 2 if failed else 0, "service": rng.choice([None, "", "a", "b"]), "backend": rng.choice([None, "x"]),
            "provider": rng.choice([None, "p"]), "error_type": rng.choice([None, "", "timeout"]) if failed else None, "stage": stage,
            "name": rng.choice(["span", "quantum_circuit_7", "ingress.request"]), "position": i // 3 + 1,
        }  # fmt: skip
        if stage == "execute":
            row |= {
                "queue_s": rng.choice([None, 0.0, 5.0, 5.5, 1e5]), "shots": rng.choice([None, 100]), "circuit_depth": rng.choice([None, 20]),
                "cost": rng.choice([None, 0.5]), "currency": "USD", "retries": rng.choice([None, 0, 2]),
                "execution_s": rng.choice([None, 2.0]), "circuits": rng.choice([None, 3]), "job_s": rng.choice([None, 0.25, 40.0]),
                "qpu_s": rng.choice([None, 0.5]),
            }  # fmt: skip
        if stage == "llm":
            row |= {
                "model_operation": "chat",
                "model": rng.choice(["m", None]),
                "input_tokens": rng.choice([None, 0, 70]),
            }
        rows.append(row)
    return rows


def read(lines: list[str]) -> dict[str, dict[tuple, float]]:
    """Samples by name and sorted labels; every name and label set is there once."""
    out: dict[str, dict[tuple, float]] = defaultdict(dict)
    for line in lines:
        if not line.startswith("#"):
            name, labels, value = SAMPLE.fullmatch(line).groups()
            key = tuple(sorted(LABEL.findall(labels or "")))
            assert key not in out[name]
            out[name][key] = float(value)
    return out


def assert_same(one: SpanMetrics, other: SpanMetrics) -> None:
    first, second = read(one.prometheus()), read(other.prometheus())
    assert set(first) == set(second)
    for name, samples in first.items():
        assert samples == pytest.approx(second[name]), name


def stage_of(row: dict) -> str | None:
    if row["stage"]:
        return row["stage"]
    return {"quantum_circuit_7": "execute", "ingress.request": "ingress"}.get(row["name"])


def labels_of(**values) -> tuple:
    return tuple(sorted((key, value) for key, value in values.items() if value))


def by_hand(rows: list[dict]) -> dict[str, Counter]:
    """A few of the metrics, counted one span after another."""
    out: dict[str, Counter] = defaultdict(Counter)
    for row in rows:
        duration_ns = max(0, row["end_ns"] - row["start_ns"])
        failed = row["status"] == 2
        failure = (row["error_type"] or "_OTHER") if failed else ""
        place = {"quantum_provider_name": row["provider"], "quantum_backend_name": row["backend"]}
        own = {"service_name": row["service"], **place}
        for bound in (*BUCKETS_S, float("inf")):
            le = "+Inf" if bound == float("inf") else f"{bound:g}"
            out["eigenspan_span_duration_seconds_bucket"][labels_of(**own, le=le)] += duration_ns <= bound * SECOND
        if failed:
            out["eigenspan_span_errors_total"][labels_of(**own, error_type=failure)] += 1
        stage = stage_of(row)
        if stage:
            out["hybrid_requests_total"][labels_of(stage=stage, provider=row["provider"])] += 1
        if stage == "execute":
            status = {
                "status": "failure" if failed else "success",
                "provider": row["provider"],
                "device": row["backend"],
            }
            success = "false" if failed else "true"
            both = status | place | {"error_type": failure, "quantum_execution_success": success}
            out["quantum_circuit_executions_total"][labels_of(**both)] += 1
            device = {"provider": row["provider"], "device": row["backend"]}
            seconds = row.get("execution_s") or duration_ns / SECOND
            for bound in (0.1, 0.5, 1, 5, 10, 30, 60, 300):
                out["quantum_circuit_execution_seconds_bucket"][labels_of(**device, le=f"{bound:g}")] += (
                    seconds <= bound
                )
            if row.get("queue_s") is not None:
                for bound in (1, 5, 30, 60, 300, 900, 1800):
                    out["quantum_circuit_queue_seconds_bucket"][labels_of(**device, le=f"{bound:g}")] += (
                        row["queue_s"] <= bound
                    )
            if row.get("shots"):
                shots = row["shots"] * (row["circuits"] or 1)
                out["quantum_circuit_shots_total"][labels_of(**place, error_type=failure)] += shots
            if row.get("qpu_s"):
                out["quantum_usage_qpu_time_seconds_total"][labels_of(**place)] += row["qpu_s"]
            if row.get("job_s"):
                for bound in (0.1, 0.5, 1, 2, 5, 10, 30, 60, 300, 900, 1800, 3600):
                    counted = labels_of(**device, le=f"{bound:g}")
                    out["quantum_job_latency_seconds_bucket"][counted] += row["job_s"] <= bound
            if row.get("cost"):
                out["quantum_cost_total"][labels_of(provider=row["provider"])] += row["cost"]
            if row.get("retries"):
                out["quantum_job_retries_total"][labels_of(**place, error_type=failure)] += row["retries"]
        if row.get("input_tokens") is not None:
            for bound in (4**n for n in range(14)):
                out["token_usage_per_request_bucket"][labels_of(le=f"{bound:g}")] += row["input_tokens"] <= bound
    return out


NO_MEASUREMENTS = [
    ("quantum.job.queue.wait", "queue_s", math.inf), ("quantum.job.queue.wait", "queue_s", math.nan),
    ("quantum.job.queue.wait", "queue_s", -5.0), ("quantum.cost.spend", "cost", math.inf), ("quantum.cost.spend", "cost", -1.0),
    ("quantum.usage.qpu.time", "qpu_s", 1e300), ("quantum.circuit.fidelity", "fidelity", -math.inf), ("quantum.circuit.shots", "shots", -5),
]  # fmt: skip


@pytest.mark.parametrize(("metric", "column", "value"), NO_MEASUREMENTS)
def test_what_is_no_measurement_is_refused_and_said(metric, column, value):
    """One span must not be able to make a sum infinite, or go back, for ever."""
    base = {"stage": "execute", "provider": "p", "backend": "b", "position": 1}
    metrics, clean = SpanMetrics(), SpanMetrics()
    metrics.count(spans(base | {"span_id": 1, column: value}, base | {"span_id": 2, column: 1}))
    clean.count(spans(base | {"span_id": 1}, base | {"span_id": 2, column: 1}))
    found = read(metrics.prometheus())
    assert found.pop("eigenspan_metric_values_refused_total") == {(("metric", metric),): 1}
    assert found == read(clean.prometheus())


def test_shots_of_many_circuits_do_not_overflow():
    metrics = SpanMetrics()
    shots = enumerate((2**51, 2**62), 1)  # the latter twice is 2⁶³, which is no number of shots
    metrics.count(
        spans(*({"span_id": i, "stage": "execute", "shots": n, "circuits": 2, "position": 1} for i, n in shots))
    )
    found = read(metrics.prometheus())
    assert found["quantum_circuit_shots_total"] == {(): 2.0**52}
    assert found["eigenspan_metric_values_refused_total"] == {(("metric", "quantum.circuit.shots"),): 1}


def test_long_texts_are_not_remembered():
    """Rows whose labels are known hold texts as they came, which a sender chooses."""
    metrics = SpanMetrics()
    rows = [{"span_id": i + 1, "trace_lo": i, "service": f"{i}" + "x" * 100_000, "position": i + 1} for i in range(200)]
    for row in rows:
        metrics.count(spans(row))
    held = sum(len(text) for counting in metrics._scopes.values() for known in counting._known.values()
               for row in known for text in row if isinstance(text, str))  # fmt: skip
    assert held < 5_000_000


@pytest.mark.parametrize("seed", range(5))
def test_it_counts_what_counting_by_hand_counts_with_retries_and_repeats(seed):
    rng = random.Random(seed)
    rows = random_rows(rng, 400)
    metrics = SpanMetrics()
    came = []
    for start in range(0, 400, 30):
        batch = rows[start : start + 30]
        again = rng.sample(came, min(len(came), 10))  # other requests bring some of them again, late
        batch = batch + [row | {"position": batch[-1]["position"]} for row in again] + rng.sample(batch, 3)
        rng.shuffle(batch)
        metrics.count(spans(*batch))
        came += rows[start : start + 30]
    found = read(metrics.prometheus())
    expected = by_hand(rows)
    for name, counts in expected.items():
        shown = found[name]
        if name.endswith("_bucket") and not name.startswith("eigenspan"):
            shown = {key: value for key, value in shown.items() if ("le", "+Inf") not in key}
        assert shown == pytest.approx(dict(counts)), name
    assert metrics.spans == 400
    assert metrics.errors == sum(row["status"] == 2 for row in rows)
    assert metrics.repeated == sum(min(start, 10) + 3 for start in range(0, 400, 30))


@pytest.mark.parametrize("seed", range(3))
def test_one_turn_counts_what_a_turn_for_each_span_counts(seed):
    """Columns that no span of a turn fills are not looked at."""
    rows = [row | {"position": row["span_id"]} for row in random_rows(random.Random(seed), 60)]
    together, apart = SpanMetrics(), SpanMetrics()
    together.count(spans(*rows))
    for row in rows:
        apart.count(spans(row))
    assert_same(together, apart)


def test_what_was_counted_is_not_counted_again_after_a_replay():
    rows = random_rows(random.Random(9), 90)
    metrics, disk = SpanMetrics(), {}
    for start in range(0, 60, 20):
        metrics.count(spans(*rows[start : start + 20]))
        metrics.decided([decision(), decision(rule="baseline", keep=False)])
        disk |= metrics.save()
        metrics.saved()
    assert set(metrics.save()) == {"metrics.totals"}
    again = SpanMetrics()
    again.load({name.removeprefix("metrics."): value for name, value in disk.items()})
    assert again.prometheus() == metrics.prometheus()
    again.count(spans(*rows[30:]))
    metrics.count(spans(*rows[60:]))
    assert_same(again, metrics)
    assert again.traces == {("errors", True): 3, ("baseline", False): 3}
    disk |= again.save()
    third = SpanMetrics()
    third.load({name.removeprefix("metrics."): value for name, value in disk.items()})
    assert_same(third, again)


def test_counts_that_go_on_after_a_restart_began_when_they_began():
    """A cumulative point whose start is later means that its counter began anew."""
    metrics = SpanMetrics(began_ns=5)
    metrics.count(spans({"span_id": 1, "position": 1}))
    again = SpanMetrics(began_ns=9)
    again.load({name.removeprefix("metrics."): value for name, value in metrics.save().items()})
    assert again.began_ns == 5


def test_counts_under_labels_that_a_metric_no_longer_has_are_left_out():
    metrics = SpanMetrics()
    metrics.count(spans({"span_id": 1, "position": 1}))
    row = msgspec.msgpack.encode(("eigenspan.span.errors", ("one", "two"), 3.0, {}))
    metrics.load({"77": row})
    assert "eigenspan_span_errors_total" not in read(metrics.prometheus())


def test_spans_read_again_at_start_are_known_when_a_client_sends_them_again():
    rows = random_rows(random.Random(2), 12)
    metrics = SpanMetrics()
    metrics.through = 2  # as it was saved
    metrics.count(spans(*rows))
    assert metrics.spans == 6
    metrics.count(spans(*(row | {"position": 9} for row in rows)))
    assert (metrics.spans, metrics.repeated, metrics.through) == (6, 12, 9)


@pytest.mark.parametrize("bad", [float("inf"), float("-inf"), float("nan"), -1.0, 1e308, 2.0**53])
def test_a_value_that_no_sum_holds_is_counted_apart(bad):
    counted = SpanMetrics()
    values = enumerate((1.0, bad, 2.0), 1)
    counted.count(spans(*({"name": "quantum_circuit_7", "span_id": i, "queue_s": v, "cost": v} for i, v in values)))
    found = read(counted.prometheus())
    (queue,) = found["quantum_job_queue_wait_seconds_sum"].values()
    (cost,) = found["quantum_cost_spend_total"].values()
    assert queue == cost == 3
    assert list(found["quantum_job_queue_wait_seconds_count"].values()) == [2]
    assert found["eigenspan_metric_values_refused_total"][labels_of(metric="quantum.job.queue.wait")] == 1


def test_decided_traces_are_counted_as_one_by_one():
    rng = random.Random(4)
    kinds = [decision(rule=rule, keep=keep) for rule in ("a", "b", "c") for keep in (True, False)]
    made = [rng.choice([*kinds, decision(rule=rng.choice("ab"))]) for _ in range(300)]
    seconds = [rng.choice([0.0, 0.001, 0.2, rng.expovariate(0.1)]) for _ in made]
    keys = [("", i, rng.getrandbits(64)) for i in range(300)]
    together, apart = SpanMetrics(), SpanMetrics()
    together.decided(made, pl.DataFrame({"duration_s": seconds}), Keys.of(keys))
    for one, lasted, key in zip(made, seconds, keys, strict=True):
        apart.decided([one], pl.DataFrame({"duration_s": [lasted]}), Keys.of([key]))
    assert together.traces == Counter((one.rule, one.keep) for one in made)
    assert together.exemplars == apart.exemplars
    for rule, histogram in together.trace_durations.items():
        own = [lasted for one, lasted in zip(made, seconds, strict=True) if one.rule == rule]
        assert (
            histogram.cells
            == apart.trace_durations[rule].cells
            == Counter(cells(np.array(own), np.array(BUCKETS_S)).tolist())
        )
        assert histogram.sum == pytest.approx(sum(own))


def test_past_the_limit_new_labels_are_counted_under_other():
    metrics = SpanMetrics(max_series=3)
    for i in range(10):
        metrics.count(spans({"service": f"s{i}", "position": i + 1, "span_id": i + 1}))
    metrics.count(
        spans({"service": "s1", "position": 11, "span_id": 20}, {"service": "s9", "position": 11, "span_id": 21})
    )
    counted = {
        labels[0]: histogram.count for labels, histogram in metrics.series["eigenspan.span.duration"].histograms.items()
    }
    assert counted == {"s0": 1, "s1": 2, "s2": 1, "other": 8}
    assert metrics.overflowed == 8
    assert metrics.spans == 12


@given(
    values=st.lists(st.one_of(st.just(0.0), st.floats(1e-9, 1e6), st.sampled_from(BUCKETS_S)), min_size=1, max_size=50)
)
def test_one_histogram_is_exact_both_ways(values):
    bounds = np.array(BUCKETS_S)
    histogram = Histogram(Counter(cells(np.array(values), bounds).tolist()), sum(values))
    assert histogram.classic(BUCKETS_S) == [sum(v <= b for v in values) for b in BUCKETS_S] + [len(values)]
    zeros, offset, counts = histogram.exponential()
    assert zeros == sum(v == 0 for v in values)
    assert sum(counts) + zeros == len(values) == histogram.count
    for i, n in enumerate(counts):
        low, high = 2 ** ((offset + i) / 8), 2 ** ((offset + i + 1) / 8)
        inside = sum(low * (1 + 1e-12) < v <= high * (1 - 1e-12) for v in values)
        around = sum(low * (1 - 1e-12) <= v <= high * (1 + 1e-12) for v in values)
        assert inside <= n <= around


@given(batches=st.lists(st.lists(st.integers(1, 60), max_size=30), max_size=12), capacity=st.integers(8, 100))
def test_what_was_seen_lately_is_known(batches, capacity):
    """Never is one known that did not come; one that came is known while fewer than `capacity` others came since."""
    seen, order, ever = Seen(capacity), [], set()
    for batch in batches:
        fresh = seen.add(np.array(batch, dtype=np.uint64) << np.uint64(40)).tolist()
        now = set()
        for value, new in zip(batch, fresh, strict=True):
            recent = set(order[-(capacity - 1) :]) if capacity > 1 else set()
            if value not in ever | now:
                assert new
            elif value in now or value in recent:
                assert not new
            now.add(value)
        order += [v for v, new in zip(batch, fresh, strict=True) if new]
        ever |= now


def test_what_falls_out_of_memory_is_counted():
    seen = Seen(capacity=8)
    for start in range(0, 60, 5):
        assert seen.add(np.arange(start + 1, start + 6, dtype=np.uint64) << np.uint64(40)).all()
    assert seen.forgotten == 60 - seen._new.count - seen._old.count > 0
    assert seen.add(np.array([1], dtype=np.uint64) << np.uint64(40)).all(), "the first of them is known no more"


def test_a_value_becomes_an_exemplar_only_where_its_trace_is_kept_and_waits_in_bounded_room():
    metrics = SpanMetrics()
    name = "eigenspan.span.duration"
    for i in range(1, 21):
        late = {"log_ns": 61 * SECOND} if i == 20 else {}
        metrics.count(spans({"trace_hi": 1, "trace_lo": i, "span_id": i, "position": i, "end_ns": i * SECOND} | late))
    series = metrics.series[name]
    (held,) = series.waiting.values()
    assert [key[2] for key in held] == [2, 3, 4, 5, 6, 7, 8, 20], "the oldest made room once it had waited for a minute"
    assert len(metrics._waiting._by_trace) == 8
    frame = pl.DataFrame({"duration_s": [1.0] * 3})
    keys = [("", 1, i) for i in (3, 4, 5)]
    metrics.decided([decision(keep=False), decision(), decision(keep=False)], frame, Keys.of(keys))
    assert [e.trace[2] for e in series.exemplars.values()] == [4]
    assert len(metrics._waiting._by_trace) == 5


def test_labels_are_what_the_registry_allows_and_no_key_of_high_cardinality():
    for instrument in INSTRUMENTS:
        assert set(instrument.labels) <= set(instrument.metric.attributes), instrument.metric.name
        assert not set(instrument.labels) & set(tables.HIGH_CARDINALITY), instrument.metric.name
        for name in instrument.field_names:
            assert set(name.labels.values()) <= set(instrument.labels)
            assert set(name.buckets) <= set(instrument.buckets)
    metrics = {i.metric.name for i in INSTRUMENTS}
    assert len({metric_name(i.metric) for i in INSTRUMENTS}) == len(metrics)


@pytest.mark.parametrize(
    ("metric", "name"),
    [(registry.QUANTUM_STAGE_DURATION, "quantum_stage_duration_seconds"), (registry.QUANTUM_COST_SPEND, "quantum_cost_spend_total"),
     (registry.QUANTUM_CIRCUIT_FIDELITY, "quantum_circuit_fidelity_ratio"), (registry.EIGENSPAN_LOG_SIZE, "eigenspan_log_size_bytes")],
)  # fmt: skip
def test_names_are_as_the_specification_translates_them(metric, name):
    assert metric_name(metric) == name


def test_over_otlp_cumulative_and_by_the_minute():
    metrics = SpanMetrics()
    rows = random_rows(random.Random(4), 60)
    traces = pl.DataFrame({"duration_s": [1.5, 2.5]})
    keys = [("", 1, 2), ("", 3, 4)]
    metrics.count(spans(*rows[:39]))
    metrics.decided([decision(), decision(keep=False)], traces, Keys.of(keys))
    first = snapshot(metrics, 100)
    metrics.count(spans(*rows[39:]))
    metrics.decided([decision(keep=False), decision(keep=False)], traces, Keys.of(keys))
    second = snapshot(metrics, 160)

    def points(data: bytes) -> dict[str, dict[tuple, object]]:
        (resource,) = ExportMetricsServiceRequest.FromString(data).resource_metrics
        out = {}
        for metric in resource.scope_metrics[0].metrics:
            points = getattr(metric, metric.WhichOneof("data")).data_points
            out[metric.name] = {tuple((a.key, a.value.string_value) for a in p.attributes): p for p in points}
        return out

    whole, before, minute = (
        points(encode(metrics, second, 5)), points(encode(metrics, first, 5)), points(encode(metrics, second, 5, since=first))
    )  # fmt: skip
    name = "eigenspan.span.duration"
    assert sum(p.count for p in whole[name].values()) == 60
    assert sum(p.count for p in minute[name].values()) == 21
    assert {(p.start_time_unix_nano, p.time_unix_nano, p.scale) for p in whole[name].values()} == {(5, 160, 3)}
    assert {(p.start_time_unix_nano, p.time_unix_nano) for p in minute[name].values()} == {(100, 160)}
    for labels, point in whole[name].items():
        earlier, later = before[name].get(labels), minute[name].get(labels)
        assert point.count == (earlier.count if earlier else 0) + (later.count if later else 0)
        assert sum(point.positive.bucket_counts) + point.zero_count == point.count
    assert sum(p.as_double for p in minute["eigenspan.span.errors"].values()) == sum(
        r["status"] == 2 for r in rows[39:]
    )
    (kept,) = (e for p in whole["eigenspan.trace.duration"].values() for e in p.exemplars)
    assert (kept.trace_id, kept.as_double) == ((1).to_bytes(8, "big") + (2).to_bytes(8, "big"), 1.5)


def test_nothing_counted_is_an_empty_text():
    metrics = SpanMetrics()
    metrics.count(spans({}).clear())
    assert metrics.spans == 0
    assert read(metrics.prometheus()) == {
        "eigenspan_spans_repeated_total": {(): 0.0},
        "eigenspan_spans_forgotten_total": {(): 0.0},
    }
    assert family("n", "counter", "h", []) == []


def test_label_values_are_escaped():
    assert sample("n", {"a": 'x"\\\n', "b": ""}, 0.5) == 'n{a="x\\"\\\\\\n"} 0.5'
    assert sample("n", {}, 3) == "n 3"


@pytest.mark.skipif(not shutil.which("promtool"), reason="promtool is not on the PATH")
def test_prometheus_accepts_the_text():
    metrics = SpanMetrics()
    odd = {"service": 'a"\n\\', "degraded": True, "validated": False, "validator": "v", "fallback": "classical", "fidelity": 0.9,
           "gates": 7, "operation": "execute", "span_id": 10**6, "job_s": 9.0, "qpu_s": 0.5, "divergence": 0.1, "coherence_margin_s": -1e-5,
           "model_operation": "chat", "model": "m", "input_tokens": 3, "output_tokens": 0}  # fmt: skip
    metrics.count(spans(*random_rows(random.Random(1), 200), odd))
    metrics.decided(
        [decision(), decision(keep=False)], pl.DataFrame({"duration_s": [1.0, 2.0]}), Keys.of([("", 1, 2), ("", 3, 4)])
    )
    assert not [name for name, series in metrics.series.items() if not series.values and not series.histograms]
    text = "\n".join(metrics.prometheus()) + "\n"
    done = subprocess.run(["promtool", "check", "metrics"], input=text, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize(
    "column", ["queue_s", "execution_s", "job_s", "cost", "qpu_s", "fidelity", "coherence_margin_s"]
)
@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
def test_a_value_that_is_not_finite_spoils_no_metric_and_is_counted(column, value):
    usual = {"stage": "execute", "backend": "x", "provider": "p", "currency": "USD"} | {column: 0.5}
    metrics, expected = SpanMetrics(), SpanMetrics()
    metrics.count(spans(usual, usual | {"span_id": 2, column: value}))
    expected.count(spans(usual, usual | {"span_id": 2, column: None}))
    refused = [line for line in metrics.prometheus() if "values_refused" in line and not line.startswith("#")]
    if column != "execution_s":  # without it, the span's own duration counts
        assert [line for line in metrics.prometheus() if "values_refused" not in line] == expected.prometheus()
    assert refused
    assert "nan" not in str(metrics.save()).lower()


@pytest.mark.parametrize("column", ["shots", "cost", "qpu_s"])
def test_a_counter_never_falls(column):
    name = {"shots": "quantum_circuit_shots", "cost": "quantum_cost_spend", "qpu_s": "quantum_usage_qpu_time_seconds"}
    usual = {"stage": "execute", "backend": "x", "provider": "p", "currency": "USD"}
    metrics = SpanMetrics()
    metrics.count(spans(usual | {column: 7}, usual | {"span_id": 2, column: -5}))
    found = read(metrics.prometheus())
    assert list(found[f"{name[column]}_total"].values()) == [7]
    assert sum(found["eigenspan_metric_values_refused_total"].values()) >= 1
