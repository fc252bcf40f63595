"""Backends that calibrations are known of, and the timeline of one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final
from urllib.parse import quote

from eigenspan.calibration.asof import AsOfIndex
from eigenspan.calibration.attributes import StatusSample
from eigenspan.calibration.backends import Series
from eigenspan.calibration.store import Event
from eigenspan.calibration.summary import Summary
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


def name_of(series: Series) -> str:
    """The name by which a series is asked for; `series_of` understands it."""
    return f"fake_{series.name}" if series.simulated else series.name


def addresses(index: AsOfIndex) -> dict[int, Series]:
    """Every series by its number, so that a backend's name on a span finds its page."""
    return {index.series_code(s.provider, name_of(s)): s for s in index.backends}


def address(index: AsOfIndex, provider: str | None, backend: str | None) -> str | None:
    """Where a backend that a span names has its page; None where nothing is known of it, or of several by that name."""
    code = index.series_code(provider, backend)
    found = addresses(index).get(code) if code >= 0 else None
    return backend_path(found.provider, name_of(found)) if found else None


def render(index: AsOfIndex, traces: Mapping[str, int], compared: Child = None) -> bytes:
    """The page of all backends; `compared`: their providers beside each other."""
    ran: dict[int, int] = {}
    unknown: dict[str, int] = {}
    for backend, n in traces.items():
        code = index.series_code(None, backend)
        if code >= 0:
            ran[code] = ran.get(code, 0) + n
        else:
            unknown[backend] = unknown.get(backend, 0) + n
    listed = [_backend(index, series, ran.get(code, 0)) for code, series in addresses(index).items()]
    rows = [row for _, row in sorted(listed, key=lambda pair: pair[0])]
    heads = (
        ("Backend", ""),
        ("Provider", ""),
        ("Traces", "n"),
        ("Snapshots", "n"),
        ("Status", ""),
        ("Queue", "n"),
        ("Newest valid from (UTC)", ""),
        *_FIGURES,
    )
    body: list[Child] = [tag("div", tag("h1", "Backends"), class_="title")]
    if rows:
        body.append(
            table(
                heads, rows, f"{words.plural(len(rows), 'backend')} with calibrations; figures of the newest snapshot"
            )
        )
    else:
        body.append(_none())
    if unknown:
        named = [
            tag("tr", tag("td", _traces_link(name, name)), tag("td", words.count(n), class_="n"))
            for name, n in sorted(unknown.items())
        ]
        body.append(tag("h2", "Seen on traces, without a calibration"))
        body.append(
            table(
                (("Backend", ""), ("Traces", "n")),
                named,
                "A name that several providers use counts here too",
                "grid narrow",
            )
        )
    return page("Backends", *body, compared, place="/backends")


def _none() -> Html:
    return tag(
        "section", tag("h2", "No calibration is known"),
        tag("p", "Those that installed SDKs ship are imported at start; others come with ",
            tag("code", "eigenspan calibration import FILE"), "."),
        class_="empty",
    )  # fmt: skip


def _traces_link(text: str, backend: str) -> Html:
    return tag("a", text, href=f"/traces?backend={quote(backend, safe='')}")


def _backend(index: AsOfIndex, series: Series, ran: int) -> tuple[tuple[int, str, str], Html]:
    name = name_of(series)
    timeline = index.timeline(series.provider, name)
    newest = timeline[-1] if timeline else None
    said = next(reversed(index.statuses(series.provider, name)), None)
    row = tag(
        "tr",
        tag("td", tag("a", name, href=backend_path(series.provider, name)), class_="name"),
        tag("td", series.provider, class_="text"),
        tag("td", words.count(ran) if ran else tag("span", "0", class_="none"), class_="n"),
        tag("td", words.count(len(timeline)), class_="n"),
        tag("td", status_chip(said), class_="text"),
        tag("td", queue_of(said), class_="n"),
        tag("td", time(newest.valid_from_ns) if newest else None, class_="when"),
        *(_figures(newest) if newest else ()),
    )
    return (-ran, series.provider, name), row


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


def render_one(
    provider: str,
    name: str,
    timeline: Sequence[Summary],
    traced: Sequence[tuple[str, int]],
    happened: Sequence[Event] = (),
    statuses: Sequence[StatusSample] = (),
    ran: Child = None,
) -> bytes:
    """The timeline of one backend, newest first; `traced`: the names on stored traces that mean it, with their number.

    `happened`: drift and lost qubits, newest first; `statuses`: oldest first; `ran`: what ran on it.
    """
    newest = timeline[-1]
    gates = ", ".join(gate for gate in (newest.single_qubit_gate, newest.two_qubit_gate) if gate)
    rows = [_snapshot(s) for s in list(reversed(timeline))[:MAX_SNAPSHOTS]]
    heads = (("Valid from (UTC)", ""), ("Held for", "n"), *_FIGURES, ("Provider's id", ""), ("Version", "id"))
    caption = f"{words.plural(len(timeline), 'snapshot')}, newest first; each holds until the next"
    links: list[Child] = [[_traces_link(f"{alias} ({n:,})", alias), " "] for alias, n in traced]
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
                ("Status", status_chip(statuses[-1]) if statuses else None),
                ("Queue", queue_of(statuses[-1]) if statuses else None),
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
                table(_EVENT_HEADS, [_event(e) for e in happened], "Events"),
            ]
            if happened
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
