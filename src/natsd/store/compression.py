"""Payloads of streams with `compression: s2`, each packed by itself: a block of snappy's, which S2's readers take too.

A block begins with the length of what it stands for (a varint), so sizes are known without unpacking.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from types import ModuleType

LEAST_BYTES = 64
"""Shorter payloads stay as they are."""
MOST_TIMES = 32
"""No block stands for more times its own length: three bytes of one copy 64 at most."""
LENGTH_BYTES = 5


@cache
def library() -> ModuleType:
    """It is loaded when something is to be packed."""
    import cramjam

    return cramjam


def pack(payload: bytes) -> bytes | None:
    """A block; None where that saves less than an eighth."""
    if len(payload) < LEAST_BYTES:
        return None
    block = bytes(library().snappy.compress_raw(payload))
    return block if len(block) <= len(payload) - len(payload) // 8 else None


def unpack(block: bytes) -> bytes | None:
    """What a block stands for; None where it is none."""
    if unpacked_bytes(block) < 0:  # before memory is taken for it
        return None
    try:
        return bytes(library().snappy.decompress_raw(block))
    except library().DecompressionError:
        return None


def unpacked_bytes(block: bytes) -> int:
    """How long what a block stands for is; -1 where it does not say so in earnest."""
    length = shift = 0
    for byte in block[:LENGTH_BYTES]:
        length |= (byte & 127) << shift
        shift += 7
        if not byte & 128:
            return length if length <= MOST_TIMES * len(block) else -1
    return -1
