"""OTLP around the payload: compression, JSON, and what errors become."""

from __future__ import annotations

import gzip
import json
import tracemalloc

import pytest
import zstandard
from google.protobuf import json_format
from google.rpc.error_details_pb2 import RetryInfo
from google.rpc.status_pb2 import Status
from hypothesis import given
from hypothesis import strategies as st

from eigenspan.collector import otlp
from eigenspan.collector.errors import (
    BadData,
    ConfigError,
    ScanError,
    TooLarge,
    Unavailable,
    UnsupportedMedia,
)
from tests.collector.building import request

LIMIT = 1000


@pytest.mark.parametrize(("compress", "undo"), [(gzip.compress, otlp.gunzip), (zstandard.compress, otlp.unzstd)])
@given(parts=st.lists(st.binary(max_size=400), min_size=1, max_size=3))
def test_compression_of_any_number_of_members_is_undone(compress, undo, parts):
    whole = b"".join(parts)
    data = b"".join(compress(part) for part in parts)
    if len(whole) <= LIMIT:
        assert undo(data, LIMIT) == whole
    else:
        with pytest.raises(TooLarge):
            undo(data, LIMIT)


@pytest.mark.parametrize(("size", "fits"), [(LIMIT, True), (LIMIT + 1, False), (10_000_000, False)])
def test_the_limit_is_exact(size, fits):
    data = gzip.compress(bytes(size))
    if fits:
        assert otlp.gunzip(data, LIMIT) == bytes(size)
    else:
        with pytest.raises(TooLarge, match="1000 bytes"):
            otlp.gunzip(data, LIMIT)


def test_cut_at_any_byte_gzip_is_bad_data():
    data = gzip.compress(b"hello")
    for length in range(1, len(data)):
        with pytest.raises(BadData):
            otlp.gunzip(data[:length], LIMIT)


@pytest.mark.parametrize("data", [b"junk", gzip.compress(b"x") + b"junk", gzip.compress(b"x")[:-1] + b"\xff"])
def test_what_is_not_gzip_is_bad_data(data):
    with pytest.raises(BadData, match="gzip"):
        otlp.gunzip(data, LIMIT)


def test_a_zstd_bomb_stops_near_the_limit():
    """256 MiB in a few KiB: no more than what one step can make is ever held."""
    bomb = zstandard.compress(bytes(256 << 20), level=1)
    tracemalloc.start()
    with pytest.raises(TooLarge, match="1000 bytes"):
        otlp.unzstd(bomb, LIMIT)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 40 << 20


def test_cut_at_any_byte_zstd_is_bad_data():
    data = zstandard.compress(b"hello" * 100)
    for length in range(1, len(data)):
        with pytest.raises(BadData, match="zstd"):
            otlp.unzstd(data[:length], LIMIT)


def test_a_zstd_window_over_8_mib_is_refused():
    parameters = zstandard.ZstdCompressionParameters(window_log=24)
    packer = zstandard.ZstdCompressor(compression_params=parameters).compressobj()
    with pytest.raises(BadData, match="zstd"):
        otlp.unzstd(packer.compress(b"x" * 100) + packer.flush(), LIMIT)


@pytest.mark.parametrize("encoding", ["deflate", "br", "GZIP", "gzip, gzip"])
def test_an_encoding_that_we_do_not_know_is_said(encoding):
    with pytest.raises(UnsupportedMedia, match="send gzip"):
        otlp.decompressor(encoding)


@pytest.mark.parametrize("encoding", ["", "identity"])
def test_no_encoding_is_the_same_object(encoding):
    data = b"anything"
    assert otlp.decompressor(encoding)(data, LIMIT) is data


IDS = {"traceId": "0AF7651916cd43dd8448eb211c80319c", "spanId": "b7ad6b7169203331"}
SPAN = IDS | {
    "parentSpanId": "00f067aa0ba902b7",
    "name": "n",
    "kind": 3,
    "startTimeUnixNano": "7",
    "endTimeUnixNano": 9,
}


def test_json_ids_are_hexadecimal_also_in_links_and_logs():
    span = SPAN | {"links": [IDS], "status": {"code": 2}, "newField": [{"a": 1}]}
    body = {"resourceSpans": [{"scopeSpans": [{"spans": [span]}]}], "unknown": 1}
    message = otlp.SIGNALS["traces"].request.FromString(otlp.json_to_protobuf("traces", json.dumps(body).encode()))
    (found,) = message.resource_spans[0].scope_spans[0].spans
    assert found.trace_id.hex() == found.links[0].trace_id.hex() == IDS["traceId"].lower()
    assert (found.parent_span_id.hex(), found.kind, found.start_time_unix_nano) == ("00f067aa0ba902b7", 3, 7)
    assert (found.end_time_unix_nano, found.status.code) == (9, 2)
    logs = {"resourceLogs": [{"scopeLogs": [{"logRecords": [{"traceId": IDS["traceId"]}]}]}]}
    message = otlp.SIGNALS["logs"].request.FromString(otlp.json_to_protobuf("logs", json.dumps(logs).encode()))
    assert message.resource_logs[0].scope_logs[0].log_records[0].trace_id.hex() == IDS["traceId"].lower()


def test_json_of_any_request_is_its_protobuf():
    message = otlp.SIGNALS["traces"].request.FromString(
        request({"attributes": {"a": 1, "b": [""], "c": -0.5}}, resource={"r": "x"})
    )
    document = json_format.MessageToDict(message)
    span = document["resourceSpans"][0]["scopeSpans"][0]["spans"][0]
    span["traceId"], span["spanId"] = (1).to_bytes(16, "big").hex(), (1).to_bytes(8, "big").hex()
    assert otlp.json_to_protobuf("traces", json.dumps(document).encode()) == message.SerializeToString()


@pytest.mark.parametrize(
    "data",
    [
        b"", b"[", b"[]", b"null", b'"x"', b"\xff", b'{"resourceSpans": 1}', b'{"resourceSpans": [1]}',
        b'{"resourceSpans":[{"scopeSpans":[{"spans":[{"traceId":"zz"}]}]}]}',
        b'{"resourceSpans":[{"scopeSpans":[{"spans":[{"traceId":"abc"}]}]}]}',
        b'{"resourceSpans":[{"scopeSpans":[{"spans":[{"traceId":5}]}]}]}',
        b'{"resourceSpans":[{"scopeSpans":[{"spans":[{"startTimeUnixNano":"-1"}]}]}]}',
        b'{"a":' * 5000 + b"1" + b"}" * 5000,
    ],
)  # fmt: skip
def test_other_json_is_bad_data(data):
    with pytest.raises(BadData):
        otlp.json_to_protobuf("traces", data)


ERRORS = [
    (BadData("b"), 400, 3, None),
    (ScanError("s", 5), 400, 3, None),
    (TooLarge("t"), 413, 8, None),
    (UnsupportedMedia("u"), 415, 3, None),
    (Unavailable("busy", 2.5), 503, 14, 2.5),
    (ConfigError("ours"), 500, 3, None),
]


@pytest.mark.parametrize(("error", "http", "code", "after_s"), ERRORS, ids=lambda v: type(v).__name__)
def test_errors_name_who_is_to_blame(error, http, code, after_s):
    assert otlp.http_status(error) == http
    status = Status.FromString(otlp.error_body(error, otlp.PROTOBUF))
    assert (status.code, status.message) == (code, str(error))
    assert json.loads(otlp.error_body(error, otlp.JSON)) == {"code": code, "message": str(error)}
    assert len(status.details) == (after_s is not None)
    if after_s is not None:
        info = RetryInfo()
        assert status.details[0].Unpack(info)
        assert info.retry_delay.ToMilliseconds() == after_s * 1000
