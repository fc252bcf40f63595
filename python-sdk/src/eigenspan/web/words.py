"""Numbers, durations and instants as people read them."""

from __future__ import annotations

from datetime import UTC, datetime

from eigenspan.store.tree import Value

NONE = "\N{EN DASH}"
MINUS = "\N{MINUS SIGN}"
_MAX_NS = 253_402_300_799 * 10**9  # the last instant that a datetime holds


def count(value: object) -> str:
    """A number with thousands apart; anything else as it is."""
    return f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else str(value)


def plural(n: int, one: str, many: str | None = None) -> str:
    """`1 span`, `2 spans`."""
    return f"{n:,} {one if n == 1 else many or one + 's'}"


def named(text: str | None, absent: str = "(no name)") -> str:
    """A name that can be seen and clicked, whatever the one given is made of."""
    if not text:
        return absent
    return text if any(c.isprintable() and not c.isspace() for c in text) else "(a name without visible characters)"


def number(value: float, digits: int = 3) -> str:
    """Significant digits without an exponent where that stays short."""
    if value == 0:
        return "0"
    return f"{value:.{digits}g}" if 1e-4 <= abs(value) < 10**digits else _long(value, digits)


def _long(value: float, digits: int) -> str:
    return f"{value:,.0f}" if 10**digits <= abs(value) < 1e9 else f"{value:.{digits - 1}e}"


def duration(seconds: float) -> str:
    """A length of time in the unit that suits it; negative ones keep their sign."""
    size = abs(seconds)
    sign = MINUS if seconds < 0 else ""
    if size >= 86_400:
        days, rest = divmod(size, 86_400)
        text = f"{days:,.0f} d {rest // 3600:.0f} h" if days < 100 else f"{days:,.0f} d"
    elif size >= 3600:
        text = f"{size // 3600:.0f} h {size % 3600 // 60:02.0f} min"
    elif size >= 60:
        text = f"{size // 60:.0f} min {int(size % 60):02d} s"
    elif size >= 0.9995:
        text = f"{size:.3g} s"
    elif size >= 0.0009995:
        text = f"{size * 1e3:.3g} ms"
    elif size > 0:
        text = f"{size * 1e6:.3g} µs"
    else:
        text = "0"
    return sign + text


def instant(ns: int, *, fraction: bool = False) -> str:
    """An instant in UTC, to the second or with milliseconds."""
    if not 0 <= ns <= _MAX_NS:
        return f"{ns} ns"
    moment = datetime.fromtimestamp(ns // 10**9, UTC).strftime("%Y-%m-%d %H:%M:%S")
    return f"{moment}.{ns % 10**9 // 10**6:03d}" if fraction else moment


def percent(value: float | None) -> str:
    """A fraction as a percentage with three digits."""
    return NONE if value is None else f"{number(value * 100)} %"


def micros(value: float | None) -> str:
    """Seconds as microseconds."""
    return NONE if value is None else f"{number(value * 1e6, 4)} µs"


def real(value: Value) -> float | None:
    """A number where the value is one."""
    return float(value) if isinstance(value, (int, float)) and not isinstance(value, bool) else None


def plural_real(n: float, one: str) -> str:
    """`1 trace`, `9.8 traces`: to three digits, none after the point where it is whole."""
    text = f"{round(n):,}" if abs(n - round(n)) < 5e-4 * n else number(n)
    return f"{text} {one}" if text == "1" else f"{text} {one}s"
