"""Probability sampling with consistent thresholds (OpenTelemetry, tracestate-probability-sampling; OTEP 235).

A threshold T is a 56-bit number: keep where R ≥ T, so that the probability is 1 − T/2⁵⁶ and a kept item stands for
2⁵⁶ / (2⁵⁶ − T). R is the trace state's `rv`, else the low 56 bits of the trace id.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

SPACE = 1 << 56
MAX_OT_LENGTH = 256
_DIGITS = 14
_PRECISION = 4


def threshold_of(probability: float) -> int:
    """T for a probability in (0, 1], rounded to the digits that are written (four past the leading f's).

    Rounding comes before the comparison, so that the written `th` is exactly the one that was applied.
    """
    if not 0 < probability <= 1:
        raise ValueError(f"a sampling probability is in (0, 1], not {probability}")
    exact = SPACE - max(1, round(probability * SPACE))
    text = f"{exact:014x}"
    digits = min(_DIGITS, _PRECISION + len(text) - len(text.lstrip("f")))
    unit = 1 << (4 * (_DIGITS - digits))
    rounded = (exact + unit // 2) // unit * unit
    return rounded if rounded < SPACE else exact


def encode(threshold: int) -> str:
    """`th` as written: hexadecimal without trailing zeros; `0` for 100 %."""
    return f"{threshold:014x}".rstrip("0") or "0"


def decode(text: str) -> int | None:
    """T of a `th` value; None where it is not one."""
    if 1 <= len(text) <= _DIGITS and all(c in "0123456789abcdef" for c in text):
        return int(text.ljust(_DIGITS, "0"), 16)
    return None


def adjusted_count(threshold: int) -> float:
    """How many items a kept one stands for."""
    return SPACE / (SPACE - threshold)


@dataclass(frozen=True, slots=True)
class OtState:
    """The `ot` member of a trace state: threshold and randomness where it has them, and its other sub-keys."""

    threshold: int | None = None
    randomness: int | None = None
    rest: tuple[str, ...] = ()


def parse(trace_state: str) -> OtState:
    """Read the `ot` member of a W3C trace state; malformed sub-keys are kept as they are and not understood."""
    threshold = randomness = None
    rest: list[str] = []
    for member in trace_state.split(","):
        key, _, value = member.strip().partition("=")
        if key != "ot":
            continue
        for sub in value.split(";"):
            name, colon, text = sub.partition(":")
            if name == "th" and (found := decode(text)) is not None:
                threshold = found
            elif name == "rv" and len(text) == _DIGITS and (found := decode(text)) is not None:
                randomness = found
                rest.append(sub)
            elif colon or sub:
                rest.append(sub)
        break
    return OtState(threshold, randomness, tuple(rest))


@lru_cache(maxsize=4096)
def rewrite(trace_state: str, threshold: int | None) -> str:
    """The trace state with `ot`'s `th` set to the higher of its own and `threshold`; None erases it.

    The changed member goes first, as W3C asks; all other members and sub-keys stay. Where `ot` would grow past its 256
    characters, the trace state is returned as it is.
    """
    state = parse(trace_state)
    parts = list(state.rest)
    if threshold is not None:
        parts.insert(0, f"th:{encode(max(threshold, state.threshold or 0))}")
    ot = ";".join(parts)
    if len(ot) > MAX_OT_LENGTH:
        return trace_state
    others = [m.strip() for m in trace_state.split(",") if m.strip() and not m.strip().startswith("ot=")]
    return ",".join(([f"ot={ot}"] if ot else []) + others)
