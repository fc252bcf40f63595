"""The calibrations that installed SDKs ship: found and read as files, without importing the SDKs.

qiskit-ibm-runtime keeps a snapshot for each fake backend, cirq-google a calibration for each virtual processor. Their
Python modules say which file belongs to which name; those lines are parsed, not executed, since importing either SDK
takes seconds.
"""

from __future__ import annotations

import ast
import hashlib
import importlib.util
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal, NamedTuple

import msgspec

from eigenspan import __version__
from eigenspan.calibration import instants
from eigenspan.calibration.errors import CalibrationError
from eigenspan.calibration.importers import detect, google, ibm
from eigenspan.calibration.snapshot import SCHEMA, Snapshot

if TYPE_CHECKING:
    from eigenspan.calibration.store import CalibrationStore

_ASSIGNMENT: Final = re.compile(r'^\s+(conf_filename|props_filename|backend_name)\s*=\s*"([^"]+)"', re.MULTILINE)
_GOOGLE_TABLES: Final = ("MEDIAN_CALIBRATIONS", "MEDIAN_CALIBRATION_TIMESTAMPS", "MOST_RECENT_TEMPLATES")


class Report(msgspec.Struct, frozen=True):
    """What became of one shipped calibration."""

    provider: str
    source: str
    backend: str | None
    outcome: Literal["new", "restamped", "known", "failed"]
    version: str | None = None
    message: str | None = None


class Shipped(NamedTuple):
    """A calibration inside an installed package: its files, the name it is replayed under, and how to read it."""

    provider: str
    source: str
    name: str | None
    files: tuple[Path, ...]
    converter: str
    read: Callable[[list[bytes]], Snapshot]


def import_shipped(store: CalibrationStore) -> list[Report]:
    """Store every calibration that an installed SDK ships; one that cannot be read is reported, the rest stored.

    Files that were imported before, by their content, are only hashed. Without an SDK there is nothing to report.
    """
    with store.batch():
        return [_import(store, shipped) for shipped in find_shipped()]


def find_shipped() -> Iterator[Shipped]:
    """Every calibration of every installed SDK."""
    if (root := _package("qiskit_ibm_runtime")) is not None:
        yield from ibm_shipped(root / "fake_provider" / "backends")
    if (root := _package("cirq_google")) is not None:
        yield from google_shipped(root)


def _package(name: str) -> Path | None:
    try:
        spec = importlib.util.find_spec(name)
    except (ImportError, ValueError):
        return None
    if spec is None or not spec.submodule_search_locations:
        return None
    return Path(next(iter(spec.submodule_search_locations)))


def _import(store: CalibrationStore, shipped: Shipped) -> Report:
    try:
        raw = [detect.read(path) for path in shipped.files]
        parts = [__version__, SCHEMA, shipped.converter, shipped.name or "", *(_sha256(part) for part in raw)]
        key = _sha256("\n".join(parts).encode())
        if (version := store.known_source(key)) is not None:
            return Report(shipped.provider, shipped.source, shipped.name, "known", version)
        snapshot = shipped.read(raw)
        put = store.put(snapshot, [shipped.name] if shipped.name else ())
        store.remember_source(key, put.version)
    except CalibrationError as error:
        return Report(shipped.provider, shipped.source, shipped.name, "failed", message=str(error))
    return Report(shipped.provider, shipped.source, shipped.name or snapshot.backend.name, put.outcome, put.version)


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def ibm_shipped(backends: Path) -> Iterator[Shipped]:
    """The props_ and conf_ pairs of the fake backends, each with the fake backend that replays it, if one does."""
    for directory in sorted(path for path in backends.glob("*") if path.is_dir()):
        fakes: dict[str, dict[str, str]] = {}
        for module in sorted(directory.glob("fake_*.py")):
            named = dict(_ASSIGNMENT.findall(module.read_text(encoding="utf-8")))
            if "props_filename" in named:
                fakes[named["props_filename"]] = named
        configurations = sorted(directory.glob("conf_*.json"))
        for properties in sorted(directory.glob("props_*.json")):
            fake = fakes.get(properties.name, {})
            conf = directory / fake.get("conf_filename", configurations[0].name if configurations else "")
            files = (properties, conf) if conf.is_file() else (properties,)
            yield Shipped(
                "ibm", properties.name, fake.get("backend_name"), files, ibm.CONVERTER, _ibm_reader(properties.name)
            )


def _ibm_reader(source: str) -> Callable[[list[bytes]], Snapshot]:
    return lambda raw: ibm.from_bytes(raw[0], raw[1] if len(raw) > 1 else None, source)


def google_shipped(root: Path) -> Iterator[Shipped]:
    """The median calibrations of the virtual processors, with their device specifications.

    The calibration files carry no time; the module that loads them does (MEDIAN_CALIBRATION_TIMESTAMPS, in ms).
    """
    tables = _google_tables(root / "engine" / "virtual_engine_factory.py")
    files, stamps, specs = (tables.get(name, {}) for name in _GOOGLE_TABLES)
    for processor, name in sorted(files.items()):
        if not isinstance(stamp := stamps.get(processor), int):
            continue
        calibration = root / "devices" / "calibrations" / name
        spec = root / "devices" / "specifications" / str(specs.get(processor, ""))
        paths = (calibration, spec) if spec.is_file() else (calibration,)
        converter = f"{google.CONVERTER} {instants.format_ns(stamp * 1_000_000)}"
        yield Shipped("google", name, processor, paths, converter, _google_reader(processor, name, stamp))


def _google_reader(processor: str, source: str, stamp_ms: int) -> Callable[[list[bytes]], Snapshot]:
    return lambda raw: google.from_bytes(
        raw[0],
        source,
        processor_id=processor,
        valid_from_ns=stamp_ms * 1_000_000,
        device_spec=raw[1].decode() if len(raw) > 1 else None,
    )


def _google_tables(module: Path) -> dict[str, dict[str, Any]]:
    """The literal dictionaries of the module, by name; empty when it has moved."""
    try:
        tree = ast.parse(module.read_text(encoding="utf-8"))
    except (OSError, SyntaxError):
        return {}
    tables: dict[str, dict[str, Any]] = {}
    for node in tree.body:
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name) and isinstance(node.value, ast.Dict):
            name = node.targets[0].id
            if name in _GOOGLE_TABLES:
                tables[name] = ast.literal_eval(node.value)
    return tables
