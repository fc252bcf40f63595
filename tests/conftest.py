"""Rules for every test: nothing outlives it, and a missing partner is said."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

# How long an example takes says more of the machine than of the code.
settings.register_profile("any-machine", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("any-machine")

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(autouse=True)
def _no_thread_survives():
    before = set(threading.enumerate())
    yield
    left = [t for t in threading.enumerate() if t not in before and t.name.startswith("eigenspan") and t.is_alive()]
    for thread in left:
        thread.join(2.0)
    assert not [t.name for t in left if t.is_alive()]


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Real calibration documents that are not part of the project; EIGENSPAN_SHARED_DATA names another place."""
    path = Path(os.environ.get("EIGENSPAN_SHARED_DATA", ROOT.parent / "shared" / "data"))
    if not path.is_dir():
        pytest.skip(f"the real calibration documents are not at {path} (EIGENSPAN_SHARED_DATA names another place)")
    return path
