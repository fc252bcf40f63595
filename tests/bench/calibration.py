"""A year of hourly snapshots of twelve large backends: how long they take to load, and how long a join takes.

    python -m tests.bench.calibration [BACKENDS [HOURS]]

Goals: loads in seconds; below 0.2 µs a span.
"""

from __future__ import annotations

import resource
import sys
import tempfile
import time
from pathlib import Path

import msgspec
import numpy as np

from eigenspan.calibration import CalibrationStore, Snapshot, Summary
from eigenspan.calibration.importers import shipped

START_NS = 1_735_689_600 * 10**9  # 2025-01-01T00:00:00Z
HOUR_NS = 3600 * 10**9
SPANS = 1_000_000


def summaries(backend: int, hours: int) -> list[Summary]:
    """What `summarise` makes of one backend's year: full rows, no two alike."""
    random = np.random.default_rng(backend)
    drift = np.abs(1 + 0.1 * random.standard_normal((hours, 6)))
    return [
        Summary(
            provider="ibm", backend=f"ibm_bench{backend}", version=f"sha256:{backend:032x}{hour:032x}",
            valid_from_ns=START_NS + hour * HOUR_NS, backend_version="1.0.0", num_qubits=156, t1_median_s=2e-4 * d[0],
            t2_median_s=1.5e-4 * d[1], t2_method="unspecified", readout_error_median=0.01 * d[2], single_qubit_gate="sx",
            single_qubit_error_median=2e-4 * d[3], two_qubit_gate="cz", two_qubit_error_median=3e-3 * d[4],
            two_qubit_error_max=0.1 * d[5], operational_qubits=156, operational_pairs=352,
            oldest_measured_at_ns=START_NS + (hour - 20) * HOUR_NS, eplg=0.003, clops=250_000, quantum_volume=512,
        )
        for hour, d in enumerate(drift.tolist())
    ]  # fmt: skip


def fill(store: CalibrationStore, backends: int, hours: int) -> None:
    """Write the rows that `put` would write; the documents themselves take no part in loading and joining."""
    encode = msgspec.json.encode
    with store.batch():
        for backend in range(backends):
            listed = summaries(backend, hours)
            store._db.executemany(
                "INSERT INTO documents VALUES (?, 'ibm', ?, x'', ?)",
                [(s.version, s.backend, encode(s)) for s in listed],
            )
            store._db.executemany(
                "INSERT INTO observations VALUES ('ibm', ?, ?, ?, '')",
                [(s.backend, s.valid_from_ns, s.version) for s in listed],
            )


def shipped_snapshot() -> Snapshot | None:
    """Any real document, where an SDK is installed."""
    found = next(shipped.find_shipped(), None)
    return None if found is None else found.read([path.read_bytes() for path in found.files])


def run(path: Path, backends: int, hours: int) -> dict[str, float]:
    """Seconds to load and to take in a poll and a snapshot, microseconds a span of the join, MiB of memory."""
    with CalibrationStore(path) as store:
        fill(store, backends, hours)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with CalibrationStore(path) as store:
        started = time.perf_counter()
        index = store.index()
        load_s = time.perf_counter() - started
        assert len(index.summaries) == backends * hours
        random = np.random.default_rng(1)
        names = [f"ibm_bench{i}" for i in random.integers(0, backends, SPANS)]
        codes = np.array([index.series_code("ibm", name) for name in names])
        t = START_NS + random.integers(0, hours * HOUR_NS, SPANS)
        took = []
        for _ in range(5):
            started = time.perf_counter()
            matches = index.match_codes(codes, t)
            took.append(time.perf_counter() - started)
        assert (matches.row >= 0).all()
        store.put_poll("ibm", "ibm_bench0", START_NS)
        started = time.perf_counter()
        store.index()
        follow_s = time.perf_counter() - started
        newest = shipped_snapshot()
        if newest is not None:
            store.put(newest)
            started = time.perf_counter()
            store.index()
            grow_s = time.perf_counter() - started
        else:
            grow_s = float("nan")
    after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return {
        "load_s": load_s,
        "join_us": min(took) / SPANS * 1e6,
        "follow_s": follow_s,
        "grow_s": grow_s,
        "mib": (after - before) / 1024,
    }


def main() -> None:
    """Print the numbers beside their goals."""
    backends, hours = (int(text) for text in (sys.argv[1:] + ["12", "8760"][len(sys.argv) - 1 :])[:2])
    with tempfile.TemporaryDirectory() as directory:
        found = run(Path(directory) / "calibration.db", backends, hours)
    print(f"{backends} backends, {hours} snapshots each")
    print(f"load             {found['load_s']:8.2f} s     (goal: seconds)")
    print(f"join             {found['join_us']:8.3f} µs    (goal: 0.2 µs a span)")
    print(f"take in a poll   {found['follow_s'] * 1e3:8.2f} ms")
    print(f"take in a snapshot {found['grow_s'] * 1e3:6.0f} ms")
    print(f"memory           {found['mib']:8.0f} MiB")


if __name__ == "__main__":
    main()
