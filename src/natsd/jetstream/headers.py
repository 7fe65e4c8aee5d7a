"""Headers of messages as streams read and write them: whole NATS/1.0 blocks, looked into without taking them apart.

Names are compared as they stand, and the first one counts, as in the Go server.
"""

from __future__ import annotations

import re

LINE = b"NATS/1.0\r\n"
PREFIX = b"\r\nNats-"
"""What stands somewhere in every block that a stream has to look into."""

OF_BATCH = b"\r\nNats-Batch-Id:"
OF_SCHEDULES = b"\r\nNats-Schedule"
"""What stands in those of batches and of schedules."""

MSG_ID = b"Nats-Msg-Id"
MSG_ID_LINE = b"\r\n" + MSG_ID + b":"
EXPECTED_STREAM = b"Nats-Expected-Stream"
EXPECTED_LAST_SEQ = b"Nats-Expected-Last-Sequence"
EXPECTED_LAST_SUBJECT_SEQ = b"Nats-Expected-Last-Subject-Sequence"
EXPECTED_LAST_SUBJECT_SEQ_SUBJECT = b"Nats-Expected-Last-Subject-Sequence-Subject"
EXPECTED_LAST_MSG_ID = b"Nats-Expected-Last-Msg-Id"
ROLLUP = b"Nats-Rollup"
TTL = b"Nats-TTL"
MARKER_REASON = b"Nats-Marker-Reason"
STREAM_SOURCE = b"Nats-Stream-Source"
REQUEST_INFO = b"Nats-Request-Info"
REQUIRED_API_LEVEL = b"Nats-Required-Api-Level"
LEVEL = re.compile(rb"[+-]?[0-9]{1,18}")
INCR = b"Nats-Incr"
COUNTER_SOURCES = b"Nats-Counter-Sources"
SCHEDULE = b"Nats-Schedule"
SCHEDULE_TARGET = b"Nats-Schedule-Target"
SCHEDULE_SOURCE = b"Nats-Schedule-Source"
SCHEDULE_TTL = b"Nats-Schedule-TTL"
SCHEDULE_ROLLUP = b"Nats-Schedule-Rollup"
SCHEDULE_TIME_ZONE = b"Nats-Schedule-Time-Zone"
SCHEDULE_NEXT = b"Nats-Schedule-Next"
SCHEDULER = b"Nats-Scheduler"
BATCH = b"Nats-Batch-"
BATCH_ID = b"Nats-Batch-Id"
BATCH_SEQUENCE = b"Nats-Batch-Sequence"
BATCH_COMMIT = b"Nats-Batch-Commit"


def value_of(block: bytes, name: bytes) -> bytes | None:
    """The value of a header without the blanks in front; None where it is not there."""
    at = block.find(b"\r\n" + name + b":")
    if at < 0:
        return None
    start = at + len(name) + 3
    end = block.find(b"\r\n", start)
    return None if end < 0 else block[start:end].lstrip(b" ")


def msg_id_of(block: bytes) -> bytes:
    """The message id, empty for none: `value_of` for when there are very many to look at."""
    at = block.find(MSG_ID_LINE)
    if at < 0:
        return b""
    start = at + len(MSG_ID_LINE)
    end = block.find(b"\r\n", start)
    return b"" if end < 0 else block[start:end].lstrip(b" ")


def ours(block: bytes) -> dict[bytes, bytes]:
    """All headers whose names begin with `Nats-`, each as `value_of` gives it."""
    found: dict[bytes, bytes] = {}
    for line in block.split(b"\r\n"):
        if line.startswith(b"Nats-"):
            name, colon, value = line.partition(b":")
            if colon:
                found.setdefault(name, value.lstrip(b" "))
    return found


def name_from(block: bytes, start: bytes) -> bytes:
    """The name of the first header that begins so, empty for none."""
    at = block.find(b"\r\n" + start)
    end = block.find(b":", at)
    return block[at + 2 : end] if at >= 0 and end >= 0 else b""


def without(block: bytes, name: bytes) -> bytes | None:
    """The block without a header; None where nothing is left of it."""
    at = block.find(b"\r\n" + name + b":")
    if at < 0:
        return block
    end = block.find(b"\r\n", at + 2)
    rest = block[:at] + block[end:]
    return None if rest == LINE + b"\r\n" else rest


def with_header(block: bytes | None, name: bytes, value: bytes) -> bytes:
    """The block, or a new one, with a header more at its end."""
    head = LINE if block is None else block[:-2]
    return b"%b%b: %b\r\n\r\n" % (head, name, value)


def replaced(block: bytes, name: bytes, value: bytes) -> bytes:
    """The block with another value of a header, where it stands; at its end where it was not there."""
    at = block.find(b"\r\n" + name + b":")
    if at < 0:
        return with_header(block, name, value)
    end = block.find(b"\r\n", at + 2)
    return b"%b\r\n%b: %b%b" % (block[:at], name, value, block[end:])


def asks_for_more(block: bytes, level: int) -> bool:
    """Whether somebody needs a higher level of the API than there is."""
    wanted = value_of(block, REQUIRED_API_LEVEL)
    if not wanted:
        return False
    return LEVEL.fullmatch(wanted) is None or int(wanted) > level


def status(code: int, text: bytes, **more: bytes) -> bytes:
    """A block that says how it went: `NATS/1.0 404 Message Not Found`."""
    lines = b"".join(b"%b: %b\r\n" % (name.replace("_", "-").encode(), value) for name, value in more.items())
    return b"NATS/1.0 %d %b\r\n%b\r\n" % (code, text, lines)
