"""Patching: every class that defines the method, now and later, and everything back in the end."""

from __future__ import annotations

import functools
from typing import Any

from eigenspan.instrument._patch import Patcher


def counting(calls: list[str]) -> Any:
    def wrapper(original: Any, instance: Any, args: Any, kwargs: Any) -> Any:
        calls.append(type(instance).__name__)
        return original(instance, *args, **kwargs)

    return wrapper


def family() -> tuple[type, type, type]:
    class Base:
        def run(self, value: int = 1) -> int:
            return value

    class Overriding(Base):
        def run(self, value: int = 1) -> int:
            return super().run(value) + 1

    class Inheriting(Overriding):
        pass

    return Base, Overriding, Inheriting


def test_overriding_classes_are_wrapped_and_inheriting_ones_are_left() -> None:
    base, overriding, inheriting = family()
    patcher, calls = Patcher(), list[str]()
    patcher.family(base, {"run": counting(calls)})
    assert inheriting().run(3) == 4
    assert calls == ["Inheriting", "Inheriting"]
    assert "run" not in vars(inheriting)
    assert overriding().run(value=3) == 4


def test_classes_defined_later_are_wrapped_and_their_own_hooks_run() -> None:
    base, *_ = family()
    seen: list[str] = []
    patcher, calls = Patcher(), list[str]()

    class Hooked(base):  # type: ignore[misc, valid-type]
        def __init_subclass__(cls, *, tag: str = "", **kwargs: Any) -> None:
            seen.append(tag)
            super().__init_subclass__(**kwargs)

    patcher.family(base, {"run": counting(calls)})

    class Later(Hooked, tag="t"):
        def run(self, value: int = 1) -> int:
            return value * 10

    assert Later().run(2) == 20
    assert (calls, seen) == (["Later"], ["t"])


def test_restoring_leaves_no_trace_and_silences_what_somebody_kept() -> None:
    owners = family()
    before = [dict(vars(owner)) for owner in owners]
    patcher, calls = Patcher(), list[str]()
    patcher.family(owners[0], {"run": counting(calls)})
    kept = owners[0]().run
    patcher.restore()
    assert [dict(vars(owner)) for owner in owners] == before
    assert kept(5) == 5
    assert calls == []


def test_what_somebody_else_has_replaced_since_is_left_alone() -> None:
    base, *_ = family()
    patcher = Patcher()
    patcher.family(base, {"run": counting([])})
    theirs = lambda self: 99  # noqa: E731
    base.run = theirs  # type: ignore[attr-defined]
    patcher.restore()
    assert vars(base)["run"] is theirs


def test_two_patchers_do_not_wrap_twice() -> None:
    base, *_ = family()
    calls: list[str] = []
    for patcher in (Patcher(), Patcher()):
        patcher.family(base, {"run": counting(calls)})
    base().run()
    assert calls == ["Base"]


def test_a_method_that_was_decorated_while_wrapped_can_be_wrapped_again() -> None:
    """Lightning's devices do so: their class is decorated when it has been made, with `functools.wraps`."""

    class Base:
        def run(self) -> str:
            return "base"

    first = Patcher()
    first.family(Base, {"run": lambda original, self, args, kwargs: "first " + original(self)})

    class Late(Base):
        def run(self) -> str:
            return "late"

    inner = Late.run
    Late.run = functools.wraps(inner)(lambda self: "decorated " + inner(self))  # type: ignore[method-assign]
    assert Late().run() == "decorated first late"
    first.restore()
    assert Late().run() == "decorated late"
    second = Patcher()
    second.family(Base, {"run": lambda original, self, args, kwargs: "second " + original(self)})
    assert Late().run() == "second decorated late"
    second.restore()
    assert Late().run() == "decorated late"
