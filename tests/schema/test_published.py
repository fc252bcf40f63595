"""Published versions never change, are packaged, can be exported and compared, and are served."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

from eigenspan.schema import published
from eigenspan.schema.registry import document, registry, versions

ROOT = Path(__file__).resolve().parents[2]
DIGESTS = {
    "quantum/0.1.0": "685f261b7b3c3e1552e266180b5580784b9a68573c269bd5137426a8935f2088",
    "quantum/0.2.0": "385cd54b0b4ceeb56d21ff08c5b73d32358336ec365e1cea32a2248c6595e254",
    "v2/0.1.0/manifest.json": "e24767975a4787e3551c5d7ec365b90e4b422705d850002689bc39817e3353fc",
    "v2/0.1.0/resolved.json": "9e4042ed3587e7ce8587291692ad6a2dca5536ba7b0e758fc8c872c9b7afdab0",
    "v2/0.2.0/manifest.json": "737ff05585f6249263105fae766d8e2a108205d00784ba8240ae91de16be5c9d",
    "v2/0.2.0/resolved.json": "d4271f0cfec609877bd79bcce8b2c8a6aed8fb14d6a1d6ae57b9c3ad48a6f293",
}
"""A schema URL is a promise: a digest is added with a version and never changed afterwards."""


def test_published_versions_have_not_changed() -> None:
    found = {name: hashlib.sha256(body).hexdigest() for name, body in published.files().items()}
    assert found == DIGESTS


def test_the_packaged_files_are_those_of_the_repository() -> None:
    for name, body in published.files().items():
        path = ROOT / "schemas" / name.removeprefix("quantum/")
        assert path.read_bytes() == body, name


def test_manifests_lead_to_resolved_registries() -> None:
    for version in versions():
        manifest = json.loads(published.files()[f"v2/{version}/manifest.json"])
        assert manifest["file_format"] == "manifest/2.0"
        resolved = json.loads(published.files()[f"v2/{version}/{manifest['resolved_registry_uri']}"])
        assert resolved["file_format"] == "resolved/2.0"
        assert resolved["schema_url"] == manifest["schema_url"] == registry(version).schema_url
        catalog = resolved["attribute_catalog"]
        keys = {catalog[i]["key"] for i in resolved["registry"]["attributes"]}
        assert keys <= set(registry(version).attributes)
        for signals in resolved["registry"].values():
            for signal in signals:
                refs = [] if isinstance(signal, int) else signal.get("attributes", [])
                assert all(0 <= ref["base"] < len(catalog) for ref in refs)


def test_an_upgrade_can_be_read_from_the_resolved_registry_as_well() -> None:
    resolved = json.loads(published.files()[f"v2/{versions()[-1]}/resolved.json"])
    renamed = {a["key"]: a["deprecated"]["renamed_to"] for a in resolved["attribute_catalog"]
               if a.get("deprecated", {}).get("reason") == "renamed"}  # fmt: skip
    newest = yaml.safe_load(published.files()[f"quantum/{versions()[-1]}"])
    (change,) = newest["versions"]["0.2.0"]["all"]["changes"]
    assert renamed == change["rename_attributes"]["attribute_map"]


def test_the_difference_is_the_same_both_ways() -> None:
    up, down = published.diff("0.1.0", "0.2.0"), published.diff("0.2.0", "0.1.0")
    renamed = {(c.name, c.detail) for c in up if c.kind == "renamed"}
    assert renamed == {(c.detail, c.name) for c in down if c.kind == "renamed"}
    assert ("quantum.device", "quantum.backend.name") in renamed
    assert {c.name for c in up if c.kind == "added"} == {c.name for c in down if c.kind == "removed"}
    assert published.diff("0.2.0", "0.2.0") == []


def test_the_first_version_is_what_the_field_had() -> None:
    first = set(registry("0.1.0").attributes) - set(document()["foreign"])
    assert len(first) == 33
    assert not any(a.deprecated for a in registry("0.1.0").attributes.values())


def test_they_are_served_and_exported(tmp_path: Path) -> None:
    assert published.served("quantum/0.2.0") == ("application/yaml", (ROOT / "schemas" / "0.2.0").read_bytes())
    assert published.served("v2/0.2.0/manifest.json") is not None
    assert published.served("../0.2.0") is None
    written = list(published.export(tmp_path))
    assert {str(p.relative_to(tmp_path)) for p in written} == set(DIGESTS)


@pytest.mark.partner
def test_weaver_accepts_the_registry_and_resolves_it_to_the_same(tmp_path: Path) -> None:
    weaver = os.environ.get("EIGENSPAN_WEAVER")
    model = os.environ.get("EIGENSPAN_SEMCONV_MODEL")
    if not weaver or not model:
        pytest.skip("EIGENSPAN_WEAVER names the program, EIGENSPAN_SEMCONV_MODEL the model of the 1.44.0 release")
    copy = tmp_path / "registry"
    shutil.copytree(ROOT / "semconv" / "model", copy / "model")
    manifest = yaml.safe_load((ROOT / "semconv" / "manifest.yaml").read_text())
    manifest["dependencies"][0]["registry_path"] = model
    (copy / "manifest.yaml").write_text(yaml.safe_dump(manifest))
    check = subprocess.run(
        [weaver, "registry", "check", "--v2", "-r", copy], capture_output=True, text=True, check=False
    )
    assert check.returncode == 0, check.stdout + check.stderr
    package = [
        weaver,
        "registry",
        "package",
        "--v2",
        "-r",
        copy,
        "-o",
        tmp_path / "out",
        "--resolved-schema-uri",
        "resolved.json",
    ]
    subprocess.run(package, capture_output=True, check=True)
    theirs = yaml.safe_load((tmp_path / "out" / "resolved.yaml").read_text())
    ours = json.loads(published.files()[f"v2/{versions()[-1]}/resolved.json"])
    assert _levels(theirs) == _levels(ours)


def _levels(resolved: dict) -> dict:
    """Signal → attribute → level."""
    catalog = resolved["attribute_catalog"]
    out = {"attributes": {catalog[i]["key"]: catalog[i]["type"] for i in resolved["registry"]["attributes"]}}
    for kind, key in (("spans", "type"), ("metrics", "name"), ("events", "name"), ("entities", "type")):
        for signal in resolved["registry"][kind]:
            refs = signal.get("attributes") or [*signal.get("identity", []), *signal.get("description", [])]
            out[signal[key]] = {catalog[r["base"]]["key"]: r["requirement_level"] for r in refs}
    for a in out["attributes"].values():
        if isinstance(a, dict):
            a["members"] = [{"id": m["id"], "value": m["value"]} for m in a["members"]]
    return out
