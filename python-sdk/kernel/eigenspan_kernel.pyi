# ruff: noqa: PYI021 - this file is where the boundary is documented
"""Moves the bytes of OTLP traces: bytes in, columns out. No policy, no configuration, no I/O.

`eigenspan.collector.scan_python` and `splice_python` do the same in Python; one table of cases holds both to the same
rules. Both calls release the GIL while they work on the bytes. Whatever the bytes are, nothing here panics.
"""

from collections.abc import Sequence
from typing import Protocol, final

class _Watched(Protocol):
    """What is read of `eigenspan.collector.spans.Watched`."""

    @property
    def column(self) -> str: ...
    @property
    def type(self) -> str: ...
    @property
    def keys(self) -> Sequence[str]: ...
    @property
    def level(self) -> str: ...

class _Edit(Protocol):
    """What is read of `eigenspan.collector.spans.Edit`."""

    @property
    def offset(self) -> int: ...
    @property
    def length(self) -> int: ...
    @property
    def add(self) -> Sequence[tuple[str, bytes]]: ...
    @property
    def trace_state(self) -> str | None: ...

@final
class RecordBatch:
    """Columns that any Arrow library takes without a copy: `polars.DataFrame(batch)`."""

    def __arrow_c_schema__(self) -> object: ...
    def __arrow_c_array__(self, requested_schema: object | None = None) -> tuple[object, object]: ...

@final
class Scanner:
    """A watch list, compiled once and used for many scans, from any thread."""

    def __new__(cls, watch: Sequence[_Watched]) -> Scanner:
        """Compile `watch`. ValueError if two columns of a batch would have the same name."""

    def scan(self, payloads: Sequence[bytes]) -> tuple[RecordBatch, list[tuple[int, str, int]]]:
        """Read each payload as an ExportTraceServiceRequest.

        The batch has one row a span of the good payloads, in order, with the columns of
        `eigenspan.collector.spans.schema_of(watch)`. The list has an entry (index of the payload, reason, offset in
        the payload) for each payload that is not well-formed; these have no rows.
        """

def splice(parts: Sequence[tuple[bytes, Sequence[_Edit]]]) -> bytes:
    """One ExportTraceServiceRequest with just the spans that the edits name, in their order.

    Spans whose ResourceSpans have the same bytes (but for the scopes in them) share one, and then those whose
    ScopeSpans have the same bytes (but for the spans in them). All bytes that no edit names stay as they are and in
    their order, unknown fields included. ValueError if an edit does not name a span of its payload.
    """
