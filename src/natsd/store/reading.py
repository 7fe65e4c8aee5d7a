"""A long read of a stream in pieces that are short: between two of them anything may happen to the stream.

Nothing is kept in the index for it. A message that goes meanwhile is not seen; one that comes behind `last` neither.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from natsd.store.contract import Head, Message, StreamStore

STEPS = 4096
"""Messages that are looked at between two looks at the clock."""
FETCHED = 16
"""Messages that are fetched between two looks at the clock."""
MOST_KNOWN = 65536


class Reading:
    """The messages from `first` to `last` (with `descending` the other way) whose subject is wanted.

    pattern: a subject, wildcards allowed, empty for all. accepts: what else a subject has to be like. more: whether
    there may be something left.
    """

    __slots__ = ("_accepts", "_at", "_end", "_filters", "_known", "_stream", "more")

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
        self._filters = [pattern] if pattern and pattern != b">" else []
        self._accepts = accepts
        self._known: dict[bytes, bool] = {}
        self.more = first <= last

    def heads(self, most: int, is_over: Callable[[], bool]) -> list[Head]:
        """What the next messages are, `most` at most; perhaps none although there are more. is_over: asked now and then
        whether this piece has been long enough."""
        found: list[Head] = []
        while self.more and len(found) < most:
            some, at = self._stream.scan(self._at, self._end, self._filters, most - len(found), STEPS)
            found += some if self._accepts is None else [head for head in some if self._wants(head[2])]
            self._at, self.more = at, at > 0
            if is_over():
                break
        return found

    def take(self, most: int, max_bytes: int, is_over: Callable[[], bool]) -> list[Message]:
        """The same messages whole, and only until their payloads pass max_bytes. Raises StoreError."""
        found: list[Message] = []
        heads = self.heads(most, is_over)
        for number, (seq, _, _) in enumerate(heads, 1):
            message = self._stream.load(seq)
            if message is not None:
                found.append(message)
                max_bytes -= len(message[3])
            if number < len(heads) and (max_bytes <= 0 or (number % FETCHED == 0 and is_over())):
                # The others are looked for again.
                self._at, self.more = heads[number][0], True
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
