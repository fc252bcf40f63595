"""`eigenspan outbox`: what exporters still owe, and what their far ends refused, also while a collector runs."""

from __future__ import annotations

import json
from pathlib import Path

import click

from eigenspan.cli.common import DATA, open_state


@click.group()
def outbox() -> None:
    """What waits to be sent, and what was set aside because the far end refuses it."""


@outbox.command("list")
@DATA
@click.option("--json", "as_json", is_flag=True, help="Print a JSON line each.")
def list_(*, data: Path, as_json: bool) -> None:
    """Rows waiting for each exporter, then each row set aside, with the reason."""
    with open_state(data) as state:
        backlog, parked = state.backlog(), state.parked()
    for exporter, (waiting, aside) in sorted(backlog.items()):
        counts = {"exporter": exporter, "waiting": waiting, "parked": aside}
        click.echo(json.dumps(counts) if as_json else f"{exporter}: {waiting} waiting, {aside} set aside")
    for row in parked:
        trace, spans = row.item.traces.hex(), row.item.spans
        if as_json:
            fields = {"id": row.id, "exporter": row.exporter, "signal": row.signal, "trace": trace, "spans": spans}
            click.echo(json.dumps(fields | {"reason": row.reason}))
        else:
            what = f"trace {trace}, {spans} spans" if spans else f"{row.signal} at position {row.item.position}"
            click.echo(f"{row.id:>8}  {row.exporter}  {what}: {row.reason}")
    if not backlog and not as_json:
        click.echo("nothing waits")


_IDS = click.argument("ids", nargs=-1, type=int, metavar="[ID]...")
_EXPORTER = click.option("--exporter", help="Only rows of this exporter.")


@outbox.command()
@_IDS
@_EXPORTER
@click.option("--all", "everything", is_flag=True, help="All rows set aside.")
@DATA
def retry(*, ids: tuple[int, ...], exporter: str | None, everything: bool, data: Path) -> None:
    """Send rows that were set aside once more."""
    _some(ids, everything=everything)
    with open_state(data) as state:
        click.echo(f"{state.unpark(ids or None, exporter)} rows are sent again")


@outbox.command()
@_IDS
@_EXPORTER
@click.option("--all", "everything", is_flag=True, help="All rows set aside.")
@click.confirmation_option(prompt="These spans will never be sent. Go on?")
@DATA
def drop(*, ids: tuple[int, ...], exporter: str | None, everything: bool, data: Path) -> None:
    """Give up rows that were set aside: their spans are not sent, and the log may let go of them."""
    _some(ids, everything=everything)
    with open_state(data) as state:
        click.echo(f"{state.give_up(ids or None, exporter)} rows are gone")


def _some(ids: tuple[int, ...], *, everything: bool) -> None:
    if bool(ids) == everything:
        raise click.UsageError("name the rows by their ID, as `outbox list` shows them, or say --all")
