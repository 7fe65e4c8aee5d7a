"""What a message has to be to be let into a stream: what it expects to find there, its size, its roll-up."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from natsd.jetstream import headers
from natsd.jetstream.errors import ApiError
from natsd.jetstream.streams.ttl import parse_ttl
from natsd.store.contract import REFUSED_BYTES, REFUSED_MSGS, REFUSED_PER_SUBJECT

if TYPE_CHECKING:
    from natsd.jetstream.streams.stream import Stream
    from natsd.jetstream.streams.stream_config import StreamConfig

REFUSALS = {
    REFUSED_MSGS: "maximum messages exceeded",
    REFUSED_BYTES: "maximum bytes exceeded",
    REFUSED_PER_SUBJECT: "maximum messages per subject exceeded",
}
MAX_HEADER = 65535
MESSAGE_OVERHEAD = 22
"""What a message costs beside its subject, header and payload, when it is held against an account's limit."""


def check_stream(stream: Stream, ours: dict[bytes, bytes]) -> None:
    """Whether a message was meant for this stream. Raises ApiError."""
    wanted = ours.get(headers.EXPECTED_STREAM)
    if wanted and wanted != stream.name.encode():
        raise ApiError("STREAM_NOT_MATCH")


def check_expectations(stream: Stream, subject: bytes, ours: dict[bytes, bytes]) -> None:
    """Whether the stream is as who published a message expects. Raises ApiError."""
    if headers.EXPECTED_STREAM in ours:
        check_stream(stream, ours)
    ttl = ours.get(headers.TTL)
    if ttl and not stream.config.allow_msg_ttl:
        parse_ttl(ttl)  # a wrong one is told as such here too
        raise ApiError("MESSAGE_TTL_DISABLED")
    about = ours.get(headers.EXPECTED_LAST_SUBJECT_SEQ_SUBJECT)
    seq = expected_of(ours.get(headers.EXPECTED_LAST_SUBJECT_SEQ))
    if seq is not None:
        last = last_of(stream, about or subject)
        if last != seq:
            raise ApiError("STREAM_WRONG_LAST_SEQUENCE", seq=last)
    elif about:
        raise ApiError("STREAM_EXPECTED_LAST_SEQ_PER_SUBJECT_INVALID")
    seq = expected_of(ours.get(headers.EXPECTED_LAST_SEQ))
    if seq is not None and seq != stream.store.last_seq:
        raise ApiError("STREAM_WRONG_LAST_SEQUENCE", seq=stream.store.last_seq)


def last_of(stream: Stream, subject: bytes) -> int:
    """The last sequence of what matches a subject."""
    if b"*" in subject or b">" in subject:
        last = stream.store.last_match([subject])
        return last[0] if last is not None else 0
    return stream.store.last_seq_of(subject)


def rollup_of(config: StreamConfig, ours: dict[bytes, bytes], sourced: bool) -> bytes:
    """What a message rolls up: `sub`, `all`, or nothing. Raises ApiError."""
    rollup = ours.get(headers.ROLLUP, b"").lower()
    if not rollup:
        return b""
    if not config.allow_rollup_hdrs or config.deny_purge:
        if sourced:
            return b""
        raise ApiError("STREAM_ROLLUP_FAILED", err="rollup not permitted")
    if rollup not in (b"sub", b"all"):
        shown = msgspec.json.encode(rollup.decode("utf-8", "replace")).decode()
        raise ApiError("STREAM_ROLLUP_FAILED", err=f"rollup value invalid: {shown}")
    return rollup


def check_size(stream: Stream, subject: bytes, header: bytes | None, payload: bytes) -> None:
    """Whether there is room for a message of this size. Raises ApiError."""
    home, storage, most = stream.home, stream.config.storage, stream.config.max_msg_size
    header_size = len(header) if header is not None else 0
    if 0 <= most < header_size + len(payload):
        raise ApiError("STREAM_MESSAGE_EXCEEDS_MAXIMUM")
    if header_size > MAX_HEADER:
        raise ApiError("STREAM_HEADER_EXCEEDS_MAXIMUM")
    jetstream = home.jetstream
    if jetstream.failed and storage == "file":
        raise ApiError("STREAM_STORE_FAILED", err=jetstream.failed)
    if jetstream.used[storage] > jetstream.max_bytes(storage):
        raise ApiError("INSUFFICIENT_RESOURCES")
    if not home.has_room_for(storage, len(subject) + header_size + len(payload) + MESSAGE_OVERHEAD):
        raise ApiError("ACCOUNT_RESOURCES_EXCEEDED")


def is_wanted(stream: Stream, subject: bytes) -> bool:
    """Whether anybody is interested in a subject (interest retention)."""
    return any(consumer.wants(subject) for consumer in stream.consumers.values()) or any(
        reader.wants(subject) for reader in stream.inflow_readers
    )


def number_of(value: bytes | None) -> int | None:
    """A header's value as a number; None where it is none."""
    return int(value) if value is not None and value.isdigit() and len(value) < 20 else None


def expected_of(value: bytes | None) -> int | None:
    """What a header expects; a number that there is nowhere where it is none."""
    if not value:
        return None
    return int(value) if value.isdigit() and len(value) < 20 else -1
