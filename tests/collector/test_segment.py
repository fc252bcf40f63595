"""The segment file: what is written is read back, and damage is told apart from the records around it."""

from __future__ import annotations

import random
import struct
import zlib

import pytest

from eigenspan.collector import segment
from eigenspan.collector.segment import Damage, Record
from tests.collector.building import digest, payload

PAYLOADS = {
    "small": payload(b"x"),
    "empty": payload(b""),
    "metrics": payload(b"m" * 300, "metrics", received_ns=2**64 - 1),
    "logs": payload(b"l" * 70, "logs", tenant="Ärzte", peer="[::1]:55"),
    "zeros": payload(bytes(500)),
    "a record inside": payload(segment.encode_record(99, payload(b"inner"), 1, digest(0))[0], peer="p"),
}


def file_of(payloads) -> bytes:
    records = [segment.encode_record(7 + i, p, 100 + i, digest(i))[0] for i, p in enumerate(payloads)]
    return segment.encode_header(7) + b"".join(records)


@pytest.mark.parametrize("case", PAYLOADS)
def test_a_record_comes_back(case):
    data, body_at = segment.encode_record(2**63, PAYLOADS[case], 2**40, digest(3))
    record, end = segment.decode_record(b"before" + data + b"after", 6)
    assert record == Record(2**63, PAYLOADS[case], 2**40, digest(3), 6 + body_at)
    assert end == 6 + len(data)
    assert data[body_at:] == PAYLOADS[case].body


def test_the_layout_is_the_documented_one():
    """An independent writing of the format: another program could read it."""
    p = payload(b"body", "logs", received_ns=5, tenant="t", peer="p")
    rest = struct.pack("<IQQQBBH", 4, 9, 5, 6, 2, 0, 3) + digest(1) + b"t\0p" + b"body"
    assert segment.encode_record(9, p, 6, digest(1))[0] == struct.pack("<I", zlib.crc32(rest)) + rest
    head = b"EIGSEG01" + struct.pack("<Q", 7)
    assert segment.encode_header(7) == head + struct.pack("<I", zlib.crc32(head)) + bytes(12)


@pytest.mark.parametrize("position", [0, 1, 2**64 - 1])
def test_a_header_comes_back(position):
    assert segment.decode_header(segment.encode_header(position)) == position


def test_no_other_bytes_are_a_header():
    header = segment.encode_header(7)
    for length in range(len(header)):
        with pytest.raises(ValueError, match="header"):
            segment.decode_header(header[:length])
    for i in range(20):
        with pytest.raises(ValueError, match="header"):
            segment.decode_header(header[:i] + bytes([header[i] ^ 1]) + header[i + 1 :])


def test_cut_at_any_byte_what_came_before_is_read_and_the_rest_is_torn():
    data = file_of(PAYLOADS.values())
    whole = list(segment.read_records(data))
    assert [r.payload for r in whole] == list(PAYLOADS.values())
    ends = [r.body_offset + len(r.payload.body) for r in whole]
    for length in range(segment.HEADER_BYTES, len(data)):
        found = list(segment.read_records(data[:length]))
        sound = [r for r, end in zip(whole, ends, strict=True) if end <= length]
        start = ends[len(sound) - 1] if sound else segment.HEADER_BYTES
        assert found[: len(sound)] == sound
        if length == start:
            assert len(found) == len(sound)
        elif length < ends[len(sound)] and len(sound) < 5:
            (damage,) = found[len(sound) :]
            assert (damage.offset, damage.length, damage.torn) == (start, length - start, True)


@pytest.mark.parametrize("ahead", [1, 51, 1 << 20])
def test_zeros_behind_the_last_record_are_its_end_and_no_damage(ahead):
    for last in PAYLOADS.values():
        data = file_of([*PAYLOADS.values(), last])
        assert list(segment.read_records(data + bytes(ahead))) == list(segment.read_records(data))


def test_a_record_before_zeros_that_is_cut_or_flipped_is_torn(monkeypatch):
    data = bytearray(file_of([payload(b"first"), payload(b"second")]))
    first, second = segment.read_records(bytes(data))
    start = first.body_offset + 5
    tried, decode = [], segment.decode_record
    monkeypatch.setattr(segment, "decode_record", lambda data, offset: tried.append(offset) or decode(data, offset))
    for at in range(start + 1, len(data)):
        flipped = bytes(data[:at]) + bytes([data[at] ^ 1]) + bytes(data[at + 1 :])
        for broken in (flipped, bytes(data[:at])):
            found, damage = segment.read_records(broken + bytes(1 << 20))
            assert found == first
            assert (damage.offset, damage.torn) == (second.body_offset - 52 - 1, True)
    assert len(tried) < 100 * len(data)


def test_zeros_in_the_middle_are_damage():
    data = bytearray(file_of([payload(b"first"), payload(b"second"), payload(b"third")]))
    first, second, third = segment.read_records(bytes(data))
    start, end = first.body_offset + 5, second.body_offset + 6
    data[start:end] = bytes(end - start)
    found, damage, last = segment.read_records(bytes(data) + bytes(1000))
    assert (found, last) == (first, third)
    assert (damage.offset, damage.length, damage.torn) == (start, end - start, False)


@pytest.mark.parametrize("at", range(60))
def test_a_flipped_bit_costs_one_record(at):
    payloads = [payload(bytes([65 + i]) * 20, peer="peer") for i in range(3)]
    data = bytearray(file_of(payloads))
    whole = list(segment.read_records(bytes(data)))
    second = whole[0].body_offset + 20
    data[second + at] ^= 0x10
    first, damage, third = segment.read_records(bytes(data))
    assert (first, third) == (whole[0], whole[2])
    assert isinstance(damage, Damage)
    assert (damage.offset, damage.torn) == (second, False)
    assert damage.offset + damage.length == whole[1].body_offset + 20


def test_a_signal_of_a_later_version_is_damage_and_not_an_exception():
    data = bytearray(file_of([payload(), payload()]))
    data[segment.HEADER_BYTES + 32] = 9
    end = segment.HEADER_BYTES + 52 + 1 + 4
    data[segment.HEADER_BYTES : segment.HEADER_BYTES + 4] = struct.pack(
        "<I", zlib.crc32(bytes(data[segment.HEADER_BYTES + 4 : end]))
    )
    damage, record = segment.read_records(bytes(data))
    assert "signal 9" in damage.reason
    assert record.position == 8


def test_the_search_past_damage_tries_few_checksums(monkeypatch):
    noise = random.Random(3).randbytes(1 << 20)
    sound, _ = segment.encode_record(7, payload(noise[:100]), 5, digest(1))
    tried, decode = [], segment.decode_record
    monkeypatch.setattr(segment, "decode_record", lambda data, offset: tried.append(offset) or decode(data, offset))
    found = [*segment.read_records(noise + sound + noise + sound, 0)]
    assert [type(item).__name__ for item in found] == ["Damage", "Record"] * 2
    assert len(tried) < 50
