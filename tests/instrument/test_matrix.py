"""The page on what is instrumented says what every entry point really gives."""

from __future__ import annotations

import importlib

import pytest

from tests.instrument.matrix import CASES, HEAD, INSTRUMENTORS, PAGE, Case, row
from tests.instrument.recording import Recorder

PACKAGES = {"Cirq-Google": "cirq_google", "Qiskit IBM Runtime": "qiskit_ibm_runtime", "Amazon Braket": "braket.aws"}


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
def test_the_page_says_what_comes_out(case: Case, recorder: Recorder) -> None:
    pytest.importorskip(PACKAGES.get(case.library, case.library.lower()))
    assert row(case, recorder) in PAGE.read_text().splitlines(), "run: python -m tests.instrument.matrix"


def test_the_page_has_nothing_else() -> None:
    assert PAGE.read_text().startswith(HEAD)
    assert len(PAGE.read_text().splitlines()) == len(HEAD.splitlines()) + len(CASES)


def test_every_library_that_setup_knows_is_on_it() -> None:
    from eigenspan.sdk.hooks import LIBRARIES

    for _, module, kind in LIBRARIES.values():
        importlib.import_module(module)
        assert f"{module.rpartition('.')[2]}:{kind}" in INSTRUMENTORS.values()
