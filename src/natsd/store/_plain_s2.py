"""A block of S2, which is snappy with repeated offsets, and the checksum that frames of both have, in ordinary Python.

A block is its unpacked length as a varint, then elements. The low two bits of an element's first byte are its kind:
0. literal: the length less one is in the upper six bits; 60 to 63 say that it follows in one to four bytes.
1. copy: 4 to 11 bytes (bits 2 to 4) from an offset of 11 bits (bits 5 to 7 and the next byte). An offset of zero means
   the one before, and lengths of 9, 10, 11 then say that the length less 8, 260, 65540 follows in one to three bytes.
2. copy: the length less one is in the upper six bits, the offset in two bytes.
3. the same with an offset of four bytes.
All numbers are little endian. An offset counts back from the end of what is unpacked so far; a copy may overlap itself.
"""

from __future__ import annotations

from array import array

MOST_BYTES = 4 << 20
"""The longest block there may be when it is unpacked."""
REPEATS = (4, 256, 65536)
CHECK_BYTES = 4
TURN_ELEMENTS, TURN_BYTES = 20_000, 64 * 1024
"""So many are unpacked and checked in one turn."""


class Unpacking:
    """Unpacks the body of a chunk: a checksum, and a block or, where it is not `packed`, what it stands for.

    Memory is bounded by MOST_BYTES.
    """

    __slots__ = ("_at", "_block", "_checked", "_crc", "_offset", "_out", "_packed", "_size", "_wanted")

    def __init__(self, body: bytes, packed: bool) -> None:
        self._wanted = int.from_bytes(body[:CHECK_BYTES], "little")
        self._block = body[CHECK_BYTES:]
        self._packed = packed
        self._size = -1
        self._at = self._offset = 0
        self._out = bytearray()
        self._checked = 0
        self._crc = 0xFFFFFFFF

    def run(self) -> bytes | None:
        """Work for a turn: what the chunk stands for, None while there is more to do. Raises ValueError where it is
        none."""
        if self._packed:
            try:
                self._unpack()
            except IndexError:
                raise ValueError("it ends within an element") from None
            return None
        end = min(self._checked + TURN_BYTES, len(self._block))
        self._crc = _crc(self._crc, self._block[self._checked : end])
        self._checked = end
        if end < len(self._block):
            return None
        if _masked(self._crc) != self._wanted:
            raise ValueError("its checksum does not match")
        return self._block

    def _unpack(self) -> None:
        block = self._block
        if self._size < 0:
            self._size, self._at = _size_of(block)
        out, size, at, offset = self._out, self._size, self._at, self._offset
        end = len(block)
        for _ in range(TURN_ELEMENTS):
            if at >= end:
                break
            tag = block[at]
            at += 1
            kind = tag & 3
            length = tag >> 2
            if kind == 0:
                if length >= 60:
                    width = length - 59
                    if at + width > end:
                        raise IndexError
                    length = int.from_bytes(block[at : at + width], "little")
                    at += width
                length += 1
                if length > end - at or len(out) + length > size:
                    raise ValueError("a literal is longer than there is room for")
                out += block[at : at + length]
                at += length
                continue
            if kind == 1:
                length &= 7
                near = (tag & 0xE0) << 3 | block[at]
                at += 1
                if near:
                    offset = near
                elif length >= 5:
                    width = length - 4
                    if at + width > end:
                        raise IndexError
                    length = int.from_bytes(block[at : at + width], "little") + REPEATS[length - 5]
                    at += width
                length += 4
            else:
                width = 2 if kind == 2 else 4
                if at + width > end:
                    raise IndexError
                offset = int.from_bytes(block[at : at + width], "little")
                at += width
                length += 1
            have = len(out)
            if not 0 < offset <= have or have + length > size:
                raise ValueError("a copy reaches outside")
            start = have - offset
            if offset >= length:
                out += out[start : start + length]
            else:
                out += (out[start:] * (length // offset + 1))[:length]
        self._at, self._offset = at, offset
        if at < end:
            return
        if len(out) != size:
            raise ValueError("it is shorter than it should be")
        self._block, self._packed = bytes(out), False


def _size_of(block: bytes) -> tuple[int, int]:
    size = 0
    for at in range(5):
        byte = block[at]
        size |= (byte & 127) << 7 * at
        if byte < 128:
            if size > MOST_BYTES:
                break
            return size, at + 1
    raise ValueError("it is longer than any may be")


def _table() -> array[int]:
    table = array("L")
    for value in range(256):
        for _ in range(8):
            value = value >> 1 ^ 0x82F63B78 if value & 1 else value >> 1
        table.append(value)
    return table


TABLE = _table()


def _crc(crc: int, data: bytes) -> int:
    table = TABLE
    for byte in data:
        crc = table[(crc ^ byte) & 255] ^ crc >> 8
    return crc


def _masked(crc: int) -> int:
    crc ^= 0xFFFFFFFF
    return ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF


def block_checksum(data: bytes) -> int:
    """CRC-32C, masked as the frames have it."""
    return _masked(_crc(0xFFFFFFFF, data))
