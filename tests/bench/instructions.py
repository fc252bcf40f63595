"""Instructions that the kernel spends on a span, counted by valgrind: a guard against slow decay, which no clock would show.

A bound is the count when it was last set plus a margin for other compilers. Set it lower after a gain; set it higher only
with a reason in the commit that does. `python -m tests.bench.instructions` exits with 1 where a bound is passed.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
KERNEL = ROOT / "python-sdk" / "kernel"
PROGRAM = KERNEL / "target" / "release" / "examples" / "measured"
SPANS = 10_000
"""What `examples/measured.rs` works on."""
COUNTED = {"scan": 4550, "splice": 3350}
MARGIN = 1.15


def instructions(work: str) -> int:
    """Instructions of one run of the program."""
    with tempfile.TemporaryDirectory() as directory:
        command = ["valgrind", "--tool=callgrind", f"--callgrind-out-file={directory}/out", str(PROGRAM), work]
        said = subprocess.run(command, check=True, capture_output=True, text=True).stderr
    collected = re.search(r"Collected : (\d+)", said)
    if collected is None:
        sys.exit(f"valgrind did not say what it collected:\n{said}")
    return int(collected[1])


def main() -> int:
    """Count, compare, and say so."""
    for tool in ("cargo", "valgrind"):
        if shutil.which(tool) is None:
            print(f"{tool} is not on the PATH: the instructions of scan and splice are not counted")
            return 0
    build = ["cargo", "build", "--release", "--locked", "--quiet", "--no-default-features", "--example", "measured"]
    subprocess.run(build, cwd=KERNEL, check=True)
    nothing = instructions("nothing")
    status = 0
    for work, counted in COUNTED.items():
        found, bound = (instructions(work) - nothing) / SPANS, counted * MARGIN
        status |= found > bound
        print(f"{work}: {found:.0f} instructions a span (bound {bound:.0f}){': too many' if found > bound else ''}")
    return int(status)


if __name__ == "__main__":
    sys.exit(main())
