"""All releases, with what they changed."""

from __future__ import annotations

from eigenspan.figures import measured as m
from eigenspan.figures.measured import Measured
from eigenspan.figures.releases import Release
from eigenspan.web import words
from eigenspan.web.advice import between
from eigenspan.web.layout import copyable, page, table, time
from eigenspan.web.markup import Html, tag
from eigenspan.web.page_front import effect_words

_HEADS = (
    ("When (UTC)", ""),
    ("Kind", ""),
    ("Name", ""),
    ("Version", ""),
    ("Before it", ""),
    ("Failed", "n"),
    ("Median", "n"),
    ("P95", "n"),
    ("Traces", "n"),
    ("Known from", ""),
    ("", ""),
)
_POST = """curl -H 'Authorization: Bearer TOKEN' -H 'Content-Type: application/json' http://{host}/api/releases \\
  -d '{{"kind": "service", "name": "my-service", "version": "1.4.2", "note": "new ansatz"}}'"""


def render(data: Measured, host: str) -> bytes:
    """The page."""
    rows = [_row(release, data) for release in data.releases]
    body = (
        table(_HEADS, rows, f"{words.plural(len(rows), 'release')}, newest first", "grid")
        if rows
        else tag(
            "section",
            tag("h2", "No release is known"),
            tag(
                "p",
                "One shows when the version of a service, workflow, model or prompt "
                "template changes on spans, or when it is told:",
            ),
            copyable(_POST.format(host=host), "command that posts a release"),
            class_="empty",
        )
    )
    note = (
        "Before and after are traces of the one version and of the other, a day on either side of the release, weighted "
        "by their sampling thresholds. Coloured where the 95 % intervals (Wilson's for shares, Woodruff's for times) do "
        "not touch; hover for them."
    )
    return page(
        "Releases",
        tag("div", tag("h1", "Releases"), class_="title"),
        body,
        tag("p", note, class_="note"),
        place="/releases",
    )


def _row(release: Release, data: Measured) -> Html:
    runs = [*data.before, *data.now]
    effect = m.effect(release, runs, m.DAY_S)
    old, new = m.around(release, runs, m.DAY_S)
    width_ns = int(m.DAY_S * m.NS)
    return tag(
        "tr",
        tag("td", time(release.at_ns), class_="when"),
        tag("td", tag("span", release.kind, class_="chip release")),
        tag("td", release.name or words.NONE, class_="text"),
        tag("td", tag("b", release.version), tag("small", f" {release.note}") if release.note else None, class_="text"),
        tag("td", release.previous or words.NONE, class_="text"),
        *(tag("td", effect_words(effect[name], share=name == "Failed"), class_="n") for name in m.RELEASE_FIGURES),
        tag("td", f"{len(old):,} → {len(new):,}", class_="n"),
        tag("td", "spans" if release.source == "spans" else "told", class_="text"),
        tag(
            "td",
            tag("a", "after", href=between(release.at_ns, release.at_ns + width_ns)),
            " · ",
            tag("a", "before", href=between(release.at_ns - width_ns, release.at_ns)),
        ),
        id=f"release-{release.number}",
    )
