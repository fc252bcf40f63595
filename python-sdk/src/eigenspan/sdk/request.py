"""What belongs to a whole request travels as baggage, and every span below carries it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from opentelemetry import baggage
from opentelemetry.sdk.trace import SpanProcessor

from eigenspan.semconv import attributes as q

if TYPE_CHECKING:
    from opentelemetry.context import Context
    from opentelemetry.sdk.trace import Span

CARRIED = (
    q.QUANTUM_REQUEST_CORRELATION_ID,
    q.QUANTUM_REQUEST_ID,
    q.QUANTUM_REQUEST_TENANT,
    q.QUANTUM_WORKFLOW_NAME,
    q.QUANTUM_WORKFLOW_VERSION,
    q.QUANTUM_WORKLOAD_CLASS,
    q.QUANTUM_CIRCUIT_FAMILY,
)
"""The baggage keys that become attributes."""


class RequestAttributes(SpanProcessor):
    """Copies the request's baggage onto each span that starts."""

    def on_start(self, span: Span, parent_context: Context | None = None) -> None:
        """Add what the context carries and the span does not say itself."""
        carried = baggage.get_all(parent_context)
        if not carried:
            return
        own = span.attributes or {}
        for key in CARRIED:
            if key in carried and key not in own:
                span.set_attribute(key, str(carried[key]))
