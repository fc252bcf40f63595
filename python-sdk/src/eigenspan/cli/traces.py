"""`eigenspan traces`: look into the embedded store, also while a collector runs."""

from __future__ import annotations

import base64
import json
import sys
import time
from datetime import UTC, datetime
from pathlib import Path

import click

from eigenspan.cli.common import DATA, open_state
from eigenspan.store.logs import Log
from eigenspan.store.traces import Filters, Stored, TraceStore
from eigenspan.web.otlp_json import document

_TRACE_BYTES = 16


@click.group()
def traces() -> None:
    """List and show kept traces."""


@traces.command(name="list")
@DATA
@click.option("--errors", is_flag=True, help="Only traces with an error.")
@click.option("--service", help="Only traces of this service.")
@click.option("--backend", help="Only traces that ran on this backend.")
@click.option("--slower-than", type=float, metavar="SECONDS", help="Only traces that took longer.")
@click.option("--limit", type=click.IntRange(1, 10_000), default=20, show_default=True)
@click.option("--json", "as_json", is_flag=True, help="Print a JSON line a trace.")
def list_traces(
    data: Path,
    errors: bool,
    service: str | None,
    backend: str | None,
    slower_than: float | None,
    limit: int,
    as_json: bool,
) -> None:
    """The newest kept traces."""
    with open_traces(data) as store:
        rows = store.newest(
            Filters(errors=errors, service=service, backend=backend, slower_than_s=slower_than), limit=limit
        )
    for row in rows:
        if as_json:
            click.echo(json.dumps(row.to_dict()))
        else:
            when = datetime.fromtimestamp(row.start_ns / 1e9, UTC).strftime("%Y-%m-%d %H:%M:%S")
            flag = "ERROR" if row.errors else "ok"
            click.echo(
                f"{row.trace_id}  {when}  {row.duration_s:9.3f} s  {row.spans:4d} spans  {flag:5}  "
                f"{row.rule or '':10}  {plain(row.service)}  {plain(row.root)}  {plain(row.backend)}"
            )


@traces.command()
@click.argument("trace_id")
@DATA
@click.option("--json", "as_json", is_flag=True, help="Print the trace as OTLP/JSON.")
def show(trace_id: str, data: Path, as_json: bool) -> None:
    """One trace, as a tree with its attributes."""
    with open_traces(data) as store:
        found, records = store.trace(trace_id), store.logs(trace_id)
    if found is None:
        click.echo(f"eigenspan: no trace {trace_id} in {data}", err=True)
        sys.exit(1)
    if as_json:
        click.echo(
            json.dumps(
                document(found.message()) | {"logs": [record.to_dict() for record in records]}, default=_plain_bytes
            )
        )
        return
    for node in found.tree():
        indent = "  " * node.depth
        click.echo(f"{indent}{plain(node.name)}  {node.duration_s * 1000:.3f} ms  {node.status}")
        for key, value in node.attributes.items():
            click.echo(f"{indent}    {plain(key)} = {value!r}")
        for record in (r for r in records if r.span_id == node.span_id):
            _show_log(record, f"{indent}    ")
    shown = {node.span_id for node in found.tree()}
    for record in (r for r in records if r.span_id not in shown):
        _show_log(record, "")


def _show_log(record: Log, indent: str) -> None:
    when = datetime.fromtimestamp(record.time_ns / 1e9, UTC).strftime("%H:%M:%S.%f")
    click.echo(f"{indent}{when}  {plain(record.severity):5}  {plain(str(record.body))}")


def _plain_bytes(value: bytes) -> str:
    return base64.b64encode(value).decode()


@traces.command()
@click.argument("trace_id")
@DATA
@click.option(
    "--wait", "wait_s", type=float, default=30.0, show_default=True, help="Seconds to wait for the collector."
)
def recall(*, trace_id: str, data: Path, wait_s: float) -> None:
    """Bring back a trace that was dropped, whole, while the log still holds it."""
    try:
        trace = bytes.fromhex(trace_id)
    except ValueError:
        trace = b""
    if len(trace) != _TRACE_BYTES:
        raise click.UsageError(f"{trace_id!r} is not a trace id: 32 hexadecimal digits")
    with open_state(data) as state:
        state.want("", trace)
        until = time.monotonic() + wait_s
        while (outcome := state.outcome("", trace)) is None:
            if time.monotonic() > until:
                raise click.ClickException(
                    "no collector has answered: it will be looked into when one runs on this directory"
                )
            time.sleep(0.2)
    click.echo(f"{trace_id}: {outcome}")
    if not outcome.startswith(("recalled", "it was kept")):
        sys.exit(1)


def open_traces(data: Path) -> TraceStore:
    """The store of the collector that keeps its things in `data`, to be read."""
    path = data.expanduser() / "traces"
    if not path.is_dir():
        raise click.ClickException(f"{path} does not exist: no collector has kept anything there; name one with --data")
    return TraceStore(path, read_only=True)


def plain(text: str | None, limit: int = 200) -> str:
    """Text from a span as a terminal may show it: no control characters or marks of direction, and not too long."""
    shown = "".join(c if c.isprintable() else f"\\u{ord(c):04x}" for c in (text or "")[:limit])
    return shown + ("…" if text and len(text) > limit else "")


def found_in(store: TraceStore, trace_id: str) -> Stored:
    """A trace by its id, or an error that names it."""
    found = store.trace(trace_id)
    if found is None:
        raise click.ClickException(f"no trace {plain(trace_id)} is stored")
    return found


import eigenspan.cli.trace_files  # noqa: E402, F401  the commands that join this group
