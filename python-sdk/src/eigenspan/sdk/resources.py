"""What this process and the machine's accelerators use, as OpenTelemetry's own metrics name it.

CPU seconds and memory of the process; of accelerators, as far as Linux shows them in /sys, their load, memory and temperature.
Nothing is read until a reader collects.
"""

from __future__ import annotations

import os
import resource
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

from opentelemetry.metrics import CallbackOptions, MeterProvider, Observation

DEVICES = Path("/sys/class/drm")


def observe_resources(provider: MeterProvider, devices: Path = DEVICES) -> None:
    """Make the instruments."""
    meter = provider.get_meter("eigenspan.resources")
    meter.create_observable_counter("process.cpu.time", [_cpu], "s", "CPU seconds of this process.")
    meter.create_observable_up_down_counter("process.memory.usage", [_memory], "By", "Resident memory of this process.")
    for name, unit, brief, file, scale in _READINGS:

        def read(_: CallbackOptions, file: str = file, scale: float = scale) -> Iterable[Observation]:
            return list(_readings(devices, file, scale))

        meter.create_observable_gauge(name, [read], unit, brief)


_READINGS = (
    ("hw.temperature", "Cel", "The temperature of an accelerator.", "device/hwmon/hwmon*/temp1_input", 1e-3),
    ("hw.gpu.utilization", "1", "The share of time in which an accelerator was busy.", "device/gpu_busy_percent", 1e-2),
    ("hw.gpu.memory.usage", "By", "The memory of an accelerator that is in use.", "device/mem_info_vram_used", 1.0),
)
"""Metric, unit, what it is, its file below a device, and what to multiply by."""


def _cpu(_: CallbackOptions) -> Iterable[Observation]:
    times = os.times()
    return [
        Observation(times.user, {"cpu.mode": "user"}),
        Observation(times.system, {"cpu.mode": "system"}),
    ]


def _memory(_: CallbackOptions) -> Iterable[Observation]:
    try:
        pages = int(Path("/proc/self/statm").read_text().split()[1])
    except (OSError, ValueError, IndexError):
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return [Observation(peak if sys.platform == "darwin" else peak * 1024)]
    return [Observation(pages * resource.getpagesize())]


def _readings(devices: Path, file: str, scale: float) -> Iterator[Observation]:
    for card in sorted(devices.glob("card[0-9]*")):
        for found in sorted(card.glob(file))[:1]:
            try:
                value = float(found.read_text())
            except (OSError, ValueError):
                continue  # it is not there for us to read
            yield Observation(value * scale, {"hw.id": card.name, "hw.type": "gpu"})
