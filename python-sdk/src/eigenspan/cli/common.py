"""Options that several commands share."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click

from eigenspan.collector.config import load
from eigenspan.collector.settings import Service, Settings
from eigenspan.collector.state import State

_SAID_S = 0.5
DATA = click.option(
    "--data",
    type=click.Path(path_type=Path),
    default=Service().data,
    show_default=True,
    help="A collector's directory.",
)


PROGRESS = click.option(
    "--progress/--no-progress", default=None, help="Say on stderr how far it is; by default on a terminal only."
)


@contextmanager
def progress(label: str, total: int | None, wanted: bool | None) -> Iterator[Callable[[int], None]]:
    """Say on stderr how far long work is, at most twice a second; the function takes what was done since its last call."""
    terminal = sys.stderr.isatty()
    shown = terminal if wanted is None else wanted
    done, said_s = 0, float("-inf")

    def advance(more: int) -> None:
        nonlocal done, said_s
        done += more
        if shown and time.monotonic() - said_s >= _SAID_S:
            said_s = time.monotonic()
            say()

    def say() -> None:
        of = "" if total is None else f" of {total:,}"
        click.echo(("\r" if terminal else "") + f"{label} {done:,}{of}", err=True, nl=not terminal)

    yield advance
    if shown:
        say()
        click.echo("", err=True, nl=terminal)


@contextmanager
def open_state(data: Path) -> Iterator[State]:
    """The state of the collector that keeps its things in `data`; it may be running."""
    path = data.expanduser() / "state.db"
    if not path.is_file():
        raise click.ClickException(f"{path} does not exist: no collector has run there; name one with --data")
    state = State(path)
    try:
        yield state
    finally:
        state.close()


def settings_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """--config, --data, --export and --set; the command gets them as keyword arguments."""
    options = [
        click.option("--config", "config_file", type=click.Path(path_type=Path), help="A YAML configuration file."),
        click.option("--data", type=click.Path(path_type=Path), help="The directory for everything that is kept."),
        click.option("--export", "exports", multiple=True, metavar="KIND=HOST:PORT", help="Also send kept traces there: "
                     "jaeger, tempo, otlp or otlphttp. May be repeated."),
        click.option("--set", "overrides", multiple=True, metavar="KEY.PATH=VALUE", help="Override one setting."),
    ]  # fmt: skip
    for option in reversed(options):
        command = option(command)
    return command


def settings_from(
    config_file: Path | None, data: Path | None, exports: tuple[str, ...], overrides: tuple[str, ...]
) -> Settings:
    """The settings that the options name."""
    settings = load(config_file, overrides=overrides, exports=exports)
    if data is not None:
        settings.service.data = str(data)
    return settings
