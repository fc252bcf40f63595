"""The walls of the house: who may import what, how long a module may be, and what importing the core costs."""

from __future__ import annotations

import ast
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

from tests.conftest import ROOT

PACKAGE = ROOT / "python-sdk" / "src" / "eigenspan"
COLLECTOR = PACKAGE / "collector"
MODULES = sorted(PACKAGE.rglob("*.py"))
PURE = ["scan", "scan_python", "scan_fast", "scan_slow", "scan_table", "splice_python", "wire", "columns", "groups", "index", "spans",
        "classify", "traces", "decide", "decided", "calibrate", "circuit", "measure", "enrich", "item", "threshold", "segment", "watch",
        "keys", "strata", "typical", "valve", "expressions", "histogram", "seen", "instruments", "prometheus"]  # fmt: skip
"""Stages and nouns without I/O: `now` is an argument."""
IMPURE = {
    "asyncio", "socket", "sqlite3", "time", "threading", "multiprocessing", "concurrent", "subprocess", "os", "io", "pathlib",
    "http", "urllib", "ssl", "grpc", "uvicorn", "random", "selectors", "signal", "tempfile", "shutil",
}  # fmt: skip
STAGES = {"receive", "log", "measure", "traces", "calibrate", "decide", "enrich", "export"}
WHOLE = {"pipeline", "service"}
MAX_LINES = 420
LIGHT = {"__init__", "semconv", "sdk", "instrument", "schema"}
"""What runs in a user's program: without the collector."""


def name_of(path: Path) -> str:
    return ".".join(("eigenspan", *path.relative_to(PACKAGE).with_suffix("").parts))


@cache
def imports(path: Path, *, also_inside: bool = True) -> frozenset[str]:
    """What a module imports, as dotted names; not what is for type checkers only, nor inside functions unless asked."""
    found: set[str] = set()

    def visit(node: ast.AST) -> None:
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.If) and "TYPE_CHECKING" in ast.unparse(child.test):
                continue
            if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda) and not also_inside:
                continue
            if isinstance(child, ast.Import):
                found.update(alias.name for alias in child.names)
            elif isinstance(child, ast.ImportFrom):
                assert child.level == 0, f"{path}:{child.lineno}: a relative import"
                found.add(child.module)
                found.update(f"{child.module}.{alias.name}" for alias in child.names)
            visit(child)

    visit(ast.parse(path.read_text()))
    return frozenset(found)


def tops(path: Path) -> set[str]:
    return {name.partition(".")[0] for name in imports(path)}


def collector_imports(path: Path) -> set[str]:
    """The modules of the collector that a module imports, by their short names."""
    return {
        parts[2]
        for name in imports(path)
        if (parts := name.split("."))[:2] == ["eigenspan", "collector"] and len(parts) > 2
    }


def test_the_way_imports_are_read(tmp_path):
    path = tmp_path / "m.py"
    path.write_text(
        "import os.path\nfrom a.b import c\nif TYPE_CHECKING:\n    import sqlite3\ndef f():\n    import time\n"
        "try:\n    import kernel\nexcept ImportError:\n    kernel = None\n"
    )
    assert imports(path) == {"os.path", "a.b", "a.b.c", "time", "kernel"}
    assert imports(path, also_inside=False) == {"os.path", "a.b", "a.b.c", "kernel"}


@pytest.mark.parametrize("module", PURE)
def test_stages_have_no_io_and_no_clock(module):
    path = COLLECTOR / f"{module}.py"
    assert not tops(path) & IMPURE
    calls = [ast.unparse(n.func) for n in ast.walk(ast.parse(path.read_text())) if isinstance(n, ast.Call)]
    assert not {"open", "datetime.now", "datetime.utcnow", "print", "input"} & set(calls)


@pytest.mark.parametrize("path", sorted(COLLECTOR.glob("*.py")), ids=lambda p: p.stem)
def test_nothing_in_the_collector_imports_backwards(path):
    if path.stem in WHOLE:
        return
    assert not collector_imports(path) & WHOLE
    assert "eigenspan.cli" not in imports(path)


@pytest.mark.parametrize("module", PURE)
def test_stages_do_not_import_the_door_or_the_disk(module):
    assert not collector_imports(COLLECTOR / f"{module}.py") & {
        "receive", "receive_grpc", "receive_http", "receive_native", "commit", "log", "files", "export", "export_otlp", "export_store",
        "config", "settings", "telemetry", "clock",
    }  # fmt: skip


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_only_the_pipeline_and_the_service_name_all_stages(path):
    named = collector_imports(path) & STAGES
    if path.stem == "pipeline" and path.parent == COLLECTOR:
        assert STAGES - named <= {"receive", "export", "log", "decide", "measure", "traces"}
        assert all(f"collector.{stage} " in path.read_text() for stage in STAGES - {"export"})
    elif not (path.parent == COLLECTOR and path.stem in WHOLE):
        assert len(named) < 4


def test_there_is_no_circle_among_the_collectors_modules():
    graph = {
        path.stem: {
            parts[2]
            for name in imports(path, also_inside=False)
            if (parts := name.split("."))[:2] == ["eigenspan", "collector"] and len(parts) > 2
        }
        for path in COLLECTOR.glob("*.py")
    }
    done: set[str] = set()

    def visit(module: str, above: tuple[str, ...]) -> None:
        assert module not in above, " → ".join((*above, module))
        if module not in done:
            for other in graph.get(module, ()):
                visit(other, (*above, module))
            done.add(module)

    for module in graph:
        visit(module, ())


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_modules_can_be_read_in_one_sitting(path):
    text = path.read_text()
    if "Generated from" in text[:500]:
        return
    assert text.count("\n") <= MAX_LINES


@pytest.mark.parametrize(
    "path", [p for p in MODULES if p.relative_to(PACKAGE).parts[0].removesuffix(".py") in LIGHT], ids=name_of
)
def test_what_runs_in_a_users_program_does_not_import_the_collector(path):
    outside = ("eigenspan.collector", "eigenspan.store", "eigenspan.web")
    found = {name for name in imports(path, also_inside=False) if name.startswith(outside)}
    assert not {name for name in found if not name.startswith("eigenspan.collector.errors")}


def test_errors_import_nothing():
    assert imports(COLLECTOR / "errors.py") <= {"__future__", "__future__.annotations"}


HEAVY = (
    "polars",
    "grpc",
    "sqlalchemy",
    "yaml",
    "cirq",
    "cirq_google",
    "qiskit",
    "opentelemetry.sdk",
    "numpy",
    "msgspec",
    "google.protobuf",
)
IMPORTING = {
    "eigenspan": HEAVY,
    "eigenspan.semconv.attributes": HEAVY,
    "eigenspan.instrument": ("polars", "grpc", "cirq", "qiskit", "eigenspan.collector"),
    "eigenspan.cli": ("polars", "grpc", "cirq", "qiskit", "eigenspan.collector"),
    "eigenspan.collector.settings": ("polars", "grpc", "cirq", "qiskit", "yaml"),
}


@pytest.mark.parametrize("module", IMPORTING)
def test_importing_is_light(module):
    program = f"import sys, {module}; print(*sorted(sys.modules))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert not set(IMPORTING[module]) & set(done.stdout.split())
