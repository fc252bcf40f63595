"""`eigenspan calibration`: import documents, list what is stored, show what was in force."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import click
import msgspec

from eigenspan.calibration import CalibrationError, Snapshot, Summary, Usage, instants
from eigenspan.calibration.attributes import backend_attributes
from eigenspan.calibration.backends import qubit_label
from eigenspan.calibration.estimators import circuit_attributes
from eigenspan.calibration.importers.detect import Hints
from eigenspan.calibration.pullers.opening import plans
from eigenspan.calibration.pullers.poller import Poller
from eigenspan.calibration.store import QUARANTINE_BYTES
from eigenspan.cli import calibration_drift
from eigenspan.cli.calibration_store import as_json_option, data_option, instant, open_existing, open_store
from eigenspan.collector.settings import PollSettings


@click.group()
def calibration() -> None:
    """Calibration snapshots: what backends were like, and when."""


for _command in (
    calibration_drift.diff,
    calibration_drift.history,
    calibration_drift.quality_,
    calibration_drift.quarantine,
):
    calibration.add_command(_command)


@calibration.command("import")
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--backend", help="The backend's name, for documents that do not carry it (Google, Braket, IQM).")
@click.option(
    "--valid-from",
    metavar="TIME",
    callback=instant,
    help="When it was taken, for documents that do not say (Google).",
)
@data_option
def import_(*, files: tuple[Path, ...], backend: str | None, valid_from: int | None, data: Path) -> None:
    """Import calibration documents; the format is detected, .gz is unpacked.

    Each file is stored or refused as a whole. The exit status is 1 if any was refused.
    """
    failed = 0
    with open_store(data) as store:
        for path in files:
            if path.with_name(path.name.replace("conf_", "props_", 1)) in files and path.name.startswith("conf_"):
                click.echo(f"{'used':<10} {path.name}: with its props_ file")
                continue
            try:
                put = store.import_file(path, Hints(backend=backend, valid_from_ns=valid_from))
            except CalibrationError as error:
                failed += 1
                click.echo(f"refused    {error}", err=True)
                if path.is_file() and path.stat().st_size <= QUARANTINE_BYTES:
                    store.quarantine(path.read_bytes(), error, time.time_ns())
            else:
                stored = store.document(put.version)
                click.echo(f"{put.outcome:<10} {path.name}: {stored.backend.name} {put.version[:23]}")
    if failed:
        click.echo(f"{failed} of {len(files)} refused", err=True)
        raise SystemExit(1)


@calibration.command("pull")
@click.argument("provider", type=click.Choice(["ibm", "google", "braket", "ionq", "iqm", "azure"]))
@click.option("--backend", "backends", multiple=True, help="Which to ask for; may be repeated. None: all there are.")
@click.option("--endpoint", default="", help="The service's URL, for iqm and azure.")
@click.option(
    "--history-days", type=float, default=0.0, help="Days of the past to fetch, where the provider keeps them."
)
@data_option
def pull(*, provider: str, backends: tuple[str, ...], endpoint: str, history_days: float, data: Path) -> None:
    """Ask PROVIDER's live service once, as the collector does hourly. Credentials are its SDK's usual ones."""
    wanted = {"provider": provider, "backends": list(backends), "endpoint": endpoint, "history_days": history_days}
    settings = msgspec.convert(wanted, PollSettings)
    with open_store(data) as store:
        poller = Poller(store, plans([settings]))
        while (wait_s := poller.step()) <= 1.0:
            time.sleep(wait_s)
    for (_, outcome), n in sorted(poller.counts.items()):
        click.echo(f"{outcome:<10} {n:>6}")
    if not poller.counts[provider, "polled"] + poller.counts[provider, "status"]:
        raise click.ClickException(f"{provider} could not be asked")


@calibration.command("list")
@as_json_option
@data_option
def list_(*, as_json: bool, data: Path) -> None:
    """List the backends with stored snapshots."""
    with open_existing(data) as store:
        index = store.index()
        rows = []
        for series in index.backends:
            name = f"fake_{series.name}" if series.simulated else series.name
            timeline = index.timeline(series.provider, name)
            rows.append(
                {
                    "provider": series.provider,
                    "backend": name if series.simulated else timeline[-1].backend,
                    "snapshots": len(timeline),
                    "first": instants.format_ns(timeline[0].valid_from_ns),
                    "last": instants.format_ns(timeline[-1].valid_from_ns),
                    "num_qubits": timeline[-1].num_qubits,
                    "version": timeline[-1].version,
                }
            )
    if as_json:
        click.echo(json.dumps(rows, indent=2))
        return
    click.echo(f"{'PROVIDER':<10} {'BACKEND':<22} {'SNAPSHOTS':>9}  {'FIRST':<24} {'LAST':<24} {'QUBITS':>6}  VERSION")
    for row in rows:
        click.echo(
            f"{row['provider']:<10} {row['backend']:<22} {row['snapshots']:>9}  {row['first']:<24} {row['last']:<24}"
            f" {row['num_qubits']:>6}  {str(row['version'])[:23]}"
        )


@calibration.command("show")
@click.argument("backend")
@click.option("--provider", help="The provider, when several have a backend of this name.")
@click.option("--at", metavar="TIME", callback=instant, help="When the job executed (default: now).")
@click.option("--qubits", help="Comma-separated qubits to look at, such as 0,1,2 or 4_1,4_2.")
@as_json_option
@data_option
def show(*, backend: str, provider: str | None, at: int | None, qubits: str | None, as_json: bool, data: Path) -> None:
    """Show the snapshot of BACKEND that was in force, and every span attribute that it gives."""
    at = time.time_ns() if at is None else at
    with open_existing(data) as store:
        index = store.index()
        match = index.match(provider, backend, at)
        if match.snapshot is None:
            raise click.ClickException(f"{match.reason}, at {instants.format_ns(at)}")
        status = index.status(provider, backend, at)
        attributes = backend_attributes(match.snapshot, at, match.kind, status)
        chosen: list[dict[str, Any]] = []
        if qubits:
            document = store.document(match.snapshot.version)
            labels = _labels(document, qubits)
            usage = Usage(qubits=labels, measured=labels, measurements=0)
            attributes |= circuit_attributes(document, usage)
            chosen = [_qubit(document, label) for label in labels]
    if as_json:
        shown = {"at": instants.format_ns(at), "snapshot": _snapshot(match.snapshot), "attributes": attributes}
        click.echo(json.dumps(shown | ({"qubits": chosen} if qubits else {}), indent=2))
        return
    snapshot = match.snapshot
    since = instants.format_ns(snapshot.valid_from_ns)
    until = "now" if snapshot.valid_to_ns is None else instants.format_ns(snapshot.valid_to_ns)
    click.echo(f"{snapshot.provider} {snapshot.backend} {snapshot.backend_version or ''}, {snapshot.num_qubits} qubits")
    click.echo(f"{snapshot.version}")
    click.echo(f"in force from {since} until {until}; asked for {instants.format_ns(at)}")
    click.echo()
    width = max(map(len, attributes))
    for name, value in attributes.items():
        click.echo(f"{name:<{width}}  {value:.6g}" if isinstance(value, float) else f"{name:<{width}}  {value}")
    for row in chosen:
        click.echo("qubit " + "  ".join(f"{key}={value}" for key, value in row.items() if value not in (None, [])))


def _labels(document: Snapshot, text: str) -> tuple[str, ...]:
    labels = tuple(qubit_label(part) for part in text.split(",") if part.strip())
    unknown = [label for label in labels if label not in document.qubits.id]
    if unknown or not labels:
        known = document.qubits.id
        raise click.ClickException(f"no qubit {', '.join(unknown) or text}; there are {known[0]} to {known[-1]}")
    return labels


def _qubit(document: Snapshot, label: str) -> dict[str, Any]:
    q = document.qubits
    i = q.id.index(label)
    columns = {name: getattr(q, name) for name in ("t1_s", "t2_s", "readout_error", "readout_duration_s")}
    values = {name: column[i] for name, column in columns.items() if column is not None}
    return {"id": label, **values, "operational": q.operational[i], "flags": q.flags[i]}


def _snapshot(summary: Summary) -> dict[str, Any]:
    built: dict[str, Any] = msgspec.to_builtins(summary)
    for name in ("valid_from", "valid_to", "oldest_measured_at"):
        ns = built.pop(f"{name}_ns", None)
        built[name] = None if ns is None else instants.format_ns(ns)
    return built
