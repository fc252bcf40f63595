"""Documents that must not be believed: each is refused by name, with the reason and the mend, and nothing is stored."""

from __future__ import annotations

import copy
import gzip
import json
import sqlite3
import zlib
from collections.abc import Callable
from contextlib import closing
from typing import Any

import pytest

from eigenspan.calibration import CalibrationError, CalibrationStore
from eigenspan.calibration.importers import detect
from eigenspan.calibration.importers import ibm as ibm_importer
from eigenspan.calibration.importers.detect import Hints
from eigenspan.calibration.snapshot import from_json, to_json, version_of

Document = dict[str, Any]


@pytest.fixture
def lima(raw_ibm: dict[str, Document]) -> Document:
    return copy.deepcopy(raw_ibm["props_lima.json"])


def bomb() -> bytes:
    packer = zlib.compressobj(9, wbits=31)
    zeros = bytes(1 << 20)
    return b"".join(packer.compress(zeros) for _ in range(256)) + packer.flush()


BYTES: dict[str, tuple[Callable[[bytes], bytes], str]] = {
    "empty": (lambda _: b"", "not a JSON object"),
    "truncated JSON": (lambda b: b[: len(b) // 2], "not a JSON object"),
    "truncated gzip": (lambda b: gzip.compress(b)[:-20], "ends early"),
    "corrupt gzip": (lambda b: gzip.compress(b)[:10] + b"\xff" * 40, "corrupt gzip"),
    "wrong checksum": (lambda b: gzip.compress(b)[:-8] + bytes(8), "corrupt gzip"),
    "bytes after gzip": (lambda b: gzip.compress(b) + b"x", "bytes follow"),
    "gzip bomb": (lambda _: bomb(), "unpacks to more than"),
    "not UTF-8": (lambda b: b.replace(b"ibmq_lima", b"ibmq_\xff\xfe"), "BackendProperties"),
    "a list": (lambda _: b"[1, 2]", "not a JSON object"),
    "a number": (lambda _: b"42", "not a JSON object"),
    "a JSON string of no JSON": (lambda _: b'"hello"', "not a JSON object"),
    "another document": (lambda _: b'{"hello": 1}', "no known format (it holds hello)"),
    "deep nesting": (lambda _: b'{"a":' + b"[" * 100_000 + b"]" * 100_000 + b"}", "not a JSON object"),
    "NaN": (lambda b: b.replace(b'"value": 0.0', b'"value": NaN', 1), "not a JSON object"),
    "a number that is no double": (
        lambda b: b.replace(b'"unit": "us", "value": ', b'"unit": "us", "value": 1e999, "x": ', 1),
        "",
    ),
    "a binary file": (lambda _: bytes(range(256)) * 10, "not a JSON object"),
}


@pytest.mark.parametrize("case", BYTES)
def test_bad_bytes(store: CalibrationStore, lima: Document, case: str) -> None:
    change, message = BYTES[case]
    data = change(json.dumps(lima, sort_keys=True).encode())
    refuse(store, data, message)


def set_value(name: str, value: object, unit: str | None = None) -> Callable[[Document], None]:
    def change(document: Document) -> None:
        parameter = next(p for p in document["qubits"][2] if p["name"] == name)
        parameter["value"] = value
        if unit is not None:
            parameter["unit"] = unit

    return change


def set_gate(name: str, value: object, unit: str | None = None, gate: str = "sx") -> Callable[[Document], None]:
    def change(document: Document) -> None:
        entry = next(entry for entry in document["gates"] if entry["gate"] == gate)
        parameter = next(p for p in entry["parameters"] if p["name"] == name)
        parameter["value"] = value
        if unit is not None:
            parameter["unit"] = unit

    return change


def update(**fields: object) -> Callable[[Document], None]:
    return lambda document: document.update(fields)


def drop(*keys: str) -> Callable[[Document], None]:
    def change(document: Document) -> None:
        for key in keys:
            del document[key]

    return change


DOCUMENTS: dict[str, tuple[Callable[[Document], None], str]] = {
    "T1 of 5 s": (set_value("T1", 5, "s"), "T1 at position 2 is 5 s, plausible is 1e-09 to 0.1 s"),
    "T1 in ms for us": (set_value("T1", 120.0, "ms"), "T1 at position 2 is 0.12 s"),
    "negative T2": (set_value("T2", -1.0), "T2 at position 2 is -1e-06 s"),
    "T2 in attoseconds": (set_value("T2", 1e-9), "T2 at position 2"),
    "a huge number": (set_value("T1", 1e300), "T1 at position 2 is 1e+294 s"),
    "unknown unit": (set_value("T1", 100.0, "fortnight"), "has unit 'fortnight'; known units are"),
    "no unit": (set_value("T1", 100.0, ""), "has unit ''"),
    "readout in percent": (set_value("readout_error", 2.5), "readout error at position 2 is 2.5"),
    "readout with a unit": (set_value("readout_error", 2.5, "%"), "has unit '%'"),
    "negative readout": (set_value("prob_meas0_prep1", -0.1), "P(0|1) at position 2 is -0.1"),
    "readout of a second": (set_value("readout_length", 1, "s"), "readout duration at position 2 is 1 s"),
    "frequency in optical": (set_value("frequency", 5e9, "GHz"), "frequency at position 2"),
    "text for a number": (set_value("T1", "100"), "Expected `float`, got `str`"),
    "null for a number": (set_value("T1", None), "Expected `float`, got `null`"),
    "gate error above 1": (set_gate("gate_error", 1.5), "sx error at position 0 is 1.5"),
    "gate error in percent": (set_gate("gate_error", 37.0, None, "cx"), "cx error at position"),
    "negative gate error": (set_gate("gate_error", -1e-3), "sx error at position 0 is -0.001"),
    "gate of a second": (set_gate("gate_length", 1, "s"), "sx duration at position 0 is 1 s"),
    "qubit out of range": (lambda d: d["gates"][0].update(qubits=[99]), "which are not 1 of its 5 qubits"),
    "negative qubit": (lambda d: d["gates"][0].update(qubits=[-1]), "which are not 1 of its 5 qubits"),
    "gate on no qubit": (lambda d: d["gates"][0].update(qubits=[]), "acts on no qubit"),
    "a pair of one qubit": (
        lambda d: next(g for g in d["gates"] if g["gate"] == "cx").update(qubits=[1, 1]),
        "gate cx acts on [1, 1]",
    ),
    "mixed arity": (lambda d: d["gates"][0].update(qubits=[0, 1]), "acts on"),
    "a gate twice": (lambda d: d["gates"].append(copy.deepcopy(d["gates"][0])), "is listed twice on one site"),
    "no qubits": (update(qubits=[]), "it claims 0 qubits"),
    "fewer qubits than gates": (lambda d: d["qubits"].pop(), "which are not"),
    "naive time": (update(last_update_date="2021-03-15T00:36:03"), "has no UTC offset"),
    "no time": (drop("last_update_date"), "no known format"),
    "time as a number": (update(last_update_date=1615768563), "Expected `datetime`"),
    "time before quantum computers": (update(last_update_date="1970-01-01T00:00:00Z"), "is dated 1970-01-01T00:00:00Z"),
    "a year that cannot be": (update(last_update_date="9999-01-01T00:00:00Z"), "is dated 9999"),
    "no time that can be": (update(last_update_date="2021-13-45T00:00:00Z"), "BackendProperties"),
    "no name": (update(backend_name=""), "has no name"),
    "name as a number": (update(backend_name=7), "Expected `str`"),
    "no gates": (drop("gates"), "no known format"),
    "gates as an object": (update(gates={}), "Expected `array`"),
    "qubits of nulls": (update(qubits=[None]), "Expected `array`"),
    "a layer fidelity of text": (
        update(general=[{"name": "lf_4", "date": "2021-03-15T00:36:03Z", "unit": "", "value": "?"}]),
        "Expected",
    ),
    "a negative layer fidelity": (
        update(general=[{"name": "lf_4", "date": "2021-03-15T00:36:03Z", "unit": "", "value": -1}]),
        "benchmark lf_4 is -1",
    ),
}


@pytest.mark.parametrize("case", DOCUMENTS)
def test_bad_documents(store: CalibrationStore, lima: Document, case: str) -> None:
    change, message = DOCUMENTS[case]
    change(lima)
    refuse(store, json.dumps(lima).encode(), message)
    refuse(store, gzip.compress(json.dumps(lima).encode()), message)


def refuse(store: CalibrationStore, data: bytes, message: str) -> None:
    with pytest.raises(CalibrationError) as caught:
        store.import_bytes(data, "bad.json")
    text = str(caught.value)
    assert "bad.json" in text
    assert message in text
    assert caught.value.mend
    assert len(text) < 500
    with closing(sqlite3.connect(store.path)) as db:
        for table in ("documents", "observations"):
            assert db.execute(f"SELECT count(*) FROM {table}").fetchone() == (0,)


def test_the_unchanged_document_is_fine(store: CalibrationStore, lima: Document) -> None:
    assert store.import_bytes(json.dumps(lima).encode(), "good.json").outcome == "new"


def test_a_truncation_anywhere_is_refused(lima: Document) -> None:
    data = json.dumps(lima).encode()
    for end in range(0, len(data), 97):
        with pytest.raises(CalibrationError):
            detect.import_bytes(data[:end], "cut.json")


def test_a_document_wrapped_in_a_string_is_unwrapped(store: CalibrationStore, lima: Document) -> None:
    assert store.import_bytes(json.dumps(json.dumps(lima)).encode(), "wrapped.json").outcome == "new"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"n_qubits": 7}, "the configuration has 7 qubits, the properties 5"),
        ({"backend_name": "ibmq_quito"}, "the configuration is of ibmq_quito"),
        ({"basis_gates": "cx"}, "Expected `array`"),
    ],
)
def test_a_configuration_of_another_machine(lima: Document, change: Document, message: str) -> None:
    configuration = {"backend_name": "ibmq_lima", "n_qubits": 5, "basis_gates": ["cx"]} | change
    with pytest.raises(CalibrationError) as caught:
        detect.import_bytes(
            json.dumps(lima).encode(), "props.json", Hints(configuration=json.dumps(configuration).encode())
        )
    assert message in str(caught.value)


def test_a_configuration_alone_is_no_calibration(ibm_backends: Any) -> None:
    with pytest.raises(CalibrationError, match="holds no calibration"):
        detect.import_path(ibm_backends / "lima" / "conf_lima.json")


def test_a_missing_file(tmp_path: Any) -> None:
    with pytest.raises(CalibrationError, match=r"gone\.json: cannot be read"):
        detect.import_path(tmp_path / "gone.json")
    with pytest.raises(CalibrationError, match="cannot be read"):
        detect.import_path(tmp_path)


GOOGLE: dict[str, tuple[list[Document], Hints, str]] = {
    "no processor": (
        [{"name": "single_qubit_idle_t1_micros", "targets": ["3_2"], "values": [{"doubleVal": 20.0}]}],
        Hints(),
        "does not name its processor",
    ),
    "no time": (
        [{"name": "single_qubit_idle_t1_micros", "targets": ["3_2"], "values": [{"doubleVal": 20.0}]}],
        Hints(backend="x"),
        "does not say when",
    ),
    "no qubits": ([], Hints(backend="x", valid_from_ns=10**18), "no metric names a qubit"),
    "the noiseless engine's T1": (
        [{"name": "single_qubit_idle_t1_micros", "targets": ["3_2"], "values": [{"doubleVal": 1e6}]}],
        Hints(backend="x", valid_from_ns=16 * 10**17),
        "T1 at position 0 is 1 s",
    ),
    "a Pauli error above 1": (
        [{"name": "single_qubit_rb_pauli_error_per_gate", "targets": ["3_2"], "values": [{"doubleVal": 1.2}]}],
        Hints(backend="x", valid_from_ns=16 * 10**17),
        "the pauli error of ('3_2',) is 1.2",
    ),
    "a metric twice": (
        [{"name": "single_qubit_p00_error", "targets": ["3_2"], "values": [{"doubleVal": 0.1}]}] * 2,
        Hints(backend="x", valid_from_ns=16 * 10**17),
        "is given twice",
    ),
    "text for a value": (
        [{"name": "single_qubit_p00_error", "targets": ["3_2"], "values": [{"doubleVal": "NaN"}]}],
        Hints(backend="x", valid_from_ns=16 * 10**17),
        "not Google calibration metrics",
    ),
    "a pair of unknown qubits": (
        [
            {"name": "single_qubit_p00_error", "targets": ["3_2"], "values": [{"doubleVal": 0.1}]},
            {
                "name": "two_qubit_parallel_cz_gate_xeb_pauli_error_per_cycle",
                "targets": ["3_2", "c"],
                "values": [{"doubleVal": 0.1}],
            },
        ],
        Hints(backend="x", valid_from_ns=16 * 10**17),
        "which is no qubit",
    ),
}


@pytest.mark.parametrize("case", GOOGLE)
def test_bad_google_metrics(case: str) -> None:
    metrics, hints, message = GOOGLE[case]
    for document in ({"cirq_type": "Calibration", "metrics": {"metrics": metrics}}, {"metrics": metrics}):
        with pytest.raises(CalibrationError) as caught:
            detect.import_bytes(json.dumps(document).encode(), "metrics.json", hints)
        assert message in str(caught.value)


def test_a_neutral_document_with_absurd_values(ibm: Any) -> None:
    document = from_json(to_json(ibm["props_lima.json"]))
    assert document.qubits.t1_s is not None
    document.qubits.t1_s[0] = 5.0
    document.snapshot.version = version_of(document)
    with pytest.raises(CalibrationError, match="T1 at position 0 is 5 s"):
        detect.import_bytes(to_json(document), "neutral.json")
    document.qubits.t1_s.pop()
    document.snapshot.version = version_of(document)
    with pytest.raises(CalibrationError, match="4 values for 5 places"):
        detect.import_bytes(to_json(document), "neutral.json")


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf"), 1e308])
def test_live_objects_are_checked_like_files(lima: Document, value: float) -> None:
    for name in ("T1", "readout_error", "frequency"):
        document = copy.deepcopy(lima)
        set_value(name, value)(document)
        with pytest.raises(CalibrationError, match="at position 2"):
            ibm_importer.from_documents(document)
    set_gate("gate_error", value)(lima)
    with pytest.raises(CalibrationError, match="sx error at position 0"):
        ibm_importer.from_documents(lima)


@pytest.mark.parametrize(
    ("part", "field", "value", "message"),
    [
        ("backend", "provider", "Big Blue", "write it in lower case"),
        ("snapshot", "valid_from", "2021-03-15T00:36:03-04:00", "write 2021-03-15T04:36:03Z"),
        ("snapshot", "valid_from", "2021-03-15", "has no UTC offset"),
    ],
)
def test_a_neutral_document_is_canonical(ibm: Any, part: str, field: str, value: str, message: str) -> None:
    document = from_json(to_json(ibm["props_lima.json"]))
    setattr(getattr(document, part), field, value)
    document.snapshot.version = version_of(document)
    with pytest.raises(CalibrationError) as caught:
        detect.import_bytes(to_json(document), "neutral.json")
    assert message in str(caught.value)
