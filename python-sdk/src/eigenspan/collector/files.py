"""The few file operations that the log's guarantees rest on.

Everything that must survive a power failure goes through one `Files` object, so that a test can put a file layer in its
place that forgets whatever was not synced.
"""

from __future__ import annotations

import os
from pathlib import Path


class Files:
    """Real files. Offsets and lengths are bytes; every error is an `OSError`."""

    def create(self, path: Path) -> int:
        """Create `path`, which must not exist, and return a descriptor for reading and writing."""
        return os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)

    def open(self, path: Path) -> int:
        """Open an existing file for reading and writing."""
        return os.open(path, os.O_RDWR | os.O_CLOEXEC)

    def write_at(self, fd: int, data: bytes | bytearray | memoryview, offset: int) -> None:
        """Write all of `data` at `offset`."""
        view = memoryview(data)
        while view:
            written = os.pwrite(fd, view, offset)
            offset += written
            view = view[written:]

    def read_at(self, fd: int, length: int, offset: int) -> bytes:
        """Read up to `length` bytes at `offset`; fewer only at the end of the file."""
        parts = []
        while length:
            part = os.pread(fd, length, offset)
            if not part:
                break
            parts.append(part)
            offset += len(part)
            length -= len(part)
        return parts[0] if len(parts) == 1 else b"".join(parts)

    def size(self, fd: int) -> int:
        """The file's length in bytes."""
        return os.fstat(fd).st_size

    def free(self, path: Path) -> tuple[int, int]:
        """Bytes that the file system of `path` has left for us, and all that it has."""
        found = os.statvfs(path)
        return found.f_bavail * found.f_frsize, found.f_blocks * found.f_frsize

    def truncate(self, fd: int, length: int) -> None:
        """Cut the file to `length` bytes."""
        os.ftruncate(fd, length)

    def sync(self, fd: int) -> None:
        """Return once the file's data (and its length) are on the disk."""
        os.fdatasync(fd)

    def sync_dir(self, path: Path) -> None:
        """Return once the names in directory `path` are on the disk."""
        fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(fd)
        finally:
            os.close(fd)

    def rename(self, old: Path, new: Path) -> None:
        """Rename `old` to `new`, replacing it."""
        old.replace(new)

    def remove(self, path: Path) -> None:
        """Remove a file; one already gone is fine."""
        path.unlink(missing_ok=True)

    def close(self, fd: int) -> None:
        """Close a descriptor."""
        os.close(fd)
