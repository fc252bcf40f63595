"""What the calibration commands share: where the store is, and how a time is written."""

from __future__ import annotations

from pathlib import Path

import click

from eigenspan.calibration import CalibrationError, CalibrationStore, instants
from eigenspan.collector.settings import Service

STORE_FILE = "calibration.db"

data_option = click.option(
    "--data",
    type=click.Path(file_okay=False, path_type=Path),
    default=Service().data,
    show_default=True,
    help="The collector's data directory.",
)
as_json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON.")


def instant(_ctx: click.Context, _param: click.Parameter, value: str | None) -> int | None:
    """An RFC 3339 instant with an offset, as nanoseconds."""
    try:
        return None if value is None else instants.parse(value)
    except ValueError as error:
        raise click.BadParameter(f"{error}; write for example 2025-02-26T20:26:08Z") from error


def open_store(data: Path) -> CalibrationStore:
    """The store in a data directory, made where there is none."""
    try:
        return CalibrationStore(data.expanduser() / STORE_FILE)
    except (OSError, CalibrationError) as error:
        raise click.ClickException(str(error)) from error


def open_existing(data: Path) -> CalibrationStore:
    """The store in a data directory, which must be there."""
    if not (data.expanduser() / STORE_FILE).is_file():
        raise click.ClickException(
            f"no calibrations in {data}; import some with `eigenspan calibration import` or give --data"
        )
    return open_store(data)
