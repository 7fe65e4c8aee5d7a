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


def unpack_block(block: bytes) -> bytes:
    """What a block stands for. Raises ValueError where it is none; memory is bounded by MOST_BYTES."""
    try:
        return _unpack(block)
    except IndexError:
        raise ValueError("it ends within an element") from None


def _unpack(block: bytes) -> bytes:
    size, at = _size_of(block)
    out = bytearray()
    offset = 0
    end = len(block)
    while at < end:
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
    if len(out) != size:
        raise ValueError(f"it is {len(out)} bytes and should be {size}")
    return bytes(out)


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


def block_checksum(data: bytes) -> int:
    """CRC-32C, masked as the frames have it."""
    crc = 0xFFFFFFFF
    table = TABLE
    for byte in data:
        crc = table[(crc ^ byte) & 255] ^ crc >> 8
    crc ^= 0xFFFFFFFF
    return ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF
