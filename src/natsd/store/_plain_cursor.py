"""Plain form of a cursor: a consumer's place in a stream."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from natsd.store._plain_filter import Filter, filter_key

if TYPE_CHECKING:
    from natsd.store._plain_index import Index
    from natsd.store.contract import Message, Patterns


class Cursor:
    """A consumer's place in a stream; see the contract."""

    __slots__ = ("_before", "_filter", "_index", "_next")

    def __init__(self, index: Index, filters: list[bytes] | Patterns, seq: int) -> None:
        self._index = index
        self._next = max(seq, 1)
        self._filter: Filter | None = None
        self._before = 0  # appended to the filter, but taken, or gone while it was in front
        self.refilter(filters)

    @property
    def next_seq(self) -> int:
        return self._next

    @property
    def pending(self) -> int:
        return 0 if self._filter is None else self._filter.appended - self._before

    def take(self, most: int, max_bytes: int = 0, upto: int = 0) -> list[Message]:
        index, wanted = self._index, self._filter
        found: list[Message] = []
        if wanted is None or most <= 0:
            return found
        end = min(upto, index._last) if upto else index._last
        size = 0
        behind = self._next
        for seq, entry in index._walk(self._next, end):
            if wanted not in entry.subject.filters:
                continue
            size += entry.length - index.overhead - (index.header_overhead if entry.headed else 0)
            if max_bytes and found and size > max_bytes:
                break
            found.append(index._message(seq, entry))
            behind = seq + 1
            if len(found) == most:
                break
        else:
            behind = max(behind, end + 1)
        self._next = behind
        self._before += len(found)
        return found

    def peek(self, upto: int = 0) -> int:
        index, wanted = self._index, self._filter
        if wanted is not None:
            for seq, entry in index._walk(self._next, min(upto, index._last) if upto else index._last):
                if wanted in entry.subject.filters:
                    return seq
        return 0

    def seek(self, seq: int) -> None:
        self._next = max(seq, 1)
        if self._filter is not None:
            self._filter.farthest = max(self._filter.farthest, self._next)
            self._before = self._filter.appended - self._index._count(self._filter, self._next)

    def refilter(self, filters: list[bytes] | Patterns) -> None:
        self.close()
        key = filter_key(filters) if isinstance(filters, list) else cast("Filter", filters).key
        self._filter = self._index._filter(key)
        self._filter.cursors.add(self)
        self.seek(self._next)

    def close(self, *, ends: bool = False) -> None:
        wanted, self._filter = self._filter, None
        if wanted is not None:
            wanted.cursors.discard(self)
            if not wanted.cursors and not ends:
                self._index._forget(wanted)
