"""Calibrations on disk: immutable documents by content, their summaries, when each held, and status samples.

A document is stored once, whatever the number of instants at which a provider published it. An observation says that
backend B was published with content V from instant T on; valid_to is never stored, so that a snapshot that arrives
late only has to be inserted. Summaries are small and all in memory (`index`); documents are read when a circuit needs
them.
"""

from __future__ import annotations

import hashlib
import sqlite3
import threading
import zlib
from collections import OrderedDict
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, Literal, Self

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
FORMAT: Final = 2
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
_SINCE_1: Final = """
ALTER TABLE statuses ADD COLUMN queue_s REAL;
ALTER TABLE statuses ADD COLUMN rate_limit_remaining INTEGER;
ALTER TABLE statuses ADD COLUMN window_start_ns INTEGER;
ALTER TABLE statuses ADD COLUMN window_end_ns INTEGER;
CREATE TABLE polls (provider TEXT NOT NULL, name TEXT NOT NULL, polled_ns INTEGER NOT NULL,
  PRIMARY KEY (provider, name)) STRICT, WITHOUT ROWID;
CREATE TABLE events (provider TEXT NOT NULL, backend TEXT NOT NULL, at_ns INTEGER NOT NULL, name TEXT NOT NULL,
  attributes BLOB NOT NULL, PRIMARY KEY (provider, backend, at_ns, name, attributes)) STRICT, WITHOUT ROWID;
CREATE TABLE quarantine (raw_sha256 TEXT PRIMARY KEY, source TEXT NOT NULL, reason TEXT NOT NULL, seen_ns INTEGER NOT NULL,
  body BLOB NOT NULL) STRICT
"""
STATUSES_KEPT_NS: Final = 32 * 86_400 * 1_000_000_000
QUARANTINE_KEPT: Final = 200
QUARANTINE_BYTES: Final = 1 << 20


class Put(msgspec.Struct, frozen=True):
    """What became of a snapshot: "new" content, known content "restamped" with another instant, or "known"."""

    version: str
    outcome: Stored


class Quarantined(msgspec.Struct, frozen=True):
    """A document that was refused, by the hash of its bytes, and why."""

    raw_sha256: str
    source: str
    reason: str
    seen_ns: int


class Event(msgspec.Struct, frozen=True):
    """Something that happened to a backend, named and described as the registry's events are."""

    provider: str
    backend: str
    at_ns: int
    name: str
    attributes: dict[str, Any]


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
        self._stale_streams = False  # statuses or polls changed, which leave the snapshots as they are
        self._index_version = -1
        self._documents: OrderedDict[str, Snapshot] = OrderedDict()
        self._depth = 0
        self._seen: list[Observed] | None = None  # every observation, once the index has been asked for
        self._fresh: list[Observed] = []  # those of this batch
        self._put = False  # this batch changes what the join finds
        try:
            self._migrate()
        except BaseException:
            self._db.close()
            raise

    def _migrate(self) -> None:
        with self.batch():
            found = self._db.execute("PRAGMA user_version").fetchone()[0]
            if not 0 <= found <= FORMAT:
                what = f"calibration store format {found}"
                raise CalibrationError(self.path.name, what, f"this program reads format {FORMAT}")
            for since, statements in enumerate((_TABLES, _SINCE_1)):
                if found <= since:
                    for statement in statements.split(";"):
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
                if self._depth == 1:
                    self._db.execute("COMMIT")
            except BaseException:
                if self._depth == 1:
                    self._fresh, self._put = [], False
                    if self._db.in_transaction:
                        self._db.execute("ROLLBACK")
                raise
            finally:
                self._depth -= 1
            if self._depth == 0:
                self._stale_streams = True
                if self._put:
                    if self._seen is not None:
                        self._seen += self._fresh
                    self._index, self._fresh, self._put = None, [], False

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
            self._put = True
            observed = 0
            for name in {document.backend.name, *names}:
                inserted = self._db.execute(
                    "INSERT OR IGNORE INTO observations VALUES (?, ?, ?, ?, ?)",
                    (provider, name, summary.valid_from_ns, version, summary.calibration_id or ""),
                ).rowcount
                if inserted:
                    self._fresh.append(Observed(name, summary))
                observed += inserted
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
            self._put = True

    def put_status(self, sample: StatusSample) -> None:
        """Add to the stream of status samples; the same instant again replaces it."""
        row = (
            provider_of(sample.provider),
            sample.backend,
            sample.observed_at_ns,
            sample.status,
            sample.queue_length,
            int(sample.lower_bound),
            sample.queue_s,
            sample.rate_limit_remaining,
            sample.window_start_ns,
            sample.window_end_ns,
        )
        with self.batch():
            self._db.execute("INSERT OR REPLACE INTO statuses VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", row)
            self._db.execute(
                "DELETE FROM statuses WHERE observed_at_ns < ?", (sample.observed_at_ns - STATUSES_KEPT_NS,)
            )

    def put_poll(self, provider: str, backend: str, polled_ns: int) -> None:
        """The provider was asked for this backend at `polled_ns` and answered: until then nothing newer can turn up."""
        row = (provider_of(provider), backend, polled_ns)
        with self.batch():
            self._db.execute(
                "INSERT INTO polls VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET polled_ns = max(polled_ns, excluded.polled_ns)",
                row,
            )

    def put_event(self, event: Event) -> None:
        """Add to the stream of events; the same one again changes nothing."""
        row = (
            event.provider,
            event.backend,
            event.at_ns,
            event.name,
            msgspec.json.encode(event.attributes, order="sorted"),
        )
        with self.batch():
            self._db.execute("INSERT OR IGNORE INTO events VALUES (?, ?, ?, ?, ?)", row)

    def events(self, since_ns: int = 0, limit: int = 1000) -> list[Event]:
        """What happened to backends since then, the newest first."""
        with self._lock:
            rows = self._db.execute(
                "SELECT provider, backend, at_ns, name, attributes FROM events WHERE at_ns >= ? ORDER BY at_ns DESC LIMIT ?",
                (since_ns, limit),
            ).fetchall()
        return [Event(p, b, at_ns, name, msgspec.json.decode(body)) for p, b, at_ns, name, body in rows]

    def quarantine(self, data: bytes, error: CalibrationError, seen_ns: int) -> None:
        """Keep a refused document and why it was refused, out of reach of the join; the oldest go past a bound."""
        row = (
            hashlib.sha256(data).hexdigest(),
            error.source,
            str(error),
            seen_ns,
            zlib.compress(data[:QUARANTINE_BYTES]),
        )
        with self.batch():
            self._db.execute("INSERT OR REPLACE INTO quarantine VALUES (?, ?, ?, ?, ?)", row)
            self._db.execute(
                "DELETE FROM quarantine WHERE rowid NOT IN (SELECT rowid FROM quarantine ORDER BY seen_ns DESC LIMIT ?)",
                (QUARANTINE_KEPT,),
            )

    def quarantined(self) -> list[Quarantined]:
        """What was refused, the newest first."""
        with self._lock:
            rows = self._db.execute(
                "SELECT raw_sha256, source, reason, seen_ns FROM quarantine ORDER BY seen_ns DESC"
            ).fetchall()
        return [Quarantined(*row) for row in rows]

    def quarantined_body(self, raw_sha256: str) -> bytes:
        """The bytes of a refused document, at most the first QUARANTINE_BYTES; KeyError if there is none."""
        with self._lock:
            row = self._db.execute("SELECT body FROM quarantine WHERE raw_sha256 = ?", (raw_sha256,)).fetchone()
        if row is None:
            raise KeyError(raw_sha256)
        return zlib.decompress(row[0])

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
            if self._seen is None or changed != self._index_version:
                self._index, self._seen = None, self._observed()
            if self._index is None:
                self._index = AsOfIndex(self._seen, self._statuses(), self._aliases(), self._polls())
                self._index_version = changed
            elif self._stale_streams:
                self._index = self._index.followed(self._statuses(), self._polls())
            self._stale_streams = False
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
            "SELECT provider, backend, observed_at_ns, status, queue_length, lower_bound, queue_s, rate_limit_remaining, "
            "window_start_ns, window_end_ns FROM statuses"
        )
        return [
            StatusSample(p, b, t, status, length, bool(more), *rest) for p, b, t, status, length, more, *rest in rows
        ]

    def _polls(self) -> dict[tuple[str, str], int]:
        rows = self._db.execute("SELECT provider, name, polled_ns FROM polls")
        return {(provider, name): polled_ns for provider, name, polled_ns in rows}

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
