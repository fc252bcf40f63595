"""Calibrations on disk: immutable documents by content, their summaries, when each held, and status samples.

A document is stored once, whatever the number of instants at which a provider published it. An observation says that
backend B was published with content V from instant T on; valid_to is never stored, so that a snapshot that arrives
late only has to be inserted. Summaries are small and all in memory (`index`); documents are read when a circuit needs
them.
"""

from __future__ import annotations

import sqlite3
import threading
import zlib
from collections import OrderedDict
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final, Literal, Self

import msgspec

from eigenspan.calibration import plausible, snapshot
from eigenspan.calibration.asof import AsOfIndex, Observed
from eigenspan.calibration.attributes import StatusSample
from eigenspan.calibration.backends import provider_of
from eigenspan.calibration.errors import CalibrationError
from eigenspan.calibration.importers import detect
from eigenspan.calibration.snapshot import Snapshot
from eigenspan.calibration.summary import Summary, summarise

Stored = Literal["new", "restamped", "known"]
FORMAT: Final = 1
DOCUMENTS_IN_MEMORY: Final = 32
FULL_VERSION: Final = len("sha256:") + 64

_TABLES: Final = """
CREATE TABLE documents (version TEXT PRIMARY KEY, provider TEXT NOT NULL, backend TEXT NOT NULL, body BLOB NOT NULL,
  summary BLOB NOT NULL) STRICT;
CREATE TABLE observations (provider TEXT NOT NULL, name TEXT NOT NULL, valid_from_ns INTEGER NOT NULL,
  version TEXT NOT NULL REFERENCES documents, calibration_id TEXT NOT NULL,
  PRIMARY KEY (provider, name, valid_from_ns, version, calibration_id)) STRICT, WITHOUT ROWID;
CREATE TABLE aliases (provider TEXT NOT NULL, alias TEXT NOT NULL, backend TEXT NOT NULL,
  PRIMARY KEY (provider, alias)) STRICT, WITHOUT ROWID;
CREATE TABLE statuses (provider TEXT NOT NULL, backend TEXT NOT NULL, observed_at_ns INTEGER NOT NULL, status TEXT,
  queue_length INTEGER, lower_bound INTEGER NOT NULL,
  PRIMARY KEY (provider, backend, observed_at_ns)) STRICT, WITHOUT ROWID;
CREATE TABLE sources (key TEXT PRIMARY KEY, version TEXT NOT NULL) STRICT, WITHOUT ROWID;
"""


class Put(msgspec.Struct, frozen=True):
    """What became of a snapshot: "new" content, known content "restamped" with another instant, or "known"."""

    version: str
    outcome: Stored


class CalibrationStore:
    """A SQLite file of calibrations. Safe to share between threads."""

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self._lock = threading.RLock()
        self._db = sqlite3.connect(self.path, isolation_level=None, check_same_thread=False, timeout=30.0)
        self._db.execute("PRAGMA journal_mode=WAL")
        self._db.execute("PRAGMA synchronous=FULL")
        self._db.execute("PRAGMA foreign_keys=ON")
        self._index: AsOfIndex | None = None
        self._index_version = -1
        self._documents: OrderedDict[str, Snapshot] = OrderedDict()
        self._depth = 0
        try:
            self._migrate()
        except BaseException:
            self._db.close()
            raise

    def _migrate(self) -> None:
        with self.batch():
            found = self._db.execute("PRAGMA user_version").fetchone()[0]
            if found not in (0, FORMAT):
                what = f"calibration store format {found}"
                raise CalibrationError(self.path.name, what, f"this program reads format {FORMAT}")
            if found == 0:
                for statement in _TABLES.split(";"):
                    self._db.execute(statement)
                self._db.execute(f"PRAGMA user_version={FORMAT}")

    def close(self) -> None:
        """Close the file; the index and documents already handed out stay usable."""
        with self._lock:
            self._db.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @contextmanager
    def batch(self) -> Iterator[None]:
        """One transaction, and so one sync, for everything put inside; all of it or nothing is stored."""
        with self._lock:
            if self._depth == 0:
                self._db.execute("BEGIN IMMEDIATE")
            self._depth += 1
            try:
                yield
            except BaseException:
                self._depth -= 1
                if self._depth == 0 and self._db.in_transaction:
                    self._db.execute("ROLLBACK")
                raise
            self._depth -= 1
            if self._depth == 0:
                self._db.execute("COMMIT")
                self._index = None

    def put(self, document: Snapshot, names: Iterable[str] = ()) -> Put:
        """Store a snapshot under its backend's name and under `names` (a fake backend that replays it).

        Idempotent. Content that was published before is not stored again, only that it held from this instant too.
        """
        plausible.check(document)
        version = document.snapshot.version
        if version != snapshot.version_of(document):
            raise CalibrationError(document.backend.name, "its version is not that of its content", "import it again")
        summary = summarise(document)
        provider = provider_of(document.backend.provider)
        with self.batch():
            body = zlib.compress(snapshot.to_json(document), 6)
            added = self._db.execute(
                "INSERT OR IGNORE INTO documents VALUES (?, ?, ?, ?, ?)",
                (version, provider, document.backend.name, body, msgspec.json.encode(summary)),
            ).rowcount
            observed = 0
            for name in {document.backend.name, *names}:
                observed += self._db.execute(
                    "INSERT OR IGNORE INTO observations VALUES (?, ?, ?, ?, ?)",
                    (provider, name, summary.valid_from_ns, version, summary.calibration_id or ""),
                ).rowcount
        return Put(version, "new" if added else "restamped" if observed else "known")

    def import_file(self, path: str | Path, hints: detect.Hints = detect.NO_HINTS, names: Iterable[str] = ()) -> Put:
        """Detect a file's format, import it and store it; CalibrationError and nothing stored if it is bad."""
        return self.put(detect.import_path(Path(path), hints), names)

    def import_bytes(self, data: bytes, source: str, hints: detect.Hints = detect.NO_HINTS) -> Put:
        """The same for bytes; `source` names them in messages."""
        return self.put(detect.import_bytes(data, source, hints))

    def add_alias(self, provider: str, alias: str, backend: str) -> None:
        """Let `alias` mean `backend` in the join, beyond the aliases that `backends` knows by itself."""
        with self.batch():
            self._db.execute("INSERT OR REPLACE INTO aliases VALUES (?, ?, ?)", (provider_of(provider), alias, backend))

    def put_status(self, sample: StatusSample) -> None:
        """Add to the stream of status samples; the same instant again replaces it."""
        row = (
            provider_of(sample.provider),
            sample.backend,
            sample.observed_at_ns,
            sample.status,
            sample.queue_length,
            int(sample.lower_bound),
        )
        with self.batch():
            self._db.execute("INSERT OR REPLACE INTO statuses VALUES (?, ?, ?, ?, ?, ?)", row)

    def known_source(self, key: str) -> str | None:
        """The version that the source `key` (a hash of its bytes and of the converter) gave when last imported."""
        with self._lock:
            row = self._db.execute("SELECT version FROM sources WHERE key = ?", (key,)).fetchone()
        return row[0] if row else None

    def remember_source(self, key: str, version: str) -> None:
        """Let `known_source` answer `version` for this key."""
        with self.batch():
            self._db.execute("INSERT OR REPLACE INTO sources VALUES (?, ?)", (key, version))

    def index(self) -> AsOfIndex:
        """All summaries in memory, ready to be matched; rebuilt only after a change, by this process or another."""
        with self._lock:
            changed = self._db.execute("PRAGMA data_version").fetchone()[0]
            if self._index is None or changed != self._index_version:
                self._index = AsOfIndex(self._observed(), self._statuses(), self._aliases())
                self._index_version = changed
            return self._index

    def _observed(self) -> list[Observed]:
        decode = msgspec.json.Decoder(Summary).decode
        documents = self._db.execute("SELECT version, summary FROM documents")
        summaries = {version: decode(body) for version, body in documents}
        rows = self._db.execute("SELECT name, valid_from_ns, version, calibration_id FROM observations")
        return [
            Observed(
                name,
                msgspec.structs.replace(
                    summaries[version], valid_from_ns=valid_from_ns, calibration_id=calibration_id or None
                ),
            )
            for name, valid_from_ns, version, calibration_id in rows
        ]

    def _statuses(self) -> list[StatusSample]:
        rows = self._db.execute(
            "SELECT provider, backend, observed_at_ns, status, queue_length, lower_bound FROM statuses"
        )
        return [StatusSample(p, b, t, status, queue, bool(more)) for p, b, t, status, queue, more in rows]

    def _aliases(self) -> dict[tuple[str, str], str]:
        rows = self._db.execute("SELECT provider, alias, backend FROM aliases")
        return {(provider, alias): backend for provider, alias, backend in rows}

    def _full_version(self, prefix: str) -> str:
        found = self._db.execute(
            "SELECT version FROM documents WHERE version >= ? AND version < ? LIMIT 2", (prefix, prefix + "g")
        ).fetchall()
        if len(found) != 1:
            raise KeyError(prefix)
        return str(found[0][0])

    def document(self, version: str) -> Snapshot:
        """The whole document with this content version, as first stored; KeyError if there is none.

        A version may be abbreviated, as on spans, while it names one document.
        """
        with self._lock:
            if len(version) < FULL_VERSION:
                version = self._full_version(version)
            if (cached := self._documents.get(version)) is not None:
                self._documents.move_to_end(version)
                return cached
            row = self._db.execute("SELECT body FROM documents WHERE version = ?", (version,)).fetchone()
            if row is None:
                raise KeyError(version)
            document = snapshot.from_json(zlib.decompress(row[0]), version)
            self._documents[version] = document
            if len(self._documents) > DOCUMENTS_IN_MEMORY:
                self._documents.popitem(last=False)
            return document
