"""`eigenspan jobs`: follow jobs that outlive the process that submitted them."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import click

_STATE = click.option(
    "--state",
    type=click.Path(path_type=Path),
    default=Path("eigenspan-jobs.db"),
    show_default=True,
    help="Where jobs are kept.",
)


@click.group()
def jobs() -> None:
    """Follow jobs at providers and give their queue and execution as spans."""


@jobs.command()
@click.argument("job_ids", nargs=-1)
@click.option("--provider", type=click.Choice(["braket", "ibm", "google"]), required=True)
@_STATE
@click.option("--endpoint", default="localhost:4317", show_default=True, help="The collector, OTLP over gRPC.")
@click.option(
    "--style",
    type=click.Choice(["link", "child", "none"]),
    default="link",
    show_default=True,
    help="How the job's spans relate to the submission: in a trace of their own that links to it, below it, not at all. "
    "Below it in any case where the submitter records the job too: then they are the same spans, and are counted once.",
)
@click.option("--service-name", default="eigenspan-jobs", show_default=True)
@click.option("--every", "every_s", type=click.FloatRange(0.1), default=15.0, show_default=True, metavar="SECONDS")
@click.option("--discover", is_flag=True, help="Also follow recent jobs that carry a traceparent.")
@click.option(
    "--once", is_flag=True, help="Ask once and end; without it, until every job has ended, or for ever with --discover."
)
@click.option("--project", help="The Google Cloud project.")
@click.option(
    "--metrics",
    is_flag=True,
    help="Also send the jobs' metrics: waits, durations, shots, costs. Without it a collector derives them.",
)
@click.option(
    "--prices", type=click.Path(exists=True, path_type=Path), help="A price table; TOML, as the documentation says."
)
def watch(
    job_ids: tuple[str, ...],
    provider: str,
    state: Path,
    endpoint: str,
    style: Any,
    service_name: str,
    every_s: float,
    discover: bool,
    once: bool,
    project: str | None,
    metrics: bool,
    prices: Path | None,
) -> None:
    """Follow jobs by their ids; those of earlier runs in the state file are followed too.

    Credentials are the provider's own: AWS_* for Braket, a saved account for IBM, application default credentials for Google.
    """  # fmt: skip
    from opentelemetry.exporter.otlp.proto.grpc.metric_exporter import OTLPMetricExporter
    from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.metrics import MeterProvider
    from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader
    from opentelemetry.sdk.resources import Resource

    from eigenspan.instrument import _metrics, _prices
    from eigenspan.sdk.watch import Watch

    if prices is not None:
        try:
            _prices.use(prices)
        except _prices.PriceError as error:
            raise click.ClickException(str(error)) from error
    url = endpoint if "://" in endpoint else f"http://{endpoint}"
    exporter = OTLPSpanExporter(endpoint=url)
    readers = [PeriodicExportingMetricReader(OTLPMetricExporter(endpoint=url))] if metrics else []
    _metrics.measure_spans(metrics)
    meters = MeterProvider(readers, resource=Resource({"service.name": service_name}))
    source = _source(provider, project)
    with Watch(
        state, source, exporter, style=style, service_name=service_name, every_s=every_s, meter_provider=meters
    ) as watched:
        watched.add(*job_ids)
        try:
            while True:
                if discover:
                    watched.discover()
                ended = watched.turn()
                if ended:
                    click.echo(f"{ended} ended, {watched.pending()} pending")
                if once or not (discover or watched.pending()):
                    break
                time.sleep(min(every_s, 1.0))
        except KeyboardInterrupt:
            pass
    meters.shutdown()
    exporter.shutdown()


@jobs.command(name="list")
@_STATE
def list_jobs(state: Path) -> None:
    """The jobs that a state file knows."""
    from eigenspan.cli.traces import plain
    from eigenspan.sdk.watch import listed

    if not state.exists():
        raise click.ClickException(f"{state} does not exist: nothing was watched there; name another with --state")
    with listed(state) as rows:
        for provider, job_id, status, failures, problem in rows:
            trouble = f"  {failures} failures: {problem}" if failures else ""
            click.echo(f"{provider:8}{status or 'unknown':12}{plain(job_id)}{plain(trouble)}")


def _source(provider: str, project: str | None) -> Any:
    """The provider's own client, as a source. A client that is not installed is named with its extra."""
    from eigenspan.sdk import job_sources

    try:
        if provider == "braket":
            import boto3

            return job_sources.BraketJobs(boto3.client("braket"))
        if provider == "ibm":
            from qiskit_ibm_runtime import QiskitRuntimeService

            return job_sources.IbmJobs(QiskitRuntimeService())
        import cirq_google

        return job_sources.GoogleJobs(cirq_google.get_engine(project))
    except ModuleNotFoundError as error:
        extra = {"braket": "braket", "ibm": "qiskit", "google": "cirq"}[provider]
        raise click.ClickException(f"{error.name} is not installed: pip install 'eigenspan[{extra}]'") from error
    except (
        Exception
    ) as error:  # each client has its own kinds for an account, a region or credentials that are not there
        raise click.ClickException(f"{provider} cannot be asked: {error} (see --help for credentials)") from error
