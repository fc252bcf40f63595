"""`eigenspan providers` and `eigenspan backends`: what ran where, and how it went."""

from __future__ import annotations

import json
import time
from pathlib import Path

import click

from eigenspan.cli.common import DATA
from eigenspan.cli.traces import open_traces, plain
from eigenspan.store import providers as figures
from eigenspan.store.traces import Filters


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
    type=click.IntRange(1, 100_000),
    default=10_000,
    show_default=True,
    help="Traces to look at, the newest first.",
)
@click.option("--json", "as_json", is_flag=True, help="Print a JSON line a provider and kind of run.")
def compare(hours: float, limit: int, data: Path, as_json: bool) -> None:
    """Median, 95th percentile, variance, queue, errors and cost per success, for runs of one kind at a time."""
    with open_traces(data) as store:
        rows = store.newest(Filters(start_ns=max(0, time.time_ns() - int(hours * 3600e9))), limit)
        traces = (store.trace(row.trace_id) for row in rows)
        found = figures.compare(run for trace in traces if trace for run in figures.runs_of(trace.tree()))
    if len(rows) == limit:
        click.echo(f"eigenspan: only the newest {limit} traces were looked at; raise --limit for more", err=True)
    for one in found:
        if as_json:
            click.echo(json.dumps(one.to_dict()))
            continue
        numbers = {
            "s median": one.median_s, "s p95": one.p95_s, "s² variance": one.variance_s2, "s queue": one.queue_median_s,
            "a success": one.cost_per_success,
        }  # fmt: skip
        shown = "  ".join(f"{value:.4g} {unit}" for unit, value in numbers.items() if value is not None)
        kind = f"{plain(one.family) or '-'} x {one.shots or '-'} shots, {one.device}"
        click.echo(f"{kind:40} {plain(one.provider):12} {one.runs} runs, {one.errors} errors  {shown}")


@click.command()
@DATA
@click.option("--json", "as_json", is_flag=True, help="Print a JSON line a backend.")
def backends(data: Path, as_json: bool) -> None:
    """The backends that stored traces ran on."""
    with open_traces(data) as store:
        for name, traces in sorted(store.backends().items()):
            click.echo(
                json.dumps({"backend": name, "traces": traces}) if as_json else f"{plain(name):40} {traces} traces"
            )
