"""The `eigenspan` command. Each group has its own file and is imported when it is called."""

from __future__ import annotations

import importlib
import sys
from typing import Any

try:
    import click
except ModuleNotFoundError as error:
    raise SystemExit("the eigenspan command needs its collector extra: pip install 'eigenspan[collector]'") from error

from eigenspan import __version__

_COMMANDS = {
    "collect": "collect",
    "config": "config",
    "calibration": "calibration",
    "sampling": "sampling",
    "traces": "traces",
    "schema": "schema",
    "validate": "validate",
    "doctor": "doctor",
    "outbox": "outbox",
    "jobs": "jobs",
    "archive": "archive",
    "why": "why",
    "providers": "providers",
    "backends": "backends",
}


class _Lazy(click.Group):
    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted(_COMMANDS)

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        module = _COMMANDS.get(name)
        if module is None:
            return None
        command: Any = getattr(importlib.import_module(f"{__name__}.{module}"), name)
        return command  # type: ignore[no-any-return]


@click.group(cls=_Lazy, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, prog_name="eigenspan")
def cli() -> None:
    """OpenTelemetry for quantum and hybrid services: a collector that joins calibration and samples honestly."""


def main() -> None:
    """Run the command; an error that we raise on purpose is one line on stderr and exit code 1."""
    from eigenspan.collector.errors import EigenspanError

    try:
        cli()
    except EigenspanError as error:
        click.echo(f"eigenspan: {error}", err=True)
        sys.exit(1)
