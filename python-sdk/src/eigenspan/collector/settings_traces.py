"""The settings of the collector's own traces, in the Collector's shape."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

HeaderValue = Annotated[str, Meta(pattern=r"^[\x21-\x7e]([\t\x20-\x7e]*[\x21-\x7e])?$(?!\n)")]
"""Printable ASCII without space at its ends: anything else, such as a newline from a file, would fail with its text shown."""


class _Settings(msgspec.Struct, forbid_unknown_fields=True):
    pass


class OtlpTraces(_Settings):
    """An OTLP endpoint."""

    endpoint: Annotated[str, Meta(min_length=1, description="HOST:PORT, or a URL; https:// for TLS.")]
    protocol: Annotated[Literal["grpc", "http/protobuf"], Meta(description="How spans are sent.")] = "grpc"
    headers: Annotated[dict[str, HeaderValue], Meta(description="Sent with every request; never logged.")] = (
        msgspec.field(default_factory=dict)
    )


class TraceExporter(_Settings):
    """Where spans go."""

    otlp: OtlpTraces


class TraceBatch(_Settings):
    """Spans are sent in batches."""

    exporter: TraceExporter


class TraceProcessor(_Settings):
    """One way out."""

    batch: TraceBatch


class Ratio(_Settings):
    """A share of the turns."""

    ratio: Annotated[float, Meta(ge=0, le=1, description="Which share of the collector's own traces is made.")] = 1.0


class TraceSampler(_Settings):
    """How many of them are made."""

    trace_id_ratio_based: Ratio = msgspec.field(default_factory=Ratio)


class OwnTraces(_Settings):
    """The collector's own traces: its turns and their stages, and what exporters send."""

    processors: Annotated[
        list[TraceProcessor],
        Meta(
            description="As in the Collector: `- batch: {exporter: {otlp: {protocol: grpc, endpoint: HOST:PORT}}}`. "
            "Never this collector's own receiver."
        ),
    ] = msgspec.field(default_factory=list)
    sampler: TraceSampler = msgspec.field(default_factory=TraceSampler)


class ServiceTelemetry(_Settings):
    """What the collector says of itself besides its metrics."""

    traces: Annotated[OwnTraces | None, Meta(description="The collector's own traces; null: none.")] = None
