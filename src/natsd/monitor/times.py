"""Dates and durations as monitoring pages write them: the formats of Go's time package."""

from __future__ import annotations

from natsd.base.clock import SECOND_NS, date

__all__ = ["date", "duration", "round_trip", "uptime"]


def uptime(ns: int) -> str:
    """How long something has lasted, in whole seconds, minutes, hours, days and years: `1d2h3m4s`."""
    minutes, seconds = divmod(max(ns, 0) // SECOND_NS, 60)
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    years, days = divmod(days, 365)
    text = f"{seconds}s"
    for number, unit, wanted in (
        (minutes, "m", minutes or hours or days or years),
        (hours, "h", hours or days or years),
        (days, "d", days or years),
        (years, "y", years),
    ):
        if wanted:
            text = f"{number}{unit}{text}"
    return text


def duration(ns: int) -> str:
    """A duration in its largest unit with the decimals it needs: `1.050045ms`, `1m0.5s`."""
    if ns < 1000:
        return f"{ns}ns" if ns else "0s"
    for unit, size in (("µs", 1000), ("ms", 1_000_000)):
        if ns < size * 1000:
            return _decimal(ns, size) + unit
    minutes, rest = divmod(ns, 60 * SECOND_NS)
    hours, minutes = divmod(minutes, 60)
    text = _decimal(rest, SECOND_NS) + "s"
    if hours or minutes:
        text = f"{minutes}m{text}"
    return f"{hours}h{text}" if hours else text


def round_trip(ns: int) -> str:
    """A measured round trip; below a millisecond, fractions of a microsecond are noise and left out."""
    return duration(ns - ns % 1000 if 1000 < ns < 1_000_000 else ns)


def _decimal(value: int, size: int) -> str:
    whole, rest = divmod(value, size)
    width = len(str(size)) - 1
    return f"{whole}.{rest:0{width}d}".rstrip("0") if rest else str(whole)
