"""What a consumer begins with that starts at the last message of each subject: their sequences, ascending.

A message that goes meanwhile stays in the list, and is noted as gone: taking it out would cost as much as the list is
long, for each message that goes.
"""

from __future__ import annotations

from bisect import bisect_left
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from natsd.store.contract import Message, StreamStore


class Skips:
    """The sequences that are still to come. True while there are some left, be it that they are gone."""

    __slots__ = ("_at", "_gone", "_seqs")

    def __init__(self) -> None:
        self._seqs: list[int] = []
        self._at = 0
        self._gone: set[int] = set()

    def set(self, seqs: list[int]) -> None:
        """Begin with these."""
        self._seqs, self._at = seqs, 0
        self._gone.clear()

    def __bool__(self) -> bool:
        return bool(self._seqs)

    @property
    def pending(self) -> int:
        """How many messages there are."""
        return len(self._seqs) - self._at - len(self._gone)

    def on_removed(self, seqs: list[int]) -> None:
        """Messages went."""
        mine, at = self._seqs, self._at
        if at < len(mine):
            for seq in seqs:
                place = bisect_left(mine, seq, at)
                if place < len(mine) and mine[place] == seq:
                    self._gone.add(seq)

    def on_purged(self, first_seq: int) -> None:
        """All below a sequence went."""
        if self._seqs:
            self._seqs = self._seqs[max(bisect_left(self._seqs, first_seq), self._at) :]
            self._at = 0
            self._gone = {seq for seq in self._gone if seq >= first_seq}

    def take(self, store: StreamStore, most: int) -> list[Message]:
        """The next messages, `most` at most; none where no more are left."""
        messages: list[Message] = []
        while not messages and self._at < len(self._seqs):
            seqs = self._seqs[self._at : self._at + most]
            messages = store.load_many(seqs)
            self._at += len(seqs)
            self._gone.difference_update(seqs)
        if not messages:
            self.set([])
        return messages

    def untake(self, store: StreamStore, seq: int) -> None:
        """The message of this sequence, and those taken behind it, are to come after all."""
        at = bisect_left(self._seqs, seq)
        seqs = self._seqs[at : self._at]
        self._at = at
        self._gone.update(seqs)
        self._gone.difference_update(message[0] for message in store.load_many(seqs))
