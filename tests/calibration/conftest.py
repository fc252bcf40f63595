"""Real calibration documents: those that the installed SDKs ship, and those under the shared data directory."""

from __future__ import annotations

import gzip
import importlib.util
import json
import os
from pathlib import Path
from typing import Any

import pytest

from eigenspan.calibration import CalibrationStore, Snapshot
from eigenspan.calibration.importers import detect, shipped

REPOSITORY = Path(__file__).resolve().parents[2]
SHARED = Path(os.environ.get("EIGENSPAN_SHARED_DATA", REPOSITORY.parent / "shared" / "data"))


def package(name: str) -> Path:
    spec = importlib.util.find_spec(name)
    if spec is None or not spec.submodule_search_locations:
        pytest.skip(f"{name} is not installed")
    return Path(next(iter(spec.submodule_search_locations)))


@pytest.fixture(scope="session")
def ibm_backends() -> Path:
    return package("qiskit_ibm_runtime") / "fake_provider" / "backends"


@pytest.fixture(scope="session")
def raw_ibm(ibm_backends: Path) -> dict[str, dict[str, Any]]:
    """The shipped properties as plain JSON, by file name."""
    return {path.name: json.loads(path.read_bytes()) for path in sorted(ibm_backends.glob("*/props_*.json"))}


@pytest.fixture(scope="session")
def ibm(ibm_backends: Path) -> dict[str, Snapshot]:
    """The shipped properties, imported with their configurations, by file name."""
    found = shipped.ibm_shipped(ibm_backends)
    return {item.source: item.read([path.read_bytes() for path in item.files]) for item in found}


@pytest.fixture(scope="session")
def cirq_google() -> Path:
    return package("cirq_google")


@pytest.fixture(scope="session")
def google(cirq_google: Path) -> dict[str, Snapshot]:
    """The shipped Google calibrations, by processor."""
    found = shipped.google_shipped(cirq_google)
    return {str(item.name): item.read([path.read_bytes() for path in item.files]) for item in found}


@pytest.fixture(scope="session")
def history_files() -> list[Path]:
    directory = SHARED / "calibration" / "ibm-history"
    if not directory.is_dir():
        pytest.skip(f"no calibration history in {directory}; set EIGENSPAN_SHARED_DATA to the shared data directory")
    return sorted(directory.glob("*.json.gz"))


@pytest.fixture(scope="session")
def history(history_files: list[Path]) -> dict[str, Snapshot]:
    """The IBM time series, by file name."""
    return {path.name: detect.import_path(path) for path in history_files}


@pytest.fixture(scope="session")
def raw_history(history_files: list[Path]) -> dict[str, dict[str, Any]]:
    return {path.name: json.loads(gzip.decompress(path.read_bytes())) for path in history_files}


@pytest.fixture
def store(tmp_path: Path) -> Any:
    with CalibrationStore(tmp_path / "calibration.db") as opened:
        yield opened
