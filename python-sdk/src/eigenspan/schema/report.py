"""Findings written out while they come: text, GitHub annotations, and Weaver's JSON, SARIF and JUnit.

Each writer keeps counts, never findings; of one id no more than `limit` are written out.
"""

from __future__ import annotations

import json
from collections import Counter
from typing import Any, Final, TextIO
from xml.sax.saxutils import escape, quoteattr

from eigenspan.schema.findings import IDS, RANK, Finding, Level

SARIF_LEVEL: Final = {"violation": "error", "improvement": "warning", "information": "note"}
_SARIF_SCHEMA: Final = "https://json.schemastore.org/sarif-2.1.0.json"


class Report:
    """The common part: counts and limits. Subclasses write."""

    def __init__(self, out: TextIO, limit: int = 100) -> None:
        self.out = out
        self.limit = limit
        self.counts: Counter[str] = Counter()
        self.begin()

    def add(self, finding: Finding) -> None:
        """Write one finding, unless there were too many of its id."""
        self.counts[finding.id] += 1
        if self.counts[finding.id] <= self.limit:
            self.write(finding)

    def worst(self) -> Level | None:
        """The highest level seen."""
        return max((IDS[id_][0] for id_ in self.counts), key=RANK.__getitem__, default=None)

    def levels(self) -> dict[str, int]:
        """Level → number of findings."""
        out: Counter[str] = Counter()
        for id_, n in self.counts.items():
            out[IDS[id_][0]] += n
        return dict(out)

    def begin(self) -> None:
        """What comes before the findings."""

    def write(self, finding: Finding) -> None:
        """One finding."""
        raise NotImplementedError

    def end(self, seen: dict[str, int]) -> None:
        """What comes after them. `seen` is signal → number."""


class Text(Report):
    """A line a finding, the mend below it, a summary."""

    def write(self, finding: Finding) -> None:
        """One finding."""
        self.out.write(f"{finding.level:<11} {finding.id}  {finding.message}\n            at {finding.place}\n")
        if finding.mend:
            self.out.write(f"            {finding.mend}\n")

    def end(self, seen: dict[str, int]) -> None:
        """What comes after the findings."""
        what = ", ".join(f"{n} {name}{'' if n == 1 else 's'}" for name, n in seen.items()) or "nothing"
        if not self.counts:
            self.out.write(f"{what}: no findings\n")
            return
        for id_, n in self.counts.most_common():
            hidden = f"  ({n - self.limit} not shown)" if n > self.limit else ""
            self.out.write(f"{n:>8} {id_}{hidden}\n")
        totals = ", ".join(f"{n} {level}" for level, n in self.levels().items())
        self.out.write(f"{what}: {totals}\n")


class Github(Report):
    """Workflow commands, which GitHub shows beside the line."""

    def write(self, finding: Finding) -> None:
        """One finding."""
        kind = {"error": "error", "warning": "warning"}.get(SARIF_LEVEL[finding.level], "notice")
        place = f"file={_property(finding.place.source)}"
        if finding.place.line:
            place += f",line={finding.place.line}"
        text = (
            f"{finding.message} {finding.mend} ({finding.place})".replace("%", "%25")
            .replace("\r", "%0D")
            .replace("\n", "%0A")
        )
        self.out.write(f"::{kind} {place},title={_property(finding.id)}::{text}\n")


def _property(text: str) -> str:
    for found, written in (("%", "%25"), ("\r", "%0D"), ("\n", "%0A"), (":", "%3A"), (",", "%2C")):
        text = text.replace(found, written)
    return text


class Json(Report):
    """The shape of Weaver's live-check report; a sample for each signal with findings."""

    def begin(self) -> None:
        """What comes before the findings."""
        self._key: Any = None
        self._advice: list[dict[str, Any]] = []
        self._level: Level = "information"
        self._first = True
        self.out.write('{"samples":[')

    def write(self, finding: Finding) -> None:
        """One finding."""
        place = finding.place
        key = (place.source, place.line, place.trace_id, place.span_id, place.signal_type, place.signal_name)
        if key != self._key:
            self._flush()
            self._key, self._advice, self._level = key, [], "information"
        self._advice.append(finding.advice())
        self._level = max(self._level, finding.level, key=RANK.__getitem__)

    def _flush(self) -> None:
        if self._key is None:
            return
        source, line, trace_id, span_id, kind, name = self._key
        body = {"name": name, "source": source, "line": line, "trace_id": trace_id, "span_id": span_id}
        body["live_check_result"] = {"all_advice": self._advice, "highest_advice_level": self._level}
        self.out.write(("" if self._first else ",") + json.dumps({kind: body}))
        self._first = False

    def end(self, seen: dict[str, int]) -> None:
        """What comes after the findings."""
        self._flush()
        statistics = {
            "total_entities": sum(seen.values()),
            "total_entities_by_type": seen,
            "total_advisories": sum(self.counts.values()),
            "advice_level_counts": self.levels(),
            "advice_type_counts": dict(self.counts),
            "highest_advice_level": self.worst(),
        }
        self.out.write('],"statistics":' + json.dumps(statistics) + "}\n")


class Sarif(Report):
    """SARIF 2.1.0."""

    def begin(self) -> None:
        """What comes before the findings."""
        self._first = True
        rules = [
            {"id": id_, "shortDescription": {"text": text}, "defaultConfiguration": {"level": SARIF_LEVEL[level]}}
            for id_, (level, text) in IDS.items()
        ]
        driver = json.dumps({"name": "eigenspan validate", "rules": rules})
        self.out.write(
            f'{{"$schema":"{_SARIF_SCHEMA}","version":"2.1.0","runs":[{{"tool":{{"driver":{driver}}},"results":['
        )

    def write(self, finding: Finding) -> None:
        """One finding."""
        place = finding.place
        physical: dict[str, Any] = {"artifactLocation": {"uri": place.source or "stdin"}}
        if place.line:
            physical["region"] = {"startLine": place.line}
        result = {
            "ruleId": finding.id,
            "level": SARIF_LEVEL[finding.level],
            "message": {"text": f"{finding.message} {finding.mend}".strip()},
            "locations": [
                {
                    "physicalLocation": physical,
                    "logicalLocations": [{"fullyQualifiedName": str(place), "kind": place.signal_type}],
                }
            ],
        }
        self.out.write(("" if self._first else ",") + json.dumps(result))
        self._first = False

    def end(self, seen: dict[str, int]) -> None:
        """What comes after the findings."""
        self.out.write("]}]}\n")


class Junit(Report):
    """JUnit XML: a test case a finding, failed where it is a violation."""

    def begin(self) -> None:
        """What comes before the findings."""
        self.out.write('<?xml version="1.0" encoding="UTF-8"?>\n<testsuites><testsuite name="eigenspan validate">\n')

    def write(self, finding: Finding) -> None:
        """One finding."""
        name, where = quoteattr(f"{finding.id}: {finding.place}"), quoteattr(finding.id)
        text = escape(_printable(f"{finding.message}\n{finding.why}\n{finding.mend}\n{finding.place}"))
        inner = f"<failure message={quoteattr(_printable(finding.message))}>{text}</failure>"
        if finding.level != "violation":
            inner = f"<system-out>{text}</system-out>"
        self.out.write(f"<testcase classname={_printable(where)} name={_printable(name)}>{inner}</testcase>\n")

    def end(self, seen: dict[str, int]) -> None:
        """What comes after the findings."""
        if not self.counts:
            self.out.write('<testcase classname="eigenspan" name="no findings"/>\n')
        self.out.write("</testsuite></testsuites>\n")


def _printable(text: str) -> str:
    """Without what XML 1.0 cannot hold."""
    return "".join(
        c if c in "\t\n\r" or 0x20 <= ord(c) < 0xD800 or 0xE000 <= ord(c) < 0xFFFE else "\ufffd" for c in text
    )


FORMATS: Final[dict[str, type[Report]]] = {"text": Text, "json": Json, "github": Github, "sarif": Sarif, "junit": Junit}
