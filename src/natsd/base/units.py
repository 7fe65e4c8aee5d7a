"""Durations as Go writes and reads them; options, files and pages share this one spelling."""

from __future__ import annotations

US_NS = 1_000
MS_NS = 1_000_000
SECOND_NS = 1_000_000_000
MINUTE_NS = 60 * SECOND_NS
HOUR_NS = 60 * MINUTE_NS

DURATION_UNITS = {
    "ns": 1,
    "us": US_NS,
    "µs": US_NS,
    "μs": US_NS,
    "ms": MS_NS,
    "s": SECOND_NS,
    "m": MINUTE_NS,
    "h": HOUR_NS,
}
LONGEST_NS = 2**63 - 1
MAX_DIGITS = 40
"""Digits of one number; more say nothing that fits into a duration."""

_NUMBER = "0123456789."


def parse_duration(text: str) -> int:
    """Nanoseconds of `1h30m`, `250ms`, `-1.5s`. Raises ValueError with what is wrong, without the text."""
    negative = text[:1] == "-"
    rest = text[1:] if text[:1] in ("-", "+") else text
    if rest == "0":
        return 0
    if not rest:
        raise ValueError("it is empty")
    total = 0
    while rest:
        at = _span(rest, 0, digits=True)
        number, unit = rest[:at], rest[at : _span(rest, at, digits=False)]
        rest = rest[at + len(unit) :]
        whole, _, fraction = number.partition(".")
        if not (whole or fraction) or "." in fraction:
            raise ValueError("a number is missing")
        if not unit:
            raise ValueError("a unit is missing")
        if unit not in DURATION_UNITS:
            raise ValueError(f'"{unit}" is no unit')
        if len(number) > MAX_DIGITS:
            raise ValueError("a number is too long")
        unit_ns = DURATION_UNITS[unit]
        total += int(whole or "0") * unit_ns + int(fraction or "0") * unit_ns // 10 ** len(fraction)
    if total > LONGEST_NS:
        raise ValueError("it is too long")
    return -total if negative else total


def _span(text: str, at: int, *, digits: bool) -> int:
    """Where the run of number characters, or of others, that begins at `at` ends."""
    while at < len(text) and (text[at] in _NUMBER) is digits:
        at += 1
    return at


def render_duration(ns: int) -> str:
    """A duration as Go prints it: `1.5s`, `2m0s`, `1h0m0s`, `250ms`, `0s`."""
    if ns < 0:
        return "-" + render_duration(-ns)
    for unit, size in (("ns", 1), ("µs", US_NS), ("ms", MS_NS)):
        if ns < size * 1000:
            return _decimal(ns, size) + unit if ns else "0s"
    minutes, rest = divmod(ns, MINUTE_NS)
    text = _decimal(rest, SECOND_NS) + "s"
    if minutes:
        hours, minutes = divmod(minutes, 60)
        text = f"{minutes}m{text}"
        if hours:
            text = f"{hours}h{text}"
    return text


def _decimal(value: int, unit: int) -> str:
    whole, rest = divmod(value, unit)
    if not rest:
        return str(whole)
    return f"{whole}.{str(rest).zfill(len(str(unit)) - 1).rstrip('0')}"


def friendly_bytes(size: int) -> str:
    """A size as the Go server writes it: `1.50 GB`."""
    if size < 1024:
        return f"{size} B"
    value = float(size)
    for unit in "KMGTPE":
        value /= 1024
        if value < 1024:
            return f"{value:.2f} {unit}B"
    return f"{value:.2f} EB"
