"""How the `nats` command writes numbers, sizes, times and subjects, and how it reads durations and sizes."""

from __future__ import annotations

US, MS, SECOND = 1_000, 1_000_000, 1_000_000_000
MINUTE, HOUR, DAY = 60 * SECOND, 3600 * SECOND, 86400 * SECOND
YEAR = 365 * DAY

_DURATION_UNITS = {
    "ns": 1,
    "us": US,
    "µs": US,
    "μs": US,
    "ms": MS,
    "s": SECOND,
    "m": MINUTE,
    "h": HOUR,
    "d": DAY,
    "w": 7 * DAY,
    "M": 30 * DAY,
    "y": YEAR,
    "Y": YEAR,
}
_SIZE_PREFIXES = "KMGTPE"


def parse_duration(text: str) -> int:
    """Nanoseconds of ``1h5m``, ``250ms``, ``1.5s``, also in days, weeks, months and years. Raises ValueError."""
    rest = text.strip()
    if rest == "0":
        return 0
    total = 0.0
    if not rest:
        raise ValueError(f'invalid duration "{text}", wanted one such as 90s, 1h30m or 7d')
    while rest:
        digits = len(rest) - len(rest.lstrip("0123456789."))
        unit_end = digits
        while unit_end < len(rest) and rest[unit_end] not in "0123456789.":
            unit_end += 1
        number, unit, rest = rest[:digits], rest[digits:unit_end], rest[unit_end:]
        if unit not in _DURATION_UNITS or not number.strip(".") or number.count(".") > 1:
            hint = ", a unit is missing: try 5s or 500ms" if not unit and number.strip(".") else ""
            raise ValueError(f'invalid duration "{text}"{hint or ", wanted one such as 90s, 1h30m or 7d"}')
        total += float(number) * _DURATION_UNITS[unit]
    return round(total)


def parse_size(text: str) -> int:
    """Bytes of ``128``, ``128B``, ``1K``, ``1KB``, ``1KiB`` ...; every prefix is a power of 1024. Raises ValueError."""
    body = text.strip().upper().replace(" ", "")
    if body.endswith("IB"):
        body = body[:-2] if body[-3:-2] in _SIZE_PREFIXES else ""
    elif body.endswith("B"):
        body = body[:-1]
    factor = 1
    if body and body[-1] in _SIZE_PREFIXES:
        factor = 1 << (10 * (_SIZE_PREFIXES.index(body[-1]) + 1))
        body = body[:-1]
    try:
        number = float(body)
    except ValueError:
        raise ValueError(f'invalid size "{text}", wanted one such as 512, 16KB or 1GB') from None
    if not 0 <= number < 1 << 62:
        raise ValueError(f'invalid size "{text}", wanted one such as 512, 16KB or 1GB')
    return int(number * factor)


def go_duration(ns: int) -> str:
    """A duration to the nanosecond, as Go prints it: ``649.899µs``, ``1.5s``, ``1h0m2s``."""
    if ns < 0:
        return "-" + go_duration(-ns)
    if ns < US:
        return f"{ns}ns" if ns else "0s"
    if ns < MS:
        return _fraction(ns, US, 3) + "µs"
    if ns < SECOND:
        return _fraction(ns, MS, 6) + "ms"
    minutes, rest = divmod(ns, MINUTE)
    text = _fraction(rest, SECOND, 9) + "s"
    if not minutes:
        return text
    hours, minutes = divmod(minutes, 60)
    return f"{hours}h{minutes}m{text}" if hours else f"{minutes}m{text}"


def _fraction(value: int, unit: int, digits: int) -> str:
    whole, part = divmod(value, unit)
    return f"{whole}.{part:0{digits}d}".rstrip("0") if part else str(whole)


def short_duration(ns: int) -> str:
    """A duration for people: ``650µs``, ``13ms``, ``1.23s``, ``1m5s``, ``3d0h0m1s``."""
    if ns < MS:
        return go_duration(round(ns / US) * US)
    if ns < SECOND:
        return go_duration(round(ns / MS) * MS)
    if ns < MINUTE:
        return f"{ns / SECOND:.2f}s"
    seconds = ns // SECOND
    parts: list[str] = []
    for letter, size in (("y", YEAR), ("d", DAY), ("h", HOUR), ("m", MINUTE)):
        count, seconds = divmod(seconds, size // SECOND)
        if count or parts:
            parts.append(f"{count}{letter}")
    return "".join(parts) + f"{seconds}s"


def comma(number: int) -> str:
    """``1234567`` as ``1,234,567``."""
    return f"{number:,}"


def comma_fraction(number: float, digits: int = 2) -> str:
    """A number with thousands commas and at most so many decimals."""
    text = f"{number:,.{digits}f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def ibytes(size: float) -> str:
    """Bytes with a binary prefix: ``128 B``, ``1.2 KiB``, ``341 MiB``."""
    if size < 1024:
        return f"{int(size)} B"
    value = float(size)
    for prefix in _SIZE_PREFIXES:
        value /= 1024
        rounded = round(value, 1)
        if rounded < 1024 or prefix == "E":
            break
    return f"{value:.1f} {prefix}iB" if rounded < 10 else f"{value:.0f} {prefix}iB"


def old_bytes(size: float) -> str:
    """Bytes as the older bench wrote them: ``1.67 GB``, by 1024."""
    value = float(size)
    if value < 1024:
        return f"{value:.2f} B"
    for prefix in _SIZE_PREFIXES:
        value /= 1024
        if value < 1024 or prefix == "E":
            break
    return f"{value:.2f} {prefix}B"


def quote(text: str) -> str:
    """A text in double quotes, with what is not printable escaped."""
    if text.isprintable() and '"' not in text and "\\" not in text:
        return f'"{text}"'
    out = []
    for char in text:
        if char in '"\\':
            out.append("\\" + char)
        elif char.isprintable():
            out.append(char)
        elif "\udc80" <= char <= "\udcff":
            out.append(f"\\x{ord(char) - 0xDC00:02x}")
        else:
            out.append(char.encode("unicode_escape").decode("ascii"))
    return '"' + "".join(out) + '"'
