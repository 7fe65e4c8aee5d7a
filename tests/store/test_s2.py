"""Blocks of S2 and their checksum, HighwayHash: both forms by what is known of them, and against each other."""

from __future__ import annotations

import random
from importlib import import_module
from importlib.util import find_spec
from types import ModuleType

import pytest
from cramjam import snappy

FORMS = ["plain"] + (["native"] if find_spec("natsd.store._native_s2") else [])


@pytest.fixture(params=FORMS)
def s2(request: pytest.FixtureRequest) -> ModuleType:
    return import_module(f"natsd.store._{request.param}_s2")


@pytest.fixture(params=FORMS)
def highway(request: pytest.FixtureRequest) -> ModuleType:
    return import_module(f"natsd.store._{request.param}_highway")


def unpack(s2: ModuleType, block: bytes, expected: bytes = b"") -> bytes:
    """What a block stands for, with the checksum of what it should."""
    unpacking = s2.Unpacking(s2.block_checksum(expected).to_bytes(4, "little") + block, True)
    while (found := unpacking.run()) is None:
        pass
    assert isinstance(found, bytes)
    return found


def literal(data: bytes) -> bytes:
    size = len(data) - 1
    if size < 60:
        return bytes([size << 2]) + data
    width = (size.bit_length() + 7) // 8
    return bytes([59 + width << 2]) + size.to_bytes(width, "little") + data


def varint(value: int) -> bytes:
    out = b""
    while value > 127:
        out += bytes([value & 127 | 128])
        value >>= 7
    return out + bytes([value])


@pytest.mark.parametrize("size", [1, 59, 60, 61, 256, 257, 65536, 65537, 70000])
def test_literals_of_every_length(s2: ModuleType, size: int) -> None:
    data = random.randbytes(size)
    assert unpack(s2, varint(size) + literal(data), data) == data


@pytest.mark.parametrize(
    ("element", "length", "offset"),
    [
        (b"\x05\x03", 5, 3),
        (b"\x21\x2c", 4, 300),
        (b"\xfe\x2c\x01", 64, 300),
        (b"\x03\x2c\x01\x00\x00", 1, 300),
    ],
)
def test_copies_of_every_kind(s2: ModuleType, element: bytes, length: int, offset: int) -> None:
    start = random.randbytes(400)
    whole = bytearray(start)
    for _ in range(length):
        whole.append(whole[-offset])
    assert unpack(s2, varint(len(whole)) + literal(start) + element, bytes(whole)) == whole


@pytest.mark.parametrize(
    ("element", "length"),
    [
        (b"\x01\x00", 4),
        (b"\x11\x00", 8),
        (b"\x15\x00\x02", 10),
        (b"\x19\x00\x01\x01", 257 + 260),
        (b"\x1d\x00\x01\x01\x00", 257 + 65540),
    ],
)
def test_repeated_offsets_of_every_length(s2: ModuleType, element: bytes, length: int) -> None:
    start = random.randbytes(20)
    whole = bytearray(start)
    for _ in range(4 + length):
        whole.append(whole[-7])
    block = varint(len(whole)) + literal(start) + b"\x01\x07" + element
    assert unpack(s2, block, bytes(whole)) == whole


@pytest.mark.parametrize(
    "block",
    [
        b"",
        b"\x80",
        b"\x80\x80\x80\x80\x80\x01",
        b"\xff\xff\xff\xff\x7f",
        b"\x05\xf0",
        b"\x05\xfc\xff\xff\xff\xff",
        b"\x05\x10abc",
        b"\x03\x10abcde",
        b"\x05\x01",
        b"\x05\x01\x00",
        b"\x05\x0cabcd\x01\x05",
        b"\x05\x0cabcd\x02\x00",
        b"\x05\x0cabcd\x03\x00\x00\x00\x00",
        b"\x05\x0cabcd\x03\xff\xff\xff\xff",
        b"\x05\x0cabcd\x01\x04",
        b"\x0a\x0cabcd\x1d\x00\x01",
        b"\x0a\x0cabcd\x19\x00\xff\xff",
        b"\x06\x0cabcd",
    ],
)
def test_a_block_that_cannot_be_is_refused(s2: ModuleType, block: bytes) -> None:
    with pytest.raises(ValueError, match="it|a literal|a copy"):
        unpack(s2, block)


def test_a_block_that_says_it_is_huge_takes_no_memory(s2: ModuleType) -> None:
    with pytest.raises(ValueError, match="longer than any may be"):
        unpack(s2, varint((4 << 20) + 1) + literal(b"x"))


def test_the_checksum_is_that_of_the_frames(s2: ModuleType) -> None:
    for size in (0, 1, 7, 8, 9, 1000):
        data = random.randbytes(size) + b"x"
        framed = bytes(snappy.compress(data))
        assert s2.block_checksum(data) == int.from_bytes(framed[14:18], "little")


def test_what_is_not_packed_is_checked_too(s2: ModuleType) -> None:
    data = random.randbytes(150_000)
    check = s2.block_checksum(data).to_bytes(4, "little")
    unpacking = s2.Unpacking(check + data, False)
    while (found := unpacking.run()) is None:
        pass
    assert found == data
    unpacking = s2.Unpacking(check + data[1:], False)
    with pytest.raises(ValueError, match="checksum"):
        while unpacking.run() is None:
            pass


def test_a_turn_of_the_plain_form_is_bounded() -> None:
    from natsd.store import _plain_s2 as plain

    block = varint(100_001) + literal(b"x") + b"\x00x" * 100_000
    unpacking = plain.Unpacking(plain.block_checksum(b"x" * 100_001).to_bytes(4, "little") + block, True)
    turns = 1
    while unpacking.run() is None:
        turns += 1
    assert turns > 6


KEY = bytes(range(32))
KNOWN = {
    0: "907a56de22c26e53",
    1: "7eab43aac7cddd78",
    2: "b8d0569ab0b53d62",
    3: "5c6befab8a463d80",
    4: "f205a46893007eda",
}
"""Of the bytes 0, 1, 2, ...: as the authors of the hash publish them, big endian."""


@pytest.mark.parametrize("size", KNOWN)
def test_the_hash_is_the_published_one(highway: ModuleType, size: int) -> None:
    assert highway.highway(KEY, bytes(range(size)))[::-1].hex() == KNOWN[size]


def test_both_forms_hash_the_same_at_every_length() -> None:
    forms = [import_module(f"natsd.store._{form}_highway") for form in FORMS]
    for size in range(100):
        data = random.randbytes(size)
        assert len({form.highway(KEY, data) for form in forms}) == 1


def test_a_key_has_one_length(highway: ModuleType) -> None:
    with pytest.raises(ValueError, match="32 bytes"):
        highway.highway(b"short", b"")
