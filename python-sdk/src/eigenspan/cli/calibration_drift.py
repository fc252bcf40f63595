"""`eigenspan calibration diff|history|quality|quarantine`: what changed, and what is doubtful."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import click
import msgspec

from eigenspan.calibration import CalibrationError, CalibrationStore, Snapshot, instants
from eigenspan.calibration.drift import STALE_S, THRESHOLDS, Drift, Metric, drift, quality
from eigenspan.calibration.importers import detect
from eigenspan.calibration.importers.detect import Hints
from eigenspan.cli.calibration_store import as_json_option, data_option, instant, open_existing

_VERSION = re.compile(r"(sha256:)?[0-9a-f]{8,64}")


@click.command("diff")
@click.argument("before")
@click.argument("after")
@click.option("--provider", help="The provider, when several have a backend of this name.")
@click.option("--threshold", "given", multiple=True, metavar="METRIC=FRACTION", help=f"One of {', '.join(THRESHOLDS)}.")
@click.option("--fail", is_flag=True, help="Exit with status 1 if anything changed significantly.")
@as_json_option
@data_option
def diff(
    *, before: str, after: str, provider: str | None, given: tuple[str, ...], fail: bool, as_json: bool, data: Path
) -> None:
    """Compare two snapshots, each a FILE, a version (sha256:…) or BACKEND@TIME."""
    thresholds = _thresholds(given)
    found = drift(_snapshot(before, provider, data), _snapshot(after, provider, data), thresholds)
    if as_json:
        click.echo(json.dumps(msgspec.to_builtins(found) | {"significant": found.significant}, indent=2))
    else:
        _print(found)
    if fail and found.significant:
        raise SystemExit(1)


def _thresholds(given: tuple[str, ...]) -> dict[Metric, float]:
    thresholds = dict(THRESHOLDS)
    for text in given:
        metric, _, value = text.partition("=")
        try:
            if metric not in thresholds:
                raise ValueError(metric)
            thresholds[metric] = float(value)
        except ValueError as error:
            raise click.BadParameter(
                f"{text!r}: write METRIC=FRACTION, METRIC one of {', '.join(THRESHOLDS)}"
            ) from error
    return thresholds


def _snapshot(text: str, provider: str | None, data: Path) -> Snapshot:
    """What the operator names: a file, a version, or a backend at a time."""
    if Path(text).is_file():
        return detect.import_path(Path(text), Hints(backend=Path(text).name.split("_", 1)[0]))
    with open_existing(data) as store:
        if _VERSION.fullmatch(text):
            return _by_version(store, text if text.startswith("sha256:") else f"sha256:{text}")
        backend, at, when = text.rpartition("@")
        if not at:
            raise click.ClickException(f"{text}: no file, version or BACKEND@TIME (as ibm_fez@2025-01-22T15:00:00Z)")
        try:
            match = store.index().match(provider, backend, instants.parse(when))
        except ValueError as error:
            raise click.ClickException(f"{text}: {error}") from error
        if match.snapshot is None:
            raise click.ClickException(f"{text}: {match.reason}")
        return store.document(match.snapshot.version)


def _by_version(store: CalibrationStore, version: str) -> Snapshot:
    try:
        return store.document(version)
    except KeyError:
        raise click.ClickException(f"no snapshot, or more than one, has the version {version}") from None


def _print(found: Drift) -> None:
    click.echo(f"{found.provider} {found.backend}, {found.seconds / 3600:+.1f} h")
    click.echo(f"{found.before[:23]} to {found.after[:23]}")
    click.echo(f"{'METRIC':<20} {'BEFORE':>11} {'AFTER':>11} {'CHANGE':>8} {'TYPICAL':>8}    WORST")
    for c in found.changes:
        worst = f"{c.worst}: {c.worst_before:.3g} to {c.worst_after:.3g}" if c.worst is not None else "-"
        mark = "*" if c.significant else " "
        figures = f"{_number(c.before):>11} {_number(c.after):>11} {_share(c.change):>8} {_share(c.typical):>8}"
        click.echo(f"{c.metric:<20} {figures}  {mark} {worst}")
    for what in ("lost_qubits", "recovered_qubits", "lost_pairs", "recovered_pairs"):
        if sites := getattr(found, what):
            click.echo(f"{what.replace('_', ' ')}: {' '.join(sites[:20])}{' …' if len(sites) > 20 else ''}")


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.4g}"


def _share(value: float | None) -> str:
    return "-" if value is None else f"{value:+.1%}"


@click.command("history")
@click.argument("backend")
@click.option("--provider", help="The provider, when several have a backend of this name.")
@click.option("--since", metavar="TIME", callback=instant, help="From when on.")
@as_json_option
@data_option
def history(*, backend: str, provider: str | None, since: int | None, as_json: bool, data: Path) -> None:
    """List the snapshots of BACKEND in time, and what changed from one to the next."""
    with open_existing(data) as store:
        timeline = store.index().timeline(provider, backend)
        if not timeline:
            raise click.ClickException(
                f"no snapshot of {provider or 'any provider'}/{backend}, or several providers have it"
            )
        rows: list[dict[str, Any]] = []
        before: Snapshot | None = None
        for held in timeline:
            after = store.document(held.version)
            if held.valid_from_ns >= (since or 0):
                changed = _changed(before, after)
                rows.append(
                    {
                        "valid_from": instants.format_ns(held.valid_from_ns),
                        "version": held.version,
                        "t1_median_s": held.t1_median_s,
                        "t2_median_s": held.t2_median_s,
                        "readout_error_median": held.readout_error_median,
                        "two_qubit_error_median": held.two_qubit_error_median,
                        "operational_qubits": held.operational_qubits,
                        "operational_pairs": held.operational_pairs,
                        "drifted": [c.metric for c in changed.changes if c.significant] if changed else [],
                        "lost_qubits": changed.lost_qubits if changed else [],
                    }
                )
            before = after
    if as_json:
        click.echo(json.dumps(rows, indent=2))
        return
    click.echo(
        f"{'VALID FROM':<26} {'VERSION':<23} {'T1':>9} {'T2':>9} {'READOUT':>9} {'2-QUBIT':>9} {'QUBITS':>6} {'PAIRS':>6}  DRIFTED"
    )
    for row in rows:
        figures = [
            _number(row[key])
            for key in ("t1_median_s", "t2_median_s", "readout_error_median", "two_qubit_error_median")
        ]
        click.echo(
            f"{row['valid_from']:<26} {row['version'][:23]:<23} {' '.join(f'{f:>9}' for f in figures)}"
            f" {row['operational_qubits']:>6} {row['operational_pairs']:>6}  {' '.join(row['drifted']) or '-'}"
        )


def _changed(before: Snapshot | None, after: Snapshot) -> Drift | None:
    try:
        return None if before is None else drift(before, after)
    except CalibrationError:
        return None  # another chip under the same name


@click.command("quality")
@click.argument("what")
@click.option("--provider", help="The provider, when several have a backend of this name.")
@click.option(
    "--stale-days", type=float, default=STALE_S / 86_400, show_default=True, help="Values older than this are stale."
)
@as_json_option
@data_option
def quality_(*, what: str, provider: str | None, stale_days: float, as_json: bool, data: Path) -> None:
    """List what is doubtful in a snapshot: a FILE, a version, BACKEND@TIME, or a BACKEND's newest."""
    if Path(what).is_file() or "@" in what or _VERSION.fullmatch(what):
        snapshot = _snapshot(what, provider, data)
    else:
        with open_existing(data) as store:
            timeline = store.index().timeline(provider, what)
            if not timeline:
                raise click.ClickException(
                    f"no snapshot of {provider or 'any provider'}/{what}, or several providers have it"
                )
            snapshot = store.document(timeline[-1].version)
    findings = quality(snapshot, stale_s=stale_days * 86_400)
    if as_json:
        click.echo(json.dumps(msgspec.to_builtins(findings), indent=2))
        return
    click.echo(f"{snapshot.backend.provider} {snapshot.backend.name}, valid from {snapshot.snapshot.valid_from}")
    for finding in findings:
        more = " …" if finding.count > len(finding.sites) else ""
        click.echo(f"{finding.kind:<28} {finding.count:>6}  {' '.join(finding.sites)}{more}")


@click.command("quarantine")
@as_json_option
@data_option
def quarantine(*, as_json: bool, data: Path) -> None:
    """List the documents that were refused, and why."""
    with open_existing(data) as store:
        listed = store.quarantined()
    if as_json:
        click.echo(json.dumps(msgspec.to_builtins(listed), indent=2))
        return
    for entry in listed:
        click.echo(f"{instants.format_ns(entry.seen_ns)}  {entry.raw_sha256[:16]}  {entry.reason}")
