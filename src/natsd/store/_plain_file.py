"""Plain form of an index whose messages are kept in a log: where they lie is a place in it."""

from __future__ import annotations

from bisect import bisect_right
from itertools import islice
from typing import TYPE_CHECKING, Any

from natsd.store._plain_index import Index
from natsd.store.compression import pack
from natsd.store.contract import StoreError
from natsd.store.records import (
    MESSAGE,
    RELOCATED,
    parse_ranges,
    parse_record,
    place_of,
    render_ranges,
    runs_of,
)

if TYPE_CHECKING:
    from collections.abc import Mapping
    from mmap import mmap

    from natsd.store._plain_log import Log
    from natsd.store.records import Record

OVERHEAD = 30  # a message in a file counts for its bytes and these
HEADER_OVERHEAD = 4


class FileIndex(Index):
    """The messages of one stream, with their bytes in a log. number: the stream's in the log."""

    def __init__(self, log: Log, number: int, first_seq: int = 1) -> None:
        super().__init__(OVERHEAD, HEADER_OVERHEAD, first_seq)
        self.number = number
        self._log = log
        self.expires_ns = -1
        self.packs = False
        self.lost: list[int] = []  # found unreadable
        self.headed = False  # something had a header, of what was found or came since
        self._found = -1  # the place of a message that is in the log already
        self._late: dict[int, Record] = {}

    def _place(self, seq: int, subject: bytes, header: bytes | None, payload: bytes, time_ns: int) -> Any:
        log = self._log
        place = self._found
        if place < 0:
            block = pack(payload) if self.packs else None
            packed = block is not None
            content = (subject, header, payload if block is None else block, self.expires_ns, packed)
            place = log.append(MESSAGE, self.number, seq, time_ns, *content)
            if block is not None:
                log.save(place >> 32, len(payload) - len(block))
        log.count(place >> 32, self.size_of(subject, header, payload))
        return place

    def add(self, seq: int, name: bytes, position: Any, length: int, headed: bool, time_ns: int) -> None:
        self.headed = self.headed or headed
        super().add(seq, name, position, length, headed, time_ns)

    def _fetch(self, seq: int, position: Any, length: int) -> tuple[bytes | None, bytes]:
        found = self._log.load(position, seq)
        if found is None:
            self.lost.append(seq)
            raise StoreError(f"message {seq} of stream {self.number} cannot be read back")
        return found

    def _drop(self, seq: int, position: Any, length: int) -> None:
        self._log.count(position >> 32, -length)

    def place(self, seq: int) -> int:
        """Where a message lies; -1 where there is none."""
        entry = self._entries.get(seq)
        return -1 if entry is None else entry.position

    def move(self, seq: int, place: int, saved: int = 0) -> None:
        """A message that is there lies elsewhere from now on. saved: how much longer it would be there unpacked."""
        entry = self._entries[seq]
        self._log.save(place >> 32, saved)
        self._log.count(entry.position >> 32, -entry.length)
        self._log.count(place >> 32, entry.length)
        entry.position = place

    def replay(self, record: Record) -> None:
        """A message of the log that comes after all others: as it was appended, with what the limits make of it."""
        payload = bytes(record.payload_bytes) if record.packed else record.payload  # only its length is looked at
        self._found = record.place
        self._log.save(record.place >> 32, record.saved_bytes)
        try:
            self.append_at(record.seq, (record.subject, None, record.header, payload), record.time_ns)
        finally:
            self._found = -1
        if record.expires_ns >= 0:
            self.set_expiry(record.seq, record.expires_ns)

    def restore(self, record: Record) -> None:
        """A message that is known to be live; sequences ascend, limits are not looked at."""
        self._log.save(record.place >> 32, record.saved_bytes)
        self._know(record)

    def _know(self, record: Record) -> None:
        size = self.size_of(record.subject, record.header, b"") + record.payload_bytes
        self._log.count(record.place >> 32, size)
        self.add(record.seq, record.subject, record.place, size, bool(record.header), record.time_ns)
        if record.expires_ns >= 0:
            self.set_expiry(record.seq, record.expires_ns)

    def defer(self, record: Record) -> None:
        """A live message that was met behind others with higher sequences."""
        self._log.save(record.place >> 32, record.saved_bytes)
        self._late[record.seq] = record

    def fold(self, maps: Mapping[int, bytes | mmap]) -> None:
        """Give the messages that were met out of order their place; maps: the bytes of each segment."""
        if not self._late:
            return
        there = dict(self._walk(0, self._last))
        records = dict(self._late)
        for seq, entry in there.items():
            record = parse_record(
                maps[entry.position >> 32], entry.position & 0xFFFFFFFF, entry.position, self._log.salt
            )
            if record is not None:  # else it is being overwritten
                records.setdefault(seq, record)
        self._late = {}
        self.remove(list(there))
        self._last = self._head = 0
        self._seqs, self._runs, self._times, self._deadlines = [], [], [], []
        for _, record in sorted(records.items()):
            self._know(record)

    def resume(self, last_seq: int, last_time_ns: int) -> None:
        """Where the stream had come to, beyond what is live."""
        self._last = max(self._last, last_seq)
        self._last_time = last_time_ns

    def live_ranges(self, first: int, upto: int, most: int) -> tuple[bytes, int]:
        """The rendered ranges of the messages from one sequence up to another, `most` messages at most, and where to
        go on: 0 where that was all."""
        seqs = [seq for seq, _ in islice(self._walk(first, min(upto, self._last)), most + 1)]
        return render_ranges(runs_of(seqs[:most])), seqs[most] if len(seqs) > most else 0


class Runs:
    """A set of sequences: rendered ranges, of which each lies above the one before."""

    def __init__(self, ranges: list[bytes]) -> None:
        runs = [run for data in ranges for run in parse_ranges(data)]
        self._firsts = [first for first, _ in runs]
        self._lasts = [last for _, last in runs]
        self.count = sum(last - first + 1 for first, last in runs)

    def has(self, seq: int) -> bool:
        at = bisect_right(self._firsts, seq) - 1
        return at >= 0 and seq <= self._lasts[at]

    def without(self, index: FileIndex) -> list[tuple[int, int]]:
        """Runs of what is in the set and not in a stream."""
        runs = zip(self._firsts, self._lasts, strict=True)
        return runs_of([seq for first, last in runs for seq in range(first, last + 1) if index.place(seq) < 0])


def replay_run(
    data: bytes | mmap, at: int, stop: int, segment: int, salt: int, streams: Mapping[int, FileIndex], above: int
) -> int:
    """Take the messages that follow each other from data[at] on, as `FileIndex.replay` does, up to the first record
    that is something else, lies below a place, or does not validate. Returns where that is."""
    while at < stop and place_of(segment, at) >= above:
        record = parse_record(data, at, place_of(segment, at), salt)
        if record is None or record.kind != MESSAGE:
            break
        index = streams.get(record.stream)
        if index is None or record.seq != index.last_seq + 1:
            break
        index.replay(record)
        at += record.size
    return at


def restore_run(
    data: bytes | mmap,
    at: int,
    stop: int,
    segment: int,
    salt: int,
    streams: Mapping[int, FileIndex],
    wanted: Mapping[int, Runs],
) -> int:
    """Take the live messages (wanted: the Runs of each stream) from data[at] on, up to a record that does not validate.
    Returns where that is. See `FileIndex.fold` for those that are out of order."""
    while at < stop:
        record = parse_record(data, at, place_of(segment, at), salt)
        if record is None:
            break
        if record.kind in (MESSAGE, RELOCATED) and record.stream in wanted and wanted[record.stream].has(record.seq):
            index = streams[record.stream]
            if record.seq > index.last_seq:
                index.restore(record)
            elif index.place(record.seq) >= 0:
                index.move(record.seq, record.place, record.saved_bytes)
            else:
                index.defer(record)
        at += record.size
    return at


def relocate_run(log: Log, segment: int, at: int, stop: int, streams: Mapping[int, FileIndex]) -> int:
    """Append the live messages of a segment from one offset up to another to the log again. Returns where it ended:
    before `stop` where a record does not validate."""
    while at < stop:
        place = place_of(segment, at)
        record = parse_record(log.raw(place), 0, place, log.salt)
        if record is None:
            break
        at += record.size
        stream = streams.get(record.stream)
        if record.kind in (MESSAGE, RELOCATED) and stream is not None and stream.place(record.seq) == place:
            content = (record.time_ns, record.subject, record.header, record.payload, record.expires_ns, record.packed)
            stream.move(record.seq, log.append(RELOCATED, record.stream, record.seq, *content), record.saved_bytes)
    return at
