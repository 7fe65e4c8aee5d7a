"""What the Go server's store knows of its block files beside them: which messages in them are deleted.

`index.db` (since 2.10) is about all blocks: MAGIC and version (1 byte each), then varints: messages, bytes, first
sequence and its time, last sequence and its time; how many subjects, for each its length, itself, messages, first block
and (where there are several messages, from version 4 on always) last block; how many blocks, for each its number,
bytes, first sequence, time, last sequence, time, how many are deleted, from version 2 on one count more, from version 3
on another; where any are deleted a set; number of the last block and the hash of its last record. Times have a sign.

`N.idx` (before) is about one block: magic of a set and version, messages, bytes, first sequence, time, last sequence,
time, how many are deleted, the hash of the block's last record, and those deleted: a set in version 2, in version 1
their distances from the first. It may be older than the block; what it says of deleted messages holds all the same.

A set: MAGIC and version, number of nodes and of sequences (4 bytes each), for each node its lowest sequence (8 bytes),
a bit for each of the 2048 (version 1: 4096) from there on, and 2 bytes that do not matter here.
An `index.db` is believed only where its hash is that of the last record.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

from natsd.jetstream.backups.backup import MOST_SEQ, BackupError, Gone, uvarint, varint

if TYPE_CHECKING:
    from collections.abc import Iterator

INDEX_MAGIC, SET_MAGIC = 11, 22
LAST_VERSION = 4
HASH_BYTES = 8
SET_HEAD = struct.Struct("<BBII")
NODE_BYTES = {1: 512, 2: 256}
MOST_BYTES = 64 << 20
"""Of the part that has to be kept until its end is seen."""
MOST_RANGES = 4096
MOST_SUBJECTS = 16384
"""So many are passed over in one turn."""


class Known:
    """What is known of one block: no message of it is below first_seq or above last_seq, nor in the set."""

    __slots__ = ("first_seq", "last_seq", "number", "removed")

    def __init__(self, number: int, first_seq: int, last_seq: int, removed: bytes) -> None:
        self.number = number
        self.first_seq = first_seq
        self.last_seq = last_seq
        self.removed = removed


class Index:
    """Takes the bytes of `index.db`. What it says is there once `last_hash` is."""

    __slots__ = (
        "_blocks_left",
        "_data",
        "_kept",
        "_subjects_left",
        "_version",
        "first_seq",
        "known",
        "last_block",
        "last_hash",
        "last_seq",
    )

    def __init__(self) -> None:
        self._data = bytearray()
        self._version = 0
        self._subjects_left = self._blocks_left = -1
        self._kept = 0
        self.known: list[Known] = []
        self.first_seq = self.last_seq = self.last_block = 0
        self.last_hash = b""

    def feed(self, data: bytes) -> None:
        """Take a piece."""
        self._data += data

    def look(self) -> bool:
        """Read on for a turn; whether there may be more to read. Raises BackupError."""
        if self.last_hash:
            del self._data[:]
            return False
        try:
            return self._look()
        except IndexError:
            if len(self._data) > MOST_BYTES:
                raise BackupError("the index of its blocks makes no sense") from None
            return False

    def _look(self) -> bool:
        data = self._data
        if self._subjects_left < 0:
            self._begin()
        elif self._subjects_left:
            self._pass_subjects()
        elif self._blocks_left < 0:
            self._blocks_left, at = uvarint(data, 0)
            del data[:at]
        elif self._blocks_left:
            self._take_block()
        else:
            self.last_block, at = uvarint(data, 0)
            if len(data) < at + HASH_BYTES:
                raise IndexError
            self.last_hash = bytes(data[at : at + HASH_BYTES])
        return True

    def _begin(self) -> None:
        data = self._data
        if data[0] != INDEX_MAGIC or not 1 <= data[1] <= LAST_VERSION:
            raise BackupError("the index of its blocks is of an unknown kind")
        at = 2
        for _ in range(2):
            _, at = uvarint(data, at)
        first_seq, at = uvarint(data, at)
        _, at = varint(data, at)
        last_seq, at = uvarint(data, at)
        _, at = varint(data, at)
        subjects, at = uvarint(data, at)
        if max(first_seq, last_seq) >= MOST_SEQ:
            raise BackupError("the sequences of its index cannot be")
        self._version = data[1]
        self.first_seq, self.last_seq, self._subjects_left = first_seq, last_seq, subjects
        del data[:at]

    def _pass_subjects(self) -> None:
        data = self._data
        at = done = 0
        try:
            while done < min(self._subjects_left, MOST_SUBJECTS):
                length, end = uvarint(data, at)
                if length:
                    msgs, end = uvarint(data, end + length)
                    _, end = uvarint(data, end)
                    if msgs > 1 or self._version >= 4:
                        _, end = uvarint(data, end)
                at = end
                done += 1
        except IndexError:
            if not done:
                raise
        del data[:at]
        self._subjects_left -= done

    def _take_block(self) -> None:
        data = self._data
        number, at = uvarint(data, 0)
        _, at = uvarint(data, at)
        first_seq, at = uvarint(data, at)
        _, at = varint(data, at)
        last_seq, at = uvarint(data, at)
        _, at = varint(data, at)
        removed, at = uvarint(data, at)
        for since in (2, 3):
            if self._version >= since:
                _, at = uvarint(data, at)
        found = b""
        if removed:
            end = _set_end(data, at)
            found = bytes(data[at:end])
            at = end
        self._kept += len(found) + 100
        if self._kept > MOST_BYTES or max(first_seq, last_seq) >= MOST_SEQ:
            raise BackupError("the index of its blocks makes no sense")
        self.known.append(Known(number, first_seq, last_seq, found))
        self._blocks_left -= 1
        del data[:at]

    def gone(self) -> Iterator[Gone]:
        """What is deleted of all blocks."""
        ranges = [(0, self.first_seq - 1)]
        last = self.first_seq - 1
        for known in self.known:
            if last + 1 < known.first_seq:
                ranges.append((last + 1, known.first_seq - 1))
            last = max(last, known.last_seq)
            yield Gone(ranges)
            ranges = []
            yield from sets_as_gone(known.removed)
        yield Gone(ranges)


def parse_idx(number: int, data: bytes) -> Known:
    """What an `N.idx` says. Raises BackupError."""
    try:
        version, at = data[1], 2
        if data[0] != SET_MAGIC or version not in NODE_BYTES:
            raise BackupError("the index of a block is of an unknown kind")
        figures = []
        for kind in (uvarint, uvarint, uvarint, varint, uvarint, varint, uvarint):
            value, at = kind(data, at)
            figures.append(value)
        first_seq, last_seq, removed = figures[2] & (MOST_SEQ - 1), figures[4] & (MOST_SEQ - 1), figures[6]
        at += HASH_BYTES
        found = b""
        if removed and version == 2:
            found = data[at : _set_end(data, at)]
        elif removed:
            found = _set_of_distances(data, at, first_seq, removed)
    except IndexError:
        raise BackupError("the index of a block is cut off") from None
    return Known(number, first_seq, last_seq, found)


def _set_of_distances(data: bytes, at: int, first_seq: int, removed: int) -> bytes:
    """The old list as a set of nodes with one bit each."""
    nodes = []
    for _ in range(removed):
        distance, at = uvarint(data, at)
        if distance == 0:
            break
        nodes.append((first_seq + distance & MOST_SEQ - 1).to_bytes(8, "little") + b"\1".ljust(258, b"\0"))
        if len(nodes) * 266 > MOST_BYTES:
            raise BackupError("the index of a block makes no sense")
    return SET_HEAD.pack(SET_MAGIC, 2, len(nodes), len(nodes)) + b"".join(nodes)


def _set_end(data: bytes | bytearray, at: int) -> int:
    """Where a set ends. Raises IndexError where that is beyond the data, BackupError."""
    if len(data) < at + SET_HEAD.size:
        raise IndexError
    magic, version, nodes, _ = SET_HEAD.unpack_from(data, at)
    if magic != SET_MAGIC or version not in NODE_BYTES:
        raise BackupError("a set of deleted messages is of an unknown kind")
    end: int = at + SET_HEAD.size + nodes * (8 + NODE_BYTES[version] + 2)
    if end - at > MOST_BYTES:
        raise BackupError("a set of deleted messages makes no sense")
    if len(data) < end:
        raise IndexError
    return end


def sets_as_gone(data: bytes) -> Iterator[Gone]:
    """The ranges of a set, a bounded number at a time."""
    if not data:
        return
    _, version, nodes, _ = SET_HEAD.unpack_from(data)
    width = NODE_BYTES[version]
    ranges: list[tuple[int, int]] = []
    for node in range(nodes):
        at = SET_HEAD.size + node * (8 + width + 2)
        seq = int.from_bytes(data[at : at + 8], "little")
        bits = int.from_bytes(data[at + 8 : at + 8 + width], "little")
        while bits:
            below = (bits & -bits).bit_length() - 1
            bits >>= below
            run = (~bits & bits + 1).bit_length() - 1
            seq += below
            ranges.append((seq, seq + run - 1))
            seq += run
            bits >>= run
        if len(ranges) >= MOST_RANGES:
            yield Gone(ranges)
            ranges = []
    if ranges:
        yield Gone(ranges)
