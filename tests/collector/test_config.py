"""The configuration file: what is right is read, and what is wrong is said with file, line and mend."""

from __future__ import annotations

from itertools import pairwise

import pytest
import yaml

from eigenspan.collector.config import load, to_yaml
from eigenspan.collector.errors import ConfigError
from eigenspan.collector.settings import Settings

OWN = 'service:\n  telemetry:\n    traces:\n      processors:\n        - batch: {{exporter: {{otlp: {{endpoint: "{}"}}}}}}\n'
ERRORS = {
    "unknown section": ("recievers:\n  otlp: {}\n", 1, ["recievers", "did you mean receivers?"]),
    "unknown setting": (
        "processors:\n  sampling:\n    settle: 3\n    idel: 30\n", 4, ["idel", "did you mean idle?", "processors.sampling"],
    ),
    "nothing near": ("service:\n  zzzzzz: 1\n", 2, ["zzzzzz", "it has data, engine, tick_interval"]),
    "wrong type": ("# comment\nprocessors:\n  sampling:\n    settle: soon\n", 4, ["processors.sampling.settle", "float"]),
    "out of bounds": ("service:\n\n\n  tick_interval: 11\n", 4, ["service.tick_interval", "<= 10"]),
    "not one of": ("service:\n  engine: rust\n", 2, ["service.engine", "rust"]),
    "a rule without keep": (
        "processors:\n  sampling:\n    rules:\n      - name: a\n        keep: 1%\n      - name: b\n", 6, ["rules[1]", "keep"],
    ),
    "a rule's bad keep": (
        "processors:\n  sampling:\n    rules:\n      - name: a\n        keep: 10\n", 5, ["rules[0].keep"],
    ),
    "a rule's unknown key": (
        "processors:\n  sampling:\n    rules:\n      - {name: a, keep: 1%, wen: x}\n", 4, ["wen", "did you mean when?"],
    ),
    "an exporter's unknown type": ("exporters:\n  mine:\n    type: kafka\n", 3, ["exporters.mine.type", "kafka"]),
    "an exporter without a type": ("exporters:\n  store: {}\n  mine:\n    endpoint: h:1\n", 3, ["exporters.mine", "type"]),
    "an exporter's unknown key": (
        "exporters:\n  store: {}\n  otlp:\n    endpoint: h:1\n    tls:\n      insecur: true\n", 6, ["insecur", "did you mean insecure?"],
    ),
    "an exporter without an endpoint": ("exporters:\n  store: {}\n  tempo:\n    timeout: 3\n", 3, ["exporters.tempo", "endpoint is missing"]),
    "the second exporter's wrong type": (
        "exporters:\n  store: {}\n  otlp/b:\n    endpoint: h:1\n    timeout: long\n", 5, ["exporters.otlp/b.timeout", "float"],
    ),
    "no mapping": ("- a\n- b\n", 1, ["a configuration is a mapping"]),
    "a text": ("hello\n", 1, ["a configuration is a mapping"]),
    "bad YAML": ("service:\n  data: [1, 2\n", 3, ["not valid YAML"]),
    "a tab": ("service:\n\tdata: x\n", 2, ["not valid YAML"]),
    "a date that is none": ("service:\n  data: 2001-13-01\n", None, ["not valid YAML"]),
    "a missing variable": ("service:\n  data: ${env:NOT_THERE}\n", 2, ["NOT_THERE", "not set"]),
    "a variable of the wrong type": ("service:\n  tick_interval: ${env:WORD}\n", 2, ["service.tick_interval"]),
    "null where a section is needed": ("processors:\n  sampling:\n    rules: null\n", 3, ["processors.sampling.rules"]),
    "false": ("false\n", 1, ["a configuration is a mapping"]),
    "no end": ("processors:\n  sampling:\n    idle: .inf\n", 3, ["processors.sampling.idle", "finite"]),
    "no number": ("service:\n  tick_interval: .nan\n", 2, ["service.tick_interval", "finite"]),
    "a line end after a keep": ('processors:\n  sampling:\n    rules: [{name: a, keep: "10%\\n"}]\n', 3, ["rules[0].keep"]),
    "a line end after a target": ('processors:\n  sampling:\n    rules: [{name: a, target: "1 traces/s\\n"}]\n', 3, ["rules[0].target"]),
    "a line end after a name": ('processors:\n  sampling:\n    rules: [{name: "a\\n", keep: 10%}]\n', 3, ["rules[0].name"]),
    "more than an integer holds": (
        "processors:\n  sampling:\n    rules: [{name: a, keep: 1%, at_least: 99999999999999999999 per 5m}]\n", 3, ["rules[0].at_least"],
    ),
    "the second alias": ("processors:\n  calibration:\n    aliases:\n      a: ibm/x\n      b: x\n", 5, ["aliases.b"]),
    "the second header": (
        'exporters:\n  store: {}\n  otlp:\n    endpoint: h:1\n    headers:\n      a: ok\n      b: "x\\n"\n', 7, ["exporters.otlp.headers.b"],
    ),
    "own traces to no port": (OWN.format("localhost:99999"), 5, ["exporter.otlp.endpoint", "Port out of range"]),
    "own traces to no host": (OWN.format("http://[::1"), 5, ["exporter.otlp.endpoint", "Invalid IPv6"]),
    "two documents": ("service: {}\n---\nservice: {}\n", 2, ["not valid YAML"]),
}  # fmt: skip


@pytest.mark.parametrize("case", ERRORS)
def test_errors_name_file_line_and_mend(tmp_path, case):
    text, line, words = ERRORS[case]
    path = tmp_path / "c.yaml"
    path.write_text(text)
    with pytest.raises(ConfigError) as caught:
        load(path, environ={"WORD": "word"})
    said = str(caught.value)
    assert said.startswith(f"{path}:{line}: " if line else f"{path}: ")
    assert "\n" not in said
    for word in words:
        assert word in said


def test_files_that_cannot_be_read(tmp_path):
    for path in (tmp_path / "missing.yaml", tmp_path):
        with pytest.raises(ConfigError, match="cannot be read"):
            load(path)
    path = tmp_path / "binary.yaml"
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ConfigError, match="cannot be read"):
        load(path)


@pytest.mark.parametrize("text", ["", "# nothing\n", "{}\n", "---\n"])
def test_an_empty_file_is_the_defaults(tmp_path, text):
    path = tmp_path / "c.yaml"
    path.write_text(text)
    assert load(path) == Settings() == load(None)


ENVIRON = {
    "X": "x", "NUMBER": "2.5", "EMPTY": "", "NULL": "null", "LIST": "[a, b]", "TOKEN": "@secret: %", "DIGITS": "007",
}  # fmt: skip
EXPANDED = [
    ("${env:X}", "x"), ("a/${env:X}/${env:X}b", "a/x/xb"), ("${env:NOPE:-d}", "d"), ("${env:NOPE:-}", ""), ("${env:X:-d}", "x"),
    ("${env:EMPTY:-d}", ""), ("$X ${X} %{env:X}", "$X ${X} %{env:X}"), ("${env:TOKEN}", "@secret: %"),
    ("${env:NOPE:-~/.data}", "~/.data"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "expected"), EXPANDED)
def test_variables_in_texts(tmp_path, text, expected):
    path = tmp_path / "c.yaml"
    path.write_text(yaml.safe_dump({"service": {"data": text}}))
    assert load(path, environ=ENVIRON).service.data == expected


def test_a_variable_alone_has_the_type_that_it_reads_as(tmp_path):
    path = tmp_path / "c.yaml"
    path.write_text(
        "processors: {sampling: {settle: '${env:NUMBER}', idle: '${env:NOPE:-7}'}, redact: {keys: '${env:LIST}'}}\n"
        "extensions: {page: '${env:NULL}'}\n"
        "exporters: {otlp: {endpoint: h:1, headers: {tenant: '${env:DIGITS}', auth: 'Bearer ${env:TOKEN}'}}}\n"
    )
    settings = load(path, environ=ENVIRON)
    assert (settings.processors.sampling.settle, settings.processors.sampling.idle) == (2.5, 7)
    assert settings.processors.redact.keys == ["a", "b"]
    assert settings.extensions.page is None
    assert settings.exporters["otlp"].headers == {"tenant": "007", "auth": "Bearer @secret: %"}


def test_overrides_win_over_the_file_in_their_order(tmp_path):
    path = tmp_path / "c.yaml"
    path.write_text("processors: {sampling: {settle: 1, idle: 2}}\n")
    settings = load(
        path,
        overrides=[
            "processors.sampling.settle=3",
            "processors.sampling.settle=4",
            "service.data=a=b",
            "extensions.page=null",
        ],
    )
    assert (settings.processors.sampling.settle, settings.processors.sampling.idle) == (4, 2)
    assert settings.service.data == "a=b"
    assert settings.extensions.page is None


@pytest.mark.parametrize(
    ("override", "words"),
    [
        ("settle", "key.path=value"), ("=3", "key.path=value"), ("service.data=x service.data.x=1", "data is not a mapping"), ("service.data=[", "not valid YAML"),
        ("service.dta=1", "did you mean data"), ("processors.sampling.settle=-1", "processors.sampling.settle"),
        ("service.data=2001-13-01", "not valid YAML"),
    ],
)  # fmt: skip
def test_bad_overrides_are_said(override, words):
    with pytest.raises(ConfigError, match=words) as caught:
        load(None, overrides=override.split(" "))
    assert "\n" not in str(caught.value)


def test_exports_come_beside_what_is_there(tmp_path):
    exporters = load(
        None, exports=["jaeger=h:1", "tempo=t:2", "jaeger=h:3", "otlp=[::1]:4", "otlphttp=http://x:5/p"]
    ).exporters
    assert {name: (e.type, e.endpoint) for name, e in exporters.items()} == {
        "store": ("store", ""), "jaeger": ("jaeger", "h:1"), "tempo": ("tempo", "t:2"), "jaeger/h:3": ("jaeger", "h:3"),
        "otlp": ("otlp", "[::1]:4"), "otlphttp": ("otlphttp", "http://x:5/p"),
    }  # fmt: skip
    path = tmp_path / "c.yaml"
    path.write_text("exporters: {otlp: {endpoint: h:9}}\n")
    assert list(load(path, exports=["otlp=h:1"]).exporters) == ["otlp", "otlp/h:1"]


@pytest.mark.parametrize("text", ["jaeger", "jaeger=", "=h:1", "kafka=h:1", "store=x"])
def test_bad_exports_are_said(text):
    with pytest.raises(ConfigError, match="jaeger, otlp, otlphttp, tempo"):
        load(None, exports=[text])


@pytest.mark.parametrize("text", ["exporters:\n", "exporters: []\n"])
def test_exports_beside_what_is_no_mapping(tmp_path, text):
    path = tmp_path / "c.yaml"
    path.write_text(text)
    with pytest.raises(ConfigError, match="exporters is not a mapping"):
        load(path, exports=["jaeger=h:1"])


def test_an_empty_list_of_rules_is_no_rules(tmp_path):
    path = tmp_path / "rules.yaml"
    path.write_text("[]\n")
    assert load(path, rules_alone=True).processors.sampling.rules == []


def test_the_part_before_a_slash_stands_for_the_type(tmp_path):
    path = tmp_path / "c.yaml"
    path.write_text("exporters:\n  store:\n  otlp/a: {endpoint: h:1}\n  tempo/b: {type: otlphttp, endpoint: h:2}\n")
    assert {name: e.type for name, e in load(path).exporters.items()} == {
        "store": "store",
        "otlp/a": "otlp",
        "tempo/b": "otlphttp",
    }


def test_what_is_shown_can_be_loaded_and_holds_no_secret(tmp_path):
    path = tmp_path / "c.yaml"
    path.write_text("exporters: {otlp: {endpoint: h:1, headers: {authorization: Bearer HUSH}}}\nservice: {data: ü}\n")
    shown = to_yaml(load(path, overrides=["processors.sampling.settle=9"]))
    assert "HUSH" not in shown
    path.write_text(shown)
    again = load(path)
    assert again.exporters["otlp"].headers == {"authorization": "***"}
    assert (again.processors.sampling.settle, again.service.data) == (9, "ü")
    path.write_text(to_yaml(Settings()))
    assert load(path) == Settings()


def test_aliases_that_multiply_are_refused_at_once(tmp_path):
    steps = "".join(f"{new}: &{new} [{', '.join([f'*{old}'] * 9)}]\n" for old, new in pairwise("abcdefghi"))
    (tmp_path / "c.yaml").write_text(f"a: &a [x]\n{steps}")
    with pytest.raises(ConfigError, match="aliases written out"):
        load(tmp_path / "c.yaml")
