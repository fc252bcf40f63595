"""`eigenspan sampling`: what a rule set would do."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

import click

from eigenspan.collector.config import load


@click.group()
def sampling() -> None:
    """Try sampling rules before they are deployed."""


@sampling.command(name="try")
@click.option(
    "--rules",
    "file",
    type=click.Path(path_type=Path),
    required=True,
    metavar="FILE",
    help="A configuration file, of which processors.sampling counts, or a list of rules.",
)
@click.option(
    "--on",
    "sources",
    type=click.Path(path_type=Path, exists=True),
    required=True,
    multiple=True,
    metavar="TRACES",
    help="OTLP traces (JSON, JSON lines, protobuf, also gzipped), or a collector's data directory: its log and "
    "its store. May be repeated.",
)
@click.option(
    "--calibrations",
    type=click.Path(path_type=Path, exists=True),
    metavar="DATA",
    help="The data directory whose calibrations rules see; the first of TRACES that has any, unless named.",
)
@click.option("--json", "as_json", is_flag=True, help="Print a JSON document.")
def try_(file: Path, sources: tuple[Path, ...], calibrations: Path | None, as_json: bool) -> None:  # fmt: skip
    """Decide stored traces by the rules of FILE and show what each rule would have kept."""
    from eigenspan.calibration.store import CalibrationStore
    from eigenspan.collector.trial import try_rules

    settings = load(file, rules_alone=True).processors.sampling
    calibrations = calibrations or next((s for s in sources if (s / "calibration.db").is_file()), None)
    if calibrations:
        store = CalibrationStore(calibrations / "calibration.db")
        try:
            trial = try_rules(settings, sources, index=store.index(), document=store.document)
        finally:
            store.close()
    else:
        trial = try_rules(settings, sources)
    if as_json:
        click.echo(json.dumps(asdict(trial)))
        return
    click.echo(f"{'rule':20} {'traces':>9} {'kept':>9} {'share':>7} {'kept/s':>9} {'spans kept':>11} {'stand for':>10}")
    for v in trial.verdicts:
        if v.traces or v.rule != "none":
            share, rate = v.kept / (v.traces or 1), v.kept / (trial.seconds or 1)
            click.echo(
                f"{v.rule:20} {v.traces:9d} {v.kept:9d} {share:7.1%} {rate:9.2f} {v.kept_spans:11d} {v.estimate:10.1f}"
            )
    if trial.unreadable:
        click.echo(f"{trial.unreadable} requests could not be read and are left out", err=True)
