"""How long a message lives by its own word: `Nats-TTL`."""

from __future__ import annotations

from natsd.base.units import SECOND_NS, parse_duration
from natsd.jetstream.errors import ApiError

NEVER = -1
MAX_INT64 = (1 << 63) - 1


def parse_ttl(value: bytes) -> int:
    """Seconds of a TTL: a number, a duration, or `never`. Raises ApiError."""
    text = value.decode("utf-8", "replace")
    if text.lower() == "never":
        return NEVER
    if text.isascii() and text.isdigit() and text != "0":
        if len(text) > 19 or int(text) > MAX_INT64:
            raise ApiError("MESSAGE_TTL_INVALID")
        return min(int(text), 1 << 32)
    try:
        ns = parse_duration(text)
    except ValueError:
        raise ApiError("MESSAGE_TTL_INVALID") from None
    if ns < SECOND_NS:
        raise ApiError("MESSAGE_TTL_INVALID")
    return ns // SECOND_NS
