"""What the kernel is built from, held to deny.toml without a network: licences, sources, duplicates, and no unsafe code.

It reads `cargo metadata` of the locked dependencies for this machine's platform. Exit status 1 where something is amiss.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tomllib
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
_WORD = re.compile(r"\s*([()/]|[^\s()/]+)")


def licensed(expression: str, allowed: set[str]) -> bool:
    """Whether an SPDX expression can be met with allowed licences alone. AND binds closer than OR; old crates write / for OR."""
    words = [word.replace("/", "OR") for word in _WORD.findall(expression.strip())]

    def either() -> bool:
        met = both()
        while words and words[0] == "OR":
            words.pop(0)
            met = both() or met
        return met

    def both() -> bool:
        met = one()
        while words and words[0] == "AND":
            words.pop(0)
            met = one() and met
        return met

    def one() -> bool:
        word = words.pop(0) if words else ""
        if word == "(":
            met = either()
            return bool(words) and words.pop(0) == ")" and met
        if words[:1] == ["WITH"]:
            word = f"{word} WITH {words[1] if len(words) > 1 else ''}"
            del words[:2]
        return word in allowed

    met = either()
    return met and not words


def findings(metadata: dict[str, Any], policy: dict[str, Any]) -> Iterator[str]:
    """What is wrong with the packages of `cargo metadata` under a policy in cargo-deny's format."""
    packages = metadata["packages"]
    allowed = set(policy["licenses"]["allow"])
    sources = {p["source"] for p in packages if p["source"]}
    for p in packages:
        name = f"{p['name']} {p['version']}"
        if p["source"] is None and p["id"] not in metadata["workspace_members"]:
            yield f"{name} comes from a path outside of the crate"
        if p["source"] and not p["source"].startswith("registry+"):
            yield f"{name} comes from {p['source']}, which is no registry"
        if not licensed(p["license"] or "", allowed):
            yield f"{name} has the licence {p['license']!r}; deny.toml allows {', '.join(sorted(allowed))}"
    if len(sources) > 1:
        yield f"the packages come from {len(sources)} sources, where one was expected"
    skipped = {entry["crate"] for entry in policy["bans"]["skip"]}
    twice = {name for name, n in Counter(p["name"] for p in packages).items() if n > 1}
    for name in sorted(twice - skipped):
        yield f"{name} is there in more than one version; name it in deny.toml if that cannot be helped"
    for name in sorted(skipped - twice):
        yield f"deny.toml excuses {name}, which is there once: take it out"


def unsafe_roots(files: dict[str, str]) -> Iterator[str]:
    """Crate roots that do not forbid unsafe code, by name and text."""
    for name, text in files.items():
        if not re.search(r"^#!\[forbid\(unsafe_code\)\]$", text, re.MULTILINE):
            yield f"{name} does not say #![forbid(unsafe_code)]"


def _output(*command: str) -> str:
    return subprocess.run(command, cwd=HERE, check=True, capture_output=True, text=True).stdout


def main(output: Callable[..., str] = _output) -> int:
    """Print what is wrong; the exit status."""
    host = next(line.split()[1] for line in output("rustc", "-vV").splitlines() if line.startswith("host: "))
    metadata = output("cargo", "metadata", "--format-version=1", "--locked", "--offline", f"--filter-platform={host}")
    found = [
        *findings(json.loads(metadata), tomllib.loads((HERE / "deny.toml").read_text())),
        *unsafe_roots({"src/lib.rs": (HERE / "src" / "lib.rs").read_text()}),
    ]
    print("\n".join(found) or f"audit.py: {len(json.loads(metadata)['packages'])} packages, nothing amiss")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
