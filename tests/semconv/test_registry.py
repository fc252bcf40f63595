"""The rules that Weaver and OpenTelemetry's policies set for a registry, and a few of ours."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from registrygen.conditions import CONDITIONS
from registrygen.foreign import FOREIGN
from registrygen.model import Registry, Signal

SEMCONV = Path(__file__).resolve().parents[2] / "semconv"
NAME = re.compile(r"[a-z][a-z0-9]*([._][a-z0-9]+)*")
TYPES = {"string", "int", "double", "boolean", "string[]", "int[]", "double[]", "boolean[]"}
STABILITY = {"stable", "development", "alpha", "beta", "release_candidate"}
LEVELS = {"required", "conditionally_required", "recommended", "opt_in"}
UNITS = {"s", "By", "1"}
PYTHON = {"string": str, "int": int, "double": float, "boolean": bool, "string[]": list}
ALLOWED = {
    "attributes": {"key", "type", "brief", "note", "stability", "examples", "deprecated", "annotations"},
    "attribute_groups": {"id", "visibility", "attributes", "brief", "note", "stability", "annotations"},
    "spans": {"type", "kind", "name", "brief", "note", "stability", "requirement_level", "attributes",
              "entity_associations", "annotations"},
    "metrics": {"name", "instrument", "unit", "brief", "note", "stability", "requirement_level", "attributes",
                "entity_associations", "annotations"},
    "events": {"name", "brief", "note", "stability", "requirement_level", "attributes", "entity_associations",
               "annotations"},
    "entities": {"type", "brief", "note", "stability", "requirement_level", "identity", "description", "annotations"},
}  # fmt: skip


def signals(registry: Registry) -> list[Signal]:
    return [*registry.spans.values(), *registry.metrics.values(), *registry.events.values(),
            *registry.entities.values(), *registry.groups.values()]  # fmt: skip


@pytest.fixture(params=sorted((SEMCONV / "model").rglob("*.yaml")), ids=lambda p: p.stem)
def document(request: pytest.FixtureRequest) -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.safe_load(request.param.read_text())
    return loaded


def test_files_hold_only_what_the_syntax_knows(document: dict[str, Any]) -> None:
    assert document.pop("file_format") == "definition/2"
    assert set(document) <= set(ALLOWED)
    for kind, items in document.items():
        for item in items:
            assert set(item) <= ALLOWED[kind], item


def test_every_yaml_below_the_manifest_is_a_definition() -> None:
    others = {p for p in SEMCONV.rglob("*.y*ml") if p.relative_to(SEMCONV).parts[0] != "model"}
    assert others == {SEMCONV / "manifest.yaml"}


def test_manifest_names_the_release_that_it_depends_on() -> None:
    manifest = yaml.safe_load((SEMCONV / "manifest.yaml").read_text())
    assert re.fullmatch(r"https://[^/]+/schemas/quantum/\d+\.\d+\.\d+", manifest["schema_url"])
    (dependency,) = manifest["dependencies"]
    assert dependency["schema_url"].endswith("/1.44.0")
    assert "v1.44.0" in dependency["registry_path"]


def test_attributes_are_named_typed_and_explained(registry: Registry) -> None:
    for a in registry.attributes.values():
        assert NAME.fullmatch(a.key), a.key
        assert "." in a.key
        assert a.type in TYPES, a.key
        assert a.stability in STABILITY
        assert a.brief.endswith("."), a.key
        assert a.examples, f"{a.key} has no example"
        assert not a.key.endswith("_total"), a.key


def test_examples_have_the_type_of_their_attribute(registry: Registry) -> None:
    for a in registry.attributes.values():
        for example in a.examples:
            assert type(example) is PYTHON[a.type], a.key
            if a.members:
                assert example in {m.value for m in a.members}, a.key


def test_a_name_is_never_also_a_namespace(registry: Registry) -> None:
    keys = [a.key for a in registry.current] + sorted(FOREIGN)
    assert [(k, other) for k in keys for other in keys if other.startswith(k + ".")] == []


def test_constants_do_not_collide(registry: Registry) -> None:
    names = [key.replace(".", "_") for key in registry.attributes]
    assert len(set(names)) == len(names)


def test_enums_are_of_strings_with_unique_members(registry: Registry) -> None:
    for a in registry.attributes.values():
        for field in ("id", "value"):
            values = [getattr(m, field) for m in a.members]
            assert len(set(values)) == len(values), a.key
            assert all(type(v) is str for v in values), a.key


def test_renames_lead_to_a_current_name_of_the_same_type(registry: Registry) -> None:
    for a in registry.attributes.values():
        if a.renamed_to:
            target = registry.attributes[a.renamed_to]
            assert not target.deprecated
            assert target.type == a.type, a.key
    renamed = [a.renamed_to for a in registry.attributes.values() if a.renamed_to]
    assert len(set(renamed)) == len(renamed), "two names that become one cannot be told apart again"


def test_signals_have_level_stability_and_known_references(registry: Registry) -> None:
    for s in signals(registry):
        assert s.brief.endswith("."), s.id
        assert s.stability in STABILITY
        assert s.level in {"recommended", "opt_in"}
        assert s.id in registry.groups or "requirement_level" in s.raw, s.id
        keys = [r.key for r in s.attributes]
        assert len(set(keys)) == len(keys), f"{s.id} lists an attribute twice"
        for r in s.attributes:
            assert r.key in FOREIGN or not registry.attributes[r.key].deprecated, (s.id, r.key)
            assert r.level in LEVELS
            assert bool(r.condition) == (r.level == "conditionally_required"), (s.id, r.key)
        for entity in s.raw.get("entity_associations", []):
            assert entity in registry.entities


def test_spans_have_one_kind_that_is_in_their_type(registry: Registry) -> None:
    for s in registry.spans.values():
        area, kind, name = s.id.split(".")
        assert area == "quantum"
        assert kind == s.raw["kind"]
        assert NAME.fullmatch(name)
        if "foreign_required" not in s.ours:
            assert s.raw["name"]["note"].startswith("`" + name.replace("_", " ")), s.id
    short = [s.rsplit(".", 1)[1] for s in registry.spans]
    assert len(set(short)) == len(short)


def test_metrics_have_units_and_no_dimension_of_high_cardinality(registry: Registry) -> None:
    for m in registry.metrics.values():
        assert NAME.fullmatch(m.id)
        assert m.raw["instrument"] in {"counter", "updowncounter", "gauge", "histogram"}
        assert m.raw["unit"] in UNITS or re.fullmatch(r"\{[a-z]+\}", m.raw["unit"])
        assert not m.id.endswith("_total")
        for r in m.attributes:
            known = registry.attributes.get(r.key)
            assert known is None or not known.ours.get("high_cardinality"), (m.id, r.key)


def test_every_current_attribute_is_used_by_a_signal_or_by_the_collector(registry: Registry) -> None:
    used = {r.key for s in signals(registry) for r in s.attributes}
    spare = {a.key for a in registry.current if a.key not in used}
    assert {key for key in spare if not key.startswith(("eigenspan.sampling.", "eigenspan.stage."))} == UNUSED


UNUSED = {
    "quantum.backend.gate_error",
    "quantum.backend.readout_error",
}
"""Names that only programs of the user set, superseded by the calibration's."""


def test_every_condition_is_executable_or_says_why_not(registry: Registry) -> None:
    used = {r.condition for s in signals(registry) for r in s.attributes if r.condition}
    assert used == set(CONDITIONS)
    for text, condition in CONDITIONS.items():
        assert bool(condition["all"]) != bool(condition.get("why")), text
        for test in condition["all"]:
            assert set(test) <= {"failed", "linked", "present", "equals"}, text


def test_content_is_opt_in_with_a_warning(registry: Registry) -> None:
    content = {a.key for a in registry.current if a.ours.get("content")}
    assert {"quantum.circuit.qasm", "quantum.result.summary", "quantum.evaluation.explanation"} == content
    for key in content:
        assert registry.attributes[key].note.startswith("**Warning:**")
    for s in signals(registry):
        for r in s.attributes:
            assert r.key not in content or r.level == "opt_in", (s.id, r.key)


def test_instants_are_marked_and_are_instants(registry: Registry) -> None:
    for a in registry.current:
        assert ("ISO 8601" in a.brief) == bool(a.ours.get("iso8601")), a.key
        if a.ours.get("iso8601"):
            assert all(re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z", e) for e in a.examples), a.key


def test_events_are_named_like_the_rest(registry: Registry) -> None:
    synonyms = [s for e in registry.events.values() for s in e.ours.get("synonyms", ())]
    assert all(NAME.fullmatch(name) for name in registry.events)
    assert len(set(synonyms)) == len(synonyms) == 6


def test_links_lead_to_span_types_and_known_attributes(registry: Registry) -> None:
    for s in registry.spans.values():
        links = s.ours.get("links")
        if links:
            assert links["to"] in registry.spans
            assert links["by"] in {r.key for r in s.attributes}
