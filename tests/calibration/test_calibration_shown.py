"""Every real document: it imports, is plausible, validates against the published schema, and survives the store."""

from __future__ import annotations

import json
from pathlib import Path

import jsonschema
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from eigenspan.calibration import AsOfIndex, CalibrationStore, Snapshot, Summary, plausible, snapshot, summarise
from eigenspan.calibration.asof import KINDS, Observed
from eigenspan.calibration.importers import detect
from eigenspan.calibration.importers.detect import Hints
from tests.bench import calibration as bench
from tests.calibration.conftest import REPOSITORY


@pytest.fixture(scope="module")
def every(ibm: dict[str, Snapshot], google: dict[str, Snapshot], shared_data: Path) -> dict[str, Snapshot]:
    """All that the SDKs ship and all under the shared data directory."""
    files = sorted((shared_data / "calibration").rglob("*.json.gz"))
    shared = {path.name: detect.import_path(path, Hints(backend=path.name.split("_2")[0])) for path in files}
    return ibm | google | shared


def test_all_of_them(every: dict[str, Snapshot], shared_data: Path) -> None:
    files = list((shared_data / "calibration").rglob("*.json.gz"))
    assert len(every) == 69 + 3 + len(files)
    assert sum(path.parent.name == "braket" for path in files) == 8
    assert sum(path.parent.name == "ibm-history" for path in files) > 150
    for found in every.values():
        plausible.check(found)
        assert found.snapshot.version == snapshot.version_of(found)
        assert snapshot.from_json(snapshot.to_json(found)) == found
        assert summarise(found).t1_median_s is not None


def test_they_follow_the_published_schema(every: dict[str, Snapshot]) -> None:
    schema = json.loads((REPOSITORY / "schemas" / "calibration-snapshot.json").read_text())
    check = jsonschema.validators.validator_for(schema)(schema)
    chosen = [s for name, s in every.items() if s.backend.provider != "ibm"]
    chosen += [s for name, s in sorted(every.items()) if s.backend.provider == "ibm" and s.backend.num_qubits < 30][::5]
    for found in chosen:
        check.validate(json.loads(snapshot.to_json(found)))
    assert {s.backend.provider for s in chosen} == {"ibm", "google", "rigetti", "iqm", "ionq", "oqc"}


def test_they_live_together_in_one_store(every: dict[str, Snapshot], store: CalibrationStore) -> None:
    with store.batch():
        outcomes = [store.put(found).outcome for found in every.values()]
    assert outcomes.count("new") == len({s.snapshot.version for s in every.values()})
    index = store.index()
    for found in every.values():
        match = index.match(found.backend.provider, found.backend.name, summarise(found).valid_from_ns)
        assert match.kind == "as_of"
        assert match.snapshot is not None
        assert match.snapshot.valid_from_ns <= summarise(found).valid_from_ns


@given(
    valid_from=st.lists(st.integers(1, 50), min_size=1, max_size=8),
    polled=st.one_of(st.none(), st.integers(1, 60)),
    executed=st.integers(-3, 60),
)
def test_the_kind_of_a_match_is_what_its_definition_says(
    valid_from: list[int], polled: int | None, executed: int
) -> None:
    entries = [
        Observed(
            "ibm_x", Summary(provider="ibm", backend="ibm_x", version=f"v{at % 3}", valid_from_ns=at, num_qubits=1)
        )
        for at in valid_from
    ]
    built = AsOfIndex(entries, polls={} if polled is None else {("ibm", "ibm_x"): polled})
    if executed <= 0 or executed < min(valid_from):
        expected = "none"
    else:
        asked = [*valid_from, *([] if polled is None else [polled])]
        expected = "as_of" if any(at >= executed for at in asked) else "as_of_unconfirmed"
    assert built.match("ibm", "ibm_x", executed).kind == expected
    assert KINDS[built.match_codes(np.array([built.series_code("ibm", "x")]), np.array([executed])).kind[0]] == expected


def test_a_year_is_loaded_in_seconds_and_joined_in_fractions_of_a_microsecond(tmp_path: Path) -> None:
    """A quarter of the whole load, with room for a busy machine; tests/bench/calibration.py measures the goals."""
    found = bench.run(tmp_path / "calibration.db", 3, 8_760)
    assert found["load_s"] < 5
    assert found["join_us"] < 1
    assert found["follow_s"] < 0.1
