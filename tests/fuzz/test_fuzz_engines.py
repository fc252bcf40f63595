"""Mutated payloads, bounded and seeded: any bytes either scan or raise ScanError, and the engines agree.

EIGENSPAN_FUZZ_ROUNDS and EIGENSPAN_FUZZ_SEED set how many, and which.
"""

from __future__ import annotations

import os
import random

import pytest
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2

from tests.cases.scan import CASES, WATCH
from tests.engines import Edit, scan_by_all, splice_by_all
from tests.wirewriter import attribute, num

pytestmark = pytest.mark.slow

ROUNDS = int(os.environ.get("EIGENSPAN_FUZZ_ROUNDS", "300"))
SEED = int(os.environ.get("EIGENSPAN_FUZZ_SEED", "1"))
BATCH = 64
CORPUS = [case.payload for case in CASES]
TELLING = [0x00, 0x01, 0x07, 0x0A, 0x0B, 0x12, 0x18, 0x2A, 0x32, 0x4A, 0x7F, 0x80, 0xFF]


def mutated(data: bytes, dice: random.Random) -> bytes:
    """`data` after a few random changes of the kinds that protobuf readers trip over."""
    changed = bytearray(data)
    for _ in range(dice.choice([1, 1, 2, 4])):
        at = dice.randrange(len(changed) + 1)
        kind = dice.randrange(7)
        if kind == 0 and changed:
            changed[at % len(changed)] ^= 1 << dice.randrange(8)
        elif kind == 1 and changed:
            changed[at % len(changed)] = dice.choice(TELLING)
        elif kind == 2:
            changed[at:at] = bytes([dice.choice(TELLING)])
        elif kind == 3:
            del changed[at : at + dice.randrange(1, 4)]
        elif kind == 4:
            del changed[at:]
        elif kind == 5:
            other = dice.choice(CORPUS)
            start = dice.randrange(len(other) + 1)
            changed[at:at] = other[start : start + dice.randrange(32)]
        else:
            changed[at:at] = changed[at : at + dice.randrange(48)]
    return bytes(changed)


@pytest.mark.parametrize("round_", range(ROUNDS))
def test_engines_agree(round_):
    dice = random.Random(f"{SEED}/{round_}")
    payloads = [mutated(dice.choice(CORPUS), dice) for _ in range(BATCH)]
    scanned = scan_by_all(payloads, WATCH)
    for index, payload in enumerate(payloads):
        if index not in scanned.errors:
            trace_service_pb2.ExportTraceServiceRequest.FromString(payload)
        places = scanned.columns.filter(scanned.columns["payload"] == index).select("offset", "length").rows()
        edits = [
            Edit(o, n, (("text", attribute("text", num(3, 1))),), dice.choice([None, "", "a=1"])) for o, n in places
        ]
        spliced = splice_by_all([(payload, edits)])
        if index not in scanned.errors:
            assert scan_by_all([spliced], WATCH).columns.height == len(edits)
        splice_by_all([(payload, [Edit(dice.randrange(64), dice.randrange(64))])])
