"""The sampling rules as written in a configuration, compiled. Errors name the setting at fault."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from eigenspan.collector.decide import LATE, Rule, Rules, compile_rule, trace_schema
from eigenspan.collector.errors import ExpressionError, SettingError
from eigenspan.collector.expressions import Schema, compile_expression, names_in
from eigenspan.collector.strata import AtLeast, Cap, Target
from eigenspan.collector.typical import Typical
from eigenspan.collector.watch import compile_watch

if TYPE_CHECKING:
    from eigenspan.collector.settings import RuleSettings, SamplingProcessor
    from eigenspan.collector.spans import Watch

_SECONDS = {"s": 1, "m": 60, "min": 60, "h": 3600, "d": 86400}
_BYTES = {"B": 1, "kB": 1000, "MB": 1_000_000, "KiB": 1 << 10, "MiB": 1 << 20}


def sampling_watch(sampling: SamplingProcessor) -> Watch:
    """The watched attributes: the built-in ones, those listed, and those that the rules name."""
    own = trace_schema(compile_watch())
    texts = [text for rule in sampling.rules for text in (rule.when, *rule.per)] + sampling.typical.per
    named = [name for text in texts for name in names_in(text) if "." in name and name not in own]
    return compile_watch([*sampling.watch, *named])


def compile_rules(sampling: SamplingProcessor, watch: Watch) -> Rules:
    """The rules of a configuration; SettingError says which setting is wrong, and where in it."""
    schema = trace_schema(watch)
    names = [rule.name for rule in sampling.rules]
    for i, name in enumerate(names):
        if name in names[:i]:
            raise SettingError(f"processors.sampling.rules[{i}].name", f"there is another rule named {name!r}")
    rules = [_rule(rule, f"processors.sampling.rules[{i}]", schema) for i, rule in enumerate(sampling.rules)]
    per = [_part(text, f"processors.sampling.typical.per[{i}]", schema) for i, text in enumerate(sampling.typical.per)]
    return Rules(rules, Typical(per, sampling.typical.quantile))


def _rule(rule: RuleSettings, path: str, schema: Schema) -> Rule:
    if bool(rule.keep) == bool(rule.target):
        raise SettingError(path, "a rule has either `keep`, a share (10%), or `target`, a rate (50 traces/s)")
    share = float(rule.keep.rstrip("% ")) / 100 if rule.keep else None
    if share is not None and share > 1:
        raise SettingError(f"{path}.keep", f"{rule.keep!r} is not between 0% and 100%")
    if LATE in names_in(rule.when) and (rule.target or rule.at_least or rule.at_most):
        raise SettingError(path, "a rule over `late` has `keep` alone: what it brings back is outside rates")
    if rule.per and not (rule.target or rule.at_least):
        raise SettingError(f"{path}.per", "keys are for `target` and `at_least`, and this rule has neither")
    per = tuple(_part(text, f"{path}.per[{i}]", schema) for i, text in enumerate(rule.per))
    more: dict[str, Any] = {"per": per, "goes_on": rule.otherwise == "next", "max_keys": rule.max_keys}
    if rule.target:
        more["target"] = Target(_rate(rule.target)[0], rule.by)
    if rule.at_least:
        more["at_least"] = _at_least(rule.at_least)
    if rule.at_most:
        more["cap"] = Cap(*_rate(rule.at_most))
    try:
        return compile_rule(rule.name, rule.when, share, schema, **more)
    except ExpressionError as error:
        raise SettingError(f"{path}.when", str(error), error.column) from error


def _part(text: str, path: str, schema: Schema) -> Any:
    try:
        return compile_expression(text, schema)
    except ExpressionError as error:
        raise SettingError(path, str(error), error.column) from error


def _rate(text: str) -> tuple[float, Any]:
    """How many a second, and of what: `50 traces/s`, `300 spans/min`, `5 MB/s`."""
    number, what, per = re.split(r"\s+|/", text)
    value = float(number) / _SECONDS[per]
    return (value * _BYTES[what], "bytes") if what in _BYTES else (value, what)


def _at_least(text: str) -> AtLeast:
    count, _, number, unit = re.split(r"\s+|(?<=\d)(?=[a-z])", text)
    return AtLeast(int(count), int(number) * _SECONDS[unit])
