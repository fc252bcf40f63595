"""`eigenspan collect`: run the collector."""

from __future__ import annotations

import asyncio
import gc
import logging
import os
import signal
from pathlib import Path

import click

from eigenspan.cli.common import settings_from, settings_options
from eigenspan.collector.errors import EigenspanError


@click.command()
@settings_options
@click.option(
    "--log-level", default="info", type=click.Choice(["debug", "info", "warning", "error"]), show_default=True
)
def collect(
    config_file: Path | None, data: Path | None, exports: tuple[str, ...], overrides: tuple[str, ...], log_level: str
) -> None:
    """Receive OTLP, keep what matters with its calibration, and send it on.

    Without a configuration: listens on localhost (4317 and 4318), keeps every error trace and 10 % of the rest, and
    shows them at http://127.0.0.1:8080.
    """
    os.environ.setdefault("POLARS_MAX_THREADS", "1")  # batches are small: threads would only cost
    logging.basicConfig(level=log_level.upper(), format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    settings = settings_from(config_file, data, exports, overrides)
    try:
        import uvloop

        runner = asyncio.Runner(loop_factory=uvloop.new_event_loop)
    except ModuleNotFoundError:
        runner = asyncio.Runner()
    with runner:
        runner.run(_collect(settings))


async def _collect(settings: object) -> None:
    from eigenspan.collector.service import Collector
    from eigenspan.collector.settings import Settings

    assert isinstance(settings, Settings)
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    try:
        collector = Collector(settings)
    except OSError as error:
        raise EigenspanError(str(error)) from error
    # What is held is plain data in large tables: looking through all of it for cycles costs more than anything it finds.
    gc.freeze()
    gc.set_threshold(50_000, 50, 100)
    try:
        await collector.start()
    except OSError as error:
        await collector.stop()
        raise EigenspanError(str(error)) from error
    where = [f"{name} {port}" for name, port in collector.ports.items()]
    click.echo(
        f"eigenspan collects: {', '.join(where)}; scan engine {collector.engine.name}; data {settings.service.data}"
    )
    if page := settings.extensions.page:
        host = page.endpoint.rpartition(":")[0]
        click.echo(f"page: http://{host}:{collector.ports['page']}")
    await stop.wait()
    click.echo("stopping")
    await collector.stop()
