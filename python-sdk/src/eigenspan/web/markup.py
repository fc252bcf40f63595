"""HTML that is escaped by construction: text becomes markup only through `tag`, and `Html` is never built from input."""

from __future__ import annotations

import html
from collections.abc import Iterable
from typing import Final

_VOID: Final = frozenset({"br", "input", "link", "meta", "wbr"})


class Html(str):
    """Markup that is safe to send; every other value is escaped where it is placed."""

    __slots__ = ()


Child = Html | str | int | float | Iterable["Child"] | None
Attribute = str | int | float | bool | None


def join(children: Iterable[Child]) -> Html:
    """Children one after the other; None is nothing."""
    out: list[str] = []
    for child in children:
        if isinstance(child, Html):
            out.append(child)
        elif isinstance(child, (str, int, float)):
            out.append(escape(child))
        elif child is not None:
            out.append(join(child))
    return Html("".join(out))


def escape(value: object) -> str:
    """Text for a place between tags or inside a quoted attribute; half surrogates, which have no bytes, become `?`."""
    return html.escape(str(value), quote=True).encode("utf-8", "replace").decode()


def tag(name: str, /, *children: Child, **attributes: Attribute) -> Html:
    """An element. `class_` is class, `data_x` is data-x; True is an attribute without value, None and False are none."""
    parts = [name]
    for key, value in attributes.items():
        if value is None or value is False:
            continue
        attribute = key.rstrip("_").replace("_", "-")
        parts.append(attribute if value is True else f'{attribute}="{escape(value)}"')
    head = " ".join(parts)
    return Html(f"<{head}>" if name in _VOID else f"<{head}>{join(children)}</{name}>")
