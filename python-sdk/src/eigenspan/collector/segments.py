"""Segment files as the log holds them: where the bodies are in each, and what is carried over from old ones into a new one."""

from __future__ import annotations

import contextlib
from array import array
from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from eigenspan.collector.files import Files
from eigenspan.collector.segment import HEADER_BYTES, Record, encode_header, encode_record, read_records

Live = Mapping[int, Sequence[int]]
"""Positions, and of each the offsets of the spans that are needed; none: the whole payload."""


@dataclass(slots=True)
class Segment:
    """An open file and its index: position, offset and length of each body."""

    path: Path
    fd: int
    first: int
    end: int = HEADER_BYTES  # bytes of it that are synced and sound
    positions: array[int] = field(default_factory=lambda: array("Q"))
    offsets: array[int] = field(default_factory=lambda: array("Q"))
    lengths: array[int] = field(default_factory=lambda: array("Q"))
    last_received_ns: int = 0
    compact: bool = False  # it stands for older files, and holds of them what was live

    def add(self, position: int, offset: int, length: int, received_ns: int) -> None:
        """Take note of a body."""
        self.positions.append(position)
        self.offsets.append(offset)
        self.lengths.append(length)
        self.last_received_ns = max(self.last_received_ns, received_ns)

    def find(self, position: int) -> int | None:
        """The index of the body at `position`; None where it is not here."""
        i = bisect_right(self.positions, position) - 1
        return i if i >= 0 and self.positions[i] == position else None


def carry(old: Sequence[Segment], live: Live, last: int, files: Files) -> Segment:
    """A new file with what is live in old ones, which end at position `last`. OSError where the disk refuses; then there is none."""
    path = old[0].path.with_name(f"{old[0].first:020d}-{last:020d}.seg")
    draft = path.with_suffix(".draft")
    files.remove(draft)
    fd = files.create(draft)
    try:
        segment = Segment(path, fd, old[0].first, compact=True)
        files.write_at(fd, encode_header(segment.first), 0)
        for source in old:
            for item in read_records(files.read_at(source.fd, source.end, 0)):
                if isinstance(item, Record) and item.position in live:
                    only = tuple(live[item.position])
                    record, body_at = encode_record(item.position, item.payload, item.log_ns, item.digest, only)
                    files.write_at(fd, record, segment.end)
                    body = (segment.end + body_at, len(item.payload.body), item.payload.received_ns)
                    segment.add(item.position, *body)
                    segment.end += len(record)
        files.sync(fd)
        files.rename(draft, path)
        files.sync_dir(path.parent)
    except OSError:
        files.close(fd)
        with contextlib.suppress(OSError):
            files.remove(draft)
        raise
    return segment
