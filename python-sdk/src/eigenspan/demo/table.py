"""The table that the demo ends with."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any


def table(summary: Mapping[str, Any], *, page: str, data: Path) -> str:
    """What came, what was kept by which rule, which spans got which calibration, and where to look."""
    spans, traces, engine = summary["spans"], summary["traces"], summary["engine"]
    rules = [(name, n["kept"], n["dropped"]) for name, n in sorted(traces["rules"].items())]
    enriched = [
        (row["backend"] or "(unknown)", row["calibration"][:23] or "none", row["match"], row["spans"])
        for row in summary["enriched"]
    ]
    command = _command()
    parts = [
        "",
        f"spans received   {spans['received']}  ({spans['errors']} with an error)",
        f"engines          receive {engine['receive']}, scan {engine['scan']}",
        "",
        _grid(("traces by rule", "kept", "dropped"), rules),
        "",
        _grid(("spans enriched: snapshot of", "calibration", "match", "spans"), enriched),
        "",
        f"page             {page}",
        f"command line     {command} traces list --data {data}",
        f"                 {command} calibration list --data {data}",
    ]
    return "\n".join(parts)


def _command() -> str:
    """The eigenspan command of this environment, as short as it can be written from here."""
    path = Path(sys.executable).parent / "eigenspan"
    return str(path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path)


def _grid(head: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    cells = [list(head), *([str(value) for value in row] for row in rows)]
    widths = [max(len(row[i]) for row in cells) for i in range(len(head))]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in cells]
    return "\n".join([lines[0], "-" * len(lines[0]), *lines[1:]])
