"""Spans made by hand: context managers that are decorators too, of functions, coroutines and generators.

    with spans.post_process(result_size=4) as span:
        span.set(result_confidence=0.9)

    @spans.feature_preparation()
    async def prepare(request): ...

Keywords are the attributes that the registry lists for the type. A wrong value or keyword is left out and said once in the log: a
program does not fail for its telemetry.
"""

from __future__ import annotations

import functools
import inspect
import logging
import re
import threading
from collections.abc import AsyncIterator, Callable, Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import Token
from enum import Enum
from typing import Any, Self, TypeVar, cast

from opentelemetry import baggage, metrics, trace
from opentelemetry import context as otel

from eigenspan.instrument._privacy import legible, scrub
from eigenspan.instrument._telemetry import CARRIED, Operation, Telemetry, enabled, under
from eigenspan.sdk.configure import meters_in_use, provider_in_use
from eigenspan.semconv import spans as s
from eigenspan.semconv.arguments import ARGUMENTS
from eigenspan.semconv.tables import TYPES

_LOG = logging.getLogger(__name__)
_MARKED = frozenset({s.TRANSPILE.type, s.SUBMIT.type, s.EXECUTE.type})
"""Types that instrumentors make too: nothing below makes another."""
_FIELD = re.compile(r"\{([a-z0-9_.]+)\}")
_FOREIGN = {
    "cloud.region": "string",
    "gen_ai.operation.name": "string",
    "gen_ai.provider.name": "string",
    "gen_ai.request.model": "string",
    "gen_ai.response.model": "string",
    "gen_ai.usage.input_tokens": "int",
    "gen_ai.usage.output_tokens": "int",
}
_LARGEST = 2**63  # OTLP's integers have 64 bits
F = TypeVar("F", bound=Callable[..., Any])
Attributes = Mapping[str, Any]
_said: set[tuple[str, str]] = set()
_saying = threading.Lock()


class Active:
    """A span under way. It ends with its block."""

    def __init__(self, operation: Operation, kind: s.SpanType) -> None:
        self._operation = operation
        self._kind = kind

    @property
    def span(self) -> trace.Span:
        """OpenTelemetry's span."""
        return self._operation.span

    @property
    def attributes(self) -> Attributes:
        """What the span began with and was given since."""
        return self._operation.attributes

    def set(self, **arguments: Any) -> None:
        """Add attributes, by the keywords that the span's function takes."""
        self._operation.set(checked(arguments))

    def set_attribute(self, key: str, value: Any) -> None:
        """Add an attribute by its full key."""
        self.set_attributes({key: value})

    def set_attributes(self, attributes: Attributes) -> None:
        """Add attributes by their full keys."""
        self._operation.set(fitted(attributes))

    def returned(self, value: Any) -> Any:
        """What a decorated function returns, handed through: a span that can describe it does."""
        return value

    def add_event(self, name: str, attributes: Attributes | None = None) -> None:
        """Add an event."""
        self.span.add_event(legible(str(name)), scrub(fitted(attributes or {})))

    def fail(self, kind: str, message: str = "") -> None:
        """End the span as a failure of a kind, for errors that are no exceptions."""
        self._operation.end(kind=str(kind), message=str(message))

    def get_span_context(self) -> trace.SpanContext:
        """The ids of the span."""
        return self.span.get_span_context()


class Spanned:
    """A span to be made: `with` makes it, and as a decorator it makes one for each call.

    `attributes` are by their full keys. Those that belong to a whole request are carried to every span below if `carry`. `ended` is
    called with the span and the exception, if any, before the span ends.
    """

    def __init__(
        self,
        kind: s.SpanType,
        attributes: Attributes,
        *,
        name: str | None = None,
        carry: bool = False,
        ended: Callable[[Active, BaseException | None], None] | None = None,
        active: Callable[[Operation, s.SpanType], Active] = Active,
    ) -> None:
        self._kind = kind
        self._attributes = attributes
        self._name = name
        self._carry = carry
        self._ended = ended
        self._active = active
        self._stack: list[tuple[Active, Token[otel.Context]]] = []

    def _begin(self) -> tuple[Active, otel.Context]:
        context = otel.get_current()
        if self._carry:
            for key in CARRIED:
                if key in self._attributes:
                    context = baggage.set_baggage(key, self._attributes[key], context)
        with under(context):
            if self._kind.type in _MARKED and not enabled():
                nothing = Operation(telemetry(), trace.INVALID_SPAN, "", {})
                return self._active(nothing, self._kind), context
            name = self._name or name_of(self._kind, scrub(self._attributes))
            operation = telemetry().start(self._kind, "", self._attributes, name=name)
            marked = operation.context(mark=self._kind.type in _MARKED)
        return self._active(operation, self._kind), marked

    def _end(self, active: Active, error: BaseException | None) -> None:
        try:
            if self._ended is not None:
                self._ended(active, error)
        finally:
            active._operation.end(error)  # noqa: SLF001 - the two are one

    def __enter__(self) -> Any:
        active, context = self._begin()
        self._stack.append((active, otel.attach(context)))
        return active

    def __exit__(self, _: object, error: BaseException | None, __: object) -> None:
        active, token = self._stack.pop()
        try:
            self._end(active, error)
        finally:
            otel.detach(token)

    async def __aenter__(self) -> Any:
        return self.__enter__()

    async def __aexit__(self, kind: object, error: BaseException | None, traceback: object) -> None:
        self.__exit__(kind, error, traceback)

    def _again(self) -> Self:
        return type(self)(
            self._kind, self._attributes, name=self._name, carry=self._carry, ended=self._ended, active=self._active
        )

    def __call__(self, function: F) -> F:
        """A function whose every call, or whose every iteration, has a span."""

        @functools.wraps(function)
        def call(*args: Any, **kwargs: Any) -> Any:
            with self._again() as active:
                return active.returned(function(*args, **kwargs))

        @functools.wraps(function)
        async def call_async(*args: Any, **kwargs: Any) -> Any:
            with self._again() as active:
                return active.returned(await function(*args, **kwargs))

        @functools.wraps(function)
        def iterate(*args: Any, **kwargs: Any) -> Any:
            return (yield from self._stepped(function(*args, **kwargs)))

        @functools.wraps(function)
        async def iterate_async(*args: Any, **kwargs: Any) -> Any:
            async for item in self._stepped_async(function(*args, **kwargs)):
                yield item

        chosen: Any = call
        if inspect.isasyncgenfunction(function):
            chosen = iterate_async
        elif inspect.iscoroutinefunction(function):
            chosen = call_async
        elif inspect.isgeneratorfunction(function):
            chosen = iterate
        return cast("F", chosen)

    @contextmanager
    def _apart(self) -> Iterator[otel.Context]:
        """A span that covers the block without being current in it: its context is given to be made so by turns."""
        active, context = self._begin()
        error: BaseException | None = None
        try:
            yield context
        except GeneratorExit:  # left early, which is no failure
            raise
        except BaseException as raised:
            error = raised
            raise
        finally:
            self._end(active, error)

    def _stepped(self, generator: Any) -> Generator[Any, Any, Any]:
        """The span covers the iteration and is current only while the generator itself runs."""
        step, given = generator.send, None
        with self._apart() as context:
            while True:
                try:
                    with under(context):
                        item = step(given)
                except StopIteration as stop:
                    return stop.value
                try:
                    step, given = generator.send, (yield item)
                except GeneratorExit:
                    with under(context):
                        generator.close()
                    raise
                except BaseException as thrown:  # noqa: BLE001 - it is the generator's
                    step, given = generator.throw, thrown

    async def _stepped_async(self, generator: Any) -> AsyncIterator[Any]:
        with self._apart() as context:
            try:
                while True:
                    with under(context):
                        try:
                            item = await anext(generator)
                        except StopAsyncIteration:
                            return
                    yield item
            except GeneratorExit:
                with under(context):
                    await generator.aclose()
                raise


def telemetry() -> Telemetry:
    """The telemetry of spans by hand, at the providers that are now in use."""
    global _latest  # noqa: PLW0603
    tracers = provider_in_use() or trace.get_tracer_provider()
    meters = meters_in_use() or metrics.get_meter_provider()
    if _latest is None or _latest[0] is not tracers or _latest[1] is not meters:
        _latest = (tracers, meters, Telemetry("eigenspan.sdk", tracers, meters))
    return _latest[2]


_latest: tuple[Any, Any, Telemetry] | None = None


def name_of(kind: s.SpanType, attributes: Attributes) -> str:
    """The name of a span, from the pattern of its type; only the fixed part where a value is missing."""
    pattern = kind.name.split("`")[1]
    if all(key in attributes for key in _FIELD.findall(pattern)):
        return _FIELD.sub(lambda m: str(attributes[m[1]]), pattern)
    return _FIELD.sub("", pattern).strip() or kind.type.rsplit(".", 1)[1]


def checked(arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Keywords as attributes. What does not fit is left out and said once."""
    found: dict[str, Any] = {}
    for word, value in arguments.items():
        key = ARGUMENTS.get(word)
        if key is None:
            _say(word, "", f"{word!r} is no attribute of the registry and is left out")
        elif value is not None and (fit := fitting(key, value)) is not None:
            found[key] = fit
    return found


def fitted(attributes: Attributes | object) -> dict[str, Any]:
    """Attributes by their full keys. What does not fit is left out and said once."""
    if not isinstance(attributes, Mapping):
        _say("attributes", "", f"attributes of type {type(attributes).__name__}, not a mapping, are left out")
        return {}
    return {key: found for key, value in attributes.items() if (found := fitting(key, value)) is not None}


def fitting(key: str, value: Any) -> Any:
    """The value as its attribute's type, or None if it is of another; keys of other conventions are judged by what OTLP carries."""
    value = value.value if isinstance(value, Enum) else value
    if hasattr(value, "item") and getattr(value, "ndim", None) == 0:
        value = value.item()
    if isinstance(value, str):
        value = legible(value)
    elif isinstance(value, int) and not -_LARGEST <= value < _LARGEST:
        _say(key, "large", f"{key} has 64 bits; a larger number is left out")
        return None
    wanted = TYPES.get(key) or _FOREIGN.get(key)
    if wanted is None or _is(wanted, value):
        return value
    if wanted == "double" and _is("int", value):
        return float(value)
    if (
        wanted == "string[]"
        and isinstance(value, Sequence)
        and not isinstance(value, str)
        and all(_is("string", v) for v in value)
    ):
        return list(value)
    _say(key, type(value).__name__, f"{key} is {wanted}; a value of type {type(value).__name__} is left out")
    return None


def _is(wanted: str, value: Any) -> bool:
    if wanted == "boolean":
        return isinstance(value, bool)
    kinds: dict[str, type] = {"string": str, "int": int, "double": float}
    return wanted in kinds and isinstance(value, kinds[wanted]) and not isinstance(value, bool)


def _say(key: str, kind: str, text: str) -> None:
    with _saying:
        if (key, kind) in _said:
            return
        _said.add((key, kind))
    _LOG.warning(text)
