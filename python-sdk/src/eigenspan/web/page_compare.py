"""Two traces side by side: where the time went, what their attributes say differently, which calibrations were in force."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from eigenspan.figures.runs import PHASES, phase_of, stage_of, stage_times
from eigenspan.semconv import attributes as q
from eigenspan.store.traces import Row
from eigenspan.store.tree import Node, Value, first_of
from eigenspan.web import charts, words
from eigenspan.web.layout import page, table, time
from eigenspan.web.markup import Child, Html, tag

MAX_ROWS: Final = 200
_MAX_VALUES: Final = 5
_MAX_TEXT: Final = 200
_CALIBRATION: Final = "quantum.backend.calibration."
_NEVER_ALIKE: Final = frozenset(
    {
        q.QUANTUM_JOB_ID,
        q.QUANTUM_REQUEST_CORRELATION_ID,
        q.QUANTUM_REQUEST_ID,
        "exception.stacktrace",
    }
)
Trace = tuple[Row, Sequence[Node]]
Values = dict[str, tuple[str, ...]]


def phases(nodes: Sequence[Node]) -> dict[str, float]:
    """Seconds of each of PHASES."""
    out = dict.fromkeys(PHASES, 0.0)
    for stage, seconds in stage_times(nodes).items():
        out[phase_of(stage)] += seconds
    return out


def render(a: Trace, b: Trace) -> bytes:
    """The page of both."""
    (one, left), (other, right) = a, b
    return page(
        "Compare traces",
        tag("p", tag("a", "Traces", href="/traces"), " / compare", class_="crumbs"),
        tag(
            "div",
            tag("h1", "Two traces compared"),
            tag("a", "Swap", href=f"/compare?a={other.trace_id}&b={one.trace_id}", class_="button"),
            class_="title",
        ),
        tag("div", _card("A", one), _card("B", other), class_="panels"),
        _times(left, right, one.duration_s, other.duration_s),
        _differences(
            "Calibration that differs", "calibration", _values(left, calibration=True), _values(right, calibration=True)
        ),
        _differences("Attributes that differ", "attributes", _values(left), _values(right)),
        place="/traces",
    )


def render_choice(row: Row, others: Iterable[Row]) -> bytes:
    """The page on which the other trace is chosen: the newest of the same root."""
    rows = [
        tag(
            "tr",
            tag("td", time(other.start_ns), class_="when"),
            tag(
                "td",
                tag(
                    "a", words.named(other.root, "(no root span)"), href=f"/compare?a={row.trace_id}&b={other.trace_id}"
                ),
                class_="name",
            ),
            tag("td", other.backend or words.NONE, class_="text"),
            tag("td", words.duration(other.duration_s), class_="n"),
            tag("td", words.count(other.errors), class_="n"),
            tag("td", tag("code", other.trace_id[:8]), class_="id"),
        )
        for other in others
        if other.trace_id != row.trace_id
    ]
    heads = (("Started (UTC)", ""), ("Trace", ""), ("Backend", ""), ("Duration", "n"), ("Errors", "n"), ("Id", "id"))
    form = tag(
        "form",
        tag("input", type="hidden", name="a", value=row.trace_id),
        tag(
            "label",
            tag("span", "Or by id"),
            tag("input", name="b", size=34, maxlength=32, autocomplete="off", aria_label="Id of the other trace"),
        ),
        tag("button", "Compare", type="submit"),
        class_="filters",
        action="/compare",
        method="get",
    )
    listed: Child = table(heads, rows, "Traces to compare with, newest first") if rows else None
    title = tag("div", tag("h1", f"Compare {row.root or row.trace_id[:8]} with"), class_="title")
    crumbs = tag("p", tag("a", "Traces", href="/traces"), " / compare", class_="crumbs")
    return page("Compare traces", crumbs, title, form, listed, place="/traces")


def _card(letter: str, row: Row) -> Html:
    failed = tag("span", words.plural(row.errors, "error"), class_="chip bad") if row.errors else None
    return tag(
        "section",
        tag(
            "h2",
            tag("span", letter, class_="letter"),
            " ",
            tag("a", words.named(row.root, "(no root span)"), href=f"/trace/{row.trace_id}"),
            " ",
            failed,
        ),
        tag(
            "p",
            time(row.start_ns),
            " · ",
            words.duration(row.duration_s),
            " · ",
            words.plural(row.spans, "span"),
            " · ",
            row.backend or "no backend",
        ),
        class_="panel",
        aria_label=f"Trace {letter}",
    )


def _times(left: Sequence[Node], right: Sequence[Node], left_s: float, right_s: float) -> Html:
    one, other = stage_times(left), stage_times(right)
    rows = [_time("whole trace", left_s, right_s, max(left_s, right_s), strong=True)]
    longest = max([*one.values(), *other.values()], default=0)
    ordered = sorted({*one, *other}, key=lambda s: -max(one.get(s, 0), other.get(s, 0)))
    rows += [_time(stage.replace("_", " "), one.get(stage), other.get(stage), longest) for stage in ordered]
    heads = (
        ("Stage", ""),
        ("A", "n"),
        ("", "meter"),
        ("B", "n"),
        ("", "meter"),
        (f"B {words.MINUS} A", "n"),
        ("B / A", "n"),
    )
    return tag(
        "section",
        tag("h2", "Time by stage", id="times"),
        table(heads, rows[:MAX_ROWS], "Time by stage"),
        aria_labelledby="times",
    )


def _time(name: str, a: float | None, b: float | None, longest: float, *, strong: bool = False) -> Html:
    def bar(value: float | None) -> Child:
        return charts.share(value / longest) if value and longest else None

    much = a is not None and b is not None and abs(b - a) > 0.05 * longest and max(a, b) > 1.2 * min(a, b)
    colour = None if not much else "bad" if (b or 0) > (a or 0) else "ok"
    both = a is not None and b is not None
    return tag(
        "tr",
        tag("th" if strong else "td", name, class_="text"),
        tag("td", words.NONE if a is None else words.duration(a), class_="n"),
        tag("td", bar(a), class_="meter"),
        tag("td", words.NONE if b is None else words.duration(b), class_="n"),
        tag("td", bar(b), class_="meter"),
        tag("td", tag("span", words.duration((b or 0) - (a or 0)), class_=colour) if both else None, class_="n"),
        tag("td", f"{words.number(b / a)} \N{MULTIPLICATION SIGN}" if a and b else None, class_="n"),
    )


def _values(nodes: Sequence[Node], *, calibration: bool = False) -> Values:
    """What is said under each stage and key, and of resources; calibration or everything else."""
    found: defaultdict[str, dict[str, None]] = defaultdict(dict)
    for node in nodes:
        stage = stage_of(node) or node.name[:_MAX_TEXT] or "(no name)"
        if calibration and (backend := first_of(node.attributes, q.QUANTUM_BACKEND_NAME)) is not None:
            stage = str(backend)[:_MAX_TEXT]
        for key, value in node.attributes.items():
            if key.startswith(_CALIBRATION) is calibration and key not in _NEVER_ALIKE:
                found[f"{stage} · {key[:_MAX_TEXT]}"][_text(value)] = None
        if not calibration:
            for key, value in node.resource.items():
                found[f"resource · {key[:_MAX_TEXT]}"][_text(value)] = None
    return {key: tuple(sorted(values)) for key, values in found.items()}


def _text(value: Value) -> str:
    text = f"0x{value.hex()}" if isinstance(value, bytes) else str(value)
    return text if len(text) <= _MAX_TEXT else f"{text[:_MAX_TEXT]}…"


def _differences(title: str, id_: str, a: Mapping[str, tuple[str, ...]], b: Mapping[str, tuple[str, ...]]) -> Html:
    keys = sorted(key for key in {*a, *b} if a.get(key) != b.get(key))
    same = len({*a, *b}) - len(keys)
    if keys:
        rows = [
            tag(
                "tr",
                tag("td", key, class_="key-name"),
                tag("td", _shown(a.get(key)), class_="value"),
                tag("td", _shown(b.get(key)), class_="value"),
            )
            for key in keys[:MAX_ROWS]
        ]
        body = table((("Where · attribute", ""), ("A", ""), ("B", "")), rows, title, "grid differences")
    else:
        body = tag("p", "Nothing differs." if same else "Neither says anything.", class_="none")
    more = f"{len(keys) - MAX_ROWS:,} more differ; " if len(keys) > MAX_ROWS else ""
    return tag(
        "section",
        tag("h2", title, " ", tag("small", f"{more}{same:,} alike"), id=id_),
        body,
        aria_labelledby=id_,
    )


def _shown(values: tuple[str, ...] | None) -> Child:
    if values is None:
        return tag("span", words.NONE, class_="none")
    rest = f" and {len(values) - _MAX_VALUES:,} more" if len(values) > _MAX_VALUES else ""
    return ", ".join(values[:_MAX_VALUES]) + rest
