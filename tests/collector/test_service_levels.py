"""The recording rules over what a collector really exposes give the ratios that the traffic had."""

from __future__ import annotations

import re
import shutil
import subprocess

import polars as pl
import pytest
import yaml

from eigenspan.collector.conform import Compliance
from eigenspan.collector.measure import SpanMetrics
from eigenspan.collector.watch import CONTRACT
from tests.collector.building import SECOND, WATCH, spans
from tests.conftest import ROOT

RULES = ROOT / "collector-config" / "recording.yaml"
RECORDED = {
    rule["record"]: rule["expr"] for group in yaml.safe_load(RULES.read_text())["groups"] for rule in group["rules"]
}
SAMPLE = re.compile(r"([^#\s{]+(?:\{.*\})?) (\S+)")
pytestmark = pytest.mark.skipif(not shutil.which("promtool"), reason="promtool is not on the PATH")


def exposed() -> list[str]:
    """What is exposed after a hundred requests and twenty jobs, a known part of which went well."""
    rows = []
    for i in range(100):
        rows.append({"stage": "ingress", "workload_class": "batch" if i < 60 else "interactive", "status": 2 * (i % 10 == 0),
                     "end_ns": 1000 + (3 if i % 4 == 0 else 1) * SECOND})  # fmt: skip
        rows.append({"stage": "fallback", "fallback": "classical", "status": 2 * (i < 25)})
        rows.append({"stage": "llm", "validator": "json-schema", "validated": i % 5 != 0, "degraded": i % 20 == 0})
    rows += [
        {"stage": "execute", "provider": "ionq", "backend": "a", "queue_s": 400.0 if i < 2 else 20.0, "job_s": 50.0,
         "success": i >= 4, "status": 2 * (i < 4)}
        for i in range(20)
    ]  # fmt: skip
    metrics = SpanMetrics()
    metrics.count(spans(*({"span_id": i + 1} | row for i, row in enumerate(rows))))
    compliance = Compliance(CONTRACT)
    columns = {w.column: pl.String if w.type == "string" else pl.Float64 for w in WATCH}
    whole = {column: ["x" if type_ is pl.String else 1.0] * 10 for column, type_ in columns.items()}
    whole["workflow_version"] = ["1"] * 9 + [None]
    compliance.count(pl.DataFrame(whole, schema=columns))
    compliance.checked, compliance.conforming = 50.0, 49.0
    return metrics.prometheus() + compliance.prometheus()


EXPECTED: dict[str, dict[str, float]] = {
    "class:requests:success_ratio_rate5m": {'{quantum_workload_class="batch"}': 0.9, '{quantum_workload_class="interactive"}': 0.9},
    "class:requests:under_2s_ratio_rate5m": {'{quantum_workload_class="batch"}': 0.75, '{quantum_workload_class="interactive"}': 0.75},
    "device:jobs:success_ratio_rate30m": {'{provider="ionq",device="a"}': 0.8},
    "device:queue:under_5m_ratio_rate30m": {'{provider="ionq",device="a"}': 0.9},
    "answers:undegraded_ratio_rate5m": {"{}": 0.95},
    "fallbacks:completed_ratio_rate5m": {"{}": 0.75},
    "validator:llm_answers:passed_ratio_rate5m": {'{quantum_llm_validator_name="json-schema"}': 0.8},
    "telemetry:conforming_ratio_rate30m": {"{}": 0.98},
    "telemetry:whole_jobs_ratio_rate30m": {"{}": 0.9},
    "device:time_to_result_seconds:p95_rate30m": {'{provider="ionq",device="a"}': 30 + 0.95 * 30},
    "device:queue_seconds:p95_rate30m": {'{provider="ionq",device="a"}': 300 + 600 * (0.95 - 0.9) / 0.1},
}  # fmt: skip


def promtool(*arguments: str) -> None:
    done = subprocess.run(["promtool", *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_promtool_accepts_the_rules_and_every_series_of_theirs_is_there():
    promtool("check", "rules", str(RULES))
    names = {match[1].partition("{")[0] for line in exposed() if (match := SAMPLE.fullmatch(line))}
    for expression in RECORDED.values():
        assert set(re.findall(r"rate\((\w+)", expression)) <= names, expression


def test_the_rules_give_what_the_traffic_was(tmp_path):
    """Counters grow evenly to what was exposed, over an hour, as if that traffic had come evenly."""
    series = [
        {"series": match[1], "values": f"0+{float(match[2]) / 60:.12g}x60"}
        for line in exposed()
        if (match := SAMPLE.fullmatch(line))
    ]
    tests = [
        {
            "expr": f"round({record}, 0.0001)", "eval_time": "60m",
            "exp_samples": [{"labels": labels, "value": round(value, 4)} for labels, value in expected.items()],
        }
        for record, expected in EXPECTED.items()
    ]  # fmt: skip
    stages = [f'{{quantum_stage_name="{stage}"}}' for stage in ("execute", "fallback", "ingress", "llm")]
    for quantile in ("p50", "p95", "p99"):
        shown = [{"labels": labels, "value": 1} for labels in stages]
        tests.append(
            {"expr": f"stage:duration_seconds:{quantile}_rate5m >bool 0", "eval_time": "60m", "exp_samples": shown}
        )
    document = {
        "rule_files": [str(RULES)], "evaluation_interval": "1m",
        "tests": [{"interval": "1m", "input_series": series, "promql_expr_test": tests}],
    }  # fmt: skip
    (tmp_path / "test.yaml").write_text(yaml.safe_dump(document))
    promtool("test", "rules", str(tmp_path / "test.yaml"))


def test_every_rule_is_tried():
    assert set(RECORDED) == set(EXPECTED) | {f"stage:duration_seconds:{q}_rate5m" for q in ("p50", "p95", "p99")}
