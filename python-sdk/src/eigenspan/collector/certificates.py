"""The certificates of a listener: files that are read again when they change, so that renewing them needs no restart."""

from __future__ import annotations

import logging
import ssl
import time
from dataclasses import dataclass
from pathlib import Path

_LOOK_S = 1.0
_logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Certificates:
    """PEM files. With `client_authorities`, a client must show a certificate that one of them signed."""

    chain: Path
    key: Path
    client_authorities: Path | None = None

    def stamp(self) -> list[tuple[int, int]]:
        """When and how large each file was; another answer means another file. OSError where one is not there."""
        files = [file.stat() for file in (self.chain, self.key, self.client_authorities) if file is not None]
        return [(file.st_mtime_ns, file.st_size) for file in files]

    def context(self) -> ssl.SSLContext:
        """For servers of the `ssl` module. OSError (of which SSLError is one) where the files are not usable."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.chain, self.key)
        if self.client_authorities is not None:
            context.load_verify_locations(self.client_authorities)
            context.verify_mode = ssl.CERT_REQUIRED
        return context

    def bytes(self) -> tuple[bytes, bytes, bytes | None]:
        """Chain, key and authorities."""
        authorities = self.client_authorities.read_bytes() if self.client_authorities else None
        return self.chain.read_bytes(), self.key.read_bytes(), authorities


class Watched:
    """Certificates that are looked at again, at most once a second; files that cannot be used leave the old ones in place."""

    def __init__(self, certificates: Certificates) -> None:
        self.certificates = certificates
        self._stamp = certificates.stamp()
        self._looked_s = time.monotonic()
        self.context = certificates.context()

    def renewed(self) -> bool:
        """Whether there are new certificates since the last call; `context` is then made from them."""
        if time.monotonic() - self._looked_s < _LOOK_S:
            return False
        self._looked_s = time.monotonic()
        try:
            stamp = self.certificates.stamp()
            if stamp == self._stamp:
                return False
            self.context, self._stamp = self.certificates.context(), stamp
        except OSError as error:
            _logger.error("the renewed certificate %s cannot be used: %s", self.certificates.chain, error)
            return False
        return True

    def switch(self, connection: ssl.SSLObject, _name: str | None, _context: ssl.SSLContext) -> None:
        """For `SSLContext.sni_callback`, which every handshake calls."""
        self.renewed()
        connection.context = self.context
