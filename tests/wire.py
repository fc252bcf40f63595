"""The fields of a protobuf message as raw bytes, to compare messages byte by byte."""

from __future__ import annotations

from collections.abc import Iterable, Iterator


def varint(data: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            return value, at


def fields(data: bytes) -> Iterator[tuple[int, bytes]]:
    """(field number, the field's bytes with its tag) in order."""
    at = 0
    while at < len(data):
        start = at
        tag, at = varint(data, at)
        match tag & 7:
            case 0:
                _, at = varint(data, at)
            case 1:
                at += 8
            case 2:
                length, at = varint(data, at)
                at += length
            case 5:
                at += 4
        yield tag >> 3, data[start:at]


def parts_of(raw: Iterable[bytes]) -> Iterator[tuple[int, bytes]]:
    """The fields of several raw fields."""
    for part in raw:
        yield from fields(part)


def submessages(data: bytes, number: int) -> Iterator[bytes]:
    """The bodies of the length-delimited fields with this number."""
    for found, raw in fields(data):
        if found == number:
            _, at = varint(raw, 0)
            _, at = varint(raw, at)
            yield raw[at:]
