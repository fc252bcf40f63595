"""Status, queue and availability as providers tell them, in one set of words. Pure: answers and an instant in, samples out.

The words are QDMI's, in lower case, and `online` for "takes jobs, nobody says how many it has". A provider's word that is
not known gives no status, since a wrong one is worse than none; the rest of the sample stays.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, time, timedelta
from typing import Any, Final

from eigenspan.calibration import instants
from eigenspan.calibration.attributes import Status, StatusSample

QDMI: Final[dict[str, Status]] = {
    "OFFLINE": "offline",
    "IDLE": "idle",
    "BUSY": "busy",
    "ERROR": "error",
    "MAINTENANCE": "maintenance",
    "CALIBRATION": "calibration",
}
"""Device status words of the Quantum Device Management Interface (QDMI_DEVICE_STATUS_*)."""
_WORDS: Final[dict[str, Status]] = {
    "online": "online",
    "active": "online",
    "available": "online",
    "running": "online",
    "up": "online",
    "degraded": "online",
    "operational": "online",
    "reserved": "online",
    "offline": "offline",
    "unavailable": "offline",
    "retired": "offline",
    "down": "offline",
    "internal": "offline",
    "paused": "maintenance",
    "maintenance": "maintenance",
    "calibrating": "calibration",
    "calibration": "calibration",
    "unhealthy": "error",
    "error": "error",
    "idle": "idle",
    "busy": "busy",
}
_DAYS: Final = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
_GROUPS: Final = {"everyday": range(7), "weekdays": range(5), "weekend": range(5, 7), "weekends": range(5, 7)}


def word(said: str | None, queue_length: int | None = None) -> Status | None:
    """The status that a provider's word means; one that takes jobs is idle or busy where its queue is known."""
    text = (said or "").strip()
    status = QDMI.get(text.removeprefix("QDMI_DEVICE_STATUS_"), _WORDS.get(text.lower()))
    if status == "online" and queue_length is not None:
        return "busy" if queue_length else "idle"
    return status


def queue(said: str | float | None) -> tuple[int | None, bool]:
    """A queue's length, and whether it is a lower bound: Braket's and QDMI's ">4000" is at least 4000."""
    text = str(said if said is not None else "").strip()
    more, digits = text.startswith(">"), text.lstrip("> ")
    return (int(digits), more) if digits.isascii() and digits.isdigit() else (None, False)


def from_braket(
    answer: Mapping[str, Any], observed_at_ns: int, windows: Sequence[Mapping[str, str]] = ()
) -> StatusSample:
    """A GetDevice answer: status, the queue of ordinary tasks, and the window that Braket's service publishes."""
    arn = str(answer["deviceArn"]).split("/")
    normal = [
        queue(entry.get("queueSize"))
        for entry in answer.get("deviceQueueInfo") or ()
        if entry.get("queue") == "QUANTUM_TASKS_QUEUE" and entry.get("queuePriority", "Normal") == "Normal"
    ]
    length, more = normal[0] if normal else (None, False)
    start, end = window(windows, observed_at_ns)
    return StatusSample(
        provider=arn[-2],
        backend=arn[-1],
        observed_at_ns=observed_at_ns,
        status=word(answer.get("deviceStatus"), length),
        queue_length=length,
        lower_bound=more,
        window_start_ns=start,
        window_end_ns=end,
    )


def from_azure(answer: Mapping[str, Any], observed_at_ns: int) -> list[StatusSample]:
    """Azure Quantum's providerStatus: availability and the average wait of every target; it publishes no calibration."""
    return [
        StatusSample(
            provider=str(provider["id"]),
            backend=str(target["id"]),
            observed_at_ns=observed_at_ns,
            status=word(target.get("currentAvailability")),
            queue_s=_seconds(target.get("averageQueueTime")),
        )
        for provider in answer.get("value", ())
        for target in provider.get("targets", ())
    ]


def from_ibm(answer: Mapping[str, Any], observed_at_ns: int) -> StatusSample:
    """BackendStatus as a dictionary. A queue of 0 beside an unknown one is told apart by the SDK's caller only."""
    length = answer.get("pending_jobs")
    said = answer.get("status_msg") or ("active" if answer.get("operational") else "offline")
    return StatusSample(
        provider="ibm",
        backend=str(answer["backend_name"]),
        observed_at_ns=observed_at_ns,
        status=word(said, length) if answer.get("operational") else word(said if said != "active" else "offline"),
        queue_length=length,
    )


def from_ionq(answer: Mapping[str, Any], observed_at_ns: int) -> StatusSample:
    """One backend of IonQ's list: its status. Its average_queue_time is left alone: the documents disagree on its unit."""
    return StatusSample(
        provider="ionq",
        backend=str(answer["backend"]),
        observed_at_ns=observed_at_ns,
        status=word(answer.get("status")),
    )


def from_google(processor_id: str, health: str, observed_at_ns: int) -> StatusSample:
    """A processor's health: OK, DOWN or UNAVAILABLE."""
    said = "up" if health == "OK" else health
    return StatusSample(provider="google", backend=processor_id, observed_at_ns=observed_at_ns, status=word(said))


def from_qdmi(provider: str, backend: str, said: str, length: str | float | None, observed_at_ns: int) -> StatusSample:
    """A QDMI device's status word and queue length; it has no calibration time, so no snapshot either."""
    found, more = queue(length)
    return StatusSample(provider, backend, observed_at_ns, word(said, found), found, more)


def window(listed: Sequence[Mapping[str, str]], at_ns: int) -> tuple[int | None, int | None]:
    """The execution window of Braket's service that holds `at_ns`, else the next within a week; (None, None) of none.

    Hours are UTC; the end's second belongs to the window; an end before its start lies on the next day.
    """
    found = sorted(span for day in range(-1, 8) for span in _spans(listed, at_ns, day) if span[1] > at_ns)
    return found[0] if found else (None, None)


def _spans(listed: Sequence[Mapping[str, str]], at_ns: int, offset: int) -> list[tuple[int, int]]:
    midnight = datetime.fromtimestamp(at_ns // instants.NS, UTC).replace(hour=0, minute=0, second=0)
    day = midnight + timedelta(days=offset)
    out = []
    for entry in listed:
        name = entry["executionDay"].lower()
        if day.weekday() not in _GROUPS.get(name, ()) and _DAYS[day.weekday()] != name:
            continue
        start, end = (time.fromisoformat(entry[key]) for key in ("windowStartHour", "windowEndHour"))
        until = day if start <= end else day + timedelta(days=1)
        from_ns, to_ns = (instants.to_ns(datetime.combine(d, t, UTC)) for d, t in ((day, start), (until, end)))
        out.append((from_ns, to_ns + instants.NS))
    return out


def _seconds(value: Any) -> float | None:
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) and value >= 0 else None
