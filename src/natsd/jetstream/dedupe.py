"""Which message ids a stream has seen within its window, with the sequence that each was given."""

from __future__ import annotations

from collections import deque

MOST = 2_000_000
"""Ids kept per stream at most; the oldest go first, whatever the window says."""
MOST_BYTES = 256 << 20
"""How long these ids are together at most."""


class Dedupe:
    """Ids of the last `window_ns`. 0: nothing is remembered."""

    __slots__ = ("_bytes", "_order", "_seqs", "window_ns")

    def __init__(self, window_ns: int) -> None:
        self.window_ns = window_ns
        self._bytes = 0
        self._seqs: dict[bytes, int] = {}
        self._order: deque[tuple[int, bytes, int]] = deque()

    def __len__(self) -> int:
        return len(self._seqs)

    def find(self, msg_id: bytes, wall_ns: int) -> int:
        """The sequence of a message with this id, 0 for none."""
        self.forget(wall_ns)
        return self._seqs.get(msg_id, 0)

    def note(self, msg_id: bytes, seq: int, wall_ns: int) -> None:
        """A message with this id was stored."""
        if self.window_ns <= 0:
            return
        self._seqs[msg_id] = seq
        self._order.append((wall_ns, msg_id, seq))
        self._bytes += len(msg_id)
        while len(self._order) > MOST or self._bytes > MOST_BYTES:
            self._drop_oldest()

    def forget(self, wall_ns: int) -> None:
        """Drop what is older than the window."""
        end = wall_ns - self.window_ns
        order = self._order
        while order and order[0][0] < end:
            self._drop_oldest()

    def clear(self) -> None:
        self._seqs.clear()
        self._order.clear()
        self._bytes = 0

    def _drop_oldest(self) -> None:
        _, msg_id, seq = self._order.popleft()
        self._bytes -= len(msg_id)
        if self._seqs.get(msg_id) == seq:
            del self._seqs[msg_id]
