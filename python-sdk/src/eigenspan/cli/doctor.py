"""`eigenspan doctor`: what this installation can do, and what stands in its way."""

from __future__ import annotations

import importlib.util
import json
import platform
import socket
import sys
from pathlib import Path
from typing import Any

import click

from eigenspan import __version__
from eigenspan.collector.config import load
from eigenspan.collector.errors import EigenspanError
from eigenspan.collector.receive_native import HAS_NATIVE
from eigenspan.collector.scan import engine

_SDKS = (
    "cirq",
    "cirq_google",
    "qiskit",
    "qiskit_aer",
    "qiskit_ibm_runtime",
    "braket",
    "pennylane",
    "opentelemetry.sdk",
)


@click.command()
@click.option("--config", "config_file", type=click.Path(path_type=Path), help="Check this configuration too.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def doctor(config_file: Path | None, as_json: bool) -> None:
    """Say which engine runs, which SDKs are there, and whether the ports are free."""
    report: dict[str, Any] = {
        "eigenspan": __version__,
        "python": platform.python_version(),
        "platform": platform.platform(),
        "engine": engine("auto").name,
        "receive": "native" if HAS_NATIVE else "portable",
        "sdks": {name: _installed(name) for name in _SDKS},
    }
    if report["engine"] == "python":
        report["hint"] = "the compiled kernel is not installed; with a Rust toolchain, `make kernel` builds it"
    try:
        settings = load(config_file)
    except EigenspanError as error:
        report["configuration"] = str(error)
    else:
        report["configuration"] = "ok"
        report["ports"] = _ports(settings)
    if as_json:
        click.echo(json.dumps(report, indent=2))
    else:
        for key, value in report.items():
            if isinstance(value, dict):
                click.echo(f"{key}:")
                for name, found in value.items():
                    click.echo(f"  {name}: {found}")
            else:
                click.echo(f"{key}: {value}")
    if report["configuration"] != "ok":
        sys.exit(1)


def _installed(name: str) -> str:
    try:
        return "installed" if importlib.util.find_spec(name) else "not installed"
    except ModuleNotFoundError:
        return "not installed"


def _ports(settings: Any) -> dict[str, str]:
    protocols, extensions = settings.receivers.otlp.protocols, settings.extensions
    parts = {"grpc": protocols.grpc, "http": protocols.http} | {
        name: getattr(extensions, name) for name in ("page", "telemetry", "health")
    }
    return {name: f"{part.endpoint} {_port_state(part.endpoint)}" for name, part in parts.items() if part is not None}


def _port_state(endpoint: str) -> str:
    host, _, port = endpoint.rpartition(":")
    with socket.socket() as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            sock.bind((host or "127.0.0.1", int(port)))
        except OSError as error:
            return f"not free: {error.strerror}"
    return "free"
