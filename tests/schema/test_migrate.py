"""Migrations are executed: the whole 1.1.0 grammar, up and down, and the published versions round trip."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.proto.logs.v1.logs_pb2 import LogsData
from opentelemetry.proto.metrics.v1.metrics_pb2 import MetricsData
from opentelemetry.proto.trace.v1.trace_pb2 import TracesData

from eigenspan.schema.files import RenameAttributes, SchemaError, read
from eigenspan.schema.migrate import Migration

ROOT = Path(__file__).resolve().parents[2]
PUBLISHED = read((ROOT / "schemas" / "0.2.0").read_text())
URL = "https://example.org/schemas"
EVERYTHING = read(f"""
file_format: 1.1.0
schema_url: {URL}/1.2.0
versions:
  1.2.0:
    all: {{changes: [{{rename_attributes: {{attribute_map: {{a: b}}}}}}]}}
    resources: {{changes: [{{rename_attributes: {{attribute_map: {{host: host.name}}}}}}]}}
    spans:
      changes:
        - rename_attributes: {{attribute_map: {{s: s.new}}, apply_to_spans: [only]}}
    span_events:
      changes:
        - rename_events: {{name_map: {{old-event: new-event}}}}
        - rename_attributes: {{attribute_map: {{e: e.new}}, apply_to_events: [new-event]}}
    metrics:
      changes:
        - rename_metrics: {{m.old: m.new}}
        - rename_attributes: {{attribute_map: {{l: l.new}}, apply_to_metrics: [m.new]}}
        - split:
            apply_to_metric: paging
            by_attribute: direction
            metrics_from_attributes: {{paging.in: in, paging.out: out}}
    logs: {{changes: [{{rename_attributes: {{x: y}}}}]}}
  1.1.0:
    all: {{changes: [{{rename_attributes: {{attribute_map: {{z: a}}}}}}]}}
  1.0.0: {{}}
""")


def traces(url: str = f"{URL}/1.0.0", scope_url: str = "", **spans: dict[str, str]) -> TracesData:
    data = TracesData()
    resource = data.resource_spans.add(schema_url=url)
    resource.resource.attributes.add(key="host").value.string_value = "h"
    scope = resource.scope_spans.add(schema_url=scope_url)
    for name, attributes in spans.items():
        span = scope.spans.add(name=name)
        for key, value in attributes.items():
            span.attributes.add(key=key).value.string_value = value
    return data


def attributes(thing) -> dict[str, str]:
    return {a.key: a.value.string_value for a in thing.attributes}


def spans_of(data: TracesData) -> dict[str, dict[str, str]]:
    return {s.name: attributes(s) for r in data.resource_spans for sc in r.scope_spans for s in sc.spans}


CASES = {
    "all": ("1.2.0", {"t": {"a": "1"}}, {"t": {"b": "1"}}),
    "two versions in one go": ("1.2.0", {"t": {"z": "1"}}, {"t": {"b": "1"}}),
    "stops where it is told": ("1.1.0", {"t": {"z": "1"}}, {"t": {"a": "1"}}),
    "apply_to_spans": (
        "1.2.0",
        {"only": {"s": "1"}, "other": {"s": "1"}},
        {"only": {"s.new": "1"}, "other": {"s": "1"}},
    ),
    "the new name wins and the old stays": ("1.2.0", {"t": {"a": "old", "b": "new"}}, {"t": {"a": "old", "b": "new"}}),
}


@pytest.mark.parametrize("case", CASES)
def test_spans(case):
    target, before, after = CASES[case]
    migrated = Migration(EVERYTHING, target).migrate(traces(**before))
    assert spans_of(migrated) == after
    assert migrated.resource_spans[0].schema_url == f"{URL}/{target}"


def test_down_is_the_exact_reverse():
    new = Migration(EVERYTHING, "1.2.0").migrate(traces(only={"z": "1", "s": "2"}, other={"a.x": "3"}))
    assert spans_of(new) == {"only": {"b": "1", "s.new": "2"}, "other": {"a.x": "3"}}
    assert attributes(new.resource_spans[0].resource) == {"host.name": "h"}
    assert Migration(EVERYTHING, "1.0.0").migrate(new) == traces(only={"z": "1", "s": "2"}, other={"a.x": "3"})


def test_events_are_scoped_one_by_one():
    data = traces(t={})
    span = data.resource_spans[0].scope_spans[0].spans[0]
    for name in ("old-event", "another"):
        span.events.add(name=name).attributes.add(key="e").value.string_value = "1"
    Migration(EVERYTHING, "1.2.0").migrate(data)
    assert [(e.name, attributes(e)) for e in span.events] == [("new-event", {"e.new": "1"}), ("another", {"e": "1"})]


def test_keep_both():
    data = Migration(EVERYTHING, "1.2.0", keep_both=True).migrate(traces(t={"a": "1"}))
    assert spans_of(data) == {"t": {"a": "1", "b": "1"}}


def test_a_scope_url_beats_the_resources():
    data = Migration(EVERYTHING, "1.2.0").migrate(traces(scope_url="https://other.org/schemas/1.0.0", t={"a": "1"}))
    assert spans_of(data) == {"t": {"a": "1"}}
    assert data.resource_spans[0].schema_url == f"{URL}/1.2.0"
    assert data.resource_spans[0].scope_spans[0].schema_url == "https://other.org/schemas/1.0.0"


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("", "no_schema"),
        ("https://other.org/x/1.0.0", "other_schema"),
        (f"{URL}/9.9.9", "unknown_version"),
        (f"{URL}/1.2.0", "current"),
    ],
)
def test_what_is_not_ours_passes_untouched_and_is_counted(url, reason):
    data = traces(url=url, t={"a": "1"})
    before = data.SerializeToString()
    migration = Migration(EVERYTHING, "1.2.0")
    assert migration.migrate(data).SerializeToString() == before
    assert set(migration.counts) == {reason}


def metrics(*named: tuple[str, list[dict[str, str]]]) -> MetricsData:
    data = MetricsData()
    scope = data.resource_metrics.add(schema_url=f"{URL}/1.0.0").scope_metrics.add()
    for name, labels in named:
        metric = scope.metrics.add(name=name, unit="1")
        metric.sum.is_monotonic = True
        for i, label in enumerate(labels):
            point = metric.sum.data_points.add(as_int=i)
            for key, value in label.items():
                point.attributes.add(key=key).value.string_value = value
    return data


def points_of(data: MetricsData) -> dict[str, list[tuple[int, dict[str, str]]]]:
    return {
        m.name: [(p.as_int, attributes(p)) for p in m.sum.data_points]
        for r in data.resource_metrics
        for s in r.scope_metrics
        for m in s.metrics
    }


def test_metrics_are_renamed_and_split_and_joined_again():
    data = metrics(
        ("m.old", [{"l": "x"}]), ("paging", [{"direction": "in"}, {"direction": "out"}, {"direction": "odd"}])
    )
    new = Migration(EVERYTHING, "1.2.0").migrate(data)
    assert points_of(new) == {
        "m.new": [(0, {"l.new": "x"})],
        "paging.in": [(0, {})],
        "paging.out": [(1, {})],
        "paging": [(2, {"direction": "odd"})],
    }
    assert all(m.sum.is_monotonic for m in new.resource_metrics[0].scope_metrics[0].metrics)
    old = points_of(Migration(EVERYTHING, "1.0.0").migrate(new))
    assert old["m.old"] == [(0, {"l": "x"})]
    assert sorted(old["paging"]) == [(0, {"direction": "in"}), (1, {"direction": "out"}), (2, {"direction": "odd"})]
    assert old.keys() == {"m.old", "paging"}


def test_logs():
    data = LogsData()
    record = data.resource_logs.add(schema_url=f"{URL}/1.1.0").scope_logs.add().log_records.add()
    for key in ("x", "a"):
        record.attributes.add(key=key).value.string_value = key
    Migration(EVERYTHING, "1.2.0").migrate(data)
    assert attributes(record) == {"y": "x", "b": "a"}


def test_value_maps_go_both_ways():
    values = {"1.2.0": {"b": {"DONE": "completed"}}}
    up = Migration(EVERYTHING, "1.2.0", values=values).migrate(traces(t={"a": "DONE"}))
    assert spans_of(up) == {"t": {"b": "completed"}}


OLD = {
    "quantum.provider": "ibm",
    "quantum.device": "fake_torino",
    "quantum.shots": "1024",
    "quantum.circuit.name": "ghz",
    "quantum.error.message": "no",
    "ml.training.epochs": "3",
    "unrelated": "x",
}
NEW = {
    "quantum.provider.name": "ibm",
    "quantum.backend.name": "fake_torino",
    "quantum.job.shots": "1024",
    "quantum.circuit.name": "ghz",
    "quantum.error.message": "no",
    "quantum.training.epoch_count": "3",
    "unrelated": "x",
}


def test_a_captured_0_1_0_trace_equals_the_hand_made_0_2_0_one_and_back():
    family = PUBLISHED.family
    old, new = traces(url=f"{family}/0.1.0", t=OLD), traces(url=f"{family}/0.2.0", t=NEW)
    assert Migration(PUBLISHED, "0.2.0").migrate(traces(url=f"{family}/0.1.0", t=OLD)) == new
    assert Migration(PUBLISHED, "0.1.0").migrate(traces(url=f"{family}/0.2.0", t=NEW)) == old


RENAMES = {
    old: new
    for version in PUBLISHED.versions
    for changes in version.sections.values()
    for change in changes
    if isinstance(change, RenameAttributes)
    for old, new in change.names.items()
}


@given(
    st.dictionaries(
        st.sampled_from(sorted(RENAMES)) | st.sampled_from(["quantum.circuit.name", "other"]), st.text(max_size=5)
    )
)
def test_every_published_version_round_trips(given_attributes):
    family = PUBLISHED.family
    before = traces(url=f"{family}/0.1.0", t=given_attributes)
    up = Migration(PUBLISHED, "0.2.0").migrate(traces(url=f"{family}/0.1.0", t=given_attributes))
    assert spans_of(up) == {"t": {RENAMES.get(k, k): v for k, v in given_attributes.items()}}
    assert Migration(PUBLISHED, "0.1.0").migrate(up) == before


BAD = {
    "not YAML": ("{", "not valid YAML"),
    "another format": ("file_format: 9.9.9", "file_format"),
    "no version in the URL": ("file_format: 1.1.0\nschema_url: https://x/y", "schema_url"),
    "unknown section": (f"file_format: 1.1.0\nschema_url: {URL}/1.0.0\nversions: {{1.0.0: {{spam: {{}}}}}}", "spam"),
    "unknown change": (
        f"file_format: 1.1.0\nschema_url: {URL}/1.0.0\nversions: {{1.0.0: {{logs: {{changes: [{{split: {{}}}}]}}}}}}",
        "split",
    ),
    "not a version": (f"file_format: 1.1.0\nschema_url: {URL}/1.0.0\nversions: {{latest: {{}}}}", "latest"),
}


@pytest.mark.parametrize("case", BAD)
def test_a_bad_file_names_what_is_wrong(case):
    text, said = BAD[case]
    with pytest.raises(SchemaError, match=said):
        read(text)
