"""The audit of the kernel's dependencies finds what it is there to find."""

from __future__ import annotations

import copy
import importlib.util
import shutil
import tomllib

import pytest

from tests.conftest import ROOT

KERNEL = ROOT / "python-sdk" / "kernel"
spec = importlib.util.spec_from_file_location("audit", KERNEL / "audit.py")
audit = importlib.util.module_from_spec(spec)
spec.loader.exec_module(audit)

ALLOWED = {"MIT", "Apache-2.0", "ISC", "Apache-2.0 WITH LLVM-exception"}
REGISTRY = "registry+https://registry.example/index"


@pytest.mark.parametrize(
    ("expression", "met"),
    [
        ("MIT", True),
        ("GPL-3.0", False),
        ("GPL-3.0 OR MIT", True),
        ("MIT/Apache-2.0", True),
        ("GPL-3.0 / MIT", True),
        ("MIT AND GPL-3.0", False),
        ("MIT AND ISC", True),
        ("GPL-3.0 AND MIT OR ISC", True),
        ("ISC OR MIT AND GPL-3.0", True),
        ("(ISC OR GPL-3.0) AND (MIT OR BSL-1.0)", True),
        ("(ISC OR MIT) AND Unicode-3.0", False),
        ("Apache-2.0 WITH LLVM-exception", True),
        ("MIT WITH LLVM-exception", False),
        ("(MIT", False),
        ("MIT MIT", False),
        ("", False),
    ],
)
def test_licence_expressions(expression, met):
    assert audit.licensed(expression, ALLOWED) is met


def package(name: str, version: str = "1.0.0", **more) -> dict:
    return {"id": f"{name}@{version}", "name": name, "version": version, "license": "MIT", "source": REGISTRY} | more


GOOD = {
    "packages": [package("ours", source=None), package("a"), package("b"), package("b", "2.0.0")],
    "workspace_members": ["ours@1.0.0"],
}
POLICY = {"licenses": {"allow": sorted(ALLOWED)}, "bans": {"skip": [{"crate": "b"}]}}


def test_what_is_in_order_has_no_findings():
    assert not list(audit.findings(GOOD, POLICY))


@pytest.mark.parametrize(
    ("added", "said"),
    [
        (package("c", license="GPL-3.0"), "has the licence 'GPL-3.0'"),
        (package("c", license=None), "has the licence None"),
        (package("c", source="git+https://git.example/c"), "no registry"),
        (package("c", source="registry+https://other.example/index"), "2 sources"),
        (package("c", source=None), "a path outside"),
        (package("a", "2.0.0"), "a is there in more than one version"),
    ],
)
def test_what_is_amiss_is_found(added, said):
    metadata = copy.deepcopy(GOOD)
    metadata["packages"].append(added)
    assert any(said in finding for finding in audit.findings(metadata, POLICY))


def test_an_excuse_that_nobody_needs_is_found():
    metadata = {**GOOD, "packages": GOOD["packages"][:-1]}
    assert list(audit.findings(metadata, POLICY)) == ["deny.toml excuses b, which is there once: take it out"]


def test_unsafe_code_is_forbidden_not_only_absent():
    assert list(
        audit.unsafe_roots({"a": "//! Docs.\n#![forbid(unsafe_code)]\n", "b": "// #![forbid(unsafe_code)]\n"})
    ) == ["b does not say #![forbid(unsafe_code)]"]


def test_the_policy_is_one_that_the_audit_reads():
    policy = tomllib.loads((KERNEL / "deny.toml").read_text())
    assert policy["licenses"]["allow"]
    assert policy["sources"] == {"unknown-registry": "deny", "unknown-git": "deny"}


@pytest.mark.skipif(shutil.which("cargo") is None, reason="cargo is not on the PATH")
@pytest.mark.skipif(not (KERNEL / "Cargo.lock").exists(), reason="the kernel was not built here")
def test_the_kernel_passes(capsys):
    assert audit.main() == 0, capsys.readouterr().out
