"""Which attributes become columns: compiled from what the stages ask for and the schema's aliases."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from eigenspan.collector.errors import ConfigError
from eigenspan.collector.spans import FIXED, SPAN_TYPE, Level, ValueType, Watch, Watched
from eigenspan.schema import normalise
from eigenspan.schema.registry import registry
from eigenspan.semconv import attributes as q
from eigenspan.semconv import tables
from eigenspan.semconv.spans import SPAN_TYPE as TYPE_KEY

BUILT_IN: Mapping[str, tuple[str, ValueType, Level]] = {
    "service": ("service.name", "string", "resource"),
    "error_type": ("error.type", "string", "span"),
    "success": (q.QUANTUM_EXECUTION_SUCCESS, "boolean", "span"),
    "provider": (q.QUANTUM_PROVIDER_NAME, "string", "span"),
    "backend": (q.QUANTUM_BACKEND_NAME, "string", "span"),
    "job_id": (q.QUANTUM_JOB_ID, "string", "span"),
    "job_status": (q.QUANTUM_JOB_STATUS, "string", "span"),
    "shots": (q.QUANTUM_JOB_SHOTS, "int", "span"),
    "queue_s": (q.QUANTUM_JOB_QUEUE_DURATION, "double", "span"),
    "execution_start": (q.QUANTUM_JOB_EXECUTION_START_TIME, "string", "span"),
    "execution_end": (q.QUANTUM_JOB_EXECUTION_END_TIME, "string", "span"),
    "simulator": (q.QUANTUM_BACKEND_SIMULATOR, "boolean", "span"),
    "calibration_id": (q.QUANTUM_BACKEND_CALIBRATION_ID, "string", "span"),
    "cost": (q.QUANTUM_COST_AMOUNT, "double", "span"),
    "currency": (q.QUANTUM_COST_CURRENCY, "string", "span"),
    "cost_source": (q.QUANTUM_COST_SOURCE, "string", "span"),
    "cost_type": (q.QUANTUM_COST_TYPE, "string", "span"),
    "stage": (q.QUANTUM_STAGE_NAME, "string", "span"),
    "operation": (q.QUANTUM_OPERATION_NAME, "string", "span"),
    "execution_s": (q.QUANTUM_JOB_EXECUTION_DURATION, "double", "span"),
    "retries": (q.QUANTUM_JOB_RETRY_COUNT, "int", "span"),
    "gates": (q.QUANTUM_CIRCUIT_GATE_COUNT, "int", "span"),
    "family": (q.QUANTUM_CIRCUIT_FAMILY, "string", "span"),
    "fidelity": (q.QUANTUM_RESULT_FIDELITY, "double", "span"),
    "degraded": (q.QUANTUM_OUTCOME_DEGRADED, "boolean", "span"),
    "fallback": (q.QUANTUM_FALLBACK_KIND, "string", "span"),
    "validator": (q.QUANTUM_LLM_VALIDATOR_NAME, "string", "span"),
    "validated": (q.QUANTUM_LLM_VALIDATOR_PASSED, "boolean", "span"),
    "workload_class": (q.QUANTUM_WORKLOAD_CLASS, "string", "span"),
    "workflow": (q.QUANTUM_WORKFLOW_NAME, "string", "span"),
    "workflow_version": (q.QUANTUM_WORKFLOW_VERSION, "string", "span"),
    "correlation_id": (q.QUANTUM_REQUEST_CORRELATION_ID, "string", "span"),
    "circuit_depth": (q.QUANTUM_CIRCUIT_DEPTH, "int", "span"),
    "job_s": (q.QUANTUM_JOB_DURATION, "double", "span"),
    "circuits": (q.QUANTUM_CIRCUIT_COUNT, "int", "span"),
    "qpu_s": (q.QUANTUM_USAGE_QPU_DURATION, "double", "span"),
    "divergence": (q.QUANTUM_RESULT_DIVERGENCE, "double", "span"),
    "coherence_margin_s": (q.QUANTUM_CIRCUIT_CALIBRATION_COHERENCE_MARGIN, "double", "span"),
    "model": ("gen_ai.request.model", "string", "span"),
    "model_provider": ("gen_ai.provider.name", "string", "span"),
    "model_operation": ("gen_ai.operation.name", "string", "span"),
    "input_tokens": ("gen_ai.usage.input_tokens", "int", "span"),
    "output_tokens": ("gen_ai.usage.output_tokens", "int", "span"),
}
"""Columns that the stages themselves need: column → (attribute, type, level)."""

OTHER_NAMES = tuple(normalise.RULES)
"""Names of older versions and of vendors."""
OTHER_NAME_COLUMNS: Mapping[str, ValueType] = {"other_text": "string", "other_number": "double"}
"""Columns that have a value where a span carries one of `OTHER_NAMES`; which, only `conform` needs to know."""
CONTRACT = {key: column for column, (key, _, _) in BUILT_IN.items() if key in registry().contract}
"""The mandatory fields of a job → the columns that hold them."""

RESOURCE = "resource."
"""How a rule begins the name of an attribute of the resource."""
SPAN_ONLY = frozenset({"span_type", "operation", *OTHER_NAME_COLUMNS})
"""Columns that say something of a span and nothing of its trace."""
_RESERVED = {*FIXED, *BUILT_IN, *SPAN_ONLY, "position", "log_ns", "tenant", "error", "quantum", "foreign"}


def compile_watch(extra: Iterable[str] = ()) -> Watch:
    """The built-in columns and one more for each attribute in `extra`, under its own name; `resource.` before it: the resource's.

    The schema's table gives an attribute's older names, vendor names and type; one that it does not know is a string.
    ConfigError if one has the name of a column that is there anyway.
    """
    extra = tuple(dict.fromkeys(extra))
    if taken := _RESERVED.intersection(extra):
        raise ConfigError(f"watch: {', '.join(sorted(taken))}: a column of that name is there already")
    watch = [_watched(column, *built_in) for column, built_in in BUILT_IN.items()]
    watch.append(Watched("span_type", "string", (SPAN_TYPE, TYPE_KEY)))
    watch += [Watched(column, type_, OTHER_NAMES) for column, type_ in OTHER_NAME_COLUMNS.items()]
    watch += [_named(key) for key in extra]
    return tuple(watch)


def _named(column: str) -> Watched:
    """An attribute of spans by its name, or of the resource by its name after `resource.`."""
    key = column.removeprefix(RESOURCE)
    return _watched(column, key, tables.TYPES.get(key, "string"), "span" if key == column else "resource")


def _watched(column: str, key: str, type_: str, level: Level) -> Watched:
    keys = tables.ALIASES.get(key, (key,))
    if column == "error_type":
        keys = tuple(dict.fromkeys((key, *tables.ERROR_KEYS)))
    plain: ValueType = type_ if type_ in ("string", "int", "double", "boolean") else "string"  # type: ignore[assignment]
    return Watched(column, plain, keys, level)
