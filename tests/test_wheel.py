"""The wheel in a bare environment: the core imports nothing heavy, and the command says what it lacks."""

from __future__ import annotations

import subprocess
import sys
import venv
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="module")
def wheel(tmp_path_factory) -> Path:
    out = tmp_path_factory.mktemp("wheel")
    pip = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation", "--no-index"]
    subprocess.run([*pip, "-w", str(out), str(ROOT / "python-sdk")], check=True, timeout=120)
    (built,) = out.glob("*.whl")
    return built


def test_the_wheel_holds_what_is_not_python(wheel):
    names = zipfile.ZipFile(wheel).namelist()
    assert "eigenspan/py.typed" in names
    assert [name for name in names if name.startswith("eigenspan/web/static/")]
    assert not [name for name in names if "test" in name.split("/")[-1] and name.endswith(".py")]


def test_the_command_in_a_bare_environment_names_the_extra(wheel, tmp_path):
    venv.create(tmp_path / "env", with_pip=True)
    python = tmp_path / "env" / "bin" / "python"
    subprocess.run(
        [python, "-m", "pip", "install", "--quiet", "--no-deps", "--no-index", wheel], check=True, timeout=120
    )
    said = subprocess.run(
        [tmp_path / "env" / "bin" / "eigenspan", "--help"], check=False, capture_output=True, text=True
    )
    assert said.returncode != 0
    assert "pip install 'eigenspan[collector]'" in said.stderr
    subprocess.run([python, "-c", "import eigenspan; print(eigenspan.__version__)"], check=True)
