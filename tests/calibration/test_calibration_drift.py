"""Drift between snapshots, doubts about one, and what follows from them: events, gauges and commands."""

from __future__ import annotations

import copy
import itertools
import json
import statistics
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest
from click.testing import CliRunner, Result
from hypothesis import given, settings
from hypothesis import strategies as st

from eigenspan.calibration import (
    CalibrationError,
    CalibrationStore,
    Snapshot,
    StatusSample,
    changes,
    instants,
    summarise,
)
from eigenspan.calibration.backends import series_of
from eigenspan.calibration.drift import THRESHOLDS, drift, quality
from eigenspan.calibration.gauges import gauges
from eigenspan.calibration.importers import detect
from eigenspan.calibration.snapshot import version_of
from eigenspan.cli.calibration import calibration
from eigenspan.schema.registry import registry

FEZ = ("fez_20250122T144107.json.gz", "fez_20250123T113551.json.gz")


def scaled(snapshot: Snapshot, valid_from: str, **factors: float) -> Snapshot:
    """The snapshot with its qubit columns multiplied, as of another instant."""
    other = copy.deepcopy(snapshot)
    for name, factor in factors.items():
        column = getattr(other.qubits, name)
        setattr(other.qubits, name, [None if value is None else value * factor for value in column])
    other.snapshot.valid_from = valid_from
    other.snapshot.version = version_of(other)
    return other


def by_metric(found: Any) -> dict[str, Any]:
    return {change.metric: change for change in found.changes}


def test_medians_agree_with_the_summaries(history: dict[str, Snapshot]) -> None:
    names = sorted(history)
    pairs = [(a, b) for a, b in itertools.pairwise(names) if a.partition("_")[0] == b.partition("_")[0]]
    compared = 0
    for a, b in pairs:
        try:
            found = by_metric(drift(history[a], history[b]))
        except CalibrationError:
            continue
        compared += 1
        for snapshot, which in ((history[a], "before"), (history[b], "after")):
            summary = summarise(snapshot)
            assert getattr(found["t1"], which) == summary.t1_median_s
            assert getattr(found["t2"], which) == summary.t2_median_s
            assert getattr(found["readout_error"], which) == summary.readout_error_median
            assert getattr(found["single_qubit_error"], which) == summary.single_qubit_error_median
            assert getattr(found["two_qubit_error"], which) == summary.two_qubit_error_median
    assert compared > 100


def test_what_is_usual_between_real_snapshots(history: dict[str, Snapshot], ibm: dict[str, Snapshot]) -> None:
    """The measured figures from which the thresholds come, at the level that matters: below them most of the time."""
    close = []
    published = {
        (series_of("ibm", s.backend.name), s.snapshot.valid_from): s for s in (*history.values(), *ibm.values())
    }
    for (a_series, a_from), a in published.items():
        for (b_series, b_from), b in published.items():
            apart_s = (instants.parse(b_from) - instants.parse(a_from)) / 1e9
            if a_series == b_series and 0 < apart_s < 60 * 3600 and a.qubits.id == b.qubits.id:
                close.append(by_metric(drift(a, b)))
    assert len(close) == 8
    typical = {
        metric: statistics.median(f[metric].typical for f in close if f[metric].typical is not None)
        for metric in THRESHOLDS
    }
    assert all(0.05 < typical[metric] < THRESHOLDS[metric] for metric in typical)
    significant = sum(found[metric].significant for found in close for metric in THRESHOLDS)
    assert significant / (8 * len(THRESHOLDS)) < 0.2


def test_a_stuck_readout_is_found_in_a_real_pair(history: dict[str, Snapshot]) -> None:
    found = drift(*(history[name] for name in FEZ))
    readout = by_metric(found)["readout_error"]
    assert readout.significant
    assert (readout.before, round(readout.after, 3)) == (1.0, 0.008)
    assert not by_metric(found)["two_qubit_error"].significant
    assert found.significant
    assert found.seconds == 75_284


@settings(max_examples=30, deadline=None)
@given(st.floats(0.3, 3.0))
def test_a_uniform_change_is_seen_as_it_is(factor: float) -> None:
    (lima,) = _lima()
    found = by_metric(drift(lima, scaled(lima, "2026-01-01T00:00:00Z", t1_s=factor)))
    assert found["t1"].change == pytest.approx(factor - 1)
    assert found["t1"].typical == pytest.approx(abs(factor - 1))
    if abs(abs(factor - 1) - THRESHOLDS["t1"]) > 1e-9:
        assert found["t1"].significant is (abs(factor - 1) > THRESHOLDS["t1"])
    assert (found["t1"].worst is not None) is (factor < 1)
    assert found["t2"].change == 0
    assert not found["t2"].significant


_held: list[Snapshot] = []


@pytest.fixture(autouse=True)
def _hold(ibm: dict[str, Snapshot]) -> None:
    _held[:] = [ibm["props_lima.json"]]


def _lima() -> list[Snapshot]:
    return _held


def test_lost_and_recovered(ibm: dict[str, Snapshot]) -> None:
    before = ibm["props_lima.json"]
    after = copy.deepcopy(before)
    after.qubits.operational[3] = False
    cx = next(g for g in after.gates if g.name == "cx")
    for i, site in enumerate(cx.sites):
        if sorted(site) == [0, 1]:
            cx.operational[i], cx.error[i] = False, None
    found, back = drift(before, after), drift(after, before)
    assert (found.lost_qubits, found.lost_pairs) == (["3"], ["0,1"])
    assert (back.recovered_qubits, back.recovered_pairs) == (["3"], ["0,1"])
    assert (back.lost_qubits, back.lost_pairs) == ([], [])
    assert found.significant
    assert not back.significant


def test_different_machines_are_not_compared(ibm: dict[str, Snapshot]) -> None:
    with pytest.raises(CalibrationError, match="different qubits"):
        drift(ibm["props_lima.json"], ibm["props_torino.json"])


def _date(text: str) -> datetime:
    return datetime.fromisoformat(text)


def test_doubts_are_those_of_the_pitfalls(ibm: dict[str, Snapshot], raw_ibm: dict[str, dict[str, Any]]) -> None:
    counted: dict[str, int] = {}
    for snapshot in ibm.values():
        for finding in quality(snapshot):
            counted[finding.kind] = counted.get(finding.kind, 0) + finding.count
            assert len(finding.sites) <= finding.count
    assert counted["error_sentinel"] == 1_059
    assert counted["t2_gt_2t1"] == 58
    assert counted["readout_ge_half"] == 32
    assert counted["stuck_readout"] == 25
    for name, kind in (("T1", "stale_t1"), ("T2", "stale_t2"), ("readout_error", "stale_readout")):
        old = [
            value
            for document in raw_ibm.values()
            for qubit in document["qubits"]
            for value in qubit
            if value["name"] == name and _date(document["last_update_date"]) - _date(value["date"]) > timedelta(days=7)
        ]
        assert counted[kind] == len(old) > 0


def test_events_of_a_new_snapshot(store: CalibrationStore, ibm: dict[str, Snapshot]) -> None:
    before = ibm["props_lima.json"]
    worse = scaled(before, "2026-01-01T00:00:00Z", t1_s=0.5, readout_error=1.01)
    worse.qubits.operational[2] = False
    worse.snapshot.version = version_of(worse)
    for snapshot in (before, worse):
        store.put(snapshot)
        changes.record(store, snapshot)
        changes.record(store, snapshot)  # the same events again
    listed = store.events()
    assert [event.name for event in listed].count("quantum.backend.calibration_change") == 2
    hardware = [event.attributes for event in listed if event.name == "quantum.hardware.event"]
    assert {a["quantum.hardware.change"] for a in hardware} == {"drift", "qubit_disabled"}
    assert {tuple(a.get("quantum.circuit.physical_qubits", ())) for a in hardware} == {(), ("2",)}
    assert all(event.at_ns == instants.parse("2026-01-01T00:00:00Z") for event in listed[:3])
    model = registry()
    for event in listed:
        assert event.name in model.events
        assert set(event.attributes) <= set(model.events[event.name].listed)
    assert store.events(since_ns=instants.parse("2026-01-01T00:00:01Z")) == []


def test_gauges_of_backends_that_are_polled(store: CalibrationStore, history: dict[str, Snapshot]) -> None:
    now = instants.parse("2026-01-01T00:00:00Z")
    fez = [history[name] for name in FEZ]
    for snapshot in (*fez, *(s for name, s in history.items() if name.startswith("hanoi"))):
        store.put(snapshot)
    store.put_poll("ibm", "ibm_fez", now)
    store.put_status(StatusSample("ibm", "ibm_fez", now - 10**9, "busy", 7, rate_limit_remaining=3))
    store.put_status(StatusSample("ionq", "aria-1", now - 2 * 86_400 * 10**9, "idle", rate_limit_remaining=1))
    rows = {gauge.name: gauge.rows for gauge in gauges(store.index(), now)}
    assert rows["provider_rate_limit_remaining"] == [({"provider": "ibm"}, 3)]
    own = {"quantum_provider_name": "ibm", "quantum_backend_name": "ibm_fez"}
    found = {
        labels.pop("quantum_backend_calibration_quantity"): (labels, value)
        for labels, value in rows["quantum_backend_calibration_drift"]
    }
    expected = {change.metric: (own, change.change) for change in drift(*fez).changes}
    assert found == {metric: (own, pytest.approx(value)) for metric, (_, value) in expected.items()}


@pytest.fixture
def run(tmp_path: Path) -> Any:
    def invoke(*arguments: object) -> Result:
        command, *rest = map(str, arguments)
        return CliRunner().invoke(calibration, [command, "--data", str(tmp_path), *rest])

    return invoke


@pytest.fixture
def fez(history_files: list[Path]) -> list[Path]:
    return [path for path in history_files if path.name in FEZ]


def test_diff_by_file_version_and_time(run: Any, fez: list[Path]) -> None:
    assert run("import", *fez).exit_code == 0
    by_file = json.loads(run("diff", *fez, "--json").output)
    assert by_file["significant"]
    versions = [by_file["before"], by_file["after"][7:30]]
    at = ["ibm_fez@2025-01-22T20:00:00Z", "fez@2025-02-01T00:00:00Z"]
    for pair in (versions, at):
        assert json.loads(run("diff", *pair, "--json").output) == by_file
    shown = run("diff", *at, "--fail")
    assert shown.exit_code == 1
    assert "readout_error" in shown.output
    assert run("diff", *at, "--fail", "--threshold", "readout_error=2").exit_code == 0


BAD = [
    (("diff", "nope", "nope"), "no file, version or BACKEND@TIME"), (("diff", "fez@noon", "fez@noon"), "noon"),
    (("diff", "fez@2001-01-01T00:00:00Z", "x"), "the first snapshot is of"), (("diff", "0" * 64, "0" * 64), "has the version"),
    (("diff", "a", "b", "--threshold", "beauty=1"), "write METRIC=FRACTION"), (("history", "nope"), "no snapshot of"),
    (("quality", "nope"), "no snapshot of"),
]  # fmt: skip


@pytest.mark.parametrize(("arguments", "message"), BAD)
def test_bad_arguments_are_explained(run: Any, fez: list[Path], arguments: Any, message: str) -> None:
    run("import", *fez)
    found = run(*arguments)
    assert found.exit_code in (1, 2)
    assert message in found.output
    assert "Traceback" not in found.output


def test_history_and_quality(run: Any, fez: list[Path]) -> None:
    run("import", *fez)
    first, second = json.loads(run("history", "ibm_fez", "--json").output)
    assert (first["drifted"], second["drifted"]) == ([], ["readout_error"])
    assert len(run("history", "fez", "--since", "2025-01-23T00:00:00Z").output.splitlines()) == 2
    newest = json.loads(run("quality", "ibm_fez", "--json").output)
    assert newest == msgspec.to_builtins(quality(detect.import_path(fez[1])))
    kinds = {finding["kind"] for finding in json.loads(run("quality", fez[0], "--json").output)}
    assert {"error_sentinel", "readout_ge_half"} <= kinds
    assert "stale_t1" in run("quality", "fez", "--stale-days", "0.01").output


def test_what_import_refuses_is_listed(run: Any, tmp_path: Path) -> None:
    bad = tmp_path / "bad.json"
    bad.write_text('{"hello": 1}')
    assert run("import", bad).exit_code == 1
    (entry,) = json.loads(run("quarantine", "--json").output)
    assert "no known format" in entry["reason"]
    assert "no known format" in run("quarantine").output
