"""RFC 3339 times as the JetStream API writes them: to nanoseconds and back, local for people, how long ago."""

from __future__ import annotations

import time

NEVER_NS = (1 << 63) - 1
SECOND_NS = 1_000_000_000


def parse_time_ns(text: str) -> int | None:
    """Nanoseconds since 1970, None for what is no time or one that means none."""
    from natsd.client.stored import time_of

    return time_of(text) or None


def unix_seconds(text: str) -> float:
    """Seconds since 1970, 0 for what is no time."""
    return (parse_time_ns(text) or 0) / SECOND_NS


def render_time(at_ns: int) -> str:
    """RFC 3339 in UTC, with as many decimals as needed."""
    seconds, rest = divmod(at_ns, SECOND_NS)
    fraction = f".{rest:09d}".rstrip("0") if rest else ""
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds)) + fraction + "Z"


def local_time(value: str | int) -> str:
    """Local date and time to the second; a text that is no time stays as it is."""
    at_ns = parse_time_ns(value) if isinstance(value, str) else value
    if at_ns is None:
        return "0001-01-01 00:00:00" if str(value).startswith("0001-") else str(value)
    return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(at_ns // SECOND_NS))


def since_ns(then: str, now: str = "") -> int:
    """Nanoseconds from `then` to `now` (our clock where it is empty); NEVER_NS where `then` is no time."""
    then_ns = parse_time_ns(then)
    if then_ns is None or then_ns <= 0:
        return NEVER_NS
    now_ns = parse_time_ns(now) if now else None
    return (time.time_ns() if now_ns is None else now_ns) - then_ns
