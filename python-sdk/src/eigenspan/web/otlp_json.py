"""OTLP messages as OTLP/JSON: ids in hexadecimal, enumerations as numbers, 64-bit integers as strings."""

from __future__ import annotations

import base64
from typing import Any

from google.protobuf import json_format

_IDS = frozenset({"traceId", "spanId", "parentSpanId"})


def document(message: Any) -> dict[str, Any]:
    """The document of a *Data or Export*ServiceRequest message of any signal."""
    found = json_format.MessageToDict(message, use_integers_for_enums=True)
    _hexadecimal(found)
    return found


def _hexadecimal(node: Any) -> None:
    if isinstance(node, dict):
        for key, value in node.items():
            if key in _IDS:
                node[key] = base64.b64decode(value).hex()
            else:
                _hexadecimal(value)
    elif isinstance(node, list):
        for item in node:
            _hexadecimal(item)
