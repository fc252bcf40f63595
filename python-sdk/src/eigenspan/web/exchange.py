"""One HTTP exchange: what is asked, what is answered, and what keeps the page safe in a browser.

The page is served without a password on a loopback address, so a web site that points its own name at 127.0.0.1 must not
read it: there the Host header has to name this machine. All content is foreign input, so nothing but this origin's own
style sheet and scripts may run, whatever ended up in the markup.
"""

from __future__ import annotations

import base64
import contextlib
import hmac
import ipaddress
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import parse_qs, quote

from eigenspan.calibration import instants
from eigenspan.store.traces import Filters

HTML: Final = "text/html; charset=utf-8"
JSON: Final = "application/json"
LIMITS: Final = (50, 100, 200, 500)
_MAX_QUERY_BYTES: Final = 4096
_MAX_VALUE: Final = 256
_MAX_SLOWER_S: Final = 1e8
_MAX_NS: Final = 2**63 - 1
_POLICY: Final = (
    "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
)
SECURITY: Final = (
    ("content-security-policy", _POLICY),
    ("x-content-type-options", "nosniff"),
    ("referrer-policy", "no-referrer"),
    ("cross-origin-resource-policy", "same-origin"),
    ("cross-origin-opener-policy", "same-origin"),
    ("x-frame-options", "DENY"),
)
_HOST: Final = re.compile(r"(?P<name>\[[0-9a-fA-F:.]+\]|[A-Za-z0-9._-]{1,253})(?::[0-9]{1,5})?")
_OURS: Final = frozenset({"localhost", "127.0.0.1", "[::1]"})


class Problem(Exception):
    """What a client is told instead of an answer."""

    def __init__(self, status: int, title: str, text: str) -> None:
        super().__init__(title)
        self.status, self.title, self.text = status, title, text


@dataclass(frozen=True, slots=True)
class Response:
    """An answer."""

    body: bytes
    content_type: str = HTML
    status: int = 200
    headers: tuple[tuple[str, str], ...] = (("cache-control", "no-store"),)

    def head(self) -> list[tuple[bytes, bytes]]:
        """Its headers as ASGI takes them."""
        pairs = [("content-type", self.content_type), ("content-length", str(len(self.body))), *SECURITY, *self.headers]
        return [(name.encode("latin-1"), value.encode("latin-1")) for name, value in pairs]


@dataclass(frozen=True, slots=True)
class Request:
    """What is asked: the path decoded, the first value of each query field, and all of them."""

    method: str
    path: str
    host: str
    etag: str
    query: dict[str, str] = field(default_factory=dict)
    accept: str = ""
    fields: dict[str, list[str]] = field(default_factory=dict)

    def text(self, name: str) -> str | None:
        """A field's value; None where it is absent or empty."""
        value = self.query.get(name, "").strip()
        if len(value) > _MAX_VALUE:
            raise Problem(400, "That filter is too long", f"{name} may have {_MAX_VALUE} characters.")
        return value or None

    def whole(self, name: str, default: int, low: int, high: int) -> int:
        """A field as a whole number within bounds."""
        value = self.text(name)
        if value is None:
            return default
        if not (value.isascii() and value.isdigit()) or not low <= int(value) <= high:
            raise Problem(400, "That number does not fit", f"{name} is a whole number from {low} to {high:,}.")
        return int(value)

    def seconds(self, name: str) -> float | None:
        """A field as seconds, not negative."""
        value = self.text(name)
        if value is None:
            return None
        try:
            found = float(value)
        except ValueError:
            found = math.nan
        if not 0 <= found <= _MAX_SLOWER_S:
            raise Problem(400, "That number does not fit", f"{name} is a number of seconds, such as 0.5.")
        return found

    def instant(self, name: str) -> int | None:
        """A field as an instant in nanoseconds, written as RFC 3339 with an offset."""
        text = self.text(name)
        if text is None:
            return None
        try:
            found = instants.parse(text.replace(" ", "+"))  # a + that was not escaped
        except (ValueError, OverflowError):
            raise Problem(400, "That is no time", f"{name} is written as 2025-02-26T20:26:08Z.") from None
        return min(max(found, 0), _MAX_NS)


@dataclass(frozen=True, slots=True)
class Asked:
    """The list that a URL asks for."""

    filters: Filters
    limit: int

    @property
    def filtered(self) -> bool:
        """Whether any filter is set."""
        return self.filters != Filters()

    def query(self) -> str:
        """The same as a query string."""
        f = self.filters
        pairs = {
            "errors": "1" if f.errors else "",
            "service": f.service or "",
            "backend": f.backend or "",
            "slower": "" if f.slower_than_s is None else f"{f.slower_than_s:g}",
            "since": "" if f.start_ns is None else instants.format_ns(f.start_ns),
            "until": "" if f.end_ns is None else instants.format_ns(f.end_ns),
            "limit": "" if self.limit == LIMITS[0] else str(self.limit),
        }
        return "&".join(f"{name}={quote(value, safe='')}" for name, value in pairs.items() if value)


def request_of(scope: dict[str, Any], methods: Sequence[str] = ("GET", "HEAD")) -> Request:
    """The request in an ASGI scope; Problem where it is none that is answered here."""
    headers = [(k.decode("latin-1").lower(), v.decode("latin-1")) for k, v in scope["headers"]]
    hosts = [value for name, value in headers if name == "host"]
    host = _host(hosts, scope.get("server"))
    if scope["method"] not in methods:
        raise Problem(405, "Only reading", "This page answers GET and HEAD requests.")
    raw: bytes = scope.get("query_string") or b""
    if len(raw) > _MAX_QUERY_BYTES:
        raise Problem(414, "That address is too long", f"A query may have {_MAX_QUERY_BYTES:,} bytes.")
    try:
        fields = parse_qs(raw.decode("latin-1"), keep_blank_values=True, max_num_fields=32)
    except ValueError as error:
        raise Problem(400, "That address has too many fields", "A query may have 32 fields.") from error
    query = {name: values[0] for name, values in fields.items()}
    etag = next((value for name, value in headers if name == "if-none-match"), "")
    accept = next((value for name, value in headers if name == "accept"), "")
    return Request(scope["method"], scope["path"], host, etag, query, accept, fields)


def authenticate(scope: dict[str, Any], tokens: Sequence[str], *, basic: bool = False) -> None:
    """Problem unless a bearer token is shown that is one of these; `basic`: a password that is one does too."""
    shown = next((value for name, value in scope["headers"] if name.lower() == b"authorization"), b"")
    scheme, _, token = shown.partition(b" ")
    if basic and scheme.lower() == b"basic":
        with contextlib.suppress(ValueError):
            scheme, token = b"bearer", base64.b64decode(token.strip(), validate=True).partition(b":")[2]
    known = [hmac.compare_digest(t.encode(), token.strip()) for t in tokens]  # all of them: time tells nothing
    if scheme.lower() != b"bearer" or not any(known):
        raise Problem(401, "Who are you?", "Send a bearer token that this collector knows.")


def admit(scope: dict[str, Any], tokens: Sequence[str]) -> None:
    """Problem where the page is reached other than through a loopback address and no token of its own is shown."""
    server = scope.get("server")
    if _is_loopback(server[0] if server else ""):
        return
    if not tokens:
        text = "It does not listen on this machine alone, and extensions.page.tokens names no token that opens it."
        raise Problem(403, "This page is closed", text)
    authenticate(scope, tokens, basic=True)


def same_origin(scope: dict[str, Any]) -> None:
    """Problem unless this page itself asks, as the browser tells (Sec-Fetch-Site, else Origin)."""
    headers = {name.lower(): value.decode("latin-1") for name, value in scope["headers"]}
    site, origin = headers.get(b"sec-fetch-site"), headers.get(b"origin", "")
    own = origin.partition("://")[2] == headers.get(b"host") if origin else False
    if site != "same-origin" if site is not None else not own:
        raise Problem(403, "Not from this page", "Only a button on this page may do that.")


async def body_of(receive: Any, limit: int) -> bytes:
    """The body of a request; Problem where it is longer than `limit` bytes."""
    parts: list[bytes] = []
    size = 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise Problem(400, "Cut short", "The connection ended before the document did.")
        parts.append(message.get("body", b""))
        size += len(parts[-1])
        if size > limit:
            raise Problem(413, "Too large", f"A document may have {limit:,} bytes.")
        if not message.get("more_body"):
            return b"".join(parts)


def _host(hosts: list[str], server: Any) -> str:
    """The name by which the page was addressed; Problem where a loopback address is addressed by a foreign one."""
    found = _HOST.fullmatch(hosts[0]) if len(hosts) == 1 else None
    name = found["name"].lower() if found else ""
    if _is_loopback(server[0] if server else "") and name not in _OURS:
        raise Problem(
            421, "Wrong host name", "This page listens on this machine only. Open it as http://localhost with its port."
        )
    return name or "localhost"


def _is_loopback(address: str | None) -> bool:
    if address == "localhost":
        return True
    try:
        parsed = ipaddress.ip_address((address or "").partition("%")[0])
    except ValueError:
        return False
    mapped = getattr(parsed, "ipv4_mapped", None)
    return bool((mapped or parsed).is_loopback)


def asked(request: Request) -> Asked:
    """The filters of a URL: errors, service, backend, slower (seconds), since and until (RFC 3339), limit."""
    filters = Filters(
        errors=request.text("errors") in ("1", "true", "on"),
        service=request.text("service"),
        backend=request.text("backend"),
        slower_than_s=request.seconds("slower"),
        start_ns=request.instant("since"),
        end_ns=request.instant("until"),
    )
    return Asked(filters, request.whole("limit", LIMITS[0], 1, LIMITS[-1]))
