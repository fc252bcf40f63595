"""`eigenspan validate`: telemetry against the conventions and contracts."""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import click

from eigenspan.collector.errors import ConfigError
from eigenspan.schema import read
from eigenspan.schema.contract import Contract
from eigenspan.schema.findings import RANK
from eigenspan.schema.records import Batch, Unreadable
from eigenspan.schema.registry import registry
from eigenspan.schema.report import FORMATS, Report
from eigenspan.schema.validate import Validator


@click.command()
@click.argument("files", nargs=-1, metavar="[FILES|-]")
@click.option("--listen", metavar="HOST:PORT", help="Take OTLP/gRPC there instead of files; Ctrl-C or --for ends it.")
@click.option("--for", "seconds", type=float, help="How long to listen.")
@click.option("--schema", "version", metavar="VERSION", help="Hold it to this version, whatever its schema URL says.")
@click.option("--contract", "contracts", multiple=True, type=click.Path(path_type=Path), help="A YAML contract; may be repeated. "
              "Without one, the eight mandatory fields of a job.")  # fmt: skip
@click.option("--no-contract", is_flag=True, help="No contract at all, not even the eight fields.")
@click.option("--format", "form", type=click.Choice(sorted(FORMATS)), default="text", show_default=True)
@click.option("--fail-on", type=click.Choice([*RANK, "never"]), default="violation", show_default=True,
              help="The lowest level that makes the exit status 1.")  # fmt: skip
@click.option("--advice", is_flag=True, help="Also say what is absent and only recommended.")
@click.option(
    "--limit", type=click.IntRange(1), default=100, show_default=True, help="How many findings of one id to write."
)
def validate(
    *,
    files: tuple[str, ...],
    listen: str | None,
    seconds: float | None,
    version: str | None,
    contracts: tuple[Path, ...],
    no_contract: bool,
    form: str,
    fail_on: str,
    advice: bool,
    limit: int,
) -> None:
    """Validate OTLP in FILES: JSON lines or protobuf, also gzipped; `-` is standard input.

    The exit status is 1 when there was a finding of the level of --fail-on.
    """
    if bool(files) == bool(listen):
        raise click.UsageError("name FILES (or - for standard input), or --listen")
    registry(version)
    chosen = () if no_contract else tuple(Contract.read(path) for path in contracts) or None
    validator = Validator(version=version, contracts=chosen, advice=advice)
    report = FORMATS[form](sys.stdout, limit)
    if listen:
        _listen(listen, seconds, validator, report)
    else:
        for item in _items(files):
            for finding in validator.check(item):
                report.add(finding)
    for finding in validator.finish():
        report.add(finding)
    report.end(dict(validator.seen))
    if validator.judged_early:
        click.echo(f"{validator.judged_early} traces were judged before the end of the input, to keep memory bounded; "
                   "rules across their spans may have missed what came later", err=True)  # fmt: skip
    worst = report.worst()
    if worst is not None and fail_on != "never" and RANK[worst] >= RANK[fail_on]:
        raise SystemExit(1)


def _items(files: tuple[str, ...]) -> Iterator[Batch | Unreadable]:
    for name in files:
        yield from read.stream(sys.stdin.buffer, "stdin") if name == "-" else read.path(Path(name))


def _listen(address: str, seconds: float | None, validator: Validator, report: Report) -> None:
    from eigenspan.schema.listen import listening

    number = 0

    def take(request: bytes) -> None:
        nonlocal number
        number += 1
        for item in read.message(request, "otlp", number):
            for finding in validator.check(item):
                report.add(finding)

    try:
        with listening(address, take) as bound:
            click.echo(f"listening for OTLP/gRPC on {bound}", err=True)
            threading.Event().wait(seconds)
    except KeyboardInterrupt:
        pass
    except RuntimeError as error:
        raise ConfigError(f"--listen {address}: {error}") from error
