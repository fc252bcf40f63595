"""Span metrics over all traffic, before any sampling.

Exact counts, not estimates: every committed span is counted once, kept or not. Series are bounded: past the limit, new
label values are counted under `other`.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence

import msgspec
import polars as pl

from eigenspan.collector.decided import Decision

BUCKETS_S = (
    0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0, 60.0, 300.0, 900.0, 1800.0, 3600.0,
    21600.0, 86400.0,
)  # fmt: skip
"""Upper bounds of the duration histogram in seconds, up to a day: quantum jobs wait that long."""

_BUCKETS_NS = [bound * 1e9 for bound in BUCKETS_S]  # whole nanoseconds: a span of just 30 s is in the bucket up to 30 s
_OTHER = "other"
_LABELS = ("service", "backend")
_BUCKET_LABELS = [str(i) for i in range(len(BUCKETS_S) + 1)]


class _Saved(msgspec.Struct):
    through: int
    spans: list[tuple[str, str, bool, int, int, float]]
    traces: list[tuple[str, bool, int]]


class SpanMetrics:
    """Counts and durations by service, backend and error; traces by rule and verdict."""

    def __init__(self, max_series: int = 2000) -> None:
        self._max_series = max_series
        self._known: set[tuple[str, str]] = set()
        self._buckets: Counter[tuple[str, str, bool, int]] = Counter()
        self._sums: defaultdict[tuple[str, str, bool], float] = defaultdict(float)
        self.traces: Counter[tuple[str, bool]] = Counter()
        self.overflowed = 0
        self.through = 0

    def count(self, spans: pl.DataFrame) -> None:
        """Count committed spans (classified); positions at or below `through` were counted before."""
        if self.through:
            spans = spans.filter(pl.col("position") > self.through)
        if spans.is_empty():
            return
        duration_ns = (
            pl.when(pl.col("end_ns") > pl.col("start_ns")).then(pl.col("end_ns") - pl.col("start_ns")).otherwise(0)
        )
        rows = (
            spans.select(
                pl.col(_LABELS).fill_null(""),
                "error",
                (duration_ns / 1e9).alias("duration_s"),
                duration_ns.cast(pl.Float64).cut(_BUCKETS_NS, labels=_BUCKET_LABELS).to_physical().alias("bucket"),
            )
            .group_by(*_LABELS, "error", "bucket")
            .agg(pl.len().alias("n"), pl.col("duration_s").sum())
        )
        for service, backend, error, bucket, n, seconds in rows.iter_rows():
            labels = self._admit(service, backend)
            self._buckets[*labels, error, bucket] += n
            self._sums[*labels, error] += seconds
        self.through = max(self.through, int(spans["position"].max()))  # type: ignore[arg-type]

    def _admit(self, service: str, backend: str) -> tuple[str, str]:
        labels = (service, backend)
        if labels not in self._known:
            if len(self._known) >= self._max_series:
                self.overflowed += 1
                return (_OTHER, _OTHER)
            self._known.add(labels)
        return labels

    def decided(self, decisions: Iterable[Decision]) -> None:
        """Count decided traces by rule."""
        for decision in decisions:
            self.traces[decision.rule, decision.keep] += 1

    @property
    def spans(self) -> int:
        """All spans counted."""
        return sum(self._buckets.copy().values())

    @property
    def errors(self) -> int:
        """All error spans counted."""
        return sum(n for (_, _, error, _), n in self._buckets.copy().items() if error)

    def save(self) -> bytes:
        """The counts, for the state."""
        spans = [(*key, n, self._sums[key[:3]]) for key, n in self._buckets.items()]
        return msgspec.msgpack.encode(_Saved(self.through, spans, [(*k, n) for k, n in self.traces.items()]))

    def load(self, saved: bytes) -> None:
        """Take up counts that `save` gave."""
        state = msgspec.msgpack.decode(saved, type=_Saved)
        self.through = state.through
        for service, backend, error, bucket, n, seconds in state.spans:
            self._known.add((service, backend))
            self._buckets[service, backend, error, bucket] = n
            self._sums[service, backend, error] = seconds
        for rule, keep, n in state.traces:
            self.traces[rule, keep] = n

    def prometheus(self) -> list[str]:
        """These metrics in the Prometheus text format."""
        lines = ["# HELP eigenspan_span_duration_seconds Durations of all received spans, before sampling."]
        lines.append("# TYPE eigenspan_span_duration_seconds histogram")
        for service, backend, error in sorted(self._sums.copy()):
            labels = {"service": service, "backend": backend, "error": str(error).lower()}
            total = 0
            for i, bound in enumerate((*BUCKETS_S, float("inf"))):
                total += self._buckets[service, backend, error, i]
                le = {"le": "+Inf" if bound == float("inf") else f"{bound:g}"}
                lines.append(sample("eigenspan_span_duration_seconds_bucket", labels | le, total))
            lines.append(sample("eigenspan_span_duration_seconds_sum", labels, self._sums[service, backend, error]))
            lines.append(sample("eigenspan_span_duration_seconds_count", labels, total))
        rows = [
            ({"rule": rule, "kept": str(keep).lower()}, n) for (rule, keep), n in sorted(self.traces.copy().items())
        ]
        return lines + family("eigenspan_traces_decided_total", "counter", "Traces decided, by rule and verdict.", rows)


def family(name: str, type_: str, help_: str, rows: Sequence[tuple[dict[str, str], float]]) -> list[str]:
    """One metric family in the Prometheus text format; nothing where there are no rows."""
    if not rows:
        return []
    return [
        f"# HELP {name} {help_}",
        f"# TYPE {name} {type_}",
        *(sample(name, labels, value) for labels, value in rows),
    ]


def sample(name: str, labels: dict[str, str], value: float) -> str:
    """One line of the Prometheus text format."""
    text = ",".join(f'{key}="{_escape(label)}"' for key, label in labels.items())
    return f"{name}{{{text}}} {value:.17g}" if text else f"{name} {value:.17g}"


def _escape(label: str) -> str:
    return label.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")
