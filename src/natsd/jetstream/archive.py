"""The bytes of a backup: a stream's configuration, its messages and its consumers, in frames that are checked singly.

Layout: MAGIC, then frames of kind (1 byte), length of the body and its CRC-32 (4 bytes each, big endian), and the body
in MessagePack. Order of the frames: HEAD, any number of MESSAGES, any number of CONSUMER, END. There are no names of
files in it and nothing that refers to anything outside.
"""

from __future__ import annotations

import struct
import zlib
from typing import TYPE_CHECKING, Any

import msgspec

if TYPE_CHECKING:
    from collections.abc import Iterator

    from natsd.store.contract import Message

MAGIC = b"NATSD\0S1"
FRAME = struct.Struct(">BII")
HEAD, MESSAGES, CONSUMER, END = 1, 2, 3, 4
BATCH_BYTES = 256 * 1024
MOST_BYTES = 80 << 20
"""The longest body there can be: a batch that ends with the longest message."""

_encode = msgspec.msgpack.encode


class ArchiveError(Exception):
    """It is no backup, or a damaged one. The text says what is wrong."""


class Head(msgspec.Struct):
    """What the backup is of. config: as the store keeps it."""

    config: bytes
    first_seq: int
    last_seq: int


class SavedConsumer(msgspec.Struct):
    """One consumer: its configuration and its state, both as the store keeps them."""

    name: str
    config: bytes
    records: list[bytes]


class Tail(msgspec.Struct):
    """How much there was."""

    msgs: int


SavedMessage = tuple[int, bytes, bytes | None, bytes, int]
BODIES: dict[int, Any] = {HEAD: Head, MESSAGES: list[SavedMessage], CONSUMER: SavedConsumer, END: Tail}


def render_frame(kind: int, body: object) -> bytes:
    """One frame."""
    data = _encode(body)
    return FRAME.pack(kind, len(data), zlib.crc32(data)) + data


def render_messages(messages: Iterator[Message]) -> Iterator[tuple[int, bytes]]:
    """Messages as frames, with how many are in each."""
    batch: list[Message] = []
    size = 0
    for message in messages:
        batch.append(message)
        size += len(message[1]) + len(message[2] or b"") + len(message[3]) + 32
        if size >= BATCH_BYTES:
            yield len(batch), render_frame(MESSAGES, batch)
            batch, size = [], 0
    if batch:
        yield len(batch), render_frame(MESSAGES, batch)


class Reader:
    """Takes the bytes of a backup in pieces and gives its frames as they become whole."""

    __slots__ = ("_data", "_started", "finished")

    def __init__(self) -> None:
        self._data = bytearray()
        self._started = False
        self.finished = False
        """Whether the last frame was seen."""

    def feed(self, data: bytes) -> list[tuple[int, Any]]:
        """The frames that are whole now: kind and body. Raises ArchiveError."""
        self._data += data
        if not self._started:
            if len(self._data) < len(MAGIC):
                return []
            if not self._data.startswith(MAGIC):
                raise ArchiveError("it is no backup of natsd")
            del self._data[: len(MAGIC)]
            self._started = True
        frames = []
        at = 0
        while len(self._data) - at >= FRAME.size:
            kind, length, check = FRAME.unpack_from(self._data, at)
            if kind not in BODIES or length > MOST_BYTES:
                raise ArchiveError("a frame has an impossible kind or length")
            if self.finished:
                raise ArchiveError("there is something behind its end")
            end = at + FRAME.size + length
            if len(self._data) < end:
                break
            body = bytes(self._data[at + FRAME.size : end])
            if zlib.crc32(body) != check:
                raise ArchiveError("a frame is damaged")
            try:
                frames.append((kind, msgspec.msgpack.decode(body, type=BODIES[kind])))
            except msgspec.DecodeError as error:
                raise ArchiveError(f"a frame has no sense: {error}") from None
            self.finished = kind == END
            at = end
        del self._data[:at]
        return frames
