"""Plain form of an index whose messages are kept in a log: where they lie is a place in it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from natsd.store._plain_index import Index
from natsd.store.contract import StoreError
from natsd.store.records import MESSAGE

if TYPE_CHECKING:
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
        self._expires_ns = -1
        self._found = -1  # the place of a message that is in the log already

    def _place(self, seq: int, subject: bytes, header: bytes | None, payload: bytes, time_ns: int) -> Any:
        log = self._log
        place = self._found
        if place < 0:
            place = log.append(MESSAGE, self.number, seq, time_ns, subject, header, payload, self._expires_ns)
        log.count(place >> 32, self.size_of(subject, header, payload))
        return place

    def _fetch(self, seq: int, position: Any, length: int) -> tuple[bytes | None, bytes]:
        found = self._log.load(position, seq)
        if found is None:
            raise StoreError(f"message {seq} of stream {self.number} cannot be read back")
        return found

    def _drop(self, seq: int, position: Any, length: int) -> None:
        self._log.count(position >> 32, -length)

    def place(self, seq: int) -> int:
        """Where a message lies; -1 where there is none."""
        entry = self._entries.get(seq)
        return -1 if entry is None else entry.position

    def move(self, seq: int, place: int) -> None:
        """A message that is there lies elsewhere from now on."""
        entry = self._entries[seq]
        self._log.count(entry.position >> 32, -entry.length)
        self._log.count(place >> 32, entry.length)
        entry.position = place

    def replay(self, record: Record) -> None:
        """A message of the log that comes after all others: as it was appended, with what the limits make of it."""
        self._found = record.place
        try:
            self.append_at(record.seq, (record.subject, None, record.header, record.payload), record.time_ns)
        finally:
            self._found = -1
        if record.expires_ns >= 0:
            self.set_expiry(record.seq, record.expires_ns)

    def restore(self, record: Record) -> None:
        """A message that is known to be live; sequences ascend, limits are not looked at."""
        size = self.size_of(record.subject, record.header, record.payload)
        self._log.count(record.place >> 32, size)
        self.add(record.seq, record.subject, record.place, size, bool(record.header), record.time_ns)
        if record.expires_ns >= 0:
            self.set_expiry(record.seq, record.expires_ns)

    def resume(self, last_seq: int, last_time_ns: int) -> None:
        """Where the stream had come to, beyond what is live."""
        self._last = max(self._last, last_seq)
        self._last_time = last_time_ns

    def live_runs(self) -> list[tuple[int, int]]:
        """(first, last) of each run of sequences that are there."""
        runs: list[tuple[int, int]] = []
        first = last = 0
        for seq, _ in self._walk(0, self._last):
            if first and seq == last + 1:
                last = seq
                continue
            if first:
                runs.append((first, last))
            first = last = seq
        if first:
            runs.append((first, last))
        return runs
