"""A file layer that forgets: power fails before a call, and what was not synced is gone."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from eigenspan.collector.files import Files

KEPT = ["nothing", "half", "all"]
"""What is left of each write, creation and rename that was not synced."""


class Crash(BaseException):
    pass


class Forgetting(Files):
    """Stops the world before call number `at`; what was not synced is then gone, or there by half, or there."""

    def __init__(self, directory, at: int) -> None:
        self.directory, self.left = directory, at
        self.synced: dict[int, bytes] = {}  # by inode
        self.names: dict = {}
        self.synced_names: dict = {}
        self.inode_of: dict[int, int] = {}
        self.written: dict[int, bytes] = {}
        self._inodes = 0

    def _step(self) -> None:
        self.left -= 1
        if self.left <= 0:
            raise Crash

    def create(self, path):
        self._step()
        fd = super().create(path)
        self._inodes += 1
        self.inode_of[fd] = self.names[path] = self._inodes
        self.synced[self._inodes] = self.written[self._inodes] = b""
        return fd

    def _contents(self, fd) -> bytes:
        return super().read_at(fd, self.size(fd), 0)

    def write_at(self, fd, data, offset):
        self._step()
        super().write_at(fd, data, offset)
        self.written[self.inode_of[fd]] = self._contents(fd)

    def truncate(self, fd, length):
        self._step()
        super().truncate(fd, length)
        self.written[self.inode_of[fd]] = self._contents(fd)

    def sync(self, fd):
        self._step()
        self.synced[self.inode_of[fd]] = self._contents(fd)

    def sync_dir(self, path):
        self._step()
        if path == self.directory:
            self.synced_names = dict(self.names)

    def remove(self, path):
        self._step()
        super().remove(path)
        self.names.pop(path, None)

    def rename(self, old, new):
        self._step()
        super().rename(old, new)
        self.names[new] = self.names.pop(old)

    def crash(self, kept: str) -> None:
        """Make the directory what a machine finds after the power came back."""
        for path in self.directory.iterdir():
            path.unlink()
        names = {"nothing": self.synced_names, "half": self.synced_names, "all": self.names}[kept]
        for path, inode in names.items():
            old, new = self.synced[inode], self.written[inode]
            path.write_bytes({"nothing": old, "half": new[: (len(old) + len(new)) // 2], "all": new}[kept])


def at_every_call(
    tmp_path: Path, kept: str, work: Callable[[Path, Forgetting, Any], None], check: Callable[[Path, Any], None],
    said: Callable[[], Any], *, before: int = 0,
) -> int:  # fmt: skip
    """Do `work` again and again, power failing one call later each time, until it gets through; how often that was.

    `work` puts what must survive into what `said` made; `check` looks for it on the disk that is left. The first
    `before` calls are never the last.
    """
    at = 0
    while True:
        at += 1
        directory = tmp_path / str(at)
        directory.mkdir()
        files, promised = Forgetting(directory, at + before), said()
        try:
            work(directory, files, promised)
            finished = True
        except Crash:
            finished = False
        files.crash(kept)
        check(directory, promised)
        if finished:
            return at
