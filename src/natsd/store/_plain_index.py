"""Plain form of a stream's index: which messages there are, where they lie, what limits and cursors make of them.

It knows no bytes: a store overrides `_place` (keep a message, say where), `_fetch` (give it back), `_drop` (it went).
Rules of both forms:
1. A message is known by its sequence, its size as the limits count it, its subject and its neighbours of one subject.
2. Times are runs: one entry per change of time, so a batch costs one.
3. A filter is shared by all cursors that have it. It counts what was appended; a cursor counts what it took and what
   went in front of it. What went behind a cursor is nobody's work.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from heapq import heapify, heappop, heappush
from itertools import islice
from typing import TYPE_CHECKING, Any

from natsd.store._plain_cursor import Cursor
from natsd.store._plain_filter import Filter, filter_key
from natsd.store._plain_search import Search
from natsd.store.contract import REFUSED_BYTES, REFUSED_MSGS, REFUSED_PER_SUBJECT, Limits, State

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from natsd.store.contract import Message, Patterns, Published

TOLD_AT_ONCE = 65536  # removed sequences in one call of on_removed


class Subject:
    """One literal subject that has messages."""

    __slots__ = ("count", "filters", "first", "last", "name")

    def __init__(self, name: bytes, filters: list[Filter]) -> None:
        self.name = name
        self.filters = filters
        self.count = 0
        self.first = 0
        self.last = 0


class Entry:
    """What is known of one message. previous, following: sequences of the same subject, 0 for none."""

    __slots__ = ("following", "headed", "lasting", "length", "position", "previous", "subject")

    def __init__(self, subject: Subject, position: Any, length: int, headed: bool) -> None:
        self.subject = subject
        self.position = position
        self.length = length  # its size as the limits count it
        self.headed = headed
        self.lasting = False  # max_age does not end it
        self.previous = subject.last
        self.following = 0


class Index:
    """The messages of one stream, without their bytes. The names of the contract mean here what they mean there.

    overhead, header_overhead: what a message, and its header, cost beside their bytes.
    """

    def __init__(self, overhead: int, header_overhead: int = 0, first_seq: int = 1) -> None:
        self.overhead = overhead
        self.header_overhead = header_overhead
        self.refusal = 0
        self.on_removed: Callable[[list[int]], None] | None = None
        self.on_purged: Callable[[int], None] | None = None
        self.expired: list[tuple[int, bytes, bool]] = []
        self._limits = Limits()
        self._last = first_seq - 1
        self._last_time = 0
        self._bytes = 0
        self._entries: dict[int, Entry] = {}
        self._seqs: list[int] = []  # ascending; some of them went
        self._head = 0  # none before this place is there
        self._runs: list[int] = []  # sequences where the time changes
        self._times: list[int] = []
        self._subjects: dict[bytes, Subject] = {}
        self._filters: dict[tuple[bytes, ...], Filter] = {}
        self._deadlines: list[tuple[int, int]] = []  # a heap: when, which
        self._ageless = 0  # below this sequence there are only messages that max_age does not end
        self._gone: list[int] = []

    # What a store overrides

    def _place(self, seq: int, subject: bytes, header: bytes | None, payload: bytes, time_ns: int) -> Any:
        """Keep the bytes; returns where."""
        raise NotImplementedError("a store says where bytes are kept")

    def _fetch(self, seq: int, position: Any, length: int) -> tuple[bytes | None, bytes]:
        """Header and payload of a message."""
        raise NotImplementedError("a store says where bytes are kept")

    def _drop(self, seq: int, position: Any, length: int) -> None:
        """A message went."""

    # Figures

    @property
    def state(self) -> State:
        first = self.first_seq
        msgs = len(self._entries)
        deleted = self._last + 1 - first - msgs if msgs else 0
        first_time = self._time(first) if msgs else 0
        return State(msgs, self._bytes, first, first_time, self._last, self._last_time, len(self._subjects), deleted)

    @property
    def held_bytes(self) -> int:
        return self._bytes

    @property
    def last_seq(self) -> int:
        return self._last

    @property
    def first_seq(self) -> int:
        seqs, head = self._seqs, self._head
        while head < len(seqs) and seqs[head] not in self._entries:
            head += 1
        self._head = head
        return seqs[head] if head < len(seqs) else self._last + 1

    def _time(self, seq: int) -> int:
        return self._times[bisect_right(self._runs, seq) - 1]

    def _walk(self, first: int, last: int) -> Iterator[tuple[int, Entry]]:
        entries, seqs = self._entries, self._seqs
        for at in range(bisect_left(seqs, first, self._head), len(seqs)):
            seq = seqs[at]
            if seq > last:
                return
            entry = entries.get(seq)
            if entry is not None:
                yield seq, entry

    def _message(self, seq: int, entry: Entry) -> Message:
        header, payload = self._fetch(seq, entry.position, entry.length)
        return seq, entry.subject.name, header, payload, self._time(seq)

    # Adding

    def set_limits(self, limits: Limits) -> None:
        before, self._limits = self._limits.max_msgs_per_subject, limits
        most = limits.max_msgs_per_subject
        if most > 0 and not 0 < before <= most:
            for subject in list(self._subjects.values()):
                while subject.count > most:
                    self._remove(subject.first)
        self._evict()
        self._tell()

    def append(self, batch: list[Published], time_ns: int, start: int = 0, *, alone: bool = False) -> int:
        taken = 0
        try:
            for at in range(start, len(batch)):
                subject, _, header, payload = batch[at]
                if self._limits.discard_new and self._refuses(subject, self.size_of(subject, header, payload)):
                    break
                self._store(self._last + 1, subject, header, payload, time_ns)
                taken += 1
        finally:
            self._tell()
        return taken

    def append_ttl(self, message: Published, time_ns: int, expires_ns: int) -> bool:
        seq = self._last + 1
        if not self.append([message], time_ns):
            return False
        self.set_expiry(seq, expires_ns)
        return True

    def set_expiry(self, seq: int, expires_ns: int) -> None:
        """When a message ends by itself; 0: never, not even by max_age."""
        entry = self._entries.get(seq)
        if entry is None:
            return
        if expires_ns:
            heappush(self._deadlines, (expires_ns, seq))
        else:
            entry.lasting = True

    def append_at(self, seq: int, message: Published, time_ns: int) -> None:
        if seq <= self._last:
            raise ValueError(f"sequence {seq} is not above the last, {self._last}")
        subject, _, header, payload = message
        try:
            self._store(seq, subject, header, payload, time_ns)
        finally:
            self._tell()

    def skip(self, upto: int) -> None:
        self._last = max(self._last, upto)

    def size_of(self, subject: bytes, header: bytes | None, payload: bytes) -> int:
        """What a message counts for."""
        size = self.overhead + len(subject) + len(payload)
        return size + self.header_overhead + len(header) if header else size

    def _refuses(self, name: bytes, size: int) -> int:
        limits = self._limits
        subject = self._subjects.get(name)
        full = subject is not None and 0 < limits.max_msgs_per_subject <= subject.count
        self.refusal = 0
        if full and limits.discard_new_per_subject:
            self.refusal = REFUSED_PER_SUBJECT
        elif 0 < limits.max_msgs <= len(self._entries) and not full:
            self.refusal = REFUSED_MSGS
        elif 0 < limits.max_bytes < self._bytes + size:
            # Where the subject is full its oldest message makes room.
            if subject is None or not full or self._entries[subject.first].length < size:
                self.refusal = REFUSED_BYTES
        return self.refusal

    def _store(self, seq: int, name: bytes, header: bytes | None, payload: bytes, time_ns: int) -> None:
        size = self.size_of(name, header, payload)
        position = self._place(seq, name, header or None, payload, time_ns)
        self.add(seq, name, position, size, bool(header), time_ns)
        most = self._limits.max_msgs_per_subject
        if most > 0:
            subject = self._subjects[name]
            while subject.count > most:
                self._remove(subject.first)
        self._evict()

    def add(self, seq: int, name: bytes, position: Any, length: int, headed: bool, time_ns: int) -> None:
        """Know of a message that is kept already (replay of a log); limits are not looked at."""
        subject = self._subjects.get(name)
        if subject is None:
            filters = [wanted for wanted in self._filters.values() if wanted.matches(name)]
            subject = self._subjects[name] = Subject(name, filters)
        entry = Entry(subject, position, length, headed)
        if subject.count:
            self._entries[subject.last].following = seq
        else:
            subject.first = seq
        subject.last = seq
        subject.count += 1
        if not self._times or self._times[-1] != time_ns:
            self._runs.append(seq)
            self._times.append(time_ns)
        self._entries[seq] = entry
        self._seqs.append(seq)
        self._bytes += length
        self._last = seq
        self._last_time = time_ns
        for wanted in subject.filters:
            wanted.appended += 1
            if seq < wanted.farthest:
                for cursor in wanted.cursors:
                    if seq < cursor._next:
                        cursor._before += 1

    def _evict(self) -> None:
        limits = self._limits
        if limits.discard_new:
            return
        if limits.max_msgs > 0:
            while len(self._entries) > limits.max_msgs:
                self._remove(self.first_seq)
        if limits.max_bytes > 0:
            while self._bytes > limits.max_bytes:
                self._remove(self.first_seq)

    # Removing

    def _remove(self, seq: int) -> bool:
        entry = self._entries.pop(seq, None)
        if entry is None:
            return False
        subject = entry.subject
        if entry.previous:
            self._entries[entry.previous].following = entry.following
        else:
            subject.first = entry.following
        if entry.following:
            self._entries[entry.following].previous = entry.previous
        else:
            subject.last = entry.previous
        subject.count -= 1
        if not subject.count:
            del self._subjects[subject.name]
        self._bytes -= entry.length
        for wanted in subject.filters:
            for cursor in wanted.cursors:
                if seq >= cursor._next:
                    cursor._before += 1
        if self.on_removed is not None:
            self._gone.append(seq)
        self._drop(seq, entry.position, entry.length)
        return True

    def _tell(self) -> None:
        """Clear up after removals, then tell of them."""
        if len(self._seqs) > 2 * len(self._entries) + 64:
            self._seqs = [seq for seq in self._seqs[self._head :] if seq in self._entries]
            self._head = 0
            at = max(bisect_right(self._runs, self.first_seq) - 1, 0)
            del self._runs[:at], self._times[:at]
        if len(self._deadlines) > 2 * len(self._entries) + 64:
            self._deadlines = [item for item in self._deadlines if item[1] in self._entries]
            heapify(self._deadlines)
        if not self._gone:
            return
        gone, self._gone = self._gone, []
        gone.sort()
        for at in range(0, len(gone), TOLD_AT_ONCE):
            if self.on_removed is not None:
                self.on_removed(gone[at : at + TOLD_AT_ONCE])

    def remove(self, seqs: list[int], *, erase: bool = False) -> int:
        removed = sum(map(self._remove, seqs))
        self._tell()
        return removed

    def purge(self, *, filters: list[bytes] | None = None, upto: int = 0, keep: int = 0) -> int:
        if upto == 1:
            return 0
        wanted = Filter(filter_key(filters or []))
        if wanted.key or keep:
            doomed = self._all_of(wanted)
            doomed = doomed[: max(len(doomed) - keep, 0)]
            if upto:
                doomed = doomed[: bisect_left(doomed, upto)]
            return self.remove(doomed)
        end = upto - 1 if upto else self._last
        first = self.first_seq
        tell, self.on_removed = self.on_removed, None
        try:
            removed = self.remove([seq for seq, _ in self._walk(0, end)])
        finally:
            self.on_removed = tell
        self.skip(end)
        if self.on_purged is not None and self.first_seq != first:
            self.on_purged(self.first_seq)
        return removed

    def expire(self, wall_ns: int, most: int = 4096) -> int:
        self.expired = []
        due = 0
        while self._deadlines:
            when, seq = self._deadlines[0]
            entry = self._entries.get(seq)
            if entry is not None:
                if when > wall_ns or len(self.expired) >= most:
                    due = max(when, wall_ns)
                    break
                self.expired.append((seq, entry.subject.name, True))
                self._remove(seq)
            heappop(self._deadlines)
        if self._limits.max_age_ns > 0:
            aged = self._expire_by_age(wall_ns, most)
            due = min(due, aged) if due and aged else due or aged
        self._tell()
        return due

    def _expire_by_age(self, wall_ns: int, most: int) -> int:
        for seq, entry in self._walk(self._ageless, self._last):
            if entry.lasting:
                self._ageless = seq + 1
                continue
            when = self._time(seq) + self._limits.max_age_ns
            if when > wall_ns or len(self.expired) >= most:
                return max(when, wall_ns)
            self.expired.append((seq, entry.subject.name, False))
            self._remove(seq)
            self._ageless = seq + 1
        return 0

    def crowded(self, per_subject: int, at: int, most: int) -> tuple[list[int], int]:
        found: list[int] = []
        at = max(at - 1, 0)
        for subject in islice(self._subjects.values(), at, None):
            seq = subject.first
            for _ in range(subject.count - per_subject):
                if len(found) >= most:
                    return sorted(found), at + 1
                found.append(seq)
                seq = self._entries[seq].following
            at += 1
        return sorted(found), 0

    def deleted(self, most: int = 0) -> list[int]:
        found: list[int] = []
        expected = self.first_seq
        for seq in [*(seq for seq, _ in self._walk(expected, self._last)), self._last + 1]:
            left = most - len(found) if most else seq - expected
            found.extend(range(expected, min(seq, expected + left)))
            expected = seq + 1
        return found

    # Looking

    def load(self, seq: int) -> Message | None:
        entry = self._entries.get(seq)
        return None if entry is None else self._message(seq, entry)

    def load_many(self, seqs: Iterable[int]) -> list[Message]:
        entries = self._entries
        return [self._message(seq, entries[seq]) for seq in seqs if seq in entries]

    def next_match(self, seq: int, filters: list[bytes], upto: int = 0) -> Message | None:
        wanted = Filter(filter_key(filters))
        for at, entry in self._walk(seq, min(upto, self._last) if upto else self._last):
            if wanted.matches(entry.subject.name):
                return self._message(at, entry)
        return None

    def last_match(self, filters: list[bytes], upto: int = 0) -> Message | None:
        found = self.last_of_each(filters, upto)
        return self.load(found[-1]) if found else None

    def last_seq_of(self, subject: bytes) -> int:
        found = self._subjects.get(subject)
        return 0 if found is None else found.last

    def last_of_each(self, filters: list[bytes], upto: int = 0) -> list[int]:
        subjects = self._matching(Filter(filter_key(filters)))
        return sorted(seq for subject in subjects if (seq := self._last_of(subject, upto)))

    def _last_of(self, subject: Subject, upto: int) -> int:
        seq = subject.last
        while upto and seq > upto:
            seq = self._entries[seq].previous
        return seq

    def seq_at(self, time_ns: int) -> int:
        at = bisect_left(self._times, time_ns)
        if at == len(self._runs):
            return self._last + 1
        for seq, _ in self._walk(self._runs[at], self._last):
            return seq
        return self._last + 1

    def subjects(self, filters: list[bytes]) -> Iterator[tuple[bytes, int]]:
        return iter([(subject.name, subject.count) for subject in self._matching(Filter(filter_key(filters)))])

    def count(self, filters: list[bytes], first: int = 0) -> int:
        return self._count(Filter(filter_key(filters)), first)

    def _matching(self, wanted: Filter) -> Iterator[Subject]:
        if len(wanted.words) == len(wanted.key) and wanted.key:
            return iter([self._subjects[name] for name in wanted.key if name in self._subjects])
        return (subject for subject in self._subjects.values() if wanted.matches(subject.name))

    def _all_of(self, wanted: Filter) -> list[int]:
        if wanted.key and not wanted.wildcards:
            found = []
            for subject in self._matching(wanted):
                seq = subject.first
                while seq:
                    found.append(seq)
                    seq = self._entries[seq].following
            found.sort()
            return found
        return [seq for seq, entry in self._walk(0, self._last) if wanted.matches(entry.subject.name)]

    def _count(self, wanted: Filter, first: int) -> int:
        if first <= self.first_seq:
            return sum(subject.count for subject in self._matching(wanted))
        return sum(wanted.matches(entry.subject.name) for _, entry in self._walk(first, self._last))

    def scan(
        self, seq: int, upto: int, filters: list[bytes], most: int, steps: int
    ) -> tuple[list[tuple[int, int, bytes]], int]:
        wanted = Filter(filter_key(filters))
        found: list[tuple[int, int, bytes]] = []
        walk = self._walk_back(seq, upto) if upto < seq else self._walk(seq, min(upto, self._last))
        for at, entry in walk:
            if len(found) >= max(most, 1) or steps <= 0:
                return found, at
            steps -= 1
            if wanted.matches(entry.subject.name):
                found.append((at, self._time(at), entry.subject.name))
        return found, 0

    def _walk_back(self, first: int, last: int) -> Iterator[tuple[int, Entry]]:
        entries, seqs = self._entries, self._seqs
        for at in range(bisect_right(seqs, first) - 1, self._head - 1, -1):
            if seqs[at] < last:
                return
            entry = entries.get(seqs[at])
            if entry is not None:
                yield seqs[at], entry

    # Cursors

    def search(self, filters: list[bytes]) -> Search:
        return Search(self, filters)

    def cursor(self, filters: list[bytes] | Patterns, seq: int) -> Cursor:
        return Cursor(self, filters, seq)

    def _filter(self, key: tuple[bytes, ...]) -> Filter:
        found = self._filters.get(key)
        if found is None:
            found = self._filters[key] = Filter(key)
            for subject in self._matching(found):
                subject.filters.append(found)
        return found

    def _forget(self, wanted: Filter) -> None:
        del self._filters[wanted.key]
        for subject in self._subjects.values():
            if wanted in subject.filters:
                subject.filters.remove(wanted)
