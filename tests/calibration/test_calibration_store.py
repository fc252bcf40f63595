"""The store: content once, instants as often as published, late arrivals, restarts."""

from __future__ import annotations

import sqlite3
import threading
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from eigenspan.calibration import CalibrationError, CalibrationStore, Snapshot, StatusSample
from eigenspan.calibration import store as module
from eigenspan.calibration.importers import ibm as importer
from eigenspan.calibration.importers import shipped


def counts(store: CalibrationStore) -> tuple[int, int]:
    with closing(sqlite3.connect(store.path)) as db:
        one = [db.execute(f"SELECT count(*) FROM {table}").fetchone()[0] for table in ("documents", "observations")]
    return one[0], one[1]


def test_put_is_idempotent(store: CalibrationStore, ibm: dict[str, Snapshot]) -> None:
    outcomes = [store.put(ibm["props_lima.json"]).outcome for _ in range(3)]
    assert outcomes == ["new", "known", "known"]
    assert counts(store) == (1, 1)


def test_the_same_content_restamped_is_no_new_version(
    store: CalibrationStore, raw_ibm: dict[str, dict[str, Any]]
) -> None:
    raw = raw_ibm["props_lima.json"]
    later = raw | {"last_update_date": "2021-04-01T00:00:00Z"}
    assert store.put(importer.from_documents(raw)).outcome == "new"
    assert store.put(importer.from_documents(later)).outcome == "restamped"
    assert counts(store) == (1, 2)
    timeline = store.index().timeline("ibm", "lima")
    assert len(timeline) == 1
    assert timeline[0].valid_to_ns is None


def test_equal_content_under_two_offsets_is_one(store: CalibrationStore, history_files: list[Path]) -> None:
    names = ("bogota_20200716T011513.json.gz", "bogota_20200716T051513.json.gz")
    files = [path for path in history_files if path.name in names]
    assert [store.import_file(path).outcome for path in files] == ["new", "known"]


def test_late_arrivals_take_their_place(tmp_path: Path, history: dict[str, Snapshot]) -> None:
    series = [s for name, s in history.items() if name.startswith("valencia_")]
    timelines = []
    for i, order in enumerate((series, series[::-1], series[3:] + series[:3])):
        with CalibrationStore(tmp_path / f"{i}.db") as store:
            for snapshot in order:
                store.put(snapshot)
                store.index()
            timelines.append(store.index().timeline("ibm", "ibmq_valencia"))
    assert timelines[0] == timelines[1] == timelines[2]
    assert len(timelines[0]) == 10
    for before, after in zip(timelines[0], timelines[0][1:], strict=False):
        assert before.valid_to_ns == after.valid_from_ns


def test_documents_survive_a_restart_and_are_read_lazily(tmp_path: Path, ibm: dict[str, Snapshot]) -> None:
    path = tmp_path / "deep" / "calibration.db"
    with CalibrationStore(path) as store:
        for name in ("props_lima.json", "props_torino.json"):
            store.put(ibm[name])
    with CalibrationStore(path) as store:
        torino = ibm["props_torino.json"]
        assert len(store.index().summaries) == 2
        assert not store._documents
        assert store.document(torino.snapshot.version) == torino
        assert store.document(torino.snapshot.version) is store.document(torino.snapshot.version)
        assert store.document(torino.snapshot.version[:23]) == torino
        for unknown in ("sha256:none", "sha256:", "sha256:" + "0" * 64, "", "%"):
            with pytest.raises(KeyError):
                store.document(unknown)


def test_the_document_cache_is_bounded(store: CalibrationStore, ibm: dict[str, Snapshot]) -> None:
    with store.batch():
        versions = [store.put(snapshot).version for snapshot in ibm.values()]
    for version in versions:
        store.document(version)
    assert len(store._documents) == module.DOCUMENTS_IN_MEMORY


def test_a_batch_is_all_or_nothing(store: CalibrationStore, ibm: dict[str, Snapshot]) -> None:
    def put_and_fail() -> None:
        with store.batch():
            store.put(ibm["props_lima.json"])
            raise RuntimeError

    with pytest.raises(RuntimeError):
        put_and_fail()
    assert counts(store) == (0, 0)
    assert store.put(ibm["props_lima.json"]).outcome == "new"


def test_a_batch_that_cannot_be_committed_leaves_the_store_usable(
    store: CalibrationStore, ibm: dict[str, Snapshot]
) -> None:
    """As where the disk is full: SQLite then leaves the transaction open."""
    snapshot = next(iter(ibm.values()))
    before = counts(store)

    def fail_at_the_commit() -> None:
        with store.batch():
            store.put(snapshot)
            store._db.execute("PRAGMA defer_foreign_keys=ON")
            store._db.execute("INSERT INTO observations VALUES ('p', 'b', 1, 'no such document', '')")

    with pytest.raises(sqlite3.IntegrityError):
        fail_at_the_commit()
    assert counts(store) == before
    assert store.put(snapshot).outcome == "new"
    assert len(store.index().backends) == 1


def test_a_snapshot_with_a_false_version_is_refused(
    store: CalibrationStore, raw_ibm: dict[str, dict[str, Any]]
) -> None:
    snapshot = importer.from_documents(raw_ibm["props_lima.json"])
    snapshot.snapshot.version = "sha256:" + "0" * 64
    with pytest.raises(CalibrationError, match="not that of its content"):
        store.put(snapshot)
    assert counts(store) == (0, 0)


def test_a_store_of_another_format_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "calibration.db"
    with closing(sqlite3.connect(path)) as db:
        db.execute("PRAGMA user_version=99")
    with pytest.raises(CalibrationError, match="format 99"):
        CalibrationStore(path)


def test_the_index_follows_other_processes(tmp_path: Path, ibm: dict[str, Snapshot]) -> None:
    path = tmp_path / "calibration.db"
    with CalibrationStore(path) as ours, CalibrationStore(path) as theirs:
        assert ours.index().backends == []
        assert ours.index() is ours.index()
        theirs.put(ibm["props_lima.json"])
        assert [series.name for series in ours.index().backends] == ["lima"]


def test_aliases_and_statuses(store: CalibrationStore, ibm: dict[str, Snapshot]) -> None:
    store.put(ibm["props_lima.json"])
    store.add_alias("ibm", "the small one", "ibmq_lima")
    store.put_status(StatusSample("ibm", "ibmq_lima", 100, "active", 4_000, lower_bound=True))
    store.put_status(StatusSample("ibm", "ibmq_lima", 100, "active", 4_001, lower_bound=True))
    index = store.index()
    assert index.match("ibm", "The Small One", 2 * 10**18).kind == "as_of_unconfirmed"
    status = index.status("ibm", "lima", 200)
    assert status is not None
    assert (status.queue_length, status.lower_bound) == (4_001, True)


def test_a_poll_confirms_and_an_older_one_takes_nothing_back(store: CalibrationStore, ibm: dict[str, Snapshot]) -> None:
    store.put(ibm["props_lima.json"])
    at = 1_800_000_000 * 10**9
    for polled, kind in ((at - 1, "as_of_unconfirmed"), (at, "as_of"), (at - 5, "as_of")):
        store.put_poll("ibm", "ibmq_lima", polled)
        assert store.index().match("ibm", "lima", at).kind == kind


def test_statuses_keep_all_that_was_said_for_a_month(store: CalibrationStore) -> None:
    month = module.STATUSES_KEPT_NS
    said = StatusSample("ionq", "Aria-1", month, "busy", 3, True, 12.5, 7, 1, 2)
    store.put_status(said)
    assert store.index().status("ionq", "qpu.aria-1", month + 1) == said
    store.put_status(StatusSample("ionq", "Aria-1", 2 * month + 1, "offline"))
    assert store.index().status("ionq", "aria-1", month + 1) is None


def test_what_is_refused_is_kept_apart_with_its_reason(store: CalibrationStore) -> None:
    for i in range(module.QUARANTINE_KEPT + 5):
        store.quarantine(b"%d" % i, CalibrationError(f"poll {i}", "half a document", "ask again"), i)
    listed = store.quarantined()
    assert len(listed) == module.QUARANTINE_KEPT
    assert listed[0].reason == f"poll {i}: half a document; ask again"
    assert store.quarantined_body(listed[0].raw_sha256) == b"%d" % i
    assert not store.index().backends
    with pytest.raises(KeyError):
        store.quarantined_body("0")


def test_a_store_of_the_first_format_is_taken_on(tmp_path: Path, ibm: dict[str, Snapshot]) -> None:
    path = tmp_path / "calibration.db"
    with closing(sqlite3.connect(path)) as db:
        db.executescript(module._TABLES)
        db.execute("INSERT INTO statuses VALUES ('ibm', 'ibmq_lima', 5, 'busy', 3, 0)")
        db.execute("PRAGMA user_version=1")
        db.commit()
    with CalibrationStore(path) as store:
        assert store.put(ibm["props_lima.json"]).outcome == "new"
        assert store.index().status("ibm", "lima", 6) == StatusSample("ibm", "ibmq_lima", 5, "busy", 3)


def test_threads_may_share_a_store(store: CalibrationStore, ibm: dict[str, Snapshot]) -> None:
    snapshots = [ibm[name] for name in sorted(ibm)[:8]]
    failures: list[Exception] = []

    def work() -> None:
        try:
            for snapshot in snapshots:
                store.put(snapshot)
                store.index()
                store.document(snapshot.snapshot.version)
        except Exception as error:  # noqa: BLE001
            failures.append(error)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures
    assert counts(store)[0] == 8


def test_shipped_calibrations_are_imported_once(
    store: CalibrationStore, ibm: dict[str, Snapshot], google: dict[str, Snapshot]
) -> None:
    first = shipped.import_shipped(store)
    assert {report.outcome for report in first} == {"new"}
    assert len(first) == len(ibm) + len(google) == 72
    assert {report.outcome for report in shipped.import_shipped(store)} == {"known"}
    index = store.index()
    now = 1_800_000_000 * 10**9
    for report in first:
        assert report.backend is not None
        match = index.match(report.provider, report.backend, now)
        assert match.kind == ("as_of" if report.backend.startswith("fake_") else "as_of_unconfirmed")
        if report.backend.startswith("fake_") or report.provider == "google":
            assert match.snapshot is not None
            assert match.snapshot.version == report.version
    assert counts(store)[0] == 72


def test_a_damaged_sdk_file_is_reported_and_the_rest_stored(
    store: CalibrationStore, tmp_path: Path, ibm_backends: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("lima", "quito"):
        target = tmp_path / "fake_provider" / "backends" / name
        target.mkdir(parents=True)
        for path in (ibm_backends / name).glob("*.*"):
            (target / path.name).write_bytes(path.read_bytes())
    (tmp_path / "fake_provider" / "backends" / "lima" / "props_lima.json").write_bytes(b'{"backend_name": "ibmq_lima"')
    monkeypatch.setattr(shipped, "_package", lambda name: tmp_path if name == "qiskit_ibm_runtime" else None)
    reports = {report.backend: report for report in shipped.import_shipped(store)}
    assert reports["fake_lima"].outcome == "failed"
    assert "props_lima.json" in (reports["fake_lima"].message or "")
    assert reports["fake_quito"].outcome == "new"


def test_without_sdks_nothing_is_shipped(store: CalibrationStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shipped, "_package", lambda _name: None)
    assert shipped.import_shipped(store) == []
