"""The corpus of the kernel's fuzzing, from the table of scan cases: `python -m tests.fuzz.corpus` writes it again."""

from __future__ import annotations

import gzip
import hashlib
import shutil
import struct
from collections.abc import Iterator

import zstandard

from tests.cases.scan import CASES
from tests.conftest import ROOT

CORPUS = ROOT / "python-sdk" / "kernel" / "fuzz" / "corpus"
_LONGEST, _EVERY = 512, 8


def inputs() -> Iterator[tuple[str, bytes]]:
    """The target, and an input of it in its own form (see `targets.rs`)."""
    bodies = sorted({case.payload for case in CASES if len(case.payload) <= _LONGEST})[::_EVERY]
    for number, body in enumerate(bodies):
        yield "scan", body
        yield "splice", struct.pack("<HHB", 6, max(0, len(body) - 6), number % 2) + body
        packed = [body, gzip.compress(body, mtime=0), zstandard.compress(body)]
        yield "body", bytes([number % 3]) + packed[number % 3]


def main() -> None:
    """Write it."""
    shutil.rmtree(CORPUS, ignore_errors=True)
    for target, data in inputs():
        directory = CORPUS / target
        directory.mkdir(parents=True, exist_ok=True)
        (directory / hashlib.sha256(data).hexdigest()[:16]).write_bytes(data)


if __name__ == "__main__":
    main()
