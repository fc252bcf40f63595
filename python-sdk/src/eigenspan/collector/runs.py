"""Sorted runs: pairs of 64-bit numbers in a file, found by their key without being held in memory.

    file = "EIGRUN01" | count u64 | stamp u64 | crc32 u32 | zeros to 32 bytes | keys u64 × count, rising | values u64 × count

All integers are little-endian. The checksum (CRC-32) covers keys and values. What `stamp` means is the owner's affair.
"""

from __future__ import annotations

import struct
import zlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from eigenspan.collector.columns import Longs
from eigenspan.collector.files import Files

_HEAD = struct.Struct("<8sQQI")
_HEAD_BYTES = 32
_MAGIC = b"EIGRUN01"
_BITS_PER_KEY = 12
_HASHES = 4
_PART = 1 << 16


@dataclass(frozen=True, slots=True)
class Run:
    """Sorted keys, a value for each, and the file that holds them (None: memory does)."""

    keys: Longs
    values: Longs
    stamp: int
    path: Path | None = None

    @staticmethod
    def of(keys: Longs, values: Longs, stamp: int) -> Run:
        """A run in memory. Of equal pairs that stand side by side one stays."""
        if len(keys):
            fresh = np.append(True, (keys[1:] != keys[:-1]) | (values[1:] != values[:-1]))
            if not fresh.all():
                keys, values = keys[fresh], values[fresh]
        order = np.argsort(keys)
        return Run(keys[order], values[order], stamp)

    def find(self, keys: Longs) -> tuple[npt.NDArray[np.int64], Longs]:
        """Every match of `keys`: its index in `keys`, and the value."""
        low = np.searchsorted(self.keys, keys, side="left")
        count = np.searchsorted(self.keys, keys, side="right") - low
        which = np.repeat(np.arange(len(keys)), count)
        at = np.repeat(low - np.cumsum(count) + count, count) + np.arange(len(which))
        return which, np.asarray(self.values[at])


def write(run: Run, path: Path, files: Files, *, durable: bool = True) -> Run:
    """Write a run to `path`, synced unless it need not be `durable`; what is returned reads it from there."""
    keys, values = (longs.astype("<u8", copy=False).view(np.uint8).data for longs in (run.keys, run.values))
    crc = zlib.crc32(values, zlib.crc32(keys))
    head = _HEAD.pack(_MAGIC, len(run.keys), run.stamp, crc).ljust(_HEAD_BYTES, b"\0")
    draft = path.with_suffix(".tmp")
    files.remove(draft)
    fd = files.create(draft)
    try:
        files.write_at(fd, head, 0)
        files.write_at(fd, keys, _HEAD_BYTES)
        files.write_at(fd, values, _HEAD_BYTES + len(keys))
        if durable:
            files.sync(fd)
    finally:
        files.close(fd)
    files.rename(draft, path)
    if durable:
        files.sync_dir(path.parent)
    return _mapped(path, len(run.keys), run.stamp)


def read(path: Path) -> Run:
    """The run at `path`; ValueError where the file is not a sound one."""
    with path.open("rb") as file:
        head = file.read(_HEAD_BYTES)
        if len(head) < _HEAD_BYTES:
            raise ValueError(f"{path}: not a run: its head is cut short")
        magic, count, stamp, crc = _HEAD.unpack_from(head)
        if magic != _MAGIC:
            raise ValueError(f"{path}: not a run")
        found, size = 0, 0
        while part := file.read(1 << 20):
            found, size = zlib.crc32(part, found), size + len(part)
    if size != 16 * count or found != crc:
        raise ValueError(f"{path}: the run is damaged")
    return _mapped(path, count, stamp)


def _mapped(path: Path, count: int, stamp: int) -> Run:
    if not count:
        return Run(np.empty(0, dtype=np.uint64), np.empty(0, dtype=np.uint64), stamp, path)
    both = np.memmap(path, dtype="<u8", mode="r", offset=_HEAD_BYTES, shape=(2 * count,))
    return Run(both[:count], both[count:], stamp, path)


class Filter:
    """A Bloom filter: says of most keys that are not in a run that they are not, for a byte and a half a key.

    12 bits and four hashes a key let 0.5 % of other keys pass: (1 − e^(−kn/m))^k (Bloom 1970).
    """

    def __init__(self, keys: Longs) -> None:
        self._size = np.uint64(max(64, len(keys) * _BITS_PER_KEY))
        bits = np.zeros(int(self._size), dtype=bool)
        for start in range(0, len(keys), _PART):
            for bit in self._bits(np.asarray(keys[start : start + _PART])):
                bits[bit] = True
        self._bytes = np.packbits(bits, bitorder="little")

    def may_hold(self, keys: Longs) -> npt.NDArray[np.bool_]:
        """Whether each of `keys` may be in the run."""
        out = np.ones(len(keys), dtype=bool)
        for bit in self._bits(keys):
            out &= (self._bytes[bit >> np.uint64(3)] >> (bit & np.uint64(7)).astype(np.uint8)) & np.uint8(1) != 0
        return out

    def _bits(self, keys: Longs) -> list[Longs]:
        """Double hashing (Kirsch and Mitzenmacher 2006) on halves of the multiplied key."""
        mixed = (keys ^ (keys >> np.uint64(32))) * np.uint64(0x9E3779B97F4A7C15)
        step = (mixed >> np.uint64(32)) | np.uint64(1)
        return [(mixed + np.uint64(i) * step) % self._size for i in range(_HASHES)]

    @property
    def size_bytes(self) -> int:
        """Memory that it uses."""
        return int(self._bytes.nbytes)
