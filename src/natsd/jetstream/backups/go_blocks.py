"""Block files of the Go server's store (N.blk): records in a row, as they were stored.

Layout of a record, little endian: length of all of it (4 bytes, the highest bit set where there is a header), sequence
(8), time (8), length of the subject (2), subject, where there is one the header's length (4) and the header, payload,
HighwayHash of everything but the lengths (8) under the SHA-256 of `STREAM-N`.
1. The highest bit of a sequence, or no sequence at all: the message was erased.
2. The next bit: a tombstone. The message of that sequence, which came before, is deleted. One that is higher than all
   messages says what the last sequence was.
3. What is not above the sequence before it counts for nothing.
"""

from __future__ import annotations

import struct
from hashlib import sha256
from typing import TYPE_CHECKING

from natsd.jetstream.backups.backup import BATCH_BYTES, MOST_MESSAGE, BackupError, Gone
from natsd.store import highway

if TYPE_CHECKING:
    from natsd.store.contract import Message

RECORD = struct.Struct("<IQqH")
HASH_BYTES = 8
LEAST_BYTES = RECORD.size + HASH_BYTES
MOST_AROUND = LEAST_BYTES + 4 + 0xFFFF
"""What a record may have beside header and payload."""
MOST_RECORDS = 64
HEADED = 1 << 31
ERASED, TOMBSTONE = 1 << 63, 1 << 62


class Block:
    """Takes the bytes of one block file.

    last_seq: the highest of messages and of erased ones; tombstone: the highest that was deleted. last_hash: of the
    last record, empty where there is none.
    """

    __slots__ = ("_data", "_gone", "_key", "_most", "_number", "last_hash", "last_seq", "tombstone")

    def __init__(self, stream: str, number: int, most_bytes: int = MOST_MESSAGE) -> None:
        self._most = most_bytes + MOST_AROUND
        self._number = number
        self._key = sha256(f"{stream}-{number}".encode()).digest()
        self._data = bytearray()
        self._gone: list[tuple[int, int]] = []
        self.last_seq = self.tombstone = 0
        self.last_hash = b""

    def feed(self, data: bytes) -> None:
        """Take a piece."""
        self._data += data

    def take(self) -> list[Message] | Gone | None:
        """The next messages, or what went of those so far. Raises BackupError."""
        if self._gone:
            gone, self._gone = self._gone, []
            return Gone(gone)
        data = self._data
        messages: list[Message] = []
        at = 0
        records = 0
        while records < MOST_RECORDS and at < BATCH_BYTES and len(data) - at >= RECORD.size:
            length, seq, time_ns, subject_bytes = RECORD.unpack_from(data, at)
            headed = length & HEADED
            length &= HEADED - 1
            if length < LEAST_BYTES + subject_bytes + (4 if headed else 0):
                raise self._damage("a record has an impossible length")
            if length > self._most:
                raise self._damage("a message is longer than this server takes, or the record has an impossible length")
            if len(data) - at < length:
                break
            message = self._parse(bytes(data[at : at + length]), seq, time_ns, subject_bytes, bool(headed))
            if message is not None:
                messages.append(message)
            at += length
            records += 1
        del data[:at]
        if messages or (not records and not self._gone):
            return messages or None
        gone, self._gone = self._gone, []
        return Gone(gone)

    def end(self) -> None:
        """The file ends here. Raises BackupError."""
        if self._data:
            raise self._damage("it is cut off")

    def _damage(self, text: str) -> BackupError:
        return BackupError(f"block {self._number} is damaged: {text}")

    def _parse(self, record: bytes, seq: int, time_ns: int, subject_bytes: int, headed: bool) -> Message | None:
        name_end = RECORD.size + subject_bytes
        start = name_end + 4 if headed else name_end
        check = record[-HASH_BYTES:]
        if highway(self._key, record[4:20] + record[RECORD.size : name_end] + record[start:-HASH_BYTES]) != check:
            raise self._damage(f"the hash of message {seq & (TOMBSTONE - 1)} does not match")
        self.last_hash = check
        if seq & TOMBSTONE:
            seq &= TOMBSTONE - 1
            self._gone.append((seq, seq))
            self.tombstone = max(self.tombstone, seq)
            return None
        erased = seq == 0 or seq & ERASED
        seq &= ERASED - 1
        if seq <= self.last_seq:
            return None
        self.last_seq = seq
        if erased:
            return None
        header = None
        if headed:
            header_bytes = int.from_bytes(record[name_end:start], "little")
            if header_bytes > len(record) - HASH_BYTES - start:
                raise self._damage(f"the header of message {seq} is longer than all of it")
            header = record[start : start + header_bytes] or None
            start += header_bytes
        return seq, record[RECORD.size : name_end], header, record[start:-HASH_BYTES], time_ns
