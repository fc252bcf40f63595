"""`eigenspan schema`: the published versions, what differs between them, and migration."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable
from itertools import chain
from pathlib import Path

import click
from google.protobuf.message import DecodeError

from eigenspan.collector.errors import BadData
from eigenspan.collector.otlp import SIGNALS, json_to_protobuf
from eigenspan.collector.spans import Signal
from eigenspan.schema import published
from eigenspan.schema.migrate import Migration
from eigenspan.schema.registry import registry, versions
from eigenspan.web.otlp_json import document


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
@click.option("--signal", type=click.Choice(["traces", "metrics", "logs"]), default="traces", show_default=True,
              help="What a protobuf FILE holds; JSON says it itself.")  # fmt: skip
def migrate(*, file: Path, target: str | None, keep_both: bool, signal: Signal) -> None:
    """Migrate OTLP in FILE, JSON lines or one protobuf message, and write it to standard output in the same form.

    What happened goes to standard error.
    """
    target = target or versions()[-1]
    registry(target)
    migration = Migration(published.schema(), target, keep_both=keep_both)
    try:
        with sys.stdin.buffer if str(file) == "-" else file.open("rb") as source:
            first = source.readline()
            if first.lstrip().startswith(b"{"):
                _migrate_lines(chain([first], source), str(file), migration)
            else:
                message = SIGNALS[signal].request.FromString(first + source.read())
                sys.stdout.buffer.write(migration.migrate(message).SerializeToString())
    except (OSError, DecodeError) as error:
        raise BadData(f"{file}: {error}") from error
    sys.stdout.flush()
    click.echo(", ".join(f"{n} {what}" for what, n in sorted(migration.counts.items())) or "nothing to do", err=True)


_KEYS: dict[str, Signal] = {"resourceSpans": "traces", "resourceMetrics": "metrics", "resourceLogs": "logs"}


def _migrate_lines(lines: Iterable[bytes], source: str, migration: Migration) -> None:
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        signal: Signal = next((signal for key, signal in _KEYS.items() if f'"{key}"'.encode() in line), "traces")
        try:
            message = SIGNALS[signal].request.FromString(json_to_protobuf(signal, line))
        except BadData as error:
            raise BadData(f"{source}:{number}: {error}") from error
        sys.stdout.write(json.dumps(document(migration.migrate(message)), separators=(",", ":")) + "\n")
