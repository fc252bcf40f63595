"""Damaged SQLite files: known by SQLite's own word, and set aside, so that one bad file stops nothing else."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Final, TypeVar

_DAMAGE: Final = frozenset({sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB})
_Opened = TypeVar("_Opened")


def is_damage(error: sqlite3.Error) -> bool:
    """Whether the file itself is bad, rather than busy, full, or asked the wrong thing."""
    return getattr(error, "sqlite_errorcode", 0) & 0xFF in _DAMAGE  # extended codes have more above it


def set_aside(path: Path) -> None:
    """Rename a database, with what SQLite keeps beside it, to `.bad`; what of it is not there is passed over."""
    for suffix in ("", "-wal", "-shm"):
        with contextlib.suppress(FileNotFoundError):
            path.with_name(path.name + suffix).rename(path.with_name(f"{path.name}.bad{suffix}"))


def open_or_set_aside(path: Path, open_: Callable[[Path], _Opened], said: Callable[[str], None]) -> _Opened:
    """The database at `path`, looked through; a damaged one is set aside for a new one, after `said` was told how."""
    try:
        check(path)
        return open_(path)
    except sqlite3.DatabaseError as error:
        if not is_damage(error):
            raise
        said(str(error))
    set_aside(path)
    return open_(path)


def check(path: Path) -> None:
    """Look through a database; DatabaseError where it is damaged. One that is not there is sound."""
    if not path.exists():
        return
    with closing(sqlite3.connect(path, timeout=5)) as db:
        found = db.execute("PRAGMA quick_check(1)").fetchone()[0]
    if found != "ok":
        error = sqlite3.DatabaseError(str(found).replace("\n", " "))
        error.sqlite_errorcode = sqlite3.SQLITE_CORRUPT
        raise error
