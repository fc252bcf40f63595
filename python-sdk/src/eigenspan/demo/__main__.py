"""The demo: start the collector, run real circuits against it, show what became of them, and leave the page up.

    python -m eigenspan.demo [--data DIR] [--runs N] [--stop] [--set KEY.PATH=VALUE]

The collector and the workload are processes of their own, as they would be anywhere. Ctrl-C stops the collector cleanly.
"""

from __future__ import annotations

import argparse
import json
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path
from typing import Any

from eigenspan.demo.table import table

_PAGE, _GRPC = "127.0.0.1:8080", "127.0.0.1:4317"
_SETTLE_S = 3.0


def main() -> int:
    """Run the demo; the exit code is the collector's, or 1 where the workload failed."""
    parser = argparse.ArgumentParser(prog="python -m eigenspan.demo", description=__doc__)
    parser.add_argument("--data", type=Path, default=Path(".demo"), help="where the collector keeps its data")
    parser.add_argument("--page", default=_PAGE, help="where the page is served")
    parser.add_argument("--grpc", default=_GRPC, help="where OTLP/gRPC is received")
    parser.add_argument("--runs", type=int, default=0, help="how many circuits to run (default: the workload's own)")
    parser.add_argument("--fast", action="store_true", help="a smaller workload")
    parser.add_argument("--stop", action="store_true", help="stop when the table is printed")
    parser.add_argument("--set", dest="overrides", action="append", default=[], help="override one setting")
    options = parser.parse_args()
    for flag, place in (("--page", options.page), ("--grpc", options.grpc)):
        if _answers(place):  # a table of what another collector has would say nothing of this run
            print(
                f"demo: something listens on {place} already: stop it, or name another place with {flag}",
                file=sys.stderr,
            )
            return 1
    collector = subprocess.Popen(_collect(options))
    try:
        _wait_until_up(collector, options.page)
        print(
            "running circuits on Cirq's virtual engine and on Qiskit's fake backends; this takes a minute", flush=True
        )
        code = _run_workload(options)
        summary = _wait_until_decided(options.page)
        print(table(summary, page=f"http://{options.page}", data=options.data), flush=True)
        if not options.stop and code == 0:
            print("the collector is running; Ctrl-C stops it", flush=True)
            collector.wait()
    except KeyboardInterrupt:
        code = 0
    except ConnectionError as error:
        print(f"demo: {error}", file=sys.stderr)
        return 1
    finally:
        _stop(collector)
    return code


def _answers(place: str) -> bool:
    host, _, port = place.rpartition(":")
    with socket.socket() as sock:
        sock.settimeout(1.0)
        return port != "0" and sock.connect_ex((host.strip("[]"), int(port))) == 0


def _collect(options: argparse.Namespace) -> list[str]:
    sets = [
        f"receivers.otlp.protocols.grpc.endpoint={options.grpc}",
        f"extensions.page.endpoint={options.page}",
        f"processors.sampling.settle={_SETTLE_S}",
        *options.overrides,
    ]
    flags = [item for value in sets for item in ("--set", value)]
    return [sys.executable, "-m", "eigenspan", "collect", "--log-level", "warning", "--data", str(options.data), *flags]


def _workload(options: argparse.Namespace) -> list[str]:
    command = [sys.executable, "-m", "eigenspan.demo.workload", "--endpoint", f"http://{options.grpc}"]
    if options.runs:
        command += ["--runs", str(options.runs)]
    return [*command, "--fast"] if options.fast else command


def _run_workload(options: argparse.Namespace) -> int:
    done = subprocess.run(_workload(options), check=False, stdout=subprocess.PIPE, text=True)
    *said, last = done.stdout.splitlines() or [""]
    print("\n".join(said))
    try:
        ran = json.loads(last)
    except ValueError:
        print(last)
    else:
        reasons = ", ".join(f"{n} {reason.replace('_', ' ')}" for reason, n in ran["failures"].items())
        print(
            f"{ran['traces']} requests ran in {ran['seconds']:.0f} s; {ran['failed']} failed as they should: {reasons}",
            flush=True,
        )
    return done.returncode


def _summary(page: str) -> dict[str, Any]:
    with urllib.request.urlopen(f"http://{page}/api/summary", timeout=5) as answer:
        return json.load(answer)  # type: ignore[no-any-return]


def _wait_until_up(collector: subprocess.Popen[bytes], page: str, timeout_s: float = 60.0) -> None:
    deadline = time.monotonic() + timeout_s
    while time.monotonic() < deadline:
        if collector.poll() is not None:
            raise ConnectionError("the collector did not start; its message is above")
        try:
            _summary(page)
        except OSError:
            time.sleep(0.2)
        else:
            return
    raise ConnectionError(f"the page does not answer at http://{page}")


def _wait_until_decided(page: str, timeout_s: float = 60.0) -> dict[str, Any]:
    deadline = time.monotonic() + timeout_s
    while True:
        summary = _summary(page)
        waiting = sum(row["waiting"] for row in summary["outbox"].values())
        if (
            summary["spans"]["received"] and not summary["traces"]["open"] and not waiting
        ) or time.monotonic() > deadline:
            return summary
        time.sleep(0.5)


def _stop(collector: subprocess.Popen[bytes]) -> None:
    if collector.poll() is None:
        collector.send_signal(signal.SIGINT)
        try:
            collector.wait(20)
        except subprocess.TimeoutExpired:
            collector.kill()
            collector.wait()


if __name__ == "__main__":
    sys.exit(main())
