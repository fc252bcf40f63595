"""What the settings name is opened: the data directory and what is in it, certificates, far ends, the archive."""

from __future__ import annotations

import fcntl
import logging
import os
import shutil
import sqlite3
from pathlib import Path

from eigenspan.calibration.store import CalibrationStore
from eigenspan.collector.certificates import Certificates
from eigenspan.collector.errors import ConfigError, EigenspanError
from eigenspan.collector.export import Destination
from eigenspan.collector.export_otlp import OtlpGrpc, OtlpHttp
from eigenspan.collector.export_store import StoreDestination
from eigenspan.collector.settings import Exporter, ListenerTls, LogSettings, StoreLimits
from eigenspan.collector.spans import Signal
from eigenspan.collector.state import State
from eigenspan.damage import open_or_set_aside
from eigenspan.store.schedule import Schedule
from eigenspan.store.traces import TraceStore

ALL_SIGNALS: frozenset[Signal] = frozenset({"traces", "metrics", "logs"})
TRACES: frozenset[Signal] = frozenset({"traces"})
_logger = logging.getLogger(__name__)


class DataDirectory:
    """The directory of everything kept, held by one process at a time."""

    def __init__(self, path: Path) -> None:
        self.path = path
        path.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._lock = os.open(path / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            os.close(self._lock)
            raise EigenspanError(
                f"{path} is in use by another collector; stop it or give --data another directory"
            ) from error

    def close(self) -> None:
        """Let another process have it."""
        os.close(self._lock)


def destination(name: str, settings: Exporter, store: TraceStore) -> Destination:
    """What an exporter's settings name."""
    if settings.type == "store":
        return StoreDestination(store)
    if not settings.endpoint:
        raise ConfigError(f"exporters.{name}: endpoint is missing")
    ca = Path(settings.tls.ca_file).read_bytes() if settings.tls.ca_file else None
    signals = ALL_SIGNALS if settings.type in ("otlp", "otlphttp") else TRACES
    scheme, _, address = settings.endpoint.rpartition("://")
    secure = scheme == "https" if scheme else not settings.tls.insecure or ca is not None
    if settings.type == "otlphttp":
        endpoint = f"{'https' if secure else 'http'}://{address}"
        return OtlpHttp(endpoint, signals=signals, ca=ca, headers=settings.headers, timeout_s=settings.timeout)
    return OtlpGrpc(address, signals=signals, tls=secure, ca=ca, headers=settings.headers, timeout_s=settings.timeout)


def schedule(directory: Path, limits: StoreLimits) -> Schedule:
    """The archive that the settings ask for; ConfigError where days would be too old for the store before they go."""
    if limits.archive.to and limits.archive.older_than_days >= limits.max_age_days:
        raise ConfigError(
            f"service.store.archive.older_than_days: {limits.archive.older_than_days} is not below service.store.max_age_days, "
            f"{limits.max_age_days}, which would remove days before they are archived"
        )
    return Schedule(directory, limits.archive.to, limits.archive.every, limits.archive.older_than_days)


def certificates(tls: ListenerTls | None) -> Certificates | None:
    """The files that a listener's settings name; OSError where they cannot be used."""
    if tls is None:
        return None
    authorities = Path(tls.client_ca_file).expanduser() if tls.client_ca_file else None
    found = Certificates(Path(tls.cert_file).expanduser(), Path(tls.key_file).expanduser(), authorities)
    found.context()
    return found


def segment_bytes(directory: Path, limits: LogSettings) -> int:
    """The size of a segment file: as set, but a small part of what the log may have and of the disk.

    Room is won by whole files, and never from the one that is written: one that filled the log would shut the door for good.
    """
    most = min(limits.max_bytes // 8, shutil.disk_usage(directory).total // 64)
    return min(limits.segment_bytes, max(1 << 20, most))


def open_state(path: Path) -> State:
    """The state at `path`. One that is damaged is set aside; what follows from the log is then worked out again from it."""

    def said(how: str) -> None:
        _logger.error(
            "%s is damaged (%s); set aside as .bad. Every trace that the log holds is decided again, and may be sent twice",
            path, how,
        )  # fmt: skip

    try:
        return open_or_set_aside(path, State, said)
    except sqlite3.OperationalError as error:
        raise EigenspanError(f"{path} cannot be opened: {error}") from error


def open_calibrations(path: Path) -> CalibrationStore:
    """The calibrations at `path`. Damaged ones are set aside; those that SDKs ship, files and polls come in again."""

    def said(how: str) -> None:
        _logger.error(
            "%s is damaged (%s); set aside as .bad. What was imported by hand is to be imported again", path, how
        )

    return open_or_set_aside(path, CalibrationStore, said)
