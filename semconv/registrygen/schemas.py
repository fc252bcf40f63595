"""Schema files in format 1.1.0: what a backend needs to read telemetry of an older or newer version."""

from __future__ import annotations

from registrygen import tables
from registrygen.model import Registry


def files(registry: Registry) -> dict[str, str]:
    """Version → schema file. Each holds the changes up to its own version."""
    known = tables.versions(registry)
    base = registry.schema_url.rsplit("/", 1)[0]
    out: dict[str, str] = {}
    for i, version in enumerate(known):
        lines = ["file_format: 1.1.0", f"schema_url: {base}/{version}", "versions:"]
        for earlier in reversed(known[: i + 1]):
            changes = tables.renames(registry, earlier)
            if not changes:
                lines.append(f"  {earlier}: {{}}")
                continue
            lines += [f"  {earlier}:", "    all:", "      changes:", "        - rename_attributes:"]
            lines.append("            attribute_map:")
            lines += [f"              {old}: {new}" for old, new in changes.items()]
        out[version] = "\n".join(lines) + "\n"
    return out
