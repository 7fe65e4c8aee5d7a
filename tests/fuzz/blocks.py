"""Gives the native and the plain form the same blocks of S2, most of them spoilt, and the same bytes to hash.

`python -m tests.fuzz.blocks --seconds 60 [--seed N]` runs it for longer; a failure prints the seed that shows it again.
"""

from __future__ import annotations

import argparse
import random
import time
from importlib import import_module
from typing import Any

from natsd.store import _plain_highway, _plain_s2


class Unchecked(_plain_s2.Unpacking):
    """The plain form, which says what a block stands for whatever its checksum is."""

    def take(self) -> bytes | None:
        """What it stands for, None where it is no block."""
        try:
            while self._packed:
                self.run()
        except ValueError:
            return None
        return self._block


def varint(value: int) -> bytes:
    out = b""
    while value > 127:
        out += bytes([value & 127 | 128])
        value >>= 7
    return out + bytes([value])


def make(rng: random.Random) -> bytes:
    """A block whose elements could mostly be."""
    elements, have = [], 0
    for _ in range(rng.randrange(12)):
        kind = rng.randrange(4)
        length = rng.choice([1, 4, 8, 11, rng.randrange(1, 300)])
        offset = rng.choice([0, 1, have, have - 1, rng.randrange(1, have + 3)]) if have else 0
        if kind == 0:
            data = rng.randbytes(length)
            width = 0 if length <= 60 else 1 if length <= 256 else 2
            tag = length - 1 if not width else 59 + width
            size = (length - 1).to_bytes(width, "little") if width else b""
            elements.append(bytes([tag << 2]) + size + data)
        elif kind == 1:
            field = rng.randrange(8)
            more = rng.randbytes(max(field - 4, 0)) if offset & 2047 == 0 else b""
            elements.append(bytes([field << 2 | 1 | (offset >> 8 & 7) << 5, offset & 255]) + more)
            length = field + 4 if not more else int.from_bytes(more, "little") + (4, 256, 65536)[field - 5] + 4
        else:
            length = min(length, 64)
            width = 2 if kind == 2 else 4
            elements.append(bytes([length - 1 << 2 | kind]) + (offset & 0xFFFF).to_bytes(width, "little"))
        have += length
    return varint(have + rng.choice([0, 0, 0, 0, 1, -1 if have else 0])) + b"".join(elements)


def run(seed: int) -> None:
    """One block and one hash; raises AssertionError where the forms differ."""
    rng = random.Random(seed)
    native: Any = import_module("natsd.store._native_s2")
    block = make(rng)
    if rng.random() < 0.5 and block:
        spoilt = bytearray(block)
        for _ in range(rng.randrange(1, 4)):
            spoilt[rng.randrange(len(spoilt))] = rng.randrange(256)
        block = bytes(spoilt[: rng.choice([len(spoilt), rng.randrange(len(spoilt) + 1)])])
    expected = Unchecked(bytes(4) + block, True).take()
    check = native.block_checksum(expected or b"")
    assert check == _plain_s2.block_checksum(expected or b"")
    try:
        found = native.Unpacking(check.to_bytes(4, "little") + block, True).run()
    except ValueError as error:
        assert "checksum" not in str(error)
        found = None
    assert found == expected
    key, data = rng.randbytes(32), rng.randbytes(rng.randrange(200))
    hashed = import_module("natsd.store._native_highway").highway(key, data)
    assert hashed == _plain_highway.highway(key, data)


def main() -> None:
    """Run block after block until the time is over."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--seed", type=int, default=None, help="try this one block only")
    options = parser.parse_args()
    seed = first = time.time_ns() % 1_000_000_000 if options.seed is None else options.seed
    until = time.monotonic() + options.seconds
    while True:
        try:
            run(seed)
        except BaseException:
            print(f"seed {seed}")
            raise
        seed += 1
        if options.seed is not None or time.monotonic() > until:
            break
    print(f"{seed - first} blocks, from seed {first}: native and plain agree")


if __name__ == "__main__":
    main()
