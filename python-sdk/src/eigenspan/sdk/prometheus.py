"""The metrics under the names, labels and units that dashboards in the field already query, as Prometheus text.

    metrics = FieldMetrics()
    eigenspan.setup("svc", metric_readers=[metrics])
    app = metrics.wsgi            # GET it as /metrics

Labels that a name has in OpenTelemetry and not in the field are summed away.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from opentelemetry.sdk.metrics.export import HistogramDataPoint, InMemoryMetricReader, MetricsData

from eigenspan.semconv import attributes as q
from eigenspan.semconv import metrics as m

PROVIDER, DEVICE = {"provider": q.QUANTUM_PROVIDER_NAME}, {"device": q.QUANTUM_BACKEND_NAME}
_LABELS: dict[str, dict[str, str]] = {
    "quantum_circuit_executions_total": PROVIDER | DEVICE | {"status": q.QUANTUM_EXECUTION_SUCCESS},
    "quantum_circuit_depth": PROVIDER,
    "quantum_circuit_gates": PROVIDER,
    "quantum_circuit_fidelity": PROVIDER | DEVICE | {"circuit_type": q.QUANTUM_CIRCUIT_FAMILY},
    "quantum_device_error_rate": PROVIDER | DEVICE | {"error_type": q.QUANTUM_BACKEND_ERROR_KIND},
    "quantum_cost_total": PROVIDER | {"cost_type": q.QUANTUM_COST_TYPE},
    "quantum_errors_total": PROVIDER | {"error_type": "error.type"},
    "hybrid_requests_total": PROVIDER | {"stage": q.QUANTUM_STAGE_NAME},
    "hybrid_request_latency_seconds": {"stage": q.QUANTUM_STAGE_NAME},
    "provider_rate_limit_remaining": PROVIDER,
    "hallucination_rate": {},
    "response_consistency_score": {},
}
"""Label in the field → attribute, where it is not provider and device."""
_SCALE = {"quantum_device_calibration_age_hours": 1 / 3600}
_OTHERS = {
    "gen_ai.client.operation.duration": "llm_inference_latency_seconds",
    "gen_ai.client.token.usage": "token_usage_per_request",
    "hw.temperature": "accelerator_temperature",
}
"""Metrics of other conventions, without labels in the field."""
Labels = tuple[tuple[str, str], ...]


class FieldMetrics(InMemoryMetricReader):
    """A reader that gives what it collects as Prometheus text."""

    def text(self) -> str:
        """All metrics that the field has a name for."""
        return exposition(self.get_metrics_data())

    def wsgi(self, environ: Mapping[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        """The text as a WSGI application."""
        start_response("200 OK", [("Content-Type", "text/plain; version=0.0.4; charset=utf-8")])
        return [self.text().encode()]


def exposition(data: MetricsData | None) -> str:
    """Prometheus text of collected metrics, in the order of their names."""
    found: dict[str, list[Any]] = defaultdict(list)
    for metric in _metrics(data):
        known = m.METRICS.get(metric.name)
        if name := (known.prometheus if known else "") or _OTHERS.get(metric.name):
            found[name].append(metric)
    return "".join(line + "\n" for name in sorted(found) for line in _family(name, found[name]))


def _family(name: str, metrics: list[Any]) -> list[str]:
    """One metric of the field, over all scopes that record it."""
    labels = _LABELS.get(name, PROVIDER | DEVICE) if metrics[0].name in m.METRICS else {}
    points: dict[Labels, list[Any]] = defaultdict(list)
    for metric in metrics:
        for point in metric.data.data_points:
            points[_shown(labels, point.attributes or {})].append(point)
    histogram = any(isinstance(found[0], HistogramDataPoint) for found in points.values())
    kind = "histogram" if histogram else "counter" if name.endswith("_total") else "gauge"
    lines = [f"# HELP {name} {metrics[0].description}", f"# TYPE {name} {kind}"]
    for shown, found in sorted(points.items()):
        lines += (
            _histogram(name, shown, found) if histogram else [_value(name, shown, found, counter=kind == "counter")]
        )
    return lines


def _metrics(data: MetricsData | None) -> Iterator[Any]:
    for resource in data.resource_metrics if data else ():
        for scope in resource.scope_metrics:
            yield from scope.metrics


def _shown(labels: Mapping[str, str], attributes: Mapping[str, Any]) -> Labels:
    found = []
    for label, key in labels.items():
        value = attributes.get(key, "")
        if isinstance(value, bool):
            value = "success" if value else "failure"
        found.append((label, str(value)))
    return tuple(found)


def _line(name: str, labels: Iterable[tuple[str, str]], value: float) -> str:
    escaped = ((key, text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")) for key, text in labels)
    inside = ",".join(f'{key}="{text}"' for key, text in escaped)
    return f"{name}{{{inside}}} {value:.17g}" if inside else f"{name} {value:.17g}"


def _value(name: str, labels: Labels, points: list[Any], *, counter: bool) -> str:
    values = [point.value for point in points]
    return _line(name, labels, (sum(values) if counter else values[-1]) * _SCALE.get(name, 1.0))


def _histogram(name: str, labels: Labels, points: list[Any]) -> list[str]:
    """Buckets are summed over the points, which all have the bounds of their instrument."""
    bounds = points[0].explicit_bounds
    lines, below = [], 0
    for n, bound in enumerate((*bounds, float("inf"))):
        below += sum(point.bucket_counts[n] for point in points)
        shown = "+Inf" if n == len(bounds) else f"{bound:g}"
        lines.append(_line(f"{name}_bucket", (*labels, ("le", shown)), below))
    lines.append(_line(f"{name}_sum", labels, sum(point.sum for point in points)))
    return [*lines, _line(f"{name}_count", labels, below)]
