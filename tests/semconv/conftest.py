"""The registry, as the generator reads it."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "semconv"))

from registrygen import model  # noqa: E402


@pytest.fixture(scope="session")
def registry() -> model.Registry:
    """The checked-in registry."""
    return model.load(ROOT / "semconv")
