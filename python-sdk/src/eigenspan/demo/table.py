"""The table that the demo ends with."""

from __future__ import annotations

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
    parts = [
        "",
        f"spans received   {spans['received']}  ({spans['errors']} with an error)",
        f"engines          receive {engine['receive']}, scan {engine['scan']}",
        "",
        _grid(("traces by rule", "kept", "dropped"), rules),
        "",
        _grid(("spans enriched: backend", "calibration", "match", "spans"), enriched),
        "",
        f"page             {page}",
        f"command line     eigenspan traces list --data {data}",
        f"                 eigenspan calibration list --data {data}",
    ]
    return "\n".join(parts)


def _grid(head: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    cells = [list(head), *([str(value) for value in row] for row in rows)]
    widths = [max(len(row[i]) for row in cells) for i in range(len(head))]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in cells]
    return "\n".join([lines[0], "-" * len(lines[0]), *lines[1:]])
