"""Backups, on the wire and in files: an S2 stream, which is snappy's with longer blocks and repeated offsets.

A stream is a row of chunks: kind (1 byte), length (3 bytes, little endian), body. Kinds: 0 a packed block, 1 one that
is not packed, each with a checksum of what it stands for in front; 0xff the beginning of a stream, 0x80 to 0xfe what
may be left out. What is written here is snappy, which readers of S2 take too.
"""

from __future__ import annotations

from natsd.store import Unpacking

MAGICS = (b"\xff\x06\x00\x00S2sTwO", b"\xff\x06\x00\x00sNaPpY")
HEAD_BYTES, CHECK_BYTES = 4, 4
PACKED, AS_IT_IS, BEGINNING, FIRST_LEFT_OUT = 0, 1, 0xFF, 0x80
MOST_BYTES = (4 << 20) + CHECK_BYTES + 16
"""The longest chunk: a block that could not be packed, its checksum, and what packing may add."""


class PackingError(ValueError):
    """It is no such stream, or a damaged one."""


def pack(data: bytes) -> bytes:
    """A stream of its own; streams may follow one another."""
    from cramjam import snappy

    return bytes(snappy.compress(data))


class Unpacker:
    """Takes a packed stream in pieces, gives it block by block: so that one turn never unpacks more than one."""

    __slots__ = ("_data", "_left_out", "_started", "_unpacking")

    def __init__(self) -> None:
        self._data = bytearray()
        self._started = False
        self._unpacking: Unpacking | None = None
        self._left_out = 0  # bytes of a chunk without meaning that are still to come

    def feed(self, data: bytes) -> None:
        """Take a piece."""
        self._data += data

    @property
    def is_empty(self) -> bool:
        """Whether it stands between two chunks."""
        return not self._data and not self._left_out and self._unpacking is None

    def take(self) -> bytes | None:
        """The next block, None when the rest of it is still to come, nothing when it takes a turn more. Raises
        PackingError."""
        if self._unpacking is None:
            self._unpacking = self._next()
            if self._unpacking is None:
                return None
        try:
            block = self._unpacking.run()
        except ValueError as error:
            raise PackingError(f"a block of it is damaged: {error}") from None
        if block is None:
            return b""
        self._unpacking = None
        return block

    def _next(self) -> Unpacking | None:
        """Begin with the next block, where all of it is there."""
        data = self._data
        if not self._started:
            if len(data) < len(MAGICS[0]):
                return None
            if not data.startswith(MAGICS):
                raise PackingError("it is no backup of a stream: it does not begin as one")
            self._started = True
        while True:
            if self._left_out:
                gone = min(self._left_out, len(data))
                del data[:gone]
                self._left_out -= gone
            if len(data) < HEAD_BYTES:
                return None
            kind = data[0]
            length = int.from_bytes(data[1:HEAD_BYTES], "little")
            if FIRST_LEFT_OUT <= kind < BEGINNING:
                del data[:HEAD_BYTES]
                self._left_out = length
                continue
            if length > MOST_BYTES:
                raise PackingError("a block of it is longer than any can be")
            end = HEAD_BYTES + length
            if len(data) < end:
                return None
            body = bytes(data[HEAD_BYTES:end])
            if kind == BEGINNING:
                if not data.startswith(MAGICS) or end != len(MAGICS[0]):
                    raise PackingError("what follows in it does not begin as it should")
                del data[:end]
                continue
            del data[:end]
            if kind not in (PACKED, AS_IT_IS) or len(body) < CHECK_BYTES:
                raise PackingError("a block of it is damaged: its kind or length cannot be")
            return Unpacking(body, kind == PACKED)
