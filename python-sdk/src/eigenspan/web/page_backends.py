"""Backends that calibrations are known of, and the timeline of one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final
from urllib.parse import quote

from eigenspan.calibration.asof import AsOfIndex
from eigenspan.calibration.attributes import StatusSample
from eigenspan.calibration.store import Event
from eigenspan.calibration.summary import Summary
from eigenspan.figures.backends import Backend, addresses, name_of
from eigenspan.semconv import attributes as q
from eigenspan.web import words
from eigenspan.web.backend_charts import over_time
from eigenspan.web.layout import backend_path, facts, page, table, time
from eigenspan.web.markup import Child, Html, tag

MAX_SNAPSHOTS: Final = 1000  # the newest rows of a timeline
_FIGURES: Final = (
    ("Qubits", "n"), ("T1 median", "n"), ("T2 median", "n"), ("Readout", "n"), ("1-qubit", "n"), ("2-qubit", "n"),
    ("Worst pair", "n"),
)  # fmt: skip


_EVENT_HEADS: Final = (("When (UTC)", ""), ("What", ""), ("Qubits", ""))


def address(index: AsOfIndex, provider: str | None, backend: str | None) -> str | None:
    """Where a backend that a span names has its page; None where nothing is known of it, or of several by that name."""
    code = index.series_code(provider, backend)
    found = addresses(index).get(code) if code >= 0 else None
    return backend_path(found.provider, name_of(found)) if found else None


_HEADS: Final = (
    ("Backend", ""), ("Provider", ""), ("Traces", "n"), ("Snapshots", "n"), ("Status", ""), ("Queue", "n"),
    ("Newest valid from (UTC)", ""), *_FIGURES,
)  # fmt: skip


def render(found: Sequence[Backend], compared: Child = None) -> bytes:
    """The page of all backends, those in use before the rest; `compared`: their providers beside each other."""
    known = [backend for backend in found if backend.timeline]
    used = [backend for backend in known if backend.traces or backend.status] or known
    idle = [backend for backend in known if backend not in used]
    unknown = [backend for backend in found if not backend.timeline]
    rest = tag(
        "details", tag("summary", f"{words.plural(len(idle), 'more backend')} with calibrations, that no stored trace ran on"),
        _known(idle), class_="part",
    )  # fmt: skip
    named = [
        tag(
            "tr",
            tag("td", _traces_link(words.named(b.name), b.name), class_="name"),
            tag("td", words.count(b.traces), class_="n"),
        )
        for b in unknown
    ]
    seen = [
        tag("h2", "Seen on traces, without a calibration"),
        table((("Backend", ""), ("Traces", "n")), named, "A name that several providers use counts here too", "grid narrow"),
    ]  # fmt: skip
    title = tag("div", tag("h1", "Backends"), class_="title")
    return page(
        "Backends", title, _known(used) if used else _none(), *(seen if unknown else []), compared,
        rest if idle else None, place="/backends",
    )  # fmt: skip


def _known(listed: Sequence[Backend]) -> Html:
    caption = f"{words.plural(len(listed), 'backend')} with calibrations; figures of the newest snapshot"
    return table(_HEADS, [_backend(backend) for backend in listed], caption)


def _none() -> Html:
    return tag(
        "section", tag("h2", "No calibration is known"),
        tag("p", "Those that installed SDKs ship are imported at start; others come with ",
            tag("code", "eigenspan calibration import FILE"), "."),
        class_="empty",
    )  # fmt: skip


def _traces_link(text: str, backend: str) -> Html:
    return tag("a", text, href=f"/traces?backend={quote(backend, safe='')}")


def _backend(backend: Backend) -> Html:
    newest = backend.timeline[-1]
    return tag(
        "tr",
        tag("td", tag("a", backend.name, href=backend_path(backend.provider, backend.name)), class_="name"),
        tag("td", backend.provider, class_="text"),
        tag("td", words.count(backend.traces) if backend.traces else tag("span", "0", class_="none"), class_="n"),
        tag("td", words.count(len(backend.timeline)), class_="n"),
        tag("td", status_chip(backend.status), class_="text"),
        tag("td", queue_of(backend.status), class_="n"),
        tag("td", time(newest.valid_from_ns), class_="when"),
        *_figures(newest),
    )


def status_chip(said: StatusSample | None) -> Child:
    """What the provider said last, with when it did."""
    if said is None or said.status is None:
        return tag("span", words.NONE, class_="none")
    kind = "bad" if said.status in ("offline", "error") else "warn" if said.status == "maintenance" else "fine"
    return tag("span", said.status, class_=f"chip {kind}", title=f"said at {words.instant(said.observed_at_ns)} UTC")


def queue_of(said: StatusSample | None) -> Child:
    """The length of its queue, or the wait that the provider expects."""
    if said is not None and said.queue_length is not None:
        return f"{'>' if said.lower_bound else ''}{said.queue_length:,}"
    return words.duration(said.queue_s) if said and said.queue_s is not None else tag("span", words.NONE, class_="none")


def _figures(s: Summary) -> list[Html]:
    qubits = f"{s.operational_qubits} / {s.num_qubits}" if s.operational_qubits != s.num_qubits else str(s.num_qubits)
    cells = (
        qubits, words.micros(s.t1_median_s), words.micros(s.t2_median_s), words.percent(s.readout_error_median),
        words.percent(s.single_qubit_error_median), words.percent(s.two_qubit_error_median), words.percent(s.two_qubit_error_max),
    )  # fmt: skip
    return [tag("td", cell, class_="n") for cell in cells]


def render_one(backend: Backend, statuses: Sequence[StatusSample] = (), ran: Child = None) -> bytes:
    """The timeline of one backend, newest first. `statuses`: oldest first; `ran`: what ran on it."""
    provider, name, timeline = backend.provider, backend.name, backend.timeline
    newest = timeline[-1]
    gates = ", ".join(gate for gate in (newest.single_qubit_gate, newest.two_qubit_gate) if gate)
    rows = [_snapshot(s) for s in list(reversed(timeline))[:MAX_SNAPSHOTS]]
    heads = (("Valid from (UTC)", ""), ("Held for", "n"), *_FIGURES, ("Provider's id", ""), ("Version", "id"))
    caption = f"{words.plural(len(timeline), 'snapshot')}, newest first; each holds until the next"
    links: list[Child] = [[_traces_link(f"{alias} ({n:,})", alias), " "] for alias, n in backend.names]
    return page(
        f"{name} · {provider}",
        tag("p", tag("a", "Backends", href="/backends"), " / ", provider, class_="crumbs"),
        tag("div", tag("h1", name), class_="title"),
        facts(
            [
                ("Provider", provider),
                ("Backend version", newest.backend_version),
                ("Qubits", words.count(newest.num_qubits)),
                ("Gates measured", gates or None),
                ("T2 by", newest.t2_method),
                ("EPLG", words.percent(newest.eplg) if newest.eplg is not None else None),
                ("CLOPS", words.count(newest.clops) if newest.clops is not None else None),
                ("Quantum volume", words.count(newest.quantum_volume) if newest.quantum_volume is not None else None),
                ("Status", status_chip(backend.status) if backend.status else None),
                ("Queue", queue_of(backend.status) if backend.status else None),
                ("Traces", links or "none stored"),
            ],
            "strip slim",
        ),
        over_time(timeline, statuses),
        ran,
        tag("h2", "Calibrations", class_="apart"),
        table(heads, rows, caption, "grid"),
        *(
            [
                tag("h2", "What happened to it", class_="apart"),
                table(_EVENT_HEADS, [_event(e) for e in backend.drift], "Events"),
            ]
            if backend.drift
            else []
        ),
        place="/backends",
    )


def _event(event: Event) -> Html:
    qubits = ", ".join(event.attributes.get(q.QUANTUM_CIRCUIT_PHYSICAL_QUBITS, ()))
    return tag(
        "tr",
        tag("td", time(event.at_ns), class_="when"),
        tag("td", str(event.attributes.get(q.QUANTUM_HARDWARE_CHANGE, event.name)), class_="text"),
        tag("td", qubits or tag("span", words.NONE, class_="none"), class_="text"),
    )


def _snapshot(s: Summary) -> Html:
    held = (
        words.duration((s.valid_to_ns - s.valid_from_ns) / 1e9)
        if s.valid_to_ns is not None
        else tag("span", "in force", class_="chip cal")
    )
    return tag(
        "tr",
        tag("td", time(s.valid_from_ns), class_="when"),
        tag("td", held, class_="n"),
        *_figures(s),
        tag("td", s.calibration_id or tag("span", words.NONE, class_="none"), class_="text"),
        tag("td", tag("code", s.version.removeprefix("sha256:")[:12], title=s.version), class_="id"),
    )
