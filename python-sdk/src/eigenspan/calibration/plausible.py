"""Is a snapshot possible at all? Numbers that no machine can have mean a wrong unit or a corrupt document.

The limits are an order of magnitude beyond anything published for the technology: they catch a wrong unit, not a
bad qubit. Bad but possible values (a stuck readout, T2 over twice T1) are kept and flagged by the importers.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Sequence
from typing import Final, NoReturn

from eigenspan.calibration import instants
from eigenspan.calibration.errors import CalibrationError
from eigenspan.calibration.snapshot import Column, Gate, Instants, Snapshot, Technology

Range = tuple[float, float]

# Coherence times and durations in seconds. The best transmon is near 2e-3 s; trapped ions reach hours.
COHERENCE_S: Final[dict[Technology, Range]] = {"superconducting": (1e-9, 0.1)}
COHERENCE_OTHER_S: Final[Range] = (1e-9, 1e6)
DURATION_S: Final[dict[Technology, Range]] = {"superconducting": (0.0, 1e-2)}
DURATION_OTHER_S: Final[Range] = (0.0, 100.0)
FREQUENCY_HZ: Final[Range] = (1e6, 1e16)
ANHARMONICITY_HZ: Final[Range] = (-1e11, 1e11)
PROBABILITY: Final[Range] = (0.0, 1.0)
STD: Final[Range] = (0.0, 1e6)
EARLIEST_NS: Final = instants.parse("2000-01-01T00:00:00Z")
LATEST_NS: Final = instants.parse("2200-01-01T00:00:00Z")
MAX_QUBITS: Final = 1_000_000
PROVIDER: Final = re.compile(r"[a-z][a-z0-9_.-]*")


def check(snapshot: Snapshot) -> None:
    """Raise CalibrationError unless every number, site and instant of the snapshot is possible."""
    _Checker(snapshot).run()


class _Checker:
    def __init__(self, snapshot: Snapshot) -> None:
        self.snapshot = snapshot
        self.technology = snapshot.backend.technology
        self.who = f"{snapshot.backend.name} ({snapshot.provenance.source})"

    def fail(self, what: str, mend: str = "check the unit; nothing was stored") -> NoReturn:
        raise CalibrationError(self.who, what, mend)

    def run(self) -> None:
        backend = self.snapshot.backend
        if not backend.name or not backend.provider:
            self.fail("its backend or provider has no name", "give a name")
        if not PROVIDER.fullmatch(backend.provider):
            self.fail(f"its provider is {backend.provider!r}", "write it in lower case, as in ibm")
        if not 1 <= backend.num_qubits <= MAX_QUBITS:
            self.fail(f"it claims {backend.num_qubits} qubits")
        self.instants("valid_from", [self.snapshot.snapshot.valid_from])
        self.qubits()
        for gate in self.snapshot.gates:
            self.gate(gate)
        self.device()
        for benchmark in self.snapshot.benchmarks:
            if not math.isfinite(benchmark.value) or benchmark.value < 0:
                self.fail(f"benchmark {benchmark.name} is {benchmark.value}")
            self.instants(f"benchmark {benchmark.name}", [benchmark.measured_at])

    def qubits(self) -> None:
        q = self.snapshot.qubits
        n = len(q.id)
        if n != self.snapshot.backend.num_qubits:
            self.fail(f"it lists {n} qubits but claims {self.snapshot.backend.num_qubits}", "the document is partial")
        if len(set(q.id)) != n:
            self.fail("it names a qubit twice", "the document is corrupt")
        self.lengths("qubits", n, (q.operational, q.flags))
        coherence = COHERENCE_S.get(self.technology, COHERENCE_OTHER_S)
        self.column("T1", q.t1_s, n, coherence, "s")
        self.column("T2", q.t2_s, n, coherence, "s")
        self.column("T1 standard error", q.t1_std_s, n, STD, "s")
        self.column("T2 standard error", q.t2_std_s, n, STD, "s")
        self.column("readout error", q.readout_error, n, PROBABILITY)
        self.column("P(0|1)", q.p_meas0_prep1, n, PROBABILITY)
        self.column("P(1|0)", q.p_meas1_prep0, n, PROBABILITY)
        duration = DURATION_S.get(self.technology, DURATION_OTHER_S)
        self.column("readout duration", q.readout_duration_s, n, duration, "s")
        self.column("frequency", q.frequency_hz, n, FREQUENCY_HZ, "Hz")
        self.column("anharmonicity", q.anharmonicity_hz, n, ANHARMONICITY_HZ, "Hz")
        for name in ("t1_measured_at", "t2_measured_at", "readout_measured_at"):
            column: Instants | None = getattr(q, name)
            if column is not None:
                self.lengths(name, n, (column,))
                self.instants(name, column)

    def gate(self, gate: Gate) -> None:
        n = len(gate.sites)
        qubits = self.snapshot.backend.num_qubits
        self.lengths(f"gate {gate.name}", n, (gate.error, gate.operational))
        for site in gate.sites:
            if len(site) != gate.arity or len(set(site)) != len(site) or not all(0 <= q < qubits for q in site):
                self.fail(f"gate {gate.name} acts on {site}, which are not {gate.arity} of its {qubits} qubits")
        if len({tuple(site) for site in gate.sites}) != n:
            self.fail(f"gate {gate.name} is listed twice on one site", "the document is corrupt")
        self.column(f"{gate.name} error", gate.error, n, (0.0, math.nextafter(1.0, 0.0)))
        self.column(f"{gate.name} error as reported", gate.error_reported, n, PROBABILITY)
        self.column(f"{gate.name} standard error", gate.error_std, n, STD)
        duration = DURATION_S.get(self.technology, DURATION_OTHER_S)
        self.column(f"{gate.name} duration", gate.duration_s, n, duration, "s")
        if gate.flags is not None:
            self.lengths(f"gate {gate.name}", n, (gate.flags,))
        if gate.measured_at is not None:
            self.lengths(f"gate {gate.name}", n, (gate.measured_at,))
            self.instants(f"gate {gate.name}", gate.measured_at)

    def device(self) -> None:
        d = self.snapshot.device
        coherence = COHERENCE_S.get(self.technology, COHERENCE_OTHER_S)
        duration = DURATION_S.get(self.technology, DURATION_OTHER_S)
        for name in ("t1_s", "t2_s"):
            self.column(name, [getattr(d, name)], 1, coherence, "s")
        for name in ("readout_error", "gate_1q_error", "gate_2q_error"):
            self.column(name, [getattr(d, name)], 1, PROBABILITY)
        for name in ("readout_duration_s", "gate_1q_duration_s", "gate_2q_duration_s"):
            self.column(name, [getattr(d, name)], 1, duration, "s")

    def lengths(self, name: str, n: int, columns: Iterable[Sequence[object]]) -> None:
        for column in columns:
            if len(column) != n:
                self.fail(f"{name}: {len(column)} values for {n} places", "the document is corrupt")

    def column(self, name: str, column: Column | None, n: int, limits: Range, unit: str = "") -> None:
        if column is None:
            return
        self.lengths(name, n, (column,))
        low, high = limits
        for i, value in enumerate(column):
            if value is not None and not low <= value <= high:  # also catches NaN
                plausible = f"{low:g} to {high:g} {unit}".rstrip()
                self.fail(f"{name} at position {i} is {value:g} {unit}".rstrip() + f", plausible is {plausible}")

    def instants(self, name: str, column: Instants) -> None:
        for text in column:
            if text is None:
                continue
            try:
                ns = instants.parse(text)
            except ValueError as error:
                raise CalibrationError(self.who, f"{name}: {error}", "write RFC 3339 with an offset") from error
            if instants.format_ns(ns) != text:
                self.fail(f"{name} is written {text}", f"write {instants.format_ns(ns)}")
            if not EARLIEST_NS <= ns <= LATEST_NS:
                self.fail(f"{name} is dated {text}", "check the clock or the unit of the epoch")
