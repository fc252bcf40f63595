"""`eigenspan collect`: run the collector."""

from __future__ import annotations

import asyncio
import gc
import logging
import os
import signal
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import click

os.environ.setdefault(
    "POLARS_MAX_THREADS", "1"
)  # batches are small: threads would only cost. Read when polars is imported.

from eigenspan.cli.common import settings_from, settings_options
from eigenspan.collector.errors import EigenspanError

if TYPE_CHECKING:
    from eigenspan.collector.service import Collector
    from eigenspan.collector.settings import Settings

_logger = logging.getLogger(__name__)


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
    shows them at http://127.0.0.1:8080. SIGHUP reads the configuration again; a bad one changes nothing.
    """
    logging.basicConfig(level=log_level.upper(), format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    try:
        import uvloop

        runner = asyncio.Runner(loop_factory=uvloop.new_event_loop)
    except ModuleNotFoundError:
        runner = asyncio.Runner()
    with runner:
        runner.run(_collect(partial(settings_from, config_file, data, exports, overrides)))


async def _collect(read_settings: Callable[[], Settings]) -> None:
    """Run until SIGINT or SIGTERM. SIGHUP reads the settings again; what is wrong with them is said, and changes nothing."""
    signals: asyncio.Queue[int] = asyncio.Queue()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        loop.add_signal_handler(number, signals.put_nowait, number)
    settings = read_settings()
    collector = await _started(settings)
    # What is held is plain data in large tables: looking through all of it for cycles costs more than anything it finds.
    gc.freeze()
    gc.set_threshold(50_000, 50, 100)
    _say(collector)
    while await signals.get() == signal.SIGHUP:
        collector, settings = await _reloaded(collector, settings, read_settings)
    click.echo("stopping")
    await collector.stop()


async def _started(settings: Settings) -> Collector:
    from eigenspan.collector.service import Collector

    try:
        collector = Collector(settings)
    except OSError as error:
        raise EigenspanError(str(error)) from error
    try:
        await collector.start()
    except OSError as error:
        await collector.stop()
        raise EigenspanError(str(error)) from error
    return collector


async def _reloaded(
    collector: Collector, settings: Settings, read_settings: Callable[[], Settings]
) -> tuple[Collector, Settings]:
    """The collector under the settings as they are now. It takes the log up where the one before left it."""
    try:
        wanted = read_settings()
    except EigenspanError as error:
        _logger.error("the settings are not reloaded, and nothing has changed: %s", error)
        return collector, settings
    await collector.stop()
    try:
        collector = await _started(wanted)
    except EigenspanError as error:
        _logger.error("the new settings cannot be used; the old ones hold: %s", error)
        return await _started(settings), settings
    _logger.info("the settings are reloaded")
    _say(collector)
    return collector, wanted


def _say(collector: Collector) -> None:
    settings = collector.settings
    where = [f"{name} {port}" for name, port in collector.ports.items()]
    click.echo(
        f"eigenspan collects: {', '.join(where)}; scan engine {collector.engine.name}; data {settings.service.data}"
    )
    if page := settings.extensions.page:
        host = page.endpoint.rpartition(":")[0]
        click.echo(f"page: http://{host}:{collector.ports['page']}")
