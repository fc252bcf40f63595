"""What every source of live calibrations does, and the two ways in which asking one fails."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple, Protocol

from eigenspan.calibration.attributes import StatusSample
from eigenspan.calibration.importers.detect import NO_HINTS, Hints
from eigenspan.collector.errors import EigenspanError


class Document(NamedTuple):
    """A provider's document as bytes, and what it leaves unsaid."""

    data: bytes
    hints: Hints = NO_HINTS


class Source(Protocol):
    """A provider's live service. Every call may block and may raise anything that the provider's SDK raises."""

    provider: str

    def backends(self) -> list[str]:
        """The backends that there are to ask for."""

    def document(self, backend: str) -> Document | None:
        """The newest calibration; None where the provider publishes none."""

    def status(self, backend: str, now_ns: int) -> list[StatusSample]:
        """Status, queue, rate limit and window at `now_ns`; empty where the provider says nothing."""

    def history(self, backend: str, since_ns: int, until_ns: int) -> Iterator[Document]:
        """Earlier calibrations that came into force in [since, until), newest first; none where it keeps none."""


class Busy(EigenspanError):
    """The provider asks to come back later."""

    def __init__(self, who: str, retry_after_s: float | None) -> None:
        super().__init__(f"{who} asks to come back later")
        self.retry_after_s = retry_after_s


class Unreachable(EigenspanError):
    """The provider cannot be asked; the message holds no credential."""
