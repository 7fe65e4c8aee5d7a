"""Backups as streams of snappy blocks, in any pieces."""

from __future__ import annotations

import random

import pytest

from natsd.jetstream.packing import MAGIC, PackingError, Unpacker, pack


@pytest.mark.parametrize("size", [1, 7, 1000, 1 << 20])
def test_what_was_packed_comes_out_again_whatever_the_pieces(size: int) -> None:
    data = random.randbytes(100_000) + bytes(100_000)
    packed = pack(data) + pack(b"more")
    unpacker = Unpacker()
    pieces = [unpacker.feed(packed[at : at + size]) for at in range(0, len(packed), size)]
    assert b"".join(pieces) == data + b"more"


@pytest.mark.parametrize(
    ("packed", "reason"),
    [
        (b"../../etc/passwd", "does not begin as one"),
        (MAGIC + b"\1\xff\xff\xff", "longer than any can be"),
        (MAGIC + b"\0\5\0\0" + bytes(5), "damaged"),
        (MAGIC + b"\2\1\0\0x", "damaged"),
    ],
)
def test_what_is_no_packed_stream_is_refused_with_the_reason(packed: bytes, reason: str) -> None:
    with pytest.raises(PackingError, match=reason):
        Unpacker().feed(packed)


def test_the_beginning_alone_is_nothing_yet() -> None:
    assert Unpacker().feed(MAGIC[:5]) == b""
