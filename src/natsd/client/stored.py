"""Stored messages as the JetStream API writes them: times in RFC 3339, payload and headers in base64."""

from __future__ import annotations

from base64 import b64decode
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from typing import Any


def time_of(text: str) -> int:
    """Nanoseconds since 1970, 0 for what is no time."""
    from datetime import UTC, datetime

    head, dot, tail = text.partition(".")
    fraction = 0
    if dot:
        digits = len(tail) - len(tail.lstrip("0123456789"))
        fraction = int(tail[:digits][:9].ljust(9, "0") or 0)
        head += tail[digits:]
    try:
        moment = datetime.fromisoformat(head.replace("Z", "+00:00"))
    except ValueError:
        return 0
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    since = moment - datetime(1970, 1, 1, tzinfo=UTC)
    return max(0, (since.days * 86400 + since.seconds) * 1_000_000_000 + fraction)


def payload_of(message: dict[str, Any]) -> tuple[bytes, bytes | None]:
    """Payload and header block of a message of STREAM.MSG.GET."""
    header = b64decode(message["hdrs"]) if message.get("hdrs") else None
    return b64decode(message.get("data") or ""), header
