"""Plain form of the log of a store directory: one file after another, one order for everything, one sync for many.

1. The loop thread encodes and writes; a helper process waits for the disk (see `_sync_helper`).
2. What was appended while a sync runs is the next commit. A commit is written, then synced, then `durable` grows.
3. A write or a sync that fails stops the log for ever: nothing is tried again, nothing more becomes durable.
4. What needs the disk to have come to a place first (using a file again, overwriting, a checkpoint) waits its turn.
Layout: `records`.
"""

from __future__ import annotations

import errno
import os
import select
import socket
import subprocess
import sys
from contextlib import suppress
from typing import TYPE_CHECKING

from natsd.store import _sync_helper
from natsd.store.compression import unpack
from natsd.store.contract import StoreError
from natsd.store.records import (
    HEAD_BYTES,
    RECORD,
    RECORD_BYTES,
    SEGMENT_BYTES,
    offset_of,
    parse_record,
    place_of,
    render_head,
    render_record,
    salt_of,
    seed_of,
    segment_of,
)

if TYPE_CHECKING:
    from collections.abc import Callable

SPARES = 4
"""Files that wait to be used again."""
HELPER_ENDED = "the process that waits for the disk has ended"
OPEN_FILES = 64
TOO_MANY = (errno.EMFILE, errno.ENFILE)

STEP_BYTES = 1 << 17
"""By how much a file that is written in small pieces grows at a time."""


class Disk:
    """The system calls of a log on one directory. Tests put another one in its place."""

    def __init__(self, directory: str, sync_interval_s: float) -> None:
        self._directory = directory
        self._fd = os.open(directory, os.O_RDONLY | os.O_CLOEXEC)
        self._reserve: int | None = os.dup(self._fd)
        self._road, theirs = socket.socketpair()
        script = _sync_helper.__file__
        arguments = [sys.executable, "-I", "-S", script, str(theirs.fileno()), str(sync_interval_s)]
        # In a session of its own: what a terminal sends to the group of the server is not for it.
        self._helper = subprocess.Popen(
            arguments, pass_fds=[theirs.fileno()], stdin=subprocess.DEVNULL, start_new_session=True
        )
        theirs.close()
        self._road.setblocking(True)

    def fileno(self) -> int:
        return self._road.fileno()

    def open(self, name: str) -> int:
        """A file to write to, made where there is none; it is synced from now on."""
        path = os.path.join(self._directory, name)
        new = not os.path.exists(path)
        fd = self._reach(path, os.O_CREAT)
        self._send(b"f", 0, fd)
        if new:
            self._send(b"d", 0, self._fd)
        return fd

    def _reach(self, path: str, flags: int) -> int:
        """Open a file to write to. That clients have taken all files a process may have open says nothing of the disk:
        one more is kept for that."""
        flags |= os.O_RDWR | os.O_CLOEXEC
        try:
            return os.open(path, flags, 0o640)
        except OSError as error:
            if error.errno not in TOO_MANY or self._reserve is None:
                raise
        os.close(self._reserve)
        self._reserve = None
        return os.open(path, flags, 0o640)

    def _let_go(self, fd: int) -> None:
        os.close(fd)
        if self._reserve is None:
            with suppress(OSError):  # there is still no room
                self._reserve = os.dup(self._fd)

    def write(self, fd: int, data: bytes | memoryview, at: int) -> None:
        view = memoryview(data)
        while view:
            done = os.pwrite(fd, view, at)
            if not done:
                raise OSError(errno.EIO, "nothing could be written")
            view, at = view[done:], at + done

    def rename(self, old: str, new: str) -> None:
        os.rename(os.path.join(self._directory, old), os.path.join(self._directory, new))
        self._send(b"d", 0, self._fd)

    def unlink(self, name: str) -> None:
        os.unlink(os.path.join(self._directory, name))

    def sync_directory(self) -> None:
        os.fsync(self._fd)

    def patch(self, name: str, data: bytes, at: int) -> None:
        """Overwrite bytes of a file at once."""
        fd = self._reach(os.path.join(self._directory, name), 0)
        try:
            self.write(fd, data, at)
            os.fsync(fd)
        finally:
            self._let_go(fd)

    def put(self, name: str, data: bytes) -> None:
        """A file that is there as a whole, or as it was."""
        coming = os.path.join(self._directory, "coming-checkpoint")
        fd = self._reach(coming, os.O_CREAT | os.O_TRUNC)
        try:
            self.write(fd, data, 0)
            os.fsync(fd)
        finally:
            self._let_go(fd)
        os.rename(coming, os.path.join(self._directory, name))
        os.fsync(self._fd)

    def ask(self, what: bytes, place: int) -> None:
        """Have everything written so far synced ("s") or only answered ("w")."""
        self._send(what, place)

    def answers(self, wait_s: float = 0) -> list[tuple[bytes, int, int]]:
        """(what, place, error number) of what was asked and is done."""
        found: list[tuple[bytes, int, int]] = []
        while select.select([self._road], [], [], 0 if found else wait_s)[0]:
            data = self._road.recv(_sync_helper.ANSWER.size, socket.MSG_WAITALL)
            if len(data) < _sync_helper.ANSWER.size:
                raise OSError(errno.EIO, HELPER_ENDED)
            found.append(_sync_helper.ANSWER.unpack(data))
        return found

    def close(self) -> None:
        self._road.close()
        self._helper.wait()
        os.close(self._fd)
        if self._reserve is not None:
            os.close(self._reserve)

    def _send(self, what: bytes, place: int, fd: int | None = None) -> None:
        data = _sync_helper.REQUEST.pack(what, place)
        try:
            if fd is None:
                self._road.sendall(data)
            else:
                socket.send_fds(self._road, [data], [fd])
        except ConnectionError as error:
            raise OSError(error.errno, HELPER_ENDED) from error


class Log:
    """See the module. It begins with a new segment, at the first record.

    spares: how many files spare-00000001 and so on may be used again. sync_interval_s: 0 syncs before anything is
    durable; else what was written counts, and is synced that often.
    """

    def __init__(
        self,
        directory: str,
        uuid: bytes,
        segment: int,
        *,
        segment_bytes: int = SEGMENT_BYTES,
        sync_interval_s: float = 0,
        cache_bytes: int = 32 << 20,
        spares: int = 0,
    ) -> None:
        self.directory = directory
        self.uuid = uuid
        self.salt = salt_of(uuid)
        self.failure = ""
        self.durable = self.synced = place_of(segment, 0)
        self.syncs = self.writes = 0
        self._ask = b"w" if sync_interval_s else b"s"
        self._segment_bytes = segment_bytes
        self._cache_bytes = cache_bytes
        self._spares = [f"spare-{number:08d}" for number in range(1, spares + 1)]
        self._spare_number = spares
        self._before = (0, 0)
        self.sealed: list[tuple[int, int]] = []
        self._marked = 0
        self._live: dict[int, int] = {}
        self._saved: dict[int, int] = {}
        self._pending: list[bytes] = []
        self._pending_from = place_of(segment, 0)
        self._pending_bytes = 0
        self._asked_bytes = 0
        self._asked = False
        self._recent: dict[int, bytes] = {}
        self._recent_bytes = 0
        self._orders: list[tuple[int, Callable[[], None]]] = []
        self._files: dict[int, int] = {}
        self._out: tuple[int, int] | None = None  # segment, file
        self._out_bytes = 0
        self._disk = Disk(directory, sync_interval_s)
        self._segment = segment
        self._offset = 0

    def follow(self, segment: int, end: int) -> None:
        """What the first segment comes after, and where that ends."""
        self._before = segment, end

    def fileno(self) -> int:
        """Becomes readable when the disk has come further; see settle."""
        return self._disk.fileno()

    @property
    def position(self) -> int:
        return place_of(self._segment, self._offset)

    @property
    def segment(self) -> int:
        return self._segment

    sealed: list[tuple[int, int]]
    """Segments that are full, and how long they are; whoever reads it takes them out."""

    @property
    def unwritten(self) -> int:
        """How many bytes wait for the disk."""
        return self._pending_bytes + self._asked_bytes

    # Writing

    def append(
        self,
        kind: int,
        stream: int,
        seq: int,
        time_ns: int,
        subject: bytes,
        header: bytes | None,
        payload: bytes,
        expires_ns: int = -1,
        packed: bool = False,
    ) -> int:
        """One record, not yet given to the disk (see kick). expires_ns: -1 for none; packed: what the payload is.
        Returns its place."""
        if not self._offset:
            self._begin(self._segment, *self._before)
        watermark = self.synced if self.synced != self._marked else 0
        content = (kind, stream, seq, time_ns, subject, header, payload, expires_ns, watermark, packed)
        record = render_record(seed_of(self.position, self.salt), *content)
        if self._offset + len(record) > self._segment_bytes and self._offset > HEAD_BYTES:
            self.sealed.append((self._segment, self._offset))
            self._begin(self._segment + 1, self._segment, self._offset)
            record = render_record(seed_of(self.position, self.salt), *content)
        if watermark:
            self._marked = watermark
        place = self.position
        self._put(record)
        return place

    def _put(self, data: bytes) -> None:
        self._recent[self.position] = data
        self._recent_bytes += len(data)
        self._pending.append(data)
        self._pending_bytes += len(data)
        self._offset += len(data)

    def _begin(self, segment: int, before: int, before_bytes: int) -> None:
        if self._pending:
            self._write()
        self._segment = segment
        self._offset = 0
        self._pending_from = place_of(segment, 0)
        self._put(render_head(segment, self.uuid, before, before_bytes))

    def _write(self) -> None:
        """Hand what is pending to the system; it is in one segment."""
        if self.failure:
            return
        data = b"".join(self._pending)
        segment, at = segment_of(self._pending_from), offset_of(self._pending_from)
        try:
            if self._out is None or self._out[0] != segment:
                if self._out is not None:
                    os.close(self._out[1])
                    self._out = None
                name = segment_name(segment)
                if self._spares:
                    self._disk.rename(self._spares.pop(0), name)
                self._out = segment, self._disk.open(name)
                self._out_bytes = os.fstat(self._out[1]).st_size
            self._disk.write(self._out[1], data, at)
            self._extend(at + len(data), len(data))
        except OSError as error:
            self._fail(f"write: {error.strerror}")
            return
        self.writes += 1
        self._asked_bytes += len(data)
        self._pending = []
        self._pending_bytes = 0
        self._pending_from = place_of(segment, at + len(data))

    def _extend(self, end: int, written: int) -> None:
        """Zeros behind a small write at the end of a file: syncs that follow need not write its size."""
        if self._out is None or end <= self._out_bytes:
            return
        self._out_bytes = end
        if written < STEP_BYTES // 8 and self._ask == b"s" and end < self._segment_bytes:
            zeros = bytes(min(STEP_BYTES, self._segment_bytes - end))
            with suppress(OSError):  # without them all goes on as well, only slower
                self._disk.write(self._out[1], zeros, end)
                self._out_bytes = end + len(zeros)

    def kick(self, *, watched: bool = False) -> None:
        """Give what was appended to the disk, if that is not busy. watched: `watch_no_more` is called before long."""
        if self._asked or not self._pending or self.failure:
            return
        self._write()
        if not self.failure:
            self._asked = True
            self._have_synced(self._ask, self._pending_from)

    def watch_no_more(self) -> None:
        """What was kicked with `watched` is left to `settle` by this form: its disk is another process."""

    def _have_synced(self, what: bytes, place: int) -> None:
        try:
            self._disk.ask(what, place)
        except OSError as error:
            self._fail(f"sync: {error.strerror}")

    def settle(self, wait_s: float = 0) -> None:
        """See how far the disk has come."""
        if self.failure:
            return
        try:
            answers = self._disk.answers(wait_s)
        except OSError as error:
            self._fail(f"sync: {error.strerror}")
            return
        for what, place, error_number in answers:
            if error_number:
                self._fail(f"fdatasync: {os.strerror(error_number)}")
                return
            if what != b"t":
                self._asked = False
                self._asked_bytes = 0
                self.durable = place
            if what != b"w":
                self.syncs += 1
                self.synced = place
        self.kick()
        while self._orders and self._orders[0][0] <= self.synced and not self.failure:
            _, carry_out = self._orders.pop(0)
            try:
                carry_out()
            except OSError as error:
                self._fail(f"tidying up: {error.strerror}")
        while self._recent_bytes > self._cache_bytes:
            place = next(iter(self._recent))
            if place >= self.durable:
                break
            self._recent_bytes -= len(self._recent.pop(place))

    def _fail(self, text: str) -> None:
        self.failure = self.failure or text

    def wait(self, place: int = 0, most_s: float = 60) -> None:
        """Block until the disk has come to a place (0: until nothing is left to do). For closing and for tests."""
        self.kick()
        while not self.failure:
            if self.durable >= (place or self.position) and (place or not self._due()) or not self._offset:
                break
            before = self.durable, len(self._orders), self.synced
            self.settle(0 if self._due() else most_s)
            if before == (self.durable, len(self._orders), self.synced):
                break

    def _due(self) -> bool:
        return bool(self._orders) and self._orders[0][0] <= self.synced

    def close(self) -> None:
        """Write and sync what was appended, and let go of the files."""
        self._ask = b"s"
        self.wait()
        if not self.failure and self.synced < self.position:
            self._have_synced(b"s", self.position)
            while self.synced < self.position and not self.failure:
                self.settle(60)
        self._disk.close()
        for fd in self._files.values():
            os.close(fd)
        self._files.clear()
        if self._out is not None:
            os.close(self._out[1])
            self._out = None

    # Space

    def count(self, segment: int, change: int) -> None:
        """Live bytes of a segment became more or fewer."""
        self._live[segment] = self._live.get(segment, 0) + change

    def live_bytes(self, segment: int) -> int:
        return self._live.get(segment, 0)

    def save(self, segment: int, saved: int) -> None:
        """A segment is so many bytes shorter than its messages, which count unpacked, would make it."""
        if saved:
            self._saved[segment] = self._saved.get(segment, 0) + saved

    def saved_bytes(self, segment: int) -> int:
        return self._saved.get(segment, 0)

    def recycle(self, segment: int, after: int) -> None:
        """Nothing in a segment is needed once the log is on disk up to a place: its file may be used again."""
        self._orders.append((after, lambda: self._recycle(segment)))

    def _recycle(self, segment: int) -> None:
        fd = self._files.pop(segment, None)
        if fd is not None:
            os.close(fd)
        name = segment_name(segment)
        self._live.pop(segment, None)
        self._saved.pop(segment, None)
        try:
            size = os.stat(os.path.join(self.directory, name)).st_size
        except FileNotFoundError:
            return
        if len(self._spares) < SPARES and size == self._segment_bytes:
            self._spare_number += 1
            spare = f"spare-{self._spare_number:08d}"
            self._disk.rename(name, spare)
            self._spares.append(spare)
        else:
            self._disk.unlink(name)
        self._disk.sync_directory()

    def overwrite(self, place: int, data: bytes, after: int) -> None:
        """Put other bytes at a place once the log is on disk up to another one."""
        name = segment_name(segment_of(place))
        self._orders.append((after, lambda: self._disk.patch(name, data, offset_of(place))))

    def keep(self, name: str, data: bytes, after: int) -> None:
        """Write a file of its own (a checkpoint) in one step, once the log is on disk up to a place."""
        self._orders.append((after, lambda: self._disk.put(name, data)))

    # Reading

    def raw(self, place: int) -> bytes:
        """The bytes of the record at a place; fewer, or none, where there are no more. StoreError where the system
        refuses: that says nothing of what is there."""
        found = self._recent.get(place)
        if found is not None:
            return found
        segment, offset = segment_of(place), offset_of(place)
        try:
            fd = self._file(segment)
            data = os.pread(fd, 4096, offset)
            if len(data) < RECORD_BYTES:
                return b""
            length = RECORD.unpack_from(data)[1]
            if length > len(data) and len(data) == 4096:
                data += os.pread(fd, length - len(data), offset + len(data))
        except FileNotFoundError:
            return b""
        except OSError as error:
            raise StoreError(f"{self.directory}: segment {segment} cannot be read: {error.strerror}") from error
        return data[:length]

    def _file(self, segment: int) -> int:
        """A segment's file, open to be read."""
        fd = self._files.get(segment)
        if fd is None:
            while len(self._files) >= OPEN_FILES:
                os.close(self._files.pop(next(iter(self._files))))
            path = os.path.join(self.directory, segment_name(segment))
            try:
                fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
            except OSError as error:
                if error.errno not in TOO_MANY or not self._files:
                    raise
                os.close(self._files.popitem()[1])
                fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
            self._files[segment] = fd
        return fd

    def load(self, place: int, seq: int) -> tuple[bytes | None, bytes] | None:
        """Header and payload of the message at a place; None where these are not the bytes that were written."""
        record = parse_record(self.raw(place), 0, place, self.salt)
        if record is None or record.seq != seq:
            return None
        payload = unpack(record.payload) if record.packed else record.payload
        return None if payload is None else (record.header, payload)


def segment_name(segment: int) -> str:
    return f"{segment:08d}.seg"
