"""The rule sets that stand for the Collector's tail_sampling policies, as documented, do what those policies do."""

from __future__ import annotations

import re

import polars as pl
import pytest
import yaml

from eigenspan.collector import threshold
from eigenspan.collector.config import load
from eigenspan.collector.decide import trace_schema
from eigenspan.collector.errors import ConfigError
from eigenspan.collector.rules import compile_rules, sampling_watch
from eigenspan.collector.threshold import SPACE
from tests.conftest import ROOT

PAGE = (ROOT / "collector-config" / "sampling.md").read_text()
BLOCKS = dict(re.findall(r"### (\w+)\n(?:(?!###).)*?```yaml\n(.*?)```", PAGE, re.DOTALL))
POLICIES = {
    "always_sample", "latency", "numeric_attribute", "string_attribute", "boolean_attribute", "probabilistic", "status_code",
    "trace_state", "trace_flags", "rate_limiting", "bytes_limiting", "span_count", "ottl_condition", "and", "not", "drop",
    "composite",
}  # fmt: skip
HIGH, LOW = SPACE - 1, 0
SECOND = 10**9


def rules_of(rules: list, tmp_path):
    path = tmp_path / "rules.yaml"
    path.write_text(yaml.safe_dump({"processors": {"sampling": {"rules": rules}}}))
    sampling = load(path).processors.sampling
    watch = sampling_watch(sampling)
    return compile_rules(sampling, watch), trace_schema(watch)


def decide(rules: list, tmp_path, *rows: dict, log_ns: int = SECOND):
    compiled, schema = rules_of(rules, tmp_path)
    blank = dict.fromkeys(schema) | {
        "spans": 1, "errors": 0, "oks": 0, "bytes": 100, "duration_s": 1.0, "complete": True, "early": False, "trace_lo": LOW
    }  # fmt: skip
    frame = pl.DataFrame([blank | row for row in rows], schema=schema | {"trace_lo": pl.UInt64()}, orient="row")
    return compiled.decide(frame, 1, 1, log_ns=log_ns)


KEPT = [
    ("always_sample", {}, True),
    ("latency", {"duration_s": 0.499}, False), ("latency", {"duration_s": 0.5}, True), ("latency", {"duration_s": 5.1}, False),
    ("numeric_attribute", {"quantum.job.shots": 1000.0}, True), ("numeric_attribute", {"quantum.job.shots": 4001.0}, False),
    ("numeric_attribute", {}, False),
    ("string_attribute", {"my.tier": "gold"}, True), ("string_attribute", {"my.tier": "platinum"}, True),
    ("string_attribute", {"my.tier": "golden"}, False), ("string_attribute", {}, False),
    ("boolean_attribute", {"quantum.execution.success": False}, True),
    ("boolean_attribute", {"quantum.execution.success": True}, False), ("boolean_attribute", {}, False),
    ("probabilistic", {"trace_lo": threshold.threshold_of(0.1)}, True),
    ("probabilistic", {"trace_lo": threshold.threshold_of(0.1) - 1}, False),
    ("status_code", {"errors": 1}, True), ("status_code", {"oks": 1}, True), ("status_code", {}, False),
    ("trace_state", {"trace_state": "x=1,vendor=b"}, True), ("trace_state", {"trace_state": "vendor=c"}, False),
    ("trace_state", {"trace_state": "xvendor=a"}, False), ("trace_state", {}, False),
    ("trace_flags", {}, True),
    ("span_count", {"spans": 2}, False), ("span_count", {"spans": 3}, True), ("span_count", {"spans": 11}, False),
    ("ottl_condition", {"my.tier": "gold", "quantum.job.shots": 101.0}, True),
    ("ottl_condition", {"my.tier": "gold", "quantum.job.shots": 100.0}, False),
    ("and", {"my.tier": "gold"}, True), ("and", {"my.tier": "gold", "duration_s": 0.1}, False), ("and", {}, False),
    ("not", {"my.tier": "gold"}, False), ("not", {"my.tier": "tin"}, True), ("not", {}, True),
    ("drop", {"root": "GET /health"}, False), ("drop", {"root": "solve"}, True), ("drop", {}, True),
]  # fmt: skip


def test_every_policy_is_on_the_page():
    assert set(BLOCKS) == POLICIES


@pytest.mark.parametrize(("policy", "row", "kept"), KEPT, ids=[f"{i}-{p}" for i, (p, _, _) in enumerate(KEPT)])
def test_a_policy(policy, row, kept, tmp_path):
    (decision,) = decide(yaml.safe_load(BLOCKS[policy]), tmp_path, row)
    assert decision.keep is kept


@pytest.mark.parametrize(("policy", "size"), [("rate_limiting", {"spans": 100}), ("bytes_limiting", {"bytes": 20_000})])
def test_a_limit_keeps_what_fits_of_the_highest_randomness(policy, size, tmp_path):
    rows = [size | {"trace_lo": i << 40} for i in range(20)]
    decisions = decide(yaml.safe_load(BLOCKS[policy]), tmp_path, *rows)
    assert [i for i, d in enumerate(decisions) if d.keep] == [15, 16, 17, 18, 19]
    assert {d.threshold for d in decisions} == {(14 << 40) + 1}


def test_composite_shares_its_budget(tmp_path):
    rows = [{"errors": 1, "spans": 100, "trace_lo": (100 + i) << 40} for i in range(20)]
    rows += [{"duration_s": 9.0, "spans": 50, "trace_lo": (200 + i) << 40} for i in range(20)]
    rows += [{"spans": 10, "trace_lo": (300 + i) << 40} for i in range(50)]
    decisions = decide(yaml.safe_load(BLOCKS["composite"]), tmp_path, *rows)
    spans = {"errors": 0, "slow": 0, "rest": 0}
    for decision, row in zip(decisions, rows, strict=True):
        spans[decision.rule] += row["spans"] if decision.keep else 0
    assert spans == {"errors": 500, "slow": 250, "rest": 250}


def test_where_several_rules_were_tried_the_lowest_threshold_is_written(tmp_path):
    rules = [
        {"name": "slow", "when": "duration_s > 5", "keep": "25%", "otherwise": "next"},
        {"name": "gold", "when": "workload_class = 'gold'", "keep": "50%", "otherwise": "next"},
        {"name": "base", "keep": "12.5%"},
    ]
    both, gold = {"duration_s": 9.0, "workload_class": "gold"}, {"workload_class": "gold"}
    found = decide(rules, tmp_path, *(row | {"trace_lo": r << 52} for row in (both, gold, {}) for r in (15, 13, 9, 3)))
    assert [(d.keep, d.rule if d.keep else None) for d in found] == [
        (True, "slow"), (True, "slow"), (True, "gold"), (False, None),
        (True, "gold"), (True, "gold"), (True, "gold"), (False, None),
        (True, "base"), (False, None), (False, None), (False, None),
    ]  # fmt: skip
    assert [threshold.encode(d.threshold) for d in found] == ["8"] * 8 + ["e"] * 4


def test_what_should_not_have_come_stands_for_nothing_known(tmp_path):
    rows = [{"trace_state": "ot=th:8", "trace_lo": r} for r in (HIGH, LOW)]
    right, wrong = decide([{"name": "all", "keep": "100%"}], tmp_path, *rows)
    assert (right.keep, right.threshold, wrong.keep, wrong.threshold) == (True, 0, True, None)


def test_stress_lowers_baselines_and_nothing_else(tmp_path):
    rules, schema = rules_of(
        [{"name": "slow", "when": "duration_s > 5", "keep": "100%"}, {"name": "base", "keep": "50%"}], tmp_path
    )
    blank = dict.fromkeys(schema) | {"spans": 1, "errors": 0, "complete": True, "early": False, "duration_s": 1.0}
    rows = [{"duration_s": 9.0}, {}, {"errors": 1}]
    frame = pl.DataFrame([blank | {"trace_lo": HIGH} | row for row in rows], schema=schema | {"trace_lo": pl.UInt64()}, orient="row")  # fmt: skip
    slow, base, error = rules.decide(frame, 1, 1, relief=0.25)
    assert (slow.threshold, threshold.encode(base.threshold), threshold.encode(error.threshold)) == (0, "e", "8")
    assert error.reason == "every trace"
    assert (slow.reason, base.reason) == ("duration_s > 5", "every trace; under stress, 0.25 of its share")


def test_what_rules_remember_survives_a_restart(tmp_path):
    text = [
        {"name": "base", "target": "3 traces/s", "per": ["service"], "at_least": "1 per 15m", "at_most": "40 traces/s"},
    ]
    text[0]["when"] = "typical_duration_s IS NULL OR duration_s < 3 * typical_duration_s"
    whole, schema = rules_of(text, tmp_path)
    parts, _ = rules_of(text, tmp_path)
    blank = dict.fromkeys(schema) | {"spans": 1, "errors": 0, "complete": True, "early": False, "root": "r"}
    disk: dict[str, bytes] = {}
    for turn in range(30):
        rows = [
            blank | {"trace_lo": (i * 7919 << 40) % SPACE, "service": "ab"[i % 2], "duration_s": i / 7}
            for i in range(40)
        ]
        frame = pl.DataFrame(rows, schema=schema | {"trace_lo": pl.UInt64()}, orient="row")
        assert whole.decide(frame, 1, 1, log_ns=turn * SECOND) == parts.decide(frame, 1, 1, log_ns=turn * SECOND)
        disk |= parts.save()
        parts.saved()
        parts, _ = rules_of(text, tmp_path)
        parts.load({name.removeprefix("sampling."): value for name, value in disk.items()})


WRONG = [
    ("when: erors > 0", r"rules.yaml:4:13: .*rules\[0\].when: rule 'r': 'erors > 0' .* at column 1, no 'erors'; did you mean errors\?"),
    ("when: errors > 0 AND bakend = 'x'", "at column 16, no 'bakend'; did you mean backend"),
    ("when: errors > 0 and", "not an expression from column 11 on, after 'errors > 0'"),
    ("when: foo(errors)", "at column 1, unsupported function 'foo'"),
    ("when: errors ) 3", r"at column 8, .*unexpected token"),
    ("when: errors", "gives Int64, not true or false"),
    ("when: duration_s > 3 * avg(duration_s)", r"rules.yaml:4:\d+: .*looks at other traces too: at column 18, 'avg'"),
    ("when: row_number() over (order by spans) = 1", "at column 14, 'over'"),
    ("when: count(*) > 1", "at column 1, 'count'"),
    ("per: [service, nothing]", r"rules.yaml:4:\d+: .*rules\[0\].per.*'nothing'.* no 'nothing'"),
    ("target: 5 traces/s", "either `keep`, a share .* or `target`"),
    ("per: [service]", "keys are for `target` and `at_least`"),
    ("at_most: 5 apples/s", "at_most"),
    ("at_least: some per 15m", "at_least"),
    ("target: 5/s", "target"),
]  # fmt: skip


@pytest.mark.parametrize(("line", "words"), WRONG, ids=[line for line, _ in WRONG])
def test_a_wrong_rule_is_an_error_with_its_place(line, words, tmp_path):
    path = tmp_path / "rules.yaml"
    extra = ", at_least: 1 per 5m" if line.startswith("per: [service, ") else ""
    path.write_text(f"processors:\n  sampling:\n    rules:\n    - {{{line}, keep: 10%, name: r{extra}}}\n")
    if line.startswith("when"):
        path.write_text(f"processors:\n  sampling:\n    rules:\n    - {line}\n      keep: 10%\n      name: r\n")
    with pytest.raises(ConfigError, match=words):
        load(path)


PLACES = [
    ("- {name: r, keep: 10%, when: errors > 0 AND bakend = 'x'}", "1:45"),
    ("- name: r\n  keep: 10%\n  when: \"errors > 0 AND bakend = 'x'\"", "3:25"),
    ("- name: r\n  keep: 10%\n  when: 'bakend IS NULL'", "3:10"),
    ('- name: r\n  keep: 10%\n  when: "x\\tand bakend"', "3"),  # an escape: columns of the file are others
    ("- name: r\n  keep: 10%\n  when: >\n    errors > 0\n    AND bakend = 'x'", "3"),
    ("- name: r\n  keep: 10%\n  when:\n    bakend = 'x'", "3"),
    ("- name: r\n  target: 5 traces/s\n  per: [service, bakend]", "3:18"),
]


@pytest.mark.parametrize(("text", "place"), PLACES)
def test_a_wrong_expression_is_found_by_line_and_column_also_in_a_list_of_rules_alone(text, place, tmp_path):
    path = tmp_path / "rules.yaml"
    path.write_text(text)
    with pytest.raises(ConfigError, match=rf"rules\.yaml:{place}: processors"):
        load(path, rules_alone=True)
    with pytest.raises(ConfigError, match="a configuration is a mapping"):
        load(path)
    lines = [f"    {line}" for line in text.splitlines()]
    path.write_text("\n".join(["processors:", "  sampling:", "    rules:", *lines]))
    line, _, column = place.partition(":")
    inside = f"{int(line) + 3}" + (f":{int(column) + 4}" if column else "")
    with pytest.raises(ConfigError, match=rf"rules\.yaml:{inside}: processors"):
        load(path)


def test_two_rules_have_two_names(tmp_path):
    with pytest.raises(ConfigError, match="another rule named 'a'"):
        rules_of([{"name": "a", "keep": "1%"}, {"name": "a", "keep": "2%"}], tmp_path)
