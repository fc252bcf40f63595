"""`eigenspan providers`: providers beside each other, as the page compares them."""

from __future__ import annotations

import json
import time
from pathlib import Path

import click

from eigenspan.cli.common import DATA
from eigenspan.cli.traces import open_traces, plain
from eigenspan.figures import providers as figures
from eigenspan.figures.runs import Run, run_of
from eigenspan.store.traces import Filters, TraceStore

_LIMIT = 20_000


@click.group()
def providers() -> None:
    """Compare providers."""


@providers.command()
@DATA
@click.option(
    "--hours",
    type=click.FloatRange(min=0, min_open=True),
    default=168.0,
    show_default=True,
    help="Only traces that began since then.",
)
@click.option(
    "--limit",
    type=click.IntRange(1, 1_000_000),
    default=_LIMIT,
    show_default=True,
    help="Traces to look at, the newest first.",
)
@click.option("--json", "as_json", is_flag=True, help="Print a JSON line a provider and kind of run.")
def compare(hours: float, limit: int, data: Path, as_json: bool) -> None:
    """Median, 95th percentile, deviation, queue, errors and cost per success of executions that are alike.

    Alike: the circuit family, the shots within a factor of two, simulator or QPU. Weighted by how traces were sampled.
    """
    with open_traces(data) as store:
        runs = runs_since(store, time.time_ns(), hours, limit)
    if len(runs) == limit:
        click.echo(f"eigenspan: only the newest {limit} traces were looked at; raise --limit for more", err=True)
    if outside := sum(run.weight is None for run in runs):
        click.echo(f"eigenspan: {outside} traces do not say how they were sampled and are left out", err=True)
    for kind, lines in figures.compare(runs).items():
        for line in lines:
            click.echo(json.dumps(figures.to_dict(kind, line)) if as_json else _text(kind, line))


def runs_since(store: TraceStore, now_ns: int, hours: float, limit: int = _LIMIT) -> list[Run]:
    """The newest traces of the last hours, as figures see them."""
    rows = store.newest(Filters(start_ns=max(0, now_ns - int(hours * 3600e9))), limit)
    traces = (store.trace(row.trace_id) for row in rows)
    return [run for trace in traces if trace and (run := run_of(b"".join(trace.bodies)))]


def _text(kind: figures.Kind, line: figures.Line) -> str:
    told = figures.to_dict(kind, line)
    units = {"median_s": "s median", "p95_s": "s p95", "deviation_s": "s deviation", "queue_median_s": "s queue"}
    shown = "  ".join(f"{told[key]:.4g} {unit}" for key, unit in units.items() if told[key] is not None)
    if line.cost_per_success is not None:
        shown += f"  {line.cost_per_success:.4g} {plain(line.currency)} a success"
    shots = f"{kind.shots} to {2 * kind.shots - 1}" if kind.shots else "?"
    alike = f"{plain(kind.family) or '-'} x {shots} shots, {kind.device}"
    return f"{alike:40} {plain(line.provider):12} {line.n} runs, {line.failed.value:.1%} failed  {shown}"
