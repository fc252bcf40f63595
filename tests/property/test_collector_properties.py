"""Properties of the collector's stages: the same as a slow and simple way of saying it, on whatever is drawn."""

from __future__ import annotations

import json
import math

from hypothesis import example, given, settings
from hypothesis import strategies as st
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from eigenspan.collector import segment
from eigenspan.collector.enrich import encode_attribute
from eigenspan.collector.errors import BadData, ScanError
from eigenspan.collector.export import assemble
from eigenspan.collector.otlp import json_to_protobuf
from eigenspan.collector.redact import REDACTED, redact
from eigenspan.collector.scan import engine
from eigenspan.collector.segment import Damage, Record
from eigenspan.collector.spans import Payload
from tests.collector.building import DEFAULTS, SECOND, WATCH, digest, item, put, request, spans_in
from tests.collector.model import Both

FAST = settings(max_examples=60, deadline=None)
TEXT = st.text(st.characters(codec="utf-8"), max_size=20)
PAYLOADS = st.builds(
    Payload, st.sampled_from(segment.SIGNALS), st.binary(max_size=200), st.integers(0, 2**64 - 1),
    TEXT.filter(lambda t: "\0" not in t), TEXT,
)  # fmt: skip


@given(payloads=st.lists(PAYLOADS, max_size=5), first=st.integers(0, 2**60), log_ns=st.integers(0, 2**64 - 1))
def test_segments_come_back(payloads, first, log_ns):
    data = segment.encode_header(first) + b"".join(
        segment.encode_record(first + i, p, log_ns, digest(i))[0] for i, p in enumerate(payloads)
    )
    assert segment.decode_header(data) == first
    found = list(segment.read_records(data))
    assert [(r.position, r.payload, r.log_ns, r.digest) for r in found] == [
        (first + i, p, log_ns, digest(i)) for i, p in enumerate(payloads)
    ]
    assert all(data[r.body_offset :].startswith(r.payload.body) for r in found)


@FAST
@given(payloads=st.lists(PAYLOADS, min_size=1, max_size=4), data=st.data())
def test_any_damage_leaves_the_records_that_it_does_not_touch(payloads, data):
    records = [segment.encode_record(1 + i, p, 0, digest(i))[0] for i, p in enumerate(payloads)]
    raw = bytearray(segment.encode_header(1) + b"".join(records))
    start = data.draw(st.integers(segment.HEADER_BYTES, len(raw) - 1))
    length = data.draw(st.integers(1, min(40, len(raw) - start)))
    junk = data.draw(st.binary(min_size=length, max_size=length))
    raw[start : start + length] = junk
    ends = [segment.HEADER_BYTES + sum(map(len, records[: i + 1])) for i in range(len(records))]
    untouched = [i + 1 for i, end in enumerate(ends) if end <= start or end - len(records[i]) >= start + length]
    found = list(segment.read_records(bytes(raw)))
    positions = [r.position for r in found if isinstance(r, Record)]
    assert set(untouched) <= set(positions) <= set(range(1, len(payloads) + 1))
    assert positions == sorted(positions)
    covered = sum(f.length if isinstance(f, Damage) else len(records[f.position - 1]) for f in found)
    assert covered == len(raw) - segment.HEADER_BYTES


@given(junk=st.binary(max_size=300))
def test_any_bytes_are_records_and_damage(junk):
    found = list(segment.read_records(junk, 0))
    assert sum(f.length for f in found if isinstance(f, Damage)) <= len(junk)
    assert all(not f.torn for f in found[:-1] if isinstance(f, Damage))


VALUES = st.one_of(
    st.booleans(),
    st.integers(-(2**63), 2**63 - 1),
    st.floats(allow_nan=False),
    TEXT,
    st.lists(TEXT, min_size=1, max_size=4),
)


@given(attributes=st.dictionaries(TEXT, VALUES, max_size=5))
@example({"k" * 200: -1})
def test_attributes_read_back_as_they_were(attributes):
    span = Span.FromString(b"".join(encode_attribute(key, value) for key, value in attributes.items()))
    expected = Span()
    put(expected, attributes)
    assert span == expected
    for found, value in zip(span.attributes, attributes.values(), strict=True):
        if isinstance(value, float):
            assert math.copysign(1, found.value.double_value) == math.copysign(1, value)


KEYS = st.sampled_from(["a", "b", "c", "d"])
CARRIED = st.dictionaries(KEYS, st.integers(0, 9), max_size=3)


@FAST
@given(
    traces=st.lists(st.lists(CARRIED, min_size=1, max_size=3), min_size=1, max_size=4),
    add=CARRIED,
    limit=st.integers(50, 2000),
)
def test_what_is_assembled_is_what_was_received_and_what_was_added(traces, add, limit):
    given = engine("auto")
    adds = tuple((key, encode_attribute(key, value)) for key, value in add.items())
    log, items, expected = {}, [], []
    for n, spans in enumerate(traces, 1):
        log[n] = request(*({"trace": n, "span": i + 1, "attributes": carried} for i, carried in enumerate(spans)))
        columns = given.scan([log[n]], WATCH).columns
        shared = {"trace": n, "position": n, "add": adds, "state": "ot=th:8"}
        items.append(item(*(shared | place for place in columns.select("offset", "length").iter_rows(named=True))))
        expected += [(n, i + 1, add | carried) for i, carried in enumerate(spans)]
    bodies = list(assemble(items, lambda positions: ((log[p], 0, len(log[p])) for p in positions), given, limit))
    found = spans_in(bodies)
    assert [
        (s.trace_id[-1], s.span_id[-1], {a.key: a.value.int_value for a in s.attributes}) for s in found
    ] == expected
    assert all(len({a.key for a in s.attributes}) == len(s.attributes) for s in found)
    assert all(s.trace_state == "ot=th:8" for s in found)
    assert all(len(body) <= limit or len(spans_in([body])) == 1 for body in bodies)


SPANS = st.fixed_dictionaries(
    {
        "trace": st.integers(0, 5), "tenant": st.sampled_from(["", "t"]), "span_id": st.integers(1, 4), "length": st.sampled_from([40, 41]),
        "parent_id": st.sampled_from([0, 7, 7]), "status": st.sampled_from([0, 2]), "start_ns": st.integers(0, 10**10),
        "end_ns": st.integers(0, 10**10), "service": st.sampled_from([None, "a", "b"]), "shots": st.sampled_from([None, -1, 5]),
        "backend": st.sampled_from([None, "x"]), "success": st.sampled_from([None, True]), "trace_state": st.sampled_from(["", "ot=th:8"]),
        "name": st.sampled_from(["n", "m"]),
    }
)  # fmt: skip
TURNS = st.lists(
    st.tuples(st.lists(SPANS, max_size=5), st.integers(0, 4 * SECOND), st.booleans()), min_size=1, max_size=12
)


@FAST
@given(
    turns=TURNS,
    settle=st.sampled_from([0.0, 1.0, 2.5]),
    idle=st.sampled_from([0.0, 1.5, 4.0]),
    max_traces=st.sampled_from([1, 3, 10**6]),
    keep=st.sets(st.integers(0, 5)),
)
def test_open_traces_are_a_dictionary_of_lists(turns, settle, idle, max_traces, keep):
    both = Both(settle_s=settle, idle_s=idle, max_traces=max_traces)
    log_ns = position = 0
    for rows, elapsed, look in turns:
        log_ns += elapsed
        batch = []
        for offset, row in enumerate(rows):
            position += offset % 2 == 0
            given_row = dict(row)
            batch.append(
                DEFAULTS
                | given_row
                | {"trace_lo": given_row.pop("trace"), "position": position, "offset": offset, "log_ns": log_ns}
            )
        if batch:
            both.add([{k: v for k, v in row.items() if k != "trace"} for row in batch])
        if look:
            both.due(log_ns, keep=lambda key: key[2] in keep)
    both.due(log_ns + 10 * SECOND, keep=lambda key: True)
    assert not both.open


SECRETS = st.dictionaries(st.sampled_from(["password", "Password", "pass", "x"]), TEXT, max_size=3)


@FAST
@given(attributes=SECRETS, resource=SECRETS, name=TEXT)
def test_redaction_replaces_the_values_of_the_keys_and_nothing_else(attributes, resource, name):
    body = request({"attributes": attributes, "name": name}, resource=resource)
    done = redact(Payload("traces", body, 1), ["password"]).payload.body

    def cut(values):
        return {key: REDACTED if key.lower() == "password" else value for key, value in values.items()}

    assert ExportTraceServiceRequest.FromString(done) == ExportTraceServiceRequest.FromString(
        request({"attributes": cut(attributes), "name": name}, resource=cut(resource))
    )


JSON = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(-(2**70), 2**70), st.floats(), TEXT),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(
            st.sampled_from(["resourceSpans", "scopeSpans", "spans", "traceId", "attributes", "name", "x"]),
            inner,
            max_size=3,
        ),
    ),
    max_leaves=12,
)


@FAST
@given(document=JSON)
def test_any_json_is_a_request_or_bad_data(document):
    try:
        body = json_to_protobuf("traces", json.dumps(document).encode())
    except BadData:
        return
    ExportTraceServiceRequest.FromString(body)


@given(body=st.binary(max_size=100), signal=st.sampled_from(segment.SIGNALS))
def test_redaction_of_any_bytes_is_a_payload_or_a_scan_error(body, signal):
    given_payload = Payload(signal, body, 1)
    try:
        done = redact(given_payload, ["\n", "a"])
    except ScanError:
        return
    assert done.cut or done.payload is given_payload
