"""Redaction: values of sensitive keys are replaced in the bytes before anything reaches a disk.

A key is sensitive at any level (resource, scope, span, event, link, metric point, log record, inside maps and arrays),
and matches whole, in any case of its ASCII letters. Its value becomes the string `[redacted]`. Payloads that contain none
of the keys are returned as they are.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from google.protobuf.message import DecodeError
from opentelemetry.proto.common.v1.common_pb2 import KeyValue

from eigenspan.collector.errors import ScanError
from eigenspan.collector.otlp import SIGNALS

if TYPE_CHECKING:
    from eigenspan.collector.spans import Payload

REDACTED = "[redacted]"


@dataclass(frozen=True, slots=True)
class Redaction:
    """A payload without its secrets, and how many values of which key were replaced."""

    payload: Payload
    cut: Counter[str] = field(default_factory=Counter)


def mentions(data: bytes, keys: Iterable[str]) -> bool:
    """Whether one of `keys` is somewhere in `data`, in whatever case: where none is, no attribute has such a key."""
    within = data.lower()
    return any(needle in within for needle in _needles(tuple(keys)))


@lru_cache(maxsize=16)
def _needles(keys: tuple[str, ...]) -> list[bytes]:
    """The keys in lower case, without those that another is a part of."""
    found = lowered(keys)
    return [key for key in found if not any(other != key and other in key for other in found)]


@lru_cache(maxsize=16)
def lowered(keys: tuple[str, ...]) -> frozenset[bytes]:
    """The keys' bytes with their ASCII letters in lower case."""
    return frozenset(key.encode().lower() for key in keys)


def redact(payload: Payload, keys: Iterable[str]) -> Redaction:
    """Replace the values of `keys` in `payload`; ScanError where the bytes cannot be read."""
    keys = tuple(keys)
    if not mentions(payload.body, keys):
        return Redaction(payload)
    message = SIGNALS[payload.signal].request()
    try:
        message.ParseFromString(payload.body)
    except DecodeError as error:
        raise ScanError(f"the {payload.signal} request cannot be decoded: {error}") from error
    cut: Counter[str] = Counter()
    _redact_in(message, lowered(keys), cut)
    if not cut:
        return Redaction(payload)
    return Redaction(replace(payload, body=message.SerializeToString()), cut)


def _redact_in(message: Any, keys: frozenset[bytes], cut: Counter[str]) -> None:
    if isinstance(message, KeyValue) and message.key.encode().lower() in keys:
        message.value.Clear()
        message.value.string_value = REDACTED
        cut[message.key] += 1
        return
    for descriptor, value in message.ListFields():
        if descriptor.message_type is None:
            continue
        if hasattr(value, "ListFields"):
            _redact_in(value, keys, cut)
        else:
            for part in value:
                _redact_in(part, keys, cut)
