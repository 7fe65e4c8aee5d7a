"""Opening a log directory: what its checkpoint and its records say, and what of them cannot be read.

1. Below the checkpoint's place a message counts if the checkpoint says it is live; where its record lies, the scan of
   the segments finds. From there on every record is done again in its order.
2. Bytes that do not validate are skipped and reported where they had been on disk once (a later watermark, or the
   checkpoint, lies above them); else they are the torn end of the log: it is cut there, and nothing behind it counts.
   A batch that the log ends in is cut with it.
3. Nothing is deleted because something else cannot be read, nor because it cannot be read itself: where the system
   refuses to read (too many open files, no memory, a failing disk) opening ends with an error and changes nothing, a
   file is made shorter only at a torn end, and a segment with bytes that do not validate is not used again.
"""

from __future__ import annotations

import mmap
import os
import re
import struct
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from natsd.store import Runs, next_record, replay_run, restore_run, skip_run, survey
from natsd.store.checkpoint import CHECKPOINTS, parse_checkpoint
from natsd.store.contract import StoreError
from natsd.store.records import (
    BEGUN,
    CHECKPOINT,
    CONSUMER,
    CONSUMER_DELETED,
    CONSUMER_DELTA,
    CONSUMER_FORGOTTEN,
    CONSUMER_STATE,
    END,
    ENDED,
    ERASED,
    HEAD_BYTES,
    LIMITED,
    LIVE,
    MESSAGE,
    PURGED,
    RELOCATED,
    REMOVED,
    SEGMENT,
    SKIPPED,
    STREAM,
    STREAM_DELETED,
    Record,
    offset_of,
    parse_erasure,
    parse_head,
    parse_limits,
    parse_ranges,
    parse_record,
    place_of,
    salt_of,
    segment_of,
)

LOCK = "LOCK"
"""Locked by who has the store; holds its uuid, for when no segment can say it."""
UUID_BYTES = 16
OPEN_MAPS = 16
READ_BYTES = 1 << 20

if TYPE_CHECKING:
    from collections.abc import Iterator

    from natsd.store.file import FileStore, FileStream


class Damage(NamedTuple):
    """Something that could not be read. first_seq, last_seq: what a stream lost by it, 0 where that is not known."""

    text: str
    stream: str = ""
    first_seq: int = 0
    last_seq: int = 0


class Maps(dict[int, "bytes | mmap.mmap"]):
    """The bytes of each segment. Every map takes an open file: only some are kept, whoever uses one holds it.

    A disk that cannot give a byte would end the process where a map is read; so all is read in the ordinary way first.
    """

    def __init__(self, directory: str) -> None:
        self._directory = directory
        self._buffer = bytearray(READ_BYTES)

    def __missing__(self, segment: int) -> bytes | mmap.mmap:
        while len(self) >= OPEN_MAPS:
            del self[next(iter(self))]
        try:
            with open(os.path.join(self._directory, f"{segment:08d}.seg"), "rb") as file:
                if os.fstat(file.fileno()).st_size < HEAD_BYTES:
                    data: bytes | mmap.mmap = file.read()
                else:
                    while os.readv(file.fileno(), [self._buffer]):
                        pass
                    data = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        except OSError as error:
            raise StoreError(f"{self._directory}: segment {segment} cannot be read: {error.strerror}") from error
        self[segment] = data
        return data


class Recovery:
    """One opening of a directory. `replay` fills a store; after that the other attributes say where the log goes on.

    Nothing is changed on disk but by `tidy` and `finish`.
    """

    def __init__(self, directory: str) -> None:
        self.directory = directory
        self.damage: list[Damage] = []
        self.uuid = b""
        self.segments = self._list()
        self.checkpoint, self.place = self._read_checkpoint()
        self._heads: dict[int, tuple[int, bytes, int, int] | None] = {}
        for segment in self.segments:
            try:
                with open(self._path(segment), "rb") as file:
                    head = parse_head(file.read(HEAD_BYTES))
            except OSError as error:
                raise StoreError(f"{directory}: segment {segment} cannot be read: {error.strerror}") from error
            if head is not None and head[0] != segment:
                head = None
            self._heads[segment] = head
            if head is not None:
                self.uuid = head[1]
        self.uuid = self.uuid or self._noted_uuid()
        self._salt = salt_of(self.uuid)
        self._maps = Maps(directory)
        self._torn = 0  # the segment in which the log ends before its file does
        self.damaged: set[int] = set()  # segments with bytes that should be readable and are not
        self._known_ends: dict[int, int] = {}
        freed = bool(self.segments) and list(self.segments) != list(range(1, len(self.segments) + 1))
        if freed and not self.checkpoint:
            self._search_checkpoint()
        newest = max(self.segments, default=0)
        self.next_segment = max(newest, segment_of(max(self.place - 1, 0))) + 1
        self.last_segment = newest
        self.last_bytes = self.segments.get(newest, 0)
        self._surveyed = (0, 0)
        self._highest = 0
        self._erasures: dict[int, Record] = {}
        self._known_ends = {record.seq: record.time_ns for record in self.checkpoint if record.kind == SEGMENT}
        self._dropped: list[int] = []
        self._ends: dict[int, tuple[int, int]] = {}
        self._by_number: dict[int, FileStream] = {}
        self._suspect: set[int] = set()  # streams not heard of since the last damage

    def _noted_uuid(self) -> bytes:
        """Whose log it is, where no segment says so; a new one where there is no log. Raises StoreError."""
        if self.checkpoint and len(self.checkpoint[-1].payload) == UUID_BYTES:
            return self.checkpoint[-1].payload
        try:
            noted = bytes.fromhex(Path(self.directory, LOCK).read_text("ascii"))
        except (FileNotFoundError, ValueError):
            noted = b""
        except OSError as error:
            raise StoreError(f"{self.directory}: {LOCK}: {error.strerror}") from error
        if len(noted) != UUID_BYTES and self.segments:
            raise StoreError(f"{self.directory}: no segment has a head that can be read, and {LOCK} does not help")
        return noted if len(noted) == UUID_BYTES else os.urandom(UUID_BYTES)

    def _note_uuid(self) -> None:
        path, data = Path(self.directory, LOCK), self.uuid.hex().encode()
        fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o640)
        try:
            if os.pread(fd, len(data) + 1, 0) != data:
                os.ftruncate(fd, 0)
                os.pwrite(fd, data, 0)
                os.fsync(fd)
        finally:
            os.close(fd)

    def _path(self, segment: int) -> str:
        return os.path.join(self.directory, f"{segment:08d}.seg")

    def _list(self) -> dict[int, int]:
        """The segments, and how many bytes their files have."""
        found: dict[int, int] = {}
        spares = []
        try:
            for entry in sorted(os.scandir(self.directory), key=lambda entry: entry.name):
                if re.fullmatch(r"\d{8,}\.seg", entry.name):
                    found[int(entry.name[:-4])] = entry.stat().st_size
                elif entry.name.startswith("spare-"):
                    spares.append(entry.name)
        except OSError as error:
            raise StoreError(f"{self.directory}: {error.strerror}") from error
        self._spares = spares
        return dict(sorted(found.items()))

    def tidy(self) -> int:
        """Number the files that may be used again from 1 on, and drop unfinished ones. Returns how many there are."""
        for path in Path(self.directory).glob("coming*"):
            path.unlink()
        number = 0
        for path in [Path(self.directory, name) for name in self._spares]:
            with path.open("rb") as file:
                head = parse_head(file.read(HEAD_BYTES))
            if head is not None and head[0] >= self.next_segment:
                # It was a segment whose name did not outlive a crash. Under that name its old records would validate.
                path.unlink()
                continue
            number += 1
            path.rename(Path(self.directory, f"spare-{number:08d}"))
        return number

    # The checkpoint

    def _read_checkpoint(self) -> tuple[list[Record], int]:
        best: tuple[list[Record], int] = ([], 0)
        unreadable = []
        refused = ""
        for name in CHECKPOINTS:
            try:
                data = Path(self.directory, name).read_bytes()
            except FileNotFoundError:
                continue
            except OSError as error:
                refused = f"{name}: {error.strerror}"
                unreadable.append(refused)
                continue
            found = parse_checkpoint(data)
            if found is None:
                unreadable.append(f"{name} is damaged")
            elif found[1] > best[1]:
                best = found
        if refused and not best[1]:
            raise StoreError(f"{self.directory}: {refused}")
        for text in unreadable:
            self.damage.append(Damage(text))
        return best

    def _search_checkpoint(self) -> None:
        """Take the newest whole checkpoint out of the log itself: there is no file of one that can be read."""
        pieces: dict[int, dict[int, bytes]] = {}
        whole = 0  # the log validates from here on
        for segment in self.segments:
            data = self._maps[segment]
            _, marked, gap = survey(data, HEAD_BYTES, segment, self._salt)
            for at in marked:
                record = parse_record(data, at, place_of(segment, at), self._salt)
                if record is None or record.kind != CHECKPOINT:
                    continue
                if at > gap:
                    whole = place_of(segment, at)
                parts = pieces.setdefault(record.seq, {})
                parts[record.time_ns] = record.payload
                found = parse_checkpoint(b"".join(parts.get(number, b"") for number in range(len(parts))))
                if found is not None and found[1] > self.place and whole <= found[1]:
                    self.checkpoint, self.place = found
            if gap < self._end(segment, len(data)):
                whole = place_of(segment + 1, 0)
        text = "both checkpoints are missing"
        if self.checkpoint:
            text += "; the one in the log is used"
        else:
            text += "; messages that were removed may be there again"
        self.damage.append(Damage(text))

    # The log

    def replay(self, store: FileStore) -> None:
        """Make the streams of a store as they were."""
        self._by_number = store.by_number
        live = self._replay_checkpoint(store)
        for segment in self._missing():
            self.damage.append(Damage(f"segment {segment} is missing"))
        self._replay_live(live)
        before = segment_of(self.place)
        for segment in [number for number in self.segments if number >= before]:
            if segment > before + 1 and segment - 1 not in self.segments:
                if self.was_synced(before + 1, 0):
                    self._suspect = set(self._by_number)
                else:
                    self._cut(before + 1, 0)
            if segment not in self.segments:
                break
            for record in self.records(segment, report=True, replay=True):
                if record.place >= self.place:
                    self._again(store, record)
            before = segment
        for stream in self._by_number.values():
            stream.quiet = False
            if not stream.key:
                text = f"the configuration of stream {stream.number} is lost; its {stream.state.msgs} messages are kept"
                self.damage.append(Damage(text))

    def _missing(self) -> list[int]:
        """Segments that must be there and are not."""
        needed = {record.seq for record in self.checkpoint if record.kind == SEGMENT}
        if offset_of(self.place):
            needed.add(segment_of(self.place))
        for segment in self.segments:
            before = segment - 1
            if before not in self.segments and before > segment_of(self.place) and self.was_synced(before, 0):
                needed.add(before)
        return sorted(needed - set(self.segments))

    def _replay_checkpoint(self, store: FileStore) -> dict[int, list[bytes]]:
        """Everything but the messages; returns the ranges of live sequences by stream."""
        live: dict[int, list[bytes]] = {}
        for record in self.checkpoint:
            if record.kind == LIVE:
                live.setdefault(record.stream, []).append(record.payload)
                if record.seq:
                    self._ends[record.stream] = record.seq, record.time_ns
            elif record.kind == END:
                store.next_number = max(store.next_number, record.stream)
            elif record.kind != SEGMENT:
                self._again(store, record)
        return live

    def _replay_live(self, live: dict[int, list[bytes]]) -> None:
        """Find the messages the checkpoint knows of."""
        wanted = {number: Runs(ranges) for number, ranges in live.items()}
        for segment in list(self.segments):
            below = segment <= segment_of(self.place)
            if not below and all(self._has(number, runs) for number, runs in wanted.items()):
                break  # else a copy of what was not found may lie further on
            # A segment that was given back may be there again, without the one that says where it ends.
            report = segment in self._known_ends and segment < segment_of(self.place)
            for record in self.records(segment, report=report, wanted=wanted):
                if below and record.place >= self.place:
                    break
                # What comes here of messages is being overwritten; its removal follows.
                if record.kind in (MESSAGE, RELOCATED) and record.stream in wanted:
                    stream = self._by_number[record.stream]
                    if wanted[record.stream].has(record.seq) and record.seq > stream.last_seq:
                        stream.restore(record)
                    elif wanted[record.stream].has(record.seq):
                        stream.defer(record)
        for number, runs in wanted.items():
            stream = self._by_number[number]
            stream.fold(self._maps)
            stream.resume(*self._ends.get(number, (0, 0)))
            for first, last in runs.without(stream):
                text = f"stream {stream.key!r} lost messages {first} to {last}"
                self.damage.append(Damage(text, stream.key, first, last))

    def _has(self, number: int, runs: Runs) -> bool:
        stream = self._by_number[number]
        stream.fold(self._maps)
        return stream.state.msgs == runs.count

    def _again(self, store: FileStore, record: Record) -> None:
        """Do again what a record says. StoreError where its bytes are those that were written and make no sense."""
        try:
            self._apply(store, record)
        except (ValueError, OverflowError, struct.error) as error:
            where = (
                f"segment {segment_of(record.place)}, byte {offset_of(record.place)}" if record.place else "checkpoint"
            )
            text = f"{where}: a record of kind {record.kind} makes no sense: {error}"
            raise StoreError(f"{self.directory}: {text}") from error

    def _apply(self, store: FileStore, record: Record) -> None:
        kind = record.kind
        stream = store.by_number.get(record.stream)
        if kind == STREAM:
            key = record.subject.decode()
            if stream is None:
                stream = store.admit(record.stream, key, record.seq or 1)
            elif not stream.key:
                store.name(stream, key)
            stream.config = record.payload
            stream.set_limits(parse_limits(record.header))
            return
        if kind == STREAM_DELETED:
            if stream is not None:
                store.dismiss(stream)
            return
        if stream is None:
            if kind not in (MESSAGE, RELOCATED):
                return
            stream = store.admit(record.stream, "", record.seq)
        if kind == MESSAGE:
            if record.seq > stream.last_seq:
                self._gap(stream, record.seq)
                stream.replay(record)
        elif kind == RELOCATED:
            if stream.place(record.seq) >= 0:
                stream.move(record.seq, record.place, record.saved_bytes)
            elif record.seq > stream.last_seq:
                stream.replay(record)
        else:
            redo(stream, record)

    def _gap(self, stream: FileStream, seq: int) -> None:
        """Say what a stream lost, where bytes could not be read since it was last heard of."""
        if stream.number not in self._suspect:
            return
        self._suspect.discard(stream.number)
        if seq > stream.last_seq + 1:
            first, last = stream.last_seq + 1, seq - 1
            text = f"stream {stream.key!r} lost messages {first} to {last}, or had none there"
            self.damage.append(Damage(text, stream.key, first, last))

    def ends(self) -> dict[int, int]:
        """The segments there are after `replay`, and where the records of each end."""
        return {
            segment: self.last_bytes if segment == self.last_segment else self._end(segment, size)
            for segment, size in self.segments.items()
        }

    def finish(self) -> None:
        """Have on disk what was found: the log cut where it is torn, what was never synced gone, the rest synced."""
        self._note_uuid()
        for segment in self._dropped:
            os.unlink(self._path(segment))
        for segment in self.segments:
            if segment < segment_of(self.place):
                continue
            fd = os.open(self._path(segment), os.O_RDWR | os.O_CLOEXEC)
            try:
                if segment == self._torn and self.last_bytes < os.fstat(fd).st_size:
                    os.ftruncate(fd, self.last_bytes)
                os.fsync(fd)
            finally:
                os.close(fd)
        fd = os.open(self.directory, os.O_RDONLY)
        try:
            os.fsync(fd)
        finally:
            os.close(fd)

    # Reading segments

    def records(
        self, segment: int, *, report: bool, replay: bool = False, wanted: dict[int, Runs] | None = None
    ) -> Iterator[Record]:
        """The records of a segment in their order. Cuts the log where it is torn.

        replay, wanted: messages that need nothing else are taken on the way, and do not come (see `replay_run`,
        `restore_run`)."""
        data = self._maps[segment]
        end = self._end(segment, len(data))
        stop = min(end, len(data))
        at = HEAD_BYTES
        if self._heads[segment] is None:
            if not self.was_synced(segment, 0):
                self._cut(segment, 0)
                return
            self._lost(segment, 0, min(stop, HEAD_BYTES), report)
        while at < stop:
            if replay:
                at = replay_run(data, at, stop, segment, self._salt, self._by_number, self.place)
            elif wanted is not None:
                end_of_run = offset_of(self.place) if segment == segment_of(self.place) else stop
                at = restore_run(data, at, min(stop, end_of_run), segment, self._salt, self._by_number, wanted)
            record = parse_record(data, at, place_of(segment, at), self._salt)
            if record is not None:
                if replay and record.kind == BEGUN and record.place >= self.place and not self._is_whole(record):
                    self._cut(segment, at)
                    return
                yield record
                at += record.size
                continue
            if at == stop:
                break
            record = self._erasure(segment, at)
            if record is not None:
                yield record
                at += record.size
                continue
            if not self.was_synced(segment, at):
                self._cut(segment, at)
                return
            following = next_record(data, at + 1, stop, segment, self._salt)
            self._lost(segment, at, stop if following < 0 else following, report)
            at = stop if following < 0 else following
        if end > stop:
            if not self.was_synced(segment, stop):
                self._cut(segment, stop)
                return
            self._lost(segment, stop, end, report)
        if segment == self.last_segment:
            self.last_bytes = at

    def _is_whole(self, begun: Record) -> bool:
        """Whether a batch is whole. Where something cannot be read that could once, what is left of it counts."""
        at = offset_of(begun.place) + begun.size
        for segment in range(segment_of(begun.place), max(self.segments) + 1):
            if segment not in self.segments or self._heads[segment] is None:
                return self.was_synced(segment, 0)
            data = self._maps[segment]
            end = self._end(segment, len(data))
            stop = min(end, len(data))
            while at < stop:
                at = skip_run(data, at, stop, segment, self._salt, begun.stream)
                record = parse_record(data, at, place_of(segment, at), self._salt) if at < stop else None
                if record is None:
                    break
                if record.kind == ENDED or record.stream != begun.stream:
                    return True
                at += record.size
            if at < end:
                return self.was_synced(segment, at) or self._erasure(segment, at) is not None
            at = HEAD_BYTES
        return False

    def _end(self, segment: int, size: int) -> int:
        """How far a segment was written, as the one behind it says."""
        for head in self._heads.values():
            if head is not None and head[2] == segment:
                return head[3]
        if segment in self._known_ends and segment < segment_of(self.place):
            return self._known_ends[segment]
        if segment == segment_of(self.place):
            return max(size, offset_of(self.place))
        return size

    def was_synced(self, segment: int, at: int) -> bool:
        """Does something say that the bytes there had been on disk?"""
        place = place_of(segment, at)
        return place < self.place or self._above(segment, at)[0] > place

    def _erasure(self, segment: int, at: int) -> Record | None:
        """The message there, where its bytes were being overwritten."""
        return self._above(segment, at)[1].get(place_of(segment, at))

    def _above(self, segment: int, at: int) -> tuple[int, dict[int, Record]]:
        """The highest watermark behind a place that does not validate, and what is being overwritten, by place."""
        if self._surveyed != (segment, at):
            self._surveyed = segment, at
            self._highest = 0
            self._erasures = {}
            for number in [number for number in self.segments if number >= segment]:
                data = self._maps[number]
                highest, marked, _ = survey(data, at + 1 if number == segment else HEAD_BYTES, number, self._salt)
                self._highest = max(self._highest, highest)
                for where in marked:
                    record = parse_record(data, where, place_of(number, where), self._salt)
                    if record is not None and record.kind == ERASED:
                        erasure = parse_erasure(record)
                        self._erasures[erasure.place] = erasure
        return self._highest, self._erasures

    def _lost(self, segment: int, at: int, end: int, report: bool) -> None:
        self.damaged.add(segment)
        if report:
            self.damage.append(Damage(f"segment {segment}: bytes {at} to {end} are damaged"))
        if segment >= segment_of(self.place):
            self._suspect = set(self._by_number)

    def _cut(self, segment: int, at: int) -> None:
        """The log ends here; what lies behind was never on disk for certain."""
        for later in [number for number in self.segments if number > segment or (number == segment and not at)]:
            self._dropped.append(later)
            del self.segments[later]
        self.last_segment = max(self.segments, default=0)
        if at and segment in self.segments:
            self._torn, self.last_bytes = segment, at
            self.segments[segment] = at
        elif self.last_segment:
            self.last_bytes = self._end(self.last_segment, self.segments[self.last_segment])
        else:
            self.last_bytes = 0


def redo(stream: FileStream, record: Record) -> None:
    """What a record that is no message does to its stream."""
    kind, name = record.kind, record.subject.decode()
    if kind == REMOVED:
        stream.remove(in_runs(stream, record.payload))
    elif kind == PURGED:
        stream.purge(upto=record.seq)
    elif kind == SKIPPED:
        stream.skip(record.seq)
    elif kind == LIMITED:
        stream.set_limits(parse_limits(record.header))
    elif kind == CONSUMER:
        stream.consumer_configs[name] = record.payload
    elif kind in (CONSUMER_DELTA, CONSUMER_STATE):
        gone = in_runs(stream, record.header) if record.header else None
        stream.save_consumer(name, record.payload, checkpoint=kind == CONSUMER_STATE, removed=gone)
    elif kind == CONSUMER_FORGOTTEN:
        stream.forget_consumer(name)
    elif kind == CONSUMER_DELETED:
        stream.forget_consumer(name)
        stream.consumer_configs.pop(name, None)


def in_runs(stream: FileStream, data: bytes) -> list[int]:
    """The sequences of rendered ranges that a stream has."""
    there = [(max(first, stream.first_seq), min(last, stream.last_seq)) for first, last in parse_ranges(data)]
    return [seq for first, last in there for seq in range(first, last + 1) if stream.place(seq) >= 0]
