"""Backups, on the wire and in files: a stream of snappy blocks, which readers of S2 streams such as natscli's take too.

A stream is a row of chunks: kind (1 byte), length (3 bytes, little endian), body. The library wants whole chunks, so
what comes in pieces is gathered here.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from types import ModuleType

MAGIC = b"\xff\x06\x00\x00sNaPpY"
HEAD_BYTES = 4
MOST_BYTES = 76_490 + 4
"""The longest chunk: 64 KiB that could not be compressed, as the format bounds them, and their checksum."""


class PackingError(ValueError):
    """It is no such stream, or a damaged one."""


@cache
def _snappy() -> ModuleType:
    from cramjam import snappy

    return snappy


def pack(data: bytes) -> bytes:
    """A stream of its own; streams may follow one another."""
    return bytes(_snappy().compress(data))


class Unpacker:
    """Takes a packed stream in pieces."""

    __slots__ = ("_data", "_started")

    def __init__(self) -> None:
        self._data = bytearray()
        self._started = False

    def feed(self, data: bytes) -> bytes:
        """What is in the chunks that are whole now. Raises PackingError."""
        rest = self._data
        rest += data
        if not self._started:
            if len(rest) < len(MAGIC):
                return b""
            if not rest.startswith(MAGIC):
                raise PackingError("it is no backup of natsd: it does not begin as one")
            self._started = True
        at = 0
        while len(rest) - at >= HEAD_BYTES:
            length = int.from_bytes(rest[at + 1 : at + HEAD_BYTES], "little")
            if length > MOST_BYTES:
                raise PackingError("a block of it is longer than any can be")
            if len(rest) - at < HEAD_BYTES + length:
                break
            at += HEAD_BYTES + length
        whole = bytes(rest[:at])
        del rest[:at]
        if not whole:
            return b""
        try:
            return bytes(_snappy().decompress(MAGIC + whole))
        except _snappy_error() as error:
            raise PackingError(f"a block of it is damaged: {error}") from None


@cache
def _snappy_error() -> type[Exception]:
    from cramjam import DecompressionError

    found: type[Exception] = DecompressionError
    return found
