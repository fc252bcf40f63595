"""Terms: what a trace can be found by. A term is a scope, a key and a value that occurs on one of its spans.

The key alone is a term too, so that a comparison that no equality helps with still skips traces without the key. Numbers
also lie in bands: 32 to a factor of two, and one band for each factor of two, so that a range is a few bands.
"""

from __future__ import annotations

import math
from typing import Final, NamedTuple

MAX_VALUE: Final = 128
"""Longer values are found by their key."""
TYPES: Final = {"string_value": "string", "int_value": "int", "double_value": "float", "bool_value": "bool"}
_PER_OCTAVE: Final = 32
_SHIFT: Final = 2_200 * _PER_OCTAVE  # a double has 2,098 factors of two


class Term(NamedTuple):
    """`scope`: span, resource, event or intrinsic; `type`: string, int, float, bool or keyword, "" for the key alone."""

    scope: str
    key: str
    type: str = ""
    value: str = ""


class Range(NamedTuple):
    """Numbers from `low` to `high`, both included, under a key."""

    scope: str
    key: str
    low: float
    high: float


def canonical(value: str | float | bool) -> str:
    """A value as terms spell it; "" for one that is found by its key, or its band, alone. 1 and 1.0 are one value."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return str(int(value)) if value.is_integer() else ""
    text = str(value)
    return text if len(text) <= MAX_VALUE else ""


def band_of(number: float) -> int | None:
    """The narrow band of a number: a greater number is never in a lower one. None for what is not a number.

    `band // 32` is its wide band.
    """
    fraction, exponent = math.frexp(number)
    if not 0 < abs(fraction) < 1:
        return 0 if fraction == 0 else None if math.isnan(number) else int(math.copysign(2 * _SHIFT, number))
    band = int(abs(fraction) * 2 * _PER_OCTAVE) + exponent * _PER_OCTAVE + _SHIFT
    return band if number > 0 else -band


def wide(band: int) -> int:
    """The wide band of a narrow one."""
    return band // _PER_OCTAVE


def narrow_bounds(wide_band: int) -> tuple[int, int]:
    """The first and the last narrow band of a wide one."""
    return wide_band * _PER_OCTAVE, wide_band * _PER_OCTAVE + _PER_OCTAVE - 1
