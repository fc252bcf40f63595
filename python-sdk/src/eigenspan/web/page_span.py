"""One span in detail: the calibration in force when it ran, attributes, events, links, resource, status."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Final

from eigenspan.semconv import attributes as q
from eigenspan.store.logs import Log
from eigenspan.store.tree import Node, Value, first_of
from eigenspan.web import words
from eigenspan.web.layout import facts, time
from eigenspan.web.markup import Child, Html, join, tag

_MAX_TEXT: Final = 4_000
_MAX_KEY: Final = 1_000
_MAX_ITEMS: Final = 300
_MAX_SEVERITY: Final = 20
_CHIPS: Final = {"WARN": "warn", "ERROR": "bad", "FATAL": "bad"}
_CALIBRATION: Final = "quantum.backend.calibration."
_TRACE_ID: Final = re.compile(r"[0-9a-f]{32}")
_SPAN_ID: Final = re.compile(r"[0-9a-f]{16}")
_BASIS: Final = {
    "operations": "product over the executed operations",
    "qubits": "product over the physical qubits",
    "counts": "from gate counts and medians",
}


def render(node: Node, backend_href: str | None, logs: Sequence[Log] = ()) -> Html:
    """The panel of one span; `backend_href` is the address of its backend's calibrations, where there are any.

    `logs`: its log records in the order of their times.
    """
    status: Child = node.status
    if node.error:
        status = tag(
            "span", tag("b", "error", class_="bad"), f" {node.status_message}" if node.status_message else None
        )
    elif node.status_message:
        status = f"{node.status}: {node.status_message}"
    return tag(
        "div",
        tag("h2", node.name or "(no name)"),
        facts(
            [
                ("Status", status),
                ("Duration", words.duration(node.duration_s)),
                ("Starts", [f"+{words.duration(node.offset_s)} ", tag("small", time(node.start_ns, fraction=True))]),
                ("Service", node.service or "unknown service"),
                ("Kind", node.kind),
                ("Scope", node.scope or None),
                ("Span id", tag("code", node.span_id or words.NONE)),
                ("Parent", tag("code", node.parent_id) if node.parent_id else None),
            ]
        ),
        calibration(node.attributes, backend_href),
        _attributes("Attributes", _rest(node.attributes), open_=True),
        _events(node),
        _section("Logs", len(logs), records(logs, node.start_ns), open_=True) if logs else None,
        _links(node),
        _attributes("Resource", node.resource, open_=False),
        tag("p", "Trace state ", tag("code", node.trace_state), class_="note") if node.trace_state else None,
    )


def _rest(attributes: Mapping[str, Value]) -> dict[str, Value]:
    """What the calibration panel does not show already."""
    shown = q.QUANTUM_BACKEND_CALIBRATION_VERSION in attributes
    return {k: v for k, v in attributes.items() if not (shown and k.startswith(_CALIBRATION) and k in _SHOWN)}


def _figure(attributes: Mapping[str, Value], key: str, form: Callable[[float], str]) -> Child:
    value = words.real(attributes.get(key))
    return None if value is None else tag("data", form(value), value=f"{value:.12g}")


def _text(attributes: Mapping[str, Value], key: str) -> str | None:
    value = attributes.get(key)
    return None if value is None else str(value)[:200]


def calibration(a: dict[str, Value], backend_href: str | None) -> Child:
    """The calibration that was in force, read from what the collector wrote on the span."""
    match = _text(a, q.QUANTUM_BACKEND_CALIBRATION_MATCH)
    if match is None:
        return None
    backend = first_of(a, q.QUANTUM_BACKEND_NAME)
    name: Child = str(backend)[:200] if backend is not None else "backend"
    linked = tag("a", name, href=backend_href) if backend_href else name
    version = _text(a, q.QUANTUM_BACKEND_CALIBRATION_VERSION)
    if version is None:
        text = "No snapshot was in force when this ran: none is attached rather than a later or another machine's."
        return tag(
            "section",
            tag("h3", "Calibration of ", linked),
            tag("p", text),
            class_="calibration",
            aria_label="Calibration",
        )
    how = {
        "as_of": "in force at the execution time",
        "id": "named by the span",
        "as_of_unconfirmed": "the last known; the provider was not asked since",
    }.get(match, match)
    method = _text(a, q.QUANTUM_BACKEND_CALIBRATION_T2_METHOD)
    pairs = [
        ("T1 median", _figure(a, q.QUANTUM_BACKEND_CALIBRATION_T1_MEDIAN, words.micros)),
        ("T2 median", _figure(a, q.QUANTUM_BACKEND_CALIBRATION_T2_MEDIAN, words.micros)),
        ("Readout error", _figure(a, q.QUANTUM_BACKEND_CALIBRATION_READOUT_ERROR_MEDIAN, words.percent)),
        ("1-qubit error", _figure(a, q.QUANTUM_BACKEND_CALIBRATION_SINGLE_QUBIT_ERROR_MEDIAN, words.percent)),
        ("2-qubit error", _figure(a, q.QUANTUM_BACKEND_CALIBRATION_TWO_QUBIT_ERROR_MEDIAN, words.percent)),
        ("Worst pair", _figure(a, q.QUANTUM_BACKEND_CALIBRATION_TWO_QUBIT_ERROR_MAX, words.percent)),
        ("Qubits in use", _figure(a, q.QUANTUM_BACKEND_CALIBRATION_OPERATIONAL_QUBITS, lambda n: f"{n:,.0f}")),
        ("Pairs in use", _figure(a, q.QUANTUM_BACKEND_CALIBRATION_OPERATIONAL_PAIRS, lambda n: f"{n:,.0f}")),
    ]
    origin = [
        ("Version", tag("code", version)),
        ("Provider's id", _text(a, q.QUANTUM_BACKEND_CALIBRATION_ID)),
        ("Valid from", _text(a, q.QUANTUM_BACKEND_CALIBRATION_TIME)),
        ("Age at execution", _figure(a, q.QUANTUM_BACKEND_CALIBRATION_AGE, words.duration)),
        ("Oldest value", _figure(a, q.QUANTUM_BACKEND_CALIBRATION_OLDEST_VALUE_AGE, words.duration)),
        ("T2 method", method if method not in ("unknown", "unspecified") else None),
        ("Match", [tag("b", match), f" · {how}" if how != match else None]),
    ]
    return tag(
        "section",
        tag("h3", "Calibration of ", linked),
        facts(pairs, "figures"),
        _circuit(a),
        facts(origin),
        class_="calibration", aria_label="Calibration",
    )  # fmt: skip


_SHOWN: Final = {
    q.QUANTUM_BACKEND_CALIBRATION_VERSION, q.QUANTUM_BACKEND_CALIBRATION_ID, q.QUANTUM_BACKEND_CALIBRATION_TIME,
    q.QUANTUM_BACKEND_CALIBRATION_AGE, q.QUANTUM_BACKEND_CALIBRATION_MATCH, q.QUANTUM_BACKEND_CALIBRATION_T1_MEDIAN,
    q.QUANTUM_BACKEND_CALIBRATION_T2_MEDIAN, q.QUANTUM_BACKEND_CALIBRATION_T2_METHOD,
    q.QUANTUM_BACKEND_CALIBRATION_READOUT_ERROR_MEDIAN, q.QUANTUM_BACKEND_CALIBRATION_SINGLE_QUBIT_ERROR_MEDIAN,
    q.QUANTUM_BACKEND_CALIBRATION_TWO_QUBIT_ERROR_MEDIAN, q.QUANTUM_BACKEND_CALIBRATION_TWO_QUBIT_ERROR_MAX,
    q.QUANTUM_BACKEND_CALIBRATION_OPERATIONAL_QUBITS, q.QUANTUM_BACKEND_CALIBRATION_OPERATIONAL_PAIRS,
    q.QUANTUM_BACKEND_CALIBRATION_OLDEST_VALUE_AGE,
}  # fmt: skip


def _circuit(a: Mapping[str, Value]) -> Child:
    """The estimate for the circuit under this calibration."""
    esp = words.real(a.get(q.QUANTUM_CIRCUIT_CALIBRATION_SUCCESS_PROBABILITY))
    if esp is None:
        return None
    basis = _text(a, q.QUANTUM_CIRCUIT_CALIBRATION_BASIS)
    missing = words.real(a.get(q.QUANTUM_CIRCUIT_CALIBRATION_MISSING_TERMS))
    notes = [_BASIS.get(basis, basis) if basis else None, f"{missing:,.0f} terms unknown" if missing else None]
    return tag(
        "p",
        "Estimated success probability ",
        tag("data", words.percent(esp), value=f"{esp:.12g}"),
        tag("small", " · ".join(note for note in notes if note)),
        class_="esp",
    )


def _shown(value: object) -> Child:
    """A value as text, cut where it is long; the JSON has all of it."""
    if isinstance(value, (list, dict)):
        text = json.dumps(value, ensure_ascii=False, indent=1 if len(value) > 8 else None, default=_bytes)
    elif isinstance(value, bytes):
        text = _bytes(value)
    elif isinstance(value, bool):
        text = "true" if value else "false"
    elif value is None:
        return tag("span", "empty", class_="none")
    else:
        text = str(value)
    if len(text) <= _MAX_TEXT:
        return text or tag("span", "empty", class_="none")
    return [text[:_MAX_TEXT], tag("small", f" … and {len(text) - _MAX_TEXT:,} more characters")]


def _bytes(value: object) -> str:
    return f"0x{value.hex()}" if isinstance(value, bytes) else str(value)


def _breakable(key: str) -> Html:
    """A dotted name that may be broken after its dots and underscores."""
    parts = [part for part in re.split(r"(?<=[._/])", key[:_MAX_KEY]) if part]
    return join(child for i, part in enumerate(parts) for child in ((tag("wbr"), part) if i else (part,)))


def _pairs(attributes: Mapping[str, object]) -> Html:
    listed = sorted(attributes.items())
    rows = [
        tag("tr", tag("th", _breakable(key), scope="row"), tag("td", _shown(value)))
        for key, value in listed[:_MAX_ITEMS]
    ]
    if len(listed) > _MAX_ITEMS:
        rows.append(tag("tr", tag("td", f"… and {len(listed) - _MAX_ITEMS:,} more", colspan=2)))
    return tag("table", tag("tbody", *rows), class_="pairs")


def _section(title: str, size: int, body: Child, *, open_: bool) -> Html:
    return tag("details", tag("summary", title, " ", tag("small", f"{size:,}")), body, open=open_, class_="part")


def _attributes(title: str, attributes: Mapping[str, Value], *, open_: bool) -> Child:
    return _section(title, len(attributes), _pairs(attributes), open_=open_) if attributes else None


def _events(node: Node) -> Child:
    if not node.events:
        return None
    items = []
    for event in node.events[:_MAX_ITEMS]:
        at, inside = event["time_ns"], event["attributes"]
        after = f"+{words.duration((at - node.start_ns) / 1e9)}" if isinstance(at, int) else ""
        items.append(
            tag("li", tag("p", tag("b", str(event["name"]) or "(no name)"), " ", tag("small", after)),
                _pairs(inside) if isinstance(inside, dict) and inside else None)
        )  # fmt: skip
    return _section("Events", len(node.events), tag("ol", *items, _cut(node.events), class_="items"), open_=True)


def records(logs: Sequence[Log], start_ns: int) -> Html:
    """Log records, each with its time after `start_ns`, its severity and what it says."""
    items = []
    for record in logs[:_MAX_ITEMS]:
        after_s = (record.time_ns - start_ns) / 1e9
        after = f"{words.MINUS if after_s < 0 else '+'}{words.duration(abs(after_s))}"
        chip = f"chip {_CHIPS.get(record.level, '')}".strip()
        attributes: dict[str, Value] = (
            {"event.name": record.event, **record.attributes} if record.event else record.attributes
        )
        items.append(
            tag(
                "li",
                tag(
                    "p", tag("span", record.severity[:_MAX_SEVERITY] or "log", class_=chip), " ",
                    tag("small", after, title=words.instant(record.time_ns)), " ", tag("span", _shown(record.body), class_="said"),
                ),
                _section("Attributes", len(attributes), _pairs(attributes), open_=False) if attributes else None,
            )
        )  # fmt: skip
    return tag("ol", *items, _cut(logs), class_="items logs")


def _links(node: Node) -> Child:
    if not node.links:
        return None
    items = []
    for link in node.links[:_MAX_ITEMS]:
        trace, span, inside = str(link["trace_id"]), str(link["span_id"]), link["attributes"]
        text = tag("code", f"{trace or words.NONE} / {span or words.NONE}")
        if _TRACE_ID.fullmatch(trace):
            href = f"/trace/{trace}" + (f"?span={span}" if _SPAN_ID.fullmatch(span) else "")
            text = tag("a", text, href=href)
        items.append(tag("li", tag("p", text), _pairs(inside) if isinstance(inside, dict) and inside else None))
    return _section("Links", len(node.links), tag("ol", *items, _cut(node.links), class_="items"), open_=True)


def _cut(items: Sequence[object]) -> Child:
    return tag("li", f"… and {len(items) - _MAX_ITEMS:,} more") if len(items) > _MAX_ITEMS else None
