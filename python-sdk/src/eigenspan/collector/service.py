"""The collector as a process: it opens what is on disk, starts the engines, turns the pipeline, and stops cleanly."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import threading
import time
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import polars as pl

from eigenspan.calibration.importers import shipped
from eigenspan.calibration.pullers.opening import plans
from eigenspan.calibration.pullers.poller import Poller
from eigenspan.collector.bounds import Limits as DoorLimits
from eigenspan.collector.changes import Calibrations, Conventions
from eigenspan.collector.clock import Clock
from eigenspan.collector.commit import Committed, Committer, Logged, columns, spans_of
from eigenspan.collector.conform import Compliance
from eigenspan.collector.decide import STATE as SAMPLING_STATE
from eigenspan.collector.decided import Decided
from eigenspan.collector.dropped import DroppedTraces
from eigenspan.collector.errors import ConfigError, EigenspanError
from eigenspan.collector.export import Worker
from eigenspan.collector.log import Log
from eigenspan.collector.measure import STATE as METRICS_STATE
from eigenspan.collector.measure import SpanMetrics
from eigenspan.collector.memory import give_back
from eigenspan.collector.opening import (
    DataDirectory,
    certificates,
    destination,
    open_calibrations,
    open_state,
    schedule,
    segment_bytes,
)
from eigenspan.collector.own_traces import OwnTracing, untraced
from eigenspan.collector.pipeline import Limits, Pipeline
from eigenspan.collector.push import Push
from eigenspan.collector.receive import PortableReceiver, Receiver
from eigenspan.collector.receive_native import HAS_NATIVE, NativeReceiver
from eigenspan.collector.receive_uvicorn import serve_asgi, stop_asgi
from eigenspan.collector.regret import Regret
from eigenspan.collector.rules import compile_rules, sampling_watch
from eigenspan.collector.scan import Engine, engine
from eigenspan.collector.settings import Settings
from eigenspan.collector.spans import Payload, Signal
from eigenspan.collector.telemetry import Telemetry
from eigenspan.collector.traces import Traces
from eigenspan.collector.watch import CONTRACT
from eigenspan.schema.registry import registry
from eigenspan.store.traces import TraceStore

_REPLAY_GROUP = 512
_FEW_BYTES, _PUT_OFF, _PUT_OFF_S = 8 << 20, 7, 2.0
"""While fewer bytes have come a turn is put off, so often and so long at the most: it costs some milliseconds, however
little came, and half as much a span where much did."""
_logger = logging.getLogger(__name__)


def receives_natively(settings: Settings) -> bool:
    """Whether the kernel receives; ConfigError where it is told to and cannot."""
    name = settings.receivers.otlp.engine
    if name == "native" and not HAS_NATIVE:
        raise ConfigError(
            "receivers.otlp.engine: 'native' needs the package eigenspan-kernel; valid here: 'auto', 'portable'"
        )
    return name == "native" or (name == "auto" and HAS_NATIVE and settings.service.engine != "python")


class Collector:
    """All parts of a running collector. `start` and `stop` run on the event loop; the pipeline has a thread."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        sampling = settings.processors.sampling
        self.watch = sampling_watch(sampling)
        self.rules = compile_rules(sampling, self.watch)
        self.engine: Engine = engine(settings.service.engine)
        self._opened = contextlib.ExitStack()
        try:
            self._assemble()
        except BaseException:
            self.close()
            raise

    def _assemble(self) -> None:
        """Open the data directory and build all parts on what is in it."""
        settings, when_closed = self.settings, self._opened.callback
        sampling, limits = settings.processors.sampling, settings.service.store
        directory = DataDirectory(Path(settings.service.data).expanduser())
        when_closed(directory.close)
        data = directory.path
        self.log = Log(data / "log", segment_bytes=segment_bytes(data, settings.service.log))
        when_closed(self.log.close)
        self.state = open_state(data / "state.db")
        when_closed(self.state.close)
        self.store = TraceStore(data / "traces", max_age_days=limits.max_age_days, max_bytes=limits.max_bytes)
        when_closed(self.store.close)
        self.archive = schedule(data / "traces", limits)
        self.calibrations = open_calibrations(data / "calibration.db")
        when_closed(self.calibrations.close)
        self._import_calibrations()
        self.poller = Poller(self.calibrations, plans(settings.processors.calibration.poll))
        checkpoint = self.state.checkpoint()
        self.log.not_before(checkpoint.through + 1 if checkpoint else 1)
        self.clock = Clock(checkpoint.log_ns if checkpoint else 0, running=False)
        decided = Decided(DroppedTraces(data / "dropped"))
        regret = Regret(data / "regret", self.log.whole_from)
        decided.load(self.state.kept(), self.state.dropped())
        self.metrics = SpanMetrics(began_ns=self.clock.wall_ns())
        self.metrics.load(self.state.saved_under(METRICS_STATE))
        self.rules.load(self.state.saved_under(SAMPLING_STATE))
        named = tuple(w for w in self.watch if w.column in self.rules.columns | {"backend", *CONTRACT.values()})
        self.traces = Traces(
            named, decided, settle_s=sampling.settle, idle_s=sampling.idle, job_ttl_s=sampling.job_ttl,
            max_traces=sampling.max_traces, max_spans=sampling.max_spans,
        )  # fmt: skip
        self.traces.jobs.load(self.state.ended_jobs())
        self.receiver = self._receiver()
        own = settings.service.telemetry.traces
        self.own_traces = OwnTracing(own) if own and own.processors else None
        turns = self.own_traces.turns() if self.own_traces else None
        self._own_turn = turns.turn if turns else contextlib.nullcontext
        alone = self.own_traces.alone if self.own_traces else untraced
        self.workers = [
            Worker(name, destination(name, exporter, self.store), self.state, self.log.bodies, self.engine, alone)
            for name, exporter in settings.exporters.items()
        ]
        exporters: dict[Signal, list[str]] = {
            s: [w.name for w in self.workers if s in w.signals] for s in ("traces", "metrics", "logs")
        }
        conventions = settings.processors.conventions
        schema = registry().version if conventions.normalise else ""
        self.compliance = Compliance(CONTRACT)
        self.pipeline = Pipeline(
            receiver=self.receiver, log=self.log, state=self.state, traces=self.traces, decided=decided,
            regret=regret,
            reread=self._reread, rules=self.rules,
            calibrations=Calibrations(
                self.calibrations.index, self.calibrations.document, settings.processors.calibration.wait_for_snapshot
            ),
            metrics=self.metrics,
            compliance=self.compliance,
            conventions=Conventions(schema, conventions.normalise, conventions.keep_original),
            exporters=exporters,  # type: ignore[arg-type]
            limits=Limits(
                settings.service.log.max_bytes,
                int(sampling.window * 1e9),
                int(settings.service.log.keep_for * 1e9),
                settings.service.log.keep_bytes,
                settings.service.log.reserve_bytes,
            ),
            stage=turns.stage if turns else untraced,
        )  # fmt: skip
        while self.log.found:
            self.receiver.remember(*self.log.found.popleft())
        self.pipeline.replay(
            self._replayed(min(checkpoint.replay_from, regret.through + 1) if checkpoint else 0),
            checkpoint,
            self.clock.wall_ns(),
        )
        self.clock.start()
        give_back()
        self.telemetry = Telemetry(self)
        self.push = self._push()
        self.ports: dict[str, int] = {}
        self._servers: list[Any] = []
        self._waits_for = ""
        self._malformed, self._said_ns = 0, -60_000_000_000
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._turn, name="eigenspan-pipeline", daemon=True)

    def _push(self) -> Push | None:
        telemetry = self.settings.extensions.telemetry
        if telemetry is None or telemetry.push is None:
            return None
        exporters = {name: e for name, e in self.settings.exporters.items() if e.type in ("otlp", "otlphttp")}
        destinations = {name: destination(name, exporter, self.store) for name, exporter in exporters.items()}
        return Push(
            self.metrics, destinations, interval_s=telemetry.push.interval, temporality=telemetry.push.temporality
        )

    def _receiver(self) -> Receiver:
        otlp, keys = self.settings.receivers.otlp, self.settings.processors.redact.keys
        tokens = otlp.auth.tokens
        bounds = DoorLimits(
            request_bytes=otlp.max_request_bytes, in_flight_bytes=otlp.max_in_flight_bytes,
            connections=otlp.max_connections, read_s=otlp.read_timeout, idle_s=otlp.idle_timeout,
        )  # fmt: skip
        if receives_natively(self.settings):
            return NativeReceiver(
                self.log, self.clock, watch=self.watch, redact_keys=keys, limits=bounds, tokens=tokens
            )
        committer = Committer(
            self.log, self.engine, self.clock, watch=self.watch, redact_keys=keys, max_bytes=otlp.max_in_flight_bytes
        )
        return PortableReceiver(committer, self.clock, tokens, bounds)

    def _import_calibrations(self) -> None:
        settings = self.settings.processors.calibration
        if settings.shipped:
            for report in shipped.import_shipped(self.calibrations):
                if report.outcome == "failed":
                    _logger.warning("a calibration that an SDK ships is left out: %s", report.message)
        for file in settings.files:
            self.calibrations.import_file(Path(file).expanduser())
        for alias, target in settings.aliases.items():
            provider, _, backend = target.partition("/")
            self.calibrations.add_alias(provider, alias, backend)

    def _replayed(self, position: int) -> Iterator[Committed]:
        records = self.log.replay(position)
        while group := list(islice(records, _REPLAY_GROUP)):
            logged = [Logged.of(r) for r in group]
            self.clock.not_before(logged[-1].log_ns)
            yield columns(logged, self.engine, self.watch)

    def _reread(self, tenant: str, positions: Sequence[int]) -> pl.DataFrame:
        """The committed spans of payloads that were dropped, as far as the log still holds them."""
        logged = []
        for position in positions:
            with contextlib.suppress(KeyError):
                payload = Payload("traces", self.log.read(position), 0, tenant)
                logged.append(Logged(position, payload, self.clock.log_ns(), b""))
        return spans_of(logged, self.engine, self.watch)

    async def start(self) -> None:
        """Open the ports and begin; OSError where one is taken or a certificate cannot be used."""
        listeners = self.settings.receivers.otlp.protocols
        secure = {
            "grpc": certificates(listeners.grpc.tls if listeners.grpc else None),
            "http": certificates(listeners.http.tls if listeners.http else None),
        }
        self.receiver.start()
        for worker in self.workers:
            worker.start()
        self.poller.start()
        self.archive.start()
        self._thread.start()
        if self.push:
            self.push.start()
        otlp, extensions = self.settings.receivers.otlp, self.settings.extensions
        if grpc := otlp.protocols.grpc:
            self.ports["grpc"] = await self.receiver.listen_grpc(grpc.endpoint, secure["grpc"])
        if http := otlp.protocols.http:
            self.ports["http"] = await self.receiver.listen_http(http.endpoint, secure["http"])
        for name, extension, app in self.telemetry.apps(extensions):
            server, task, self.ports[name] = await serve_asgi(app, extension.endpoint, what=name)
            self._servers.append((server, task))
        if gone := self.state.release(w.name for w in self.workers):
            _logger.warning("%d rows waited for exporters that the configuration no longer has; they are gone", gone)
        _logger.info("scan engine %s, receive engine %s, ports %s", self.engine.name, self.receiver.name, self.ports)

    def _turn(self) -> None:
        interval_s, put_off = self.settings.service.tick_interval, 0
        while not self._stopping.wait(interval_s):
            put_off += 1
            soon = put_off <= _PUT_OFF and (put_off + 1) * interval_s <= _PUT_OFF_S
            if soon and self.receiver.undrained < _FEW_BYTES:
                continue
            waited_s, put_off = put_off * interval_s, 0
            before_s = time.perf_counter()
            self.turn()
            self._relieve((time.perf_counter() - before_s) / waited_s)

    def _relieve(self, busy: float) -> None:
        """Let the stress valve know how the last turn went, and say where it moved."""
        valve, step = self.pipeline.valve, self.pipeline.valve.step
        valve.turn(self.log.size_bytes / self.settings.service.log.max_bytes, busy)
        if valve.step and not step:
            _logger.warning("under stress: baseline sampling shares are lowered; errors are kept as before")
        elif step and not valve.step:
            _logger.warning("the stress is over: sampling shares are as configured")

    def turn(self) -> None:
        """One turn of the pipeline, and a word to the exporters."""
        try:
            with self._own_turn():
                rows = self.pipeline.tick(self.clock.log_ns(), self.clock.wall_ns())
        except EigenspanError as error:
            if str(error) != self._waits_for:
                _logger.error("the pipeline waits: %s", error)
            self._waits_for = str(error)
            return
        except Exception:
            _logger.exception("the pipeline stumbled; what is in the log is safe")
            self.telemetry.stumbled += 1
            return
        if self._waits_for:
            _logger.warning("the pipeline goes on")
        self._waits_for = ""
        self._say_what_was_malformed()
        if rows:
            for worker in self.workers:
                worker.poke()

    def _say_what_was_malformed(self) -> None:
        """A line a minute at the most, while clients send what cannot be read."""
        now_ns = self.clock.log_ns()
        if now_ns < self._said_ns + 60_000_000_000:
            return
        malformed = sum(n for (what, _), n in self.receiver.counts.items() if what == "malformed")
        if malformed > self._malformed:
            self._said_ns = now_ns
            _logger.warning("%d malformed requests were refused; each client was told why", malformed - self._malformed)
            self._malformed = malformed

    async def stop(self) -> None:
        """Stop listening, take in what was acknowledged, checkpoint, and let everything go. Nothing is decided early."""
        with contextlib.suppress(asyncio.CancelledError):
            await self.receiver.stop()
        await stop_asgi(self._servers)
        self._stopping.set()
        await asyncio.to_thread(self.poller.stop)
        await asyncio.to_thread(self.archive.stop)
        if self._thread.is_alive():
            await asyncio.to_thread(self._thread.join)
        self.turn()
        if self.push:
            await asyncio.to_thread(self.push.stop)
        for worker in self.workers:
            await asyncio.to_thread(worker.stop)
        if self.own_traces:
            await asyncio.to_thread(self.own_traces.stop)
        self.close()

    def close(self) -> None:
        """Close files and databases, and let another process have the directory."""
        self._opened.close()
