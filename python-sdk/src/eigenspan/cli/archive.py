"""`eigenspan archive`: days of the embedded store to Parquet, and back."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import click

from eigenspan.cli.common import DATA, PROGRESS
from eigenspan.cli.common import progress as saying
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
@PROGRESS
@_JSON
def run(*, where: str, data: Path, older_than: int, keep: bool, progress: bool | None, as_json: bool) -> None:
    """Write finished days to WHERE, a directory or a URL such as s3://bucket/prefix; a day leaves the store once it is verified."""
    to = archives.destination(where)
    for file in archives.days(data.expanduser() / "traces", datetime.now(UTC), older_than):
        with saying(f"{file.stem}: rows", archives.rows_of(file), progress) as advance:
            counts = archives.archive(file, to, keep=keep, progress=advance)
        click.echo(
            json.dumps({"day": file.stem} | counts)
            if as_json
            else f"{file.stem}: {counts['traces']} bodies, {counts['logs']} logs"
        )


@archive.command()
@click.argument("where")
@click.argument("day", type=click.DateTime(["%Y-%m-%d"]))
@DATA
@PROGRESS
@_JSON
def restore(*, where: str, day: datetime, data: Path, progress: bool | None, as_json: bool) -> None:
    """Put an archived DAY back into the store."""
    source, shown = archives.destination(where), day.date().isoformat()
    with saying(f"{shown}: rows", None, progress) as advance:
        bodies = archives.restore(source, day.date(), data.expanduser() / "traces", advance)
    click.echo(json.dumps({"day": shown, "traces": bodies}) if as_json else f"{shown}: {bodies} bodies")
