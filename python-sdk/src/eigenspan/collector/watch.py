"""Which attributes become columns: compiled from what the stages ask for and the schema's aliases."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from eigenspan.collector.spans import FIXED, Level, ValueType, Watch, Watched
from eigenspan.semconv import attributes as q
from eigenspan.semconv import tables

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
    "workload_class": (q.QUANTUM_WORKLOAD_CLASS, "string", "span"),
    "workflow": (q.QUANTUM_WORKFLOW_NAME, "string", "span"),
}
"""Columns that the stages themselves need: column → (attribute, type, level)."""

RESERVED = set(FIXED) | {"position", "log_ns", "tenant", "error"}


def compile_watch(extra: Iterable[str] = ()) -> Watch:
    """The built-in columns and one more for each attribute in `extra`, under its own name.

    The schema's table gives an attribute's older names, vendor names and type; one that it does not know is a string.
    """
    watch = [_watched(column, *built_in) for column, built_in in BUILT_IN.items()]
    watch += [_watched(key, key, tables.TYPES.get(key, "string"), "span") for key in dict.fromkeys(extra)]
    return tuple(watch)


def _watched(column: str, key: str, type_: str, level: Level) -> Watched:
    keys = tables.ALIASES.get(key, (key,))
    if column == "error_type":
        keys = tuple(dict.fromkeys((key, *tables.ERROR_KEYS)))
    plain: ValueType = type_ if type_ in ("string", "int", "double", "boolean") else "string"  # type: ignore[assignment]
    return Watched(column, plain, keys, level)
