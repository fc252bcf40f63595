"""The segment file: records of payloads, each with its position and checksum.

    file    = header record* zero*
    header  = "EIGSEG01" | first position u64 | crc32 of the 16 bytes before u32 | zeros to 32 bytes
    record  = crc32 u32 | body length u32 | position u64 | received_ns u64 | log_ns u64
              | signal u8 | flags u8 | meta length u16 | digest 16 bytes | meta | body
    meta    = tenant in UTF-8 | 0x00 | peer in UTF-8
    body    = the payload; with flag 1: count u32 | offset u32 × count | the payload

Flag 1 marks a record that was carried over from an older file, because of the spans whose bodies begin at these offsets
of the payload: its other spans have been decided.

All integers are little-endian. The checksum (CRC-32, as in zlib) covers the record from the body length to its last
byte. Positions rise within a file; they need not be consecutive. The zeros at the end are room written ahead, which a
writer that did not stop in order has left.
"""

from __future__ import annotations

import re
import struct
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from eigenspan.collector.spans import Payload, Signal

MAGIC = b"EIGSEG01"
HEADER_BYTES = 32
_HEADER = struct.Struct("<8sQ")
_CRC = struct.Struct("<I")
_RECORD = struct.Struct("<IQQQBBH16s")
RECORD_BYTES = _CRC.size + _RECORD.size
SIGNALS: tuple[Signal, ...] = ("traces", "metrics", "logs")
_CARRIED = 1
_PLAUSIBLE = re.compile(rb"(?s)(?=.{14}\0\0.{16}[\0-%c])" % (len(SIGNALS) - 1))
"""Where a record may begin: its position is below 2^48 and its signal known. Checksums are too dear to try everywhere."""
_NUMBER = {signal: number for number, signal in enumerate(SIGNALS)}


class Record(NamedTuple):
    """One payload in a segment and where its body lies."""

    position: int
    payload: Payload
    log_ns: int
    digest: bytes
    body_offset: int
    only: tuple[int, ...] | None = None  # offsets of the spans that are undecided; None: any of them may be


@dataclass(frozen=True, slots=True)
class Damage:
    """Bytes of a segment that are not a sound record. `torn`: nothing sound follows, as after a crash in mid-write."""

    offset: int
    length: int
    torn: bool
    reason: str


def encode_header(first_position: int) -> bytes:
    """The 32 bytes that open a segment file."""
    head = _HEADER.pack(MAGIC, first_position)
    return (head + _CRC.pack(zlib.crc32(head))).ljust(HEADER_BYTES, b"\0")


def decode_header(data: bytes) -> int:
    """The first position of a segment; ValueError where the header is not one."""
    head = data[: _HEADER.size]
    if len(data) < HEADER_BYTES or head[:8] != MAGIC or _CRC.unpack_from(data, _HEADER.size)[0] != zlib.crc32(head):
        raise ValueError("not a segment header")
    return int(_HEADER.unpack(head)[1])


def encode_record(
    position: int, payload: Payload, log_ns: int, digest: bytes, only: Sequence[int] | None = None
) -> tuple[bytes, int]:
    """The bytes of one record, and the offset of the payload in them. `only`: as in `Record`."""
    meta = payload.tenant.encode() + b"\0" + payload.peer.encode()
    offsets = b"" if only is None else struct.pack(f"<{1 + len(only)}I", len(only), *only)
    length, flags = len(offsets) + len(payload.body), _CARRIED if only is not None else 0
    head = _RECORD.pack(
        length, position, payload.received_ns, log_ns, _NUMBER[payload.signal], flags, len(meta), digest
    )
    crc = zlib.crc32(payload.body, zlib.crc32(offsets, zlib.crc32(meta, zlib.crc32(head))))
    record = b"".join((_CRC.pack(crc), head, meta, offsets, payload.body))
    return record, RECORD_BYTES + len(meta) + len(offsets)


def decode_record(data: bytes | memoryview, offset: int) -> tuple[Record, int]:
    """The record at `offset` and the offset after it; ValueError where there is no sound one."""
    if len(data) - offset < RECORD_BYTES:
        raise ValueError("a record's head is cut short")
    (crc,) = _CRC.unpack_from(data, offset)
    length, position, received_ns, log_ns, signal, flags, meta_length, digest = _RECORD.unpack_from(
        data, offset + _CRC.size
    )
    meta_start = offset + RECORD_BYTES
    body_start = meta_start + meta_length
    end = body_start + length
    if end > len(data):
        raise ValueError("a record's body is cut short")
    if zlib.crc32(data[offset + _CRC.size : end]) != crc:
        raise ValueError("a record's checksum does not match")
    if signal >= len(SIGNALS):
        raise ValueError(f"a record names signal {signal}, which this version does not know")
    tenant, _, peer = bytes(data[meta_start:body_start]).partition(b"\0")
    only = None
    if flags & _CARRIED:
        only, body_start = _offsets(data, body_start, end)
    payload = Payload(SIGNALS[signal], bytes(data[body_start:end]), received_ns, tenant.decode(), peer.decode())
    return Record(position, payload, log_ns, digest, body_start, only), end


def _offsets(data: bytes | memoryview, start: int, end: int) -> tuple[tuple[int, ...], int]:
    (count,) = _CRC.unpack_from(data, start) if end - start >= _CRC.size else (end,)
    after = start + _CRC.size * (1 + count)
    if after > end:
        raise ValueError("a record's offsets are cut short")
    return struct.unpack_from(f"<{count}I", data, start + _CRC.size), after


def read_records(data: bytes | memoryview, offset: int = HEADER_BYTES) -> Iterator[Record | Damage]:
    """Every sound record from `offset` on, with the damage between and after them.

    After a bad record the search goes on byte by byte for the next sound one: a torn tail has none, a flipped bit in the
    middle has, and the two are told apart by that; a group that was never synced may leave either. Zeros up to the end are
    no damage.
    """
    used = None  # where the zeros at the end begin
    while offset < len(data):
        try:
            record, offset = decode_record(data, offset)
        except ValueError as error:
            used = len(bytes(data).rstrip(b"\0")) if used is None else used
            if used <= offset:
                return
            found = _next_sound(data, offset + 1, used)
            end = len(data) if found is None else found
            yield Damage(offset, end - offset, torn=found is None, reason=str(error))
            offset = end
        else:
            yield record


def _next_sound(data: bytes | memoryview, offset: int, before: int) -> int | None:
    while found := _PLAUSIBLE.search(data, offset, before + RECORD_BYTES):
        offset = found.start()
        try:
            decode_record(data, offset)
        except ValueError:
            offset += 1
        else:
            return offset
    return None
