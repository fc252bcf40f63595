"""What the instrumentors have in common: their telemetry, their patches, and late hooks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import wrapt
from opentelemetry.instrumentation.instrumentor import BaseInstrumentor  # type: ignore[attr-defined]  # it has no types

from eigenspan.instrument._patch import Patcher
from eigenspan.instrument._telemetry import Telemetry

if TYPE_CHECKING:
    from collections.abc import Callable


class Instrumentor(BaseInstrumentor):  # type: ignore[misc]  # it has no types
    """An instrumentor that patches when told to and puts everything back when told to.

    `instrument` takes `tracer_provider` and `meter_provider`; without them the global ones are used. `request_hook(span, attributes)`
    and `response_hook(span, error)` are called as `Telemetry` says. `jobs=False` leaves jobs that have ended at a
    provider to a watcher.
    """

    scope = "eigenspan.instrument"
    jobs = True
    _patcher: Patcher | None = None

    def patch(self, patcher: Patcher, telemetry: Telemetry) -> None:
        """Replace what is to be replaced."""
        raise NotImplementedError

    def _instrument(self, **kwargs: Any) -> None:
        self._patcher = Patcher()
        self.jobs = bool(kwargs.get("jobs", True))
        telemetry = Telemetry(
            self.scope,
            kwargs.get("tracer_provider"),
            kwargs.get("meter_provider"),
            kwargs.get("request_hook"),
            kwargs.get("response_hook"),
        )
        self.patch(self._patcher, telemetry)

    def _uninstrument(self, **kwargs: Any) -> None:
        if self._patcher is not None:
            self._patcher.restore()
            self._patcher = None


def when_imported(module: str, patcher: Patcher, patch: Callable[[Any], None]) -> None:
    """Patch a module when it has been imported: at once if it has been, never once the patcher is inactive."""

    def hook(found: Any) -> None:
        if patcher.active:
            patch(found)

    wrapt.register_post_import_hook(hook, module)
