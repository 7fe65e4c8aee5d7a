"""Backups as streams of packed blocks, in any pieces."""

from __future__ import annotations

import random

import pytest

from natsd.jetstream.backups.packing import MAGICS, MOST_BYTES, PackingError, Unpacker, pack
from natsd.store import block_checksum

S2, SNAPPY = MAGICS


def chunk(kind: int, body: bytes) -> bytes:
    return bytes([kind]) + len(body).to_bytes(3, "little") + body


def block(kind: int, data: bytes, stands_for: bytes | None = None) -> bytes:
    """A chunk with the checksum of what it stands for."""
    whole = data if stands_for is None else stands_for
    return chunk(kind, block_checksum(whole).to_bytes(4, "little") + data)


def unpack(packed: bytes, size: int = 1 << 30) -> bytes:
    unpacker = Unpacker()
    found = []
    for at in range(0, len(packed), size):
        unpacker.feed(packed[at : at + size])
        while (piece := unpacker.take()) is not None:
            found.append(piece)
    return b"".join(found)


@pytest.mark.parametrize("size", [7, 1000, 1 << 20])
def test_what_was_packed_comes_out_again_whatever_the_pieces(size: int) -> None:
    data = random.randbytes(10_000) + bytes(10_000)
    packed = pack(data) + pack(b"more")
    assert unpack(packed, size) == data + b"more"


def test_a_block_may_be_as_it_is_and_chunks_without_meaning_are_passed_over() -> None:
    padded = S2 + chunk(0xFE, bytes(100_000)) + block(1, b"one") + chunk(0x99, b"index") + S2 + block(1, b"two")
    assert unpack(padded, 1000) == b"onetwo"


def test_what_repeats_an_offset_is_unpacked() -> None:
    # "abcd", then 4 from offset 4, "x", then 5 + 4 + 4 from the offset before.
    packed = b"\x16" + b"\x0cabcd" + b"\x01\x04" + b"\x00x" + b"\x15\x00\x05"
    assert unpack(S2 + block(0, packed, b"abcdabcdx" + b"bcdxbcdxbcdxb")) == b"abcdabcdx" + b"bcdxbcdxbcdxb"


@pytest.mark.parametrize(
    ("packed", "reason"),
    [
        (b"../../etc/passwd", "does not begin as one"),
        (S2 + chunk(1, bytes(MOST_BYTES + 1)), "longer than any can be"),
        (S2 + b"\1\xff\xff\xff", "longer than any can be"),
        (S2 + b"\0\5\0\0" + bytes(5), "damaged"),
        (SNAPPY + b"\2\1\0\0x", "damaged"),
        (S2 + chunk(0, b"abc"), "damaged"),
        (S2 + block(1, b"abc", b"abd"), "checksum"),
        (S2 + block(0, b"\x08\x0cabcd\x01\x05", b""), "reaches outside"),
        (S2 + block(0, b"\xff\xff\xff\xff\x0f", b""), "longer than any may be"),
        (S2 + chunk(0xFF, b"sNaPpy"), "does not begin as it should"),
    ],
)
def test_what_is_no_packed_stream_is_refused_with_the_reason(packed: bytes, reason: str) -> None:
    with pytest.raises(PackingError, match=reason):
        unpack(packed)


def test_the_beginning_alone_is_nothing_yet() -> None:
    unpacker = Unpacker()
    unpacker.feed(S2[:5])
    assert unpacker.take() is None
    assert not unpacker.is_empty
