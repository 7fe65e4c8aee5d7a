"""Purges as STREAM.PURGE and roll-ups ask for them: small ones at once, large ones in slices with other work between.

A purge takes what was there when it was asked for and nothing that comes while it runs. Its caller hears of it when all
is gone; a server that ends before has removed a part, without having said so.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from natsd.jetstream.errors import ApiError
from natsd.jetstream.streams.slices import SLICE
from natsd.store.contract import StoreError
from natsd.subjects.valid import is_valid_literal

if TYPE_CHECKING:
    from collections.abc import Callable

    from natsd.jetstream.streams.stream import Stream

CALLS = 64
"""Calls of one slice, where a stream has few messages between far sequences."""
CLEARED_AT_ONCE = 1 << 18
"""Messages of few subjects that go together faster than one by one."""
COUNTED_AT_ONCE = 16384
"""Subjects that a wildcard is compared with at once."""


class Purge:
    """One purge. on_end: told how many went, which is exact whatever else goes meanwhile. on_failed: told instead."""

    __slots__ = (
        "_at",
        "_end",
        "_filters",
        "_keep",
        "_on_end",
        "_on_failed",
        "_purged",
        "_step",
        "_stream",
        "_subject",
        "_upto",
    )

    def __init__(
        self,
        stream: Stream,
        subject: str,
        upto: int,
        keep: int,
        on_end: Callable[[int], None],
        on_failed: Callable[[ApiError], None],
    ) -> None:
        self._on_end = on_end
        self._on_failed = on_failed
        self._stream = stream
        self._subject = subject
        self._filters = [subject.encode("utf-8", "surrogateescape")] if subject and subject != ">" else []
        self._upto = upto
        self._keep = keep
        self._purged = 0
        self._at = stream.store.first_seq
        self._end = min(upto - 1, stream.store.last_seq) if upto else stream.store.last_seq
        self._step = Purge._remove if self._filters else Purge._cut

    def start(self) -> None:
        """Begin, and finish where it is little."""
        stream = self._stream
        if self._is_small():
            self._on_end(stream.purge(subject=self._subject, upto=self._upto, keep=self._keep))
            return
        if self._upto and not self._filters:
            # New messages come behind what is purged, as they would if it were done already.
            stream.store.skip(self._upto - 1)
        if self._keep:
            self._at = stream.store.last_seq
            self._step = Purge._find_kept
        self._run()

    def _is_small(self) -> bool:
        state = self._stream.store.state
        if state.msgs <= SLICE:
            return True
        if not self._filters:
            whole = not self._keep and self._end >= state.last_seq
            return whole and state.num_subjects <= SLICE and state.msgs <= CLEARED_AT_ONCE
        countable = state.num_subjects <= COUNTED_AT_ONCE or is_valid_literal(self._filters[0])
        return countable and self._stream.store.count(self._filters) <= SLICE

    def _run(self) -> None:
        stream = self._stream
        if stream.closed:
            self._on_failed(ApiError("STREAM_NOT_FOUND"))
            return
        stream.purging = True
        try:
            more = self._step(self)
        except StoreError as error:
            self._on_failed(ApiError("STREAM_PURGE_FAILED", err=str(error)))
            return
        finally:
            stream.purging = False
            stream.count_bytes()
        if more:
            stream.home.timers.schedule(0, self._run)
            return
        stream.tell_of_purge(self._subject)
        self._on_end(self._purged)

    # Steps: each says whether there is more to do.

    def _find_kept(self) -> bool:
        """Walk back to the oldest of those that stay; what is purged ends before it."""
        store = self._stream.store
        at = min(self._at, store.last_seq)
        if at < store.first_seq:
            self._end = 0
        else:
            heads, self._at = store.scan(at, store.first_seq, self._filters, min(self._keep, SLICE), SLICE)
            self._keep -= len(heads)
            if heads and not self._keep:
                self._end = heads[-1][0] - 1
            elif self._at:
                return True
            else:
                self._end = 0
        self._at = store.first_seq
        self._step = Purge._remove if self._filters else Purge._cut
        return self._end > 0

    def _cut(self) -> bool:
        """Everything up to the end, the oldest first."""
        store = self._stream.store
        before = self._purged
        for _ in range(CALLS):
            first = store.first_seq
            if first > self._end:
                return False
            self._purged += store.purge(upto=min(first + SLICE - (self._purged - before), self._end + 1))
            if self._purged - before >= SLICE:
                break
        return store.first_seq <= self._end

    def _remove(self) -> bool:
        """What matches up to the end."""
        store = self._stream.store
        at = max(self._at, store.first_seq)
        if at > self._end:
            return False
        heads, self._at = store.scan(at, self._end, self._filters, SLICE, SLICE)
        if heads:
            self._purged += store.remove([head[0] for head in heads])
        return self._at > 0
