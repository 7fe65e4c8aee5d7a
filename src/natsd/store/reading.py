"""A long read of a stream in pieces that are short: between two of them anything may happen to the stream.

Nothing is kept in the index for it. A message that goes meanwhile is not seen; one that comes behind `last` neither.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from natsd.subjects.match import matches

if TYPE_CHECKING:
    from collections.abc import Callable

    from natsd.store.contract import Message, StreamStore

STEPS = 64
"""Messages looked at between two looks at the clock, and holes in a row after which the next message is searched."""
STRIDE = 16384
"""Sequences that one search looks at."""
MOST_KNOWN = 65536


class Reading:
    """The messages from `first` to `last` (with `descending` the other way) whose subject is wanted.

    pattern: a subject, wildcards allowed, empty for all. accepts: what else a subject has to be like. more: whether
    there may be something left.
    """

    __slots__ = ("_accepts", "_at", "_descending", "_end", "_filters", "_known", "_literal", "_stream", "more")

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
        self._descending = descending
        self._at, self._end = (last, first) if descending else (first, last)
        self._filters = [pattern] if pattern and pattern != b">" else []
        self._literal = bool(pattern) and not any(token in (b"*", b">") for token in pattern.split(b"."))
        self._accepts = accepts
        self._known: dict[bytes, bool] = {}
        self.more = first <= last

    def take(self, most: int, max_bytes: int, is_over: Callable[[], bool]) -> list[Message]:
        """The next messages, `most` at most; perhaps none although there are more. is_over: asked now and then whether
        this piece has been long enough. Raises StoreError."""
        found: list[Message] = []
        size = 0
        while self.more and len(found) < most and size < max_bytes:
            for message in self._step(min(STEPS, most - len(found)), max_bytes - size):
                found.append(message)
                size += len(message[3]) + len(message[1]) + 16
            if is_over():
                break
        return found

    def _step(self, most: int, max_bytes: int) -> list[Message]:
        if self._literal and not self._descending:
            return self._follow(most, max_bytes)
        stream, at, step = self._stream, self._at, -1 if self._descending else 1
        found: list[Message] = []
        holes = 0
        for _ in range(STEPS):
            if (self._end - at) * step < 0:
                self.more = False
                break
            message = stream.load(at)
            at += step
            if message is None:
                holes += 1
                continue
            holes = 0
            if self._wants(message[1]):
                found.append(message)
                max_bytes -= len(message[3])
                if len(found) == most or max_bytes <= 0:
                    break
        self._at = at
        if holes == STEPS and self.more:
            self._jump()
        return found

    def _follow(self, most: int, max_bytes: int) -> list[Message]:
        """Messages of one literal subject: each knows the next."""
        stream = self._stream
        found: list[Message] = []
        while len(found) < most and max_bytes > 0:
            upto = min(self._at + STRIDE, self._end)
            message = stream.next_match(self._at, self._filters, upto)
            if message is None:
                self._at = upto + 1
                self.more = upto < self._end
                break
            self._at = message[0] + 1
            found.append(message)
            max_bytes -= len(message[3])
        if self._at > self._end:
            self.more = False
        return found

    def _jump(self) -> None:
        """Over a hole."""
        stream = self._stream
        if self._descending:
            message = stream.last_match([], self._at)
            self._at = 0 if message is None else message[0]
        else:
            message = stream.next_match(self._at, [], self._end)
            self._at = self._end + 1 if message is None else message[0]

    def _wants(self, subject: bytes) -> bool:
        if self._accepts is None and not self._filters:
            return True
        known = self._known.get(subject)
        if known is None:
            known = all(matches(pattern, subject) for pattern in self._filters) and (
                self._accepts is None or self._accepts(subject)
            )
            if len(self._known) >= MOST_KNOWN:
                self._known.clear()
            self._known[subject] = known
        return known
