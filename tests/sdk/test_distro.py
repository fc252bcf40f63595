"""`opentelemetry-instrument python app.py`: nothing of eigenspan in the program, and its circuits are traced.

The environment is bare of everything but what it borrows from this one, so that the test needs no network.
"""

from __future__ import annotations

import os
import site
import subprocess
import sys
import venv
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
APP = {
    "cirq": "import cirq\ncirq.Simulator().run(cirq.Circuit(cirq.measure(cirq.LineQubit(0))), repetitions=5)\n",
    "qiskit": (
        "from qiskit import QuantumCircuit\nfrom qiskit_aer import AerSimulator\ncircuit = QuantumCircuit(1)\ncircuit.measure_all()\n"
        "AerSimulator().run(circuit, shots=5).result()\n"
    ),
    "braket": "from braket.circuits import Circuit\nfrom braket.devices import LocalSimulator\nLocalSimulator().run(Circuit().h(0), shots=5)\n",
    "pennylane": (
        "import pennylane as qml\n@qml.qnode(qml.device('default.qubit'))\ndef f():\n    qml.H(0)\n    return qml.expval(qml.Z(0))\nf()\n"
    ),
}
BACKEND = {
    "cirq": "Simulator",
    "qiskit": "aer_simulator",
    "braket": "StateVectorSimulator",
    "pennylane": "default.qubit",
}


@pytest.fixture(scope="module")
def command(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An environment with the wheel installed, and this one's packages to be found after its own."""
    pytest.importorskip("opentelemetry.distro")
    home = tmp_path_factory.mktemp("distro")
    pip = [
        sys.executable,
        "-m",
        "pip",
        "wheel",
        "--quiet",
        "--no-deps",
        "--no-build-isolation",
        "--no-index",
        "-w",
        str(home),
    ]
    subprocess.run([*pip, str(ROOT / "python-sdk")], check=True, timeout=120)
    (wheel,) = home.glob("*.whl")
    venv.create(home / "env", with_pip=False)
    (packages,) = (home / "env" / "lib").glob("python*/site-packages")
    zipfile.ZipFile(wheel).extractall(packages)
    borrowed = [path for path in dict.fromkeys([*site.getsitepackages(), *sys.path]) if path.endswith("site-packages")]
    (packages / "borrowed.pth").write_text("\n".join(borrowed) + "\n")
    return home / "env" / "bin" / "python"


def traced(command: Path, app: Path, **more: str) -> str:
    """What a program prints that `opentelemetry-instrument` runs, its spans among it."""
    env = {key: value for key, value in os.environ.items() if not key.startswith(("OTEL_", "PYTHON"))}
    env |= {"OTEL_TRACES_EXPORTER": "console", "OTEL_METRICS_EXPORTER": "none", "OTEL_LOGS_EXPORTER": "none", **more}
    run = "import sys; sys.argv[0] = 'opentelemetry-instrument'; from opentelemetry.instrumentation.auto_instrumentation import run; run()"
    done = subprocess.run(
        [command, "-c", run, command, str(app)], env=env, capture_output=True, text=True, timeout=180, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.slow
@pytest.mark.parametrize("library", APP)
def test_a_program_is_traced_without_a_line_of_code(command: Path, tmp_path: Path, library: str) -> None:
    pytest.importorskip({"braket": "braket.devices"}.get(library, library))
    (tmp_path / "app.py").write_text(APP[library])
    assert traced(command, tmp_path / "app.py").count(f'"name": "execute {BACKEND[library]}"') == 1


@pytest.mark.slow
def test_its_random_numbers_are_its_own(command: Path, tmp_path: Path) -> None:
    pytest.importorskip("cirq")
    (tmp_path / "app.py").write_text(
        f"import random\nrandom.seed(7)\nstate = random.getstate()\n{APP['cirq']}print('same', random.getstate() == state)\n"
    )
    out = traced(command, tmp_path / "app.py", OTEL_PYTHON_ID_GENERATOR="eigenspan")
    assert "same True" in out
    assert out.count('"name": "execute Simulator"') == 1
