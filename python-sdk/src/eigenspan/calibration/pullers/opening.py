"""From settings to plans: which sources are asked. The SDKs are imported when a source is first opened."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from eigenspan.calibration.pullers.poller import Plan
from eigenspan.calibration.pullers.source import Source

if TYPE_CHECKING:
    from eigenspan.collector.settings import PollSettings

_DAY_S = 86_400.0


def plans(settings: Sequence[PollSettings]) -> list[Plan]:
    """A plan for each configured source."""
    return [
        Plan(s.provider, _open(s), list(s.backends), s.interval, s.status_interval, s.history_days * _DAY_S)
        for s in settings
    ]


def _open(s: PollSettings) -> Callable[[], Source]:
    def ibm() -> Source:
        from eigenspan.calibration.pullers.ibm import IbmSource

        return IbmSource()

    def google() -> Source:
        from eigenspan.calibration.pullers.google import GoogleSource

        return GoogleSource()

    def braket() -> Source:
        from eigenspan.calibration.pullers.braket import BraketSource

        return BraketSource()

    def ionq() -> Source:
        from eigenspan.calibration.pullers.web import IonqSource

        return IonqSource(s.endpoint)

    def iqm() -> Source:
        from eigenspan.calibration.pullers.web import IqmSource

        return IqmSource(s.endpoint, list(s.backends))

    def azure() -> Source:
        from eigenspan.calibration.pullers.web import AzureSource

        return AzureSource(s.endpoint)

    return {"ibm": ibm, "google": google, "braket": braket, "ionq": ionq, "iqm": iqm, "azure": azure}[s.provider]
