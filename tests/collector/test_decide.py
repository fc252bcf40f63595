"""Rules: the first whose condition holds decides, by a threshold on which all instances agree."""

from __future__ import annotations

import random

import polars as pl
import pytest

from eigenspan.collector import threshold
from eigenspan.collector.decide import NO_RULE, Rules, compile_rule, trace_schema
from eigenspan.collector.errors import ConfigError
from eigenspan.collector.watch import compile_watch

SCHEMA = trace_schema(compile_watch(["my.key", "quantum.job.shots"]))
HIGH, LOW = 2**56 - 1, 0


def traces(*rows) -> pl.DataFrame:
    default = dict.fromkeys(SCHEMA) | {
        "spans": 1, "errors": 0, "duration_s": 1.0, "complete": True, "early": False, "trace_lo": HIGH
    }  # fmt: skip
    return pl.DataFrame([default | row for row in rows], schema=SCHEMA | {"trace_lo": pl.UInt64()}, orient="row")


def rules(*given) -> Rules:
    return Rules([compile_rule(name, when, keep, SCHEMA) for name, when, keep in given])


DEFAULT = rules(("errors", "errors > 0", 1.0), ("slow", "duration_s > 300", 1.0), ("baseline", "", 0.1))
TABLE = [
    (DEFAULT, {"errors": 1, "trace_lo": LOW}, "errors", True),
    (DEFAULT, {"errors": 1, "duration_s": 400.0}, "errors", True),
    (DEFAULT, {"duration_s": 300.1, "trace_lo": LOW}, "slow", True),
    (DEFAULT, {"duration_s": 300.0, "trace_lo": LOW}, "baseline", False),
    (DEFAULT, {"trace_lo": LOW}, "baseline", False),
    (DEFAULT, {"trace_lo": HIGH}, "baseline", True),
    (DEFAULT, {"trace_lo": threshold.threshold_of(0.1)}, "baseline", True),
    (DEFAULT, {"trace_lo": threshold.threshold_of(0.1) - 1}, "baseline", False),
    (DEFAULT, {"trace_lo": 0xFF << 56}, "baseline", False),
    (DEFAULT, {"trace_lo": LOW, "trace_state": "ot=rv:ffffffffffffff"}, "baseline", True),
    (DEFAULT, {"trace_lo": HIGH, "trace_state": "a=1,ot=rv:00000000000000"}, "baseline", False),
    (DEFAULT, {"trace_lo": HIGH, "trace_state": "ot=rv:0"}, "baseline", True),
    (rules(("b", "backend = 'x'", 1.0)), {"backend": "x"}, "b", True),
    (rules(("b", "backend = 'x'", 1.0)), {"backend": "y"}, NO_RULE, False),
    (rules(("b", "backend = 'x'", 1.0)), {"backend": None}, NO_RULE, False),
    (rules(("b", "backend IS NULL", 1.0)), {}, "b", True),
    (rules(("b", "backend <> 'x'", 1.0), ("rest", "", 0.5)), {"backend": None}, "rest", True),
    (rules(("b", "backend IN ('x','y') AND shots >= 100", 1.0)), {"backend": "y", "shots": 100.0}, "b", True),
    (rules(("b", "root LIKE 'vqe%' OR errors > 0", 1.0)), {"root": "vqe.step"}, "b", True),
    (rules(("b", '"my.key" = \'v\'', 1.0)), {"my.key": "v"}, "b", True),
    (rules(("b", "calibration_age_s > 86400", 1.0)), {"calibration_age_s": 90000.0}, "b", True),
    (rules(("b", "NOT success", 1.0)), {"success": False}, "b", True),
    (rules(("b", "NOT complete", 1.0)), {"complete": False}, "b", True),
    (rules(("never", "", 0.0), ("b", "", 1.0)), {}, "never", False),
    (rules(("all", "", 1.0)), {"trace_lo": LOW}, "all", True),
    (rules(), {}, NO_RULE, False),
]  # fmt: skip


@pytest.mark.parametrize(("these", "row", "rule", "keep"), TABLE, ids=[f"{i}-{r[2]}" for i, r in enumerate(TABLE)])
def test_one_trace(these, row, rule, keep):
    (found,) = these.decide(traces(row), 7, 9)
    assert (found.rule, found.keep, found.through, found.decided_ns) == (rule, keep, 7, 9)
    compiled = next((r for r in these.rules if r.name == rule), None)
    assert found.threshold == ((compiled.threshold or 0) if compiled else 0)


def test_many_traces_are_decided_as_one_by_one():
    rows = [row for these, row, _, _ in TABLE if these is DEFAULT] * 3
    assert DEFAULT.decide(traces(*rows), 1, 2) == [DEFAULT.decide(traces(row), 1, 2)[0] for row in rows]
    only = rules(("all", "", 0.5))
    assert [d.rule for d in only.decide(traces(*rows), 1, 2)] == ["all"] * len(rows)


def test_traces_that_share_a_decision_are_decided_as_one_by_one():
    rng = random.Random(3)
    several = rules(("errors", "errors > 0", 1.0), ("x", "backend = 'x'", 0.25), ("base", "", 0.5))
    rows = [
        {"trace_lo": rng.getrandbits(64), "errors": int(rng.random() < 0.2), "early": rng.random() < 0.1,
         "complete": rng.random() < 0.8, "backend": rng.choice([None, "x"]),
         "trace_state": rng.choice([None, None, "ot=th:8", "ot=th:fff", "a=1"])}
        for _ in range(400)
    ]  # fmt: skip
    for relief in (1.0, 0.125):
        found = several.decide(traces(*rows), 1, 2, relief=relief)
        assert found == [several.decide(traces(row), 1, 2, relief=relief)[0] for row in rows]
        assert len({id(d) for d in found}) == len(set(map(repr, found)))


def test_two_instances_agree_on_every_id_under_the_same_rate():
    rng = random.Random(3)
    rows = [{"trace_lo": rng.getrandbits(64), "errors": rng.choice([0, 0, 0, 1])} for _ in range(3000)]
    other = rules(("errors", "errors > 0", 1.0), ("base", "", 0.1))
    first, second = DEFAULT.decide(traces(*rows), 1, 2), other.decide(traces(*rows), 50, 60)
    assert [d.keep for d in first] == [d.keep for d in second]
    kept = [d.keep for d, row in zip(first, rows, strict=True) if not row["errors"]]
    assert 0.07 < sum(kept) / len(kept) < 0.13


def test_a_higher_rate_keeps_all_that_a_lower_one_keeps():
    rng = random.Random(4)
    rows = [{"trace_lo": rng.getrandbits(64)} for _ in range(2000)]
    kept = [
        {i for i, d in enumerate(rules(("r", "", p)).decide(traces(*rows), 1, 2)) if d.keep}
        for p in (0.01, 0.1, 0.5, 1)
    ]
    assert kept[0] < kept[1] < kept[2] < kept[3]


def test_the_reason_says_why_and_how():
    early, late = DEFAULT.decide(traces({"early": True, "complete": False}, {"errors": 2}), 1, 2)
    assert (early.reason, early.complete) == ("every trace; decided early: too many open traces", False)
    assert (late.reason, late.complete) == ("errors > 0", True)


BAD = [
    ("erors > 0", "erors"), ("errors >", ""), ("errors", "Int64, not true or false"), ("root > 5", ""), ("", None),
    ("foo(errors)", ""), ("errors > 0; drop table x", ""), ("'text'", "String, not true or false"),
]  # fmt: skip


@pytest.mark.parametrize(("when", "words"), BAD)
def test_a_bad_expression_names_the_rule_and_the_columns(when, words):
    if words is None:
        compile_rule("r", when, 1, SCHEMA)
        return
    with pytest.raises(ConfigError) as caught:
        compile_rule("my-rule", when, 1, SCHEMA)
    text = str(caught.value)
    assert "my-rule" in text
    assert when in text
    assert words in text
    if "not true or false" not in words:
        assert "the columns are" in text
        assert "backend" in text
        assert "duration_s" in text
    assert "\n" not in text


def test_a_trace_on_which_a_condition_cannot_be_evaluated_is_no_match_and_stops_nobody():
    these = rules(("cast", "CAST(root AS BIGINT) > 5", 1.0), ("rest", "", 1.0))
    rows = [{"root": text} for text in ("7", "vqe", "3", None, "8", "é")]
    assert [d.rule for d in these.decide(traces(*rows), 1, 2)] == ["cast", "rest", "rest", "rest", "cast", "rest"]
    assert these.failed == {"cast": 2}
