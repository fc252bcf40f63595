"""The log: what append returned for is there after any failure; what is damaged costs only itself."""

from __future__ import annotations

import errno
import os
from contextlib import closing
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from eigenspan.collector.errors import Unavailable
from eigenspan.collector.files import Files
from eigenspan.collector.log import Log
from eigenspan.collector.segment import HEADER_BYTES
from tests.collector.building import digest, payload
from tests.collector.forgetting import KEPT, at_every_call


def append(log: Log, *bodies: bytes, log_ns: int = 1, received_ns: int = 5) -> list[int]:
    payloads = [payload(body, received_ns=received_ns) for body in bodies]
    return log.append(payloads, [digest(i) for i in range(len(bodies))], log_ns)


def held(log: Log, position: int = 0) -> dict[int, bytes]:
    return {record.position: record.payload.body for record in log.replay(position)}


def reopened(log: Log, directory, **more) -> Log:
    log.close()
    return Log(directory, **more)


def test_positions_are_consecutive_over_groups_segments_and_restarts(tmp_path):
    log = Log(tmp_path / "log", segment_bytes=200)
    assert log.first_position == log.next_position == 1
    assert append(log, b"a" * 100, b"b") == [1, 2]
    assert append(log, b"c" * 100) == [3]
    assert append(log, b"d") == [4]
    log = reopened(log, tmp_path / "log", segment_bytes=200)
    assert append(log, b"e") == [5]
    assert held(log) == {1: b"a" * 100, 2: b"b", 3: b"c" * 100, 4: b"d", 5: b"e"}
    assert held(log, 4) == {4: b"d", 5: b"e"}
    assert len(list((tmp_path / "log").iterdir())) == 3
    assert log.size_bytes == sum(p.stat().st_size for p in (tmp_path / "log").iterdir())
    log.close()


@pytest.mark.parametrize("position", [0, 3, 99])
def test_a_position_that_is_not_held_is_a_key_error(tmp_path, position):
    log = Log(tmp_path / "log")
    append(log, b"a", b"b")
    with pytest.raises(KeyError):
        log.read(position)
    log.close()


SIZES = st.one_of(st.integers(0, 300), st.integers(0, 80_000), st.just(600_000))


@settings(max_examples=40)
@given(sizes=st.lists(SIZES, min_size=1, max_size=12), data=st.data())
def test_many_are_read_as_one_by_one(tmp_path_factory, sizes, data):
    log = Log(tmp_path_factory.mktemp("log"), segment_bytes=200_000)
    for number, size in enumerate(sizes):
        append(log, bytes([65 + number]) * size)
    positions = data.draw(st.lists(st.integers(1, len(sizes)), unique=True).map(sorted))
    assert [chunk[a:b] for chunk, a, b in log.bodies(positions)] == [log.read(p) for p in positions]
    places = []
    for position in data.draw(st.lists(st.sampled_from(positions or [1]), max_size=12)):
        start = data.draw(st.integers(0, sizes[position - 1]))
        places.append((position, start, data.draw(st.integers(0, sizes[position - 1] - start))))
    assert log.read_parts(places) == [log.read_part(*place) for place in places]
    log.close()


def test_what_lies_before_a_position_that_is_not_held_is_read(tmp_path):
    log = Log(tmp_path / "log")
    append(log, b"a", b"b")
    found = log.bodies([1, 2, 9])
    assert [chunk[a:b] for chunk, a, b in (next(found), next(found))] == [b"a", b"b"]
    with pytest.raises(KeyError, match="9"):
        next(found)
    log.close()


def test_what_lies_far_apart_is_not_read_in_one(tmp_path):
    class Watched(Files):
        def read_at(self, fd, length, offset):
            read.append(length)
            return super().read_at(fd, length, offset)

    log = Log(tmp_path / "log", files=Watched())
    append(log, *(b"x" * 1000 for _ in range(3)), b"y" * 100_000, b"z" * 1000)
    read = []
    assert len(list(log.bodies([1, 2, 3, 5]))) == 4
    assert [length // 1000 for length in read] == [3, 1]
    read.clear()
    append(log, *(b"w" * 500_000 for _ in range(4)))
    assert len(list(log.bodies([6, 7, 8, 9]))) == 4
    assert max(read) <= 1 << 20
    log.close()


def test_a_part_of_a_payload_is_read_alone(tmp_path):
    log = Log(tmp_path / "log")
    append(log, b"first", b"0123456789")
    assert [log.read_part(2, at, n) for at, n in ((0, 10), (3, 2), (9, 1), (4, 0))] == [b"0123456789", b"34", b"9", b""]
    with pytest.raises(KeyError):
        log.read_part(3, 0, 1)
    log.close()


def test_what_was_there_at_start_is_found_by_its_digest_and_log_time(tmp_path):
    log = Log(tmp_path / "log")
    append(log, b"a", b"b", log_ns=77)
    log = reopened(log, tmp_path / "log")
    assert list(log.found) == [(digest(0), 77), (digest(1), 77)]
    log.close()


@pytest.mark.parametrize("ahead", [0, 1, 300])
def test_truncated_at_any_byte_the_tail_is_cut_and_the_log_goes_on(tmp_path, ahead):
    log = Log(tmp_path / "log")
    append(log, b"first" * 5)
    sizes = [log.size_bytes]
    append(log, b"second")
    log.close()
    (path,) = (tmp_path / "log").iterdir()
    data = path.read_bytes()
    for length in range(HEADER_BYTES if ahead else 0, len(data) + bool(ahead)):
        path.unlink(missing_ok=True)
        for other in (tmp_path / "log").iterdir():
            other.unlink()
        path.write_bytes(data[:length] + bytes(ahead))
        log = Log(tmp_path / "log")
        first, second = {1: b"first" * 5}, {2: b"second"}
        assert held(log) == (first if length >= sizes[0] else {}) | (second if length == len(data) else {})
        assert not log.quarantined
        assert log.torn_bytes == 0 or length not in (HEADER_BYTES, *sizes, len(data))
        assert not path.exists() or log.size_bytes == path.stat().st_size
        (position,) = append(log, b"third")
        assert log.read(position) == b"third"
        log = reopened(log, tmp_path / "log")
        assert held(log)[position] == b"third"
        assert not log.quarantined
        log.close()


@given(st.sets(st.integers(0, 7)))
@settings(max_examples=50, deadline=None)
def test_whichever_sectors_of_a_group_reached_zeros_written_ahead_what_was_synced_is_there(reached):
    with TemporaryDirectory() as directory:
        log = Log(Path(directory))
        append(log, b"synced" * 5)
        synced = log.size_bytes
        append(log, *(bytes([65 + i]) * 60 for i in range(4)))
        log.close()
        (path,) = Path(directory).iterdir()
        data = bytearray(path.read_bytes().ljust(1000, b"\0"))
        for sector in set(range(8)) - reached:
            at = synced + 64 * sector
            data[at : at + 64] = bytes(64)
        path.write_bytes(data)
        log = Log(Path(directory))
        found = held(log)
        assert found.pop(1) == b"synced" * 5
        assert all(body == bytes([63 + position]) * 60 for position, body in found.items())
        (position,) = append(log, b"after")
        log = reopened(log, Path(directory))
        assert held(log) == {1: b"synced" * 5, **found, position: b"after"}
        log.close()


def test_a_flipped_bit_in_the_middle_is_quarantined_and_no_position_is_given_twice(tmp_path):
    log = Log(tmp_path / "log")
    append(log, b"a" * 30, b"b" * 30, b"c" * 30)
    log.close()
    (path,) = (tmp_path / "log").iterdir()
    data = bytearray(path.read_bytes())
    data[data.index(b"b" * 30) + 3] ^= 4
    path.write_bytes(data)
    log = Log(tmp_path / "log")
    assert held(log) == {1: b"a" * 30, 3: b"c" * 30}
    ((where, damage),) = log.quarantined
    assert where == path
    assert not damage.torn
    assert path.read_bytes() == data
    with pytest.raises(KeyError):
        log.read(2)
    assert append(log, b"d") == [4]
    log.close()


def test_zeros_where_records_were_are_told_of_a_segment_that_another_follows(tmp_path):
    """The last one has room written ahead; nothing has before it."""
    log = Log(tmp_path / "log", segment_bytes=150)
    append(log, b"a" * 30, b"b" * 30)
    append(log, b"c" * 30)
    log.close()
    first, last = sorted((tmp_path / "log").iterdir())
    data = first.read_bytes()
    kept = data.index(b"a" * 30) + 30
    first.write_bytes(data[:kept] + bytes(len(data) - kept))
    last.write_bytes(last.read_bytes() + bytes(1000))
    log = Log(tmp_path / "log")
    assert held(log) == {1: b"a" * 30, 3: b"c" * 30}
    ((where, damage),) = log.quarantined
    assert (where, damage.offset, damage.length, damage.torn) == (first, kept, len(data) - kept, False)
    assert log.torn_bytes == 0
    log.close()


def test_what_follows_from_the_log_may_know_later_positions(tmp_path, caplog):
    log = Log(tmp_path / "log")
    append(log, b"a", b"b")
    log.close()
    (path,) = (tmp_path / "log").iterdir()
    path.write_bytes(path.read_bytes()[:-1])
    log = Log(tmp_path / "log")
    assert log.next_position == 2
    log.not_before(3)
    assert "the log ends at position 1, and what follows from it goes to 2" in caplog.text
    assert append(log, b"c") == [3]
    log.not_before(1)
    assert append(log, b"d") == [4]
    assert held(reopened(log, tmp_path / "log")) == {1: b"a", 3: b"c", 4: b"d"}


def test_a_file_with_a_damaged_header_is_set_aside_and_kept(tmp_path):
    log = Log(tmp_path / "log", segment_bytes=HEADER_BYTES)
    append(log, b"a")
    append(log, b"b")
    log.close()
    first, second = sorted((tmp_path / "log").iterdir())
    data = bytearray(first.read_bytes())
    data[0] ^= 1
    first.write_bytes(data)
    log = Log(tmp_path / "log")
    assert held(log) == {2: b"b"}
    assert first.with_suffix(".bad").read_bytes() == data
    assert log.quarantined[0][0] == first
    assert append(log, b"c") == [3]
    log.close()
    assert second.exists()


class Failing(Files):
    """Fails the call number `at` to `what`; a write then leaves half of its bytes."""

    def __init__(self, what: str, at: int, code: int) -> None:
        self.what, self.left, self.code = what, at, code
        self.doubtful: int | None = None  # the descriptor whose sync failed

    def _due(self, what: str) -> bool:
        if what != self.what:
            return False
        self.left -= 1
        return self.left == 0

    def _fail(self) -> OSError:
        return OSError(self.code, os.strerror(self.code))

    def write_at(self, fd, data, offset):
        assert fd != self.doubtful, "a file whose sync failed is written again"
        if self._due("write_at"):
            super().write_at(fd, data[: len(data) // 2], offset)
            raise self._fail()
        super().write_at(fd, data, offset)

    def create(self, path):
        if self._due("create"):
            raise self._fail()
        return super().create(path)

    def sync(self, fd):
        assert fd != self.doubtful, "a failed sync is tried again"
        if self._due("sync"):
            self.doubtful = fd
            raise self._fail()
        super().sync(fd)

    def sync_dir(self, path):
        if self._due("sync_dir"):
            raise self._fail()
        super().sync_dir(path)

    def close(self, fd):
        self.doubtful = None if fd == self.doubtful else self.doubtful
        super().close(fd)

    def truncate(self, fd, length):
        if self._due("truncate"):
            raise self._fail()
        super().truncate(fd, length)


FAILURES = [
    (what, at, code)
    for what, calls, code in (
        ("create", 5, errno.ENOSPC),
        ("write_at", 14, errno.ENOSPC),
        ("sync", 14, errno.EIO),
        ("sync_dir", 6, errno.EIO),
    )
    for at in range(1 + (what == "sync_dir"), calls)
]


@pytest.mark.parametrize(("what", "at", "code"), FAILURES, ids=str)
def test_a_failed_append_loses_nothing_that_was_acknowledged(tmp_path, what, at, code):
    files = Failing(what, at, code)
    log = Log(tmp_path / "log", segment_bytes=300, files=files)
    acknowledged: dict[int, bytes] = {}
    refused = []
    for i in range(9):
        bodies = [f"{i}.{j}".encode() * 30 for j in range(2)]
        try:
            positions = append(log, *bodies)
        except Unavailable as error:
            refused.append(error)
            continue
        assert not set(positions) & set(acknowledged)
        acknowledged.update(zip(positions, bodies, strict=True))
    assert [error.retry_after_s for error in refused] == [5.0]
    assert held(log) == acknowledged
    assert {position: log.read(position) for position in acknowledged} == acknowledged
    log = reopened(log, tmp_path / "log")
    assert held(log) == acknowledged
    (position,) = append(log, b"later")
    assert position > max(acknowledged)
    log.close()


def test_where_even_cutting_back_fails_nothing_acknowledged_is_lost(tmp_path):
    class Worse(Failing):
        def truncate(self, fd, length):
            raise self._fail()

    log = Log(tmp_path / "log", files=Worse("write_at", 3, errno.EIO))
    acknowledged = dict(zip(append(log, b"a"), [b"a"], strict=True))
    with pytest.raises(Unavailable):
        append(log, b"b" * 100)
    acknowledged |= dict(zip(append(log, b"c"), [b"c"], strict=True))
    assert held(log) == acknowledged
    log = reopened(log, tmp_path / "log")
    assert held(log) == acknowledged
    log.close()


@pytest.mark.parametrize("kept", KEPT)
def test_power_lost_before_any_call_everything_acknowledged_is_there(tmp_path, kept):
    def work(directory, files, acknowledged):
        with closing(Log(directory, segment_bytes=250, files=files)) as log:
            for i in range(8):
                bodies = [f"{i}.{j}".encode() * 25 for j in range(1 + i % 2)]
                acknowledged.update(zip(append(log, *bodies), bodies, strict=True))
                if i == 5:
                    for position in [p for p in acknowledged if p < 5]:
                        del acknowledged[position]
                    log.trim(5)

    def check(directory, acknowledged):
        with closing(Log(directory, segment_bytes=250)) as log:
            found = held(log)
            assert acknowledged.items() <= found.items()
            assert {p: log.read(p) for p in found} == found
            (position,) = append(log, b"later")
            assert position > max(acknowledged, default=0)
            assert held(log) == found | {position: b"later"}

    assert at_every_call(tmp_path, kept, work, check, dict, before=1) > 30


LIVE = {2: (6, 40), 5: (), 7: (0,)}


@pytest.mark.parametrize("kept", KEPT)
def test_power_lost_while_live_records_are_carried_over_loses_none(tmp_path, kept):
    whole_from = []

    def work(directory, files, acknowledged):
        with closing(Log(directory, segment_bytes=250, files=files)) as log:
            for i in range(12):
                body = f"{i}".encode() * 40
                acknowledged.update(zip(append(log, body), [body], strict=True))
                if i in (7, 10):
                    for position in [p for p in acknowledged if p <= i + 1 and p not in LIVE]:
                        del acknowledged[position]
                    assert log.compact(lambda before: {p: o for p, o in LIVE.items() if p < before}) > 0

    def check(directory, acknowledged):
        with closing(Log(directory, segment_bytes=250)) as log:
            found = held(log)
            assert acknowledged.items() <= found.items()
            assert {p: log.read(p) for p in found} == found
            assert [r.position for r in log.replay(0)] == sorted(found)
            only = {r.position: r.only for r in log.replay(0) if r.position < log.whole_from}
            assert only.items() <= LIVE.items()
            whole_from.append(log.whole_from)

    assert at_every_call(tmp_path, kept, work, check, dict, before=1) > 60
    assert whole_from[-1] > 7
