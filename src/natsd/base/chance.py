"""Chance: what rooms are handed instead of the random module. Tests hand in a seeded one and see the same run twice."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from typing import Protocol

    class Chance(Protocol):
        """A source of bytes and numbers that nobody can foretell."""

        def take(self, count: int) -> bytes:
            """`count` random bytes."""
            ...

        def below(self, limit: int) -> int:
            """A number from 0 to `limit` - 1; 0 where `limit` is less than 2."""
            ...


class SystemChance:
    """The operating system's own source, good enough for keys."""

    __slots__ = ()

    take = staticmethod(os.urandom)

    def below(self, limit: int) -> int:
        # Eight bytes more than the limit needs make the uneven share of a remainder immeasurable.
        return int.from_bytes(os.urandom(16), "little") % limit if limit > 1 else 0


class SeededChance:
    """A sequence decided by its seed (splitmix64), for tests."""

    __slots__ = ("_state",)

    def __init__(self, seed: int = 1) -> None:
        self._state = seed

    def _next(self) -> int:
        mask = (1 << 64) - 1
        self._state = (self._state + 0x9E3779B97F4A7C15) & mask
        z = self._state
        z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & mask
        z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & mask
        return z ^ (z >> 31)

    def take(self, count: int) -> bytes:
        return b"".join(self._next().to_bytes(8, "little") for _ in range(-(-count // 8)))[:count]

    def below(self, limit: int) -> int:
        return self._next() % limit if limit > 1 else 0
