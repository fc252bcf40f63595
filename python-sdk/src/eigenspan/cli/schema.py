"""`eigenspan schema`: the published versions, what differs between them, and migration."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import click

from eigenspan.collector.errors import BadData
from eigenspan.schema import published
from eigenspan.schema.registry import registry, versions


@click.group()
def schema() -> None:
    """The published schemas: list, compare, export, migrate."""


@schema.command("versions")
def versions_() -> None:
    """List the published versions, the newest first."""
    for version in reversed(versions()):
        known = registry(version)
        parts = [f"{len(known.attributes)} attributes"]
        parts += [
            f"{len(x)} {name}" for name in ("spans", "events", "metrics", "entities") if (x := getattr(known, name))
        ]
        click.echo(f"{version:<8} {known.schema_url}  {', '.join(parts)}")


@schema.command("diff")
@click.argument("old")
@click.argument("new")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def diff(*, old: str, new: str, as_json: bool) -> None:
    """Show what changed from version OLD to version NEW."""
    changes = published.diff(old, new)
    if as_json:
        click.echo(published.as_json(changes))
        return
    for change in changes:
        arrow = " → " if change.kind == "renamed" else "  "
        click.echo(f"{change.kind:<10} {change.what:<9} {change.name}{arrow + change.detail if change.detail else ''}")
    click.echo(f"{len(changes)} changes")


@schema.command("export")
@click.argument("directory", type=click.Path(file_okay=False, path_type=Path))
def export(*, directory: Path) -> None:
    """Write every published schema below DIRECTORY, as they are served."""
    for path in published.export(directory):
        click.echo(str(path))


@schema.command("migrate")
@click.argument("file", type=click.Path(path_type=Path, allow_dash=True))
@click.option(
    "--to", "target", default=None, metavar="VERSION", help="The version to migrate to (default: the newest)."
)
@click.option("--keep-both", is_flag=True, help="Leave old names beside the new ones.")
@click.option("--signal", type=click.Choice(["traces", "metrics", "logs"]), default="traces", show_default=True)
def migrate(*, file: Path, target: str | None, keep_both: bool, signal: str) -> None:
    """Migrate one OTLP protobuf message in FILE and write it to standard output; what happened goes to standard error."""
    from google.protobuf.message import DecodeError
    from opentelemetry.proto.logs.v1.logs_pb2 import LogsData
    from opentelemetry.proto.metrics.v1.metrics_pb2 import MetricsData
    from opentelemetry.proto.trace.v1.trace_pb2 import TracesData

    from eigenspan.schema.migrate import Migration

    target = target or versions()[-1]
    registry(target)
    kinds: dict[str, Any] = {"traces": TracesData, "metrics": MetricsData, "logs": LogsData}
    try:
        data = sys.stdin.buffer.read() if str(file) == "-" else file.read_bytes()
        message = kinds[signal].FromString(data)
    except (OSError, DecodeError) as error:
        raise BadData(f"{file}: {error}") from error
    migration = Migration(published.schema(), target, keep_both=keep_both)
    migration.migrate(message)
    sys.stdout.buffer.write(message.SerializeToString())
    sys.stdout.buffer.flush()
    click.echo(", ".join(f"{n} {what}" for what, n in sorted(migration.counts.items())) or "nothing to do", err=True)
