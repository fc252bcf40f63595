"""A circuit on Amazon Braket's local simulator. Nothing but `setup` is needed; a device at AWS is instrumented the same way."""

from __future__ import annotations

from braket.circuits import Circuit
from braket.devices import LocalSimulator

import eigenspan


def run(shots: int = 100) -> dict[str, int]:
    """Counts of a GHZ state, alone and in a batch."""
    ghz = Circuit().h(0).cnot(0, 1).cnot(1, 2)
    device = LocalSimulator()
    with eigenspan.workflow("ghz", version="1.0", correlation_id="ghz-1", circuit_family="ghz"):
        counts = device.run(ghz, shots=shots).result().measurement_counts
        device.run_batch([ghz, ghz], shots=shots).results()
    return {str(bits): int(n) for bits, n in counts.items()}


if __name__ == "__main__":
    eigenspan.setup("braket-local")
    print(run())
    eigenspan.shutdown()
