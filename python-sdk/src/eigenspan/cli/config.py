"""`eigenspan config`: check a configuration, show the one in force."""

from __future__ import annotations

from pathlib import Path

import click

from eigenspan.cli.common import settings_from, settings_options
from eigenspan.collector.config import to_yaml


@click.group()
def config() -> None:
    """Check a configuration file, or show the settings in force."""


@config.command()
@click.argument("file", required=False, type=click.Path(path_type=Path))
@settings_options
def check(
    file: Path | None, config_file: Path | None, data: Path | None, exports: tuple[str, ...], overrides: tuple[str, ...]
) -> None:
    """Check a configuration file; says file and line of what is wrong."""
    settings_from(file or config_file, data, exports, overrides)
    click.echo(f"{file or config_file or 'the defaults'}: ok")


@config.command()
@settings_options
def show(config_file: Path | None, data: Path | None, exports: tuple[str, ...], overrides: tuple[str, ...]) -> None:
    """Print the settings in force as YAML, defaults included, secrets masked."""
    click.echo(to_yaml(settings_from(config_file, data, exports, overrides)), nl=False)
