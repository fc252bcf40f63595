"""The frame of every page: head, navigation, and small pieces that several pages use."""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Sequence
from typing import Final
from urllib.parse import quote

from eigenspan import __version__
from eigenspan.web import words
from eigenspan.web.markup import Child, Html, tag

_MARK: Final = ((2, 3, 12), (6, 8, 12), (10, 13, 6))
_PLACES: Final = (("/", "Overview"), ("/traces", "Traces"), ("/releases", "Releases"), ("/backends", "Backends"))


def page(title: str, *content: Child, place: str = "", script: str | None = None) -> bytes:
    """A whole document."""
    links = [tag("a", name, href=href, aria_current="page" if href == place else None) for href, name in _PLACES]
    mark = tag(
        "svg", *(tag("rect", x=x, y=y, width=w, height=3, rx=1) for x, y, w in _MARK),
        class_="mark", viewBox="0 0 20 18", width=20, height=18, aria_hidden="true",
    )  # fmt: skip
    body = tag(
        "body",
        tag("a", "Skip to content", href="#content", class_="skip"),
        tag(
            "header",
            tag("a", mark, tag("span", "eigenspan"), href="/", class_="brand", aria_label="eigenspan, overview"),
            tag("nav", *links, aria_label="Sections"),
            tag("span", f"v{__version__}", class_="version"),
            class_="top",
        ),
        tag("main", *content, id="content", tabindex="-1"),
        tag("p", id="said", class_="hidden", role="status"),
    )
    head = tag(
        "head",
        tag("meta", charset="utf-8"),
        tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
        tag("meta", name="color-scheme", content="light dark"),
        tag("title", f"{title} · eigenspan"),
        tag("link", rel="icon", href="/static/icon.svg", type="image/svg+xml"),
        tag("link", rel="stylesheet", href="/static/page.css"),
        tag("script", src="/static/common.js", defer=True),
        tag("script", src=f"/static/{script}", defer=True) if script else None,
    )
    return ("<!doctype html>" + tag("html", head, body, lang="en")).encode()


def problem(status: int, title: str, text: str) -> bytes:
    """A page that says what went wrong."""
    box = tag(
        "section",
        tag("p", status, class_="code"),
        tag("h1", title),
        tag("p", text),
        tag("p", tag("a", "All traces", href="/traces")),
        class_="problem",
    )
    return page(title, box)


def time(ns: int, *, fraction: bool = False) -> Html:
    """An instant with its machine-readable form."""
    text = words.instant(ns, fraction=fraction)
    return tag("time", text, datetime=text.replace(" ", "T") + "Z", title=f"{text} UTC")


def facts(pairs: Iterable[tuple[str, Child]], class_: str = "facts") -> Html:
    """A list of names and values; a value of None leaves its name out."""
    rows = [tag("div", tag("dt", name), tag("dd", value)) for name, value in pairs if value is not None]
    return tag("dl", *rows, class_=class_)


def copyable(text: str, label: str) -> Html:
    """Lines to copy, with a button that does it."""
    return tag(
        "div",
        tag("pre", tag("code", text), tabindex="0", aria_label=label),
        tag("button", "Copy", type="button", class_="copy", data_copy=text, aria_label=f"Copy {label}"),
        class_="copyable",
    )


def table(heads: Sequence[tuple[str, str]], rows: Iterable[Html], caption: str, class_: str = "grid") -> Html:
    """A table; each head is its text and the class of its column."""
    head = tag("tr", *(tag("th", text, scope="col", class_=kind or None) for text, kind in heads))
    return tag(
        "div",
        tag("table", tag("caption", caption), tag("thead", head), tag("tbody", *rows), class_=class_),
        class_="scroll",
    )


def backend_path(provider: str, name: str) -> str:
    """The address of a backend's page."""
    return f"/backends/{quote(provider, safe='')}/{quote(name, safe='')}"


def service_class(service: str) -> str:
    """The colour of a service: the same everywhere, from its name alone."""
    return f"s{zlib.crc32(service.encode('utf-8', 'replace')) % 8}"
