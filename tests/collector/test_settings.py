"""Every setting: its bounds hold, its default is valid, and what is generated from it is up to date."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys

import msgspec
import pytest
import yaml

from eigenspan.collector.config import load
from eigenspan.collector.errors import ConfigError
from eigenspan.collector.rules import compile_rules, sampling_watch
from eigenspan.collector.settings import Settings
from tests.conftest import ROOT

spec = importlib.util.spec_from_file_location("config_generate", ROOT / "collector-config" / "generate.py")
generate = importlib.util.module_from_spec(spec)
sys.modules["config_generate"] = generate
spec.loader.exec_module(generate)
NO_ENVIRONMENT: dict[str, str] = {}


def test_the_defaults_are_valid_as_they_would_be_from_a_file():
    assert msgspec.convert(msgspec.to_builtins(Settings()), Settings) == Settings()
    sampling = Settings().processors.sampling
    rules = compile_rules(sampling, sampling_watch(sampling))
    assert [(r.name, r.share) for r in rules.rules] == [("errors", 1.0), ("slow", 1.0), ("baseline", 0.1)]


BOUNDS = [
    ("receivers.otlp.max_request_bytes", [1024, 1 << 30], [1023, (1 << 30) + 1, 1.5, "64MiB"]),
    ("receivers.otlp.max_in_flight_bytes", [1 << 20], [(1 << 20) - 1]),
    (
        "receivers.otlp.protocols.grpc.endpoint",
        ["127.0.0.1:0", "[::1]:4317", ":4317"],
        ["localhost", "x:", "x:123456", 4317],
    ),
    ("receivers.otlp.protocols.http", [None], ["127.0.0.1:4318", {}]),
    ("receivers.otlp.engine", ["auto", "portable"], ["fast", None]),
    ("processors.sampling.settle", [0, 0.5, 600], [-1, "6s", None]),
    ("processors.sampling.idle", [0], [-0.1]),
    ("processors.sampling.max_traces", [1], [0, 2.5]),
    ("processors.sampling.window", [0], [-1]),
    ("processors.redact.keys", [[], ["a"]], ["a", [1], None]),
    ("extensions.page", [None, {"endpoint": "h:1"}], [True, {"port": 1}]),
    ("service.tick_interval", [0.001, 10], [0, 10.1, -1]),
    ("service.engine", ["python", "auto", "kernel"], ["rust"]),
    ("service.log.segment_bytes", [4096], [4095]),
    ("service.log.max_bytes", [1 << 20], [0]),
    ("service.log.reserve_bytes", [0], [-1]),
    ("service.store.max_age_days", [1], [0, 0.5]),
    ("exporters", [{}, {"store": None}], [[], {"otlp": {"endpoint": "h:1", "timeout": 0}}, {"x": {"type": "kafka"}}]),
]


@pytest.mark.parametrize(("path", "good", "bad"), BOUNDS, ids=lambda v: v if isinstance(v, str) else "")
def test_bounds(path, good, bad):
    for value in good:
        load(None, overrides=[f"{path}={json.dumps(value)}"])
    for value in bad:
        with pytest.raises(ConfigError, match=path.partition(".")[0]):
            load(None, overrides=[f"{path}={json.dumps(value)}"])


@pytest.mark.parametrize(("text", "value"), [("100%", 1.0), ("0%", 0.0), ("12.5 %", 0.125), ("0.01%", 0.0001)])
def test_a_share_is_a_percentage(text, value):
    sampling = load(None, overrides=[f"processors.sampling.rules=[{{name: r, keep: '{text}'}}]"]).processors.sampling
    (rule,) = compile_rules(sampling, sampling_watch(sampling)).rules
    assert rule.share == pytest.approx(value)


@pytest.mark.parametrize("text", ["10", "-1%", "ten", "%", "1e2%", "150%"])
def test_other_shares_are_refused(text):
    with pytest.raises(ConfigError, match="keep"):
        load(None, overrides=[f"processors.sampling.rules=[{{name: r, keep: '{text}'}}]"])


@pytest.mark.parametrize("name", ["embedded", "tempo", "jaeger", "full"])
def test_the_examples_are_valid(name):
    settings = load(ROOT / "collector-config" / f"{name}.yaml", environ=NO_ENVIRONMENT)
    assert settings.exporters


def test_the_examples_take_their_addresses_from_the_environment():
    environ = {"TEMPO_ENDPOINT": "t:1", "TEMPO_TENANT": "7", "JAEGER_ENDPOINT": "j:2", "EIGENSPAN_DATA": "/d"}
    tempo = load(ROOT / "collector-config" / "tempo.yaml", environ=environ)
    assert tempo.exporters["tempo"].endpoint == "t:1"
    assert tempo.exporters["tempo"].headers == {"X-Scope-OrgID": "7"}
    jaeger = load(ROOT / "collector-config" / "jaeger.yaml", environ=environ)
    assert (jaeger.exporters["jaeger"].endpoint, jaeger.service.data, jaeger.extensions.page) == ("j:2", "/d", None)


def test_the_full_example_is_the_defaults():
    assert load(ROOT / "collector-config" / "full.yaml", environ=NO_ENVIRONMENT) == Settings()


@pytest.mark.parametrize("name", ["agent", "gateway"])
def test_the_collectors_files_have_its_shape(name):
    document = yaml.safe_load((ROOT / "collector-config" / "otelcol" / f"{name}.yaml").read_text())
    assert set(document) >= {"receivers", "exporters", "service"}
    for pipeline in document["service"]["pipelines"].values():
        for kind in ("receivers", "exporters", "processors"):
            assert set(pipeline.get(kind, [])) <= set(document.get(kind, {}))


def _paths(value, path=""):
    for key, item in value.items():
        where = f"{path}.{key}" if path else key
        yield where
        if isinstance(item, dict):
            yield from _paths(item, "exporters.NAME" if where == "exporters.store" else where)


def test_the_reference_has_every_setting_and_says_what_it_means():
    listed = {s.path: s for s in generate.settings()}
    document = msgspec.to_builtins(Settings())
    assert set(_paths(document)) - {"exporters.store"} <= set(listed)
    assert all(s.doc for s in listed.values())
    text = generate.reference()
    assert all(f"`{s.path}`" in text or f" {s.path}\n" in text for s in listed.values())


def test_generated_files_are_up_to_date_and_check_says_which_are_not(tmp_path, monkeypatch, capsys):
    assert generate.main(["--check"]) == 0
    monkeypatch.setattr(generate, "ROOT", tmp_path)
    for name in generate.FILES:
        (tmp_path / name).parent.mkdir(exist_ok=True)
    assert generate.main([]) == 0
    assert generate.main(["--check"]) == 0
    (tmp_path / "schemas/config.json").write_text("{}")
    (tmp_path / "collector-config/full.yaml").unlink()
    assert generate.main(["--check"]) == 1
    said = capsys.readouterr().err
    assert "schemas/config.json" in said
    assert "full.yaml" in said
    assert "reference.md" not in said


def test_the_generator_runs_as_a_program():
    command = [sys.executable, str(ROOT / "collector-config" / "generate.py")]
    assert subprocess.run([*command, "--check"], check=False).returncode == 0
    assert subprocess.run([*command, "--else"], capture_output=True, check=False).returncode == 2


def test_the_schema_knows_every_key_and_no_other():
    schema = json.loads(generate.schema())
    definitions = schema["$defs"]

    def known(definition, value):
        for key, item in value.items():
            assert key in definition["properties"], key
            inner = definition["properties"][key]
            options = [inner, *inner.get("anyOf", [])]
            name = next((o["$ref"].rpartition("/")[2] for o in options if "$ref" in o), None)
            if name and isinstance(item, dict):
                known(definitions[name], item)

    known(definitions["Settings"], msgspec.to_builtins(Settings()))
    assert all(d["additionalProperties"] is False for d in definitions.values() if d["type"] == "object")
    assert definitions["Exporter"]["required"] == []
