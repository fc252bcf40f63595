"""Server CPU-seconds for a million spans and peak memory, beside a real Collector in the same run.

The Collector runs tail_sampling (errors and 10 %), then transform adding 12 attributes, with the same wait. Build it with
`make bench-peer`. CPU is the server process's own, from the first request until everything kept has been exported.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import product
from pathlib import Path

import grpc

from tests.bench.load import SPANS_PER_TRACE, Load, error_traces, requests

ROOT = Path(__file__).resolve().parents[2]
PEER = Path(os.environ.get("OTELCOL_BIN", ROOT / ".peer" / "otelcol"))
RESULTS = ROOT / ".artefacts" / "bench.md"
EXPORT = "/opentelemetry.proto.collector.trace.v1.TraceService/Export"
WAIT_S = 2
TURNS_S = 6
"""How long after their time traces may be decided and sent: turns are two seconds apart while little comes."""
GOALS = {
    ("eigenspan, native", 100): 0.125,
    ("eigenspan, native", 10): 0.25,
    ("eigenspan, kernel", 100): 0.5,
    ("eigenspan, no Rust", 100): 1.5,
}
"""Server and spans a request: the CPU that it should need at the most, as a share of the Collector's."""


@dataclass(frozen=True)
class Shape:
    """How the load comes: spans a request, connections that each have one request under way, and whether it is compressed.

    `rate`: spans a second in all; 0: as fast as answers come.
    """

    per_request: int
    connections: int
    gzip: bool
    rate: float = 0.0


@dataclass
class Result:
    """One run. `cpu_s` is scaled to a million spans; `memory_mib` is the peak of anonymous memory."""

    name: str
    cpu_s: float
    memory_mib: float
    rss_mib: float
    p50_ms: float
    p99_ms: float
    kept_share: float
    errors_complete: float


def free_port() -> int:
    """A port that was free a moment ago."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


def cpu_s(pid: int) -> float:
    """User and system seconds of a process so far."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def memory_mib(pid: int) -> tuple[float, float]:
    """Anonymous and whole resident memory now."""
    values = {"RssAnon": 0.0, "VmRSS": 0.0}
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        name = line.split(":")[0]
        if name in values:
            values[name] = int(line.split()[1]) / 1024
    return values["RssAnon"], values["VmRSS"]


def wait_for_port(port: int, process: subprocess.Popen[bytes], timeout_s: float = 60) -> None:
    """Return once something listens on `port`."""
    deadline = time.monotonic() + timeout_s
    while time.monotonic() < deadline:
        if process.poll() is not None:
            sys.exit(f"the server ended with {process.returncode} before it listened")
        with socket.socket() as sock:
            if sock.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.1)
    sys.exit(f"nothing listens on {port} after {timeout_s} s")


def eigenspan_command(engine: str, receiver: str) -> Callable[[int, int, Path], list[str]]:
    """How to start the collector with a scan engine and a receive engine."""

    def command(port: int, sink: int, data: Path) -> list[str]:
        sets = {
            "receivers.otlp.protocols.grpc.endpoint": f"127.0.0.1:{port}",
            "receivers.otlp.protocols.http": "null",
            "extensions": "{page: null, health: null, telemetry: null}",
            "exporters": f"{{otlp: {{endpoint: '127.0.0.1:{sink}'}}}}",
            "processors.sampling.settle": str(WAIT_S),
            "processors.calibration.shipped": "true",
            "service.engine": engine,
            "receivers.otlp.engine": receiver,
        }
        args = [item for key, value in sets.items() for item in ("--set", f"{key}={value}")]
        return [sys.executable, "-m", "eigenspan", "collect", "--log-level", "warning", "--data", str(data), *args]

    return command


def peer_command(port: int, sink: int, data: Path) -> list[str]:
    """How to start the real Collector."""
    config = data / "peer.yaml"
    text = (ROOT / "collector-config" / "otelcol" / "bench.yaml").read_text()
    config.write_text(text.replace("@PORT@", str(port)).replace("@SINK@", str(sink)).replace("@WAIT@", f"{WAIT_S}s"))
    return [str(PEER), "--config", str(config)]


def run(
    name: str, command: Callable[[int, int, Path], list[str]], load: Load, bodies: list[bytes], shape: Shape
) -> Result:
    """One measured run of one server."""
    port, sink_port = free_port(), free_port()
    data = Path(tempfile.mkdtemp(prefix="bench-", dir=ROOT / ".artefacts"))
    sink = subprocess.Popen(
        [sys.executable, "-m", "tests.bench.sink", str(sink_port)], stdout=subprocess.PIPE, text=True, cwd=ROOT
    )
    assert sink.stdout is not None
    sink.stdout.readline()
    server = subprocess.Popen(command(port, sink_port, data), stdout=subprocess.DEVNULL, stderr=sys.stderr)
    try:
        wait_for_port(port, server)
        time.sleep(1)
        before = cpu_s(server.pid)
        answers, anonymous, resident = send(port, bodies, shape, server.pid)
        quiet_since, last = time.monotonic(), cpu_s(server.pid)
        deadline = time.monotonic() + 120
        while time.monotonic() - quiet_since < WAIT_S + TURNS_S and time.monotonic() < deadline:
            time.sleep(0.5)
            anon, rss = memory_mib(server.pid)
            anonymous, resident = max(anonymous, anon), max(resident, rss)
            now = cpu_s(server.pid)
            if now - last > 0.05:
                quiet_since, last = time.monotonic(), now
        used = cpu_s(server.pid) - before
    finally:
        server.send_signal(signal.SIGTERM)
        server.wait(30)
        sink.send_signal(signal.SIGTERM)
        counts = {bytes.fromhex(k): v for k, v in json.loads(sink.communicate(timeout=30)[0].splitlines()[-1]).items()}
        shutil.rmtree(data, ignore_errors=True)
    errors = error_traces(load)
    complete = sum(counts.get(trace, 0) == SPANS_PER_TRACE for trace in errors)
    answers.sort()
    return Result(
        name,
        used * 1e6 / load.spans,
        anonymous,
        resident,
        answers[len(answers) // 2] * 1000,
        answers[int(len(answers) * 0.99)] * 1000,
        len(counts) * SPANS_PER_TRACE / load.spans,
        complete / max(1, len(errors)),
    )


def send(port: int, bodies: list[bytes], shape: Shape, pid: int) -> tuple[list[float], float, float]:
    """Send every request, one at a time over each connection; returns answer times and the peak memory seen."""
    in_flight, compression = shape.connections, grpc.Compression.Gzip if shape.gzip else grpc.Compression.NoCompression
    options = [("grpc.use_local_subchannel_pool", 1)]
    channels = [grpc.insecure_channel(f"127.0.0.1:{port}", options, compression) for _ in range(in_flight)]
    calls = [channel.unary_unary(EXPORT) for channel in channels]
    peak = [0.0, 0.0]

    def part(i: int) -> list[float]:
        out = []
        begun_s, step_s = time.perf_counter(), shape.per_request * in_flight / shape.rate if shape.rate else 0.0
        for number, body in enumerate(bodies[i::in_flight]):
            time.sleep(max(0.0, begun_s + (number + i / in_flight) * step_s - time.perf_counter()))
            started = time.perf_counter()
            while True:
                try:
                    calls[i](body, timeout=60)
                    break
                except grpc.RpcError as error:
                    if error.code() is not grpc.StatusCode.UNAVAILABLE:
                        raise
                    time.sleep(0.2)
            out.append(time.perf_counter() - started)
            if i == 0 and number % 50 == 0:
                anon, rss = memory_mib(pid)
                peak[:] = [max(peak[0], anon), max(peak[1], rss)]
        return out

    with ThreadPoolExecutor(in_flight) as pool:
        answers = [a for part_answers in pool.map(part, range(in_flight)) for a in part_answers]
    for channel in channels:
        channel.close()
    return answers, peak[0], peak[1]


def main() -> None:
    """Run every server that is on hand, at each request size, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--spans", type=int, default=400_000)
    parser.add_argument("--per-request", type=int, nargs="+", default=[10, 100, 1000])
    parser.add_argument("--connections", type=int, nargs="+", default=[4])
    parser.add_argument("--gzip", nargs="+", choices=["off", "on"], default=["off"])
    parser.add_argument("--rate", type=float, default=0.0, help="spans a second; 0: as fast as answers come")
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--only", nargs="+", default=[])
    options = parser.parse_args()
    servers: dict[str, Callable[[int, int, Path], list[str]]] = {}
    try:
        import eigenspan_kernel  # noqa: F401
    except ImportError:
        print("the kernel is not built; only the Python engine is measured")
    else:
        servers["eigenspan, native"] = eigenspan_command("kernel", "native")
        servers["eigenspan, kernel"] = eigenspan_command("kernel", "portable")
    servers["eigenspan, no Rust"] = eigenspan_command("python", "portable")
    if PEER.exists():
        servers["Collector"] = peer_command
    else:
        print(f"no Collector at {PEER}: `make bench-peer` builds one; no ratio is given")
    if options.only:
        servers = {name: command for name, command in servers.items() if any(only in name for only in options.only)}
    RESULTS.parent.mkdir(exist_ok=True)
    lines = [
        f"{datetime.now(UTC):%Y-%m-%d}, {os.cpu_count()} cores, {platform.machine()}, Python {platform.python_version()}; "
        f"{options.spans} spans{f' at {options.rate:g} a second' if options.rate else ''}, median of {options.rounds}.",
        "",
        "| server | spans a request | connections | gzip | CPU-s a million spans | ratio (goal) | anonymous MiB | resident MiB | "
        "p50 ms | p99 ms | kept | errors complete |",
        "|---|---|---|---|---|---|---|---|---|---|---|---|",
    ]
    shapes = product(options.per_request, options.connections, options.gzip)
    for per_request, connections, gzip in shapes:
        shape = Shape(per_request, connections, gzip == "on", options.rate)
        load = Load(options.spans // (per_request * SPANS_PER_TRACE) * per_request * SPANS_PER_TRACE, per_request)
        bodies = list(requests(load))
        rounds: dict[str, list[Result]] = {name: [] for name in servers}
        for _ in range(options.rounds):
            for name, command in servers.items():
                rounds[name].append(run(name, command, load, bodies, shape))
        peer = statistics.median(r.cpu_s for r in rounds["Collector"]) if "Collector" in rounds else None
        for name, results in rounds.items():
            row = min(results, key=lambda r: abs(r.cpu_s - statistics.median(x.cpu_s for x in results)))
            ratio = f"{row.cpu_s / peer:.2f}" if peer else "-"
            if (goal := GOALS.get((name, per_request))) is not None:
                ratio += f" ({goal:g})"
            lines.append(
                f"| {name} | {per_request} | {shape.connections} | {'on' if shape.gzip else 'off'} | {row.cpu_s:.1f} | {ratio} | {row.memory_mib:.0f} | {row.rss_mib:.0f} | "
                f"{row.p50_ms:.2f} | {row.p99_ms:.2f} | {row.kept_share:.1%} | {row.errors_complete:.1%} |"
            )
            print(lines[-1], flush=True)
    text = "\n".join(lines) + "\n"
    RESULTS.write_text(text)
    print(f"\n{text}\nwritten to {RESULTS.relative_to(ROOT)}")


if __name__ == "__main__":
    main()
