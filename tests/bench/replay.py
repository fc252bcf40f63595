"""What a start costs where the log is full of undecided spans: `python -m tests.bench.replay --spans 10000000`.

The log is written as a collector writes it. A first start takes it up and leaves a checkpoint, as a collector that was
killed has one; the second start, in a process of its own, is measured: CPU until it could listen, and anonymous memory then.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from eigenspan.collector.commit import digest_of
from eigenspan.collector.log import Log
from eigenspan.collector.spans import Payload
from tests.bench.load import Load, requests

GOAL_S, GOAL_MIB = 10.0, {1_000_000: 250, 10_000_000: 3072}
"""CPU of a start with 10 million undecided spans; anonymous memory with so many."""
_GROUP = 200
_LOG_NS = 1_000_000_000
_START = """
import sys, time
from eigenspan.collector.config import load
from eigenspan.collector.service import Collector
data, first = sys.argv[1:]
settings = load(None, overrides=["processors.sampling.max_traces=100000000", "processors.calibration.shipped=false"], environ={})
settings.service.data = data
before_s = time.process_time()
collector = Collector(settings)
used_s = time.process_time() - before_s
if first == "first":
    collector.pipeline.tick(collector.clock.log_ns() + 5_000_000_000 - 1, collector.clock.wall_ns())
status = open("/proc/self/status").read()
kib = next(line.split()[1] for line in status.splitlines() if line.startswith("RssAnon"))
print(collector.traces.open_spans, used_s, int(kib) / 1024)
collector.close()
"""


def write(directory: Path, load: Load) -> None:
    """A log of the load's requests."""
    log, group = Log(directory / "log"), []
    for body in requests(load):
        group.append(Payload("traces", body, time.time_ns()))
        if len(group) == _GROUP:
            log.append(group, [digest_of(payload) for payload in group], _LOG_NS)
            group = []
    if group:
        log.append(group, [digest_of(payload) for payload in group], _LOG_NS)
    log.close()


def start(directory: Path, which: str) -> tuple[int, float, float]:
    """Undecided spans, CPU-seconds and MiB of a start."""
    command = [sys.executable, "-c", _START, str(directory), which]
    done = subprocess.run(
        command, check=True, stdout=subprocess.PIPE, text=True, env={**os.environ, "POLARS_MAX_THREADS": "1"}
    )
    spans, used_s, mib = done.stdout.split()
    return int(spans), float(used_s), float(mib)


def main() -> None:
    """Write the log, start twice, and say what the second start cost."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--spans", type=int, default=1_000_000)
    parser.add_argument("--data", type=Path, default=None, help="where there is room for 450 bytes a span")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=options.data) as name:
        write(Path(name), Load(options.spans, 100))
        start(Path(name), "first")
        spans, used_s, mib = start(Path(name), "second")
    goals = f"{GOAL_S * spans / 10_000_000:.1f} s" + "".join(f", {m} MiB" for n, m in GOAL_MIB.items() if n == spans)
    print(f"{spans} undecided spans: {used_s:.1f} CPU-s, {mib:.0f} MiB of anonymous memory (goal {goals})")


if __name__ == "__main__":
    main()
