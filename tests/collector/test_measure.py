"""Span metrics: exact counts over all traffic, against counting by hand."""

from __future__ import annotations

import random
import shutil
import subprocess
from collections import Counter

import pytest

from eigenspan.collector.measure import BUCKETS_S, SpanMetrics, family, sample
from tests.collector.building import SECOND, decision, spans


def random_rows(rng: random.Random, count: int, first: int = 1) -> list[dict]:
    rows = []
    for i in range(count):
        start = rng.randrange(10**18)
        exact = int(rng.choice(BUCKETS_S) * SECOND)
        duration = rng.choice([0, 1, exact, exact + 1, exact - 1, rng.randrange(10**12), -5, 200_000 * SECOND])
        rows.append(
            {
                "position": first + i // 3,
                "start_ns": start,
                "end_ns": max(0, start + duration),
                "status": rng.choice([0, 2]),
                "service": rng.choice([None, "", "a", "b"]),
                "backend": rng.choice([None, "x"]),
            }
        )
    return rows


def by_hand(rows: list[dict]) -> tuple[Counter, Counter]:
    """Cumulative bucket counts by (service, backend, error, bound) and sums in ns."""
    buckets, sums = Counter(), Counter()
    for row in rows:
        key = (row["service"] or "", row["backend"] or "", row["status"] == 2)
        duration_ns = max(0, row["end_ns"] - row["start_ns"])
        sums[key] += duration_ns
        for bound in (*BUCKETS_S, float("inf")):
            buckets[*key, bound] += duration_ns / 1e9 <= bound
    return buckets, sums


def read(lines: list[str]) -> tuple[dict, dict]:
    """The samples of the histogram in the text format."""
    buckets, sums = {}, {}
    for line in lines:
        if line.startswith("#") or "{" not in line:
            continue
        name, _, rest = line.partition("{")
        text, _, value = rest.rpartition("} ")
        labels = dict(part.split("=", 1) for part in text.replace('"', "").split(","))
        key = (labels.get("service"), labels.get("backend"), labels.get("error") == "true")
        if name.endswith("_bucket"):
            buckets[*key, float(labels["le"])] = float(value)
        elif name.endswith("_sum"):
            sums[key] = float(value)
    return buckets, sums


@pytest.mark.parametrize("seed", range(5))
def test_it_counts_what_counting_by_hand_counts(seed):
    rng = random.Random(seed)
    rows = random_rows(rng, 400)
    metrics = SpanMetrics()
    for start in range(0, 400, 30):
        metrics.count(spans(*rows[start : start + 30]))
    buckets, sums = by_hand(rows)
    found_buckets, found_sums = read(metrics.prometheus())
    assert found_buckets == buckets
    assert found_sums == pytest.approx({key: ns / 1e9 for key, ns in sums.items()})
    assert metrics.spans == 400
    assert metrics.errors == sum(row["status"] == 2 for row in rows)


def test_what_was_counted_is_not_counted_again_after_a_replay():
    rows = random_rows(random.Random(9), 90)
    metrics = SpanMetrics()
    metrics.count(spans(*rows[:60]))
    metrics.decided([decision(), decision(rule="baseline", keep=False), decision()])
    again = SpanMetrics()
    again.load(metrics.save())
    assert again.prometheus() == metrics.prometheus()
    assert again.save() == metrics.save()
    again.count(spans(*rows[30:]))
    metrics.count(spans(*rows[60:]))
    (buckets, sums), (more, more_sums) = read(again.prometheus()), read(metrics.prometheus())
    assert buckets == more
    assert sums == pytest.approx(more_sums)
    assert again.traces == {("errors", True): 2, ("baseline", False): 1}


def test_past_the_limit_new_names_are_counted_under_other():
    metrics = SpanMetrics(max_series=3)
    for i in range(10):
        metrics.count(spans({"service": f"s{i}", "position": i + 1}))
    metrics.count(spans({"service": "s1", "position": 11}, {"service": "s9", "position": 11}))
    counted = Counter()
    for (service, backend, _, _), n in metrics._buckets.items():
        counted[service, backend] += n
    assert counted == {("s0", ""): 1, ("s1", ""): 2, ("s2", ""): 1, ("other", "other"): 8}
    assert metrics.overflowed == 8
    assert metrics.spans == 12


def test_nothing_counted_is_an_empty_text():
    metrics = SpanMetrics()
    metrics.count(spans({}).clear())
    assert metrics.spans == 0
    assert not read(metrics.prometheus())[0]
    assert family("n", "counter", "h", []) == []


def test_label_values_are_escaped():
    assert sample("n", {"a": 'x"\\\n'}, 0.5) == 'n{a="x\\"\\\\\\n"} 0.5'
    assert sample("n", {}, 3) == "n 3"


@pytest.mark.skipif(not shutil.which("promtool"), reason="promtool is not on the PATH")
def test_prometheus_accepts_the_text():
    metrics = SpanMetrics()
    metrics.count(spans(*random_rows(random.Random(1), 50), {"service": 'a"\\\nb é', "position": 99}))
    metrics.decided([decision()])
    text = "\n".join(metrics.prometheus()) + "\n"
    done = subprocess.run(["promtool", "check", "metrics"], input=text, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
