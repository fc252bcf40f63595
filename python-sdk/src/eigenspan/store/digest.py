"""One pass over a body's spans: what the list shows of them, and the tokens that they are found by.

Tokens of what was seen before are remembered, so that most attributes cost a look into a dict. `tests/store/plain.py` says the
same in the plainest way. Pure but for the vocabulary, which numbers what is new.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final, Protocol

from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.trace.v1.trace_pb2 import ResourceSpans, Span, TracesData

from eigenspan.semconv import attributes as q
from eigenspan.semconv import tables
from eigenspan.store.terms import MAX_VALUE, TYPES, Term, band_of, canonical
from eigenspan.store.tree import KINDS, PROMOTED, STATUS_ERROR, STATUSES, Value, first_of, tells_of_failure, value_of

_TOLD: Final = frozenset({
    *tables.ERROR_KEYS, *PROMOTED,
    *(alias for key in (q.QUANTUM_BACKEND_NAME, q.QUANTUM_JOB_STATUS, q.QUANTUM_EXECUTION_SUCCESS, *PROMOTED)
      for alias in tables.ALIASES.get(key, (key,))),
})  # fmt: skip
"""Keys of spans whose values the summary asks for."""
_NUMBERS: Final = frozenset({"int_value", "double_value"})
_MAX_REMEMBERED: Final = 200_000
_UNNAMED: Final = (
    1,
    3,
)  # how many tokens an attribute has, and a double has, none of which is of its very value: not remembered
_MAX_RAW: Final = 2 * MAX_VALUE
_BYTES: Final = KeyValue.SerializeToString


class Vocabulary(Protocol):
    """Gives terms and bands their tokens, the same at every call."""

    def token(self, term: Term) -> str:
        """The token of a term; "" for a value that is one too many of its key."""

    def bands(self, scope: str, key: str, band: int) -> tuple[str, str]:
        """The tokens of a narrow band and of its wide one."""

    def operation(self, service: str, name: str, kind: str) -> None:
        """Spans of this service have this name and kind."""


@dataclass(slots=True)
class Digest:
    """What is known of a body. `calls`: how often a span of one service has a child of another."""

    start_ns: int = 0
    end_ns: int = 0
    spans: int = 0
    errors: int = 0
    service: str | None = None
    root: str | None = None
    backend: str | None = None
    promoted: set[tuple[str, str]] = field(default_factory=set)
    tokens: set[str] = field(default_factory=set)
    calls: Counter[tuple[str, str]] = field(default_factory=Counter)


class _Key:
    """One key in one scope. `full`: it has more values than are told apart."""

    __slots__ = ("banded", "full", "name", "scope", "token")

    def __init__(self, scope: str, name: str, token: str) -> None:
        self.scope, self.name, self.token, self.full = scope, name, token, False
        self.banded: dict[int, tuple[str, str]] = {}


class _Scope:
    """What is remembered of a scope's attributes, by their bytes: their tokens, and what they tell the summary."""

    __slots__ = ("keys", "name", "tells", "tokens")

    def __init__(self, name: str) -> None:
        self.name = name
        self.keys: dict[str, _Key] = {}
        self.tokens: dict[bytes, tuple[str, ...]] = {}
        self.tells: dict[bytes, tuple[str, Value]] = {}


class _Told:
    """What the summary takes from some attributes of a span; neighbours mostly have the same."""

    __slots__ = ("backend", "failed", "pairs", "promoted")

    def __init__(self, pairs: list[tuple[str, Value]]) -> None:
        self.pairs = pairs
        values = dict(reversed(pairs))  # of several under one key the first counts
        backend = first_of(values, q.QUANTUM_BACKEND_NAME)
        self.backend = None if backend is None else str(backend)
        self.failed = tells_of_failure(values)
        self.promoted = {(key, str(value)) for key in PROMOTED if (value := first_of(values, key)) is not None}


_NOTHING: Final = _Told([])


class Digester:
    """Reads bodies with one vocabulary."""

    def __init__(self, vocabulary: Vocabulary) -> None:
        self._vocabulary = vocabulary
        self.forget()

    def forget(self) -> None:
        """Ask the vocabulary again for everything."""
        self._spans, self._resource_scope, self._event_scope = _Scope("span"), _Scope("resource"), _Scope("event")
        self._lasting = _Key("intrinsic", "duration", "")
        self._shapes: dict[tuple[str, str, int, int], tuple[str, ...]] = {}
        self._events: dict[str, tuple[str, ...]] = {}
        self._resources: dict[bytes, tuple[frozenset[str], str | None]] = {}
        self._passing: list[tuple[_Scope, bytes]] = []
        self._remembered = 0

    def read(self, data: TracesData) -> Digest:
        """The digest of a body."""
        if self._remembered > _MAX_REMEMBERED:
            self.forget()
        out = Digest()
        starts: list[int] = []
        ends: list[int] = []
        names: set[str] = set()
        services: dict[bytes, str] = {}
        parents: list[tuple[bytes, str]] = []
        told = _NOTHING
        for resource_spans in data.resource_spans:
            tokens, service = self._resource(resource_spans)
            out.tokens |= tokens
            names.add(named := service or "")
            for scope_spans in resource_spans.scope_spans:
                for span in scope_spans.spans:
                    start_ns, end_ns, parent = span.start_time_unix_nano, span.end_time_unix_nano, span.parent_span_id
                    starts.append(start_ns)
                    ends.append(end_ns)
                    services.setdefault(span.span_id, named)
                    parents.append((parent, named))
                    out.tokens.update(self._bands(self._lasting, max(0, end_ns - start_ns)))
                    told = self._span(out, span, named, told)
                    if not parent:
                        out.root = out.root or span.name
                        out.service = out.service if service is None else service
                    elif out.service is None:
                        out.service = service
        out.start_ns, out.end_ns, out.spans = min(starts, default=0), max(ends, default=0), len(starts)
        if len(names) > 1:
            callers = ((services.get(parent, ""), service) for parent, service in parents)
            out.calls = Counter(pair for pair in callers if all(pair) and pair[0] != pair[1])
        out.tokens.discard("")
        for scope, raw in self._passing:
            scope.tokens.pop(raw, None)
            scope.tells.pop(raw, None)
        self._passing.clear()
        return out

    def _span(self, out: Digest, span: Span, service: str, before: _Told) -> _Told:
        """Add what a span has; what its attributes tell."""
        tokens, code = out.tokens, span.status.code
        shape = (service, span.name, span.kind, code)
        tokens.update(self._shapes.get(shape) or self._shape(shape))
        pairs = self._attributes(tokens, self._spans, span.attributes)
        for event in span.events:
            tokens.update(self._events.get(event.name) or self._event(event.name))
            self._attributes(tokens, self._event_scope, event.attributes)
        told = before if pairs == before.pairs else _Told(pairs) if pairs else _NOTHING
        if told is not before:
            out.backend = out.backend or told.backend
            out.promoted |= told.promoted
        out.errors += code == STATUS_ERROR or told.failed
        return told

    def _attributes(self, tokens: set[str], scope: _Scope, attributes: Sequence[KeyValue]) -> list[tuple[str, Value]]:
        """Add the tokens of attributes; what they tell the summary."""
        raw = [*map(_BYTES, attributes)]
        found = [*map(scope.tokens.get, raw)]
        while None in found:
            at = found.index(None)
            found[at] = self._new(scope, attributes[at], raw[at])
        tokens.update(*found)  # type: ignore[arg-type]  # no None is left
        return [*filter(None, map(scope.tells.get, raw))]

    def _new(self, scope: _Scope, attribute: KeyValue, raw: bytes) -> tuple[str, ...]:
        """The tokens of an attribute that is not remembered, that of its key first."""
        name, value = attribute.key, attribute.value
        key = scope.keys.get(name)
        if key is None:
            key = scope.keys[name] = _Key(scope.name, name, self._vocabulary.token(Term(scope.name, name)))
        if name in _TOLD:
            scope.tells[raw] = (name, value_of(value))
        kind = value.WhichOneof("value")
        if kind == "array_value":
            found = (
                key.token,
                *(t for part in value.array_value.values for t in self._value(key, part.WhichOneof("value"), part)),
            )
        else:
            found = (key.token,) if key.full and kind == "string_value" else (key.token, *self._value(key, kind, value))
        scope.tokens[raw] = found
        if key.full or len(found) == _UNNAMED[kind == "double_value"] or len(raw) > _MAX_RAW:
            self._passing.append((scope, raw))
        else:
            self._remembered += 1
        return found

    def _value(self, key: _Key, kind: str | None, value: AnyValue) -> tuple[str, ...]:
        if kind not in TYPES:
            return ()
        plain = getattr(value, kind)
        token = "" if key.full else self._learn(key, kind, plain)
        return ((token,) if token else ()) + (self._bands(key, plain) if kind in _NUMBERS else ())

    def _learn(self, key: _Key, kind: str, plain: str | float | bool) -> str:
        if not (text := canonical(plain)):
            return ""
        token = self._vocabulary.token(Term(key.scope, key.name, TYPES[kind], text))
        key.full = not token
        return token

    def _bands(self, key: _Key, number: float) -> tuple[str, ...]:
        band = band_of(number)
        if band is None:
            return ()
        found = key.banded.get(band)
        if found is None:
            self._remembered += 1
            found = key.banded[band] = self._vocabulary.bands(key.scope, key.name, band)
        return found

    def _shape(self, shape: tuple[str, str, int, int]) -> tuple[str, ...]:
        service, name, kind_number, code = shape
        kind = KINDS.get(kind_number, "unspecified")
        self._vocabulary.operation(service, name, kind)
        self._remembered += 1
        found = self._shapes[shape] = (
            *self._named("name", name),
            self._vocabulary.token(Term("intrinsic", "kind", "keyword", kind)),
            self._vocabulary.token(Term("intrinsic", "status", "keyword", STATUSES.get(code, "unset"))),
        )
        return found

    def _event(self, name: str) -> tuple[str, ...]:
        self._remembered += 1
        found = self._events[name] = self._named("event:name", name)
        return found

    def _named(self, key: str, name: str) -> tuple[str, ...]:
        alone, text = self._vocabulary.token(Term("intrinsic", key)), canonical(name)
        return (alone, self._vocabulary.token(Term("intrinsic", key, "string", text))) if text else (alone,)

    def _resource(self, spans: ResourceSpans) -> tuple[frozenset[str], str | None]:
        whole = spans.resource.SerializeToString()
        found = self._resources.get(whole)
        if found is None:
            tokens: set[str] = set()
            self._attributes(tokens, self._resource_scope, spans.resource.attributes)
            name = next((a.value for a in spans.resource.attributes if a.key == "service.name"), None)
            found = frozenset(tokens), None if name is None else str(value_of(name))
            self._remembered += 1 + len(tokens)
            self._resources[whole] = found
        return found
