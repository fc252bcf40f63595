"""What the embedded store costs: writing, room, and its questions, at a size of your choice.

Run as `python -m tests.bench.store --spans 400000`; `--days` spreads the spans over as many files, `--data` names a directory to fill
(about 150 bytes a span; removed afterwards unless `--keep`). CPU of writing is the process's own, without the making of the traces.
"""

from __future__ import annotations

import argparse
import random
import shutil
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

from opentelemetry.proto.trace.v1.trace_pb2 import TracesData

from eigenspan.store.traces import Filters, TraceStore
from eigenspan.web.spansearch import Window, search
from eigenspan.web.traceql import parse

SPANS_PER_TRACE = 8
POOL = 2_000
BATCH = 500
RARE = 5_000  # one trace in so many is deep, slow and of a family of its own
DAY_NS = 86_400 * 10**9
STEPS = (
    ("ingress.request", "ingress"), ("orchestrator.decision", "decision"), ("quantum.job.compile", "transpile"),
    ("quantum.job.enqueue", "submit"), ("quantum.job.queue", "queue"), ("quantum.job.execute", "execute"),
    ("quantum.job.result", "result"), ("postprocess.aggregation", "post_process"),
)  # fmt: skip
BACKENDS = ("ibm_torino", "ibm_marrakesh", "ionq_aria", "iqm_garnet", "rigetti_ankaa", "quantinuum_h2")


class Traces:
    """Traces of 8 spans of about 420 bytes in 10 attributes, their values drawn from a seed."""

    def __init__(self, seed: int = 1) -> None:
        self._rng = random.Random(seed)
        self._pool = [self._made() for _ in range(POOL)]

    def _made(self) -> TracesData:
        rng, data = self._rng, TracesData()
        for service in ("gateway", "solver"):
            resource = data.resource_spans.add()
            for key, value in (
                ("service.name", service),
                ("service.version", f"1.{rng.randrange(9)}"),
                ("host.name", "node-7"),
            ):
                resource.resource.attributes.add(key=key).value.string_value = value
            resource.scope_spans.add().scope.name = "bench"
        backend = rng.choice(BACKENDS)
        for step, (name, stage) in enumerate(STEPS):
            span = data.resource_spans[min(step, 1)].scope_spans[0].spans.add(name=name, kind=1 + (step == 0))
            span.span_id = rng.randbytes(8)
            texts = {
                "quantum.stage.name": stage, "request.id": "", "user.segment": f"segment-{rng.randrange(50)}",
                "http.route": "/v1/circuits/{id}/execute", "server.address": "backend.internal",
            }  # fmt: skip
            if step >= 2:
                texts |= {
                    "quantum.provider.name": backend.partition("_")[0],
                    "quantum.backend.name": backend,
                    "quantum.job.id": "",
                }
            for key, text in texts.items():
                span.attributes.add(key=key).value.string_value = text
            span.attributes.add(key="quantum.job.shots").value.int_value = 2 ** rng.randrange(8, 13)
            span.attributes.add(key="quantum.circuit.depth").value.int_value = rng.randrange(5, 900)
            span.attributes.add(key="duration.estimate").value.double_value = rng.random()
        return data

    def next(self, start_ns: int) -> tuple[str, bytes, str, bytes]:
        """A trace that nobody has seen, as `TraceStore.write` takes it."""
        rng = self._rng
        data = self._pool[rng.randrange(POOL)]
        trace, number, rare, at_ns = rng.randbytes(16), rng.getrandbits(62), rng.randrange(RARE) == 0, start_ns
        parent = b""
        for resource in data.resource_spans:
            for span in resource.scope_spans[0].spans:
                span.trace_id, span.parent_span_id, parent = trace, parent, parent or span.span_id
                lasts_ns = int(rng.lognormvariate(17, 1)) + (
                    30 * 10**9 if rare and span.name == "quantum.job.execute" else 0
                )
                span.start_time_unix_nano, span.end_time_unix_nano = at_ns, at_ns + lasts_ns
                at_ns += lasts_ns
                for attribute in span.attributes:
                    match attribute.key:
                        case "request.id" | "quantum.job.id":
                            attribute.value.string_value = f"{attribute.key[:3]}-{number:016x}"
                        case "duration.estimate":
                            attribute.value.double_value = rng.random()
                        case "quantum.circuit.depth":
                            attribute.value.int_value = 20_000 if rare else attribute.value.int_value % 1_000
                        case "user.segment" if rare:
                            attribute.value.string_value = "segment-rare"
                        case "user.segment" if attribute.value.string_value == "segment-rare":
                            attribute.value.string_value = "segment-1"
        data.resource_spans[0].scope_spans[0].spans[0].end_time_unix_nano = at_ns
        data.resource_spans[1].scope_spans[0].spans[-1].status.code = 2 if rng.random() < 0.05 else 0
        return "", trace, "baseline", data.SerializeToString()


def fill(directory: Path, spans: int, days: int, max_bytes: int) -> Iterator[tuple[str, object]]:
    """Write the spans; figures by name, and under "ids" some trace ids that were written, under "end_ns" their last start."""
    made, today = Traces(), date(2026, 3, 1)
    first_ns = int(datetime(today.year, today.month, today.day, tzinfo=UTC).timestamp()) * 10**9
    traces = spans // SPANS_PER_TRACE
    step_ns = days * DAY_NS // max(1, traces)
    spent, raw, ids = 0.0, 0, []
    day = today
    with TraceStore(directory, today=lambda: day, max_age_days=36_500, max_bytes=max_bytes) as store:
        for at in range(0, traces, BATCH):
            day = today + timedelta(days=at * step_ns // DAY_NS)
            batch = [made.next(first_ns + n * step_ns) for n in range(at, min(at + BATCH, traces))]
            ids.append(batch[0][1].hex())
            raw += sum(len(body) for *_, body in batch)
            before = time.process_time()
            store.write(batch)
            spent += time.process_time() - before
    room = sum(file.stat().st_size for file in directory.iterdir())
    yield "spans", traces * SPANS_PER_TRACE
    yield "spans a CPU-second, written", round(traces * SPANS_PER_TRACE / spent)
    yield "bytes a span, as they came", raw / max(1, traces) / SPANS_PER_TRACE
    yield "bytes a span, stored", room / max(1, traces) / SPANS_PER_TRACE
    yield "ids", ids
    yield "end_ns", first_ns + traces * step_ns


def ask(directory: Path, ids: list[str], end_ns: int) -> Iterator[tuple[str, object]]:
    """Milliseconds of wall time of each question, p50 and p99."""
    hour_ns = end_ns - DAY_NS // 24
    with TraceStore(directory, read_only=True) as store:

        def query(text: str, start_ns: int = 0) -> Callable[[], int]:
            return lambda: len(search(store, parse(text), Window(start_ns, end_ns), 20).hits)

        def listed(**filters: Any) -> Callable[[], int]:
            return lambda: len(store.newest(Filters(**filters), 50))

        random.Random(2).shuffle(ids)
        yield "a trace by id", timed(lambda: [lambda i=i: store.trace(i) is not None for i in ids[:200]])
        for name, question in {
            "attribute, common": query('{ span.quantum.backend.name = "ionq_aria" }'),
            "attribute, rare": query('{ span.user.segment = "segment-rare" }'),
            "attribute, rare, last hour": query('{ span.user.segment = "segment-rare" }', hour_ns),
            "attribute, unknown": query('{ span.user.segment = "nobody" }'),
            "range, common": query("{ span.quantum.circuit.depth > 500 }"),
            "range, rare": query("{ span.quantum.circuit.depth > 9000 }"),
            "range, none": query("{ span.quantum.circuit.depth > 90000 }"),
            "range and attribute": query('{ span.quantum.circuit.depth > 9000 && span.quantum.backend.name = "ionq_aria" }'),
            "span longer than 10 s": query("{ duration > 10s }"),
            "span longer than 10 s, last hour": query("{ duration > 10s }", hour_ns),
            "list: newest": listed(),
            "list: errors": listed(errors=True),
            "list: slower than 10 s": listed(slower_than_s=10),
            "list: slower than 10 s, last hour": listed(slower_than_s=10, start_ns=hour_ns),
            "list: one backend": listed(backend="ionq_aria"),
            "services and backends": lambda: len(store.values()["backend"]),
            "counts": lambda: store.counts()["traces"],
        }.items():  # fmt: skip
            yield name, timed(lambda question=question: [question] * 5)


def timed(questions: Callable[[], list[Callable[[], int]]]) -> str:
    """p50 / p99 of asking each, and what the last one found."""
    taken, found = [], 0
    for question in questions():
        before = time.perf_counter()
        found = question()
        taken.append((time.perf_counter() - before) * 1e3)
    p99 = statistics.quantiles(taken, n=100, method="inclusive")[98]
    return f"{statistics.median(taken):.2f} / {p99:.2f} ms, {int(found)} found"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--spans", type=int, default=80_000)
    parser.add_argument("--days", type=int, default=1)
    parser.add_argument("--max-bytes", type=int, default=1 << 40)
    parser.add_argument("--data", type=Path)
    parser.add_argument("--keep", action="store_true")
    options = parser.parse_args()
    directory = options.data or Path(tempfile.mkdtemp(prefix="eigenspan-store-"))
    try:
        figures = dict(fill(directory, options.spans, options.days, options.max_bytes))
        ids, end_ns = figures.pop("ids"), figures.pop("end_ns")
        for name, value in [*figures.items(), *ask(directory, ids, end_ns)]:  # type: ignore[arg-type]
            print(f"{name:36} {value:,.0f}" if isinstance(value, float) else f"{name:36} {value}", flush=True)
    finally:
        if not options.keep:
            shutil.rmtree(directory, ignore_errors=True)


if __name__ == "__main__":
    main()
