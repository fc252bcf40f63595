# ruff: noqa: PYI021 - this file is where the boundary is documented
"""Moves the bytes of OTLP: bytes in, columns out. No policy and no configuration of its own.

`eigenspan.collector.scan_python` and `splice_python` scan and splice in Python; one table of cases holds both to the same
rules. `Receiver` is the twin of `receive_grpc`, `receive_http` and `commit`; one conformance suite runs against both. Every
call releases the GIL while it works on bytes or waits. Whatever the bytes are, nothing here panics.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Literal, Protocol, TypeAlias, final

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

class _Edits(Protocol):
    """What is read of `eigenspan.collector.spans.Edits`."""

    @property
    def rows(self) -> bytes: ...
    @property
    def fields(self) -> Sequence[tuple[str, bytes]]: ...
    @property
    def adds(self) -> Sequence[Sequence[int]]: ...
    @property
    def states(self) -> Sequence[str]: ...

class _LogEnd(Protocol):
    """Where a receiver goes on writing the log: its directory, and the first position and log time that it gives out."""

    @property
    def directory(self) -> Path: ...
    @property
    def segment_bytes(self) -> int: ...
    @property
    def next_position(self) -> int: ...
    @property
    def log_ns(self) -> int: ...

class _Limits(Protocol):
    """What is read of `eigenspan.collector.bounds.Limits`."""

    @property
    def request_bytes(self) -> int: ...
    @property
    def in_flight_bytes(self) -> int: ...
    @property
    def untaken_spans(self) -> int: ...
    @property
    def connections(self) -> int: ...
    @property
    def read_s(self) -> float: ...
    @property
    def idle_s(self) -> float: ...

_Signal: TypeAlias = Literal["traces", "metrics", "logs"]
_Part: TypeAlias = tuple[int, bytes, bytes, bytes, int, int]
"""Records of one segment: its first position; their positions, body offsets and body lengths as unsigned numbers of eight
bytes in the machine's order; the newest time of receipt; where its records end now."""

@final
class RecordBatch:
    """Columns that any Arrow library takes without a copy: `polars.DataFrame(batch)`."""

    def __arrow_c_schema__(self) -> object: ...
    def __arrow_c_array__(self, requested_schema: object | None = None) -> tuple[object, object]: ...

@final
class Scanner:
    """A watch list and attribute keys to look out for, compiled once and used for many scans, from any thread."""

    def __new__(cls, watch: Sequence[_Watched], names: Sequence[str] = ()) -> Scanner:
        """Compile `watch` and `names`. ValueError if two columns of a batch would have the same name."""

    def scan(self, payloads: Sequence[bytes]) -> tuple[RecordBatch, list[tuple[int, str, int]], list[int]]:
        """Read each payload as an ExportTraceServiceRequest.

        The batch has one row a span of the good payloads, in order, with the columns of
        `eigenspan.collector.spans.schema_of(watch)`. The first list has an entry (index of the payload, reason, offset in
        the payload) for each payload that is not well-formed; these have no rows. The second has the indices of good
        payloads with an attribute key in `names`, at any level and in any case.
        """

    def receive(
        self,
        log: _LogEnd,
        limits: _Limits,
        tokens: Sequence[str],
        remember: Sequence[tuple[bytes, int]],
    ) -> Receiver:
        """Start a receiver that scans with this watch list and appends to `log`. It does not listen yet.

        A payload that has an attribute key in `names` is set aside for Python. `tokens`: bearer
        tokens, one of which each request must carry; none asks for none. `remember`: digest and log time of what the log
        holds already.
        """

@final
class Receiver:
    """OTLP/gRPC and OTLP/HTTP on two threads of its own.

    Requests are read within limits, scanned, appended, synced and answered: after their bytes are on disk, or refused as
    `eigenspan.collector.errors` says.
    """

    def listen(
        self, protocol: Literal["grpc", "http"], endpoint: str, tls: tuple[Path, Path, Path | None] | None = None
    ) -> int:
        """Listen on host:port and return the port. OSError where it cannot be had.

        `tls` names PEM files: certificate chain, private key, and the authorities one of which must have signed a client's
        certificate. They are read again when they change.
        """

    def admit(self, open: bool, reason: str, retry_after_s: float) -> None:  # noqa: A002
        """From now on requests are taken, or refused with `reason` and the hint to come back."""

    def take(
        self,
    ) -> tuple[RecordBatch, list[_Part], list[tuple[int, _Signal]], int, int, int, int, list[tuple[str, int]]] | None:
        """What was committed since the last call; None where that is nothing.

        The spans, with position, log_ns and tenant beside the scan's columns; where the bodies lie; position and signal
        of what are not traces; the last position, its log time, and how many payloads and bytes they are; and how many
        values of which key `give_back` said were cut.
        """

    @property
    def untaken(self) -> int:
        """Bytes of the payloads that `take` would tell of."""

    def counts(self) -> list[tuple[str, str, int]]:
        """Requests so far that were "refused" (with the reason), "malformed" or "repeated" (with the signal)."""

    def take_aside(self) -> tuple[int, bool, _Signal, bytes] | None:
        """Wait for a payload that Python must see: JSON (True), metrics or logs, or one with a sensitive key.

        Gives a number, whether it is JSON, its signal and its bytes; None once the receiver has stopped.
        """

    def give_back(self, number: int, body: bytes, name: bytes, cut: Sequence[tuple[str, int]]) -> None:
        """Go on with a payload: its protobuf bytes without secrets, its digest as received, and what was cut."""

    def turn_down(self, number: int, message: str, malformed: bool) -> None:
        """Refuse a payload that was set aside: for good where it is malformed, else with a word to come back."""

    def stop(self, grace_s: float) -> None:
        """Stop listening, wait up to `grace_s` for requests in flight, commit what waits, answer, and end the threads."""

def splice(parts: Sequence[tuple[bytes, int, int]], edits: _Edits, restamp: Sequence[tuple[str, str]] = ()) -> bytes:
    """One ExportTraceServiceRequest with just the spans that the edits name, in their order.

    A part is a payload: bytes, and where in them it begins and ends. Spans whose ResourceSpans have the same bytes (but for
    the scopes in them) share one, and then those whose ScopeSpans have the same bytes (but for the spans in them). All
    bytes that no edit names stay as they are and in their order, unknown fields included. A scope whose schema_url stands
    first in a pair of `restamp` gets the second. ValueError if an edit does not name a span of its part, or an index
    stands for nothing.
    """
