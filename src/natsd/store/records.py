"""What the bytes of a log directory mean: segments and records. Both forms of the log write and read exactly this.

1. A place is `segment << 32 | offset`. Places grow with the log, so a place also says how far something has come.
2. A segment begins with 64 bytes (HEAD): magic, version, its number, the store's uuid, the number and the length of the
   segment before it, 20 zero bytes, crc32 of all before.
3. A record is 40 bytes (RECORD), then EXTRA (8 bytes, where WATERMARK is set), EXTRA (8 bytes, where EXPIRES is set),
   subject, header, payload. Little endian, no padding between records:
   crc u32 over the rest, seeded with where it stands and a part of the uuid, which clients never see: neither the stale
   bytes of a recycled file validate, nor those of a record, made up or copied, in what somebody had stored;
   length u32 of the whole; kind u8; flags u8; subject length u16; header length u32; stream u32; extra u32; seq u64;
   time i64 in wall clock nanoseconds.
4. The first record of a commit carries a watermark: a place below which everything was on disk when the record was
   made. Bytes that do not validate are damage where a later record's watermark lies above them, else a torn tail.
5. A checkpoint is records with 0 as their seed, of which END is the last: per stream STREAM (seq: 0), LIVE,
   CONSUMER, CONSUMER_STATE and CONSUMER_DELTA. It stands for all of the log below a place. There are two files of it,
   and the log holds it too, in pieces (CHECKPOINT), so that no single loss takes what freed segments said.
6. A segment ends where its records stop validating, or with its file. After a crash the log goes on in a new segment;
   the torn one is cut there, and the new one's head says where that is.
7. Evictions that follow from a stream's limits are not written: who reads the log applies the limits again.
8. A payload may be packed (PACKED, see `compression`). Its message counts as it is unpacked.
9. What stands between BEGUN and ENDED is done whole or not at all: nothing of another stream stands between, and a log
   that ends there was never longer than up to BEGUN.
"""

from __future__ import annotations

import re
import struct
from typing import TYPE_CHECKING, NamedTuple
from zlib import crc32

from natsd.store.compression import unpacked_bytes
from natsd.store.contract import Limits

if TYPE_CHECKING:
    from mmap import mmap

MAGIC = b"NATSDLOG"
VERSION = 2
HEAD = struct.Struct("<8sII16sII20xI")
HEAD_BYTES = HEAD.size
RECORD = struct.Struct("<IIBBHIIIQq")
RECORD_BYTES = RECORD.size
EXTRA = struct.Struct("<Q")
LIMITS = struct.Struct("<qqqqBB")
"""as store.contract.Limits"""

ERASURE = struct.Struct("<QBIqiIQ")
"""place, kind, size, expires_ns, header length or -1, payload length, watermark"""

MESSAGE = 1
REMOVED = 2
"""payload: ranges (see render_ranges) of removed sequences"""
PURGED = 3
"""all of a stream below seq is gone"""
SKIPPED = 4
"""the last sequence is at least seq"""
STREAM = 5
"""subject: key; header: LIMITS; payload: configuration; seq: the first a new stream gives, 0 for one that is known"""
STREAM_DELETED = 6
CONSUMER = 7
"""subject: name; payload: configuration"""
CONSUMER_DELTA = 8
"""subject: name; header: ranges of removed sequences; payload: the delta"""
CONSUMER_STATE = 9
"""as CONSUMER_DELTA, and what came before it does not count"""
CONSUMER_DELETED = 10
RELOCATED = 11
"""a message whose former segment is about to be used again"""
LIMITED = 12
"""header: LIMITS that hold from here on"""
CONSUMER_FORGOTTEN = 13
"""subject: name; its deltas and states do not count, its configuration does"""
ERASED = 14
"""The bytes of a removed message are overwritten from now on; while that lasts they need not validate. subject, seq,
time: the message's; payload: ERASURE"""
LIVE = 15
"""checkpoints only. payload: ranges of the sequences a stream has; seq, time: its last"""
SEGMENT = 16
"""checkpoints only. seq: the number of a segment that is still needed; time: where its records end"""
CHECKPOINT = 18
"""payload: a part of the bytes of a checkpoint; seq: the place it stands for; time: the number of the part, from 0"""
BEGUN = 19
"""a batch of a stream begins"""
ENDED = 20
"""the batch is whole"""
END = 17
"""checkpoints only, the last record. seq: the place it stands for; stream: the number of the next stream; payload: the
store's uuid"""

KINDS = {
    MESSAGE: "message",
    REMOVED: "removed",
    PURGED: "purged",
    SKIPPED: "skipped",
    STREAM: "stream",
    STREAM_DELETED: "stream deleted",
    CONSUMER: "consumer",
    CONSUMER_DELTA: "consumer delta",
    CONSUMER_STATE: "consumer state",
    CONSUMER_DELETED: "consumer deleted",
    RELOCATED: "relocated",
    LIMITED: "limits",
    CONSUMER_FORGOTTEN: "consumer forgotten",
    ERASED: "erased",
    LIVE: "live",
    SEGMENT: "segment",
    END: "end",
    CHECKPOINT: "part of a checkpoint",
    BEGUN: "begun",
    ENDED: "ended",
}

WATERMARK = 1
HEADED = 2
"""The message has a header, be it an empty one."""
EXPIRES = 4
PACKED = 8

SPREAD = 0x9E3779B1
"""Far apart are the seeds of segments that are near each other."""
SEGMENT_BYTES = 64 << 20
MOST_BYTES = 1 << 30
"""No record is longer; what says so is damage."""


CANDIDATE = re.compile(rb"(?s)(?=.{8}[\x01-\x0e\x12-\x14][\x00-\x0f].{10}\0\0\0\0)")
"""Where a record might begin: a known kind, known flags, and four bytes that are zero."""


class Record(NamedTuple):
    """One record, wherever it came from. place: where it begins; size: its length on disk. payload: as it is there."""

    place: int
    size: int
    kind: int
    stream: int
    seq: int
    time_ns: int
    subject: bytes
    header: bytes | None
    payload: bytes
    expires_ns: int
    watermark: int
    packed: bool = False

    @property
    def payload_bytes(self) -> int:
        """The length of the payload, unpacked."""
        return unpacked_bytes(self.payload) if self.packed else len(self.payload)

    @property
    def saved_bytes(self) -> int:
        return self.payload_bytes - len(self.payload) if self.packed else 0


def place_of(segment: int, offset: int) -> int:
    return segment << 32 | offset


def segment_of(place: int) -> int:
    return place >> 32


def offset_of(place: int) -> int:
    return place & 0xFFFFFFFF


def salt_of(uuid: bytes) -> int:
    return int.from_bytes(uuid[:4], "little")


def seed_of(place: int, salt: int) -> int:
    """What the checksum of a record begins with."""
    return (segment_of(place) * SPREAD ^ offset_of(place) ^ salt) & 0xFFFFFFFF


def render_head(segment: int, uuid: bytes, before: int, before_bytes: int) -> bytes:
    head = HEAD.pack(MAGIC, VERSION, segment, uuid, before, before_bytes, 0)
    return head[:-4] + crc32(head[:-4]).to_bytes(4, "little")


def parse_head(data: bytes) -> tuple[int, bytes, int, int] | None:
    """segment, uuid, number and length of the segment before; None where these bytes are no head."""
    if len(data) < HEAD_BYTES:
        return None
    magic, version, segment, uuid, before, before_bytes, crc = HEAD.unpack_from(data)
    if magic != MAGIC or version != VERSION or crc32(data[: HEAD_BYTES - 4]) != crc:
        return None
    return segment, uuid, before, before_bytes


def render_record(
    seed: int,
    kind: int,
    stream: int,
    seq: int,
    time_ns: int,
    subject: bytes,
    header: bytes | None,
    payload: bytes,
    expires_ns: int = -1,
    watermark: int = 0,
    packed: bool = False,
) -> bytes:
    """seed: see `seed_of`; expires_ns: -1 for none; 0 says that the message ends by no clock at all."""
    flags = PACKED if packed else 0
    extra = b""
    if watermark:
        flags |= WATERMARK
        extra = EXTRA.pack(watermark)
    if expires_ns >= 0:
        flags |= EXPIRES
        extra += EXTRA.pack(expires_ns)
    if header is not None:
        flags |= HEADED
    head = header or b""
    length = RECORD_BYTES + len(extra) + len(subject) + len(head) + len(payload)
    fixed = RECORD.pack(0, length, kind, flags, len(subject), len(head), stream, 0, seq, time_ns)
    body = b"".join((fixed[4:], extra, subject, head, payload))
    return crc32(body, seed).to_bytes(4, "little") + body


def parse_record(data: bytes | memoryview | mmap, at: int, place: int, salt: int) -> Record | None:
    """The record that begins at data[at]; None where it does not validate, or has no room for what it says it has."""
    if at + RECORD_BYTES > len(data):
        return None
    crc, length, kind, flags, subject_bytes, header_bytes, stream, _, seq, time_ns = RECORD.unpack_from(data, at)
    extras = EXTRA.size * (bool(flags & WATERMARK) + bool(flags & EXPIRES))
    least = RECORD_BYTES + extras + subject_bytes + header_bytes
    if length < least or length > MOST_BYTES or at + length > len(data):
        return None
    if crc32(data[at + 4 : at + length], seed_of(place, salt)) != crc:
        return None
    where = at + RECORD_BYTES
    watermark = 0
    expires_ns = -1
    if flags & WATERMARK:
        (watermark,) = EXTRA.unpack_from(data, where)
        where += EXTRA.size
    if flags & EXPIRES:
        (expires_ns,) = EXTRA.unpack_from(data, where)
        where += EXTRA.size
    subject = bytes(data[where : where + subject_bytes])
    where += subject_bytes
    header = bytes(data[where : where + header_bytes]) if flags & HEADED else None
    where += header_bytes
    payload = bytes(data[where : at + length])
    packed = bool(flags & PACKED)
    if packed and unpacked_bytes(payload) < 0:
        return None
    return Record(place, length, kind, stream, seq, time_ns, subject, header, payload, expires_ns, watermark, packed)


def render_erasure(record: Record) -> bytes:
    """What is needed to make a message's record anew, with its bytes overwritten."""
    header_bytes = -1 if record.header is None else len(record.header)
    sizes = (header_bytes, len(record.payload), record.watermark)
    return ERASURE.pack(record.place, record.kind, record.size, record.expires_ns, *sizes)


def parse_erasure(record: Record) -> Record:
    place, kind, size, expires_ns, header_bytes, payload_bytes, watermark = ERASURE.unpack(record.payload)
    header = None if header_bytes < 0 else bytes(header_bytes)
    content = (record.seq, record.time_ns, record.subject, header, bytes(payload_bytes), expires_ns, watermark)
    return Record(place, size, kind, record.stream, *content)


def render_limits(limits: Limits) -> bytes:
    return LIMITS.pack(*limits)


def parse_limits(data: bytes | None) -> Limits:
    if not data:
        return Limits()
    msgs, size, per_subject, age_ns, discard_new, discard_new_per_subject = LIMITS.unpack(data)
    return Limits(msgs, size, per_subject, age_ns, bool(discard_new), bool(discard_new_per_subject))


def runs_of(seqs: list[int]) -> list[tuple[int, int]]:
    """(first, last) of each run of ascending sequences."""
    runs: list[tuple[int, int]] = []
    i = 0
    while i < len(seqs):
        first = last = seqs[i]
        i += 1
        while i < len(seqs) and seqs[i] <= last + 1:
            last = seqs[i]
            i += 1
        runs.append((first, last))
    return runs


def render_ranges(runs: list[tuple[int, int]]) -> bytes:
    """Runs of ascending sequences: for each its distance from the end of the one before and its length, as varints."""
    out = bytearray()
    end = 0
    for first, last in runs:
        _render_number(out, first - end)
        _render_number(out, last - first + 1)
        end = last + 1
    return bytes(out)


def parse_ranges(data: bytes) -> list[tuple[int, int]]:
    """(first, last) of each run."""
    numbers: list[int] = []
    value = shift = 0
    for byte in data:
        value |= (byte & 127) << shift
        if byte & 128:
            shift += 7
        else:
            numbers.append(value)
            value = shift = 0
    runs = []
    end = 0
    for distance, length in zip(numbers[::2], numbers[1::2], strict=True):
        first = end + distance
        end = first + length
        runs.append((first, end - 1))
    return runs


def _render_number(out: bytearray, value: int) -> None:
    while value > 127:
        out.append(value & 127 | 128)
        value >>= 7
    out.append(value)
