"""The log: what was acknowledged, in order, on disk.

A `Log` owns a directory of segment files (see `segment`). `append` writes a group of payloads, syncs once and returns
their positions: a caller acknowledges after it returns. Positions are sequence numbers, never reused. The interface
(append, read, replay from a position, trim) is what another log, such as Kafka, would implement.
"""

from __future__ import annotations

import contextlib
import logging
import re
import threading
from bisect import bisect_right
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from eigenspan.collector.errors import Unavailable
from eigenspan.collector.files import Files
from eigenspan.collector.segment import (
    HEADER_BYTES,
    Damage,
    Record,
    decode_header,
    encode_header,
    encode_record,
    read_records,
)
from eigenspan.collector.segments import Live, Segment, carry
from eigenspan.collector.spans import Part, Payload

_NAME = re.compile(r"([0-9]{20})(?:-([0-9]{20}))?\.seg")  # first position; last, of a file that stands for several
Place = tuple[int, int, int]
"""A part of a body: its position, where the part begins, and how long it is."""

_ANY = 1 << 64
_NEAR, _RUN = 32 << 10, 1 << 20  # a gap that is rather read than passed over; the most that is read at once
_logger = logging.getLogger(__name__)


class Log:
    """Append-only payloads with durable positions. `append` is for one thread; `read` is for any."""

    def __init__(self, directory: Path, *, segment_bytes: int = 64 << 20, files: Files | None = None) -> None:
        self._directory = directory
        self._segment_bytes = segment_bytes
        self._files = files or Files()
        self._segments: list[Segment] = []
        self._lock = threading.Lock()
        self.quarantined: list[tuple[Path, Damage]] = []
        self.torn_bytes = 0  # cut from the end of the last segment: a write that a crash interrupted, or damage
        self.found: deque[tuple[bytes, int]] = deque(maxlen=100_000)  # digest and log time of what was there at start
        directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._files.sync_dir(directory.parent)
        for draft in directory.glob("*.draft"):
            self._files.remove(draft)  # a crash came before it stood for anything
        paths = self._superseded(sorted(p for p in directory.iterdir() if _NAME.fullmatch(p.name)))
        for path in paths:
            self._recover(path, last=path == paths[-1])
        self._next = 1 + max((s.positions[-1] if s.positions else s.first - 1 for s in self._segments), default=0)

    def _superseded(self, paths: list[Path]) -> list[Path]:
        """`paths` without those for which another one stands: a crash came before they were removed."""
        spans = [(int(m[1]), int(m[2])) for p in paths if (m := _NAME.fullmatch(p.name)) and m[2]]
        kept = []
        for path in paths:
            match = _NAME.fullmatch(path.name)
            first, last = (int(match[1]), int(match[2] or 0)) if match else (0, 0)
            if any(low <= first <= high and last < high for low, high in spans):
                self._files.remove(path)
            else:
                kept.append(path)
        return kept

    def _recover(self, path: Path, *, last: bool) -> None:
        fd = self._files.open(path)
        data = self._files.read_at(fd, self._files.size(fd), 0)
        try:
            first = decode_header(data)
        except ValueError:
            self._files.close(fd)
            if len(data) <= HEADER_BYTES:
                self._files.remove(path)  # a crash between creating the file and syncing its header: it holds nothing
            else:
                self._files.rename(path, path.with_suffix(".bad"))
                self.quarantined.append((path, Damage(0, len(data), torn=False, reason="the header is damaged")))
                _logger.error("log segment %s has a damaged header; set aside as .bad", path)
            self._files.sync_dir(self._directory)
            return
        segment = Segment(path, fd, first, compact="-" in path.name)
        for item in read_records(data):
            if isinstance(item, Damage):
                if item.torn and last:
                    self.torn_bytes += item.length
                    _logger.warning("log segment %s: %s; the last %d bytes are cut", path, item.reason, item.length)
                else:
                    self.quarantined.append((path, item))
                    segment.end = item.offset + item.length
                    _logger.error(
                        "log segment %s: %s; %d bytes set aside at %d", path, item.reason, item.length, item.offset
                    )
                continue
            segment.add(item.position, item.body_offset, len(item.payload.body), item.payload.received_ns)
            self.found.append((item.digest, item.log_ns))
            segment.end = item.body_offset + len(item.payload.body)
        if segment.end < len(data):
            self._zeros_at_the_end(segment, len(data), last=last)
        self._segments.append(segment)

    def _zeros_at_the_end(self, segment: Segment, length: int, *, last: bool) -> None:
        """Cut off the room that was written ahead; a segment that another follows has none: there something is lost."""
        if last:
            self._files.truncate(segment.fd, segment.end)
            self._files.sync(segment.fd)
            return
        lost = Damage(segment.end, length - segment.end, torn=False, reason="zeros where records were")
        self.quarantined.append((segment.path, lost))
        _logger.error(
            "log segment %s: %s; %d bytes set aside at %d", segment.path, lost.reason, lost.length, lost.offset
        )

    def not_before(self, position: int) -> None:
        """Give out no position below `position`: what follows from the log may know more of them than the log still holds."""
        if 1 < self._next < position:
            _logger.error(
                "the log ends at position %d, and what follows from it goes to %d: the payloads between are lost",
                self._next - 1, position - 1,
            )  # fmt: skip
        self._next = max(self._next, position)

    @property
    def next_position(self) -> int:
        """The position that the next payload will get."""
        return self._next

    @property
    def first_position(self) -> int:
        """The oldest position still held, or the next one where the log is empty."""
        for segment in self._segments:
            if segment.positions:
                return segment.positions[0]
        return self._next

    @property
    def whole_from(self) -> int:
        """The first position from which on the log holds everything, and not only what was live."""
        for segment in self._segments:
            if segment.positions and not segment.compact:
                return segment.positions[0]
        return self._next

    @property
    def size_bytes(self) -> int:
        """Bytes of all segments on disk."""
        return sum(s.end for s in self._segments)

    def short_by(self, reserve_bytes: int) -> int:
        """Bytes that the disk's free ones fall short of a reserve, which is a tenth of the disk at the most."""
        free, all_ = self._files.free(self._directory)
        return max(0, min(reserve_bytes, all_ // 10) - free)

    def append(self, payloads: Sequence[Payload], digests: Sequence[bytes], log_ns: int) -> list[int]:
        """Make `payloads` durable and return their positions.

        Raises Unavailable where the disk refuses; then none of them is in the log. A failed sync is never tried again
        on the same file, since the kernel may have forgotten what it could not write: the segment is cut back and sealed.
        """
        segment = self._segments[-1] if self._segments else None
        try:
            if segment is None or segment.end >= self._segment_bytes or segment.compact or self._sealed:
                segment = self._start_segment()
            chunks: list[bytes] = []
            index: list[tuple[int, int, int, int]] = []
            end = segment.end
            for position, (payload, digest) in enumerate(zip(payloads, digests, strict=True), self._next):
                record, body_at = encode_record(position, payload, log_ns, digest)
                index.append((position, end + body_at, len(payload.body), payload.received_ns))
                chunks.append(record)
                end += len(record)
            self._files.write_at(segment.fd, b"".join(chunks), segment.end)
            self._files.sync(segment.fd)
        except OSError as error:
            self._next += len(payloads)  # a position that may have reached the disk is not given out again
            if segment is not None:
                self._seal(segment)
            raise Unavailable(f"the log cannot be written: {error.strerror or error}", retry_after_s=5.0) from error
        with self._lock:
            for entry in index:
                segment.add(*entry)
            segment.end = end
            self._next += len(payloads)
        return [entry[0] for entry in index]

    _sealed = False

    def _start_segment(self) -> Segment:
        path = self._directory / f"{self._next:020d}.seg"
        self._files.remove(path)
        fd = self._files.create(path)
        try:
            self._files.write_at(fd, encode_header(self._next), 0)
            self._files.sync(fd)
            self._files.sync_dir(self._directory)
        except OSError:
            self._files.close(fd)
            with contextlib.suppress(OSError):
                self._files.remove(path)
            raise
        segment = Segment(path, fd, self._next)
        with self._lock:
            empty = self._segments.pop() if self._segments and not self._segments[-1].positions else None
            self._segments.append(segment)
        self._sealed = False
        if empty is not None:
            self._files.close(empty.fd)
            self._files.remove(empty.path)
        return segment

    def hand_over(self) -> tuple[Path, int, int]:
        """Leave appending to the kernel: the directory, the size of a segment, and the position to go on from.

        From here on `append` is not called; the kernel tells with `adopt` what it has appended.
        """
        with self._lock:
            empty = self._segments.pop() if self._segments and not self._segments[-1].positions else None
        if empty is not None:
            self._files.close(empty.fd)
            self._files.remove(empty.path)
        return self._directory, self._segment_bytes, self._next

    def adopt(
        self, first: int, positions: bytes, offsets: bytes, lengths: bytes, *, received_ns: int, end: int
    ) -> None:
        """Take note of durable records that the kernel appended to the segment that begins with position `first`.

        The numbers are unsigned, of eight bytes in the machine's order; `end` is where its records end now.
        """
        with self._lock:
            if not self._segments or self._segments[-1].first != first:
                path = self._directory / f"{first:020d}.seg"
                self._segments.append(Segment(path, self._files.open(path), first))
            segment = self._segments[-1]
            segment.positions.frombytes(positions)
            segment.offsets.frombytes(offsets)
            segment.lengths.frombytes(lengths)
            segment.last_received_ns = max(segment.last_received_ns, received_ns)
            segment.end = end
            self._next = segment.positions[-1] + 1

    def _seal(self, segment: Segment) -> None:
        self._sealed = True
        try:
            self._files.truncate(segment.fd, segment.end)
        except OSError as error:
            _logger.error("log segment %s could not be cut back after a failed write: %s", segment.path, error)

    def read(self, position: int) -> bytes:
        """The body of the payload at `position`; KeyError where it is not held (any longer)."""
        with self._lock:
            segment, i = self._find(position)
            fd, offset, length = segment.fd, segment.offsets[i], segment.lengths[i]
            return self._files.read_at(fd, length, offset)

    def read_part(self, position: int, start: int, length: int) -> bytes:
        """`length` bytes from `start` on of the body at `position`; KeyError where it is not held (any longer)."""
        with self._lock:
            segment, i = self._find(position)
            return self._files.read_at(segment.fd, length, segment.offsets[i] + start)

    def read_parts(self, places: Sequence[Place]) -> list[bytes]:
        """The same of many, those that lie near each other read at once."""
        order = sorted(range(len(places)), key=places.__getitem__)
        found = [b""] * len(places)
        for i, (chunk, start, stop) in zip(order, self._read_near([places[i] for i in order]), strict=True):
            found[i] = chunk[start:stop]
        return found

    def bodies(self, positions: Sequence[int]) -> Iterator[Part]:
        """The bodies at ascending positions, those that lie near each other read at once; KeyError where one is not held."""
        return self._read_near([(position, 0, None) for position in positions])

    def _read_near(self, places: Sequence[tuple[int, int, int | None]]) -> Iterator[Part]:
        i = 0
        while i < len(places):
            with self._lock:
                segment, begin, stop = self._range(places[i])
                ranges = [(begin, stop)]
                while (i := i + 1) < len(places):
                    try:
                        another, start, end = self._range(places[i])
                    except KeyError:
                        break  # told when its turn comes
                    if another is not segment or start - stop > _NEAR or end - begin > _RUN:
                        break
                    ranges.append((start, end))
                    stop = max(stop, end)
                chunk = self._files.read_at(segment.fd, stop - begin, begin)
            for start, end in ranges:
                yield chunk, start - begin, end - begin

    def _range(self, place: tuple[int, int, int | None]) -> tuple[Segment, int, int]:
        position, start, length = place
        segment, i = self._find(position)
        at = segment.offsets[i]
        return segment, at + start, at + (segment.lengths[i] if length is None else start + length)

    def _find(self, position: int) -> tuple[Segment, int]:
        at = bisect_right(self._segments, position, key=lambda s: s.first) - 1
        i = self._segments[at].find(position) if at >= 0 else None
        if i is None:
            raise KeyError(position)
        return self._segments[at], i

    def replay(self, position: int) -> Iterator[Record]:
        """Every record from `position` on, in order."""
        for segment in list(self._segments):
            if not segment.positions or segment.positions[-1] < position:
                continue
            data = self._files.read_at(segment.fd, segment.end, 0)
            for item in read_records(data):
                if isinstance(item, Record) and item.position >= position:
                    yield item

    def trim(self, position: int, *, older_than_ns: int = _ANY, over_bytes: int = _ANY) -> int:
        """Remove sealed segments all of whose positions are below `position`; return how many.

        One whose newest payload was received after `older_than_ns` stays while the log has no more than `over_bytes`.
        """
        removed = 0
        while len(self._segments) > 1:
            segment = self._segments[0]
            if segment.positions and segment.positions[-1] >= position:
                break
            if segment.last_received_ns >= older_than_ns and self.size_bytes <= over_bytes:
                break
            with self._lock:
                self._segments.pop(0)
                self._files.close(segment.fd)
            self._files.remove(segment.path)
            removed += 1
        if removed:
            self._files.sync_dir(self._directory)
        return removed

    def compact(self, live: Callable[[int], Live], *, older_than_ns: int = _ANY, over_bytes: int = _ANY) -> int:
        """Carry what is live in the oldest segments over into one file that stands for them; returns the bytes won.

        `live` says what is referred to below a position. Segments are taken as `trim` would take them, once they are
        as large as what was carried over before, and only where half of them or more is dead. OSError where the disk
        refuses; then nothing has changed.
        """
        old: list[Segment] = []
        size = self.size_bytes
        for segment in self._segments[:-1]:
            if not segment.compact and segment.last_received_ns >= older_than_ns and size <= over_bytes:
                break
            old.append(segment)
            size -= segment.end
        before = sum(s.end for s in old)
        if not old or 2 * sum(s.end for s in old if not s.compact) < max(before, self._segment_bytes):
            return 0
        last = max((s.positions[-1] for s in old if s.positions), default=old[-1].first)
        wanted = live(last + 1)
        if (
            2 * sum(length for s in old for p, length in zip(s.positions, s.lengths, strict=True) if p in wanted)
            > before
        ):
            return 0
        fresh = carry(old, wanted, last, self._files)
        with self._lock:
            self._segments[: len(old)] = [fresh]
            for segment in old:
                self._files.close(segment.fd)
        for segment in old:
            if segment.path != fresh.path:
                self._files.remove(segment.path)
        self._files.sync_dir(self._directory)
        return before - fresh.end

    def close(self) -> None:
        """Close the files; what was appended is already on disk."""
        with self._lock:
            for segment in self._segments:
                self._files.close(segment.fd)
            self._segments.clear()
