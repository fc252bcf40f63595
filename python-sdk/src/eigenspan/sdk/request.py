"""What belongs to a whole request travels as baggage, and every span below carries it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from opentelemetry import baggage
from opentelemetry.sdk.trace import SpanProcessor

from eigenspan.instrument._privacy import scrub
from eigenspan.instrument._telemetry import CARRIED

if TYPE_CHECKING:
    from opentelemetry.context import Context
    from opentelemetry.sdk.trace import Span


class RequestAttributes(SpanProcessor):
    """Copies the request's baggage onto each span that starts."""

    def on_start(self, span: Span, parent_context: Context | None = None) -> None:
        """Add what the context carries and the span does not say itself."""
        carried = baggage.get_all(parent_context)
        if not carried:
            return
        own = span.attributes or {}
        span.set_attributes(scrub({key: str(carried[key]) for key in CARRIED if key in carried and key not in own}))
