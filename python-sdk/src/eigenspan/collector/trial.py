"""A rule set on stored traffic: what it would have kept, and what the kept traces would have stood for.

Each trace is taken whole and decided when its last span has ended; rates are measured on that time.
"""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import polars as pl

from eigenspan.collector import segment, threshold
from eigenspan.collector.calibrate import calibrate, describe
from eigenspan.collector.classify import classify
from eigenspan.collector.commit import Logged, columns
from eigenspan.collector.conform import conformed
from eigenspan.collector.decided import Decided
from eigenspan.collector.errors import BadData, ConfigError, ScanError
from eigenspan.collector.otlp import json_to_protobuf
from eigenspan.collector.rules import compile_rules, sampling_watch
from eigenspan.collector.scan import engine
from eigenspan.collector.spans import Payload
from eigenspan.collector.success import success_probabilities
from eigenspan.collector.traces import Traces
from eigenspan.store.traces import TraceStore

if TYPE_CHECKING:
    from eigenspan.calibration.asof import AsOfIndex
    from eigenspan.calibration.snapshot import Snapshot
    from eigenspan.collector.settings import SamplingProcessor

_SECOND = 1_000_000_000
_SPAN = ["tenant", "trace_hi", "trace_lo", "span_id", "kind"]  # a kept trace is in the log and in the store
_LATEST_NS = 2**63 - 1
_STORED = 1_000_000  # at most so many traces of a store


@dataclass(slots=True)
class Verdict:
    """What became of the traces whose decision a rule names. `estimate`: what its kept ones stand for."""

    rule: str
    traces: int = 0
    kept: int = 0
    spans: int = 0
    kept_spans: int = 0
    kept_bytes: int = 0
    estimate: float = 0.0


@dataclass(frozen=True, slots=True)
class Trial:
    """One verdict a rule, in the rules' order, then `none`; over how long; and what could not be read."""

    verdicts: tuple[Verdict, ...]
    seconds: float
    unreadable: int


def try_rules(
    sampling: SamplingProcessor,
    sources: Iterable[Path],
    *,
    index: AsOfIndex | None = None,
    document: Callable[[str], Snapshot] | None = None,
) -> Trial:
    """Decide the traces in files of OTLP and data directories of collectors, by the rules of a configuration.

    Without an `index` nothing is known of calibrations. Raises ConfigError where a source is not there or holds nothing.
    """
    watch = sampling_watch(sampling)
    rules = compile_rules(sampling, watch)
    read = [body for source in sources for body in _read(source)]
    bodies = [body for body in read if body is not None]
    scanner = engine()
    wrong = scanner.scan(bodies, watch).errors
    good = [body for i, body in enumerate(bodies) if i not in wrong]
    unreadable = len(read) - len(good)
    logged = [Logged(i, Payload("traces", body, 0), 0, b"") for i, body in enumerate(good, 1)]
    verdicts = {rule.name: Verdict(rule.name) for rule in rules.rules} | {"none": Verdict("none")}
    if not logged:
        return Trial(tuple(verdicts.values()), 0.0, unreadable)
    once = columns(logged, scanner, watch).spans.unique(_SPAN, keep="first", maintain_order=True)
    due = Traces(watch, Decided(), settle_s=0, idle_s=0).apart(classify(once))
    if due is None:
        return Trial(tuple(verdicts.values()), 0.0, unreadable)
    calibrated = calibrate(due.quantum, index) if index else []
    success = {}
    if rules.read_circuits and document:
        success = success_probabilities(
            calibrated, lambda at, offset, n: conformed(good[at - 1][offset : offset + n]), document
        )
    ended = (pl.col("start_ns") / _SECOND + pl.col("duration_s")).alias("ended_s")
    traces = describe(due, calibrated, success).with_columns(ended).sort("ended_s")
    for (_,), part in traces.group_by(pl.col("ended_s").floor(), maintain_order=True):
        log_ns = min(int(part["ended_s"].to_numpy().max() * _SECOND), _LATEST_NS)
        spans, sizes, states = part["spans"].to_list(), part["bytes"].to_list(), part["trace_state"].to_list()
        for i, decision in enumerate(rules.decide(part, 0, 0, log_ns=log_ns)):
            found = verdicts[decision.rule]
            found.traces += 1
            found.spans += spans[i]
            if decision.keep:
                incoming = threshold.parse(states[i] or "").threshold or 0
                found.kept += 1
                found.kept_spans += spans[i]
                found.kept_bytes += sizes[i]
                found.estimate += threshold.adjusted_count(max(incoming, decision.threshold or 0))
    lasted_s = traces["ended_s"].to_numpy().max() - traces["start_ns"].to_numpy().min() / _SECOND
    return Trial(tuple(verdicts.values()), float(lasted_s), unreadable)


def _read(source: Path) -> Iterator[bytes | None]:
    """The export requests in a file or a data directory; None for each that is none."""
    if source.is_dir():
        segments = sorted((source / "log").glob("*.seg"))
        if not segments and not (source / "traces").is_dir():
            raise ConfigError(f"{source}: neither a collector's data directory nor a file of OTLP")
        for path in segments:
            with suppress(FileNotFoundError):  # a collector that runs removes what it need not hold
                records = segment.read_records(path.read_bytes())
                yield from (
                    r.payload.body for r in records if isinstance(r, segment.Record) and r.payload.signal == "traces"
                )
        if (source / "traces").is_dir():
            with TraceStore(source / "traces", read_only=True) as store:
                for row in store.newest(limit=_STORED):
                    stored = store.trace(row.trace_id)
                    yield from stored.bodies if stored else ()
        return
    try:
        data = source.read_bytes()
        data = gzip.decompress(data) if data[:2] == b"\x1f\x8b" else data
    except (OSError, EOFError, zlib.error) as error:
        raise ConfigError(f"{source}: cannot be read: {error}") from error
    if data.lstrip(b" \t\r")[:1] != b"{":  # a newline is how protobuf begins
        yield data
        return
    for text in _documents(data):
        try:
            yield json_to_protobuf("traces", text)
        except (BadData, ScanError):
            yield None


def _documents(data: bytes) -> list[bytes]:
    """The JSON documents: a line each, or one in all."""
    lines = [line for line in data.splitlines() if line.strip()]
    return lines if all(line.strip().endswith(b"}") and line.strip().startswith(b"{") for line in lines) else [data]
