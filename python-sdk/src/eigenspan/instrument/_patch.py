# ruff: noqa: SLF001 - what is to be remembered about other people's objects is left on them
"""Replacing methods of other people's classes, and putting every one back.

A subclass that overrides a method never reaches a wrapper on its base, so a method is wrapped in the `__dict__` of each class
that defines it, and classes that are defined later are wrapped through `__init_subclass__`. A wrapper that somebody
keeps after `restore` finds the patcher inactive and calls straight through.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

Function = Callable[..., Any]
Wrapper = Callable[[Function, Any, tuple[Any, ...], dict[str, Any]], Any]
"""Called as wrapper(original, self, args, kwargs); it calls original(self, *args, **kwargs)."""

_MISSING: Any = object()


class Patcher:
    """What one instrumentor has replaced."""

    def __init__(self) -> None:
        self.active = True
        self._undo: list[tuple[Any, str, Any, Any]] = []

    def method(self, owner: type, name: str, wrapper: Wrapper) -> None:
        """Wrap the method `name` if `owner` itself defines it."""
        original = owner.__dict__.get(name)
        if original is None or not callable(original) or getattr(original, "__isabstractmethod__", False):
            return
        if _is_alternative(owner, name, original) or getattr(original, "_eigenspan_call", None) is original:
            return
        self._set(owner, name, self._wrapped(original, wrapper))

    def family(self, base: type, wrappers: dict[str, Wrapper], *, skip: Callable[[type], bool] | None = None) -> None:
        """Wrap the methods in `base`, its subclasses, and subclasses yet to come, wherever they are defined."""

        def patch(owner: type) -> None:
            if self.active and not (skip and skip(owner)):
                for name, wrapper in wrappers.items():
                    self.method(owner, name, wrapper)

        for owner in [base, *_subclasses(base)]:
            patch(owner)
        own = base.__dict__.get("__init_subclass__", _MISSING)
        inherited = base.__init_subclass__

        def init_subclass(cls: type, /, **kwargs: Any) -> None:
            if own is _MISSING:
                super(base, cls).__init_subclass__(**kwargs)  # type: ignore[arg-type]  # `cls` is a subclass of `base`
            else:
                own.__func__(cls, **kwargs)
            patch(cls)

        functools.update_wrapper(init_subclass, getattr(inherited, "__func__", inherited), updated=())
        self._set(base, "__init_subclass__", classmethod(init_subclass))

    def function(self, module: Any, name: str, wrapper: Wrapper) -> None:
        """Wrap a module's global, for callers that look it up there."""
        original = getattr(module, name, None)
        if original is None:
            return

        @functools.wraps(original)
        def call(*args: Any, **kwargs: Any) -> Any:
            if not self.active:
                return original(*args, **kwargs)
            return wrapper(lambda _, *a, **k: original(*a, **k), None, args, kwargs)

        self._set(module, name, call)

    def restore(self) -> None:
        """Put back everything, the last first, unless somebody has replaced it since."""
        self.active = False
        while self._undo:
            owner, name, before, ours = self._undo.pop()
            if owner.__dict__.get(name) is not ours:
                continue
            if before is _MISSING:
                delattr(owner, name)
            else:
                setattr(owner, name, before)

    def _set(self, owner: Any, name: str, value: Any) -> None:
        self._undo.append((owner, name, owner.__dict__.get(name, _MISSING), value))
        setattr(owner, name, value)

    def _wrapped(self, original: Function, wrapper: Wrapper) -> Function:
        @functools.wraps(original)
        def call(instance: Any, *args: Any, **kwargs: Any) -> Any:
            if not self.active:
                return original(instance, *args, **kwargs)
            return wrapper(original, instance, args, kwargs)

        call._eigenspan_call = call  # type: ignore[attr-defined]  # other people's decorators copy it, and are not it
        return call


def _subclasses(base: type) -> list[type]:
    found: dict[type, None] = {}
    waiting: list[type] = list(type.__subclasses__(base))
    while waiting:
        owner = waiting.pop()
        if owner not in found:
            found[owner] = None
            waiting += type.__subclasses__(owner)
    return list(found)


def _is_alternative(owner: type, name: str, original: Any) -> bool:
    """Whether Cirq's metaclass put the method there: a copy that only calls another method, which is wrapped itself."""
    return name in owner.__dict__.get("_implemented_by_", {}) or hasattr(original, "_abstract_alternatives_")
