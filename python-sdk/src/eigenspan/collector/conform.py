"""Telemetry against the conventions, on its way: names become the registry's, and how much conforms is measured.

The names of older versions and of vendors are columns from the start, by the watch list's aliases. On kept spans they
are rewritten too, by the table of `schema.normalise`; a span that speaks the registry's language already keeps its
bytes. The mandatory fields of a job are counted over all traffic; whole spans are validated where they are kept, each
standing for as many as its trace does.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence

import polars as pl
from google.protobuf.message import DecodeError
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from eigenspan.collector.decided import Decision
from eigenspan.collector.enrich import encode_attribute
from eigenspan.collector.prometheus import family
from eigenspan.collector.spans import Add
from eigenspan.collector.threshold import adjusted_count
from eigenspan.collector.wire import len_field
from eigenspan.schema.findings import RANK, Finding
from eigenspan.schema.normalise import RULES, normalise_span
from eigenspan.schema.read_proto import span_of
from eigenspan.schema.records import Batch
from eigenspan.schema.registry import registry
from eigenspan.schema.validate import SPAN_TYPE, Validator
from eigenspan.schema.values import field_type
from eigenspan.semconv.attributes import QUANTUM_JOB_STATUS

_ATTRIBUTES = 9  # the number of the field
_SPANS_A_TURN = 30
"""Spans validated in one turn at the most; each costs some 30 µs."""


def parse(span: bytes) -> Span | None:
    """The message of a span that was scanned; None where the library cannot read what scan could."""
    try:
        return Span.FromString(span)
    except DecodeError:
        return None


def conformed(span: bytes, *, keep_original: bool = False) -> Span | None:
    """The message of a span as it leaves; None where the library cannot read what scan could."""
    found = parse(span)
    if found is not None:
        conform(found, Counter(), keep_original=keep_original)
    return found


def conform(span: Span, counts: Counter[str], *, keep_original: bool = False) -> Add:
    """Bring a span's attributes to the registry's names, in place; returns the same as changes for `splice`."""
    before, status = _keys_and_status(span)
    if not status and before.isdisjoint(RULES):
        return _typed(span, before, counts)
    normalise_span(span, counts, keep_original=keep_original)
    after, status_now = _keys_and_status(span)
    added = after - before
    if status_now != status:
        added.add(QUANTUM_JOB_STATUS)
    cut = (before - after) | (added & before)
    fields = {a.key: len_field(_ATTRIBUTES, a.SerializeToString()) for a in span.attributes if a.key in added}
    return (*((key, b"") for key in sorted(cut)), *fields.items())


def _typed(span: Span, keys: set[str], counts: Counter[str]) -> Add:
    """What `normalise_span` does to a span of which only the name can be from elsewhere."""
    type_ = field_type(span.name)
    if not type_ or SPAN_TYPE in keys:
        return ()
    span.attributes.add(key=SPAN_TYPE).value.string_value = type_
    counts["typed"] += 1
    return ((SPAN_TYPE, encode_attribute(SPAN_TYPE, type_)),)


def _keys_and_status(span: Span) -> tuple[set[str], str]:
    """The span's keys, and the state of its job: the one value that is spelled anew under its own key."""
    keys, status = {attribute.key for attribute in span.attributes}, ""
    if QUANTUM_JOB_STATUS in keys:
        status = [a.value.string_value for a in span.attributes if a.key == QUANTUM_JOB_STATUS][-1]
    return keys, status


class Compliance:
    """How much of the telemetry conforms: jobs to the contract's fields, kept spans to their definitions.

    `columns`: mandatory attribute → the column that holds it.
    """

    def __init__(self, columns: Mapping[str, str]) -> None:
        self._columns = dict(columns)
        self.jobs = 0
        self.jobs_whole = 0
        self.missing: Counter[str] = Counter()
        self.checked = 0.0
        self.conforming = 0.0
        self.findings: Counter[str] = Counter()

    def count(self, traces: pl.DataFrame) -> None:
        """Count the mandatory fields of due traces (a row each) in which a job ran; any span may carry them."""
        jobs = traces.filter(pl.col("backend").is_not_null()).select(self._columns.values())
        if jobs.is_empty():
            return
        self.jobs += len(jobs)
        self.jobs_whole += len(jobs.drop_nulls())
        for attribute, column in self._columns.items():
            self.missing[attribute] += jobs[column].null_count()

    def check(
        self, spans: pl.DataFrame, decisions: Sequence[Decision], read: Callable[[int, int, int], Span | None]
    ) -> None:
        """Validate the quantum spans of kept traces: as many traces as a turn has time for, for all that came.

        `spans`: rows with trace (an index into `decisions`), position, offset, length, quantum, foreign; `read` gives a
        span by the last three. What stands for an unknown number of traces (no threshold) is left out of the figures.
        """
        attended = spans.filter(pl.col("quantum") | pl.col("foreign"))
        counts = attended.group_by("trace", maintain_order=True).len().iter_rows()
        known = [(trace, n, adjusted_count(t)) for trace, n in counts if (t := decisions[trace].threshold) is not None]
        chosen: dict[int, float] = {}
        room = _SPANS_A_TURN
        for trace, n, weight in known:
            if chosen and n > room:
                break
            chosen[trace] = weight
            room -= n
        total = sum(n * weight for _, n, weight in known)
        done = sum(n * weight for trace, n, weight in known if trace in chosen)
        rows = attended.filter(pl.col("trace").is_in(list(chosen))).select("trace", "position", "offset", "length")
        found: defaultdict[int, list[Span]] = defaultdict(list)
        for trace, *place in rows.iter_rows():
            if (span := read(*place)) is not None:
                found[trace].append(span)
        for trace, readable in found.items():
            self._check(readable, chosen[trace] * total / done)

    def _check(self, spans: Sequence[Span], weight: float) -> None:
        batch = Batch("", 0, registry().schema_url, {}, [span_of(span) for span in spans])
        validator = Validator(contracts=())
        found = [*validator.check(batch), *validator.finish()]
        bad = {f.place.span_id for f in found if _counts(f)}
        self.findings.update(f.id for f in found)
        self.checked += weight * len(spans)
        self.conforming += weight * (len(spans) - len(bad))

    def prometheus(self) -> list[str]:
        """These figures in the Prometheus text format."""
        missing = [({"attribute": key}, n) for key, n in sorted(self.missing.copy().items())]
        findings = [({"id": key}, n) for key, n in sorted(self.findings.copy().items())]
        return [
            *family("eigenspan_compliance_jobs_total", "counter",
                    "Decided traces in which a job ran, by whether they carry every mandatory field.",
                    [({"whole": "true"}, self.jobs_whole), ({"whole": "false"}, self.jobs - self.jobs_whole)]),
            *family("eigenspan_compliance_missing_fields_total", "counter", "Of these, those without the field.", missing),
            *family("eigenspan_compliance_spans_total", "counter",
                    "Quantum spans, as estimated from the validated ones, by whether they conform to the registry.",
                    [({"conform": "true"}, self.conforming), ({"conform": "false"}, self.checked - self.conforming)]),
            *family("eigenspan_compliance_findings_total", "counter", "Findings on the spans that were validated.", findings),
        ]  # fmt: skip


def _counts(finding: Finding) -> bool:
    return RANK[finding.level] == RANK["violation"]
