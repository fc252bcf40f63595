"""`eigenspan why`: where a request failed."""

from __future__ import annotations

import json
from pathlib import Path

import click

from eigenspan.cli.common import DATA
from eigenspan.cli.traces import found_in, open_traces, plain
from eigenspan.store.why import why as explain


@click.command()
@click.argument("trace_id")
@DATA
@click.option("--json", "as_json", is_flag=True, help="Print a JSON document.")
def why(trace_id: str, data: Path, as_json: bool) -> None:
    """Did the request arrive, was it compiled, accepted, executed, post-processed: and who is at fault."""
    with open_traces(data) as store:
        found = explain(found_in(store, trace_id).tree())
    if as_json:
        click.echo(json.dumps(found.to_dict()))
        return
    for answer in found.answers:
        click.echo(f"{answer.question:15} {answer.answer:8} {plain(answer.evidence)}")
    click.echo(f"fault domain: {found.domain or 'none, nothing failed'}")
