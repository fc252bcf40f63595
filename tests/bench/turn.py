"""What a turn's pure stages cost: counting and deciding, at 25,000 spans a turn, and an idle turn.

Run as `python -m tests.bench.turn`; a figure a line, in microseconds a span.
"""

from __future__ import annotations

import os
import statistics
import time
from collections.abc import Callable

os.environ.setdefault("POLARS_MAX_THREADS", "1")  # as `eigenspan collect` has it

import numpy as np
import polars as pl

from eigenspan.collector.classify import classify
from eigenspan.collector.config import load
from eigenspan.collector.decide import Rules
from eigenspan.collector.measure import SpanMetrics
from eigenspan.collector.rules import compile_rules, sampling_watch
from eigenspan.collector.spans import schema_of

SPANS, PER_TRACE, TURNS = 25_000, 8, 15
GOAL_US = 0.6
ADAPTIVE = """processors.sampling.rules=[
  {name: errors, when: errors > 0, keep: 100%},
  {name: slow, when: duration_s > 3 * typical_duration_s, keep: 100%, at_most: 500 traces/s},
  {name: base, target: 50 traces/s, per: [service, root], at_least: 1 per 15m}]"""


def rules(*overrides: str) -> Rules:
    """The rules of a configuration."""
    sampling = load(None, overrides=overrides, environ={}).processors.sampling
    return compile_rules(sampling, sampling_watch(sampling))


def spans(turn: int) -> pl.DataFrame:
    """A turn's spans: 6 services, a fifth of them on one of 4 backends, 0.6 % errors."""
    rng = np.random.default_rng(turn)
    watch = sampling_watch(load(None, environ={}).processors.sampling)
    schema = schema_of(watch) | {"position": pl.UInt64(), "log_ns": pl.Int64(), "tenant": pl.String()}
    frame = pl.DataFrame({name: pl.repeat(None, SPANS, dtype=type_, eager=True) for name, type_ in schema.items()})
    ids = np.repeat(rng.integers(1, 2**63, SPANS // PER_TRACE, dtype=np.uint64), PER_TRACE)
    start_ns = np.uint64(10**18) + rng.integers(0, 10**9, SPANS, dtype=np.uint64)
    quantum = rng.random(SPANS) < 0.2
    backend = np.where(quantum, rng.choice(["ibm_a", "ibm_b", "ionq_c", "iqm_d"], SPANS), None)
    columns = {
        "trace_hi": ids, "trace_lo": ids, "span_id": rng.integers(1, 2**63, SPANS, dtype=np.uint64), "kind": rng.integers(1, 6, SPANS),
        "parent_id": np.arange(SPANS) % PER_TRACE, "status": np.where(rng.random(SPANS) < 0.006, 2, 0), "trace_state": [""] * SPANS,
        "name": rng.choice(["GET /", "solve", "encode", "quantum.job.execute"], SPANS), "tenant": [""] * SPANS,
        "service": rng.choice([f"service-{i}" for i in range(6)], SPANS), "backend": backend, "start_ns": start_ns,
        "end_ns": start_ns + rng.lognormal(16, 3, SPANS).astype(np.uint64), "position": np.full(SPANS, turn + 1),
        "provider": np.where(quantum, "p", None), "stage": np.where(quantum, "execute", None),
        "shots": np.where(quantum, 1000, None),
    }  # fmt: skip
    return classify(
        frame.with_columns(
            pl.Series(name, list(values), dtype=schema[name], strict=False) for name, values in columns.items()
        )
    )


def traces(spans_: pl.DataFrame) -> pl.DataFrame:
    """The same as due traces."""
    found = spans_.group_by("trace_lo", maintain_order=True).agg(
        pl.len().cast(pl.Int64).alias("spans"), pl.col("error").sum().cast(pl.Int64).alias("errors"), pl.col("service").first(),
        pl.col("name").first().alias("root"), ((pl.col("end_ns").max() - pl.col("start_ns").min()) / 1e9).alias("duration_s"),
    )  # fmt: skip
    missing = {"complete": True, "early": False, "trace_state": None}
    return found.with_columns(pl.lit(value).alias(name) for name, value in missing.items()).with_columns(
        pl.col("trace_state").cast(pl.String)
    )


def median_us(work: Callable[[int], object]) -> float:
    """The median CPU of a turn in microseconds, over turns after the first two."""
    taken = []
    for turn in range(TURNS):
        before = time.process_time()
        work(turn)
        taken.append((time.process_time() - before) * 1e6)
    return statistics.median(taken[2:])


def figures() -> dict[str, float]:
    """Microseconds of CPU a span, and of an idle turn (which counts and decides nothing, and saves what changed: nothing)."""
    came = [spans(turn) for turn in range(TURNS)]
    due = [traces(frame) for frame in came]
    metrics, plain, adaptive = SpanMetrics(), rules(), rules(ADAPTIVE)

    def save(turn: int) -> None:
        metrics.save(), adaptive.save()

    return {
        "count": median_us(lambda turn: metrics.count(came[turn])) / SPANS,
        "decide, default rules": median_us(lambda turn: plain.decide(due[turn], 1, 1, log_ns=turn * 10**9)) / SPANS,
        "decide, adaptive rules": median_us(lambda turn: adaptive.decide(due[turn], 1, 1, log_ns=turn * 10**9)) / SPANS,
        "save": median_us(save) / SPANS,
        "idle turn": (metrics.saved(), adaptive.saved(), median_us(save))[-1],
    }


if __name__ == "__main__":
    found = figures()
    for name, value in found.items():
        print(f"{name:24} {value:8.3f} µs{'' if name == 'idle turn' else ' a span'}")
    total = found["count"] + found["decide, adaptive rules"]
    print(f"count and decide         {total:8.3f} µs a span, goal {GOAL_US}")
