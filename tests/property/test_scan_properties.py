"""Any bytes either scan or raise ScanError, all engines agree, and the protobuf library reads the same."""

from __future__ import annotations

import math
import re

from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2
from opentelemetry.proto.trace.v1 import trace_pb2

from eigenspan.collector import scan
from eigenspan.collector.redact import redact
from eigenspan.collector.spans import Payload, Watched
from tests.cases.scan import WATCH
from tests.engines import HAS_KERNEL, Edit, scan_by_all, splice_by_all, takes_the_fast_road
from tests.strategies_otlp import KEYS, damaged, payloads
from tests.wirewriter import attribute, num

bounded = settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck), print_blob=True)
ENGINES = [scan.engine(name) for name in ("python", "kernel")[: 1 + HAS_KERNEL]]
Request = trace_service_pb2.ExportTraceServiceRequest
FIRST_OF_A_NUMBER = {"int_value": int, "bool_value": bool, "double_value": float, "string_value": str}


def read_as(watched: Watched, value) -> object:
    """The rules of `Watched`, written down a second time."""
    member = value.WhichOneof("value")
    raw = FIRST_OF_A_NUMBER[member](getattr(value, member)) if member in FIRST_OF_A_NUMBER else None
    accepted: dict[tuple[str, str | None], object] = {
        ("string", "string_value"): raw,
        ("string", "int_value"): str(raw),
        ("string", "bool_value"): str(raw).lower(),
        ("int", "int_value"): raw,
        ("double", "double_value"): raw,
        ("boolean", "bool_value"): raw,
    }
    if (watched.type, member) == ("double", "int_value"):
        return float(raw)
    if (watched.type, member) == ("boolean", "string_value") and raw.lower() in ("true", "false"):
        return raw.lower() == "true"
    return accepted.get((watched.type, member))


def watched_value(watched: Watched, attributes) -> object:
    for key in watched.keys:
        for found in attributes:
            if found.key == key:
                return read_as(watched, found.value)
    return None


def expected_rows(request) -> list[dict[str, object]]:
    """The rows of a request that the protobuf library has parsed."""
    rows = []
    scope = 0
    for resource, resource_spans in enumerate(request.resource_spans):
        for scope_spans in resource_spans.scope_spans:
            for span in scope_spans.spans:
                levels = {"span": span.attributes, "resource": resource_spans.resource.attributes}
                fixed = {
                    "resource": resource,
                    "scope": scope,
                    "trace_hi": int.from_bytes(span.trace_id[:8], "big"),
                    "trace_lo": int.from_bytes(span.trace_id[8:], "big"),
                    "span_id": int.from_bytes(span.span_id, "big"),
                    "parent_id": int.from_bytes(span.parent_span_id, "big"),
                    "kind": span.kind,
                    "status": span.status.code,
                    "name": span.name,
                    "trace_state": span.trace_state,
                    "start_ns": span.start_time_unix_nano,
                    "end_ns": span.end_time_unix_nano,
                }
                rows.append(fixed | {w.column: watched_value(w, levels[w.level]) for w in WATCH})
            scope += 1
    return rows


def comparable(rows: list[dict[str, object]]) -> list[dict[str, object]]:
    return [{k: "NaN" if isinstance(v, float) and math.isnan(v) else v for k, v in row.items()} for row in rows]


def without_place(row: dict[str, object]) -> dict[str, object]:
    return {k: v for k, v in row.items() if k not in ("payload", "offset", "length")}


@bounded
@given(payloads)
def test_what_is_accepted_is_what_the_protobuf_library_reads(payload):
    scanned = scan_by_all([payload], WATCH)
    assert scanned.errors == {}
    rows = scanned.columns.to_dicts()
    assert comparable([without_place(row) for row in rows]) == comparable(expected_rows(Request.FromString(payload)))
    for row in rows:
        span = trace_pb2.Span.FromString(payload[row["offset"] : row["offset"] + row["length"]])
        assert (int.from_bytes(span.span_id, "big"), span.name) == (row["span_id"], row["name"])


@bounded
@given(payloads)
def test_canonical_bytes_take_the_fast_road(payload):
    request = Request.FromString(payload)
    request.DiscardUnknownFields()
    canonical = request.SerializeToString()
    assume(not re.search(rb"[\x80-\xff]{9}", canonical))  # negative enums and indices take the slow one
    attributes = [a for r in request.resource_spans for s in r.scope_spans for span in s.spans for a in span.attributes]
    assume(
        all(attribute.key and attribute.HasField("value") for attribute in attributes)
    )  # else it cannot tell whose is whose
    assert takes_the_fast_road(canonical, WATCH)
    rows = scan_by_all([canonical], WATCH).columns.to_dicts()
    assert comparable([without_place(row) for row in rows]) == comparable(expected_rows(request))


@bounded
@given(damaged)
def test_damaged_bytes_scan_or_raise_and_engines_agree(payload):
    scanned = scan_by_all([payload], WATCH)
    if not scanned.errors:
        rows = [without_place(row) for row in scanned.columns.to_dicts()]
        assert comparable(rows) == comparable(expected_rows(Request.FromString(payload)))


@bounded
@given(st.binary(max_size=64))
def test_any_bytes_scan_or_raise_and_engines_agree(payload):
    scan_by_all([payload], WATCH)
    splice_by_all([(payload, [Edit(6, 28)])])


@bounded
@given(st.lists(payloads | damaged, max_size=4))
def test_payloads_do_not_touch_each_other(bodies):
    together = scan_by_all(bodies, WATCH)
    for index, body in enumerate(bodies):
        alone = scan_by_all([body], WATCH)
        rows = together.columns.filter(together.columns["payload"] == index).drop("payload")
        assert rows.equals(alone.columns.drop("payload"))
        assert (index in together.errors) == (0 in alone.errors)


@bounded
@given(st.lists(payloads | damaged, max_size=4), st.lists(KEYS.filter(bool), max_size=2))
def test_what_redaction_would_cut_is_named(bodies, names):
    for engine in ENGINES:
        looked = engine.look(bodies, WATCH, names)
        good = [number for number in range(len(bodies)) if number not in looked.errors]
        cut = {number for number in good if redact(Payload("traces", bodies[number], 0), names).cut}
        assert cut <= set(looked.named) <= set(good)
        assert sorted(engine.scan(bodies, WATCH, names).named) == sorted(looked.named)


def grouped(request) -> list[tuple[bytes, bytes, list[bytes]]]:
    """The spans of each resource and scope, joined as a splice joins them, by what their bytes say."""
    groups: dict[tuple[bytes, bytes], list[bytes]] = {}
    for resource_spans in request.resource_spans:
        for scope_spans in resource_spans.scope_spans:
            spans = [span.SerializeToString(deterministic=True) for span in scope_spans.spans]
            resource = (
                resource_spans.resource.SerializeToString(deterministic=True) + resource_spans.schema_url.encode()
            )
            scope = scope_spans.scope.SerializeToString(deterministic=True) + scope_spans.schema_url.encode()
            groups.setdefault((resource, scope), []).extend(spans)
    return sorted((*heads, sorted(spans)) for heads, spans in groups.items() if spans)


@bounded
@given(payloads)
def test_a_splice_of_all_spans_is_the_same_message_with_the_same_bytes(payload):
    columns = scan_by_all([payload], WATCH).columns
    edits = [Edit(o, n) for o, n in columns.select("offset", "length").iter_rows()]
    spliced = splice_by_all([(payload, edits)])
    again = scan_by_all([spliced], WATCH).columns
    before = sorted(payload[e.offset : e.offset + e.length] for e in edits)
    after = sorted(spliced[o : o + n] for o, n in again.select("offset", "length").iter_rows())
    assert before == after
    assert grouped(Request.FromString(spliced)) == grouped(Request.FromString(payload))
    dropped = ["payload", "offset", "length", "resource", "scope"]
    assert sorted(map(repr, again.drop(dropped).rows())) == sorted(map(repr, columns.drop(dropped).rows()))


@bounded
@given(st.lists(payloads, max_size=3), st.randoms(use_true_random=False), st.none() | st.sampled_from(["", "a=1"]))
def test_edits_change_what_they_say_and_nothing_else(bodies, random, trace_state):
    add = (*((key, attribute(key, num(3, 1))) for key in ("text", "new")), ("count", b""))
    parts, chosen = [], []
    for body in bodies:
        rows = scan_by_all([body], WATCH).columns.to_dicts()
        picked = random.sample(rows, random.randint(0, len(rows)))
        parts.append((body, [Edit(row["offset"], row["length"], add, trace_state) for row in picked]))
        chosen.extend(body[row["offset"] : row["offset"] + row["length"]] for row in picked)
    result = Request.FromString(splice_by_all(parts))
    spans = [s for rs in result.resource_spans for ss in rs.scope_spans for s in ss.spans]
    expected = []
    for body in chosen:
        span = trace_pb2.Span.FromString(body)
        if trace_state is not None:
            span.trace_state = trace_state
        for index in reversed([i for i, a in enumerate(span.attributes) if a.key == "count"]):
            del span.attributes[index]
        for key in ("text", "new"):
            if key not in [a.key for a in span.attributes]:
                span.attributes.add(key=key).value.int_value = 1
        expected.append(span.SerializeToString(deterministic=True))
    assert sorted(span.SerializeToString(deterministic=True) for span in spans) == sorted(expected)
