"""Make everything that follows from the registry: Python modules, documentation, schema files.

`python semconv/generate.py` writes them; `--check` writes nothing, lists the files that differ and exits 1 if any does.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))
sys.path.insert(1, str(HERE.parent / "python-sdk" / "src"))

from registrygen import docs, model, python, resolved, schemas, validation  # noqa: E402

ROOT = HERE.parent


def outputs(root: Path = ROOT) -> dict[Path, str]:
    """Path → text of every generated file."""
    registry = model.load(root / "semconv")
    package = root / "python-sdk" / "src" / "eigenspan" / "semconv"
    made = {package / name: text for name, text in python.modules(registry).items()}
    made |= {root / "semconv" / "docs" / name: text for name, text in docs.pages(registry).items()}
    made[root / "semconv" / "docs" / "validation.md"] = validation.page()
    made |= {root / "schemas" / version: text for version, text in schemas.files(registry).items()}
    made |= {root / "schemas" / "v2" / path: text for path, text in resolved.published(registry).items()}
    made[package / "registry.json"] = resolved.runtime(registry)
    shipped = package.parent / "schema" / "published"
    made |= {shipped / version: text for version, text in schemas.files(registry).items()}
    made |= {shipped / "v2" / path: text for path, text in resolved.published(registry).items()}
    return made


def main(argv: list[str] | None = None) -> int:
    """Write or compare; the exit code says whether something differed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--check", action="store_true", help="write nothing; fail when a file differs")
    arguments = parser.parse_args(argv)
    different = [(path, text) for path, text in outputs().items() if not path.exists() or path.read_text() != text]
    for path, text in different:
        if arguments.check:
            print(f"{path.relative_to(ROOT)} differs from the registry; run: python semconv/generate.py")
        else:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
            print(f"wrote {path.relative_to(ROOT)}")
    return 1 if arguments.check and different else 0


if __name__ == "__main__":
    raise SystemExit(main())
