"""HighwayHash with 64 bits (Alakuijala and others, 2016), the checksum of records in block files of the Go server.

Four lanes of 64 bits take 32 bytes at a time; a rest is spread over one more such packet, and four rounds end it.
"""

from __future__ import annotations

import struct

FIRST = (0xDBE6D5D5FE4CCE2F, 0xA4093822299F31D0, 0x13198A2E03707344, 0x243F6A8885A308D3)
SECOND = (0x3BD39E10CB0EF593, 0xC0ACF169B5F18A8C, 0xBE5466CF34E90C6C, 0x452821E638D01377)
ALL = 0xFFFFFFFFFFFFFFFF
LOW = 0xFFFFFFFF
PACKET = struct.Struct("<4Q")
Lanes = list[int]


def highway(key: bytes, data: bytes) -> bytes:
    """The hash of data under a key of 32 bytes, little endian. Raises ValueError for another length of the key."""
    if len(key) != PACKET.size:
        raise ValueError("a key has 32 bytes")
    words = PACKET.unpack(key)
    v0 = [a ^ b for a, b in zip(FIRST, words, strict=True)]
    v1 = [a ^ _swap(b) for a, b in zip(SECOND, words, strict=True)]
    mul0, mul1 = list(FIRST), list(SECOND)
    whole = len(data) & ~31
    for lanes in PACKET.iter_unpack(data[:whole]):
        _update(v0, v1, mul0, mul1, lanes)
    if whole < len(data):
        _update_rest(v0, v1, mul0, mul1, data[whole:])
    for _ in range(4):
        _update(v0, v1, mul0, mul1, (_swap(v0[2]), _swap(v0[3]), _swap(v0[0]), _swap(v0[1])))
    total: int = v0[0] + v1[0] + mul0[0] + mul1[0]
    return (total & ALL).to_bytes(8, "little")


def _swap(lane: int) -> int:
    return lane >> 32 | (lane & LOW) << 32


def _update(v0: Lanes, v1: Lanes, mul0: Lanes, mul1: Lanes, lanes: tuple[int, ...]) -> None:
    for i in range(4):
        v1[i] = v1[i] + mul0[i] + lanes[i] & ALL
        mul0[i] ^= (v1[i] & LOW) * (v0[i] >> 32)
        v0[i] = v0[i] + mul1[i] & ALL
        mul1[i] ^= (v0[i] & LOW) * (v1[i] >> 32)
    _zip(v1, v0, 0)
    _zip(v1, v0, 2)
    _zip(v0, v1, 0)
    _zip(v0, v1, 2)


def _zip(source: Lanes, target: Lanes, at: int) -> None:
    """Add the bytes of two lanes to two others, in an order that spreads the high ones."""
    low, high = source[at], source[at + 1]
    target[at] = (
        target[at]
        + (
            ((low & 0xFF000000) | (high & 0xFF00000000)) >> 24
            | ((low & 0xFF0000000000) | (high & 0xFF000000000000)) >> 16
            | low & 0xFF0000
            | (low & 0xFF00) << 32
            | (high & 0xFF00000000000000) >> 8
            | (low & 0xFF) << 56
        )
        & ALL
    )
    target[at + 1] = (
        target[at + 1]
        + (
            ((high & 0xFF000000) | (low & 0xFF00000000)) >> 24
            | high & 0xFF0000
            | (high & 0xFF0000000000) >> 16
            | (high & 0xFF00) << 24
            | (low & 0xFF000000000000) >> 8
            | (high & 0xFF) << 48
            | low & 0xFF00000000000000
        )
        & ALL
    )


def _update_rest(v0: Lanes, v1: Lanes, mul0: Lanes, mul1: Lanes, rest: bytes) -> None:
    size = len(rest)
    for i in range(4):
        v0[i] = v0[i] + (size << 32) + size & ALL
        low, high = v1[i] & LOW, v1[i] >> 32
        low = (low << size | low >> 32 - size) & LOW
        high = (high << size | high >> 32 - size) & LOW
        v1[i] = high << 32 | low
    words, odd = size & ~3, size & 3
    packet = bytearray(32)
    packet[:words] = rest[:words]
    if size & 16:
        packet[28:32] = rest[-4:]
    elif odd:
        packet[16] = rest[words]
        packet[17] = rest[words + (odd >> 1)]
        packet[18] = rest[-1]
    _update(v0, v1, mul0, mul1, PACKET.unpack(packet))
