# ruff: noqa: SLF001 - what is to be remembered about other people's objects is left on them
"""Duet steps all its tasks in one context, so a span made current in one task would be current in the others.

Each task gets a copy of the context in which it was made, and is stepped in it.
"""

from __future__ import annotations

import contextvars
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from eigenspan.instrument._patch import Function, Patcher


def separate_tasks(patcher: Patcher) -> None:
    """Give every Duet task a context of its own."""
    try:
        from duet.impl import Task
    except ImportError:
        return

    def init(original: Function, task: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        original(task, *args, **kwargs)
        task._eigenspan_context = contextvars.copy_context()

    def advance(original: Function, task: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        context = getattr(task, "_eigenspan_context", None)
        return original(task, *args, **kwargs) if context is None else context.run(original, task, *args, **kwargs)

    patcher.method(Task, "__init__", init)
    patcher.method(Task, "advance", advance)
