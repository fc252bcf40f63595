"""Names of backends: which names mean one machine, and which mean a simulator of it.

Providers publish one machine under several names: `ibm_torino`, `ibmq_16_melbourne`, `ibmqx2` for Yorktown, `alt_cairo`
in edited exports; `qpu.aria-1`, `ionq.qpu.aria-1` and a device ARN for IonQ's `Aria-1`. Qiskit's fake backends
(`fake_torino`) replay the snapshot that their release shipped, whatever the machine does today, so they are a series of
their own.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final, NamedTuple

PROVIDER_ALIASES: Final[dict[str, str]] = {
    "ibm_quantum": "ibm",
    "ibm_cloud": "ibm",
    "ibmq": "ibm",
    "ibm_qiskit": "ibm",
    "google_quantum": "google",
    "google_quantum_ai": "google",
    "cirq_google": "google",
    "alpine_quantum_technologies": "aqt",
    "oxford": "oqc",
    "oxford_quantum_circuits": "oqc",
}
RESELLERS: Final = frozenset(
    {"aws", "amazon", "amazon_braket", "aws_braket", "braket", "azure", "azure_quantum", "microsoft"}
)
"""Who sells time on others' machines: as a provider such a name says nothing about whose machine it was."""
# Names in edited exports, and the names under which IBM published the same machines.
IBM_EDITED: Final[dict[str, str]] = {
    "alt_armonk": "ibmq_armonk",
    "alt_auckland": "ibm_auckland",
    "alt_boeblingen": "ibmq_boeblingen",
    "alt_cairo": "ibm_cairo",
    "alt_manhattan": "ibmq_manhattan",
    "alt_paris": "ibmq_paris",
    "alt_santiago": "ibmq_santiago",
    "alt_yorktown": "ibmqx2",
}
_IBM_ODD: Final[dict[str, str]] = {"ibmqx2": "yorktown", "ibmqx4": "tenerife"}
_IBM_PREFIX: Final = re.compile(r"^(?:ibmq_\d+_|ibmq_|ibm_|alt_)")
_AER: Final = re.compile(r"^aer_simulator_from\((.*)\)$")
_ARN: Final = re.compile(r"^arn:aws[\w-]*:braket:[\w-]*:\d*:device/\w+/(?P<provider>[\w-]+)/(?P<name>[\w .-]+)$")
_TARGET_PREFIX: Final = re.compile(
    r"^(?:[a-z]+[._])?qpu\."
)  # qpu.aria-1 (IonQ), ionq_qpu.aria-1, ionq.qpu.aria-1 (Azure)
_GRID_QUBIT: Final = re.compile(r"^q\((-?\d+),\s*(-?\d+)\)$")


class Series(NamedTuple):
    """The key of one machine's (or one simulator's) sequence of snapshots."""

    provider: str
    name: str
    simulated: bool


def provider_of(provider: str) -> str:
    """The provider's one name."""
    name = provider.strip().lower().replace(" ", "_").replace("-", "_")
    return PROVIDER_ALIASES.get(name, name)


@lru_cache(maxsize=4096)
def series_of(provider: str, backend: str) -> Series:
    """The series that a provider's backend name belongs to; equal for all names of one machine.

    >>> series_of("ibm", "ibmqx2").name == series_of("ibm", "ibmq_5_yorktown").name == "yorktown"
    True
    >>> series_of("ibm", "fake_torino")
    Series(provider='ibm', name='torino', simulated=True)
    >>> series_of("any", "arn:aws:braket:us-east-1::device/qpu/ionq/Aria-1") == series_of("ionq", "qpu.aria-1")
    True
    """
    provider = provider_of(provider)
    name = backend.strip().lower()
    if found := _ARN.match(name):
        provider, name = provider_of(found["provider"]), found["name"]
    if provider == "ibm":
        if found := _AER.match(name):
            name = "fake_" + found[1].removeprefix("fake_")
        simulated = name.startswith("fake_")
        name = name.removeprefix("fake_")
        return Series(provider, _IBM_ODD.get(name, _IBM_PREFIX.sub("", name)), simulated)
    if provider == "google":
        name = name.rpartition("/processors/")[2].partition("/")[0].replace("-", "_")
    else:
        name = _TARGET_PREFIX.sub("", name).replace(" ", "-")
    return Series(provider, name, simulated=False)


def qubit_label(label: int | str) -> str:
    """The neutral id of a qubit that a span names: `3` for 3, `4_1` for Cirq's `q(4, 1)`."""
    text = str(label).strip()
    found = _GRID_QUBIT.match(text)
    return f"{found[1]}_{found[2]}" if found else text
