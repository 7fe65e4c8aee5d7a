"""Counters: streams whose messages are increments, each stored with the sum of its subject so far.

1. `Nats-Incr` is a whole number in base 10, of any sign. Who publishes it sends no payload; what is stored as payload
   is `{"val":"<sum>"}`, the increment stays in the header.
2. A message of a source carries the sum that its origin had. `Nats-Counter-Sources` of a stored message says which sum
   of each origin (its stream, its subject there) is in the total already; what is new of it is the increment.
3. The last message of a subject is the counter. Where it cannot be read as one, nothing is added to it.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import msgspec

from natsd.jetstream import headers
from natsd.jetstream.errors import ApiError

if TYPE_CHECKING:
    from natsd.jetstream.streams.stream_config import StreamConfig
    from natsd.store.contract import StreamStore

MOST_DIGITS = 4096
"""Neither an increment nor a sum is longer."""
NUMBER = re.compile(rb"[+-]?[0-9]+")
NOT_WITH = (
    headers.ROLLUP,
    headers.EXPECTED_STREAM,
    headers.EXPECTED_LAST_MSG_ID,
    headers.EXPECTED_LAST_SUBJECT_SEQ_SUBJECT,
    headers.EXPECTED_LAST_SEQ,
    headers.EXPECTED_LAST_SUBJECT_SEQ,
)
"""Headers that an increment cannot have beside it."""

Sources = dict[str, dict[str, str]]
"""The sum of each origin: by stream, then by its subject there."""


class Value(msgspec.Struct):
    """The payload of a counter's message."""

    val: str = ""


def increment_of(ours: dict[bytes, bytes]) -> int | None:
    """What a message adds; None where it is no increment. Raises ApiError."""
    value = ours.get(headers.INCR)
    if not value:
        return None
    if len(value) > MOST_DIGITS or NUMBER.fullmatch(value) is None:
        raise ApiError("MESSAGE_INCR_INVALID")
    return int(value)


def check_increment(ours: dict[bytes, bytes], payload: bytes, config: StreamConfig) -> None:
    """Whether somebody may publish an increment so. Raises ApiError."""
    if not config.allow_msg_counter:
        raise ApiError("MESSAGE_INCR_DISABLED")
    if payload:
        raise ApiError("MESSAGE_INCR_PAYLOAD")
    if any(ours.get(name) for name in NOT_WITH):
        raise ApiError("MESSAGE_INCR_INVALID")


def add(
    last: tuple[bytes | None, bytes] | None, subject: bytes, header: bytes, payload: bytes, incr: int
) -> tuple[bytes, bytes]:
    """The header and the payload to store. last: those of the last message of the subject, None where there is none.

    Raises ApiError.
    """
    total, sources = (0, Sources()) if last is None else _read(*last)
    mark = headers.value_of(header, headers.STREAM_SOURCE)
    if mark:
        words = mark.decode("utf-8", "replace").split(" ")
        origin = sources.setdefault(words[0], {})
        theirs = words[4] if len(words) > 4 else subject.decode("utf-8", "replace")
        now = value_of(payload)
        incr = now - _number(origin.get(theirs, ""))
        origin[theirs] = str(now)
        header = headers.replaced(header, headers.INCR, b"%d" % incr)
    total += incr
    if abs(total) >= 10**MOST_DIGITS:
        raise ApiError("STREAM_MESSAGE_EXCEEDS_MAXIMUM")
    if sources:
        header = headers.replaced(header, headers.COUNTER_SOURCES, msgspec.json.encode(sources, order="sorted"))
    return header, b'{"val":"%d"}' % total


def last_of(store: StreamStore, subject: bytes) -> tuple[bytes | None, bytes] | None:
    """Header and payload of the last message of a subject."""
    seq = store.last_seq_of(subject)
    message = store.load(seq) if seq else None
    return None if message is None else message[2:4]


def value_of(payload: bytes) -> int:
    """The sum that a counter's payload says. Raises ApiError."""
    try:
        return _number(msgspec.json.decode(payload, type=Value).val)
    except msgspec.DecodeError:
        raise ApiError("MESSAGE_COUNTER_BROKEN") from None


def _read(header: bytes | None, payload: bytes) -> tuple[int, Sources]:
    sources = headers.value_of(header, headers.COUNTER_SOURCES) if header is not None else None
    try:
        return value_of(payload), msgspec.json.decode(sources, type=Sources) if sources else {}
    except msgspec.DecodeError:
        raise ApiError("MESSAGE_COUNTER_BROKEN") from None


def _number(text: str) -> int:
    """A sum; nothing is 0. Raises ApiError."""
    if not text:
        return 0
    if len(text) > MOST_DIGITS + 1 or NUMBER.fullmatch(text.encode("utf-8", "surrogateescape")) is None:
        raise ApiError("MESSAGE_COUNTER_BROKEN")
    return int(text)
