"""Cargo's lock file without the registry's address.

`crates.lock` is Cargo.lock less its `source` lines: names, versions and checksums. `lock.py apply` writes Cargo.lock from
it, taking the address from this machine's Cargo; `lock.py write` writes it from Cargo.lock; `lock.py check` compares.
"""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent
LOCK, CRATES = HERE / "Cargo.lock", HERE / "crates.lock"
_SOURCE = re.compile(r'^source = ".*"\n', re.MULTILINE)


def stripped() -> str:
    """Cargo.lock without addresses."""
    return _SOURCE.sub("", LOCK.read_text())


def apply() -> None:
    """Write Cargo.lock with the versions and checksums of crates.lock."""
    if LOCK.exists() and stripped() == CRATES.read_text():
        return
    LOCK.unlink(missing_ok=True)
    subprocess.run(["cargo", "generate-lockfile"], cwd=HERE, check=True)  # noqa: S607
    found = _SOURCE.search(LOCK.read_text())
    if found is None:
        sys.exit("lock.py: Cargo wrote no source lines; is the registry configured?")
    LOCK.write_text(re.sub(r"^checksum = ", found[0] + "checksum = ", CRATES.read_text(), flags=re.MULTILINE))


def main(verb: str) -> int:
    """Run one verb."""
    if verb == "apply":
        apply()
    elif verb == "write":
        CRATES.write_text(stripped())
    elif verb == "check":
        if LOCK.exists() and stripped() != CRATES.read_text():
            print("crates.lock differs from Cargo.lock: run `python lock.py write`")
            return 1
    else:
        print(__doc__)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1] if len(sys.argv) > 1 else ""))
