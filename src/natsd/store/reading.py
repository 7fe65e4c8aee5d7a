"""A long read of a stream in pieces that are short: between two of them anything may happen to the stream.

Nothing is kept in the index for it. A message that goes meanwhile is not seen; one that comes behind `last` neither.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from natsd.store.contract import Head, Message, StreamStore

STEPS = 4096
"""Messages that are looked at between two looks at the clock."""
FETCHED = 16
"""Messages that are fetched between two looks at the clock."""
MOST_KNOWN = 65536
BATCH = 1024
BATCH_BYTES = 1 << 20


def batches(stream: StreamStore, seq: int) -> Iterator[list[Message]]:
    """All messages from a sequence on, many at once. Raises StoreError."""
    cursor = stream.cursor([], seq)
    try:
        while messages := cursor.take(BATCH, BATCH_BYTES):
            yield messages
    finally:
        cursor.close()


class Reading:
    """The messages from `first` to `last` (with `descending` the other way) whose subject is wanted.

    pattern: a subject, wildcards allowed, empty for all. accepts: what else a subject has to be like. Take
    either heads or messages of one, not both.
    """

    __slots__ = ("_accepts", "_at", "_end", "_filters", "_known", "_stream", "_unseen", "_waiting")

    def __init__(
        self,
        stream: StreamStore,
        first: int,
        last: int,
        *,
        pattern: bytes = b"",
        accepts: Callable[[bytes], bool] | None = None,
        descending: bool = False,
    ) -> None:
        first, last = max(first, stream.first_seq), min(last, stream.last_seq)
        self._stream = stream
        self._at, self._end = (last, first) if descending else (first, last)
        self._waiting: deque[Head] = deque()  # found, not fetched yet
        self._filters = [pattern] if pattern and pattern != b">" else []
        self._accepts = accepts
        self._known: dict[bytes, bool] = {}
        self._unseen = first <= last

    @property
    def more(self) -> bool:
        """Whether there may be something left."""
        return self._unseen or bool(self._waiting)

    def heads(self, most: int, is_over: Callable[[], bool]) -> list[Head]:
        """What the next messages are, `most` at most; perhaps none although there are more. is_over: asked now and then
        whether this piece has been long enough."""
        found: list[Head] = []
        while self._unseen and len(found) < most:
            some, at = self._stream.scan(self._at, self._end, self._filters, most - len(found), STEPS)
            found += some if self._accepts is None else [head for head in some if self._wants(head[2])]
            self._at, self._unseen = at, at > 0
            if is_over():
                break
        return found

    def take(self, most: int, max_bytes: int, is_over: Callable[[], bool]) -> list[Message]:
        """The same messages whole, and only until their payloads pass max_bytes. Raises StoreError."""
        found: list[Message] = []
        waiting = self._waiting
        if not waiting:
            waiting.extend(self.heads(most, is_over))
        load = self._stream.load
        for number in range(1, min(most, len(waiting)) + 1):
            message = load(waiting.popleft()[0])
            if message is not None:
                found.append(message)
                max_bytes -= len(message[3])
            if max_bytes <= 0 or (number % FETCHED == 0 and is_over()):
                break
        return found

    def _wants(self, subject: bytes) -> bool:
        known = self._known.get(subject)
        if known is None:
            assert self._accepts is not None
            if len(self._known) >= MOST_KNOWN:
                self._known.clear()
            known = self._known[subject] = self._accepts(subject)
        return known
