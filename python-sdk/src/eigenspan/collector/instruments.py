"""What is counted of spans: which metric of the registry, over which spans, with which labels.

Labels are the attributes that the registry allows as a metric's dimensions and no others. Besides its OpenTelemetry
name a metric may have the name, labels and buckets that dashboards in the field query.

A job's numbers are counted where they are said once: on its execution, or on a span that has neither stage nor type. A
wait that ended without an execution is counted on the failed queue span, cost and time to result on the job's, and
submitting again on the submission's.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Literal

import polars as pl

from eigenspan.collector.histogram import BUCKETS_S
from eigenspan.semconv import attributes as q
from eigenspan.semconv import metrics as m
from eigenspan.semconv import spans as s
from eigenspan.semconv.metrics import Metric

Kind = Literal["counter", "histogram", "gauge"]
Scope = Literal["every", "failed", "known"]
OK = ""  # the label `error.type` of what did not fail


@dataclass(frozen=True, slots=True)
class FieldName:
    """A metric as dashboards in the field know it: `labels` maps its labels to attributes."""

    name: str
    labels: Mapping[str, str]
    buckets: tuple[float, ...] = ()


@dataclass(frozen=True, slots=True)
class Instrument:
    """One way to count spans of a scope: every one, failed ones, or those of quantum programs and language models.

    `labels` and `where` (the spans that count) are over texts and truth values. `value`: the column of what is added (1
    where None), put into the histogram, or shown last; a span without one does not count.
    """

    metric: Metric
    labels: Mapping[str, pl.Expr]
    where: pl.Expr = field(default_factory=lambda: pl.lit(value=True))
    value: str | None = None
    field_names: tuple[FieldName, ...] = ()
    scope: Scope = "known"

    @property
    def kind(self) -> Kind:
        """How values become a series."""
        kinds: dict[str, Kind] = {"histogram": "histogram", "gauge": "gauge"}
        return kinds.get(self.metric.instrument, "counter")

    @property
    def buckets(self) -> tuple[float, ...]:
        """The union of the registry's advice, the field's, and for durations the decades up to a day."""
        own = set(self.metric.buckets).union(*(name.buckets for name in self.field_names))
        lasting = self.metric.unit == "s" and self.kind == "histogram" and min(own, default=0) >= 0
        return tuple(sorted(own.union(BUCKETS_S) if lasting else own))


STAGES = {
    "ingress.request": "ingress", "llm.request": "llm", "orchestrator.decision": "decision", "quantum.job.enqueue": "submit",
    "quantum.job.compile": "transpile", "quantum.job.execute": "execute", "postprocess.aggregation": "post_process",
    "problem_encoding": "feature_preparation",
}  # fmt: skip
"""The stages of spans that say theirs by their name only."""
TYPE_STAGES = {type_: word for type_ in s.SPANS if (word := type_.rsplit(".", 1)[1]) in set(q.QuantumStageName)} | {
    s.ORCHESTRATOR_DECISION.type: q.QuantumStageName.DECISION.value
}
"""Span type → the stage that it is."""
LLM_DURATION = Metric(
    "gen_ai.client.operation.duration", "histogram", "s", "How long an operation of a GenAI client took.",
    ("gen_ai.operation.name", "gen_ai.provider.name", "gen_ai.request.model", "error.type"),
    (0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56, 5.12, 10.24, 20.48, 40.96, 81.92),
)  # fmt: skip
LLM_TOKENS = Metric(
    "gen_ai.client.token.usage", "histogram", "{token}", "How many tokens were used.",
    ("gen_ai.operation.name", "gen_ai.provider.name", "gen_ai.request.model", "gen_ai.token.type"),
    tuple(float(4**n) for n in range(14)),
)  # fmt: skip
"""The two metrics of the GenAI conventions, with their buckets."""

_TYPED = pl.col("span_type").str.starts_with("quantum.").fill_null(value=False)
_NAME = pl.col("name")
_ANY_CIRCUIT = "quantum_circuit_"
_MADE = {"named", "execution_s", "job_s", "shots", "retries", "duration_s"}
_MADE_FROM = {
    "name": pl.String(), "execution_s": pl.Float64(), "job_s": pl.Float64(), "span_type": pl.String(), "shots": pl.Int64(),
    "circuits": pl.Int64(), "retries": pl.Int64(),
}  # fmt: skip


@lru_cache(maxsize=1024)
def prepared(there: frozenset[str]) -> list[pl.Expr]:
    """Columns of the scope `known`, made once for all instruments: what a span's name says, and what is to be added.

    `there`: the columns that have values; the others are not needed.
    """

    def column(name: str) -> pl.Expr:
        return pl.col(name) if name in there else pl.lit(None, _MADE_FROM[name])

    type_ = column("span_type")
    named = pl.when(_NAME.is_in(list(STAGES))).then("name").when(_NAME.str.starts_with(_ANY_CIRCUIT))
    made = {
        "named": named.then(pl.lit(_ANY_CIRCUIT)),
        "execution_s": pl.coalesce(column("execution_s"), "duration_s"),
    }
    if there & {"job_s", "span_type"}:
        made["job_s"] = pl.coalesce(column("job_s"), pl.when(type_ == s.JOB.type).then("duration_s"))
    if "shots" in there:
        made["shots"] = pl.col("shots").cast(pl.Float64) * column("circuits").fill_null(1)
    if "retries" in there:
        again = pl.when(type_ == s.SUBMIT.type).then(1).otherwise("retries")
        made["retries"] = pl.when(pl.col("retries") > 0).then(again)
    return [value.alias(name) for name, value in made.items()]


_STAGED = pl.coalesce(
    "stage",
    "operation",
    pl.col("span_type").replace_strict(TYPE_STAGES, default=None, return_dtype=pl.String),
    pl.col("named").replace_strict(STAGES | {_ANY_CIRCUIT: "execute"}, default=None, return_dtype=pl.String),
    pl.when(~_TYPED & pl.col("model_operation").is_not_null()).then(pl.lit("llm")),
)
_FAILURE = (
    pl.when("error").then(pl.coalesce(pl.col("error_type").replace("", None), pl.lit("_OTHER"))).otherwise(pl.lit(OK))
)

_BACKEND = {q.QUANTUM_PROVIDER_NAME: pl.col("provider"), q.QUANTUM_BACKEND_NAME: pl.col("backend")}
_ERROR = {"error.type": _FAILURE}
_CLASS = {q.QUANTUM_WORKLOAD_CLASS: pl.col("workload_class")}
_FAMILY = {q.QUANTUM_CIRCUIT_FAMILY: pl.col("family")}
_MODEL = {
    "gen_ai.operation.name": pl.col("model_operation"), "gen_ai.provider.name": pl.col("model_provider"),
    "gen_ai.request.model": pl.col("model"),
}  # fmt: skip
_SERVICE = {"service.name": pl.col("service")}
_STAGE = {q.QUANTUM_STAGE_NAME: _STAGED}
_OPERATION = {q.QUANTUM_OPERATION_NAME: pl.col("operation")}
_DEVICE = {"provider": q.QUANTUM_PROVIDER_NAME, "device": q.QUANTUM_BACKEND_NAME}
_PROVIDER = {"provider": q.QUANTUM_PROVIDER_NAME}
_EXECUTES = _STAGED == "execute"
_OF_A_RUN = _EXECUTES | (_STAGED.is_null() & ~_TYPED)
_IS_JOB = pl.col("span_type") == s.JOB.type
_NEVER_RAN = (pl.col("span_type") == s.QUEUE.type) & pl.col("error")
_AGAIN = pl.col("span_type") == s.SUBMIT.type
_OF_A_JOB = _IS_JOB | (_OF_A_RUN & ~_TYPED)

INSTRUMENTS = (
    Instrument(m.EIGENSPAN_SPAN_DURATION, _SERVICE | _OPERATION | _BACKEND, value="duration_s", scope="every"),
    Instrument(m.EIGENSPAN_SPAN_ERRORS, _SERVICE | _BACKEND | _ERROR, scope="failed"),
    Instrument(
        m.QUANTUM_STAGE_REQUESTS,
        {**_STAGE, q.QUANTUM_PROVIDER_NAME: pl.col("provider"), **_CLASS, **_ERROR},
        _STAGED.is_not_null(),
        field_names=(FieldName("hybrid_requests_total", {"stage": q.QUANTUM_STAGE_NAME, **_PROVIDER}),),
    ),
    Instrument(
        m.QUANTUM_STAGE_DURATION,
        _STAGE | _CLASS | _ERROR,
        _STAGED.is_not_null(),
        "duration_s",
        (FieldName("hybrid_request_latency_seconds", {"stage": q.QUANTUM_STAGE_NAME}),),
    ),
    Instrument(m.QUANTUM_JOB_SUBMISSIONS, _BACKEND | _ERROR | _CLASS, _STAGED == "submit"),
    Instrument(
        m.QUANTUM_CIRCUIT_EXECUTIONS,
        {**_BACKEND, **_ERROR, q.QUANTUM_EXECUTION_SUCCESS: pl.coalesce("success", ~pl.col("error"))},
        _EXECUTES,
        field_names=(
            FieldName("quantum_circuit_executions_total", {**_DEVICE, "status": q.QUANTUM_EXECUTION_SUCCESS}),
        ),
    ),
    Instrument(
        m.QUANTUM_CIRCUIT_EXECUTION_DURATION,
        _BACKEND | _ERROR,
        _EXECUTES,
        "execution_s",
        (FieldName("quantum_circuit_execution_seconds", _DEVICE, (0.1, 0.5, 1, 5, 10, 30, 60, 300)),),
    ),
    Instrument(
        m.QUANTUM_JOB_QUEUE_WAIT,
        _BACKEND | _ERROR,
        _OF_A_RUN | _NEVER_RAN,
        "queue_s",
        (FieldName("quantum_circuit_queue_seconds", _DEVICE, (1, 5, 30, 60, 300, 900, 1800)),),
    ),
    Instrument(
        m.QUANTUM_JOB_TIME_TO_RESULT,
        _BACKEND | _ERROR | _CLASS,
        _OF_A_JOB,
        "job_s",
        (FieldName("quantum_job_latency_seconds", _DEVICE, m.QUANTUM_JOB_TIME_TO_RESULT.buckets),),
    ),
    Instrument(
        m.QUANTUM_CIRCUIT_EXECUTED_DEPTH,
        {q.QUANTUM_PROVIDER_NAME: pl.col("provider")},
        _OF_A_RUN,
        "circuit_depth",
        (FieldName("quantum_circuit_depth", _PROVIDER, (1, 5, 10, 20, 50, 100, 200, 500)),),
    ),
    Instrument(
        m.QUANTUM_CIRCUIT_EXECUTED_GATES,
        {q.QUANTUM_PROVIDER_NAME: pl.col("provider")},
        _OF_A_RUN,
        "gates",
        (FieldName("quantum_circuit_gates", _PROVIDER, (1, 10, 50, 100, 500, 1000, 5000)),),
    ),
    Instrument(m.QUANTUM_CIRCUIT_SHOTS, _BACKEND | _ERROR, _OF_A_RUN, "shots"),
    Instrument(m.QUANTUM_JOB_RETRIES, _BACKEND | _ERROR, _OF_A_RUN | _AGAIN, "retries"),
    Instrument(
        m.QUANTUM_CLIENT_ERRORS,
        _BACKEND | _ERROR,
        pl.col("error")
        & pl.any_horizontal(pl.col("provider", "backend").is_not_null())
        & ~_IS_JOB.fill_null(value=False),
        field_names=(FieldName("quantum_errors_total", {**_PROVIDER, "error_type": "error.type"}),),
    ),
    Instrument(
        m.QUANTUM_CLIENT_OPERATION_DURATION,
        _BACKEND | _ERROR | _OPERATION,
        pl.col("operation").is_not_null(),
        "duration_s",
    ),
    Instrument(
        m.QUANTUM_COST_SPEND,
        {
            **_BACKEND,
            q.QUANTUM_COST_CURRENCY: pl.col("currency"),
            q.QUANTUM_COST_SOURCE: pl.col("cost_source"),
            q.QUANTUM_COST_TYPE: pl.col("cost_type"),
        },
        _OF_A_RUN | _IS_JOB,
        "cost",
        (FieldName("quantum_cost_total", {**_PROVIDER, "cost_type": q.QUANTUM_COST_TYPE}),),
    ),
    Instrument(m.QUANTUM_USAGE_QPU_TIME, _BACKEND, _OF_A_RUN, "qpu_s"),
    Instrument(
        m.QUANTUM_FALLBACK_ANSWERS,
        {q.QUANTUM_FALLBACK_KIND: pl.col("fallback"), q.QUANTUM_WORKFLOW_NAME: pl.col("workflow")},
        pl.col("fallback").is_not_null(),
    ),
    Instrument(
        m.QUANTUM_OUTCOME_ANSWERS,
        {q.QUANTUM_OUTCOME_DEGRADED: pl.col("degraded"), q.QUANTUM_WORKFLOW_NAME: pl.col("workflow"), **_CLASS},
        pl.col("degraded").is_not_null(),
    ),
    Instrument(
        m.QUANTUM_LLM_VALIDATIONS,
        {
            q.QUANTUM_LLM_VALIDATOR_NAME: pl.col("validator"),
            q.QUANTUM_LLM_VALIDATOR_PASSED: pl.col("validated"),
        },
        pl.col("validated").is_not_null(),
    ),
    Instrument(
        LLM_DURATION,
        _MODEL | _ERROR,
        pl.col("model_operation").is_not_null(),
        "duration_s",
        (FieldName("llm_inference_latency_seconds", {}, LLM_DURATION.buckets),),
    ),
    *(
        Instrument(
            LLM_TOKENS,
            {**_MODEL, "gen_ai.token.type": pl.lit(kind)},
            pl.col("model_operation").is_not_null(),
            f"{kind}_tokens",
            (FieldName("token_usage_per_request", {}, LLM_TOKENS.buckets),),
        )
        for kind in ("input", "output")
    ),
    Instrument(
        m.QUANTUM_CIRCUIT_FIDELITY,
        _BACKEND | _FAMILY,
        value="fidelity",
        field_names=(FieldName("quantum_circuit_fidelity", {**_DEVICE, "circuit_type": q.QUANTUM_CIRCUIT_FAMILY}),),
    ),
    Instrument(m.QUANTUM_CIRCUIT_DIVERGENCE, _BACKEND | _FAMILY, value="divergence"),
    Instrument(
        m.QUANTUM_CIRCUIT_COHERENCE_MARGIN,
        _BACKEND,
        _OF_A_RUN,
        "coherence_margin_s",
        (FieldName("coherence_margin_seconds", _DEVICE, m.QUANTUM_CIRCUIT_COHERENCE_MARGIN.buckets),),
    ),
)
USED = sorted(
    _MADE_FROM.keys()
    | {name for i in INSTRUMENTS for e in (i.where, *i.labels.values()) for name in e.meta.root_names()} - _MADE
    | {i.value for i in INSTRUMENTS if i.value} - _MADE
)
"""The columns of committed spans from which labels and values come."""
