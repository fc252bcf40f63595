"""Files and streams of OTLP, read in constant memory: JSON lines, or protobuf, length-delimited or one message.

What cannot be read is given as `Unreadable` with its place, and reading goes on where that is possible.
"""

from __future__ import annotations

import gzip
import io
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, cast

import msgspec
from google.protobuf.message import DecodeError

from eigenspan.schema import read_json, read_proto
from eigenspan.schema.records import Batch, Unreadable

MAX_LINE = 64 * 2**20
"""A longer line or message is not read."""
_FIRST = 0x0A  # field 1, length-delimited: how every request begins


def path(name: Path) -> Iterator[Batch | Unreadable]:
    """The batches of a file; `.gz` is unpacked on the way."""
    try:
        with name.open("rb") as file:
            if file.peek(2)[:2] == b"\x1f\x8b":
                with gzip.GzipFile(fileobj=file) as unpacked:
                    yield from stream(io.BufferedReader(cast(io.RawIOBase, unpacked)), str(name))
            else:
                yield from stream(file, str(name))
    except (OSError, EOFError, zlib.error) as error:
        yield Unreadable(str(name), 0, str(error))


def stream(file: io.BufferedReader | BinaryIO, source: str) -> Iterator[Batch | Unreadable]:
    """The batches of a stream that can `peek`."""
    buffered = file if hasattr(file, "peek") else io.BufferedReader(cast(io.RawIOBase, file))
    head = buffered.peek(4096)[:4096]
    if not head:
        return
    if head.lstrip()[:1] in (b"{", b"[", b'"') or (head.isascii() and head[:1] != b"\x0a" and b"\n" in head):
        yield from _lines(buffered, source)
    else:
        yield from _protobuf(buffered, source, delimited=_is_delimited(head))


def _lines(file: io.BufferedReader | BinaryIO, source: str) -> Iterator[Batch | Unreadable]:
    number = 0
    while line := file.readline(MAX_LINE):
        number += 1
        text = line.strip()
        if number == 1 and text and not (text.startswith(b"{") and text.endswith(b"}")):
            more = text + b"\n" + file.read(MAX_LINE)
            if _whole(more):
                yield from _document(more, source, 1)
                return
            for number, part in enumerate((more + file.readline(MAX_LINE)).splitlines(), 1):
                if part.strip():
                    yield from _document(part.strip(), source, number)
        elif text:
            yield from _document(text, source, number)


def _whole(data: bytes) -> bool:
    try:
        msgspec.json.decode(data)
    except msgspec.MsgspecError:
        return False
    return True


def _document(data: bytes, source: str, line: int) -> Iterator[Batch | Unreadable]:
    if len(data) >= MAX_LINE:
        yield Unreadable(source, line, f"longer than {MAX_LINE} bytes")
        return
    try:
        yield from read_json.batches(data, source, line)
    except read_json.NotOtlpError as error:
        yield Unreadable(source, line, str(error))


def _is_delimited(head: bytes) -> bool:
    """Whether a length comes first. A message begins with 0x0A, and so does one of ten bytes with its length before it."""
    if head[0] != _FIRST:
        return True
    try:
        length, at = read_proto.varint(head, 1)
    except DecodeError:
        return False
    follows = head[at + length : at + length + 1]
    return head[1:2] == b"\x0a" and follows not in (b"", b"\x0a")


def _protobuf(file: io.BufferedReader | BinaryIO, source: str, *, delimited: bool) -> Iterator[Batch | Unreadable]:
    """Each Resource* message of each request on its own; `line` counts them."""
    number = 0
    while True:
        number += 1
        try:
            if not delimited:
                tag = file.read(1)
                if not tag:
                    return
                if tag[0] != _FIRST:
                    raise DecodeError(f"field tag 0x{tag[0]:02x} where 0x0a begins a message")
            length = _length(file)
            if length is None:
                return
            if length > MAX_LINE:
                raise DecodeError(f"a message of {length} bytes")
            data = file.read(length)
            if len(data) < length:
                raise DecodeError(f"the stream ends {length - len(data)} bytes before its message")
            if delimited:
                yield from message(data, source, number)
            else:
                yield from _resource(data, source, number)
        except DecodeError as error:
            yield Unreadable(source, number, f"not OTLP protobuf: {error}")
            return


def _length(file: io.BufferedReader | BinaryIO) -> int | None:
    out = shift = 0
    while shift < 70:
        byte = file.read(1)
        if not byte:
            if shift:
                raise DecodeError("the stream ends in a length")
            return None
        out |= (byte[0] & 0x7F) << shift
        if byte[0] < 0x80:
            return out
        shift += 7
    raise DecodeError("a length does not end")


def message(data: bytes, source: str, line: int = 0) -> Iterator[Batch | Unreadable]:
    """The batches of one request's bytes, of whichever signal."""
    at = 0
    try:
        while at < len(data):
            tag, at = read_proto.varint(data, at)
            if tag != _FIRST:
                raise DecodeError(f"field tag 0x{tag:02x} where 0x0a begins a message")
            length, at = read_proto.varint(data, at)
            if at + length > len(data):
                raise DecodeError("a message is longer than what holds it")
            yield from _resource(data[at : at + length], source, line)
            at += length
    except DecodeError as error:
        yield Unreadable(source, line, f"not OTLP protobuf: {error}")


def _resource(data: bytes, source: str, line: int) -> Iterator[Batch | Unreadable]:
    try:
        found = list(read_proto.resource(read_proto.MESSAGES[read_proto.kind_of(data)].FromString(data), source, line))
    except DecodeError as error:
        yield Unreadable(source, line, f"not OTLP protobuf: {error}")
        return
    yield from found
