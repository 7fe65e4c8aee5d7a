"""Which message ids a stream has seen within its window, with the sequence that each was given."""

from __future__ import annotations

from collections import deque

MOST = 2_000_000
"""Ids kept per stream at most; the oldest go first, whatever the window says."""
MOST_BYTES = 256 << 20
"""How long these ids are together at most."""
DROPPED_AT_ONCE = 64
"""Ids that go at most for one that is looked for."""


class Dedupe:
    """Ids of the last `window_ns`. 0: nothing is remembered."""

    __slots__ = ("_bytes", "_known", "_order", "window_ns")

    def __init__(self, window_ns: int) -> None:
        self.window_ns = window_ns
        self._bytes = 0
        self._known: dict[bytes, tuple[int, bytes, int]] = {}
        self._order: deque[tuple[int, bytes, int]] = deque()

    def __len__(self) -> int:
        return len(self._known)

    def find(self, msg_id: bytes, wall_ns: int) -> int:
        """The sequence of a message with this id, 0 for none."""
        self.forget(wall_ns)
        known = self._known.get(msg_id)
        return 0 if known is None or known[0] < wall_ns - self.window_ns else known[2]

    def note(self, msg_id: bytes, seq: int, wall_ns: int) -> None:
        """A message with this id was stored."""
        if self.window_ns <= 0:
            return
        self._known[msg_id] = known = (wall_ns, msg_id, seq)
        self._order.append(known)
        self._bytes += len(msg_id)
        self._drop_too_many()

    def note_many(self, stored: list[tuple[int, bytes, int]]) -> None:
        """The same of many, in their order: when, which id, which sequence."""
        known = self._known
        for one in stored:
            known[one[1]] = one
        self._order.extend(stored)
        self._bytes += sum([len(one[1]) for one in stored])
        self._drop_too_many()

    def forget(self, wall_ns: int) -> None:
        """Drop what is older than the window, a bounded number."""
        end = wall_ns - self.window_ns
        order = self._order
        left = DROPPED_AT_ONCE
        while left and order and order[0][0] < end:
            self._drop_oldest()
            left -= 1

    def shrink(self, most: int) -> bool:
        """Drop the oldest, so many at most; returns whether there are more."""
        for _ in range(min(most, len(self._order))):
            self._drop_oldest()
        return bool(self._order)

    def clear(self) -> None:
        self._known.clear()
        self._order.clear()
        self._bytes = 0

    def _drop_too_many(self) -> None:
        while len(self._order) > MOST or self._bytes > MOST_BYTES:
            self._drop_oldest()

    def _drop_oldest(self) -> None:
        oldest = self._order.popleft()
        msg_id = oldest[1]
        self._bytes -= len(msg_id)
        if self._known.get(msg_id) is oldest:
            del self._known[msg_id]
