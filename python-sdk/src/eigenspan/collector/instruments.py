"""What is counted of spans: which metric of the registry, over which spans, with which labels.

Labels are the attributes that the registry allows as a metric's dimensions and no others. Besides its OpenTelemetry
name a metric may have the name, labels and buckets that dashboards in the field query.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

import polars as pl

from eigenspan.collector.histogram import BUCKETS_S
from eigenspan.semconv import attributes as q
from eigenspan.semconv import metrics as m
from eigenspan.semconv.metrics import Metric

Kind = Literal["counter", "histogram", "gauge"]
OK = ""  # the label `error.type` of what did not fail


@dataclass(frozen=True, slots=True)
class FieldName:
    """A metric as dashboards in the field know it: `labels` maps its labels to attributes."""

    name: str
    labels: Mapping[str, str]
    buckets: tuple[float, ...] = ()


@dataclass(frozen=True, slots=True)
class Instrument:
    """`where`: the spans that count. `value`: what is added (1 where None), put into the histogram, or shown last."""

    metric: Metric
    labels: Mapping[str, pl.Expr]
    where: pl.Expr | None = None
    value: pl.Expr | None = None
    field_names: tuple[FieldName, ...] = field(default=())

    @property
    def kind(self) -> Kind:
        """How values become a series."""
        return self.metric.instrument if self.metric.instrument in ("histogram", "gauge") else "counter"  # type: ignore[return-value]

    @property
    def buckets(self) -> tuple[float, ...]:
        """The union of the registry's advice, the field's, and for durations the decades up to a day."""
        own = set(self.metric.buckets).union(*(name.buckets for name in self.field_names))
        return tuple(sorted(own.union(BUCKETS_S) if self.metric.unit == "s" and self.kind == "histogram" else own))


STAGES = {
    "ingress.request": "ingress", "llm.request": "llm", "orchestrator.decision": "decision", "quantum.job.enqueue": "submit",
    "quantum.job.compile": "transpile", "quantum.job.execute": "execute", "postprocess.aggregation": "post_process",
    "problem_encoding": "feature_preparation",
}  # fmt: skip
"""The stages of spans that say theirs by their name only."""
_STAGE = (
    pl.coalesce(
        "stage",
        "operation",
        pl.col("name").replace_strict(STAGES, default=None, return_dtype=pl.String),
        pl.when(pl.col("name").str.starts_with("quantum_circuit_")).then(pl.lit("execute")),
    )
).alias("stage")
PREPARED = (
    _STAGE,
    pl.when("error")
    .then(pl.coalesce(pl.col("error_type").replace("", None), pl.lit("_OTHER")))
    .otherwise(pl.lit(OK))
    .alias("failure"),
    pl.coalesce("success", ~pl.col("error")).cast(pl.String).alias("succeeded"),
)
"""Columns made once for all instruments."""

_BACKEND = {q.QUANTUM_PROVIDER_NAME: pl.col("provider"), q.QUANTUM_BACKEND_NAME: pl.col("backend")}
_ERROR = {"error.type": pl.col("failure")}
_CLASS = {q.QUANTUM_WORKLOAD_CLASS: pl.col("workload_class")}
_DEVICE = {"provider": q.QUANTUM_PROVIDER_NAME, "device": q.QUANTUM_BACKEND_NAME}
_PROVIDER = {"provider": q.QUANTUM_PROVIDER_NAME}
_EXECUTES = pl.col("stage") == "execute"
_OF_THE_JOB = _EXECUTES | pl.col("stage").is_null()  # other stages of a job may repeat what its execution says

INSTRUMENTS = (
    Instrument(
        m.EIGENSPAN_SPAN_DURATION,
        {"service.name": pl.col("service"), q.QUANTUM_OPERATION_NAME: pl.col("operation"), **_BACKEND},
        value=pl.col("duration_s"),
    ),
    Instrument(m.EIGENSPAN_SPAN_ERRORS, {"service.name": pl.col("service"), **_BACKEND, **_ERROR}, pl.col("error")),
    Instrument(
        m.QUANTUM_STAGE_REQUESTS,
        {q.QUANTUM_STAGE_NAME: pl.col("stage"), q.QUANTUM_PROVIDER_NAME: pl.col("provider"), **_CLASS, **_ERROR},
        pl.col("stage").is_not_null(),
        field_names=(FieldName("hybrid_requests_total", {"stage": q.QUANTUM_STAGE_NAME, **_PROVIDER}),),
    ),
    Instrument(
        m.QUANTUM_STAGE_DURATION,
        {q.QUANTUM_STAGE_NAME: pl.col("stage"), **_CLASS, **_ERROR},
        pl.col("stage").is_not_null(),
        pl.col("duration_s"),
        (FieldName("hybrid_request_latency_seconds", {"stage": q.QUANTUM_STAGE_NAME}),),
    ),
    Instrument(m.QUANTUM_JOB_SUBMISSIONS, _BACKEND | _ERROR | _CLASS, pl.col("stage") == "submit"),
    Instrument(
        m.QUANTUM_CIRCUIT_EXECUTIONS,
        {**_BACKEND, **_ERROR, q.QUANTUM_EXECUTION_SUCCESS: pl.col("succeeded")},
        _EXECUTES,
        field_names=(
            FieldName("quantum_circuit_executions_total", {**_DEVICE, "status": q.QUANTUM_EXECUTION_SUCCESS}),
        ),
    ),
    Instrument(
        m.QUANTUM_CIRCUIT_EXECUTION_DURATION,
        _BACKEND | _ERROR,
        _EXECUTES,
        pl.coalesce("execution_s", "duration_s"),
        (FieldName("quantum_circuit_execution_seconds", _DEVICE, (0.1, 0.5, 1, 5, 10, 30, 60, 300)),),
    ),
    Instrument(
        m.QUANTUM_JOB_QUEUE_WAIT,
        _BACKEND | _ERROR,
        pl.col("queue_s").is_not_null() & _OF_THE_JOB,
        pl.col("queue_s"),
        (FieldName("quantum_circuit_queue_seconds", _DEVICE, (1, 5, 30, 60, 300, 900, 1800)),),
    ),
    Instrument(
        m.QUANTUM_CIRCUIT_EXECUTED_DEPTH,
        {q.QUANTUM_PROVIDER_NAME: pl.col("provider")},
        pl.col("circuit_depth").is_not_null() & _OF_THE_JOB,
        pl.col("circuit_depth").cast(pl.Float64),
        (FieldName("quantum_circuit_depth", _PROVIDER, (1, 5, 10, 20, 50, 100, 200, 500)),),
    ),
    Instrument(
        m.QUANTUM_CIRCUIT_EXECUTED_GATES,
        {q.QUANTUM_PROVIDER_NAME: pl.col("provider")},
        pl.col("gates").is_not_null() & _OF_THE_JOB,
        pl.col("gates").cast(pl.Float64),
        (FieldName("quantum_circuit_gates", _PROVIDER, (1, 10, 50, 100, 500, 1000, 5000)),),
    ),
    Instrument(
        m.QUANTUM_CIRCUIT_SHOTS,
        _BACKEND | _ERROR,
        pl.col("shots").is_not_null() & _OF_THE_JOB,
        pl.col("shots").cast(pl.Float64),
    ),
    Instrument(
        m.QUANTUM_JOB_RETRIES,
        _BACKEND | _ERROR,
        (pl.col("retries") > 0) & _OF_THE_JOB,
        pl.col("retries").cast(pl.Float64),
    ),
    Instrument(
        m.QUANTUM_CLIENT_ERRORS,
        _BACKEND | _ERROR,
        pl.col("error") & pl.any_horizontal(pl.col("provider", "backend").is_not_null()),
        field_names=(FieldName("quantum_errors_total", {**_PROVIDER, "error_type": "error.type"}),),
    ),
    Instrument(
        m.QUANTUM_CLIENT_OPERATION_DURATION,
        {**_BACKEND, **_ERROR, q.QUANTUM_OPERATION_NAME: pl.col("operation")},
        pl.col("operation").is_not_null(),
        pl.col("duration_s"),
    ),
    Instrument(
        m.QUANTUM_COST_SPEND,
        {
            **_BACKEND,
            q.QUANTUM_COST_CURRENCY: pl.col("currency"),
            q.QUANTUM_COST_SOURCE: pl.col("cost_source"),
            q.QUANTUM_COST_TYPE: pl.col("cost_type"),
        },
        (pl.col("cost") >= 0) & _OF_THE_JOB,
        pl.col("cost"),
        (FieldName("quantum_cost_total", {**_PROVIDER, "cost_type": q.QUANTUM_COST_TYPE}),),
    ),
    Instrument(
        m.QUANTUM_FALLBACK_ANSWERS,
        {q.QUANTUM_FALLBACK_KIND: pl.col("fallback"), q.QUANTUM_WORKFLOW_NAME: pl.col("workflow")},
        pl.col("fallback").is_not_null(),
    ),
    Instrument(
        m.QUANTUM_OUTCOME_ANSWERS,
        {
            q.QUANTUM_OUTCOME_DEGRADED: pl.col("degraded").cast(pl.String),
            q.QUANTUM_WORKFLOW_NAME: pl.col("workflow"),
            **_CLASS,
        },
        pl.col("degraded").is_not_null(),
    ),
    Instrument(
        m.QUANTUM_LLM_VALIDATIONS,
        {
            q.QUANTUM_LLM_VALIDATOR_NAME: pl.col("validator"),
            q.QUANTUM_LLM_VALIDATOR_PASSED: pl.col("validated").cast(pl.String),
        },
        pl.col("validated").is_not_null(),
    ),
    Instrument(
        m.QUANTUM_CIRCUIT_FIDELITY,
        {**_BACKEND, q.QUANTUM_CIRCUIT_FAMILY: pl.col("family")},
        pl.col("fidelity").is_not_null(),
        pl.col("fidelity"),
        (FieldName("quantum_circuit_fidelity", {**_DEVICE, "circuit_type": q.QUANTUM_CIRCUIT_FAMILY}),),
    ),
)
