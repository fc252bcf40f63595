"""`eigenspan backends`: what is known of the machines that traces ran on."""

from __future__ import annotations

import json
import time
from pathlib import Path

import click

from eigenspan.calibration.asof import AsOfIndex
from eigenspan.calibration.store import CalibrationStore
from eigenspan.cli.calibration_store import STORE_FILE
from eigenspan.cli.common import DATA
from eigenspan.cli.providers import runs_since
from eigenspan.cli.traces import open_traces, plain
from eigenspan.figures.backends import Backend
from eigenspan.figures.backends import backends as known

_WEEK_H = 168.0


@click.command()
@click.argument("name", required=False)
@DATA
@click.option("--json", "as_json", is_flag=True, help="Print a JSON line a backend.")
def backends(name: str | None, data: Path, as_json: bool) -> None:
    """Status, queue, drift and runs of the backends that stored traces ran on, or of NAME in detail."""
    with open_traces(data) as store:
        traces, runs = store.backends(), runs_since(store, time.time_ns(), _WEEK_H)
    file = data.expanduser() / STORE_FILE
    if file.is_file():
        with CalibrationStore(file) as calibrations:
            index, happened = calibrations.index(), calibrations.events()
    else:
        index, happened = AsOfIndex([]), []
    found = known(index, traces, happened, runs)
    if name is not None:
        code = index.series_code(None, name)
        found = [
            b for b in found
            if b.name == name or (b.timeline and code >= 0 and index.series_code(b.provider, b.name) == code)
        ]  # fmt: skip
        if not found:
            raise click.ClickException(f"nothing is known of a backend {plain(name)}")
    for backend in found:
        if name is not None or backend.traces or backend.status:
            click.echo(json.dumps(backend.to_dict()) if as_json else _text(backend, detailed=name is not None))


def _text(backend: Backend, *, detailed: bool) -> str:
    told = backend.to_dict()
    queue = "-" if told["queue_length"] is None else f"{told['queue_length']} queued"
    said = f"{told['status'] or '-':10} {queue:12}"
    seen = f"{backend.traces} traces, {told['snapshots']} calibrations, {len(backend.drift)} changes"
    lines = [f"{plain(backend.name):28} {plain(backend.provider) or '-':12} {said} {seen}"]
    if detailed:
        if ran := told["runs"]:
            figures = {"median": ran["median_s"], "p95": ran["p95_s"], "median wait": ran["queue_median_s"]}
            times = "".join(f", {what} {value:.3f} s" for what, value in figures.items() if value is not None)
            lines.append(f"    {ran['kept']} runs in seven days, {ran['failed']:.1%} failed{times}")
        lines += [f"    calibrated {told['calibrated_at']}"] if told["calibrated_at"] else []
        lines += [f"    {e['at']}  {plain(str(e['what']))}  {plain(', '.join(e['qubits']))}" for e in told["drift"]]
    return "\n".join(lines)
