"""The collector's own metrics in the Prometheus format, its health, and the applications that are served."""

from __future__ import annotations

import json
import resource
import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from eigenspan import __version__
from eigenspan.calibration.gauges import gauges
from eigenspan.collector.backend_metrics import expose_backends
from eigenspan.collector.prometheus import family, openmetrics
from eigenspan.collector.series import OTHER
from eigenspan.semconv.metrics import QUANTUM_CIRCUIT_EXECUTIONS

if TYPE_CHECKING:
    from eigenspan.collector.service import Collector
    from eigenspan.collector.settings import Extensions, Health, Page
    from eigenspan.collector.settings import Telemetry as TelemetrySettings


class Telemetry:
    """What the collector says of itself. Metric names are the OpenTelemetry Collector's where it has them."""

    def __init__(self, collector: Collector) -> None:
        self._collector = collector
        self._started_s = time.time()
        self.stumbled = 0

    def apps(self, extensions: Extensions) -> Iterator[tuple[str, Page | TelemetrySettings | Health, Any]]:
        """The extensions that are on: name, settings and ASGI application."""
        if extensions.page:
            from eigenspan.web.app import Page as PageApp

            c = self._collector
            yield (
                "page",
                extensions.page,
                PageApp(
                    c.store,
                    c.calibrations,
                    self.summary,
                    c.settings.processors.calibration.tokens,
                    extensions.page.tokens,
                ),
            )
        if extensions.telemetry:
            texts = {"/metrics": self.prometheus, "/status": self.status}
            yield "telemetry", extensions.telemetry, _Text(texts, openmetrics={"/metrics": self.openmetrics})
        if extensions.health:
            yield "health", extensions.health, _Text({"/": self.health, "/status": self.health}, self.trouble)

    def _backends(self) -> set[tuple[str, str]]:
        """Provider and name of every backend that traffic ran on."""
        executions = self._collector.metrics.series[QUANTUM_CIRCUIT_EXECUTIONS.name]
        return {(labels[0], labels[1]) for labels in executions.values.copy() if labels[1] not in ("", OTHER)}

    def _executions(self) -> list[dict[str, Any]]:
        """Executions of all traffic by backend, the busiest first, and how many of them failed."""
        found: dict[tuple[str, str], list[int]] = {}
        for (provider, backend, error, *_), n in (
            self._collector.metrics.series[QUANTUM_CIRCUIT_EXECUTIONS.name].values.copy().items()
        ):
            row = found.setdefault((provider, backend), [0, 0])
            row[0] += int(n)
            row[1] += int(n) if error else 0
        busiest = sorted(found.items(), key=lambda item: (-item[1][0], item[0]))
        return [{"provider": p, "backend": b, "executions": n, "failed": bad} for (p, b), (n, bad) in busiest]

    def health(self) -> str:
        """A JSON line for load balancers."""
        status = {"status": "Server available", "upSince": self._started_s, "version": __version__}
        if trouble := self.trouble():
            status |= {"status": "Server not available", "error": trouble}
        return json.dumps(status)

    def trouble(self) -> str:
        """Why the door is shut; nothing where it is open."""
        admission = self._collector.receiver.admission
        return "" if admission.open else admission.reason

    def summary(self) -> dict[str, Any]:
        """What the page and the demo's table show: what came, what was kept and why, what was enriched."""
        c = self._collector
        rules: dict[str, dict[str, int]] = {}
        for (rule, keep), n in c.metrics.traces.copy().items():
            rules.setdefault(rule, {"kept": 0, "dropped": 0})["kept" if keep else "dropped"] += n
        return {
            "engine": {"receive": c.receiver.name, "scan": c.engine.name},
            "version": __version__,
            "spans": {
                "received": c.metrics.spans + c.metrics.repeated,
                "errors": c.metrics.errors,
                "open": c.traces.open_spans,
            },
            "traces": {"open": len(c.traces), "rules": rules},
            "enriched": [
                {"backend": backend, "calibration": version, "match": match, "spans": n}
                for (backend, version, match), n in sorted(c.pipeline.changes.enriched.copy().items())
            ],
            "counts": dict(c.pipeline.counts.copy() + c.traces.counts.copy()),
            "redacted": dict(c.receiver.redacted),
            "exporters": {w.name: dict(w.counts) | {"last_error": w.last_error} for w in c.workers},
            "outbox": {name: {"waiting": w, "parked": p} for name, (w, p) in c.state.backlog().items()},
            "executions": self._executions(),
            "ports": c.ports,
        }

    def status(self) -> str:
        """A page of plain text for people: stages from the door to the exporters, and what the rules are doing."""
        c = self._collector
        lines = [
            f"eigenspan {__version__}, up {time.time() - self._started_s:.0f} s",
            f"door        {self.trouble() or 'open'}",
            f"receive     {c.receiver.name}; {c.receiver.undrained} bytes waiting to be taken in",
            f"log         {c.log.size_bytes} bytes",
            f"measure     {c.metrics.spans} spans, {c.metrics.errors} errors, {c.metrics.repeated} repeated",
            f"traces      {len(c.traces)} open with {c.traces.open_spans} spans",
            f"decide      shares under stress times {c.pipeline.valve.factor:g}",
        ]
        for rule in c.rules.rules:
            kept, dropped = c.metrics.traces[rule.name, True], c.metrics.traces[rule.name, False]
            keys = f", {len(rule.strata.table)} keys" if rule.strata else ""
            lines.append(f"  {rule.name:20} {kept:10d} kept {dropped:10d} dropped{keys}  {rule.when or 'every trace'}")
        backlog = c.state.backlog()
        for worker in c.workers:
            waiting, parked = backlog.get(worker.name, (0, 0))
            lines.append(
                f"export      {worker.name}: {worker.counts['sent_spans']} spans sent, {waiting} waiting, {parked} set aside"
            )
        if c.archive.last_error:
            lines.append(f"archive     fails: {c.archive.last_error}")
        return "\n".join(lines) + "\n"

    def prometheus(self) -> str:
        """Everything in the Prometheus text format."""
        return "\n".join(self._lines()) + "\n"

    def openmetrics(self) -> str:
        """The same as OpenMetrics, which has room for exemplars."""
        return openmetrics(self._lines(exemplars=True))

    def _lines(self, *, exemplars: bool = False) -> list[str]:
        c = self._collector
        door: dict[str, list[tuple[dict[str, str], float]]] = {"refused": [], "malformed": [], "repeated": []}
        for (what, which), n in sorted(c.receiver.counts.items()):
            door[what].append(({"reason" if what == "refused" else "signal": which}, n))
        counts = [
            ({"what": what}, n) for what, n in sorted((c.pipeline.counts.copy() + c.traces.counts.copy()).items())
        ]
        enriched = [
            ({"backend": backend, "calibration": version[:23], "match": match}, n)
            for (backend, version, match), n in sorted(c.pipeline.changes.enriched.copy().items())
        ]
        backlog, received = c.state.backlog(), c.metrics.spans + c.metrics.repeated
        usage = resource.getrusage(resource.RUSAGE_SELF)
        exporters = [({"exporter": w.name}, w) for w in c.workers]
        return [
            *_collectors("receiver_accepted_spans", "Spans acknowledged.", [({"receiver": "otlp"}, received)]),
            *family("otelcol_receiver_refused_requests", "counter", "Requests turned away, by reason.", door["refused"]),
            *family("eigenspan_receiver_malformed_requests_total", "counter", "Requests refused for good.", door["malformed"]),
            *family("eigenspan_receiver_repeated_requests_total", "counter", "Requests that the log already held.", door["repeated"]),
            *family("eigenspan_redacted_values_total", "counter", "Values replaced before anything was written, by key.",
                    [({"key": key}, n) for key, n in sorted(c.receiver.redacted.items())]),
            *c.metrics.prometheus(exemplars=exemplars),
            *c.compliance.prometheus(),
            *family("eigenspan_rule_failures_total", "counter", "Traces on which a rule's condition could not be evaluated.",
                    [({"rule": rule}, n) for rule, n in sorted(c.rules.failed.items())]),
            *family("eigenspan_sampling_relief", "gauge", "Factor on baseline shares; below 1 under stress.",
                    [({}, c.pipeline.valve.factor)]),
            *family("eigenspan_sampling_events_total", "counter", "What was odd about traces when they were decided.",
                    [({"what": what}, n) for what, n in sorted(c.rules.counts.copy().items())]),
            *family("eigenspan_sampling_keys_overflowed_total", "counter", "Keys that found no room and shared one.",
                    [({"table": table}, n) for table, n in sorted(c.rules.tables().items())]),
            *family("eigenspan_traces_open", "gauge", "Undecided traces.", [({}, len(c.traces))]),
            *family("eigenspan_spans_open", "gauge", "Spans of undecided traces.", [({}, c.traces.open_spans)]),
            *family("eigenspan_pipeline_events_total", "counter", "What happened to spans and traces on the way.", counts),
            *family("eigenspan_pipeline_failures_total", "counter", "Turns that failed and were taken up again.",
                    [({}, self.stumbled)]),
            *family("eigenspan_spans_enriched_total", "counter", "Kept spans given a calibration, by match.", enriched),
            *family("eigenspan_spans_conformed_total", "counter", "What names from elsewhere on kept spans became.",
                    [({"what": what}, n) for what, n in sorted(c.pipeline.changes.normalised.copy().items())]),
            *family("eigenspan_calibration_polls_total", "counter", "Answers of live calibration services, by what became of them.",
                    [({"provider": provider, "outcome": outcome}, n)
                     for (provider, outcome), n in sorted(c.poller.counts.copy().items())]),
            *family("eigenspan_calibration_quarantined", "gauge", "Calibration documents set aside because they cannot be believed.",
                    [({}, len(c.calibrations.quarantined()))]),
            *(line for g in gauges(c.calibrations.index(), c.clock.wall_ns()) for line in family(g.name, "gauge", g.help, g.rows)),
            *family("eigenspan_store_files_removed_total", "counter", "Files of the embedded store removed for age or room.",
                    [({}, len(c.store.removed))]),
            *family("eigenspan_archived_files_total", "counter", "Files of finished days that went to the archive, or failed to.",
                    [({"outcome": outcome}, c.archive.counts[outcome]) for outcome in ("archived", "failed")]),
            *family("eigenspan_archive_failing", "gauge", "1 where the last attempt to archive failed.",
                    [({}, bool(c.archive.last_error))]),
            *family("eigenspan_log_bytes", "gauge", "Bytes of the log on disk.", [({}, c.log.size_bytes)]),
            *family("eigenspan_log_damaged_bytes", "gauge", "Bytes of the log found damaged at start, by what was done.",
                    [({"done": "cut"}, c.log.torn_bytes),
                     ({"done": "set_aside"}, sum(damage.length for _, damage in c.log.quarantined))]),
            *_collectors("exporter_sent_spans", "Spans delivered.", [(labels, w.counts["sent_spans"]) for labels, w in exporters]),
            *family("eigenspan_exporter_rejected_total", "counter", "Spans, points and records that the far end rejected for good.",
                    [(labels | {"signal": s}, n) for labels, w in exporters
                     for s in ("traces", "metrics", "logs") if (n := w.counts[f"rejected_{s}"])]),
            *_collectors("processor_tail_sampling_count_traces_sampled", "Traces decided, by policy.",
                         [({"policy": rule, "sampled": str(keep).lower()}, n)
                          for (rule, keep), n in sorted(c.metrics.traces.copy().items())]),
            *family("otelcol_processor_tail_sampling_sampling_traces_on_memory", "gauge", "Undecided traces.", [({}, len(c.traces))]),
            *family("otelcol_process_uptime_seconds", "gauge", "Seconds since the start.", [({}, time.time() - self._started_s)]),
            *expose_backends(c.calibrations.index(), self._backends(), time.time_ns()),
            *family("eigenspan_push_failures_total", "counter", "Metric requests that were not taken, or not whole.",
                    [({}, c.push.failures)] if c.push else []),
            *family("otelcol_exporter_queue_size", "gauge", "Outbox rows waiting.",
                    [(labels, backlog.get(w.name, (0, 0))[0]) for labels, w in exporters]),
            *family("eigenspan_exporter_parked", "gauge", "Outbox rows set aside because the far end refuses them.",
                    [(labels, backlog.get(w.name, (0, 0))[1]) for labels, w in exporters]),
            *family("eigenspan_build_info", "gauge", "Version and engines in use.",
                    [({"version": __version__, "receive": c.receiver.name, "scan": c.engine.name}, 1)]),
            *family("process_cpu_seconds_total", "counter", "CPU time used.", [({}, usage.ru_utime + usage.ru_stime)]),
            *family("process_resident_memory_bytes", "gauge", "Resident memory.", [({}, _resident_bytes())]),
        ]  # fmt: skip


def _collectors(name: str, help_: str, rows: list[tuple[dict[str, str], float]]) -> list[str]:
    """A counter under the Collector's name, which has `_total` or not as its version and settings have it."""
    return [
        *family(f"otelcol_{name}_total", "counter", help_, rows),
        *family(f"otelcol_{name}", "untyped", help_, rows),
    ]


def _resident_bytes() -> int:
    try:
        with open("/proc/self/statm") as file:
            return int(file.read().split()[1]) * resource.getpagesize()
    except OSError:
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


class _Text:
    """An ASGI application of a few fixed paths; 503 while `trouble` names any."""

    def __init__(
        self, paths: dict[str, Any], trouble: Callable[[], str] = str, openmetrics: dict[str, Any] | None = None
    ) -> None:
        self._paths, self._trouble, self._openmetrics = paths, trouble, openmetrics or {}

    async def __call__(self, scope: dict[str, Any], receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            return
        found, kind = self._paths.get(scope["path"]), b"text/plain; version=0.0.4; charset=utf-8"
        if scope["path"] in self._openmetrics and b"application/openmetrics-text" in dict(scope["headers"]).get(
            b"accept", b""
        ):
            found, kind = (
                self._openmetrics[scope["path"]],
                b"application/openmetrics-text; version=1.0.0; charset=utf-8",
            )
        status, body = (503 if self._trouble() else 200, found().encode()) if found else (404, b"not found\n")
        kind = b"application/json" if body.startswith(b"{") else kind
        headers = [(b"content-type", kind), (b"content-length", str(len(body)).encode())]
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": body})
