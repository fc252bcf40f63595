"""`eigenspan archive`: days of the embedded store to Parquet, and back."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import click

from eigenspan.cli.common import DATA
from eigenspan.store import archive as archives

_JSON = click.option("--json", "as_json", is_flag=True, help="Print a JSON line a day.")


@click.group()
def archive() -> None:
    """Move days of stored traces to Parquet files in a directory or an object store, and back."""


@archive.command()
@click.argument("where")
@DATA
@click.option(
    "--older-than",
    type=click.IntRange(1),
    default=1,
    show_default=True,
    metavar="DAYS",
    help="Only days at least this long ago.",
)
@click.option("--keep", is_flag=True, help="Leave the days in the store.")
@_JSON
def run(where: str, data: Path, older_than: int, keep: bool, as_json: bool) -> None:
    """Write finished days to WHERE, a directory or a URL such as s3://bucket/prefix; a day leaves the store once it is verified."""
    to = archives.destination(where)
    before = datetime.now(UTC).date() - timedelta(days=older_than - 1)
    for file in archives.days(data.expanduser() / "traces", before):
        counts = archives.archive(file, to, keep=keep)
        click.echo(
            json.dumps({"day": file.stem} | counts)
            if as_json
            else f"{file.stem}: {counts['traces']} bodies, {counts['logs']} logs"
        )


@archive.command()
@click.argument("where")
@click.argument("day", type=click.DateTime(["%Y-%m-%d"]))
@DATA
@_JSON
def restore(where: str, day: datetime, data: Path, as_json: bool) -> None:
    """Put an archived DAY back into the store."""
    bodies = archives.restore(archives.destination(where), day.date(), data.expanduser() / "traces")
    shown = day.date().isoformat()
    click.echo(json.dumps({"day": shown, "traces": bodies}) if as_json else f"{shown}: {bodies} bodies")
