"""What follows from the log and must not be computed twice: decisions, rows to send, and the position that they cover.

One SQLite file (WAL, synchronous=FULL). `commit` writes a tick's decisions, its outbox rows and the checkpoint in one
transaction, so that a crash leaves either all of a tick or none of it.

Tables:
    meta        checkpoint (first position that replay needs, log time, …) as name → value
    kept        a tick's kept traces, packed, with their decisions
    dropped     a tick's dropped traces, packed: 16 bytes each, fingerprint u64 and `through` u64
    job         a job that ended: traces that submit it have nothing to wait for
    wanted      a dropped trace that someone asked to have back, and what came of it
    item        something to send: references into the log and the bytes to add, pinned when it was decided
    outbox      which exporter still owes which item
"""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec

from eigenspan.collector.errors import EigenspanError
from eigenspan.collector.item import Item
from eigenspan.collector.jobs import JobKey
from eigenspan.collector.spans import Signal

_LAYOUT = 1  # of the tables and what is packed in them; raised when an older collector could not read them
_SCHEMA = """
CREATE TABLE IF NOT EXISTS meta (name TEXT PRIMARY KEY, value) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS kept (id INTEGER PRIMARY KEY, decided_ns INTEGER, decisions BLOB);
CREATE INDEX IF NOT EXISTS kept_age ON kept (decided_ns);
CREATE TABLE IF NOT EXISTS dropped (id INTEGER PRIMARY KEY, decided_ns INTEGER, traces BLOB);
CREATE INDEX IF NOT EXISTS dropped_age ON dropped (decided_ns);
CREATE TABLE IF NOT EXISTS item (id INTEGER PRIMARY KEY AUTOINCREMENT, signal TEXT, first_position INTEGER, bytes INTEGER, body BLOB);
CREATE TABLE IF NOT EXISTS wanted (tenant TEXT, trace BLOB, outcome TEXT, PRIMARY KEY (tenant, trace)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS job (tenant TEXT, provider TEXT, id TEXT, failed INTEGER, ended_ns INTEGER,
    PRIMARY KEY (tenant, provider, id)) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS job_age ON job (ended_ns);
CREATE TABLE IF NOT EXISTS outbox (exporter TEXT, item INTEGER, parked TEXT, PRIMARY KEY (exporter, item)) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS outbox_item ON outbox (item);
"""


@dataclass(frozen=True, slots=True)
class Outgoing:
    """An item on its way, the signal that it carries, its id and its size."""

    id: int
    signal: Signal
    item: Item
    size_bytes: int


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """`replay_from`: the first position that a start must read again; `through`: the last position applied."""

    replay_from: int
    through: int
    log_ns: int


@dataclass(frozen=True, slots=True)
class Parked:
    """A row that was set aside, and why."""

    id: int
    exporter: str
    signal: Signal
    item: Item
    reason: str


class State:
    """The state database. Every method may be called from any thread; each is one transaction."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._lock = threading.Lock()
        self._db = sqlite3.connect(path, check_same_thread=False, isolation_level=None)
        self._db.executescript("PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA busy_timeout=5000;")
        (layout,), (tables,) = (
            self._query("PRAGMA user_version")[0],
            self._query("SELECT count(*) FROM sqlite_master")[0],
        )
        if tables and layout != _LAYOUT:
            self._db.close()
            raise EigenspanError(
                f"{path} is of another version of eigenspan: let that version send what it owes, then remove the file"
            )
        self._db.executescript(f"PRAGMA user_version={_LAYOUT};" + _SCHEMA)

    def checkpoint(self) -> Checkpoint | None:
        """Where the last commit stood; None on a new database."""
        meta = dict(self._query("SELECT name, value FROM meta WHERE name IN ('replay_from', 'through', 'log_ns')"))
        return Checkpoint(**meta) if len(meta) == 3 else None

    def saved(self, name: str) -> bytes | None:
        """A stage's state as it was at the last commit."""
        rows = self._query("SELECT value FROM meta WHERE name = ?", (f"state:{name}",))
        return rows[0][0] if rows else None

    def saved_under(self, prefix: str) -> dict[str, bytes]:
        """The states of the stages whose names begin with `prefix`, as they were at the last commit, by the rest of the name."""
        start = f"state:{prefix}"
        rows = self._query("SELECT substr(name, ?), value FROM meta WHERE substr(name, 1, ?) = ?",
                           (len(start) + 1, len(start), start))  # fmt: skip
        return dict(rows)

    def commit(
        self,
        checkpoint: Checkpoint,
        *,
        kept: Iterable[bytes] = (),
        dropped: bytes = b"",
        items: Iterable[tuple[Signal, Item]] = (),
        answered: Iterable[tuple[str, bytes, str]] = (),
        ended: Mapping[JobKey, bool] | None = None,
        exporters: dict[Signal, Sequence[str]],
        now_ns: int,
        stages: dict[str, bytes] | None = None,
    ) -> None:
        """Write one tick: what was decided, what is to be sent by whom, and how far it goes."""
        meta: list[tuple[str, int | bytes]] = [
            ("replay_from", checkpoint.replay_from),
            ("through", checkpoint.through),
            ("log_ns", checkpoint.log_ns),
        ]
        meta += [(f"state:{name}", value) for name, value in (stages or {}).items()]
        with self._lock, self._transaction():
            db = self._db
            db.executemany(
                "INSERT INTO kept (decided_ns, decisions) VALUES (?,?)", [(now_ns, packed) for packed in kept]
            )
            if dropped:
                db.execute("INSERT INTO dropped (decided_ns, traces) VALUES (?,?)", (now_ns, dropped))
            db.executemany("UPDATE wanted SET outcome=?3 WHERE tenant=?1 AND trace=?2", answered)
            jobs = [(*job, failed, now_ns) for job, failed in (ended or {}).items()]
            db.executemany("INSERT OR REPLACE INTO job VALUES (?,?,?,?,?)", jobs)
            for signal, item in items:
                if exporters[signal]:
                    self._insert(signal, item, exporters[signal])
            db.executemany("INSERT OR REPLACE INTO meta VALUES (?,?)", meta)

    def kept(self) -> list[bytes]:
        """Every packed list of kept traces still in its window, oldest first."""
        return [row[0] for row in self._query("SELECT decisions FROM kept ORDER BY id")]

    def dropped(self) -> list[tuple[int, bytes]]:
        """Every packed list of dropped traces still in its window with when it was decided, oldest first."""
        return [(row[0], row[1]) for row in self._query("SELECT decided_ns, traces FROM dropped ORDER BY id")]

    def ended_jobs(self) -> list[tuple[JobKey, bool]]:
        """Jobs that ended in the window, the oldest first, and whether they failed."""
        rows = self._query("SELECT tenant, provider, id, failed FROM job ORDER BY ended_ns")
        return [((tenant, provider, job), bool(failed)) for tenant, provider, job, failed in rows]

    def want(self, tenant: str, trace: bytes) -> None:
        """Ask for a dropped trace."""
        with self._lock, self._transaction():
            self._db.execute("INSERT OR REPLACE INTO wanted VALUES (?,?,NULL)", (tenant, trace))

    def wanted(self) -> list[tuple[str, bytes]]:
        """What was asked for and not answered yet: tenant and trace."""
        return [(row[0], row[1]) for row in self._query("SELECT tenant, trace FROM wanted WHERE outcome IS NULL")]

    def outcome(self, tenant: str, trace: bytes) -> str | None:
        """What came of asking for a trace; None before it was looked into. An outcome is told once."""
        rows = self._query("SELECT outcome FROM wanted WHERE tenant=? AND trace=?", (tenant, trace))
        if not rows or rows[0][0] is None:
            return None
        with self._lock, self._transaction():
            self._db.execute("DELETE FROM wanted WHERE tenant=? AND trace=?", (tenant, trace))
        return str(rows[0][0])

    def forget_dropped(self) -> None:
        """Forget the packed dropped traces: another place holds them now."""
        with self._lock, self._transaction():
            self._db.execute("DELETE FROM dropped")

    def forget(self, decided_before_ns: int) -> None:
        """Forget decisions whose window has passed."""
        with self._lock, self._transaction():
            self._db.execute("DELETE FROM kept WHERE decided_ns < ?", (decided_before_ns,))
            self._db.execute("DELETE FROM dropped WHERE decided_ns < ?", (decided_before_ns,))
            self._db.execute("DELETE FROM job WHERE ended_ns < ?", (decided_before_ns,))

    def waiting(self, exporter: str, *, limit_bytes: int = 3 << 20) -> list[Outgoing]:
        """The next items that `exporter` owes, oldest first, up to `limit_bytes` (at least one)."""
        chosen: list[tuple[int, Signal, int]] = []
        total = 0
        for id_, signal, size in self._query(
            "SELECT i.id, i.signal, i.bytes FROM outbox o JOIN item i ON i.id = o.item "
            "WHERE o.exporter = ? AND o.parked IS NULL ORDER BY o.item LIMIT 2000",
            (exporter,),
        ):
            if chosen and (total + size > limit_bytes or signal != chosen[0][1]):
                break
            chosen.append((id_, signal, size))
            total += size
        return [Outgoing(id_, signal, item, size) for id_, signal, size in chosen for item in self._item(id_)]

    def _item(self, id_: int) -> list[Item]:
        """The item, if it is still there."""
        rows = self._query("SELECT body FROM item WHERE id = ?", (id_,))
        return [msgspec.msgpack.decode(row[0], type=Item) for row in rows]

    def sent(self, exporter: str, items: Iterable[int]) -> None:
        """Strike rows off: `exporter` has delivered them."""
        with self._lock, self._transaction():
            self._strike(exporter, items)

    def _strike(self, exporter: str, items: Iterable[int]) -> None:
        ids = [(exporter, item) for item in items]
        self._db.executemany("DELETE FROM outbox WHERE exporter = ? AND item = ?", ids)
        self._db.executemany(
            "DELETE FROM item WHERE id = ?1 AND NOT EXISTS (SELECT 1 FROM outbox WHERE item = ?1)",
            [(item,) for _, item in ids],
        )

    def _insert(self, signal: Signal, item: Item, exporters: Iterable[str]) -> int:
        row = (signal, item.first_position(), item.size_bytes(), msgspec.msgpack.encode(item))
        id_ = self._db.execute("INSERT INTO item (signal, first_position, bytes, body) VALUES (?,?,?,?)", row).lastrowid
        assert id_ is not None
        self._db.executemany("INSERT INTO outbox (exporter, item) VALUES (?,?)", [(e, id_) for e in exporters])
        return id_

    def divide(self, exporter: str, row: Outgoing, parts: Sequence[Item]) -> list[Outgoing]:
        """Put several rows in the place of one that `exporter` owes."""
        with self._lock, self._transaction():
            ids = [self._insert(row.signal, part, [exporter]) for part in parts]
            self._strike(exporter, [row.id])
        return [Outgoing(id_, row.signal, part, part.size_bytes()) for id_, part in zip(ids, parts, strict=True)]

    def release(self, exporters: Iterable[str]) -> int:
        """Strike off the rows of every other exporter than these; returns how many there were."""
        names = list(exporters)
        with self._lock, self._transaction():
            marks = ",".join("?" * len(names))
            gone = self._db.execute(f"DELETE FROM outbox WHERE exporter NOT IN ({marks})", names).rowcount
            if gone:
                self._db.execute("DELETE FROM item WHERE NOT EXISTS (SELECT 1 FROM outbox WHERE item = item.id)")
        return gone

    def park(self, exporter: str, item: int, reason: str) -> None:
        """Set one row aside that the far end refuses for good; it stays, with the reason, until someone decides."""
        with self._lock, self._transaction():
            self._db.execute("UPDATE outbox SET parked = ? WHERE exporter = ? AND item = ?", (reason, exporter, item))

    def parked(self) -> list[Parked]:
        """Every row that was set aside, the oldest first."""
        rows = self._query(
            "SELECT o.item, o.exporter, i.signal, i.body, o.parked FROM outbox o JOIN item i ON i.id = o.item "
            "WHERE o.parked IS NOT NULL ORDER BY o.item"
        )
        decode = msgspec.msgpack.decode
        return [
            Parked(id_, exporter, signal, decode(body, type=Item), why) for id_, exporter, signal, body, why in rows
        ]

    def unpark(self, items: Iterable[int] | None, exporter: str | None) -> int:
        """Let rows that were set aside be sent again (None: all, of all exporters); how many there were."""
        where, values = _chosen(items, exporter)
        with self._lock, self._transaction():
            return self._db.execute(f"UPDATE outbox SET parked = NULL WHERE {where}", values).rowcount

    def give_up(self, items: Iterable[int] | None, exporter: str | None) -> int:
        """Delete rows that were set aside (None: all, of all exporters); how many there were."""
        where, values = _chosen(items, exporter)
        with self._lock, self._transaction():
            gone = self._db.execute(f"DELETE FROM outbox WHERE {where}", values).rowcount
            self._db.execute("DELETE FROM item WHERE NOT EXISTS (SELECT 1 FROM outbox WHERE item = item.id)")
        return gone

    def backlog(self) -> dict[str, tuple[int, int]]:
        """For each exporter that owes anything: rows waiting, rows parked."""
        rows = self._query(
            "SELECT exporter, sum(parked IS NULL), sum(parked IS NOT NULL) FROM outbox GROUP BY exporter"
        )
        return {name: (waiting, parked) for name, waiting, parked in rows}

    def oldest_referenced(self) -> int | None:
        """The oldest position that an undelivered (or parked) row refers to."""
        return self._query("SELECT min(first_position) FROM item")[0][0]  # type: ignore[no-any-return]

    def referenced(self, before: int) -> set[int]:
        """The positions below `before` that undelivered (or parked) rows refer to."""
        ids = self._query("SELECT id FROM item WHERE first_position < ?", (before,))
        return {p for row in ids for item in self._item(row[0]) for p in item.positions() if p < before}

    def close(self) -> None:
        """Close the database."""
        with self._lock:
            self._db.close()

    def _query(self, sql: str, parameters: tuple[object, ...] = ()) -> list[tuple]:  # type: ignore[type-arg]
        with self._lock:
            return self._db.execute(sql, parameters).fetchall()

    def _transaction(self) -> _Transaction:
        return _Transaction(self._db)


def _chosen(items: Iterable[int] | None, exporter: str | None) -> tuple[str, list[int | str]]:
    """The condition for rows that were set aside, and its values."""
    where, values = "parked IS NOT NULL", list[int | str]()
    if items is not None:
        values += list(items)
        where += f" AND item IN ({','.join('?' * len(values))})"
    if exporter is not None:
        where, values = where + " AND exporter = ?", [*values, exporter]
    return where, values


class _Transaction:
    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db

    def __enter__(self) -> None:
        self._db.execute("BEGIN IMMEDIATE")

    def __exit__(self, kind: object, *rest: object) -> None:
        try:
            if kind is None:
                self._db.execute("COMMIT")
        finally:
            if self._db.in_transaction:  # SQLite ends it by itself where the disk is full
                self._db.execute("ROLLBACK")
