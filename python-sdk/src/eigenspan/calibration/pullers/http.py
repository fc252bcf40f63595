"""GET of JSON for providers whose service is plain HTTP: bounded, without redirects, over TLS unless on this machine."""

from __future__ import annotations

import http.client
import ssl
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from typing import Any, Final, NamedTuple
from urllib.parse import urlsplit

from eigenspan.calibration.pullers.source import Busy, Unreachable

MAX_BYTES: Final = 16 << 20
_LOOPBACK: Final = frozenset({"localhost", "127.0.0.1", "::1"})
_BUSY: Final = frozenset({429, 503})


class Answer(NamedTuple):
    """A 200's body, and how many more requests the provider takes, where it says so."""

    body: bytes
    rate_limit_remaining: int | None


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """A redirect would carry the credential to wherever it points."""

    def redirect_request(self, *_args: Any) -> None:
        return None


class Client:
    """One service. `headers` is called for every request, so that a credential may be renewed; it is never kept or logged."""

    def __init__(self, base: str, headers: Callable[[], Mapping[str, str]], timeout_s: float = 30.0) -> None:
        parts = urlsplit(base)
        if parts.scheme != "https" and not (parts.scheme == "http" and parts.hostname in _LOOPBACK):
            raise Unreachable(f"{parts.scheme}://{parts.hostname}: credentials go over https only; write https://")
        self.host = parts.hostname or ""
        self._base, self._headers, self._timeout_s = base.rstrip("/"), headers, timeout_s
        context = urllib.request.HTTPSHandler(context=ssl.create_default_context())
        self._opener = urllib.request.build_opener(_NoRedirect, context)

    def get(self, path: str) -> Answer:
        """The body at `path`; Busy where the service asks for patience, else Unreachable says what went wrong."""
        headers = {"Accept": "application/json", **self._headers()}
        request = urllib.request.Request(self._base + path, headers=headers)
        try:
            with self._opener.open(request, timeout=self._timeout_s) as response:
                body = response.read(MAX_BYTES + 1)
                missing = response.length or 0
                remaining = _whole(response.headers.get("X-RateLimit-Remaining"))
        except urllib.error.HTTPError as error:
            with error:
                if error.code in _BUSY:
                    raise Busy(self.host, _whole(error.headers.get("Retry-After"))) from None
                raise Unreachable(f"{self.host} answers {error.code}") from None
        except (OSError, http.client.HTTPException, ValueError) as error:
            raise Unreachable(f"{self.host}: {type(error).__name__}") from None
        if len(body) > MAX_BYTES:
            raise Unreachable(f"{self.host} sends more than {MAX_BYTES} bytes")
        if missing:
            raise Unreachable(f"{self.host} ended its answer {missing} bytes early")
        return Answer(body, remaining)


def _whole(text: str | None) -> int | None:
    return int(text) if text and text.isascii() and text.isdigit() else None
