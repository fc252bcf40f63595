"""Instants as integers: nanoseconds since 1970-01-01T00:00:00Z, and their RFC 3339 text in UTC."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Final

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
NS: Final = 1_000_000_000


def to_ns(moment: datetime) -> int:
    """Exact nanoseconds of an aware datetime; ValueError for one without a zone, which names no instant."""
    if moment.tzinfo is None:
        raise ValueError(f"{moment.isoformat()} has no UTC offset")
    since = moment - _EPOCH
    return (since.days * 86_400 + since.seconds) * NS + since.microseconds * 1_000


def parse(text: str) -> int:
    """Nanoseconds of an RFC 3339 instant; ValueError when it is malformed or has no offset."""
    return to_ns(datetime.fromisoformat(text))


def format_ns(ns: int) -> str:
    """RFC 3339 in UTC with `Z`; a fraction only when there is one, without trailing zeros.

    One instant has one text, whatever zone it was written in: equal contents hash equally.
    """
    seconds, fraction = divmod(ns, NS)
    text = (_EPOCH + timedelta(seconds=seconds)).strftime("%Y-%m-%dT%H:%M:%S")
    return f"{text}.{fraction:09d}".rstrip("0") + "Z" if fraction else text + "Z"
