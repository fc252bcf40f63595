"""The providers' own parts of Braket's device properties, in the words of the standardized part.

Read where a document has no standardized part. Units differ: Rigetti and IQM write seconds, OQC microseconds, AQT percent,
microseconds and seconds, IonQ seconds.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from eigenspan.calibration.errors import CalibrationError
from eigenspan.calibration.importers import rows
from eigenspan.calibration.snapshot import Device

Part = dict[str, Any]

_FIDELITIES: Final = {
    "f1Q_simultaneous_RB": "SIMULTANEOUS_RANDOMIZED_BENCHMARKING",
    "f1QRB": "RANDOMIZED_BENCHMARKING",
    "fRB": "RANDOMIZED_BENCHMARKING",
    "fRO": "READOUT",
    "readout_error_0_to_1": "READOUT_ERROR_0_TO_1",
    "readout_error_1_to_0": "READOUT_ERROR_1_TO_0",
}
_GATES: Final = {"fCZ": "CZ", "fISWAP": "ISWAP", "fXY": "XY", "fCPHASE": "CPHASE", "fCX": "ECR"}


def read(provider: str, part: Part, who: str) -> Part:
    """A standardized part; CalibrationError where the provider's part is of no known form."""
    reader = _READ.get(provider)
    if reader is None or not part:
        raise CalibrationError(who, f"it has no standardized part and {provider}'s own is not known", "export it again")
    try:
        return reader(part)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        what = f"{provider}'s part is incomplete: {type(error).__name__} {error}"
        raise CalibrationError(who, what, "the document is partial") from error


def complete_ionq(whole: Device, part: Part) -> None:
    """The mean one-qubit error, which version 3 leaves out."""
    mean = part.get("fidelity", {}).get("1Q", {}).get("mean")
    if whole.gate_1q_error is None and isinstance(mean, int | float):
        whole.gate_1q_error = rows.infidelity(mean)
        whole.statistic = "mean"


def _qubits_and_pairs(one: Part, two: Part, unit: str) -> Part:
    return {
        "oneQubitProperties": {name: _qubit(values, unit) for name, values in one.items()},
        "twoQubitProperties": {name: _pair(values) for name, values in two.items()},
    }


def _qubit(values: Part, unit: str) -> Part:
    out: Part = {
        "oneQubitFidelity": [
            {"fidelity": values[key], "fidelityType": {"name": kind}, "standardError": values.get(f"{key}_std_err")}
            for key, kind in _FIDELITIES.items()
            if values.get(key) is not None
        ]
    }
    for key in ("T1", "T2"):
        if values.get(key) is not None:
            out[key] = {"value": values[key], "unit": unit, "standardError": values.get(f"{key}_std_err")}
    return out


def _pair(values: Part) -> Part:
    coupling = values.get("coupling")
    direction = None
    if coupling is not None:
        direction = {"control": int(coupling["control_qubit"]), "target": int(coupling["target_qubit"])}
    return {
        "twoQubitGateFidelity": [
            {"gateName": gate, "fidelity": values[key], "standardError": values.get(f"{key}_std_err"), "direction": direction}
            for key, gate in _GATES.items()
            if values.get(key) is not None
        ]
    }  # fmt: skip


def _rigetti(part: Part) -> Part:
    return _qubits_and_pairs(part["specs"]["1Q"], part["specs"]["2Q"], "s")


def _iqm(part: Part) -> Part:
    return _qubits_and_pairs(part["properties"]["one_qubit"], part["properties"]["two_qubit"], "s")


def _oqc(part: Part) -> Part:
    return _qubits_and_pairs(part["properties"]["one_qubit"], part["properties"]["two_qubit"], "us")


def _ionq(part: Part) -> Part:
    fidelity, timing = part["fidelity"], part["timing"]
    return {
        "T1": _seconds(timing.get("T1")),
        "T2": _seconds(timing.get("T2")),
        "readoutFidelity": [{"fidelity": fidelity["spam"]["mean"]}],
        "readoutDuration": _seconds(timing.get("readout")),
        "singleQubitGateDuration": _seconds(timing.get("1Q")),
        "singleQubitFidelity": [{"fidelity": fidelity["1Q"]["mean"]}],
        "twoQubitGateFidelity": [{"fidelity": fidelity["2Q"]["mean"]}],
        "twoQubitGateDuration": _seconds(timing.get("2Q")),
    }


def _aqt(part: Part) -> Part:
    p = part["properties"]
    one = {
        name: {"oneQubitFidelity": [_percent(value) | {"fidelityType": {"name": "RANDOMIZED_BENCHMARKING"}}]}
        for name, value in p["single_qubit_gate_fidelity"].items()
    }
    return {
        "oneQubitProperties": one,
        "T1": _seconds(p["t1_s"]["value"]),
        "T2": _seconds(p["t2_coherence_time_s"]["value"]),
        "readoutFidelity": [{"fidelity": p["spam_fidelity_lower_bound"] / 100}],
        "readoutDuration": _micros(p["readout_time_micros"]),
        "singleQubitGateDuration": _micros(p["single_qubit_gate_duration_micros"]),
        "twoQubitGateFidelity": [_percent(p["mean_two_qubit_gate_fidelity"])],
        "twoQubitGateDuration": _micros(p["two_qubit_gate_duration_micros"]),
        "updatedAt": p.get("updated_at"),
    }


def _percent(value: Part) -> Part:
    return {"fidelity": value["value"] / 100, "standardError": value["uncertainty"] / 100}


def _seconds(value: float | None) -> Part | None:
    return None if value is None else {"value": value, "unit": "s"}


def _micros(value: float) -> Part:
    return {"value": value, "unit": "us"}


_READ: Final[dict[str, Callable[[Part], Part]]] = {
    "rigetti": _rigetti,
    "iqm": _iqm,
    "oqc": _oqc,
    "ionq": _ionq,
    "aqt": _aqt,
}
