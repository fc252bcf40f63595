"""Stored traces as OTLP/JSON: ids in hexadecimal, enumerations as numbers, 64-bit integers as strings."""

from __future__ import annotations

import base64
from typing import Any

from google.protobuf import json_format
from opentelemetry.proto.trace.v1.trace_pb2 import TracesData

_IDS = ("traceId", "spanId", "parentSpanId")


def traces_data(data: TracesData) -> dict[str, Any]:
    """The document of a trace."""
    document = json_format.MessageToDict(data, use_integers_for_enums=True)
    for resource_spans in document.get("resourceSpans", ()):
        for scope_spans in resource_spans.get("scopeSpans", ()):
            for span in scope_spans.get("spans", ()):
                _hexadecimal(span)
                for link in span.get("links", ()):
                    _hexadecimal(link)
    return document


def _hexadecimal(item: dict[str, Any]) -> None:
    for key in _IDS:
        if key in item:
            item[key] = base64.b64decode(item[key]).hex()
