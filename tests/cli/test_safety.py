"""What a terminal, a log and a configuration must not give away or be fooled by."""

from __future__ import annotations

import pytest

from eigenspan.cli.traces import plain
from eigenspan.collector.config import load, to_yaml
from eigenspan.collector.errors import ConfigError

SHOWN = {
    "plain": ("execute ibm_torino", "execute ibm_torino"),
    "escape sequences": ("\x1b]0;PWNED\x07\x1b[2Jx", "\\u001b]0;PWNED\\u0007\\u001b[2Jx"),
    "newline": ("a\nb", "a\\u000ab"),
    "right to left": ("a\u202eb", "a\\u202eb"),
    "nothing": (None, ""),
    "too long": ("x" * 300, "x" * 200 + "…"),
    "other scripts": ("量子 ψ", "量子 ψ"),
}


@pytest.mark.parametrize("case", SHOWN)
def test_text_from_a_span_is_harmless_on_a_terminal(case):
    text, shown = SHOWN[case]
    assert plain(text) == shown


def test_the_settings_shown_hold_no_secret():
    settings = load(
        None,
        overrides=[
            "receivers.otlp.auth.tokens=[HUSH]",
            "exporters={otlp: {endpoint: 'h:1', headers: {Authorization: HUSH}}}",
            "processors.calibration.tokens=[HUSH]",
            "extensions.page.tokens=[HUSH]",
            "service.telemetry.traces={processors: [{batch: {exporter: {otlp: {endpoint: 'h:1', headers: {a: HUSH}}}}}]}",
        ],
    )
    shown = to_yaml(settings)
    assert "HUSH" not in shown
    assert shown.count("***") == 5


BAD = {
    "a header with a newline": (
        "exporters={otlp: {endpoint: 'h:1', headers: {Authorization: \"HUSH\\n\"}}}",
        "exporters",
    ),
    "a header of own traces with a newline": (
        "service.telemetry.traces={processors: [{batch: {exporter: {otlp: {endpoint: 'h:1', headers: {a: \"HUSH\\n\"}}}}}]}",
        "service.telemetry.traces",
    ),
    "broken YAML in a token": ("receivers.otlp.auth.tokens=[HUSH", "receivers.otlp.auth.tokens"),
}


@pytest.mark.parametrize("case", BAD)
def test_a_wrong_secret_is_not_repeated(case):
    override, named = BAD[case]
    with pytest.raises(ConfigError, match=named) as caught:
        load(None, overrides=[override])
    assert "HUSH" not in str(caught.value)


WRONG = {
    "twice the same key": ("service:\n  engine: auto\n  engine: python\n", ":3: engine is there twice"),
    "a value that contains itself": ("a: &a [*a]", "contains itself"),
    "nested without end": ("[" * 20_000, "nested too deeply"),
    "a port that cannot be": ("receivers: {otlp: {protocols: {grpc: {endpoint: '127.0.0.1:99999'}}}}", "endpoint"),
    "an exporter without a port": ("exporters: {jaeger: {endpoint: nohost}}", "not HOST:PORT"),
    "an exporter with a word for a port": ("exporters: {jaeger: {endpoint: 'h:abc'}}", "not HOST:PORT"),
    "two endpoints in one": ("exporters: {jaeger: {endpoint: 'h:14317,x'}}", "not HOST:PORT"),
}


@pytest.mark.parametrize("case", WRONG)
def test_a_wrong_file_is_told_what_is_wrong(case, tmp_path):
    text, said = WRONG[case]
    path = tmp_path / "c.yaml"
    path.write_text(text)
    with pytest.raises(ConfigError, match=said):
        load(path)


@pytest.mark.parametrize(
    "endpoint", ["h:1", "[::1]:4317", "http://h:4318", "https://h.example/prefix", "h:4318/prefix"]
)
def test_addresses_that_are_fine(endpoint):
    settings = load(None, overrides=[f"exporters={{otlphttp: {{endpoint: '{endpoint}'}}}}"])
    assert settings.exporters["otlphttp"].endpoint == endpoint
