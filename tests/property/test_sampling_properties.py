"""Weights are honest: over thousands of runs with random ids, adjusted counts estimate true counts, by key and by rule."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from dataclasses import replace
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from eigenspan.collector.decide import Rules, compile_rule, trace_schema
from eigenspan.collector.strata import AtLeast, Cap, Strata, Target
from eigenspan.collector.threshold import SPACE, adjusted_count, parse, rewrite
from eigenspan.collector.watch import compile_watch

SCHEMA = trace_schema(compile_watch())
SECOND = 10**9
PER = (pl.col("service"), pl.col("workflow"))
BLANK = dict.fromkeys(SCHEMA) | {
    "spans": 1,
    "errors": 0,
    "duration_s": 1.0,
    "complete": True,
    "early": False,
    "bytes": 100,
}


def frame(services, randomness, **columns) -> pl.DataFrame:
    n = len(services)
    values = {name: pl.repeat(value, n, dtype=SCHEMA[name], eager=True) for name, value in BLANK.items()}
    given = {
        name: pl.Series(list(value), dtype=SCHEMA[name]) for name, value in ({"service": services} | columns).items()
    }
    return pl.DataFrame(values | given | {"trace_lo": pl.Series(randomness, dtype=pl.UInt64)})


def rule(name, when="", keep=None, **more):
    return compile_rule(name, when, keep, SCHEMA, **more)


MIXES = {
    "a share": lambda: [rule("base", keep=0.2)],
    "first match": lambda: [rule("errors", "errors > 0", 1.0), rule("slow", "duration_s > 2", 0.5), rule("base", keep=0.1)],
    "the lowest of several": lambda: [
        rule("a", "duration_s > 2", 0.1, goes_on=True), rule("b", "service = 'x'", 0.4, goes_on=True), rule("c", keep=0.05),
    ],
    "a target": lambda: [rule("base", target=Target(4), per=PER)],
    "a target in a window": lambda: [rule("base", target=Target(4, "window"), per=PER)],
    "at least, and a share": lambda: [rule("base", keep=0.1, per=PER, at_least=AtLeast(2, 2.0))],
    "at least, and a target": lambda: [rule("base", target=Target(2), per=PER, at_least=AtLeast(1, 3.0))],
    "a cap on traces": lambda: [rule("base", keep=1.0, cap=Cap(12))],
    "a cap on spans": lambda: [rule("base", keep=0.7, cap=Cap(40, "spans"))],
    "a cap on bytes": lambda: [rule("base", keep=1.0, cap=Cap(3000, "bytes"))],
    "a cap that goes on": lambda: [rule("capped", keep=1.0, cap=Cap(5), goes_on=True), rule("base", keep=0.2)],
    "errors, a capped target that goes on, a floor": lambda: [
        rule("errors", "errors > 0", 1.0),
        rule("keyed", target=Target(5), per=PER, at_least=AtLeast(1, 2.0), cap=Cap(9, "spans"), goes_on=True),
        rule("floor", keep=0.1),
    ],
}  # fmt: skip
RUNS, TURNS = 1200, 4
HEAD = 1 << 55


@pytest.mark.parametrize("mix", MIXES)
def test_adjusted_counts_estimate_true_counts_without_bias(mix):
    """The mean over runs of the estimate of each key's count is its count, within 4.5 standard errors.

    Runs are apart by a part of the key (`workflow`), so that one call decides for all of them; but a cap is one for all
    keys, so those runs have rules of their own. Three in ten traces were sampled at a half before they came.
    """
    rng = np.random.default_rng(len(mix) * 7919)
    apart = "cap" in mix
    rules = [Rules(MIXES[mix]()) for _ in range(RUNS // 10 if apart else 1)]
    copies = 1 if apart else RUNS
    turns = []
    for turn in range(TURNS):
        services = np.array(["x"] * (20 + 5 * turn) + ["y"] * 6 + ["z"] * (turn % 3 == 0))
        n = len(services)
        columns = {
            "spans": rng.integers(1, 12, n),
            "errors": (rng.random(n) < 0.1).astype(int),
            "duration_s": rng.choice([1.0, 3.0], n),
        }
        turns.append((services, rng.random(n) < 0.3, columns | {"bytes": columns["spans"] * 100}))
    true = {name: sum(int((s == name).sum()) for s, _, _ in turns) for name in "xyz"}
    true |= {"halved": sum(int(up.sum()) for _, up, _ in turns)}
    found = {name: np.zeros(RUNS) for name in true}
    by_rule = {rule.name: np.zeros(RUNS) for rule in rules[0].rules}  # estimated minus true counts
    for run, these in enumerate(rules):
        for turn, (services, upstream, columns) in enumerate(turns):
            n = len(services)
            r = rng.integers(0, SPACE, n * copies, dtype=np.uint64)
            came = np.flatnonzero(~np.tile(upstream, copies) | (r >= HEAD))
            which, runs = came % n, came // n + run
            incoming = np.where(upstream[which], HEAD, 0)
            traces = frame(
                services[which], r[came], workflow=[str(run) for run in runs], **{k: v[which] for k, v in columns.items()},
                trace_state=["ot=th:8" if t else None for t in incoming],
            )  # fmt: skip
            decisions = these.decide(traces, 1, 1, log_ns=(turn + 1) * SECOND)
            kept = np.array([d.keep for d in decisions])
            stated = np.maximum([d.threshold for d in decisions], incoming)
            weights = np.where(kept, SPACE / (SPACE - stated.astype(float)), 0)
            came_for = SPACE / (SPACE - incoming.astype(float))
            for name, apart_by in by_rule.items():
                np.add.at(apart_by, runs, (weights - came_for) * np.array([d.rule == name for d in decisions]))
            for name in "xyz":
                np.add.at(found[name], runs, weights * (services[which] == name))
            np.add.at(found["halved"], runs, weights * (incoming > 0))
    for name, values in found.items():
        values = values[: len(rules) * copies]
        error = np.std(values) / math.sqrt(len(values))
        assert abs(values.mean() - true[name]) <= 4.5 * error + 2e-3 * true[name], (name, values.mean(), true[name])
    assert np.std(found["halved"]) > 0
    if not any(rule.goes_on for rule in rules[0].rules):  # else which rule is named depends on the randomness
        for name, values in by_rule.items():
            values = values[: len(rules) * copies]
            assert abs(values.mean()) <= 4.5 * np.std(values) / math.sqrt(len(values)) + 0.05, name


@given(
    randomness=st.lists(st.integers(0, SPACE - 1), min_size=1, max_size=40),
    sizes=st.lists(st.integers(1, 50), min_size=40, max_size=40),
    per_s=st.integers(1, 200),
)
def test_a_cap_is_the_longest_run_of_the_highest_that_fits(randomness, sizes, per_s):
    r, s = np.array(randomness, dtype=np.uint64), np.array(sizes[: len(randomness)], dtype=np.float64)
    t = Cap(per_s).threshold(r, s, 1.0)
    order = sorted(range(len(r)), key=lambda i: randomness[i], reverse=True)
    total, expected = 0, 0
    for i in order:
        total += min(sizes[i], max(per_s, 1))
        if total > per_s:
            expected = randomness[i] + 1
            break
    assert t == expected
    assert sum(min(sizes[i], per_s) for i in range(len(r)) if randomness[i] >= t) <= per_s


@given(
    randomness=st.lists(st.integers(0, SPACE - 1), min_size=2, max_size=12, unique=True),
    sizes=st.lists(st.integers(1, 30), min_size=12, max_size=12),
    per_s=st.integers(1, 60),
    which=st.integers(0, 11),
    other=st.integers(0, SPACE - 1),
)
def test_a_caps_threshold_for_a_kept_trace_does_not_depend_on_its_own_randomness(
    randomness, sizes, per_s, which, other
):
    """Any other randomness at or above the threshold keeps it under the same threshold; any below does not keep it."""
    which %= len(randomness)
    sizes = np.array(sizes[: len(randomness)], dtype=np.float64)
    t = Cap(per_s).threshold(np.array(randomness, dtype=np.uint64), sizes, 1.0)
    if randomness[which] < t or other in randomness:
        return
    moved = list(randomness)
    moved[which] = other
    again = Cap(per_s).threshold(np.array(moved, dtype=np.uint64), sizes, 1.0)
    if other >= t:
        assert again == t
    else:
        assert other < again


@pytest.mark.parametrize("by", ["ema", "window"])
@pytest.mark.parametrize(("start", "end"), [(40, 400), (400, 40), (500, 500), (100, 101)])
def test_drifting_traffic_meets_its_target_once_it_has_settled(by, start, end):
    """A step at 60 s: from 35 s after it on, what is kept is within 10 % of the target, also while the rate drifts on."""
    rng = np.random.default_rng(start + end)
    rules = Rules([rule("base", target=Target(25, by), per=PER)])
    kept: dict[str, int] = defaultdict(int)
    for tick in range(2 * 200):
        second = tick / 2
        drift = 1 + 0.1 * math.sin(second / 40)
        rate = (start if second < 60 else end) * drift
        n, rare = rng.poisson(rate / 2), rng.poisson(5 / 2)
        traces = frame(["busy"] * n + ["rare"] * rare, rng.integers(0, SPACE, n + rare, dtype=np.uint64))
        decisions = rules.decide(traces, 1, 1, log_ns=int((100 + second) * SECOND))
        assert all(d.keep and d.threshold == 0 for d in decisions[n:]), "a rare key is kept whole"
        if 30 <= second < 60 or second >= 95:
            kept["before" if second < 60 else "after"] += sum(d.keep for d in decisions[:n])
    assert kept["before"] / 30 == pytest.approx(25, rel=0.1)
    assert kept["after"] / 105 == pytest.approx(25, rel=0.1)


def test_errors_and_slow_traces_do_not_starve_under_a_flood():
    rng = np.random.default_rng(5)
    rules = Rules([
        rule("errors", "errors > 0", 1.0), rule("slow", "duration_s > 300", target=Target(2), per=PER),
        rule("base", target=Target(10), cap=Cap(20)),
    ])  # fmt: skip
    for second in range(40):
        n = 20_000 if second > 10 else 20
        services = ["noise"] * n + ["quiet"] * 2
        traces = frame(
            services, rng.integers(0, SPACE, n + 2, dtype=np.uint64), errors=[0] * n + [1, 0], duration_s=[1.0] * (n + 1) + [400.0]
        )  # fmt: skip
        decisions = rules.decide(traces, 1, 1, log_ns=(second + 1) * SECOND, relief=1 / 64 if second > 20 else 1.0)
        assert (decisions[n].keep, decisions[n].threshold, decisions[n].rule) == (True, 0, "errors")
        assert decisions[n + 1].rule == "slow"
        if second <= 20:
            assert decisions[n + 1].keep
        assert sum(d.keep for d in decisions[:n]) <= 20


@given(
    services=st.lists(st.sampled_from("abcdef"), max_size=60),
    count=st.integers(1, 3),
    window=st.integers(1, 5),
)
def test_at_least_takes_the_first_of_each_key_in_each_window(services, count, window):
    rules = Rules([rule("base", keep=0.0, per=PER, at_least=AtLeast(count, window))])
    taken: dict[tuple[str, int], int] = defaultdict(int)
    for turn, start in enumerate(range(0, len(services), 7)):
        part = services[start : start + 7]
        decisions = rules.decide(frame(part, [0] * len(part)), 1, 1, log_ns=turn * SECOND)
        for name, decision in zip(part, decisions, strict=True):
            taken[name, turn // window] += 1
            first = taken[name, turn // window] <= count
            assert decision.keep is first
            assert decision.threshold == 0


def odd_traces(rng: np.random.Generator) -> list[dict[str, Any]]:
    """Turns of traffic in which everything happens that is odd; what does not depend on the randomness is drawn once."""
    turns = []
    for turn in range(TURNS):
        services = np.array(["x"] * (14 + 8 * turn) + ["y"] * 6 + ["z"] * (turn % 2))
        n = len(services)
        turns.append({
            "services": services,
            "errors": (rng.random(n) < 0.1).astype(int),
            "spans": rng.integers(1, 9, n),
            "late_error": rng.random(n) < 0.25,  # an error comes after the decision
            "head": rng.choice([0, 0, HEAD], n),  # sampled at a half before it came
            "stated": rng.random(n) < 0.5,  # its randomness is in `rv`, and its id says nothing
        })  # fmt: skip
    return turns


def arrivals(turn: dict[str, Any], rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray, list[str | None]]:
    """Which traces pass the head sampling this time, the low 64 bits of their ids, and their trace states."""
    n = len(turn["services"])
    randomness, ids = (rng.integers(0, SPACE, n, dtype=np.uint64) for _ in range(2))
    ids = np.where(turn["stated"], ids, randomness)
    came = np.flatnonzero(randomness >= turn["head"])
    states: list[str | None] = []
    for i in came.tolist():
        parts = (["th:8"] if turn["head"][i] else []) + ([f"rv:{randomness[i]:014x}"] if turn["stated"][i] else [])
        states.append(f"ot={';'.join(parts)},vendor=v" if parts else None)
    return came, ids[came], states


def test_all_the_odd_ones_together_leave_estimates_without_bias():
    """Head sampling (`th`, `rv`), first match and lowest of several rules, targets, `at_least`, caps, stress, and recalls.

    In each of 1500 runs weights are read back from the trace states as written, a trace without `th` being outside.
    The mean over runs of the estimate is the true count, for each key, for errors and for all others (between the rules
    that try one after another, which of them is named depends on the randomness), and for traces with a late error,
    within 4.5 standard errors: seven of a million sound samplers would fail one of these.
    """
    rng = np.random.default_rng(20_260_801)
    turns, runs = odd_traces(rng), 1500
    used = ["service", "workflow", "errors", "spans", "duration_s", "early", "complete"]
    for turn in turns:
        n = len(turn["services"])
        turn["frame"] = frame(turn["services"], [0] * n, errors=turn["errors"], spans=turn["spans"]).select(used)
    groups = {name: [t["services"] == name for t in turns] for name in "xyz"}
    groups |= {"errors": [t["errors"] > 0 for t in turns], "others": [t["errors"] == 0 for t in turns]}
    groups |= {"late errors": [t["late_error"] for t in turns], "all": [t["errors"] >= 0 for t in turns]}
    true = {name: sum(int(part.sum()) for part in parts) for name, parts in groups.items()}
    estimates = {name: np.zeros(runs) for name in groups}
    counted_too, recalled = np.zeros(runs), 0  # what counting recalled traces as one each would give
    errors, late_errors = rule("errors", "errors > 0", 1.0), rule("late", "late AND errors > 0", 1.0)
    keyed = rule("keyed", target=Target(5), per=PER, goes_on=True)
    many, floor = rule("many", "spans > 4", 0.3, goes_on=True), rule("floor", keep=0.1)
    for run in range(runs):
        strata = Strata("rule.keyed", PER, target=Target(5), at_least=AtLeast(1, 3.0))
        rules = Rules([errors, late_errors, replace(keyed, strata=strata, cap=Cap(30, "spans")), many, floor])
        for second, turn in enumerate(turns):
            came, ids, states = arrivals(turn, rng)
            traces = turn["frame"][came].with_columns(
                pl.Series("trace_lo", ids), pl.Series("trace_state", states, pl.String)
            )
            decisions = rules.decide(traces, 1, 1, log_ns=(second + 1) * SECOND, relief=0.5 if second == 2 else 1.0)
            late = np.flatnonzero([not d.keep for d in decisions] & turn["late_error"][came])
            wanted = rules.want_back(traces[late].with_columns(errors=pl.lit(1, pl.Int64)))
            assert set(wanted) <= {"late"}
            recalled += len(late)
            written = [rewrite(state or "", d.threshold) for state, d in zip(states, decisions, strict=True)]
            weights = np.zeros(len(turn["services"]))
            weights[came] = [
                adjusted_count(parse(state).threshold) if d.keep else 0.0
                for state, d in zip(written, decisions, strict=True)
            ]
            assert all(parse(rewrite(states[i] or "", None)).threshold is None for i in late.tolist())
            for name, parts in groups.items():
                estimates[name][run] += weights[parts[second]].sum()
            counted_too[run] += weights[turn["late_error"]].sum() + len(late)
    for name, values in estimates.items():
        error = np.std(values) / math.sqrt(runs)
        assert abs(values.mean() - true[name]) <= 4.5 * error, (name, values.mean(), true[name], error)
        assert error < 0.02 * true[name] + 0.1, "the test would see a bias of a tenth"
    assert recalled > runs
    error = np.std(counted_too) / math.sqrt(runs)
    assert counted_too.mean() - true["late errors"] > 20 * error, "with the recalled ones in it, it would be seen"


def test_what_stands_for_nobody_knows_how_many_says_nothing():
    """A trace whose randomness is below the threshold that it came with should not be there: `th` goes, and it is counted."""
    rules = Rules([rule("all", keep=1.0)])
    traces = frame(["x", "x"], [HEAD - 1, HEAD], trace_state=["ot=th:8", "ot=th:8"])
    decisions = rules.decide(traces, 1, 1)
    assert [parse(rewrite("ot=th:8", d.threshold)).threshold for d in decisions] == [None, HEAD]
    assert rules.counts["inconsistent_thresholds"] == 1


def rates_at(second: float) -> dict[str, float]:
    """Traces a second by key: one that is steady, drifts, comes, goes, comes in bursts, and one below its target."""
    return {
        "steady": 200.0,
        "drifting": 250 + 150 * math.sin(second / 40),
        "new": 300.0 if second >= 100 else 0.0,
        "gone": 180.0 if second < 150 else 0.0,
        "bursts": 240.0 if second % 120 < 60 else 0.0,
        "slow": 10.0,
    }


SETTLED = {
    "steady": lambda s: s >= 35, "drifting": lambda s: s >= 35, "new": lambda s: s >= 135, "gone": lambda s: 35 <= s < 150,
    "bursts": lambda s: 35 <= s % 120 < 60,
}  # fmt: skip


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("by", ["ema", "window"])
def test_many_keys_that_come_go_drift_and_burst_each_meet_their_target(by, seed):
    """From 35 s after a key's rate changed, what is kept of it is within 10 % of the target; nothing of a slow key is lost."""
    rng = np.random.default_rng(100 + seed)
    rules = Rules([rule("base", target=Target(25, by), per=PER)])
    used = ["service", "workflow", "errors", "early", "complete", "duration_s"]
    row = frame(["?"], [0]).select(used)
    kept: dict[str, int] = defaultdict(int)
    seconds: dict[str, float] = defaultdict(float)
    came = {"slow": 0}
    for tick in range(2 * 360):
        second = tick / 2
        numbers = {key: int(rng.poisson(rate / 2)) for key, rate in rates_at(second).items()}
        services = [key for key, n in numbers.items() for _ in range(n)]
        ids = rng.integers(0, SPACE, len(services), dtype=np.uint64)
        traces = pl.concat([row] * len(services)).with_columns(
            pl.Series("service", services), pl.Series("trace_lo", ids), pl.lit(None, pl.String).alias("trace_state")
        )
        found = Counter(
            key
            for key, d in zip(services, rules.decide(traces, 1, 1, log_ns=int((50 + second) * SECOND)), strict=True)
            if d.keep
        )
        came["slow"] += numbers["slow"]
        kept["slow"] += found["slow"]
        for key, settled in SETTLED.items():
            if settled(second):
                kept[key] += found[key]
                seconds[key] += 0.5
    assert kept["slow"] == came["slow"]
    assert {key: kept[key] / seconds[key] for key in SETTLED} == pytest.approx(dict.fromkeys(SETTLED, 25), rel=0.1)
