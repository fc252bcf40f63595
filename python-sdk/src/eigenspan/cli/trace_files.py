"""`eigenspan traces export`, `compare` and `replay`: traces out of the store, beside each other, and in again."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click

from eigenspan.cli.common import DATA, PROGRESS
from eigenspan.cli.common import progress as saying
from eigenspan.cli.traces import found_in, open_traces, plain, traces
from eigenspan.collector.errors import BadData
from eigenspan.collector.otlp import json_to_protobuf
from eigenspan.store.exports import chrome, speedscope
from eigenspan.store.traces import Filters, Stored
from eigenspan.web.otlp_json import document

_FORMATS = ("otlp", "speedscope", "chrome")
_TIMEOUT_S = 30


@traces.command()
@click.argument("trace_id", required=False)
@click.option("--all", "everything", is_flag=True, help="Every stored trace, a line each.")
@click.option("--format", "kind", type=click.Choice(_FORMATS), default="otlp", show_default=True)
@DATA
@PROGRESS
def export(*, trace_id: str | None, everything: bool, kind: str, data: Path, progress: bool | None) -> None:
    """Write traces as OTLP JSON, or for speedscope or Chrome's tracing view, to the standard output."""
    if (trace_id is None) != everything:
        raise click.UsageError("name one trace id, or give --all")
    with open_traces(data) as store:
        if trace_id is not None:
            click.echo(json.dumps(_as(found_in(store, trace_id), kind)))
            return
        rows = store.newest(Filters(), store.counts()["traces"])
        with saying("traces", len(rows), progress) as advance:
            for row in rows:
                if stored := store.trace(row.trace_id):
                    click.echo(json.dumps(_as(stored, kind)))
                advance(1)


def _as(stored: Stored, kind: str) -> dict[str, Any]:
    if kind == "chrome":
        return chrome(stored.tree())
    return speedscope(stored.tree(), stored.row.trace_id) if kind == "speedscope" else document(stored.message())


@traces.command()
@click.argument("one")
@click.argument("other")
@DATA
@click.option("--json", "as_json", is_flag=True, help="Print a JSON line a span name.")
def compare(one: str, other: str, data: Path, as_json: bool) -> None:
    """Two traces, span name by span name: how often, how long, how many errors."""
    with open_traces(data) as store:
        sides = [_by_name(found_in(store, trace_id)) for trace_id in (one, other)]
    for name in dict.fromkeys([*sides[0], *sides[1]]):
        (count, seconds, errors), (count2, seconds2, errors2) = (side.get(name, (0, 0.0, 0)) for side in sides)
        if as_json:
            click.echo(
                json.dumps(
                    {
                        "name": name,
                        "count": [count, count2],
                        "seconds": [seconds, seconds2],
                        "errors": [errors, errors2],
                    }
                )
            )
        else:
            lasted = f"{seconds:10.3f} s → {seconds2:.3f} s ({seconds2 - seconds:+.3f} s)"
            click.echo(f"{plain(name):40} {count:4d} → {count2:<4d} {lasted}  errors {errors} → {errors2}")


def _by_name(stored: Stored) -> dict[str, tuple[int, float, int]]:
    found: dict[str, tuple[int, float, int]] = {}
    for node in stored.tree():
        count, seconds, errors = found.get(node.name, (0, 0.0, 0))
        found[node.name] = (count + 1, seconds + node.duration_s, errors + node.error)
    return found


@traces.command()
@click.argument("source")
@click.option("--to", "target", required=True, metavar="HOST:PORT", help="An OTLP/HTTP endpoint.")
@DATA
@PROGRESS
@click.option("--json", "as_json", is_flag=True, help="Print a JSON document.")
def replay(*, source: str, target: str, data: Path, progress: bool | None, as_json: bool) -> None:
    """Send a stored trace, or a file of OTLP JSON (a document or a line each), to an OTLP/HTTP endpoint."""
    url = f"{target if '://' in target else f'http://{target}'}/v1/traces"
    if not url.startswith(("http://", "https://")):
        raise click.UsageError("--to is HOST:PORT or an http URL")
    sent = 0
    with saying("requests", None, progress) as advance:
        for body in _bodies(source, data):
            request = urllib.request.Request(url, body, {"Content-Type": "application/x-protobuf"})
            try:
                urllib.request.urlopen(request, timeout=_TIMEOUT_S).close()
            except urllib.error.HTTPError as error:
                raise click.ClickException(
                    f"{target} refused it after {sent} requests: {error.code} {error.reason}"
                ) from error
            except OSError as error:
                raise click.ClickException(f"{target} cannot be reached after {sent} requests: {error}") from error
            sent += 1
            advance(1)
    click.echo(json.dumps({"requests": sent}) if as_json else f"{sent} requests sent to {target}")


def _bodies(source: str, data: Path) -> Iterator[bytes]:
    file = Path(source)
    if not file.is_file():
        with open_traces(data) as store:
            yield from found_in(store, source).bodies
        return
    text = file.read_bytes()
    try:
        json.loads(text)
        parts = [text]
    except ValueError:
        parts = [line for line in text.splitlines() if line.strip()]
    for number, part in enumerate(parts, 1):
        try:
            yield json_to_protobuf("traces", part)
        except BadData as error:
            raise click.ClickException(f"{file}, document {number}: {error}") from error
