"""The engines to test, as pytest parameters; the kernel is skipped, with the reason, where it is not installed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import polars as pl
import pytest

from eigenspan.collector import scan, scan_fast
from eigenspan.collector.errors import ScanError
from eigenspan.collector.scan import Engine, Scanned
from eigenspan.collector.scan_slow import Slow
from eigenspan.collector.scan_table import Found, plan_of, table
from eigenspan.collector.spans import EDIT, Add, Edits, Watch, schema_of

HAS_KERNEL = scan.kernel is not None
needs_kernel = pytest.mark.skipif(not HAS_KERNEL, reason="the package eigenspan-kernel is not installed")


def scan_slowly(payloads: Sequence[bytes], watch: Watch) -> Scanned:
    """The portable engine without its fast road."""
    plan = plan_of(watch)
    found, errors = {}, {}
    for payload, data in enumerate(payloads):
        try:
            found[payload] = Found.of(Slow(plan, data).rows())
        except ScanError as error:
            errors[payload] = error
    return Scanned(table(list(found.values()), watch, list(found)), errors)


def takes_the_fast_road(payload: bytes, watch: Watch) -> bool:
    plan = plan_of(watch)
    canonical = scan_fast.canonical(plan, payload)
    return canonical is not None and scan_fast.read(plan, [canonical]) is not None


def scan_with_kernel(payloads: Sequence[bytes], watch: Watch) -> Scanned:
    return scan.engine("kernel").scan(payloads, watch)


class Edit(NamedTuple):
    """A span to take out of a payload, and what to change in it; None leaves the trace state as it is."""

    offset: int
    length: int
    add: Add = ()
    trace_state: str | None = None


def splice(name: scan.EngineName, parts: Sequence[tuple[bytes, Sequence[Edit]]], restamp=()) -> bytes:
    """Splice with what each payload's edits say; the payloads lie between other bytes."""
    fields, adds, states, rows = [], [], [], []
    for part, (_, edits) in enumerate(parts):
        for edit in edits:
            add = [*range(len(fields), len(fields) + len(edit.add))]
            fields += edit.add
            rows.append((part, edit.offset, edit.length, -1 if not add else len(adds), -1))
            if add:
                adds.append(add)
            if edit.trace_state is not None:
                rows[-1] = (*rows[-1][:4], len(states))
                states.append(edit.trace_state)
    inside = [(b"before" + payload + b"after", 6, 6 + len(payload)) for payload, _ in parts]
    return scan.engine(name).splice(inside, Edits(np.array(rows, EDIT).tobytes(), fields, adds, states), restamp)


def splice_with_kernel(parts, restamp=()):
    return splice("kernel", parts, restamp)


def splice_with_python(parts, restamp=()):
    return splice("python", parts, restamp)


_KERNEL = pytest.param(scan_with_kernel, id="kernel", marks=needs_kernel)
SCANS = pytest.mark.parametrize(
    "scanning",
    [_KERNEL, pytest.param(scan.engine("python").scan, id="python"), pytest.param(scan_slowly, id="slow-road")],
)
SPLICES = pytest.mark.parametrize(
    "splicing",
    [
        pytest.param(splice_with_kernel, id="kernel", marks=needs_kernel),
        pytest.param(splice_with_python, id="python"),
    ],
)


def in_words(scanned: Scanned) -> tuple[str, dict[int, str]]:
    """All that a scan says, with good payloads numbered among themselves."""
    rank = {payload: rank for rank, payload in enumerate(sorted(set(scanned.columns["payload"])))}
    renumbered = scanned.columns.with_columns(pl.col("payload").replace_strict(rank, return_dtype=pl.UInt32))
    return renumbered.write_json(), {k: str(e) for k, e in scanned.errors.items()}


def in_two_steps(engine: Engine, payloads: Sequence[bytes], watch: Watch) -> tuple[str, dict[int, str]]:
    """The same by `look` at each payload alone, and `columns` of all."""
    looks = [engine.look([payload], watch) for payload in payloads]
    columns = engine.columns([found for looked in looks for found in looked.found], watch)
    errors = {number: looked.errors[0] for number, looked in enumerate(looks) if looked.errors}
    assert columns.schema == schema_of(watch)
    return in_words(Scanned(columns, errors))


def scan_by_all(payloads: Sequence[bytes], watch: Watch) -> Scanned:
    """What every engine says, after checking that they say the same, down to the words of an error."""
    first = scan.engine("python").scan(payloads, watch)
    for name in ["python", "kernel"][: 1 + HAS_KERNEL]:
        assert in_two_steps(scan.engine(name), payloads, watch) == in_words(first)
    for other in [scan_slowly, scan_with_kernel][: 1 + HAS_KERNEL]:
        scanned = other(payloads, watch)
        assert scanned.columns.equals(first.columns)
        assert scanned.columns.schema == first.columns.schema
        assert {k: str(e) for k, e in scanned.errors.items()} == {k: str(e) for k, e in first.errors.items()}
    return first


def splice_by_all(parts, restamp=()) -> bytes | str:
    """What every engine gives, bytes or the words of its ValueError, after checking that it is the same."""
    given = []
    for splicing in [splice_with_python, splice_with_kernel][: 1 + HAS_KERNEL]:
        try:
            given.append(splicing(parts, restamp))
        except ValueError as error:
            given.append(str(error))
    assert given[1:] in ([], given[:1])
    return given[0]
