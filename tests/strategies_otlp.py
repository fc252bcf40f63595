"""Hypothesis strategies for trace payloads: good messages in all their encodings, and damaged ones."""

from __future__ import annotations

from hypothesis import strategies as st

from tests.wirewriter import GOOD_SPAN_ID, double, fixed32, fixed64, num, sub, tag, varint

KEYS = st.sampled_from(
    ["text", "old.text", "count", "old.count", "n", "ratio", "flag", "service.name", "host.cores", "k"]
)
TEXTS = st.sampled_from(["", "a", "true", "FALSE", "é\u4e2d\0"]) | st.text(max_size=6)
INTS = st.sampled_from([0, 1, -1, 2**31, 2**63 - 1, -(2**63)]) | st.integers(-(2**63), 2**63 - 1)
U64 = st.integers(0, 2**64 - 1)

padded_num = st.builds(
    lambda number, value, size: tag(number, 0) + varint(value, size), st.just(99), INTS, st.integers(0, 10)
)
unknown = st.one_of(
    padded_num,
    st.builds(fixed64, st.just(100), U64),
    st.builds(sub, st.just(101), st.binary(max_size=6)),
    st.builds(fixed32, st.just(2**29 - 1), st.integers(0, 2**32 - 1)),
)


def number(field: int, values: st.SearchStrategy[int]) -> st.SearchStrategy[bytes]:
    """A varint field, now and then padded in its value or its tag."""
    return st.one_of(
        st.builds(lambda v: num(field, v), values),
        st.builds(lambda v, size: tag(field, 0) + varint(v, size), values, st.integers(1, 10)),
        st.builds(lambda v, size: varint(field << 3, size) + varint(v), values, st.integers(1, 5)),
    )


def text(field: int) -> st.SearchStrategy[bytes]:
    return st.builds(lambda v: sub(field, v), TEXTS)


def message(field: int, body: st.SearchStrategy[bytes]) -> st.SearchStrategy[bytes]:
    """A submessage, now and then with a padded length."""

    def written(content: bytes, size: int) -> bytes:
        return tag(field, 2) + varint(len(content), size) + content

    return st.builds(written, body, st.sampled_from([0, 0, 0, 0, 3, 5]))


def joined(*fields: st.SearchStrategy[bytes], most: int = 4, wild: bool = True) -> st.SearchStrategy[bytes]:
    """Some of these fields, in any order, perhaps again, perhaps with unknown ones between."""
    return st.lists(st.one_of(*fields, *([unknown] if wild else [])), max_size=most).map(b"".join)


def any_value() -> st.SearchStrategy[bytes]:
    scalar = st.one_of(
        text(1),
        number(2, st.sampled_from([0, 1, 2, 2**63])),
        number(3, INTS),
        st.builds(double, st.just(4), st.floats()),
        st.builds(sub, st.just(7), st.binary(max_size=4)),
        number(8, st.integers(-3, 3)),
    )

    def deeper(inner: st.SearchStrategy[bytes]) -> st.SearchStrategy[bytes]:
        value = joined(scalar, inner, most=2)
        listed = joined(text(1), message(2, value), most=3)
        return st.one_of(message(5, joined(message(1, value), most=3)), message(6, joined(message(1, listed), most=2)))

    nested = st.recursive(scalar, deeper, max_leaves=4)
    return st.one_of(scalar, scalar, joined(nested, scalar, most=3))


def key_value() -> st.SearchStrategy[bytes]:
    usual = st.builds(lambda key, value: sub(1, key) + sub(2, value), KEYS, any_value())
    key = st.builds(lambda v: sub(1, v), KEYS)
    return st.one_of(usual, usual, joined(key, message(2, any_value()), number(3, st.integers(-1, 1))))


attributes = key_value()
optional_id = st.sampled_from([b"", GOOD_SPAN_ID, bytes(8)])
trace_ids = st.binary(min_size=16, max_size=16).filter(any)
span_ids = st.binary(min_size=8, max_size=8).filter(any)
uint32 = st.integers(0, 2**32 - 1)

event = joined(st.builds(fixed64, st.just(1), U64), text(2), message(3, attributes), number(4, uint32))
link = joined(
    st.builds(sub, st.just(1), st.sampled_from([b"", bytes(16)])),
    st.builds(sub, st.just(2), optional_id),
    text(3),
    message(4, attributes),
    number(5, uint32),
    st.builds(fixed32, st.just(6), uint32),
)
status = joined(text(2), number(3, INTS), most=3)
span = st.builds(
    lambda trace_id, span_id, before, after: before + sub(1, trace_id) + sub(2, span_id) + after,
    trace_ids,
    span_ids,
    joined(text(5), message(9, attributes), most=2),
    joined(
        message(9, attributes),
        message(9, attributes),
        text(3),
        st.builds(sub, st.just(4), optional_id),
        text(5),
        number(6, INTS),
        st.builds(fixed64, st.just(7), U64),
        st.builds(fixed64, st.just(8), U64),
        number(10, uint32),
        message(11, event),
        number(12, uint32),
        message(13, link),
        number(14, uint32),
        message(15, status),
        st.builds(fixed32, st.just(16), uint32),
        most=8,
    ),
)
entity_ref = joined(text(1), text(2), text(3), text(4))
resource = joined(message(1, attributes), number(2, uint32), message(3, entity_ref))
scope = joined(text(1), text(2), message(3, attributes), number(4, uint32))
scope_spans = joined(message(1, scope), message(2, span), message(2, span), text(3))
resource_spans = joined(message(1, resource), message(2, scope_spans), message(2, scope_spans), text(3))
payloads = joined(message(1, resource_spans), message(1, resource_spans), most=3)
"""Requests that a scan accepts, in any encoding that protobuf has for them."""


def _flipped(data: bytes, flips: list[tuple[int, int]]) -> bytes:
    changed = bytearray(data)
    for at, bits in flips:
        if changed:
            changed[at % len(changed)] ^= bits
    return bytes(changed)


damaged = st.builds(
    _flipped, payloads, st.lists(st.tuples(st.integers(0, 2**16), st.integers(1, 255)), min_size=1, max_size=3)
)
"""Requests with a few bytes changed: refused or not, but by all engines alike."""
