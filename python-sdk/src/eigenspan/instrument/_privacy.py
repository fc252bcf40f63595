"""What may be recorded, and what never leaves in an error's text.

Prompts, circuits and results are content: digests of them are recorded, they themselves only if asked for, by
`eigenspan.setup(record=...)` or the variable EIGENSPAN_RECORD (a list with commas).
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from eigenspan.semconv import attributes as q
from eigenspan.semconv.tables import SENSITIVE_KEYS

_LOG = logging.getLogger(__name__)
Redact = Callable[[str, Any], Any]
"""Called with the key and the value of an attribute; gives what to record instead, None to leave it out."""
KIND_OF = dict.fromkeys(SENSITIVE_KEYS, "prompts") | {
    q.QUANTUM_CIRCUIT_QASM: "circuits",
    q.QUANTUM_RESULT_SUMMARY: "counts",
}
"""Attribute → the kind of content that it is."""
CONTENT = frozenset({"prompts", "circuits", "counts"})
_SECRET = re.compile(
    r"""(?ix)
      (?P<name>["']?(?<![\w.-])[\w.-]{0,40}?(?:api[_-]?key|access[_-]?key|token|secret|passw(?:or)?d|authorization|credential)[\w.-]{0,40}["']?\s*[:=]\s*)
      (?:(?:bearer|basic|apikey)\s+)?["']?[^\s"',;&)}\]]+["']?
    | (?P<scheme>\b(?:bearer|basic|apikey)\s+)[A-Za-z0-9._~+/=-]{8,}
    | (?P<user>://[^\s/:@]*):[^\s/@]+(?=@)
    | \b(?:AKIA|ASIA)[A-Z0-9]{16}\b
    | \beyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]*
    """
)
_NAMES_SECRET = re.compile("(?i)api_?key|access_?key|token|secret|passw|authorization|credential")
SHORTEST = 8
"""How long the value of a variable is at the least for it to be told from other text."""
MASK = "***"
_allowed: frozenset[str] | None = None
_redact: Redact | None = None


def allow(kinds: Iterable[str] | None) -> None:
    """Record these kinds of content too; None leaves it to the environment. Raises ValueError for an unknown kind."""
    global _allowed  # noqa: PLW0603
    _allowed = None if kinds is None else _known(kinds)


def allowed(kind: str) -> bool:
    """Whether content of this kind is to be recorded."""
    global _allowed  # noqa: PLW0603
    if _allowed is None:
        words = os.environ.get("EIGENSPAN_RECORD", "").split(",")
        _allowed = frozenset(word.strip() for word in words) & CONTENT
    return kind in _allowed


def redact_with(hook: Redact | None) -> None:
    """Have this function look at each attribute before it is recorded; None for none."""
    global _redact  # noqa: PLW0603
    _redact = hook


def scrub(attributes: Mapping[str, Any]) -> dict[str, Any]:
    """The attributes that may be recorded: no content that was not asked for, and as the hook leaves them.

    Where the hook fails the value is not recorded.
    """
    kept = dict(attributes)
    for key in KIND_OF.keys() & kept.keys():
        if not allowed(KIND_OF[key]):
            del kept[key]
    return kept if _redact is None else _hooked(_redact, kept)


def _hooked(hook: Redact, attributes: dict[str, Any]) -> dict[str, Any]:
    found = {}
    for key, value in attributes.items():
        try:
            new = hook(key, value)
        except Exception:  # noqa: BLE001 - a hook is the user's code
            _LOG.exception("the redaction hook failed; %s is not recorded", key)
            continue
        if new is not None:
            found[key] = new
    return found


def mask(text: str) -> str:
    """The text with whatever looks like a credential, or is one of the environment's, replaced by three stars."""
    for name in list(os.environ):  # other threads may change it meanwhile
        value = os.environ.get(name, "")
        if len(value) >= SHORTEST and value in text and names_secret(name):
            text = text.replace(value, MASK)
    return _SECRET.sub(lambda m: f"{m['name'] or m['scheme'] or (m['user'] + ':' if m['user'] else '')}{MASK}", text)


def names_secret(name: str) -> bool:
    """Whether what has this name is a credential, by its name."""
    return _NAMES_SECRET.search(name) is not None


def legible(text: str) -> str:
    """The text as UTF-8 can carry it, with `?` for lone surrogates, as in names of files: one costs an exporter its whole batch."""
    return text if text.isascii() else text.encode(errors="replace").decode()


def digest(content: object) -> str:
    """A digest by which equal content is recognised, as `sha256:` and 32 hexadecimal digits; what is not text or bytes, as JSON."""
    text = content if isinstance(content, str | bytes) else _written(content)
    data = text.encode(errors="surrogatepass") if isinstance(text, str) else text
    return "sha256:" + hashlib.sha256(data).hexdigest()[:32]


def _written(content: object) -> str:
    try:
        return json.dumps(content, default=str)
    except (TypeError, ValueError, RecursionError):  # keys that JSON does not have, or a loop
        return repr(content)


def structure(parts: Iterable[object]) -> str | None:
    """A digest of the parts of a circuit, each by its `repr`; None where one is known by its place in memory alone."""
    text = repr(list(parts))
    return None if " at 0x" in text else digest(text)


def _known(kinds: Iterable[str]) -> frozenset[str]:
    found = frozenset(kinds)
    if unknown := found - CONTENT:
        raise ValueError(f"cannot record {', '.join(sorted(unknown))}; valid are {', '.join(sorted(CONTENT))}")
    return found
