"""A subset of TraceQL: spansets, their combinations, `count()` and `select()`. A recursive-descent parser.

    query    = spanset { "|" stage }                     stage = "count()" compare number | "select(" field { "," field } ")"
    spanset  = term { ("&&" | "||" | ">>" | ">" | "~") term }          from the left; term = "{" [ condition ] "}" | "(" spanset ")"
    condition = and { "||" and }    and = unit { "&&" unit }    unit = "(" condition ")" | field compare literal | "true" | "false"
    field    = ".key" | "span.key" | "resource.key" | "event.key" | an intrinsic; a key may be in double quotes
    compare  = "=" "!=" ">" ">=" "<" "<=" "=~" "!~"
    literal  = string | number | duration (1h2m3s, 100ms, 5us, 7ns) | true | false | nil | error ok unset | server client ...

As in Tempo, a comparison with a value holds only where the attribute is there, regular expressions match the whole value, and
`>>`, `>` and `~` keep what is on their right: descendants, children and siblings of what is on their left.
Grammar: https://grafana.com/docs/tempo/latest/traceql/construct-traceql-queries/
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

import polars as pl

from eigenspan.store.tree import KINDS, STATUSES

COMPARE: Final = ("=~", "!~", "!=", ">=", "<=", "=", ">", "<")
ORDERED: Final = frozenset({">", ">=", "<", "<="})
INTRINSICS: Final = {
    "name": "name", "status": "status", "kind": "kind", "duration": "duration", "statusMessage": "statusMessage",
    "rootName": "trace:rootName", "rootServiceName": "trace:rootService", "traceDuration": "trace:duration",
    "span:name": "name", "span:status": "status", "span:kind": "kind", "span:duration": "duration", "span:id": "span:id",
    "span:parentID": "span:parentID", "span:statusMessage": "statusMessage", "trace:id": "trace:id",
    "trace:duration": "trace:duration", "trace:rootName": "trace:rootName", "trace:rootService": "trace:rootService",
    "event:name": "event:name", "instrumentation:name": "instrumentation:name",
}  # fmt: skip
_KEYWORDS: Final = {"status": frozenset(STATUSES.values()), "kind": frozenset(KINDS.values())}
_DURATIONS: Final = frozenset({"duration", "trace:duration"})
_UNITS_NS: Final = {"h": 3600e9, "m": 60e9, "s": 1e9, "ms": 1e6, "us": 1e3, "µs": 1e3, "ns": 1.0}
_MAX_DEPTH: Final = 32
_MAX_QUERY: Final = 4096
_DURATION: Final = re.compile(r"(?:\d+(?:\.\d+)?(?:ms|us|µs|ns|h|m|s))+")
_PART: Final = re.compile(r"(\d+(?:\.\d+)?)(ms|us|µs|ns|h|m|s)")
_TOKEN: Final = re.compile(
    r"""\s*(?:(?P<string>"(?:[^"\\]|\\.)*"|`[^`]*`)
    |(?P<duration>-?(?:\d+(?:\.\d+)?(?:ms|us|µs|ns|h|m|s))+(?![\w]))
    |(?P<number>-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?(?![\w]))
    |(?P<field>(?:(?:span|resource|event)?\.)(?:"(?:[^"\\]|\\.)*"|[^\s{}()=~!<>&|",^]+))
    |(?P<word>[A-Za-z][\w:]*)
    |(?P<sign>&&|\|\||>>|=~|!~|!=|>=|<=|[{}()=<>~|,]))""",
    re.VERBOSE,
)


class TraceQLError(ValueError):
    """A query that is not understood. `position`: where, from 0."""

    def __init__(self, position: int, message: str) -> None:
        super().__init__(f"at position {position}: {message}")
        self.position = position


@dataclass(frozen=True, slots=True)
class Field:
    """`scope`: span, resource, event, any (span or resource) or intrinsic."""

    scope: str
    key: str


Value = str | int | float | bool | None


@dataclass(frozen=True, slots=True)
class Compare:
    """A field beside a value; durations are in nanoseconds, statuses and kinds their names."""

    field: Field
    op: str
    value: Value


@dataclass(frozen=True, slots=True)
class Both:
    """`&&` of conditions; true where there are none."""

    parts: tuple[Condition, ...]


@dataclass(frozen=True, slots=True)
class Either:
    """`||` of conditions; false where there are none."""

    parts: tuple[Condition, ...]


Condition = Compare | Both | Either


@dataclass(frozen=True, slots=True)
class Spanset:
    """The spans that a condition holds for."""

    condition: Condition


@dataclass(frozen=True, slots=True)
class Combined:
    """Two sets of spans under one of && || >> > ~."""

    op: str
    left: Spans
    right: Spans


Spans = Spanset | Combined


@dataclass(frozen=True, slots=True)
class Query:
    """`counts`: comparisons that the number of spans has to stand; `selected`: fields to show."""

    spans: Spans
    counts: tuple[tuple[str, float], ...] = ()
    selected: tuple[Field, ...] = ()


def duration_ns(text: str) -> int | None:
    """Nanoseconds of a Go duration, such as 1h30m or 100ms; None where it is none."""
    if not _DURATION.fullmatch(text):
        return None
    return round(sum(float(number) * _UNITS_NS[unit] for number, unit in _PART.findall(text)))


def typed(value: str) -> list[str | int | float | bool]:
    """A value written as text in the types that it may have been sent in."""
    found: list[str | int | float | bool] = [value]
    if value in ("true", "false"):
        found.append(value == "true")
    elif re.fullmatch(r"-?\d{1,18}", value):
        found.append(int(value))
    elif re.fullmatch(r"-?\d+\.\d+(?:[eE][+-]?\d+)?", value):
        found.append(float(value))
    return found


def parse(text: str) -> Query:
    """The query; TraceQLError where it is none, or beyond the subset."""
    if len(text) > _MAX_QUERY:
        raise TraceQLError(_MAX_QUERY, "the query is too long")
    return _Parser(text).query()


class _Parser:
    def __init__(self, text: str) -> None:
        self._tokens: list[tuple[str, str, int]] = []
        at, end = 0, len(text.rstrip())
        while at < end:
            found = _TOKEN.match(text, at)
            if found is None:
                at += len(text[at:]) - len(text[at:].lstrip())
                raise TraceQLError(at, f"{text[at]!r} is not understood")
            kind = str(found.lastgroup)
            self._tokens.append((kind, found[kind], found.start(kind)))
            at = found.end()
        self._tokens.append(("end", "the end", len(text)))
        self._at = self._depth = 0

    def query(self) -> Query:
        spans = self._spans()
        counts: list[tuple[str, float]] = []
        selected: list[Field] = []
        while self._took("|"):
            stage, at = self._take("word")
            self._expect("(")
            if stage == "count":
                self._expect(")")
                op = self._compare()
                counts.append((op, float(self._take("number")[0])))
            elif stage == "select":
                selected.append(self._field())
                while self._took(","):
                    selected.append(self._field())
                self._expect(")")
            else:
                raise TraceQLError(at, f"{stage}() is not supported here; count() and select() are")
        if self._now[0] != "end":
            raise self._unexpected("'|' or the end")
        return Query(spans, tuple(counts), tuple(selected))

    @property
    def _now(self) -> tuple[str, str, int]:
        return self._tokens[self._at]

    def _took(self, sign: str) -> bool:
        if self._now[0] == "sign" and self._now[1] == sign:
            self._at += 1
            return True
        return False

    def _expect(self, sign: str) -> None:
        if not self._took(sign):
            raise self._unexpected(repr(sign))

    def _take(self, kind: str) -> tuple[str, int]:
        found, text, at = self._now
        if found != kind:
            raise self._unexpected(f"a {kind}")
        self._at += 1
        return text, at

    def _unexpected(self, wanted: str) -> TraceQLError:
        return TraceQLError(self._now[2], f"{wanted} is expected, not {self._now[1]!r}")

    def _deeper(self) -> None:
        self._depth += 1
        if self._depth > _MAX_DEPTH:
            raise TraceQLError(self._now[2], "the query is nested too deeply")

    def _spans(self) -> Spans:
        left = self._spanset()
        while self._now[1] in ("&&", "||", ">>", ">", "~") and self._now[0] == "sign":
            op = self._now[1]
            self._at += 1
            self._deeper()
            left = Combined(op, left, self._spanset())
            self._depth -= 1
        return left

    def _spanset(self) -> Spans:
        if self._took("("):
            self._deeper()
            found = self._spans()
            self._depth -= 1
            self._expect(")")
            return found
        self._expect("{")
        if self._took("}"):
            return Spanset(Both(()))
        condition = self._either()
        self._expect("}")
        return Spanset(condition)

    def _either(self) -> Condition:
        self._deeper()
        parts = [self._both()]
        while self._took("||"):
            parts.append(self._both())
        self._depth -= 1
        return parts[0] if len(parts) == 1 else Either(tuple(parts))

    def _both(self) -> Condition:
        parts = [self._unit()]
        while self._took("&&"):
            parts.append(self._unit())
        return parts[0] if len(parts) == 1 else Both(tuple(parts))

    def _unit(self) -> Condition:
        if self._took("("):
            found = self._either()
            self._expect(")")
            return found
        if self._now[:2] in (("word", "true"), ("word", "false")):
            self._at += 1
            return Both(()) if self._tokens[self._at - 1][1] == "true" else Either(())
        field = self._field()
        op_at = self._now[2]
        op = self._compare()
        at = self._now[2]
        value = self._literal(field)
        if op in ("=~", "!~"):
            if not isinstance(value, str):
                raise TraceQLError(at, f"{op} takes a string")
            _check(value, at)
        if op in ORDERED and (value is None or isinstance(value, bool)):
            raise TraceQLError(op_at, f"{op} does not compare {value!r}")
        return Compare(field, op, value)

    def _compare(self) -> str:
        kind, text, _ = self._now
        if kind != "sign" or text not in COMPARE:
            raise self._unexpected("a comparison")
        self._at += 1
        return text

    def _field(self) -> Field:
        kind, text, at = self._now
        if kind == "field":
            self._at += 1
            scope, _, key = text.partition(".")
            key = _unquoted(key) if key.startswith('"') else key
            return Field(scope or "any", key)
        if kind == "word" and text in INTRINSICS:
            self._at += 1
            return Field("intrinsic", INTRINSICS[text])
        if kind == "word":
            raise TraceQLError(
                at, f"{text!r} is no field here; attributes are .key, span.key, resource.key or event.key"
            )
        raise self._unexpected("a field")

    def _literal(self, field: Field) -> Value:
        kind, text, at = self._now
        self._at += 1
        key = field.key if field.scope == "intrinsic" else ""
        if key in _KEYWORDS and text != "nil":
            if kind != "word" or text not in _KEYWORDS[key]:
                raise TraceQLError(at, f"{key} is one of {', '.join(sorted(_KEYWORDS[key]))}")
            return text
        match kind:
            case "string":
                return _unquoted(text)
            case "duration":
                found = duration_ns(text.removeprefix("-")) or 0
                return -found if text.startswith("-") else found
            case "number":
                if key in _DURATIONS:
                    raise TraceQLError(at, "a duration needs a unit, such as 100ms")
                return float(text) if set(text) & set(".eE") else int(text)
            case "word" if text in ("true", "false", "nil"):
                return {"true": True, "false": False, "nil": None}[text]
        self._at -= 1
        raise self._unexpected("a value")


def _unquoted(text: str) -> str:
    return text[1:-1] if text.startswith("`") else re.sub(r"\\(.)", _escape, text[1:-1], flags=re.DOTALL)


def _escape(found: re.Match[str]) -> str:
    return {"n": "\n", "t": "\t", "r": "\r"}.get(found[1], found[1])


def _check(pattern: str, at: int) -> None:
    try:
        pl.Series([""]).str.contains(pattern)
    except pl.exceptions.PolarsError as error:
        raise TraceQLError(at, "that is no regular expression (RE2 syntax)") from error
