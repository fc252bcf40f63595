"""From bytes of unknown origin to a snapshot: decompress within a bound, recognise the format, import it."""

from __future__ import annotations

import zlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final, Literal

import msgspec

from eigenspan.calibration import plausible, snapshot
from eigenspan.calibration.errors import CalibrationError
from eigenspan.calibration.importers import braket, build, google, ibm, ionq, iqm, rigetti
from eigenspan.calibration.snapshot import Snapshot

MAX_BYTES: Final = 64 * 1024 * 1024  # a decompressed document; the largest real one is below 1 MB
_GZIP: Final = b"\x1f\x8b"

Format = Literal[
    "eigenspan",
    "ibm_properties",
    "ibm_configuration",
    "cirq_calibration",
    "google_metrics",
    "braket_properties",
    "braket_device",
    "rigetti_isa",
    "ionq_characterization",
    "iqm_observations",
    "iqm_metrics",
]
KNOWN: Final = (
    "IBM BackendProperties, Cirq Calibration, Google MetricsSnapshot, Braket device properties, Rigetti instruction sets, "
    "IonQ characterizations, IQM quality metric sets and eigenspan.calibration/1"
)
_KEYS: Final[tuple[tuple[Format, frozenset[str]], ...]] = (
    ("eigenspan", frozenset({"schema", "gates", "provenance"})),
    ("ibm_properties", frozenset({"backend_name", "last_update_date", "qubits", "gates"})),
    ("ibm_configuration", frozenset({"backend_name", "n_qubits", "basis_gates"})),
    ("braket_device", frozenset({"deviceArn", "deviceCapabilities"})),
    ("braket_properties", frozenset({"braketSchemaHeader", "service", "paradigm"})),
    ("rigetti_isa", frozenset({"architecture", "instructions", "name"})),
    ("ionq_characterization", frozenset({"id", "backend", "fidelity", "timing"})),
    ("iqm_metrics", frozenset({"calibration_set_id", "metrics"})),
    ("iqm_observations", frozenset({"observation_set_id", "observations"})),
)
"""The keys at a document's top that tell its format."""


@dataclass(frozen=True, slots=True)
class Hints:
    """What a document may leave unsaid, told by whoever brings it."""

    backend: str | None = None
    valid_from_ns: int | None = None
    configuration: bytes | None = None
    device_spec: str | None = None
    calibration_id: str | None = None


NO_HINTS: Final = Hints()


def unpack(data: bytes, source: str, limit: int = MAX_BYTES) -> bytes:
    """The document's own bytes: gunzipped if need be, never more than `limit` of them."""
    if data[:2] != _GZIP:
        if len(data) > limit:
            raise CalibrationError(source, f"{len(data)} bytes", f"a calibration is at most {limit}")
        return data
    inflater = zlib.decompressobj(wbits=31)
    try:
        plain = inflater.decompress(data, limit + 1)
    except zlib.error as error:
        raise CalibrationError(source, f"corrupt gzip: {error}", "fetch the file again") from error
    if len(plain) > limit:
        raise CalibrationError(source, f"it unpacks to more than {limit} bytes", "this is no calibration")
    if not inflater.eof:
        raise CalibrationError(source, "the gzip stream ends early", "fetch the file again")
    if inflater.unused_data:
        raise CalibrationError(source, "bytes follow the gzip stream", "fetch the file again")
    return plain


def detect(data: bytes, source: str) -> Format:
    """Which format a plain document is in, by the keys at its top."""
    keys = build.decoded(data, dict[str, msgspec.Raw], source, "a JSON object", f"known formats are {KNOWN}")
    for known, required in _KEYS:
        if required <= keys.keys():
            return known
    if bytes(keys.get("cirq_type", b"")) == b'"Calibration"':
        return "cirq_calibration"
    if "metrics" in keys and bytes(keys["metrics"])[:1] == b"[":
        return "google_metrics"
    found = ", ".join(sorted(keys)[:6]) or "nothing"
    raise CalibrationError(source, f"no known format (it holds {found})", f"known formats are {KNOWN}")


def import_bytes(data: bytes, source: str, hints: Hints = NO_HINTS) -> Snapshot:
    """One document to one plausible snapshot, or a CalibrationError that says what is wrong with it."""
    plain = unpack(data, source)
    if plain[:1] == b'"':  # some services wrap the JSON in a JSON string
        try:
            plain = msgspec.json.decode(plain, type=str).encode()
        except msgspec.MsgspecError as error:
            raise CalibrationError(source, f"not JSON: {error}", "fetch the file again") from error
    return _IMPORT[detect(plain, source)](plain, source, hints)


def import_path(path: Path, hints: Hints = NO_HINTS) -> Snapshot:
    """A file; `props_X.json` takes the `conf_X.json` beside it along."""
    if path.is_dir():
        raise CalibrationError(str(path), "cannot be read: it is a directory", "name calibration files one by one")
    return import_bytes(read(path), path.name, _with_configuration(path, hints))


def read(path: Path, limit: int = MAX_BYTES) -> bytes:
    """The file's bytes, at most `limit`."""
    try:
        with path.open("rb") as file:
            data = file.read(limit + 1)
    except OSError as error:
        raise CalibrationError(path.name, f"cannot be read: {error.strerror}", "check the path") from error
    if len(data) > limit:
        raise CalibrationError(path.name, f"more than {limit} bytes", "this is no calibration")
    return data


def _with_configuration(path: Path, hints: Hints) -> Hints:
    if hints.configuration is not None or not path.name.startswith("props_"):
        return hints
    beside = path.with_name("conf_" + path.name.removeprefix("props_"))
    if not beside.is_file():
        return hints
    return replace(hints, configuration=unpack(read(beside), beside.name))


def _eigenspan(data: bytes, source: str, _hints: Hints) -> Snapshot:
    document = snapshot.from_json(data, source)
    plausible.check(document)
    return document


def _ibm(data: bytes, source: str, hints: Hints) -> Snapshot:
    return ibm.from_bytes(data, hints.configuration, source)


def _ibm_configuration(_data: bytes, source: str, _hints: Hints) -> Snapshot:
    raise CalibrationError(
        source, "an IBM configuration holds no calibration", "import its props_ file; the conf_ beside it is used"
    )


def _google(data: bytes, source: str, hints: Hints) -> Snapshot:
    return google.from_bytes(
        data,
        source,
        processor_id=hints.backend,
        valid_from_ns=hints.valid_from_ns,
        device_spec=hints.device_spec,
        calibration_id=hints.calibration_id,
    )


def _braket(data: bytes, source: str, hints: Hints) -> Snapshot:
    return braket.from_bytes(data, source, backend=hints.backend, valid_from_ns=hints.valid_from_ns)


def _braket_device(data: bytes, source: str, hints: Hints) -> Snapshot:
    return braket.from_answer(data, source, valid_from_ns=hints.valid_from_ns)


def _rigetti(data: bytes, source: str, hints: Hints) -> Snapshot:
    return rigetti.from_bytes(data, source, valid_from_ns=hints.valid_from_ns)


def _ionq(data: bytes, source: str, _hints: Hints) -> Snapshot:
    return ionq.from_bytes(data, source)


def _iqm(data: bytes, source: str, hints: Hints) -> Snapshot:
    return iqm.from_bytes(data, source, backend=hints.backend, valid_from_ns=hints.valid_from_ns)


_IMPORT: Final[dict[Format, Callable[[bytes, str, Hints], Snapshot]]] = {
    "eigenspan": _eigenspan,
    "ibm_properties": _ibm,
    "ibm_configuration": _ibm_configuration,
    "cirq_calibration": _google,
    "google_metrics": _google,
    "braket_properties": _braket,
    "braket_device": _braket_device,
    "rigetti_isa": _rigetti,
    "ionq_characterization": _ionq,
    "iqm_metrics": _iqm,
    "iqm_observations": _iqm,
}
