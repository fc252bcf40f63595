"""What can go wrong at the door, named by who is to blame.

`BadData` is the sender's fault and final (400 / INVALID_ARGUMENT), and so is a missing token (401 / UNAUTHENTICATED).
`Unavailable` is ours and passes (503 / UNAVAILABLE with a retry hint). Nothing else leaves the receiver.
"""

from __future__ import annotations


class EigenspanError(Exception):
    """Base of every error that this package raises on purpose."""


class BadData(EigenspanError):
    """The sender's bytes are not what they claim to be; sending them again cannot help."""


class ScanError(BadData):
    """A payload is not a well-formed ExportTraceServiceRequest. `offset` is where in the bytes, when known."""

    def __init__(self, message: str, offset: int | None = None) -> None:
        super().__init__(message if offset is None else f"{message} at byte {offset}")
        self.offset = offset


class TooLarge(BadData):
    """A body is over the limit, before or after decompression (413 / RESOURCE_EXHAUSTED)."""


class UnsupportedMedia(BadData):
    """The content type or encoding is not one that OTLP names (415)."""


class Unauthenticated(EigenspanError):
    """The client did not show a token that we know (401 / UNAUTHENTICATED)."""


class Unavailable(EigenspanError):
    """We cannot take it now: full, stopping, or the disk failed. `retry_after_s` tells when to come back."""

    def __init__(self, message: str, retry_after_s: float = 1.0) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


class ConfigError(EigenspanError):
    """The operator's configuration is wrong; the message names the place, the valid values and the mend."""


class ExpressionError(ConfigError):
    """An expression is wrong, from the character `column` (1 is the first; None: as a whole) on."""

    def __init__(self, message: str, column: int | None = None) -> None:
        super().__init__(message)
        self.column = column


class SettingError(ConfigError):
    """One setting is wrong. `path` is its place in the configuration, such as `processors.sampling.rules[1].when`.

    `column`: the character of its text from which on it is.
    """

    def __init__(self, path: str, message: str, column: int | None = None) -> None:
        super().__init__(f"{path}: {message}")
        self.path, self.problem, self.column = path, message, column
