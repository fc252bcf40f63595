"""The rows of a list of traces, and which of them are wanted."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace


@dataclass(frozen=True, slots=True)
class Filters:
    """Which traces to list; None: any."""

    errors: bool = False
    service: str | None = None
    backend: str | None = None
    slower_than_s: float | None = None
    start_ns: int | None = None  # only traces that began at or after this
    end_ns: int | None = None  # only traces that began before this


@dataclass(frozen=True, slots=True)
class Row:
    """One trace in a list."""

    trace_id: str
    start_ns: int
    end_ns: int
    spans: int
    errors: int
    service: str | None
    root: str | None
    backend: str | None
    rule: str | None
    tenant: str = ""

    @property
    def duration_s(self) -> float:
        """From the first start to the last end."""
        return max(0, self.end_ns - self.start_ns) / 1e9

    def to_dict(self) -> dict[str, object]:
        """As JSON shows it."""
        return asdict(self) | {"duration_s": self.duration_s}


def where(filters: Filters) -> tuple[str, list[object]]:
    """The WHERE clause of filters, and its parameters."""
    parts: list[tuple[str, object]] = []
    if filters.errors:
        parts.append(("errors > ?", 0))
    if filters.service:
        parts.append(("service = ?", filters.service))
    if filters.backend:
        parts.append(("backend = ?", filters.backend))
    if filters.slower_than_s is not None:
        parts.append(("end_ns - start_ns > ?", int(filters.slower_than_s * 1e9)))
    if filters.start_ns is not None:
        parts.append(("start_ns >= ?", filters.start_ns))
    if filters.end_ns is not None:
        parts.append(("start_ns < ?", filters.end_ns))
    clause = " AND ".join(condition for condition, _ in parts)
    return (f"WHERE {clause}" if clause else ""), [value for _, value in parts]


def merge(one: Row, other: Row) -> Row:
    """What two days have of one trace as one row."""
    named = one if one.root or not other.root else other
    return replace(
        one,
        start_ns=min(one.start_ns, other.start_ns),
        end_ns=max(one.end_ns, other.end_ns),
        spans=one.spans + other.spans,
        errors=one.errors + other.errors,
        service=named.service or one.service or other.service,
        root=named.root,
        backend=one.backend or other.backend,
        rule=one.rule or other.rule,
    )
